"""Imbalance taker: buys where bids outweigh asks, sells where asks outweigh bids.

    python -m seq_gym.evaluate --agent agents/imbalance_taker.py --env BookTrading-v0

The imbalance of the first levels, (bids - asks) / (bids + asks), tells the sign of the next move of
the mid better than chance: J.-P. Bouchaud, J. Bonart, J. Donier and M. Gould, Trades, quotes and
prices, Cambridge (2018), chapter 7; S. Stoikov, The micro-price, Quantitative Finance 18 (2018).
Whether a taker earns his fee and half a spread by it is what a run shows: on most books he does
not.
"""

from __future__ import annotations

from dataclasses import dataclass

from seq_gym import Strategy
from seq_gym.sandbox.book.session import BookSession

NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    levels: int = 5
    """Levels of each side that are weighed."""
    threshold: float = 0.8
    """Take when the imbalance is beyond this, either way."""
    leave: float = 0.0
    """Leave a long when the imbalance falls to this, a short when it rises to its negative."""
    least_s: float = 1.0
    """Hold a position at least this long."""
    most_s: float = 30.0
    """And no longer than this."""
    size_frac: float = 0.1
    """Position, part of the equity at the start."""
    max_slippage_bps: float = 2.0
    """Pay at most this much beyond the mid at which the order arrives (B12)."""


class ImbalanceTaker(Strategy):
    """One position per book, taken and left by immediate-or-cancel orders."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.equity = 0.0
        self.sent: dict[str, str] = {}
        """The last order of a symbol."""
        self.since: dict[str, int] = {}
        """When its position was asked for."""

    def on_start(self, session: BookSession) -> None:
        """Size the positions once."""
        self.equity = session.portfolio().total_equity

    def on_book(self, session: BookSession, symbol: str) -> None:
        """Take or leave, one order at a time."""
        if symbol in self.sent and session.order(self.sent[symbol]).is_open:
            return
        book = session.book(symbol, self.settings.levels)
        if book.mid is None or book.is_stale:
            return
        weight = self.imbalance(book.bids, book.asks)
        position = session.position(symbol)
        if position is None:
            self.enter(session, symbol, weight, book.mid)
        elif self.is_over(session, symbol, weight if position.quantity > 0 else -weight):
            side = "sell" if position.quantity > 0 else "buy"
            self.take(session, symbol, side, abs(position.quantity), reduce_only=True)

    def imbalance(
        self, bids: tuple[tuple[float, float], ...], asks: tuple[tuple[float, float], ...]
    ) -> float:
        """Return (bids - asks) / (bids + asks), -1 to 1."""
        bid = sum(quantity for _, quantity in bids)
        ask = sum(quantity for _, quantity in asks)
        return (bid - ask) / (bid + ask)

    def enter(self, session: BookSession, symbol: str, weight: float, mid: float) -> None:
        """Take the heavier side's part, where it is heavy enough; spot accounts go long alone."""
        if abs(weight) <= self.settings.threshold:
            return
        if weight > 0.0 or session.params.account == "margin":
            quantity = self.settings.size_frac * self.equity / mid
            self.take(session, symbol, "buy" if weight > 0.0 else "sell", quantity)
            self.since[symbol] = session.virtual_time_ns

    def is_over(self, session: BookSession, symbol: str, weight: float) -> bool:
        """Say whether a position has run its course; the weight is in its own direction."""
        held_s = (session.virtual_time_ns - self.since[symbol]) / NS
        if held_s < self.settings.least_s:
            return False
        return weight <= self.settings.leave or held_s >= self.settings.most_s

    def take(
        self,
        session: BookSession,
        symbol: str,
        side: str,
        quantity: float,
        *,
        reduce_only: bool = False,
    ) -> None:
        """Send a market order with its cap."""
        order = session.place_order(
            symbol,
            side,
            "market",
            quantity,
            max_slippage_bps=self.settings.max_slippage_bps,
            reduce_only=reduce_only,
        )
        self.sent[symbol] = order.order_id
