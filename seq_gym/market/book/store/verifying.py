"""Check the book of a store against its manifest: files, dates, order, rules, fingerprints.

Source: spec book.md (Events, B1); design.md, "The data store".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from seq_gym.errors import MarketDataError, SeqGymError
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.store.decoding import find_stretch, read_stretches
from seq_gym.market.book.store.manifest import BookManifest, date_of, read_book_manifest
from seq_gym.market.book.store.runs import BookPart, BookRun, describe_run, extremes
from seq_gym.market.book.store.schema import Columns, hash_columns
from seq_gym.market.store.faults import Fault
from seq_gym.times import NS_PER_DAY

if TYPE_CHECKING:
    from seq_gym.market.store.layout import TableKey
    from seq_gym.market.store.place import Place

__all__ = ["verify_book"]


def verify_book(place: Place, key: TableKey) -> Iterator[Fault]:
    """Check one book; yields every fault of every file.

    What killed imports left and no manifest names is no fault.
    """
    try:
        manifest = read_book_manifest(place, key)
    except SeqGymError as error:
        yield Fault(key, "_manifest.json", str(error))
        return
    if manifest is not None:
        for run in manifest.runs:
            yield from _faults_of_run(place, manifest, run)


def _faults_of_run(place: Place, manifest: BookManifest, run: BookRun) -> Iterator[Fault]:
    key = manifest.key
    parts: list[Columns] = []
    numbers = []
    for part in run.parts:
        try:
            path = f"{key.folder}/{part.file}"
            columns = read_stretches(place, [find_stretch(place, path, num_rows=part.rows)])
        except (MarketDataError, FileNotFoundError) as error:
            yield Fault(key, part.file, str(error))
            continue
        yield from (Fault(key, part.file, problem) for problem in _faults_of_part(part, columns))
        parts.append(columns)
        numbers += [np.arange(first, end) for first, end in part.spans]
    if len(parts) < len(run.parts):
        return
    rows = np.concatenate(numbers)
    if not np.array_equal(np.sort(rows), np.arange(run.rows)):
        yield Fault(key, "_manifest.json", f"The files of {run.source} must hold each row once.")
        return
    order = np.argsort(rows)
    whole = {name: np.concatenate([part[name] for part in parts])[order] for name in COLUMNS}
    yield from (Fault(key, run.parts[0].file, each) for each in _faults_of_rows(run, whole))


def _faults_of_part(part: BookPart, columns: Columns) -> Iterator[str]:
    exch, local = columns["exch_ts"], columns["local_ts"]
    days = np.unique(np.where(exch >= 0, exch, local) // NS_PER_DAY)
    dates = [date_of(int(day)) for day in days]
    if dates != [part.date]:
        yield f"It must hold rows of {part.date} only; has rows of {', '.join(dates)}."
    there = tuple(extremes(np.asarray(each, np.int64)) for each in (exch, local))
    if there != (part.exch_ns, part.local_ns):
        yield f"Its times must be {part.exch_ns} and {part.local_ns}; were {there}."
    fingerprint = hash_columns(columns)
    if fingerprint != part.fingerprint:
        yield f"Its fingerprint must be {part.fingerprint}; was {fingerprint}. It was changed."


def _faults_of_rows(run: BookRun, columns: Columns) -> Iterator[str]:
    """Check the rules of book rows, order among them, and what the manifest says of them."""
    try:
        events = BookEvents(instrument=run.instrument, **columns)  # type: ignore[arg-type]
    except SeqGymError as error:
        yield str(error)
        return
    found = describe_run(events)
    if found.fingerprint != run.fingerprint:
        yield f"The fingerprint of {run.source} must be {run.fingerprint}; was {found.fingerprint}."
    for name in ("id", "trades", "blocks", "losses", "halts", "exch_ns", "local_ns"):
        if getattr(found, name) != getattr(run, name):
            yield f"The manifest must say the {name} of {run.source} as they are; it does not."
