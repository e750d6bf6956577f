"""Rows on their way into the store, parted by month: in memory, or on disk where they are many.

However long the input is, and in whatever order, memory holds one chunk, one buffer and then one
month.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final

import numpy as np

from seq_gym.market.columns import CandleColumns, IntArray
from seq_gym.market.store.layout import Kind
from seq_gym.market.store.pieces import Spilled, cut_by_month, join_pieces, spill_piece
from seq_gym.market.store.place import Place

if TYPE_CHECKING:
    from seq_gym.market.quality import Findings

__all__ = ["Staged", "Staging"]

_BUFFER_ROWS: Final = 1_000_000
"""Rows that are held before they are spilled; about 75 MB."""


class Staged:
    """The candles or mark prices of one symbol from one source, by month. Made by `Staging`.

    Attributes:
        kind: What they are.
        symbol: Whose they are.
        venue: Where they are traded.
        source: File or frame, as named in messages.
        rows: How many were added.
        facts: What reading found, before the rows are judged; None = nothing.
        format: What the source was read as.
        modified_ns: When the source was written, UNIX nanoseconds; None = not known.
        pieces: Pieces by month, in the order of the source.
    """

    def __init__(self, kind: Kind, symbol: str, venue: str, source: str) -> None:
        self.kind = kind
        self.symbol = symbol
        self.venue = venue
        self.source = source
        self.rows = 0
        self.facts: Findings | None = None
        self.format = "columns"
        self.modified_ns: int | None = None
        self.pieces: dict[int, list[CandleColumns | Spilled]] = {}
        self._stated: set[int] = set()

    def add(self, columns: CandleColumns) -> int:
        """Take a chunk, in any order of times; return its number of rows."""
        count = len(columns.time_ns)
        if columns.row_numbers is None:
            columns = replace(columns, row_numbers=np.arange(self.rows, self.rows + count))
        if columns.interval_ns is not None:
            self._stated.add(columns.interval_ns)
        if count:
            for month, piece in cut_by_month(columns):
                self.pieces.setdefault(month, []).append(piece)
        self.rows += count
        return count

    def months(self) -> list[int]:
        """Return the months, in time order."""
        return sorted(self.pieces)

    def read(self, month: int) -> CandleColumns:
        """Return the rows of a month, in the order of the source."""
        return join_pieces([_load(piece) for piece in self.pieces[month]])

    def interval(self) -> int | None:
        """Return the stated length of a candle, or the mode of the differences of the times.

        Returns:
            Nanoseconds; None where fewer than two distinct times tell nothing.

        Source: C7.
        """
        if len(self._stated) == 1:
            return next(iter(self._stated))
        counts: Counter[int] = Counter()
        before: int | None = None
        for times in self._distinct_times():
            counts.update(_count(np.diff(times)))
            if before is not None:
                counts[int(times[0]) - before] += 1
            before = int(times[-1])
        # The shortest of equally frequent ones, as for a table in memory.
        return min(counts, key=lambda length: (-counts[length], length), default=None)

    def spill(self, folder: Path) -> None:
        """Move what is held in memory to disk."""
        for month, pieces in self.pieces.items():
            held = [piece for piece in pieces if isinstance(piece, CandleColumns)]
            if held:
                # What was spilled before came before.
                spilled: list[CandleColumns | Spilled] = [
                    piece for piece in pieces if isinstance(piece, Spilled)
                ]
                path = folder / f"{id(self):x}-{month}-{len(spilled)}.npz"
                self.pieces[month] = [*spilled, spill_piece(path, join_pieces(held))]

    def _distinct_times(self) -> Iterator[IntArray]:
        for month in self.months():
            times = np.concatenate([_load(piece).time_ns for piece in self.pieces[month]])
            yield times if (times[1:] > times[:-1]).all() else np.unique(times)


class Staging:
    """The buffer of an import, and its folder on disk where the buffer is too small.

    Args:
        place: The store; it offers the folder.
        buffer_rows: Rows that are held in memory.
    """

    def __init__(self, place: Place, *, buffer_rows: int = _BUFFER_ROWS) -> None:
        self.tables: list[Staged] = []
        self._place = place
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._buffer_rows = buffer_rows
        self._held = 0

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def table(self, kind: Kind, symbol: str, venue: str, source: str) -> Staged:
        """Return the rows of a symbol from a source, which may have been begun."""
        for staged in self.tables:
            named = (staged.kind, staged.symbol, staged.venue, staged.source)
            if named == (kind, symbol, venue, source):
                return staged
        self.tables.append(Staged(kind, symbol, venue, source))
        return self.tables[-1]

    def add(self, staged: Staged, columns: CandleColumns) -> None:
        """Add a chunk to a table, and spill all tables where they hold too much."""
        self._held += staged.add(columns)
        if self._held <= self._buffer_rows:
            return
        if self._folder is None:
            self._folder = self._stack.enter_context(self._place.scratch())
        for each in self.tables:
            each.spill(self._folder)
        self._held = 0


def _count(lengths: IntArray) -> dict[int, int]:
    """Count each length; nearly always all are one, and sorting them would take the time."""
    if len(lengths) and (lengths == lengths[0]).all():
        return {int(lengths[0]): len(lengths)}
    each, found = np.unique(lengths, return_counts=True)
    return dict(zip(each.tolist(), found.tolist(), strict=True))


def _load(piece: CandleColumns | Spilled) -> CandleColumns:
    return piece.read() if isinstance(piece, Spilled) else piece
