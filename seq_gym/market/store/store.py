"""The store: candles, mark prices, funding rates, books, as Parquet in a folder or an S3 bucket.

Source: design.md, "The data store"; S0-18 to S0-20, S1-02, S1-59 to S1-62.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import CandleColumns
from seq_gym.market.findings import OnConflict
from seq_gym.market.funding import FundingRates
from seq_gym.market.store.catalog import candle_tables, table_keys
from seq_gym.market.store.importing import import_files
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.place import OnWait, open_place
from seq_gym.market.store.reader import StoreReader
from seq_gym.market.store.reports import ImportReport, OnProgress
from seq_gym.market.store.resampling import (
    book_without_candles,
    finer_tables,
    resample_book,
    resample_tables,
)
from seq_gym.market.store.writing import Writing, commit_funding, write_columns
from seq_gym.times import IntervalLike, format_interval, parse_interval

if TYPE_CHECKING:
    from seq_gym.market.book.events import BookEvents
    from seq_gym.market.book.store.importing import RecordingOptions
    from seq_gym.market.importers import ReadOptions
    from seq_gym.market.store.reports import SourceReport

__all__ = ["Store"]


class Store(StoreReader):
    """A store of market data. Open one with `Store.open`."""

    @classmethod
    def open(
        cls, where: str | os.PathLike[str] | None = None, *, venue: str | None = None
    ) -> Store:
        """Open a store; a folder that is not there yet is an empty one.

        Args:
            where: A folder, "s3://bucket/prefix", or None for what SIM_STORE ("local" or "s3"),
                SIM_STORE_PATH and SIM_S3_BUCKET say.
            venue: The venue that is read where none is asked for.

        Raises:
            UnknownName: SIM_STORE names no kind of store.
            ConfigError: The path is a file, or the bucket cannot be reached.

        Source: S0-18, S0-19, S0-20.
        """
        return cls(open_place(where), venue)

    # ------------------------------------------------------------------ writing

    def import_files(
        self,
        paths: str | Path | Iterable[str | Path],
        options: ReadOptions | None = None,
        *,
        on_conflict: OnConflict = "error",
        drop_bad: bool = False,
        now_ns: int | None = None,
        progress: OnProgress | None = None,
        on_wait: OnWait | None = None,
    ) -> list[ImportReport]:
        """Import files of candles, mark prices and funding rates; the format is found by content.

        Files of one symbol are one commit: all of them are visible at once, or none. Importing the
        same files again changes nothing.

        Args:
            paths: A file or folder, or several.
            options: What the files do not say themselves.
            on_conflict: Two different rows of one time, in the files or against the store:
                "error", "first" (keeps the stored one) or "last" (takes the new one).
            drop_bad: Leave out rows that break a rule; the report counts them.
            now_ns: The time now, in UNIX nanoseconds; None = the clock.
            progress: Is told where it stands.
            on_wait: Is told, in a sentence, that another import holds a table.

        Returns:
            What became of each table.

        Raises:
            MarketDataError: A file is at fault; the message names file and line. What it and the
                files of the same symbol bring is left out; symbols before it have been committed.
            ConfigError: Something must be said about a file; the message tells how.

        Source: C7.
        """
        from seq_gym.market.importers import ReadOptions
        from seq_gym.market.sources import expand_paths

        each = [paths] if isinstance(paths, str | Path) else list(paths)
        writing = Writing(
            interval_ns=None if options is None else options.interval_ns,
            on_conflict=on_conflict,
            drop_bad=drop_bad,
            now_ns=time.time_ns() if now_ns is None else now_ns,
            progress=progress,
            on_wait=on_wait,
        )
        files = [file for path in each for file in expand_paths(path)]
        return import_files(self.place, files, options or ReadOptions(), writing)

    def resample(
        self,
        symbol: str,
        to: IntervalLike,
        *,
        venue: str | None = None,
        interval: IntervalLike | None = None,
        on_conflict: OnConflict = "error",
        on_wait: OnWait | None = None,
    ) -> ImportReport:
        """Write a table of longer candles, made from the shorter ones of a symbol, or its prints.

        Where the store has a book of the symbol and no candles, the prints of the book are taken.

        Args:
            symbol: Symbol in any spelling.
            to: Length of the new candles.
            venue: Venue; None = the one that the symbol has.
            interval: Length of the shorter ones; None = all, the finest first.
            on_conflict: Where the store has such candles that differ: "error", "first", "last".
            on_wait: Is told, in a sentence, that another import holds the table.

        Raises:
            ConfigError: The store has no shorter candles that add up to these.
            MarketDataError: They fill no whole candle, or differ from what is stored.

        Source: C4, C7.
        """
        length = parse_interval(to)
        known, at = table_keys(self.place), venue or self.venue
        book = book_without_candles(known, symbol, at) if interval is None else None
        if book is not None:
            return self.write_candles(
                [resample_book(self.place, book, length)],
                venue=book.venue,
                interval=length,
                on_conflict=on_conflict,
                on_wait=on_wait,
            )[0]
        owned = candle_tables(self.place, known, [symbol], at)
        name, keys = next(iter(owned.items()))
        only = None if interval is None else parse_interval(interval)
        finer = [key for key in finer_tables(keys, length) if only in (None, key.interval_ns)]
        if not finer:
            raise ConfigError(
                f"{name} must have candles that add up to {format_interval(length)}; the store has "
                f"{', '.join(str(key.interval) for key in keys)}."
            )
        columns = resample_tables(self.place, finer, length)
        if columns is None:
            raise MarketDataError(
                f"{name} must have candles of a whole {format_interval(length)}; it has not."
            )
        source = f"resampled from {', '.join(str(key.interval) for key in finer)}"
        return self.write_candles(
            [replace(columns, source=source)],
            venue=finer[0].venue,
            interval=length,
            on_conflict=on_conflict,
            on_wait=on_wait,
        )[0]

    def write_candles(
        self,
        tables: Iterable[CandleColumns],
        *,
        venue: str,
        kind: Literal["candles", "mark"] = "candles",
        interval: IntervalLike | None = None,
        on_conflict: OnConflict = "error",
        drop_bad: bool = False,
        now_ns: int | None = None,
        progress: OnProgress | None = None,
        on_wait: OnWait | None = None,
    ) -> list[ImportReport]:
        """Write candles; those of one table are visible at once, or none of them.

        Args:
            tables: Chunks in any order, of any number of rows in all: memory stays bounded. Each
                names its symbol; those of one symbol and source belong together.
            venue: Where they are traded.
            kind: Candles of trades, or of the mark price, which have no volume (M5).
            interval: Length of a candle; None = what each table states, else the mode of the
                differences of its open times (C7).
            on_conflict: Two different candles of one time, in the tables or against the store:
                "error", "first" (keeps the stored one) or "last" (takes the new one).
            drop_bad: Leave out rows that break a rule; the report counts them.
            now_ns: The time now: a last candle that closes later is unfinished and left out, and
                rows of a later day break a rule; None = not looked at.
            progress: Is told where it stands.
            on_wait: Is told, in a sentence, that another import holds a table.

        Returns:
            What became of each table. Writing the same again changes no file.

        Raises:
            MarketDataError: A row breaks a rule, or two disagree; the store stays as it was.

        Source: C7.
        """
        writing = Writing(
            interval_ns=None if interval is None else parse_interval(interval),
            on_conflict=on_conflict,
            drop_bad=drop_bad,
            now_ns=now_ns,
            progress=progress,
            on_wait=on_wait,
        )
        return write_columns(self.place, kind, tables, venue, writing)

    def write_funding(
        self,
        symbol: str,
        rates: FundingRates,
        *,
        venue: str,
        on_conflict: OnConflict = "error",
        on_wait: OnWait | None = None,
    ) -> ImportReport:
        """Write the funding rates of one symbol.

        Raises:
            MarketDataError: A rate is not finite, or one stamp has two; the store stays as it was.

        Source: C7, M5.
        """
        key = TableKey(kind="funding", symbol=symbol, venue=venue)
        return commit_funding(
            self.place, key, [rates], Writing(on_conflict=on_conflict, on_wait=on_wait)
        )

    def import_books(
        self,
        paths: str | Path | Iterable[str | Path],
        options: RecordingOptions | None = None,
        *,
        on_wait: OnWait | None = None,
    ) -> list[ImportReport]:
        """Import recordings of order books and prints; the format is found by content.

        Every file is read before the first book is stored. Importing the same files again changes
        nothing.

        Args:
            paths: A file, or several; those of one format are one recorder's.
            options: What the files do not say themselves.
            on_wait: Is told, in a sentence, that another import holds a book.

        Returns:
            What became of each book.

        Raises:
            MarketDataError: A file is at fault, its clock is behind (B1), or its instrument is not
                that of the stored recordings.
            ConfigError: Something must be said about a file; the message tells how.

        Source: S0-14, B1.
        """
        from seq_gym.market.book.store.importing import RecordingOptions, import_recordings

        each = [paths] if isinstance(paths, str | Path) else list(paths)
        wanted = options or RecordingOptions()
        return import_recordings(self.place, [Path(path) for path in each], wanted, on_wait)

    def write_book(
        self,
        events: BookEvents,
        *,
        source: str = "book",
        report: SourceReport | None = None,
        on_wait: OnWait | None = None,
    ) -> ImportReport:
        """Add a recording to the book of its venue and symbol.

        The same recording again changes nothing; with its clock shifted otherwise it takes the
        place of the earlier one.

        Raises:
            MarketDataError: Its instrument is not that of the stored recordings.
        """
        from seq_gym.market.book.store.importing import store_book

        return store_book(self.place, events, source=source, report=report, on_wait=on_wait)
