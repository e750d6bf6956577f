"""Merge new rows into those that the store holds.

Source: spec C7.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import FloatArray, IntArray, disagree
from seq_gym.market.findings import OnConflict
from seq_gym.market.store.rows import Rows

__all__ = ["Merged", "merge_rows"]


class Merged(NamedTuple):
    """What became of new rows."""

    rows: Rows
    """The stored and the new ones, in time order."""
    added: int
    """New rows whose time the store did not hold."""
    changed: int
    """Stored rows that the new ones replaced or completed."""
    refused: int
    """New rows that lost to stored ones, by on_conflict="first"."""


def merge_rows(stored: Rows | None, new: Rows, on_conflict: OnConflict) -> Merged:
    """Merge new rows into stored ones; each is in time order, each time once.

    A value that one side does not state (NaN) is no conflict: the other side's stands.

    Args:
        stored: What the store holds, if anything.
        new: What an import brings.
        on_conflict: Two values of one time: an error, the stored one, or the new one.

    Raises:
        MarketDataError: They disagree; the message names both rows.

    Source: C7.
    """
    if stored is None or not len(stored):
        return Merged(new, len(new), 0, 0)
    stored, new = _same_columns(stored, new)
    at = np.searchsorted(stored.times, new.times)
    again = np.zeros(len(new), dtype=np.bool_)
    inside = at < len(stored)
    again[inside] = stored.times[at[inside]] == new.times[inside]
    old_rows, new_rows = at[again], np.flatnonzero(again)
    conflicts = _conflicts(stored, new, old_rows, new_rows)
    any_conflict = np.logical_or.reduce(list(conflicts.values()))
    if on_conflict == "error" and any_conflict.any():
        raise _disagree(stored, new, old_rows, new_rows, conflicts)
    values = {}
    changed = np.zeros(len(old_rows), dtype=np.bool_)
    for name, held in stored.values.items():
        values[name], touched = _settled(
            held, new.values[name], old_rows, new_rows, conflicts[name], on_conflict
        )
        changed |= touched
    refused = int(any_conflict.sum()) if on_conflict == "first" else 0
    both = _joined(stored, new, values, np.flatnonzero(~again))
    return Merged(both, int((~again).sum()), int(changed.sum()), refused)


def _same_columns(stored: Rows, new: Rows) -> tuple[Rows, Rows]:
    names = dict.fromkeys([*stored.values, *new.values])

    def complete(rows: Rows) -> Rows:
        lacking = [name for name in names if name not in rows.values]
        if not lacking:
            return rows
        empty = {name: np.full(len(rows), np.nan) for name in lacking}
        return Rows(
            times=rows.times,
            values={**rows.values, **empty},
            has_volume=rows.has_volume,
            source=rows.source,
            row_numbers=rows.row_numbers,
            row_word=rows.row_word,
        )

    return complete(stored), complete(new)


def _conflicts(
    stored: Rows, new: Rows, old_rows: IntArray, new_rows: IntArray
) -> dict[str, npt.NDArray[np.bool_]]:
    found = {}
    for name, held in stored.values.items():
        earlier, later = held[old_rows], new.values[name][new_rows]
        found[name] = disagree(earlier, later) & ~np.isnan(earlier) & ~np.isnan(later)
    return found


def _settled(
    held: FloatArray,
    brought: FloatArray,
    old_rows: IntArray,
    new_rows: IntArray,
    conflict: npt.NDArray[np.bool_],
    on_conflict: OnConflict,
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return a stored column with what the new rows replace in it, and where they do."""
    earlier, later = held[old_rows], brought[new_rows]
    taken = np.isnan(earlier) & ~np.isnan(later)
    if on_conflict == "last":
        taken = taken | conflict
    if not taken.any():
        return held, taken
    settled = held.copy()
    settled[old_rows[taken]] = later[taken]
    return settled, taken


def _joined(
    stored: Rows, new: Rows, values: dict[str, FloatArray], fresh: npt.NDArray[np.intp]
) -> Rows:
    has_volume = stored.has_volume or new.has_volume
    times = np.concatenate((stored.times, new.times[fresh]))
    joined = {
        name: np.concatenate((held, new.values[name][fresh])) for name, held in values.items()
    }
    both = Rows(times=times, values=joined, has_volume=has_volume)
    if (times[1:] > times[:-1]).all():
        return both
    return both.take(np.argsort(times, kind="stable"))


def _disagree(
    stored: Rows,
    new: Rows,
    old_rows: IntArray,
    new_rows: IntArray,
    conflicts: dict[str, npt.NDArray[np.bool_]],
) -> MarketDataError:
    at = int(np.argmax(np.logical_or.reduce(list(conflicts.values()))))
    name = next(name for name, conflict in conflicts.items() if conflict[at])
    old, late = int(old_rows[at]), int(new_rows[at])
    return MarketDataError(
        f"{new.where(late)}: a row must agree with what the store holds; was {name} "
        f"{float(new.values[name][late])} instead of {float(stored.values[name][old])} in "
        f"{stored.where(old)}. Likely fix: --on-conflict last takes the new rows, first keeps "
        "the stored ones; another --venue keeps both."
    )
