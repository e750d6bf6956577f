"""What the book twin keeps: rows of a feed, orders, messages and one account, as plain data.

Part of `seq_gym.engine.book.reference`, the same rules as the kernels in slow and obvious Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seq_gym.engine.book.codes import FREE, TRADE

__all__ = [
    "DUST",
    "Account",
    "Event",
    "Feed",
    "Order",
    "Position",
    "Report",
    "Request",
    "Row",
    "middle",
    "read_record",
]

DUST = 1e-12
"""Quantities that agree to this part are the same quantity: 0.1 + 0.2 closes a sale of 0.3."""


class Row(NamedTuple):
    """One event of a feed on one of its clocks."""

    ts: int
    kind: int
    side: int
    tick: int
    lots: int


class Event(NamedTuple):
    """One thing that the agent did or learnt, with the names of the EVENT record."""

    kind: int
    order_id: int
    lane: int
    local_ts: int
    exch_ts: int
    sent_ts: int
    arrival_ts: int
    side: int
    type: int
    tif: int
    flags: int
    tick: int
    liquidity: int
    reason: int
    qty: float
    price: float
    fee: float
    realized: float
    mid: float
    front: float
    leaves: float
    tag: int


@dataclass(eq=False, kw_only=True)
class Order:
    """One order, as the agent sent it, as the venue holds it, and as the agent knows it."""

    id: int
    lane: int
    side: int
    type: int
    tif: int
    flags: int
    tick: int
    qty: float
    max_slippage_frac: float
    tag: int
    sent_ts: int = 0
    arrival_ts: int = 0
    # The venue's view
    resting: bool = False
    leaves: float = 0.0
    front: float = 0.0
    traded: float = 0.0
    executed: float = 0.0
    # The agent's view
    local: int = FREE
    local_leaves: float = 0.0
    local_executed: float = 0.0
    local_tick: int = 0
    asked: float = 0.0  # what an amend in flight may make of it
    changes: int = 0  # amends and decreases that are not answered
    reserve_price: float = 0.0
    sent_mid: float = math.nan

    @property
    def held(self) -> float:
        """Units that the agent counts with: what is left, or what was asked for if more."""
        return max(self.local_leaves, self.asked)


class Request(NamedTuple):
    """A message to the venue; the heap orders by arrival, then by number (B4)."""

    arrival: int
    number: int
    kind: int
    order: Order
    tick: int
    qty: float
    executed: float  # of the order, as the sender knew


class Report(NamedTuple):
    """A message to the agent; the heap orders by receipt, then by number (B4)."""

    receipt: int
    number: int
    kind: int
    order: Order
    exch_ts: int
    arrival_ts: int
    tick: int
    liquidity: int
    reason: int
    bid: int
    ask: int
    qty: float
    price: float
    leaves: float
    front: float


@dataclass
class Position:
    """What the account holds of one lane, as it knows."""

    qty: float = 0.0
    basis: float = 0.0
    realized: float = 0.0
    bought: float = 0.0
    sold: float = 0.0


@dataclass
class Account:
    """The money of one account, and its clock."""

    cash: float
    starting_balance: float
    now: int
    start: int
    end: int
    seed: int
    next_heartbeat: int
    equity: float = 0.0
    peak_equity: float = 0.0
    drawdown: float = 0.0
    max_drawdown: float = 0.0
    realized: float = 0.0
    taker_fees: float = 0.0
    maker_fees: float = 0.0
    funding: float = 0.0
    borrow: float = 0.0
    bad_debt: float = 0.0
    turnover: float = 0.0
    ending: int = 0
    next_order_id: int = 1
    num_fills: int = 0
    num_rejects: int = 0
    num_gaps: int = 0
    num_actions: int = 0
    num_closing: int = 0
    num_wins: int = 0
    realized_at_midnight: float = 0.0
    orders_in_minute: int = 0
    day: int = -1
    minute: int = -1
    stopped_lane: int = -1
    stopped_by: int = 0


@dataclass(kw_only=True)
class Feed:
    """One recorded (venue, symbol): its rows on both clocks (B1).

    Args:
        columns: exch_ts, local_ts, kind, side, tick and lots, as `prepare_tape` takes them.
        funding: (stamp, rate) of each payment, oldest first.
        recorded: (request, exchange, response) times of the RECORDED latency model.
        latency_scale: L2's factor after each row of the agent's clock; empty: none.
        toxicity: Z1's flow, volatility, spread and size scores of each venue row; empty: none.
    """

    columns: Mapping[str, Sequence[int]]
    funding: Sequence[tuple[int, float]] = ()
    recorded: Sequence[tuple[int, int, int]] = ()
    latency_scale: Sequence[float] = ()
    toxicity: Sequence[Sequence[float]] = ()
    venue: list[Row] = field(init=False)
    local: list[Row] = field(init=False)

    def __post_init__(self) -> None:
        """Sort the rows of each clock: trades before others at one exch_ts (B11)."""
        names = ("kind", "side", "tick", "lots")
        rows = list(zip(*(map(int, self.columns[name]) for name in names), strict=True))
        exch = [int(ts) for ts in self.columns["exch_ts"]]
        local = [int(ts) for ts in self.columns["local_ts"]]
        venue = [Row(ts, *row) for ts, row in zip(exch, rows, strict=True)]
        known = [row for row in venue if row.ts >= 0]
        self.venue = sorted(known, key=lambda row: (row.ts, row.kind != TRADE))
        known = [Row(ts, *row) for ts, row in zip(local, rows, strict=True)]
        self.local = sorted((row for row in known if row.ts >= 0), key=lambda row: row.ts)

    @property
    def last_ts(self) -> int:
        """The last instant of the recording on either clock."""
        return max((row.ts for row in self.venue + self.local), default=-1)


def read_record(record: Any) -> dict[str, Any]:
    """Read one PARAMS or INSTRUMENT record as plain numbers by name."""
    return {name: record[name].item() for name in record.dtype.names}


def middle(bid: float, ask: float, *, known: bool) -> float:
    """Return the mid of two prices, NaN where a side is empty."""
    return 0.5 * (bid + ask) if known else math.nan
