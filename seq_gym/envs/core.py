"""A batch of N envs: tables, addresses, and the calls into the kernel. Single envs have N = 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.batch import Batch
from seq_gym.engine.layout import Table, new_table
from seq_gym.envs import kernel
from seq_gym.envs.actions import ACTION_KINDS, action_space, order_masks
from seq_gym.envs.layout import ENV_CONTEXT, ENV_STATE, NUM_TERMS, TIMEFRAME
from seq_gym.envs.observations import observation_space, portfolio_size
from seq_gym.envs.randomize import SCALES
from seq_gym.envs.rewards import REWARD_TERMS, BatchView
from seq_gym.envs.rows import EnvRows
from seq_gym.envs.settings import EnvSettings, _cursor
from seq_gym.errors import ConfigError, UsageError
from seq_gym.sandbox.params import instrument_table, params_table
from seq_gym.sandbox.tape import build_tape

__all__ = ["EnvBatch"]

KEPT_EVENTS = 2
"""Events that each row of a training batch keeps, the latest ones."""
RING_ROWS = 4096
"""Event rows of a recorded env, between drains."""


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


class EnvBatch(EnvRows):
    """N environments over one market.

    Args:
        settings: What they are.
        num_envs: N.
        recorded: Keep every event and the equity curve (N = 1 only); else count and keep the last.
        autoreset: kernel.SAME_STEP, NEXT_STEP or DISABLED.
        on_full_ring: Empties the event ring of a recorded env.
    """

    batch: Batch
    settings: EnvSettings

    def __init__(
        self,
        settings: EnvSettings,
        *,
        num_envs: int,
        recorded: bool,
        autoreset: int,
        on_full_ring: Callable[[], None] = lambda: None,
    ) -> None:
        series = settings.series
        super().__init__(
            kernel,
            num_envs=num_envs,
            action_space=action_space(
                settings.action, series.num_symbols, settings.levels, settings.offsets_bps
            ),
            observation_space=observation_space(
                settings.observation, settings.windows, series.num_symbols, series.num_candles
            ),
            parts=_parts(settings),
            rest="portfolio",
            rest_floats=portfolio_size(series.num_symbols),
            is_flat=settings.observation == "flat",
            is_single=recorded,
            num_finals=kernel.NUM_FINALS,
            num_terms=NUM_TERMS if settings.reward_terms else 0,
            on_full_ring=on_full_ring,
        )
        self.settings = settings
        drawn = settings.randomize is not None
        self.final_names = tuple(name for name in kernel.FINALS if drawn or name not in SCALES)
        self.term_columns = {name: k for k, name in enumerate(REWARD_TERMS)}
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

    def _tables(self) -> tuple[Table, ...]:
        return self.batch.accounts, self.batch.positions, self.batch.orders, self.states
