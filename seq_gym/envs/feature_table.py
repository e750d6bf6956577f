"""The table of named features: what each one means, its unit, its bounds, how it is computed.

A feature is a function of one symbol's candles up to and including row i, **known at** the close of
candle i (C2). Three habits keep a policy network's inputs near unit scale at every interval, from
1m to 1d, without a fitted normaliser:

- prices of the candle are measured in *range units*: log ratios divided by the rolling root mean
  square of the log true range, this candle included. No such value exceeds sqrt(window): the bound
  is arithmetic, not a guess, and nothing is ever clipped;
- volatilities are *annual*: divided by the square root of the time that really passed (365 days),
  gaps included, so that 1m and 1d candles of one market give numbers of one size;
- plain fractions of price are offered too, under the textbook names; their bounds are wide enough
  for a crash in a daily candle and their values are small at 1m.

A name may carry its window: `rsi_28`, `realized_volatility_1440`. The bare name has the default.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from seq_gym.envs import feature_formulas as formulas
from seq_gym.envs import indicators
from seq_gym.envs.feature_formulas import Compute, WindowCompute
from seq_gym.errors import ConfigError, UnknownName

__all__ = [
    "DEFAULT_FEATURES",
    "FEATURES",
    "FEATURE_SETS",
    "FULL_FEATURES",
    "FeatureSpec",
    "feature_spec",
]

_MAX_WINDOW = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """A named feature.

    Attributes:
        name: As written by the user, with the window if one was given.
        low, high: Bounds; finite. Values beyond are clipped.
        warmup: Candles needed before the first value.
        window: Look-back parameter in candles; None where the feature has no parameter.
        doc: What it measures, and its unit.
        compute: Maps one symbol's columns to float64 [M]; NaN before the look-back is full.
        on_grid: Computed on every row of the grid, missing candles included.
        table: Table that the series must have for it, "funding" or "mark"; None where none.
    """

    name: str
    low: float
    high: float
    warmup: int
    window: int | None
    doc: str
    compute: Compute
    on_grid: bool = False
    table: Literal["funding", "mark"] | None = None


def _plain(
    name: str,
    low: float,
    high: float,
    warmup: int,
    doc: str,
    compute: Compute,
    on_grid: bool = False,
    table: Literal["funding", "mark"] | None = None,
) -> FeatureSpec:
    return FeatureSpec(
        name=name, low=low, high=high, warmup=warmup, window=None, doc=doc, compute=compute,
        on_grid=on_grid, table=table,
    )  # fmt: skip


_PLAIN = (
    _plain(
        "log_return", -2.0, 2.0, 2, "log(close / previous close); a plain number, 0.01 = 1 %.",
        lambda c: indicators.log_return(c.close),
    ),
    _plain(
        "open_ratio", -1.0, 3.0, 1, "open / close - 1; a fraction.",
        lambda c: c.open / c.close - 1.0,
    ),
    _plain(
        "high_ratio", 0.0, 3.0, 1, "high / close - 1; a fraction.",
        lambda c: c.high / c.close - 1.0,
    ),
    _plain(
        "low_ratio", -1.0, 0.0, 1, "low / close - 1; a fraction.",
        lambda c: c.low / c.close - 1.0,
    ),
    _plain(
        "close_position", -1.0, 1.0, 1,
        "Where the close lies in the candle: -1 at the low, 1 at the high, 0 if it has no range.",
        formulas.close_position,
    ),
    _plain(
        "macd", -12.0, 12.0, 27,
        "MACD line, ema 12 - ema 26 of the close, in average true ranges (26).", formulas.macd(0),
    ),
    _plain(
        "macd_signal", -12.0, 12.0, 34, "Ema 9 of the MACD line, in average true ranges (26).",
        formulas.macd(1),
    ),
    _plain(
        "macd_histogram", -6.0, 6.0, 34, "MACD line - signal, in average true ranges (26).",
        formulas.macd(2),
    ),
    _plain(
        "funding_bps", -300.0, 300.0, 1,
        "Last known funding rate that was not zero, in basis points: of the latest candle in which "
        "one was stamped (their sum, where several were), 0 before the first. Needs funding rates.",
        formulas.funding_bps, on_grid=True, table="funding",
    ),
    _plain(
        "mark_basis_bps", -500.0, 500.0, 1,
        "Mark price over close, minus 1, in basis points; the last one known where a candle has "
        "no mark price. Needs mark prices.",
        formulas.mark_basis_bps, table="mark",
    ),
    _plain(
        "time_of_day_sin", -1.0, 1.0, 1,
        "Sine of the time of day, one turn a UTC day, 0 at midnight; of the virtual time itself.",
        lambda c: np.sin(formulas.day_phase(c)), on_grid=True,
    ),
    _plain(
        "time_of_day_cos", -1.0, 1.0, 1,
        "Cosine of the time of day, one turn a UTC day, 1 at midnight; of the virtual time itself.",
        lambda c: np.cos(formulas.day_phase(c)), on_grid=True,
    ),
    _plain(
        "day_of_week_sin", -1.0, 1.0, 1,
        "Sine of the time of the week, one turn a week, 0 at Monday 00:00 UTC.",
        lambda c: np.sin(formulas.week_phase(c)), on_grid=True,
    ),
    _plain(
        "day_of_week_cos", -1.0, 1.0, 1,
        "Cosine of the time of the week, one turn a week, 1 at Monday 00:00 UTC.",
        lambda c: np.cos(formulas.week_phase(c)), on_grid=True,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Family:
    """A feature with a window: bounds and warm-up are functions of it."""

    name: str
    window: int
    bounds: Callable[[int], tuple[float, float]]
    warmup: Callable[[int], int]
    doc: str
    compute: WindowCompute
    smallest: int = 2

    def spec(self, name: str, window: int) -> FeatureSpec:
        low, high = self.bounds(window)
        doc = self.doc.format(n=window)
        return FeatureSpec(
            name=name, low=low, high=high, warmup=self.warmup(window), window=window, doc=doc,
            compute=lambda c: self.compute(c, window),
        )  # fmt: skip


def _root(n: int) -> tuple[float, float]:
    return -math.sqrt(n), math.sqrt(n)


def _within(low: float, high: float) -> Callable[[int], tuple[float, float]]:
    return lambda n: (low, high)


_FAMILIES = (
    _Family(
        "scaled_return", 60, _root, lambda n: n + 1,
        "Log return in range units: over the rms log true range of the last {n} candles.",
        formulas.scaled(lambda c: indicators.log_return(c.close)),
    ),
    _Family(
        "scaled_open", 60, _root, lambda n: n + 1,
        "log(open / close) in range units: over the rms log true range of the last {n} candles.",
        formulas.scaled(lambda c: np.log(c.open / c.close)),
    ),
    _Family(
        "scaled_high", 60, lambda n: (0.0, math.sqrt(n)), lambda n: n + 1,
        "log(high / close) in range units: over the rms log true range of the last {n} candles.",
        formulas.scaled(lambda c: np.log(c.high / c.close)),
    ),
    _Family(
        "scaled_low", 60, lambda n: (-math.sqrt(n), 0.0), lambda n: n + 1,
        "log(low / close) in range units: over the rms log true range of the last {n} candles.",
        formulas.scaled(lambda c: np.log(c.low / c.close)),
    ),
    _Family(
        "momentum", 60, _root, lambda n: n + 1,
        "Log return of the last {n} candles over its size for a random walk, sqrt({n}) x rms.",
        formulas.momentum,
    ),
    _Family(
        "sma_ratio", 20, _within(-1.0, 5.0), lambda n: n,
        "Close over its mean of the last {n} candles, minus 1; a fraction.",
        lambda c, n: c.close / indicators.rolling_mean(c.close, n) - 1.0,
    ),
    _Family(
        "volume_ratio", 20, _within(-1.0, 1.0), lambda n: n,
        "(volume - mean) / (volume + mean) with the mean of the last {n} candles: "
        "tanh(log(volume / mean) / 2), -1 at no volume, 0.8 at nine times the mean.",
        formulas.volume_ratio,
    ),
    _Family(
        "rsi", 14, _within(-1.0, 1.0), lambda n: n + 1,
        "Relative strength index of {n} candles, 0..100 mapped to -1..1; 0 for a still price.",
        lambda c, n: indicators.rsi(c.close, n) / 50.0 - 1.0,
    ),
    _Family(
        "bollinger_percent_b", 20,
        lambda n: (0.5 - math.sqrt(n - 1) / 4.0, 0.5 + math.sqrt(n - 1) / 4.0), lambda n: n,
        "Place in the Bollinger bands ({n}, 2): 0 on the lower band, 1 on the upper.",
        lambda c, n: indicators.bollinger(c.close, n)[0],
    ),
    _Family(
        "bollinger_width", 20, _within(0.0, 100.0), lambda n: n + 1,
        "Bollinger bandwidth ({n}, 2) over the root of the window's length in years: annual.",
        formulas.bollinger_width,
    ),
    _Family(
        "bollinger_width_frac", 20, _within(0.0, 5.0), lambda n: n,
        "Bollinger bandwidth ({n}, 2): upper - lower band over the mean; a fraction.",
        lambda c, n: indicators.bollinger(c.close, n)[1],
    ),
    _Family(
        "atr", 14, _within(0.0, 100.0), lambda n: n + 1,
        "Average true range of {n} candles over close and the root of a candle's length: annual.",
        formulas.atr,
    ),
    _Family(
        "atr_frac", 14, _within(0.0, 2.0), lambda n: n + 1,
        "Average true range of {n} candles over close; a fraction.", formulas.atr_frac,
    ),
    _Family(
        "adx", 14, _within(0.0, 1.0), lambda n: 2 * n,
        "Average directional index of {n} candles, 0..100 mapped to 0..1.",
        lambda c, n: indicators.adx(c.high, c.low, c.close, n) / 100.0,
    ),
    _Family(
        "trend_direction", 14, _within(-1.0, 1.0), lambda n: n + 1,
        "(+DI - -DI) / (+DI + -DI) of {n} candles: the sign that the ADX lacks.",
        formulas.trend_direction,
    ),
    _Family(
        "realized_volatility", 60, _within(0.0, 50.0), lambda n: n + 1,
        "Root mean square log return of {n} candles, annual (365 days, by time that passed).",
        formulas.realized_volatility, smallest=1,
    ),
)  # fmt: skip

_FAMILY = {family.name: family for family in _FAMILIES}

FEATURES: dict[str, FeatureSpec] = {
    **{family.name: family.spec(family.name, family.window) for family in _FAMILIES},
    **{spec.name: spec for spec in _PLAIN},
}
"""Every named feature with its default window."""

DEFAULT_FEATURES: tuple[str, ...] = (
    "scaled_return",
    "scaled_high",
    "scaled_low",
    "volume_ratio",
    "rsi",
)
"""Five cheap features for one symbol."""

FULL_FEATURES: tuple[str, ...] = (
    "scaled_return",
    "scaled_open",
    "scaled_high",
    "scaled_low",
    "volume_ratio",
    "momentum",
    "rsi",
    "macd",
    "macd_signal",
    "macd_histogram",
    "bollinger_percent_b",
    "bollinger_width",
    "atr",
    "adx",
    "trend_direction",
    "realized_volatility",
    "time_of_day_sin",
    "time_of_day_cos",
    "day_of_week_sin",
    "day_of_week_cos",
)
"""The wide set: candle shape, trend, oscillators, volatility and the clock."""

FEATURE_SETS: dict[str, tuple[str, ...]] = {"default": DEFAULT_FEATURES, "full": FULL_FEATURES}


def feature_spec(name: str) -> FeatureSpec:
    """Look a feature up by its name, with or without a window.

    Args:
        name: A key of `FEATURES`, or a windowed one with its window in candles, as in `rsi_28`.

    Raises:
        UnknownName: No such feature, or a window for one that has none.
        ConfigError: The window is out of range.
    """
    if name in FEATURES:
        return FEATURES[name]
    match = re.fullmatch(r"(.+?)_(\d+)", name)
    if match is None or match[1] not in FEATURES:
        raise UnknownName("feature", name, (*FEATURE_SETS, *FEATURES))
    family = _FAMILY.get(match[1])
    if family is None:
        raise UnknownName("feature", name, FEATURES, why=f"{match[1]} has no window")
    window = int(match[2])
    if not family.smallest <= window <= _MAX_WINDOW:
        raise ConfigError(
            f"window of feature {name!r} must be {family.smallest} to {_MAX_WINDOW} candles; "
            f"was {window}. Write for example {family.name}_{family.window}."
        )
    return family.spec(name, window)
