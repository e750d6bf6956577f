"""Where a table lies in the store: hive-partitioned folders, one part file per month or year.

```text
candles/interval=1m/symbol=BTCUSDT/venue=binance/2025-05.parquet
mark/interval=1h/symbol=BTCUSDT/venue=binance/2025-05.parquet
funding/symbol=BTCUSDT/venue=binance/2025.parquet
```

Source: design.md, "The data store".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import quote, unquote

import numpy as np

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.columns import IntArray
from seq_gym.times import format_interval, parse_interval

__all__ = ["KINDS", "Kind", "TableKey", "part_codes", "part_stem"]

Kind = Literal["candles", "mark", "funding"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableKey:
    """Names one table of the store.

    Raises:
        UnknownName: There is no such kind.
        ConfigError: Symbol or venue is empty, or the interval is stated for funding or missing for
            the others.
    """

    kind: Kind
    """Candles, mark prices or funding rates."""
    symbol: str
    """The venue's own spelling."""
    venue: str
    """Where it is traded."""
    interval_ns: int | None = None
    """Length of a candle; None for funding rates, which are stamps."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("table kind", self.kind, KINDS)
        for name in ("symbol", "venue"):
            if not getattr(self, name).strip():
                raise ConfigError(
                    f"A table of the store must have a {name}; was ''. Name it: {name}='...'."
                )
        if (self.interval_ns is None) != (self.kind == "funding"):
            raise ConfigError(
                "Candles and mark prices must have an interval, funding rates none; was "
                f"{self.interval_ns!r} for {self.kind}."
            )

    @property
    def interval(self) -> str | None:
        """The interval as text, such as "1m"; None for funding rates."""
        return None if self.interval_ns is None else format_interval(self.interval_ns)

    @property
    def folder(self) -> str:
        """The folder below the root of the store; values that a path cannot hold are encoded."""
        named = {"interval": self.interval, "symbol": self.symbol, "venue": self.venue}
        parts = [f"{name}={quote(text, safe='')}" for name, text in named.items() if text]
        return "/".join([self.kind, *parts])

    @classmethod
    def of_folder(cls, folder: str) -> TableKey | None:
        """Read a folder's name; None where it is no table's."""
        kind, *parts = folder.split("/")
        named = {}
        for part in parts:
            name, _, value = part.partition("=")
            named[name] = unquote(value)
        wanted = {"symbol", "venue"} if kind == "funding" else {"interval", "symbol", "venue"}
        if kind not in KINDS or set(named) != wanted:
            return None
        interval = named.pop("interval", None)
        try:
            length = None if interval is None else parse_interval(interval)
            return cls(kind=kind, interval_ns=length, **named)
        except ConfigError:
            return None

    def __str__(self) -> str:
        length = f" {self.interval}" if self.interval else ""
        return f"{self.kind} of {self.symbol}{length} at {self.venue}"


def part_codes(key: TableKey, times: IntArray) -> IntArray:
    """Number the part of each time: months since 1970, or years for funding rates.

    >>> funding = TableKey(kind="funding", symbol="BTCUSDT", venue="binance")
    >>> part_codes(funding, np.array([0, 400 * 86_400 * 10**9])).tolist()
    [0, 1]
    """
    unit = "M8[Y]" if key.kind == "funding" else "M8[M]"
    codes: IntArray = times.astype("M8[ns]").astype(unit).astype(np.int64)
    return codes


def part_stem(key: TableKey, code: int) -> str:
    """Name the part of a number.

    >>> part_stem(TableKey(kind="candles", symbol="A", venue="b", interval_ns=60), 664)
    '2025-05'
    """
    return str(np.datetime64(int(code), "Y" if key.kind == "funding" else "M"))
