"""Aggressive: take at the full rate, so that most is done early.

    python -m seq_gym.evaluate --agent agents/aggressive.py --env seq_gym/Execution-v0

A part of what is left at every decision: it pays spread and impact for little risk of the price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the schedule is told."""

    through: float = 1.0
    """How far through the opposite touch it takes, part of the environment's `max_offset_ticks`."""


class Aggressive:
    """Takes at the full rate."""

    env_id = "seq_gym/Execution-v0"
    """The environment that it acts in; evaluate refuses any other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Check which environment this is."""
        del allow_mismatch
        is_execution = "remaining" in getattr(env, "own_names", ())
        if not is_execution or env.action_space.shape != (2,):
            raise ConfigError("aggressive needs action='continuous' of seq_gym/Execution-v0.")

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
        action = np.ones((*own.shape[:-1], 2), np.float32)
        action[..., 1] = self.settings.through
        return action, state
