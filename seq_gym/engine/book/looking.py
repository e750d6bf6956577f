"""Reading books from Python: the levels of a side, of a tape as of a row, or as an account sees."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, int32s_at, kernel
from seq_gym.engine.book.codes import BUY, CLOCK_LOCAL, NO_ASK, NO_BID, SELL
from seq_gym.engine.book.levels import level_of, lots_at, lots_of, next_tick, side_of
from seq_gym.engine.book.shadow import next_seen, seen_best, seen_lots
from seq_gym.engine.book.tables import context_at, local_row, tape_at, venue_row

__all__ = ["read_levels", "read_seen", "read_touches"]


@kernel
def read_levels(address: int, clock: int, side: int, row: int, ticks: Any, lots: Any) -> int:
    """Write the displayed levels of a side from the best outwards.

    Args:
        address: Of the TAPE record.
        clock: CLOCK_LOCAL or CLOCK_VENUE: what `row` counts.
        side: +1 for bids, -1 for asks.
        row: The last row applied; -1: none.
        ticks: int64 [K], written.
        lots: int64 [K], written.

    Returns:
        How many of the K levels there are.
    """
    t = tape_at(address, 0)
    if row < 0:
        return 0
    last = local_row(t, row) if clock == CLOCK_LOCAL else venue_row(t, row)
    tick = last.bid if side == BUY else last.ask
    count = 0
    while count < len(ticks) and tick != NO_BID and tick != NO_ASK:
        ticks[count] = tick
        lots[count] = lots_at(t, clock, side, tick, row)
        count += 1
        tick = next_tick(t, clock, side, tick, row)
    return count


@kernel
def read_seen(context: int, e: int, s: int, side: int, ticks: Any, lots: Any) -> int:
    """Write the levels of a side that an account sees now, its own orders and holes included (Z2).

    Args:
        context: Address of the CONTEXT record.
        e: The account.
        s: The lane.
        side: +1 for bids, -1 for asks.
        ticks: int64 [K], written.
        lots: int64 [K], written.

    Returns:
        How many of the K levels there are.
    """
    c = context_at(context, 0)
    tick = seen_best(c, e, s, side)
    count = 0
    while count < len(ticks) and tick != NO_BID and tick != NO_ASK:
        ticks[count] = tick
        lots[count] = seen_lots(c, e, s, side, tick)
        count += 1
        tick = next_seen(c, e, s, side, tick)
    return count


@helper
def _write_best(t: Any, side: int, best: int, row: int, ticks: Any, lots: Any) -> None:
    """Write the best levels of a side, [K] each, as `read_touches` does."""
    levels = side_of(t, CLOCK_LOCAL, side)
    none = NO_BID if side == BUY else NO_ASK
    index = level_of(levels, best) if best != none else -1
    for level in range(len(ticks)):
        ticks[level] = none
        lots[level] = 0
        while 0 <= index < levels.num_levels:
            held = lots_of(levels, index, row)
            if held > 0:
                ticks[level] = int32s_at(levels.ticks)[index]
                lots[level] = held
                index -= side
                break
            index -= side


@kernel
def read_touches(address: int, rows: Any, ticks: Any, lots: Any) -> None:
    """Write the best levels of both sides at many rows of the agent's clock.

    Args:
        address: Of the TAPE record.
        rows: int64 [T], the last row applied; -1: none.
        ticks: int32 [T, 2, K], written: bids from the best down, asks from the best up; NO_BID or
            NO_ASK where there are no more.
        lots: float32 [T, 2, K], written.
    """
    t = tape_at(address, 0)
    for k in range(len(rows)):
        bid, ask = NO_BID, NO_ASK
        if rows[k] >= 0:
            bid, ask = local_row(t, rows[k]).bid, local_row(t, rows[k]).ask
        _write_best(t, BUY, bid, rows[k], ticks[k, 0], lots[k, 0])
        _write_best(t, SELL, ask, rows[k], ticks[k, 1], lots[k, 1])
