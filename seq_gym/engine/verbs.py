"""What an agent can ask for: place, cancel, amend, decrease, rebalance (O1, O11)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import copy_bytes, helper, inlined
from seq_gym.engine.account import (
    DUST,
    budget,
    equity_at,
    fee_reserve_frac,
    fitting_budget,
    quoted_price,
    taker_fee_frac,
    unit_cost,
)
from seq_gym.engine.candles import roll_day
from seq_gym.engine.codes import (
    AMENDED,
    AT_ONCE,
    DATA_ENDED,
    EQUITY_FRACTION,
    FINISHED,
    FIRED,
    FITTED,
    FRESH,
    INSUFFICIENT_BALANCE,
    INVALID_QUANTITY,
    LIMIT,
    LISTED,
    MARKET,
    MIN_NOTIONAL,
    NO_EXPIRY,
    NONE,
    NOT_LISTED,
    ORDER_NOT_FOUND,
    PLACED,
    POSITION_CLOSED,
    POST_ONLY,
    POST_ONLY_WOULD_TAKE,
    QUANTITY,
    REJECTED,
    RUNNING,
    STOP_LIMIT,
    TARGET_WEIGHT,
    TOO_MANY_ORDERS,
    TRAILING_STOP,
    USER_CANCELLED,
    VALIDATION_ERROR,
    WAITING,
    WHOLE_POSITION,
)
from seq_gym.engine.intents import execute_intents, set_intent
from seq_gym.engine.journal import log_order
from seq_gym.engine.layout import ORDER
from seq_gym.engine.matching import arrive, has_entry, is_passed
from seq_gym.engine.pricing import floor_to, limit_to_tick
from seq_gym.engine.risk import check_risk, count_order
from seq_gym.engine.slots import (
    compact,
    finish,
    is_reduce_only,
    new_request,
    refresh_reserves,
    reserve_of,
    watch,
)
from seq_gym.engine.tables import candle, instrument_at, order, order_at, params_at, position

__all__ = ["amend", "ask_target", "cancel", "decrease", "place", "rebalance"]

_ORDER_BYTES = ORDER.itemsize


@helper
def _positive(value: float) -> bool:
    """Say whether a number is finite and above zero; NaN is neither."""
    return value > 0.0 and value < math.inf


@helper
def _check_shape(c: Any, a: Any, o: Any) -> int:  # noqa: C901  one test for each field
    """Check what can be checked without money: listing, size, prices; round to tick and lot."""
    known = candle(c, a.cursor, o.symbol)
    if (known.flags & LISTED) == 0 or (known.flags & DATA_ENDED) != 0:
        return NOT_LISTED
    ins = instrument_at(c.instruments, o.symbol)
    if o.size_mode != WHOLE_POSITION and not _positive(o.size):
        a.reject_value = o.size
        return INVALID_QUANTITY
    if o.type == LIMIT or o.type == STOP_LIMIT:
        if not _positive(o.price):
            return VALIDATION_ERROR
        o.price = limit_to_tick(o.side, o.price, ins.tick)
        if o.price <= 0.0:
            return VALIDATION_ERROR
    if o.type == TRAILING_STOP:
        if not (o.trail_frac > 0.0 and o.trail_frac < 1.0):
            return VALIDATION_ERROR
    elif o.type != MARKET and o.type != LIMIT and not _positive(o.trigger):
        return VALIDATION_ERROR
    if o.size_mode == QUANTITY:
        o.qty = floor_to(o.size, ins.lot)
        if o.qty <= 0.0:
            a.reject_value = o.size
            a.reject_bound = ins.lot
            return INVALID_QUANTITY
    return NONE


@helper
def _expected_price(c: Any, a: Any, e: int, o: Any, qty: float) -> float:
    """Return the price that a check assumes: the limit, or the mark with slippage."""
    if o.type == LIMIT or o.type == STOP_LIMIT:
        return o.price
    return quoted_price(c, a, e, o.symbol, o.side, qty)


@helper
def _fit_limit(c: Any, a: Any, e: int, o: Any) -> None:
    """Turn the notional or fraction of a limit into a quantity now: its fill price is known."""
    if o.size_mode == QUANTITY or (o.type != LIMIT and o.type != STOP_LIMIT):
        return
    if is_reduce_only(o):
        return
    p = params_at(c.params, 0)
    ins = instrument_at(c.instruments, o.symbol)
    quote = o.size * equity_at(c, a, e, AT_ONCE) if o.size_mode == EQUITY_FRACTION else o.size
    qty = quote / o.price
    if o.side > 0 or p.margin != 0:
        unit = unit_cost(p, o.price, o.price, fee_reserve_frac(c, a, o.symbol))
        qty = min(qty, max(fitting_budget(c, a, e, AT_ONCE), 0.0) / unit * (1.0 - 1e-15))
    else:
        pos = position(c, e, o.symbol)
        qty = min(qty, pos.qty - pos.reserved)
    o.qty = max(floor_to(qty, ins.lot), 0.0)
    o.size_mode = QUANTITY
    o.flags |= FITTED


@helper
def _expected_qty(c: Any, a: Any, e: int, o: Any) -> float:
    """Return the quantity that a check assumes for a size that is settled at the fill."""
    if o.size_mode == QUANTITY:
        return o.qty
    if o.size_mode == WHOLE_POSITION:
        return abs(position(c, e, o.symbol).qty)
    quote = o.size * equity_at(c, a, e, AT_ONCE) if o.size_mode == EQUITY_FRACTION else o.size
    return max(quote, 0.0) / candle(c, a.cursor, o.symbol).mark


@helper
def _check_funds(c: Any, a: Any, e: int, o: Any, own: float) -> int:
    """Check that an explicit quantity is covered; `own` is what the order holds already (M3)."""
    p = params_at(c.params, 0)
    pos = position(c, e, o.symbol)
    if o.size_mode == QUANTITY and o.qty <= 0.0:
        return INSUFFICIENT_BALANCE
    if p.margin == 0 and o.side < 0:
        free = pos.qty - pos.reserved + own
        if o.qty > free * (1.0 + DUST) if o.size_mode == QUANTITY else free <= 0.0:
            a.reject_value = o.qty
            a.reject_bound = free
            return INSUFFICIENT_BALANCE
        return NONE
    if o.size_mode != QUANTITY:
        return NONE
    price = _expected_price(c, a, e, o, o.qty)
    o.reserve_price = price
    have = budget(c, a, e, AT_ONCE) + own
    if p.margin != 0:
        mark = candle(c, a.cursor, o.symbol).mark
        closing = min(o.qty, abs(pos.qty)) if pos.qty * o.side < 0.0 else 0.0
        if closing >= o.qty * (1.0 - DUST):
            return NONE
        have += closing * p.initial_margin_frac * mark
        fee = taker_fee_frac(c, a, o.symbol)
        need = (o.qty - closing) * unit_cost(p, mark, price, fee)
        if o.type == MARKET and need > have:
            a.reject_value = need
            a.reject_bound = have
            return INSUFFICIENT_BALANCE
    need = reserve_of(c, a, e, o)
    if need > have:
        a.reject_value = need
        a.reject_bound = have
        return INSUFFICIENT_BALANCE
    return NONE


@helper
def _check(c: Any, a: Any, e: int, o: Any, replaced: int) -> int:
    """Return NONE, or why a request is refused; `replaced` working orders make room for it."""
    a.reject_value = math.nan
    a.reject_bound = math.nan
    reason = _check_shape(c, a, o)
    if reason != NONE:
        return reason
    p = params_at(c.params, 0)
    pos = position(c, e, o.symbol)
    known = candle(c, a.cursor, o.symbol)
    fresh = p.at_close != 0 and (known.flags & FRESH) != 0
    at_once = fresh and o.type == MARKET
    if a.num_orders - replaced >= p.max_orders and not at_once:
        a.reject_value = float(a.num_orders - replaced + 1)
        a.reject_bound = float(p.max_orders)
        return TOO_MANY_ORDERS
    _fit_limit(c, a, e, o)
    qty = _expected_qty(c, a, e, o)
    exit_only = is_reduce_only(o)
    if exit_only and pos.qty * o.side >= 0.0 and not has_entry(c, a, e, o):
        return POSITION_CLOSED
    price = _expected_price(c, a, e, o, qty)
    least = instrument_at(c.instruments, o.symbol).min_notional
    if not exit_only and qty * price < least:
        a.reject_value = qty * price
        a.reject_bound = least
        return MIN_NOTIONAL
    if fresh and (o.flags & POST_ONLY) != 0 and is_passed(o, known.mark, False):
        return POST_ONLY_WOULD_TAKE
    fee = taker_fee_frac(c, a, o.symbol)
    roll_day(c, a)
    reason = check_risk(
        c, a, e, o.symbol, o.side, qty, price, qty * price * (1.0 + fee), exit_only, False
    )
    if reason != NONE or exit_only:
        return reason
    return _check_funds(c, a, e, o, 0.0)


@helper
def _keep(c: Any, a: Any, e: int, o: Any) -> None:
    """Give a request that still has work a slot and its reserve."""
    compact(c, a, e)
    if o.state == FINISHED:
        return
    p = params_at(c.params, 0)
    if a.num_orders >= p.max_orders:
        finish(c, a, e, o, AT_ONCE, TOO_MANY_ORDERS)
        return
    o.reserve_price = _expected_price(c, a, e, o, o.qty) if o.size_mode == QUANTITY else 0.0
    slot = c.orders + (e * c.order_slots + a.num_orders) * _ORDER_BYTES
    copy_bytes(slot, c.request, _ORDER_BYTES)
    kept = order(c, e, a.num_orders)
    a.num_orders += 1
    refresh_reserves(c, a, e)
    if p.margin == 0 and a.cash < a.reserved:
        finish(c, a, e, kept, AT_ONCE, INSUFFICIENT_BALANCE)
        compact(c, a, e)
    watch(c, a, e)


@helper
def _admit(c: Any, a: Any, e: int, o: Any) -> None:
    """Let an accepted request arrive: at once under execution="close", else at the next open."""
    o.reserve_price = 0.0
    known = candle(c, a.cursor, o.symbol)
    if params_at(c.params, 0).at_close != 0 and (known.flags & FRESH) != 0:
        arrive(c, a, e, o, known.mark, AT_ONCE)
    _keep(c, a, e, o)


@helper
def place(c: Any, a: Any, e: int) -> int:
    """Place the request (`new_request`, with its fields filled in).

    Returns:
        NONE when accepted (it may have filled, or gone, at once: the events say), else the reason
        of the refusal, with nothing changed but the refusal's own event.
    """
    o = order_at(c.request, 0)
    if o.expires != NO_EXPIRY:
        o.expires += a.cursor
    reason = _check(c, a, e, o, 0)
    if reason != NONE:
        a.num_rejects += 1
        log_order(c, a, e, o, REJECTED, AT_ONCE, reason)
        return reason
    count_order(a)
    log_order(c, a, e, o, PLACED, AT_ONCE, NONE)
    _admit(c, a, e, o)
    return NONE


@helper
def _find(c: Any, a: Any, e: int, order_id: int) -> int:
    for k in range(a.num_orders):
        if order(c, e, k).id == order_id:
            return k
    return -1


@helper
def cancel(c: Any, a: Any, e: int, order_id: int) -> int:
    """Cancel a working order; a finished one is a refused value (O11)."""
    k = _find(c, a, e, order_id)
    if k < 0:
        return ORDER_NOT_FOUND
    finish(c, a, e, order(c, e, k), AT_ONCE, USER_CANCELLED)
    compact(c, a, e)
    return NONE


@helper
def decrease(c: Any, a: Any, e: int, order_id: int, by: float) -> int:
    """Shrink a working order and keep its priority; to zero or below is refused (O11)."""
    k = _find(c, a, e, order_id)
    if k < 0:
        return ORDER_NOT_FOUND
    o = order(c, e, k)
    if o.size_mode != QUANTITY:
        return INVALID_QUANTITY
    rest = floor_to(o.qty - by, instrument_at(c.instruments, o.symbol).lot)
    if not (by > 0.0 and rest > DUST * o.qty):
        return INVALID_QUANTITY
    o.qty = rest
    log_order(c, a, e, o, AMENDED, AT_ONCE, NONE)
    refresh_reserves(c, a, e)
    return NONE


@helper
def _amended(o: Any, price: float, qty: float, trigger: float) -> None:
    """Write the new terms; NaN leaves a term as it is."""
    if price == price:
        o.price = price
    if trigger == trigger:
        o.trigger = trigger
    if qty == qty:
        o.size = qty
        o.qty = qty
        o.size_mode = QUANTITY
        o.flags &= ~FITTED


@helper
def amend(c: Any, a: Any, e: int, order_id: int, price: float, qty: float, trigger: float) -> int:
    """Change a working order: cancel-and-replace under the same id, with new priority (O11).

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        order_id: The order.
        price: New limit, NaN to leave it.
        qty: New quantity still to be filled, NaN to leave it.
        trigger: New trigger, NaN to leave it.

    Returns:
        NONE, or the reason; the order is then as it was.
    """
    k = _find(c, a, e, order_id)
    if k < 0:
        return ORDER_NOT_FOUND
    old = order(c, e, k)
    new = order_at(c.request, 0)
    copy_bytes(c.request, c.orders + (e * c.order_slots + k) * _ORDER_BYTES, _ORDER_BYTES)
    _amended(new, price, qty, trigger)
    if new.size_mode == QUANTITY:
        new.size = new.qty
    new.state = WAITING
    new.flags &= ~FIRED
    new.placed = a.cursor
    new.blocked = -1
    new.extreme = 0.0
    new.reserve_price = 0.0
    state = old.state
    old.state = FINISHED
    refresh_reserves(c, a, e)
    reason = _check(c, a, e, new, 1)
    if reason != NONE:
        old.state = state
        refresh_reserves(c, a, e)
        return reason
    compact(c, a, e)
    count_order(a)
    log_order(c, a, e, new, AMENDED, AT_ONCE, NONE)
    _admit(c, a, e, new)
    return NONE


@inlined
def ask_target(c: Any, a: Any, e: int, s: int, mode: int, value: float, deadband: float) -> int:
    """Ask for a target weight or a fraction of equity in a symbol, subject to R1 to R5.

    Returns:
        NONE, or the reason of the refusal; nothing has changed then but its event.
    """
    watched = params_at(c.params, 0).any_risk != 0
    if watched:
        a.reject_value = math.nan
        a.reject_bound = math.nan
    reason = _check_target(c, a, e, s, mode, value)
    if reason == NONE:
        if watched:
            count_order(a)
        set_intent(c, a, e, s, mode, value, deadband)
        return NONE
    if not watched:
        a.reject_value = math.nan
        a.reject_bound = math.nan
    o = new_request(c, a, s, 1 if value >= 0.0 else -1)
    o.size_mode = mode
    o.size = value
    a.num_rejects += 1
    log_order(c, a, e, o, REJECTED, AT_ONCE, reason)
    return reason


@inlined
def _check_target(c: Any, a: Any, e: int, s: int, mode: int, value: float) -> int:
    """Return NONE, or why a target cannot be asked for."""
    known = candle(c, a.cursor, s)
    if not (value > -math.inf and value < math.inf):
        return INVALID_QUANTITY
    if (known.flags & LISTED) == 0 or (known.flags & DATA_ENDED) != 0:
        return NOT_LISTED if value != 0.0 else NONE
    if params_at(c.params, 0).any_risk == 0:
        return NONE
    roll_day(c, a)
    pos = position(c, e, s)
    if mode == TARGET_WEIGHT and params_at(c.params, 0).margin == 0:
        value = max(value, 0.0)
    qty = value * equity_at(c, a, e, AT_ONCE) / known.mark
    change = qty - pos.qty if mode == TARGET_WEIGHT else qty
    if change == 0.0:
        return NONE
    side = 1 if change > 0.0 else -1
    price = quoted_price(c, a, e, s, side, abs(change))
    cost = abs(change) * price * (1.0 + taker_fee_frac(c, a, s))
    exit_only = mode == TARGET_WEIGHT and value == 0.0
    return check_risk(c, a, e, s, side, abs(change), price, cost, exit_only, True)


@inlined
def rebalance(c: Any, a: Any, e: int) -> None:
    """Execute at once what was asked for, under execution="close"; else it waits for the open."""
    if a.num_intents > 0 and params_at(c.params, 0).at_close != 0 and a.ending == RUNNING:
        execute_intents(c, a, e, AT_ONCE)
