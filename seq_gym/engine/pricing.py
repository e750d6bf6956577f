"""Ticks, lots, slippage and the price a taker pays (M1, M6)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import call_slippage, kernel
from seq_gym.engine.codes import FIXED_BPS, SQUARE_ROOT, VOLUME_SHARE

__all__ = ["ceil_to", "floor_to", "limit_to_tick", "slippage_frac", "taker_price", "without_dust"]

# A quotient this close to a whole number of ticks or lots is that number: 0.3 / 0.1 is not 2 lots.
_WHOLE = 1e-6


@kernel
def _multiple(count: float, step: float) -> float:
    """Return count * step without the dust of a decimal step: 3 * 0.1 is 0.3."""
    inverse = math.floor(1.0 / step + 0.5)
    if inverse >= 1.0 and abs(inverse * step - 1.0) < 1e-12:
        return count / inverse
    return count * step


@kernel
def floor_to(value: float, step: float) -> float:
    """Round down to a multiple of step; a step of 0 leaves the value."""
    if step <= 0.0:
        return value
    count = value / step
    whole = math.floor(count + 0.5)
    if abs(count - whole) > _WHOLE:
        whole = math.floor(count)
    return _multiple(float(whole), step)


@kernel
def ceil_to(value: float, step: float) -> float:
    """Round up to a multiple of step; a step of 0 leaves the value."""
    if step <= 0.0:
        return value
    count = value / step
    whole = math.floor(count + 0.5)
    if abs(count - whole) > _WHOLE:
        whole = math.ceil(count)
    return _multiple(float(whole), step)


@kernel
def without_dust(qty: float, lot: float) -> float:
    """Return the whole lots that a signed quantity is but for the dust of its sums."""
    if lot <= 0.0:
        return qty
    count = qty / lot
    whole = math.floor(count + 0.5)
    if abs(count - whole) > _WHOLE:
        return qty
    return _multiple(float(whole), lot)


@kernel
def limit_to_tick(side: int, price: float, tick: float) -> float:
    """Round a limit to the tick that promises no more: buys down, sells up (M6)."""
    if side > 0:
        return floor_to(price, tick)
    return ceil_to(price, tick)


@kernel
def slippage_frac(p: Any, notional: float, adv: float, sigma: float) -> float:
    """Return the slippage of taking `notional` in all from one candle (M1).

    Args:
        p: The PARAMS record.
        notional: Quote units taken on this side of this candle so far, this order included (O10).
        adv: Quote volume of the trailing 24 h, known at the arrival.
        sigma: Daily volatility, known at the arrival; used by the square-root model.
    """
    if p.slippage_model == FIXED_BPS:
        return p.impact
    if p.slippage_model == VOLUME_SHARE:
        raw = p.impact * notional / adv if adv > 0.0 else 0.0
    elif p.slippage_model == SQUARE_ROOT:
        raw = p.impact * sigma * math.sqrt(notional / adv) if adv > 0.0 else 0.0
    else:
        raw = call_slippage(p.slippage_address, notional, adv, sigma)
    if not raw >= p.slippage_floor:  # a NaN of the user's own function costs the floor
        return p.slippage_floor
    return min(raw, p.slippage_cap)


@kernel
def taker_price(side: int, base: float, slip: float, tick: float) -> float:
    """Return the base price moved by the slippage to the worse tick, against the taker."""
    if side > 0:
        return ceil_to(base * (1.0 + slip), tick)
    price = base * (1.0 - slip)
    rounded = floor_to(price, tick)
    return rounded if rounded > 0.0 else price
