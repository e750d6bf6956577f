"""What price an order in work waits for, and from which side (O4 to O7)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.codes import LIMIT, TAKE_PROFIT, TRAILING_STOP, TRIGGERED

__all__ = ["level_of", "stop_level", "waits_for_fall"]


@helper
def stop_level(o: Any) -> float:
    """Return the price that fires a triggered order; a trailing stop's follows its extreme (O7)."""
    if o.type == TRAILING_STOP:
        return o.extreme * (1.0 + o.side * o.trail_frac)
    return o.trigger


@helper
def level_of(o: Any) -> float:
    """Return the price that an order in work waits for."""
    if o.type == LIMIT or o.state == TRIGGERED:
        return o.price
    return stop_level(o)


@helper
def waits_for_fall(o: Any) -> bool:
    """Say whether a falling price meets the order: buy limits, sell stops, buy targets."""
    if o.type == LIMIT or o.state == TRIGGERED or o.type == TAKE_PROFIT:
        return o.side > 0
    return o.side < 0
