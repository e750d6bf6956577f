"""A recording prepared for replay: both clocks, the book around every row, level histories.

Prepared once, shared by all accounts, never written again. Memory: about 95 bytes an event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.codes import (
    CLEAR,
    CLOCK_LOCAL,
    CLOCK_VENUE,
    GAP,
    NO_ASK,
    NO_BID,
    TRADE,
)
from seq_gym.engine.book.layout import LEVELS, ROW, TAPE
from seq_gym.engine.book.locating import Located, locate
from seq_gym.engine.book.populated import Ladder
from seq_gym.engine.book.replay import collect_changes, order_keys, replay
from seq_gym.engine.layout import Table, new_table
from seq_gym.errors import ConfigError, MarketDataError

__all__ = ["BookTape", "prepare_tape"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BookTape:
    """One recorded (venue, symbol) on both clocks; holds the memory that TAPE points into."""

    record: Any
    """The TAPE record: copy its values into a table of tapes while this object lives."""
    venue_rows: Table
    """ROW [num_venue_rows], by exch_ts, trades first at one instant (B11), then as recorded."""
    local_rows: Table
    """ROW [num_local_rows], by local_ts, then as recorded."""
    num_venue_rows: int
    num_local_rows: int
    first_ts: int
    """First instant of the recording on either clock, UNIX ns; 0 for an empty one."""
    last_ts: int
    """Last instant of the recording on either clock, UNIX ns; -1 for an empty one."""
    address: int
    """Of `record`, for kernels that look at one tape."""
    keep: tuple[Any, ...] = field(repr=False)
    """Every array whose address `record` carries."""

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "A tape holds addresses of its own memory, so it cannot be copied or pickled. Likely "
            "fix: prepare it again from its events in the other process."
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Columns:
    """The recording's columns, as the kernels take them."""

    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    tick: NDArray[np.int32]
    lots: NDArray[np.int64]
    located: Located
    has_clears: bool
    num_gaps: int
    keys: NDArray[np.int64]
    """Scratch of one clock after the other [R]."""


@dataclass(frozen=True, eq=False, kw_only=True)
class _Clock:
    """One clock of a tape: its rows, and the level histories of both sides."""

    rows: Table
    index: NDArray[np.uint32]
    """Of each row's level on its side [n]."""
    ends: NDArray[np.int64]
    """Where the changes of each level end, by number [L + 2]."""
    changes: NDArray[np.int32]
    gaps: NDArray[np.int64]

    @property
    def kept(self) -> tuple[Any, ...]:
        """The arrays that a tape points into, whatever the clock."""
        return self.rows, self.ends, self.changes


def prepare_tape(
    *,
    exch_ts: NDArray[np.int64],
    local_ts: NDArray[np.int64],
    kind: NDArray[np.int8],
    side: NDArray[np.int8],
    tick: NDArray[Any],
    lots: NDArray[np.int64],
    funding_ts: NDArray[np.int64] | None = None,
    funding_rate: NDArray[np.float64] | None = None,
) -> BookTape:
    """Prepare one recorded (venue, symbol) for replay.

    Args:
        exch_ts: int64 [R] UNIX ns in recorded order; -1: the row is not on the venue's clock.
        local_ts: int64 [R] UNIX ns; -1: the row is not on the agent's clock.
        kind: int8 [R], a kind of `engine/book/codes.py`.
        side: int8 [R]: +1 bid, -1 ask; of a trade its aggressor, 0 where that is not known.
        tick: Integer ticks [R], strictly between NO_BID and NO_ASK.
        lots: int64 [R], not negative; STATUS: 0 halts, 1 opens.
        funding_ts: int64 [F], ascending: instants at which funding is paid, or None.
        funding_rate: float64 [F]: the rates; None when there are no instants.

    Returns:
        The tape, known at each row as of that row: nothing in it looks ahead on its clock.

    Raises:
        MarketDataError: A row that no book can hold.
        ConfigError: Columns of different lengths.

    Source: B2, B7, B8, B10, B11.
    """
    _check_lengths(*map(np.asarray, (exch_ts, local_ts, kind, side, tick, lots)))
    _check_ticks(np.asarray(tick))
    kinds, sides = (np.ascontiguousarray(x, np.int8) for x in (kind, side))
    ticks, quantities = np.ascontiguousarray(tick, np.int32), np.ascontiguousarray(lots, np.int64)
    located = locate(kinds, sides, ticks, quantities)
    data = _Columns(
        kind=kinds,
        side=sides,
        tick=ticks,
        lots=quantities,
        located=located,
        has_clears=bool((kinds == CLEAR).any()),
        num_gaps=int((kinds == GAP).sum()),
        keys=np.empty(len(kinds), np.int64),
    )
    venue, local = (
        _clock(data, np.ascontiguousarray(stamps, np.int64), is_venue)
        for stamps, is_venue in ((exch_ts, True), (local_ts, False))
    )
    funding = _funding(funding_ts, funding_rate)
    levels = _levels(located, (venue, local))
    table = new_table(TAPE, 1)
    record: Any = table[0]
    record.venue_rows = venue.rows.ctypes.data
    record.local_rows = local.rows.ctypes.data
    record.levels = levels.ctypes.data
    record.local_index = local.index.ctypes.data
    record.funding_ts, record.funding_rate = (x.ctypes.data for x in funding)
    record.num_venue, record.num_local = len(venue.rows), len(local.rows)
    record.num_funding = len(funding[0])
    record.local_gaps, record.num_gaps = local.gaps.ctypes.data, len(local.gaps)
    trades = np.flatnonzero(venue.rows["kind"] == TRADE).astype(np.int32)
    record.venue_trades, record.num_trades = trades.ctypes.data, len(trades)
    ends = [clock.rows["ts"][[0, -1]] for clock in (venue, local) if len(clock.rows)]
    record.first_ts = min((int(end[0]) for end in ends), default=0)
    record.last_ts = max((int(end[1]) for end in ends), default=-1)
    return BookTape(
        record=record,
        venue_rows=venue.rows,
        local_rows=local.rows,
        num_venue_rows=len(venue.rows),
        num_local_rows=len(local.rows),
        first_ts=int(record.first_ts),
        last_ts=int(record.last_ts),
        address=table.ctypes.data,
        # What only the preparation needed goes.
        keep=(
            table,
            levels,
            funding,
            located.ticks,
            local.index,
            local.gaps,
            trades,
            *venue.kept,
            *local.kept,
        ),
    )


def _check_lengths(*columns: NDArray[Any]) -> None:
    shapes = {column.shape for column in columns}
    if len(shapes) != 1 or columns[0].ndim != 1:
        raise ConfigError(
            f"Columns of a tape must be one-dimensional and of one length; were {sorted(shapes)}. "
            "Likely fix: take them from one BookEvents."
        )


def _check_ticks(ticks: NDArray[np.int64]) -> None:
    if len(ticks) and not (int(ticks.min()) > NO_BID and int(ticks.max()) < NO_ASK):
        bad = int(np.argmax((ticks <= NO_BID) | (ticks >= NO_ASK)))
        raise MarketDataError(
            f"Row {bad}: a tick must lie strictly between {NO_BID} and {NO_ASK}; "
            f"was {ticks[bad]}. Likely fix: state the instrument's true tick size."
        )


def _clock(data: _Columns, stamps: NDArray[np.int64], is_venue: bool) -> _Clock:
    """Replay the recording on one clock."""
    count, is_sorted = order_keys(stamps, data.kind, is_venue, data.keys)
    order = np.argsort(data.keys[: 0 if is_sorted else None], kind="stable")
    rows = new_table(ROW, count)
    index = np.empty(count, np.uint32)
    ladder = Ladder(data.located.ticks, data.located.num_bids)
    cleared = np.empty((count if data.has_clears else 0, 2), np.int64)
    gaps = np.empty(data.num_gaps, np.int64)
    num_cleared, num_gaps = replay(
        order.view(np.uint64), stamps, data.kind, data.side, data.tick, data.lots,
        data.located.number, ladder.address, rows.ctypes.data, index, cleared, gaps,
    )  # fmt: skip
    ends = np.cumsum(ladder.levels["num_changes"], dtype=np.int64)
    next_change = np.concatenate([[0], ends[:-1]]).astype(np.uint64)
    changes = np.empty(int(ends[-1]), np.int32)
    collect_changes(index, data.located.num_bids, cleared[:num_cleared], next_change, changes)
    return _Clock(rows=rows, index=index, ends=ends, changes=changes, gaps=gaps[:num_gaps])


def _levels(located: Located, clocks: tuple[_Clock, _Clock]) -> Table:
    """Return the LEVELS [4] of both clocks and sides."""
    levels = new_table(LEVELS, 4)
    ticks, num_bids = located.ticks, located.num_bids
    for clock, history in zip((CLOCK_VENUE, CLOCK_LOCAL), clocks, strict=True):
        for which, before in enumerate((0, num_bids)):
            level: Any = levels[clock * 2 + which]
            level.ticks = ticks[before + 1 :].ctypes.data
            level.rows = history.rows.ctypes.data
            level.first = history.ends[before:].ctypes.data
            level.changes = history.changes.ctypes.data
            level.num_levels = len(ticks) - 2 - num_bids if which else num_bids
    return levels


def _funding(
    stamps: NDArray[np.int64] | None, rates: NDArray[np.float64] | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    at = np.array([] if stamps is None else stamps, np.int64)
    rate = np.array([] if rates is None else rates, np.float64)
    if at.shape != rate.shape or bool((np.diff(at) < 0).any()):
        raise ConfigError(
            f"funding_ts must ascend and be as long as funding_rate; were {at.shape} and "
            f"{rate.shape}. Likely fix: sort both by time."
        )
    return at, rate
