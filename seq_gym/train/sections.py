"""The sections of a training config: networks, scales, validation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from seq_gym.errors import ConfigError

__all__ = [
    "METRICS",
    "BookValidationConfig",
    "NetworkConfig",
    "NormalizeConfig",
    "ValidationConfig",
    "at_least",
]

METRICS = {
    "sharpe_ratio": 1.0,
    "total_return_frac": 1.0,
    "reward": 1.0,
    "max_drawdown_frac": -1.0,
    "turnover_frac": -1.0,
    "fees": -1.0,
    "shortfall_bps": -1.0,
}
"""Figures by which a model may be chosen, and whether more of it is better."""


def at_least(low: float, **values: float | None) -> None:
    """Refuse numbers below a least one; None is none.

    Raises:
        ConfigError: One is, or is not finite; names it.
    """
    for name, value in values.items():
        if value is not None and not low <= value < math.inf:
            raise ConfigError(f"{name} must be at least {low:g}; was {value:g}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """The networks of a policy.

    Raises:
        ConfigError: A value breaks its rule.
    """

    extractor: Literal["mlp", "cnn", "gru"] = "mlp"
    """What reads a window: an MLP, a 1-D CNN over time, or a GRU."""
    features_dim: int | None = None
    """Numbers that it makes of a window; by default 64, and for mlp the window as it is, so that
    the hidden layers are the whole network."""
    hidden: tuple[int, ...] = (64, 64)
    """Hidden layers of policy and of value, each."""

    def __post_init__(self) -> None:
        at_least(1, features_dim=self.features_dim, hidden=min(self.hidden, default=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizeConfig:
    """What is brought to a common scale. Everything is fitted on training data alone.

    Raises:
        ConfigError: A value breaks its rule.
    """

    scale_features: bool = False
    """Scale each feature by its mean and deviation over the training range (scaling.json)."""
    observations: bool = False
    """Scale observations by running statistics: SB3's VecNormalize, frozen outside of training."""
    rewards: bool = False
    """Scale rewards of training by the running deviation of the return: SB3's VecNormalize."""
    clip: float = 10.0
    """Largest magnitude of what VecNormalize has scaled."""

    def __post_init__(self) -> None:
        if not 0.0 < self.clip < math.inf:
            raise ConfigError(f"clip must be above 0; was {self.clip:g}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationChoice:
    """How the best model is chosen: always on the same windows of the validation range.

    Raises:
        ConfigError: A value breaks its rule.
    """

    every: int = 100_000
    """Steps of training between two validations."""
    episodes: int = 16
    """Windows of validation, spread evenly over its range; fewer where that many do not fit."""
    episode_steps: int | None = None
    """Steps of a window; by default those of a training episode."""
    patience: int | None = None
    """Validations without a better model after which training stops; by default it never does."""

    def __post_init__(self) -> None:
        at_least(1, every=self.every, episodes=self.episodes, patience=self.patience)
        at_least(2, episode_steps=self.episode_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationConfig(ValidationChoice):
    """How the best model of a run on candles is chosen.

    Raises:
        ConfigError: A value breaks its rule.
    """

    metric: Literal[
        "sharpe_ratio",
        "total_return_frac",
        "reward",
        "max_drawdown_frac",
        "turnover_frac",
        "fees",
    ] = "sharpe_ratio"
    """Figure whose mean over the windows chooses; a Sharpe ratio without trades counts as 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookValidationConfig(ValidationChoice):
    """How the best model of a run on recorded books is chosen.

    Raises:
        ConfigError: A value breaks its rule.
    """

    metric: Literal[
        "reward",
        "sharpe_ratio",
        "total_return_frac",
        "max_drawdown_frac",
        "turnover_frac",
        "fees",
        "shortfall_bps",
    ] = "reward"
    """Figure whose mean over the windows chooses; in Execution-v0 reward, shortfall_bps or fees,
    elsewhere all but shortfall_bps. A Sharpe ratio of seconds is mostly that of the bounce between
    bid and ask."""
