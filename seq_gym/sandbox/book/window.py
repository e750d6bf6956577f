"""Windows and lengths of time as a session over books is given them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq_gym.engine.book import codes
from seq_gym.engine.book.tape import BookTape
from seq_gym.errors import ConfigError
from seq_gym.market.book.events import BookData
from seq_gym.times import IntervalLike, TimeLike, format_time, parse_interval, parse_time

__all__ = ["first_known_ns", "read_bounds", "read_duration", "read_window", "refuse_seed"]

_SCAN = 4_096
"""Rows looked through at a time."""


def read_bounds(data: Any, start: TimeLike | None, end: TimeLike | None) -> dict[str, Any]:
    """Return the bounds within which data is read: books in memory are there anyway.

    Raises:
        ConfigError: The end is not after the start.
    """
    if start is not None and end is not None and parse_time(end, end=True) <= parse_time(start):
        raise ConfigError(
            f"end_time must be after start_time; were end_time={end!r} and start_time={start!r}."
        )
    is_read = data is None or isinstance(data, str | Path) or hasattr(data, "load_book")
    many = isinstance(data, list | tuple) and all(isinstance(each, str | Path) for each in data)
    return {"start": start, "end": end} if is_read or many else {}


def read_window(
    data: BookData, start: TimeLike | None, end: TimeLike | None
) -> tuple[int | None, int, BookData]:
    """Read a window [start, end).

    Returns:
        Its start in UNIX nanoseconds, None where the data begins later; its end; and the books,
        without what happened at the end itself.

    Raises:
        ConfigError: It is empty, or none of the data is in it.
    """
    first, last = data.start_ns, data.end_ns
    from_ns = first if start is None else parse_time(start)
    to_ns = last + 1 if end is None else parse_time(end, end=True)
    if to_ns <= first or from_ns > last:
        raise ConfigError(
            f"The window must lie inside the data, {format_time(first)} to {format_time(last)}; "
            f"was {format_time(from_ns)} to {format_time(to_ns)}."
        )
    if to_ns <= last and any(_has_row_at(book, to_ns) for book in data.books):
        data = data.window(None, to_ns)
    return (from_ns if from_ns > first else None), to_ns, data


def _has_row_at(book: Any, ns: int) -> bool:
    return bool((book.exch_ts == ns).any() or (book.local_ts == ns).any())


def first_known_ns(data: BookData, tapes: Sequence[BookTape], feeds: Sequence[int]) -> int:
    """Return the first time at which the agent knows both sides of a book.

    Args:
        data: The books, for their start where no book ever has two sides.
        tapes: Of each lane.
        feeds: Of each lane how much later than the recorder the agent receives it, ns.
    """
    known = [_first_two_sided(tape) + feed for tape, feed in zip(tapes, feeds, strict=True)]
    soonest = min(known)
    return soonest if soonest <= data.end_ns else data.start_ns


def _first_two_sided(tape: BookTape) -> int:
    """Return when the recorder first knew both sides for sure; NEVER: it never did."""
    rows = tape.local_rows
    for begin in range(0, len(rows), _SCAN):
        part = rows[begin : begin + _SCAN]
        both = (part["bid"] != codes.NO_BID) & (part["ask"] != codes.NO_ASK)
        both &= (part["flags"] & 1) == 0
        if both.any():
            # All rows of one receipt are known together.
            return int(part["ts"][int(np.argmax(both))])
    return codes.NEVER


def read_duration(value: IntervalLike | float) -> int:
    """Read a length of time as nanoseconds; a float is seconds.

    Raises:
        ConfigError: It is not above 0.

    >>> read_duration("100ms"), read_duration(0.5)
    (100000000, 500000000)
    """
    if not isinstance(value, float):
        return parse_interval(value)
    ns = round(value * 1e9) if math.isfinite(value) else 0
    if ns <= 0:
        raise ConfigError(f"A duration must be above 0; was {value!r}. Likely fix: '100ms'.")
    return ns


def refuse_seed(seed: Any) -> None:
    """Refuse a seed that does not key draws.

    Raises:
        ConfigError: It is no whole number from 0 to 2^63 - 1.
    """
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 1 << 63:
        raise ConfigError(f"seed must be a whole number from 0 to 2^63 - 1; was {seed!r}.")
