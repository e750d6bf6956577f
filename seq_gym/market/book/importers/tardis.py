"""Tardis: incremental_book_L2 and trades as CSV, plain or gzip, one file or both together.

A run of snapshot rows begins a book anew. Both stamps are microseconds.

Source: spec book.md (Tardis: snapshot run = clear first).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers.feeds import Feeds, Rows
from seq_gym.market.book.importers.grids import IntArray
from seq_gym.market.book.importers.lines import Source

__all__ = ["read", "recognise"]

_BOOK: Final = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
_TRADES: Final = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
_VENUES: Final = {"binance-futures": "binance_um", "binance-delivery": "binance_cm"}
_DEPTH, _SNAPSHOT, _CLEAR, _TRADE = 0, 1, 2, 3
_US: Final = 1_000
_LATEST_US: Final = 4_102_444_800_000_000
_SECOND_US: Final = 1_000_000


def recognise(source: Source) -> bool:
    """Tell by the header line."""
    return _header(source) in (_BOOK, _TRADES)


def read(sources: Sequence[Source], feeds: Feeds) -> None:
    """Read files of either kind; prints go before levels that were received with them.

    Raises:
        MarketDataError: A row is not as Tardis writes it, or steps back in time.
    """
    for source in sorted(sources, key=lambda each: _header(each) != _TRADES):
        table = _Table(source)
        for venue, symbol in table.instruments():
            feed = feeds.of(_VENUES.get(venue, venue.replace("-", "_")), symbol)
            rows = table.rows_of(venue, symbol)
            feed.counts["snapshots"] += int((rows.kind == _CLEAR).sum())
            for name, count in table.notes.items():
                feed.counts[name] += count
            feed.pieces.append(rows)


def _header(source: Source) -> str:
    lines = source.head_lines
    return lines[0].decode("utf-8-sig", "replace").strip() if lines else ""


class _Table:
    """One file as columns of text, each checked as a whole."""

    def __init__(self, source: Source) -> None:
        import polars as pl

        self._source = source
        self.notes: dict[str, int] = {}
        self._is_trades = _header(source) == _TRADES
        with source.open() as reader:
            data = b"".join(iter(lambda: reader.read(1 << 22), b""))
        self._refuse_ragged(data)
        try:
            frame = pl.read_csv(io.BytesIO(data), infer_schema=False, quote_char=None)
        except pl.exceptions.PolarsError as error:
            raise MarketDataError(f"{source.name} cannot be read: {error!s:.120}.") from error
        self._frame = frame
        for name in ("exchange", "symbol"):
            empty = frame[name].is_null() | (frame[name].str.strip_chars() == "")
            if empty.any():
                self._refuse(int(empty.arg_max() or 0), name, "be named")
        self._local = self._stamps("local_timestamp")
        self._exch = self._stamps("timestamp")
        words = {"bid": 1, "ask": -1, "buy": 1, "sell": -1, "unknown": 0}
        allowed = ("buy", "sell", "unknown") if self._is_trades else ("bid", "ask")
        self._side = self._told("side", {word: words[word] for word in allowed})
        self._is_snapshot = np.zeros(len(frame), dtype=np.int64)
        if not self._is_trades:
            self._is_snapshot = self._told("is_snapshot", {"true": 1, "false": 0})

    def _refuse_ragged(self, data: bytes) -> None:
        commas = _BOOK.count(",")
        lines = data.count(b"\n") + (not data.endswith(b"\n"))
        if data.count(b",") == commas * lines:
            return
        for number, line in enumerate(data.splitlines(), 1):
            if line.count(b",") != commas:
                self._source.refuse(
                    number,
                    f"a row must have {commas + 1} fields; was {line[:80].decode('latin-1')!r}",
                )

    def _refuse(self, row: int, name: str, rule: str) -> None:
        self._source.refuse(row + 2, f"{name} must {rule}; was {self._frame[name][row]!r:.40}")

    def _stamps(self, name: str) -> IntArray:
        import polars as pl

        stamps = self._frame[name].cast(pl.Int64, strict=False).fill_null(0).to_numpy()
        wrong = (stamps <= 0) | (stamps >= _LATEST_US)
        if wrong.any():
            self._refuse(int(wrong.argmax()), name, "be microseconds between 1970 and 2100")
        return stamps * _US

    def _told(self, name: str, words: dict[str, int]) -> IntArray:
        import polars as pl

        numbers = self._frame[name].replace_strict(
            list(words), list(words.values()), default=None, return_dtype=pl.Int64
        )
        if numbers.has_nulls():
            row = int(numbers.is_null().arg_max() or 0)
            self._refuse(row, name, f"be one of {', '.join(words)}")
        return numbers.to_numpy().astype(np.int64)

    def instruments(self) -> list[tuple[str, str]]:
        """Return (exchange, symbol) in order of appearance."""
        pairs = self._frame.select("exchange", "symbol").unique(maintain_order=True)
        return [(str(venue), str(symbol)) for venue, symbol in pairs.iter_rows()]

    def rows_of(self, venue: str, symbol: str) -> Rows:
        """Return one instrument's rows, a CLEAR before each run of snapshot rows."""
        mine = (self._frame["exchange"] == venue) & (self._frame["symbol"] == symbol)
        at = np.flatnonzero(mine.to_numpy())
        self.notes = {}
        exch, local = self._exch[at], self._local[at]
        self._refuse_steps_back(at, local, "local_timestamp")
        snapshot = self._is_snapshot[at]
        if self._is_trades:
            at, exch, local = self._without_repeats(at, exch, local)
            kind = np.full(len(at), _TRADE)
            return self._rows(at, exch, local, kind, self._side[at], _texts(self._frame, at))
        self._refuse_steps_back(at, exch, "timestamp")
        # The book's own order wins.
        exch, local = np.maximum.accumulate(exch), np.maximum.accumulate(local)
        begins = np.flatnonzero((snapshot == 1) & (np.concatenate(([0], snapshot[:-1])) == 0))
        where: Any = np.insert(np.arange(len(at)), begins, begins)
        is_clear: Any = np.insert(np.zeros(len(at), dtype=np.bool_), begins, True)
        kind = np.where(is_clear, _CLEAR, np.where(snapshot[where] == 1, _SNAPSHOT, _DEPTH))
        side = np.where(is_clear, 0, self._side[at][where])
        if len(at) and not snapshot[0]:
            told = int(begins[0]) if len(begins) else len(at)
            self.notes["levels before a snapshot"] = told
            if not len(begins):
                self._source.refuse(
                    int(at[0]) + 2,
                    "a book must begin with a snapshot; there is none. Give the day's whole file",
                )
            where, is_clear = where[told:], is_clear[told:]
            kind, side = kind[told:], side[told:]
        texts = tuple(
            column.zip_with(_inverse(is_clear), _zeros(len(where)))
            for column in _texts(self._frame, at[where])
        )
        return self._rows(at[where], exch[where], local[where], kind, side, texts)

    def _rows(
        self, at: IntArray, exch: IntArray, local: IntArray, kind: Any, side: Any, texts: Any
    ) -> Rows:
        seq = np.zeros(len(at), dtype=np.int64)
        place = self._source.place(0) + at + 2
        return Rows(exch, local, seq, kind.astype(np.int64), side, place, *texts)

    def _without_repeats(
        self, at: IntArray, exch: IntArray, local: IntArray
    ) -> tuple[IntArray, IntArray, IntArray]:
        ids = self._frame["id"].gather(at)
        first = (ids.is_first_distinct() | ids.is_null() | (ids == "")).to_numpy()
        self.notes["duplicates"] = int((~first).sum())
        return at[first], exch[first], local[first]

    def _refuse_steps_back(self, at: IntArray, stamps: IntArray, name: str) -> None:
        back = np.maximum.accumulate(stamps) - stamps if len(stamps) else stamps
        self.notes["stamps raised"] = self.notes.get("stamps raised", 0) + int((back > 0).sum())
        if (back > _SECOND_US * _US).any():
            row = int((back > _SECOND_US * _US).argmax())
            self._refuse(int(at[row]), name, "not step back by more than a second")


def _texts(frame: Any, at: IntArray) -> tuple[Any, Any]:
    return frame["price"].gather(at), frame["amount"].gather(at)


def _inverse(mask: Any) -> Any:
    import polars as pl

    return pl.Series(~mask)


def _zeros(count: int) -> Any:
    import polars as pl

    return pl.Series(["0"]).new_from_index(0, count)
