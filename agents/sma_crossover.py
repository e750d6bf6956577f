"""Simple moving average crossover: hold a symbol while its fast average is above its slow one.

    python -m seq_gym.evaluate --agent agents/sma_crossover.py

It decides at the close of a candle and is filled at the next open. Every symbol has an equal share
of the equity. A candle that did not trade repeats the last price.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from seq_gym import Session, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    fast: int = 60
    """Candles of the fast average."""
    slow: int = 240
    """Candles of the slow average, up to 1000."""
    deadband: float = 0.01
    """Smallest change of a weight that is worth its fee."""


class Average:
    """The mean of the last prices, kept up to date in constant time."""

    def __init__(self, length: int) -> None:
        self.prices: deque[float] = deque(maxlen=length)
        self.total = 0.0

    def add(self, price: float) -> None:
        """Take the next price; the oldest one leaves."""
        if self.is_full:
            self.total -= self.prices[0]
        self.prices.append(price)
        self.total += price

    @property
    def is_full(self) -> bool:
        """Whether there are as many prices as the average wants."""
        return len(self.prices) == self.prices.maxlen

    @property
    def value(self) -> float:
        """The mean."""
        return self.total / len(self.prices)


class SmaCrossover(Strategy):
    """Long above, flat below."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.fast: dict[str, Average] = {}
        self.slow: dict[str, Average] = {}
        self.is_long: dict[str, bool] = {}

    def on_start(self, session: Session) -> None:
        """Fill the averages with what was known before the window began."""
        for symbol in session.symbols:
            self.fast[symbol] = Average(self.settings.fast)
            self.slow[symbol] = Average(self.settings.slow)
            self.is_long[symbol] = False
            for candle in session.candles(symbol, limit=self.settings.slow):
                self.fast[symbol].add(candle.close)
                self.slow[symbol].add(candle.close)

    def on_candle(self, session: Session) -> None:
        """Change the weight of each symbol whose averages have crossed."""
        share = 1.0 / len(session.symbols)
        targets: dict[str, float] = {}
        for symbol, price in session.prices().items():
            fast, slow = self.fast[symbol], self.slow[symbol]
            fast.add(price)
            slow.add(price)
            wants = slow.is_full and fast.value > slow.value
            if wants != self.is_long[symbol]:
                self.is_long[symbol] = wants
                targets[symbol] = share if wants else 0.0
        if targets:
            session.rebalance(targets, deadband=self.settings.deadband)
