"""Ratios and risks of a series of simple returns (semantics X2).

Every function takes float64 [n] simple returns per step and gives a float, or `Undefined` with the
reason. Nothing is annualised but where `periods_per_year` is asked for. Known at: the end of the
series.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError
from seq_gym.metrics.measure import (
    ROUNDING,
    FloatArray,
    Measure,
    Undefined,
    finite_vector,
    positive,
    varies,
)

__all__ = [
    "cvar_95",
    "excess_kurtosis",
    "omega_ratio",
    "ruin_index",
    "sharpe_ratio",
    "simple_returns",
    "skewness",
    "sortino_ratio",
    "value_at_risk_95",
    "volatility",
]

_TAIL = 0.05
_MIN_TAIL_RETURNS = 20

_TOO_FEW = Undefined("needs at least 2 steps")
_NO_SPREAD = Undefined("the returns do not vary")
_NO_LOSS = Undefined("no step lost")
_SHORT_TAIL = Undefined(f"needs at least {_MIN_TAIL_RETURNS} steps to see a 5 % tail")


def simple_returns(equity: npt.ArrayLike) -> FloatArray:
    """Return `equity[t + 1] / equity[t] - 1`.

    Args:
        equity: float64 [n + 1], above zero everywhere but at the last point, where ruin may end it.

    Returns:
        float64 [n].

    Raises:
        ConfigError: The curve is empty, not finite, or at or below zero before its last point.

    >>> simple_returns([100.0, 125.0, 100.0]).tolist()
    [0.25, -0.19999999999999996]
    """
    curve = finite_vector("equity", equity, at_least=1)
    ruined = ruin_index(curve)
    if ruined is not None:
        raise ConfigError(
            f"equity must be above 0 before its last point; was {curve[ruined]} at index "
            f"{ruined}. Likely fix: end the curve at ruin."
        )
    return np.asarray(curve[1:] / curve[:-1] - 1.0, dtype=np.float64)


def ruin_index(equity: FloatArray) -> int | None:
    """Return the first index before the last where the equity is gone, or None.

    Gone is at or below zero, or above it by no more than the rounding of the first equity: a return
    on such a rest would be a large random number.
    """
    gone = np.flatnonzero(equity[:-1] <= ROUNDING * equity[0])
    return int(gone[0]) if gone.size else None


def volatility(returns: npt.ArrayLike, *, periods_per_year: float) -> Measure:
    """Return the standard deviation (ddof 1) a year."""
    r = finite_vector("returns", returns)
    scale = math.sqrt(positive("periods_per_year", periods_per_year))
    return _TOO_FEW if r.size < 2 else float(r.std(ddof=1)) * scale


def sharpe_ratio(returns: npt.ArrayLike, *, periods_per_year: float = 1.0) -> Measure:
    """Return `mean / std(ddof 1) x sqrt(periods_per_year)`, risk-free rate 0.

    >>> sharpe_ratio([0.01, 0.01, 0.01])
    Undefined(reason='the returns do not vary')
    """
    r = finite_vector("returns", returns)
    scale = math.sqrt(positive("periods_per_year", periods_per_year))
    if r.size < 2:
        return _TOO_FEW
    return float(r.mean()) / float(r.std(ddof=1)) * scale if varies(r) else _NO_SPREAD


def sortino_ratio(returns: npt.ArrayLike, *, periods_per_year: float = 1.0) -> Measure:
    """Return `mean / sqrt(mean(min(r, 0)^2)) x sqrt(periods_per_year)`.

    The mean below the root is over all n returns, not over the losing ones (semantics X2).
    """
    r = finite_vector("returns", returns)
    scale = math.sqrt(positive("periods_per_year", periods_per_year))
    if r.size < 2:
        return _TOO_FEW
    if r.min() > -ROUNDING:
        return _NO_LOSS
    downside = math.sqrt(float(np.square(np.minimum(r, 0.0)).mean()))
    return float(r.mean()) / downside * scale


def omega_ratio(returns: npt.ArrayLike, *, threshold: float = 0.0) -> Measure:
    """Return the sum of returns above `threshold` (per step) over the sum of those below."""
    excess = finite_vector("returns", returns) - threshold
    if excess.size < 2:
        return _TOO_FEW
    if excess.min() > -ROUNDING:
        return _NO_LOSS
    return float(excess[excess > 0].sum()) / -float(excess[excess < 0].sum())


def value_at_risk_95(returns: npt.ArrayLike) -> Measure:
    """Return the historical 5 % quantile of the returns per step (a loss is negative)."""
    r = finite_vector("returns", returns)
    return float(np.quantile(r, _TAIL)) if r.size >= _MIN_TAIL_RETURNS else _SHORT_TAIL


def cvar_95(returns: npt.ArrayLike) -> Measure:
    """Return the mean of the worst 5 % of the returns per step (a loss is negative).

    The worst `1 + (n - 1) // 20` of n, so that the value at the quantile is among them.
    """
    r = finite_vector("returns", returns)
    if r.size < _MIN_TAIL_RETURNS:
        return _SHORT_TAIL
    last = (r.size - 1) // _MIN_TAIL_RETURNS
    return float(np.partition(r, last)[: last + 1].mean())


def skewness(returns: npt.ArrayLike) -> Measure:
    """Return the population skewness `m3 / m2^1.5`."""
    return _standardised_moment(returns, order=3)


def excess_kurtosis(returns: npt.ArrayLike) -> Measure:
    """Return the population kurtosis less that of the normal, `m4 / m2^2 - 3`."""
    moment = _standardised_moment(returns, order=4)
    return moment if isinstance(moment, Undefined) else moment - 3.0


def _standardised_moment(returns: npt.ArrayLike, *, order: int) -> Measure:
    r = finite_vector("returns", returns)
    if r.size < 2:
        return _TOO_FEW
    if not varies(r):
        return _NO_SPREAD
    deviation = r - r.mean()
    # Standardised before the power, so that tiny returns do not underflow.
    return float(((deviation / math.sqrt(float(np.square(deviation).mean()))) ** order).mean())
