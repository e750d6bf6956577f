"""One symbol's candles as columns, and the formulas of the named features over them.

A formula maps columns of M rows (and, for most, a window in candles) to float64 [M], NaN until its
look-back is full; row i uses rows 0..i alone: it is **known at** the close of candle i (C2).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs import indicators
from seq_gym.envs.indicators import divide
from seq_gym.times import NS_PER_DAY, NS_PER_YEAR

__all__ = [
    "Compute",
    "FeatureColumns",
    "WindowCompute",
    "atr",
    "atr_frac",
    "bollinger_width",
    "close_position",
    "day_phase",
    "funding_bps",
    "macd",
    "mark_basis_bps",
    "momentum",
    "realized_volatility",
    "scaled",
    "trend_direction",
    "volume_ratio",
    "week_phase",
]

Floats = NDArray[np.float64]

# 1970-01-01 was a Thursday; weeks are counted from Monday.
_EPOCH_WEEKDAY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureColumns:
    """One symbol's candles as columns of one length M.

    For most features the M rows are the candles that exist; for those `on_grid` they are all rows
    of the grid and prices are NaN where a candle is missing.

    Attributes:
        open, high, low, close: float64 [M], quote per base.
        volume: float64 [M], base; 0 where the source has none.
        close_ns: int64 [M], when the candle is known (UNIX ns, UTC).
        funding: float64 [M], funding rates paid in the candle (frac); 0 where there are none.
        mark: float64 [M], mark price known at the close, quote; NaN where there is none.
    """

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    close_ns: NDArray[np.int64]
    funding: Floats
    mark: Floats

    def elapsed_years(self) -> Floats:
        """Return float64 [M]: time since the previous candle's close, in years of 365 days."""
        out = np.full(len(self.close_ns), np.nan)
        out[1:] = np.diff(self.close_ns) / NS_PER_YEAR
        return out

    def range_unit(self, window: int) -> Floats:
        """Return float64 [M]: rolling rms of the log true range, the unit of scaled features."""
        return indicators.rolling_rms(
            indicators.log_true_range(self.high, self.low, self.close), window
        )


Compute = Callable[[FeatureColumns], Floats]
WindowCompute = Callable[[FeatureColumns, int], Floats]


def scaled(numerator: Compute) -> WindowCompute:
    """Return a formula over the range unit of its window; 0 where the price stood still."""
    return lambda c, n: divide(numerator(c), c.range_unit(n))


def momentum(c: FeatureColumns, n: int) -> Floats:
    """Return the mean log return over its rms, times sqrt(n)."""
    move = indicators.log_return(c.close)
    rms = indicators.rolling_rms(move, n)
    return divide(indicators.rolling_mean(move, n) * math.sqrt(n), rms)


def volume_ratio(c: FeatureColumns, n: int) -> Floats:
    """Return (volume - mean) / (volume + mean); 0 where there is no volume at all."""
    mean = indicators.rolling_mean(c.volume, n)
    return divide(c.volume - mean, c.volume + mean)


def close_position(c: FeatureColumns) -> Floats:
    """Return where the close lies in the candle's range, in [-1, 1]."""
    return divide((c.close - c.low) - (c.high - c.close), c.high - c.low)


def realized_volatility(c: FeatureColumns, n: int) -> Floats:
    """Return the annual rms log return."""
    variance = np.square(indicators.rolling_rms(indicators.log_return(c.close), n))
    return np.sqrt(variance / indicators.rolling_mean(c.elapsed_years(), n))


def atr_frac(c: FeatureColumns, n: int) -> Floats:
    """Return the average true range over close."""
    return indicators.atr(c.high, c.low, c.close, n) / c.close


def atr(c: FeatureColumns, n: int) -> Floats:
    """Return the annual average true range over close."""
    # A range grows with the root of time, so the roots are averaged as the ranges are.
    return atr_frac(c, n) / indicators.wilder(np.sqrt(c.elapsed_years()), n)


def bollinger_width(c: FeatureColumns, n: int) -> Floats:
    """Return the annual Bollinger bandwidth."""
    root_time = indicators.rolling_mean(np.sqrt(c.elapsed_years()), n) * math.sqrt(n)
    return indicators.bollinger(c.close, n)[1] / root_time


def macd(which: int) -> Compute:
    """Return the formula of one output of `indicators.macd` in average true ranges."""

    def compute(c: FeatureColumns) -> Floats:
        unit = indicators.atr(c.high, c.low, c.close, 26)
        return divide(indicators.macd(c.close)[which], unit)

    return compute


def trend_direction(c: FeatureColumns, n: int) -> Floats:
    """Return the balance of +DI and -DI, in [-1, 1]."""
    plus, minus = indicators.directional_movement(c.high, c.low, c.close, n)
    return divide(plus - minus, plus + minus)


def funding_bps(c: FeatureColumns) -> Floats:
    """Return the latest funding rate that was not zero, in basis points."""
    last_row = np.maximum.accumulate(np.where(c.funding != 0.0, np.arange(len(c.funding)), -1))
    rate: Floats = np.where(last_row >= 0, c.funding[last_row], 0.0) * 1e4
    return rate


def mark_basis_bps(c: FeatureColumns) -> Floats:
    """Return mark price / close - 1 in basis points; NaN where there is no mark price."""
    return (c.mark / c.close - 1.0) * 1e4


def _phase(c: FeatureColumns, period_ns: int, offset_ns: int = 0) -> Floats:
    turn: Floats = 2.0 * np.pi * (((c.close_ns + offset_ns) % period_ns) / period_ns)
    return turn


def day_phase(c: FeatureColumns) -> Floats:
    """Return the angle of the UTC day, 0 at midnight."""
    return _phase(c, NS_PER_DAY)


def week_phase(c: FeatureColumns) -> Floats:
    """Return the angle of the week, 0 at Monday 00:00 UTC."""
    return _phase(c, 7 * NS_PER_DAY, _EPOCH_WEEKDAY * NS_PER_DAY)
