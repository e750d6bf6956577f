"""Why an order was refused or cancelled, as sentences with limit, value and bound (R5)."""

from __future__ import annotations

import math
from collections import namedtuple
from typing import Any

from seq_gym.engine import codes
from seq_gym.engine.batch import Batch
from seq_gym.engine.layout import ORDER
from seq_gym.sandbox.params import RiskProfile
from seq_gym.sandbox.records import Order
from seq_gym.types import Reason

__all__ = ["CANCELLED_BECAUSE", "limit_of", "refusal_of"]

_Order: Any = namedtuple("_Order", list(ORDER.names or ()))  # type: ignore[misc]

CANCELLED_BECAUSE = {
    codes.INSUFFICIENT_BALANCE: "When it met its price, the account could not pay for it.",
    codes.POSITION_CLOSED: "There was no position left that it could reduce.",
    codes.POST_ONLY_WOULD_TAKE: "It would have taken liquidity, which post_only forbids.",
    codes.EXPIRED: "Its time in force was over.",
    codes.MAX_SLIPPAGE: "The slippage would have been above max_slippage_bps.",
    codes.NO_LIQUIDITY: "The candle's volume did not cover the rest under max_participation_frac.",
    codes.GROUP_FILLED: "Another order of its group filled.",
    codes.USER_CANCELLED: "It was cancelled on request.",
    codes.END_OF_EPISODE: "The session ended.",
    codes.LIQUIDATION: "The account was liquidated.",
    codes.DELISTED: "The data of its symbol has ended for good.",
    codes.TOO_MANY_ORDERS: "No slot was left for its rest.",
}
"""Sentence of each reason that takes an order out of work."""

_LIMITS = {
    "max_order_size_pct": "The order would cost {value} % of available cash; at most {bound} % "
    "is allowed (max_order_size_pct).",
    "max_position_size_pct": "The position would be {value} % of total equity; at most {bound} % "
    "is allowed (max_position_size_pct).",
    "max_open_orders": "There would be {value} working orders; at most {bound} are allowed "
    "(max_open_orders).",
    "min_notional": "The order is worth {value}; at least {bound} is required (min_notional).",
}

_SENTENCES = {
    codes.VALIDATION_ERROR: "A price, trigger or trail of the order is outside of what its type "
    "allows.",
    codes.INVALID_QUANTITY: "A quantity must be a number above 0 and at least one lot; was "
    "{value}.",
    codes.NOT_LISTED: "{symbol} has no price at this time: it is not listed yet, or its data has "
    "ended.",
    codes.DAILY_LOSS_LIMIT: "Today's realised loss is {value} % of the starting balance; above "
    "{bound} % no order is accepted until 00:00 UTC (daily_loss_limit_pct).",
    codes.TOO_MANY_ORDERS: "There would be {value} working orders; at most {bound} are allowed "
    "(max_orders). Cancel one first.",
    codes.RATE_LIMIT: "This is order {value} of the minute; at most {bound} are allowed "
    "(max_orders_per_minute).",
    codes.KILL_SWITCH: "The drawdown is {value} %; above {bound} % no opening order is accepted "
    "(max_drawdown_pct).",
    codes.POSITION_CLOSED: "There is no position in {symbol} that a {side} could reduce, and no "
    "working order that may open one.",
    codes.POST_ONLY_WOULD_TAKE: "The limit would fill at once, which post_only forbids.",
    codes.MIN_NOTIONAL: "The order is worth {value}; {symbol} requires at least {bound}.",
}

_NAMES = {
    codes.INSUFFICIENT_BALANCE: "available",
    codes.DAILY_LOSS_LIMIT: "daily_loss_limit_pct",
    codes.TOO_MANY_ORDERS: "max_orders",
    codes.RATE_LIMIT: "max_orders_per_minute",
    codes.KILL_SWITCH: "max_drawdown_pct",
    codes.MIN_NOTIONAL: "min_notional",
    codes.INVALID_QUANTITY: "lot",
}


def _figure(number: float) -> str:
    """Write a measured figure short, but never so short that it hides by how much it exceeds."""
    if math.isnan(number):
        return "nothing"
    if number >= 1e300:
        return "more than any"
    return f"{number:.10g}"


def _balance_sentence(order: Order, value: float, bound: float) -> str:
    if math.isnan(value):
        return "The account has nothing free to pay for the order."
    if order.side == "sell" and (order.quantity is None or value == order.quantity):
        return f"The order sells {_figure(value)}; {_figure(max(bound, 0.0))} of it is free."
    return f"The order needs {_figure(value)}; {_figure(max(bound, 0.0))} is available."


def refusal_of(
    reason: int, value: float, bound: float, order: Order, limit: str | None = None
) -> dict[str, Any]:
    """Return the fields of Order that tell of a refusal by the engine.

    Args:
        reason: The engine's number.
        value: What was measured, or NaN.
        bound: What it may be, or NaN.
        order: The order that is refused.
        limit: Name of the limit of the risk profile, where it is about one.
    """
    if reason == codes.INSUFFICIENT_BALANCE:
        message = _balance_sentence(order, value, bound)
    else:
        sentence = _LIMITS.get(limit or "") or _SENTENCES.get(reason, "It is not allowed.")
        message = sentence.format(
            value=_figure(value), bound=_figure(bound), symbol=order.symbol, side=order.side
        )
    measured = not math.isnan(value)
    return {
        "status": "rejected",
        "reason": Reason(reason).name,
        "message": message,
        "limit": (limit or _NAMES.get(reason)) if measured else None,
        "value": value if measured else None,
        "bound": bound if not math.isnan(bound) else None,
    }


def limit_of(event: Any, batch: Batch, risk: RiskProfile | None) -> str | None:
    """Return the name of the limit that refused an order under R1, R2 or R4.

    The engine says what was measured and what is allowed; the limits differ in the latter, or, if
    two are the same number, in the former.

    Args:
        event: The REJECTED event; the account still is as it was then.
        batch: The tables.
        risk: The profile.
    """
    if event.reason != codes.RISK_LIMIT_EXCEEDED or risk is None:
        return None
    if event.value < event.bound:
        return "min_notional"
    account: Any = batch.accounts[0]
    if event.bound == risk.max_open_orders and event.value == account.num_orders + 1:
        return "max_open_orders"
    if risk.max_position_size_pct != event.bound:
        return "max_order_size_pct"
    if risk.max_order_size_pct != event.bound:
        return "max_position_size_pct"
    alone, position = _position_pct(event, batch)
    # With nothing held or pending both measure the same, and the order's own size comes first.
    is_position = position != alone and math.isclose(event.value, position, rel_tol=1e-9)
    return "max_position_size_pct" if is_position else "max_order_size_pct"


def _position_pct(event: Any, batch: Batch) -> tuple[float, float]:
    """Return an order alone, and the position it would lead to, in percent of equity (R2)."""
    account: Any = batch.accounts[0]
    marks = batch.candles["mark"][int(account.cursor)]
    held = batch.positions["qty"][0]
    equity = float(account.cash) + float(held @ marks)
    mark = float(marks[event.symbol])
    quantity = event.qty
    if event.size_mode == codes.EQUITY_FRACTION:
        quantity = event.qty * equity / mark
    elif event.size_mode == codes.NOTIONAL:
        quantity = event.qty / mark
    elif event.size_mode == codes.TARGET_WEIGHT:
        quantity = abs(event.qty * equity / mark - held[event.symbol])
    alone = quantity * mark
    total = abs(float(held[event.symbol]) + event.side * quantity) * mark
    for row in batch.orders[0, : int(account.num_orders)].tolist():
        order: Any = _Order(*row)
        adds = order.symbol == event.symbol and order.side == event.side
        if adds and not order.flags & codes.REDUCE_ONLY:
            total += order.qty * (order.price if order.price > 0.0 else mark)
    if equity <= 0.0:
        return math.inf, math.inf
    return 100.0 * alone / equity, 100.0 * total / equity
