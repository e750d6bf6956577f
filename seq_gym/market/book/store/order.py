"""The order of receipt of rows that several recorders had: never old news after newer.

Recorders differ in how late they are. Each row comes when the first of them had it; where that
would undo a change, by an older one that only a slower recorder had, the newer one waits for it.

Source: spec book.md (B1, B7, B8).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.store.schema import IntArray

__all__ = ["Rows", "in_step"]

_DEPTH, _SNAPSHOT, _CLEAR, _TRADE, _GAP, _STATUS = range(6)
_NEVER: Final = np.iinfo(np.int64).max


class Rows(NamedTuple):
    """Rows of all runs, one after the other."""

    columns: dict[str, npt.NDArray[np.integer[Any]]]
    run: IntArray
    local: IntArray
    """local_ts; of a row without one, that of the row before it in its run."""


def in_step(rows: Rows) -> Rows:
    """Delay what a faster recorder had, where otherwise a slower one's older news would follow it.

    A snapshot comes after all that it knows and before what it does not; a change of a level never
    before an earlier one of that level.
    """
    return _levels_in_step(_behind_snapshots(rows))


class _Run:
    """A run's rows about the book, and when they are passed on: views of all runs' columns."""

    def __init__(self, exch: IntArray, waiting: IntArray, about: npt.NDArray[np.bool_]) -> None:
        self._exch, self._waiting, self._about = exch, waiting, about
        self._extent: tuple[int, int, int, int] | None = None
        self._is_in_order = True

    @property
    def _ends(self) -> tuple[int, int, int, int]:
        """First and last exch_ts and waiting; nothing lies between them where there is no row."""
        if self._extent is None:
            exch, waiting = self._exch[self._about], self._waiting[self._about]
            self._extent = (
                int(exch.min(initial=_NEVER)),
                int(exch.max(initial=-1)),
                int(waiting.min(initial=_NEVER)),
                int(waiting.max(initial=-1)),
            )
        return self._extent

    def last_until(self, at: int) -> int:
        """Return when the last row with exch_ts <= at is passed on; -1: there is none."""
        first, last, _, latest = self._ends
        if first > at:
            return -1
        if last <= at:
            return latest
        return int(self._waiting[self._about & (self._exch <= at)].max(initial=-1))

    def wait(self, late: npt.NDArray[np.bool_], until: int) -> None:
        """Pass rows on at `until`."""
        if late.any():
            self._waiting[late] = until
            self._extent = None
            self._is_in_order = False

    def wait_from(self, row: int, barrier: int) -> None:
        """Pass rows from one on not before a barrier."""
        if self._is_in_order and self._waiting[row] >= barrier:
            return
        late = self._waiting < barrier
        late[:row] = False
        self.wait(late, barrier)

    def wait_after(self, at: int, barrier: int) -> None:
        """Pass rows with exch_ts > at only after a barrier."""
        _, last, earliest, _ = self._ends
        if last > at and earliest <= barrier:
            late = self._about & (self._exch > at) & (self._waiting <= barrier)
            self.wait(late, barrier + 1)


def _behind_snapshots(rows: Rows) -> Rows:
    kind = rows.columns["kind"]
    exch = np.asarray(rows.columns["exch_ts"], np.int64)
    about = (kind != _TRADE) & (kind != _STATUS) & (exch >= 0)
    waiting = rows.local.copy()
    # The rows of a run lie together.
    edges = np.searchsorted(rows.run, np.arange(int(rows.run.max(initial=-1)) + 2)).tolist()
    runs = [
        _Run(exch[first:end], waiting[first:end], about[first:end])
        for first, end in pairwise(edges)
    ]
    for start in _snapshots(rows):
        number = int(rows.run[start])
        # One that is on the recorder's clock alone is as old as that says, at most.
        at = int(exch[start] if exch[start] >= 0 else rows.local[start])
        others = [each for index, each in enumerate(runs) if index != number]
        barrier = max([int(waiting[start]), *(each.last_until(at) + 1 for each in others)])
        runs[number].wait_from(start - edges[number], barrier)
        # A stamp of two runs stands in the order of runs: one more tells them apart.
        for each in others:
            each.wait_after(at, barrier)
    return _waited(rows, waiting)


def _snapshots(rows: Rows) -> list[int]:
    """Return the first row of each snapshot that recorders see, by the venue's clock."""
    kind = rows.columns["kind"]
    exch = np.where(rows.columns["exch_ts"] >= 0, rows.columns["exch_ts"], rows.local)
    seen = rows.columns["local_ts"] >= 0
    told = np.flatnonzero(((kind == _SNAPSHOT) | (kind == _CLEAR)) & seen)
    apart = np.ones(len(told), np.bool_)
    apart[1:] = (np.diff(told) > 1) | (np.diff(exch[told]) != 0) | (np.diff(rows.run[told]) != 0)
    starts = told[apart]
    return [int(row) for row in starts[np.argsort(exch[starts], kind="stable")]]


def _levels_in_step(rows: Rows) -> Rows:
    values = rows.columns
    depth = np.flatnonzero((values["kind"] == _DEPTH) & (values["exch_ts"] >= 0))
    level = values["side"][depth] * np.int64(1 << 32) + values["tick"][depth]
    index = np.lexsort((values["exch_ts"][depth], level))
    order, level = depth[index], level[index]
    local = rows.local[order]
    fresh = np.diff(level) != 0
    turn = np.diff(rows.run[order])
    back = ~fresh & (((np.diff(local) < 0) & (turn != 0)) | ((np.diff(local) == 0) & (turn < 0)))
    if not back.any():
        return rows
    waiting = rows.local.copy()
    edges = np.concatenate(([0], np.flatnonzero(fresh) + 1, [len(order)]))
    for number in np.unique(np.searchsorted(edges, np.flatnonzero(back), "right") - 1).tolist():
        rows_of = order[edges[number] : edges[number + 1]].tolist()
        for before, row in pairwise(rows_of):
            is_next = rows.run[row] >= rows.run[before]
            waiting[row] = max(waiting[row], waiting[before] + (0 if is_next else 1))
    return _waited(rows, waiting)


def _waited(rows: Rows, waiting: IntArray) -> Rows:
    stated = rows.columns["local_ts"]
    stamps = np.where(stated >= 0, waiting, stated)
    return Rows({**rows.columns, "local_ts": stamps}, rows.run, waiting)
