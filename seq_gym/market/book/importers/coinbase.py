"""Coinbase Advanced Trade: l2_data and market_trades, numbered per connection.

The side of a print is the *maker's* there: "SELL" means that a buyer took an ask. A channel begins
with the trades before it; they are history, not prints of the recording.

Source: spec book.md (Coinbase l2_data ("offer" = ask, sequence_num)).
"""

from __future__ import annotations

from typing import Any, Final

from seq_gym.market.book.importers.feeds import At, Facts, Feeds
from seq_gym.market.book.importers.values import ns_of_iso, side_of, whole

__all__ = ["Coinbase"]

_VENUE: Final = "coinbase"


class Coinbase:
    """Reads Coinbase's messages."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._last: dict[str, int] = {}
        """Newest sequence number, by connection."""
        self._known: dict[str, str] = {}
        """Products whose book is known, by the connection that tells it."""

    def facts(self, answer: Any) -> None:
        """Take increments of prices and sizes from the list of products."""
        for product in answer.get("products", ()):
            tick = product.get("price_increment") or product["quote_increment"]
            facts = Facts(tick, product["base_increment"])
            self._feeds.facts[_VENUE, product["product_id"]] = facts

    def message(self, place: int, local: int, address: str, message: Any) -> None:
        """Take one message; a number that is not the next is a gap of the connection's books."""
        connection = address.partition(" ")[0]
        number = whole(message["sequence_num"])
        last = self._last.get(connection)
        if last is not None and number <= last and number != 0:
            self._feeds.ignored["repeated sequence number"] += 1
            return
        self._last[connection] = number
        if last is not None and number != last + 1:
            self._break(place, local, connection, last, number, ns_of_iso(message["timestamp"]))
        channel = message["channel"]
        for event in message["events"]:
            if channel == "l2_data":
                self._levels(place, local, connection, event)
            elif channel == "market_trades":
                self._trades(place, local, event)
            else:
                self._feeds.ignored[channel] += 1

    def _break(
        self, place: int, local: int, connection: str, last: int, number: int, exch: int
    ) -> None:
        for product, known in self._known.items():
            if known == connection:
                feed = self._feeds.of(_VENUE, product)
                # The gap is somewhere before this message, which may be of another product.
                at = feed.in_order(At(place, max(min(exch, local), feed.last_exch), local))
                feed.gap(at, f"sequence_num must be {last + 1}; was {number}")

    def _levels(self, place: int, local: int, connection: str, event: dict[str, Any]) -> None:
        product = event["product_id"]
        feed = self._feeds.of(_VENUE, product)
        updates = event["updates"]
        if event["type"] != "snapshot" and product not in self._known:
            feed.counts["differences before a snapshot"] += 1
            return
        sides: dict[int, list[tuple[str, str]]] = {1: [], -1: []}
        for update in updates:
            side = side_of(update["side"], "bid", "offer")
            sides[side].append((update["price_level"], update["new_quantity"]))
        times = {update["event_time"] for update in updates}
        exch = max((ns_of_iso(time) for time in times), default=feed.last_exch)
        at = feed.in_order(At(place, exch, local))
        if event["type"] == "snapshot":
            self._known[product] = connection
            feed.snapshot(at, sides[1], sides[-1])
        elif event["type"] == "update":
            feed.depth(at, sides[1], sides[-1])
        else:
            raise ValueError(f"type must be snapshot or update; was {event['type']!r:.40}")

    def _trades(self, place: int, local: int, event: dict[str, Any]) -> None:
        trades = event["trades"]
        if event["type"] == "snapshot":
            self._feeds.ignored["trades before the recording"] += len(trades)
            return
        # The newest stands first.
        for trade in reversed(trades):
            feed = self._feeds.of(_VENUE, trade["product_id"])
            aggressor = -side_of(trade["side"], "BUY", "SELL")
            at = At(place, ns_of_iso(trade["time"]), local)
            feed.trade(at, aggressor, trade["price"], trade["size"], whole(trade["trade_id"]))
