"""What transaction cost analysis returns: costs of fills, of orders, and their distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from seq_gym.sandbox.book.records import BookFill, BookOrder

__all__ = [
    "FILL_FIGURES",
    "MARK_OUTS_S",
    "ORDER_FIGURES",
    "PARTS",
    "PERCENTILES",
    "FillCost",
    "OrderCost",
    "TcaReport",
]

MARK_OUTS_S = (1, 10, 60)
"""Horizons of mark-outs, seconds."""

PERCENTILES = (50, 75, 95, 99)

PARTS = ("shortfall_bps", "spread_cost_bps", "impact_bps", "fee_bps")
"""Costs that fills and orders share: fields of both."""

_WHOLE = ("opportunity_bps", "implementation_shortfall_bps")
_MARK_OUTS = tuple(f"mark_out_{horizon}s_bps" for horizon in MARK_OUTS_S)
_LATENCIES = ("entry_latency_ns", "round_trip_ns", "time_to_fill_ns")

FILL_FIGURES = (*PARTS, *_MARK_OUTS)
"""Figures of a fill by name, basis points."""

ORDER_FIGURES = (*PARTS, *_WHOLE, *_MARK_OUTS)
"""Figures of an order by name, basis points."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FillCost:
    """What one fill cost, basis points of the mid when its order was sent; None: not known."""

    fill: BookFill
    shortfall_bps: float | None
    spread_cost_bps: float | None
    impact_bps: float | None
    fee_bps: float
    mark_outs_bps: Mapping[int, float | None]
    """By horizon in seconds; None: the time has not come, or there was no mid."""

    def figures(self) -> dict[str, float | None]:
        """Return every one of FILL_FIGURES."""
        return _figures(self, PARTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCost:
    """What one order cost: its fills, weighed by quantity, and what was not filled; None: unknown.

    Without a fill there is only the opportunity that was missed.
    """

    order: BookOrder
    filled_frac: float
    shortfall_bps: float | None
    """Of the filled part, like the next three."""
    spread_cost_bps: float | None
    impact_bps: float | None
    fee_bps: float | None
    mark_outs_bps: Mapping[int, float | None]
    """Of the filled part, by horizon in seconds; None: not known of every fill."""
    opportunity_bps: float | None
    """What the unfilled part missed, of the whole order; None while the order works."""
    implementation_shortfall_bps: float | None
    """Of the whole order: filled part x shortfall + opportunity; None while the order works."""
    entry_latency_ns: int | None
    """From sending to the venue."""
    round_trip_ns: int | None
    """From sending to the venue's first answer."""
    time_to_fill_ns: int | None
    """From sending to the first execution at the venue."""

    def figures(self) -> dict[str, float | None]:
        """Return every one of ORDER_FIGURES."""
        return _figures(self, (*PARTS, *_WHOLE))


@dataclass(frozen=True, slots=True, kw_only=True)
class TcaReport:
    """Costs of a session: every fill, every order that was sent, and their distributions."""

    fills: tuple[FillCost, ...]
    orders: tuple[OrderCost, ...]

    def summary(self) -> dict[str, dict[str, float]]:
        """Return mean, p50, p75, p95, p99 and count by figure, of what is known.

        Fills by the names of FILL_FIGURES, orders by those of ORDER_FIGURES with "order_" before
        them, each fill and each order weighed alike; and latencies of orders.
        """
        fills = [each.figures() for each in self.fills]
        orders = [each.figures() for each in self.orders]
        table: dict[str, list[float | None]] = {
            name: [each[name] for each in fills] for name in FILL_FIGURES
        }
        for name in _LATENCIES:
            table[name] = [getattr(each, name) for each in self.orders]
        for name in ORDER_FIGURES:
            table[f"order_{name}"] = [each[name] for each in orders]
        return {name: _spread(values) for name, values in table.items() if _some(values)}


def _figures(cost: FillCost | OrderCost, names: Sequence[str]) -> dict[str, float | None]:
    marks = zip(_MARK_OUTS, (cost.mark_outs_bps[horizon] for horizon in MARK_OUTS_S), strict=True)
    return {**{name: getattr(cost, name) for name in names}, **dict(marks)}


def _some(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _spread(values: Sequence[float | None]) -> dict[str, float]:
    known = np.array([value for value in values if value is not None], np.float64)
    found = {f"p{p}": float(np.percentile(known, p)) for p in PERCENTILES}
    return {"mean": float(known.mean()), **found, "count": float(known.size)}
