"""Weights of equity on books: market orders for what is missing, reductions first (E6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from seq_gym.engine.book.codes import BUY, SELL
from seq_gym.errors import ConfigError
from seq_gym.sandbox.book.holdings import worth_of
from seq_gym.sandbox.book.sizing import BookSizer
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.ticket import Refused, float_of, writable
from seq_gym.types import Reason

__all__ = ["deadband_of", "send_weights", "weight_of"]

Send = Callable[[int, int, float], None]
"""Sends a market order: lane, side, quantity."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What one lane misses of its weight."""

    lane: int
    side: int
    closes: float
    """Of it what takes the position towards 0."""
    opens: float


def deadband_of(value: Any) -> float:
    """Read a deadband.

    Raises:
        ConfigError: It is no number of at least 0.
    """
    band = float_of(value)
    if not 0.0 <= band < math.inf:
        raise ConfigError(f"deadband must be a number of at least 0; was {writable(value)!r}.")
    return band


def weight_of(name: Any, value: Any) -> float:
    """Read the weight of a symbol.

    Raises:
        Refused: It is no finite number.
    """
    weight = float_of(value)
    if not math.isfinite(weight):
        text = f"The weight of {name} must be a finite number; was {writable(value)!r}."
        raise Refused(Reason.INVALID_PARAMS, text, limit="weight", value=str(value))
    return weight


def _missing(sizer: BookSizer, view: BookView, lane: int, weight: float, band: float) -> _Change:
    """Compare a position with its weight; market orders on their way count as filled."""
    equity, held = sizer.equity(), sizer.held(lane) + sizer.coming(lane)
    held = held if abs(held) > 0.5 * view.instruments[lane].lot else 0.0
    unit = abs(worth_of(view.instruments[lane], sizer.mid(lane)))
    weight = weight if sizer.is_margin else max(weight, 0.0)
    if equity <= 0.0 or weight == 0.0:
        change = -held
    elif abs(weight - held * unit / equity) < band:
        change = 0.0
    else:
        change = weight * equity / unit - held
    closes = min(abs(change), abs(held)) if change * held < 0.0 else 0.0
    side = BUY if change > 0.0 else SELL
    return _Change(lane=lane, side=side, closes=closes, opens=abs(change) - closes)


def send_weights(
    sizer: BookSizer, view: BookView, weights: Mapping[int, float], band: float, send: Send
) -> None:
    """Send one market order for each lane that is not at its weight.

    What only reduces goes first. What opens is scaled by one factor to what is free now: proceeds
    of sales are there once their answers have come. Less than a lot, or than the instrument's least
    notional, is left out.

    Args:
        sizer: Sizes at what the agent knows.
        view: Books and marks; each lane has a price.
        weights: Weight of equity by lane.
        band: Changes of weight below it are left alone.
        send: Sends an order.
    """
    found = [_missing(sizer, view, lane, weight, band) for lane, weight in weights.items()]
    for each in found:
        if each.opens == 0.0:
            quantity = sizer.fit(each.lane, each.side, each.closes)
            if quantity > 0.0:
                send(each.lane, each.side, quantity)
    opening = [each for each in found if each.opens > 0.0]
    total = sum(sizer.cost(each.lane, each.side, each.closes + each.opens) for each in opening)
    free = max(sizer.free(), 0.0)
    factor = free / total if total > free else 1.0
    for each in opening:
        wanted = each.closes + each.opens * factor
        quantity = sizer.fit(each.lane, each.side, wanted)
        instrument = view.instruments[each.lane]
        notional = quantity * abs(worth_of(instrument, sizer.mid(each.lane)))
        if quantity > 0.0 and notional >= instrument.min_notional:
            send(each.lane, each.side, quantity)
