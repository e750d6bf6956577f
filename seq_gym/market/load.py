"""load_candles: files, folders and frames in, a CandleSeries out.

Source: spec C4, C7, C8, M5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seq_gym.errors import ConfigError
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import CandleColumns, clean_columns
from seq_gym.market.instruments import Instrument
from seq_gym.market.mark import read_marks
from seq_gym.market.store import store_of
from seq_gym.times import IntervalLike, TimeLike, parse_interval

__all__ = ["load_candles"]


def load_candles(
    data: Any,
    *,
    symbols: str | Sequence[str] | None = None,
    interval: IntervalLike | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    columns: Mapping[str, str] | None = None,
    extra: Sequence[str] = (),
    tz: str | None = None,
    funding: Mapping[str, Any] | None = None,
    mark: Mapping[str, Any] | None = None,
    instruments: Iterable[Instrument] = (),
) -> CandleSeries:
    """Load candles from wherever they are.

    Args:
        data: A path (CSV, JSON, Parquet, Feather; also zip and gzip; the format is found by the
            content), a folder of such files, a polars, pandas or Arrow frame, a list of these, a
            mapping of symbols to these, or a CandleSeries. A file or frame may hold many symbols
            in a column ``symbol``. Or a store: a `Store`, its folder, "store" for the one that
            SIM_STORE names, "store:PATH" or "s3://bucket/prefix"; its funding rates and mark
            prices come along.
        symbols: Symbols wanted, in this order. It also names the symbol of a file or frame that
            states none, neither in a column nor in its file name.
        interval: The grid; None = the finest interval of the data. Finer data is resampled,
            coarser data is carried on the grid (C4). Never read from a file's name.
        start: First instant.
        end: Last instant; a date includes that day.
        columns: Column of the data by our name, where it has another: time (the open time), open,
            high, low, close, volume, quote_volume, symbol.
        extra: Columns to keep as custom features, known at the candle's close.
        tz: Zone of times that state none. Without it, datetimes are UTC, and wall-clock text is
            refused.
        funding: Funding rates by symbol: a path, a frame, or FundingRates.
        mark: Mark price candles by symbol: a path, a frame, or MarkPrices.
        instruments: Instruments of some symbols; the others follow from their names.

    Raises:
        ConfigError: An argument does not say what it must (UnknownName with the near miss).
        MarketDataError: The data breaks a rule; the message names file, row and time.

    Source: C4, C7, C8, M5.
    """
    wanted = [symbols] if isinstance(symbols, str) else None if symbols is None else list(symbols)
    store = store_of(data)
    if isinstance(data, CandleSeries):
        _refuse_reading("a CandleSeries", columns=columns, extra=extra, tz=tz)
        series = data
    elif store is not None:
        _refuse_reading("a store", columns=columns, tz=tz)
        series = store.load(
            symbols=wanted, interval=interval, start=start, end=end, extra=list(extra) or None
        )
    else:
        tables = _read_tables(data, wanted, columns or {}, extra, tz)
        wanted_ns = None if interval is None else parse_interval(interval)
        series = _on_grid(tables, wanted_ns, start, end)
    series = series.with_instruments(*instruments)
    if interval is not None and parse_interval(interval) != series.interval_ns:
        series = series.resample(interval)
    if funding:
        series = _with_funding(series, funding, tz)
    if mark:
        series = series.with_mark({name: read_marks(data, name, tz) for name, data in mark.items()})
    if wanted is None and start is None and end is None:
        return series
    return series.select(wanted, start, end)


def _on_grid(
    tables: Sequence[CandleColumns],
    wanted_ns: int | None,
    start: TimeLike | None,
    end: TimeLike | None,
) -> CandleSeries:
    """Put tables on the wanted grid, or on a finer one where their data is finer.

    Only what lies between start and end, because years of days are millions of empty minutes. Data
    that will be resampled stays whole: which bucket is a symbol's first depends on all of it.
    """
    if wanted_ns is None:
        return CandleSeries.from_columns(tables, start=start, end=end)
    clean = [clean_columns(table, interval_ns=wanted_ns) for table in tables]
    finest_ns = min((table.interval_ns or wanted_ns for table in clean), default=wanted_ns)
    if finest_ns < wanted_ns:
        return CandleSeries.from_columns(clean, interval=finest_ns)
    return CandleSeries.from_columns(clean, interval=wanted_ns, start=start, end=end)


def _read_tables(
    data: Any,
    wanted: Sequence[str] | None,
    columns: Mapping[str, str],
    extra: Sequence[str],
    tz: str | None,
) -> list[CandleColumns]:
    # Imported here, because polars takes a third of a second: a synthetic market needs none.
    from seq_gym.market.importers import ReadOptions
    from seq_gym.market.reading import read_tables

    options = ReadOptions(columns=columns, extra=tuple(extra), tz=tz)
    return list(read_tables(data, wanted, options))


def _with_funding(series: CandleSeries, funding: Mapping[str, Any], tz: str | None) -> CandleSeries:
    from seq_gym.market.reading import read_rates

    return series.with_funding({name: read_rates(rates, tz) for name, rates in funding.items()})


def _refuse_reading(of: str, **arguments: Any) -> None:
    for name, value in arguments.items():
        if value:
            raise ConfigError(f"{name} must be left out for {of}; was {value!r}.")
