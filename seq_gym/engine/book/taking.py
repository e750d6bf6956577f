"""How an order meets the book on arrival: it takes, rests or expires (B12 to B14, F2, F4, V5).

Permanent impact (Z2, off by default): taking a part of a level moves the price by that part of the
way to the next level. Of the sum over an order's levels, `impact_permanent` stays as
LANE.bent_ticks, which later orders on that side pay on top of every level, never beyond their cap;
takings of the other side draw it back, and nobody is ever paid better for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seq_gym._jit import helper
from seq_gym.engine.book.answers import answer, best_ask, best_bid, execute_at
from seq_gym.engine.book.codes import (
    CLOCK_VENUE,
    DONE_WITH,
    EXPIRED,
    NO_ASK,
    NO_BID,
    POST_ONLY_FLAG,
    STRICT,
)
from seq_gym.engine.book.holes import dig, free_units, room_for_holes, takeable_units
from seq_gym.engine.book.levels import lots_at, next_tick
from seq_gym.engine.book.peer import arrive_at_peer
from seq_gym.engine.book.queue import join_queue
from seq_gym.engine.book.reducing import cannot_reduce, most_of
from seq_gym.engine.book.resting import add_resting, drop_done
from seq_gym.engine.book.tables import instrument, lane, params_at, tape
from seq_gym.engine.book.units import price_of
from seq_gym.engine.codes import (
    FOK,
    GTC,
    MARKET,
    MAX_SLIPPAGE,
    NO_LIQUIDITY,
    NONE,
    POSITION_CLOSED,
    POST_ONLY_WOULD_TAKE,
    TAKER,
)

__all__ = ["arrive"]


@helper
def _within(tick: int, cap: int, side: int) -> bool:
    """Say whether a level of the opposite side is there and at or inside a cap (B12)."""
    return tick != NO_BID and tick != NO_ASK and (cap - tick) * side >= 0


@helper
def _bent(row: Any, side: int) -> float:
    """Return by how many ticks a taker of a side pays more than is displayed (Z2)."""
    return max(row.bent_ticks * side, 0.0)


@helper
def _pays(tick: int, bent: float, cap: int, side: int) -> bool:
    """Say whether a level is there, and its bent price still at or inside a cap."""
    return _within(tick, cap, side) and (cap - tick) * side >= bent


@helper
def _cap_of(o: Any, bid: int, ask: int) -> int:
    """Return the worst tick an order may pay: its own, or that of its slippage if tighter (B12).

    Slippage counts from the venue's middle on arrival; where a side is empty, from the other.
    """
    if math.isinf(o.max_slippage_frac):
        return o.tick
    middle = 0.5 * (bid + ask)
    if bid == NO_BID:
        middle = ask + 0.0
    elif ask == NO_ASK:
        middle = bid + 0.0
    if o.side > 0:
        return int(min(o.tick + 0.0, np.floor(middle * (1.0 + o.max_slippage_frac))))
    return int(max(o.tick + 0.0, np.ceil(middle * (1.0 - o.max_slippage_frac))))


@helper
def _most_levels(c: Any, e: int, s: int, at: int) -> int:
    """Return from how many levels one arrival may take: each is a report and a hole.

    Reduce-only orders that rest may be cancelled by it (O9), which are reports too.
    """
    reports = c.report_slots // 2 - 2 - lane(c, e, s).num_reducing
    return int(min(reports, room_for_holes(c, e, s, at)))


@helper
def _displays(c: Any, e: int, s: int, o: Any, best: int, cap: int, at: int) -> bool:
    """Say whether one arrival can take the whole order within the cap (FOK, B14)."""
    t = tape(c, s)
    row = lane(c, e, s)
    last = row.venue_row - 1
    bent = _bent(row, o.side)
    missing = most_of(c, e, s, o)
    tick = best
    steps = _most_levels(c, e, s, at)
    while _pays(tick, bent, cap, o.side) and steps > 0:
        units = takeable_units(c, e, s, -o.side, tick, at)
        missing -= units
        if missing <= 0.0:
            return True
        if units > 0.0:
            steps -= 1
        tick = next_tick(t, CLOCK_VENUE, -o.side, tick, last)
    return False


@helper
def _bend(c: Any, s: int, row: Any, side: int, tick: int, beyond: int, units: float) -> None:
    """Let a part of the move stay that taking units of a level makes towards the next (Z2)."""
    p = params_at(c.params, 0)
    if p.impact == 0 or beyond == NO_BID or beyond == NO_ASK:
        return
    displayed = float(lots_at(tape(c, s), CLOCK_VENUE, side, tick, row.venue_row - 1))
    row.bent_ticks += p.impact_permanent * (units / displayed) * (beyond - tick)


@helper
def _walk(c: Any, a: Any, e: int, s: int, k: int, o: Any, best: int, cap: int, at: int) -> int:
    """Take what is there from the best through the cap (B14, F2b).

    Returns:
        The first level that was not looked at; NO_BID or NO_ASK when there is none. Of an order
        that was filled it says nothing.
    """
    t = tape(c, s)
    row = lane(c, e, s)
    last = row.venue_row - 1
    bent = _bent(row, o.side)
    tick = best
    steps = _most_levels(c, e, s, at)
    bends = params_at(c.params, 0).impact != 0
    wanted = most_of(c, e, s, o)
    while _pays(tick, bent, cap, o.side) and wanted > 0.0 and steps > 0:
        units = min(takeable_units(c, e, s, -o.side, tick, at), wanted)
        beyond = tick
        if units < wanted or bends:  # finding the next level may be a long way
            beyond = next_tick(t, CLOCK_VENUE, -o.side, tick, last)
        if units > 0.0:
            dig(c, e, s, -o.side, tick, units, at)
            price = price_of(instrument(c, s), tick + o.side * bent)
            execute_at(c, a, e, s, k, o, units, tick, price, TAKER, at)
            wanted -= units
            steps -= 1
            _bend(c, s, row, -o.side, tick, beyond, units)
        tick = beyond
    return tick


@helper
def _rest(
    c: Any, a: Any, e: int, s: int, k: int, o: Any, front: float, accepted: int, at: int
) -> None:
    """Let an order rest behind `front` units, and say so."""
    join_queue(params_at(c.params, 0), o, front)
    add_resting(c, e, s, lane(c, e, s), k)
    answer(c, a, e, s, k, o, accepted, NONE, at)


@helper
def _expire(c: Any, a: Any, e: int, s: int, k: int, o: Any, reason: int, at: int) -> None:
    o.venue = DONE_WITH
    answer(c, a, e, s, k, o, EXPIRED, reason, at)


@helper
def _arrive_strictly(
    c: Any, a: Any, e: int, s: int, k: int, o: Any, accepted: int, at: int
) -> None:
    """Walk through V5: cross or not, whole or in part, rest or expire."""
    t = tape(c, s)
    row = lane(c, e, s)
    bid, ask = best_bid(t, row), best_ask(t, row)
    best = ask if o.side > 0 else bid
    cap = _cap_of(o, bid, ask)
    may_rest = o.tif == GTC and o.type != MARKET
    if not _within(best, cap, o.side):
        if may_rest:
            _rest(c, a, e, s, k, o, free_units(c, e, s, o.side, o.tick, at), accepted, at)
        else:
            stopped = _within(best, o.tick, o.side)
            _expire(c, a, e, s, k, o, MAX_SLIPPAGE if stopped else NO_LIQUIDITY, at)
        return
    if (o.flags & POST_ONLY_FLAG) != 0:
        _expire(c, a, e, s, k, o, POST_ONLY_WOULD_TAKE, at)
        return
    if o.tif == FOK and not _displays(c, e, s, o, best, cap, at):
        _expire(c, a, e, s, k, o, NO_LIQUIDITY, at)
        return
    after = _walk(c, a, e, s, k, o, best, cap, at)
    if o.leaves <= 0.0:
        return
    if cannot_reduce(c, e, s, o):
        _expire(c, a, e, s, k, o, POSITION_CLOSED, at)
    elif may_rest:
        _rest(c, a, e, s, k, o, 0.0, accepted, at)
    else:
        beyond = not _within(after, cap, o.side) and _within(after, o.tick, o.side)
        _expire(c, a, e, s, k, o, MAX_SLIPPAGE if beyond else NO_LIQUIDITY, at)


@helper
def arrive(c: Any, a: Any, e: int, s: int, k: int, o: Any, accepted: int, at: int) -> None:
    """Let the order in slot k meet the book.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        k: The order's slot.
        o: The ORDER record.
        accepted: What is reported when it rests: ACCEPTED, or AMENDED of one that arrives anew.
        at: Venue time, UNIX ns.

    Source: B12 to B14, F2, F4, O9, V5, V6.
    """
    if cannot_reduce(c, e, s, o):
        _expire(c, a, e, s, k, o, POSITION_CLOSED, at)
    elif params_at(c.params, 0).fills == STRICT:
        _arrive_strictly(c, a, e, s, k, o, accepted, at)
    else:
        arrive_at_peer(c, a, e, s, k, o, accepted, at)
    row = lane(c, e, s)
    if row.num_reducing > 0:  # it may have left them nothing to reduce
        drop_done(c, e, s, row)
