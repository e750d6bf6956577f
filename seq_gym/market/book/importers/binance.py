"""Binance websocket recordings: lines of local nanoseconds and JSON, spot and futures.

Depth differences, trades, and REST snapshots in the middle. The venue is told by the messages:
only futures have `pu` and trades with `X`, only coin-margined ones `ps`.

Source: spec book.md (Formats that are read).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers.diffs import Diff, DiffBook
from seq_gym.market.book.importers.feeds import At, Feeds
from seq_gym.market.book.importers.lines import Source, decoded, faults_told
from seq_gym.market.book.importers.values import ns_of_ms, whole

__all__ = ["read", "recognise"]

_LINE: Final = re.compile(rb"\d{16,19} \{")
_SYMBOL: Final = re.compile(rb'"s":\s*"([^"]{1,40})"')
_DIGITS: Final = {16: 1_000, 19: 1}
"""Nanoseconds of one unit of a local stamp, by its digits."""


def recognise(source: Source) -> bool:
    """Tell by a first line of local nanoseconds and an object."""
    lines = source.head_lines
    return bool(lines) and _LINE.match(lines[0].removeprefix(b"\xef\xbb\xbf")) is not None


def read(sources: Sequence[Source], feeds: Feeds) -> None:
    """Read recordings in the order of their first line.

    Raises:
        MarketDataError: A line is not as the venue sends it, or tells no symbol.
    """
    books: dict[tuple[str, str], DiffBook] = {}
    for source in sorted(sources, key=lambda each: each.head_lines[0][:19]):
        _Recording(source, feeds, books).read()
    for book in books.values():
        book.refuse_unknown()


class _Recording:
    """Reads one file."""

    def __init__(
        self, source: Source, feeds: Feeds, books: dict[tuple[str, str], DiffBook]
    ) -> None:
        self._source, self._feeds, self._books = source, feeds, books
        # A REST snapshot names no symbol: it is of the only one of its file.
        found = _SYMBOL.search(source.head)
        self._only = found[1].decode() if found else feeds.symbol
        self._is_only_used = False
        self._venue: str | None = None
        self._print_kind: dict[str, str] = {}
        self._symbols: set[str] = set()

    def read(self) -> None:
        held: tuple[int, bytes] | None = None
        for place, line in self._source.lines():
            if held is not None:
                self._line(*held)
            held = place, line
        if held is None:
            return
        try:
            self._line(*held)
        except MarketDataError:
            # A recorder that is stopped leaves half a line; it is at the end or it is a fault.
            if held[1].rstrip().endswith(b"}"):
                raise
            self._feeds.ignored["line cut off at the end"] += 1
        if self._is_only_used and len(self._symbols) > 1:
            raise MarketDataError(
                f"{self._source.name}: a file with a REST snapshot must be of one symbol, since "
                f"the snapshot names none; has {', '.join(sorted(self._symbols))}. Split it."
            )

    def _line(self, place: int, line: bytes) -> None:
        with faults_told(self._feeds.places, place, "a line of local nanoseconds and JSON"):
            stamp, _, text = line.removeprefix(b"\xef\xbb\xbf").partition(b" ")
            local = whole(stamp.decode()) * _DIGITS[len(stamp)]
            message = decoded(text.decode())
            message = message.get("data", message)
            kind = message.get("e")
            if kind == "depthUpdate":
                self._depth(place, local, message)
            elif kind in ("trade", "aggTrade"):
                self._trade(place, local, kind, message)
            elif "lastUpdateId" in message:
                self._snapshot(place, local, message)
            else:
                self._feeds.ignored[str(kind or ("bookTicker" if "B" in message else "?"))] += 1

    def _at_venue(self, venue: str) -> str:
        if self._venue is not None and venue != self._venue:
            raise ValueError(f"a file must be of one venue: after {self._venue} came {venue}")
        self._venue = venue
        return venue

    def _book(self, venue: str, symbol: str) -> DiffBook:
        book = self._books.get((venue, symbol))
        if book is None:
            book = DiffBook(self._feeds.of(venue, symbol))
            self._books[venue, symbol] = book
        return book

    def _depth(self, place: int, local: int, message: dict[str, Any]) -> None:
        first, last = whole(message["U"]), whole(message["u"])
        is_futures = "pu" in message
        venue = "binance_um" if is_futures else "binance"
        venue = self._at_venue("binance_cm" if "ps" in message else venue)
        # Before a listing's first update pu is -1.
        before = whole(max(message["pu"], 0)) if is_futures else first - 1
        exch = ns_of_ms(message["T"] if is_futures else message["E"])
        diff = Diff(At(place, exch, local), before, first, last, message["b"], message["a"])
        self._symbols.add(message["s"])
        self._book(venue, message["s"]).difference(diff)

    def _snapshot(self, place: int, local: int, message: dict[str, Any]) -> None:
        symbol = message.get("symbol") or message.get("s") or self._only
        if symbol is None:
            raise ValueError("a snapshot must be in a file that names its symbol; or say symbol=")
        self._is_only_used |= not (message.get("symbol") or message.get("s"))
        exch = ns_of_ms(message["T"]) if "T" in message else None
        book = self._book(self._venue or ("binance" if exch is None else "binance_um"), symbol)
        last_id = whole(message["lastUpdateId"])
        book.snapshot(At(place, -1, local), last_id, message["bids"], message["asks"], exch)

    def _trade(self, place: int, local: int, kind: str, message: dict[str, Any]) -> None:
        symbol = message["s"]
        self._symbols.add(symbol)
        venue = {"M": "binance", "X": "binance_um"}.get(next((k for k in "MX" if k in message), ""))
        if self._venue != "binance_cm" and venue:
            self._at_venue(venue)
        feed = self._feeds.of(self._venue or "binance", symbol)
        if self._print_kind.setdefault(symbol, kind) != kind:
            self._feeds.ignored[f"{kind} beside {self._print_kind[symbol]}"] += 1
            return
        if message.get("X", "MARKET") != "MARKET":
            feed.counts["prints that are not of the book"] += 1
            return
        if type(message["m"]) is not bool:
            raise ValueError(f"m must be true or false; was {message['m']!r:.40}")
        at = At(place, ns_of_ms(message["T"]), local)
        trade_id = whole(message["t" if kind == "trade" else "a"])
        feed.trade(at, -1 if message["m"] else 1, message["p"], message["q"], trade_id)
