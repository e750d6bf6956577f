"""Where to put phantom orders: beside real arrivals, or at the touch at regular times."""

from __future__ import annotations

import numpy as np

from seq_gym._jit import kernel
from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.book.orders import IntArray, OrderFlow, OrderKind, lots_displayed
from seq_gym.market.book.queue_truth import QueueTruth, follow_phantoms
from seq_gym.times import NS_PER_S

__all__ = ["follow_arrivals", "follow_touch", "touch_ticks"]


@kernel
def _touch(
    side: IntArray, level: IntArray, change: IntArray, totals: IntArray, touch: IntArray
) -> None:
    """Find the best levels after each row.

    Args:
        side: int64 [L]: 0 bid, 1 ask.
        level: int64 [L]: number of the row's tick among all ticks, ascending.
        change: int64 [L]: signed lots.
        totals: int64 [2, ticks], zeros: used.
        touch: int64 [L, 2], filled: numbers of the best ticks, -1 and the number of ticks if none.
    """
    best = np.array([-1, totals.shape[1]])
    for row in range(len(level)):
        s, at = side[row], level[row]
        step = 2 * s - 1  # away from the touch
        totals[s, at] += change[row]
        if totals[s, at] > 0 and (at - best[s]) * step < 0:
            best[s] = at
        while 0 <= best[s] < totals.shape[1] and totals[s, best[s]] == 0:
            best[s] += step
        touch[row, 0], touch[row, 1] = best[0], best[1]


def touch_ticks(flow: OrderFlow) -> IntArray:
    """Return the best ticks after each row: int64 [L, 2], bid and ask; -1 where a side is empty."""
    ticks, level = np.unique(flow.tick, return_inverse=True)
    touch = np.zeros((len(level), 2), np.int64)
    totals = np.zeros((2, len(ticks)), np.int64)
    _touch((flow.side < 0).astype(np.int64), level.astype(np.int64), flow.change, totals, touch)
    known = (touch >= 0) & (touch < len(ticks))
    return np.where(known, ticks[np.where(known, touch, 0)], -1).astype(np.int64)


def follow_touch(
    flow: OrderFlow, *, every_seconds: float = 1.0, lots: int = 1, seconds: float = 60.0
) -> QueueTruth:
    """Follow phantoms that join the best bid and the best ask at regular times.

    Args:
        flow: What happened to the orders that were.
        every_seconds: Time between two pairs of them, > 0.
        lots: Size of each.
        seconds: How long each is followed at most.

    Raises:
        ConfigError: The time between is not positive.
        MarketDataError: There is never a book to join.
    """
    if not every_seconds > 0:
        raise ConfigError(f"every_seconds must be > 0; was {every_seconds!r}.")
    touch = touch_ticks(flow)
    times = np.arange(flow.exch_ts[0], flow.exch_ts[-1], round(every_seconds * NS_PER_S))[1:]
    row = np.searchsorted(flow.message, flow.message[np.searchsorted(flow.exch_ts, times)])
    row = np.unique(row)
    best = touch[row - 1]
    # A recording may show crossed quotes: nobody could have joined them.
    open_ = (best[:, 0] >= 0) & (best[:, 1] > best[:, 0])
    row, best = row[open_], best[open_]
    if not len(row):
        raise MarketDataError("A phantom must have a touch to join; the book was always empty.")
    return follow_phantoms(
        flow,
        row=np.repeat(row, 2),
        side=np.tile(np.array([1, -1]), len(row)),
        tick=best.reshape(-1),
        lots=lots,
        seconds=seconds,
    )


def follow_arrivals(
    flow: OrderFlow, *, num_orders: int = 2_000, seconds: float = 60.0
) -> QueueTruth:
    """Follow phantoms that join where real orders did, just before them, behind others.

    Args:
        flow: What happened to the orders that were.
        num_orders: How many at most, evenly spread over the arrivals that others were ahead of.
        seconds: How long each is followed at most.

    Returns:
        Each phantom of the size of the real order, before the first row of its message.

    Raises:
        MarketDataError: No order joined a level behind another one.
    """
    arrival = np.flatnonzero(flow.kind == OrderKind.ADD)
    row = np.searchsorted(flow.message, flow.message[arrival])
    ahead = lots_displayed(flow, row, flow.side[arrival], flow.tick[arrival])
    arrival, row = arrival[ahead > 0], row[ahead > 0]
    if not len(arrival):
        raise MarketDataError("An order must have joined a level behind another; none has.")
    pick = np.unique(np.linspace(0, len(arrival) - 1, num_orders).astype(np.int64))
    arrival, row = arrival[pick], row[pick]
    return follow_phantoms(
        flow,
        row=row,
        side=flow.side[arrival],
        tick=flow.tick[arrival],
        lots=flow.lots[arrival],
        seconds=seconds,
    )
