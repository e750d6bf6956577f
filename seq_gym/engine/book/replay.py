"""The one walk over a recording on one clock: the book before and after each row (B7, B8, B10)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import helper, inlined, int32s_at, kernel, prefetch
from seq_gym.engine.book.codes import BOTH, CLEAR, GAP, NO_ASK, NO_BID, SNAPSHOT, STATUS, TRADE
from seq_gym.engine.book.populated import beyond, ladder_at, nearest, set_lots
from seq_gym.engine.book.tables import row_at

__all__ = ["HALTED_FLAG", "NOWHERE", "STALE_FLAG", "collect_changes", "order_keys", "replay"]

STALE_FLAG: Final = 1
"""Bits of ROW.flags."""
HALTED_FLAG: Final = 2
_AHEAD: Final = 64
"""Rows from asking for the cache line of a change to writing it: those of levels are far apart."""
_CHANGE_BYTES: Final = 4
NOWHERE: Final = -1
"""A stamp of a row that is not on a clock."""


@kernel
def order_keys(
    stamps: NDArray[np.int64], kind: NDArray[np.int8], is_venue: bool, keys: NDArray[np.int64]
) -> tuple[int, bool]:
    """Write by what the rows of a clock are sorted: stamp, then on the venue's prints first (B11).

    A row that is not on the clock keeps its place behind the row before it.

    Args:
        stamps: int64 [R] of the clock.
        kind: int8 [R].
        is_venue: It is the venue's clock.
        keys: int64 [R], written.

    Returns:
        How many rows are on the clock, and whether the recorded order is its order.
    """
    count, before, is_sorted = 0, np.int64(NOWHERE), True
    for r in range(len(stamps)):
        if stamps[r] != NOWHERE:
            key = stamps[r] * 2 + (1 if is_venue and kind[r] != TRADE else 0)
            is_sorted &= key >= before or count == 0
            before = key
            count += 1
        keys[r] = before
    return count, is_sorted


@helper
def _clear(
    book: Any, best: int, through: int, step: int, cleared: Any, count: int, row: int
) -> Any:
    """Empty levels from the best through a tick; return the new best and the number emptied."""
    ticks = int32s_at(book.ticks)
    while 0 < best <= book.num_levels and (ticks[best] - through) * step <= 0:
        set_lots(book, best, 0)
        cleared[count, 0] = row
        cleared[count, 1] = best
        count += 1
        best = nearest(book, best, step)
    return best, count


@inlined
def _update(book: Any, level: int, lots: int, best: int, facing: int, step: int) -> Any:
    """Apply a depth row to its side (B7); return what was there and both new bests.

    Args:
        book: The LADDER.
        level: The row's level.
        lots: Its new quantity.
        best: The side's best level, or what stands for none.
        facing: That of the other side.
        step: Direction away from the touch: -1 for bids, +1 for asks.
    """
    before = set_lots(book, level, lots)
    if (level - best) * step <= 0:
        if lots == 0:
            if level == best:
                best = nearest(book, best, step)
        elif level != best:
            best = level
            tick = int32s_at(book.ticks)[level]
            if (int32s_at(book.ticks)[facing] - tick) * step >= 0:
                facing = beyond(book, tick, -step)
    return before, best, facing


@kernel
def replay(  # noqa: C901  one branch for each kind of row
    order: NDArray[np.uint64],
    stamps: NDArray[np.int64],
    kind: NDArray[np.int8],
    side: NDArray[np.int8],
    tick: NDArray[np.int32],
    lots: NDArray[np.int64],
    number: NDArray[np.uint32],
    ladder: int,
    rows: int,
    row_number: NDArray[np.uint32],
    cleared: NDArray[np.int64],
    gaps: NDArray[np.int64],
) -> tuple[int, int]:
    """Walk the recording in the order of one clock and write its ROW records.

    Args:
        order: uint64 [R]: the recorded rows in the clock's order; empty: as recorded.
        stamps: int64 [R]: the clock's own stamps; rows that are nowhere on it are passed over.
        kind: int8 [R].
        side: int8 [R].
        tick: int32 [R].
        lots: int64 [R].
        number: uint32 [R]: the level of each depth row.
        ladder: Address of an empty LADDER.
        rows: Address of ROW [n].
        row_number: uint32 [n], written: `number` in the clock's order.
        cleared: int64 [m, 2], written: row and level of what a CLEAR emptied.
        gaps: int64 [g], written: the rows that turn a fresh book stale (B10).

    Returns:
        How many levels the CLEARs emptied, and how many of `gaps` there are.
    """
    book = ladder_at(ladder, 0)
    ticks = int32s_at(book.ticks)
    bid, ask = 0, book.num_levels + 1
    r, flags, count, num_gaps = 0, 0, 0, 0
    for i in range(len(stamps)):
        # Unsigned numbers are not looked at for negative ones, which would count from the end.
        k = order[i] if len(order) else np.uint64(i)
        if stamps[k] == NOWHERE:
            continue
        what = kind[k]
        before = 0
        if what <= SNAPSHOT:
            if side[k] > 0:
                before, bid, ask = _update(book, int(number[k]), lots[k], bid, ask, -1)
            else:
                before, ask, bid = _update(book, int(number[k]), lots[k], ask, bid, 1)
            if what == SNAPSHOT:
                flags &= ~STALE_FLAG
        elif what == CLEAR:
            if side[k] == BOTH:
                # Crossed levels beyond the best are gone as well: start from the far end.
                bid, ask = beyond(book, NO_ASK, -1), beyond(book, NO_BID, 1)
            if side[k] >= 0:
                through = NO_BID if side[k] == BOTH else tick[k]
                bid, count = _clear(book, bid, through, -1, cleared, count, r)
            if side[k] <= 0:
                through = NO_ASK if side[k] == BOTH else tick[k]
                ask, count = _clear(book, ask, through, 1, cleared, count, r)
        elif what == GAP:
            if flags & STALE_FLAG == 0:
                gaps[num_gaps] = r
                num_gaps += 1
            flags |= STALE_FLAG
        elif what == STATUS:
            flags = flags & ~HALTED_FLAG if lots[k] > 0 else flags | HALTED_FLAG
        row = row_at(rows, r)
        row.ts = stamps[k]
        row.lots = lots[k]
        row.prev = before
        row.tick = tick[k]
        row.bid = ticks[bid]
        row.ask = ticks[ask]
        row.kind = what
        row.side = side[k]
        row.flags = flags
        row_number[r] = number[k]
        r += 1
    return count, num_gaps


@kernel
def collect_changes(
    row_number: NDArray[np.uint32],
    num_bids: int,
    cleared: NDArray[np.int64],
    next_change: NDArray[np.uint64],
    changes: NDArray[np.int32],
) -> None:
    """Write the rows that changed each level, by level and in the order of rows.

    Args:
        row_number: uint32 [n]: the level of each row, 0 of none; written: its index on its side.
        num_bids: How many levels are of bids.
        cleared: int64 [m, 2]: row and level of what the CLEARs emptied, by row.
        next_change: uint64 [L + 2]: where each level's changes begin.
        changes: int32, written.
    """
    one, j = np.uint64(1), 0
    start, last = changes.ctypes.data, len(row_number) - 1
    next_cleared = cleared[0, 0] if len(cleared) else len(row_number)
    for r in range(len(row_number)):
        ahead = next_change[row_number[min(r + _AHEAD, last)]]
        prefetch(start + _CHANGE_BYTES * int(ahead))
        level = row_number[r]
        if level > 0:
            at = next_change[level]
            changes[at] = r
            next_change[level] = at + one
            row_number[r] = level - 1 - (num_bids if level > num_bids else 0)
        while next_cleared == r:
            level = np.uint32(cleared[j, 1])
            changes[next_change[level]] = r
            next_change[level] += one
            j += 1
            next_cleared = cleared[j, 0] if j < len(cleared) else len(row_number)
