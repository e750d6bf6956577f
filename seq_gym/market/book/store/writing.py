"""Bring a recording into the store: a file per date, visible at once or not at all.

Source: design.md, "The data store"; S0-14.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.book.store.manifest import BookManifest, date_of, read_book_manifest
from seq_gym.market.book.store.runs import (
    BookPart,
    BookRun,
    columns_of,
    describe_run,
    extremes,
)
from seq_gym.market.book.store.schema import Columns, encode, hash_columns, take
from seq_gym.market.instruments import Instrument
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.manifest import MANIFEST_NAME
from seq_gym.market.store.reports import ImportReport, SourceReport
from seq_gym.times import NS_PER_DAY

if TYPE_CHECKING:
    from seq_gym.market.book.events import BookEvents
    from seq_gym.market.store.place import OnWait, Place

__all__ = ["write_book"]

_AGREED = ("base", "quote", "contract_size", "inverse")
"""What the recordings of one instrument must agree on; ticks and lots are brought to one grid."""


def write_book(
    place: Place,
    events: BookEvents,
    *,
    source: str = "book",
    report: SourceReport | None = None,
    on_wait: OnWait | None = None,
) -> ImportReport:
    """Add a recording to the book of its venue and symbol.

    The same recording again changes nothing; with its clock shifted otherwise it takes the place of
    the earlier one.

    Args:
        place: The store.
        events: The recording.
        source: Its file or name.
        report: What its import found; kept beside the data.
        on_wait: Is told, in a sentence, that another import holds the book.

    Raises:
        MarketDataError: The instrument is not the one of the stored recordings.
    """
    key = TableKey(kind="book", symbol=events.symbol, venue=events.venue)
    found = {} if report is None else report.as_dict()
    run = describe_run(events, source=source, report=found)
    with place.locked(key.folder, on_wait):
        path = f"{key.folder}/{MANIFEST_NAME}"
        raw = place.read(path)
        before = (
            BookManifest(key=key)
            if raw is None
            else BookManifest.from_json(key, raw, f"{place.name}/{path}")
        )
        place.clean(key.folder, [part.file for part in before.parts])
        held = before.run(run.id)
        if held is not None and (held.fingerprint, held.instrument) == (
            run.fingerprint,
            run.instrument,
        ):
            return _report(before, key, source, report)
        _refuse_other_instrument(before, run.instrument, source)
        after = _commit(place, before, raw, run, columns_of(events), held)
    return _report(
        after,
        key,
        source,
        report,
        added=0 if held else run.rows,
        changed=run.rows if held else 0,
    )


def _commit(
    place: Place,
    before: BookManifest,
    raw: bytes | None,
    run: BookRun,
    columns: Columns,
    held: BookRun | None,
) -> BookManifest:
    """Write the files of a run, then the manifest that names them."""
    key = before.key
    replaced = {} if held is None else {part.date: part.file for part in held.parts}
    written: list[str] = []
    try:
        parts = []
        for part, data in _parts(run, columns):
            file = place.part_file(f"date={part.date}/{run.id}", replaced.get(part.date))
            written.append(file)
            place.write_part(f"{key.folder}/{file}", data)
            parts.append(replace(part, file=file))
        after = before.with_run(replace(run, parts=tuple(parts)))
        place.commit(f"{key.folder}/{MANIFEST_NAME}", after.to_json(), raw)
    except BaseException:
        there = read_book_manifest(place, key)
        named = set() if there is None else {part.file for part in there.parts}
        place.discard(key.folder, [file for file in written if file not in named])
        raise
    place.retire(key.folder, sorted(replaced.values()))
    return after


def _parts(run: BookRun, columns: Columns) -> Iterator[tuple[BookPart, bytes]]:
    """Cut a run by date, and encode each part."""
    exch, local = columns["exch_ts"], columns["local_ts"]
    days = np.where(exch >= 0, exch, local) // NS_PER_DAY
    facts = _facts(run)
    for day in np.unique(days).tolist():
        rows = np.flatnonzero(days == day)
        whole = len(rows) == len(days)
        here = columns if whole else take(columns, rows)
        edges = np.flatnonzero(np.diff(rows) > 1)
        firsts = rows[np.concatenate(([0], edges + 1))].tolist()
        ends = (rows[np.concatenate((edges, [len(rows) - 1]))] + 1).tolist()
        data = encode(here, facts)
        yield (
            BookPart(
                date=date_of(day),
                file="",
                rows=len(rows),
                num_bytes=len(data),
                exch_ns=extremes(here["exch_ts"].astype(np.int64, copy=False)),
                local_ns=extremes(here["local_ts"].astype(np.int64, copy=False)),
                spans=tuple(zip(firsts, ends, strict=True)),
                fingerprint=hash_columns(here),
            ),
            data,
        )


def _facts(run: BookRun) -> Mapping[str, str]:
    """Say in the file what its numbers count: it may be read without its manifest."""
    named = run.instrument
    return {
        "venue": named.venue,
        "symbol": named.symbol,
        "tick": repr(named.tick),
        "lot": repr(named.lot),
        "run": run.id,
        "source": run.source,
    }


def _refuse_other_instrument(before: BookManifest, new: Instrument, source: str) -> None:
    for run in before.runs:
        for name in _AGREED:
            stored, brought = getattr(run.instrument, name), getattr(new, name)
            if stored != brought:
                raise MarketDataError(
                    f"{source}: {name} of {new.symbol} must be that of the stored recording "
                    f"{run.source}, {stored!r}; was {brought!r}. Likely fix: another --venue keeps "
                    "both."
                )


def _report(
    manifest: BookManifest,
    key: TableKey,
    source: str,
    report: SourceReport | None,
    *,
    added: int = 0,
    changed: int = 0,
) -> ImportReport:
    found: tuple[Any, ...] = () if report is None else (report,)
    return ImportReport(
        key=key,
        sources=(source,),
        quality=(),
        recordings=found,
        rows=manifest.rows,
        added=added,
        changed=changed,
        refused=0,
        is_changed=bool(added or changed),
        fingerprint=manifest.fingerprint,
    )
