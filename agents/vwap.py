"""VWAP: take in proportion to what the market trades.

    python -m seq_gym.evaluate --agent agents/vwap.py --env seq_gym/Execution-v0

A VWAP schedule follows the volume curve of the day. Nobody knows the rest of it, so the mean rate
of prints seen so far stands for what is to come, and the rate now for this decision:

    part of what is left = rate now / (rate now + mean rate so far x (decisions left - 1))

It takes more while the market is busy and less while it is quiet, and is done at the horizon.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the schedule is told."""

    feature: str = "trade_rate_10s"
    """Feature that measures activity: log(1 + prints a second)."""
    aggressiveness: float = 1.0
    """How far through the opposite touch it takes, part of the environment's `max_offset_ticks`."""


class Vwap:
    """Follows the rate of prints, as far as it is known."""

    env_id = "seq_gym/Execution-v0"
    """The environment that it acts in; evaluate refuses any other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.max_rate, self.steps = 1.0, 1
        self.feature, self.time_left = 0, -1

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Learn which environment this is, and where its columns are."""
        del allow_mismatch
        name = self.settings.feature
        is_execution = "remaining" in getattr(env, "own_names", ())
        fits = is_execution and env.action_space.shape == (2,)
        if not fits or name not in env.feature_names:
            raise ConfigError(
                f"vwap needs action='continuous' of seq_gym/Execution-v0 and the feature {name!r}."
            )
        self.max_rate = float(env.settings.setup.constants["max_rate"])
        self.steps = env.episode_steps
        # The last row of the window is the newest; counted from the end of a flat observation.
        own, features = env.own_names, env.feature_names
        self.feature = features.index(name) - len(features)
        self.time_left = own.index("time_left") - len(own)
        self.num_own = len(own)

    def columns(self, observation: Any) -> tuple[Any, Any]:
        """Return prints a second now, and decisions left, of each row."""
        if isinstance(observation, dict):
            window, own = np.asarray(observation["window"])[..., -1, :], observation["own"]
        else:
            own = np.asarray(observation)
            window = own[..., : -self.num_own]
        rate = np.expm1(np.asarray(window, np.float64)[..., self.feature])
        left = np.rint(np.asarray(own, np.float64)[..., self.time_left] * self.steps)
        return rate, np.maximum(left, 1.0)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return (rate, aggressiveness) of each row, and (sum, count) of rates as the state."""
        del deterministic
        rate, left = self.columns(observation)
        total, count = state if state is not None else (np.zeros_like(rate), np.zeros_like(rate))
        if episode_start is not None:
            fresh = np.broadcast_to(episode_start, rate.shape) if rate.ndim else episode_start[0]
            total, count = np.where(fresh, 0.0, total), np.where(fresh, 0.0, count)
        total, count = total + rate, count + 1.0
        mean = total / count
        ahead = rate + mean * (left - 1.0)
        share = np.where(ahead > 0.0, rate / np.maximum(ahead, 1e-12), 1.0 / left)
        action = np.empty((*rate.shape, 2), np.float32)
        action[..., 0] = 2.0 * share * left / self.max_rate - 1.0
        action[..., 1] = self.settings.aggressiveness
        return np.clip(action, -1.0, 1.0), (total, count)
