"""Where my order stands in its level's queue (B18): `front` units ahead, `traded` since a row.

The arithmetic of the probabilistic shapes is hftbacktest 2.4.4's in its order of operations, so
that parity holds to the last bit: NaN stands for "no opinion" and gives way to the level's size.
"""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import (
    AGGRESSIVE,
    LOG1,
    NO_QUEUE,
    POWER1,
    POWER2,
    POWER3,
    RISK_AVERSE,
    STRICT,
)
from seq_gym.engine.book.units import lot_units, rounded

__all__ = ["join_queue", "move_by_depth", "move_by_print", "share_behind", "take_executable"]


@helper
def _power(x: float, n: float) -> float:
    if x < 0.0 and n != math.floor(n):
        return math.nan
    return math.pow(x, n)


@helper
def _log(x: float) -> float:
    if x > 0.0:
        return math.log(x)
    return -math.inf if x == 0.0 else math.nan


@helper
def _ratio(a: float, b: float) -> float:
    if b != 0.0:
        return a / b
    return math.inf if a > 0.0 or a < 0.0 else math.nan


@helper
def share_behind(model: int, n: float, front: float, back: float) -> float:
    """Return which part of a decrease is taken to be behind me.

    Args:
        model: A probabilistic shape: POWER1 to POWER3, LOG1 or LOG2.
        n: The exponent of the power shapes.
        front: Units ahead of me.
        back: Units behind me.

    Returns:
        The share; NaN where the shape has no answer (an empty level).
    """
    if model == POWER3:
        return 1.0 - _power(_ratio(front, front + back), n)
    if model == POWER1:
        behind = _power(back, n)
        share = _ratio(behind, behind + _power(front, n))
    elif model == POWER2:
        share = _ratio(_power(back, n), _power(back + front, n))
    elif model == LOG1:
        behind = _log(1.0 + back)
        share = _ratio(behind, behind + _log(1.0 + front))
    else:
        share = _ratio(_log(1.0 + back), _log(1.0 + (back + front)))
    return 1.0 if math.isinf(share) else share


@helper
def _estimated(p: Any, front: float, prev: float, change: float) -> float:
    """Return the expected front after a level of `prev` lost `change` by cancels."""
    if p.queue_model == AGGRESSIVE:
        return front - change
    back = prev - front
    share = share_behind(p.queue_model, p.queue_power, front, back)
    beyond = back - share * change
    return front - (1.0 - share) * change + (beyond if beyond < 0.0 else 0.0)


@helper
def join_queue(p: Any, o: Any, displayed: float) -> None:
    """Put an order behind what its level displays (V6)."""
    o.front = 0.0 if p.queue_model == NO_QUEUE else displayed
    o.traded = 0.0


@helper
def move_by_depth(p: Any, o: Any, prev: float, new: float) -> None:
    """Move an order by a row of its level, from `prev` to `new` units (V3)."""
    change = prev - new - o.traded
    o.traded = 0.0
    if p.queue_model == NO_QUEUE:
        return
    front = o.front
    if p.queue_model != RISK_AVERSE and not change < 0.0:
        front = _estimated(p, front, prev, change)
    if not front < new:  # NaN as well
        front = new
    if p.fills == STRICT and front < 0.0:
        front = 0.0
    o.front = front


@helper
def move_by_print(p: Any, o: Any, flow: float, printed: float) -> None:
    """Move an order by a print at its tick, of which own orders left `flow` units."""
    o.front = -flow if p.queue_model == NO_QUEUE else o.front - flow
    o.traded += printed


@helper
def take_executable(p: Any, ins: Any, o: Any) -> float:
    """Return the whole lots by which the queue has passed an order, in units; it is now first."""
    if p.fills == STRICT:
        if o.front >= 0.0:
            return 0.0
        passed = math.floor(-o.front) + 0.0
        o.front = 0.0
        return passed
    lot = lot_units(p, ins)
    lots = rounded(-o.front / lot)
    if lots <= 0.0:
        return 0.0
    o.front = 0.0
    return lots * lot
