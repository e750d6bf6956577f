"""TWAP: take the same part of the parent order at every decision.

    python -m seq_gym.evaluate --agent agents/twap.py --env seq_gym/Execution-v0

It knows nothing of the market. What every other schedule must beat.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the schedule is told."""

    aggressiveness: float = 1.0
    """How far through the opposite touch it takes, part of the environment's `max_offset_ticks`."""


class Twap:
    """One slice a decision: what is left over the decisions that are left."""

    env_id = "seq_gym/Execution-v0"
    """The environment that it acts in; evaluate refuses any other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.max_rate = 1.0

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Learn which environment this is."""
        del allow_mismatch
        is_execution = "remaining" in getattr(env, "own_names", ())
        if not is_execution or env.action_space.shape != (2,):
            raise ConfigError("twap needs action='continuous' of seq_gym/Execution-v0.")
        self.max_rate = float(env.settings.setup.constants["max_rate"])

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
        action = np.empty((*own.shape[:-1], 2), np.float32)
        action[..., 0] = 2.0 / self.max_rate - 1.0
        action[..., 1] = self.settings.aggressiveness
        return np.clip(action, -1.0, 1.0), state
