"""The life of an order with nanosecond stamps, each on the clock where it happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seq_gym.sandbox.book.changes import OrderChange
from seq_gym.sandbox.book.records import BookFill, BookOrder

__all__ = ["OrderTrace", "Stage", "trace_of"]

Clock = Literal["agent", "venue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One thing that happened to an order."""

    name: str
    """"sent", "arrived", "queued", "acknowledged", "first_fill", "first_fill_known", "ended",
    "done", and of its changes "cancel_sent", "cancel_arrived", "cancel_acknowledged", ..."""
    clock: Clock
    """Where it happened; what happened at the venue is known only by its answer (B5)."""
    ns: int
    """When, UNIX nanoseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTrace:
    """What became of an order, and when; None where it has not come so far, as the agent knows.

    sent <= arrived <= queued <= acknowledged, arrived <= first fill <= first fill known <= done,
    and ended <= done: a venue's stamp is never after the answer that told of it.
    """

    order_id: str
    status: str
    reason: str | None
    sent_ns: int
    """Agent: it was sent."""
    arrived_ns: int | None
    """Venue: it arrived."""
    acknowledged_ns: int | None
    """Agent: the venue's first answer was received."""
    queued_ns: int | None
    """Venue: it came to rest, last of all; None of one that never did."""
    queue_ahead: float | None
    """Base units that were ahead of it then (B18)."""
    first_fill_ns: int | None
    """Venue: it was executed first."""
    first_fill_known_ns: int | None
    """Agent: that was received."""
    ended_ns: int | None
    """Venue: it was over; None where the venue had no part in that."""
    done_ns: int | None
    """Agent: it learnt so."""
    num_fills: int
    changes: tuple[OrderChange, ...]
    """Cancels, amends and decreases that were sent, with round trips of their own."""

    @property
    def entry_latency_ns(self) -> int | None:
        """From sending to the venue."""
        return None if self.arrived_ns is None else self.arrived_ns - self.sent_ns

    @property
    def round_trip_ns(self) -> int | None:
        """From sending to the venue's first answer."""
        return None if self.acknowledged_ns is None else self.acknowledged_ns - self.sent_ns

    def stages(self) -> tuple[Stage, ...]:
        """Return every stage that was reached, by time; at one time in the order of cause."""
        named: list[tuple[str, Clock, int | None]] = [
            ("sent", "agent", self.sent_ns),
            ("arrived", "venue", self.arrived_ns),
            ("first_fill", "venue", self.first_fill_ns),
            ("queued", "venue", self.queued_ns),
        ]
        for change in self.changes:
            named += [
                (f"{change.kind}_sent", "agent", change.sent_ns),
                (f"{change.kind}_arrived", "venue", change.arrived_ns),
                (f"{change.kind}_acknowledged", "agent", change.acknowledged_ns),
            ]
        named += [
            ("ended", "venue", self.ended_ns),
            ("acknowledged", "agent", self.acknowledged_ns),
            ("first_fill_known", "agent", self.first_fill_known_ns),
            ("done", "agent", self.done_ns),
        ]
        found = [Stage(name=name, clock=clock, ns=ns) for name, clock, ns in named if ns]
        return tuple(sorted(found, key=lambda stage: stage.ns))


def trace_of(
    order: BookOrder, fills: Sequence[BookFill], changes: Sequence[OrderChange]
) -> OrderTrace:
    """Return the trace of an order.

    Args:
        order: As the agent knows it now.
        fills: Its executions, oldest first.
        changes: What was asked of it.
    """
    return OrderTrace(
        order_id=order.order_id,
        status=order.status,
        reason=order.reason,
        sent_ns=order.sent_ns,
        arrived_ns=order.arrived_ns,
        acknowledged_ns=order.acknowledged_ns,
        queued_ns=order.queued_ns,
        queue_ahead=order.queue_ahead,
        first_fill_ns=order.first_fill_ns,
        first_fill_known_ns=fills[0].local_ns if fills else None,
        ended_ns=order.ended_ns,
        done_ns=order.done_ns,
        num_fills=len(fills),
        changes=tuple(changes),
    )
