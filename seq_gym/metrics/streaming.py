"""Metrics of a batch in training, from sums that need no curve (semantics X1).

A batch of N environments keeps a few float64 [N] arrays instead of its curves. Nothing here is a
result to report: the sums lose digits that a recorded episode keeps. Where a metric is undefined
its entry is NaN, the one place where an array leaves no room for a reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError
from seq_gym.metrics.measure import FloatArray, positive

__all__ = ["StreamingEquity"]


@dataclass(slots=True)
class StreamingEquity:
    """Running sums over the steps of N environments.

    Attributes:
        count: int64 [N], steps since the start.
        sum_return: float64 [N], sum of simple returns.
        sum_square: float64 [N], sum of their squares.
        sum_downside: float64 [N], sum of squares of the negative ones.
        peak: float64 [N], highest equity so far, the starting balance included.
        max_drawdown_frac: float64 [N], deepest fall below the peak so far.
    """

    count: npt.NDArray[np.int64]
    sum_return: FloatArray
    sum_square: FloatArray
    sum_downside: FloatArray
    peak: FloatArray
    max_drawdown_frac: FloatArray

    @classmethod
    def start(cls, equity: FloatArray) -> StreamingEquity:
        """Begin at the starting balances, float64 [N], above zero.

        Raises:
            ConfigError: A balance is not above zero.
        """
        if not bool((equity > 0).all()):
            raise ConfigError(
                f"equity must be above 0 at the start; was {float(equity.min())}. "
                "Likely fix: start after the account is funded."
            )
        zeros = np.zeros(equity.shape)
        return cls(
            count=np.zeros(equity.shape, dtype=np.int64),
            sum_return=zeros,
            sum_square=zeros.copy(),
            sum_downside=zeros.copy(),
            peak=equity.astype(np.float64),
            max_drawdown_frac=zeros.copy(),
        )

    def restart(self, mask: npt.NDArray[np.bool_], equity: FloatArray) -> None:
        """Begin anew where `mask` [N] says so, at `equity` [N]."""
        self.count[mask] = 0
        for total in (self.sum_return, self.sum_square, self.sum_downside, self.max_drawdown_frac):
            total[mask] = 0.0
        self.peak[mask] = equity[mask]

    def update(self, before: FloatArray, after: FloatArray) -> None:
        """Add one step: equity before and after it, float64 [N]; `before` above zero."""
        r = after / before - 1.0
        self.count += 1
        self.sum_return += r
        self.sum_square += r * r
        self.sum_downside += np.square(np.minimum(r, 0.0))
        np.maximum(self.peak, after, out=self.peak)
        fall = np.clip(1.0 - after / self.peak, 0.0, 1.0)
        np.maximum(self.max_drawdown_frac, fall, out=self.max_drawdown_frac)

    def volatility(self, *, periods_per_year: float) -> FloatArray:
        """Return the standard deviation (ddof 1) a year, float64 [N]; NaN below 2 steps."""
        scale = math.sqrt(positive("periods_per_year", periods_per_year))
        deviation = np.sqrt(np.maximum(self._variance(), 0.0))
        return np.asarray(deviation * scale, dtype=np.float64)

    def sharpe_ratio(self, *, periods_per_year: float) -> FloatArray:
        """Return mean over standard deviation a year, float64 [N]; NaN without spread."""
        scale = math.sqrt(positive("periods_per_year", periods_per_year))
        variance = self._variance()
        # The sum of squares is known to about `count` roundings: less than that is no variance.
        noise = np.finfo(np.float64).eps * self.sum_square
        defined = variance > noise * self.count / np.maximum(self.count - 1, 1)
        return _where(defined, self._mean() * scale, np.sqrt(np.maximum(variance, 0.0)))

    def sortino_ratio(self, *, periods_per_year: float) -> FloatArray:
        """Return mean over downside deviation a year, float64 [N]; NaN where no step lost."""
        scale = math.sqrt(positive("periods_per_year", periods_per_year))
        downside = np.sqrt(self.sum_downside / np.maximum(self.count, 1))
        return _where((downside > 0) & (self.count > 1), self._mean() * scale, downside)

    def _mean(self) -> FloatArray:
        return np.asarray(self.sum_return / np.maximum(self.count, 1), dtype=np.float64)

    def _variance(self) -> FloatArray:
        enough = self.count > 1
        deviation = self.sum_square - self.sum_return * self._mean()
        return _where(enough, deviation, np.maximum(self.count - 1, 1).astype(np.float64))


def _where(
    defined: npt.NDArray[np.bool_], numerator: FloatArray, divisor: FloatArray
) -> FloatArray:
    answer = np.full(numerator.shape, np.nan)
    np.divide(numerator, divisor, out=answer, where=defined)
    return answer
