"""Housekeeping at whole seconds, and the end: funding, borrow, margin calls, closing (A5, V10)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import floats_at, helper, ints_at
from seq_gym.engine.book.codes import (
    CANCELLED,
    CLOCK_LOCAL,
    EXECUTED,
    FREE,
    HEARTBEAT_NS,
    NO_ASK,
    NO_BID,
)
from seq_gym.engine.book.cursor import number_up_to
from seq_gym.engine.book.journal import log_money, log_order, new_event
from seq_gym.engine.book.levels import lots_at, next_tick
from seq_gym.engine.book.money import (
    book_fill,
    equity_of,
    fee_frac,
    gross_of,
    known_row,
    mid_known,
    record_equity,
    whole_lots,
    worth,
)
from seq_gym.engine.book.reports import forget, refresh_reserves
from seq_gym.engine.book.tables import instrument, lane, order, params_at, position, row_at, tape
from seq_gym.engine.book.units import base_of_lots, price_of
from seq_gym.engine.codes import (
    COMPLETED,
    DATA_END,
    END_OF_EPISODE,
    LIQUIDATED,
    LIQUIDATION,
    NS_PER_DAY,
    RUINED,
    RUNNING,
    TAKER,
    WINDOW_END,
)

__all__ = ["end_episode", "run_heartbeat"]


@helper
def _close_piece(
    c: Any, a: Any, e: int, s: int, qty: float, tick: int, price: float, reason: int
) -> None:
    """Close `qty` of a position at a price, as a taker by force, and log it."""
    ins = instrument(c, s)
    side = -1 if position(c, e, s).qty > 0.0 else 1
    mid = mid_known(c, e, s)
    event = new_event(c, a, e, s, EXECUTED, reason)
    event.side = side
    event.tick = tick
    event.qty = qty
    event.price = price
    event.mid = mid
    event.liquidity = TAKER
    event.fee = qty * abs(worth(ins, price)) * fee_frac(ins, TAKER)
    event.realized = book_fill(c, a, e, s, side, qty, price, mid, TAKER)


@helper
def _close_position(c: Any, a: Any, e: int, s: int, reason: int) -> None:
    """Close a position against the levels that the agent sees, from the best outwards.

    What is beyond the last level goes at its price; with no level at all, at the mark.
    """
    t = tape(c, s)
    ins = instrument(c, s)
    pos = position(c, e, s)
    side = 1 if pos.qty > 0.0 else -1  # of the book that is met
    row = known_row(c, e, s)
    tick = NO_BID if side > 0 else NO_ASK
    if row >= 0:
        known = row_at(t.local_rows, row)
        tick = known.bid if side > 0 else known.ask
    while pos.qty != 0.0:
        left = abs(pos.qty)
        if tick == NO_BID or tick == NO_ASK:
            _close_piece(c, a, e, s, left, 0, lane(c, e, s).mark, reason)
            return
        there = base_of_lots(ins, lots_at(t, CLOCK_LOCAL, side, tick, row))
        beyond = next_tick(t, CLOCK_LOCAL, side, tick, row)
        if there >= left or beyond == NO_BID or beyond == NO_ASK:
            _close_piece(c, a, e, s, left, tick, price_of(ins, tick), reason)
            return
        _close_piece(c, a, e, s, whole_lots(ins, there), tick, price_of(ins, tick), reason)
        tick = beyond


@helper
def _close_all(c: Any, a: Any, e: int, reason: int) -> None:
    for s in range(c.num_lanes):
        if position(c, e, s).qty != 0.0:
            _close_position(c, a, e, s, reason)


@helper
def _oldest(c: Any, e: int, s: int) -> int:
    """Return the slot of a lane's oldest working order; -1 when there is none."""
    chosen = -1
    for k in range(lane(c, e, s).num_slots):
        o = order(c, e, s, k)
        if o.local != FREE and (chosen < 0 or o.id < order(c, e, s, chosen).id):
            chosen = k
    return chosen


@helper
def _cancel_working(c: Any, a: Any, e: int, reason: int) -> None:
    """Cancel what still works at the end, lane by lane in order of id; empty the channels."""
    for s in range(c.num_lanes):
        k = _oldest(c, e, s)
        while k >= 0:
            o = order(c, e, s, k)
            a.reject_value = math.nan
            a.reject_bound = math.nan
            log_order(c, a, e, s, o, CANCELLED, reason)
            forget(c, a, e, s, o)
            k = _oldest(c, e, s)
        row = lane(c, e, s)
        row.requests_head = row.requests_tail
        row.reports_head = row.reports_tail
        row.num_resting = 0
        row.first_slot = -1
        row.last_slot = -1
    refresh_reserves(c, a, e)


@helper
def end_episode(c: Any, a: Any, e: int, ending: int) -> None:
    """Cancel what works, close positions where that is asked for, and mark (M7, V10).

    Only the end of the window or of the data sells: nobody chose that moment.
    """
    _cancel_working(c, a, e, END_OF_EPISODE)
    is_over = ending == WINDOW_END or ending == DATA_END
    if is_over and params_at(c.params, 0).liquidate_on_complete != 0:
        equity_of(c, a, e)  # brings the marks up to date
        _close_all(c, a, e, COMPLETED)
    a.ending = ending
    record_equity(c, a, e)


@helper
def _pay(a: Any, pos: Any, paid: float) -> None:
    """Take funding from a position's and the account's money: realised when paid (M4)."""
    a.cash -= paid
    a.realized -= paid
    a.funding += paid
    pos.realized -= paid


@helper
def _pay_funding(c: Any, a: Any, e: int, s: int) -> None:
    """Pay the stamps since the last heartbeat on the position held now, at its mark (M5)."""
    t = tape(c, s)
    pos = position(c, e, s)
    if t.num_funding == 0 or pos.qty == 0.0:
        return
    first = number_up_to(t.funding_ts, t.num_funding, max(a.start, a.now - HEARTBEAT_NS))
    stamps = ints_at(t.funding_ts)
    while first < t.num_funding and stamps[first] <= a.now:
        mark = lane(c, e, s).mark
        notional = pos.qty * abs(worth(instrument(c, s), mark))
        paid = notional * floats_at(t.funding_rate)[first]
        _pay(a, pos, paid)
        log_money(c, a, e, s, pos.qty, mark, paid)
        first += 1


@helper
def _accrue_borrow(c: Any, a: Any, e: int) -> None:
    """Charge one second of borrow on shorts and on borrowed cash; contracts borrow nothing (M5)."""
    p = params_at(c.params, 0)
    if p.borrow_per_second <= 0.0 or instrument(c, 0).inverse != 0:
        return
    shorts = 0.0
    for s in range(c.num_lanes):
        qty = position(c, e, s).qty
        if qty < 0.0:
            shorts -= qty * worth(instrument(c, s), lane(c, e, s).mark)
    interest = p.borrow_per_second * (shorts + max(-a.cash, 0.0))
    if interest > 0.0:
        a.cash -= interest
        a.realized -= interest
        a.borrow += interest


@helper
def _liquidate(c: Any, a: Any, e: int) -> None:
    """Answer a margin call: everything is cancelled and closed, and the episode is over.

    A loss beyond equity stays as negative cash and is named `bad_debt`: no cash is clipped.
    """
    _cancel_working(c, a, e, LIQUIDATION)
    _close_all(c, a, e, LIQUIDATION)
    a.bad_debt = max(-a.cash, 0.0)
    a.ending = LIQUIDATED
    record_equity(c, a, e)


@helper
def run_heartbeat(c: Any, a: Any, e: int) -> None:
    """Do what is due at a whole second of virtual time: money, margin, ruin, the day (A5)."""
    p = params_at(c.params, 0)
    a.next_heartbeat = a.now + HEARTBEAT_NS
    equity_of(c, a, e)  # brings the marks up to date
    if p.margin != 0:
        for s in range(c.num_lanes):
            _pay_funding(c, a, e, s)
        _accrue_borrow(c, a, e)
    record_equity(c, a, e)
    if p.margin != 0:
        gross = gross_of(c, e)
        if gross > 0.0 and a.equity <= p.maintenance_frac * gross:
            _liquidate(c, a, e)
    if a.ending == RUNNING and a.equity <= p.ruin_frac * a.starting_balance:
        _cancel_working(c, a, e, END_OF_EPISODE)
        a.ending = RUINED
    day = a.now // NS_PER_DAY
    if day != a.day:
        a.day = day
        a.realized_at_midnight = a.realized
