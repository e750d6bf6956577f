"""The built-in strategy on candles: what runs where none is named."""

from __future__ import annotations

from typing import Any, Final

from seq_gym.policy import Strategy

__all__ = ["Trend"]


class Trend(Strategy):
    """Holds 1/N of a symbol while its price stands above its exponential average.

    Not a baseline: the built-in agent of a run that names none. It enters above and leaves below a
    band around the average, so that noise does not trade it to death.
    """

    half_life: Final = 360
    """Candles in which the weight of a price halves."""
    band_frac: Final = 0.002
    """Half width of the band around the average."""

    def __init__(self) -> None:
        self._keep = 0.5 ** (1.0 / self.half_life)
        self._mean: dict[str, float] = {}
        self._held: set[str] = set()

    def on_candle(self, session: Any) -> None:
        """Update the averages, and rebalance when a symbol crosses its band."""
        prices = session.prices()
        before = frozenset(self._held)
        for symbol, price in prices.items():
            mean = self._keep * self._mean.get(symbol, price) + (1.0 - self._keep) * price
            self._mean[symbol] = mean
            if price > mean * (1.0 + self.band_frac):
                self._held.add(symbol)
            elif price < mean * (1.0 - self.band_frac):
                self._held.discard(symbol)
        if before != self._held:
            share = 1.0 / len(session.symbols)
            changed = before ^ self._held
            session.rebalance(
                {s: share * (s in self._held) for s in session.symbols if s in changed}
            )
