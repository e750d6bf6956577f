"""Transaction cost analysis: what every fill and every order cost against the mid.

All costs are signed from the agent's side: positive is worse. Of a fill, in basis points of the mid
that the agent saw when it sent the order (Perold 1988, "The implementation shortfall"):

    shortfall = impact + spread cost + fee
    impact      side x (venue's mid at the execution - mid when sent): the market moved meanwhile
    spread cost side x (price - venue's mid at the execution): half a spread for a taker, negative
                for a maker
    fee         negative for a rebate

A mark-out at h seconds is side x (mid - price), by the mid that the agent sees h after the venue
executed: what the fill is worth then. A maker whose mark-outs are negative is being picked off. A
mark-out is known h seconds later, never before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.tape import BookTape
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.holdings import worth_of
from seq_gym.sandbox.book.records import BookFill, BookOrder
from seq_gym.sandbox.book.view import BookView
from seq_gym.times import NS_PER_S

__all__ = ["MARK_OUTS_S", "PERCENTILES", "FillCost", "OrderCost", "TcaReport", "measure_costs"]

MARK_OUTS_S = (1, 10, 60)
"""Horizons of mark-outs, seconds."""

PERCENTILES = (50, 75, 95, 99)

_FIGURES = ("shortfall_bps", "spread_cost_bps", "impact_bps", "fee_bps")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCost:
    """What one order cost over all its fills, weighed by quantity."""

    order: BookOrder
    filled_frac: float
    shortfall_bps: float | None
    spread_cost_bps: float | None
    impact_bps: float | None
    fee_bps: float
    entry_latency_ns: int | None
    """From sending to the venue."""
    round_trip_ns: int | None
    """From sending to the venue's first answer."""
    time_to_fill_ns: int | None
    """From sending to the first execution at the venue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcaReport:
    """Costs of a session: every fill, every order with fills, and their distribution."""

    fills: tuple[FillCost, ...]
    orders: tuple[OrderCost, ...]

    def summary(self) -> dict[str, dict[str, float]]:
        """Return p50, p75, p95, p99 and the mean by figure, fills weighed alike."""
        table: dict[str, list[float | None]] = {
            name: [getattr(each, name) for each in self.fills] for name in _FIGURES
        }
        for horizon in MARK_OUTS_S:
            values = [each.mark_outs_bps[horizon] for each in self.fills]
            table[f"mark_out_{horizon}s_bps"] = values
        for name in ("entry_latency_ns", "round_trip_ns", "time_to_fill_ns"):
            table[name] = [getattr(each, name) for each in self.orders]
        return {name: _spread(values) for name, values in table.items() if _some(values)}


def _some(values: Sequence[float | None]) -> bool:
    return any(value is not None for value in values)


def _spread(values: Sequence[float | None]) -> dict[str, float]:
    known = np.array([value for value in values if value is not None], np.float64)
    found = {f"p{p}": float(np.percentile(known, p)) for p in PERCENTILES}
    return {"mean": float(known.mean()), **found, "count": float(known.size)}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _sign(side: str) -> float:
    return 1.0 if side == "buy" else -1.0


def _bps(amount: float | None, base: float | None) -> float | None:
    return None if amount is None or not base else 1e4 * amount / base


def _fee_bps(fill: BookFill, base: float | None, instrument: Instrument) -> float:
    """Return the fee in basis points of the fill's notional at the mid that the agent saw."""
    price = fill.price if base is None else base
    notional = fill.quantity * abs(worth_of(instrument, price))
    return 1e4 * fill.fee / notional if notional else 0.0


def _fill_cost(
    fill: BookFill, instrument: Instrument, marks: Mapping[int, float | None]
) -> FillCost:
    sign, base = _sign(fill.side), fill.sent_mid or fill.mid
    spread = None if fill.mid is None else sign * (fill.price - fill.mid)
    drift = None if fill.mid is None or base is None else sign * (fill.mid - base)
    fee_bps = _fee_bps(fill, base, instrument)
    paid_bps = None if base is None else _bps(sign * (fill.price - base), base)
    return FillCost(
        fill=fill,
        shortfall_bps=None if paid_bps is None else paid_bps + fee_bps,
        spread_cost_bps=_bps(spread, base),
        impact_bps=_bps(drift, base),
        fee_bps=fee_bps,
        mark_outs_bps={
            horizon: None if mark is None else _bps(sign * (mark - fill.price), base)
            for horizon, mark in marks.items()
        },
    )


def _weighed(costs: Sequence[FillCost], name: str) -> float | None:
    pairs = [(getattr(each, name), each.fill.quantity) for each in costs]
    if any(value is None for value, _ in pairs):
        return None
    total = math.fsum(quantity for _, quantity in pairs)
    return math.fsum(value * quantity for value, quantity in pairs) / total


def _since(later: int | None, earlier: int) -> int | None:
    return None if later is None else later - earlier


def _order_cost(order: BookOrder, costs: Sequence[FillCost]) -> OrderCost:
    figures: dict[str, Any] = {name: _weighed(costs, name) for name in _FIGURES}
    return OrderCost(
        order=order,
        filled_frac=order.filled_quantity / order.quantity,
        entry_latency_ns=_since(order.arrived_ns, order.sent_ns),
        round_trip_ns=_since(order.acknowledged_ns, order.sent_ns),
        time_to_fill_ns=_since(order.first_fill_ns, order.sent_ns),
        **figures,
    )


def measure_costs(
    fills: Sequence[BookFill],
    fill_lanes: Sequence[int],
    orders: Sequence[BookOrder],
    view: BookView,
    tapes: Sequence[BookTape],
    now_ns: int,
) -> TcaReport:
    """Measure what fills cost as far as it is known at a time.

    Args:
        fills: Executions that the agent knows of.
        fill_lanes: The lane of each.
        orders: Orders, those without fills are left out.
        view: Instruments of the lanes, and what the agent saw of them.
        tapes: Tapes of the lanes.
        now_ns: Virtual time; no mid after it is read.
    """
    lanes = np.array(fill_lanes, np.int64)
    times = np.array([fill.exch_ns for fill in fills], np.int64)
    marks: dict[int, NDArray[np.float64]] = {h: np.full(len(fills), np.nan) for h in MARK_OUTS_S}
    for s, tape in enumerate(tapes):
        own = np.flatnonzero(lanes == s)
        if not own.size:
            continue
        for horizon in MARK_OUTS_S:
            when = times[own] + horizon * NS_PER_S
            mids = view.mids(s, when)
            mids[(when > now_ns) | (when > tape.last_ts)] = np.nan
            marks[horizon][own] = mids
    costs = [
        _fill_cost(fill, view.instruments[lane], {h: _known(marks[h][k]) for h in MARK_OUTS_S})
        for k, (fill, lane) in enumerate(zip(fills, fill_lanes, strict=True))
    ]
    by_order: dict[str, list[FillCost]] = {}
    for cost in costs:
        by_order.setdefault(cost.fill.order_id, []).append(cost)
    return TcaReport(
        fills=tuple(costs),
        orders=tuple(
            _order_cost(order, by_order[order.order_id])
            for order in orders
            if order.order_id in by_order
        ),
    )
