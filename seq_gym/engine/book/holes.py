"""What I took from displayed levels is gone until their next row (F2): strict rules only.

For takers, so is what recorded prints took (F2b): a feed tells prints at once and levels in
batches, so that between two batches the venue still displays what is gone.

Under self-impact (Z2) a hole refills before that: what is missing halves in each half-life, and
below half a lot it is nothing. Only whole lots can be taken: a lot that has refilled in part is not
there yet.
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import copy_bytes, helper, int32s_at
from seq_gym.engine.book.codes import CLOCK_VENUE, STRICT
from seq_gym.engine.book.layout import HOLE
from seq_gym.engine.book.levels import changed_after, last_change, lots_at
from seq_gym.engine.book.tables import hole, instrument, lane, params_at, tape, venue_row
from seq_gym.engine.book.units import units_of_lots

__all__ = ["close_hole", "dig", "free_units", "left_of", "room_for_holes", "takeable_units"]

_HOLE_BYTES = HOLE.itemsize
_NOTHING: Final = 0.5
"""Less than this many lots of a hole count as refilled."""


@helper
def left_of(p: Any, t: Any, h: Any, clock: int, row: int, at: int) -> float:
    """Return the units that a hole still takes from what is displayed.

    Args:
        p: The PARAMS record.
        t: The TAPE record.
        h: The HOLE record.
        clock: CLOCK_VENUE or CLOCK_LOCAL: what `row` and the hole's row count.
        row: The last row applied; a row of the level since the hole ends it (F2).
        at: Now on that clock, UNIX ns.
    """
    if changed_after(t, clock, h.side, h.tick, h.row, row):
        return 0.0
    if p.impact == 0 or not p.impact_half_life_ns > 0.0:
        return h.units
    left = h.units * math.pow(0.5, float(at - h.ts) / p.impact_half_life_ns)
    return left if left >= _NOTHING else 0.0


@helper
def free_units(c: Any, e: int, s: int, side: int, tick: int, at: int) -> float:
    """Return what the venue displays to this account at a tick, in units: less its hole.

    Under strict rules these are whole lots.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        side: +1 for bids, -1 for asks.
        tick: The level.
        at: Venue time, UNIX ns: holes may refill (Z2).
    """
    t = tape(c, s)
    p = params_at(c.params, 0)
    row = lane(c, e, s)
    last = row.venue_row - 1
    shown = units_of_lots(p, instrument(c, s), lots_at(t, CLOCK_VENUE, side, tick, last))
    if shown <= 0.0 or p.fills != STRICT:
        return shown
    for k in range(row.num_holes):
        h = hole(c, e, s, k)
        if h.tick == tick and h.side == side:
            shown -= left_of(p, t, h, CLOCK_VENUE, last, at)
    return max(math.floor(shown) + 0.0, 0.0)


@helper
def _prints_until(t: Any, row: int) -> int:
    """Return how many prints the venue's clock has up to row `row`."""
    trades = int32s_at(t.venue_trades)
    low, count = 0, t.num_trades
    while count > 0:
        half = count >> 1
        if trades[low + half] <= row:
            low += half + 1
            count -= half + 1
        else:
            count = half
    return low


@helper
def takeable_units(c: Any, e: int, s: int, side: int, tick: int, at: int) -> float:
    """Return what a taker finds at a tick, in units: what is free less what prints took (F2b).

    Prints of the taker's own side since the level's last row: one at the tick took its size, one
    beyond it took all. Without strict rules prints take nothing.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        side: Of the level that is taken from: +1 for bids, -1 for asks.
        tick: The level.
        at: Venue time, UNIX ns: holes may refill (Z2).
    """
    free = free_units(c, e, s, side, tick, at)
    if free <= 0.0 or params_at(c.params, 0).fills != STRICT:
        return free
    t = tape(c, s)
    last = lane(c, e, s).venue_row - 1
    since = last_change(t, CLOCK_VENUE, side, tick, last)
    trades = int32s_at(t.venue_trades)
    k = _prints_until(t, last) - 1
    while k >= 0 and trades[k] > since and free > 0.0:
        market = venue_row(t, trades[k])
        beyond = (tick - market.tick) * side
        if market.side == -side and beyond >= 0:
            free = 0.0 if beyond > 0 else free - float(market.lots)
        k -= 1
    return max(free, 0.0)


@helper
def close_hole(holes: int, lane_number: int, slots: int, k: int, count: int) -> None:
    """Take hole k of `count` out of a lane's table; the others keep their order, their age."""
    base = holes + lane_number * slots * _HOLE_BYTES
    for j in range(k, count - 1):
        copy_bytes(base + j * _HOLE_BYTES, base + (j + 1) * _HOLE_BYTES, _HOLE_BYTES)


@helper
def _close(c: Any, e: int, s: int, row: Any, k: int) -> None:
    close_hole(c.holes, e * c.num_lanes + s, c.hole_slots, k, row.num_holes)
    row.num_holes -= 1


@helper
def room_for_holes(c: Any, e: int, s: int, at: int) -> int:
    """Return from how many levels more an account may take now; holes that have ended make room.

    A full table must never lose a hole that still counts: what was taken there would be displayed
    again, and could be taken twice.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        at: Venue time, UNIX ns.
    """
    t = tape(c, s)
    p = params_at(c.params, 0)
    row = lane(c, e, s)
    for k in range(row.num_holes - 1, -1, -1):
        if left_of(p, t, hole(c, e, s, k), CLOCK_VENUE, row.venue_row - 1, at) <= 0.0:
            _close(c, e, s, row, k)
    return c.hole_slots - row.num_holes


@helper
def dig(c: Any, e: int, s: int, side: int, tick: int, units: float, at: int) -> None:
    """Remember that this account took units of a displayed level; there must be room for it.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        side: +1 for bids, -1 for asks.
        tick: The level.
        units: How much.
        at: Venue time, UNIX ns.
    """
    t = tape(c, s)
    p = params_at(c.params, 0)
    row = lane(c, e, s)
    last = row.venue_row - 1
    for k in range(row.num_holes - 1, -1, -1):
        h = hole(c, e, s, k)
        if h.tick == tick and h.side == side:
            units += left_of(p, t, h, CLOCK_VENUE, last, at)
            _close(c, e, s, row, k)
    h = hole(c, e, s, row.num_holes)
    row.num_holes += 1
    h.tick = tick
    h.side = side
    h.row = last
    h.ts = at
    h.units = units
