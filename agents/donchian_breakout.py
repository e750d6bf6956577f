"""Donchian breakout: buy a new high, leave at a new low of a shorter channel.

    python -m seq_gym.evaluate --agent agents/donchian_breakout.py

A channel is the highest high and the lowest low of the candles before this one, so the candle that
breaks it is no part of it. Only candles that exist count: a gap neither widens nor narrows one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from seq_gym import Session, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    entry: int = 240
    """Candles of the channel whose high is bought, up to 1000."""
    leave: int = 120
    """Candles of the channel whose low is sold."""


class RollingMost:
    """The largest of the last values, in constant time a value on average.

    What is smaller than a newer value can never be the largest again, so it is dropped.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.count = 0
        self.kept: deque[tuple[int, float]] = deque()

    def add(self, value: float) -> None:
        """Take the next value."""
        while self.kept and self.kept[-1][1] <= value:
            self.kept.pop()
        self.kept.append((self.count, value))
        self.count += 1
        if self.kept[0][0] <= self.count - 1 - self.length:
            self.kept.popleft()

    @property
    def value(self) -> float | None:
        """The largest of the last `length` values, or None before there are as many."""
        return self.kept[0][1] if self.count >= self.length else None


class DonchianBreakout(Strategy):
    """Long from a new high to a new low."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.highs: dict[str, RollingMost] = {}
        self.lows: dict[str, RollingMost] = {}
        self.seen: dict[str, int] = {}
        self.is_long: dict[str, bool] = {}

    def on_start(self, session: Session) -> None:
        """Fill the channels with what was known before the window."""
        for symbol in session.symbols:
            self.highs[symbol] = RollingMost(self.settings.entry)
            self.lows[symbol] = RollingMost(self.settings.leave)
            self.seen[symbol] = 0
            self.is_long[symbol] = False
            for candle in session.candles(symbol, limit=self.settings.entry):
                self.widen(symbol, candle.high, candle.low)
                self.seen[symbol] = candle.open_ns

    def widen(self, symbol: str, high: float, low: float) -> None:
        """Take a candle into both channels; a low is the largest of what is negative."""
        self.highs[symbol].add(high)
        self.lows[symbol].add(-low)

    def on_candle(self, session: Session) -> None:
        """Compare the last candle with the channels before it, then take it in."""
        share = 1.0 / len(session.symbols)
        targets: dict[str, float] = {}
        for symbol in session.symbols:
            candles = session.candles(symbol, limit=1)
            if not candles or candles[0].open_ns == self.seen[symbol]:
                continue
            candle = candles[0]
            self.seen[symbol] = candle.open_ns
            top, bottom = self.highs[symbol].value, self.lows[symbol].value
            if not self.is_long[symbol] and top is not None and candle.close > top:
                self.is_long[symbol] = True
                targets[symbol] = share
            elif self.is_long[symbol] and bottom is not None and candle.close < -bottom:
                self.is_long[symbol] = False
                targets[symbol] = 0.0
            self.widen(symbol, candle.high, candle.low)
        if targets:
            session.rebalance(targets)
