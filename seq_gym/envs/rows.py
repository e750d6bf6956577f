"""What batches of all environments share: actions in, observations and flags out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym.engine.layout import Table
from seq_gym.envs.kernel import INTERRUPTED, INVALID
from seq_gym.envs.numbers import is_whole
from seq_gym.envs.rewards import BatchView, Reward
from seq_gym.errors import ConfigError, UsageError

__all__ = ["BatchColumns", "EnvRows", "Snapshot", "checked_seed"]


class BatchColumns(Protocol):
    """What an engine's batch shows of its accounts."""

    accounts: Table
    positions: Table


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole moving state of a batch (E4c): bytes of its tables, not of the market."""

    tables: tuple[bytes, ...]


def checked_seed(seed: int, num_envs: int = 1) -> int:
    """Return a seed that leaves room for the rows after it.

    Raises:
        ConfigError: It is no whole number, negative, or too large for 63 bits.
    """
    most = 2**63 - num_envs
    if not is_whole(seed) or not 0 <= seed <= most:
        raise ConfigError(f"seed must be a whole number from 0 to {most}; was {seed!r}.")
    return int(seed)


def _aligned_rows(shape: tuple[int, int], _: Any = None) -> NDArray[np.float32]:
    """Allocate float32 [rows, floats] that begin with a cache line."""
    rows, floats = shape
    size = rows * floats
    raw = np.empty(size + 16, np.float32)
    shift = -raw.ctypes.data % 64 // 4
    return raw[shift : shift + size].reshape(rows, floats)


class EnvRows(ABC):
    """N rows of actions, observations, rewards and flags, and the kernels that move them.

    Args:
        kernels: The module of the kernels: reset_env, reset_rows, step, move, show, observe,
            use_outputs, and FINALS.
        num_envs: N.
        action_space: Of one row.
        observation_space: Of one row.
        parts: Shapes of the parts of an observation by name, in order; more floats may follow.
        rest: Name of what follows them.
        rest_floats: How many floats that has.
        is_flat: An observation is its row of floats.
        is_single: It stands behind a single environment, whose words its errors use.
        num_finals: Columns of the finals.
        num_terms: Reward terms to be reported; 0: none.
        on_full_ring: Empties the event ring of a recorded env.
    """

    address: int
    """Of the constants that the kernels read."""
    batch: BatchColumns
    """The engine's."""
    states: Table
    """What the kernels keep of each row."""
    settings: Any
    """What the environments are."""
    final_names: tuple[str, ...]
    """Columns of the finals that are told."""
    term_columns: dict[str, int]
    """Reward terms that are told, and where they stand in `terms`."""

    def __init__(
        self,
        kernels: ModuleType,
        *,
        num_envs: int,
        action_space: spaces.Space[Any],
        observation_space: spaces.Space[Any],
        parts: Mapping[str, tuple[int, ...]],
        rest: str,
        rest_floats: int,
        is_flat: bool,
        is_single: bool,
        num_finals: int,
        num_terms: int,
        on_full_ring: Callable[[], None],
    ) -> None:
        self.kernels: Any = kernels
        self.on_full_ring = on_full_ring
        self.num_envs, self.is_single = num_envs, is_single
        self.action_space = action_space
        self.observation_space = observation_space
        self._parts, self._rest, self._is_flat = dict(parts), rest, is_flat
        self._new_rows: Callable[..., NDArray[np.float32]] = np.empty
        self.window_floats = sum(math.prod(shape) for shape in self._parts.values())
        self.row_floats = self.window_floats + rest_floats
        self.action_width = int(np.prod(action_space.shape or (1,)))
        whole = isinstance(action_space, (spaces.Discrete, spaces.MultiDiscrete))
        self.actions = np.zeros((num_envs, self.action_width), np.int64 if whole else np.float64)
        self._taken: NDArray[Any] = self.actions
        single = [action_space.n] if isinstance(action_space, spaces.Discrete) else []
        self._choices = np.array(getattr(action_space, "nvec", single), np.int64)
        self._action_kinds = "iub" if whole else "fiub"
        self.finals = np.zeros((num_envs, num_finals))
        self.terms = np.zeros((num_envs, num_terms)) if num_terms else None
        self._final_observations = np.zeros((num_envs, self.row_floats), np.float32)

    # ------------------------------------------------------------------ outputs

    def align_observations(self) -> None:
        """Let observations begin with a cache line from now on."""
        self._new_rows = _aligned_rows

    def new_outputs(self) -> tuple[NDArray[Any], ...]:
        """Allocate observations, rewards, terminated and truncated of one step."""
        n = self.num_envs
        return (
            self._new_rows((n, self.row_floats), np.float32),
            np.empty(n, np.float64),
            np.empty(n, np.bool_),
            np.empty(n, np.bool_),
        )

    def use_outputs(
        self,
        observations: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[Any],
        truncated: NDArray[Any],
    ) -> None:
        """Let the kernel write the next step into these arrays."""
        self.observations = observations
        self.rewards = rewards
        self.terminated = terminated
        self.truncated = truncated
        self.kernels.use_outputs(
            self.address, observations, rewards, terminated, truncated, self._taken
        )

    def shaped(self, rows: NDArray[np.float32]) -> Any:
        """Give rows of floats the shape of the observation space (views, no copy)."""
        if self._is_flat:
            return rows
        shaped, at = {}, 0
        for key, shape in self._parts.items():
            count = math.prod(shape)
            shaped[key] = rows[..., at : at + count].reshape(rows.shape[:-1] + shape)
            at += count
        return {**shaped, self._rest: rows[..., at:]}

    @property
    def final_rows(self) -> NDArray[np.float32]:
        """Last observations of the rows that ended in the last step, float32 [N, floats]."""
        return self._final_observations

    # ------------------------------------------------------------------ moving

    def reset_row(self, e: int, seed: int, start: int) -> None:
        """Reset a row; seed -1 goes on with its seed, start -1 draws the window."""
        self.kernels.reset_env(self.address, e, seed, start)

    def step(self) -> int:
        """Step every row; return how many episodes ended.

        Raises:
            ConfigError: A discrete action is out of range; nothing has moved.
            UsageError: A row has more answers in flight than it keeps.
        """
        while (ended := int(self.kernels.step(self.address))) == INTERRUPTED:
            self.on_full_ring()
        if ended < 0:
            self.refuse(ended)
        return ended

    def move_with(self, reward: Reward) -> int:
        """Do the first half of a step and pay a reward that is written in Python.

        Rows that only wait for their reset, or have just been reset, are paid nothing.

        Returns:
            How many episodes ended.
        """
        self.refuse_actions()
        before, idle = self.view(), self.states["done"] != 0
        while (ended := int(self.kernels.move(self.address))) == INTERRUPTED:
            self.on_full_ring()
        if ended < 0:
            self.refuse(ended)
        paid = np.where(idle, 0.0, self._paid(reward(before, self.view())))
        self.rewards[:] = paid
        self.states["total_reward"] += paid
        self.finals[:, self.kernels.FINALS.index("total_reward")] = self.states["total_reward"]
        return ended

    def _paid(self, rewards: Any) -> NDArray[np.float64]:
        """Read what a reward that is written in Python has returned."""
        try:
            paid = np.asarray(rewards, np.float64)
        except (TypeError, ValueError):
            paid = np.zeros((0, 0))
        if rewards is None or paid.shape not in ((self.num_envs,), ()):
            raise ConfigError(
                f"reward must return float64 of shape ({self.num_envs},), one number for each "
                f"environment; was {rewards!r}."
            )
        return paid

    def refuse(self, code: int) -> None:
        """Raise what the return code of a step stands for."""
        if code == INVALID:
            self.refuse_actions()
        raise UsageError(
            "More answers of the venue are in flight than an environment keeps. Likely fix: a "
            "shorter response latency, or a longer decide_every."
        )

    # ------------------------------------------------------------------ what a core adds

    @abstractmethod
    def view(self) -> BatchView:
        """Return copies of the columns that a Python reward sees."""

    @abstractmethod
    def cursor_of(self, start: Any) -> int:
        """Read `options["start"]`: a cursor or a time, where a look-back is full."""

    @abstractmethod
    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices of an action can do anything, bool [N, sum of the choices]."""

    @abstractmethod
    def _tables(self) -> tuple[Table, ...]:
        """Return everything that moves."""

    # ------------------------------------------------------------------ copies

    def snapshot(self) -> Snapshot:
        """Copy the whole moving state (E4c)."""
        return Snapshot(tuple(table.tobytes() for table in self._tables()))

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this batch; the same actions then repeat byte for byte."""
        for table, data in zip(self._tables(), snapshot.tables, strict=True):
            if len(data) != table.nbytes:
                raise ConfigError("A snapshot must come from an environment of the same settings.")
            table.view(np.uint8).reshape(-1)[:] = np.frombuffer(data, np.uint8)

    # ------------------------------------------------------------------ actions

    def write_actions(self, actions: Any) -> None:
        """Copy a batch of actions to where the kernel reads them; it checks their range.

        Raises:
            ConfigError: Shape or kind do not fit the action space.
        """
        self.actions[...] = self._shaped_actions(actions)

    def take_actions(self, actions: Any) -> None:
        """Take a batch of actions, as it lies where it can be, for the next `use_outputs`.

        Raises:
            ConfigError: Shape or kind do not fit the action space.
        """
        given = self._shaped_actions(actions)
        if given.dtype != self.actions.dtype or not given.flags.c_contiguous:
            self.actions[...] = given
            given = self.actions
        self._taken = given

    def _shaped_actions(self, actions: Any) -> NDArray[Any]:
        try:
            given = np.asarray(actions)
        except ValueError:  # lists of several lengths
            raise self._misshapen(f"was {actions!r}") from None
        if given.size != self.actions.size or given.dtype.kind not in self._action_kinds:
            raise self._misshapen(f"was {given.dtype} of shape {given.shape}")
        return given.reshape(self.actions.shape)

    def _misshapen(self, was: str) -> ConfigError:
        """Say what an action is: of one environment, or of a batch."""
        dtype, shape = self.actions.dtype, self.action_space.shape
        if self.is_single:
            return ConfigError(
                f"action must be {dtype} of shape {shape}, from {self.action_space}; {was}."
            )
        return ConfigError(
            f"actions must be {dtype} of shape {(self.num_envs, *(shape or ()))}, a row of "
            f"{self.action_space} for each environment; {was}."
        )

    def refuse_actions(self) -> None:
        """Raise when an action lies outside of a discrete space."""
        if not len(self._choices):
            return
        wrong = ((self._taken < 0) | (self._taken >= self._choices)).any(axis=1)
        if wrong.any():
            e = int(np.argmax(wrong))
            row = self._taken[e].tolist()
            was = row if self.action_space.shape else row[0]
            place = "" if self.is_single else f" in row {e}"
            raise ConfigError(f"action must be in {self.action_space}; was {was}{place}.")
