"""What the reference twin keeps: candles, orders, positions and one account as plain dataclasses.

Part of `seq_gym.engine.reference`, the same rules as the kernels in slow and obvious Python.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from seq_gym.engine.codes import (
    DATA_ENDED,
    FRESH,
    GTC,
    LIMIT,
    LISTED,
    MARKET,
    QUANTITY,
    SPAN_SHIFT,
    TRADED,
    TRIGGERED,
    WAITING,
)
from seq_gym.engine.layout import Table

__all__ = [
    "ALMOST_WHOLE",
    "DUST",
    "Account",
    "Bar",
    "CandleUse",
    "Event",
    "Order",
    "Position",
    "ceil_to",
    "floor_to",
    "read_bars",
    "read_record",
    "without_dust",
]

ALMOST_WHOLE = 1e-6
"""A quotient this close to a whole number of steps is that number (M6)."""

DUST = 1e-12
"""Quantities that agree to this part are the same quantity: 0.1 + 0.2 closes a sale of 0.3."""


class Bar(NamedTuple):
    """One row of the CANDLE table: what a symbol's candle was, and what is known at its close."""

    open: float
    high: float
    low: float
    mark: float
    volume: float
    adv: float
    sigma: float
    traded: bool
    listed: bool
    ended: bool
    fresh: bool
    span: int


class Event(NamedTuple):
    """One thing that happened to an order, with the names of the EVENT record."""

    kind: int
    order_id: int
    cursor: int
    phase: int
    symbol: int
    side: int
    type: int
    liquidity: int
    reason: int
    qty: float
    price: float
    base_price: float
    fee: float
    slippage: float
    realized: float


@dataclass(eq=False)
class Order:
    """A request, and then a working order."""

    id: int
    symbol: int
    side: int
    placed: int
    type: int = MARKET
    tif: int = GTC
    size: float = 0.0
    size_mode: int = QUANTITY
    reduce_only: bool = False
    post_only: bool = False
    price: float = 0.0
    trigger: float = 0.0
    trail_frac: float = 0.0
    max_slippage_frac: float = math.inf
    group: int = 0
    expires: int | None = None
    fitted: bool = False
    fired: bool = False
    state: int = WAITING
    blocked: int = -1
    qty: float = 0.0
    filled: float = 0.0
    extreme: float = 0.0
    reserve_price: float = 0.0
    done: bool = False

    @property
    def is_limit(self) -> bool:
        """It waits in the book at its price: a limit, or a stop-limit that has fired."""
        return self.type == LIMIT or self.state == TRIGGERED


@dataclass
class Position:
    """What the account holds of one symbol, and the target it waits for."""

    qty: float = 0.0
    basis: float = 0.0
    entry: float = 0.0
    realized: float = 0.0
    target_mode: int | None = None
    target_value: float = 0.0
    target_deadband: float = 0.0
    target_placed: int = -1
    low_first: bool = True
    opened_at: int = -1


@dataclass
class CandleUse:
    """What the account took of one symbol's candle so far (O10), and opened inside it (O2)."""

    bought: float = 0.0
    sold: float = 0.0
    volume: float = 0.0
    opened_inside: float = 0.0


@dataclass
class Account:
    """The money of one account, and its clock."""

    cash: float
    starting_balance: float
    cursor: int
    start: int
    end: int
    fee_scale: float = 1.0
    slippage_scale: float = 1.0
    realized: float = 0.0
    equity: float = 0.0
    peak_equity: float = 0.0
    max_drawdown: float = 0.0
    taker_fees: float = 0.0
    maker_fees: float = 0.0
    slippage: float = 0.0
    borrow: float = 0.0
    funding: float = 0.0
    bad_debt: float = 0.0
    turnover: float = 0.0
    ending: int = 0
    next_order_id: int = 1
    num_fills: int = 0
    num_rejects: int = 0
    num_closing: int = 0
    num_wins: int = 0
    day: int = -1
    realized_at_midnight: float = 0.0
    minute: int = -1
    orders_in_minute: int = 0
    curve: list[float] = field(default_factory=list)


def _read_bar(record: Any) -> Bar:
    row = read_record(record)
    flags = row.pop("flags")
    return Bar(
        **row,
        traded=bool(flags & TRADED),
        listed=bool(flags & LISTED),
        ended=bool(flags & DATA_ENDED),
        fresh=bool(flags & FRESH),
        span=flags >> SPAN_SHIFT,
    )


def read_bars(candles: Table) -> list[list[Bar]]:
    """Read the CANDLE table [T + 1, S] into plain rows of plain bars."""
    return [[_read_bar(record) for record in row] for row in candles]


def read_record(record: Any) -> dict[str, Any]:
    """Read one PARAMS or INSTRUMENT record as plain numbers by name."""
    return {name: record[name].item() for name in record.dtype.names}


def _steps(value: float, step: float, rounding: Any) -> int:
    count = value / step
    nearest = math.floor(count + 0.5)
    return nearest if abs(count - nearest) <= ALMOST_WHOLE else int(rounding(count))


def floor_to(value: float, step: float) -> float:
    """Round down to a whole number of decimal steps; a step of 0 leaves the value."""
    if step <= 0.0:
        return value
    return float(_steps(value, step, math.floor) * Decimal(str(step)))


def without_dust(value: float, step: float) -> float:
    """Return the whole number of decimal steps that a sum of such is but for its dust."""
    if step <= 0.0:
        return value
    steps = round(value / step)
    return float(steps * Decimal(str(step))) if abs(value / step - steps) <= 1e-6 else value


def ceil_to(value: float, step: float) -> float:
    """Round up to a whole number of decimal steps; a step of 0 leaves the value."""
    if step <= 0.0:
        return value
    return float(_steps(value, step, math.ceil) * Decimal(str(step)))
