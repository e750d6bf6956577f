"""What every metric is built of: a value or a reason, checked arrays, the normal distribution."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError

__all__ = [
    "ROUNDING",
    "FloatArray",
    "Measure",
    "Undefined",
    "finite_vector",
    "normal_cdf",
    "normal_quantile",
    "one_sided_confidence",
    "positive",
    "split_measures",
    "varies",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]

_STANDARD_NORMAL = NormalDist()

# A return is a ratio of two equities, each known to a few units in the last place: a spread of
# returns below this many units is rounding, and a ratio over it would be a large random number.
ROUNDING = 16.0 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Undefined:
    """A metric that has no value, and why (semantics X2: never 0, never inf)."""

    reason: str


Measure: TypeAlias = float | Undefined


def split_measures(
    measures: Mapping[str, Measure],
) -> tuple[dict[str, float | None], dict[str, str]]:
    """Split named measures into values (None where undefined) and the reasons.

    >>> split_measures({"sharpe_ratio": 1.5, "calmar": Undefined("no drawdown")})
    ({'sharpe_ratio': 1.5, 'calmar': None}, {'calmar': 'no drawdown'})
    """
    values = {k: None if isinstance(m, Undefined) else m for k, m in measures.items()}
    reasons = {k: m.reason for k, m in measures.items() if isinstance(m, Undefined)}
    return values, reasons


def finite_vector(name: str, values: npt.ArrayLike, *, at_least: int = 0) -> FloatArray:
    """Return `values` as float64 [n], or say what is wrong with it.

    Raises:
        ConfigError: It is not one-dimensional, too short, or holds NaN or infinity.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ConfigError(
            f"{name} must be one-dimensional; was of shape {vector.shape}. "
            "Likely fix: pass one episode at a time."
        )
    if vector.size < at_least:
        raise ConfigError(
            f"{name} must hold at least {at_least} values; was of length {vector.size}. "
            "Likely fix: pass the recorded curve, its starting value included."
        )
    wrong = np.flatnonzero(~np.isfinite(vector))
    if wrong.size:
        raise ConfigError(
            f"{name} must be finite; was {vector[wrong[0]]} at index {wrong[0]}. "
            "Likely fix: drop unfinished episodes and rows before they are measured."
        )
    return vector


def positive(name: str, value: float) -> float:
    """Return `value` as a float above zero.

    Raises:
        ConfigError: It is zero, negative or not finite.
    """
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ConfigError(
            f"{name} must be finite and above 0; was {value!r}. Likely fix: check its unit."
        )
    return number


def one_sided_confidence(value: float) -> float:
    """Return a confidence strictly between 0 and 1.

    Raises:
        ConfigError: It is not; a percentage is the likely cause.
    """
    number = float(value)
    if not 0 < number < 1:
        raise ConfigError(
            f"confidence must be between 0 and 1; was {value!r}. Likely fix: write 0.95, not 95."
        )
    return number


def varies(returns: FloatArray) -> bool:
    """Whether the returns differ by more than the rounding of the equities behind them."""
    if returns.size < 2:
        return False
    lowest, highest = float(returns.min()), float(returns.max())
    scale = 1.0 + max(abs(lowest), abs(highest))
    return highest - lowest > ROUNDING * scale


def normal_cdf(x: float) -> float:
    """Return P(Z <= x) of the standard normal, accurate in both tails.

    >>> normal_cdf(0.0)
    0.5
    """
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def normal_quantile(p: float) -> float:
    """Return x with P(Z <= x) = p, for p strictly between 0 and 1.

    >>> round(normal_quantile(0.975), 6)
    1.959964
    """
    return _STANDARD_NORMAL.inv_cdf(p)
