"""Snapshots alone, as JSON lines `{"timestamp", "symbol", "bids", "asks"}`, in any order.

Each is the whole of what is known of the book; what changed from one to the next becomes rows, and
a level that is not there any more is one of quantity 0 (B9). Only one time is stated: both clocks.

Source: spec book.md (B9; the JSONL of S4, sorted by the loader).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from seq_gym.market.book.importers.feeds import At, Feed, Feeds
from seq_gym.market.book.importers.lines import Source, decoded, faults_told
from seq_gym.market.book.importers.values import ns_of_iso, ns_of_seconds, whole

__all__ = ["read", "recognise"]

_UNITS: Final = ((11, 1_000_000_000), (14, 1_000_000), (17, 1_000), (20, 1))
"""Nanoseconds of a unit of an epoch, by the digits that it stays below until 2100."""


class _Snapshot(NamedTuple):
    ts: int
    place: int
    bids: dict[str, str]
    asks: dict[str, str]


def recognise(source: Source) -> bool:
    """Tell by a first object with a time, bids and asks."""
    lines = source.head_lines
    if not lines:
        return False
    start = lines[0].removeprefix(b"\xef\xbb\xbf").lstrip()
    return (
        start.startswith(b"{")
        and b'"timestamp"' in start
        and b'"bids"' in start
        and b'"asks"' in start
        and b'"lastUpdateId"' not in start
    )


def read(sources: Sequence[Source], feeds: Feeds) -> None:
    """Read snapshots, sort them by time, and say what changed.

    Raises:
        MarketDataError: A line is not such an object.
    """
    found: dict[tuple[str, str], list[_Snapshot]] = defaultdict(list)
    for source in sources:
        for place, line in source.lines():
            with faults_told(feeds.places, place, "a snapshot of a book"):
                record = decoded(line.decode("utf-8-sig"))
                symbol = record.get("symbol") or feeds.symbol
                if not isinstance(symbol, str):
                    raise TypeError(f"a snapshot must name its symbol; was {symbol!r:.40}")
                name = (str(record.get("venue") or record.get("exchange") or ""), symbol)
                sides = (_side(record["bids"]), _side(record["asks"]))
                found[name].append(_Snapshot(_time(record["timestamp"]), place, *sides))
    for (venue, symbol), snapshots in found.items():
        with faults_told(feeds.places, snapshots[0].place, "a snapshot of a book"):
            feed = feeds.of(venue, symbol)
        ordered = sorted(snapshots, key=lambda each: each.ts)
        moved = sum(a is not b for a, b in zip(ordered, snapshots, strict=True))
        feed.counts["snapshots out of order, sorted"] += moved
        _differences(feed, ordered)


def _time(value: Any) -> int:
    """Read an ISO time with its zone, or an epoch whose unit its size tells."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        return ns_of_iso(value.replace(" ", "T", 1))
    if isinstance(value, str) and "." in value:
        return ns_of_seconds(value)
    number = whole(value)
    digits = len(str(number))
    scale = next((scale for most, scale in _UNITS if digits < most), None)
    if scale is None or digits < 9:
        raise ValueError(f"timestamp must be a time between 1970 and 2100; was {value!r:.40}")
    return number * scale


def _side(levels: Any) -> dict[str, str]:
    if not isinstance(levels, list):
        raise TypeError(f"a side must be a list of [price, size]; was {levels!r:.40}")
    # JSON numbers without decimals are integers: 10 and 10.0 are one price.
    out = {_normal(level[0]): _normal(level[1]) for level in levels}
    if len(out) < len(levels):
        raise ValueError("a snapshot must state a price once")
    return out


def _normal(value: Any) -> str:
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text.lower() else text


def _differences(feed: Feed, snapshots: Sequence[_Snapshot]) -> None:
    before: _Snapshot | None = None
    for each in snapshots:
        if before is not None and each.ts == before.ts:
            if (each.bids, each.asks) == (before.bids, before.asks):
                feed.counts["duplicates"] += 1
                continue
            feed.counts["snapshots of one time"] += 1
        at = At(each.place, each.ts, each.ts)
        if before is None:
            feed.snapshot(at, list(each.bids.items()), list(each.asks.items()))
        else:
            feed.depth(at, _changed(before.bids, each.bids), _changed(before.asks, each.asks))
        before = each


def _changed(before: dict[str, str], now: dict[str, str]) -> list[tuple[str, str]]:
    """Levels that went first, so that a book never seems crossed by what is gone (B7)."""
    gone = [(price, "0") for price in before if price not in now]
    return gone + [(price, size) for price, size in now.items() if before.get(price) != size]
