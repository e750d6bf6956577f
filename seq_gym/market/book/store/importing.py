"""Recordings on their way in: files put together by format, read, and stored book by book.

Source: spec book.md (Formats that are read, B1); S0-14.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers import FAMILIES, Recording, is_recording, read_recording
from seq_gym.market.book.importers.lines import open_source
from seq_gym.market.book.store.writing import write_book
from seq_gym.market.store.importing import UNKNOWN_VENUE

if TYPE_CHECKING:
    from seq_gym.market.book.events import BookEvents
    from seq_gym.market.store.place import OnWait, Place
    from seq_gym.market.store.reports import ImportReport, SourceReport

__all__ = [
    "RecordingOptions",
    "import_recordings",
    "read_recordings",
    "recordings_in",
    "store_book",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingOptions:
    """What recordings do not say themselves."""

    symbol: str | None = None
    """Only this symbol, or the name of what the files do not name."""
    venue: str | None = None
    """Where it was traded."""
    tick: float | str | None = None
    """Price step; None = what the recording tells, else the smallest decimal step seen."""
    lot: float | str | None = None
    """Quantity step, likewise."""
    fix_clock: bool = False
    """Shift a recorder's clock that is behind the venue's by the least that helps (B1)."""
    shift_ns: int | None = None
    """Shift it by this much."""
    renames: bool = True
    """Whether `venue` may replace the one that the files state."""


def recordings_in(path: Path) -> list[Path]:
    """Return the file, or the recordings of a folder and its folders, sorted."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.rglob("*") if each.is_file() and is_recording(each))


def read_recordings(paths: Iterable[Path], options: RecordingOptions) -> list[Recording]:
    """Read recordings; files of one format are taken as one recorder's, with one clock.

    Raises:
        ConfigError: Something must be said about a file; the message tells how.
        MarketDataError: A file is at fault, or its clock is behind (B1).
    """
    by_format: dict[str, list[Path]] = {}
    for path in paths:
        by_format.setdefault(_format_of(path), []).append(path)
    return [
        recording
        for group in by_format.values()
        for recording in read_recording(
            group,
            symbol=options.symbol,
            venue=options.venue,
            tick=options.tick,
            lot=options.lot,
            fix_clock=options.fix_clock,
            shift_ns=options.shift_ns,
            renames=options.renames,
        )
    ]


def import_recordings(
    place: Place,
    paths: Sequence[Path],
    options: RecordingOptions,
    on_wait: OnWait | None = None,
) -> list[ImportReport]:
    """Read recordings, all of them, then store them book by book.

    Raises:
        ConfigError: Something must be said about a file; the message tells how.
        MarketDataError: A file is at fault; nothing is stored. Or an instrument is not that of the
            stored recordings; the books before it have been stored.
    """
    return [
        store_book(
            place,
            recording.events,
            source=", ".join(recording.report.sources),
            report=recording.report,
            on_wait=on_wait,
        )
        for recording in read_recordings(paths, options)
    ]


def store_book(
    place: Place,
    events: BookEvents,
    *,
    source: str,
    report: SourceReport | None,
    on_wait: OnWait | None,
) -> ImportReport:
    """Store a recording; one of no venue under that of files which tell none."""
    if not events.venue:
        named = replace(events.instrument, venue=UNKNOWN_VENUE)
        events = replace(events, instrument=named, is_checked=True)
    return write_book(place, events, source=source, report=report, on_wait=on_wait)


def _format_of(path: Path) -> str:
    if not path.is_file():
        raise MarketDataError(f"A recording must be a file that exists; there is no {path}.")
    source = open_source(path)
    return next((family.name for family in FAMILIES if family.recognise(source)), "")
