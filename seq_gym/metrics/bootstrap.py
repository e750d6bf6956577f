"""Uncertainty of figures over several episodes, by the bootstrap (semantics X6).

Draws are raw words of the Philox counter cipher keyed by `seed`, mapped to indices here: unlike the
methods of numpy's `Generator`, whose streams may change between versions, they are an algorithm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.metrics.measure import (
    FloatArray,
    finite_vector,
    normal_cdf,
    normal_quantile,
    one_sided_confidence,
)

__all__ = [
    "BootstrapInterval",
    "PairedDifference",
    "Statistic",
    "bootstrap_interval",
    "interquartile_mean",
    "mean",
    "paired_difference",
]

Statistic: TypeAlias = Callable[[FloatArray], FloatArray]
Method: TypeAlias = Literal["bca", "percentile"]

_METHODS = ("bca", "percentile")
_CHUNK_DRAWS = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapInterval:
    """An estimate and how far it can be trusted.

    Attributes:
        estimate: The statistic of the values themselves.
        low: Lower end; None where there is no interval.
        high: Upper end; None where there is no interval.
        confidence: Nominal two-sided coverage, 0 to 1.
        num_values: Values (episodes) behind the estimate.
        num_resamples: Bootstrap resamples.
        method: "bca" or "percentile".
        seed: Key of the draws.
        undefined: Why there is no interval, or None.
    """

    estimate: float
    low: float | None
    high: float | None
    confidence: float
    num_values: int
    num_resamples: int
    method: Method
    seed: int
    undefined: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """Two agents on the same windows.

    Attributes:
        difference: Interval of the statistic of `a - b`, window by window.
        better_frac: Share of windows where a is above b; an equal window counts half.
    """

    difference: BootstrapInterval
    better_frac: float


def mean(samples: FloatArray) -> FloatArray:
    """Return the mean over the last axis."""
    return np.asarray(samples.mean(axis=-1), dtype=np.float64)


def interquartile_mean(samples: FloatArray) -> FloatArray:
    """Return the mean over the last axis of what a quarter trimmed from either end leaves.

    Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice",
    2021, for scores of few runs with outliers.

    >>> float(interquartile_mean(np.array([0.0, 1.0, 2.0, 100.0])))
    1.5
    """
    cut = samples.shape[-1] // 4
    kept = np.sort(samples, axis=-1)[..., cut : samples.shape[-1] - cut]
    return np.asarray(kept.mean(axis=-1), dtype=np.float64)


def bootstrap_interval(
    values: npt.ArrayLike,
    *,
    seed: int,
    statistic: Statistic = mean,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
    method: Method = "bca",
    block_length: int = 1,
) -> BootstrapInterval:
    """Give a confidence interval of a statistic by resampling the values.

    "bca" corrects the percentiles for bias and skewness (Efron, 1987) and is the default: episode
    figures are skewed and few. "percentile" takes the quantiles as they are, and is the one for
    `block_length > 1`, a circular block bootstrap for values that depend on their neighbours (step
    returns, overlapping windows).

    Args:
        values: float64 [n], one figure per episode.
        seed: Key of the draws, 0 or above; the answer is a pure function of all arguments.
        statistic: Maps float64 [..., n] to [...], over the last axis.
        confidence: Two-sided coverage, 0 to 1.
        num_resamples: Resamples, at least 100.
        method: "bca" or "percentile".
        block_length: Neighbours drawn together, 1 to n.

    Returns:
        The interval; its ends are None, with the reason, for fewer than 2 values.

    Raises:
        ConfigError: An argument is outside its range.
        UnknownName: The method is not known.

    >>> interval = bootstrap_interval([1.0, 2.0, 3.0, 4.0], seed=7, method="percentile")
    >>> interval.estimate, interval.low <= 2.5 <= interval.high
    (2.5, True)
    """
    vector = finite_vector("values", values, at_least=1)
    level = one_sided_confidence(confidence)
    _check(vector.size, seed, num_resamples, method, block_length)
    estimate = float(statistic(vector))
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    if vector.size < 2:
        reason = "one value says nothing of its spread"
    else:
        replicas = _replicas(vector, seed, statistic, num_resamples, block_length)
        tails = ((1.0 - level) / 2.0, (1.0 + level) / 2.0)
        if method == "bca":
            tails = _corrected_tails(tails, vector, estimate, replicas, statistic)
        low, high = (float(x) for x in np.quantile(replicas, tails))
    return BootstrapInterval(
        estimate=estimate,
        low=low,
        high=high,
        confidence=level,
        num_values=int(vector.size),
        num_resamples=num_resamples,
        method=method,
        seed=seed,
        undefined=reason,
    )


def paired_difference(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    seed: int,
    windows_a: npt.ArrayLike | None = None,
    windows_b: npt.ArrayLike | None = None,
    statistic: Statistic = mean,
    confidence: float = 0.95,
    num_resamples: int = 10_000,
    method: Method = "bca",
) -> PairedDifference:
    """Compare two agents on the same windows.

    Pairing takes out what the windows have in common, which is most of the variance: an interval
    that excludes 0 is a difference between the agents.

    Args:
        a: float64 [n], figures of the first agent.
        b: float64 [n], figures of the second, window by window.
        seed: As in `bootstrap_interval`, and so are the arguments not named here.
        windows_a: [n], what tells a window (its start time), to prove the pairing.
        windows_b: [n], the same of the second agent.
        statistic: Statistic of the differences.
        confidence: Two-sided coverage.
        num_resamples: Resamples.
        method: "bca" or "percentile".

    Returns:
        The interval of `a - b` and the share of windows that a wins.

    Raises:
        ConfigError: Lengths or windows differ, or an argument is outside its range.
    """
    first, second = finite_vector("a", a, at_least=1), finite_vector("b", b, at_least=1)
    if first.size != second.size:
        raise ConfigError(
            f"a and b must be of one length; were {first.size} and {second.size}. "
            "Likely fix: evaluate both agents on the same windows."
        )
    if (windows_a is None) != (windows_b is None) or (
        windows_a is not None
        and windows_b is not None
        and not np.array_equal(np.asarray(windows_a), np.asarray(windows_b))
    ):
        raise ConfigError(
            "windows_a and windows_b must be the same windows in the same order; were different. "
            "Likely fix: evaluate both agents with one list of window starts."
        )
    difference = first - second
    interval = bootstrap_interval(
        difference,
        seed=seed,
        statistic=statistic,
        confidence=confidence,
        num_resamples=num_resamples,
        method=method,
    )
    better = float((difference > 0).mean() + 0.5 * (difference == 0).mean())
    return PairedDifference(difference=interval, better_frac=better)


def _check(n: int, seed: object, num_resamples: int, method: str, block_length: int) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 64:
        raise ConfigError(
            f"seed must be an integer in 0..2^64-1; was {seed!r}. Likely fix: pass the run's seed."
        )
    if num_resamples < 100:
        raise ConfigError(
            f"num_resamples must be at least 100; was {num_resamples!r}. "
            "Likely fix: keep the default of 10000."
        )
    if method not in _METHODS:
        raise UnknownName("bootstrap method", method, _METHODS)
    if not 1 <= block_length <= n:
        raise ConfigError(
            f"block_length must be in 1..{n}, the number of values; was {block_length!r}. "
            "Likely fix: 1 for independent episodes."
        )
    if block_length > 1 and method == "bca":
        raise ConfigError(
            f"method must be 'percentile' for block_length {block_length}; was 'bca', whose "
            "correction assumes independent values. Likely fix: method='percentile'."
        )


def _replicas(
    values: FloatArray, seed: int, statistic: Statistic, num_resamples: int, block_length: int
) -> FloatArray:
    # Chunks bound the memory; the stream is read in order, so their size changes no draw.
    n = values.size
    blocks = -(-n // block_length)
    stream = np.random.Philox(key=int(seed))
    within = np.arange(block_length)
    answers = []
    rows_a_chunk = max(1, _CHUNK_DRAWS // n)
    for done in range(0, num_resamples, rows_a_chunk):
        rows = min(rows_a_chunk, num_resamples - done)
        words = stream.random_raw(rows * blocks).reshape(rows, blocks)
        # The high half of the word times n, over 2^32: uniform on 0..n-1 to within n / 2^32.
        starts = (((words >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)).astype(np.intp)
        index = (starts[:, :, None] + within).reshape(rows, -1)[:, :n] % n
        answers.append(np.asarray(statistic(values[index]), dtype=np.float64))
    return np.concatenate(answers)


def _corrected_tails(
    tails: tuple[float, float],
    values: FloatArray,
    estimate: float,
    replicas: FloatArray,
    statistic: Statistic,
) -> tuple[float, float]:
    # Efron's z0 (bias) and a (acceleration, by the jackknife). A tie with the estimate counts half.
    below = float((replicas < estimate).mean() + 0.5 * (replicas == estimate).mean())
    if not 0.0 < below < 1.0:
        return tails
    bias = normal_quantile(below)
    left_out = np.array(
        [float(statistic(np.delete(values, i))) for i in range(values.size)], dtype=np.float64
    )
    deviation = left_out.mean() - left_out
    square = float(np.square(deviation).sum())
    acceleration = float((deviation**3).sum()) / (6.0 * square**1.5) if square > 0 else 0.0

    def corrected(tail: float) -> float:
        shifted = bias + normal_quantile(tail)
        divisor = 1.0 - acceleration * shifted
        return normal_cdf(bias + shifted / divisor) if divisor > 0 else tail

    return corrected(tails[0]), corrected(tails[1])
