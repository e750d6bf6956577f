"""The native batch as a Stable-Baselines3 `VecEnv`: nothing is done row by row while nothing ends.

SB3 keeps the last observations until after the next step, adds to rewards in place, and reads an
info of every row of every step. So observations and rewards are fresh arrays, and the infos of a
step are the same empty dicts again until an episode ends.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv

from seq_gym.envs.rows import Snapshot
from seq_gym.envs.vector import TradingVectorEnv
from seq_gym.errors import ConfigError, UsageError
from seq_gym.times import NS_PER_YEAR
from seq_gym.train.figures import balance_of, figures_of, step_ns
from seq_gym.types import Ending

__all__ = ["SB3VecEnv", "make_vec_env"]

_DRAWN = ("fee_scale", "slippage_scale")
"""What `randomize` has drawn for the episode, where it is asked for."""
_OF_TASKS = ("spread_capture", "mean_inventory", "shortfall_bps")
"""Figures that environments over books add as they are."""
_COLUMNS = ("equity", "positions", "accounts")
_NOISE = float(np.finfo(np.float64).eps)


class SB3VecEnv(VecEnv):
    """A TradingVectorEnv behind the interface of Stable-Baselines3.

    The info of a row whose episode has ended holds, as SB3 expects them, `terminal_observation`,
    `TimeLimit.truncated` and `episode` (`r`, `l`, `t`, as its Monitor would say); and the figures
    of EPISODE_FIGURES, `final_equity` and `ending`. All other infos are empty.

    Figures of an episode: `total_return_frac` is final over starting equity less 1; `sharpe_ratio`
    that of its step returns, a year, NaN where they did not vary; `max_drawdown_frac` from 0 to 1;
    `turnover_frac` traded notional over the starting balance; `fees` and `slippage` in quote
    units (on books the spread paid against the venue's mid); `trades` the number of fills. In
    Execution-v0, whose accounts start with what the parent order needs, the fractions are NaN, and
    `shortfall_bps` and `filled_frac` say how the order was done; MarketMaking-v0 adds
    `spread_capture` (quote units) and `mean_inventory` (of the largest). `figures` names those that
    the environment defines.

    Args:
        env: The batch; its autoreset must be "same_step".

    Raises:
        ConfigError: The batch resets in another way.
    """

    def __init__(self, env: TradingVectorEnv) -> None:
        if env.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            raise ConfigError(
                "autoreset must be 'same_step', which Stable-Baselines3 is made for; was "
                f"{env.metadata['autoreset_mode'].value!r}. Likely fix: leave it out."
            )
        env.align_observations()
        self.env = env
        self._actions: Any = None
        self._infos: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        self._began = time.perf_counter()
        self._year_scale = float(np.sqrt(NS_PER_YEAR / step_ns(env.settings)))
        self._balance = balance_of(env.settings)
        self.figures = figures_of(env.settings)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    # ------------------------------------------------------------------ moving

    def reset(self) -> Any:
        """Open an episode in every row, with the seeds and options given before."""
        seeds = None if all(seed is None for seed in self._seeds) else self._seeds
        observations, _ = self.env.reset(seed=seeds, options=self._reset_values())
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions of the next step."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], list[dict[str, Any]]]:
        """Step every row.

        Returns:
            Observations, rewards float64 [N], dones bool [N], infos; all of them the caller's own.
        """
        observations, rewards, terminated, truncated, ended = self.env.step(self._actions)
        if any(self._infos):  # somebody wrote into those of a step before, and may keep them
            self._infos = [{} for _ in range(self.num_envs)]
        infos = self._infos.copy()
        if not ended:
            return observations, rewards, terminated, infos
        dones = terminated | truncated
        for e, info in zip(np.flatnonzero(dones), self._final_infos(dones, ended), strict=True):
            info["TimeLimit.truncated"] = bool(truncated[e])
            infos[e] = info
        return observations, rewards, dones, infos

    def _final_infos(self, dones: NDArray[np.bool_], ended: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the infos of the rows that ended, in their order."""
        final = {name: values[dones] for name, values in ended["final_info"].items()}
        steps, equity = final["num_steps"], final["equity"]
        columns = {
            "total_return_frac": equity / self._balance - 1.0,
            "sharpe_ratio": self._sharpe(steps, final["sum_return"], final["sum_square"]),
            "max_drawdown_frac": final["max_drawdown"],
            "turnover_frac": final["turnover"] / self._balance,
            "fees": final["fees"],
            "slippage": final["slippage" if "slippage" in final else "spread_cost"],
            "trades": final["num_fills"],
            "final_equity": equity,
            **{name: final[name] for name in (*_DRAWN, *_OF_TASKS) if name in final},
        }
        if "filled_quantity" in final:
            done, left = final["filled_quantity"], final["unfilled_quantity"]
            columns["filled_frac"] = done / (done + left)
        elapsed = round(time.perf_counter() - self._began, 6)
        infos = []
        for k, observation in enumerate(ended["final_obs"][dones]):
            info: dict[str, Any] = {name: float(column[k]) for name, column in columns.items()}
            episode = {"r": float(final["total_reward"][k]), "l": int(steps[k]), "t": elapsed}
            info |= {"ending": Ending(final["ending"][k]).name, "episode": episode}
            info["terminal_observation"] = observation
            infos.append(info)
        return infos

    def _sharpe(
        self, steps: NDArray[np.float64], total: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the Sharpe ratio a year from streaming moments (X2), NaN where undefined."""
        mean = total / np.maximum(steps, 1.0)
        variance = (squares - total * mean) / np.maximum(steps - 1.0, 1.0)
        defined = (steps > 1) & (variance > _NOISE * squares * steps / np.maximum(steps - 1.0, 1.0))
        sharpe = np.full(len(steps), np.nan)
        np.divide(
            mean * self._year_scale, np.sqrt(np.maximum(variance, 0.0)), out=sharpe, where=defined
        )
        return sharpe

    def _reset_values(self) -> dict[str, Any] | None:
        """Return the options of all rows as one of columns."""
        names = sorted({name for each in self._options for name in each})
        lacking = [name for name in names if any(name not in each for each in self._options)]
        if lacking:
            raise ConfigError(
                f"Options must be given for every row or for none; {lacking[0]!r} was missing in "
                "some. Likely fix: set_options with one dict for all, or a list of full ones."
            )
        return {name: [each[name] for each in self._options] for name in names} or None

    def snapshot(self) -> Snapshot:
        """Copy the whole moving state of every row."""
        return self.env.snapshot()

    def restore(self, snapshot: Snapshot) -> Any:
        """Go back to a snapshot of a batch of the same settings; returns the observations there.

        Raises:
            ConfigError: It is of other settings.
        """
        self._reset_seeds()
        self._reset_options()
        return self.env.restore(snapshot)

    # ------------------------------------------------------------------ rows as SB3 sees them

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which choices of the actions can do anything, bool [N, sum of the choices]."""
        return self.env.action_masks()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute for each row: its own where the batch has a column, else the shared.

        Raises:
            AttributeError: The batch has none of that name.
        """
        rows = self._get_rows(indices)
        if attr_name == "action_masks":
            return [functools.partial(self._masks_of, e) for e in rows]
        value = getattr(self.env, attr_name)
        if attr_name in _COLUMNS:
            return [value[e] for e in rows]
        return [value for _ in rows]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the batch; rows share it, so it is set for all or not at all.

        Raises:
            UsageError: Only some rows were named.
        """
        if len(set(self._get_rows(indices))) != self.num_envs:
            raise UsageError(
                f"set_attr must name all {self.num_envs} rows, which share {attr_name!r}; was "
                f"{indices}. Likely fix: leave indices out."
            )
        setattr(self.env, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the batch once; a row of the answer each, where it has one a row.

        Raises:
            AttributeError: The batch has none of that name.
        """
        rows = self._get_rows(indices)
        method: Callable[..., Any] = getattr(self.env, method_name)
        answer = method(*method_args, **method_kwargs)
        if method_name == "action_masks":
            return [answer[e] for e in rows]
        return [answer for _ in rows]

    def env_is_wrapped(self, wrapper_class: type[Any], indices: Any = None) -> list[bool]:
        """Say whether rows are wrapped: in nothing, but they report what a Monitor would."""
        return [issubclass(wrapper_class, Monitor)] * len(self._get_rows(indices))

    def get_images(self) -> Sequence[Any]:
        """Refuse: a batch keeps no pictures of its rows.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            "A batch is not rendered. Likely fix: play the policy in gymnasium.make(id, "
            "render_mode='rgb_array'), which is the same environment alone."
        )

    def render(self, mode: str | None = None) -> Any:
        """Refuse: a batch keeps no pictures of its rows.

        Raises:
            UsageError: Always.
        """
        del mode
        return self.get_images()

    def close(self) -> None:
        """Close the batch."""
        self.env.close()

    def _masks_of(self, e: int) -> NDArray[np.bool_]:
        masks: NDArray[np.bool_] = self.env.action_masks()[e]
        return masks

    def _get_rows(self, indices: int | Iterable[int] | None) -> list[int]:
        return list(self._get_indices(indices))


def make_vec_env(env_id: str, num_envs: int, **kwargs: Any) -> SB3VecEnv:
    """Make the native batch of an environment for Stable-Baselines3.

    Args:
        env_id: Such as "seq_gym/CandleTrading-v0".
        num_envs: N.
        kwargs: Arguments of the environment.

    Raises:
        ConfigError: An argument breaks its rule.

    >>> make_vec_env("seq_gym/CandleTrading-v0", 4).reset().shape[0]
    4
    """
    env: Any = gymnasium.make_vec(env_id, num_envs=num_envs, **kwargs)
    return SB3VecEnv(env.unwrapped)
