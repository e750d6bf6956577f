"""Why a book order was refused, expired or cancelled: limit, value, bound and a sentence (R5)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from seq_gym.engine.book.batch import BookBatch
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.holdings import worth_of
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.params import RiskProfile
from seq_gym.sandbox.row import Row
from seq_gym.types import Reason

__all__ = ["Explainer", "sentence_of"]

_SENTENCES = {
    Reason.RATE_LIMIT: "No more messages can be on their way to the venue at one time.",
    Reason.TOO_MANY_ORDERS: "There is no room for another working order; cancel one first.",
    Reason.INVALID_PARAMS: "reduce_only needs a position that the order, with all that works on "
    "its side, can only reduce.",
    Reason.INVALID_QUANTITY: "The quantity would leave nothing of the order; cancel it instead.",
    Reason.NOT_LISTED: "The venue shows no book yet, or trading is halted.",
    Reason.STALE_BOOK: "Messages were lost: the book is not known until the next snapshot.",
    Reason.POST_ONLY_WOULD_TAKE: "It would have taken liquidity, which post_only forbids.",
    Reason.NO_LIQUIDITY: "Nothing, or not enough, was displayed at its limit or better.",
    Reason.MAX_SLIPPAGE: "What was left was dearer than max_slippage_bps allows.",
    Reason.ORDER_NOT_FOUND: "The venue does not hold the order any more: a fill was faster.",
    Reason.ORDER_NOT_CANCELLABLE: "Only a working order can be changed or cancelled.",
    Reason.POSITION_CLOSED: "Nothing is left of the position that it could reduce.",
    Reason.USER_CANCELLED: "It was cancelled on request.",
    Reason.END_OF_EPISODE: "The session ended.",
    Reason.LIQUIDATED: "The account was liquidated.",
    Reason.COMPLETED: "The window was over, and the position was closed.",
    Reason.INSUFFICIENT_BALANCE: "The account has nothing free to pay for the order.",
}
"""Sentences without figures."""

_MEASURED = {
    "max_actions": "This is action {value} of this callback or advance; at most {bound} are "
    "allowed (max_actions).",
    "max_orders_per_minute": "This is order {value} of the minute; at most {bound} are allowed "
    "(max_orders_per_minute).",
    "max_orders": "There would be {value} working orders; at most {bound} are allowed "
    "(max_orders). Cancel one first.",
    "by": "by must be below the {bound} that are left of the order; was {value}. Cancel it to take "
    "off all.",
    "max_price_deviation_frac": "The limit is {value} of the mid away from it; at most {bound} is "
    "allowed (max_price_deviation_frac).",
    "max_position_notional": "With all working orders the position would be worth {value}; at most "
    "{bound} is allowed (max_position_notional).",
    "instrument": "The order is worth {value}; the venue requires at least {bound}.",
    "max_order_size_pct": "The order would cost {value} % of available cash; at most {bound} % "
    "is allowed (max_order_size_pct).",
    "max_position_size_pct": "The position would be {value} % of total equity; at most {bound} % "
    "is allowed (max_position_size_pct).",
    "max_open_orders": "There would be {value} working orders; at most {bound} are allowed "
    "(max_open_orders).",
    "min_notional": "The order is worth {value}; at least {bound} is required (min_notional).",
    "daily_loss_limit_pct": "Today's realised loss is {value} % of the starting balance; above "
    "{bound} % no order is accepted until 00:00 UTC (daily_loss_limit_pct).",
    "max_drawdown_pct": "The drawdown is {value} %; above {bound} % no opening order is accepted "
    "(max_drawdown_pct).",
    "available": "The order needs {value}; {bound} is available.",
}
"""Sentences with what was measured and its bound, by the name of the limit."""

_LIMITS = {
    Reason.TOO_MANY_ORDERS: "max_orders",
    Reason.INVALID_QUANTITY: "by",
    Reason.PRICE_DEVIATION: "max_price_deviation_frac",
    Reason.POSITION_LIMIT: "max_position_notional",
    Reason.MIN_NOTIONAL: "instrument",
    Reason.DAILY_LOSS_LIMIT: "daily_loss_limit_pct",
    Reason.KILL_SWITCH: "max_drawdown_pct",
    Reason.INSUFFICIENT_BALANCE: "available",
}


def _figure(number: float) -> str:
    """Write a measured figure short, but never so short that it hides by how much it exceeds."""
    return "more than any" if abs(number) >= 1e300 else f"{number:.10g}"


def sentence_of(reason: Reason) -> str:
    """Return a reason as a sentence without figures.

    >>> sentence_of(Reason.POST_ONLY_WOULD_TAKE)
    'It would have taken liquidity, which post_only forbids.'
    """
    return _SENTENCES.get(reason, f"It is not allowed: {reason.name}.")


class Explainer:
    """Turns the engine's reasons into the fields of an order that tell of them.

    Args:
        batch: The tables; the account is row 0, as it was when it refused.
        params: The physics.
        instruments: One for each lane.
    """

    def __init__(
        self, batch: BookBatch, params: BookParams, instruments: Sequence[Instrument]
    ) -> None:
        self._batch = batch
        self._params = params
        self._instruments = tuple(instruments)
        self._account = Row(batch.accounts)

    def explain(self, event: Any) -> dict[str, Any]:
        """Return reason, message, limit, value and bound of an EVENT; nothing without a reason."""
        if not event.reason:
            return {}
        reason = Reason(event.reason)
        told: dict[str, Any] = {"reason": reason.name, "message": sentence_of(reason)}
        value, bound = float(event.value), float(event.bound)
        if math.isnan(value):
            return told
        limit = self._limit_of(event, reason)
        if limit == "by" and self._params.fills == "strict":  # the engine counts in lots
            lot = self._instruments[event.lane].lot
            value, bound = value * lot, bound * lot
        known = None if math.isnan(bound) else bound
        sentence = _MEASURED.get(limit or "")
        if sentence is not None:
            shown = "nothing" if known is None else _figure(max(bound, 0.0))
            told["message"] = sentence.format(value=_figure(value), bound=shown)
        name = "min_notional" if limit == "instrument" else limit
        return told | {"limit": name, "value": value, "bound": known}

    def _limit_of(self, event: Any, reason: Reason) -> str | None:
        if reason == Reason.RATE_LIMIT:
            own = self._params.max_actions
            is_own = event.bound == own and self._account["num_actions"] > own
            return "max_actions" if is_own else "max_orders_per_minute"
        if reason == Reason.RISK:
            return self._risk_limit(event, self._params.risk or RiskProfile())
        return _LIMITS.get(reason)

    def _risk_limit(self, event: Any, risk: RiskProfile) -> str:
        """Return which limit of the profile it was: they differ in the bound, or in the value."""
        if event.value < event.bound:
            return "min_notional"
        working = self._account["num_orders"]
        is_count = event.value in (working, working + 1)
        if event.bound == risk.max_open_orders and is_count:
            return "max_open_orders"
        if risk.max_position_size_pct != event.bound:
            return "max_order_size_pct"
        if risk.max_order_size_pct != event.bound:
            return "max_position_size_pct"
        position = self._position_pct(event)
        is_position = math.isclose(event.value, position, rel_tol=1e-9)
        return "max_position_size_pct" if is_position else "max_order_size_pct"

    def _position_pct(self, event: Any) -> float:
        """Return the position that an order would lead to, in percent of equity (R2)."""
        equity = self._account["equity"]
        if not equity > 0.0:
            return math.inf
        instrument = self._instruments[event.lane]
        row: Any = self._batch.positions[0, event.lane]
        pending = float(row.pending_buy if event.side > 0 else row.pending_sell)
        if self._params.fills == "strict":
            pending *= instrument.lot
        after = abs(float(row.qty) + float(event.side) * (pending + float(event.qty)))
        return 100.0 * after * abs(worth_of(instrument, float(event.mid))) / float(equity)
