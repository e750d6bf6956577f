"""The feed of the book rows: the real USD-M BTC recording, tiled to five million rows.

A tile begins with a CLEAR of both sides and the recording's own snapshot, so that the book is whole
at every seam; times go on and never overlap.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.importers import read_recording
from seq_gym.market.book.synthetic import synthetic_book

ROWS = 5_000_000
QUICK_ROWS = 1_000_000
_REAL = "usdm/btcusdt_20240808.gz"
_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "book" / "binance"
_PAUSE_NS = 100_000_000


def has_recording() -> bool:
    """Whether the real recording lies beside the project."""
    return (_SHARED / _REAL).exists()


def feed_name() -> str:
    """Say which feed it is."""
    return "real USD-M BTCUSDT" if has_recording() else "synthetic BTCUSDT"


@cache
def recording() -> BookEvents:
    """Return six minutes of one instrument, from its snapshot on."""
    if not has_recording():
        return synthetic_book(seconds=360.0)
    found = read_recording(_SHARED / _REAL, fix_clock=True)
    events = max((each.events for each in found), key=lambda each: each.num_events)
    first = int(np.flatnonzero(events.kind == BookKind.SNAPSHOT)[0])
    start = max(int(events.exch_ts[first]), int(events.local_ts[first])) + 1
    return events.window(start)


@cache
def tiled(num_rows: int = ROWS) -> BookEvents:
    """Return the recording again and again, at least that many rows."""
    one = recording()
    count = -(-num_rows // one.num_events)
    span = one.end_ns - one.start_ns + _PAUSE_NS
    columns: dict[str, NDArray[Any]] = {
        name: np.tile(getattr(one, name), count) for name in ("seq", "kind", "side", "tick", "lots")
    }
    shift = np.repeat(np.arange(count) * span, one.num_events)
    for name in ("exch_ts", "local_ts"):
        column = np.tile(getattr(one, name), count)
        columns[name] = np.where(column >= 0, column + shift, -1)
    return replace(one, **columns)


def price_region(events: BookEvents) -> tuple[float, float]:
    """Return the prices that the peer's vector of prices spans: those around the prints."""
    prices = events.price[events.kind == BookKind.TRADE]
    return float(prices.min()) * 0.9, float(prices.max()) * 1.1
