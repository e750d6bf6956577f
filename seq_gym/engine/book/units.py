"""Ticks, lots and units: the integers of the tape and the floats of orders (F6).

An order's quantity is in *units*: under strict rules lots, whole numbers in float64; under parity
rules base quantity, so that the peer's arithmetic is repeated to the last bit.
"""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import NO_ASK, NO_BID, STRICT

__all__ = [
    "base_of_lots",
    "base_of_units",
    "lot_units",
    "mid_of",
    "price_of",
    "rounded",
    "units_of_lots",
]


@helper
def price_of(ins: Any, tick: int) -> float:
    """Return a tick's price: the decimal's own double, since one division rounds once."""
    return tick * ins.tick_mul / ins.tick_div


@helper
def base_of_lots(ins: Any, lots: int) -> float:
    """Return lots as base quantity: the decimal's own double."""
    return lots * ins.lot_mul / ins.lot_div


@helper
def units_of_lots(p: Any, ins: Any, lots: int) -> float:
    """Return lots of the tape in the units of orders."""
    if p.fills == STRICT:
        return float(lots)
    return lots * ins.lot_mul / ins.lot_div


@helper
def base_of_units(p: Any, ins: Any, units: float) -> float:
    """Return an order's units as base quantity."""
    if p.fills == STRICT:
        return units * ins.lot_mul / ins.lot_div
    return units


@helper
def lot_units(p: Any, ins: Any) -> float:
    """Return one lot in the units of orders."""
    if p.fills == STRICT:
        return 1.0
    return ins.lot_mul / ins.lot_div


@helper
def mid_of(ins: Any, bid: int, ask: int) -> float:
    """Return the middle of two best ticks as a price; NaN where a side is empty."""
    if bid == NO_BID or ask == NO_ASK:
        return math.nan
    return 0.5 * (bid + ask) * ins.tick_mul / ins.tick_div


@helper
def rounded(x: float) -> float:
    """Round to the nearest whole number, halves away from zero, as the peer does."""
    whole = math.floor(abs(x))
    up = whole + 1.0 if abs(x) - whole >= 0.5 else whole + 0.0
    return up if x >= 0.0 else -up
