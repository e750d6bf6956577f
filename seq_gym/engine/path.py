"""The assumed path of prices inside a candle: open, adverse extreme, favourable extreme (O2)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.codes import SPAN_SHIFT
from seq_gym.engine.tables import candle, position, traded

__all__ = ["leg_end", "leg_start", "span_of"]


@helper
def span_of(bar: Any) -> int:
    """Return how many grid candles a candle covers (C4)."""
    return bar.flags >> SPAN_SHIFT


@helper
def leg_start(c: Any, a: Any, e: int, s: int, leg: int) -> float:
    """Return the price at which a leg starts: the open, or the first extreme."""
    bar = candle(c, a.cursor + 1, s)
    if not traded(bar):
        return bar.mark
    if leg == 0:
        return bar.open
    return bar.low if position(c, e, s).first_leg < 0 else bar.high


@helper
def leg_end(c: Any, a: Any, e: int, s: int, leg: int) -> float:
    """Return the extreme at which a leg ends."""
    bar = candle(c, a.cursor + 1, s)
    if not traded(bar):
        return bar.mark
    low_first = position(c, e, s).first_leg < 0
    return bar.low if low_first == (leg == 0) else bar.high
