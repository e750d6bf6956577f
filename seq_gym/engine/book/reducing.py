"""Reduce-only orders: clipped, when they fill, to the position that is left at the venue (O9).

The venue counts its own executions: the position of an account and lane is what the agent was told
of it (POSITION, where an episode may begin with more than nothing) and what is still on the way to
it (LANE.untold). Orders that are not reduce-only ask for none of this.
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import helper
from seq_gym.engine.book.codes import REDUCE_ONLY_FLAG, STRICT
from seq_gym.engine.book.tables import instrument, lane, params_at, position
from seq_gym.engine.book.units import lot_units, rounded

__all__ = ["cannot_reduce", "most_of"]

_DUST_LOTS: Final = 1e-6
"""What a sum of fills may lack of a whole lot."""


@helper
def _left_to_reduce(c: Any, e: int, s: int, side: int) -> float:
    """Return how much an order on `side` may reduce at the venue now, in units; 0: nothing."""
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    held = position(c, e, s).qty
    if p.fills == STRICT:
        held *= ins.lot_div / ins.lot_mul
        left = -side * (held + lane(c, e, s).untold)
        return max(math.floor(left + _DUST_LOTS) + 0.0, 0.0)
    left = -side * (held + lane(c, e, s).untold)
    return left if rounded(left / lot_units(p, ins) + _DUST_LOTS) > 0.0 else 0.0


@helper
def most_of(c: Any, e: int, s: int, o: Any) -> float:
    """Return how much of an order may execute now, in units: what it leaves, or may reduce.

    Args:
        c: The CONTEXT record.
        e: The account.
        s: The lane.
        o: The ORDER record, as the venue holds it.
    """
    if (o.flags & REDUCE_ONLY_FLAG) == 0:
        return o.leaves
    return min(o.leaves, _left_to_reduce(c, e, s, o.side))


@helper
def cannot_reduce(c: Any, e: int, s: int, o: Any) -> bool:
    """Say whether an order is reduce-only and there is nothing (left) for it to reduce."""
    return (o.flags & REDUCE_ONLY_FLAG) != 0 and _left_to_reduce(c, e, s, o.side) <= 0.0
