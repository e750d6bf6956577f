"""Put the tables of a store together as a CandleSeries: the grid, coarser data, funding, marks.

Source: spec C4, C8, M5.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import CandleColumns, FloatArray, clean_columns
from seq_gym.market.funding import funding_per_row
from seq_gym.market.grid import Grid, place_on_grid
from seq_gym.market.instruments import Instrument
from seq_gym.market.mark import mark_per_row
from seq_gym.market.store.catalog import candle_tables, other_tables, table_keys
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.manifest import Manifest
from seq_gym.market.store.place import Place
from seq_gym.market.store.reading import read_candles, read_funding, read_marks
from seq_gym.market.store.resampling import finer_tables, resample_tables
from seq_gym.market.store.table import read_manifest
from seq_gym.times import format_interval, format_time

__all__ = ["Wanted", "load_series"]

_BYTES_PER_CELL: Final = 64
"""Memory of a candle on the grid: six values, validity, span, and what is derived from them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be loaded."""

    symbols: Sequence[str] | None = None
    """Symbols in any spelling, in their order; None = all."""
    venue: str | None = None
    """Venue; None = the one that each symbol has."""
    interval_ns: int | None = None
    """The grid; None = the finest interval of the symbols."""
    start_ns: int | None = None
    """Candles that open before are left out."""
    end_ns: int | None = None
    """Candles that close after are left out."""
    extra: Sequence[str] | None = None
    """Custom columns; None = all that were imported."""


def load_series(place: Place, wanted: Wanted, *, funding: bool, mark: bool) -> CandleSeries:
    """Load candles, with the funding rates and mark prices of their symbols and venues.

    Raises:
        MarketDataError: The store has no candles there.
        UnknownName: It has no such symbol, venue or column.
        ConfigError: A symbol fits several or is at several venues; the interval fits none; or the
            grid would not fit in memory.

    Source: C4, C8, M5.
    """
    keys = table_keys(place)
    tables = candle_tables(place, keys, wanted.symbols, wanted.venue)
    manifests = _manifests(place, tables, wanted)
    grid_ns = _grid(list(manifests), wanted.interval_ns)
    _refuse_too_large(manifests, len(tables), grid_ns, wanted)
    columns: list[CandleColumns] = []
    for symbol, owned in tables.items():
        held = [key for key in owned if key in manifests]
        columns += _of_symbol(place, held, manifests, grid_ns, wanted)
        if not any(each.symbol == symbol for each in columns) and wanted.symbols is not None:
            raise _nothing(symbol, owned, place, wanted)
    grid = place_on_grid(
        columns,
        interval_ns=grid_ns,
        start_ns=wanted.start_ns,
        end_ns=wanted.end_ns,
        are_clean=True,
    )
    for array in (*grid.values.values(), *grid.extra.values(), grid.valid, grid.span):
        array.flags.writeable = False  # nobody else holds them: the series need not copy
    owners = [tables[symbol][0] for symbol in grid.symbols]
    # Made at once: every copy of a series is checked again.
    return CandleSeries(
        symbols=grid.symbols,
        instruments=tuple(Instrument.of(key.symbol, venue=key.venue) for key in owners),
        interval_ns=grid.interval_ns,
        start_ns=grid.start_ns,
        **grid.values,
        valid=grid.valid,
        span=grid.span,
        extra=grid.extra,
        has_volume=grid.has_volume,
        funding=_funding(place, grid, keys, owners) if funding else None,
        mark=_mark(place, grid, keys, owners) if mark else None,
    )


def _manifests(
    place: Place, tables: dict[str, list[TableKey]], wanted: Wanted
) -> dict[TableKey, Manifest]:
    """Read the manifests of the tables that hold candles between start and end."""
    every = {key: read_manifest(place, key) for owned in tables.values() for key in owned}
    held = {key: manifest for key, manifest in every.items() if manifest is not None}
    _refuse_unknown_columns(held, wanted.extra)
    found = {
        key: manifest
        for key, manifest in held.items()
        if (wanted.start_ns is None or manifest.last_ns >= wanted.start_ns)
        and (wanted.end_ns is None or manifest.first_ns < wanted.end_ns)
    }
    if not found:
        first = min(manifest.first_ns for manifest in held.values())
        last = max(manifest.end_ns for manifest in held.values())
        raise MarketDataError(
            f"Start and end must leave a candle of the store, {format_time(first)} to "
            f"{format_time(last)}; was {_span(wanted)}."
        )
    return found


def _refuse_unknown_columns(held: dict[TableKey, Manifest], extra: Sequence[str] | None) -> None:
    known = sorted({name for manifest in held.values() for name in manifest.extra} | {"trades"})
    for name in extra or ():
        if name not in known:
            raise UnknownName("column", name, known, "in the store")


def _grid(keys: Sequence[TableKey], wanted_ns: int | None) -> int:
    lengths = sorted({key.interval_ns or 0 for key in keys})
    if wanted_ns is None:
        return lengths[0]
    if not any(wanted_ns % each == 0 or each % wanted_ns == 0 for each in lengths):
        stored = ", ".join(map(format_interval, lengths))
        raise ConfigError(
            f"interval must fit the candles of the store, {stored}; was "
            f"{format_interval(wanted_ns)}."
        )
    return wanted_ns


def _refuse_too_large(
    manifests: dict[TableKey, Manifest], num_symbols: int, grid_ns: int, wanted: Wanted
) -> None:
    first = min(manifest.first_ns for manifest in manifests.values())
    last = max(manifest.end_ns for manifest in manifests.values())
    first = first if wanted.start_ns is None else max(first, wanted.start_ns)
    last = last if wanted.end_ns is None else min(last, wanted.end_ns)
    num_bytes = (last - first) // grid_ns * num_symbols * _BYTES_PER_CELL
    if num_bytes > _memory():
        raise ConfigError(
            f"What is loaded must fit in memory; {num_symbols} symbols from {format_time(first)} "
            f"to {format_time(last)} at {format_interval(grid_ns)} need {num_bytes / 2**30:.0f} "
            "GiB. Likely fix: name symbols, start and end, or a coarser interval."
        )


def _memory() -> float:
    """Return the machine's memory in bytes; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return float("inf")


def _of_symbol(
    place: Place,
    keys: Sequence[TableKey],
    manifests: dict[TableKey, Manifest],
    grid_ns: int,
    wanted: Wanted,
) -> list[CandleColumns]:
    """Read one symbol's candles of the grid's length and longer, and those that add up to it."""
    found = [
        read_candles(place, key, wanted.start_ns, wanted.end_ns, wanted.extra)
        for key in keys
        if (key.interval_ns or 0) % grid_ns == 0
    ]
    finer = finer_tables(keys, grid_ns)
    if finer:
        stored = next((manifests[key] for key in keys if key.interval_ns == grid_ns), None)
        for first_ns, last_ns in _outside(stored, wanted):
            made = resample_tables(place, finer, grid_ns, first_ns, last_ns, wanted.extra)
            found.append(None if made is None else clean_columns(made))
    return [columns for columns in found if columns is not None]


def _outside(stored: Manifest | None, wanted: Wanted) -> list[tuple[int | None, int | None]]:
    """Return the stretches that no stored candles of the grid's length cover."""
    if stored is None:
        return [(wanted.start_ns, wanted.end_ns)]
    stretches: list[tuple[int | None, int | None]] = []
    if wanted.start_ns is None or wanted.start_ns < stored.first_ns:
        stretches.append((wanted.start_ns, stored.first_ns))
    if wanted.end_ns is None or wanted.end_ns > stored.end_ns:
        stretches.append((stored.end_ns, wanted.end_ns))
    return stretches


def _funding(
    place: Place, grid: Grid, keys: Sequence[TableKey], owners: Sequence[TableKey]
) -> FloatArray | None:
    """Return the sums of the funding rates per row; None where no symbol has any."""
    count = len(grid.valid)
    end_ns = grid.start_ns + count * grid.interval_ns
    per_row = np.zeros(grid.valid.shape)
    found = False
    for column, owner in enumerate(owners):
        for key in other_tables(keys, "funding", owner)[:1]:
            # A stamp on the border belongs to the row that closes there (M5).
            rates = read_funding(place, key, grid.start_ns + 1, end_ns + 1)
            if rates is not None:
                per_row[:, column] = funding_per_row(rates, grid.start_ns, grid.interval_ns, count)
                found = True
    return per_row if found else None


def _mark(
    place: Place, grid: Grid, keys: Sequence[TableKey], owners: Sequence[TableKey]
) -> FloatArray | None:
    """Return the mark prices that become known in each row; None where no symbol has any."""
    count = len(grid.valid)
    end_ns = grid.start_ns + count * grid.interval_ns
    per_row = np.full(grid.valid.shape, np.nan)
    found = False
    for column, owner in enumerate(owners):
        for key in other_tables(keys, "mark", owner)[:1]:
            # Known at its close: one that opens before the first row may be the first to be known.
            first_ns = grid.start_ns - (key.interval_ns or 0) + 1
            marks = read_marks(place, key, first_ns, end_ns)
            if marks is not None:
                per_row[:, column] = mark_per_row(marks, grid.start_ns, grid.interval_ns, count)
                found = True
    return per_row if found else None


def _nothing(
    symbol: str, keys: Sequence[TableKey], place: Place, wanted: Wanted
) -> MarketDataError:
    manifests = [read_manifest(place, key) for key in keys]
    spans = [
        f"{key.interval} {format_time(manifest.first_ns)} to {format_time(manifest.end_ns)}"
        for key, manifest in zip(keys, manifests, strict=True)
        if manifest is not None
    ]
    return MarketDataError(
        f"{symbol} must have candles from {_span(wanted)}; the store has {', '.join(spans)}."
    )


def _span(wanted: Wanted) -> str:
    first = "its start" if wanted.start_ns is None else format_time(wanted.start_ns)
    last = "its end" if wanted.end_ns is None else format_time(wanted.end_ns)
    return f"{first} to {last}"
