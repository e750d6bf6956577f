"""Put the rows of runs together: what two recorders both have is one row, in order of receipt.

Within one run equal rows are all kept, for two equal prints may stand at one instant. Over several
runs an event counts as often as the run that has it most often: each occurrence is matched with the
same occurrence of the others, and comes when the first of the recorders had it.

Source: S3-51 (cross-run dedup on venue, symbol, exch_ts and content).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.store.covering import Cover, Made
from seq_gym.market.book.store.order import Rows, in_step
from seq_gym.market.book.store.schema import Columns, IntArray

__all__ = ["RunRows", "merge_runs"]

_DEPTH, _SNAPSHOT, _CLEAR, _TRADE, _GAP, _STATUS = range(6)
_CONTENT: Final = ("lots", "tick", "side", "kind", "exch_ts")
_UNKNOWN: Final = np.iinfo(np.int64).max
"""Stands for a local stamp that a run lacks: any other is earlier."""


class RunRows(NamedTuple):
    """Rows of one run."""

    spans: tuple[tuple[int, int], ...]
    """Which rows of it, as [first, end), ascending."""
    columns: Columns
    """The rows."""

    @property
    def numbers(self) -> IntArray:
        """Their numbers in the run, int64 ``[n]``."""
        return np.concatenate(
            [np.zeros(0, np.int64), *(np.arange(first, end) for first, end in self.spans)]
        )


def merge_runs(runs: Sequence[RunRows], cover: Cover | None) -> Columns:
    """Merge runs into one recording.

    Args:
        runs: Their rows, by the runs' first instant.
        cover: How they are put together; None = keep every row of every run.

    Returns:
        The rows in order of receipt. Rows of one run keep their order, unless another recorder had
        one of them earlier.
    """
    if len(runs) == 1:
        return runs[0].columns
    parts = [_laid_out(index, run, cover) for index, run in enumerate(runs)]
    rows = Rows(
        {name: np.concatenate([part.columns[name] for part in parts]) for name in COLUMNS},
        *(np.concatenate([part[number] for part in parts]) for number in (1, 2)),
    )
    if cover is not None:
        rows = in_step(_once(rows))
    if (np.diff(rows.local) < 0).any():
        # Ties: by run, then as they were recorded.
        rows = _chosen(rows, np.argsort(rows.local, kind="stable"))
    return rows.columns


def _laid_out(index: int, run: RunRows, cover: Cover | None) -> Rows:
    """Return a run's rows, without those that say nothing, and with those that are put in."""
    columns = {name: np.asarray(run.columns[name], dtype) for name, dtype in COLUMNS.items()}
    if cover is not None and run.spans:
        numbers = run.numbers
        if cover.dropped[index]:
            keep = _says_something(numbers, cover.dropped[index])
            numbers = numbers[keep]
            columns = {name: values[keep] for name, values in columns.items()}
        for row in cover.made:
            if row.run == index and run.spans[0][0] <= row.row <= run.spans[-1][1]:
                at = int(np.searchsorted(numbers, row.row))
                numbers = np.insert(numbers, at, row.row)
                columns = _with_row(columns, at, row)
    count = len(columns["kind"])
    return Rows(columns, np.full(count, index), _filled(columns))


def _with_row(
    columns: dict[str, npt.NDArray[np.integer[Any]]], at: int, row: Made
) -> dict[str, npt.NDArray[np.integer[Any]]]:
    stated = {"kind": row.kind, "exch_ts": row.exch_ts, "local_ts": row.local_ts}
    return {name: np.insert(values, at, stated.get(name, 0)) for name, values in columns.items()}


def _filled(columns: Columns) -> IntArray:
    """Give rows that are not on the recorder's clock the stamp of the row before them."""
    local = np.asarray(columns["local_ts"], np.int64)
    if (local >= 0).all():
        return local
    first = columns["exch_ts"] if (local < 0).all() else np.zeros_like(local)
    filled: IntArray = np.maximum.accumulate(np.where(local >= 0, local, first))
    return filled


def _says_something(numbers: IntArray, dropped: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    keep = np.ones(len(numbers), np.bool_)
    for first, end in dropped:
        keep[np.searchsorted(numbers, first) : np.searchsorted(numbers, end)] = False
    return keep


def _once(rows: Rows) -> Rows:
    """Leave each event that several runs have to the one that had it first."""
    shared = _shared(rows)
    if not len(shared):
        return rows
    content = [rows.columns[name][shared] for name in _CONTENT]
    stated = np.asarray(rows.columns["local_ts"][shared], np.int64)
    # A row that is not on the venue's clock is the same only where it came at the same time.
    content.append(np.where(content[-1] < 0, stated, -1))
    run = rows.run[shared]
    content.append(_occurrence([run, *content]))
    order = np.lexsort((run, np.where(stated >= 0, stated, _UNKNOWN), *content))
    again = np.zeros(len(order), np.bool_)
    again[1:] = _same(content, order)
    keep = np.ones(len(rows.run), np.bool_)
    keep[shared[order[again]]] = False
    return _chosen(rows, np.flatnonzero(keep))


def _shared(rows: Rows) -> npt.NDArray[np.intp]:
    """Return the rows of events that lie where several runs have some, in the order of rows."""
    kind = rows.columns["kind"]
    event = (kind == _DEPTH) | (kind == _TRADE) | (kind == _STATUS)
    exch = np.where(rows.columns["exch_ts"] >= 0, rows.columns["exch_ts"], rows.local)
    found = np.zeros(len(kind), np.bool_)
    extents = [
        (int(exch[own].min()), int(exch[own].max()))
        for index in range(int(rows.run.max(initial=-1)) + 1)
        if (own := np.flatnonzero(event & (rows.run == index))).size
    ]
    for number, (first, last) in enumerate(extents):
        for start, end in extents[number + 1 :]:
            if max(first, start) <= min(last, end):
                found |= (exch >= max(first, start)) & (exch <= min(last, end))
    return np.flatnonzero(found & event)


def _occurrence(content: Sequence[npt.NDArray[np.integer[Any]]]) -> IntArray:
    """Number equal rows, in their order, int64 ``[n]``."""
    order = np.lexsort(tuple(content))
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = ~_same(content, order)
    at = np.arange(len(order))
    nth = np.empty(len(order), np.int64)
    nth[order] = at - np.maximum.accumulate(np.where(fresh, at, 0))
    return nth


def _same(
    values: Sequence[npt.NDArray[np.integer[Any]]], order: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    """Tell of each row but the first, in an order, whether it equals the one before it."""
    same = np.ones(len(order) - 1, np.bool_)
    for each in values:
        same &= each[order[1:]] == each[order[:-1]]
    return same


def _chosen(rows: Rows, index: npt.NDArray[np.intp]) -> Rows:
    columns = {name: values[index] for name, values in rows.columns.items()}
    return Rows(columns, rows.run[index], rows.local[index])
