"""One feed for both engines: rows of a recording as hftbacktest's event array.

hftbacktest's venue reads the rows that carry EXCH, its agent those that carry LOCAL, each from the
first to the last. A row that stands at one place in both orders carries both; one that does not is
there twice, once for each clock. On the venue's clock trades come before other rows (B11).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.codes import CLEAR, DEPTH, NO_ASK, NO_BID, SNAPSHOT, TRADE

Int64 = NDArray[np.int64]

EVENT = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
"""hftbacktest's own `event_dtype`; a test of `make oracle` compares them."""

_EXCH, _LOCAL, _BUY, _SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
_KINDS = {DEPTH: 1, TRADE: 2, CLEAR: 3, SNAPSHOT: 4}


class Recording(Protocol):
    """What is read of a recorded (venue, symbol): `BookEvents`, or columns of one's own."""

    exch_ts: Int64
    local_ts: Int64
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    tick: NDArray[np.int32]
    lots: Int64


class Units(NamedTuple):
    """Price is tick * tick_mul / tick_div, base quantity is lots * lot_mul / lot_div."""

    tick_mul: float
    tick_div: float
    lot_mul: float
    lot_div: float


def venue_order(rows: Recording) -> Int64:
    """Return the rows of the venue's clock: by exch_ts, trades first, then as recorded."""
    known = np.flatnonzero(rows.exch_ts >= 0)
    is_other = (rows.kind[known] != TRADE).astype(np.int8)
    return known[np.lexsort((known, is_other, rows.exch_ts[known]))]


def local_order(rows: Recording) -> Int64:
    """Return the rows of the agent's clock: by local_ts, then as recorded."""
    known = np.flatnonzero(rows.local_ts >= 0)
    return known[np.argsort(rows.local_ts[known], kind="stable")]


def _shared(venue: Int64, local: Int64, count: int) -> NDArray[np.bool_]:
    """Tell which rows stand at one place in both orders: nothing overtakes them."""
    place = np.full(count, -1, np.int64)
    place[local] = np.arange(len(local))
    places = place[venue]
    both = places >= 0
    kept = places[both]
    if not len(kept):
        return np.zeros(count, np.bool_)
    highest = np.maximum.accumulate(np.concatenate(([-1], kept[:-1])))
    lowest = np.minimum.accumulate(np.concatenate((kept[1:], [count]))[::-1])[::-1]
    found = np.zeros(count, np.bool_)
    found[venue[both][(kept > highest) & (kept < lowest)]] = True
    return found


def to_events(rows: Recording, units: Units) -> NDArray[Any]:
    """Return the recording as hftbacktest reads it; rows that it does not know are left out."""
    venue, local = venue_order(rows), local_order(rows)
    shared = _shared(venue, local, len(rows.kind))
    # A row's segment is the number of shared rows before it; in a segment the venue's own rows
    # come first, then the agent's, then the shared row that ends it.
    venue_shared, local_shared = shared[venue], shared[local]
    venue_segment = np.cumsum(venue_shared) - venue_shared
    local_segment = np.cumsum(local_shared) - local_shared
    groups = (
        (venue[~venue_shared], venue_segment[~venue_shared]),
        (local[~local_shared], local_segment[~local_shared]),
        (venue[venue_shared], venue_segment[venue_shared]),
    )
    group = np.repeat(np.arange(3), [len(index) for index, _ in groups])
    index = np.concatenate([index for index, _ in groups])
    order = np.lexsort((group, np.concatenate([segment for _, segment in groups])))
    index, group = index[order], group[order]
    known = np.isin(rows.kind[index], list(_KINDS))
    return _events(rows, units, index[known], group[known])


def _events(rows: Recording, units: Units, index: Int64, group: Int64) -> NDArray[Any]:
    kinds = np.zeros(128, np.uint64)
    kinds[list(_KINDS)] = list(_KINDS.values())
    clocks = np.array([_EXCH, _LOCAL, _EXCH | _LOCAL], np.uint64)
    sides = np.array([0, _BUY, _SELL], np.uint64)  # by side: 0, 1 and, from the end, -1
    events = np.zeros(len(index), EVENT)
    events["ev"] = kinds[rows.kind[index]] | clocks[group] | sides[rows.side[index]]
    events["exch_ts"] = rows.exch_ts[index]
    events["local_ts"] = rows.local_ts[index]
    events["px"] = rows.tick[index] * units.tick_mul / units.tick_div
    events["qty"] = rows.lots[index] * units.lot_mul / units.lot_div
    return events


class Touch(NamedTuple):
    """Best ticks that the agent knows, one for each time."""

    bid: Int64
    ask: Int64


def local_touch(rows: Recording, times: Int64) -> Touch:
    """Return what the agent knows at rising times (B3, B7).

    A second opinion on the tape's own best prices: two dictionaries, and the words of B7.
    """
    book = _Book()
    found = np.zeros((2, len(times)), np.int64)
    order = local_order(rows)
    ends = np.searchsorted(rows.local_ts[order], times, side="right").tolist()
    columns = (rows.kind, rows.side, rows.tick, rows.lots)
    kind, side, tick, lots = (column[order].tolist() for column in columns)
    done = 0
    for number, end in enumerate(ends):
        for row in range(done, end):
            book.apply(kind[row], side[row], tick[row], lots[row])
        done = max(done, end)
        found[:, number] = book.best[1], -book.best[-1]
    return Touch(*found)


class _Book:
    """Levels of both sides; asks are kept at negative ticks, so that best is highest on both."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.best = {1: NO_BID, -1: -NO_ASK}

    def apply(self, kind: int, side: int, tick: int, lots: int) -> None:
        if kind in (DEPTH, SNAPSHOT):
            self._set(side, side * tick, lots)
        elif kind == CLEAR:
            for each in (side,) if side else (1, -1):
                self._clear(each, each * tick if side else NO_BID)

    def _below(self, side: int, tick: int) -> int:
        empty = NO_BID if side == 1 else -NO_ASK
        return max((at for at in self.levels[side] if at < tick), default=empty)

    def _set(self, side: int, tick: int, lots: int) -> None:
        levels = self.levels[side]
        if lots == 0:
            levels.pop(tick, None)
            if tick == self.best[side]:
                self.best[side] = self._below(side, tick)
            return
        levels[tick] = lots
        if tick > self.best[side]:
            self.best[side] = tick
            if tick >= -self.best[-side]:
                self.best[-side] = self._below(-side, -tick)

    def _clear(self, side: int, worst: int) -> None:
        levels = self.levels[side]
        best = self.best[side]
        for at in [at for at in levels if worst <= at <= best]:
            del levels[at]
        self.best[side] = self._below(side, worst)
