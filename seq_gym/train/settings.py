"""What one training run is told: data and its split, environment, algorithm, validation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from seq_gym.errors import ConfigError
from seq_gym.runs.market import MarketChoice
from seq_gym.sandbox.params import SandboxParams
from seq_gym.train.algorithms import AlgorithmName, check_settings

__all__ = [
    "METRICS",
    "NUMBERS_LEFT_OUT",
    "NetworkConfig",
    "NormalizeConfig",
    "TrainConfig",
    "ValidationConfig",
]

NUMBERS_LEFT_OUT = ("out", "checkpoint_every", "keep_checkpoints")
"""Fields that change no number."""

METRICS = {
    "sharpe_ratio": 1.0,
    "total_return_frac": 1.0,
    "reward": 1.0,
    "max_drawdown_frac": -1.0,
    "turnover_frac": -1.0,
    "fees": -1.0,
}
"""Figures by which a model may be chosen, and whether more of it is better."""


def _physics() -> SandboxParams:
    return SandboxParams(
        starting_balance=100_000.0, execution="next_open", liquidate_on_complete=False
    )


def _at_least(low: float, **values: float | None) -> None:
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
        _at_least(1, features_dim=self.features_dim, hidden=min(self.hidden, default=1))


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
class ValidationConfig:
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
    metric: Literal[
        "sharpe_ratio",
        "total_return_frac",
        "reward",
        "max_drawdown_frac",
        "turnover_frac",
        "fees",
    ] = "sharpe_ratio"
    """Figure whose mean over the windows chooses; a Sharpe ratio without trades counts as 0."""
    patience: int | None = None
    """Validations without a better model after which training stops; by default it never does."""

    def __post_init__(self) -> None:
        _at_least(1, every=self.every, episodes=self.episodes, patience=self.patience)
        _at_least(2, episode_steps=self.episode_steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig(MarketChoice):
    """A training run. Training and the choice of the model never read the test range.

    Raises:
        ConfigError: A value breaks its rule.
    """

    algo: AlgorithmName = "ppo"
    """Algorithm; DQN takes discrete and ladder actions, SAC continuous ones and weights."""
    env: str | None = None
    """Environment; by default CandleTrading-v0 for one symbol, else Portfolio-v0."""
    market_seed: int = 42
    """Seed of the synthetic market, where no data is named."""
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of training, validation and test, in time order. The test range is for
    `python -m seq_gym.evaluate` alone: nothing in training reads it."""
    embargo: int | None = None
    """Candles left out before each range, at least what an observation reads; by default that."""
    total_steps: int = 1_000_000
    """Steps of all environments together; whole rollouts are collected, so a few more."""
    num_envs: int = 256
    """Environments stepped at once."""
    episode_steps: int = 1_000
    """Steps of a training episode, at a random place of the training range."""
    candles_per_step: int = 1
    """Candles between two decisions."""
    seed: int = 0
    """Seed of weights, exploration, windows and everything else of training."""
    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """Where the networks live; auto takes a GPU where there is one."""
    threads: int = 2
    """Threads of torch; the same number gives the same weights."""
    schedule: Literal["constant", "linear"] = "constant"
    """Whether the learning rate stays or falls to 0 at the end of the run."""
    checkpoint_every: int = 250_000
    """Steps between two checkpoints, from which a run is resumed."""
    keep_checkpoints: int = 2
    """Checkpoints that are kept, the latest ones."""
    out: str = "runs"
    """Folder in which the run folder is made."""
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    """Arguments of the algorithm as Stable-Baselines3 names them; what is not said is ours."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Other keyword arguments of the environment: action, features, look_back, reward, ..."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The networks of the policy."""
    normalize: NormalizeConfig = field(default_factory=NormalizeConfig)
    """What is brought to a common scale."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """How the best model is chosen."""
    sandbox: SandboxParams = field(default_factory=_physics)
    """The physics: account, execution, triggers, fees, slippage, limits."""

    def __post_init__(self) -> None:
        MarketChoice.__post_init__(self)
        check_settings(self.algo, self.hyperparameters)
        _at_least(
            1,
            total_steps=self.total_steps,
            num_envs=self.num_envs,
            candles_per_step=self.candles_per_step,
            threads=self.threads,
            checkpoint_every=self.checkpoint_every,
            keep_checkpoints=self.keep_checkpoints,
        )
        _at_least(2, episode_steps=self.episode_steps)
        _at_least(0, embargo=self.embargo)
        if self.normalize.scale_features and "feature_scaling" in self.env_settings:
            raise ConfigError(
                "normalize.scale_features fits feature_scaling itself; env_settings had one too. "
                "Likely fix: leave one of them out."
            )
        for name in ("seed", "market_seed"):
            value = getattr(self, name)
            # SB3 seeds row e of a batch with seed + e, and numpy takes 32 bits.
            if not 0 <= value < 2**32 - self.num_envs:
                raise ConfigError(f"{name} must be from 0 to 2^32 - num_envs - 1; was {value}.")
        if min(self.split) <= 0 or not math.isclose(sum(self.split), 1.0):
            raise ConfigError(
                "split must be three shares above 0 that sum to 1; was "
                f"{', '.join(f'{share:g}' for share in self.split)}."
            )

    def resolved(self) -> TrainConfig:
        """Return the same run with every hyperparameter said that is ours: a complete record."""
        return replace(self, hyperparameters=check_settings(self.algo, self.hyperparameters))
