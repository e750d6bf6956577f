"""What rows of the tape do to resting orders (B16 to B18, F1, F3): strict rules."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.adverse import make
from seq_gym.engine.book.answers import answer
from seq_gym.engine.book.codes import (
    CANCEL_ALL,
    CANCELLED,
    CLOCK_VENUE,
    DONE_WITH,
    GAP,
    NO_ASK,
    NO_BID,
    SNAPSHOT,
    STRICT,
    TRADE,
    WORKING,
)
from seq_gym.engine.book.holes import dig, room_for_holes, takeable_units
from seq_gym.engine.book.levels import next_tick
from seq_gym.engine.book.peer import cross_at_peer, print_at_peer
from seq_gym.engine.book.queue import move_by_depth, move_by_print, take_executable
from seq_gym.engine.book.reducing import most_of
from seq_gym.engine.book.replay import HALTED_FLAG, STALE_FLAG
from seq_gym.engine.book.resting import drop_done, next_in_line
from seq_gym.engine.book.tables import instrument, lane, order, params_at, tape, venue_row
from seq_gym.engine.book.units import units_of_lots
from seq_gym.engine.codes import STALE_BOOK

__all__ = ["meet_row"]


@helper
def _move_queues(c: Any, e: int, s: int, market: Any) -> None:
    """Move my orders at a depth row's level in their queues; fills nothing (B17, V3)."""
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    prev = units_of_lots(p, ins, market.prev)
    new = units_of_lots(p, ins, market.lots)
    k = lane(c, e, s).first_slot
    while k >= 0:
        o = order(c, e, s, k)
        if o.tick == market.tick and o.side == market.side:
            move_by_depth(p, o, prev, new)
        k = o.next


@helper
def _reach(
    c: Any, a: Any, e: int, s: int, market: Any, tick: int, budget: float, flows: bool
) -> float:
    """Let my orders at a tick have their part of a print, in order of acceptance (F1, V2).

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        market: The TRADE row.
        tick: Where my orders rest: at the print or beyond it.
        budget: Units of the print that own orders have not taken.
        flows: True at the print's own tick, where the queue ahead of me comes first.

    Returns:
        What is left of the budget.
    """
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    printed = units_of_lots(p, ins, market.lots)
    is_behind = False
    k = lane(c, e, s).first_slot
    while k >= 0:
        o = order(c, e, s, k)
        if o.tick == tick and o.side == -market.side:
            units = min(most_of(c, e, s, o), budget)
            if flows:
                move_by_print(p, o, budget, printed)
                units = min(units, take_executable(p, ins, o))
            if is_behind:
                units = 0.0
            if units > 0.0:
                budget -= units
                make(c, a, e, s, k, o, units, market.ts)
            is_behind = is_behind or o.leaves > 0.0
        k = o.next
    return budget


@helper
def _print(c: Any, a: Any, e: int, s: int, market: Any) -> None:
    """Share a public print among my orders at its tick and beyond, the best price first (F1)."""
    side = -market.side
    row = lane(c, e, s)
    ins = instrument(c, s)
    budget = units_of_lots(params_at(c.params, 0), ins, market.lots)
    tick = next_in_line(c, e, s, row, side, NO_ASK if side > 0 else NO_BID)
    while (tick - market.tick) * side >= 0:
        budget = _reach(c, a, e, s, market, tick, budget, tick == market.tick)
        tick = next_in_line(c, e, s, row, side, tick)


@helper
def _share_level(c: Any, a: Any, e: int, s: int, k: int, o: Any, market: Any, best: int) -> None:
    """Fill one order from what is displayed at or through its tick, as maker (F3)."""
    t = tape(c, s)
    last = lane(c, e, s).venue_row - 1
    wanted = most_of(c, e, s, o)
    got = 0.0
    room = room_for_holes(c, e, s, market.ts)
    tick = best
    while room > 0 and tick != NO_BID and tick != NO_ASK and (o.tick - tick) * o.side >= 0:
        units = min(takeable_units(c, e, s, -o.side, tick, market.ts), wanted - got)
        if units > 0.0:
            dig(c, e, s, -o.side, tick, units, market.ts)
            got += units
            room -= 1
        if got >= wanted:
            break
        tick = next_tick(t, CLOCK_VENUE, -o.side, tick, last)
    if got > 0.0:
        make(c, a, e, s, k, o, got, market.ts)


@helper
def _cross(c: Any, a: Any, e: int, s: int, market: Any, best: int) -> None:
    """Fill what the other side's best has come to or through, from what it displays (V4)."""
    side = -market.side
    row = lane(c, e, s)
    tick = next_in_line(c, e, s, row, side, NO_ASK if side > 0 else NO_BID)
    while (tick - best) * side >= 0:
        k = row.first_slot
        while k >= 0:
            o = order(c, e, s, k)
            if o.tick == tick and o.side == side and o.venue == WORKING:
                _share_level(c, a, e, s, k, o, market, best)
            k = o.next
        tick = next_in_line(c, e, s, row, side, tick)


@helper
def _meet_best(c: Any, a: Any, e: int, s: int, market: Any, before: int) -> None:
    """See whether a depth row moves its side's best to or through my orders (B17)."""
    best = market.bid if market.side > 0 else market.ask
    if (best - before) * market.side <= 0:
        return
    if params_at(c.params, 0).fills != STRICT:  # the peer knows neither gaps nor halts
        cross_at_peer(c, a, e, s, market, before)
    elif (market.flags & (STALE_FLAG | HALTED_FLAG)) == 0:
        _cross(c, a, e, s, market, best)


@helper
def _cancel_all(c: Any, a: Any, e: int, s: int, at: int) -> None:
    """Cancel what rests when the book turns stale (B10)."""
    k = lane(c, e, s).first_slot
    while k >= 0:
        o = order(c, e, s, k)
        o.venue = DONE_WITH
        answer(c, a, e, s, k, o, CANCELLED, STALE_BOOK, at)
        k = o.next


@helper
def meet_row(c: Any, a: Any, e: int, s: int, at: int) -> None:
    """Let venue row `at` happen to the resting orders of a lane.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane, whose cursor stands behind the row already.
        at: The row.

    Source: V2, V3, V4, V9.
    """
    t = tape(c, s)
    market = venue_row(t, at)
    p = params_at(c.params, 0)
    tail = lane(c, e, s).reports_tail
    if market.kind <= SNAPSHOT:
        if at > 0:
            past = venue_row(t, at - 1)
            before = past.bid if market.side > 0 else past.ask
        else:
            before = NO_BID if market.side > 0 else NO_ASK
        _move_queues(c, e, s, market)
        _meet_best(c, a, e, s, market, before)
    elif market.kind == TRADE:
        if market.side != 0 and p.fills != STRICT:
            print_at_peer(c, a, e, s, market)
        elif market.side != 0 and (market.flags & HALTED_FLAG) == 0:
            _print(c, a, e, s, market)
    elif market.kind == GAP and p.stale_policy == CANCEL_ALL:
        _cancel_all(c, a, e, s, market.ts)
    if lane(c, e, s).reports_tail != tail:
        drop_done(c, e, s, lane(c, e, s))
