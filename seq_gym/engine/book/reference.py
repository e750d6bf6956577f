"""The book rules slowly: the twin against which the kernels are tested.

Plain Python on dicts and lists, written from the semantics (B, F, L, M) rather than from the
kernels: the feed is replayed row by row on both clocks, no numba, no addresses, no bisection. It
exists to disagree. The parts are stacked: `reference_state` (rows, orders, messages),
`reference_book` (the public book), `reference_queue` (queue models, latencies),
`reference_executing`, `reference_making` and `reference_taking` (one lane's venue),
`reference_money`, `reference_checks`, `reference_news` (reports, heartbeats), `reference_verbs`,
and here time.

What realism reads of the market (L2's factor, Z1's scores) is given with the feed. Not in it: the
book that the agent sees of itself (Z2), which nothing here looks at.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from seq_gym.engine.book.codes import (
    ENDED,
    GAP,
    NEVER,
    ON_BOOK,
    ON_HEARTBEAT,
    ON_REPORT,
    ON_TRADE,
    REACHED,
    STOPPED,
    TRADE,
    TRUNCATE,
)
from seq_gym.engine.book.reference_queue import Latencies
from seq_gym.engine.book.reference_state import Event, Feed, Order, Request
from seq_gym.engine.book.reference_taking import Venue
from seq_gym.engine.book.reference_verbs import Verbs
from seq_gym.engine.codes import DATA_END, RUNNING, WINDOW_END

__all__ = ["Event", "Feed", "Order", "ReferenceBook"]

# What happens at one ns of one lane, in this order (B2)
_DATA, _REPORT, _ROW, _REQUEST = range(4)


class ReferenceBook(Verbs):
    """One account over its lanes: the verbs of `BookBatch`, for the account that it has.

    Args:
        feeds: One Feed a lane.
        instruments: INSTRUMENT records [S].
        params: One PARAMS record [1].

    `events` lists what the agent did and learnt, oldest first, with the field names of EVENT.
    """

    def __init__(self, feeds: Sequence[Feed], instruments: Any, params: Any) -> None:
        super().__init__(list(feeds), instruments, params)

    def reset(self, start_ns: int, end_ns: int, *, seed: int = 0) -> None:
        """Begin an episode: what either clock showed up to `start_ns` is known."""
        self.open(start_ns, end_ns, seed)
        self.events.clear()
        self.requests: list[list[Request]] = [[] for _ in self.feeds]
        self.num_requests = 0
        self.last_arrival = [0 for _ in self.feeds]
        self.next_local = [0 for _ in self.feeds]
        self.truncated_at = NEVER
        self.venues: list[Venue] = []
        for s, feed in enumerate(self.feeds):
            scaled = bool(self.p.latency_scaled)
            latencies = Latencies(self.instruments[s], feed, seed, is_scaled=scaled)
            venue = Venue(feed, self.instruments[s], self.p, latencies)
            while venue.next_row < len(venue.rows) and venue.rows[venue.next_row].ts <= start_ns:
                venue.apply_row()
            self.venues.append(venue)
            while self._local_ts(s) <= start_ns:
                self.see(s, feed.local[self.next_local[s]])
                self.next_local[s] += 1
            self.account.num_gaps += self.books[s].stale

    # Time

    def advance(self, until_ns: int, wanted: int = 0) -> int:
        """Let everything up to a time happen, or up to the first wanted event (A7)."""
        a = self.account
        if a.ending != RUNNING:
            return ENDED
        a.num_actions = 0
        until = min(until_ns, a.end)
        while True:
            ts, lane, kind = self._next()
            if min(ts, a.next_heartbeat) > min(until, self.truncated_at):
                break
            met, lane = self._happen(ts, lane, kind)
            if a.ending != RUNNING:
                return ENDED
            if met & wanted:
                a.stopped_lane, a.stopped_by = lane, met & wanted
                self.value()
                return STOPPED
        a.now = max(a.now, min(until, self.truncated_at))
        if self.truncated_at <= until:
            self.end_episode(DATA_END)
            return ENDED
        self.value()
        if a.now < a.end:
            return REACHED
        self._complete()
        return ENDED

    def _happen(self, ts: int, lane: int, kind: int) -> tuple[int, int]:
        """Let the next thing happen; return what the agent saw of it, and its lane."""
        if self.account.next_heartbeat < ts:
            self.heartbeat()
            return ON_HEARTBEAT, 0
        if kind == _DATA:
            return self._look(lane, ts), lane
        if kind == _REPORT:
            self._receive(heapq.heappop(self.venues[lane].reports))
            return ON_REPORT, lane
        if kind == _ROW:
            self.venues[lane].apply_row()
        else:
            self.venues[lane].handle(heapq.heappop(self.requests[lane]))
        return 0, lane

    def _next(self) -> tuple[int, int, int]:
        """Return (time, lane, what) of the next thing of any lane (B2)."""
        return min(
            min(
                (self._local_ts(s), s, _DATA),
                (
                    self.venues[s].reports[0].receipt if self.venues[s].reports else NEVER,
                    s,
                    _REPORT,
                ),
                (self._venue_ts(s), s, _ROW),
                (self.requests[s][0].arrival if self.requests[s] else NEVER, s, _REQUEST),
            )
            for s in range(len(self.feeds))
        )

    def _local_ts(self, s: int) -> int:
        rows, at = self.feeds[s].local, self.next_local[s]
        return rows[at].ts + int(self.instruments[s].feed_ns) if at < len(rows) else NEVER

    def _venue_ts(self, s: int) -> int:
        venue = self.venues[s]
        return venue.rows[venue.next_row].ts if venue.next_row < len(venue.rows) else NEVER

    def _look(self, s: int, ts: int) -> int:
        """Take in all rows of a lane's feed that come at one ns."""
        self.account.now = ts
        met = 0
        while self._local_ts(s) == ts:
            row = self.feeds[s].local[self.next_local[s]]
            self.next_local[s] += 1
            was_stale = self.books[s].stale
            self.see(s, row)
            met |= ON_TRADE if row.kind == TRADE else ON_BOOK
            if row.kind == GAP and not was_stale:
                self.account.num_gaps += 1
                if self.p.stale_policy == TRUNCATE:
                    self.truncated_at = min(self.truncated_at, ts)
        return met

    # The end (B20, M7)

    def _complete(self) -> None:
        """Drain what is in flight, cancel what works, close what is held."""
        self._drain()
        last = max(feed.last_ts for feed in self.feeds)
        self.end_episode(DATA_END if last < self.account.end else WINDOW_END)

    def _drain(self) -> None:
        """Requests in flight meet the book as it stands; reports arrive (B20)."""
        while True:
            ts, s, kind = min(
                min(
                    (v.reports[0].receipt if v.reports else NEVER, s, _REPORT),
                    (self.requests[s][0].arrival if self.requests[s] else NEVER, s, _REQUEST),
                )
                for s, v in enumerate(self.venues)
            )
            if ts == NEVER:
                return
            if kind == _REPORT:
                self._receive(heapq.heappop(self.venues[s].reports))
            else:
                self.venues[s].handle(heapq.heappop(self.requests[s]))
