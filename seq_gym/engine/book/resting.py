"""The resting orders of a lane: a list in order of acceptance, and the ticks they wait at (F6)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import BUY, NO_ASK, NO_BID, REDUCE_ONLY_FLAG, WORKING
from seq_gym.engine.book.tables import order

__all__ = ["add_resting", "drop_done", "forget_all", "next_in_line"]


@helper
def forget_all(row: Any) -> None:
    """Leave a lane with nothing at rest."""
    row.first_slot = -1
    row.last_slot = -1
    row.num_resting = 0
    row.num_reducing = 0
    row.buy_low = NO_ASK
    row.buy_high = NO_BID
    row.sell_low = NO_ASK
    row.sell_high = NO_BID


@helper
def add_resting(c: Any, e: int, s: int, row: Any, k: int) -> None:
    """Let slot k rest, behind all others of its lane.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        row: The LANE record.
        k: The order's slot.
    """
    o = order(c, e, s, k)
    o.venue = WORKING
    o.next = -1
    if row.last_slot < 0:
        row.first_slot = k
    else:
        order(c, e, s, row.last_slot).next = k
    row.last_slot = k
    row.num_resting += 1
    if (o.flags & REDUCE_ONLY_FLAG) != 0:
        row.num_reducing += 1
    if o.side == BUY:
        row.buy_low = min(row.buy_low, o.tick)
        row.buy_high = max(row.buy_high, o.tick)
    else:
        row.sell_low = min(row.sell_low, o.tick)
        row.sell_high = max(row.sell_high, o.tick)


@helper
def drop_done(c: Any, e: int, s: int, row: Any) -> None:
    """Take out what the venue no longer holds; the others keep their order."""
    k = row.first_slot
    forget_all(row)
    while k >= 0:
        o = order(c, e, s, k)
        following = o.next
        if o.venue == WORKING:
            add_resting(c, e, s, row, k)
        k = following


@helper
def next_in_line(c: Any, e: int, s: int, row: Any, side: int, after: int) -> int:
    """Return the best resting tick of a side that is worse than `after`.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        row: The LANE record.
        side: BUY or SELL: whose orders.
        after: The tick before; NO_ASK (buys) or NO_BID (sells) to begin.

    Returns:
        The tick; NO_BID (buys) or NO_ASK (sells) when there is none.
    """
    best = NO_BID if side > 0 else NO_ASK
    k = row.first_slot
    while k >= 0:
        o = order(c, e, s, k)
        worse = (after - o.tick) * side > 0
        if o.side == side and worse and o.venue == WORKING and (o.tick - best) * side > 0:
            best = o.tick
        k = o.next
    return best
