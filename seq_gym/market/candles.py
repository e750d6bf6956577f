"""CandleSeries: the candles of one or many symbols on one grid, immutable and checked.

Source: spec C1 to C8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import CandleColumns, FloatArray, IntArray
from seq_gym.market.funding import FundingRates, funding_per_row
from seq_gym.market.grid import VALUE_FIELDS, covered_rows, place_on_grid
from seq_gym.market.instruments import Instrument, find_symbol
from seq_gym.market.integrity import read_only, refuse_broken_series
from seq_gym.market.mark import MarkPrices, mark_per_row
from seq_gym.market.resample import resample_grid
from seq_gym.times import (
    IntervalLike,
    TimeLike,
    format_interval,
    format_time,
    parse_interval,
    parse_time,
)

__all__ = ["CandleSeries", "Gap"]


class Gap(NamedTuple):
    """A stretch inside a symbol's listed range that no candle covers."""

    symbol: str
    from_ns: int
    """Open time of the first missing candle."""
    to_ns: int
    """Open time of the next candle that exists."""
    missing: int
    """Candles missing, counted in the length of the symbol's candle before the gap."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CandleSeries:
    """Candles of S symbols on T grid rows: columns, units and a content fingerprint.

    Row t covers ``[start_ns + t * interval_ns, start_ns + (t + 1) * interval_ns)`` and is known at
    its close, that is at cursor ``t + 1``. Arrays are C-contiguous and read-only.

    Raises:
        ConfigError: A shape does not fit.
        MarketDataError: A value breaks C7; the message names symbol, row and time.

    Source: C1, C2, C4, C7.
    """

    symbols: tuple[str, ...]
    """S names in the venue's own spelling."""
    instruments: tuple[Instrument, ...]
    """S instruments, in the order of the symbols."""
    interval_ns: int
    """Length of a grid row, nanoseconds."""
    start_ns: int
    """Open time of row 0, UNIX nanoseconds, a multiple of the interval."""
    open: FloatArray
    """First price, quote, float64 ``[T, S]``, NaN where there is no candle."""
    high: FloatArray
    """Highest price, likewise."""
    low: FloatArray
    """Lowest price, likewise."""
    close: FloatArray
    """Last price, likewise."""
    volume: FloatArray
    """Traded quantity in base, likewise; 0 where the source states none."""
    quote_volume: FloatArray
    """Traded value in quote, likewise; volume x close where the source states none."""
    valid: npt.NDArray[np.bool_]
    """bool ``[T, S]``: a candle stands here."""
    span: npt.NDArray[np.int32]
    """int32 ``[T, S]``: grid rows that the candle covers, this one last; 1 but for coarse ones."""
    funding: FloatArray | None = None
    """Sum of the funding rates stamped in (open time, close time] of the row, ``[T, S]``."""
    mark: FloatArray | None = None
    """Mark price, the close of its candle, known at the row's close, ``[T, S]``, NaN where none."""
    extra: Mapping[str, FloatArray] = field(default_factory=dict)
    """Custom features by name, ``[T, S]``, known at the candle's close."""
    has_volume: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """bool ``[S]``: the source states volume; empty = any volume above 0. Survives a selection."""

    def __post_init__(self) -> None:
        self._set("symbols", tuple(self.symbols))
        self._set("instruments", tuple(self.instruments))
        self._freeze()
        refuse_broken_series(self)

    @classmethod
    def from_columns(
        cls,
        tables: CandleColumns | Iterable[CandleColumns],
        *,
        interval: IntervalLike | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        instruments: Iterable[Instrument] = (),
    ) -> CandleSeries:
        """Put the tables of one or several symbols on one grid.

        Args:
            tables: One table, or several: of different symbols, or of one symbol in pieces or at
                different intervals (the finer one wins where both exist).
            interval: The grid; None = the finest interval among the tables.
            start: Candles that open before are left out.
            end: Candles that close after are left out; a date includes that day (C8).
            instruments: Instruments of some symbols; the others follow from their names.

        Raises:
            MarketDataError: A table breaks a rule; the message names source, row and time.

        Source: C4, C7.
        """
        tables = [tables] if isinstance(tables, CandleColumns) else list(tables)
        grid = place_on_grid(
            tables,
            interval_ns=None if interval is None else parse_interval(interval),
            start_ns=None if start is None else parse_time(start),
            end_ns=None if end is None else parse_time(end, end=True),
        )
        series = cls(
            symbols=grid.symbols,
            instruments=tuple(Instrument.of(name) for name in grid.symbols),
            interval_ns=grid.interval_ns,
            start_ns=grid.start_ns,
            **grid.values,
            valid=grid.valid,
            span=grid.span,
            extra=grid.extra,
            has_volume=grid.has_volume,
        )
        return series.with_instruments(*instruments)

    # ------------------------------------------------------------------ size and time

    @property
    def num_candles(self) -> int:
        """T, the number of grid rows."""
        return len(self.open)

    @property
    def num_symbols(self) -> int:
        """S, the number of symbols."""
        return len(self.symbols)

    @property
    def end_ns(self) -> int:
        """Close time of the last row, UNIX nanoseconds."""
        return self.start_ns + self.num_candles * self.interval_ns

    @property
    def interval(self) -> str:
        """The interval as text, such as "1m"."""
        return format_interval(self.interval_ns)

    def time_of(self, cursor: int) -> int:
        """Return the virtual time of a cursor, at which candles 0 to cursor - 1 are known."""
        return self.start_ns + cursor * self.interval_ns

    def row_at(self, time: TimeLike) -> int:
        """Return the row whose candle covers an instant; as a cursor, what is known then.

        Raises:
            MarketDataError: The instant lies outside of ``[start_ns, end_ns]``.
        """
        time_ns = parse_time(time)
        if not self.start_ns <= time_ns <= self.end_ns:
            raise MarketDataError(
                f"A time must lie within the data, {format_time(self.start_ns)} to "
                f"{format_time(self.end_ns)}; was {format_time(time_ns)}."
            )
        return (time_ns - self.start_ns) // self.interval_ns

    # ------------------------------------------------------------------ what is there

    @cached_property
    def traded(self) -> npt.NDArray[np.bool_]:
        """Bool ``[T, S]``: the candle traded, orders may fill in it (C6)."""
        traded = self.valid & ((self.volume > 0) | ~self.has_volume)
        traded.flags.writeable = False
        return traded

    @cached_property
    def listed_rows(self) -> IntArray:
        """int64 ``[S, 2]``: first row and one past the last row of each symbol's listed range.

        The first row is where the symbol's first candle opens (C3). A symbol without any candle
        has (0, 0).
        """
        rows = np.zeros((self.num_symbols, 2), dtype=np.int64)
        for column in range(self.num_symbols):
            there = np.flatnonzero(self.valid[:, column])
            if there.size:
                rows[column] = there[0] - self.span[there[0], column] + 1, there[-1] + 1
        rows.flags.writeable = False
        return rows

    def gaps(self) -> list[Gap]:
        """List the stretches without a candle inside each symbol's listed range.

        Returns:
            Gaps by symbol, then by time. Zero-volume candles are candles, not gaps.

        Source: C6.
        """
        return [gap for column in range(self.num_symbols) for gap in self._gaps_of(column)]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, hex, of values, times, symbols and interval: the same data, the same name."""
        digest = hashlib.sha256(
            repr((self.symbols, self.interval_ns, self.start_ns, self.open.shape)).encode()
        )
        # Which symbols state a volume decides which candles traded (C6).
        digest.update(self.has_volume.tobytes())
        tables = {"funding": self.funding, "mark": self.mark}
        optional = {name: table for name, table in tables.items() if table is not None}
        named = {name: getattr(self, name) for name in (*VALUE_FIELDS, "valid", "span")}
        extra = {f"extra.{name}": values for name, values in sorted(self.extra.items())}
        for name, values in (named | optional | extra).items():
            digest.update(name.encode())
            digest.update(values.data if values.size else b"")
        return digest.hexdigest()

    def symbol_index(self, name: str) -> int:
        """Return the column of a symbol; look-ups ignore case and separators, and XBT is BTC.

        Raises:
            UnknownName: There is no such symbol.
            ConfigError: The name fits several.

        Source: C8.
        """
        return find_symbol(name, self.symbols)

    # ------------------------------------------------------------------ other series

    def select(
        self,
        symbols: str | Sequence[str] | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
    ) -> CandleSeries:
        """Return some symbols, and the candles that open at or after start and close by end.

        Args:
            symbols: Names, in the order wanted; None = all.
            start: First instant; None = that of the data. An earlier one changes nothing.
            end: Last instant; a date includes that whole day (C8). None = that of the data.

        Raises:
            UnknownName: A symbol is not there.
            MarketDataError: Nothing is left.
        """
        names = [symbols] if isinstance(symbols, str) else symbols
        columns = range(self.num_symbols) if names is None else map(self.symbol_index, names)
        picked = list(dict.fromkeys(columns))
        from_ns = self.start_ns if start is None else max(parse_time(start), self.start_ns)
        to_ns = self.end_ns if end is None else min(parse_time(end, end=True), self.end_ns)
        first = -((self.start_ns - from_ns) // self.interval_ns)
        last = (to_ns - self.start_ns) // self.interval_ns
        if first >= last or not picked:
            raise MarketDataError(
                f"A selection must hold at least one symbol and one candle of the data, "
                f"{format_time(self.start_ns)} to {format_time(self.end_ns)}; was "
                f"{len(picked)} symbols from {format_time(from_ns)} to {format_time(to_ns)}."
            )
        return self._cut(first, last, picked)

    def resample(self, interval: IntervalLike) -> CandleSeries:
        """Return the series at a coarser interval, aligned to UTC.

        Raises:
            ConfigError: The interval is not a multiple of this one.
            MarketDataError: No whole candle of that length is there.

        Source: C4, C7.
        """
        target_ns = parse_interval(interval)
        if target_ns == self.interval_ns:
            return self
        return replace(self, **resample_grid(self, target_ns))

    def with_funding(self, rates: Mapping[str, FundingRates]) -> CandleSeries:
        """Return the series with funding rates by symbol; symbols without rates have none.

        Args:
            rates: Stamps and rates of some symbols.

        Raises:
            UnknownName: A symbol is not there.
            MarketDataError: A rate is not finite, or one stamp has two rates.

        Source: M5.
        """
        funding = np.zeros(self.open.shape) if self.funding is None else self.funding.copy()
        for name, stamped in rates.items():
            funding[:, self.symbol_index(name)] = funding_per_row(
                stamped, self.start_ns, self.interval_ns, self.num_candles
            )
        return replace(self, funding=funding)

    def with_mark(self, marks: Mapping[str, MarkPrices]) -> CandleSeries:
        """Return the series with mark prices by symbol; symbols without any keep what they have.

        Args:
            marks: Times and prices of some symbols.

        Raises:
            UnknownName: A symbol is not there.
            MarketDataError: A price is not finite and above 0, or one time has two prices.

        Source: M5.
        """
        mark = np.full(self.open.shape, np.nan) if self.mark is None else self.mark.copy()
        for name, known in marks.items():
            mark[:, self.symbol_index(name)] = mark_per_row(
                known, self.start_ns, self.interval_ns, self.num_candles
            )
        return replace(self, mark=mark)

    def with_instruments(self, *instruments: Instrument) -> CandleSeries:
        """Return the series with these instruments stated, found by their symbols.

        Raises:
            UnknownName: A symbol is not there.
        """
        if not instruments:
            return self
        stated = list(self.instruments)
        for instrument in instruments:
            column = self.symbol_index(instrument.symbol)
            stated[column] = replace(instrument, symbol=self.symbols[column])
        return replace(self, instruments=tuple(stated))

    def __len__(self) -> int:
        return self.num_candles

    def __repr__(self) -> str:
        names = ", ".join(self.symbols[:4]) + (", ..." if self.num_symbols > 4 else "")
        return (
            f"CandleSeries({names}; {self.num_candles} x {self.interval}, "
            f"{format_time(self.start_ns)} to {format_time(self.end_ns)})"
        )

    def __copy__(self) -> CandleSeries:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CandleSeries:
        return self  # immutable: a copy could only cost memory

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickling forgets that an array is read-only; what was derived is derived again.
        self.__dict__.update({f.name: state[f.name] for f in fields(self)})
        self._freeze()

    # ------------------------------------------------------------------ inner parts

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _freeze(self) -> None:
        for name in (*VALUE_FIELDS, "valid", "span", "funding", "mark"):
            values = getattr(self, name)
            if values is not None:
                dtype = {"valid": np.bool_, "span": np.int32}.get(name, np.float64)
                self._set(name, read_only(values, dtype))
        self._set("extra", {k: read_only(v, np.float64) for k, v in self.extra.items()})
        if not len(self.has_volume):
            self._set("has_volume", (np.nan_to_num(self.volume) > 0).any(axis=0))
        self._set("has_volume", read_only(self.has_volume, np.bool_))

    def _cut(self, first: int, last: int, columns: list[int]) -> CandleSeries:
        whole = columns == list(range(self.num_symbols))

        def cut(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            rows = values[first:last]
            return rows if whole else rows[:, columns]

        values: dict[str, Any] = {name: cut(getattr(self, name)) for name in VALUE_FIELDS}
        valid, span = cut(self.valid), cut(self.span)
        # A coarse candle that opened before the cut tells of a time that is not there any more.
        early = valid & (span > np.arange(1, last - first + 1)[:, None])
        if early.any():
            values = {name: np.where(early, np.nan, array) for name, array in values.items()}
            valid, span = valid & ~early, np.where(early, 1, span)
        return replace(
            self,
            symbols=tuple(self.symbols[i] for i in columns),
            instruments=tuple(self.instruments[i] for i in columns),
            start_ns=self.time_of(first),
            **values,
            valid=valid,
            span=span,
            funding=None if self.funding is None else cut(self.funding),
            mark=None if self.mark is None else cut(self.mark),
            extra={name: cut(array) for name, array in self.extra.items()},
            has_volume=self.has_volume[columns],
        )

    def _gaps_of(self, column: int) -> list[Gap]:
        first, last = (int(row) for row in self.listed_rows[column])
        missing = ~covered_rows(self.valid[:, column], self.span[:, column])[first:last]
        edges = np.flatnonzero(np.diff(missing.astype(np.int8))) + 1 + first
        return [
            Gap(
                self.symbols[column],
                self.time_of(int(begin)),
                self.time_of(int(stop)),
                int(stop - begin) // int(self.span[begin - 1, column]),
            )
            for begin, stop in zip(edges[::2], edges[1::2], strict=True)
        ]
