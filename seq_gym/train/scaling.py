"""Fit the scaling of features on a training range, once: means and deviations as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.features import FeatureMatrix, build_features
from seq_gym.envs.settings import EnvSettings
from seq_gym.envs.timeframes import Timeframe, parse_timeframes
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries
from seq_gym.times import TimeLike, format_time, parse_time

__all__ = ["fit_scaling"]

_CONSTANT = 1e-6
"""A deviation below this part of the feature's size is rounding: the feature does not move."""


def fit_scaling(
    source: EnvSettings | CandleSeries,
    features: Any = "default",
    timeframes: Mapping[str, Any] | None = None,
    *,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
) -> dict[str, Any]:
    """Return the mean and the deviation of every feature over a training range.

    Every row **known** from `start` to `end` counts once, of every symbol that is listed and whose
    every feature is defined: a row is known when its candle has closed. What comes after the end
    is never read.

    Args:
        source: The candles; or the settings of an environment (`env.unwrapped.settings`), whose
            features, timeframes and range are taken.
        features: As the environment's argument, with candles as the source.
        timeframes: Likewise.
        start: First time; None: of the data, or the environment's first start.
        end: Last time, a date includes its day; None: of the data, or of the environment.

    Returns:
        `{"features": [...], "mean": [...], "std": [...], "1h": {...}}`, the `feature_scaling`
        argument of an environment. A feature that does not move has std 1.

    Raises:
        UnknownName: A feature or timeframe does not exist.
        ConfigError: No row is known in the range, or the environment scales its features already.
    """
    if isinstance(source, EnvSettings):
        if source.feature_scaling is not None:
            raise ConfigError(
                "feature_scaling must be None while it is fitted; the environment had one. Likely "
                "fix: fit on an environment without it."
            )
        series, matrix, frames = source.series, source.matrix, source.timeframes
        first, last = source.first_start, source.last_cursor
    else:
        series, matrix = source, build_features(source, features)
        frames = parse_timeframes(timeframes, source)
        first, last = 0, series.num_candles
    first, last = _range(series, start, end, first, last)
    scaling = _fit(matrix, series, _Place(first, last), "window")
    for frame in frames:
        scaling[frame.name] = _fit(frame.matrix, series, _Place(first, last, frame), frame.name)
    return scaling


def _range(
    series: CandleSeries, start: TimeLike | None, end: TimeLike | None, first: int, last: int
) -> tuple[int, int]:
    """Return the first and the last cursor of the range."""
    if start is not None:
        first = series.row_at(start)
        first += series.time_of(first) < parse_time(start)
    if end is not None:
        last = series.select(end=end).num_candles
    return first, last


class _Place:
    """The rows of a matrix that are known between two cursors.

    Args:
        first: Cursor of the environment.
        last: Cursor of the environment, included.
        frame: The timeframe that the matrix is of; None: the environment's own candles.
    """

    def __init__(self, first: int, last: int, frame: Timeframe | None = None) -> None:
        self.first, self.last = first, last
        self.offset = 0 if frame is None else frame.offset
        self.multiple = 1 if frame is None else frame.multiple

    def rows(self, ready: int, ended: int) -> slice:
        """Return the rows of a symbol.

        Args:
            ready: Its first row at which every feature is defined.
            ended: Cursor at which its last candle in the range was known.
        """
        lowest = -(-(self.first - self.offset) // self.multiple)
        highest = (ended - self.offset) // self.multiple
        return slice(max(lowest, ready), max(highest + 1, 0))


def _fit(matrix: FeatureMatrix, series: CandleSeries, place: _Place, name: str) -> dict[str, Any]:
    """Return names, means and deviations of a matrix: symbol by symbol, in two passes."""
    parts = []
    for s, ready in enumerate(matrix.ready.tolist()):
        candles = np.flatnonzero(series.valid[: place.last, s])
        ended = int(candles[-1]) + 1 if candles.size else 0
        parts.append(matrix.values[place.rows(ready, ended), s])
    count = sum(len(part) for part in parts)
    if count == 0:
        raise ConfigError(
            f"The range must have a row of {name} to fit on, with every feature defined; from "
            f"{format_time(series.time_of(place.first))} to "
            f"{format_time(series.time_of(place.last))} there is none. Use a longer range."
        )
    mean = _total(parts, 0.0) / count
    std = np.sqrt(_total(parts, mean, 2) / count)
    size = np.maximum(np.abs(mean), np.finfo(np.float32).tiny)
    std = np.where(std > _CONSTANT * size, std, 1.0)
    return {"features": list(matrix.names), "mean": mean.tolist(), "std": std.tolist()}


def _total(
    parts: list[NDArray[np.float32]], mean: NDArray[np.float64] | float, power: int = 1
) -> NDArray[np.float64]:
    """Return the sum over rows of (value - mean) ** power: float64 [F]."""
    sums = [((part.astype(np.float64) - mean) ** power).sum(axis=0) for part in parts]
    return np.asarray(np.sum(sums, axis=0), np.float64)
