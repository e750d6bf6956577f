"""Timeframes: windows of longer candles beside the one of the environment's own candles.

`timeframes={"1h": 24, "1d": {"look_back": 7, "features": ["rsi", "log_return"]}}` puts the last 24
finished hours and the last 7 finished days of UTC beside the window of minutes. Each timeframe is
resampled once per dataset, and its features are computed once, into a matrix of its own. At cursor
t its window ends with the last candle that has closed by then: the hour and the day that are still
running are never seen (C2, C4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.features import FeatureMatrix, build_features
from seq_gym.envs.numbers import check_whole
from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import CandleSeries
from seq_gym.times import format_interval, parse_interval

__all__ = ["Timeframe", "parse_timeframes"]

_USUAL = ("5m", "15m", "30m", "1h", "4h", "1d")
_KEYS = ("look_back", "features")

_resampled: WeakKeyDictionary[CandleSeries, dict[int, CandleSeries]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeframe:
    """A window of longer candles.

    Attributes:
        name: Their interval, such as "1h".
        matrix: Their features; row j is known when j of them have closed.
        look_back: How many of them the window holds.
        offset: Cursor of the environment at which the first of them opens.
        multiple: Candles of the environment in one of them.
    """

    name: str
    matrix: FeatureMatrix
    look_back: int
    offset: int
    multiple: int

    @property
    def full_at(self) -> NDArray[np.int64]:
        """int64 [S]: first cursor of the environment at which the window is full, by symbol."""
        finished = np.asarray(self.matrix.ready, np.int64) + self.look_back - 1
        return self.offset + self.multiple * finished


def parse_timeframes(value: Any, series: CandleSeries) -> tuple[Timeframe, ...]:
    """Read the `timeframes` argument of an environment.

    Args:
        value: None, or a mapping of intervals to a look-back, or to a mapping with the key
            `look_back` and, if wanted, `features` ("default" without it).
        series: The candles of the environment.

    Returns:
        The timeframes, the finest first, in whatever order they were given.

    Raises:
        UnknownName: An interval or a key is none; carries the near miss.
        ConfigError: An interval is no multiple of the environment's, or a value breaks its rule.
        MarketDataError: The data has no whole candle of that length.

    Source: C2, C4, E3.
    """
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"timeframes must map intervals to look-backs; was {value!r}. "
            'Likely fix: timeframes={"1h": 24}.'
        )
    given: dict[int, Any] = {}
    for key, asked in value.items():
        interval_ns = _interval(key, series)
        if interval_ns in given:
            name = format_interval(interval_ns)
            raise ConfigError(f"timeframes must differ; {name!r} was given twice.")
        given[interval_ns] = asked
    return tuple(_timeframe(series, interval, given[interval]) for interval in sorted(given))


def _interval(key: Any, series: CandleSeries) -> int:
    """Read the interval of a timeframe, a multiple of the environment's own."""
    try:
        interval_ns = parse_interval(key) if isinstance(key, str) else 0
    except ConfigError:
        interval_ns = 0
    if interval_ns == 0:
        usual = [name for name in _USUAL if _fits(parse_interval(name), series)]
        raise UnknownName("timeframe", key, usual)
    if not _fits(interval_ns, series):
        raise ConfigError(
            f"timeframes must be longer than the environment's {series.interval} candles, and a "
            f"multiple of them; was {key!r}."
        )
    return interval_ns


def _fits(interval_ns: int, series: CandleSeries) -> bool:
    return interval_ns > series.interval_ns and interval_ns % series.interval_ns == 0


def _timeframe(series: CandleSeries, interval_ns: int, asked: Any) -> Timeframe:
    name = format_interval(interval_ns)
    settings = asked if isinstance(asked, Mapping) else {"look_back": asked}
    for key in settings:
        if key not in _KEYS:
            raise UnknownName(f"key of timeframe {name!r}", key, _KEYS)
    if "look_back" not in settings:
        raise ConfigError(f"timeframe {name!r} must have a look_back; was {dict(settings)}.")
    check_whole(f"look_back of timeframe {name!r}", settings["look_back"])
    longer = _resample(series, interval_ns, name)
    return Timeframe(
        name=name,
        matrix=build_features(longer, settings.get("features", "default")),
        look_back=int(settings["look_back"]),
        offset=(longer.start_ns - series.start_ns) // series.interval_ns,
        multiple=interval_ns // series.interval_ns,
    )


def _resample(series: CandleSeries, interval_ns: int, name: str) -> CandleSeries:
    """Resample once for all environments on a series; forgotten with it."""
    kept = _resampled.setdefault(series, {})
    if interval_ns not in kept:
        try:
            kept[interval_ns] = series.resample(interval_ns)
        except (ConfigError, MarketDataError) as error:
            raise type(error)(f"timeframe {name!r}: {error}") from error
    return kept[interval_ns]
