"""The writer of one table: merge rows into its parts, commit them at once.

Source: design.md, "The data store"; spec C7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.findings import OnConflict
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.manifest import MANIFEST_NAME, Manifest, Part
from seq_gym.market.store.merging import merge_rows
from seq_gym.market.store.place import OnWait, Place
from seq_gym.market.store.rows import Rows, content_hash, encode, value_names
from seq_gym.market.store.table import read_manifest, read_part

__all__ = ["TableWriter", "write_table"]

_MOST_PENDING: Final = 2
"""Parts that are written while the next one is judged; each is held in memory."""


class TableWriter:
    """The only writer of a table, between `write_table` and its end.

    Attributes:
        key: The table.
        added: Rows whose time the table did not hold.
        changed: Rows that were replaced or completed.
        refused: New rows that lost to stored ones.
    """

    def __init__(
        self, place: Place, key: TableKey, before: Manifest | None, raw: bytes | None
    ) -> None:
        self.key = key
        self.added = self.changed = self.refused = 0
        self._place = place
        self._before = before
        self._raw = raw
        self._parts = {part.stem: part for part in (before.parts if before else ())}
        self._has_volume = {stem: part.has_volume for stem, part in self._parts.items()}
        self._extra = set(before.extra if before else ())
        self._written: list[str] = []
        self._pool: ThreadPoolExecutor | None = None
        self._pending: list[Future[Part]] = []

    @property
    def is_changed(self) -> bool:
        """Something will be committed."""
        self.finish()
        return self._ordered() != (() if self._before is None else self._before.parts)

    def merge(self, stem: str, new: Rows, on_conflict: OnConflict) -> None:
        """Merge the new rows of one part, and write it where that changes it; once per part.

        Raises:
            MarketDataError: They disagree with stored rows; the message names both.
        """
        held = self._parts.get(stem)
        stored = None if held is None else read_part(self._place, self.key, held)
        rows, added, changed, refused = merge_rows(stored, new, on_conflict)
        self.added += added
        self.changed += changed
        self.refused += refused
        self._has_volume[stem] = _has_volume(rows, self.key, new, held)
        if {None, True} <= set(self._has_volume.values()):
            raise _mixed_volume(self.key, new)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_MOST_PENDING, "seq_gym-store")
        # Hashing, compressing and syncing let other threads run: the next part is judged meanwhile.
        self._pending.append(self._pool.submit(self._store, stem, rows, held))
        if len(self._pending) > _MOST_PENDING:
            self._settle()

    def finish(self) -> None:
        """Wait until every part that was merged is written."""
        while self._pending:
            self._settle()
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def commit(self, reports: Sequence[Mapping[str, Any]] = ()) -> Manifest | None:
        """Make everything visible at once; where nothing changed, touch nothing.

        Args:
            reports: Quality reports of the sources.

        Returns:
            What the table holds now; None where it holds nothing.

        Raises:
            MarketDataError: Another writer came between, where no lock can be had.
        """
        if not self.is_changed:
            return self._before
        held = Manifest(key=self.key) if self._before is None else self._before
        manifest = replace(held, parts=self._ordered(), extra=tuple(sorted(self._extra)))
        for report in reports:
            manifest = manifest.with_report(report)
        folder = self.key.folder
        self._place.commit(f"{folder}/{MANIFEST_NAME}", manifest.to_json(), self._raw)
        named = {part.file for part in manifest.parts}
        self._place.retire(folder, [part.file for part in held.parts if part.file not in named])
        return manifest

    def abort(self) -> None:
        """Remove what was written and is not committed."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        manifest = read_manifest(self._place, self.key)
        named = () if manifest is None else {part.file for part in manifest.parts}
        self._place.discard(self.key.folder, [file for file in self._written if file not in named])

    def _store(self, stem: str, rows: Rows, held: Part | None) -> Part:
        """Write a part, unless it is the one that is held."""
        has_volume = self._has_volume[stem]
        fingerprint = content_hash(self.key, rows)
        if held is not None and (held.fingerprint, held.has_volume) == (fingerprint, has_volume):
            return held
        file = self._place.part_file(stem, None if held is None else held.file)
        self._written.append(file)
        data = encode(self.key, rows)
        self._place.write_part(f"{self.key.folder}/{file}", data)
        ours = value_names(self.key.kind)
        self._extra |= {name for name in rows.values if name not in ours}
        return Part(
            stem=stem,
            file=file,
            rows=len(rows),
            num_bytes=len(data),
            first_ns=int(rows.times[0]),
            last_ns=int(rows.times[-1]),
            fingerprint=fingerprint,
            has_volume=has_volume,
        )

    def _settle(self) -> None:
        part = self._pending.pop(0).result()
        self._parts[part.stem] = part

    def _ordered(self) -> tuple[Part, ...]:
        return tuple(self._parts[stem] for stem in sorted(self._parts))


@contextmanager
def write_table(
    place: Place, key: TableKey, on_wait: OnWait | None = None
) -> Iterator[TableWriter]:
    """Open a table for writing: alone, and without what killed writers left.

    What is written and not committed stays invisible, and the next writer removes it.
    """
    with place.locked(key.folder, on_wait):
        before, raw = _clean(place, key)
        writer = TableWriter(place, key, before, raw)
        try:
            yield writer
        except BaseException:
            writer.abort()
            raise


def _clean(place: Place, key: TableKey) -> tuple[Manifest | None, bytes | None]:
    """Remove what no manifest names; return the manifest, and as it was read."""
    path = f"{key.folder}/{MANIFEST_NAME}"
    raw = place.read(path)
    found = None if raw is None else Manifest.from_json(key, raw, f"{place.name}/{path}")
    place.clean(key.folder, [] if found is None else [part.file for part in found.parts])
    return found, raw


def _has_volume(rows: Rows, key: TableKey, new: Rows, held: Part | None) -> bool | None:
    """Tell whether volume is stated: None = by no row, False = it is always 0."""
    volume = rows.values.get("volume")
    if volume is None or np.isnan(volume).all():
        return None
    if np.isnan(volume).any():
        raise _mixed_volume(key, new)
    return bool(new.has_volume or (held is not None and held.has_volume) or (volume > 0).any())


def _mixed_volume(key: TableKey, new: Rows) -> MarketDataError:
    return MarketDataError(
        f"{new.source}: the {key} must all state their volume, or none of them; some do, some do "
        "not. Likely fix: name the column of volume, or another venue keeps both."
    )
