"""The book that the agent sees of itself (Z2): the tape's, less its holes, plus its own orders.

A hole is known from the receipt of the execution that made it, since a feed that never showed it
has no delay to go by. It ends with the level's next row on the agent's clock, and refills as the
venue's does (holes.py), both clocks apart. What rests is added as the agent knows it: acknowledged,
with what is left by its last report. So nothing here was received later than now. Mids, marks,
features and the checks of orders read the tape's own book; what a cross takes for a resting order
leaves no hole that is seen, since its levels are not reported.
"""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.book.codes import BUY, CLOCK_LOCAL, NO_ASK, NO_BID, WORKING
from seq_gym.engine.book.holes import close_hole, left_of
from seq_gym.engine.book.levels import lots_at, next_tick
from seq_gym.engine.book.money import known_row
from seq_gym.engine.book.tables import account_at, lane, order, params_at, row_at, seen, tape

__all__ = ["next_seen", "note_hole", "seen_best", "seen_lots", "tape_best"]


@helper
def note_hole(c: Any, a: Any, e: int, s: int, side: int, tick: int, units: float) -> None:
    """Remember an execution that the agent learns of now, as a hole of what it sees.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        side: Of the book that was taken from: +1 bids, -1 asks.
        tick: The level.
        units: How much, whole lots.
    """
    t = tape(c, s)
    p = params_at(c.params, 0)
    row = lane(c, e, s)
    last = known_row(c, e, s)
    for k in range(row.num_seen - 1, -1, -1):
        h = seen(c, e, s, k)
        left = left_of(p, t, h, CLOCK_LOCAL, last, a.now)
        here = h.tick == tick and h.side == side
        if here:
            units += left
        if here or left <= 0.0:
            close_hole(c.seen, e * c.num_lanes + s, c.hole_slots, k, row.num_seen)
            row.num_seen -= 1
    if row.num_seen == c.hole_slots:
        close_hole(c.seen, e * c.num_lanes + s, c.hole_slots, 0, row.num_seen)
        row.num_seen -= 1
    h = seen(c, e, s, row.num_seen)
    row.num_seen += 1
    h.tick = tick
    h.side = side
    h.row = last
    h.ts = a.now
    h.units = units


@helper
def _left_lots(c: Any, e: int, s: int, side: int, tick: int) -> int:
    """Return what the tape displays to the agent at a tick, less the hole that it knows of."""
    t = tape(c, s)
    p = params_at(c.params, 0)
    last = known_row(c, e, s)
    lots = lots_at(t, CLOCK_LOCAL, side, tick, last)
    if lots <= 0 or p.impact == 0:
        return lots
    now = account_at(c.accounts, e).now
    taken = 0.0
    for k in range(lane(c, e, s).num_seen):
        h = seen(c, e, s, k)
        if h.tick == tick and h.side == side:
            taken += left_of(p, t, h, CLOCK_LOCAL, last, now)
    return max(math.floor(lots - taken), 0)


@helper
def _own_lots(c: Any, e: int, s: int, side: int, tick: int) -> int:
    """Return what the agent knows to rest of its own at a tick."""
    own = 0.0
    for k in range(lane(c, e, s).num_slots):
        o = order(c, e, s, k)
        if o.local == WORKING and o.side == side and o.local_tick == tick:
            own += o.local_leaves
    return int(own)


@helper
def _own_tick(c: Any, e: int, s: int, side: int, after: int) -> int:
    """Return the best tick beyond `after` at which an own order rests; NO_BID or NO_ASK: none."""
    best = NO_BID if side > 0 else NO_ASK
    for k in range(lane(c, e, s).num_slots):
        o = order(c, e, s, k)
        is_beyond = (after - o.local_tick) * side > 0 and (o.local_tick - best) * side > 0
        if is_beyond and o.local == WORKING and o.side == side:
            best = int(o.local_tick)
    return best


@inlined
def tape_best(c: Any, e: int, s: int, side: int) -> int:
    """Return the best tick of a side of the tape's book, as the agent knows it."""
    row = known_row(c, e, s)
    if side > 0:
        return row_at(tape(c, s).local_rows, row).bid if row >= 0 else NO_BID
    return row_at(tape(c, s).local_rows, row).ask if row >= 0 else NO_ASK


@helper
def seen_lots(c: Any, e: int, s: int, side: int, tick: int) -> int:
    """Return the lots that account e sees at a tick of lane s; side +1: bids, -1: asks."""
    if params_at(c.params, 0).impact == 0:
        return lots_at(tape(c, s), CLOCK_LOCAL, side, tick, known_row(c, e, s))
    shown = 0
    if (tape_best(c, e, s, side) - tick) * side >= 0:  # beyond it are crossed levels (B7)
        shown = _left_lots(c, e, s, side, tick)
    return shown + _own_lots(c, e, s, side, tick)


@helper
def _nearest(c: Any, e: int, s: int, side: int, tick: int, after: int) -> int:
    """Return the nearest of `tick` and the tape's levels behind it that is not all hole.

    An own order beyond `after` comes first where it is nearer still.
    """
    t = tape(c, s)
    none = NO_BID if side > 0 else NO_ASK
    while tick != none and _left_lots(c, e, s, side, tick) <= 0:
        tick = next_tick(t, CLOCK_LOCAL, side, tick, known_row(c, e, s))
    own = _own_tick(c, e, s, side, after)
    return own if (own - tick) * side > 0 else tick


@inlined
def seen_best(c: Any, e: int, s: int, side: int) -> int:
    """Return the best tick of a side that account e sees on lane s; NO_BID or NO_ASK: none."""
    best = tape_best(c, e, s, side)
    if params_at(c.params, 0).impact == 0:
        return best
    return _nearest(c, e, s, side, best, NO_ASK if side == BUY else NO_BID)


@helper
def next_seen(c: Any, e: int, s: int, side: int, tick: int) -> int:
    """Return the next tick away from the touch at which account e sees something.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        side: +1 for bids, -1 for asks.
        tick: Where to start; it is not looked at itself.

    Returns:
        The tick; NO_BID or NO_ASK when the side shows nothing beyond.
    """
    best = tape_best(c, e, s, side)
    if (tick - best) * side > 0:  # an own order stands before the tape's best
        return _nearest(c, e, s, side, best, tick)
    beyond = next_tick(tape(c, s), CLOCK_LOCAL, side, tick, known_row(c, e, s))
    return _nearest(c, e, s, side, beyond, tick)
