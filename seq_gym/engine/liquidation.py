"""Forced closes: the margin call along a leg, and the end of an episode (M5, M7)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.account import value_price
from seq_gym.engine.codes import (
    AT_ONCE,
    CLOSE,
    COMPLETED,
    END_OF_EPISODE,
    LIQUIDATED,
    LIQUIDATION,
    OPEN,
    REDUCE_ONLY,
    TAKER,
    WHOLE_POSITION,
)
from seq_gym.engine.matching import execute
from seq_gym.engine.path import leg_end, leg_start
from seq_gym.engine.slots import cancel_all, new_request
from seq_gym.engine.tables import candle, params_at, position

__all__ = [
    "close_everything",
    "drop_intents",
    "is_underwater",
    "liquidate",
    "liquidation_distance",
]


@helper
def drop_intents(c: Any, a: Any, e: int) -> None:
    """Forget the targets that still wait for an open."""
    for s in range(c.num_symbols):
        position(c, e, s).intent_mode = -1
    a.num_intents = 0


@helper
def _excess(c: Any, a: Any, e: int, leg: int, distance: float, phase: int) -> float:
    """Return equity minus maintenance margin at a point of the candle; inf without positions."""
    maintenance = params_at(c.params, 0).maintenance_frac
    total = a.cash
    holds = False
    for s in range(c.num_symbols):
        qty = position(c, e, s).qty
        if qty != 0.0:
            holds = True
            price = _price_at(c, a, e, s, leg, distance, phase)
            total += qty * price - maintenance * abs(qty) * price
    return total if holds else math.inf


@helper
def _price_at(c: Any, a: Any, e: int, s: int, leg: int, distance: float, phase: int) -> float:
    """Return a symbol's price at the open, at the close, or part of the way along a leg."""
    if phase == OPEN:
        return value_price(c, a, s, OPEN)
    if phase == CLOSE:
        return candle(c, a.cursor + 1, s).mark
    start = leg_start(c, a, e, s, leg)
    return start + distance * (leg_end(c, a, e, s, leg) - start)


@helper
def is_underwater(c: Any, a: Any, e: int, phase: int) -> bool:
    """Say whether equity is at or below maintenance at the open or at the close."""
    return _excess(c, a, e, 0, 0.0, phase) <= 0.0


@helper
def liquidation_distance(c: Any, a: Any, e: int, leg: int, reached: float) -> float:
    """Return the smallest part of a leg at which equity equals maintenance, or inf.

    All symbols move along their legs together, so equity and maintenance are linear in the part.
    """
    if params_at(c.params, 0).margin == 0:
        return math.inf
    now = _excess(c, a, e, leg, reached, 0)
    if now <= 0.0:
        return reached
    end = _excess(c, a, e, leg, 1.0, 0)
    if not end <= 0.0 or now == math.inf:
        return math.inf
    return reached + (1.0 - reached) * now / (now - end)


@helper
def _close_position(c: Any, a: Any, e: int, s: int, base: float, phase: int, reason: int) -> None:
    """Close a whole position as a taker, exempt from caps."""
    qty = position(c, e, s).qty
    o = new_request(c, a, s, -1 if qty > 0.0 else 1)
    o.flags = REDUCE_ONLY
    o.size_mode = WHOLE_POSITION
    execute(c, a, e, o, base, 0.0, TAKER, phase, reason)


@helper
def liquidate(c: Any, a: Any, e: int, leg: int, distance: float, phase: int) -> None:
    """Cancel everything, close every position where the margin call struck, end the episode.

    A loss beyond equity stays as negative cash and is named `bad_debt`: no cash is clipped.
    """
    cancel_all(c, a, e, phase, LIQUIDATION)
    drop_intents(c, a, e)
    for s in range(c.num_symbols):
        if position(c, e, s).qty != 0.0:
            base = _price_at(c, a, e, s, leg, distance, phase)
            _close_position(c, a, e, s, base, phase, LIQUIDATION)
    a.bad_debt = max(-a.cash, 0.0)
    a.ending = LIQUIDATED


@helper
def close_everything(c: Any, a: Any, e: int, sell: bool) -> None:
    """Cancel what is pending at the end of an episode and, if asked, close at the marks (M7)."""
    cancel_all(c, a, e, AT_ONCE, END_OF_EPISODE)
    drop_intents(c, a, e)
    if sell:
        for s in range(c.num_symbols):
            if position(c, e, s).qty != 0.0:
                mark = candle(c, a.cursor, s).mark
                _close_position(c, a, e, s, mark, AT_ONCE, COMPLETED)
