"""Windows of a recorded book: the book as it stood on a clock, then the rows of both clocks.

Source: spec book.md (B7, B8, B10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.integrity import COLUMNS

if TYPE_CHECKING:
    from seq_gym.market.book.events import BookEvents

__all__ = ["columns_between", "levels_at", "venue_order"]

IntArray: TypeAlias = npt.NDArray[np.int64]
Columns: TypeAlias = dict[str, Any]

_DEPTH, _SNAPSHOT, _CLEAR, _TRADE, _GAP, _STATUS = range(6)
_SIDE_BIT: Final = 1 << 32


def columns_between(book: BookEvents, start_ns: int, end_ns: int) -> Columns | None:
    """Cut both clocks to [start_ns, end_ns) and put the book at `start_ns` in front.

    Returns:
        The columns; None where neither clock has a row inside.
    """
    stamps = {}
    for name in ("exch_ts", "local_ts"):
        ts = getattr(book, name)
        stamps[name] = np.where((ts >= start_ns) & (ts < end_ns), ts, -1)
    kept = np.flatnonzero((stamps["exch_ts"] >= 0) | (stamps["local_ts"] >= 0))
    if not len(kept):
        return None
    columns: Columns = {name: getattr(book, name)[kept] for name in COLUMNS}
    columns |= {name: ts[kept] for name, ts in stamps.items()}
    local = np.flatnonzero((book.local_ts >= 0) & (book.local_ts < start_ns))
    venue = venue_order(book)
    venue = venue[book.exch_ts[venue] < start_ns]
    pieces = [
        _opening(book, venue, exch_ts=start_ns, local_ts=-1),
        _opening(book, local, exch_ts=-1, local_ts=start_ns),
        columns,
    ]
    return {
        name: np.concatenate([piece[name] for piece in pieces]).astype(dtype)
        for name, dtype in COLUMNS.items()
    }


def venue_order(book: BookEvents) -> IntArray:
    """Rows by the venue's clock, trades first at one exch_ts (B11), int64 ``[<=R]``."""
    rows = np.flatnonzero(book.exch_ts >= 0)
    order = np.lexsort((book.kind[rows] != _TRADE, book.exch_ts[rows]))
    return rows[order]


def levels_at(book: BookEvents, rows: IntArray) -> IntArray:
    """Find the levels that stand after some rows.

    Args:
        book: The book.
        rows: Rows applied, in their order on one clock, int64 ``[K]``.

    Returns:
        For each level with a quantity the row that set it last, int64 ``[L]``, oldest first.
    """
    kind = book.kind[rows]
    wiped = np.flatnonzero((kind == _CLEAR) & (book.side[rows] == 0))
    rows = rows[wiped[-1] + 1 :] if len(wiped) else rows
    kind, side, tick = book.kind[rows], book.side[rows], book.tick[rows].astype(np.int64)
    set_at = np.flatnonzero(kind <= _SNAPSHOT)
    key = tick[set_at] + _SIDE_BIT * (side[set_at] > 0)
    _, last = np.unique(key[::-1], return_index=True)
    at = np.sort(set_at[len(set_at) - 1 - last])
    alive = book.lots[rows[at]] > 0
    for clear in np.flatnonzero(kind == _CLEAR):
        within = (tick[at] - tick[clear]) * side[clear] >= 0
        alive &= ~((at < clear) & (side[at] == side[clear]) & within)
    return rows[at[alive]]


def _opening(book: BookEvents, rows: IntArray, *, exch_ts: int, local_ts: int) -> Columns:
    """Say the book after some rows as one snapshot; nothing where there are none."""
    levels = levels_at(book, rows)
    kinds = [_CLEAR] * bool(len(rows)) + [_SNAPSHOT] * len(levels)
    sides = [0] * bool(len(rows)) + book.side[levels].tolist()
    ticks = [0] * bool(len(rows)) + book.tick[levels].tolist()
    lots = [0] * bool(len(rows)) + book.lots[levels].tolist()
    seqs = [0] * bool(len(rows)) + book.seq[levels].tolist()
    for kind, value in ((_GAP, _is_stale(book, rows)), (_STATUS, _is_halted(book, rows))):
        if value:
            kinds, sides, ticks = [*kinds, kind], [*sides, 0], [*ticks, 0]
            lots, seqs = [*lots, 0], [*seqs, 0]
    size = len(kinds)
    made = {"kind": kinds, "side": sides, "tick": ticks, "lots": lots, "seq": seqs}
    stamps = {"exch_ts": [exch_ts] * size, "local_ts": [local_ts] * size}
    return {name: np.array((made | stamps)[name], dtype=COLUMNS[name]) for name in COLUMNS}


def _is_stale(book: BookEvents, rows: IntArray) -> bool:
    """Whether a gap is open, or no snapshot was there to know the book from."""
    told = rows[(book.kind[rows] == _GAP) | (book.kind[rows] == _SNAPSHOT)]
    return bool(len(told)) and bool(book.kind[told[-1]] == _GAP)


def _is_halted(book: BookEvents, rows: IntArray) -> bool:
    told = rows[book.kind[rows] == _STATUS]
    return bool(len(told)) and bool(book.lots[told[-1]] == 0)
