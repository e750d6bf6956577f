"""RSI mean reversion: buy what has fallen too fast, sell it when it has recovered.

    python -m seq_gym.evaluate --agent agents/rsi_mean_reversion.py

The relative strength index is Wilder's: smoothed gains over smoothed gains and losses, 0 to 100. It
decides at the close of a candle and is filled at the next open.
"""

from __future__ import annotations

from dataclasses import dataclass

from seq_gym import Session, Strategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    length: int = 30
    """Candles over which gains and losses are smoothed."""
    buy_below: float = 30.0
    """Enter when the index is below this."""
    sell_above: float = 60.0
    """Leave when the index is above this."""
    warm_up: int = 240
    """Candles before the window from which the index is begun, up to 1000."""


class RelativeStrength:
    """Wilder's index, kept up to date in constant time."""

    def __init__(self, length: int) -> None:
        self.weight = 1.0 / length
        self.needed = length
        self.last: float | None = None
        self.gain = 0.0
        self.loss = 0.0
        self.count = 0

    def add(self, price: float) -> None:
        """Take the next price."""
        if self.last is not None:
            move = price - self.last
            self.gain += self.weight * (max(move, 0.0) - self.gain)
            self.loss += self.weight * (max(-move, 0.0) - self.loss)
            self.count += 1
        self.last = price

    @property
    def value(self) -> float:
        """The index; 50 before it has seen enough, or where nothing moved."""
        total = self.gain + self.loss
        return 100.0 * self.gain / total if self.count >= self.needed and total > 0.0 else 50.0


class RsiMeanReversion(Strategy):
    """Long from oversold to recovered."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.strength: dict[str, RelativeStrength] = {}
        self.is_long: dict[str, bool] = {}

    def on_start(self, session: Session) -> None:
        """Begin the index with what was known before the window."""
        for symbol in session.symbols:
            self.strength[symbol] = RelativeStrength(self.settings.length)
            self.is_long[symbol] = False
            for candle in session.candles(symbol, limit=self.settings.warm_up):
                self.strength[symbol].add(candle.close)

    def on_candle(self, session: Session) -> None:
        """Enter and leave at the two levels."""
        share = 1.0 / len(session.symbols)
        targets: dict[str, float] = {}
        for symbol, price in session.prices().items():
            strength = self.strength[symbol]
            strength.add(price)
            if not self.is_long[symbol] and strength.value < self.settings.buy_below:
                self.is_long[symbol] = True
                targets[symbol] = share
            elif self.is_long[symbol] and strength.value > self.settings.sell_above:
                self.is_long[symbol] = False
                targets[symbol] = 0.0
        if targets:
            session.rebalance(targets)
