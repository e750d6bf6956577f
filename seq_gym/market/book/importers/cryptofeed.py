"""Recordings of cryptofeed: one JSON object a line, `{"t", "conn", "ts", "data"}`, venue by venue.

The container tells connections and times of receipt; what the messages mean is a venue's own
module, one of `VENUES`. Answers to HTTP requests at the beginning state ticks and lots.

Source: spec book.md (Formats that are read).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers import bybit, coinbase, kraken, okx
from seq_gym.market.book.importers.feeds import Feeds
from seq_gym.market.book.importers.lines import Source, decoded, faults_told
from seq_gym.market.book.importers.values import ns_of_seconds

__all__ = ["VENUES", "read", "recognise"]


class Venue(Protocol):
    """Reads one venue's messages."""

    def facts(self, answer: Any) -> None:
        """Take what an answer to an HTTP request says of instruments."""

    def message(self, place: int, local: int, address: str, message: Any) -> None:
        """Take one websocket message, received on the connection to an address."""


VENUES: Final[Mapping[str, Callable[[Feeds], Venue]]] = {
    "kraken": kraken.Kraken,
    "coinbase": coinbase.Coinbase,
    "bybit": bybit.Bybit,
    "okx": okx.Okx,
}
"""Venues by the word that is in their name and their address."""


def recognise(source: Source) -> bool:
    """Tell by a first line that is an object with a kind and a connection, or a header."""
    lines = source.head_lines
    first = lines[0].removeprefix(b"\xef\xbb\xbf").lstrip() if lines else source.head[:200]
    start = first[:200].replace(b" ", b"")
    return start.startswith(b'{"t":"') and (b'"conn":' in start or b'"t":"header"' in start)


def read(sources: Sequence[Source], feeds: Feeds) -> None:
    """Read recordings in the order given; a venue goes on from file to file.

    Raises:
        MarketDataError: A line is not as the recorder or the venue writes it.
    """
    venues: dict[str, Venue] = {}
    for source in sources:
        _Recording(source, feeds, venues).read()


class _Recording:
    """Reads one file."""

    def __init__(self, source: Source, feeds: Feeds, venues: dict[str, Venue]) -> None:
        self._source, self._feeds, self._venues = source, feeds, venues
        self._addresses: dict[str, str] = {}
        self._venue: Venue | None = None

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

    def _line(self, place: int, line: bytes) -> None:
        with faults_told(self._feeds.places, place, "a line of a recording"):
            record = decoded(line.decode("utf-8-sig"))
            kind = record["t"]
            if kind == "recv":
                self._received(place, record)
            elif kind == "header":
                self._venue = self._named(record["exchange"])
            elif kind == "http":
                if self._venue is not None and isinstance(record.get("data"), str):
                    self._venue.facts(decoded(record["data"]))
            elif kind in ("connect", "send"):
                self._addresses[record["conn"]] = record.get("addr", "")
            else:
                self._feeds.ignored[f"record {kind}"] += 1

    def _received(self, place: int, record: dict[str, Any]) -> None:
        connection = record["conn"]
        address = self._addresses.get(connection, "")
        if self._venue is None:
            self._venue = self._named(f"{connection} {address}")
        message = decoded(record["data"])
        # Which connection it is matters to sequence numbers, its address to the market.
        where = f"{connection} {address}"
        self._venue.message(place, ns_of_seconds(record["ts"]), where, message)

    def _named(self, text: str) -> Venue:
        name = next((each for each in VENUES if each in text.lower()), None)
        if name is None:
            raise MarketDataError(
                f"{self._source.name}: a recording must be of a venue that is read "
                f"({', '.join(VENUES)}); was of {text!r:.60}."
            )
        if name not in self._venues:
            self._venues[name] = VENUES[name](self._feeds)
        return self._venues[name]
