"""Cursors on a clock of a tape: where time stands, found by leaps instead of row by row."""

from __future__ import annotations

from seq_gym._jit import helper, ints_at
from seq_gym.engine.book.tables import row_at

__all__ = ["first_after", "number_up_to"]


@helper
def first_after(rows: int, low: int, count: int, ts: int) -> int:
    """Return the first row of a clock whose stamp is after `ts`.

    Args:
        rows: Address of ROW records, by their stamp.
        low: A row at or before the answer, where doubling leaps start: near answers are cheap.
        count: Rows of the clock, which is the answer where none is later.
        ts: UNIX nanoseconds.
    """
    leap = 1
    high = low
    while high < count and row_at(rows, high).ts <= ts:
        low = high + 1
        high = low + leap
        leap *= 2
    if high > count:
        high = count
    while low < high:
        middle = (low + high) >> 1
        if row_at(rows, middle).ts <= ts:
            low = middle + 1
        else:
            high = middle
    return low


@helper
def number_up_to(values: int, count: int, bound: int) -> int:
    """Return how many values of an ascending int64 column are at most `bound`."""
    column = ints_at(values)
    low = 0
    high = count
    while low < high:
        middle = (low + high) >> 1
        if column[middle] <= bound:
            low = middle + 1
        else:
            high = middle
    return low
