"""Average prices at which positions were opened, fees left out: the account's basis holds them in.

Quantities follow the engine's own arithmetic (engine/book/money.py), so that a position is flat
here exactly when it is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from seq_gym.engine.account import DUST
from seq_gym.market.book.decimals import step_of
from seq_gym.market.instruments import Instrument

__all__ = ["Holdings", "worth_of"]


def worth_of(instrument: Instrument, price: float) -> float:
    """Return what one unit is worth in the account's money at a price, signed.

    >>> coin = Instrument(symbol="X", base="X", quote="USD", contract_size=100.0, inverse=True)
    >>> worth_of(coin, 50.0)
    -2.0
    """
    size = instrument.contract_size
    return -size / price if instrument.inverse else size * price


class Holdings:
    """What is held of every lane, at what average price, since when.

    Args:
        instruments: One for each lane.
    """

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._instruments = tuple(instruments)
        self._lots = tuple(step_of(each.lot) for each in self._instruments)
        self._held = [0.0] * len(self._instruments)
        self._cost = [0.0] * len(self._instruments)
        self._opened = [0] * len(self._instruments)

    def quantity(self, lane: int) -> float:
        """Return the signed quantity that the fills so far have led to."""
        return self._held[lane]

    def entry_price(self, lane: int) -> float:
        """Return the average price at which a lane's position was opened, fees left out."""
        instrument = self._instruments[lane]
        unit = self._cost[lane] / self._held[lane]
        size = instrument.contract_size
        return -size / unit if instrument.inverse else unit / size

    def opened_ns(self, lane: int) -> int:
        """Return when a lane's position was opened, or last changed its sign."""
        return self._opened[lane]

    def whole(self, lane: int, quantity: float) -> float:
        """Return the whole lots that a sum of fills is but for dust."""
        step = self._lots[lane]
        count = quantity * step.div / step.mul
        whole = math.floor(count + 0.5)
        return quantity if abs(count - whole) > 1e-6 else whole * step.mul / step.div

    def fill(self, lane: int, side: int, quantity: float, price: float, now: int) -> None:
        """Follow one execution at average cost.

        Args:
            lane: What was traded.
            side: +1 bought, -1 sold.
            quantity: Base units, above 0.
            price: What was paid.
            now: When the agent learnt it, UNIX nanoseconds.
        """
        held = self._held[lane]
        unit = worth_of(self._instruments[lane], price)
        if held * side >= 0.0:  # it only opens
            self._cost[lane] += side * quantity * unit
            self._opened[lane] = self._opened[lane] if held else now
            self._held[lane] = self.whole(lane, held + side * quantity)
            return
        if quantity >= abs(held) * (1.0 - DUST):  # it closes all, and may open the other side
            rest = max(quantity - abs(held), 0.0) if quantity > abs(held) * (1.0 + DUST) else 0.0
            self._held[lane] = self.whole(lane, side * rest)
            self._cost[lane] = self._held[lane] * unit
            self._opened[lane] = now
            return
        left = self.whole(lane, held + side * quantity)
        self._cost[lane] *= left / held
        self._held[lane] = left
