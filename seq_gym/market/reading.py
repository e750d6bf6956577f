"""Read the tables of files, folders, frames, lists and mappings of these; find their symbols.

Source: spec C7, C8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import CandleColumns, join_chunks
from seq_gym.market.funding import FundingRates
from seq_gym.market.importers import (
    FoundTable,
    ReadOptions,
    open_frame,
    open_tables,
    read_funding_table,
)
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.sources import expand_paths, is_frame, is_path, symbol_in_name

__all__ = ["read_mark_candles", "read_rates", "read_tables"]


def read_tables(
    data: Any, wanted: Sequence[str] | None, options: ReadOptions
) -> Iterator[CandleColumns]:
    """Read every table of the data, each with its symbol.

    Args:
        data: A path, a folder, a frame, a list of these, or a mapping of symbols to these.
        wanted: Symbols asked for; they name the tables that state none.
        options: How to read the columns.

    Raises:
        ConfigError: A table has no symbol, or the data is of no kind that can be read.
        MarketDataError: A file cannot be read, or holds something else than candles.
    """
    if isinstance(data, Mapping):
        for name, part in data.items():
            for table in _read_parts(part, options, None):
                _refuse_other_symbol(str(name), table)
                yield replace(table, symbol=str(name))
        return
    parts = list(_read_parts(data, options, wanted))
    if not parts and wanted:
        raise MarketDataError(
            f"The data must hold candles of {', '.join(wanted)}; {data} has none."
        )
    nameless = sum(not table.symbol for table in parts)
    names = iter(wanted or ())
    if nameless and len(wanted or ()) != nameless:
        table = next(table for table in parts if not table.symbol)
        raise ConfigError(
            f"Candles must belong to a symbol; {table.source} states none. Say symbols="
            f"{'BTCUSDT' if nameless == 1 else ['BTCUSDT', '...']!r}, one for each of "
            f"{nameless}, or pass a mapping of symbols to data."
        )
    for table in parts:
        yield table if table.symbol else replace(table, symbol=next(names))


def read_mark_candles(data: Any, tz: str | None) -> list[CandleColumns]:
    """Read candles of mark prices from a path, a folder or a frame; symbol "" where none is stated.

    Raises:
        MarketDataError: A file cannot be read, or holds funding rates.
    """
    return list(_read_parts(data, ReadOptions(tz=tz, kind="mark"), None))


def read_rates(data: Any, tz: str | None) -> FundingRates:
    """Read the funding rates of one symbol from a path, a frame, or as they are."""
    if isinstance(data, FundingRates):
        return data
    options = ReadOptions(tz=tz, kind="funding")
    found = open_tables(data, options) if is_path(data) else [open_frame(data, options)]
    if len(found) > 1:
        raise MarketDataError(
            f"Funding must be one table; {found[0].path.name} holds {len(found)}."
        )
    return read_funding_table(found[0])


def _read_parts(
    data: Any, options: ReadOptions, wanted: Sequence[str] | None
) -> Iterator[CandleColumns]:
    """Read every file or frame: one table for each symbol that it holds."""
    many = isinstance(data, Sequence) and not is_path(data) and not is_frame(data)
    for part in data if many else [data]:
        if isinstance(part, CandleSeries):
            raise ConfigError("A CandleSeries must be passed alone; was one of several.")
        for item in expand_paths(part) if is_path(part) else [part]:
            if _is_unwanted(item, wanted, whole_folder=is_path(part) and Path(part).is_dir()):
                continue
            for found in _open(item, options):
                _refuse_other_kind(found, options)
                yield from _read_whole(found)


def _open(item: Any, options: ReadOptions) -> list[FoundTable]:
    return open_tables(item, options) if is_path(item) else [open_frame(item, options)]


def _read_whole(found: FoundTable) -> Iterator[CandleColumns]:
    """Read a table to its end, one for each symbol, with the custom features asked for."""
    by_symbol: dict[str, list[CandleColumns]] = {}
    for chunk in found.chunks():
        asked = {name: chunk.columns.extra[name] for name in found.options.extra}
        by_symbol.setdefault(chunk.columns.symbol, []).append(replace(chunk.columns, extra=asked))
    for chunks in by_symbol.values():
        yield join_chunks(chunks)


def _is_unwanted(item: Any, wanted: Sequence[str] | None, *, whole_folder: bool) -> bool:
    """Tell whether a file of a folder is, by its name, of a symbol that nobody asked for."""
    name = symbol_in_name(item) if whole_folder else None
    if name is None or wanted is None:
        return False
    return plain_symbol(name) not in {plain_symbol(symbol) for symbol in wanted}


def _refuse_other_kind(found: FoundTable, options: ReadOptions) -> None:
    if found.kind == (options.kind or "candles"):
        return
    advice = (
        "Pass it as funding={symbol: ...}."
        if found.kind == "funding"
        else "Pass the file of traded prices, or this one as mark={symbol: ...}."
    )
    raise MarketDataError(
        f"Candles must be traded prices; {found.name} holds a table of {found.kind} values. "
        f"{advice}"
    )


def _refuse_other_symbol(name: str, table: CandleColumns) -> None:
    if table.symbol and plain_symbol(table.symbol) != plain_symbol(name):
        raise MarketDataError(
            f"{table.source}: the data of {name} must be of that symbol; was of {table.symbol}."
        )
