"""Technical indicators: pure, causal functions on candle columns.

Every function takes float64 arrays `[T]` or `[T, S]` (time first, one column per symbol, no
missing candles: `features.py` drops them before and carries values over them after) and returns
float64 arrays of the same shape. Row t uses rows 0..t alone, so a value is **known at** the close
of candle t (C2). Rows before the look-back is full are NaN.

Rolling windows are summed afresh for every row, oldest first: O(T x window) vectorised additions
in place of a running sum, so that a row depends, to the last bit, on its own window only, and
neither drifts nor cancels. Exponential averages start from the mean of their first `window`
values, as Wilder and most charting packages do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import kernel

__all__ = [
    "adx",
    "atr",
    "bollinger",
    "directional_movement",
    "divide",
    "ema",
    "log_return",
    "log_true_range",
    "macd",
    "rolling_mean",
    "rolling_rms",
    "rolling_std",
    "rsi",
    "true_range",
    "wilder",
]

Floats = NDArray[np.float64]

# A rolling deviation below this share of the mean is rounding noise of a price that stood still.
_STILL_FRAC = 1e-12


@kernel
def _exponential(values: Floats, alpha: float, window: int, out: Floats) -> None:
    """Write exponential averages of each column, started by the mean of `window` values.

    Args:
        values: float64 [T, S]; NaN is skipped and leaves the level as it was.
        alpha: Weight of the newest value, in (0, 1].
        window: Number of values whose mean is the first level.
        out: float64 [T, S], written: NaN until the first level.
    """
    for s in range(values.shape[1]):
        seen = 0
        level = 0.0
        for t in range(values.shape[0]):
            value = values[t, s]
            if value == value:
                seen += 1
                if seen <= window:
                    level += value / window
                else:
                    level += alpha * (value - level)
            out[t, s] = level if seen >= window else np.nan


def _smooth(values: Floats, alpha: float, window: int) -> Floats:
    columns = np.ascontiguousarray(values[:, None] if values.ndim == 1 else values)
    out = np.empty_like(columns)
    _exponential(columns, alpha, window, out)
    return out.reshape(np.shape(values))


def ema(values: Floats, window: int) -> Floats:
    """Average exponentially with weight 2 / (window + 1).

    Args:
        values: float64 [T] or [T, S].
        window: Length in candles; the mean of the first `window` values is the first level.
    """
    return _smooth(values, 2.0 / (window + 1.0), window)


def wilder(values: Floats, window: int) -> Floats:
    """Average exponentially with weight 1 / window.

    Args:
        values: float64 [T] or [T, S].
        window: Length in candles; the mean of the first `window` values is the first level.

    Source: Wilder, New Concepts in Technical Trading Systems (1978).
    """
    return _smooth(values, 1.0 / window, window)


def _rolling_sum(values: Floats, window: int) -> Floats:
    out = np.full(np.shape(values), np.nan)
    num_rows = len(values) - window + 1
    if num_rows > 0:
        total = np.zeros_like(out[:num_rows])
        for k in range(window):
            total += values[k : k + num_rows]
        out[window - 1 :] = total
    return out


def rolling_mean(values: Floats, window: int) -> Floats:
    """Return the mean of the last `window` values, this one included.

    >>> rolling_mean(np.array([1.0, 2.0, 3.0, 6.0]), 2).tolist()
    [nan, 1.5, 2.5, 4.5]
    """
    return _rolling_sum(values, window) / window


def rolling_rms(values: Floats, window: int) -> Floats:
    """Return the root of the mean square of the last `window` values, this one included.

    No value exceeds `sqrt(window)` times its own rolling rms: a bound by nature.
    """
    return np.sqrt(_rolling_sum(np.square(values), window) / window)


def rolling_std(values: Floats, window: int) -> Floats:
    """Return the population standard deviation (ddof 0) of the last `window` values.

    Two passes, so that it is accurate at any price level; a price that stands still gives 0.
    """
    mean = rolling_mean(values, window)
    out = np.full(np.shape(values), np.nan)
    num_rows = len(values) - window + 1
    if num_rows > 0:
        centre = mean[window - 1 :]
        total = np.zeros_like(centre)
        for k in range(window):
            total += np.square(values[k : k + num_rows] - centre)
        deviation = np.sqrt(total / window)
        out[window - 1 :] = np.where(deviation <= _STILL_FRAC * np.abs(centre), 0.0, deviation)
    return out


def divide(numerator: Floats, denominator: Floats, otherwise: float = 0.0) -> Floats:
    """Divide element by element; a number over 0 is `otherwise`, and NaN stays NaN."""
    out = np.where(np.isnan(numerator), np.nan, otherwise)
    np.divide(numerator, denominator, out=out, where=denominator != 0.0)
    return out


def _previous(values: Floats) -> Floats:
    out = np.full(np.shape(values), np.nan)
    out[1:] = values[:-1]
    return out


def log_return(close: Floats) -> Floats:
    """Return log(close / previous close); row 0 is NaN."""
    return np.log(close / _previous(close))


def true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the candle's range widened to the previous close, in price; row 0 is NaN.

    Source: Wilder (1978).
    """
    before = _previous(close)
    return np.maximum(high, before) - np.minimum(low, before)


def log_true_range(high: Floats, low: Floats, close: Floats) -> Floats:
    """Return the log of the ratio of the ends of the true range; row 0 is NaN.

    It bounds the candle's log return and every log ratio between two of its prices.
    """
    before = _previous(close)
    return np.log(np.maximum(high, before) / np.minimum(low, before))


def atr(high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """Return the average true range in price, Wilder smoothing; first defined at row `window`."""
    return wilder(true_range(high, low, close), window)


def rsi(close: Floats, window: int = 14) -> Floats:
    """Return the relative strength index in [0, 100]; 50 where the price never moved.

    First defined at row `window`. Source: Wilder (1978).
    """
    change = close - _previous(close)
    gain = wilder(np.maximum(change, 0.0), window)
    loss = wilder(np.maximum(-change, 0.0), window)
    return 100.0 * divide(gain, gain + loss, 0.5)


def macd(
    close: Floats, fast: int = 12, slow: int = 26, signal: int = 9
) -> tuple[Floats, Floats, Floats]:
    """Return MACD line, signal line and histogram, in price.

    The line is ema(fast) - ema(slow), first defined at row `slow - 1`; the signal is its ema and
    the histogram line - signal, both first defined at row `slow + signal - 2`.
    """
    line = ema(close, fast) - ema(close, slow)
    average = ema(line, signal)
    return line, average, line - average


def bollinger(close: Floats, window: int = 20, width: float = 2.0) -> tuple[Floats, Floats]:
    """Return %b and bandwidth of the bands mean +- width x standard deviation.

    %b is 0 on the lower band and 1 on the upper, 0.5 where the price stood still; it lies within
    0.5 +- sqrt(window - 1) / (2 width) by nature. Bandwidth is (upper - lower) / mean.
    """
    mean = rolling_mean(close, window)
    half = width * rolling_std(close, window)
    return 0.5 + 0.5 * divide(close - mean, half), 2.0 * half / mean


def directional_movement(
    high: Floats, low: Floats, close: Floats, window: int = 14
) -> tuple[Floats, Floats]:
    """Return +DI and -DI in [0, 1]: smoothed directional movement over smoothed true range.

    First defined at row `window`; 0 where the price never moved. Source: Wilder (1978).
    """
    up = high - _previous(high)
    down = _previous(low) - low
    plus = np.where(np.isnan(up), np.nan, np.where((up > down) & (up > 0.0), up, 0.0))
    minus = np.where(np.isnan(up), np.nan, np.where((down > up) & (down > 0.0), down, 0.0))
    average = atr(high, low, close, window)
    return divide(wilder(plus, window), average), divide(wilder(minus, window), average)


def adx(high: Floats, low: Floats, close: Floats, window: int = 14) -> Floats:
    """Return the average directional index in [0, 100]; 0 where the price never moved.

    First defined at row `2 window - 1`. Source: Wilder (1978).
    """
    plus, minus = directional_movement(high, low, close, window)
    return 100.0 * wilder(divide(np.abs(plus - minus), plus + minus), window)
