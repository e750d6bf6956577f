"""What a task of the book environments is: its names, its columns, and how it reads arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.tape import BookTape
from seq_gym.engine.layout import Table
from seq_gym.envs.book.grid import BookGrid
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.sandbox.book.params import BookParams

__all__ = ["BookMarket", "BookTask", "TaskSetup"]


@dataclass(frozen=True, eq=False, kw_only=True)
class BookMarket:
    """What an environment trades on: one book, its tape, its physics, its decision times."""

    data: BookData
    """The one book."""
    params: BookParams
    tape: BookTape
    instruments: Table
    """INSTRUMENT [1]."""
    alive: Any
    """What the instruments point to."""
    grid: BookGrid
    first_mid: float
    """The mid known at the first decision time, quote."""

    @property
    def events(self) -> BookEvents:
        """The recording."""
        return self.data.books[0]

    @property
    def lot(self) -> float:
        """One lot, base quantity."""
        return float(self.instruments[0].lot_mul / self.instruments[0].lot_div)

    @property
    def lot_units(self) -> float:
        """One lot in units: 1 under strict rules, else its base quantity."""
        return 1.0 if self.params.fills == "strict" else self.lot


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskSetup:
    """What a task makes of its arguments."""

    action_space: spaces.Space[Any]
    action_kind: int
    """Its own number, BOOK_ENV.action_kind."""
    max_qty: float
    """The largest position that actions ask for, base quantity, whole lots."""
    levels: tuple[float, ...] = ()
    """Written to BOOK_ENV.levels."""
    num_levels: int = 0
    """How many of them come before the offsets."""
    constants: Mapping[str, float] = field(default_factory=dict)
    """Other fields of BOOK_ENV by name."""
    report_slots: int = 256
    """Answers in flight that a row keeps at least, a power of two: one arrival walks at most half
    as many levels, and a burst of prints may fill an order in as many pieces."""
    hole_slots: int = 512
    """Levels that a row may have emptied and that are not renewed yet (F2)."""
    masks: Callable[[BookBatch], NDArray[Any]] | None = None
    """bool [N, choices] of the actions that can do anything; None: the actions are no choices."""


@dataclass(frozen=True, eq=False, kw_only=True)
class BookTask:
    """A task: one kind of environment over a book."""

    code: int
    """TRADING, MAKING or EXECUTION (layout.py)."""
    name: str
    """As in its id."""
    terms: tuple[str, ...]
    """Reward terms that it has (terms.py)."""
    setup: Callable[[Mapping[str, Any], BookMarket], TaskSetup]
    """Reads its own arguments; raises ConfigError or UnknownName."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Physics where it differs from BookParams and BOOK_ENV_DEFAULTS."""
    columns: tuple[tuple[str, float, float], ...] = ()
    """Its columns of an observation after OWN_COLUMNS: name, low, high."""
    finals: tuple[str, ...] = ()
    """Its columns of the finals, at most eight."""
