"""Takes orders to the engine and their outcome back: place, cancel, amend, rebalance (O1, O11)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from seq_gym.engine import codes
from seq_gym.engine.batch import Batch
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries
from seq_gym.sandbox.journal import Journal, no_such_order, order_number, order_text
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.records import Order
from seq_gym.sandbox.refusals import refusal_of
from seq_gym.sandbox.replay import Replay
from seq_gym.sandbox.row import Row
from seq_gym.sandbox.ticket import (
    Refused,
    Ticket,
    float_of,
    number_of,
    read_amendment,
    read_ticket,
    symbol_of,
    writable,
)
from seq_gym.types import Reason, SizeMode

__all__ = ["Desk", "Groups"]


class Groups:
    """Numbers for the names that users give to groups of orders."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the engine's number of a group, a new one for a new name."""
        if name not in self._numbers:
            self._names.append(name)
            self._numbers[name] = len(self._names)
        return self._numbers[name]

    def name(self, number: int) -> str | None:
        """Return the name of a group; None for 0, which is no group."""
        return self._names[number - 1] if 0 < number <= len(self._names) else None


class Desk:
    """The order verbs over row 0 of a batch.

    Args:
        batch: The tables.
        series: What can be traded.
        params: The physics.
        journal: Keeps the orders.
        replay: Drains the ring and takes snapshots.
        groups: Numbers of the groups.
    """

    def __init__(
        self,
        batch: Batch,
        series: CandleSeries,
        params: SandboxParams,
        journal: Journal,
        replay: Replay,
        groups: Groups,
    ) -> None:
        self._batch = batch
        self._series = series
        self._journal = journal
        self._replay = replay
        self._groups = groups
        self._account = Row(batch.accounts)
        self._most = params.max_leverage if params.account == "margin" else 1.0

    # ------------------------------------------------------------------ verbs

    def place(self, given: Mapping[str, Any]) -> Order:
        """Place an order from its fields by name; a wrong one becomes a refused value."""
        self._replay.collect()
        given = {name: writable(value) for name, value in given.items()}
        try:
            ticket = read_ticket(self._series, self._most, given)
        except Refused as refused:
            return self._refuse(given, refused)
        number = self._write_request(ticket)
        self._batch.place(0)
        return self._after_verb(number)

    def cancel(self, order_id: Any) -> Order:
        """Cancel a working order."""
        order, number = self.find(order_id)
        if not order.is_open:
            return _not_working(order)
        self._batch.cancel(0, number)
        return self._after_verb(number)

    def amend(self, order_id: Any, terms: Mapping[str, Any]) -> Order:
        """Change the terms of a working order; only smaller keeps its priority (O11)."""
        order, number = self.find(order_id)
        if not order.is_open:
            return _not_working(order)
        try:
            new = read_amendment(order.type, terms)
            rest = _rest(order, new["quantity"])
        except Refused as refused:
            return replace(order, **_refusal(refused))
        held = order.remaining_quantity
        only_size = math.isnan(new["price"]) and math.isnan(new["trigger_price"])
        if only_size and held is not None and rest < held:
            return self._decrease(order, number, held - rest)
        code = self._batch.amend(0, number, new["price"], rest, new["trigger_price"])
        return self._after_change(order, number, code)

    def decrease(self, order_id: Any, by: Any) -> Order:
        """Shrink a working order; it keeps its priority."""
        order, number = self.find(order_id)
        if not order.is_open:
            return _not_working(order)
        try:
            amount = number_of("by", by, Reason.INVALID_QUANTITY)
        except Refused as refused:
            return replace(order, **_refusal(refused))
        return self._decrease(order, number, amount)

    def rebalance(self, weights: Mapping[str, Any], deadband: Any) -> tuple[Order, ...]:
        """Ask for target weights; return what was refused and what executed at once."""
        band = float_of(deadband)
        if not 0.0 <= band < math.inf:
            was = writable(deadband)
            raise ConfigError(f"deadband must be a number of at least 0; was {was!r}.")
        self._replay.collect()
        before = len(self._journal)
        targets = [self._read_weight(name, weight) for name, weight in weights.items()]
        asked = [target for target in targets if target is not None]
        if len(asked) == len(targets):
            for column, weight in asked:
                self._batch.ask_target(0, column, int(SizeMode.TARGET_WEIGHT), weight, band)
                self._replay.collect()
            self._batch.rebalance(0)
            self._replay.collect_verb()
        return tuple(self._journal.orders()[before:])

    def find(self, order_id: Any) -> tuple[Order, int]:
        """Return an order and the engine's number of it.

        Raises:
            UsageError: ORDER_NOT_FOUND.
        """
        self._replay.collect()
        number = order_number(order_id)
        order = self._journal.order(number)
        if order is None:
            raise no_such_order(number, [each.order_id for each in self._journal.orders()])
        return order, number

    # ------------------------------------------------------------------ inner parts

    def _write_request(self, ticket: Ticket) -> int:
        # By item, not by attribute: a record's attributes take microseconds each.
        request = self._batch.request(0, ticket.symbol, int(ticket.side))
        request["type"] = int(ticket.type)
        request["tif"] = int(ticket.time_in_force)
        request["flags"] = (
            codes.REDUCE_ONLY * ticket.reduce_only + codes.POST_ONLY * ticket.post_only
        )
        request["size_mode"] = int(ticket.size_mode)
        request["size"] = ticket.size
        request["price"] = ticket.price
        request["trigger"] = ticket.trigger
        request["trail_frac"] = ticket.trail_frac
        request["max_slippage_frac"] = ticket.max_slippage_frac
        if ticket.expire_after is not None:
            request["expires"] = ticket.expire_after
        if ticket.group_id is not None:
            request["group"] = self._groups.number(ticket.group_id)
        return int(request["id"])

    def _refuse(self, given: Mapping[str, Any], refused: Refused) -> Order:
        """Record an order that is refused before it reaches the engine."""
        number = int(self._batch.request(0, 0, 1).id)
        self._account["num_rejects"] += 1
        now = self._series.time_of(self._account["cursor"])
        order = Order(
            order_id=order_text(number),
            symbol=str(given.get("symbol")),
            side=str(given.get("side")),
            type=str(given.get("type")),
            created_ns=now,
            updated_ns=now,
            **_refusal(refused),
        )
        self._journal.add_refusal(number, order)
        return order

    def _read_weight(self, name: Any, weight: Any) -> tuple[int, float] | None:
        """Return column and weight of a target; None where it is refused."""
        name, weight = writable(name), writable(weight)
        given = {"symbol": name, "side": "buy", "type": "market"}
        try:
            column = symbol_of(self._series, name)
        except Refused as refused:
            self._refuse(given, refused)
            return None
        number = float_of(weight)
        if math.isfinite(number):
            return column, number
        message = f"The weight of {name} must be a finite number; was {weight!r}."
        self._refuse(given, Refused(Reason.INVALID_QUANTITY, message, limit="weight", value=weight))
        return None

    def _decrease(self, order: Order, number: int, by: float) -> Order:
        self._account["reject_value"] = self._account["reject_bound"] = math.nan
        return self._after_change(order, number, self._batch.decrease(0, number, by))

    def _after_change(self, order: Order, number: int, code: int) -> Order:
        if code == codes.NONE:
            return self._after_verb(number)
        a = self._account
        return replace(order, **refusal_of(code, a["reject_value"], a["reject_bound"], order))

    def _after_verb(self, number: int) -> Order:
        """Return an order with what the verb caused in the journal."""
        self._replay.collect_verb()
        order = self._journal.order(number)
        assert order is not None, "the engine logs every request"
        return order


def _rest(order: Order, quantity: float) -> float:
    """Return what a new quantity in all leaves to be filled; NaN where none is stated."""
    rest = quantity - order.filled_quantity
    if rest <= 0.0:
        raise Refused(
            Reason.INVALID_QUANTITY,
            f"quantity must be above the {order.filled_quantity:g} that have filled; was "
            f"{quantity:g}.",
            limit="quantity",
            value=quantity,
            bound=order.filled_quantity,
        )
    return rest


def _refusal(refused: Refused) -> dict[str, Any]:
    return {
        "status": "rejected",
        "reason": refused.reason.name,
        "message": str(refused),
        "limit": refused.limit,
        "value": refused.value,
        "bound": refused.bound,
    }


def _not_working(order: Order) -> Order:
    """Return the refusal of a verb on an order that is over (O11)."""
    message = f"Only a working order can be changed or cancelled; {order.order_id} is "
    return replace(
        order,
        status="rejected",
        reason=Reason.ORDER_NOT_CANCELLABLE.name,
        message=f"{message}{order.status}.",
    )
