"""Probability of backtest overfitting by combinatorially symmetric cross-validation (X2, X6)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError
from seq_gym.metrics.measure import ROUNDING, FloatArray

__all__ = ["BacktestOverfitting", "probability_of_backtest_overfitting"]

_MAX_BLOCKS = 20
_CHUNK_VALUES = 1 << 21


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOverfitting:
    """What choosing the best candidate was worth out of sample.

    Attributes:
        pbo: Share of splits in which the best in sample is at or below the median out of sample;
            about 0.5 where the choice carried nothing, None where undefined.
        oos_loss_frac: Share of splits in which its Sharpe ratio out of sample is below zero.
        logits: float64 [splits], logit of its relative rank out of sample; empty where undefined.
        num_splits: Ways to choose half of the blocks.
        num_blocks: Blocks.
        num_rows: Rows used; what is over a multiple of `num_blocks` is left off the end.
        num_trials: Candidates.
        undefined: Why there is no probability, or None.
    """

    pbo: float | None
    oos_loss_frac: float | None
    logits: FloatArray
    num_splits: int
    num_blocks: int
    num_rows: int
    num_trials: int
    undefined: str | None = None


def probability_of_backtest_overfitting(
    trial_returns: npt.ArrayLike, *, num_blocks: int = 16
) -> BacktestOverfitting:
    """Measure whether the search for the best candidate found more than noise.

    The rows are cut into blocks; for every choice of half of them the candidate of the highest
    Sharpe ratio is taken and ranked among all on the other half. Candidates that tie out of sample
    share the mean rank; of those that tie in sample the first is taken.

    Args:
        trial_returns: float64 [T, N], simple returns per step of every candidate that was tried, on
            the same steps, in order of time.
        num_blocks: Even, 2 to 20, of at least 2 rows each.

    Returns:
        The probability and the logits behind it.

    Raises:
        ConfigError: The matrix is not [T, N >= 2] and finite, too short, or `num_blocks` is not
            even and in range.

    Source: Bailey, Borwein, Lopez de Prado and Zhu, "The Probability of Backtest Overfitting",
    2015.
    """
    matrix = _checked(trial_returns, num_blocks)
    num_trials = matrix.shape[1]
    splits = np.array(
        list(itertools.combinations(range(num_blocks), num_blocks // 2)), dtype=np.intp
    )
    sharpes = _half_sharpes(matrix, splits, num_blocks)
    flat = np.flatnonzero(np.isnan(sharpes).any(axis=0))
    reason = f"candidate {flat[0]} does not vary in one half of the steps" if flat.size else None
    logits = out_of_sample = np.empty(0)
    if reason is None:
        ranks, out_of_sample = _winners(sharpes)
        logits = np.log(ranks / (num_trials + 1.0 - ranks))
    return BacktestOverfitting(
        pbo=float((logits <= 0).mean()) if reason is None else None,
        oos_loss_frac=float((out_of_sample < 0).mean()) if reason is None else None,
        logits=logits,
        num_splits=len(splits),
        num_blocks=num_blocks,
        num_rows=matrix.shape[0],
        num_trials=num_trials,
        undefined=reason,
    )


def _half_sharpes(matrix: FloatArray, splits: npt.NDArray[np.intp], num_blocks: int) -> FloatArray:
    """Return every candidate's Sharpe ratio on every half, [splits, N]; NaN where it is flat."""
    rows, num_trials = matrix.shape
    centre = matrix.mean(axis=0)
    # Centred before squaring, so that variances from sums keep their digits.
    blocks = (matrix - centre).reshape(num_blocks, rows // num_blocks, num_trials)
    sums, squares = blocks.sum(axis=1), np.square(blocks).sum(axis=1)
    lowest, highest = blocks.min(axis=1), blocks.max(axis=1)
    half = rows // 2
    sharpes = np.full((len(splits), num_trials), np.nan)
    a_chunk = max(1, _CHUNK_VALUES // (num_blocks * num_trials))
    for start in range(0, len(splits), a_chunk):
        chosen = splits[start : start + a_chunk]
        total, square = sums[chosen].sum(axis=1), squares[chosen].sum(axis=1)
        low, high = lowest[chosen].min(axis=1), highest[chosen].max(axis=1)
        flat = high - low <= ROUNDING * (1.0 + np.maximum(abs(low), abs(high)))
        spread = np.sqrt(np.maximum(square - total * total / half, 0.0) / (half - 1))
        np.divide(
            centre + total / half,
            spread,
            out=sharpes[start : start + a_chunk],
            where=~flat & (spread > 0),
        )
    return sharpes


def _winners(sharpes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return, per split, the winner's rank (1 = worst) and Sharpe ratio out of sample."""
    # combinations() is symmetric: split i leaves out exactly what split -1 - i takes.
    out_of_sample = sharpes[::-1]
    winner = sharpes.argmax(axis=1)[:, None]
    reached = np.take_along_axis(out_of_sample, winner, axis=1)
    below = (out_of_sample < reached).sum(axis=1)
    equal = (out_of_sample == reached).sum(axis=1)
    return below + (equal + 1) / 2.0, reached[:, 0]


def _checked(trial_returns: npt.ArrayLike, num_blocks: int) -> FloatArray:
    matrix = np.asarray(trial_returns, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] < 2:
        raise ConfigError(
            f"trial_returns must be [T, N] with at least 2 candidates; was {matrix.shape}. "
            "Likely fix: one column per candidate."
        )
    if not np.isfinite(matrix).all():
        raise ConfigError(
            "trial_returns must be finite; was NaN or infinite somewhere. "
            "Likely fix: take the same steps of every candidate."
        )
    if num_blocks % 2 or not 2 <= num_blocks <= _MAX_BLOCKS:
        raise ConfigError(
            f"num_blocks must be even and in 2..{_MAX_BLOCKS}; was {num_blocks!r}. "
            "Likely fix: keep 16, or 8 for short samples."
        )
    if matrix.shape[0] < 2 * num_blocks:
        raise ConfigError(
            f"trial_returns must have at least {2 * num_blocks} rows for {num_blocks} blocks; was "
            f"{matrix.shape[0]}. Likely fix: fewer blocks."
        )
    return matrix[: matrix.shape[0] // num_blocks * num_blocks]
