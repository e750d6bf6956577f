"""The journal of a session over books: the engine's events, made into orders and fills."""

from __future__ import annotations

import math
from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from seq_gym.engine.book import codes
from seq_gym.engine.book.layout import EVENT
from seq_gym.engine.codes import MARKET, TAKER, USER_CANCELLED
from seq_gym.engine.layout import Table
from seq_gym.market.book.decimals import step_of
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.changes import ChangeLog
from seq_gym.sandbox.book.holdings import Holdings, worth_of
from seq_gym.sandbox.book.records import BookFill, BookOrder
from seq_gym.sandbox.journal import order_text
from seq_gym.types import Reason, TimeInForce

__all__ = ["BookHappening", "BookJournal"]

BookHappening = tuple[Literal["fill", "cancelled", "rejected"], Any]
"""What a strategy is told of: a fill, an order that is over unfilled, or a refused verb."""

_Event: Any = namedtuple("_Event", list(EVENT.names or ()))  # type: ignore[misc]

_REASONS = {int(reason): reason.name for reason in Reason}
_FORCES = {int(force): force.name for force in TimeInForce}
_ENDINGS: dict[int, Literal["expired", "cancelled"]] = {
    codes.EXPIRED: "expired",
    codes.CANCELLED: "cancelled",
}
_NEAR = 1e-9
"""Sums of fills are this near, relatively, to what they add up to."""


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _stamp(value: int) -> int | None:
    return int(value) or None


class BookJournal:
    """Orders and fills of one session, in the order in which the agent learnt of them.

    Args:
        instruments: One for each lane.
        explain: From an EVENT to the fields of BookOrder that tell its reason (R5).

    Attributes:
        fills: Every fill.
        fill_lanes: The lane of each.
        happenings: Fills, endings and refusals as a strategy is told of them.
        changes: What was asked of orders after they were sent.
        holdings: Positions at average cost.
    """

    def __init__(
        self, instruments: Sequence[Instrument], explain: Callable[[Any], dict[str, Any]]
    ) -> None:
        self._instruments = tuple(instruments)
        self._explain = explain
        self._orders: dict[int, BookOrder] = {}
        self._lanes: dict[int, int] = {}
        self.fills: list[BookFill] = []
        self.fill_lanes: list[int] = []
        self.happenings: list[BookHappening] = []
        self.changes = ChangeLog()
        self.holdings = Holdings(instruments)

    def __len__(self) -> int:
        return len(self._orders)

    def orders(self) -> list[BookOrder]:
        """Return every order, refused ones included, oldest first."""
        return list(self._orders.values())

    def order(self, number: int) -> BookOrder | None:
        """Return an order by the engine's number."""
        return self._orders.get(number)

    def lane_of(self, number: int) -> int | None:
        """Return the lane of an order that the engine knows or knew; None of any other."""
        return self._lanes.get(number)

    def add_refusal(self, number: int, order: BookOrder) -> None:
        """Record an order that did not reach the engine."""
        self._orders[number] = order
        self.happenings.append(("rejected", order))

    def read(self, events: Table) -> None:
        """Take in what was drained from the engine's ring."""
        for row in events.tolist():  # a record's own `flags` would be numpy's
            event: Any = _Event(*row)
            kind = event.kind
            if kind in (codes.SENT, codes.REFUSED):
                self._open(event, kind)
            elif kind == codes.EXECUTED:
                self._execute(event)
            elif kind == codes.CHANGE_REFUSED:
                self._refuse_change(event)
            elif event.order_id in self._orders:
                self._answer(event, kind)

    def _open(self, event: Any, kind: int) -> None:
        """Record an order that was sent, or refused by the agent's checks or by the venue."""
        number = event.order_id
        known = self._orders.get(number)
        order = known if known is not None else self._new(event)
        if kind == codes.REFUSED:
            by_venue = event.exch_ts != 0
            order = replace(
                order,
                status="rejected",
                done_ns=event.local_ts,
                arrived_ns=_stamp(event.arrival_ts),
                acknowledged_ns=event.local_ts if by_venue else None,
                ended_ns=_stamp(event.exch_ts),
                **self._explain(event),
            )
            self.happenings.append(("rejected", order))
        self._orders[number] = order
        self._lanes[number] = event.lane

    def _new(self, event: Any) -> BookOrder:
        instrument = self._instruments[event.lane]
        return BookOrder(
            order_id=order_text(event.order_id),
            symbol=instrument.symbol,
            venue=instrument.venue,
            side="buy" if event.side > 0 else "sell",
            type="market" if event.type == MARKET else "limit",
            status="sent",
            quantity=event.qty,
            price=_known(event.price),
            time_in_force=_FORCES[event.tif],
            post_only=bool(event.flags & codes.POST_ONLY_FLAG),
            reduce_only=bool(event.flags & codes.REDUCE_ONLY_FLAG),
            tag=event.tag,
            sent_ns=event.local_ts,
            sent_mid=_known(event.mid),
        )

    def _execute(self, event: Any) -> None:
        number, lane = event.order_id, event.lane
        order = self._orders.get(number)
        fill = self._fill(event, order)
        self.holdings.fill(lane, event.side, event.qty, event.price, event.local_ts)
        self.fills.append(fill)
        self.fill_lanes.append(lane)
        self.happenings.append(("fill", fill))
        if order is not None:
            self._orders[number] = self._filled(number, order, fill, event.leaves)

    def _fill(self, event: Any, order: BookOrder | None) -> BookFill:
        instrument = self._instruments[event.lane]
        return BookFill(
            fill_id=f"F-{len(self.fills) + 1:08x}",
            order_id=order_text(event.order_id),
            symbol=instrument.symbol,
            venue=instrument.venue,
            side="buy" if event.side > 0 else "sell",
            type="market" if order is None else order.type,
            quantity=event.qty,
            price=event.price,
            notional=event.qty * abs(worth_of(instrument, event.price)),
            fee=event.fee,
            liquidity="taker" if event.liquidity == TAKER else "maker",
            realized_pnl=_known(event.realized),
            exch_ns=event.exch_ts or event.local_ts,
            local_ns=event.local_ts,
            sent_ns=event.sent_ts or event.local_ts,
            arrived_ns=_stamp(event.arrival_ts),
            mid=_known(event.mid),
            sent_mid=None if order is None else order.sent_mid,
            reason=_REASONS[event.reason] if event.reason else None,
            tag=event.tag,
        )

    def _filled(self, number: int, order: BookOrder, fill: BookFill, leaves: float) -> BookOrder:
        """Return an order after one of its executions."""
        filled = self.holdings.whole(self._lanes[number], order.filled_quantity + fill.quantity)
        cost = (order.avg_fill_price or 0.0) * order.filled_quantity + fill.price * fill.quantity
        is_done = leaves <= 0.0
        price, queued = order.price, order.queued_ns
        if queued is not None and fill.liquidity == "taker":
            # What rested takes only where an amend has made it arrive anew.
            price, queued = self._amended(number, fill, is_done) or price, fill.exch_ns
        quantity = self._total(number, order, filled, leaves)
        return replace(
            order,
            status="filled" if is_done else "partially_filled",
            quantity=quantity,
            price=price,
            filled_quantity=quantity if is_done else filled,
            avg_fill_price=cost / (order.filled_quantity + fill.quantity),
            fee=order.fee + fill.fee,
            arrived_ns=order.arrived_ns or fill.arrived_ns,
            acknowledged_ns=order.acknowledged_ns or fill.local_ns,
            queued_ns=queued,
            first_fill_ns=order.first_fill_ns or fill.exch_ns,
            ended_ns=fill.exch_ns if is_done else None,
            done_ns=fill.local_ns if is_done else None,
        )

    def _total(self, number: int, order: BookOrder, filled: float, leaves: float) -> float:
        """Return an order's quantity in all: as it was, or as a change has made it."""
        total = self.holdings.whole(self._lanes[number], filled + leaves)
        return order.quantity if math.isclose(total, order.quantity, rel_tol=_NEAR) else total

    def _amended(self, number: int, fill: BookFill, is_done: bool) -> float | None:
        """Return the limit under which an amended order has taken, and note the amend's answer."""
        amend = self.changes.waiting(number, ("amend",))
        if is_done:  # nothing else answers it
            self.changes.answer(number, ("amend",), arrived_ns=fill.exch_ns, local_ns=fill.local_ns)
        return None if amend is None else amend.price

    def _refuse_change(self, event: Any) -> None:
        """Record that a cancel, amend or decrease was not sent, or came too late (B19)."""
        order = self._orders.get(event.order_id)
        if order is None:
            return
        told = self._explain(event)
        if event.exch_ts:
            self.changes.answer(
                event.order_id,
                ("cancel", "amend", "decrease"),
                arrived_ns=event.exch_ts,
                local_ns=event.local_ts,
                refused=told.get("reason"),
            )
        self.happenings.append(("rejected", replace(order, status="rejected", **told)))

    def _answer(self, event: Any, kind: int) -> None:
        """Record what the venue, or the end of the session, made of a known order."""
        order = self._orders[event.order_id]
        if kind not in _ENDINGS:
            self._orders[event.order_id] = self._rested(order, event, kind)
            return
        is_cancel = kind == codes.CANCELLED and event.reason == USER_CANCELLED
        is_amend = kind == codes.EXPIRED and order.queued_ns is not None
        if is_cancel or is_amend:
            self.changes.answer(
                event.order_id,
                ("cancel",) if is_cancel else ("amend",),
                arrived_ns=event.exch_ts,
                local_ns=event.local_ts,
            )
        by_venue = event.exch_ts != 0
        order = replace(
            order,
            status=_ENDINGS[kind],
            arrived_ns=order.arrived_ns or _stamp(event.arrival_ts),
            acknowledged_ns=order.acknowledged_ns or (event.local_ts if by_venue else None),
            ended_ns=_stamp(event.exch_ts),
            done_ns=event.local_ts,
            **self._explain(event),
        )
        self._orders[event.order_id] = order
        self.happenings.append(("cancelled", order))

    def _rested(self, order: BookOrder, event: Any, kind: int) -> BookOrder:
        """Return an order that was accepted, replaced or decreased."""
        status: Literal["open", "partially_filled"]
        status = "partially_filled" if order.filled_quantity > 0.0 else "open"
        acknowledged = order.acknowledged_ns or event.local_ts
        arrived = order.arrived_ns or _stamp(event.arrival_ts)
        if kind == codes.ACCEPTED:
            return replace(
                order,
                status=status,
                arrived_ns=arrived,
                acknowledged_ns=acknowledged,
                queued_ns=event.exch_ts,
                queue_ahead=event.front,
            )
        self.changes.answer(
            event.order_id,
            ("amend", "decrease"),
            arrived_ns=event.exch_ts,
            local_ns=event.local_ts,
        )
        step = step_of(self._instruments[event.lane].tick)
        price = event.tick * step.mul / step.div
        total = self._total(event.order_id, order, order.filled_quantity, event.leaves)
        keeps_queue = price == order.price and total <= order.quantity
        return replace(
            order,
            status=status,
            quantity=total,
            price=price,
            arrived_ns=arrived,
            acknowledged_ns=acknowledged,
            queued_ns=order.queued_ns if keeps_queue else event.exch_ts,
            queue_ahead=event.front,
        )
