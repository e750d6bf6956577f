"""load_book: recordings, stores and books in, BookData out.

Source: spec book.md; S0-14, S3-50, S3-51.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.book.events import BookData, BookEvents, read_names
from seq_gym.market.store import store_of
from seq_gym.times import NS_PER_S, TimeLike, format_time, parse_time

if TYPE_CHECKING:
    from seq_gym.market.book.store.importing import RecordingOptions

__all__ = ["load_book"]

_MOST_BUFFER = 1e9
"""Seconds; more would not fit a time."""


def load_book(
    data: Any = None,
    *,
    symbols: str | Sequence[str] | None = None,
    venues: str | Sequence[str] | None = None,
    start: TimeLike | None = None,
    end: TimeLike | None = None,
    scan_buffer_secs: float = 3600.0,
    dedup: bool = True,
    tick: float | None = None,
    lot: float | None = None,
    fix_clock: bool = False,
    shift_ns: int | None = None,
) -> BookData:
    """Load recorded order books and prints from wherever they are.

    A window holds what happened in [start, end), each clock for itself, and begins with the book as
    it stood; wherever the data comes from, the same window of the same data is the same.

    Args:
        data: A path of a recording (the format is found by the content), a folder of recordings or
            a list of paths; a store: a `Store`, its folder, "store" for the one that SIM_STORE
            names, "store:PATH" or "s3://bucket/prefix"; BookData, BookEvents or a list of these; or
            None for a seeded synthetic book.
        symbols: Symbols wanted, in any spelling, in this order; None = all. It also names the
            symbol of a recording that states none.
        venues: Venues wanted; None = all that a symbol has. It also names the venue of a recording
            that states none.
        start: First instant.
        end: The instant before which it ends; a date includes that day.
        scan_buffer_secs: How far beyond the window the dates of a store are looked through, for
            rows that were written late.
        dedup: Leave out what several recordings of one book have (S3-51).
        tick: Price step of a recording that does not tell it.
        lot: Quantity step, likewise.
        fix_clock: Shift a recording's local clock by the least that puts no event before the venue
            sent it (B1).
        shift_ns: Shift it by this much.

    Raises:
        ConfigError: An argument does not say what it must (UnknownName with the near miss).
        MarketDataError: There is no data there, or it breaks a rule.

    Source: S0-14, S3-50, S3-51.
    """
    _check_buffer(scan_buffer_secs)
    _refuse_reversed(start, end)
    symbols, venues = read_names("symbols", symbols), read_names("venues", venues)
    store = store_of(data)
    reading = {"tick": tick, "lot": lot, "fix_clock": fix_clock or None, "shift_ns": shift_ns}
    if not _is_path(data) or store is not None:
        _refuse_reading("recordings that are files", reading)
    if store is not None:
        return store.load_book(
            symbols=symbols,
            venues=venues,
            start=start,
            end=end,
            scan_buffer_secs=scan_buffer_secs,
            dedup=dedup,
        )
    if data is None:
        return _synthetic(symbols, venues, start, end)
    if _is_path(data):
        from seq_gym.market.book.store.importing import RecordingOptions

        options = RecordingOptions(
            symbol=_only(symbols),
            venue=_only(venues),
            tick=tick,
            lot=lot,
            fix_clock=fix_clock,
            shift_ns=shift_ns,
            renames=False,
        )
        found = _read(data, options, dedup=dedup)
        # One that was asked for may be the name of what states none.
        chosen = found if options.symbol else found.select(symbols=symbols)
        return _window(chosen if options.venue else chosen.select(venues=venues), start, end)
    books = _books(data).select(symbols=symbols, venues=venues)
    return _window(books, start, end)


def _check_buffer(seconds: Any) -> None:
    kinds = int | float | np.integer | np.floating
    is_number = isinstance(seconds, kinds) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= _MOST_BUFFER:
        raise ConfigError(
            f"scan_buffer_secs must be a number from 0 to {_MOST_BUFFER:g}; was {seconds!r}."
        )


def _refuse_reversed(start: TimeLike | None, end: TimeLike | None) -> None:
    if start is None or end is None:
        return
    if parse_time(end, end=True) <= parse_time(start):
        raise ConfigError(f"end must be after start; were end={end!r} and start={start!r}.")


def _is_path(data: Any) -> bool:
    if isinstance(data, str | os.PathLike):
        if not str(data).strip():
            raise ConfigError(
                f"A book must be a path of a recording; was {data!r}, which is empty."
            )
        return True
    many = isinstance(data, list | tuple)
    return many and bool(data) and all(isinstance(each, str | os.PathLike) for each in data)


def _only(names: str | Sequence[str] | None) -> str | None:
    """Return the one name; None where there are several, or none."""
    if names is None or isinstance(names, str):
        return names
    return names[0] if len(names) == 1 else None


def _read(data: Any, options: RecordingOptions, *, dedup: bool) -> BookData:
    from seq_gym.market.book.store.importing import read_recordings, recordings_in

    named = [data] if isinstance(data, str | os.PathLike) else list(data)
    paths = [path for each in named for path in recordings_in(Path(each))]
    if not paths:
        raise MarketDataError(f"A folder of recordings must hold some; {named[0]} has none.")
    found: dict[tuple[str, str], list[BookEvents]] = {}
    for recording in read_recordings(paths, options):
        events = recording.events
        found.setdefault((events.venue, events.symbol), []).append(events)
    return BookData(books=tuple(_joined(books, dedup=dedup) for books in found.values()))


def _joined(books: Sequence[BookEvents], *, dedup: bool) -> BookEvents:
    """Put several recordings of one book together, as a store does."""
    if len(books) == 1:
        return books[0]
    from seq_gym.market.book.store.merging import RunRows
    from seq_gym.market.book.store.reading import join_runs
    from seq_gym.market.book.store.runs import columns_of, describe_run

    pairs = [(describe_run(each), each) for each in books]
    pairs = sorted(
        {run.id: (run, each) for run, each in pairs}.values(),
        key=lambda pair: (pair[0].local_ns, pair[0].exch_ns, pair[0].id),
    )
    rows = [RunRows(((0, run.rows),), columns_of(each)) for run, each in pairs]
    instrument, columns = join_runs([run for run, _ in pairs], rows, dedup=dedup)
    return BookEvents(instrument=instrument, **columns, is_checked=True)  # type: ignore[arg-type]


def _books(data: Any) -> BookData:
    if isinstance(data, BookData):
        return data
    if isinstance(data, BookEvents):
        return BookData(books=(data,))
    many = data if isinstance(data, list | tuple) else ()
    if many and all(isinstance(each, BookEvents) for each in many):
        return BookData(books=tuple(many))
    raise ConfigError(
        "A book must be a path of a recording, a store, BookData, BookEvents, or None for a "
        f"synthetic one; was {type(data).__name__}."
    )


def _synthetic(
    symbols: str | Sequence[str] | None,
    venues: str | Sequence[str] | None,
    start: TimeLike | None,
    end: TimeLike | None,
) -> BookData:
    """Make books for the window that is asked for; ten minutes where it has no end."""
    from seq_gym.market.book.synthetic import synthetic_books

    wanted: dict[str, Any] = {}
    if start is not None:
        wanted["start"] = start
        if end is not None:
            wanted["seconds"] = (parse_time(end, end=True) - parse_time(start)) / NS_PER_S
    books = synthetic_books(
        "BTCUSDT" if symbols is None else symbols,
        "synthetic" if venues is None else venues,
        **wanted,
    )
    return books if end is None else _window(books, start, end)


def _window(books: BookData, start: TimeLike | None, end: TimeLike | None) -> BookData:
    if start is None and end is None:
        return books
    start_ns = None if start is None else parse_time(start)
    end_ns = None if end is None else parse_time(end, end=True)
    for book in books.books:
        if (start_ns is not None and start_ns > book.end_ns) or (
            end_ns is not None and end_ns <= book.start_ns
        ):
            first = "its start" if start_ns is None else format_time(start_ns)
            last = "its end" if end_ns is None else format_time(end_ns)
            raise MarketDataError(
                f"The book of {book.symbol} at {book.venue} must have rows from {first} to {last}; "
                f"it has {format_time(book.start_ns)} to {format_time(book.end_ns)}."
            )
    return books.window(start_ns, end_ns)


def _refuse_reading(of: str, reading: dict[str, Any]) -> None:
    for name, value in reading.items():
        if value is not None:
            raise ConfigError(f"{name} must be left out, it is of {of}; was {value!r}.")
