"""The book twin's public book, and what was taken of it: dicts (B7, B8, B10, F2, F2b, Z2)."""

from __future__ import annotations

import math
from collections.abc import Iterator

from seq_gym.engine.book.codes import (
    BOTH,
    BUY,
    CLEAR,
    DEPTH,
    GAP,
    NO_ASK,
    NO_BID,
    SELL,
    SNAPSHOT,
    STATUS,
    TRADE,
)
from seq_gym.engine.book.reference_state import Row

__all__ = ["Holes", "PublicBook"]

_NOTHING = 0.5
"""Less than this many lots of a hole count as refilled (Z2)."""


class Holes:
    """What I took of displayed levels (F2): units and time by (side, tick).

    Args:
        half_life_ns: In which a hole refills by half (Z2); 0: it does not.
    """

    def __init__(self, half_life_ns: float) -> None:
        self.half_life_ns = half_life_ns
        self.taken: dict[tuple[int, int], tuple[float, int]] = {}

    def left(self, side: int, tick: int, ts: int) -> float:
        """Return the units that are still missing of a level at a time."""
        units, since = self.taken.get((side, tick), (0.0, ts))
        if not self.half_life_ns > 0.0:
            return units
        left = float(units * 0.5 ** ((ts - since) / self.half_life_ns))
        return left if left >= _NOTHING else 0.0

    def dig(self, side: int, tick: int, units: float, ts: int) -> None:
        """Take units of a level."""
        self.taken[side, tick] = (self.left(side, tick, ts) + units, ts)

    def fill(self, side: int, tick: int) -> None:
        """Let a level's own row renew it (F2)."""
        self.taken.pop((side, tick), None)


class PublicBook:
    """What one clock of one feed displays.

    Attributes:
        levels: Lots by tick, of bids (BUY) and asks (SELL); populated ones only. It may hold
            crossed levels, which `bid` and `ask` have skipped (B7).
        bid: Best bid in ticks, NO_BID where there is none.
        ask: Best ask in ticks, NO_ASK where there is none.
        stale: After a GAP, until the next SNAPSHOT (B10).
        halted: Between STATUS 0 and STATUS 1.
        last: Tick of the last print; None before the first.
        prints: (number, tick, lots) of the prints so far by aggressor; rows count from 1.
        told: Number of the last row of its own, by (side, tick).
    """

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self.bid, self.ask = NO_BID, NO_ASK
        self.stale = self.halted = False
        self.last: int | None = None
        self.num_rows = 0
        self.prints: dict[int, list[tuple[int, int, int]]] = {BUY: [], SELL: [], BOTH: []}
        self.told: dict[tuple[int, int], int] = {}

    @property
    def two_sided(self) -> bool:
        """Both best prices are known."""
        return self.bid != NO_BID and self.ask != NO_ASK

    def best(self, side: int) -> int:
        """Return the best tick of a side."""
        return self.bid if side == BUY else self.ask

    def lots(self, side: int, tick: int) -> int:
        """Return what a level displays."""
        return self.levels[side].get(tick, 0)

    def eaten(self, side: int, tick: int) -> float:
        """Return the lots that prints took since the level's own last row: inf is all (F2b)."""
        told = self.told.get((side, tick), 0)
        prints = [each for each in self.prints[-side] if each[0] > told]
        if any((tick - at) * side > 0 for _, at, _ in prints):
            return math.inf
        return float(sum(lots for _, at, lots in prints if at == tick))

    def walk(self, side: int, through: int) -> Iterator[tuple[int, int]]:
        """Yield (tick, lots) of a side from its best through a tick."""
        best = self.best(side)
        low, high = (through, best) if side == BUY else (best, through)
        for tick in sorted(self.levels[side], reverse=side == BUY):
            if low <= tick <= high:
                yield tick, self.levels[side][tick]

    def apply(self, row: Row) -> int:
        """Take one row in; return what its level displayed before it."""
        self.num_rows += 1
        if row.kind in (DEPTH, SNAPSHOT):
            self.told[row.side, row.tick] = self.num_rows
            self.stale = self.stale and row.kind != SNAPSHOT
            return self._set(row.side, row.tick, row.lots)
        if row.kind == TRADE:
            self.last = row.tick
            self.prints[row.side].append((self.num_rows, row.tick, row.lots))
        elif row.kind == CLEAR:
            self._clear(row.side, row.tick)
        elif row.kind == GAP:
            self.stale = True
        elif row.kind == STATUS:
            self.halted = row.lots == 0
        return 0

    def _set(self, side: int, tick: int, lots: int) -> int:
        before = self.lots(side, tick)
        if lots > 0:
            self.levels[side][tick] = lots
            self._populated(side, tick)
        else:
            self.levels[side].pop(tick, None)
            if tick == self.best(side):
                self._move(side, self._next(side, tick))
        return before

    def _populated(self, side: int, tick: int) -> None:
        """A better price than the best takes its place and pushes what it crosses (B7)."""
        if side == BUY and tick > self.bid:
            self.bid = tick
            if self.bid >= self.ask:
                self.ask = self._next(SELL, tick)
        elif side == SELL and tick < self.ask:
            self.ask = tick
            if self.bid >= self.ask:
                self.bid = self._next(BUY, tick)

    def _next(self, side: int, tick: int) -> int:
        """Return the next populated level further from the touch than a tick."""
        if side == BUY:
            return max((t for t in self.levels[BUY] if t < tick), default=NO_BID)
        return min((t for t in self.levels[SELL] if t > tick), default=NO_ASK)

    def _move(self, side: int, tick: int) -> None:
        if side == BUY:
            self.bid = tick
        else:
            self.ask = tick

    def _clear(self, side: int, through: int) -> None:
        """Remove the whole book, or a side from its best through a tick (B8)."""
        if side == BOTH:
            self.levels = {BUY: {}, SELL: {}}
            self.bid, self.ask = NO_BID, NO_ASK
            return
        gone = [tick for tick, _ in self.walk(side, through)]
        for tick in gone:
            del self.levels[side][tick]
        if gone:
            self._move(side, self._next(side, through))
