"""Place the candles of several symbols on one time grid.

Source: spec C4 (mixed granularity), C7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import CandleColumns, FloatArray, clean_columns, merge_tables
from seq_gym.times import format_interval, format_time

__all__ = ["VALUE_FIELDS", "Grid", "place_on_grid"]

VALUE_FIELDS = ("open", "high", "low", "close", "volume", "quote_volume")


class Grid(NamedTuple):
    """Candles of S symbols on T grid rows; every array is ``[T, S]`` float64, NaN = no candle."""

    symbols: tuple[str, ...]
    interval_ns: int
    start_ns: int
    values: dict[str, Any]
    """FloatArray by field name: open, high, low, close, volume, quote_volume."""
    extra: dict[str, FloatArray]
    has_volume: npt.NDArray[np.bool_]
    """bool ``[S]``: the source states volume."""
    valid: npt.NDArray[np.bool_]
    span: npt.NDArray[np.int32]


def place_on_grid(
    tables: Iterable[CandleColumns],
    *,
    interval_ns: int | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    are_clean: bool = False,
) -> Grid:
    """Put tables of several symbols and intervals on the grid of the finest of them.

    A coarse candle stands at the last grid row of its span. Where a symbol has a finer candle
    inside a coarse one, the coarse one is left out.

    Args:
        tables: Any number per symbol.
        interval_ns: The grid; None = the finest interval among the tables.
        start_ns: Candles that open before are left out; None = none are.
        end_ns: Candles that close after are left out; None = none are.
        are_clean: The tables are what `clean_columns` returns, or a store holds.

    Returns:
        The grid, from the first open time to the last close of what is left.

    Raises:
        MarketDataError: A table breaks a rule, its interval is no multiple of the grid's, or no
            candle is left.

    Source: C4.
    """
    clean = list(tables)
    if not are_clean:
        clean = [clean_columns(table, interval_ns=interval_ns) for table in clean]
    if not clean:
        raise MarketDataError("Candles must come from at least one table; was none.")
    grid_ns = interval_ns or min(_length(table) for table in clean)
    _refuse_odd_interval(clean, grid_ns)
    symbols = tuple(dict.fromkeys(table.symbol for table in clean))
    stated = {table.symbol for table in clean if table.has_volume}
    clean = _between(clean, start_ns, end_ns)
    start = min(int(table.time_ns[0]) for table in clean)
    end = max(int(table.time_ns[-1]) + _length(table) for table in clean)
    shape = ((end - start) // grid_ns, len(symbols))
    if len(clean) == 1 and shape[0] == len(clean[0].time_ns):
        return _without_gaps(clean[0], bool(stated))
    grid = Grid(
        symbols=symbols,
        interval_ns=grid_ns,
        start_ns=start,
        values={name: np.full(shape, np.nan) for name in VALUE_FIELDS},
        extra={name: np.full(shape, np.nan) for table in clean for name in table.extra},
        has_volume=np.array([symbol in stated for symbol in symbols]),
        valid=np.zeros(shape, dtype=np.bool_),
        span=np.ones(shape, dtype=np.int32),
    )
    for column, symbol in enumerate(symbols):
        _place_symbol(grid, column, [table for table in clean if table.symbol == symbol])
    return grid


def _without_gaps(table: CandleColumns, has_volume: bool) -> Grid:
    """Return the columns of one symbol without a gap as they are: nothing is to be placed."""
    shape = (len(table.time_ns), 1)
    columns = {name: values.reshape(shape) for name, values in table.values().items()}
    return Grid(
        symbols=(table.symbol,),
        interval_ns=_length(table),
        start_ns=int(table.time_ns[0]),
        values={name: columns[name] for name in VALUE_FIELDS},
        extra={name: columns[name] for name in table.extra},
        has_volume=np.array([has_volume]),
        valid=np.ones(shape, dtype=np.bool_),
        span=np.ones(shape, dtype=np.int32),
    )


def _between(
    tables: Sequence[CandleColumns], start_ns: int | None, end_ns: int | None
) -> list[CandleColumns]:
    """Leave out candles that do not lie between two instants, and tables without any left."""
    if start_ns is None and end_ns is None:
        return list(tables)
    kept = []
    for table in tables:
        first = 0 if start_ns is None else np.searchsorted(table.time_ns, start_ns)
        last_open = np.inf if end_ns is None else end_ns - _length(table)
        last = np.searchsorted(table.time_ns, last_open, side="right")
        if first < last:
            kept.append(table.take(np.arange(first, last)))
    if not kept:
        first_ns = min(int(table.time_ns[0]) for table in tables)
        last_ns = max(int(table.time_ns[-1]) + _length(table) for table in tables)
        raise MarketDataError(
            "Start and end must leave a candle of the data, "
            f"{format_time(first_ns)} to {format_time(last_ns)}; was "
            f"{'its start' if start_ns is None else format_time(start_ns)} to "
            f"{'its end' if end_ns is None else format_time(end_ns)}."
        )
    return kept


def _place_symbol(grid: Grid, column: int, tables: Sequence[CandleColumns]) -> None:
    for length in sorted({_length(table) for table in tables}):
        table = merge_tables([table for table in tables if _length(table) == length])
        span = length // grid.interval_ns
        rows = (table.time_ns - grid.start_ns) // grid.interval_ns + span - 1
        if grid.valid[:, column].any():
            covered = np.concatenate(([0], np.cumsum(_covered_rows(grid, column))))
            free = np.flatnonzero(covered[rows + 1] == covered[rows + 1 - span])
            table, rows = table.take(free), rows[free]
        where = _as_slice(rows)
        for name, target in (grid.values | grid.extra).items():
            source = table.values().get(name)
            if source is not None:
                target[where, column] = source
        grid.valid[where, column] = True
        grid.span[where, column] = span


def _as_slice(rows: npt.NDArray[np.int64]) -> slice | npt.NDArray[np.int64]:
    """Return ascending rows as a slice where none is left out: copying is then much faster."""
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _covered_rows(grid: Grid, column: int) -> npt.NDArray[np.bool_]:
    return covered_rows(grid.valid[:, column], grid.span[:, column])


def covered_rows(
    valid: npt.NDArray[np.bool_], span: npt.NDArray[np.int32]
) -> npt.NDArray[np.bool_]:
    """Tell which grid rows of one symbol lie inside a candle.

    Args:
        valid: bool ``[T]``, a candle stands here.
        span: int32 ``[T]``, grid rows it covers, this one last.

    Returns:
        bool ``[T]``.
    """
    edges = np.zeros(len(valid) + 1, dtype=np.int64)
    last = np.flatnonzero(valid)
    np.add.at(edges, last - span[last] + 1, 1)
    np.add.at(edges, last + 1, -1)
    return np.cumsum(edges[:-1]) > 0


def _length(table: CandleColumns) -> int:
    if table.interval_ns is None:  # clean_columns has stated it
        raise MarketDataError(f"{table.source}, {table.symbol}: the interval must be known.")
    return table.interval_ns


def _refuse_odd_interval(tables: Sequence[CandleColumns], grid_ns: int) -> None:
    for table in tables:
        length = _length(table)
        if length % grid_ns:
            raise MarketDataError(
                f"{table.source}, {table.symbol}: the interval of a table must be a multiple of "
                f"the grid's {format_interval(grid_ns)}; was {format_interval(length)}. "
                "Choose an interval that divides all of them."
            )
