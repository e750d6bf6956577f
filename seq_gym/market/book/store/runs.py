"""What a run of a recorder is: its rows in short, for whoever decides what must be read.

A *run* is one recording that was imported. It states where its snapshots and gaps are, so that runs
that overlap can be put together, and windows be read, without reading everything.

Source: spec book.md (B8, B10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.store.schema import Columns, IntArray, hash_columns
from seq_gym.market.instruments import Instrument

__all__ = ["Block", "BookPart", "BookRun", "Lost", "columns_of", "describe_run"]

_DEPTH, _SNAPSHOT, _CLEAR, _TRADE, _GAP, _STATUS = range(6)
_ID_DIGITS: Final = 16


class Block(NamedTuple):
    """A snapshot: its CLEAR and SNAPSHOT rows, and the diffs that are replayed over it."""

    row: int
    """Its first row in the run."""
    end_row: int
    """The row after its last one."""
    exch_ts: int
    """When the venue made it; -1 where it does not tell."""
    local_ts: int
    """When the recorder had it."""
    whole: bool
    """It replaces the whole book: what was before does not matter any more."""

    @property
    def instant(self) -> int:
        """Its time on the venue's clock, else on the recorder's."""
        return self.exch_ts if self.exch_ts >= 0 else self.local_ts


class Lost(NamedTuple):
    """A GAP: what was lost lies between the two instants of the venue's clock."""

    row: int
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPart:
    """One Parquet file: the rows of a run that belong to a date."""

    date: str
    """Date of exch_ts in UTC, or of local_ts where a row is not on the venue's clock."""
    file: str
    """Its name below the table's folder."""
    rows: int
    """Number of rows."""
    num_bytes: int
    """Size of the file."""
    exch_ns: tuple[int, int]
    """First and last instant on the venue's clock; (-1, -1) where there is none."""
    local_ns: tuple[int, int]
    """Likewise on the recorder's."""
    spans: tuple[tuple[int, int], ...]
    """Which rows of the run they are, as [first, end)."""
    fingerprint: str
    """Hash of its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookRun:
    """One recording that was imported."""

    id: str
    """Names its content; a constant shift of the recorder's clock does not change it."""
    source: str
    """File or recording it came from."""
    instrument: Instrument
    """With the tick and the lot that its rows count."""
    rows: int
    """Number of rows."""
    trades: int
    """Number of prints among them."""
    exch_ns: tuple[int, int]
    """First and last instant on the venue's clock; (-1, -1) where there is none."""
    local_ns: tuple[int, int]
    """Likewise on the recorder's."""
    blocks: tuple[Block, ...] = ()
    """Its snapshots, in the order of its rows."""
    losses: tuple[Lost, ...] = ()
    """Its gaps, likewise."""
    halts: tuple[tuple[int, int, int], ...] = ()
    """Its STATUS rows: exch_ts, local_ts, and 0 (halted) or 1 (open)."""
    parts: tuple[BookPart, ...] = ()
    """Its files, by date."""
    fingerprint: str
    """Hash of its content."""
    report: Mapping[str, Any] = field(default_factory=dict)
    """What the import found."""

    @property
    def first_ns(self) -> int:
        """First instant on either clock."""
        return min(each[0] for each in (self.exch_ns, self.local_ns) if each[0] >= 0)

    @property
    def last_ns(self) -> int:
        """Last instant on either clock."""
        return max(self.exch_ns[1], self.local_ns[1])

    @property
    def extent(self) -> tuple[int, int]:
        """What it covers of the venue's clock; of the recorder's, where it has no other."""
        return self.exch_ns if self.exch_ns[0] >= 0 else self.local_ns


def columns_of(events: BookEvents) -> Columns:
    """Return the rows of a book by column."""
    return {name: getattr(events, name) for name in COLUMNS}


def describe_run(
    events: BookEvents, *, source: str = "", report: Mapping[str, Any] | None = None
) -> BookRun:
    """Say what a recording holds; its parts are added by who writes them."""
    columns = columns_of(events)
    of = (events.symbol, events.venue, events.instrument.tick, events.instrument.lot)
    status = np.flatnonzero(events.kind == _STATUS)
    return BookRun(
        id=_identity(columns, of),
        source=source,
        instrument=events.instrument,
        rows=events.num_events,
        trades=int(np.count_nonzero(events.kind == _TRADE)),
        exch_ns=extremes(events.exch_ts),
        local_ns=extremes(events.local_ts),
        blocks=tuple(_blocks(columns)),
        losses=tuple(_losses(columns)),
        halts=tuple(
            (int(events.exch_ts[row]), int(events.local_ts[row]), int(events.lots[row]))
            for row in status
        ),
        fingerprint=hash_columns(columns, of=of),
        report=dict(report or {}),
    )


def extremes(times: npt.NDArray[np.int64]) -> tuple[int, int]:
    """Return the first and last instant of a clock; (-1, -1) where no row is on it."""
    last = int(times.max(initial=-1))
    if last < 0:
        return -1, -1
    first = int(times.min())
    return (first if first >= 0 else int(times[times >= 0].min())), last


def _identity(columns: Columns, of: object) -> str:
    """Name a recording by what the venue sent, and by how its stamps lie to each other."""
    local = columns["local_ts"]
    known = local >= 0
    anchor = local[known].min() if known.any() else 0
    apart = np.where(known, local - anchor, -1)
    return hash_columns({**columns, "local_ts": apart}, of=of)[:_ID_DIGITS]


def _blocks(columns: Columns) -> list[Block]:
    kind, side = columns["kind"], columns["side"]
    exch, local = columns["exch_ts"], columns["local_ts"]
    told = np.flatnonzero((kind == _SNAPSHOT) | (kind == _CLEAR))
    if not len(told):
        return []
    # Rows that follow each other with one stamp belong together.
    broken = (np.diff(told) > 1) | (np.diff(exch[told]) != 0) | (np.diff(local[told]) != 0)
    starts = told[np.concatenate(([True], broken))]
    ends = told[np.concatenate((broken, [True]))] + 1
    found = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if not (kind[start:end] == _SNAPSHOT).any():
            continue
        last = _end_of_replay(columns, end)
        whole = bool(kind[start] == _CLEAR and side[start] == 0)
        found.append(Block(start, last, int(exch[start]), int(local[start]), whole))
    return found


def _end_of_replay(columns: Columns, end: int) -> int:
    """Include the diffs after a snapshot that repeat on the recorder's clock what it lacks."""
    kind, exch, local = (columns[name] for name in ("kind", "exch_ts", "local_ts"))
    last = end
    while last < len(kind) and kind[last] == _DEPTH and exch[last] < 0:
        if local[last] != local[end - 1]:
            break
        last += 1
    return last


def _losses(columns: Columns) -> list[Lost]:
    rows = np.flatnonzero(columns["kind"] == _GAP)
    if not len(rows):
        return []
    exch: IntArray = np.where(columns["exch_ts"] >= 0, columns["exch_ts"], columns["local_ts"])
    reached = np.maximum.accumulate(exch)
    found = []
    for row in rows.tolist():
        before = int(reached[row - 1]) if row else int(exch[row])
        told = int(columns["exch_ts"][row])
        after = told if told >= 0 else int(exch[min(row + 1, len(exch) - 1)])
        found.append(Lost(row, min(before, after), max(before, after)))
    return found
