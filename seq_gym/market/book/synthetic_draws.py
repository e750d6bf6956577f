"""Random numbers of the synthetic book: the same bits on every machine.

Every draw is keyed by (seed, stream, counter). Logarithm and exponential are written out in plain
arithmetic, which IEEE 754 fixes to the last bit; those of the C library differ between machines.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from seq_gym._jit import helper, kernel
from seq_gym._random import draw_uniform

__all__ = [
    "exponential",
    "exponential_of",
    "feed_times",
    "logarithm_of",
    "normal",
    "reference_path",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

_LN_2: Final = 0.6931471805599453
_SQRT_2: Final = 1.4142135623730951


@helper
def logarithm_of(x: float) -> float:
    """Return ln(x) of a positive number, to about 1e-15."""
    doublings = 0
    while x > _SQRT_2:
        x *= 0.5
        doublings += 1
    while x < 0.5 * _SQRT_2:
        x *= 2.0
        doublings -= 1
    z = (x - 1.0) / (x + 1.0)
    square = z * z
    total = 0.0
    for k in range(21, 0, -2):
        total = total * square + 1.0 / k
    return 2.0 * z * total + doublings * _LN_2


@helper
def exponential_of(x: float) -> float:
    """Return e to the x for |x| < 700, to about 1e-14."""
    halvings = 0
    while x > 0.1 or x < -0.1:
        x *= 0.5
        halvings += 1
    total = 1.0
    for k in range(11, 0, -1):
        total = 1.0 + x * total / k
    for _ in range(halvings):
        total *= total
    return total


@helper
def exponential(seed: int, stream: int, counter: int) -> float:
    """Draw a waiting time of mean 1."""
    return -logarithm_of(1.0 - draw_uniform(seed, stream, counter))


@helper
def normal(seed: int, stream: int, counter: int) -> float:
    """Draw a nearly normal number of variance 1: the sum of six uniforms, so never beyond 4.2."""
    total = -3.0
    for k in range(6):
        total += draw_uniform(seed, stream, 6 * counter + k)
    return total * _SQRT_2


@helper
def _step(seed: int, stream: int, counter: int, jump_chance: float, diffusive_frac: float) -> float:
    """Draw one step of variance 1: rare jumps of exponential size over a faint diffusion."""
    move = math.sqrt(diffusive_frac) * normal(seed, stream, counter)
    chance = draw_uniform(seed, stream + 1, counter)
    if chance < jump_chance:
        # Both sides of an exponential of mean 1 have variance 2.
        scale = math.sqrt((1.0 - diffusive_frac) / (2.0 * jump_chance))
        size = scale * exponential(seed, stream + 2, counter)
        move += size if chance < 0.5 * jump_chance else -size
    return move


@kernel
def reference_path(
    path: FloatArray,
    seed: int,
    common: int,
    own: int,
    start: float,
    step_frac: float,
    correlation: float,
    jump_chance: float,
    diffusive_frac: float,
    keep: float,
) -> None:
    """Walk a fair price over equal steps.

    Args:
        path: float64 [steps], filled: the price during each step.
        seed: Of the market.
        common: Stream of the factor that all symbols share.
        own: Stream of this symbol.
        start: First price, in ticks.
        step_frac: Standard deviation of the return of one step.
        correlation: Share of the variance that is common, 0 to 1.
        jump_chance: Probability of a jump in a step, of the factor and of the symbol each.
        diffusive_frac: Share of the variance that is no jump.
        keep: What a step leaves of the logarithm of the volatility, below 1.
    """
    shock = 0.4 * math.sqrt(1.0 - keep * keep)
    shared, alone = math.sqrt(correlation), math.sqrt(1.0 - correlation)
    price = start
    log_volatility = 0.0
    for i in range(len(path)):
        path[i] = price
        log_volatility = keep * log_volatility + shock * normal(seed, own + 8, i)
        move = shared * _step(seed, common, i, jump_chance, diffusive_frac)
        move += alone * _step(seed, own, i, jump_chance, diffusive_frac)
        # exp(-0.16): the mean square of the volatility is 1.
        scale = step_frac * exponential_of(log_volatility - 0.16)
        change = max(-0.05, min(0.05, scale * move))
        price *= 1.0 + change


@kernel
def feed_times(
    exch_ts: IntArray, message: IntArray, seed: int, stream: int, median_ns: float, sigma: float
) -> IntArray:
    """Draw when each message is received: log-normal delays, never overtaking.

    Args:
        exch_ts: int64 [R].
        message: int64 [R], ascending: rows of one message are received at once.
        seed: Of the market.
        stream: Of the feed.
        median_ns: Median delay.
        sigma: Standard deviation of its logarithm.

    Returns:
        int64 [R], ascending.
    """
    times = np.empty(len(exch_ts), np.int64)
    latest = np.int64(0)
    for i in range(len(exch_ts)):
        if i == 0 or message[i] != message[i - 1]:
            delay = median_ns * exponential_of(sigma * normal(seed, stream, message[i]))
            latest = max(latest, exch_ts[i] + np.int64(delay))
        times[i] = latest
    return times
