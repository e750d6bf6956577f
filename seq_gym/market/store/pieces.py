"""Pieces of a source's candles: cut by month, written to disk and read back, joined again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import CandleColumns
from seq_gym.market.store.layout import TableKey, part_codes

__all__ = ["Spilled", "cut_by_month", "join_pieces", "spill_piece"]

_BY_MONTH = TableKey(kind="candles", symbol="-", venue="-", interval_ns=1)


class Spilled(NamedTuple):
    """A piece that lies on disk."""

    path: Path
    empty: CandleColumns
    """The piece without its rows: names and words."""

    def read(self) -> CandleColumns:
        """Return the piece."""
        with np.load(self.path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        times, numbers = arrays.pop("time"), arrays.pop("number")
        values = {name.partition(".")[2]: array for name, array in arrays.items()}
        return _with_rows(self.empty, times, numbers, values)


def cut_by_month(columns: CandleColumns) -> Iterator[tuple[int, CandleColumns]]:
    """Cut rows in any order into months, each in the order of the source.

    Yields:
        Months since 1970, and the rows.
    """
    codes = part_codes(_BY_MONTH, columns.time_ns)
    if (codes[1:] >= codes[:-1]).all():
        edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), len(codes)]
        for first, last in pairwise(edges):
            yield int(codes[first]), _pick(columns, slice(first, last))
        return
    order = np.argsort(codes, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
        yield int(codes[rows[0]]), _pick(columns, rows)


def spill_piece(path: Path, columns: CandleColumns) -> Spilled:
    """Write a piece to disk."""
    values: dict[str, Any] = {f"value.{name}": each for name, each in columns.values().items()}
    np.savez(path, time=columns.time_ns, number=_numbers(columns), **values)
    # By an index, which copies: a slice would keep the rows in memory.
    return Spilled(path, _pick(columns, np.zeros(0, np.intp)))


def join_pieces(pieces: Sequence[CandleColumns]) -> CandleColumns:
    """Join pieces of one source, in their order.

    Raises:
        MarketDataError: They do not state the same columns.
    """
    first = pieces[0]
    if len(pieces) == 1:
        return first
    names = {tuple(sorted(piece.values())) for piece in pieces}
    if len(names) > 1:
        stated = " and ".join(str(list(each)) for each in sorted(names))
        raise MarketDataError(
            f"{first.source}, {first.symbol}: all rows of a source must have the same columns; "
            f"were {stated}."
        )
    values = {
        name: np.concatenate([piece.values()[name] for piece in pieces]) for name in first.values()
    }
    flags = {piece.has_volume for piece in pieces} - {None}
    joined = _with_rows(
        first,
        np.concatenate([piece.time_ns for piece in pieces]),
        np.concatenate([_numbers(piece) for piece in pieces]),
        values,
    )
    return replace(joined, has_volume=any(flags) if flags else None)


def _pick(columns: CandleColumns, rows: Any) -> CandleColumns:
    values = {name: each[rows] for name, each in columns.values().items()}
    return _with_rows(columns, columns.time_ns[rows], _numbers(columns)[rows], values)


def _with_rows(
    columns: CandleColumns, times: Any, numbers: Any, values: dict[str, Any]
) -> CandleColumns:
    extra = {name: values[name] for name in columns.extra}
    plain = {name: each for name, each in values.items() if name not in extra}
    return replace(columns, time_ns=times, row_numbers=numbers, extra=extra, **plain)


def _numbers(columns: CandleColumns) -> Any:
    if columns.row_numbers is None:
        return np.arange(len(columns.time_ns))
    return columns.row_numbers
