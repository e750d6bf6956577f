"""Feeds: the rows that the messages of each instrument say, in order of receipt, with their place.

A message is one entry of the lists, its levels lie flat in two lists of decimal text: what is the
same for all levels of a message is stored once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers.grids import IntArray
from seq_gym.market.book.importers.lines import Places

__all__ = ["At", "Facts", "Feed", "Feeds", "Rows"]

_DEPTH, _SNAPSHOT, _CLEAR, _TRADE, _GAP, _STATUS = range(6)
_SECOND: Final = 1_000_000_000
SHOWN: Final = 10
"""Gaps and broken checksums that a report names; the rest is counted."""


class At(NamedTuple):
    """When and where a message stands."""

    place: int
    exch: int
    """UNIX nanoseconds; -1: not on the venue's clock."""
    local: int


class Facts(NamedTuple):
    """What a recording itself says of an instrument; "" where it does not."""

    tick: str = ""
    lot: str = ""
    contract_size: str = ""
    note: str = ""
    inverse: bool = False


class Rows(NamedTuple):
    """Rows before prices and sizes are counted in steps."""

    exch: IntArray
    local: IntArray
    seq: IntArray
    kind: IntArray
    side: IntArray
    place: IntArray
    price: Any
    """Decimal text, one a row (a sequence, or a polars Series)."""
    qty: Any


@dataclass(kw_only=True)
class Feed:
    """What was recorded of one (venue, symbol)."""

    venue: str
    symbol: str
    places: Places
    counts: Counter[str] = field(default_factory=Counter)
    """Facts by name: rows left out, gaps, checksums."""
    shown: list[str] = field(default_factory=list)
    """The first gaps and broken checksums, with their place."""
    messages: list[tuple[int, int, int, int, int, int, int]] = field(default_factory=list)
    """(exch, local, seq, kind, side, place, number of levels)."""
    prices: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    pieces: list[Rows] = field(default_factory=list)
    """Rows of formats that are read as tables."""
    trade_ids: set[Any] = field(default_factory=set)
    last_exch: int = -1
    last_local: int = -1

    def in_order(self, at: At) -> At:
        """Raise the stamps of a book message to those of the one before: the book's own order wins.

        Raises:
            MarketDataError: A stamp is more than a second behind the one before.
        """
        exch = at.exch if at.exch < 0 else max(at.exch, self.last_exch)
        local = max(at.local, self.last_local)
        if exch - at.exch > _SECOND or local - at.local > _SECOND:
            clock, back = ("local_ts", local - at.local)
            if exch - at.exch > _SECOND:
                clock, back = ("exch_ts", exch - at.exch)
            raise MarketDataError(
                f"{self.places.told(at.place)}: {clock} of {self.symbol}'s book must not step back "
                f"by more than a second; was {back / _SECOND:.3f} s. Are the lines sorted, and the "
                "files of one recorder?"
            )
        if exch > at.exch or local > at.local:
            self.counts["stamps raised"] += 1
        self.last_exch, self.last_local = max(exch, self.last_exch), local
        return At(at.place, exch, local)

    def levels(self, at: At, kind: int, side: int, levels: Sequence[Any], seq: int) -> None:
        """Add levels, each beginning with price and size as decimal text."""
        if not levels:
            return
        prices = [level[0] for level in levels]
        self.sizes += [level[1] for level in levels]
        self.prices += prices
        self.messages.append((at.exch, at.local, seq, kind, side, at.place, len(prices)))

    def one(
        self, at: At, kind: int, side: int, price: str = "0", qty: str = "0", seq: int = 0
    ) -> None:
        """Add one row."""
        self.prices.append(price)
        self.sizes.append(qty)
        self.messages.append((at.exch, at.local, seq, kind, side, at.place, 1))

    def snapshot(
        self,
        at: At,
        bids: Sequence[Any],
        asks: Sequence[Any],
        seq: int = 0,
        *,
        is_deeper_known: bool = False,
    ) -> None:
        """Add a snapshot; what stood before is gone, or down to its worst levels only (B8).

        Args:
            at: Its place and stamps.
            bids: Levels.
            asks: Levels.
            seq: Its update id.
            is_deeper_known: What stands deeper than a snapshot of the best N levels is still true.
        """
        self.counts["snapshots"] += 1
        if is_deeper_known and bids and asks:
            for side, levels in ((1, bids), (-1, asks)):
                worst = min((level[0] for level in levels), key=lambda text: side * float(text))
                self.one(at, _CLEAR, side, worst, seq=seq)
        else:
            self.one(at, _CLEAR, 0, seq=seq)
        self.levels(at, _SNAPSHOT, 1, bids, seq)
        self.levels(at, _SNAPSHOT, -1, asks, seq)

    def depth(self, at: At, bids: Sequence[Any], asks: Sequence[Any], seq: int = 0) -> None:
        """Add levels' new quantities."""
        self.levels(at, _DEPTH, 1, bids, seq)
        self.levels(at, _DEPTH, -1, asks, seq)

    def gap(self, at: At, what: str, seq: int = 0) -> None:
        """Add a gap: the book is unknown from here to the next snapshot (B10)."""
        self.counts["gaps"] += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"{self.places.told(at.place)}: {what}")
        self.one(at, _GAP, 0, seq=seq)

    def trade(self, at: At, side: int, price: str, qty: str, trade_id: Any = None) -> None:
        """Add a print; one whose id was there before is counted and left out."""
        if trade_id is not None:
            if trade_id in self.trade_ids:
                self.counts["duplicates"] += 1
                return
            self.trade_ids.add(trade_id)
        seq = trade_id if isinstance(trade_id, int) else 0
        self.one(at, _TRADE, side, price, qty, seq)

    def rows(self) -> Rows:
        """Return what was added, one entry a level or print."""
        if self.pieces:
            return _joined(self.pieces)
        table = np.array(self.messages, dtype=np.int64).reshape(-1, 7)
        times = table[:, 6]
        columns = [np.repeat(table[:, column], times) for column in range(6)]
        exch, local, seq, kind, side, place = columns
        return Rows(exch, local, seq, kind, side, place, self.prices, self.sizes)


@dataclass(kw_only=True)
class Feeds:
    """The feeds of a recording, by (venue, symbol), and what it says of instruments."""

    places: Places
    symbol: str | None = None
    """The symbol that was asked for: of messages that name none."""
    by_name: dict[tuple[str, str], Feed] = field(default_factory=dict)
    facts: dict[tuple[str, str], Facts] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    """Messages that are not of a book or print, by what they are."""

    def of(self, venue: str, symbol: str) -> Feed:
        """Return the feed of an instrument; a new one at its first message."""
        feed = self.by_name.get((venue, symbol))
        if feed is None:
            if not str(symbol).strip() or type(symbol) is not str:
                raise TypeError(f"a symbol must be text; was {symbol!r}")
            feed = Feed(venue=venue, symbol=symbol, places=self.places)
            self.by_name[venue, symbol] = feed
        return feed

    def at(self, venue: str) -> Iterable[Feed]:
        """Return the feeds of a venue."""
        return [feed for (each, _), feed in self.by_name.items() if each == venue]


def _joined(pieces: Sequence[Rows]) -> Rows:
    import polars as pl

    names = ("exch", "local", "seq", "kind", "side", "place")
    columns = [np.concatenate([getattr(piece, name) for piece in pieces]) for name in names]
    texts = [pl.concat([getattr(piece, name) for piece in pieces]) for name in ("price", "qty")]
    return Rows(*columns, *texts)
