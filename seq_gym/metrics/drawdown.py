"""Drawdowns of an equity curve that starts at the starting balance (semantics X3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from seq_gym.metrics.measure import FloatArray, finite_vector, positive

__all__ = ["Drawdown", "drawdown_series", "max_drawdown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawdown:
    """The deepest fall of a curve below its own running peak.

    Attributes:
        frac: Depth, 0 to 1; an equity below zero counts as 1 (the loss beyond is in the P&L).
        money: The largest fall from a running peak in quote currency; of its own, usually the same
            fall as `frac` but not always.
        duration_s: Seconds from the peak before the deepest point to the recovery of that peak, or
            to the end where it never recovers; 0 for a curve that never falls.
        longest_s: Seconds of the longest stay below a peak, which may be a shallower fall.
        peak: Index of the last moment at the peak, in the curve.
        trough: Index of the deepest point; equals `peak` for a curve that never falls.
        recovery: Index of the first moment back at the peak or above; None where it never is.
    """

    frac: float
    money: float
    duration_s: float
    longest_s: float
    peak: int
    trough: int
    recovery: int | None


def drawdown_series(equity: npt.ArrayLike) -> FloatArray:
    """Return `1 - equity / running peak` at every point.

    Args:
        equity: float64 [n + 1], quote currency, the starting balance first, so that a loss of the
            first step counts.

    Returns:
        float64 [n + 1] in [0, 1]. Known at: each value at its own step.

    Raises:
        ConfigError: The curve is empty, not finite or starts at zero or below.

    >>> drawdown_series([100.0, 90.0, 120.0, 60.0]).tolist()
    [0.0, 0.09999999999999998, 0.0, 0.5]
    """
    curve = _anchored(equity)
    return np.clip(1.0 - curve / np.maximum.accumulate(curve), 0.0, 1.0)


def max_drawdown(equity: npt.ArrayLike, *, step_s: float) -> Drawdown:
    """Measure the maximum drawdown and its duration.

    The duration belongs to the maximum drawdown itself (the first of them where several are equally
    deep); `longest_s` has the longest of all.

    Args:
        equity: float64 [n + 1], quote currency, the starting balance first.
        step_s: Seconds between two points.

    Returns:
        Depth and times. Known at: the end of the curve.

    Raises:
        ConfigError: As in `drawdown_series`, or `step_s` is not above 0.

    Source: semantics X3, S1-45, S1-46, S4-20.
    """
    curve = _anchored(equity)
    seconds = positive("step_s", step_s)
    depth = drawdown_series(curve)
    running_peak = np.maximum.accumulate(curve)
    at_peak = np.flatnonzero(curve >= running_peak)
    trough = int(depth.argmax())
    peak = int(at_peak[np.searchsorted(at_peak, trough, side="right") - 1])
    later = at_peak[at_peak > trough]
    falls = trough > peak
    recovery = int(later[0]) if falls and later.size else None
    end = recovery if recovery is not None else curve.size - 1
    return Drawdown(
        frac=float(depth[trough]),
        money=float((running_peak - curve).max()),
        duration_s=(end - peak) * seconds if falls else 0.0,
        longest_s=_longest_stay(at_peak, curve.size - 1) * seconds,
        peak=peak,
        trough=trough,
        recovery=recovery,
    )


def _longest_stay(at_peak: npt.NDArray[np.intp], last: int) -> int:
    # Two peaks in a row have no fall between them; the curve may end below its last peak.
    between = np.diff(at_peak)
    closed = int(between.max()) if between.size and between.max() > 1 else 0
    return max(closed, last - int(at_peak[-1]))


def _anchored(equity: npt.ArrayLike) -> FloatArray:
    curve = finite_vector("equity", equity, at_least=1)
    positive("equity[0], the starting balance,", float(curve[0]))
    return curve
