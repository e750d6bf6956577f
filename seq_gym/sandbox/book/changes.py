"""What was asked of orders after they were sent, and what became of it, each request's round trip.

The channel to a venue keeps its order (B4), and so do its answers: the first answer of a kind is
about the oldest request of that kind that waits for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

__all__ = ["ChangeKind", "ChangeLog", "OrderChange"]

ChangeKind = Literal["cancel", "amend", "decrease"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChange:
    """A cancel, amend or decrease that was sent; times are UNIX nanoseconds."""

    kind: ChangeKind
    sent_ns: int
    """When the agent sent it."""
    price: float | None = None
    """Limit that an amend asks for."""
    quantity: float | None = None
    """Base units: what an amend asks for in all, or a decrease to be taken off."""
    arrived_ns: int | None = None
    """When the venue handled it; known once its answer is."""
    acknowledged_ns: int | None = None
    """When the agent received the answer; None: there was none."""
    outcome: Literal["waiting", "done", "refused"] = "waiting"
    reason: str | None = None
    """Code of why it was refused, such as ORDER_NOT_FOUND: a fill was faster (B19)."""

    @property
    def round_trip_ns(self) -> int | None:
        """From sending to the answer."""
        return None if self.acknowledged_ns is None else self.acknowledged_ns - self.sent_ns


class ChangeLog:
    """Every change of every order, by the engine's number of the order."""

    def __init__(self) -> None:
        self._changes: dict[int, list[OrderChange]] = {}

    def of(self, number: int) -> tuple[OrderChange, ...]:
        """Return the changes that were sent for an order, oldest first."""
        return tuple(self._changes.get(number, ()))

    def add(self, number: int, change: OrderChange) -> None:
        """Remember a change that was sent."""
        self._changes.setdefault(number, []).append(change)

    def waiting(self, number: int, kinds: Sequence[ChangeKind]) -> OrderChange | None:
        """Return the oldest change of these kinds that waits for its answer."""
        changes = self._changes.get(number, ())
        return next((c for c in changes if c.outcome == "waiting" and c.kind in kinds), None)

    def expected(self, number: int, price: float | None, total: float) -> tuple[Any, float]:
        """Return what an order's limit and quantity in all will be once all answers are here."""
        for change in self._changes.get(number, ()):
            if change.outcome == "waiting" and change.kind == "amend":
                price, total = change.price, change.quantity or total
            elif change.outcome == "waiting" and change.kind == "decrease":
                total -= change.quantity or 0.0
        return price, total

    def answer(
        self,
        number: int,
        kinds: Sequence[ChangeKind],
        *,
        arrived_ns: int,
        local_ns: int,
        refused: str | None = None,
    ) -> None:
        """Note the answer to the oldest change of these kinds; one that nobody noted is left out.

        Args:
            number: Of the order.
            kinds: What the answer can be about.
            arrived_ns: When the venue handled it.
            local_ns: When the agent received the answer.
            refused: Code of why it was refused; None: it was carried out.
        """
        found = self.waiting(number, kinds)
        if found is None:
            return
        changes = self._changes[number]
        changes[changes.index(found)] = replace(
            found,
            arrived_ns=arrived_ns,
            acknowledged_ns=local_ns,
            outcome="done" if refused is None else "refused",
            reason=refused,
        )
