"""What the book twin's agent can ask for: place, cancel, amend, decrease (A1, A6, B15)."""

from __future__ import annotations

import heapq
import math
from dataclasses import replace

from seq_gym.engine.book.codes import (
    ASK_AMEND,
    ASK_CANCEL,
    ASK_DECREASE,
    ASK_NEW,
    CHANGE_REFUSED,
    ON_THE_WAY,
    REFUSED,
    SENT,
)
from seq_gym.engine.book.reference_news import News
from seq_gym.engine.book.reference_state import Order, Request
from seq_gym.engine.book.reference_taking import Venue
from seq_gym.engine.codes import (
    GTC,
    INVALID_PARAMS,
    INVALID_QUANTITY,
    LIMIT,
    MARKET,
    NONE,
    ORDER_NOT_FOUND,
    RATE_LIMIT,
)

__all__ = ["Verbs"]


class Verbs(News):
    """The agent's side of the channels.

    Attributes:
        venues: What is at the other end, by lane.
        requests: Heaps of messages on their way, by lane.
        last_reason: Why the last order was refused; 0 when it was sent.
    """

    venues: list[Venue]
    requests: list[list[Request]]
    last_arrival: list[int]
    num_requests: int
    last_reason: int

    # Verbs

    def place(
        self,
        lane: int,
        side: int,
        qty: float,
        *,
        type: int = LIMIT,  # noqa: A002 - the name of the EVENT field
        tif: int = GTC,
        flags: int = 0,
        tick: int = 0,
        max_slippage_frac: float = math.inf,
        tag: int = 0,
    ) -> int:
        """Send an order; returns its id. `last_reason` says whether it was refused (A1)."""
        a = self.account
        o = Order(
            id=a.next_order_id, lane=lane, side=side, type=type, tif=tif, flags=flags, tick=tick,
            qty=qty, leaves=qty, max_slippage_frac=max_slippage_frac, tag=tag, sent_ts=a.now,
            sent_mid=self.marks[lane],
        )  # fmt: skip
        a.next_order_id += 1
        too_many = a.num_actions >= self.p.max_actions
        a.num_actions += 1
        self.last_reason = RATE_LIMIT if too_many else self.check(o)
        if self.last_reason != NONE:
            a.num_rejects += 1
            self._log(REFUSED, o, self.last_reason)
            return o.id
        a.orders_in_minute += 1
        o.local, o.local_leaves, o.local_tick = ON_THE_WAY, qty, o.tick
        o.reserve_price = self.price_of(lane, o.tick)
        self.orders[o.id] = o
        self._log(SENT, o, NONE)
        self._send(o, ASK_NEW, "entry", o.tick, qty)
        return o.id

    def cancel(self, lane: int, order_id: int) -> int:
        """Ask the venue to cancel an order; returns a Reason, 0 when sent (B19)."""
        return self._change(lane, order_id, ASK_CANCEL, 0, 0.0)

    def decrease(self, lane: int, order_id: int, by: float) -> int:
        """Ask the venue to shrink an order, which keeps its queue (B19, V8)."""
        return self._change(lane, order_id, ASK_DECREASE, 0, by)

    def amend(self, lane: int, order_id: int, tick: int, leaves: float) -> int:
        """Ask the venue to replace an order's tick and what is left of it (B19, V8)."""
        return self._change(lane, order_id, ASK_AMEND, tick, leaves)

    def _change(self, lane: int, order_id: int, kind: int, tick: int, qty: float) -> int:
        o = self.orders.get(order_id)
        if o is None or o.lane != lane:
            return ORDER_NOT_FOUND
        a = self.account
        too_many = a.num_actions >= self.p.max_actions
        a.num_actions += 1
        reason = RATE_LIMIT if too_many else self._check_change(o, kind, tick, qty)
        if reason != NONE:
            a.num_rejects += 1
            self._log(CHANGE_REFUSED, o, reason)
            return reason
        self._send(o, kind, "cancel", tick, qty)
        return NONE

    def _check_change(self, o: Order, kind: int, tick: int, qty: float) -> int:
        if kind == ASK_CANCEL:
            return NONE
        if kind == ASK_DECREASE:
            if not self.is_quantity(qty) or qty >= o.local_leaves:
                return INVALID_QUANTITY
            o.changes += 1
            return NONE
        if o.type == MARKET:
            return INVALID_PARAMS
        new = replace(o, tick=tick, qty=qty)
        reason = self.check_shape(new)
        if reason != NONE:
            return reason
        if qty > o.local_leaves or (tick - o.local_tick) * o.side > 0:
            everything = self.orders
            self.orders = {id_: other for id_, other in everything.items() if other is not o}
            reason = self.check_terms(new)
            self.orders = everything
        if reason == NONE:
            o.changes += 1
            o.asked = max(o.asked, qty)
            o.reserve_price = max(o.reserve_price, self.price_of(o.lane, tick))
        return reason

    def _send(self, o: Order, kind: int, purpose: str, tick: int, qty: float) -> None:
        """Put a message on its way; the channel is FIFO (B4)."""
        s = o.lane
        arrival = self.account.now + self.venues[s].latencies.of(purpose, self.account.now)
        self.last_arrival[s] = max(arrival, self.last_arrival[s])
        self.num_requests += 1
        request = Request(
            self.last_arrival[s], self.num_requests, kind, o, tick, qty, o.local_executed
        )
        heapq.heappush(self.requests[s], request)
