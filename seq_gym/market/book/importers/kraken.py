"""Kraken's websocket of version 1: books with a CRC32 of their ten best levels, and trades.

A message states no time of its own: it is that of its newest level. The venue tells the best N
levels only; one that falls deeper is not deleted by a message, and is taken out here as its
checksum demands.

Source: spec book.md (Kraken book with CRC32 checked).
"""

from __future__ import annotations

from typing import Any, Final
from zlib import crc32

from seq_gym.market.book.importers.feeds import At, Facts, Feed, Feeds
from seq_gym.market.book.importers.sided import SidedBook
from seq_gym.market.book.importers.values import ns_of_seconds, side_of, whole

__all__ = ["Kraken", "checksum"]

_VENUE: Final = "kraken"
_CHECKED_LEVELS: Final = 10


class Kraken:
    """Reads Kraken's messages."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._books: dict[str, _Book] = {}

    def facts(self, answer: Any) -> None:
        """Take decimals of prices and sizes from AssetPairs."""
        for pair in answer["result"].values():
            tick, lot = (f"1e-{whole(pair[each])}" for each in ("pair_decimals", "lot_decimals"))
            self._feeds.facts[_VENUE, pair.get("wsname", "")] = Facts(tick, lot)

    def message(self, place: int, local: int, address: str, message: Any) -> None:
        """Take one message: a list is data, an object is about the subscription."""
        del address  # all connections lead to one market
        if not isinstance(message, list):
            self._feeds.ignored[str(message.get("event"))] += 1
            return
        channel, symbol = message[-2], message[-1]
        if channel == "trade":
            self._trades(place, local, symbol, message[1])
        elif channel.startswith("book"):
            if symbol not in self._books:
                depth = whole(channel.partition("-")[2] or 10)
                self._books[symbol] = _Book(self._feeds.of(_VENUE, symbol), depth)
            self._books[symbol].take(place, local, message[1:-2])
        else:
            self._feeds.ignored[channel] += 1

    def _trades(self, place: int, local: int, symbol: str, trades: Any) -> None:
        feed = self._feeds.of(_VENUE, symbol)
        for price, size, time, side, *_ in trades:
            at = At(place, ns_of_seconds(time), local)
            feed.trade(at, side_of(side, "b", "s"), price, size)


class _Book:
    """One pair's book."""

    def __init__(self, feed: Feed, depth: int) -> None:
        self._feed, self._depth = feed, depth
        self._levels = SidedBook()
        self._is_known = False

    def take(self, place: int, local: int, parts: list[dict[str, Any]]) -> None:
        """Take a snapshot (as, bs), or an update of one or both sides."""
        told: dict[str, Any] = {}
        for part in parts:
            told |= part
        if "as" in told or "bs" in told:
            bids, asks = told.get("bs", []), told.get("as", [])
            self._levels = SidedBook()
            self._set(bids, asks)
            self._is_known = True
            self._feed.snapshot(self._at(place, local, [*bids, *asks]), bids, asks)
            return
        bids, asks = told.get("b", []), told.get("a", [])
        at = self._at(place, local, [*bids, *asks])
        if not self._is_known and not self._feed.counts["snapshots"]:
            self._feed.counts["differences before a snapshot"] += 1
            return
        self._set(bids, asks)
        deeper = [self._levels.drop_beyond(side, self._depth) for side in (1, -1)]
        if self._is_known and "c" in told:
            self._check(at, whole(told["c"]))
        self._feed.depth(at, [*bids, *deeper[0]], [*asks, *deeper[1]])

    def _set(self, bids: list[Any], asks: list[Any]) -> None:
        self._levels.set(1, bids)
        self._levels.set(-1, asks)

    def _at(self, place: int, local: int, levels: list[Any]) -> At:
        # "r" marks a level told again, because another left the depth: its time is an old one.
        fresh = [level[2] for level in levels if len(level) < 4 or level[3] != "r"]
        times = [ns_of_seconds(time) for time in fresh or [level[2] for level in levels]]
        exch = max(times, default=self._feed.last_exch)
        if not fresh:
            exch = max(exch, self._feed.last_exch)
        return self._feed.in_order(At(place, exch, local))

    def _check(self, at: At, stated: int) -> None:
        found = checksum(self._levels)
        if found == stated:
            self._feed.counts["checksums verified"] += 1
            return
        self._feed.counts["checksums broken"] += 1
        self._feed.gap(at, f"the book's checksum must be {stated}; was {found}")
        self._is_known = False


def checksum(levels: SidedBook) -> int:
    """CRC32 of the ten best asks, then bids: digits of price and size without leading zeros."""
    digits = [
        text.replace(".", "").lstrip("0")
        for side in (-1, 1)
        for level in levels.best(side, _CHECKED_LEVELS)
        for text in level
    ]
    return crc32("".join(digits).encode())
