"""What one training run is told: data and its split, environment, algorithm, validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from seq_gym.errors import ConfigError
from seq_gym.runs.book_market import has_books
from seq_gym.runs.book_run import BookRun
from seq_gym.runs.environment import book_env_id, check_env, is_book_env
from seq_gym.runs.market import MarketChoice
from seq_gym.sandbox.params import SandboxParams
from seq_gym.times import parse_interval
from seq_gym.train.algorithms import AlgorithmName, check_settings
from seq_gym.train.sections import (
    BookValidationConfig,
    NetworkConfig,
    NormalizeConfig,
    ValidationConfig,
    at_least,
)

__all__ = [
    "NUMBERS_LEFT_OUT",
    "AnyTrainConfig",
    "TrainBookConfig",
    "TrainChoice",
    "TrainConfig",
    "config_kind",
]

NUMBERS_LEFT_OUT = ("out", "checkpoint_every", "keep_checkpoints")
"""Fields that change no number."""

STARTING_BALANCE = 100_000.0
_OF_A_PARENT = ("reward", "shortfall_bps", "fees")
"""Figures that an episode of Execution-v0 defines."""


# Not slotted: beside a base that has slots, a class may have no other that has.
@dataclass(frozen=True, kw_only=True)
class TrainChoice:
    """What a training run is told whatever it trades.

    Raises:
        ConfigError: A value breaks its rule.
    """

    algo: AlgorithmName = "ppo"
    """Algorithm; DQN takes discrete and ladder actions, SAC continuous ones and weights."""
    env: str | None = None
    """Environment; by default CandleTrading-v0 for one symbol, else Portfolio-v0, and
    BookTrading-v0 where the data is a recorded book. One over books makes it a run on books."""
    market_seed: int = 42
    """Seed of the synthetic market, where no data is named."""
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of training, validation and test, in time order. The test range is for
    `python -m seq_gym.evaluate` alone: nothing in training reads it."""
    total_steps: int = 1_000_000
    """Steps of all environments together; whole rollouts are collected, so a few more."""
    num_envs: int = 256
    """Environments stepped at once."""
    episode_steps: int = 1_000
    """Steps of a training episode, at a random place of the training range."""
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

    def _check(self) -> None:
        check_settings(self.algo, self.hyperparameters)
        at_least(
            1,
            total_steps=self.total_steps,
            num_envs=self.num_envs,
            threads=self.threads,
            checkpoint_every=self.checkpoint_every,
            keep_checkpoints=self.keep_checkpoints,
        )
        at_least(2, episode_steps=self.episode_steps)
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


def _physics() -> SandboxParams:
    return SandboxParams(
        starting_balance=STARTING_BALANCE, execution="next_open", liquidate_on_complete=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig(TrainChoice, MarketChoice):
    """A training run on candles. Training and the choice of the model never read the test range.

    Raises:
        ConfigError: A value breaks its rule.
    """

    embargo: int | None = None
    """Candles left out before each range, at least what an observation reads; by default that."""
    candles_per_step: int = 1
    """Candles between two decisions."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """How the best model is chosen."""
    sandbox: SandboxParams = field(default_factory=_physics)
    """The physics: account, execution, triggers, fees, slippage, limits."""

    def __post_init__(self) -> None:
        MarketChoice.__post_init__(self)
        self._check()
        at_least(1, candles_per_step=self.candles_per_step)
        at_least(0, embargo=self.embargo)
        if self.normalize.scale_features and "feature_scaling" in self.env_settings:
            raise ConfigError(
                "normalize.scale_features fits feature_scaling itself; env_settings had one too. "
                "Likely fix: leave one of them out."
            )

    def resolved(self) -> TrainConfig:
        """Return the same run with every hyperparameter said that is ours: a complete record."""
        return replace(self, hyperparameters=check_settings(self.algo, self.hyperparameters))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainBookConfig(TrainChoice, BookRun):
    """A training run on recorded order books; a step is a decision, and ranges are of time.

    What is not said of the sandbox is what the environment has by itself, as `gymnasium.make(env)`
    has it. The sandbox is settled when a config is made, so `dataclasses.replace(config, env=...)`
    keeps that of the environment before: for another environment make a new config.

    Raises:
        ConfigError: A value breaks its rule.
    """

    embargo: str | None = None
    """Time left out before each range, such as 60s, at least what observations look back; by
    default that. The rows of an observation lie after it."""
    validation: BookValidationConfig = field(default_factory=BookValidationConfig)
    """How the best model is chosen."""

    def __post_init__(self) -> None:
        BookRun.__post_init__(self)
        self._check()
        self._check_spans("embargo")
        if self.normalize.scale_features:
            raise ConfigError(
                "normalize.scale_features is of candles, whose features have no scale of their "
                "own; those of books have. Likely fix: normalize.observations=true."
            )
        self._check_metric()

    def _check_metric(self) -> None:
        metric, is_parent = self.validation.metric, str(self.env).endswith("Execution-v0")
        if is_parent and metric not in _OF_A_PARENT:
            raise ConfigError(
                f"validation.metric must be {', '.join(_OF_A_PARENT[:-1])} or {_OF_A_PARENT[-1]} "
                f"in Execution-v0, whose accounts start with what the order needs; was {metric}. "
                "Likely fix: leave it out."
            )
        if metric == "shortfall_bps" and not is_parent:
            raise ConfigError(
                "validation.metric shortfall_bps is of Execution-v0, which has a parent order. "
                "Likely fix: leave it out."
            )

    @property
    def embargo_ns(self) -> int | None:
        """The embargo in nanoseconds."""
        return None if self.embargo is None else parse_interval(self.embargo)

    def resolved(self) -> TrainBookConfig:
        """Return the same run with its environment and every hyperparameter said.

        Raises:
            ConfigError: The environment is none over books.
        """
        settings = check_settings(self.algo, self.hyperparameters)
        return replace(self, env=book_env_id(self.env), hyperparameters=settings)


AnyTrainConfig: TypeAlias = TrainConfig | TrainBookConfig


def config_kind(env: str | None, data: Sequence[str]) -> type[AnyTrainConfig]:
    """Say which config a run has: by its environment, else by its data.

    Args:
        env: Id of the environment, with or without its namespace, or None.
        data: What it names as data.

    Raises:
        UnknownName: No environment has that id.
    """
    if env is not None:
        check_env(env)  # else words of books would be refused, for want of an environment
        return TrainBookConfig if is_book_env(env) else TrainConfig
    return TrainBookConfig if has_books(tuple(data)) else TrainConfig
