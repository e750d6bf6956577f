"""Resample candles to a coarser interval, aligned to UTC.

Source: spec C4, C6, C7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import FloatArray
from seq_gym.times import format_interval, format_time

__all__ = ["resample_grid"]

BoolArray = npt.NDArray[np.bool_]


class _Gridded(Protocol):
    """What resampling needs of a series."""

    @property
    def interval_ns(self) -> int: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def open(self) -> FloatArray: ...
    @property
    def high(self) -> FloatArray: ...
    @property
    def low(self) -> FloatArray: ...
    @property
    def close(self) -> FloatArray: ...
    @property
    def volume(self) -> FloatArray: ...
    @property
    def quote_volume(self) -> FloatArray: ...
    @property
    def valid(self) -> BoolArray: ...
    @property
    def traded(self) -> BoolArray: ...
    @property
    def span(self) -> npt.NDArray[np.int32]: ...
    @property
    def funding(self) -> FloatArray | None: ...
    @property
    def mark(self) -> FloatArray | None: ...
    @property
    def extra(self) -> Mapping[str, FloatArray]: ...


def resample_grid(series: _Gridded, target_ns: int) -> dict[str, Any]:
    """Aggregate candles into buckets of ``target_ns``.

    A bucket forms from the candles that are there. Its open, high, low and close come from those
    that traded; where none did, it is flat at the last close, with volume 0. Buckets that the data
    does not fully cover, at either end, are left out. So are a symbol's first buckets as long as
    they do not begin with a traded candle: the open of a symbol's first candle is visible at its
    open time (C3), and must not tell a later price.

    Args:
        series: Candles ``[T, S]``.
        target_ns: Length of a bucket, a multiple of the series' interval.

    Returns:
        The fields of a series that change, by name. Each bucket is known at its close.

    Raises:
        ConfigError: The bucket is not a multiple of the interval, or of a coarse candle's length.
        MarketDataError: No whole bucket is there.

    Source: C4, C7.
    """
    if target_ns % series.interval_ns or target_ns < series.interval_ns:
        raise ConfigError(
            f"A coarser interval must be a multiple of {format_interval(series.interval_ns)}; "
            f"was {format_interval(target_ns)}."
        )
    size = target_ns // series.interval_ns
    skip = -series.start_ns % target_ns // series.interval_ns
    count = (series.close.shape[0] - skip) // size
    if count < 1:
        raise MarketDataError(
            f"A resampled series must hold one whole {format_interval(target_ns)}; the data is "
            f"{format_time(series.start_ns)} to {format_time(series.end_ns)}."
        )

    def bucket(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values[skip : skip + count * size].reshape(count, size, -1)

    valid, span = bucket(series.valid), bucket(series.span)
    _refuse_odd_spans(valid, span, size, series.interval_ns, target_ns)
    inner = valid & (span <= size)
    traded = bucket(series.traded) & inner
    prices = {name: bucket(getattr(series, name)) for name in ("open", "high", "low", "close")}
    values = _aggregate(prices, inner, traded)
    for name in ("volume", "quote_volume"):
        values[name] = np.where(inner, bucket(getattr(series, name)), 0.0).sum(axis=1)

    # A candle at least as long as a bucket stands in its bucket's last row, and stays as it is.
    whole = (valid & (span >= size))[:, -1]
    for name in values:
        values[name] = np.where(whole, bucket(getattr(series, name))[:, -1], values[name])
    there = _without_late_starts(inner.any(axis=1) | whole, whole | _on_time(traded, span))
    return {
        "interval_ns": target_ns,
        "start_ns": series.start_ns + skip * series.interval_ns,
        **{name: np.where(there, array, np.nan) for name, array in values.items()},
        "valid": there,
        "span": np.where(there & whole, span[:, -1] // size, 1),
        "funding": None if series.funding is None else bucket(series.funding).sum(axis=1),
        "mark": None if series.mark is None else _last_known(bucket(series.mark)),
        "extra": {
            name: np.where(there, _last(bucket(array), valid), np.nan)
            for name, array in series.extra.items()
        },
    }


def _aggregate(
    prices: Mapping[str, FloatArray], inner: BoolArray, traded: BoolArray
) -> dict[str, FloatArray]:
    any_traded = traded.any(axis=1)
    flat = _last(prices["close"], inner)
    high = np.where(traded, prices["high"], -np.inf).max(axis=1)
    low = np.where(traded, prices["low"], np.inf).min(axis=1)
    return {
        "open": np.where(any_traded, _first(prices["open"], traded), flat),
        "high": np.where(any_traded, high, flat),
        "low": np.where(any_traded, low, flat),
        "close": np.where(any_traded, _last(prices["close"], traded), flat),
    }


def _first(values: npt.NDArray[Any], mask: BoolArray) -> npt.NDArray[Any]:
    """Value of the first masked row of each bucket; arbitrary where there is none."""
    return np.take_along_axis(values, mask.argmax(axis=1)[:, None, :], axis=1)[:, 0]


def _last(values: npt.NDArray[Any], mask: BoolArray) -> npt.NDArray[Any]:
    """Value of the last masked row of each bucket; arbitrary where there is none."""
    return _first(values[:, ::-1], mask[:, ::-1])


def _last_known(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Last value of each bucket that is one; NaN where none is."""
    return _last(values, ~np.isnan(values))


def _on_time(traded: BoolArray, span: npt.NDArray[np.int32]) -> BoolArray:
    """Tell which buckets begin with a traded candle."""
    first_row = traded.argmax(axis=1)
    on_time: BoolArray = traded.any(axis=1) & (first_row + 1 == _first(span, traded))
    return on_time


def _without_late_starts(there: BoolArray, on_time: BoolArray) -> BoolArray:
    started: BoolArray = np.logical_or.accumulate(there & on_time, axis=0)
    kept: BoolArray = there & started
    return kept


def _refuse_odd_spans(
    valid: BoolArray, span: npt.NDArray[np.int32], size: int, interval_ns: int, target_ns: int
) -> None:
    odd = valid & (size % span != 0) & (span % size != 0)
    if odd.any():
        length = int(span[odd][0]) * interval_ns
        raise ConfigError(
            f"A coarser interval must fit the candles of {format_interval(length)} in the series; "
            f"was {format_interval(target_ns)}."
        )
