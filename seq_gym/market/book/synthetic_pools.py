"""The order book of the synthetic market: orders by name, in queues, by level.

Orders live in slots and are chained by level, oldest first; levels live in a ring by the low bits
of their tick. What happens to an order is written as a row of output.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym._jit import helper

__all__ = ["OUT_COLUMNS", "Pools", "make_pools", "place_order", "show_book", "take"]

IntArray = npt.NDArray[np.int64]

OUT_COLUMNS: Final = 7
"""Columns of what comes out: exch_ts, message, kind, side, tick, lots, order."""
SLOTS: Final = 1 << 16
"""Orders that the book has room for."""
RING: Final = 1 << 13
"""Levels of a side that it has room for."""

# OrderKind
_REST, _ADD, CANCEL, FILL = 0, 1, 2, 3
# Pools.state
OUT, MESSAGE, NEXT_ORDER, DRAWS, NUM_FREE, EMITTING, CAPACITY = 0, 1, 2, 3, 4, 5, 6
BEST, COUNT = 8, 10  # two values each: bid, ask


class Pools(NamedTuple):
    """The book: orders in slots, chained by level; levels in a ring by the tick's low bits."""

    tick: IntArray
    side: IntArray  # 0 bid, 1 ask
    lots: IntArray
    order: IntArray
    born: IntArray
    before: IntArray
    after: IntArray
    place: IntArray  # index in alive
    free: IntArray
    alive: IntArray  # [2, slots]
    level_tick: IntArray  # [2, ring]
    level_lots: IntArray
    level_orders: IntArray
    head: IntArray
    tail: IntArray
    state: IntArray
    out: IntArray  # [capacity, OUT_COLUMNS]


def make_pools(capacity: int) -> Pools:
    """Make an empty book with room for that many rows of output."""
    per_order = [np.zeros(SLOTS, np.int64) for _ in range(8)]
    levels = [np.zeros((2, RING), np.int64) for _ in range(3)]
    ends = [np.full((2, RING), -1, np.int64) for _ in range(2)]
    state = np.zeros(16, np.int64)
    state[NUM_FREE], state[CAPACITY] = SLOTS, capacity
    free, alive = np.arange(SLOTS, dtype=np.int64), np.zeros((2, SLOTS), np.int64)
    out = np.zeros((capacity, OUT_COLUMNS), np.int64)
    columns = [*per_order, free, alive, *levels, *ends, state, out]
    return Pools(*columns)


@helper
def _emit(pools: Pools, ts: int, kind: int, slot: int, lots: int) -> None:
    """Write one row, where there is room and the market is on show."""
    row = pools.state[OUT]
    if pools.state[EMITTING] == 0 or row >= pools.state[CAPACITY]:
        return
    pools.state[OUT] = row + 1
    out = pools.out
    out[row, 0] = ts
    out[row, 1] = pools.state[MESSAGE]
    out[row, 2] = kind
    out[row, 3] = 1 - 2 * pools.side[slot]
    out[row, 4] = pools.tick[slot]
    out[row, 5] = lots
    out[row, 6] = pools.order[slot]


@helper
def take(pools: Pools, ts: int, kind: int, slot: int, lots: int) -> None:
    """Take lots from an order; an empty order leaves its queue."""
    state = pools.state
    side, tick = pools.side[slot], pools.tick[slot]
    at = tick & (RING - 1)
    _emit(pools, ts, kind, slot, lots)
    pools.lots[slot] -= lots
    pools.level_lots[side, at] -= lots
    if pools.lots[slot] > 0:
        return
    before, after = pools.before[slot], pools.after[slot]
    if before >= 0:
        pools.after[before] = after
    else:
        pools.head[side, at] = after
    if after >= 0:
        pools.before[after] = before
    else:
        pools.tail[side, at] = before
    pools.level_orders[side, at] -= 1
    state[COUNT + side] -= 1
    last = pools.alive[side, state[COUNT + side]]
    pools.alive[side, pools.place[slot]] = last
    pools.place[last] = pools.place[slot]
    pools.free[state[NUM_FREE]] = slot
    state[NUM_FREE] += 1
    best = state[BEST + side]
    while state[COUNT + side] > 0 and (
        pools.level_lots[side, best & (RING - 1)] == 0
        or pools.level_tick[side, best & (RING - 1)] != best
    ):
        best += 2 * side - 1
    state[BEST + side] = best


@helper
def place_order(pools: Pools, ts: int, side: int, tick: int, lots: int) -> None:
    """Put an order at the back of its level; a level far away that has its ring slot goes."""
    state = pools.state
    at = tick & (RING - 1)
    while pools.level_lots[side, at] > 0 and pools.level_tick[side, at] != tick:
        slot = pools.head[side, at]
        take(pools, ts, CANCEL, slot, pools.lots[slot])
    state[NUM_FREE] -= 1
    slot = pools.free[state[NUM_FREE]]
    pools.tick[slot], pools.side[slot], pools.lots[slot] = tick, side, lots
    pools.order[slot], pools.born[slot] = state[NEXT_ORDER], ts
    state[NEXT_ORDER] += 1
    pools.before[slot], pools.after[slot] = pools.tail[side, at], -1
    if pools.tail[side, at] >= 0:
        pools.after[pools.tail[side, at]] = slot
    else:
        pools.head[side, at] = slot
    pools.tail[side, at] = slot
    pools.level_tick[side, at] = tick
    pools.level_lots[side, at] += lots
    pools.level_orders[side, at] += 1
    pools.place[slot] = state[COUNT + side]
    pools.alive[side, state[COUNT + side]] = slot
    if state[COUNT + side] == 0 or (tick - state[BEST + side]) * (1 - 2 * side) > 0:
        state[BEST + side] = tick
    state[COUNT + side] += 1
    _emit(pools, ts, _ADD, slot, lots)


@helper
def show_book(pools: Pools, ts: int) -> None:
    """Begin to write: first what rests, level by level from the touch, in queue order."""
    state = pools.state
    state[EMITTING], state[MESSAGE], state[NEXT_ORDER] = 1, 0, 0
    for side in range(2):
        tick = state[BEST + side]
        left = state[COUNT + side]
        while left > 0:
            at = tick & (RING - 1)
            slot = pools.head[side, at] if pools.level_tick[side, at] == tick else -1
            while slot >= 0:
                pools.order[slot] = state[NEXT_ORDER]
                state[NEXT_ORDER] += 1
                _emit(pools, ts, _REST, slot, pools.lots[slot])
                left -= 1
                slot = pools.after[slot]
            tick += 2 * side - 1
