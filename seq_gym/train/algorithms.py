"""The algorithms: their classes, the actions they can take, their settings and our defaults.

SB3's own defaults are made for eight slow environments. A step of the native batch costs less than
its policy's forward pass, so ours collect from many rows at once and learn from large minibatches:
the same number of steps keeps two cores busy instead of waiting for Python between small matrices
(docs/training.md shows the gain).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from seq_gym.errors import ConfigError, MissingExtra, UnknownName

__all__ = [
    "ALGORITHMS",
    "BOOK_ACTIONS",
    "CANDLE_ACTIONS",
    "Algorithm",
    "AlgorithmName",
    "actions_of",
    "check_action",
    "check_settings",
    "fitting_actions",
]

AlgorithmName = Literal["ppo", "a2c", "dqn", "sac", "maskable_ppo"]

_ON_POLICY = (
    "learning_rate",
    "n_steps",
    "gamma",
    "gae_lambda",
    "ent_coef",
    "vf_coef",
    "max_grad_norm",
    "normalize_advantage",
)
_PPO = (*_ON_POLICY, "batch_size", "n_epochs", "clip_range", "clip_range_vf", "target_kl")
_OFF_POLICY = (
    "learning_rate",
    "buffer_size",
    "learning_starts",
    "batch_size",
    "tau",
    "gamma",
    "train_freq",
    "gradient_steps",
    "target_update_interval",
)
_DQN = (
    *_OFF_POLICY,
    "exploration_fraction",
    "exploration_initial_eps",
    "exploration_final_eps",
    "max_grad_norm",
)

_WHOLE = (
    "n_steps",
    "batch_size",
    "n_epochs",
    "buffer_size",
    "learning_starts",
    "train_freq",
    "gradient_steps",
    "target_update_interval",
)
_SHARES = (
    "gamma",
    "gae_lambda",
    "tau",
    "exploration_fraction",
    "exploration_initial_eps",
    "exploration_final_eps",
)
"""Settings that are from 0 to 1."""
_WORDS = ("ent_coef", "target_entropy")
"""Settings that SAC may find by itself: "auto"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """An algorithm that can be trained.

    Attributes:
        module: Where its class is.
        name: Name of the class.
        spaces: Names of the spaces whose actions it can take.
        settings: Arguments of the class that a config may set.
        defaults: Our values of some of them.
        on_policy: Whether it learns from rollouts alone, without a replay buffer.
    """

    module: str
    name: str
    spaces: tuple[str, ...]
    settings: tuple[str, ...]
    defaults: Mapping[str, Any]
    on_policy: bool = True

    def load_class(self) -> Any:
        """Import the class.

        Raises:
            MissingExtra: Its library is not installed.
        """
        try:
            return getattr(importlib.import_module(self.module), self.name)
        except ImportError as error:
            raise MissingExtra(self.module, "train") from error


CANDLE_ACTIONS: Mapping[str, str] = MappingProxyType(
    {
        "discrete": "Discrete",
        "ladder": "Discrete",
        "continuous": "Box",
        "weights": "Box",
        "order": "MultiDiscrete",
    }
)
BOOK_ACTIONS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "BookTrading-v0": {"target": "Box", "discrete": "Discrete", "order": "MultiDiscrete"},
        "MarketMaking-v0": {"continuous": "Box", "discrete": "MultiDiscrete"},
        "Execution-v0": {"continuous": "Box", "discrete": "Discrete"},
    }
)
"""Kinds of action of the environments, each with its space; the default is the first."""

_PPO_DEFAULTS = MappingProxyType(
    {
        "learning_rate": 3e-4,
        "n_steps": 64,
        "batch_size": 2048,
        "n_epochs": 4,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "clip_range": 0.2,
        "ent_coef": 0.0,
    }
)

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "ppo": Algorithm(
            module="stable_baselines3",
            name="PPO",
            spaces=("Discrete", "Box", "MultiDiscrete"),
            settings=_PPO,
            defaults=_PPO_DEFAULTS,
        ),
        "a2c": Algorithm(
            module="stable_baselines3",
            name="A2C",
            spaces=("Discrete", "Box", "MultiDiscrete"),
            settings=(*_ON_POLICY, "rms_prop_eps", "use_rms_prop"),
            defaults=MappingProxyType(
                {"learning_rate": 7e-4, "n_steps": 16, "gamma": 0.99, "gae_lambda": 0.95}
            ),
        ),
        "dqn": Algorithm(
            module="stable_baselines3",
            name="DQN",
            spaces=("Discrete",),
            settings=_DQN,
            defaults=MappingProxyType(
                {
                    "learning_rate": 1e-4,
                    "buffer_size": 200_000,
                    "learning_starts": 10_000,
                    "batch_size": 512,
                    "gamma": 0.99,
                    "train_freq": 4,
                    "gradient_steps": 4,
                    "target_update_interval": 5_000,
                    "exploration_fraction": 0.2,
                }
            ),
            on_policy=False,
        ),
        "sac": Algorithm(
            module="stable_baselines3",
            name="SAC",
            spaces=("Box",),
            settings=(*_OFF_POLICY, "ent_coef", "target_entropy"),
            defaults=MappingProxyType(
                {
                    "learning_rate": 3e-4,
                    "buffer_size": 200_000,
                    "learning_starts": 10_000,
                    "batch_size": 512,
                    "gamma": 0.99,
                    "train_freq": 1,
                    "gradient_steps": 4,
                }
            ),
            on_policy=False,
        ),
        "maskable_ppo": Algorithm(
            module="sb3_contrib",
            name="MaskablePPO",
            spaces=("Discrete", "MultiDiscrete"),
            settings=_PPO,
            defaults=_PPO_DEFAULTS,
        ),
    }
)
"""The algorithms by the names that a config gives them."""


def check_settings(algo: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an algorithm: what was given over our defaults.

    Raises:
        UnknownName: The algorithm has no such setting.
        ConfigError: A value is no number, not a whole one, or beyond what it may be.
    """
    known = ALGORITHMS[algo].settings
    for name, value in given.items():
        if name not in known:
            raise UnknownName(f"setting of {algo}", name, known)
        is_word = algo == "sac" and name in _WORDS and str(value).startswith("auto")
        kinds = int if name in _WHOLE else int | float
        if not is_word and not isinstance(value, kinds):
            rule = "a whole number" if name in _WHOLE else "a number"
            raise ConfigError(f"hyperparameters.{name} must be {rule}; was {value!r}.")
        if name in _WHOLE and value < 1 and name not in ("learning_starts", "gradient_steps"):
            raise ConfigError(f"hyperparameters.{name} must be at least 1; was {value}.")
        if name in _SHARES and not 0.0 <= value <= 1.0:
            raise ConfigError(f"hyperparameters.{name} must be from 0 to 1; was {value}.")
    return {**ALGORITHMS[algo].defaults, **given}


def actions_of(env: str | None) -> Mapping[str, str]:
    """Return the kinds of action of an environment with their spaces, its default first.

    Args:
        env: Its id, with or without its namespace; None: one over candles.
    """
    return BOOK_ACTIONS.get(str(env).rpartition("/")[2], CANDLE_ACTIONS)


def fitting_actions(algo: str, env: str | None = None) -> list[str]:
    """Return the kinds of action of an environment that an algorithm can take."""
    spaces = ALGORITHMS[algo].spaces
    return [action for action, space in actions_of(env).items() if space in spaces]


def check_action(algo: str, action: str, env: str | None = None) -> None:
    """Refuse an action that an algorithm cannot take.

    Args:
        algo: Name of the algorithm.
        action: Kind of the action.
        env: Id of the environment; None: one over candles.

    Raises:
        ConfigError: It cannot; names the algorithms that can, and the actions that fit.
    """
    fitting = fitting_actions(algo, env)
    if action in fitting:
        return
    others = " or ".join(name for name in ALGORITHMS if action in fitting_actions(name, env))
    if not fitting:
        raise ConfigError(
            f"env must have an action that {algo} can take; {env} has none. Likely fix: train it "
            f"with {others}."
        )
    raise ConfigError(
        f"action must be one that {algo} can take ({', '.join(fitting)}); was {action!r}. "
        f"Likely fix: action={fitting[0]!r}, or train it with {others}."
    )
