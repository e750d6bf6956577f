"""Moves the clock of a batch's first row, and keeps the points of its equity curve (X1)."""

from __future__ import annotations

import numpy as np

from seq_gym.engine import codes
from seq_gym.engine.batch import Batch
from seq_gym.engine.forward import MIN_SKIP
from seq_gym.engine.layout import Table
from seq_gym.sandbox.journal import AFTER_THE_CLOCK, Journal
from seq_gym.sandbox.ledger import Ledger, Standing
from seq_gym.sandbox.records import EquityPoint
from seq_gym.sandbox.row import Row

__all__ = ["Replay"]


class Replay:
    """Advances row 0 of a batch and loses no event.

    Between two events only prices move what a spot account is worth, so it is enough to keep how
    the account stood after each: the points between are made when they are asked for. A margin
    account pays funding and borrow all the time; how it stands is kept at every point.

    Args:
        batch: The tables.
        journal: Takes the events.
        ledger: Reads the account.
        snapshot_every: Steps between two points of the equity curve; 0 = none are kept.
        is_margin: The account accrues.
    """

    def __init__(
        self,
        batch: Batch,
        journal: Journal,
        ledger: Ledger,
        snapshot_every: int,
        is_margin: bool,
    ) -> None:
        self._batch = batch
        self._journal = journal
        self._ledger = ledger
        self._every = snapshot_every
        self._halts_on_grid = is_margin and snapshot_every > 0
        self._account = Row(batch.accounts)
        self._standings: list[Standing] = []
        self.unread: list[Table] = []
        self._wanted: set[int] = set()

    def stash(self) -> None:
        """Empty the ring and read its events later: a step must not wait for that."""
        self.unread.append(self._batch.drain(0))

    def collect(self) -> None:
        """Drain the ring into the journal."""
        for events in self.unread:
            self._journal.absorb(events)
        self.unread.clear()
        if self._account["num_events"]:
            self._journal.absorb(self._batch.drain(0))

    def collect_verb(self) -> None:
        """Drain what a verb caused, and keep how the account stands after it."""
        fills = len(self._journal.fills)
        self.collect()
        self.note(wanted=len(self._journal.fills) > fills)

    def advance_to(self, last: int) -> None:
        """Advance to a cursor, or to the end of the account."""
        self.collect()
        a = self._account
        while a["cursor"] < last and a["ending"] == codes.RUNNING:
            self._advance_piece(self._next_halt(last) - a["cursor"])

    def note(self, *, wanted: bool) -> None:
        """Keep how the account stands now; the last word on a virtual time stays.

        Args:
            wanted: The equity curve has a point here, on its grid or not.
        """
        if self._every <= 0:
            return
        standing = self._ledger.standing()
        if self._standings and self._standings[-1].cursor == standing.cursor:
            self._standings.pop()
        self._standings.append(standing)
        if wanted:
            self._wanted.add(standing.cursor)

    def points(self, start_ns: int, interval_ns: int) -> tuple[EquityPoint, ...]:
        """Return the points so far; `start_ns` is the time of cursor 0."""
        found = []
        for number, standing in enumerate(self._standings):
            following = self._standings[number + 1 : number + 2]
            end = following[0].cursor if following else self._account["cursor"] + 1
            for cursor in self._cursors(standing.cursor, end):
                portfolio = self._ledger.portfolio_of(standing, cursor)
                point = EquityPoint(
                    simulated_ns=start_ns + cursor * interval_ns, portfolio=portfolio
                )
                found.append(point)
        return tuple(found)

    # ------------------------------------------------------------------ inner parts

    def _cursors(self, first: int, end: int) -> list[int]:
        """Return the cursors of points from `first` on, before `end`."""
        start = self._account["start"]
        grid = first + -(first - start) % self._every
        cursors = list(range(grid, end, self._every))
        if first in self._wanted and first != grid:
            cursors.insert(0, first)
        return cursors

    def _advance(self, count: int) -> list[Table]:
        """Advance the engine and return what happened; a full ring is drained on the way."""
        drained: list[Table] = []
        end = self._account["cursor"] + count
        while self._account["cursor"] < end and self._account["ending"] == codes.RUNNING:
            left = end - self._account["cursor"]
            # What costs is what happens: stretches in which nothing can are jumped over.
            skipped = self._batch.skip_quiet(left) if left >= MIN_SKIP else -1
            if skipped <= 0:
                self._walk(left if skipped < 0 else min(left, MIN_SKIP), drained)
        if self._account["num_events"]:
            drained.append(self._batch.drain(0))
        return drained

    def _walk(self, count: int, drained: list[Table]) -> None:
        """Advance candle by candle; a full ring is drained on the way."""
        while self._batch.advance(0, count) == codes.RING_FULL:
            drained.append(self._batch.drain(0))
            count = int(self._account["candles_left"])

    def _advance_piece(self, count: int) -> None:
        """Advance, and note how the account stood after every candle with an event."""
        a = self._account
        before = self._copy() if self._every > 0 and count > 1 else None
        end = a["cursor"] + count
        drained = self._advance(count)
        last = a["cursor"]
        busy = _candles_with_events(drained)
        if before is not None and any(cursor < last for cursor in busy):
            # The stretch is replayed, with a halt after each: same state, same arithmetic.
            self._restore(before)
            for cursor, has_fill in busy.items():
                if cursor < last:
                    self._advance(cursor - a["cursor"])
                    self.note(wanted=has_fill)
            self._advance(end - a["cursor"])
        for events in drained:
            self._journal.absorb(events)
        is_over = a["ending"] != codes.RUNNING
        if last in busy or is_over or self._halts_on_grid:
            self.note(wanted=is_over or busy.get(last, False))

    def _next_halt(self, last: int) -> int:
        """Return the next cursor on the grid where the account accrues, or the last one."""
        if not self._halts_on_grid:
            return last
        cursor: int = self._account["cursor"]
        start: int = self._account["start"]
        return min(last, cursor + self._every - (cursor - start) % self._every)

    def _copy(self) -> tuple[Table, ...]:
        b = self._batch
        return b.accounts[:1].copy(), b.positions[:1].copy(), b.orders[:1].copy()

    def _restore(self, state: tuple[Table, ...]) -> None:
        b = self._batch
        b.accounts[:1], b.positions[:1], b.orders[:1] = state


def _candles_with_events(drained: list[Table]) -> dict[int, bool]:
    """Return the cursors at which candles with events close, in order; True where one filled."""
    found: dict[int, bool] = {}
    for events in drained:
        # Expiry and ruin are logged when the clock already stands at the close.
        late = (events["phase"] == codes.CLOSE) & (events["kind"] == codes.CANCELLED)
        late &= np.isin(events["reason"], AFTER_THE_CLOCK)
        inside = (events["phase"] != codes.AT_ONCE) & ~late
        closes = events["cursor"] + inside
        filled = events["kind"] == codes.FILL
        for cursor, has_fill in zip(closes.tolist(), filled.tolist(), strict=True):
            found[cursor] = found.get(cursor, False) or has_fill
    return dict(sorted(found.items()))
