"""The curve of a session over books: its account at every whole second of virtual time (X1)."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from seq_gym.sandbox.book.ledger import BookLedger
from seq_gym.sandbox.records import EquityPoint

__all__ = ["BookCurve"]


class BookCurve:
    """Keeps figures of the account as they are noted; points are made when they are asked for.

    Args:
        ledger: Reads the account.
    """

    def __init__(self, ledger: BookLedger) -> None:
        self._ledger = ledger
        self._times = array("q")
        self._equity = array("d")
        self._figures = array("d")

    def note(self, now: int, equity: float, *, replaces: bool = False) -> None:
        """Note the account.

        Args:
            now: UNIX nanoseconds.
            equity: As the engine counts it.
            replaces: A last note of the same instant gives way to this one.
        """
        if replaces and self._times and self._times[-1] == now:
            self._times.pop()
            self._equity.pop()
            del self._figures[-self._ledger.num_figures :]
        self._times.append(now)
        self._equity.append(equity)
        self._figures.extend(self._ledger.figures())

    @property
    def times(self) -> NDArray[np.int64]:
        """When it was noted: int64 [n], UNIX nanoseconds."""
        return np.array(self._times, np.int64)

    @property
    def equity(self) -> NDArray[np.float64]:
        """Equity then: float64 [n]."""
        return np.array(self._equity, np.float64)

    def points(self) -> tuple[EquityPoint, ...]:
        """Return the account at every note."""
        size = self._ledger.num_figures
        return tuple(
            EquityPoint(
                simulated_ns=now,
                portfolio=self._ledger.portfolio_of(self._figures[k * size : (k + 1) * size]),
            )
            for k, now in enumerate(self._times)
        )
