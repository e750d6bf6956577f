"""The risk profile: limits R1 to R5, checked when an order is placed."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.account import budget, mark_equity
from seq_gym.engine.codes import (
    AT_ONCE,
    DAILY_LOSS_LIMIT,
    EQUITY_FRACTION,
    FINISHED,
    KILL_SWITCH,
    NONE,
    NOTIONAL,
    NS_PER_MINUTE,
    RATE_LIMIT,
    RISK_LIMIT_EXCEEDED,
    TARGET_WEIGHT,
    WHOLE_POSITION,
)
from seq_gym.engine.slots import is_reduce_only
from seq_gym.engine.tables import candle, order, params_at, position

__all__ = ["check_risk", "count_order", "exceeds"]


@helper
def exceeds(a: Any, value: float, bound: float) -> bool:
    """Compare unrounded; equal is allowed. Remembers both sides for the refusal (R5)."""
    if not value > bound:  # a limit that is off is inf, and inf of nothing is NaN
        return False
    a.reject_value = value
    a.reject_bound = bound
    return True


@helper
def _num_working(c: Any, a: Any, e: int) -> int:
    """Count working orders; one that is being replaced is none (O11)."""
    count = 0
    for k in range(a.num_orders):
        if order(c, e, k).state != FINISHED:
            count += 1
    return count


@helper
def _pending_notional(c: Any, e: int, o: Any, mark: float, equity: float) -> float:
    """Return what a working order would add, also where its size is settled at the fill."""
    if o.size_mode == NOTIONAL:
        return o.size
    if o.size_mode == EQUITY_FRACTION:
        return o.size * max(equity, 0.0)
    if o.size_mode == WHOLE_POSITION:
        return abs(position(c, e, o.symbol).qty) * mark
    return o.qty * (o.price if o.price > 0.0 else mark)


@helper
def _pending_opening(
    c: Any, a: Any, e: int, s: int, side: int, mark: float, equity: float
) -> float:
    """Return the notional of working orders that would add to a symbol on a side (R2)."""
    total = 0.0
    for k in range(a.num_orders):
        o = order(c, e, k)
        if o.symbol == s and o.side == side and o.state != FINISHED and not is_reduce_only(o):
            total += _pending_notional(c, e, o, mark, equity)
    return total


@helper
def _check_pace(a: Any, p: Any) -> int:
    """Check orders per minute of virtual time; `count_order` counts what is accepted."""
    if p.max_orders_per_minute > 0:
        minute = (p.start_ns + a.cursor * p.interval_ns) // NS_PER_MINUTE
        if minute != a.minute:
            a.minute = minute
            a.orders_in_minute = 0
        if exceeds(a, float(a.orders_in_minute + 1), float(p.max_orders_per_minute)):
            return RATE_LIMIT
    return NONE


@helper
def count_order(a: Any) -> None:
    """Count an accepted order towards the orders of its minute (R4)."""
    a.orders_in_minute += 1


@helper
def _waiting_target(c: Any, e: int, s: int, side: int, mark: float, equity: float) -> float:
    """Return the notional that a waiting target would add to a symbol on a side (R2)."""
    pos = position(c, e, s)
    if pos.intent_mode < 0:
        return 0.0
    change = pos.intent_value * max(equity, 0.0)
    if pos.intent_mode == TARGET_WEIGHT:
        change -= pos.qty * mark
    return max(change * side, 0.0)


@helper
def check_risk(  # noqa: C901  one test for each limit
    c: Any,
    a: Any,
    e: int,
    s: int,
    side: int,
    qty: float,
    price: float,
    cost: float,
    exit_only: bool,
    is_target: bool,
) -> int:
    """Return NONE, or the reason why the risk profile refuses an order.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of env e; its reject fields are set on a refusal.
        e: The env.
        s: The symbol.
        side: +1 or -1.
        qty: Base units at the expected price.
        price: The price expected at the fill.
        cost: What the whole order would cost, fee included.
        exit_only: The order can only reduce.
        is_target: It takes the place of the target that waits in the symbol.
    """
    p = params_at(c.params, 0)
    if p.any_risk == 0:
        return NONE
    reason = _check_pace(a, p)
    if reason != NONE:
        return reason
    held = position(c, e, s).qty
    reduces = exit_only or (held * side < 0.0 and qty <= abs(held))
    lost = 100.0 * max(a.realized_at_midnight - a.realized, 0.0) / a.starting_balance
    if not (reduces and p.allow_reduce != 0) and exceeds(a, lost, p.daily_loss_limit_pct):
        return DAILY_LOSS_LIMIT
    if reduces:
        return NONE
    equity = mark_equity(c, a, e)
    drawdown = 100.0 * (1.0 - equity / max(a.peak_equity, equity, 1e-300))
    if exceeds(a, drawdown, p.max_drawdown_pct):
        return KILL_SWITCH
    most = float(p.max_open_orders)
    if most > 0.0 and exceeds(a, _num_working(c, a, e) + 1.0, most):
        return RISK_LIMIT_EXCEEDED
    if qty * price < p.risk_min_notional:
        a.reject_value = qty * price
        a.reject_bound = p.risk_min_notional
        return RISK_LIMIT_EXCEEDED
    opening = qty - (abs(held) if held * side < 0.0 else 0.0)
    available = max(budget(c, a, e, AT_ONCE), 0.0)
    part = opening / qty if qty > 0.0 else 0.0
    if exceeds(a, 100.0 * cost * part, p.max_order_size_pct * available):
        a.reject_value = 100.0 * cost * part / available if available > 0.0 else 1e308
        a.reject_bound = p.max_order_size_pct
        return RISK_LIMIT_EXCEEDED
    mark = candle(c, a.cursor, s).mark
    result = abs(held + side * qty) * mark + _pending_opening(c, a, e, s, side, mark, equity)
    if not is_target:
        result += _waiting_target(c, e, s, side, mark, equity)
    if exceeds(a, 100.0 * result, p.max_position_size_pct * max(equity, 0.0)):
        a.reject_value = 100.0 * result / equity if equity > 0.0 else 1e308
        a.reject_bound = p.max_position_size_pct
        return RISK_LIMIT_EXCEEDED
    return NONE
