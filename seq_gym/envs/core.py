"""A batch of N envs: tables, addresses, and the calls into the kernel. Single envs have N = 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym.engine.batch import Batch
from seq_gym.engine.layout import Table, new_table
from seq_gym.envs import kernel
from seq_gym.envs.actions import ACTION_KINDS, action_space, order_masks
from seq_gym.envs.layout import ENV_CONTEXT, ENV_STATE, NUM_TERMS, TIMEFRAME
from seq_gym.envs.observations import observation_space, portfolio_size
from seq_gym.envs.rewards import BatchView, Reward
from seq_gym.envs.settings import EnvSettings, _cursor
from seq_gym.errors import ConfigError, UsageError
from seq_gym.sandbox.params import instrument_table, params_table
from seq_gym.sandbox.tape import build_tape

__all__ = ["EnvBatch", "Snapshot", "checked_seed"]

KEPT_EVENTS = 2
"""Events that each row of a training batch keeps, the latest ones."""
RING_ROWS = 4096
"""Event rows of a recorded env, between drains."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole moving state of a batch (E4c): bytes of its tables, not of the market."""

    tables: tuple[bytes, ...]


def checked_seed(seed: int, num_envs: int = 1) -> int:
    """Return a seed that leaves room for the rows after it.

    Raises:
        ConfigError: It is negative, or too large for 63 bits.
    """
    if not 0 <= seed <= 2**63 - num_envs:
        raise ConfigError(f"seed must be from 0 to {2**63 - num_envs}; was {seed}.")
    return seed


def _parts(settings: EnvSettings) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the parts of an observation before the portfolio, in their order."""
    if settings.observation == "index":
        return {"index": (1,)}
    return {each.key: each.shape for each in settings.windows}


def _timeframe_table(settings: EnvSettings) -> Table:
    """Write what the kernel copies of each timeframe; the settings keep the arrays alive."""
    copied = () if settings.observation == "index" else settings.timeframes
    table = new_table(TIMEFRAME, len(copied))
    for row, each in zip(table, copied, strict=True):
        values = each.matrix.values
        row["features"], row["row_bytes"] = values.ctypes.data, values.strides[0]
        row["offset"], row["multiple"] = each.offset, each.multiple
        row["look_back"], row["window_bytes"] = each.look_back, each.look_back * values.strides[0]
    return table


def _aligned_rows(shape: tuple[int, int], _: Any = None) -> NDArray[np.float32]:
    """Allocate float32 [rows, floats] that begin with a cache line."""
    rows, floats = shape
    size = rows * floats
    raw = np.empty(size + 16, np.float32)
    shift = -raw.ctypes.data % 64 // 4
    return raw[shift : shift + size].reshape(rows, floats)


class EnvBatch:
    """N environments over one market.

    Args:
        settings: What they are.
        num_envs: N.
        recorded: Keep every event and the equity curve (N = 1 only); else count and keep the last.
        autoreset: kernel.SAME_STEP, NEXT_STEP or DISABLED.
        on_full_ring: Empties the event ring of a recorded env.
    """

    def __init__(
        self,
        settings: EnvSettings,
        *,
        num_envs: int,
        recorded: bool,
        autoreset: int,
        on_full_ring: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_full_ring = on_full_ring
        self._new_rows: Callable[..., NDArray[np.float32]] = np.empty
        self.settings = settings
        self.num_envs = num_envs
        series = settings.series
        tape = build_tape(series)
        params, self._alive = params_table(settings.params, series)
        self.batch = Batch(
            tape.candles,
            tape.funding,
            instrument_table(settings.params, series),
            params,
            num_envs=num_envs,
            event_capacity=RING_ROWS if recorded else KEPT_EVENTS,
            record_all=recorded,
            # Only order actions leave orders working; the others need no slot but the request's.
            order_slots=None if settings.action == "order" or recorded else 0,
        )
        if recorded:
            longest = settings.episode_candles or settings.last_cursor
            self.batch.keep_equity(longest)
        self.states = new_table(ENV_STATE, num_envs)
        self.action_space = action_space(
            settings.action, series.num_symbols, settings.levels, settings.offsets_bps
        )
        self._parts = _parts(settings)
        self.observation_space = observation_space(
            settings.observation, settings.windows, series.num_symbols, series.num_candles
        )
        self.window_floats = sum(math.prod(shape) for shape in self._parts.values())
        self.row_floats = self.window_floats + portfolio_size(series.num_symbols)
        self.action_width = int(np.prod(self.action_space.shape or (1,)))
        whole = settings.action in ("discrete", "ladder", "order")
        self.actions = np.zeros((num_envs, self.action_width), np.int64 if whole else np.float64)
        space = self.action_space
        self._taken: NDArray[Any] = self.actions
        parts = getattr(space, "nvec", [space.n] if isinstance(space, spaces.Discrete) else [])
        self._choices = np.array(parts, np.int64)
        self._action_kinds = "iub" if whole else "fiub"
        self.finals = np.zeros((num_envs, kernel.NUM_FINALS))
        self.terms = np.zeros((num_envs, NUM_TERMS)) if settings.reward_terms else None
        self._final_observations = np.zeros((num_envs, self.row_floats), np.float32)
        self._levels = np.array(settings.levels + settings.offsets_bps, np.float64)
        self._ready = np.ascontiguousarray(settings.full_at, np.int64)
        self.timeframes = _timeframe_table(settings)
        self.context = new_table(ENV_CONTEXT, 1)
        self._write_context(autoreset)
        self.address: int = self.context.ctypes.data
        self.use_outputs(*self.new_outputs())

    def _write_context(self, autoreset: int) -> None:
        """Write addresses and constants once."""
        settings, env = self.settings, self.context[0]
        env.engine = self.batch.address
        env.states = self.states.ctypes.data
        env.features = settings.matrix.values.ctypes.data
        env.ready = self._ready.ctypes.data
        env.actions = self.actions.ctypes.data
        env.final_observations = self._final_observations.ctypes.data
        env.finals = self.finals.ctypes.data
        env.terms = 0 if self.terms is None else self.terms.ctypes.data
        env.starts = settings.starts.ctypes.data
        env.weights = settings.reward.weights.ctypes.data
        asked = (settings.reward.weights != 0.0) | settings.reward_terms
        env.asked_terms = int((asked << np.arange(NUM_TERMS)).sum())
        env.levels = self._levels.ctypes.data
        env.num_levels = len(settings.levels)
        if settings.observation != "index":  # which copies nothing
            env.row_bytes = settings.matrix.values.strides[0]
            env.window_bytes = settings.look_back * settings.matrix.values.strides[0]
        env.timeframes = self.timeframes.ctypes.data
        env.num_timeframes = len(self.timeframes)
        env.look_back = settings.look_back
        env.window_floats = self.window_floats
        env.observation_floats = self.row_floats
        env.action_kind = ACTION_KINDS.index(settings.action)
        env.window_kind = settings.window
        env.num_starts = len(settings.starts)
        env.autoreset = autoreset
        env.inverse_balance = 1.0 / settings.params.starting_balance
        env.inverse_orders = 1.0 / settings.params.max_orders
        env.choices = self._choices.ctypes.data
        env.action_width = len(self._choices)
        for name in (
            "first_start",
            "last_start",
            "last_cursor",
            "episode_candles",
            "candles_per_step",
            "buy_fraction",
            "deadband",
            "leverage",
            "eta",
            "turnover_cost_frac",
            "holding_cost_frac",
        ):
            env[name] = getattr(settings, name)
        if settings.randomize is not None:
            env.randomized = 1
            for name, (low, high) in settings.randomize._asdict().items():
                env[f"{name}_low"], env[f"{name}_high"] = low, high

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
        kernel.use_outputs(self.address, observations, rewards, terminated, truncated, self._taken)

    def shaped(self, rows: NDArray[np.float32]) -> Any:
        """Give rows of floats the shape of the observation space (views, no copy)."""
        if self.settings.observation == "flat":
            return rows
        shaped, at = {}, 0
        for key, shape in self._parts.items():
            count = math.prod(shape)
            shaped[key] = rows[..., at : at + count].reshape(rows.shape[:-1] + shape)
            at += count
        return {**shaped, "portfolio": rows[..., at:]}

    @property
    def final_rows(self) -> NDArray[np.float32]:
        """Last observations of the rows that ended in the last step, float32 [N, floats]."""
        return self._final_observations

    # ------------------------------------------------------------------ moving

    def cursor_of(self, start: Any) -> int:
        """Read `options["start"]`: a cursor or a time, where a look-back is full."""
        cursor = _cursor(self.settings.series, start)
        first, last = self.settings.first_start, self.settings.last_cursor
        if not first <= cursor < last:
            raise ConfigError(
                f"options['start'] must be at cursors {first} to {last - 1}, where the look-back "
                f"is full; was {start!r} (cursor {cursor})."
            )
        return cursor

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices of an action can do anything, bool [N, sum of the choices].

        Raises:
            UsageError: The actions are no choices.
        """
        kind, params = self.settings.action, self.settings.params
        held = self.batch.positions["qty"][:, 0]
        space: Any = self.action_space
        if kind == "order":
            return order_masks(
                held,
                self.batch.accounts["num_orders"],
                params.max_orders,
                params.account == "margin",
                space.nvec,
                params.execution == "close",
            )
        if kind not in ("discrete", "ladder"):
            raise UsageError(f"action_masks needs a discrete action kind; was {kind!r}.")
        masks = np.ones((len(held), int(space.n)), np.bool_)
        if kind == "discrete":
            masks[:, 2] = held != 0.0
        return masks

    def reset_row(self, e: int, seed: int, start: int) -> None:
        """Reset a row; seed -1 goes on with its seed, start -1 draws the window."""
        kernel.reset_env(self.address, e, seed, start)

    def view(self) -> BatchView:
        """Return copies of the columns that a Python reward sees."""
        accounts, positions = self.batch.accounts, self.batch.positions
        cursor = accounts["cursor"]
        marks = self.batch.candles["mark"][cursor]
        equity = accounts["equity"].copy()
        safe = np.where(equity > 0.0, equity, np.inf)
        peak = np.maximum(accounts["peak_equity"], 1e-300)
        return BatchView(
            equity=equity,
            cash=accounts["cash"].copy(),
            weights=positions["qty"] * marks / safe[:, None],
            drawdown=np.clip(1.0 - equity / peak, 0.0, 1.0),
            turnover=accounts["turnover"].copy(),
        )

    def move_with(self, reward: Reward) -> int:
        """Do the first half of a step and pay a reward that is written in Python.

        Rows that only wait for their reset, or have just been reset, are paid nothing.

        Returns:
            As kernel.move; on INTERRUPTED nothing is paid yet.
        """
        self.refuse_actions()
        before, idle = self.view(), self.states["done"] != 0
        while (ended := kernel.move(self.address)) == kernel.INTERRUPTED:
            self.on_full_ring()
        paid = np.where(idle, 0.0, reward(before, self.view()))
        self.rewards[:] = paid
        self.states["total_reward"] += paid
        self.finals[:, kernel.FINALS.index("total_reward")] = self.states["total_reward"]
        return ended

    # ------------------------------------------------------------------ copies

    def _tables(self) -> tuple[Table, ...]:
        return self.batch.accounts, self.batch.positions, self.batch.orders, self.states

    def snapshot(self) -> Snapshot:
        """Copy the whole moving state (E4c)."""
        return Snapshot(tuple(table.tobytes() for table in self._tables()))

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of this batch; the same actions then repeat byte for byte."""
        for table, data in zip(self._tables(), snapshot.tables, strict=True):
            if len(data) != table.nbytes:
                raise ConfigError("A snapshot must come from an environment of the same settings.")
            table.view(np.uint8).reshape(-1)[:] = np.frombuffer(data, np.uint8)

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
        given = np.asarray(actions)
        if given.size != self.actions.size or given.dtype.kind not in self._action_kinds:
            raise ConfigError(
                f"Actions must be {self.actions.dtype} of shape {self.actions.shape}, from "
                f"{self.action_space}; were {given.dtype} of shape {given.shape}."
            )
        return given.reshape(self.actions.shape)

    def refuse_actions(self) -> None:
        """Raise when an action lies outside of a discrete space."""
        if not len(self._choices):
            return
        wrong = ((self._taken < 0) | (self._taken >= self._choices)).any(axis=1)
        if wrong.any():
            e = int(np.argmax(wrong))
            raise ConfigError(
                f"action must be in {self.action_space}; was {self._taken[e].tolist()} in row {e}."
            )
