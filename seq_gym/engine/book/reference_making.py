"""The book twin's venue: what rows of the tape do to resting orders (B16 to B18, F1 to F3)."""

from __future__ import annotations

import math

from seq_gym.engine.book.codes import (
    BUY,
    CANCEL_ALL,
    CANCELLED,
    DEPTH,
    GAP,
    NO_ASK,
    NO_BID,
    NO_QUEUE,
    PARITY_NO_PARTIAL,
    SELL,
    SNAPSHOT,
    TRADE,
)
from seq_gym.engine.book.reference_executing import Executing
from seq_gym.engine.book.reference_queue import shrink
from seq_gym.engine.book.reference_state import Order, Row
from seq_gym.engine.codes import MAKER, STALE_BOOK

__all__ = ["Making"]


class Making(Executing):
    """The same venue, with what its tape does."""

    def apply_row(self) -> None:
        """Let the next row of the tape happen."""
        row = self.rows[self.next_row]
        self.next_row += 1
        self.ts = row.ts
        before = self.book.best(row.side) if row.side in (BUY, SELL) else 0
        self.spread_before = 0.0
        if self.book.two_sided:
            self.spread_before = self.price_of(self.book.ask - self.book.bid)
        prev = self.book.apply(row)
        if row.kind in (DEPTH, SNAPSHOT):
            self.holes.fill(row.side, row.tick)
            self._queue_moves(row, self.units(prev))
            self._best_moves(row.side, before)
        elif row.kind == TRADE and not self.is_halted:
            self._print(row)
        elif row.kind == GAP and self.p.stale_policy == CANCEL_ALL:
            for o in list(self.resting):
                self.forget(o)
                self.answer(CANCELLED, o, reason=STALE_BOOK)

    def _queue_moves(self, row: Row, prev: float) -> None:
        """A depth row of my level moves the queue ahead of me and fills nothing (B17, V3)."""
        for o in self.resting:
            if o.side == row.side and o.tick == row.tick:
                new = self.units(row.lots)
                shrink(o, self.p.queue_model, self.p.queue_power, prev, new, strict=self.strict)

    def _best_moves(self, side: int, before: int) -> None:
        """The other side's best comes to or through my tick (B17, F3, V4)."""
        best = self.book.best(side)
        if (best - before) * side <= 0 or self.is_halted:
            return
        if self.strict:
            if not self.book.stale:
                self._share_the_cross(side)
            return
        none = before in (NO_BID, NO_ASK)
        everyone = none or len(self.resting) < abs(best - before)
        for o in list(self.resting):
            met = (best - o.tick) * side >= 0
            looked_at = everyone or (o.tick - before) * side > 0
            if o.side == -side and met and o.resting and looked_at:
                self.execute(o, self.most_of(o), o.tick, MAKER)

    def by_priority(self, side: int) -> list[Order]:
        """Return my resting orders of a side: by price, then in order of acceptance."""
        return sorted((o for o in self.resting if o.side == side), key=lambda o: -o.tick * side)

    def _share_the_cross(self, side: int) -> None:
        """My orders share what is displayed at or through their ticks (F3)."""
        for o in self.by_priority(-side):
            if not o.resting:
                continue
            wanted, got = self.most_of(o), 0.0
            for tick, _ in list(self.book.walk(side, o.tick)):
                units = min(self.takeable(side, tick), wanted - got)
                units = float(math.floor(units))
                if units > 0.0:
                    self.take(side, tick, units)
                    got += units
            if got > 0.0:
                self.make(o, got)

    def _print(self, row: Row) -> None:
        """A public print against my side (B16, B18, F1, V2); without an aggressor none is met."""
        if row.side not in (BUY, SELL):
            return
        if self.strict:
            self._share_the_print(row)
        else:
            self._print_for_each(row)

    def _share_the_print(self, row: Row) -> None:
        budget = self.units(row.lots)  # what own orders have left of the print (F1)
        is_behind: set[int] = set()
        for o in self.by_priority(-row.side):
            if not o.resting:
                continue
            units, most = 0.0, self.most_of(o)
            if (row.tick - o.tick) * row.side > 0:
                units = min(most, budget)
            elif row.tick == o.tick:
                units = self._reach(o, budget, self.units(row.lots))
                units = min(most, units, budget)
            if units > 0.0 and o.tick not in is_behind:
                budget -= units
                self.make(o, units)
            if o.resting:
                is_behind.add(o.tick)

    def _reach(self, o: Order, flow: float, printed: float) -> float:
        """Let what is left of a print flow through the queue; return the whole lots it reaches.

        The level's next depth row will show the whole print, mine included (B18).
        """
        o.front -= flow
        o.traded += printed
        if self.p.queue_model == NO_QUEUE:
            o.front = -flow
        if o.front >= 0.0:
            return 0.0
        reach = math.floor(-o.front)
        o.front = 0.0
        return float(reach)

    def _print_for_each(self, row: Row) -> None:
        """Parity: each order meets the whole print, on the ticks that the peer looks at."""
        best = self.book.best(row.side)
        none = best in (NO_BID, NO_ASK)
        everyone = none or len(self.resting) < (row.tick - best) * row.side
        quantity = self.units(row.lots)
        for o in list(self.resting):
            if not o.resting or o.side == row.side:
                continue
            if not everyone and (o.tick - best) * row.side <= 0:
                continue
            if (row.tick - o.tick) * row.side > 0:
                self.execute(o, self.most_of(o), o.tick, MAKER)
            elif row.tick == o.tick:
                self._reach_for_one(o, quantity)

    def _reach_for_one(self, o: Order, quantity: float) -> None:
        o.front = (0.0 if self.p.queue_model == NO_QUEUE else o.front) - quantity
        o.traded += quantity
        reach = self.lots_of(-o.front)
        if reach <= 0:
            return
        o.front = 0.0
        units = reach * (self.ins.lot_mul / self.ins.lot_div)
        if self.p.fills == PARITY_NO_PARTIAL:
            units = o.leaves
        self.execute(o, min(units, self.most_of(o)), o.tick, MAKER)
