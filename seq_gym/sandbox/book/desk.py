"""The order desk of a session over books: from what was written to the engine's verbs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.sandbox.book.changes import ChangeKind, OrderChange
from seq_gym.sandbox.book.journal import BookJournal
from seq_gym.sandbox.book.rebalancing import deadband_of, send_weights, weight_of
from seq_gym.sandbox.book.records import BookOrder
from seq_gym.sandbox.book.refusals import sentence_of
from seq_gym.sandbox.book.sizing import BookSizer
from seq_gym.sandbox.book.ticket import BookTicket, read_book_ticket, ticks_of, units_of
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.journal import no_such_order, order_number, order_text
from seq_gym.sandbox.row import Row
from seq_gym.sandbox.ticket import Refused, float_of, number_of
from seq_gym.types import Reason

__all__ = ["BookDesk"]

_QUANTITY = Reason.INVALID_QUANTITY


class BookDesk:
    """Sends orders and changes; refusals are values.

    Args:
        batch: The engine's tables; the account is row 0.
        view: Lanes and instruments.
        journal: Orders and fills.
        sizer: Settles quantities.
        strict: Quantities are whole lots (F6).
        collect: Brings the journal up to date.
    """

    def __init__(
        self,
        batch: BookBatch,
        view: BookView,
        journal: BookJournal,
        sizer: BookSizer,
        *,
        strict: bool,
        collect: Callable[[], None],
    ) -> None:
        self._batch = batch
        self._view = view
        self._journal = journal
        self._sizer = sizer
        self._strict = strict
        self._collect = collect
        self._account = Row(batch.accounts)

    # ------------------------------------------------------------------ verbs

    def place(self, given: Mapping[str, Any]) -> BookOrder:
        """Send an order, or return it refused; a field that is None is left out."""
        self._collect()
        given = {name: value for name, value in given.items() if value is not None}
        lane: int | None = None
        try:
            lane = self._lane_of(given)
            instrument = self._view.instruments[lane]
            sizes = partial(self._settle, lane)
            ticket = read_book_ticket(given, instrument, strict=self._strict, sizes=sizes)
        except Refused as refused:
            return self._refuse(given, refused, lane)
        self._write(ticket)
        number = self._batch.place(0, lane)
        return self._current(number)

    def cancel(self, order_id: Any) -> BookOrder:
        """Ask for a cancellation."""
        order, number = self.find(order_id)
        lane = self._journal.lane_of(number)
        if lane is None or not order.is_open:
            return _not_working(order)
        code = self._batch.cancel(0, lane, number)
        return self._after_change(number, code, "cancel")

    def amend(self, order_id: Any, price: Any, quantity: Any) -> BookOrder:
        """Ask for another limit, or another quantity in all."""
        order, number = self.find(order_id)
        lane = self._journal.lane_of(number)
        if lane is None or not order.is_open:
            return _not_working(order)
        instrument = self._view.instruments[lane]
        expected = self._journal.changes.expected(number, order.price, order.quantity)
        try:
            limit = self._limit_of(order, price, expected[0])
            total = expected[1] if quantity is None else number_of("quantity", quantity, _QUANTITY)
            left = self._left_of(order, lane, total)
            side = codes.BUY if order.side == "buy" else codes.SELL
            tick = ticks_of(instrument, limit, side)
            units = units_of(instrument, left, strict=self._strict, reason=_QUANTITY)
        except Refused as refused:
            return replace(order, **_told(refused))
        code = self._batch.amend(0, lane, number, tick, units)
        return self._after_change(number, code, "amend", price=float_of(limit), quantity=total)

    def decrease(self, order_id: Any, by: Any) -> BookOrder:
        """Ask for an order to shrink."""
        order, number = self.find(order_id)
        lane = self._journal.lane_of(number)
        if lane is None or not order.is_open:
            return _not_working(order)
        instrument = self._view.instruments[lane]
        try:
            units = units_of(
                instrument, by, strict=self._strict, name="by", reason=Reason.INVALID_QUANTITY
            )
        except Refused as refused:
            return replace(order, **_told(refused))
        code = self._batch.decrease(0, lane, number, units)
        return self._after_change(number, code, "decrease", quantity=float_of(by))

    def rebalance(self, weights: Mapping[str, Any], deadband: Any) -> tuple[BookOrder, ...]:
        """Send what takes the account to target weights; return what was sent and refused."""
        band = deadband_of(deadband)
        self._collect()
        targets: dict[int, float] = {}
        told: list[BookOrder] = []
        for name, weight in weights.items():
            lane: int | None = None
            try:
                lane = self._lane_of({"symbol": name})
                targets[lane] = weight_of(name, weight)
            except Refused as refused:
                told.append(self._refuse({"symbol": name, "type": "market"}, refused, lane))
        if told:
            return tuple(told)
        for lane in [s for s in targets if math.isnan(self._sizer.mid(s))]:
            del targets[lane]
            absent = Refused(Reason.NOT_LISTED, sentence_of(Reason.NOT_LISTED))
            told.append(self._refuse({"type": "market"}, absent, lane))

        def send(lane: int, side: int, quantity: float) -> None:
            instrument = self._view.instruments[lane]
            terms = {
                "symbol": instrument.symbol,
                "venue": instrument.venue,
                "side": "buy" if side > 0 else "sell",
                "type": "market",
                "quantity": quantity,
                "reduce_only": self._sizer.is_exit(lane, side, quantity),
            }
            told.append(self.place(terms))

        send_weights(self._sizer, self._view, targets, band, send)
        return tuple(told)

    def find(self, order_id: Any) -> tuple[BookOrder, int]:
        """Return an order as it stands, and the engine's number of it.

        Raises:
            UsageError: ORDER_NOT_FOUND.
        """
        self._collect()
        number = order_number(order_id)
        order = self._journal.order(number)
        if order is None:
            raise no_such_order(number, [each.order_id for each in self._journal.orders()])
        return order, number

    # ------------------------------------------------------------------ inner parts

    def _lane_of(self, given: Mapping[str, Any]) -> int:
        symbol, venue = given.get("symbol"), given.get("venue")
        try:
            return self._view.lane(symbol, venue)
        except ConfigError as error:
            if isinstance(error, UnknownName) and error.kind == "symbol":
                reason, name, value = Reason.INVALID_SYMBOL, "symbol", symbol
            else:  # several venues trade it, or none of that name does
                reason, name, value = Reason.INVALID_PARAMS, "venue", venue
            shown = None if value is None else str(value)
            raise Refused(reason, str(error), limit=name, value=shown) from None

    def _settle(
        self, lane: int, given: Mapping[str, Any], side: int, tick: int, reduce_only: bool
    ) -> Any:
        return self._sizer.quantity(given, lane, side, tick, reduce_only)

    def _write(self, ticket: BookTicket) -> None:
        # By item, not by attribute: a record's attributes take microseconds each.
        request = self._batch.request(0, 0, ticket.side)
        request["type"] = ticket.type
        request["tif"] = ticket.force
        request["flags"] = ticket.flags
        request["tick"] = ticket.tick
        request["qty"] = ticket.units
        request["max_slippage_frac"] = ticket.max_slippage_frac
        request["tag"] = ticket.tag

    def _limit_of(self, order: BookOrder, price: Any, expected: Any) -> Any:
        """Return the limit that is asked for: where none is, the one it will have."""
        if order.type == "market":
            raise Refused(
                Reason.INVALID_PARAMS, "A market order has no limit to amend.", limit="price"
            )
        return expected if price is None else price

    def _left_of(self, order: BookOrder, lane: int, total: float) -> float:
        """Return what a quantity in all leaves to be filled, as far as the agent knows."""
        filled = order.filled_quantity
        if total <= filled:
            raise Refused(
                _QUANTITY,
                f"quantity must be above the {filled:g} that have filled; was {total:g}.",
                limit="quantity",
                value=total,
                bound=filled,
            )
        return self._journal.holdings.whole(lane, total - filled)

    def _current(self, number: int) -> BookOrder:
        """Return an order with what the verb caused in the journal."""
        self._collect()
        order = self._journal.order(number)
        assert order is not None, "the engine logs every request"
        return order

    def _after_change(
        self,
        number: int,
        code: int,
        kind: ChangeKind,
        price: float | None = None,
        quantity: Any = None,
    ) -> BookOrder:
        """Return an order after a change was sent, or refused at once."""
        if code == 0:
            sent = int(self._account["now"])
            change = OrderChange(
                kind=kind,
                sent_ns=sent,
                price=price,
                quantity=None if quantity is None else float_of(quantity),
            )
            self._journal.changes.add(number, change)
            return self._current(number)
        told = len(self._journal.happenings)
        order = self._current(number)
        for what, refused in self._journal.happenings[told:]:
            if what == "rejected":  # the engine says why
                return refused  # type: ignore[no-any-return]
        return _not_working(order)

    def _refuse(self, given: Mapping[str, Any], refused: Refused, lane: int | None) -> BookOrder:
        """Record an order that cannot be written in the engine's terms; it takes a number too."""
        number = self._account["next_order_id"]
        self._account["next_order_id"] = number + 1
        self._account["num_rejects"] += 1
        now = self._account["now"]
        instrument = None if lane is None else self._view.instruments[lane]
        price = given.get("price")
        order = BookOrder(
            order_id=order_text(number),
            symbol=str(given.get("symbol")) if instrument is None else instrument.symbol,
            venue=str(given.get("venue") or "") if instrument is None else instrument.venue,
            side=str(given.get("side")),
            type=str(given.get("type")),
            status="rejected",
            quantity=float_of(given.get("quantity")),
            price=None if price is None else float_of(price),
            sent_ns=now,
            done_ns=now,
            **{name: value for name, value in _told(refused).items() if name != "status"},
        )
        self._journal.add_refusal(number, order)
        return order


def _told(refused: Refused) -> dict[str, Any]:
    return {
        "status": "rejected",
        "reason": refused.reason.name,
        "message": str(refused),
        "limit": refused.limit,
        "value": refused.value,
        "bound": refused.bound,
    }


def _not_working(order: BookOrder) -> BookOrder:
    """Return the refusal of a verb on an order that the agent knows to be over."""
    reason = Reason.ORDER_NOT_CANCELLABLE
    message = f"{sentence_of(reason)} {order.order_id} is {order.status}."
    return replace(order, status="rejected", reason=reason.name, message=message)
