"""How much is displayed at a tick as of a row: bisection in the per-level histories of a tape.

Known at: the row asked about, on its clock; nothing later is looked at.
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, int32s_at, ints_at
from seq_gym.engine.book.codes import NO_ASK, NO_BID, SNAPSHOT
from seq_gym.engine.book.tables import levels_at, row_at

__all__ = [
    "changed_after",
    "last_change",
    "level_of",
    "lots_at",
    "lots_between",
    "lots_of",
    "next_tick",
    "side_of",
]


@helper
def side_of(t: Any, clock: int, side: int) -> Any:
    """Return the LEVELS of one side (+1 bids, -1 asks) of a tape on one clock."""
    return levels_at(t.levels, clock * 2 + (0 if side > 0 else 1))


@helper
def level_of(levels: Any, tick: int) -> int:
    """Return the index of the first level at or above a tick; num_levels when none is."""
    ticks = int32s_at(levels.ticks)
    low, count = 0, levels.num_levels
    while count > 0:
        half = count >> 1
        if ticks[low + half] < tick:
            low += half + 1
            count -= half + 1
        else:
            count = half
    return low


@helper
def _changes_until(levels: Any, index: int, row: int) -> int:
    """Return where a level's changes after row `row` begin."""
    first, changes = ints_at(levels.first), int32s_at(levels.changes)
    low = first[index]
    count = first[index + 1] - low
    while count > 0:
        half = count >> 1
        if changes[low + half] <= row:
            low += half + 1
            count -= half + 1
        else:
            count = half
    return low


@helper
def lots_of(levels: Any, index: int, row: int) -> int:
    """Return what a level held after row `row`."""
    end = _changes_until(levels, index, row)
    if end == ints_at(levels.first)[index]:
        return 0
    last = row_at(levels.rows, int32s_at(levels.changes)[end - 1])
    return last.lots if last.kind <= SNAPSHOT else 0  # a CLEAR empties it


@helper
def lots_at(t: Any, clock: int, side: int, tick: int, row: int) -> int:
    """Return the lots displayed at a tick once row `row` is applied (-1: before all rows).

    Args:
        t: The TAPE record.
        clock: CLOCK_VENUE or CLOCK_LOCAL: what `row` counts.
        side: +1 for bids, -1 for asks.
        tick: The tick; one that no row ever named holds 0.
        row: The last row applied.
    """
    levels = side_of(t, clock, side)
    index = level_of(levels, tick)
    if index == levels.num_levels or int32s_at(levels.ticks)[index] != tick:
        return 0
    return lots_of(levels, index, row)


@helper
def lots_between(
    t: Any, clock: int, side: int, first: int, tick: int, row: int, enough: float
) -> int:
    """Return the lots displayed from a tick on, away from the touch, and before another tick.

    Args:
        t: The TAPE record.
        clock: CLOCK_VENUE or CLOCK_LOCAL: what `row` counts.
        side: +1 for bids, -1 for asks.
        first: The tick nearest to the touch that is counted.
        tick: The first one beyond that is not.
        row: The last row applied.
        enough: Lots from which on nothing more is counted.
    """
    levels = side_of(t, clock, side)
    ticks = int32s_at(levels.ticks)
    index = level_of(levels, first) if side < 0 else level_of(levels, first + 1) - 1
    total = 0
    while 0 <= index < levels.num_levels and (ticks[index] - tick) * side > 0 and total < enough:
        total += lots_of(levels, index, row)
        index -= side
    return total


@helper
def next_tick(t: Any, clock: int, side: int, tick: int, row: int) -> int:
    """Return the next populated tick away from the touch: below a bid's, above an ask's.

    Args:
        t: The TAPE record.
        clock: CLOCK_VENUE or CLOCK_LOCAL: what `row` counts.
        side: +1 for bids, -1 for asks.
        tick: Where to start; it is not looked at itself.
        row: The last row applied.

    Returns:
        The tick; NO_BID or NO_ASK when the side holds nothing beyond.
    """
    levels = side_of(t, clock, side)
    ticks = int32s_at(levels.ticks)
    if side > 0:
        index = level_of(levels, tick) - 1
        while index >= 0:
            if lots_of(levels, index, row) > 0:
                return ticks[index]
            index -= 1
        return NO_BID
    index = level_of(levels, tick + 1)
    while index < levels.num_levels:
        if lots_of(levels, index, row) > 0:
            return ticks[index]
        index += 1
    return NO_ASK


@helper
def changed_after(t: Any, clock: int, side: int, tick: int, since: int, row: int) -> bool:
    """Say whether a level had a row of its own after row `since`, up to row `row` (F2)."""
    levels = side_of(t, clock, side)
    index = level_of(levels, tick)
    if index == levels.num_levels or int32s_at(levels.ticks)[index] != tick:
        return False
    return _changes_until(levels, index, row) > _changes_until(levels, index, since)


@helper
def last_change(t: Any, clock: int, side: int, tick: int, row: int) -> int:
    """Return a level's own last row up to row `row`; -1 where it had none."""
    levels = side_of(t, clock, side)
    index = level_of(levels, tick)
    if index == levels.num_levels or int32s_at(levels.ticks)[index] != tick:
        return -1
    end = _changes_until(levels, index, row)
    if end == ints_at(levels.first)[index]:
        return -1
    return int32s_at(levels.changes)[end - 1]
