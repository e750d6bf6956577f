"""Single environments: a batch of one behind gymnasium's `Env`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.layout import Table
from seq_gym.envs import kernel
from seq_gym.envs.core import EnvBatch
from seq_gym.envs.numbers import read_options
from seq_gym.envs.randomize import SCALES
from seq_gym.envs.render import RENDER_MODES, render_frame, render_text
from seq_gym.envs.rewards import REWARD_TERMS
from seq_gym.envs.rows import Snapshot, checked_seed
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import UnknownName, UsageError
from seq_gym.market import CandleSeries
from seq_gym.sandbox.journal import JournalMark
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.session import Session
from seq_gym.types import Ending

__all__ = ["EpisodeSnapshot", "TradingEnv"]

_ENDINGS = tuple(Ending)


@dataclass(frozen=True, slots=True)
class EpisodeSnapshot:
    """The moving state of one episode: tables, events not yet read, equity so far, journal."""

    tables: Snapshot
    events: Table
    equity: NDArray[np.float64]
    session: Session | None
    journal: tuple[JournalMark, tuple[Table, ...]] | None


def _window(values: Any) -> memoryview:
    return memoryview(values)


class TradingEnv(gymnasium.Env[Any, Any]):
    """What the single environments share; see CandleTradingEnv and PortfolioEnv.

    `env.unwrapped.session` reads the episode as a Session (fills, equity, results); it stays
    readable after the end until the next `reset`.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 30}  # noqa: RUF012  gymnasium reads it so

    def __init__(self, settings: EnvSettings, render_mode: str | None) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise UnknownName("render mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        self.settings = settings
        self._core = EnvBatch(
            settings,
            num_envs=1,
            recorded=True,
            autoreset=kernel.DISABLED,
            on_full_ring=self._stash,
        )
        self.action_space = self._core.action_space
        self.observation_space = self._core.observation_space
        self._num_choices = int(getattr(self.action_space, "n", 0))
        # Windows on what the kernel reads and writes, opened once: a numpy scalar costs more than
        # the kernel itself.
        accounts = self._core.batch.accounts
        self._row: NDArray[np.float32] = self._core.observations[0]
        self._reward: Any = _window(self._core.rewards)
        self._equity: Any = _window(accounts["equity"])
        self._ending: Any = _window(accounts["ending"])
        self._action: Any = _window(self._core.actions.reshape(-1))
        self._address = self._core.address
        self._custom = settings.reward.function
        self._has_terms = self._core.terms is not None
        self._is_randomized = settings.randomize is not None
        self._flat = settings.observation == "flat"
        self._session: Session | None = None
        self._was_opened = False
        self._is_running = False

    # ------------------------------------------------------------------ gymnasium

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Open the next episode.

        Args:
            seed: Restart the windows: episode k depends on (seed, window, k) alone (E2).
            options: `{"start": cursor or time}` sets the window by hand.

        Raises:
            ConfigError: The start leaves no full look-back, or an option is not known.
        """
        if seed is not None:
            seed = checked_seed(seed)
        super().reset(seed=seed)
        options = read_options(options)
        start = options.pop("start", None)
        if options:
            raise UnknownName("reset option", next(iter(options)), ("start",))
        cursor = -1 if start is None else self._core.cursor_of(start)
        if seed is None and not self._was_opened:
            seed = int(self.np_random.integers(2**31))
        self._core.reset_row(0, -1 if seed is None else seed, cursor)
        self._session = None
        self._was_opened = self._is_running = True
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Place what the action asks for and advance `candles_per_step` candles.

        Raises:
            UsageError: The episode is over, or none was opened.
            ConfigError: The action is outside of the action space.
        """
        if not self._is_running:
            raise UsageError("step needs an open episode; call reset() first.")
        self._take(action)
        if self._custom is None:
            while (ended := kernel.step(self._address)) == kernel.INTERRUPTED:
                self._core.on_full_ring()
            if ended == kernel.INVALID:
                self._core.refuse_actions()
            reward = self._reward[0]
        else:
            ended = self._core.move_with(self._custom)
            reward = self._reward[0]
            kernel.show(self._address)
        info = self._info()
        if ended == 0:
            return self._observation(), reward, False, False, info
        self._is_running = False
        terminated = bool(self._core.terminated[0])
        return self._observation(), reward, terminated, not terminated, info

    def _stash(self) -> None:
        """Empty the event ring; its events are read when the session is."""
        self.session.stash()

    def _take(self, action: Any) -> None:
        """Hand the action to the kernel; whole numbers take the short way."""
        if isinstance(action, (int, np.integer)) and 0 <= action < self._num_choices:
            self._action[0] = action
            return
        self._core.write_actions(action)

    def render(self) -> Any:
        """Return the episode so far as text ("ansi") or as an image uint8 [H, W, 3]."""
        if self.render_mode is None:
            raise UsageError(f"render needs a render_mode of {', '.join(RENDER_MODES)} at make().")
        if self.render_mode == "ansi":
            return render_text(self.session)
        return render_frame(self.session)

    # ------------------------------------------------------------------ details

    @property
    def series(self) -> CandleSeries:
        """The candles."""
        return self.settings.series

    @property
    def params(self) -> SandboxParams:
        """The physics."""
        return self.settings.params

    @property
    def look_back(self) -> int:
        """Candles in the window."""
        return self.settings.look_back

    @property
    def first_start(self) -> int:
        """The first cursor at which an episode may start: the look-back is full."""
        return self.settings.first_start

    @property
    def last_start(self) -> int:
        """The last cursor at which a drawn episode starts."""
        return self.settings.last_start

    @property
    def episode_steps(self) -> int:
        """Steps of an episode, fewer where the data ends first."""
        candles = self.settings.episode_candles
        if candles == 0:
            candles = self.settings.last_cursor - self.settings.first_start
        return -(-candles // self.settings.candles_per_step)

    @property
    def session(self) -> Session:
        """The episode as a Session: fills, equity, results; readable until the next reset."""
        if not self._was_opened:
            raise UsageError("session needs an open episode; call reset() first.")
        if self._session is None:
            accounts = self._core.batch.accounts
            self._session = Session.of_batch(
                self._core.batch,
                self.settings.series,
                self.settings.params,
                start=int(accounts["start"][0]),
                end=int(accounts["end"][0]),
            )
        return self._session

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices of the action can do anything, bool [sum of the choices].

        The layout is that of sb3-contrib's MaskablePPO.

        Raises:
            UsageError: The actions are no choices.
        """
        masks: NDArray[np.bool_] = self._core.action_masks()[0]
        return masks

    @property
    def reward_terms(self) -> dict[str, float]:
        """Named reward terms of the last step, where `reward_terms=True` was given."""
        if self._core.terms is None:
            raise UsageError("reward_terms needs reward_terms=True when the env is made.")
        return dict(zip(REWARD_TERMS, self._core.terms[0].tolist(), strict=True))

    def snapshot(self) -> EpisodeSnapshot:
        """Copy the whole moving state of the episode, the market excepted (E4c)."""
        if not self._was_opened:
            raise UsageError("snapshot needs an open episode; call reset() first.")
        batch = self._core.batch
        count = int(batch.accounts["num_events"][0])
        return EpisodeSnapshot(
            tables=self._core.snapshot(),
            events=batch.events[0, :count].copy(),
            equity=batch.equity_so_far(),
            session=self._session,
            journal=None if self._session is None else self._session.mark(),
        )

    def restore(self, snapshot: EpisodeSnapshot) -> Any:
        """Go back to a snapshot; the same actions then repeat byte for byte.

        Returns:
            The observation there.
        """
        batch = self._core.batch
        self._core.restore(snapshot.tables)
        batch.events[0, : len(snapshot.events)] = snapshot.events
        assert batch.equity_curve is not None
        batch.equity_curve[: len(snapshot.equity)] = snapshot.equity
        self._session = snapshot.session
        if self._session is not None and snapshot.journal is not None:
            self._session.rewind(snapshot.journal)
        self._was_opened = True
        self._is_running = self._ending[0] == Ending.RUNNING
        kernel.observe(self._address)
        return self._observation()

    def _observation(self) -> Any:
        row = self._row.copy()
        return row if self._flat else self._core.shaped(row)

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {"equity": self._equity[0], "ending": _ENDINGS[self._ending[0]]}
        if self._is_randomized:
            for name in SCALES:
                info[name] = float(self._core.batch.accounts[name][0])
        if self._has_terms:
            info["reward_terms"] = self.reward_terms
        return info
