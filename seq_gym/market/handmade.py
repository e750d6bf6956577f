"""Candles written by hand, for known-answer tests and worked examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import FloatArray
from seq_gym.market.instruments import Instrument
from seq_gym.times import IntervalLike, TimeLike, parse_interval, parse_time

__all__ = ["Row", "candles_from_rows", "ramp_candles"]

Row: TypeAlias = Sequence[float] | None
"""``(open, high, low, close)`` or ``(open, high, low, close, volume)``; None = no candle."""


def candles_from_rows(
    rows: Sequence[Row] | Mapping[str, Sequence[Row]],
    *,
    symbol: str = "BTCUSDT",
    interval: IntervalLike = "1m",
    start: TimeLike = "2025-01-01",
    funding: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    instruments: Iterable[Instrument] = (),
) -> CandleSeries:
    """Make a series from rows written out.

    Args:
        rows: Rows of one symbol, or rows by symbol; shorter ones end early. A symbol whose rows
            state no volume has none, and every candle of it counts as traded.
        symbol: Name, where the rows are of one symbol.
        interval: Length of a candle.
        start: Open time of the first row.
        funding: Funding rate per row, likewise; rows that it does not reach have none.
        instruments: Instruments of some symbols; the others follow from their names.

    Raises:
        ConfigError: A row has neither 4 nor 5 numbers, or funding has more rates than rows.
        UnknownName: Funding or an instrument is of a symbol that has no rows.
        MarketDataError: A candle breaks a rule of C7.

    >>> candles_from_rows([(10, 12, 9, 11, 5), None]).valid[:, 0].tolist()
    [True, False]
    """
    by_symbol = dict(rows) if isinstance(rows, Mapping) else {symbol: rows}
    count = max((len(listed) for listed in by_symbol.values()), default=0)
    cells = np.full((count, len(by_symbol), 5), np.nan)
    for column, (name, listed) in enumerate(by_symbol.items()):
        _fill(cells[:, column], name, listed)
    valid = ~np.isnan(cells[..., 3])
    has_volume = ~np.isnan(cells[..., 4]).all(axis=0)
    volume = np.where(valid & ~has_volume, 0.0, cells[..., 4])
    series = CandleSeries(
        symbols=tuple(by_symbol),
        instruments=tuple(Instrument.of(name) for name in by_symbol),
        interval_ns=parse_interval(interval),
        start_ns=parse_time(start),
        open=cells[..., 0],
        high=cells[..., 1],
        low=cells[..., 2],
        close=cells[..., 3],
        volume=volume,
        quote_volume=volume * cells[..., 3],
        valid=valid,
        span=np.ones(valid.shape, dtype=np.int32),
        funding=None if funding is None else _funding(funding, symbol, tuple(by_symbol), count),
        has_volume=has_volume,
    )
    return series.with_instruments(*instruments)


def ramp_candles(
    start_price: float = 100.0,
    step: float = 1.0,
    num_candles: int = 100,
    *,
    prices: Sequence[float] | None = None,
    volume: float = 1_000.0,
    symbol: str = "BTCUSDT",
    interval: IntervalLike = "1m",
    start: TimeLike = "2025-01-01",
) -> CandleSeries:
    """Make candles whose closes are a straight line, or the given prices.

    Each candle opens at the last close, and its range is the way from open to close. The first
    opens at its own close.

    Args:
        start_price: First close.
        step: What each close adds to the last.
        num_candles: Number of candles.
        prices: Closes, instead of the line.
        volume: Of every candle, base.
        symbol: Name.
        interval: Length of a candle.
        start: Open time of the first candle.

    Raises:
        MarketDataError: A close is not above 0.

    >>> ramp_candles(100, 1, 3).close[:, 0].tolist()
    [100.0, 101.0, 102.0]
    """
    line = [start_price + step * i for i in range(num_candles)] if prices is None else list(prices)
    rows = [
        (opened, max(opened, close), min(opened, close), close, volume)
        for opened, close in zip([*line[:1], *line[:-1]], line, strict=True)
    ]
    return candles_from_rows(rows, symbol=symbol, interval=interval, start=start)


def _fill(cells: FloatArray, name: str, listed: Sequence[Row]) -> None:
    for index, row in enumerate(listed):
        if row is None:
            continue
        if len(row) not in (4, 5):
            raise ConfigError(
                f"A row of {name} must be (open, high, low, close) with or without volume; "
                f"row {index} was {row!r}."
            )
        cells[index, : len(row)] = row


def _funding(
    funding: Sequence[float] | Mapping[str, Sequence[float]],
    symbol: str,
    symbols: tuple[str, ...],
    count: int,
) -> FloatArray:
    by_symbol = dict(funding) if isinstance(funding, Mapping) else {symbol: funding}
    rates = np.zeros((count, len(symbols)))
    for name, listed in by_symbol.items():
        if name not in symbols:
            raise UnknownName("symbol", name, symbols, "in funding")
        if len(listed) > count:
            raise ConfigError(f"Funding of {name} must have <= {count} rates; was {len(listed)}.")
        rates[: len(listed), symbols.index(name)] = listed
    return rates
