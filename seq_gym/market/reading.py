"""Read the tables of files, folders, frames, lists and mappings of these; find their symbols.

Source: spec C7, C8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import CandleColumns
from seq_gym.market.funding import FundingRates
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.schema import Reading, read_candles, read_funding
from seq_gym.market.sources import (
    Source,
    expand_paths,
    is_frame,
    is_path,
    open_source,
    symbol_in_name,
)

__all__ = ["read_rates", "read_tables"]

_NOT_CANDLES: Final = re.compile(r"(?:^|[^a-z])(funding|mark)(?:[^a-z]|$)")


def read_tables(
    data: Any, wanted: Sequence[str] | None, reading: Reading
) -> Iterator[CandleColumns]:
    """Read every table of the data, each with its symbol.

    Args:
        data: A path, a folder, a frame, a list of these, or a mapping of symbols to these.
        wanted: Symbols asked for; they name the tables that state none.
        reading: How to read the columns.

    Raises:
        ConfigError: A table has no symbol, or the data is of no kind that can be read.
        MarketDataError: A file cannot be read, or holds something else than candles.
    """
    if isinstance(data, Mapping):
        for name, part in data.items():
            for stated, table in _read_parts(part, reading, None):
                _refuse_other_symbol(str(name), stated, table)
                yield replace(table, symbol=str(name))
        return
    parts = list(_read_parts(data, reading, wanted))
    if not parts and wanted:
        raise MarketDataError(
            f"The data must hold candles of {', '.join(wanted)}; {data} has none."
        )
    nameless = sum(stated is None for stated, _ in parts)
    names = iter(wanted or ())
    if nameless and len(wanted or ()) != nameless:
        table = next(table for stated, table in parts if stated is None)
        raise ConfigError(
            f"Candles must belong to a symbol; {table.source} states none. Say symbols="
            f"{'BTCUSDT' if nameless == 1 else ['BTCUSDT', '...']!r}, one for each of "
            f"{nameless}, or pass a mapping of symbols to data."
        )
    for stated, table in parts:
        yield replace(table, symbol=stated or next(names))


def _read_parts(
    data: Any, reading: Reading, wanted: Sequence[str] | None
) -> Iterator[tuple[str | None, CandleColumns]]:
    """Read every file or frame; each table comes with the symbol that it states, if any."""
    many = isinstance(data, Sequence) and not is_path(data) and not is_frame(data)
    for part in data if many else [data]:
        if isinstance(part, CandleSeries):
            raise ConfigError("A CandleSeries must be passed alone; was one of several.")
        for item in expand_paths(part) if is_path(part) else [part]:
            if _is_unwanted(item, wanted, whole_folder=is_path(part) and Path(part).is_dir()):
                continue
            source = open_source(item)
            _refuse_other_tables(source)
            for stated, table in read_candles(source, reading):
                yield stated or source.symbol, table


def _is_unwanted(item: Any, wanted: Sequence[str] | None, *, whole_folder: bool) -> bool:
    """Tell whether a file of a folder is, by its name, of a symbol that nobody asked for."""
    name = symbol_in_name(item) if whole_folder else None
    if name is None or wanted is None:
        return False
    return plain_symbol(name) not in {plain_symbol(symbol) for symbol in wanted}


def _refuse_other_tables(source: Source) -> None:
    other = _NOT_CANDLES.search(source.name.lower())
    if other is None:
        return
    advice = (
        "Pass it as funding={symbol: ...}."
        if other[1] == "funding"
        else "Pass the file of traded prices."
    )
    raise MarketDataError(
        f"Candles must be traded prices; {source.name} holds a table of {other[1]} values. {advice}"
    )


def _refuse_other_symbol(name: str, stated: str | None, table: CandleColumns) -> None:
    if stated is not None and plain_symbol(stated) != plain_symbol(name):
        raise MarketDataError(
            f"{table.source}: the data of {name} must be of that symbol; was of {stated}."
        )


def read_rates(data: Any, tz: str | None) -> FundingRates:
    """Read the funding rates of one symbol from a path, a frame, or as they are."""
    if isinstance(data, FundingRates):
        return data
    return read_funding(open_source(data), tz)
