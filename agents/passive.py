"""Passive: rest at the own touch all the time, and never take before the horizon.

    python -m seq_gym.evaluate --agent agents/passive.py --env seq_gym/Execution-v0

It pays no spread where it is filled; what is left at the horizon goes as a market order, at
whatever the price is then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the schedule is told."""

    behind: float = 0.0
    """How far behind the own touch it rests, part of the environment's `max_offset_ticks`."""


class Passive:
    """Rests as much as the environment lets it."""

    env_id = "seq_gym/Execution-v0"
    """The environment that it acts in; evaluate refuses any other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Check which environment this is."""
        del allow_mismatch
        is_execution = "remaining" in getattr(env, "own_names", ())
        if not is_execution or env.action_space.shape != (2,):
            raise ConfigError("passive needs action='continuous' of seq_gym/Execution-v0.")

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
        action[..., 1] = -self.settings.behind
        return action, state
