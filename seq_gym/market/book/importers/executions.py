"""Executions that an order-level recording does not tell: found as decreases of two orders.

An aggressor and who it met lose one amount at one time, up to rounding; the younger took.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Decrease", "OrderLine", "decreases_of", "pair_decreases"]

_WINDOW_MS: Final = 500
"""How far apart the two sides of one execution are told."""
_ROUNDING: Final = 2
"""How far their amounts differ, in lots: the venue rounds both."""


@dataclass(slots=True, order=True)
class OrderLine:
    """One line of a recording: what an order was then."""

    number: int
    ts_ms: int
    tick: int
    lots: int
    action: str


@dataclass(slots=True)
class Decrease:
    """Lots that an order lost by execution; None where it was never told what it had."""

    order: int
    line: OrderLine
    lots: int | None
    is_taker: bool = False
    partner: Decrease | None = field(default=None, repr=False)

    @property
    def ts_ms(self) -> int:
        """When it was told."""
        return self.line.ts_ms

    @property
    def amount(self) -> int:
        """What was executed, as told by itself, else by the other side."""
        if self.lots is not None:
            return self.lots
        return (self.partner.lots or 0) if self.partner else 0


def decreases_of(lines: dict[int, list[OrderLine]]) -> list[Decrease]:
    """Find the executions in the lines of each order: less than before, or ended with nothing."""
    found = []
    for order, its in lines.items():
        before: int | None = None
        for line in its:
            ended = line.action == "deleted" and line.lots == 0
            less = line.action == "changed" and (before is None or line.lots < before)
            if ended or less:
                found.append(Decrease(order, line, None if before is None else before - line.lots))
            before = line.lots
    return found


def pair_decreases(decreases: list[Decrease], sides: dict[int, int]) -> None:
    """Find the two orders of each execution: known amounts first, the nearest in time first."""
    bids = sorted(
        (each for each in decreases if sides[each.order] > 0), key=lambda each: each.ts_ms
    )
    asks = [each for each in decreases if sides[each.order] < 0]
    times = [each.ts_ms for each in bids]
    candidates: list[tuple[bool, int, int, int, Decrease, Decrease]] = []
    for ask in asks:
        at = ask.ts_ms
        for bid in bids[bisect_left(times, at - _WINDOW_MS) :]:
            if bid.ts_ms > at + _WINDOW_MS:
                break
            both = ask.lots is not None and bid.lots is not None
            apart = abs((ask.lots or 0) - (bid.lots or 0)) if both else 0
            if bid.line.tick >= ask.line.tick and apart <= _ROUNDING:
                candidates.append((not both, apart, abs(bid.ts_ms - at), len(candidates), bid, ask))
    for *_, bid, ask in sorted(candidates, key=lambda each: each[:4]):
        if bid.partner is None and ask.partner is None:
            bid.partner, ask.partner = ask, bid
            younger = bid if bid.order > ask.order else ask
            younger.is_taker = True
