"""What makes a CandleSeries whole: shapes, a grid, C7 in every candle, arrays nobody can write.

Source: spec C1, C4, C7.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import CandleColumns, refuse_bad_values
from seq_gym.market.grid import VALUE_FIELDS
from seq_gym.times import format_interval, format_time

if TYPE_CHECKING:
    from seq_gym.market.candles import CandleSeries

__all__ = ["read_only", "refuse_broken_series"]


def read_only(values: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return a C-contiguous, read-only array; a copy where someone could still write into it."""
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.copy() if array is values or array.base is not None else array
        array.flags.writeable = False
    return array


def refuse_broken_series(series: CandleSeries) -> None:
    """Check a whole series.

    Raises:
        ConfigError: Shapes, symbols and instruments do not fit together.
        MarketDataError: The grid or a candle breaks a rule; names symbol, row, time and value.
    """
    _refuse_bad_shapes(series)
    _refuse_bad_names(series)
    if series.interval_ns <= 0 or series.start_ns % series.interval_ns:
        raise MarketDataError(
            "The start must be a multiple of the interval "
            f"{format_interval(series.interval_ns)} in UTC; was {format_time(series.start_ns)}."
        )
    for column in range(series.num_symbols):
        _refuse_bad_candles(series, column)
    _refuse_bad_marks(series)


def _refuse_bad_shapes(series: CandleSeries) -> None:
    shape = (len(series.open), len(series.symbols))
    if 0 in shape:
        raise MarketDataError(f"A series must hold candles of a symbol; was of shape {shape}.")
    named = {field.name: getattr(series, field.name) for field in fields(series)}
    for name, values in (named | dict(series.extra)).items():
        wanted = shape[1:] if name == "has_volume" else shape
        if isinstance(values, np.ndarray) and values.shape != wanted:
            raise ConfigError(f"{name} must have shape {wanted}; was {values.shape}.")


def _refuse_bad_names(series: CandleSeries) -> None:
    if len(set(series.symbols)) < len(series.symbols):
        raise ConfigError(f"Symbols must be distinct; was {series.symbols}.")
    named = tuple(instrument.symbol for instrument in series.instruments)
    if named != series.symbols:
        raise ConfigError(
            f"Instruments must be those of the symbols {series.symbols}, in their order; "
            f"was {named}."
        )
    for name in series.extra:
        if name in VALUE_FIELDS:
            raise ConfigError(f"A custom feature must have a name of its own; was {name!r}.")


def _refuse_bad_candles(series: CandleSeries, column: int) -> None:
    symbol, there = series.symbols[column], series.valid[:, column]
    rows = np.arange(series.num_candles)
    table = CandleColumns(
        symbol=symbol,
        time_ns=series.start_ns + rows * series.interval_ns,
        source="series",
        open=series.open[:, column],
        high=series.high[:, column],
        low=series.low[:, column],
        close=series.close[:, column],
        volume=series.volume[:, column],
        quote_volume=series.quote_volume[:, column],
    )
    whole = bool(there.all())
    refuse_bad_values(table, None if whole else there)
    if not whole and not np.isnan(series.close[~there, column]).all():
        row = int(np.argmax(~there & ~np.isnan(series.close[:, column])))
        raise MarketDataError(f"{table.where(row)}: a row without a candle must hold NaN.")
    if (series.span[:, column] == 1).all():
        return  # each of one row, on the grid because the start is
    span = series.span[:, column].astype(np.int64)
    first = rows - span + 1
    off_grid = (series.start_ns + first * series.interval_ns) % (span * series.interval_ns) != 0
    broken = there & ((span < 1) | (first < 0) | ((span > 1) & off_grid))
    if broken.any():
        row = int(np.argmax(broken))
        raise MarketDataError(
            f"{table.where(row)}: a candle must span at least one row, begin within the data and "
            f"at a multiple of its length in UTC; was a span of {span[row]}."
        )


def _refuse_bad_marks(series: CandleSeries) -> None:
    if series.mark is None:
        return
    good = ((series.mark > 0) & (series.mark < np.inf)) | np.isnan(series.mark)
    if not good.all():
        row, column = np.argwhere(~good)[0].tolist()
        raise MarketDataError(
            f"series, {series.symbols[column]}, row {row}, {format_time(series.time_of(row))}: a "
            f"mark price must be finite and > 0, or NaN where there is none; was "
            f"{float(series.mark[row, column])}."
        )
