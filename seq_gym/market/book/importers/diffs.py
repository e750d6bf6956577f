"""Books from numbered differences and REST snapshots: which difference continues which.

A snapshot is answered while differences keep coming. The agent's book gets it when it arrives,
with the differences that it does not contain applied over it once more; the venue's book gets it
where it belongs, just before those differences.

Source: spec book.md (B8, B10; spot U == last u + 1, futures pu == last u).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers.feeds import At, Feed

__all__ = ["Diff", "DiffBook"]

_REMEMBERED: Final = 2_000
"""Differences kept for a snapshot to come: at ten a second more than three minutes."""


class Diff(NamedTuple):
    """One message of changed levels."""

    at: At
    before: int
    """The update id that it continues: U - 1, or pu."""
    first: int
    last: int
    bids: Sequence[Any]
    asks: Sequence[Any]


class _Unplaced(NamedTuple):
    """A snapshot whose place on the venue's clock the next difference tells."""

    at: At
    last_id: int
    bids: Sequence[Any]
    asks: Sequence[Any]
    is_deeper_known: bool
    exch: int | None
    """When the venue took it, ns; None = it does not say."""


class DiffBook:
    """Follows one instrument's chain of differences."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._chain: deque[Diff] = deque(maxlen=_REMEMBERED)
        """Differences without a hole between them, the newest last."""
        self._is_known = False
        """A snapshot was applied: rows are of a known book, or of a stale one after a gap."""
        self._is_stale = False
        self._snapshot_id: int | None = None
        """Of a snapshot that no difference has continued yet."""
        self._unplaced: _Unplaced | None = None

    def difference(self, diff: Diff) -> None:
        """Take a difference: apply it, keep it for a snapshot, or tell a gap."""
        if diff.first > diff.last:
            raise ValueError(f"U must be at most u; was {diff.first} > {diff.last}")
        if self._chain and diff.last <= self._chain[-1].last:
            self._feed.counts["duplicates"] += 1
            return
        diff = diff._replace(at=self._feed.in_order(diff.at))
        if self._unplaced is not None:
            self._place(diff)
        if self._snapshot_id is not None:
            if diff.last <= self._snapshot_id:
                self._feed.counts["differences within a snapshot"] += 1
                self._append(diff)
                return
            wanted, self._snapshot_id = self._snapshot_id, None
            continues = diff.before <= wanted
        else:
            continues = not self._chain or diff.before == self._chain[-1].last
            wanted = self._chain[-1].last if self._chain else 0
        if not continues:
            self._break(diff, wanted)
        self._append(diff)
        if self._is_known:
            self._feed.depth(diff.at, diff.bids, diff.asks, diff.last)
        else:
            self._feed.counts["differences before a snapshot"] += 1

    def refuse_unknown(self) -> None:
        """Refuse differences that no snapshot tells the book to.

        Raises:
            MarketDataError: There were some, and no snapshot.
        """
        if not self._is_known and self._chain:
            first = self._chain[0].at.place
            raise MarketDataError(
                f"{self._feed.places.told(first)}: differences of {self._feed.symbol}'s book must "
                "come with a snapshot (REST, lastUpdateId) to apply them to; there is none that "
                "they continue. Give the file that begins the recording too."
            )

    def _append(self, diff: Diff) -> None:
        if self._chain and diff.before != self._chain[-1].last:
            self._chain.clear()
        self._chain.append(diff)

    def _break(self, diff: Diff, wanted: int) -> None:
        what = f"an update must continue {wanted}; was {diff.before}"
        if self._is_known:
            self._feed.gap(diff.at, what, diff.last)
            self._is_stale = True
        else:
            self._feed.counts["gaps before a snapshot"] += 1

    def snapshot(
        self, at: At, last_id: int, bids: Sequence[Any], asks: Sequence[Any], exch: int | None
    ) -> None:
        """Take a snapshot that contains the updates up to `last_id`.

        Args:
            at: Place and stamps; the snapshot's own `exch` is used where no difference tells more.
            last_id: Its update id.
            bids: Levels.
            asks: Levels.
            exch: When the venue took it, ns; None = it does not say.
        """
        at = self._feed.in_order(at._replace(exch=-1))
        if self._chain and self._chain[0].before > last_id:
            self._feed.counts["snapshots older than the differences"] += 1
            return
        stamp = self._stamp_of(last_id, exch)
        deeper = self._is_known and not self._is_stale
        if stamp is None:
            self._unplaced = _Unplaced(at, last_id, bids, asks, deeper, exch)
        else:
            at = at._replace(exch=stamp)
        self._feed.snapshot(at, bids, asks, last_id, is_deeper_known=deeper)
        newer = [diff for diff in self._chain if diff.last > last_id]
        for diff in newer:
            # Before the first snapshot nothing was said of them; later they were, on both clocks.
            again = At(diff.at.place, -1 if self._is_known else diff.at.exch, at.local)
            self._feed.depth(again, diff.bids, diff.asks, diff.last)
        self._feed.counts["differences over a snapshot"] += len(newer)
        self._is_known, self._is_stale = True, False
        self._snapshot_id = None if newer else last_id

    def _stamp_of(self, last_id: int, exch: int | None) -> int | None:
        """Find when the venue's book was as the snapshot says, from the chain around it.

        The first one may stand early: nobody trades on a book before it was received. A later one
        that ends within a difference knows what came after the difference before, and is never
        placed earlier than what it knows: it stands where it says, or just before the difference
        that it ends in.

        Returns:
            UNIX ns; None where only the next difference can tell.
        """
        if not self._chain:
            return exch
        older = [diff for diff in self._chain if diff.last <= last_id][-1:]
        newer = [diff.at.exch - 1 for diff in self._chain if diff.last > last_id][:1]
        known = [diff.at.exch for diff in older]
        if not self._is_known or (older and older[0].last == last_id):
            return min(known + newer, default=None)
        if not newer:
            return None
        return newer[0] if exch is None else min(max([exch, *known]), newer[0])

    def _place(self, diff: Diff) -> None:
        """Put a snapshot on the venue's clock, just before the first difference that came."""
        assert self._unplaced is not None
        at, last_id, bids, asks, deeper, exch = self._unplaced
        self._unplaced = None
        stamp = diff.at.exch - (diff.last > last_id)
        if exch is not None:
            earliest = self._chain[-1].at.exch if self._chain else exch
            stamp = min(max(exch, earliest), stamp)
        at = At(at.place, stamp, -1)
        self._feed.snapshot(at, bids, asks, last_id, is_deeper_known=deeper)
        self._feed.counts["snapshots"] -= 1  # the same one, on its other clock
