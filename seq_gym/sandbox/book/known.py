"""What is known of the trading on a lane at a time: its prints so far, and never more (B1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.engine.book.tape import BookTape
from seq_gym.market.book.decimals import step_of
from seq_gym.sandbox.book.holdings import worth_of
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.records import Ticker
from seq_gym.times import NS_PER_DAY

__all__ = ["KnownPrints"]


class KnownPrints:
    """Reads prints as the agent has received them; where they stand on a tape is kept.

    Args:
        view: The books of the account.
        tapes: One for each lane.
    """

    def __init__(self, view: BookView, tapes: Sequence[BookTape]) -> None:
        self._view = view
        self._tapes = tuple(tapes)
        self._rows: dict[int, tuple[NDArray[np.intp], NDArray[np.int64]]] = {}

    def ticker(self, s: int, now: int) -> Ticker:
        """Return the prints of the trailing 24 h of a lane; flat at the mark where there are none.

        Args:
            s: The lane; it has a mark.
            now: The agent's time, UNIX nanoseconds.
        """
        instrument, mark = self._view.instruments[s], self._view.mark(s)
        prices, quantities = self._prints(s, now - NS_PER_DAY)
        worth = (abs(worth_of(instrument, price)) for price in prices.tolist())
        there = prices.size > 0
        return Ticker(
            symbol=self._view.names[s],
            open=float(prices[0]) if there else mark,
            high=float(prices.max()) if there else mark,
            low=float(prices.min()) if there else mark,
            close=float(prices[-1]) if there else mark,
            volume=math.fsum(quantities.tolist()),
            quote_volume=math.fsum(q * w for q, w in zip(quantities.tolist(), worth, strict=True)),
            trade_count=int(prices.size),
            virtual_time_ns=now,
        )

    def _prints(self, s: int, after: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return prices and quantities of the prints that were received after a time, so far."""
        rows = self._tapes[s].local_rows
        if s not in self._rows:
            places = np.flatnonzero(rows["kind"] == codes.TRADE)
            self._rows[s] = places, rows["ts"][places]
        places, stamps = self._rows[s]
        first = np.searchsorted(stamps, after - self._view.feed_ns(s), side="right")
        found = rows[places[first : np.searchsorted(places, self._view.position_of(s))]]
        instrument = self._view.instruments[s]
        prices = step_of(instrument.tick).times(found["tick"].astype(np.int64))
        return prices, step_of(instrument.lot).times(found["lots"])
