"""What an agent can ask for: place, cancel, amend, decrease (A1, B15, B19)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import copy_bytes, helper
from seq_gym.engine.book.checks import check_order, check_shape
from seq_gym.engine.book.codes import (
    ASK_AMEND,
    ASK_CANCEL,
    ASK_DECREASE,
    ASK_NEW,
    BUY,
    CHANGE_REFUSED,
    FREE,
    NO_ASK,
    ON_THE_WAY,
    REFUSED,
    SENT,
    STRICT,
)
from seq_gym.engine.book.journal import log_order
from seq_gym.engine.book.latency import FOR_CANCEL, FOR_ENTRY, latency_ns
from seq_gym.engine.book.layout import ORDER
from seq_gym.engine.book.money import mid_known
from seq_gym.engine.book.reports import refresh_reserves, set_pending
from seq_gym.engine.book.tables import instrument, lane, order, order_at, params_at, request
from seq_gym.engine.book.units import price_of
from seq_gym.engine.codes import (
    GTC,
    INVALID_PARAMS,
    INVALID_QUANTITY,
    MARKET,
    NONE,
    ORDER_NOT_FOUND,
    RATE_LIMIT,
    TOO_MANY_ORDERS,
)

__all__ = ["amend", "cancel", "cancel_all", "decrease", "find_order", "new_request", "place"]

_ORDER_BYTES = ORDER.itemsize


@helper
def new_request(c: Any, side: int) -> Any:
    """Return the scratch order: a blank good-till-cancelled market order on a side."""
    o = order_at(c.scratch, 0)
    o.side = side
    o.type = MARKET
    o.tif = GTC
    o.flags = 0
    o.tick = 0
    o.qty = 0.0
    o.max_slippage_frac = math.inf
    o.tag = 0
    return o


@helper
def find_order(c: Any, e: int, s: int, order_id: int) -> int:
    """Return the slot of an order that the agent holds for alive; -1 when there is none."""
    for k in range(lane(c, e, s).num_slots):
        o = order(c, e, s, k)
        if o.local != FREE and o.id == order_id:
            return k
    return -1


@helper
def _free_slot(c: Any, e: int, s: int) -> int:
    """Return a slot for a new order; -1 when the lane has none."""
    count = lane(c, e, s).num_slots
    for k in range(count):
        if order(c, e, s, k).local == FREE:
            return k
    return count if count < c.order_slots else -1


@helper
def _count_action(a: Any, p: Any) -> bool:
    """Count one action since the last advance; False when it is one too many (B15)."""
    a.num_actions += 1
    if a.num_actions <= p.max_actions:
        return True
    a.reject_value = float(a.num_actions)
    a.reject_bound = float(p.max_actions)
    return False


@helper
def _send(
    c: Any, a: Any, e: int, s: int, purpose: int, kind: int, k: int, tick: int, qty: float
) -> None:
    """Put a request about slot k on its way; the channel is FIFO (B4)."""
    row = lane(c, e, s)
    arrival = max(a.now + latency_ns(c, a, e, s, purpose, a.now), row.entry_last)
    row.entry_last = arrival
    ask = request(c, e, s, row.requests_tail)
    row.requests_tail += 1
    ask.arrival = arrival
    ask.kind = kind
    ask.slot = k
    ask.order_id = order(c, e, s, k).id
    ask.tick = tick
    ask.qty = qty
    ask.executed = order(c, e, s, k).local_executed


@helper
def _no_channel(c: Any, e: int, s: int) -> bool:
    """Say whether a lane has as many requests in flight as its ring holds."""
    row = lane(c, e, s)
    return row.requests_tail - row.requests_head >= c.request_slots


@helper
def _check_place(c: Any, a: Any, e: int, s: int, o: Any) -> int:
    """Return NONE, or why a new order is refused before it is sent (A1)."""
    p = params_at(c.params, 0)
    a.reject_value = math.nan
    a.reject_bound = math.nan
    if not _count_action(a, p):
        return RATE_LIMIT
    if a.num_orders >= p.max_orders:
        a.reject_value = a.num_orders + 1.0
        a.reject_bound = float(p.max_orders)
        return TOO_MANY_ORDERS
    if _no_channel(c, e, s) or _free_slot(c, e, s) < 0:
        return TOO_MANY_ORDERS
    return check_order(c, a, e, s, o, 0)


@helper
def _keep(c: Any, e: int, s: int, o: Any) -> int:
    """Copy the scratch order into a free slot, on its way; return the slot."""
    k = _free_slot(c, e, s)
    kept = order(c, e, s, k)
    slot = c.orders + ((e * c.num_lanes + s) * c.order_slots + k) * _ORDER_BYTES
    copy_bytes(slot, c.scratch, _ORDER_BYTES)
    kept.local = ON_THE_WAY
    kept.venue = ON_THE_WAY
    kept.next = -1
    kept.leaves = o.qty
    kept.reserve_price = price_of(instrument(c, s), o.tick)
    row = lane(c, e, s)
    row.num_slots = max(row.num_slots, k + 1)
    return k


@helper
def place(c: Any, a: Any, e: int, s: int) -> int:
    """Send the scratch order to lane s, or refuse it: `a.reason` says which.

    Returns:
        The order's id; also a refused one uses up an id.
    """
    o = order_at(c.scratch, 0)
    o.id = a.next_order_id
    a.next_order_id += 1
    o.sent_ts = a.now
    o.sent_mid = mid_known(c, e, s)
    o.arrival_ts = 0
    o.arrival_mid = math.nan
    o.front = 0.0
    o.traded = 0.0
    o.cost = 0.0
    o.asked = 0.0
    o.changes = 0
    o.local_leaves = 0.0
    o.executed = 0.0
    o.local_executed = 0.0
    a.reason = _check_place(c, a, e, s, o)
    o.local_tick = o.tick
    if a.reason != NONE:
        a.num_rejects += 1
        log_order(c, a, e, s, o, REFUSED, a.reason)
        return o.id
    k = _keep(c, e, s, o)
    kept = order(c, e, s, k)
    set_pending(c, e, s, kept, o.qty, 0.0)
    a.num_orders += 1
    a.orders_in_minute += 1
    _send(c, a, e, s, FOR_ENTRY, ASK_NEW, k, o.tick, o.qty)
    refresh_reserves(c, a, e)
    log_order(c, a, e, s, kept, SENT, NONE)
    return o.id


@helper
def _refuse_change(c: Any, a: Any, e: int, s: int, k: int, reason: int) -> int:
    """Log that a change of slot k is not sent, and return why."""
    a.num_rejects += 1
    log_order(c, a, e, s, order(c, e, s, k), CHANGE_REFUSED, reason)
    return reason


@helper
def _check_change(c: Any, a: Any, e: int, s: int) -> int:
    """Return NONE, or why no message about a working order can be sent now."""
    a.reject_value = math.nan
    a.reject_bound = math.nan
    if not _count_action(a, params_at(c.params, 0)) or _no_channel(c, e, s):
        return RATE_LIMIT
    return NONE


@helper
def cancel(c: Any, a: Any, e: int, s: int, order_id: int) -> int:
    """Ask for an order's cancellation; a fill before it arrives wins (B19)."""
    k = find_order(c, e, s, order_id)
    if k < 0:
        return ORDER_NOT_FOUND
    reason = _check_change(c, a, e, s)
    if reason != NONE:
        return _refuse_change(c, a, e, s, k, reason)
    _send(c, a, e, s, FOR_CANCEL, ASK_CANCEL, k, 0, 0.0)
    return NONE


@helper
def cancel_all(c: Any, a: Any, e: int, s: int) -> int:
    """Ask for the cancellation of all orders of a lane; return how many were asked for."""
    count = 0
    for k in range(lane(c, e, s).num_slots):
        o = order(c, e, s, k)
        if o.local != FREE and cancel(c, a, e, s, o.id) == NONE:
            count += 1
    return count


@helper
def decrease(c: Any, a: Any, e: int, s: int, order_id: int, by: float) -> int:
    """Ask for an order to shrink by some units; it keeps its place in the queue (B19)."""
    k = find_order(c, e, s, order_id)
    if k < 0:
        return ORDER_NOT_FOUND
    o = order(c, e, s, k)
    reason = _check_change(c, a, e, s)
    whole = params_at(c.params, 0).fills != STRICT or by == math.floor(by)
    if reason == NONE and not (by > 0.0 and by < o.local_leaves and whole):
        a.reject_value = by
        a.reject_bound = o.local_leaves
        reason = INVALID_QUANTITY
    if reason != NONE:
        return _refuse_change(c, a, e, s, k, reason)
    o.changes += 1
    _send(c, a, e, s, FOR_CANCEL, ASK_DECREASE, k, 0, by)
    return NONE


@helper
def _check_amend(c: Any, a: Any, e: int, s: int, k: int, tick: int, qty: float) -> int:
    """Return NONE, or why slot k cannot become `qty` units at `tick`."""
    reason = _check_change(c, a, e, s)
    if reason != NONE:
        return reason
    o = order(c, e, s, k)
    if o.type == MARKET or tick < 1 or tick >= NO_ASK:
        return INVALID_PARAMS
    slot = c.orders + ((e * c.num_lanes + s) * c.order_slots + k) * _ORDER_BYTES
    copy_bytes(c.scratch, slot, _ORDER_BYTES)
    new = order_at(c.scratch, 0)
    new.tick = tick
    new.qty = qty
    new.asked = 0.0
    dearer = (tick - o.local_tick) * o.side > 0
    if qty <= o.local_leaves and not dearer:
        return check_shape(params_at(c.params, 0), new)
    leaves, asked = o.local_leaves, o.asked
    set_pending(c, e, s, o, 0.0, 0.0)
    refresh_reserves(c, a, e)
    reason = check_order(c, a, e, s, new, 1)
    set_pending(c, e, s, o, leaves, asked)
    refresh_reserves(c, a, e)
    return reason


@helper
def amend(c: Any, a: Any, e: int, s: int, order_id: int, tick: int, qty: float) -> int:
    """Ask for a limit order to become `qty` units still to be filled at `tick` (B19).

    What executes before the amend arrives, and was not known when it was sent, counts towards these
    units: no more than was asked for is ever filled. A new tick or more units give up its place in
    the queue. Until the answer is known, the dearer of both terms is reserved.
    """
    k = find_order(c, e, s, order_id)
    if k < 0:
        return ORDER_NOT_FOUND
    reason = _check_amend(c, a, e, s, k, tick, qty)
    if reason != NONE:
        return _refuse_change(c, a, e, s, k, reason)
    o = order(c, e, s, k)
    o.changes += 1
    set_pending(c, e, s, o, o.local_leaves, max(o.asked, qty))
    if o.side == BUY:
        o.reserve_price = max(o.reserve_price, price_of(instrument(c, s), tick))
    _send(c, a, e, s, FOR_CANCEL, ASK_AMEND, k, tick, qty)
    refresh_reserves(c, a, e)
    return NONE
