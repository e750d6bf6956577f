"""A batch of N envs over one book: tables, addresses, and the calls into the kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.layout import Table, new_table
from seq_gym.envs.book import kernel
from seq_gym.envs.book.layout import BOOK_ENV, BOOK_STATE
from seq_gym.envs.book.own import OWN_COLUMNS
from seq_gym.envs.book.settings import BookEnvSettings, _cursor
from seq_gym.envs.book.terms import BOOK_TERMS, NUM_TERMS
from seq_gym.envs.rewards import BatchView
from seq_gym.envs.rows import EnvRows
from seq_gym.errors import ConfigError, UsageError
from seq_gym.sandbox.book.params import book_params

__all__ = ["BookEnvBatch"]

KEPT_EVENTS: Final = 2
"""Events that each row of a training batch keeps, the latest ones."""
RING_ROWS: Final = 4096
"""Event rows of a recorded env, between drains."""


def _space(settings: BookEnvSettings) -> spaces.Space[Any]:
    """Return the space of one env's observations, with finite bounds."""
    low, high = settings.grid.bounds
    shape = (settings.look_back, len(low))
    window = spaces.Box(np.broadcast_to(low, shape), np.broadcast_to(high, shape), dtype=np.float32)
    columns = OWN_COLUMNS + settings.task.columns
    own = spaces.Box(
        np.array([low for _, low, _ in columns], np.float32),
        np.array([high for _, _, high in columns], np.float32),
        dtype=np.float32,
    )
    if settings.observation == "dict":
        return spaces.Dict({"window": window, "own": own})
    return spaces.Box(
        np.concatenate([window.low.ravel(), own.low]),
        np.concatenate([window.high.ravel(), own.high]),
        dtype=np.float32,
    )


class BookEnvBatch(EnvRows):
    """N environments over one book.

    Args:
        settings: What they are.
        num_envs: N.
        recorded: Keep every event and the equity curve (N = 1 only); else count and keep the last.
        autoreset: kernel.SAME_STEP, NEXT_STEP or DISABLED.
        on_full_ring: Empties the event ring of a recorded env.
    """

    batch: BookBatch
    settings: BookEnvSettings

    def __init__(
        self,
        settings: BookEnvSettings,
        *,
        num_envs: int,
        recorded: bool,
        autoreset: int,
        on_full_ring: Callable[[], None] = lambda: None,
    ) -> None:
        grid = settings.grid
        super().__init__(
            kernel,
            num_envs=num_envs,
            action_space=settings.setup.action_space,
            observation_space=_space(settings),
            parts={"window": (settings.look_back, len(grid.names))},
            rest="own",
            rest_floats=len(OWN_COLUMNS) + len(settings.task.columns),
            is_flat=settings.observation == "flat",
            is_single=recorded,
            num_finals=kernel.NUM_FINALS,
            num_terms=NUM_TERMS if settings.reward_terms else 0,
            on_full_ring=on_full_ring,
        )
        self.settings = settings
        self.final_names = kernel.FINALS + settings.task.finals
        self.term_columns = {name: BOOK_TERMS.index(name) for name in settings.task.terms}
        self.batch = BookBatch(
            [settings.market.tape],
            settings.market.instruments,
            book_params(settings.params),
            num_envs=num_envs,
            # Small, so that the rows of many envs stay in the cache; of one size in single and
            # batch, so that both fill alike.
            order_slots=settings.params.max_orders,
            event_capacity=RING_ROWS if recorded else KEPT_EVENTS,
            record_all=recorded,
            report_slots=settings.ring_slots,
            hole_slots=settings.setup.hole_slots,
        )
        self.states = new_table(BOOK_STATE, num_envs)
        self.curve = np.zeros(settings.longest + 1) if recorded else None
        self._levels = np.array(settings.setup.levels, np.float64)
        self.context = new_table(BOOK_ENV, 1)
        self._write_addresses()
        self._write_constants(autoreset)
        self.address: int = self.context.ctypes.data
        self.use_outputs(*self.new_outputs())

    def _write_addresses(self) -> None:
        settings, env, grid = self.settings, self.context[0], self.settings.grid
        env.engine = self.batch.address
        self.batch.handle(0)  # compiles the engine's doors
        for name in ("advance", "place", "cancel", "amend"):
            env[name] = self.batch.doors[0][name]
        env.states = self.states.ctypes.data
        env.times = grid.times.ctypes.data
        env.rows = grid.rows.ctypes.data
        env.features = grid.features.ctypes.data
        env.rates = grid.rates.ctypes.data
        env.prints = grid.prints.ctypes.data
        env.print_at = grid.print_at.ctypes.data
        env.top_ticks = grid.top_ticks.ctypes.data
        env.top_lots = grid.top_lots.ctypes.data
        env.actions = self.actions.ctypes.data
        env.final_observations = self._final_observations.ctypes.data
        env.finals = self.finals.ctypes.data
        env.terms = 0 if self.terms is None else self.terms.ctypes.data
        env.curve = 0 if self.curve is None else self.curve.ctypes.data
        env.starts = settings.starts.ctypes.data
        env.weights = settings.reward.weights.ctypes.data
        env.choices = self._choices.ctypes.data
        env.levels = self._levels.ctypes.data

    def _write_constants(self, autoreset: int) -> None:
        settings, env, setup = self.settings, self.context[0], self.settings.setup
        asked = settings.reward.weights != 0.0
        if settings.reward_terms:
            asked |= np.isin(BOOK_TERMS, settings.task.terms)
        env.asked_terms = int((asked << np.arange(NUM_TERMS)).sum())
        env.num_levels = setup.num_levels
        env.action_width = len(self._choices)
        env.row_bytes = settings.grid.features.strides[0]
        env.window_bytes = settings.look_back * env.row_bytes
        env.window_floats = self.window_floats
        env.observation_floats = self.row_floats
        env.task = settings.task.code
        env.action_kind = setup.action_kind
        env.window_kind = settings.window
        env.num_starts = len(settings.starts)
        env.autoreset = autoreset
        env.sees_fills = int(settings.fill_horizon_s > 0.0)
        env.max_qty = setup.max_qty
        env.inverse_qty = 1.0 / setup.max_qty
        env.lot_units = settings.market.lot_units
        env.max_units = round(setup.max_qty / settings.market.lot) * settings.market.lot_units
        env.money_scale = 10_000.0 / _notional(settings)
        for name in (
            "look_back",
            "first_start",
            "last_start",
            "last_cursor",
            "episode_steps",
            "fill_horizon_s",
            "inventory_aversion",
            "turnover_cost_frac",
        ):
            env[name] = getattr(settings, name)
        for name, value in setup.constants.items():
            env[name] = value

    # ------------------------------------------------------------------ moving

    def cursor_of(self, start: Any) -> int:
        """Read `options["start"]`: a cursor or a time, where a look-back is full."""
        cursor = _cursor(self.settings.grid, start)
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
        masks = self.settings.setup.masks
        if masks is None:
            raise UsageError("action_masks needs discrete actions; these are of a Box.")
        return masks(self.batch)

    def view(self) -> BatchView:
        """Return copies of the columns that a Python reward sees."""
        accounts, positions, lanes = self.batch.accounts, self.batch.positions, self.batch.lanes
        equity = accounts["equity"].copy()
        safe = np.where(equity > 0.0, equity, np.inf)
        marks = np.where(positions["qty"] == 0.0, 0.0, lanes["mark"])
        ins = self.settings.market.instruments[0]
        worth = -1.0 / np.where(marks > 0.0, marks, np.inf) if ins.inverse else marks
        return BatchView(
            equity=equity,
            cash=accounts["cash"].copy(),
            weights=positions["qty"] * worth * float(ins.contract_size) / safe[:, None],
            drawdown=np.clip(accounts["drawdown"], 0.0, 1.0),
            turnover=accounts["turnover"].copy(),
        )

    def _tables(self) -> tuple[Table, ...]:
        batch = self.batch
        moving = (batch.accounts, batch.positions, batch.lanes, batch.orders, batch.requests)
        return (*moving, batch.reports, batch.holes, self.states)


def _notional(settings: BookEnvSettings) -> float:
    """Return what `max_qty` is worth at the first mid, money of the account."""
    ins = settings.market.instruments[0]
    size, mid = float(ins.contract_size), settings.market.first_mid
    return settings.setup.max_qty * (size / mid if ins.inverse else size * mid)
