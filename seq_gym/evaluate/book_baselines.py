"""Agents that come with the package for books: what every other agent must beat.

`hold` and `maker` are strategies on a session. `random`, and the baselines of Execution-v0, act in
the environment of the run, each in the action space that its settings give it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym._random import draw_uniform, stream_of
from seq_gym.errors import ConfigError
from seq_gym.evaluate.baselines import Hold
from seq_gym.evaluate.ground import Roster
from seq_gym.runs.agents import AgentKind
from seq_gym.runs.maker import FixedSpreadMaker

__all__ = ["RandomActions", "Scripted", "roster"]

_JOIN, _SLICE, _TWO_SLICES = 1, 3, 4
"""Discrete actions of Execution-v0: join the touch, take one slice of a TWAP, take two."""


class RandomActions:
    """Draws a new action on one decision in ten on average, and keeps to it until the next.

    The draws are keyed by the seed and the start of the window: they depend on no other episode or
    process.
    """

    chance: Final = 0.1
    """Probability that a decision brings a new action."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._env: Any = None

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Learn the action space, and in each episode when it begins."""
        del allow_mismatch
        self._env = env

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return an action; the state holds the stream, the draws so far and the last action."""
        del observation, deterministic
        begins = episode_start is None or bool(episode_start[0])
        if begins or state is None:
            began = int(self._env.times[self._env.cursor])
            state = (stream_of("baseline/random action", began), 0, None)
        stream, count, action = state
        if action is None or draw_uniform(self._seed, stream, count + 1) < self.chance:
            size = _width(self._env.action_space)
            draws = [draw_uniform(self._seed, stream, count + 2 + k) for k in range(size)]
            action = _action_of(self._env.action_space, np.array(draws))
        return action, (stream, count + 1 + _width(self._env.action_space), action)


class Scripted:
    """A policy of Execution-v0 that does the same at every decision.

    Args:
        choice: Its discrete action.
        slices: Slices of a TWAP that it asks for, continuous.
        aggressiveness: And how, continuous: 1 takes, 0 joins the touch.
    """

    def __init__(self, choice: int, slices: float, aggressiveness: float) -> None:
        self._choice = choice
        self._slices = slices
        self._aggressiveness = aggressiveness
        self._action: Any = None

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Write the action in the action space of the environment."""
        del allow_mismatch
        if isinstance(env.action_space, spaces.Discrete):
            self._action = self._choice
            return
        most = float(env.settings.setup.constants["max_rate"])
        rate = 2.0 * min(self._slices / most, 1.0) - 1.0
        self._action = np.array([rate, self._aggressiveness], np.float32)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return the action."""
        del observation, episode_start, deterministic
        return self._action, state


def _width(space: Any) -> int:
    return int(np.prod(space.shape, dtype=np.int64)) or 1


def _action_of(space: Any, draws: NDArray[np.float64]) -> Any:
    """Return the action of a space at a point of the unit cube."""
    if isinstance(space, spaces.Discrete):
        return int(draws[0] * int(space.n)) + int(space.start)
    if isinstance(space, spaces.MultiDiscrete):
        return np.floor(draws.reshape(space.shape) * space.nvec).astype(space.dtype)
    if isinstance(space, spaces.Box):
        span = draws.reshape(space.shape) * (space.high - space.low)
        return (space.low + span).astype(space.dtype)
    raise ConfigError(f"The baseline random needs a Box or choices; was {space}.")


_ANY: Final[dict[str, AgentKind]] = {"hold": "strategy", "random": "policy"}
_EXECUTION: Final[dict[str, AgentKind]] = {
    "random": "policy",
    "twap": "policy",
    "aggressive": "policy",
}


def roster(env: str) -> Roster:
    """Return the agents that come with books.

    Args:
        env: Id of the environment of the run. In Execution-v0 there is a parent order to do: a
            TWAP, one that takes as much as it may, and one that joins the touch.
    """
    is_execution = env.endswith("/Execution-v0")

    def build(seed: int) -> dict[str, Callable[[], Any]]:
        built: dict[str, Callable[[], Any]] = {
            "hold": Hold,
            "random": lambda: RandomActions(seed),
            "maker": FixedSpreadMaker,
        }
        if is_execution:
            built["twap"] = lambda: Scripted(_SLICE, 1.0, 1.0)
            built["aggressive"] = lambda: Scripted(_TWO_SLICES, math.inf, 1.0)
            built["passive"] = lambda: Scripted(_JOIN, math.inf, 0.0)
        return built

    return Roster(
        baselines=_EXECUTION if is_execution else _ANY,
        default="passive" if is_execution else "maker",
        build=build,
        market="books",
        where=f"env {env!r}",
    )
