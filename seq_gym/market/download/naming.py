"""Which files of a public archive hold a stretch of time: the naming of data.binance.vision.

A file is a finished month or a finished UTC day. Whole months come as one file, the rest by day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from seq_gym.errors import ConfigError
from seq_gym.times import NS_PER_DAY

__all__ = ["INTERVALS", "MARKETS", "ArchiveFile", "ArchiveMarket", "days_of", "plan_files"]

ArchiveMarket: TypeAlias = Literal["spot", "um", "cm"]
"""Spot, futures margined in USDT, futures margined in coin."""

Table: TypeAlias = Literal["candles", "mark", "funding"]

MARKETS: Final = {"spot": "spot", "um": "futures/um", "cm": "futures/cm"}
INTERVALS: Final = (
    "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d",
)  # fmt: skip
"""Candles of the archive that lie on a grid; those of seconds are of the spot market only."""

_FOLDERS: Final = {"candles": "klines", "mark": "markPriceKlines", "funding": "fundingRate"}
_EPOCH: Final = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFile:
    """One file of an archive, and what it covers."""

    path: str
    """Below the archive's address."""
    from_ns: int
    """First instant that it covers, UNIX nanoseconds."""
    to_ns: int
    """Instant at which it ends."""
    is_month: bool
    """It holds a month; else a day."""


def plan_files(
    symbol: str,
    *,
    table: Table,
    market: ArchiveMarket,
    interval: str,
    start_ns: int,
    end_ns: int,
    now_ns: int,
) -> list[ArchiveFile]:
    """List the files that hold a stretch of time, in time order.

    Args:
        symbol: The archive's spelling.
        table: Candles, mark price candles, or funding rates (which come by month only).
        market: Spot, um or cm.
        interval: The archive's name of the candle; not used for funding rates.
        start_ns: First instant, UNIX nanoseconds.
        end_ns: End, exclusive.
        now_ns: The present; what is not finished then is left out.

    Raises:
        ConfigError: The market has no such table.

    >>> files = plan_files(
    ...     "BTCUSDT",
    ...     table="candles",
    ...     market="spot",
    ...     interval="1h",
    ...     start_ns=0,
    ...     end_ns=32 * NS_PER_DAY,
    ...     now_ns=10**18,
    ... )
    >>> [each.path.rpartition("/")[2] for each in files]
    ['BTCUSDT-1h-1970-01.zip', 'BTCUSDT-1h-1970-02-01.zip']
    """
    if market == "spot" and table != "candles":
        raise ConfigError(
            f"market must be a futures market for kind {table!r}; was 'spot'. Likely fix: um."
        )
    stem = symbol if table == "funding" else f"{symbol}/{interval}"
    name = f"{symbol}-{'fundingRate' if table == 'funding' else interval}"
    by_month, by_day = (
        f"data/{MARKETS[market]}/{period}/{_FOLDERS[table]}/{stem}/{name}"
        for period in ("monthly", "daily")
    )
    end_ns = min(end_ns, now_ns - now_ns % NS_PER_DAY)
    files: list[ArchiveFile] = []
    for month_ns, next_ns in _months(start_ns, end_ns):
        whole = start_ns <= month_ns and next_ns <= end_ns
        if whole or (table == "funding" and next_ns <= now_ns):
            path = f"{by_month}-{_date(month_ns):%Y-%m}.zip"
            files.append(ArchiveFile(path=path, from_ns=month_ns, to_ns=next_ns, is_month=True))
        elif table != "funding":
            files += _days(by_day, max(start_ns, month_ns), min(end_ns, next_ns))
    return files


def days_of(month: ArchiveFile) -> list[ArchiveFile]:
    """Return the files of the days of a month of candles."""
    stem = month.path.removesuffix(".zip")[: -len("-2025-01")]
    return _days(stem.replace("/monthly/", "/daily/", 1), month.from_ns, month.to_ns)


def _days(stem: str, start_ns: int, end_ns: int) -> list[ArchiveFile]:
    first = start_ns - start_ns % NS_PER_DAY
    return [
        ArchiveFile(
            path=f"{stem}-{_date(day):%Y-%m-%d}.zip",
            from_ns=day,
            to_ns=day + NS_PER_DAY,
            is_month=False,
        )
        for day in range(first, end_ns, NS_PER_DAY)
    ]


def _months(start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    if start_ns >= end_ns:
        return
    first = _date(start_ns).replace(day=1)
    while _instant(first) < end_ns:
        following = (first + dt.timedelta(days=31)).replace(day=1)
        yield _instant(first), _instant(following)
        first = following


def _date(instant_ns: int) -> dt.date:
    return _EPOCH + dt.timedelta(days=instant_ns // NS_PER_DAY)


def _instant(day: dt.date) -> int:
    return (day - _EPOCH).days * NS_PER_DAY
