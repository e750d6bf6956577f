"""Transaction cost analysis: what every fill and every order cost against the mid.

All costs are signed from the agent's side: positive is worse. Of a fill, in basis points of the mid
that the agent saw when it sent the order (Perold 1988, "The implementation shortfall"):

    shortfall = impact + spread cost + fee
    impact      side x (venue's mid at the execution - mid when sent): the market moved meanwhile
    spread cost side x (price - venue's mid at the execution): half a spread for a taker, negative
                for a maker
    fee         negative for a rebate

A mark-out at h seconds is side x (mid - price), by the mid that the agent sees h after the venue
executed: what the fill is worth then, so positive is better. A maker whose mark-outs are negative
is being picked off.

Of an order, its fills weighed by quantity have the same figures, and what was not filled has a cost
too. In basis points of the whole order, at its quantity as it was last amended:

    implementation shortfall = filled part x shortfall + opportunity
    opportunity = unfilled part x side x (mid at the order's end - mid when sent)

The order's end is when the agent learnt of it (`done_ns`), and its mid is what the agent saw then;
the mid when sent is the last that it had seen. An order that the agent's own checks refused was
never sent and costs nothing.

When each is known: costs of a fill when the agent learns of it (`local_ns`); its mark-out at h
seconds at `exch_ns` + h, or with the fill where that is later, and only where the recording goes on
so long; those of an order's fills with the last of them, so that a fill to come changes them;
opportunity and implementation shortfall from `done_ns` on. They are None until then, and where a
side of the book was empty at the mid's moment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.tape import BookTape
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.costs import (
    FILL_FIGURES,
    MARK_OUTS_S,
    ORDER_FIGURES,
    PARTS,
    PERCENTILES,
    FillCost,
    OrderCost,
    TcaReport,
)
from seq_gym.sandbox.book.holdings import worth_of
from seq_gym.sandbox.book.records import BookFill, BookOrder
from seq_gym.sandbox.book.view import BookView
from seq_gym.times import NS_PER_S

__all__ = [
    "FILL_FIGURES",
    "MARK_OUTS_S",
    "ORDER_FIGURES",
    "PERCENTILES",
    "FillCost",
    "OrderCost",
    "TcaReport",
    "measure_costs",
]


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


def _weighed(costs: Sequence[FillCost], values: Sequence[float | None]) -> float | None:
    """Return a mean over fills by quantity; None where there is none, or one has no value."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(costs):
        return None
    quantities = [each.fill.quantity for each in costs]
    return math.fsum(map(math.prod, zip(known, quantities, strict=True))) / math.fsum(quantities)


def _since(later: int | None, earlier: int) -> int | None:
    return None if later is None else later - earlier


def _opportunity(order: BookOrder, end_mid: float | None) -> float | None:
    """Return what the unfilled part of an order missed, basis points of the whole order.

    Args:
        order: The order; one that still works has something unfilled.
        end_mid: The mid that the agent saw at its end; None: there was none, or it still works.
    """
    unfilled = order.remaining_quantity / order.quantity
    if not unfilled:
        return 0.0
    if end_mid is None or order.sent_mid is None:
        return None
    return _bps(unfilled * _sign(order.side) * (end_mid - order.sent_mid), order.sent_mid)


def _order_cost(order: BookOrder, costs: Sequence[FillCost], end_mid: float | None) -> OrderCost:
    parts: dict[str, Any] = {
        name: _weighed(costs, [getattr(each, name) for each in costs]) for name in PARTS
    }
    filled = order.filled_quantity / order.quantity
    missed, paid = _opportunity(order, end_mid), parts["shortfall_bps"] if costs else 0.0
    return OrderCost(
        order=order,
        filled_frac=filled,
        mark_outs_bps={
            horizon: _weighed(costs, [each.mark_outs_bps[horizon] for each in costs])
            for horizon in MARK_OUTS_S
        },
        opportunity_bps=missed,
        implementation_shortfall_bps=(
            None if missed is None or paid is None else filled * paid + missed
        ),
        entry_latency_ns=_since(order.arrived_ns, order.sent_ns),
        round_trip_ns=_since(order.acknowledged_ns, order.sent_ns),
        time_to_fill_ns=_since(order.first_fill_ns, order.sent_ns),
        **parts,
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
        orders: Orders; those that were never sent are left out.
        view: Instruments of the lanes, and what the agent saw of them.
        tapes: Tapes of the lanes.
        now_ns: Virtual time; no mid after it is read.
    """
    marks = _marks(fills, fill_lanes, view, tapes, now_ns)
    costs = [
        _fill_cost(fill, view.instruments[lane], {h: _known(marks[h][k]) for h in MARK_OUTS_S})
        for k, (fill, lane) in enumerate(zip(fills, fill_lanes, strict=True))
    ]
    by_order: dict[str, list[FillCost]] = {}
    for cost in costs:
        by_order.setdefault(cost.fill.order_id, []).append(cost)
    sent = [order for order in orders if _was_sent(order)]
    ends = _end_mids(sent, view)
    return TcaReport(
        fills=tuple(costs),
        orders=tuple(
            _order_cost(order, by_order.get(order.order_id, ()), _known(end))
            for order, end in zip(sent, ends, strict=True)
        ),
    )


def _was_sent(order: BookOrder) -> bool:
    """Whether an order left the agent: what the venue refuses has ended there."""
    return order.is_accepted or order.ended_ns is not None


def _marks(
    fills: Sequence[BookFill],
    fill_lanes: Sequence[int],
    view: BookView,
    tapes: Sequence[BookTape],
    now_ns: int,
) -> dict[int, NDArray[np.float64]]:
    """Return the mids after each fill by horizon, float64 [fills], NaN where they are not known."""
    lanes = np.array(fill_lanes, np.int64)
    times = np.array([fill.exch_ns for fill in fills], np.int64)
    marks = {h: np.full(len(fills), np.nan) for h in MARK_OUTS_S}
    for s, tape in enumerate(tapes):
        own = np.flatnonzero(lanes == s)
        if not own.size:
            continue
        for horizon in MARK_OUTS_S:
            when = times[own] + horizon * NS_PER_S
            mids = view.mids(s, when)
            mids[(when > now_ns) | (when > tape.last_ts)] = np.nan
            marks[horizon][own] = mids
    return marks


def _end_mids(orders: Sequence[BookOrder], view: BookView) -> NDArray[np.float64]:
    """Return the mid that the agent saw at the end of each order, float64 [orders]; NaN: none."""
    places = {(each.symbol, each.venue): s for s, each in enumerate(view.instruments)}
    lanes = np.array([places[order.symbol, order.venue] for order in orders], np.int64)
    times = np.array([order.done_ns or 0 for order in orders], np.int64)
    mids = np.full(len(orders), np.nan)
    for s in range(len(view.instruments)):
        own = np.flatnonzero((lanes == s) & (times > 0))
        if own.size:
            mids[own] = view.mids(s, times[own])
    return mids
