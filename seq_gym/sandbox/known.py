"""What is known of a market at a cursor: prices, tickers, candles; never more (C2)."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine import codes
from seq_gym.engine.layout import Table
from seq_gym.errors import ConfigError, UsageError
from seq_gym.market import CandleSeries
from seq_gym.sandbox.records import Candle, Ticker
from seq_gym.times import NS_PER_DAY, IntervalLike, format_time, parse_interval

__all__ = ["KnownMarket", "whole_number"]

MOST_CANDLES = 1_000
"""Largest `limit` of a candle query."""

MOST_DECIMALS = 10


class KnownMarket:
    """Reads a series at a cursor; what has been derived once is kept.

    Args:
        series: The candles.
        candles: CANDLE records of its tape, with the marks that are carried (C3).
    """

    def __init__(self, series: CandleSeries, candles: Table) -> None:
        self.series = series
        self._mark = candles["mark"]
        self._flags = candles["flags"]
        self._coarse: dict[int, CandleSeries] = {series.interval_ns: series}
        self._rows: dict[tuple[int, int], NDArray[np.intp]] = {}
        self._decimals: dict[int, tuple[int, int]] = {}

    def is_listed(self, cursor: int, column: int) -> bool:
        """Say whether a symbol has a price."""
        return bool(self._flags[cursor, column] & codes.LISTED)

    def prices(self, cursor: int) -> dict[str, float]:
        """Return the mark of every listed symbol (C3)."""
        flags, marks = self._flags[cursor].tolist(), self._mark[cursor].tolist()
        return {
            symbol: mark
            for symbol, flag, mark in zip(self.series.symbols, flags, marks, strict=True)
            if flag & codes.LISTED
        }

    def price(self, cursor: int, symbol: str) -> float:
        """Return the mark of a symbol.

        Raises:
            UnknownName: There is no such symbol.
            UsageError: PRICE_NOT_AVAILABLE: it is not listed yet.
        """
        return float(self._mark[cursor, self._listed(cursor, symbol)])

    def ticker(self, cursor: int, symbol: str) -> Ticker:
        """Return the trailing 24 h of known candles; flat at the mark where there are none."""
        column = self._listed(cursor, symbol)
        first = max(cursor - max(NS_PER_DAY // self.series.interval_ns, 1), 0)
        rows = first + np.flatnonzero(self.series.valid[first:cursor, column])
        mark = float(self._mark[cursor, column])

        def value(name: str) -> NDArray[np.float64]:
            return np.asarray(getattr(self.series, name)[rows, column])

        trades = self.series.extra.get("trades")
        there = rows.size > 0
        return Ticker(
            symbol=self.series.symbols[column],
            open=float(value("open")[0]) if there else mark,
            high=float(value("high").max()) if there else mark,
            low=float(value("low").min()) if there else mark,
            close=mark,
            volume=float(value("volume").sum()),
            quote_volume=float(value("quote_volume").sum()),
            trade_count=None if trades is None else int(np.nansum(trades[rows, column])),
            virtual_time_ns=self.series.time_of(cursor),
        )

    def candles(
        self, cursor: int, symbol: str, interval: IntervalLike | None, limit: int
    ) -> tuple[Candle, ...]:
        """Return the last finished candles, oldest first.

        Raises:
            UnknownName: There is no such symbol.
            ConfigError: The limit is not 1 to 1000, or the interval is no multiple of the data's.
        """
        count = whole_number("limit", limit, most=MOST_CANDLES)
        column = self.series.symbol_index(symbol)
        interval_ns = self.series.interval_ns if interval is None else parse_interval(interval)
        series = self._at(interval_ns)
        rows = self._valid_rows(interval_ns, column)
        # Row r is known once its close has come: time_of(r + 1) <= now.
        finished = (self.series.time_of(cursor) - series.start_ns) // interval_ns
        rows = rows[: np.searchsorted(rows, finished)][-count:]
        return tuple(self._candle(series, int(row), column) for row in rows)

    def decimals(self, cursor: int, column: int) -> int:
        """Return the decimals of a symbol's prices: of its tick, else of its known candles."""
        tick = self.series.instruments[column].tick
        if tick > 0.0:
            return max(2, _decimals_of_step(tick))
        seen, decimals = self._decimals.get(column, (-1, 2))
        if cursor == seen:
            return decimals
        if cursor < seen:  # another episode of the same market, earlier in it
            seen, decimals = -1, 2
        closes = self.series.close[max(seen, 0) : cursor, column]
        known = np.append(closes[~np.isnan(closes)], self._mark[cursor, column])
        decimals = max(decimals, _decimals_of(known))
        self._decimals[column] = cursor, decimals
        return decimals

    def lot_decimals(self, column: int) -> int | None:
        """Return the decimals of a symbol's lot; None where it states none."""
        lot = self.series.instruments[column].lot
        return _decimals_of_step(lot) if lot > 0.0 else None

    # ------------------------------------------------------------------ inner parts

    def _listed(self, cursor: int, symbol: str) -> int:
        column = self.series.symbol_index(symbol)
        if not self.is_listed(cursor, column):
            # When its first candle opens is the future, and none of this message's business (C2).
            raise UsageError(
                f"{self.series.symbols[column]} has no price at "
                f"{format_time(self.series.time_of(cursor))}: none of its candles has opened.",
                code="PRICE_NOT_AVAILABLE",
            )
        return column

    def _at(self, interval_ns: int) -> CandleSeries:
        """Return the series at an interval; a bucket depends on nothing after its own close."""
        if interval_ns not in self._coarse:
            self._coarse[interval_ns] = self.series.resample(interval_ns)
        return self._coarse[interval_ns]

    def _valid_rows(self, interval_ns: int, column: int) -> NDArray[np.intp]:
        key = interval_ns, column
        if key not in self._rows:
            self._rows[key] = np.flatnonzero(self._coarse[interval_ns].valid[:, column])
        return self._rows[key]

    @staticmethod
    def _candle(series: CandleSeries, row: int, column: int) -> Candle:
        return Candle(
            open_ns=series.time_of(row + 1 - int(series.span[row, column])),
            close_ns=series.time_of(row + 1),
            open=float(series.open[row, column]),
            high=float(series.high[row, column]),
            low=float(series.low[row, column]),
            close=float(series.close[row, column]),
            volume=float(series.volume[row, column]),
            quote_volume=float(series.quote_volume[row, column]),
        )


def whole_number(name: str, value: object, *, least: int = 1, most: int | None = None) -> int:
    """Return a whole number of at least `least`.

    Raises:
        ConfigError: It is none, or below `least`, or above `most`.
    """
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    number = int(value) if isinstance(value, int | np.integer) else least
    if not is_whole or number < least or (most is not None and number > most):
        rule = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ConfigError(f"{name} must be a whole number {rule}; was {value!r}.")
    return number


def _decimals_of_step(step: float) -> int:
    exponent = Decimal(repr(step)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _decimals_of(values: NDArray[np.float64]) -> int:
    """Return the decimals (2 to 10) that the values are written with."""
    dust = 4.0 * math.ulp(float(np.abs(values).max()))  # what rounding leaves on the largest
    for decimals in range(2, MOST_DECIMALS):
        if np.abs(values - np.round(values, decimals)).max() <= dust:
            return decimals
    return MOST_DECIMALS
