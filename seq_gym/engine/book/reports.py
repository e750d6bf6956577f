"""What the agent learns: reports change its orders and its money when they are received (B5)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import (
    ACCEPTED,
    AMENDED,
    BUY,
    CHANGE_REFUSED,
    EXECUTED,
    FREE,
    ON_THE_WAY,
    REFUSED,
    WORKING,
)
from seq_gym.engine.book.journal import log_report
from seq_gym.engine.book.money import book_fill, fee_frac, fee_reserve_frac, record_equity, worth
from seq_gym.engine.book.shadow import note_hole
from seq_gym.engine.book.tables import instrument, lane, order, params_at, position, report
from seq_gym.engine.book.units import base_of_units, mid_of, price_of
from seq_gym.engine.codes import TAKER

__all__ = ["deliver_report", "forget", "refresh_reserves", "set_pending"]


@helper
def set_pending(c: Any, e: int, s: int, o: Any, units: float, asked: float) -> None:
    """Set what is left of an order as the agent knows, and what an amend may make of it.

    The lane's pending units follow: an order counts with the larger of both.
    """
    pos = position(c, e, s)
    change = max(units, asked) - max(o.local_leaves, o.asked)
    o.local_leaves = units
    o.asked = asked
    if o.side == BUY:
        pos.pending_buy = max(pos.pending_buy + change, 0.0)
    else:
        pos.pending_sell = max(pos.pending_sell + change, 0.0)


@helper
def _locked(c: Any, e: int, s: int) -> float:
    """Return the cash that working buys of a lane reserve; set the base its sells reserve."""
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    cash = 0.0
    base = 0.0
    for k in range(lane(c, e, s).num_slots):
        o = order(c, e, s, k)
        if o.local == FREE:
            continue
        qty = base_of_units(p, ins, max(o.local_leaves, o.asked))
        if o.side == BUY:
            notional = qty * worth(ins, o.reserve_price)
            cash += notional + notional * fee_reserve_frac(p, ins)
        else:
            base += qty
    position(c, e, s).reserved = base
    return cash


@helper
def refresh_reserves(c: Any, a: Any, e: int) -> None:
    """Add up anew what working orders reserve: sums that are carried would gather dust (M3)."""
    if params_at(c.params, 0).margin != 0:
        return
    total = 0.0
    for s in range(c.num_lanes):
        total += _locked(c, e, s)
    a.reserved = total


@helper
def forget(c: Any, a: Any, e: int, s: int, o: Any) -> None:
    """Free the slot of an order that is done, as far as the agent knows."""
    set_pending(c, e, s, o, 0.0, 0.0)
    o.local = FREE
    a.num_orders -= 1
    row = lane(c, e, s)
    while row.num_slots > 0 and order(c, e, s, row.num_slots - 1).local == FREE:
        row.num_slots -= 1


@helper
def _settle_change(c: Any, e: int, s: int, o: Any) -> None:
    """Count one answer to an amend or decrease; after the last, no more than the order is held."""
    o.changes = max(o.changes - 1, 0)
    if o.changes == 0:
        set_pending(c, e, s, o, o.local_leaves, 0.0)
        o.reserve_price = price_of(instrument(c, s), o.local_tick)


@helper
def _execute(c: Any, a: Any, e: int, s: int, o: Any, r: Any, event: Any) -> None:
    """Book an execution and complete its event."""
    ins = instrument(c, s)
    qty = base_of_units(params_at(c.params, 0), ins, r.qty)
    event.realized = book_fill(
        c, a, e, s, o.side, qty, r.price, mid_of(ins, r.bid, r.ask), r.liquidity
    )
    event.fee = qty * abs(worth(ins, r.price)) * fee_frac(ins, r.liquidity)
    if params_at(c.params, 0).impact != 0 and r.liquidity == TAKER:
        note_hole(c, a, e, s, -o.side, r.tick, r.qty)
    o.cost += r.qty * r.price
    lane(c, e, s).untold -= o.side * r.qty


@helper
def _update(c: Any, a: Any, e: int, s: int, o: Any, r: Any) -> None:
    """Move an order's state, as the agent knows it, by a report about it."""
    if r.kind == CHANGE_REFUSED:
        _settle_change(c, e, s, o)
        return
    if r.kind != ACCEPTED and r.kind != EXECUTED and r.kind != AMENDED:
        forget(c, a, e, s, o)  # EXPIRED, CANCELLED, REFUSED
        return
    asked = o.asked
    if r.kind == EXECUTED:
        o.local_executed += r.qty
        asked = max(asked - r.qty, 0.0)  # it counts towards what an amend asks for
    set_pending(c, e, s, o, r.leaves, asked)
    o.ahead = r.front if r.kind != EXECUTED else 0.0  # what is executed is at the front
    o.ahead_ts = a.now
    if r.kind != EXECUTED:
        o.local = WORKING
        o.local_tick = r.tick
    if r.kind == AMENDED:
        _settle_change(c, e, s, o)
    if r.kind == EXECUTED and r.leaves <= 0.0:
        forget(c, a, e, s, o)


@helper
def deliver_report(c: Any, a: Any, e: int, s: int) -> None:
    """Let the agent receive the oldest report of a lane, at the account's time."""
    row = lane(c, e, s)
    r = report(c, e, s, row.reports_head)
    row.reports_head += 1
    o = order(c, e, s, r.slot)
    known = o.local != FREE and o.id == r.order_id
    event = log_report(c, a, e, s, o, r, known)
    if r.kind == REFUSED:
        a.num_rejects += 1
    if not known:
        return
    if o.local == ON_THE_WAY:
        row.latency_seen = float(a.now - o.sent_ts)
    if r.kind == EXECUTED:
        _execute(c, a, e, s, o, r, event)
    _update(c, a, e, s, o, r)
    refresh_reserves(c, a, e)
    if r.kind == EXECUTED:
        record_equity(c, a, e)
