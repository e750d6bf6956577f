"""How the doors name a store: "store", "store:PATH", "s3://...", a folder that is one, a Store.

A venue may follow, as in "store?venue=binance".

Source: S1-03, S1-05, S1-61.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from seq_gym.errors import ConfigError
from seq_gym.market.candles import CandleSeries
from seq_gym.market.store.layout import manifest_patterns
from seq_gym.market.store.manifest import MANIFEST_NAME
from seq_gym.market.store.store import Store
from seq_gym.times import NS_PER_DAY, IntervalLike, TimeLike, format_time, parse_time

__all__ = ["is_store_name", "load_until", "load_window", "store_of"]

_MARGIN_NS: Final = 30 * NS_PER_DAY
"""What a window is loaded with on either side: what a session may look back at, such as the volume
of a day and earlier candles; and enough of what follows that a gap at the window's end is not taken
for the end of a symbol's data."""


def store_of(data: Any) -> Store | None:
    """Return the store that is named; None where the data is something else.

    Args:
        data: A Store; "store" for the one that SIM_STORE, SIM_STORE_PATH and SIM_S3_BUCKET name;
            "store:PATH"; "s3://bucket/prefix"; or a folder that holds tables of a store. To text,
            "?venue=NAME" may be added.

    Raises:
        ConfigError: What follows the question mark is no venue.
    """
    if isinstance(data, Store):
        return data
    if isinstance(data, str) and is_store_name(data):
        name, _, asked = data.partition("?")
        where = None if name == "store" else name.removeprefix("store:")
        return Store.open(where, venue=_venue_of(asked, data))
    if isinstance(data, str | os.PathLike) and _holds_tables(Path(data)):
        return Store.open(data)
    return None


def is_store_name(text: str) -> bool:
    """Tell whether text names a store, whatever files there are."""
    return text == "store" or text.startswith(("store:", "store?", "s3://"))


def load_window(
    store: Store,
    *,
    symbols: str | Sequence[str] | None = None,
    interval: IntervalLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> CandleSeries:
    """Load what a session of a window needs: the window, and a month on either side of it.

    Args:
        store: The store.
        symbols: Symbols wanted; None = all.
        interval: The grid; None = the finest.
        start: Start of the window; None = that of the data.
        end: End of the window; a date includes that day; None = that of the data.

    Raises:
        ConfigError: The window does not lie within the data; the message names its range (S1-03).

    Source: S1-03, S1-61, C8.
    """
    start_ns = None if start is None else parse_time(start)
    end_ns = None if end is None else parse_time(end, end=True)
    first_ns, last_ns = store.span(symbols)
    for name, time_ns in (("start_time", start_ns), ("end_time", end_ns)):
        if time_ns is not None and not first_ns <= time_ns <= last_ns:
            raise ConfigError(
                f"{name} must lie within the data, {format_time(first_ns)} to "
                f"{format_time(last_ns)}; was {format_time(time_ns)}."
            )
    return store.load(
        symbols=symbols,
        interval=interval,
        start=None if start_ns is None else start_ns - _MARGIN_NS,
        end=None if end_ns is None else end_ns + _MARGIN_NS,
    )


def load_until(
    store: Store,
    *,
    symbols: str | Sequence[str] | None = None,
    interval: IntervalLike | None = None,
    end: TimeLike | None = None,
) -> CandleSeries:
    """Load what an environment needs: all that precedes its end, and a month after it.

    Raises:
        MarketDataError: The store has no candles there.
    """
    end_ns = None if end is None else parse_time(end, end=True) + _MARGIN_NS
    return store.load(symbols=symbols, interval=interval, end=end_ns)


def _venue_of(asked: str, data: str) -> str | None:
    if not asked:
        return None
    name, _, venue = asked.partition("=")
    if name != "venue" or not venue:
        raise ConfigError(f"A store may be followed by ?venue=NAME; was {data!r}.")
    return venue


def _holds_tables(path: Path) -> bool:
    return path.is_dir() and any(
        next(path.glob(pattern), None) is not None for pattern in manifest_patterns(MANIFEST_NAME)
    )
