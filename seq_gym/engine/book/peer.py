"""Parity: the venue as hftbacktest 2.4.4's two exchanges have it, free lunches included.

Its order of floating-point operations and its own condition on which orders it looks at are
repeated; its faults that book.md lists are not.
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.answers import answer, best_ask, best_bid, execute
from seq_gym.engine.book.codes import (
    CLOCK_VENUE,
    DONE_WITH,
    EXPIRED,
    NO_ASK,
    NO_BID,
    PARITY_NO_PARTIAL,
    POST_ONLY_FLAG,
    WORKING,
)
from seq_gym.engine.book.holes import free_units
from seq_gym.engine.book.levels import next_tick
from seq_gym.engine.book.queue import join_queue, move_by_print, take_executable
from seq_gym.engine.book.reducing import cannot_reduce, most_of
from seq_gym.engine.book.resting import add_resting
from seq_gym.engine.book.tables import instrument, lane, order, params_at, tape
from seq_gym.engine.book.units import lot_units, rounded, units_of_lots
from seq_gym.engine.codes import (
    FOK,
    GTC,
    MAKER,
    MARKET,
    NO_LIQUIDITY,
    NONE,
    POSITION_CLOSED,
    POST_ONLY_WOULD_TAKE,
    TAKER,
)

__all__ = ["arrive_at_peer", "cross_at_peer", "print_at_peer"]

_MARKET_TICKS = 99
"""How far beyond the best ask a market buy walks; a market sell walks one tick more."""


@helper
def _looks_at(row: Any, o: Any, side: int, best: int, reach: int) -> bool:
    """Say whether the peer looks at an order: at all of them, or tick by tick beyond `best`."""
    if best == NO_BID or best == NO_ASK or row.num_resting < (reach - best) * side:
        return True
    return (o.tick - best) * side > 0


@helper
def print_at_peer(c: Any, a: Any, e: int, s: int, market: Any) -> None:
    """Let each resting order meet the whole of a public print, alone.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        market: The TRADE row.
    """
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    row = lane(c, e, s)
    printed = units_of_lots(p, ins, market.lots)
    best = market.bid if market.side > 0 else market.ask
    k = row.first_slot
    while k >= 0:
        o = order(c, e, s, k)
        met = o.side == -market.side and o.venue == WORKING
        if met and _looks_at(row, o, market.side, best, market.tick):
            most = most_of(c, e, s, o)
            if o.tick == market.tick:
                move_by_print(p, o, printed, printed)
                units = take_executable(p, ins, o)
                if units > 0.0:
                    whole = p.fills == PARITY_NO_PARTIAL or units > most
                    units = most if whole else units
                    execute(c, a, e, s, k, o, units, o.tick, MAKER, market.ts)
            elif (market.tick - o.tick) * market.side > 0:
                execute(c, a, e, s, k, o, most, o.tick, MAKER, market.ts)
        k = o.next


@helper
def cross_at_peer(c: Any, a: Any, e: int, s: int, market: Any, before: int) -> None:
    """Fill whole what the best price of a depth row's side has come to or through.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        market: The depth row, after which its side's best is nearer than `before`.
        before: The side's best tick before the row.
    """
    row = lane(c, e, s)
    best = market.bid if market.side > 0 else market.ask
    k = row.first_slot
    while k >= 0:
        o = order(c, e, s, k)
        met = o.side == -market.side and (best - o.tick) * market.side >= 0
        if met and o.venue == WORKING and _looks_at(row, o, market.side, before, best):
            execute(c, a, e, s, k, o, most_of(c, e, s, o), o.tick, MAKER, market.ts)
        k = o.next


@helper
def _displays(c: Any, e: int, s: int, o: Any, best: int, cap: int) -> bool:
    """Say whether the levels from the best through the cap hold the whole order (FOK)."""
    p = params_at(c.params, 0)
    lot = lot_units(p, instrument(c, s))
    t = tape(c, s)
    last = lane(c, e, s).venue_row - 1
    wanted = most_of(c, e, s, o)
    total = 0.0
    tick = best
    while tick != NO_BID and tick != NO_ASK and (cap - tick) * o.side >= 0:
        total += free_units(c, e, s, -o.side, tick, 0)
        if rounded(total / lot) >= rounded(wanted / lot):
            return True
        tick = next_tick(t, CLOCK_VENUE, -o.side, tick, last)
    return False


@helper
def _walk(
    c: Any, a: Any, e: int, s: int, k: int, o: Any, best: int, cap: int, sweeps: bool, at: int
) -> None:
    """Take the levels from the best through the cap, as they are displayed.

    A limit buy that may rest leaves its own tick to the last stroke; a sell does not.
    """
    t = tape(c, s)
    last = lane(c, e, s).venue_row - 1
    steps = c.report_slots // 2 - 2 - lane(c, e, s).num_reducing
    tick = best
    while tick != NO_BID and tick != NO_ASK and (cap - tick) * o.side >= 0:
        most = most_of(c, e, s, o)
        if most <= 0.0 or steps <= 0 or (sweeps and o.side > 0 and tick == cap):
            return
        units = min(free_units(c, e, s, -o.side, tick, at), most)
        execute(c, a, e, s, k, o, units, tick, TAKER, at)
        steps -= 1
        tick = next_tick(t, CLOCK_VENUE, -o.side, tick, last)


@helper
def _take(c: Any, a: Any, e: int, s: int, k: int, o: Any, best: int, cap: int, at: int) -> None:
    """Let an order that crosses take; a limit that may rest takes its rest at its own tick."""
    whole = params_at(c.params, 0).fills == PARITY_NO_PARTIAL
    if not whole and o.type != MARKET and o.tif == FOK and not _displays(c, e, s, o, best, cap):
        o.venue = DONE_WITH
        answer(c, a, e, s, k, o, EXPIRED, NO_LIQUIDITY, at)
        return
    sweeps = o.tif == GTC and o.type != MARKET
    if not whole:
        _walk(c, a, e, s, k, o, best, cap, sweeps, at)
    most = most_of(c, e, s, o)
    if most > 0.0 and (whole or sweeps):
        execute(c, a, e, s, k, o, most, best if whole else cap, TAKER, at)
    if o.leaves > 0.0:
        o.venue = DONE_WITH
        reason = POSITION_CLOSED if cannot_reduce(c, e, s, o) else NO_LIQUIDITY
        answer(c, a, e, s, k, o, EXPIRED, reason, at)


@helper
def arrive_at_peer(c: Any, a: Any, e: int, s: int, k: int, o: Any, accepted: int, at: int) -> None:
    """Let the order in slot k meet the book by the peer's rules.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        k: The order's slot.
        o: The ORDER record.
        accepted: What is reported when it rests: ACCEPTED or AMENDED.
        at: Venue time, UNIX ns.
    """
    row = lane(c, e, s)
    t = tape(c, s)
    best = best_ask(t, row) if o.side > 0 else best_bid(t, row)
    empty = best == NO_BID or best == NO_ASK
    cap = o.tick
    if o.type == MARKET and not empty:
        cap = best + _MARKET_TICKS if o.side > 0 else best - _MARKET_TICKS - 1
    if empty or (cap - best) * o.side < 0:
        if o.tif == GTC and o.type != MARKET:
            join_queue(params_at(c.params, 0), o, free_units(c, e, s, o.side, o.tick, at))
            add_resting(c, e, s, row, k)
            answer(c, a, e, s, k, o, accepted, NONE, at)
            return
        o.venue = DONE_WITH
        answer(c, a, e, s, k, o, EXPIRED, NO_LIQUIDITY, at)
    elif o.type != MARKET and (o.flags & POST_ONLY_FLAG) != 0:
        o.venue = DONE_WITH
        answer(c, a, e, s, k, o, EXPIRED, POST_ONLY_WOULD_TAKE, at)
    else:
        _take(c, a, e, s, k, o, best, cap, at)
