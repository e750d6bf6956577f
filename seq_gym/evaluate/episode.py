"""What is kept of one episode of one agent on one window."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from seq_gym.metrics import EpisodeMetrics
from seq_gym.metrics.measure import FloatArray

__all__ = ["Episode", "FillFields"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillFields:
    """What is kept of a fill, in order.

    Attributes:
        names: Attributes of a fill.
        numbers: Those that are numbers.
        times: Those that are UNIX nanoseconds, with the column that each is written to; the first
            is when the agent learnt of the fill.
    """

    names: tuple[str, ...]
    numbers: frozenset[str]
    times: dict[str, str]

    @property
    def known_at(self) -> str:
        """The field that says when the agent learnt of a fill."""
        return next(iter(self.times))

    def place(self, name: str) -> int:
        """Return where a field stands in a row."""
        return self.names.index(name)

    def row(self, fill: Any) -> tuple[Any, ...]:
        """Return a fill as a row."""
        return tuple(getattr(fill, name) for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """What one agent did in one window.

    Attributes:
        agent: Index of the agent in the run.
        index: Number of the window, in time order.
        start_ns: Virtual time of the start.
        end_ns: Virtual time at which it ended, before the window's end after ruin or liquidation.
        ending: Name of the Ending.
        metrics: Its metrics on the grid of the equity (X2).
        costs: Fees by liquidity, slippage, borrow, funding, bad debt; quote units.
        equity: float64 [n + 1], the starting balance and the equity after every step of the grid.
        times: int64 [n + 1], virtual time of every point of the equity, UNIX nanoseconds.
        fills: Every fill, in time order, as rows of the market's FillFields.
        extras: More figures of it, that only this kind of market has.
    """

    agent: int
    index: int
    start_ns: int
    end_ns: int
    ending: str
    metrics: EpisodeMetrics
    costs: dict[str, float]
    equity: FloatArray
    times: NDArray[Any]
    fills: list[tuple[Any, ...]]
    extras: dict[str, float | None] = field(default_factory=dict)
