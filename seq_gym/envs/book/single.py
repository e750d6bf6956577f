"""Single environments over a book: a batch of one behind gymnasium's `Env`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from seq_gym.envs.book import kernel
from seq_gym.envs.book.core import BookEnvBatch
from seq_gym.envs.book.episode import BookEpisode, BookEpisodeSnapshot
from seq_gym.envs.book.own import OWN_COLUMNS
from seq_gym.envs.book.render import render_book_frame, render_book_text
from seq_gym.envs.book.settings import BookEnvSettings
from seq_gym.envs.kernel import DISABLED
from seq_gym.envs.numbers import read_options
from seq_gym.envs.render import RENDER_MODES
from seq_gym.envs.rows import checked_seed
from seq_gym.errors import UnknownName, UsageError
from seq_gym.sandbox.book.session import BookSession
from seq_gym.types import Ending

__all__ = ["BookEnv"]

_ENDINGS = tuple(Ending)


def _window(values: Any) -> memoryview:
    return memoryview(values)


class BookEnv(gymnasium.Env[Any, Any]):
    """What the single environments over books share.

    `env.unwrapped.session` reads the episode as a BookSession (fills, orders, costs, equity at
    every decision); it stays readable after the end until the next `reset`.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 30}  # noqa: RUF012  gymnasium reads it so

    def __init__(self, settings: BookEnvSettings, render_mode: str | None) -> None:
        if render_mode is not None and render_mode not in RENDER_MODES:
            raise UnknownName("render mode", render_mode, RENDER_MODES)
        self.render_mode = render_mode
        self.settings = settings
        self._core = BookEnvBatch(
            settings,
            num_envs=1,
            recorded=True,
            autoreset=DISABLED,
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
        self._gaps: Any = _window(accounts["num_gaps"])
        self._action: NDArray[Any] = self._core.actions.reshape(self.action_space.shape or (1,))
        self._action_kind = self._action.dtype.kind
        self._address = self._core.address
        self._custom = settings.reward.function
        self._has_terms = self._core.terms is not None
        self._flat = settings.observation == "flat"
        self._episode = BookEpisode(self._core)
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
        self._episode.open()
        self._was_opened = self._is_running = True
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Do what the action asks for and let time pass to the next decision.

        Raises:
            UsageError: The episode is over, or none was opened.
            ConfigError: A choice is out of its range, or shape and kind do not fit the space. A
                number beyond a Box counts as its bound, and one that is none asks for nothing.
        """
        if not self._is_running:
            raise UsageError("step needs an open episode; call reset() first.")
        self._take(action)
        if self._custom is None:
            ended = self._core.step()
        else:
            ended = self._core.move_with(self._custom)
            kernel.show(self._address)
        reward = self._reward[0]
        info = self._info()
        if ended == 0:
            return self._observation(), reward, False, False, info
        self._is_running = False
        terminated = bool(self._core.terminated[0])
        return self._observation(), reward, terminated, not terminated, info

    def _take(self, action: Any) -> None:
        """Hand the action to the kernel; whole numbers and fitting arrays take the short way."""
        if type(action) is np.ndarray:
            if action.shape == self._action.shape and action.dtype.kind == self._action_kind:
                self._action[...] = action
                return
        elif isinstance(action, int) and 0 <= action < self._num_choices:
            self._action[0] = action
            return
        self._core.write_actions(action)

    def _stash(self) -> None:
        """Empty the event ring; its events are read when the session is."""
        self._episode.stash()

    def render(self) -> Any:
        """Return the episode so far as text ("ansi") or as an image uint8 [H, W, 3]."""
        if self.render_mode is None:
            raise UsageError(f"render needs a render_mode of {', '.join(RENDER_MODES)} at make().")
        if self.render_mode == "ansi":
            return render_book_text(self.session)
        return render_book_frame(self.session)

    # ------------------------------------------------------------------ details

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
        return self.settings.longest

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns of a row of the window, in their order."""
        return self.settings.grid.names

    @property
    def own_names(self) -> tuple[str, ...]:
        """The columns of the own state, in their order: the last ones of a flat observation."""
        columns = OWN_COLUMNS + self.settings.task.columns
        return tuple(name for name, _, _ in columns)

    @property
    def times(self) -> NDArray[np.int64]:
        """The decision time of every cursor, UNIX nanoseconds."""
        return self.settings.grid.times

    @property
    def cursor(self) -> int:
        """Where the episode stands: the index of the next decision in `times`."""
        return int(self._core.states["cursor"][0])

    @property
    def session(self) -> BookSession:
        """The episode as a BookSession: fills, orders, costs, equity; until the next reset."""
        if not self._was_opened:
            raise UsageError("session needs an open episode; call reset() first.")
        return self._episode.session

    def snapshot(self) -> BookEpisodeSnapshot:
        """Copy the whole moving state of the episode, the market excepted (E4c)."""
        if not self._was_opened:
            raise UsageError("snapshot needs an open episode; call reset() first.")
        return self._episode.snapshot()

    def restore(self, snapshot: BookEpisodeSnapshot) -> Any:
        """Go back to a snapshot; the same actions then repeat byte for byte.

        `session` is a new one afterwards.

        Returns:
            The observation there.
        """
        self._episode.restore(snapshot)
        self._was_opened = True
        self._is_running = self._ending[0] == Ending.RUNNING
        kernel.observe(self._address)
        return self._observation()

    def _observation(self) -> Any:
        row = self._row.copy()
        return row if self._flat else self._core.shaped(row)

    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = {
            "equity": self._equity[0],
            "ending": _ENDINGS[self._ending[0]],
            "num_gaps": self._gaps[0],
        }
        if self._has_terms:
            info["reward_terms"] = self.reward_terms
        return info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices of the action can do anything, bool [sum of the choices].

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
        values = self._core.terms[0].tolist()
        return {name: values[k] for name, k in self._core.term_columns.items()}

    @property
    def finals(self) -> dict[str, float]:
        """Figures of the last episode that has ended, by name."""
        return dict(zip(self._core.final_names, self._core.finals[0].tolist(), strict=False))
