"""Native vector environments: N rows stepped by one kernel call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from seq_gym.engine.layout import Table
from seq_gym.envs.numbers import check_whole, read_options
from seq_gym.envs.rewards import Reward
from seq_gym.envs.rows import EnvRows, Snapshot, checked_seed
from seq_gym.envs.settings import AUTORESET
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.types import Ending

__all__ = ["TradingVectorEnv"]

_MODES = {
    "same_step": AutoresetMode.SAME_STEP,
    "next_step": AutoresetMode.NEXT_STEP,
    "disabled": AutoresetMode.DISABLED,
}


class TradingVectorEnv(VectorEnv[Any, Any, Any]):
    """N environments over one shared market; row i is the single env seeded `seed + i`.

    Autoreset is same-step by default: the step that ends an episode returns the first observation
    of the next one, and `infos["final_obs"]` and `infos["final_info"]` hold the last of the old.
    Returned arrays are fresh; rewards are writable. Every column of `final_names` is one of
    `infos["final_info"]`.

    Args:
        make_core: Makes the rows, given the kernel's number of the autoreset mode.
        num_envs: N.
        autoreset: "same_step", "next_step" or "disabled".

    Attributes:
        settings: What the environments are.
        equity: float64 [N], after the last step (of the new episode where a row was reset).
        positions: float64 [N, S], signed base units.
        final_names: Figures of an ended episode; its scales are among them under `randomize`.
    """

    def __init__(self, make_core: Callable[[int], EnvRows], num_envs: int, autoreset: str) -> None:
        if autoreset not in AUTORESET:
            raise UnknownName("autoreset mode", autoreset, tuple(AUTORESET))
        check_whole("num_envs", num_envs)
        self.num_envs = num_envs
        self.metadata = {"render_modes": [], "autoreset_mode": _MODES[autoreset]}
        self.render_mode = None
        self._core = make_core(AUTORESET[autoreset])
        self.settings = self._core.settings
        self.single_action_space = self._core.action_space
        self.single_observation_space = self._core.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.final_names = self._core.final_names
        self._custom = self.settings.reward.function
        self._is_open = False

    # ------------------------------------------------------------------ gymnasium

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Open an episode in every row, or in those of `options["reset_mask"]`.

        Args:
            seed: Row i takes seed + i, or seeds[i]; None goes on with the rows' seeds.
            options: `"start"`: a cursor or time for all, or one a row; `"reset_mask"`: bool [N].

        Raises:
            UnknownName: An option is not known.
            ConfigError: A start leaves no full look-back, or a length is not N.
        """
        options = read_options(options)
        mask = np.asarray(options.pop("reset_mask", np.ones(self.num_envs)), np.bool_)
        starts = self._starts(options.pop("start", None))
        if options:
            raise UnknownName("reset option", next(iter(options)), ("start", "reset_mask"))
        if mask.shape != (self.num_envs,):
            raise ConfigError(f"reset_mask must have {self.num_envs} entries; was {mask.shape}.")
        if not self._is_open and not mask.all():
            raise UsageError("The first reset must open every row; was given a reset_mask.")
        seeds = self._seeds(seed)
        kept = self._core.observations
        self._core.use_outputs(*self._core.new_outputs())
        self._core.observations[...] = kept
        self._core.kernels.reset_rows(
            self._core.address, mask, np.array(seeds, np.int64), np.array(starts, np.int64)
        )
        self._is_open = True
        return self._core.shaped(self._core.observations), {}

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Step every row.

        Raises:
            UsageError: Nothing was reset yet.
            ConfigError: Actions are outside of the action space.
        """
        if not self._is_open:
            raise UsageError("step needs open episodes; call reset() first.")
        core = self._core
        core.take_actions(actions)
        core.use_outputs(*core.new_outputs())
        if self._custom is None:
            ended = core.step()
        else:
            ended = self._custom_step(self._custom)
        infos = self._final_infos() if ended else {}
        return (
            core.shaped(core.observations),
            core.rewards,
            core.terminated,
            core.truncated,
            infos,
        )

    def align_observations(self) -> None:
        """Let the observations of every step begin with a cache line from now on.

        For a network on the CPU: its first product takes a third longer on rows that do not. It
        costs 2 us a step, so it is asked for.
        """
        self._core.align_observations()

    # ------------------------------------------------------------------ diagnostics

    @property
    def equity(self) -> NDArray[np.float64]:
        """Equity of each row, float64 [N]."""
        return np.array(self._core.batch.accounts["equity"])

    @property
    def positions(self) -> NDArray[np.float64]:
        """Signed position of each row and symbol, float64 [N, S]."""
        return np.array(self._core.batch.positions["qty"])

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices can do anything, a row each: bool [N, sum of the choices].

        Row i is what the single environment would say; the layout is MaskablePPO's.

        Raises:
            UsageError: The actions are no choices.
        """
        return self._core.action_masks()

    @property
    def accounts(self) -> Table:
        """A copy of the ACCOUNT records [N] ."""
        return self._core.batch.accounts.copy()

    @property
    def reward_terms(self) -> dict[str, NDArray[np.float64]]:
        """Named reward terms of the last step as columns [N], where `reward_terms=True`."""
        if self._core.terms is None:
            raise UsageError("reward_terms needs reward_terms=True when the env is made.")
        columns = self._core.term_columns
        return {name: self._core.terms[:, k].copy() for name, k in columns.items()}

    def snapshot(self) -> Snapshot:
        """Copy the whole moving state of every row (E4c)."""
        return self._core.snapshot()

    def restore(self, snapshot: Snapshot) -> Any:
        """Go back to a snapshot; returns the observations there."""
        self._core.restore(snapshot)
        self._core.use_outputs(*self._core.new_outputs())
        self._core.kernels.observe(self._core.address)
        self._is_open = True
        return self._core.shaped(self._core.observations)

    # ------------------------------------------------------------------ inside

    def _seeds(self, seed: Any) -> list[int]:
        """Return the new seed of each row, -1 to go on."""
        if seed is None:
            if self._is_open:
                return [-1] * self.num_envs
            seed = int(self.np_random.integers(2**31))
        if np.ndim(seed) == 0 or not isinstance(seed, (Sequence, np.ndarray)):
            given: Any = seed[()] if isinstance(seed, np.ndarray) else seed
            first = checked_seed(given, self.num_envs)
            return [first + e for e in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ConfigError(f"seed must have {self.num_envs} entries; was {len(seed)}.")
        return [-1 if value is None else checked_seed(value) for value in seed]

    def _starts(self, start: Any) -> list[int]:
        """Return the start cursor of each row, -1 to draw it."""
        if start is None:
            return [-1] * self.num_envs
        if isinstance(start, (list, tuple, np.ndarray)):
            if len(start) != self.num_envs:
                raise ConfigError(f"start must have {self.num_envs} entries; was {len(start)}.")
            return [self._core.cursor_of(value) for value in start]
        return [self._core.cursor_of(start)] * self.num_envs

    def _custom_step(self, reward: Reward) -> int:
        """Step with a reward that is written in Python over whole columns."""
        ended = self._core.move_with(reward)
        self._core.kernels.show(self._core.address)
        return ended

    def _final_infos(self) -> dict[str, Any]:
        """Return the infos of the rows that ended, in gymnasium's format."""
        core = self._core
        done = core.terminated | core.truncated
        finals = core.finals
        info: dict[str, Any] = {
            name: np.where(done, finals[:, k], 0.0) for k, name in enumerate(self.final_names)
        }
        info["ending"] = np.array([Ending(int(value)) for value in info["ending"]], object)
        info.update({f"_{name}": done.copy() for name in self.final_names})
        if self.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            return {"final_info": info, "_final_info": done}
        observations = np.full(self.num_envs, None, object)
        for e in np.flatnonzero(done):
            observations[e] = core.shaped(core.final_rows[e].copy())
        return {
            "final_obs": observations,
            "_final_obs": done.copy(),
            "final_info": info,
            "_final_info": done.copy(),
        }
