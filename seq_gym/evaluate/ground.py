"""What an evaluation needs of a market: the one seam between candles and books.

Windows, agents, figures, intervals and the run folder know nothing of what is traded. A ground
knows its data, its windows, how a session and an environment are opened on one of them, and what
is kept of them afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from seq_gym.evaluate.episode import Episode, FillFields
from seq_gym.market import Window
from seq_gym.runs.agents import AgentKind

__all__ = ["Column", "Compared", "Ground", "Roster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The agents that come with a kind of market.

    Attributes:
        baselines: Kind of those that always run beside, by name, in the order shown.
        default: The agent of a run that names none.
        build: Given the seed of the run, what makes each of them and of the baselines.
        market: What its sessions replay.
        where: What is told to be of that kind, in words.
    """

    baselines: Mapping[str, AgentKind]
    default: str
    build: Callable[[int], Mapping[str, Callable[[], Any]]]
    market: Literal["candles", "books"]
    where: str

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that needs no file."""
        return tuple(self.build(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A figure of episodes that tables show.

    Attributes:
        name: Of the figure.
        title: Above the column.
        scale: The figure is multiplied by it.
        digits: After the point.
    """

    name: str
    title: str
    scale: float = 1.0
    digits: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The figure by which agents are compared, of which more is better.

    Attributes:
        name: Of the figure.
        title: In words, for the table.
        unit: In which it is shown.
        scale: How many of the unit are 1.
    """

    name: str = "total_return_frac"
    title: str = "the return"
    unit: str = "%"
    scale: float = 100.0


class Ground(Protocol):
    """Data, windows and physics that all agents of a run share; it travels to workers."""

    @property
    def env(self) -> str:
        """Id of the environment of policies."""
        ...

    @property
    def seed(self) -> int:
        """Seed of the run; window k has seed + k."""
        ...

    @property
    def allow_mismatch(self) -> bool:
        """Whether trained agents may be in an environment that they do not know."""
        ...

    @property
    def windows(self) -> Sequence[Window]:
        """The windows, in time order, all of one length."""
        ...

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is traded."""
        ...

    @property
    def source(self) -> str:
        """Where the data came from, in words."""
        ...

    @property
    def roster(self) -> Roster:
        """The agents that come with it."""
        ...

    @property
    def fill_fields(self) -> FillFields:
        """What is kept of a fill."""
        ...

    @property
    def figures(self) -> Mapping[str, Callable[[Episode], float | None]]:
        """Figures of an episode that are averaged over episodes."""
        ...

    @property
    def compared(self) -> Compared:
        """The figure by which agents are compared, window by window."""
        ...

    @property
    def columns(self) -> Sequence[Column]:
        """Figures that the table of agents shows after its return, Sharpe ratio and drawdown."""
        ...

    @property
    def return_unit(self) -> tuple[str, float]:
        """The unit in which returns are shown, and how many of it are 1."""
        ...

    def span(self, window: Window) -> tuple[int, int]:
        """Return start and end of a window, UNIX nanoseconds."""
        ...

    def make_env(self) -> Any:
        """Make the environment of a run, its episodes as long as the windows."""
        ...

    def env_start(self, env: Any, index: int) -> int:
        """Return the cursor of an environment at which a window begins."""
        ...

    def run_strategy(self, strategy: Any, index: int) -> Any:
        """Run a strategy over a window; returns its session."""
        ...

    def record(self, session: Any, env: Any, agent: int, index: int) -> Episode:
        """Return what is kept of a session that is over; with the environment of a policy's."""
        ...

    def price_line(
        self, symbol: str, episode: Episode
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the prices of a symbol in an episode, with their times."""
        ...

    def facts(self) -> list[tuple[str, str]]:
        """Return what all agents share, as pairs of a word and a sentence."""
        ...

    def notes(self) -> list[str]:
        """Return sentences on its data and windows that the user should read."""
        ...

    def document(self) -> dict[str, Any]:
        """Return data, physics and windows as plain values, for metrics.json."""
        ...

    def data_record(self) -> dict[str, Any]:
        """Return what a manifest says of the data."""
        ...
