"""Open a file: find out what it holds and who reads it.

Source: spec C7, C8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import CandleColumns
from seq_gym.market.funding import FundingRates
from seq_gym.market.importers import (
    binance,
    cryptodatadownload,
    generic,
    kraken,
    lean,
    positions,
)
from seq_gym.market.importers.arrow import read_arrow, sample_arrow, values_of
from seq_gym.market.importers.containers import Content, Part, content_of, parts_of
from seq_gym.market.importers.convert import Converter
from seq_gym.market.importers.json_rows import read_json, sample_json
from seq_gym.market.importers.rates import read_rates
from seq_gym.market.importers.rest import recognise_json
from seq_gym.market.importers.sheets import Sheet, read_sheet
from seq_gym.market.importers.tables import (
    Batch,
    Chunk,
    Layout,
    ReadOptions,
    TableKind,
    number_rows,
)
from seq_gym.market.importers.text import read_text
from seq_gym.market.sources import frame_of

__all__ = [
    "TEXT_FAMILIES",
    "FoundTable",
    "open_frame",
    "open_tables",
    "read_funding_table",
    "required_symbol",
]

TEXT_FAMILIES: Final[Sequence[Callable[[Sheet, ReadOptions], Layout | None]]] = (
    lean.recognise,
    binance.recognise,
    cryptodatadownload.recognise,
    kraken.recognise,
    positions.recognise,
    generic.recognise,
)
"""Who reads a text table: the first that recognises it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """One table of a file; reading it again gives the same rows."""

    path: Path
    """File, or the kind of frame."""
    member: str | None
    """Member of a zip; None = the file itself."""
    layout: Layout
    options: ReadOptions
    num_bytes: int
    """Size, on the scale of `Chunk.bytes_read`."""
    row_word: str
    """What a row number counts: "line" in text."""
    batches: Callable[[], Iterator[Batch]]

    @property
    def name(self) -> str:
        """File name, with the member of an archive."""
        return self.path.name if self.member is None else f"{self.path.name}:{self.member}"

    @property
    def format(self) -> str:
        """Family of the file, such as "binance_klines"."""
        return self.layout.format

    @property
    def kind(self) -> TableKind:
        """What the table holds."""
        return self.layout.kind

    @property
    def symbol(self) -> str | None:
        """Symbol of the whole table, asked for or from its name; rows may state their own."""
        return self.options.symbol or self.layout.symbol

    @property
    def venue(self) -> str | None:
        """Venue, asked for or from the format or the name."""
        return self.options.venue or self.layout.venue

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows, at most a million at a time, in the order of the source.

        Yields:
            Candles as stated, one symbol a chunk; a batch of several symbols gives several.

        Raises:
            MarketDataError: A row cannot be read; the message names file and line.
        """
        if self.kind == "funding":
            raise MarketDataError(
                f"Candles must be traded prices; {self.name} holds a table of funding values. "
                "Pass it as funding={symbol: ...}, or import it into the store as what it is."
            )
        converter = Converter(self.layout, self.options, self.name, self.row_word)
        for batch in self.batches():
            for part in converter.read(batch):
                yield Chunk(part.columns, batch.bytes_read, part.notes, part.bad_rows, part.num_bad)


def open_tables(path: str | Path, options: ReadOptions | None = None) -> list[FoundTable]:
    """Open a file by its content, reading no more than its beginning.

    Args:
        path: CSV, JSON, Parquet, Feather or Arrow; CSV and JSON also in gzip or zip.
        options: What the file does not say itself.

    Returns:
        Its tables: one, or one for each member of a zip.

    Raises:
        MarketDataError: The file is of no kind that is read; the message tells the fault.
        ConfigError: Something must be said about it; the message tells how.

    Source: C7.
    """
    options = options or ReadOptions()
    return [_open_part(part, options) for part in parts_of(Path(path))]


def open_frame(data: Any, options: ReadOptions | None = None) -> FoundTable:
    """Open a frame of polars, pandas or Arrow as a table.

    Raises:
        ConfigError: The data is no frame.
        MarketDataError: A column is missing.
    """
    options = options or ReadOptions()
    rows, name = frame_of(data)
    names = rows.collect_schema().names()
    layout = generic.layout_of("frame", names, {}, options, Path(name), None)
    wanted = _wanted(layout, options)

    def batches() -> Iterator[Batch]:
        frame = rows.select(wanted).collect()
        yield Batch(frame, number_rows(0, len(frame)), len(frame), {})

    return FoundTable(
        path=Path(name),
        member=None,
        layout=layout,
        options=options,
        num_bytes=0,
        row_word="row",
        batches=batches,
    )


def read_funding_table(found: FoundTable) -> FundingRates:
    """Read the stamps and rates of a table of funding.

    Raises:
        MarketDataError: A stamp or a rate cannot be read.

    Source: M5, C7.
    """
    return read_rates(found.layout, found.options, found.name, found.row_word, found.batches())


def required_symbol(found: FoundTable, columns: CandleColumns | None = None) -> str:
    """Return the symbol of rows, which somebody must have stated.

    Raises:
        ConfigError: Nobody has; the message tells how to.
    """
    symbol = (columns.symbol if columns is not None else "") or found.symbol
    if not symbol:
        raise ConfigError(
            f"Candles must belong to a symbol; {found.name} states none. Say symbol='BTCUSDT' "
            "(--symbol BTCUSDT)."
        )
    return symbol


def _open_part(part: Part, options: ReadOptions) -> FoundTable:
    content = content_of(part)
    if content in ("text", "json"):
        layout, batches, word = (_open_text if content == "text" else _open_json)(part, options)
    else:
        layout, batches, word = _open_arrow(part, content, options)
    return FoundTable(
        path=part.path,
        member=part.member,
        layout=layout,
        options=options,
        num_bytes=part.num_bytes,
        row_word=word,
        batches=batches,
    )


def _open_text(
    part: Part, options: ReadOptions
) -> tuple[Layout, Callable[[], Iterator[Batch]], str]:
    sheet = read_sheet(part)
    recognised = (family(sheet, options) for family in TEXT_FAMILIES)
    layout = next(layout for layout in recognised if layout is not None)
    _refuse_other_order(part, layout, options, sheet)
    return layout, lambda: read_text(part, sheet, layout, options), "line"


def _open_json(
    part: Part, options: ReadOptions
) -> tuple[Layout, Callable[[], Iterator[Batch]], str]:
    sample = sample_json(part)
    layout = recognise_json(part, sample, options)
    wanted = _wanted(layout, options)
    return layout, lambda: read_json(part, sample, wanted, layout.columns["time"]), "row"


def _open_arrow(
    part: Part, content: Content, options: ReadOptions
) -> tuple[Layout, Callable[[], Iterator[Batch]], str]:
    if part.path.suffix == ".gz" or part.member is not None:
        raise MarketDataError(
            f"{part.name} cannot be read: {content} must not be packed. Unpack it."
        )
    sample = sample_arrow(part, content)
    form = "parquet" if content == "parquet" else "feather"
    layout = generic.layout_of(
        form, sample.names, values_of(sample), options, part.path, part.member
    )
    wanted = _wanted(layout, options)
    return layout, lambda: read_arrow(part, content, wanted), "row"


def _wanted(layout: Layout, options: ReadOptions) -> list[str]:
    return list(dict.fromkeys([*layout.columns.values(), *options.extra]))


def _refuse_other_order(part: Part, layout: Layout, options: ReadOptions, sheet: Sheet) -> None:
    """Suggest the fix for names that say one order of prices where the values have another."""
    prices = ("open", "high", "low", "close")
    if layout.kind == "funding" or options.columns or layout.format == "bitfinex":
        return
    names = [layout.columns[name] for name in prices]
    try:
        values = [sheet.numbers(list(sheet.names).index(name)) for name in names]
    except ValueError:
        return
    table = np.asarray(values).T
    if np.isfinite(table).all():
        positions.refuse_other_order(part.name, table, names)
