"""Bracket breakout: buy a new high, and leave at a stop or at a target, whichever comes first.

    python -m seq_gym.evaluate --agent agents/bracket_breakout.py

The entry is a market order. When it has filled, a stop and a target are placed around the price
that was really paid; they share a group, so the one that fills cancels the other. Both work inside
every candle (trigger "range"), and where one candle reaches both, the stop counts: see
docs/fills.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from seq_gym import Session, Strategy
from seq_gym.sandbox.records import Candle, Fill, Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    channel: int = 120
    """Candles whose highest high is bought, up to 999."""
    stop_ranges: float = 6.0
    """Distance of the stop below the entry, in mean candle ranges."""
    target_ranges: float = 9.0
    """Distance of the target above the entry, in mean candle ranges."""
    fraction: float = 0.95
    """Part of the equity that all symbols together may take."""


class BracketBreakout(Strategy):
    """One position per symbol, always between a stop and a target."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.candles: dict[str, deque[Candle]] = {}
        self.top: dict[str, float] = {}
        self.ranges: dict[str, float] = {}
        self.entry: dict[str, str] = {}
        """Order that opened, or opens, the position of a symbol."""
        self.bracketed: set[str] = set()

    def on_start(self, session: Session) -> None:
        """Take in the candles that were known before the window."""
        for symbol in session.symbols:
            self.candles[symbol] = deque(maxlen=self.settings.channel)
            self.ranges[symbol] = 0.0
            for candle in session.candles(symbol, limit=self.settings.channel):
                self.take_in(symbol, candle)

    def take_in(self, symbol: str, candle: Candle) -> None:
        """Keep the highest high and the mean range up to date."""
        known = self.candles[symbol]
        leaves = known[0] if len(known) == known.maxlen else None
        known.append(candle)
        self.ranges[symbol] += candle.high - candle.low
        if leaves is not None:
            self.ranges[symbol] -= leaves.high - leaves.low
        if leaves is not None and leaves.high >= self.top[symbol]:
            self.top[symbol] = max(each.high for each in known)
        else:
            self.top[symbol] = max(self.top.get(symbol, 0.0), candle.high)

    def on_candle(self, session: Session) -> None:
        """Enter what has closed above its channel."""
        for symbol in session.symbols:
            found = session.candles(symbol, limit=1)
            known = self.candles[symbol]
            if not found or (known and known[-1].open_ns == found[0].open_ns):
                continue
            full = len(known) == known.maxlen
            breaks_out = full and found[0].close > self.top[symbol]
            self.take_in(symbol, found[0])
            if breaks_out and symbol not in self.entry:
                share = self.settings.fraction / len(session.symbols)
                order = session.place_order(symbol, "buy", "market", fraction=share)
                if order.is_accepted:
                    self.entry[symbol] = order.order_id

    def on_fill(self, session: Session, fill: Fill) -> None:
        """Put the bracket around the entry; forget the position when it is gone."""
        symbol = fill.symbol
        if fill.side == "sell":
            if session.position(symbol) is None:
                self.entry.pop(symbol, None)
                self.bracketed.discard(symbol)
        elif symbol not in self.bracketed:
            # Without a size an exit closes whatever the position is by then.
            distance = self.ranges[symbol] / len(self.candles[symbol])
            stop = fill.price - self.settings.stop_ranges * distance
            target = fill.price + self.settings.target_ranges * distance
            exits = {"stop_loss": stop, "take_profit": target}
            for kind, price in exits.items():
                group = f"{fill.order_id}-exits"
                session.place_order(symbol, "sell", kind, trigger_price=price, group_id=group)
            self.bracketed.add(symbol)

    def on_reject(self, session: Session, order: Order) -> None:
        """Forget an entry that came to nothing."""
        is_entry = self.entry.get(order.symbol) == order.order_id
        if is_entry and session.position(order.symbol) is None:
            del self.entry[order.symbol]
