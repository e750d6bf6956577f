"""The working orders of an account: reserves, siblings, and the slots they live in (M3, O9)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import copy_bytes, helper
from seq_gym.engine.account import DUST, cost_of, fee_reserve_frac
from seq_gym.engine.codes import (
    CANCELLED,
    FINISHED,
    GROUP_FILLED,
    INSUFFICIENT_BALANCE,
    MARKET,
    NO_EXPIRY,
    POSITION_CLOSED,
    REDUCE_ONLY,
    TRAILING_STOP,
    WAITING,
)
from seq_gym.engine.journal import log_order
from seq_gym.engine.layout import ORDER
from seq_gym.engine.levels import level_of, waits_for_fall
from seq_gym.engine.tables import order, order_at, params_at, position

__all__ = [
    "after_fill",
    "cancel_all",
    "compact",
    "finish",
    "is_reduce_only",
    "new_request",
    "refresh_reserves",
    "reserve_of",
    "watch",
]

_ORDER_BYTES = ORDER.itemsize


@helper
def new_request(c: Any, a: Any, s: int, side: int) -> Any:
    """Return the request as a fresh market order with the next id, size still to be set.

    There is one request in all: it lives from the verb that makes it to the fill or the slot.
    """
    o = order_at(c.request, 0)
    o.id = a.next_order_id
    a.next_order_id += 1
    o.symbol = s
    o.side = side
    o.type = MARKET
    o.tif = 0
    o.flags = 0
    o.size_mode = 0
    o.state = WAITING
    o.group = 0
    o.placed = a.cursor
    o.expires = NO_EXPIRY
    o.blocked = -1
    o.size = 0.0
    o.qty = 0.0
    o.filled = 0.0
    o.price = 0.0
    o.trigger = 0.0
    o.trail_frac = 0.0
    o.extreme = 0.0
    o.max_slippage_frac = math.inf
    o.reserve_price = 0.0
    return o


@helper
def is_reduce_only(o: Any) -> bool:
    """Say whether an order may only shrink a position."""
    return (o.flags & REDUCE_ONLY) != 0


@helper
def reserve_of(c: Any, a: Any, e: int, o: Any) -> float:
    """Return what an order holds: quote, or base units for a spot sale (M3)."""
    if o.state == FINISHED or is_reduce_only(o) or o.qty <= 0.0:
        return 0.0
    if o.reserve_price <= 0.0:
        return 0.0
    p = params_at(c.params, 0)
    if p.margin == 0 and o.side < 0:
        return o.qty
    fee_frac = fee_reserve_frac(c, a, o.symbol)
    if p.margin == 0:
        return cost_of(o.qty, o.reserve_price, fee_frac)
    held = position(c, e, o.symbol).qty
    opening = o.qty - (min(o.qty, abs(held)) if held * o.side < 0.0 else 0.0)
    return opening * o.reserve_price * (p.initial_margin_frac + fee_frac)


@helper
def refresh_reserves(c: Any, a: Any, e: int) -> None:
    """Sum the reserves afresh: a running total would drift and could not be restored exactly."""
    a.reserved = 0.0
    spot = params_at(c.params, 0).margin == 0
    for s in range(c.num_symbols):
        position(c, e, s).reserved = 0.0
    for k in range(a.num_orders):
        o = order(c, e, k)
        held = reserve_of(c, a, e, o)
        if spot and o.side < 0:
            position(c, e, o.symbol).reserved += held
        else:
            a.reserved += held


@helper
def finish(c: Any, a: Any, e: int, o: Any, phase: int, reason: int) -> None:
    """Take an order out of work and say why; what it held is free at once."""
    log_order(c, a, e, o, CANCELLED, phase, reason)
    o.state = FINISHED
    if o.reserve_price > 0.0:
        refresh_reserves(c, a, e)


@helper
def watch(c: Any, a: Any, e: int) -> None:
    """Note which prices and which time stir the orders in work, so that most candles ask no order.

    Orders that finish later only make the watch too careful.
    """
    a.wake = NO_EXPIRY
    for s in range(c.num_symbols):
        position(c, e, s).stir_low = -math.inf
        position(c, e, s).stir_high = math.inf
    for k in range(a.num_orders):
        o = order(c, e, k)
        pos = position(c, e, o.symbol)
        if o.state == WAITING or o.type == TRAILING_STOP:
            a.wake = 0
        elif waits_for_fall(o):
            pos.stir_low = max(pos.stir_low, level_of(o))
        else:
            pos.stir_high = min(pos.stir_high, level_of(o))
        a.wake = min(a.wake, o.expires)


@helper
def compact(c: Any, a: Any, e: int) -> None:
    """Close the gaps that finished orders left, keeping priority order; refresh the reserves."""
    kept = 0
    for k in range(a.num_orders):
        if order(c, e, k).state != FINISHED:
            if kept != k:
                base = c.orders + e * c.order_slots * _ORDER_BYTES
                copy_bytes(base + kept * _ORDER_BYTES, base + k * _ORDER_BYTES, _ORDER_BYTES)
            kept += 1
    a.num_orders = kept
    refresh_reserves(c, a, e)
    watch(c, a, e)


@helper
def cancel_all(c: Any, a: Any, e: int, phase: int, reason: int) -> None:
    """Cancel every working order."""
    for k in range(a.num_orders):
        o = order(c, e, k)
        if o.state != FINISHED:
            finish(c, a, e, o, phase, reason)
    compact(c, a, e)


@helper
def _cancel_exits(c: Any, a: Any, e: int, s: int, phase: int) -> None:
    """Cancel what can no longer reduce the position of a symbol (O9)."""
    held = position(c, e, s).qty
    for k in range(a.num_orders):
        o = order(c, e, k)
        if o.symbol == s and o.state != FINISHED and is_reduce_only(o) and held * o.side >= 0.0:
            finish(c, a, e, o, phase, POSITION_CLOSED)


@helper
def _cancel_uncovered_sales(c: Any, a: Any, e: int, s: int, phase: int) -> None:
    """Cancel the newest plain spot sales of what a stop has sold already."""
    pos = position(c, e, s)
    for k in range(a.num_orders - 1, -1, -1):
        if pos.reserved <= pos.qty * (1.0 + DUST):
            return
        o = order(c, e, k)
        if o.symbol == s and o.state != FINISHED and o.side < 0 and not is_reduce_only(o):
            finish(c, a, e, o, phase, POSITION_CLOSED if pos.qty == 0.0 else INSUFFICIENT_BALANCE)
            refresh_reserves(c, a, e)


@helper
def after_fill(c: Any, a: Any, e: int, filled: Any, closed: bool, phase: int) -> None:
    """Draw the consequences of a fill for the other orders: groups, exits, covered sales (O9)."""
    if a.num_orders == 0:
        return
    if filled.group != 0:
        for k in range(a.num_orders):
            o = order(c, e, k)
            if o.group == filled.group and o.id != filled.id and o.state != FINISHED:
                finish(c, a, e, o, phase, GROUP_FILLED)
    s = filled.symbol
    if closed:
        _cancel_exits(c, a, e, s, phase)
    refresh_reserves(c, a, e)
    if closed and params_at(c.params, 0).margin == 0:
        _cancel_uncovered_sales(c, a, e, s, phase)
