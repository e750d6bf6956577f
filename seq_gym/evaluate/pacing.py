"""A session over books that keeps its equity at every decision of its window, as an env does."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.sandbox.book.session import BookSession

__all__ = ["PacedSession"]


class PacedSession(BookSession):
    """A BookSession whose equity curve has a point at every decision of a grid.

    Its clock stands still there for a moment, as that of an environment does: a strategy and a
    policy are measured at the same instants, and money is looked at equally often.
    """

    _grid: NDArray[np.int64] = np.zeros(0, np.int64)
    _next: int = 0

    def pace(self, grid: NDArray[np.int64], step_s: float) -> None:
        """Set the grid before the start.

        Args:
            grid: int64 [n + 1], from the start of the window to its end.
            step_s: Seconds a step, for metrics.
        """
        self._grid = grid
        self._next = 1
        self._noted: list[tuple[int, float]] = []
        self._curve = self._paced
        self.step_s = step_s

    def start(self) -> None:
        """Open the account; the first point is the balance it starts with."""
        super().start()
        self._note_point()

    def advance_until(self, until: int, wanted: int) -> int:
        """Advance as a BookSession does, in pieces from decision to decision."""
        while True:
            last = self._next >= len(self._grid)
            pause = until if last else min(until, int(self._grid[self._next]))
            code = super().advance_until(pause, wanted)
            if code == codes.STOPPED:
                return code
            if not last and self.virtual_time_ns >= int(self._grid[self._next]):
                self._next += 1
                self._note_point()
            elif code == codes.ENDED:
                self._note_point()
            if code == codes.ENDED or pause >= until:
                return code

    def _note_point(self) -> None:
        # Answers in flight are waited for after the end (B20); the window ends where it ends.
        now = min(self.virtual_time_ns, int(self._grid[-1]))
        self._noted.append((now, float(self._account["equity"])))

    def _paced(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        times: Any = np.array([time for time, _ in self._noted], np.int64)
        return times, np.array([equity for _, equity in self._noted], np.float64)
