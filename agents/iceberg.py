"""Iceberg: show a little at the touch, again and again, and take when behind the schedule.

    python -m seq_gym.evaluate --agent agents/iceberg.py --env seq_gym/Execution-v0

It earns the spread where the market comes to it. What has not been filled by `patience` behind a
TWAP is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the schedule is told."""

    shown: float = 5.0
    """Slices at rest: a slice is what is left over the decisions that are left."""
    patience: float = 0.05
    """Part of the parent order that it may lie behind a TWAP before it takes."""
    aggressiveness: float = 1.0
    """How far through the opposite touch it takes, part of the environment's `max_offset_ticks`."""


class Iceberg:
    """Rests a small order at the touch; takes when it is late."""

    env_id = "seq_gym/Execution-v0"
    """The environment that it acts in; evaluate refuses any other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.max_rate = 1.0
        self.time_left, self.remaining = -1, -1

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Learn which environment this is, and where its columns are."""
        del allow_mismatch
        is_execution = "remaining" in getattr(env, "own_names", ())
        if not is_execution or env.action_space.shape != (2,):
            raise ConfigError("iceberg needs action='continuous' of seq_gym/Execution-v0.")
        self.max_rate = float(env.settings.setup.constants["max_rate"])
        own = env.own_names
        self.time_left = own.index("time_left") - len(own)
        self.remaining = own.index("remaining") - len(own)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return (rate, aggressiveness) of each row, float32 [..., 2]."""
        del episode_start, deterministic
        own = np.asarray(observation["own"] if isinstance(observation, dict) else observation)
        behind = own[..., self.remaining] - own[..., self.time_left]
        is_late = behind > self.settings.patience
        action = np.empty((*own.shape[:-1], 2), np.float32)
        action[..., 0] = 2.0 * np.where(is_late, 1.0, self.settings.shown) / self.max_rate - 1.0
        action[..., 1] = np.where(is_late, self.settings.aggressiveness, 0.0)
        return np.clip(action, -1.0, 1.0), state
