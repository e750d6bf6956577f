"""Whether a Sharpe ratio is more than luck (Bailey and Lopez de Prado, 2012, 2014; X2, X6).

Everything here is per step, never annualised: the number of returns carries the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError
from seq_gym.metrics.measure import (
    Measure,
    Undefined,
    finite_vector,
    normal_cdf,
    normal_quantile,
    one_sided_confidence,
)
from seq_gym.metrics.returns import excess_kurtosis, sharpe_ratio, skewness

__all__ = [
    "DeflatedSharpe",
    "ReturnMoments",
    "deflated_sharpe_ratio",
    "expected_maximum_sharpe",
    "generalisation_gap",
    "minimum_track_record_length",
    "probabilistic_sharpe_ratio",
    "return_moments",
]

_MIN_RETURNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnMoments:
    """What the Sharpe statistics need to know of a series of returns.

    Attributes:
        num_returns: Returns n.
        sharpe: Mean over standard deviation (ddof 1), per step.
        skew: Population skewness; 0 for the normal.
        kurtosis: Population kurtosis, not excess; 3 for the normal.
    """

    num_returns: int
    sharpe: float
    skew: float = 0.0
    kurtosis: float = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflatedSharpe:
    """A Sharpe ratio after the search that found it.

    Attributes:
        probability: Probability that the true Sharpe ratio is above zero; None where undefined.
        sharpe: Observed Sharpe ratio of the selected candidate, per step.
        benchmark_sharpe: Expected maximum of as many worthless candidates, per step.
        num_trials: Independent candidates that were tried.
        undefined: Why there is no probability, or None.
    """

    probability: float | None
    sharpe: float | None
    benchmark_sharpe: float
    num_trials: float
    undefined: str | None = None


def return_moments(returns: npt.ArrayLike) -> ReturnMoments | Undefined:
    """Measure float64 [n] simple returns; undefined for fewer than 3 or without spread."""
    r = finite_vector("returns", returns)
    if r.size < _MIN_RETURNS:
        return Undefined(f"needs at least {_MIN_RETURNS} steps")
    sharpe, skew, excess = sharpe_ratio(r), skewness(r), excess_kurtosis(r)
    if isinstance(sharpe, Undefined):
        return sharpe
    if isinstance(skew, Undefined):
        return skew
    if isinstance(excess, Undefined):
        return excess
    return ReturnMoments(num_returns=r.size, sharpe=sharpe, skew=skew, kurtosis=excess + 3.0)


def probabilistic_sharpe_ratio(moments: ReturnMoments, *, benchmark: float = 0.0) -> Measure:
    """Return the probability that the true Sharpe ratio is above `benchmark`.

    `Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - skew SR + (kurtosis - 1) / 4 SR^2))`.

    Args:
        moments: Of the returns, per step.
        benchmark: SR*, per step.

    Returns:
        A probability; undefined for fewer than 3 returns or where the moments belong to no
        distribution.

    Source: Bailey and Lopez de Prado, "The Sharpe Ratio Efficient Frontier", 2012.

    >>> probabilistic_sharpe_ratio(ReturnMoments(num_returns=100, sharpe=0.0))
    0.5
    """
    variance = _sharpe_variance(moments)
    if isinstance(variance, Undefined):
        return variance
    distance = (moments.sharpe - benchmark) * math.sqrt(moments.num_returns - 1)
    return normal_cdf(distance / math.sqrt(variance))


def minimum_track_record_length(
    moments: ReturnMoments, *, benchmark: float = 0.0, confidence: float = 0.95
) -> Measure:
    """Return the number of returns at which the PSR reaches `confidence`.

    `1 + (1 - skew SR + (kurtosis - 1) / 4 SR^2) (z / (SR - SR*))^2`, a number of steps; undefined
    where the Sharpe ratio is not above the benchmark: no length would do.

    Args:
        moments: Of the returns, per step.
        benchmark: SR*, per step.
        confidence: One-sided, above 0.5.

    Raises:
        ConfigError: The confidence is not between 0.5 and 1.

    Source: Bailey and Lopez de Prado, 2012.
    """
    level = one_sided_confidence(confidence)
    if level <= 0.5:
        raise ConfigError(
            f"confidence must be above 0.5; was {confidence!r}. Likely fix: write 0.95."
        )
    variance = _sharpe_variance(moments)
    if isinstance(variance, Undefined):
        return variance
    if moments.sharpe <= benchmark:
        return Undefined("the Sharpe ratio is not above the benchmark")
    return 1.0 + variance * (normal_quantile(level) / (moments.sharpe - benchmark)) ** 2


def expected_maximum_sharpe(*, num_trials: float, sharpe_std: float) -> float:
    """Return the Sharpe ratio expected of the best of `num_trials` worthless candidates.

    `std ((1 - g) z(1 - 1/N) + g z(1 - 1/(N e)))` with g the Euler-Mascheroni constant; 0 for one
    trial, and never below.

    Args:
        num_trials: Independent trials N, 1 or above; an effective number may be a fraction.
        sharpe_std: Standard deviation of the trials' Sharpe ratios, per step.

    Raises:
        ConfigError: An argument is outside its range.

    Source: Bailey and Lopez de Prado, "The Deflated Sharpe Ratio", 2014.

    >>> expected_maximum_sharpe(num_trials=1, sharpe_std=0.1)
    0.0
    """
    if not (math.isfinite(num_trials) and num_trials >= 1):
        raise ConfigError(
            f"num_trials must be 1 or above; was {num_trials!r}. "
            "Likely fix: count every candidate that was tried."
        )
    if not (math.isfinite(sharpe_std) and sharpe_std >= 0):
        raise ConfigError(
            f"sharpe_std must be 0 or above; was {sharpe_std!r}. Likely fix: check the trials."
        )
    if num_trials == 1:
        return 0.0
    expected = (1.0 - np.euler_gamma) * normal_quantile(1.0 - 1.0 / num_trials)
    expected += np.euler_gamma * normal_quantile(1.0 - 1.0 / (num_trials * math.e))
    return max(0.0, sharpe_std * expected)


def deflated_sharpe_ratio(
    moments: ReturnMoments | Undefined,
    trial_sharpes: npt.ArrayLike,
    *,
    num_trials: float | None = None,
) -> DeflatedSharpe:
    """Return the PSR of the selected candidate against the best that luck would have found.

    Args:
        moments: Of the selected candidate's returns, from `return_moments`.
        trial_sharpes: float64 [N], Sharpe ratios per step of every candidate that was tried, the
            selected one included, not only of the good ones.
        num_trials: Effective number of independent trials, where candidates resemble each other;
            default N, the cautious choice.

    Returns:
        The probability with what it was measured against.

    Raises:
        ConfigError: There is no trial, or an argument is outside its range.

    Source: Bailey and Lopez de Prado, "The Deflated Sharpe Ratio", 2014.
    """
    trials = finite_vector("trial_sharpes", trial_sharpes, at_least=1)
    spread = float(trials.std(ddof=1)) if trials.size > 1 else 0.0
    count = float(trials.size if num_trials is None else num_trials)
    benchmark = expected_maximum_sharpe(num_trials=count, sharpe_std=spread)
    if isinstance(moments, Undefined):
        answer: Measure = moments
    else:
        answer = probabilistic_sharpe_ratio(moments, benchmark=benchmark)
    return DeflatedSharpe(
        probability=None if isinstance(answer, Undefined) else answer,
        sharpe=None if isinstance(moments, Undefined) else moments.sharpe,
        benchmark_sharpe=benchmark,
        num_trials=count,
        undefined=answer.reason if isinstance(answer, Undefined) else None,
    )


def generalisation_gap(train_score: float, test_score: float) -> Measure:
    """Return `|train - test| / max(train, test)` (S4-32).

    Undefined where the larger score is not above zero: the ratio would have no sense or sign.

    >>> generalisation_gap(10.0, 8.0)
    0.2
    """
    larger = max(train_score, test_score)
    if not larger > 0:
        return Undefined("neither score is above 0")
    return abs(train_score - test_score) / larger


def _sharpe_variance(moments: ReturnMoments) -> Measure:
    if moments.num_returns < _MIN_RETURNS:
        return Undefined(f"needs at least {_MIN_RETURNS} steps")
    sharpe = moments.sharpe
    variance = 1.0 - moments.skew * sharpe + (moments.kurtosis - 1.0) / 4.0 * sharpe * sharpe
    return variance if variance > 0 else Undefined("the skew is too large for the kurtosis")
