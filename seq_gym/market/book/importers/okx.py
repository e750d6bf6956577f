"""OKX: books with a CRC32 of their 25 best levels, and trades.

Source: spec book.md (OKX books with checksum).
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Final
from zlib import crc32

from seq_gym.market.book.importers.feeds import At, Facts, Feed, Feeds
from seq_gym.market.book.importers.sided import SidedBook
from seq_gym.market.book.importers.values import ns_of_ms, side_of, whole

__all__ = ["Okx", "checksum"]

_VENUE: Final = "okx"
_CHECKED_LEVELS: Final = 25


class Okx:
    """Reads OKX's messages."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._levels: dict[str, SidedBook] = {}
        """Levels of the books that are known."""
        self._numbers: dict[str, Any] = {}
        """Newest number, by instrument."""

    def facts(self, answer: Any) -> None:
        """Take ticks, lots and contracts from the lists of instruments."""
        for each in answer.get("data", ()):
            size, kind = each.get("ctVal", ""), each.get("ctType", "")
            note = f"sizes count {kind} contracts of {size} {each.get('ctValCcy', '')}" * bool(size)
            is_inverse = kind == "inverse"
            facts = Facts(each["tickSz"], each["lotSz"], size, note, is_inverse)
            self._feeds.facts[_VENUE, each["instId"]] = facts

    def message(self, place: int, local: int, address: str, message: Any) -> None:
        """Take one message."""
        del address  # all connections lead to one market
        channel = message.get("arg", {}).get("channel")
        if "event" in message or channel not in ("books", "trades"):
            self._feeds.ignored[str(message.get("event") or channel)] += 1
            return
        feed = self._feeds.of(_VENUE, message["arg"]["instId"])
        for data in message["data"]:
            if channel == "trades":
                at = At(place, ns_of_ms(data["ts"]), local)
                side = side_of(data["side"], "buy", "sell")
                feed.trade(at, side, data["px"], data["sz"], whole(data["tradeId"]))
            else:
                self._book(place, local, feed, message["action"], data)

    def _book(self, place: int, local: int, feed: Feed, action: str, data: dict[str, Any]) -> None:
        if action not in ("snapshot", "update"):
            raise ValueError(f"action must be snapshot or update; was {action!r:.40}")
        if action == "snapshot":
            self._levels[feed.symbol] = SidedBook()
        levels = self._levels.get(feed.symbol)
        if levels is None and not feed.counts["snapshots"]:
            feed.counts["differences before a snapshot"] += 1
            return
        at = feed.in_order(At(place, ns_of_ms(data["ts"]), local))
        self._follow(at, feed, action, data)
        if action == "snapshot":
            feed.snapshot(at, data["bids"], data["asks"])
        if levels is not None and feed.symbol in self._levels:
            levels.set(1, data["bids"])
            levels.set(-1, data["asks"])
            self._check(at, feed, levels, data.get("checksum"))
        if action == "update":
            feed.depth(at, data["bids"], data["asks"])

    def _follow(self, at: At, feed: Feed, action: str, data: dict[str, Any]) -> None:
        """Check that an update continues the one before, where the feed numbers them."""
        if "seqId" not in data:
            return
        last = self._numbers.get(feed.symbol)
        self._numbers[feed.symbol] = data["seqId"]
        if action == "update" and data["prevSeqId"] != last:
            feed.gap(at, f"prevSeqId must be {last}; was {data['prevSeqId']}")
            self._levels.pop(feed.symbol, None)

    def _check(self, at: At, feed: Feed, levels: SidedBook, stated: Any) -> None:
        if stated is None:
            return
        found = checksum(levels)
        if found == stated:
            feed.counts["checksums verified"] += 1
            return
        feed.counts["checksums broken"] += 1
        feed.gap(at, f"the book's checksum must be {stated}; was {found}")
        del self._levels[feed.symbol]


def checksum(levels: SidedBook) -> int:
    """CRC32, signed, of the 25 best bids and asks in turn, price and size joined by colons."""
    pairs = zip_longest(levels.best(1, _CHECKED_LEVELS), levels.best(-1, _CHECKED_LEVELS))
    texts = [text for pair in pairs for level in pair if level for text in level]
    unsigned = crc32(":".join(texts).encode())
    return unsigned - (1 << 32) if unsigned >= 1 << 31 else unsigned
