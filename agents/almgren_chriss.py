"""Almgren-Chriss: trade early by as much as risk is worth its impact.

    python -m seq_gym.evaluate --agent agents/almgren_chriss.py --env seq_gym/Execution-v0

With x the part of the parent order that is left, v = -dx/dt, sigma the volatility, eta the
temporary impact and lambda the aversion to risk, Almgren and Chriss (2001, Optimal execution of
portfolio transactions) minimise E + lambda V,

    E = integral of eta v^2 dt,   V = integral of sigma^2 x^2 dt,

by x(t) = sinh(kappa (T - t)) / sinh(kappa T), kappa = sqrt(lambda sigma^2 / eta). The schedule is
consistent in time: from any moment on it does the part

    1 - sinh(kappa (T - t - dt)) / sinh(kappa (T - t))

of what is left then. lambda = 0 is a TWAP. Costs are basis points of the parent order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError

SECONDS_PER_YEAR = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the schedule is told."""

    risk_aversion: float = 0.05
    """lambda, per basis point."""
    temporary_impact: float = 30.0
    """eta, basis points x seconds: doing all of it in T seconds costs eta / T."""
    volatility: float = 1.0
    """sigma, basis points per root second, where the feature below is not observed."""
    feature: str = "realized_volatility_1m"
    """Feature that measures volatility, per root year; read at the first decision."""
    aggressiveness: float = 1.0
    """How far through the opposite touch it takes, part of the environment's `max_offset_ticks`."""


class AlmgrenChriss:
    """The sinh schedule, with the volatility known at arrival."""

    env_id = "seq_gym/Execution-v0"
    """The environment that it acts in; evaluate refuses any other."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.max_rate, self.steps, self.interval_s = 1.0, 1, 0.1
        self.feature: int | None = None
        self.time_left, self.num_own = -1, 1

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Learn which environment this is, and where its columns are."""
        del allow_mismatch
        is_execution = "remaining" in getattr(env, "own_names", ())
        if not is_execution or env.action_space.shape != (2,):
            raise ConfigError("almgren_chriss needs action='continuous' of seq_gym/Execution-v0.")
        self.max_rate = float(env.settings.setup.constants["max_rate"])
        self.steps = env.episode_steps
        self.interval_s = float(np.median(np.diff(env.times))) / 1e9
        own, features = env.own_names, env.feature_names
        self.time_left, self.num_own = own.index("time_left") - len(own), len(own)
        self.feature = None
        if self.settings.feature in features:
            self.feature = features.index(self.settings.feature) - len(features)

    def volatility(self, observation: Any) -> Any:
        """Return sigma of each row, basis points per root second."""
        if isinstance(observation, dict):
            window = np.asarray(observation["window"], np.float64)[..., -1, :]
        else:
            window = np.asarray(observation, np.float64)[..., : -self.num_own]
        if self.feature is None:
            return np.full(window.shape[:-1], self.settings.volatility)
        return window[..., self.feature] * 1e4 / np.sqrt(SECONDS_PER_YEAR)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return (rate, aggressiveness) of each row, and sigma at arrival as the state."""
        del deterministic
        own = np.asarray(observation["own"] if isinstance(observation, dict) else observation)
        left = np.maximum(np.rint(own[..., self.time_left] * float(self.steps)), 1.0)
        sigma = self.volatility(observation)
        if state is not None:
            fresh = np.zeros(1, np.bool_) if episode_start is None else np.asarray(episode_start)
            sigma = np.where(fresh if sigma.ndim else fresh[0], sigma, state)
        kappa = np.sqrt(self.settings.risk_aversion / self.settings.temporary_impact) * sigma
        step = np.maximum(kappa * self.interval_s, 1e-9)
        # sinh(a) / sinh(b) without overflow, a < b
        a, b = step * (left - 1.0), step * left
        share = 1.0 - np.exp(a - b) * np.expm1(-2.0 * a) / np.expm1(-2.0 * b)
        action = np.empty((*left.shape, 2), np.float32)
        action[..., 0] = 2.0 * share * left / self.max_rate - 1.0
        action[..., 1] = self.settings.aggressiveness
        return np.clip(action, -1.0, 1.0), sigma
