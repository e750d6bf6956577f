"""The levels of a book while a tape is prepared: what they hold, and the nearest populated one.

All levels are in one table: bids by tick, then asks by tick, with "no bid" before them (number 0)
and "no ask" after them. A better bid is above a worse one and a better ask below it; the best is
found by searching bids downwards and asks upwards, so that a search never meets the other side.

A tree of bits says which levels may be populated, 32 to a word, storey upon storey: a search walks
over no empty levels. A level that is emptied keeps its mark until a search comes upon it: most are
filled again before that, and none is unmarked more often than it was marked.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import helper, inlined, int32s_at, ints_at, record_at
from seq_gym.engine.layout import Table, new_table, record

__all__ = ["Ladder", "beyond", "ladder_at", "nearest", "set_lots"]

_SHIFT: Final = 5
_LAST: Final = (1 << _SHIFT) - 1

LADDER = record(
    ticks="i8",  # int32 [num_levels + 2], by number: NO_BID, bids, asks, NO_ASK
    levels="i8",  # LEVEL [num_levels + 2], likewise
    words="i8",  # int64: bits of the marked levels, then of the words that are not 0, and so on
    starts="i8",  # int64 [num_storeys]: where a storey begins in `words`
    num_storeys="i8",
    num_bids="i8",
    num_levels="i8",
)
"""A book: its levels and which of them may be populated."""

LEVEL = record(lots="i8", num_changes="i4", is_marked="i4")
"""What a level holds, how often it was set, and whether its bit is."""

ladder_at = record_at(LADDER)
_level_at = record_at(LEVEL)


class Ladder:
    """An empty book.

    Args:
        ticks: int32 [L + 2]: NO_BID; every tick that a bid row names, ascending; those of ask rows;
            NO_ASK. A level's number is its place here.
        num_bids: How many of them are of bids.
    """

    def __init__(self, ticks: NDArray[np.int32], num_bids: int) -> None:
        sizes = [(len(ticks) >> _SHIFT) + 1]
        while sizes[-1] > 1:
            sizes.append((sizes[-1] - 1 >> _SHIFT) + 1)
        self.levels: Table = new_table(LEVEL, len(ticks))
        self._ticks = ticks
        self._words = np.zeros(sum(sizes), np.int64)
        self._starts = np.cumsum([0, *sizes[:-1]], dtype=np.int64)
        self._table = new_table(LADDER, 1)
        book: Any = self._table[0]
        book.ticks, book.levels = ticks.ctypes.data, self.levels.ctypes.data
        book.words, book.starts = self._words.ctypes.data, self._starts.ctypes.data
        book.num_storeys = len(sizes)
        book.num_bids, book.num_levels = num_bids, len(ticks) - 2
        self.address: int = self._table.ctypes.data


@inlined
def set_lots(book: Any, index: int, lots: int) -> int:
    """Set what a level holds and return what it held."""
    level = _level_at(book.levels, index)
    before = level.lots
    level.lots = lots
    level.num_changes += 1
    if level.is_marked == 0:
        _mark(book, index)
    return before


@helper
def _mark(book: Any, index: int) -> None:
    """Set the bit of a level, and those above it."""
    words, starts = ints_at(book.words), ints_at(book.starts)
    _level_at(book.levels, index).is_marked = 1
    for storey in range(book.num_storeys):
        at = starts[storey] + (index >> _SHIFT)
        words[at] |= 1 << (index & _LAST)
        index >>= _SHIFT


@helper
def _unmark(book: Any, index: int) -> None:
    """Clear the bit of a level, and those of words that are 0 then."""
    words, starts = ints_at(book.words), ints_at(book.starts)
    _level_at(book.levels, index).is_marked = 0
    for storey in range(book.num_storeys):
        at = starts[storey] + (index >> _SHIFT)
        words[at] &= ~(1 << (index & _LAST))
        if words[at] != 0:
            return
        index >>= _SHIFT


@helper
def nearest(book: Any, index: int, step: int) -> int:
    """Return the nearest populated level below (step -1) or above (+1) a level.

    Where there is none: 0 below, num_levels + 1 above.
    """
    while True:
        index = _nearest_marked(book, index, step)
        if index < 1 or index > book.num_levels or _level_at(book.levels, index).lots > 0:
            return index
        _unmark(book, index)


@helper
def _nearest_marked(book: Any, index: int, step: int) -> int:
    words, starts = ints_at(book.words), ints_at(book.starts)
    storey = 0
    bit = (index & _LAST) + step
    node = index >> _SHIFT
    while True:
        word = words[starts[storey] + node]
        while 0 <= bit <= _LAST and (word >> bit) & 1 == 0:
            bit += step
        if 0 <= bit <= _LAST:
            break
        storey += 1
        if storey == book.num_storeys:
            return 0 if step < 0 else book.num_levels + 1
        bit = (node & _LAST) + step
        node >>= _SHIFT
    while storey > 0:
        node = (node << _SHIFT) + bit
        storey -= 1
        word = words[starts[storey] + node]
        bit = _LAST if step < 0 else 0
        while (word >> bit) & 1 == 0:
            bit += step
    return (node << _SHIFT) + bit


@helper
def beyond(book: Any, tick: int, step: int) -> int:
    """Return the best level worse than a tick: of bids (step -1) below it, of asks (+1) above."""
    ticks = int32s_at(book.ticks)
    low = 1 if step < 0 else book.num_bids + 1
    count = book.num_bids if step < 0 else book.num_levels - book.num_bids
    bound = tick if step < 0 else tick + 1
    while count > 0:
        half = count >> 1
        if ticks[low + half] < bound:
            low += half + 1
            count -= half + 1
        else:
            count = half
    # `low` is the first level at or above the bound; the search leaves out where it starts.
    return nearest(book, low if step < 0 else low - 1, step)
