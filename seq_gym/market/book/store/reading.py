"""Read a book from the store: the runs that a window needs, scaled to one grid, merged.

Source: design.md, "The data store"; S0-14, S3-50, S3-51.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from math import gcd, lcm
from typing import TYPE_CHECKING, Final

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.book.decimals import MAX_COUNT, step_of
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.integrity import COLUMNS, MAX_TICK
from seq_gym.market.book.store.covering import cover_runs, last_reset
from seq_gym.market.book.store.decoding import find_stretch, read_stretches
from seq_gym.market.book.store.manifest import BookManifest, date_of, read_book_manifest
from seq_gym.market.book.store.merging import RunRows, merge_runs
from seq_gym.market.book.store.runs import BookPart, BookRun
from seq_gym.market.book.store.schema import Columns, take
from seq_gym.market.instruments import Instrument
from seq_gym.times import NS_PER_DAY, NS_PER_S, format_time

if TYPE_CHECKING:
    from seq_gym.market.store.layout import TableKey
    from seq_gym.market.store.place import Place

__all__ = ["BookWindow", "join_runs", "read_book", "repair_hint"]

_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BookWindow:
    """What is to be read of a book."""

    start_ns: int | None = None
    """First instant on either clock; None = that of the data."""
    end_ns: int | None = None
    """The instant before which it ends; None = all the rest."""
    scan_buffer_secs: float = 3600.0
    """How far beyond the window the dates are looked through for rows that were written late."""
    dedup: bool = True
    """Leave out what several recordings have."""


def repair_hint(key: TableKey) -> str:
    """Say how a book with a broken file is put right."""
    return f"Likely fix: remove the folder {key.folder}, then import its recordings again."


def read_book(place: Place, key: TableKey, window: BookWindow) -> BookEvents | None:
    """Read a book; None where the store has none of this venue and symbol.

    A window begins with the book as it stood, which is found by reading on from the last event
    before it that renewed the whole book, or from the beginning of the recordings.

    Raises:
        MarketDataError: The window holds no row, or a file is not what its manifest states.
    """
    for attempt in range(_ATTEMPTS):
        manifest = read_book_manifest(place, key)
        if manifest is None:
            return None
        try:
            return _read(place, manifest, window)
        except FileNotFoundError as error:
            # A writer replaced a part after its manifest was read: read the new one.
            if attempt + 1 == _ATTEMPTS:
                raise MarketDataError(
                    f"{place.name}: the {key} must have the parts that its manifest names; "
                    f"{error}. {repair_hint(key)}"
                ) from error
    return None


def join_runs(
    runs: Sequence[BookRun], rows: Sequence[RunRows], *, dedup: bool
) -> tuple[Instrument, Columns]:
    """Bring runs of one book to one grid, and merge them.

    Args:
        runs: All runs, by their first instant; they decide what the grid is and which gaps count.
        rows: What was read of each of them.
        dedup: Leave out what several have.

    Raises:
        MarketDataError: No grid holds the prices of all of them.
    """
    instrument = _common(runs)
    scaled = [_scaled(run, instrument, each) for run, each in zip(runs, rows, strict=True)]
    cover = cover_runs(runs) if dedup and len(runs) > 1 else None
    return instrument, merge_runs(scaled, cover)


def _read(place: Place, manifest: BookManifest, window: BookWindow) -> BookEvents:
    runs = manifest.runs
    start, end = window.start_ns, window.end_ns
    first, last = manifest.first_ns, manifest.end_ns
    if (start is not None and start > last) or (end is not None and end <= first):
        raise _nothing(manifest, window)
    low = None
    if start is not None and start > first:
        low = last_reset(runs, cover_runs(runs), start) if window.dedup or len(runs) == 1 else None
    read = [_read_run(place, manifest.key, run, low, window) for run in runs]
    instrument, columns = join_runs(runs, read, dedup=window.dedup)
    if not len(columns["kind"]):
        raise _nothing(manifest, window)
    for values in columns.values():
        values.flags.writeable = False
    book = BookEvents(instrument=instrument, **columns, is_checked=True)  # type: ignore[arg-type]
    if start is None and end is None:
        return book
    try:
        return book.window(start, end)
    except MarketDataError as error:
        raise _nothing(manifest, window) from error


def _read_run(
    place: Place, key: TableKey, run: BookRun, low: int | None, window: BookWindow
) -> RunRows:
    """Read the rows of a run from an instant on; in the order in which they were recorded."""
    spans: list[tuple[int, int]] = []
    stretches = []
    for part in run.parts:
        if not _is_scanned(part, low, window):
            continue
        stretch = find_stretch(
            place,
            f"{key.folder}/{part.file}",
            num_rows=part.rows,
            start_ns=low,
            end_ns=window.end_ns,
        )
        spans += _cut(part.spans, stretch.first, stretch.rows)
        stretches.append(stretch)
    columns = read_stretches(place, stretches)
    rows = RunRows(tuple(spans), columns)
    if all(before[1] <= after[0] for before, after in pairwise(spans)):
        return rows
    order = np.argsort(rows.numbers, kind="stable")  # rows around midnight that were written late
    numbers = rows.numbers[order]
    edges = np.flatnonzero(np.diff(numbers) > 1) + 1
    firsts = numbers[np.concatenate(([0], edges))].tolist()
    ends = (numbers[np.concatenate((edges, [len(numbers)])) - 1] + 1).tolist()
    return RunRows(tuple(zip(firsts, ends, strict=True)), take(columns, order))


def _cut(spans: Sequence[tuple[int, int]], skip: int, count: int) -> Iterator[tuple[int, int]]:
    """Return which rows of the run some rows of a file are: `count` of them, after `skip`."""
    for first, end in spans:
        start = first + min(skip, end - first)
        stop = min(end, start + count)
        skip -= start - first
        count -= stop - start
        if start < stop:
            yield start, stop


def _is_scanned(part: BookPart, low: int | None, window: BookWindow) -> bool:
    """Tell whether a file is looked into: by its date, then by the instants it holds."""
    buffer_ns = int(window.scan_buffer_secs * NS_PER_S)
    if low is not None:
        if part.date < date_of((low - buffer_ns) // NS_PER_DAY):
            return False
        if max(part.exch_ns[1], part.local_ns[1]) < low:
            return False
    if window.end_ns is not None:
        if part.date > date_of((window.end_ns + buffer_ns) // NS_PER_DAY):
            return False
        return min(each[0] for each in (part.exch_ns, part.local_ns) if each[0] >= 0) < (
            window.end_ns
        )
    return True


def _common(runs: Sequence[BookRun]) -> Instrument:
    """Return the instrument as the newest run states it, on the finest grid of all."""
    newest = runs[-1].instrument
    return replace(
        newest,
        tick=_finest([run.instrument.tick for run in runs]),
        lot=_finest([run.instrument.lot for run in runs]),
    )


def _finest(steps: Sequence[float]) -> float:
    """Return the largest step of which all are multiples."""
    if len(set(steps)) == 1:
        return steps[0]
    parts = [Fraction(*step_of(step)) for step in steps]
    below = lcm(*(part.denominator for part in parts))
    return float(Fraction(gcd(*(int(part * below) for part in parts)), below))


def _scaled(run: BookRun, to: Instrument, rows: RunRows) -> RunRows:
    columns = dict(rows.columns)
    for name, own, common, most in (
        ("tick", run.instrument.tick, to.tick, MAX_TICK),
        ("lots", run.instrument.lot, to.lot, MAX_COUNT),
    ):
        factor = Fraction(*step_of(own)) / Fraction(*step_of(common))
        if factor == 1:
            continue
        counts = np.asarray(columns[name], np.int64)
        if name == "lots":
            counts = np.where(np.asarray(columns["kind"]) == 5, counts, counts * int(factor))
        else:
            counts = counts * int(factor)
        if len(counts) and int(counts.max()) > most:
            raise MarketDataError(
                f"{run.source}: {name} of {own} must fit the grid of {common} that the other "
                f"recordings of {to.symbol} have; was {int(counts.max()):,}. Likely fix: state "
                "--tick and --lot when importing."
            )
        columns[name] = counts.astype(COLUMNS[name])
    return RunRows(rows.spans, columns)


def _nothing(manifest: BookManifest, window: BookWindow) -> MarketDataError:
    spans = [(run.first_ns, run.last_ns) for run in manifest.runs]
    shown = [f"{format_time(first)} to {format_time(last)}" for first, last in spans[:5]]
    more = f" and {len(spans) - 5} more" if len(spans) > 5 else ""
    start = "its start" if window.start_ns is None else format_time(window.start_ns)
    end = "its end" if window.end_ns is None else format_time(window.end_ns)
    return MarketDataError(
        f"The {manifest.key} must have rows from {start} to {end}; the store has "
        f"{', '.join(shown)}{more}."
    )
