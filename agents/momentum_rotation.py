"""Momentum rotation: hold the strongest symbols of a portfolio, and cash when none rises.

    python -m seq_gym.evaluate --agent agents/momentum_rotation.py \
        --symbols BTCUSDT ETHUSDT SOLUSDT BNBUSDT

Every few hours it ranks the symbols by their return over a look-back and holds the best of those
that rose, in equal parts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from seq_gym import Session, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    look_back: int = 360
    """Candles over which a return is measured, up to 999."""
    every: int = 180
    """Candles between two rankings."""
    hold: int = 2
    """Most symbols held at once."""
    deadband: float = 0.02
    """Smallest change of a weight that is worth its fee."""


class MomentumRotation(Strategy):
    """Holds the strongest."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.prices: dict[str, deque[float]] = {}
        self.candles = 0

    def on_start(self, session: Session) -> None:
        """Remember the prices that were known before the window."""
        length = self.settings.look_back + 1
        for symbol in session.symbols:
            known = (candle.close for candle in session.candles(symbol, limit=length))
            self.prices[symbol] = deque(known, maxlen=length)
        self.rotate(session)

    def on_candle(self, session: Session) -> None:
        """Remember the price of each symbol, and rotate when it is time."""
        for symbol, price in session.prices().items():
            self.prices[symbol].append(price)
        self.candles += 1
        if self.candles % self.settings.every == 0:
            self.rotate(session)

    def rotate(self, session: Session) -> None:
        """Rank by return and hold the best."""
        returns = {
            symbol: prices[-1] / prices[0] - 1.0
            for symbol, prices in self.prices.items()
            if len(prices) == prices.maxlen
        }
        rising = [symbol for symbol in returns if returns[symbol] > 0.0]
        # Symbols of equal return keep the order of the session: a ranking must not be chance.
        best = sorted(rising, key=lambda symbol: -returns[symbol])[: self.settings.hold]
        share = 1.0 / min(self.settings.hold, len(session.symbols))
        targets = {symbol: share if symbol in best else 0.0 for symbol in session.prices()}
        if targets:
            session.rebalance(targets, deadband=self.settings.deadband)
