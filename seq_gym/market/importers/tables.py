"""What an importer is asked for and what it hands out: options, tables found, chunks of rows.

Source: spec C7, C8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import polars as pl

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.columns import CandleColumns, IntArray
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.stamps import Stamps, refuse_unknown_zone

__all__ = [
    "COLUMN_NAMES",
    "MAX_CHUNK_ROWS",
    "BadRow",
    "Batch",
    "Chunk",
    "Layout",
    "ReadOptions",
    "TableKind",
    "number_rows",
]

TableKind: TypeAlias = Literal["candles", "funding", "mark"]

MAX_CHUNK_ROWS: Final = 1_000_000
"""Rows of a chunk, at most: what a reader holds in memory does not grow with its file."""

COLUMN_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "time": (
        *("open_time", "ts", "timestamp", "unix", "time", "datetime", "date", "start"),
        *("open_timestamp", "timestamp_ms", "unix_timestamp", "date_time", "calc_time"),
        *("funding_time", "funding_rate_timestamp", "t"),
    ),
    "open": ("open", "open_price", "o"),
    "high": ("high", "high_price", "h"),
    "low": ("low", "low_price", "l"),
    "close": ("close", "close_price", "c"),
    "volume": ("volume", "vol", "base_volume", "v"),
    "quote_volume": ("quote_volume", "quote_asset_volume"),
    "symbol": ("symbol", "ticker", "pair"),
    "trades": ("trades", "count", "number_of_trades", "tradecount", "trade_count", "num_trades"),
    "rate": ("funding_rate", "last_funding_rate", "rate"),
}
"""Usual names of a column, by ours; case, blanks and underscores do not matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read a file where it does not say it itself.

    Raises:
        UnknownName: A key of `columns` is no column of candles.
        ConfigError: An option does not say what it must.
    """

    symbol: str | None = None
    """Symbol of a table that states none; where it states one, they must agree."""
    venue: str | None = None
    """Venue; None = what the file's format or name tells."""
    interval_ns: int | None = None
    """Length of a candle, nanoseconds; None = the mode of the differences of the open times."""
    tz: str | None = None
    """Zone of times that state none; None = UTC for datetimes, refused for text."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of the file by our name; "column 0" is the first of a file without names."""
    extra: Sequence[str] = ()
    """Columns of the file to keep as custom features, known at the candle's close."""
    kind: TableKind | None = None
    """What the table holds; None = found by its columns, its values and its name."""
    drop_bad: bool = False
    """Leave out rows that cannot be read, and report them, instead of refusing the file."""

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in COLUMN_NAMES:
                raise UnknownName("candle column", name, COLUMN_NAMES)
        if self.kind is not None and self.kind not in get_args(TableKind):
            raise UnknownName("kind of table", self.kind, get_args(TableKind))
        if self.interval_ns is not None and self.interval_ns <= 0:
            raise ConfigError(f"interval_ns must be > 0; was {self.interval_ns}.")
        if self.symbol is not None and not plain_symbol(self.symbol):
            raise ConfigError(f"A symbol must have a name; was {self.symbol!r}.")
        if self.tz is not None:
            refuse_unknown_zone(self.tz)


class BadRow(NamedTuple):
    """A row that was left out, and why."""

    where: str
    """File, and line or row."""
    reason: str
    """The rule, and what was there instead."""


class Chunk(NamedTuple):
    """Rows of one symbol, as stated, not yet judged."""

    columns: CandleColumns
    """In the order of the source; symbol "" where none is stated."""
    bytes_read: int
    """Of the table so far, on the scale of `FoundTable.num_bytes`."""
    notes: Mapping[str, int]
    """Facts counted in this chunk, such as {"epoch unit ms": 744}."""
    bad_rows: Sequence[BadRow] = ()
    """Rows left out because they cannot be read; the first ones only."""
    num_bad: int = 0
    """How many were left out."""


class Batch(NamedTuple):
    """Some rows of a table before their values are read: columns under the file's own names."""

    rows: pl.DataFrame
    row_numbers: IntArray
    """Line, or row, of each."""
    bytes_read: int
    notes: Mapping[str, int]
    bad_rows: Sequence[BadRow] = ()
    num_bad: int = 0


ReadStamps: TypeAlias = Callable[[pl.Series], Stamps]
Finish: TypeAlias = Callable[[CandleColumns], tuple[CandleColumns, Mapping[str, int]]]
"""Puts right what a format has wrong in its rows, and counts what it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a family of files knows of a table: its format, and where our columns are."""

    format: str
    """Name of the family, as reports tell it."""
    columns: Mapping[str, str]
    """Column of the table by our name."""
    kind: TableKind = "candles"
    symbol: str | None = None
    """Symbol of the whole table, where its name or its heading tells it."""
    venue: str | None = None
    tz: str | None = None
    """Zone of times that state none, from the options or because the format documents it."""
    read_stamps: ReadStamps | None = None
    """Reader of the times, where the format has its own; None = `stamps.read_stamps`."""
    time_form: str = ""
    """What such a time must be, for messages."""
    finish: Callable[[], Finish] | None = None
    """Makes the last step of one pass over the rows; it may remember what it saw."""
    notes: Sequence[str] = ()
    """Facts of all rows, counted as such in the report."""


def number_rows(first: int, count: int) -> IntArray:
    """Return int64 ``[count]`` consecutive row numbers."""
    return np.arange(first, first + count, dtype=np.int64)
