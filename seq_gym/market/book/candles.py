"""Candles made from the prints of a recorded book.

Source: spec C1, C4.
"""

from __future__ import annotations

import numpy as np

from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.columns import CandleColumns

__all__ = ["candles_of_prints"]


def candles_of_prints(events: BookEvents, interval_ns: int) -> CandleColumns | None:
    """Make candles from what was traded, by the venue's clock.

    Args:
        events: The recording.
        interval_ns: Length of a candle; they are aligned to UTC.

    Returns:
        Candles that lie within the recording as a whole and have a print; None where none does.
        What the recorder lost is not in them.
    """
    rows = np.flatnonzero((events.kind == BookKind.TRADE) & (events.exch_ts >= 0))
    rows = rows[np.argsort(events.exch_ts[rows], kind="stable")]
    known = events.exch_ts[events.exch_ts >= 0]
    if not len(rows):
        return None
    bars = events.exch_ts[rows] // interval_ns
    first, after = -(-int(known.min()) // interval_ns), (int(known.max()) + 1) // interval_ns
    whole = (bars >= first) & (bars < after)
    rows, bars = rows[whole], bars[whole]
    if not len(rows):
        return None
    starts = np.flatnonzero(np.concatenate(([True], np.diff(bars) > 0)))
    ends = np.append(starts[1:], len(rows)) - 1
    price, qty = events.price[rows], events.qty[rows]
    return CandleColumns(
        symbol=events.symbol,
        time_ns=bars[starts] * interval_ns,
        open=price[starts],
        high=np.maximum.reduceat(price, starts),
        low=np.minimum.reduceat(price, starts),
        close=price[ends],
        volume=np.add.reduceat(qty, starts),
        quote_volume=np.add.reduceat(price * qty, starts),
        extra={"trades": (ends - starts + 1).astype(np.float64)},
        interval_ns=interval_ns,
        source=f"prints of {events.symbol} at {events.venue}",
        has_volume=True,
    )
