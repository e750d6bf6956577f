"""Longer candles from the tables of shorter ones, or from the prints of books.

Source: spec C4, C7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import PRICE_NAMES, CandleColumns
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.place import Place
from seq_gym.market.store.reading import read_candles
from seq_gym.times import format_interval

__all__ = ["book_without_candles", "finer_tables", "resample_book", "resample_tables"]

_LEAD_CANDLES: Final = 10
"""Candles on either side that are made and left out: those before tell that the symbol had begun,
those after that the last one is whole."""


def finer_tables(keys: Sequence[TableKey], length_ns: int) -> list[TableKey]:
    """Return the tables whose candles are shorter, and add up to this length."""
    return [
        key
        for key in keys
        if key.interval_ns and key.interval_ns < length_ns and length_ns % key.interval_ns == 0
    ]


def resample_tables(
    place: Place,
    keys: Sequence[TableKey],
    grid_ns: int,
    start_ns: int | None = None,
    end_ns: int | None = None,
    extra: Sequence[str] | None = None,
) -> CandleColumns | None:
    """Resample the candles of finer tables of one symbol; only those between start and end.

    Returns:
        Whole candles of the grid's length; None where there is none.

    Source: C4, C7.
    """
    lead = _LEAD_CANDLES * grid_ns
    from_ns = None if start_ns is None else start_ns - lead
    to_ns = None if end_ns is None else end_ns + lead
    read = [read_candles(place, key, from_ns, to_ns, extra) for key in keys]
    tables = [columns for columns in read if columns is not None]
    if not tables:
        return None
    fine = CandleSeries.from_columns(tables)
    if fine.end_ns // grid_ns <= -(-fine.start_ns // grid_ns):
        return None
    columns = _columns_of(fine.resample(grid_ns))
    opens = columns.time_ns
    keep = np.ones(len(opens), dtype=np.bool_)
    if start_ns is not None:
        keep &= opens >= start_ns
    if end_ns is not None:
        keep &= opens + grid_ns <= end_ns
    return columns.take(np.flatnonzero(keep)) if keep.any() else None


def book_without_candles(
    keys: Sequence[TableKey], symbol: str, venue: str | None
) -> TableKey | None:
    """Return the book of a symbol of which there are no candles; None where there are, or no book.

    Raises:
        ConfigError: There are books of it at several venues.
    """
    plain = plain_symbol(symbol)
    named = [
        key
        for key in keys
        if plain_symbol(key.symbol) == plain
        and (venue is None or key.venue.lower() == venue.lower())
    ]
    books = [key for key in named if key.kind == "book"]
    if not books or any(key.kind == "candles" for key in named):
        return None
    if len(books) > 1:
        raise ConfigError(
            f"{symbol} must be taken from one venue; the store has it at "
            f"{', '.join(key.venue for key in books)}. Choose one with venue={books[0].venue!r}."
        )
    return books[0]


def resample_book(place: Place, key: TableKey, length_ns: int) -> CandleColumns:
    """Make candles from the prints of a book.

    Raises:
        MarketDataError: They fill no whole candle.
    """
    from seq_gym.market.book.candles import candles_of_prints
    from seq_gym.market.book.store import BookWindow, read_book

    book = read_book(place, key, BookWindow())
    columns = None if book is None else candles_of_prints(book, length_ns)
    if columns is None:
        raise MarketDataError(
            f"The {key} must have prints within a whole {format_interval(length_ns)}; it has not."
        )
    return columns


def _columns_of(series: CandleSeries) -> CandleColumns:
    """Return the candles of a series of one symbol as columns."""
    rows = np.flatnonzero(series.valid[:, 0])
    stated = bool(series.has_volume[0])
    values: dict[str, Any] = {name: getattr(series, name)[rows, 0] for name in PRICE_NAMES}
    if stated:
        values["volume"] = series.volume[rows, 0]
        values["quote_volume"] = series.quote_volume[rows, 0]
    return CandleColumns(
        symbol=series.symbols[0],
        time_ns=series.start_ns + rows * series.interval_ns,
        **values,
        extra={name: each[rows, 0] for name, each in series.extra.items()},
        interval_ns=series.interval_ns,
        source=f"{series.symbols[0]} {series.interval}",
        has_volume=stated,
    )
