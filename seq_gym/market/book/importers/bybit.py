"""Bybit: orderbook.N with update ids, and publicTrade; spot and linear by the address.

Source: spec book.md (Bybit orderbook.200).
"""

from __future__ import annotations

from typing import Any, Final

from seq_gym.market.book.importers.feeds import At, Facts, Feed, Feeds
from seq_gym.market.book.importers.values import ns_of_ms, side_of, whole

__all__ = ["Bybit"]

_MARKETS: Final = {"linear": "bybit_linear", "inverse": "bybit_inverse", "spot": "bybit"}
"""Venue by the market that ends the address."""


class Bybit:
    """Reads Bybit's messages."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._last: dict[tuple[str, str], int] = {}
        """Newest update id of books that are known."""

    def facts(self, answer: Any) -> None:
        """Take ticks and lots from instruments-info."""
        result = answer["result"]
        venue = _MARKETS.get(result.get("category", ""), "bybit")
        for each in result["list"]:
            sizes = each["lotSizeFilter"]
            lot = sizes.get("qtyStep") or sizes.get("basePrecision", "")
            is_inverse = venue == _MARKETS["inverse"]  # of 1 USD each
            facts = Facts(each["priceFilter"]["tickSize"], lot, inverse=is_inverse)
            self._feeds.facts[venue, each["symbol"]] = facts

    def message(self, place: int, local: int, address: str, message: Any) -> None:
        """Take one message."""
        topic, _, _ = str(message.get("topic") or message.get("op")).partition(".")
        market = address.rpartition("/")[2]
        venue = _MARKETS.get(market, "bybit")
        if topic == "orderbook":
            self._levels(place, local, venue, message)
        elif topic == "publicTrade":
            for trade in message["data"]:
                self._trade(place, local, self._feeds.of(venue, trade["s"]), trade)
        else:
            self._feeds.ignored[topic] += 1

    def _levels(self, place: int, local: int, venue: str, message: dict[str, Any]) -> None:
        data = message["data"]
        symbol, update = data["s"], whole(data["u"])
        feed = self._feeds.of(venue, symbol)
        last = self._last.get((venue, symbol))
        # A restarted service begins again at 1, with the whole book.
        is_snapshot = message["type"] == "snapshot" or update == 1
        if not is_snapshot and (last is None or update <= last):
            why = "duplicates" if last is not None else "differences before a snapshot"
            feed.counts[why] += 1
            return
        self._last[venue, symbol] = update
        at = feed.in_order(At(place, ns_of_ms(message.get("cts", message["ts"])), local))
        if is_snapshot:
            feed.snapshot(at, data["b"], data["a"], update)
            return
        if message["type"] != "delta":
            raise ValueError(f"type must be snapshot or delta; was {message['type']!r:.40}")
        if last is not None and update != last + 1:
            feed.gap(at, f"u must be {last + 1}; was {update}", update)
        feed.depth(at, data["b"], data["a"], update)

    def _trade(self, place: int, local: int, feed: Feed, trade: dict[str, Any]) -> None:
        if trade.get("BT"):
            feed.counts["block trades, not of the book"] += 1
            return
        at = At(place, ns_of_ms(trade["T"]), local)
        feed.trade(at, side_of(trade["S"], "Buy", "Sell"), trade["p"], trade["v"], trade["i"])
