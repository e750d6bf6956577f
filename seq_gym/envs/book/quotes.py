"""A quote that is kept: one post-only order of a side, placed, left alone, moved or taken away.

An order that is where it should be is left alone, so that it keeps its place in the queue, also
when a part of it has been filled. Any other change is an amend, which the venue treats as a new
arrival unless it only shrinks (B19).

Limits hold whatever is on its way: an order counts with all that it may still do, until the agent
knows that it is over. One whose amend is not answered counts with the larger of what it was and
what it becomes (what executes before the amend arrives is part of what it asks for), and no second
change is sent before the answer. What an amend asks for is cut to what the limit covers.
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import FREE, NO_ASK, NO_BID, ON_THE_WAY
from seq_gym.engine.book.money import known_row
from seq_gym.engine.book.tables import lane, order, row_at, tape
from seq_gym.engine.book.verbs import find_order
from seq_gym.engine.codes import GTC, NONE
from seq_gym.envs.book.sending import (
    affordable_units,
    amend_order,
    cancel_order,
    send_limit,
    touch,
    whole_units,
)

__all__ = ["drop_quote", "exposure", "is_stale", "keep_quote", "quote_tick"]

_STALE = 1


@helper
def exposure(c: Any, e: int, side: int, but: int) -> float:
    """Return the most that the orders of a side may still execute, in units.

    Args:
        c: The CONTEXT record.
        e: The env.
        side: +1 buys, -1 sells.
        but: Id of an order that is not counted; 0: none.
    """
    total = 0.0
    for k in range(lane(c, e, 0).num_slots):
        o = order(c, e, 0, k)
        if o.local != FREE and o.side == side and o.id != but:
            total += max(o.local_leaves, o.asked)
    return total


@helper
def is_stale(c: Any, e: int) -> bool:
    """Say whether the book that the agent knows has lost messages (B10)."""
    row = known_row(c, e, 0)
    return row < 0 or (row_at(tape(c, 0).local_rows, row).flags & _STALE) != 0


@helper
def quote_tick(c: Any, e: int, side: int, offset: int) -> int:
    """Return the tick that lies `offset` behind the best of its side; 0: there is none."""
    best = touch(c, e, side)
    if best == NO_BID or best == NO_ASK:
        return 0
    tick = best - side * offset
    return tick if tick >= 1 and tick < NO_ASK else 0


@helper
def drop_quote(env: Any, c: Any, e: int, number: int) -> int:
    """Cancel a quote; return the id that is still quoted: 0, once the cancellation is sent."""
    if number == 0 or find_order(c, e, 0, number) < 0:
        return 0
    return 0 if cancel_order(env, e, number) == NONE else number


@helper
def _place(
    env: Any, c: Any, a: Any, e: int, side: int, tick: int, units: float, room: float
) -> int:
    """Send a new quote of what the limit and the account cover; return its id, 0: none."""
    free = min(units, room - exposure(c, e, side, 0))
    count = affordable_units(env, c, a, e, side, free, tick)
    return send_limit(env, c, a, e, side, count, tick, GTC, 1) if count > 0.0 else 0


@helper
def _change(env: Any, c: Any, e: int, number: int, tick: int, units: float, room: float) -> int:
    """Amend a quote, or cancel it where that is refused; return the id still quoted."""
    o = order(c, e, 0, find_order(c, e, 0, number))
    count = whole_units(env, min(units, room - exposure(c, e, o.side, number)))
    if count > 0.0 and amend_order(env, c, e, number, tick, count) == NONE:
        return number
    return drop_quote(env, c, e, number)


@helper
def keep_quote(
    env: Any,
    c: Any,
    a: Any,
    e: int,
    number: int,
    asked: float,
    side: int,
    tick: int,
    units: float,
    room: float,
) -> tuple[int, float]:
    """Bring one side's quote to where it should be.

    Args:
        env: The BOOK_ENV record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        number: The id that quotes now; 0: none.
        asked: The size that it was asked to have.
        side: +1 bid, -1 ask.
        tick: Where it should be; 0: nowhere.
        units: What it should show, whole lots; 0: nothing.
        room: What the orders of this side may execute altogether.

    Returns:
        The id that quotes, 0 for none, and the size that it was asked to have.
    """
    k = find_order(c, e, 0, number) if number > 0 else -1
    if units <= 0.0 or tick == 0:
        return (drop_quote(env, c, e, number) if k >= 0 else 0), 0.0
    if k < 0:
        if is_stale(c, e):
            return 0, 0.0
        return _place(env, c, a, e, side, tick, units, room), units
    o = order(c, e, 0, k)
    if o.local == ON_THE_WAY or o.changes > 0 or is_stale(c, e):
        return number, asked
    if o.local_tick == tick and (units == asked or (units < asked and units >= o.local_leaves)):
        return number, units
    return _change(env, c, e, number, tick, units, room), units
