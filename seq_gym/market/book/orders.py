"""Order-level (L3) recordings: every order by name, from which the L2 book follows.

One row is one change of one resting order. What a venue publishes as L2 is derived here: a print
per level that an aggressor met, then the levels' new quantities (B11). Orders that never rest, and
the part of an order that takes on arrival, have no rows: only what they met has.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.instruments import Instrument

__all__ = ["OrderFlow", "OrderKind", "book_of", "lots_displayed"]

IntArray = npt.NDArray[np.int64]


class OrderKind(IntEnum):
    """What happened to a resting order."""

    REST = 0
    """It rested already when the recording began."""
    ADD = 1
    """It joined the back of its level."""
    CANCEL = 2
    """Lots of it were withdrawn."""
    FILL = 3
    """Lots of it were executed by an aggressor of the other side."""


@dataclass(frozen=True, eq=False, kw_only=True)
class OrderFlow:
    """Everything that happened to resting orders of one (venue, symbol), in the venue's order.

    Raises:
        MarketDataError: Columns differ in length, time or messages go backwards, an order is added
            twice, or more is taken from it than it has.
    """

    instrument: Instrument
    exch_ts: IntArray
    """int64 [L] UNIX nanoseconds, ascending."""
    local_ts: IntArray
    """int64 [L], ascending, never before ``exch_ts``."""
    message: IntArray
    """int64 [L], ascending: rows of one number were published together."""
    kind: npt.NDArray[np.int8]
    """int8 [L], `OrderKind`; REST rows come first, those of a level in queue order."""
    side: npt.NDArray[np.int8]
    """int8 [L], of the resting order: +1 bid, -1 ask."""
    tick: npt.NDArray[np.int32]
    """int32 [L]."""
    lots: IntArray
    """int64 [L], > 0: added or taken away."""
    order: IntArray
    """int64 [L], from 0 in the order of first appearance."""

    def __post_init__(self) -> None:
        for name in ("exch_ts", "local_ts", "message"):
            column = getattr(self, name)
            if len(column) != len(self.order):
                raise MarketDataError(
                    f"{self._name} {name} must have one value per row ({len(self.order)}); "
                    f"was {len(column)}."
                )
            back = np.flatnonzero(column[1:] < column[:-1])
            if len(back):
                raise MarketDataError(
                    f"{self._name} row {int(back[0]) + 1}: {name} must not go backwards; was "
                    f"{int(column[back[0] + 1])} after {int(column[back[0]])}."
                )
        if (self.lots <= 0).any():
            raise MarketDataError(f"{self._name} lots must be > 0; was {int(self.lots.min())}.")
        _check_orders(self)

    @property
    def _name(self) -> str:
        return f"{self.instrument.venue} {self.instrument.symbol}"

    @property
    def num_orders(self) -> int:
        """How many orders there are."""
        return int(self.order.max()) + 1 if len(self.order) else 0

    @property
    def born(self) -> IntArray:
        """int64 [orders]: the row in which each order joined its queue."""
        rows = np.flatnonzero(self.kind <= OrderKind.ADD)
        born = np.empty(self.num_orders, np.int64)
        born[self.order[rows]] = rows
        return born

    @property
    def change(self) -> IntArray:
        """int64 [L]: signed lots by which each row changes its level."""
        return np.where(self.kind <= OrderKind.ADD, self.lots, -self.lots)


def _check_orders(flow: OrderFlow) -> None:
    joins = flow.order[flow.kind <= OrderKind.ADD]
    if not np.array_equal(np.sort(joins), np.arange(flow.num_orders)):
        raise MarketDataError(f"{flow._name}: each order must be added exactly once.")
    left = _running_totals(flow.order, flow.change)
    if (left < 0).any():
        row = int(np.argmax(left < 0))
        raise MarketDataError(
            f"{flow._name} row {row}: an order must have the lots that are taken from it; was "
            f"{int(left[row])} after the row."
        )


def _running_totals(group: IntArray, change: IntArray) -> IntArray:
    """Sum changes within each group, row by row: the total of a row's group after it."""
    order = np.argsort(group, kind="stable")
    sums = np.cumsum(change[order])
    sorted_groups = group[order]
    first = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]])
    before = np.r_[0, sums[first[1:] - 1]]
    sums -= np.repeat(before, np.diff(np.r_[first, len(group)]))
    totals = np.empty_like(sums)
    totals[order] = sums
    return totals


def _levels(side: npt.NDArray[np.integer], tick: npt.NDArray[np.integer]) -> IntArray:
    """Number levels: one whole number for a side and a tick."""
    return np.asarray(tick, np.int64) * 2 + (np.asarray(side) < 0)


def lots_displayed(
    flow: OrderFlow,
    row: IntArray,
    side: npt.NDArray[np.integer],
    tick: npt.NDArray[np.integer],
) -> IntArray:
    """Return the lots at (side, tick) just before each row: int64 [K]."""
    level = _levels(flow.side, flow.tick)
    totals = _running_totals(level, flow.change)
    order = np.argsort(level, kind="stable")
    # Rows by level, then row: one key for both finds the last change before a row.
    span = np.int64(len(level) + 1)
    names, place = np.unique(level, return_inverse=True)
    keys = place[order] * span + order
    wanted = _levels(side, tick)
    at = np.searchsorted(names, wanted)
    known = (at < len(names)) & (names[np.minimum(at, len(names) - 1)] == wanted)
    last = np.searchsorted(keys, at * span + row) - 1
    found = known & (last >= 0)
    rows = order[np.maximum(last, 0)]
    return np.where(found & (level[rows] == wanted), totals[rows], 0)


def book_of(flow: OrderFlow) -> BookEvents:
    """Derive the L2 book and trades that the venue would publish.

    Returns:
        A CLEAR and a SNAPSHOT of what rested at the beginning, then for each message its TRADE
        rows, one per level met, before one DEPTH row per level changed.

    Source: B11.
    """
    level = _levels(flow.side, flow.tick)
    totals = _running_totals(level, flow.change)
    resting = flow.kind == OrderKind.REST
    num_resting = int(resting.sum())
    snapshot = _last_of(level[:num_resting], np.zeros(num_resting, np.int64))
    # Best first, bids before asks.
    away = -flow.side[snapshot].astype(np.int64) * flow.tick[snapshot]
    snapshot = snapshot[np.lexsort((away, -flow.side[snapshot]))]
    moves = np.arange(num_resting, len(level))
    depth = moves[_last_of(level[moves], flow.message[moves])]
    fills = moves[flow.kind[moves] == OrderKind.FILL]
    last_fills = fills[_last_of(level[fills], flow.message[fills])]
    printed = _printed(flow, level, fills, last_fills)
    rows = np.concatenate((last_fills, depth))
    is_depth = np.repeat((0, 1), (len(last_fills), len(depth)))
    lots = np.concatenate((printed, totals[depth]))
    sign = np.where(is_depth, 1, -1)
    order = np.lexsort((rows, is_depth, flow.message[rows]))
    rows, is_depth, lots, sign = (column[order] for column in (rows, is_depth, lots, sign))
    head = np.concatenate((np.zeros(1, np.int64), snapshot))
    every = np.concatenate((head, rows))
    kind = np.full(len(every), BookKind.SNAPSHOT, np.int8)
    kind[0] = BookKind.CLEAR
    kind[len(head) :] = np.where(is_depth, BookKind.DEPTH, BookKind.TRADE)
    side = np.concatenate((flow.side[head], flow.side[rows] * sign)).astype(np.int8)
    tick = flow.tick[every]
    side[0], tick[0] = 0, 0
    return BookEvents(
        instrument=flow.instrument,
        exch_ts=flow.exch_ts[every],
        local_ts=flow.local_ts[every],
        seq=flow.message[every],
        kind=kind,
        side=side,
        tick=tick,
        lots=np.concatenate((np.zeros(1, np.int64), totals[snapshot], lots)),
    )


def _last_of(level: IntArray, message: IntArray) -> IntArray:
    """Return the last row of each (message, level), ascending."""
    order = np.lexsort((level, message))
    last = np.r_[
        (level[order][1:] != level[order][:-1]) | (message[order][1:] != message[order][:-1]), True
    ][: len(order)]
    return np.sort(order[last])


def _printed(flow: OrderFlow, level: IntArray, fills: IntArray, last_fills: IntArray) -> IntArray:
    """Sum the lots that one message executed at one level, for its last fill row."""
    order = np.lexsort((level[fills], flow.message[fills]))
    sums = np.cumsum(flow.lots[fills][order])
    at = np.searchsorted(fills, last_fills)
    # Of each (message, level) its last fill comes last in this order: differences are the sums.
    place = np.empty(len(fills), np.int64)
    place[order] = np.arange(len(fills))
    ends = np.sort(place[at])
    totals = np.diff(sums[ends], prepend=0)
    return totals[np.searchsorted(ends, place[at])]
