"""How a ratio is measured: both sides in turn, round by round, and the median of the rounds.

A slow moment of the machine falls on both sides of a round alike, which absolute times do not
survive. The clock is the processor time of this process, all threads together: it stands still
while other processes have the core. A first round warms caches and compilers, uncounted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Contender = Callable[[], float]
"""Prepare without the clock, work with it, and return the seconds of one unit of work."""
Times = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How long to measure."""

    is_quick: bool = False
    rounds: int = 7

    def steps(self, count: int) -> int:
        """Shorten a block of steps when in a hurry."""
        return max(count // 4, 1) if self.is_quick else count


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: a ratio in every round, and the bound that its median must keep."""

    name: str
    ratios: NDArray[np.float64]
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""
    unit: str = "x"

    @property
    def target(self) -> str:
        """The bound as text; empty where the figure is only told."""
        if self.at_least is not None:
            return f">= {self.at_least:g}{self.unit}"
        return "" if self.at_most is None else f"<= {self.at_most:g}{self.unit}"

    @property
    def median(self) -> float:
        """The ratio; NaN where it was not measured."""
        return float(np.median(self.ratios)) if len(self.ratios) else float("nan")

    @property
    def verdict(self) -> str:
        """Say ok or MISS; "skipped" where nothing was measured."""
        if not len(self.ratios):
            return "skipped"
        if self.at_least is not None:
            return "ok" if self.median >= self.at_least else "MISS"
        if self.at_most is not None:
            return "ok" if self.median <= self.at_most else "MISS"
        return ""

    def line(self) -> str:
        """Return the row as text, with the lowest and the highest round."""
        measured = spread = ""
        if len(self.ratios):
            measured = f"{self.median:.2f}{self.unit}"
            spread = f"{self.ratios.min():.2f} .. {self.ratios.max():.2f}"
        figures = f"{self.target:>9} {measured:>10}  {spread:<18}{self.verdict:<8}"
        return f"{self.name:<58} {figures}{self.note}"


def skipped(name: str, why: str) -> Row:
    """Return a row without a figure."""
    return Row(name=name, ratios=np.zeros(0), note=why)


def seconds_of(work: Callable[[], object]) -> float:
    """Return the processor time of a call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turn(contenders: Mapping[str, Contender], rounds: int) -> Times:
    """Run every contender once a round (A B A B ...), after a round that is not counted."""
    for contender in contenders.values():
        contender()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            seconds[name].append(contender())
    return {name: np.array(values) for name, values in seconds.items()}


def each(times: Times, *names: str, unit: str = "us") -> str:
    """Return the median cost of some contenders as a note, for orientation only."""
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    return ", ".join(f"{name} {np.median(times[name]) * scale:.3g} {unit}" for name in names)
