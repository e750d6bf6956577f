"""Check a store against its manifests: files, order, grid, the rules of C7, fingerprints.

Source: spec C7; design.md, "The data store".
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import refuse_bad_values
from seq_gym.market.store.faults import Fault
from seq_gym.market.store.layout import TableKey, part_codes, part_stem
from seq_gym.market.store.manifest import Manifest, Part
from seq_gym.market.store.place import Place
from seq_gym.market.store.rows import Rows, columns_of_rows, content_hash
from seq_gym.market.store.table import read_manifest, read_part
from seq_gym.times import format_interval, format_time

__all__ = ["verify_table"]


def verify_table(place: Place, key: TableKey) -> Iterator[Fault]:
    """Check one table; yields every fault of every file.

    What killed imports left and no manifest names is no fault.
    """
    try:
        manifest = read_manifest(place, key)
    except MarketDataError as error:
        yield Fault(key, "_manifest.json", str(error))
        return
    if manifest is None:
        return
    yield from _faults_of_order(manifest)
    for part in manifest.parts:
        try:
            rows = read_part(place, key, part)
        except MarketDataError as error:
            yield Fault(key, part.file, str(error))
            continue
        problems = list(_faults_of_part(manifest, part, rows))
        yield from (Fault(key, part.file, problem) for problem in problems)


def _faults_of_order(manifest: Manifest) -> Iterator[Fault]:
    for before, after in pairwise(manifest.parts):
        if after.first_ns <= before.last_ns:
            yield Fault(
                manifest.key, after.file, f"It must begin after {before.file} ends; it does not."
            )


def _faults_of_part(manifest: Manifest, part: Part, rows: Rows) -> Iterator[str]:
    key = manifest.key
    if not len(rows):
        yield "It must have rows; was empty."
        return
    steps = np.diff(rows.times)
    if (steps <= 0).any():
        row = int(np.argmax(steps <= 0)) + 1
        yield f"Times must ascend; {rows.where(row)} does not come after the row before it."
    stems = {part_stem(key, int(code)) for code in np.unique(part_codes(key, rows.times))}
    if stems != {part.stem}:
        yield f"It must hold rows of {part.stem} only; has rows of {', '.join(sorted(stems))}."
    stated = (part.rows, part.first_ns, part.last_ns)
    there = (len(rows), int(rows.times[0]), int(rows.times[-1]))
    if stated != there:
        yield (
            f"It must have {part.rows} rows from {format_time(part.first_ns)} to "
            f"{format_time(part.last_ns)}; has {there[0]} from {format_time(there[1])} to "
            f"{format_time(there[2])}."
        )
    yield from _faults_of_values(manifest, rows)
    fingerprint = content_hash(key, rows)
    if fingerprint != part.fingerprint:
        yield f"Its fingerprint must be {part.fingerprint}; was {fingerprint}. It was changed."


def _faults_of_values(manifest: Manifest, rows: Rows) -> Iterator[str]:
    key = manifest.key
    if key.kind == "funding":
        broken = ~np.isfinite(rows.values["rate"])
        if broken.any():
            yield f"{rows.where(int(np.argmax(broken)))}: a funding rate must be finite; was not."
        return
    length = key.interval_ns or 1
    off = rows.times % length != 0
    if off.any():
        yield (
            f"{rows.where(int(np.argmax(off)))}: an open time must be a multiple of "
            f"{format_interval(length)}; was not."
        )
    try:
        refuse_bad_values(columns_of_rows(rows, key, has_volume=manifest.has_volume))
    except MarketDataError as error:
        yield str(error)
