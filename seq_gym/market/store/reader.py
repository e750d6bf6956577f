"""The reading half of a store: load, and say what is there.

Source: design.md, "The data store"; S1-02, S1-03, S1-59 to S1-62.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from seq_gym.errors import UnknownName
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import IntArray
from seq_gym.market.funding import FundingRates
from seq_gym.market.instruments import find_symbol
from seq_gym.market.store.catalog import book_tables, candle_tables, no_candles, table_keys
from seq_gym.market.store.faults import Fault
from seq_gym.market.store.layout import Kind, TableKey
from seq_gym.market.store.loading import Wanted, load_series
from seq_gym.market.store.manifest import Manifest
from seq_gym.market.store.place import Place
from seq_gym.market.store.ranges import (
    Coverage,
    DataRange,
    TableInfo,
    cover_table,
    data_range,
    describe,
)
from seq_gym.market.store.reading import read_funding, read_rows
from seq_gym.market.store.table import read_manifest
from seq_gym.market.store.verifying import verify_table
from seq_gym.times import IntervalLike, TimeLike, parse_interval, parse_time

if TYPE_CHECKING:
    from seq_gym.market.book.events import BookData
    from seq_gym.market.book.store import BookCoverage
    from seq_gym.market.book.store.manifest import BookManifest

__all__ = ["StoreReader"]


class StoreReader:
    """What can be read of a store; `Store` writes too.

    Attributes:
        place: The folder or bucket it lies in.
        venue: The venue that is read where none is asked for; None = the one a symbol has.
    """

    def __init__(self, place: Place, venue: str | None = None) -> None:
        self.place = place
        self.venue = venue

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place.name!r})"

    # ------------------------------------------------------------------ reading

    def load(
        self,
        *,
        symbols: str | Sequence[str] | None = None,
        venue: str | None = None,
        interval: IntervalLike | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        extra: Sequence[str] | None = None,
        funding: bool = True,
        mark: bool = True,
    ) -> CandleSeries:
        """Load candles into contiguous arrays; files that hold nothing wanted are not touched.

        Args:
            symbols: Symbols in any spelling (C8), in their order; None = all.
            venue: Venue; None = the one that each symbol has.
            interval: The grid; None = the finest interval of the symbols. Where the store has
                candles of that length they are taken, before and after them finer ones are
                resampled, and coarser ones are carried where no others are (C4).
            start: Candles that open before are left out.
            end: Candles that close after are left out; a date includes that day.
            extra: Custom columns wanted, and "trades"; None = the custom ones.
            funding: Attach the funding rates of the symbol's venue, where the store has them.
            mark: Attach its mark prices likewise.

        Raises:
            MarketDataError: The store has no candles there.
            UnknownName: It has no such symbol, venue or column.
            ConfigError: A symbol fits several or is at several venues; the interval fits none; or
                it would not fit in memory.

        Source: C4, C8, M5, S1-59 to S1-62.
        """
        wanted = Wanted(
            symbols=[symbols] if isinstance(symbols, str) else symbols,
            venue=venue or self.venue,
            interval_ns=None if interval is None else parse_interval(interval),
            start_ns=None if start is None else parse_time(start),
            end_ns=None if end is None else parse_time(end, end=True),
            extra=extra,
        )
        return load_series(self.place, wanted, funding=funding, mark=mark)

    def load_book(
        self,
        *,
        symbols: str | Sequence[str] | None = None,
        venues: str | Sequence[str] | None = None,
        start: TimeLike | None = None,
        end: TimeLike | None = None,
        scan_buffer_secs: float = 3600.0,
        dedup: bool = True,
    ) -> BookData:
        """Load recorded books, each with all of its recordings as one.

        Args:
            symbols: Symbols in any spelling (C8), in their order; None = all.
            venues: Venues, in their order; None = all that a symbol has.
            start: First instant, on either clock; the book as it stood comes first.
            end: The instant before which it ends; a date includes that day.
            scan_buffer_secs: How far beyond the window the dates of the store are looked through,
                for rows that were written late. Nothing outside the window is returned.
            dedup: Leave out what several recordings have.

        Raises:
            MarketDataError: The store has no books, or none there.
            UnknownName: It has no such symbol or venue.

        Source: S0-14, S3-50, S3-51.
        """
        from seq_gym.market.book.events import BookData
        from seq_gym.market.book.store import BookWindow, read_book

        window = BookWindow(
            start_ns=None if start is None else parse_time(start),
            end_ns=None if end is None else parse_time(end, end=True),
            scan_buffer_secs=scan_buffer_secs,
            dedup=dedup,
        )
        asked = self.venue if venues is None else venues
        keys = book_tables(self.place, table_keys(self.place), symbols, asked)
        read = [read_book(self.place, key, window) for key in keys]
        return BookData(books=tuple(book for book in read if book is not None))

    def load_funding(self, symbol: str, *, venue: str) -> FundingRates | None:
        """Return the funding rates of a symbol, in its venue's own spelling; None = none stored."""
        return read_funding(self.place, TableKey(kind="funding", symbol=symbol, venue=venue))

    def open_times(
        self,
        symbol: str,
        *,
        venue: str,
        interval: IntervalLike | None = None,
        kind: Kind = "candles",
        start: TimeLike | None = None,
        end: TimeLike | None = None,
    ) -> IntArray:
        """Return the open times of a table, or the stamps of funding rates, and read nothing else.

        Args:
            symbol: The venue's own spelling.
            venue: Where it is traded.
            interval: Length of a candle; None for funding rates.
            kind: "candles", "mark" or "funding".
            start: First time; None = the table's.
            end: Times from here on are left out; a date includes that day.

        Returns:
            int64 ``[n]`` UNIX nanoseconds, ascending; none where there is no such table.
        """
        length = None if interval is None else parse_interval(interval)
        key = TableKey(kind=kind, symbol=symbol, venue=venue, interval_ns=length)
        found = read_rows(
            self.place,
            key,
            start_ns=None if start is None else parse_time(start),
            end_ns=None if end is None else parse_time(end, end=True),
            only_times=True,
        )
        return np.zeros(0, np.int64) if found is None else found[1].times

    # ------------------------------------------------------------------ what is there

    def list(self) -> Sequence[TableInfo]:
        """Return the tables, sorted by kind, symbol, venue and interval."""
        return [describe(manifest) for manifest in self._manifests()]

    def coverage(
        self,
        symbol: str | None = None,
        venue: str | None = None,
        interval: IntervalLike | None = None,
    ) -> Sequence[Coverage]:
        """Measure how densely the tables of candles and mark prices cover their ranges.

        Args:
            symbol: Only of this symbol, in any spelling; None = all.
            venue: Only at this venue; None = all.
            interval: Only of this length; None = all.

        Source: C6.
        """
        length = None if interval is None else parse_interval(interval)
        return [
            cover_table(self.place, manifest)
            for manifest in self._manifests(symbol, venue)
            if isinstance(manifest, Manifest)
            and manifest.key.kind != "funding"
            and length in (None, manifest.key.interval_ns)
        ]

    def book_coverage(
        self, symbol: str | None = None, venue: str | None = None
    ) -> Sequence[BookCoverage]:
        """Measure what the recordings of books cover, and what they lack.

        Args:
            symbol: Only of this symbol, in any spelling; None = all.
            venue: Only at this venue; None = all.

        Source: B10.
        """
        from seq_gym.market.book.store import cover_book

        found = self._manifests(symbol, venue)
        return [cover_book(each) for each in found if not isinstance(each, Manifest)]

    def data_range(self, symbol: str | None = None, venue: str | None = None) -> DataRange:
        """Return what can be replayed, with its gaps.

        Args:
            symbol: Only of this symbol, in any spelling; None = all.
            venue: Only at this venue; None = all.

        Raises:
            MarketDataError: The store has no candles.

        Source: S1-02, C6.
        """
        every = self._manifests(symbol, venue or self.venue)
        held = [each for each in every if isinstance(each, Manifest) and each.key.kind == "candles"]
        if not held:
            raise no_candles(self.place)
        return data_range(self.place, held)

    def span(self, symbols: str | Sequence[str] | None = None) -> tuple[int, int]:
        """Return the first open time and the last close of symbols, in UNIX nanoseconds.

        Raises:
            MarketDataError: The store has no candles.
            UnknownName: It has no such symbol.

        Source: S1-03.
        """
        names = [symbols] if isinstance(symbols, str) else symbols
        owned = candle_tables(self.place, table_keys(self.place), names, self.venue)
        found = [read_manifest(self.place, key) for keys in owned.values() for key in keys]
        held = [manifest for manifest in found if manifest is not None]
        return min(each.first_ns for each in held), max(each.end_ns for each in held)

    def verify(self) -> Sequence[Fault]:
        """Read everything and check it against its manifests, and the rules of rows (C7, B1)."""
        from seq_gym.market.book.store import verify_book

        return [
            fault
            for key in table_keys(self.place)
            for fault in (verify_book if key.kind == "book" else verify_table)(self.place, key)
        ]

    def _manifests(
        self, symbol: str | None = None, venue: str | None = None
    ) -> Sequence[Manifest | BookManifest]:
        keys = table_keys(self.place)
        if venue is not None:
            venues = sorted({key.venue for key in keys})
            if venue.lower() not in (each.lower() for each in venues):
                raise UnknownName("venue", venue, venues)
            keys = [key for key in keys if key.venue.lower() == venue.lower()]
        if symbol is not None:
            known = sorted({key.symbol for key in keys})
            name = known[find_symbol(symbol, known)]
            keys = [key for key in keys if key.symbol == name]
        found = [self._manifest(key) for key in keys]
        return [manifest for manifest in found if manifest is not None]

    def _manifest(self, key: TableKey) -> Manifest | BookManifest | None:
        if key.kind != "book":
            return read_manifest(self.place, key)
        from seq_gym.market.book.store.manifest import read_book_manifest

        return read_book_manifest(self.place, key)
