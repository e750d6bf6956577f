"""From a config to a model of Stable-Baselines3, and to a policy without the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecNormalize

from seq_gym.envs.book.settings import BookEnvSettings
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import ConfigError
from seq_gym.train.algorithms import ALGORITHMS
from seq_gym.train.extractors import extractor_arguments, settings_of
from seq_gym.train.sections import NetworkConfig
from seq_gym.train.settings import TrainChoice
from seq_gym.train.vec_env import SB3VecEnv

__all__ = [
    "LinearRate",
    "choose_device",
    "make_model",
    "make_policy",
    "normalized",
    "policy_arguments",
    "policy_name",
]


class LinearRate:
    """A learning rate that falls to 0 at the end of the run."""

    def __init__(self, initial: float) -> None:
        self.initial = initial

    def __call__(self, progress_remaining: float) -> float:
        """Return the rate where that part of the run remains."""
        return self.initial * progress_remaining


def choose_device(name: str) -> str:
    """Return "cpu" or "cuda".

    Raises:
        ConfigError: A GPU is asked for and there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device must be cpu on a machine without CUDA; was cuda. Or use auto.")
    return name


def normalized(config: TrainChoice, env: SB3VecEnv) -> SB3VecEnv | VecNormalize:
    """Wrap a batch in VecNormalize where the config asks for it."""
    told = config.normalize
    if not told.observations and not told.rewards:
        return env
    # A cursor that is scaled points elsewhere.
    is_index = "index" in getattr(env.observation_space, "spaces", {})
    return VecNormalize(
        env,
        norm_obs=told.observations,
        norm_reward=told.rewards,
        clip_obs=told.clip,
        clip_reward=told.clip,
        gamma=config.hyperparameters.get("gamma", 0.99),
        norm_obs_keys=["portfolio"] if is_index and told.observations else None,
    )


def policy_arguments(
    network: NetworkConfig, settings: EnvSettings | BookEnvSettings
) -> dict[str, Any]:
    """Return the arguments of a policy's networks."""
    arguments: dict[str, Any] = {"net_arch": list(network.hidden)}
    is_plain = network.extractor == "mlp" and network.features_dim is None
    if settings.observation == "flat" and is_plain:
        return arguments  # SB3's own: nothing is between the observation and the first layer
    extractor = extractor_arguments(
        settings, network=network.extractor, features_dim=network.features_dim
    )
    return arguments | extractor


def make_model(config: TrainChoice, env: Any, settings: EnvSettings | BookEnvSettings) -> Any:
    """Make the model of a run, untrained.

    Args:
        config: The run.
        env: What it is trained in: an SB3VecEnv, or a VecNormalize around it.
        settings: Those of the environment.

    Raises:
        ConfigError: The algorithm refuses a setting.
    """
    values = dict(config.hyperparameters)
    _check_batch(config)
    if config.schedule == "linear":
        values["learning_rate"] = LinearRate(values["learning_rate"])
    kind = ALGORITHMS[config.algo].load_class()
    try:
        return kind(
            policy_name(env.observation_space),
            env,
            policy_kwargs=policy_arguments(config.network, settings),
            seed=config.seed,
            device=choose_device(config.device),
            **values,
        )
    except (AssertionError, TypeError, ValueError) as error:
        raise ConfigError(f"hyperparameters: {config.algo} refuses them: {error}") from error


def make_policy(algo: str, network: NetworkConfig, env: Any, parameters: Mapping[str, Any]) -> Any:
    """Make a policy alone, with the weights of a trained one.

    Args:
        algo: Name of the algorithm.
        network: Its networks.
        env: The environment that it will act in, one or a batch.
        parameters: Its state dict.

    Raises:
        RuntimeError: The weights do not fit.
    """
    settings = settings_of(env)
    space = getattr(env, "single_observation_space", env.observation_space)
    actions = getattr(env, "single_action_space", env.action_space)
    kind = ALGORITHMS[algo].load_class().policy_aliases[policy_name(space)]
    policy = kind(space, actions, lambda _: 0.0, **policy_arguments(network, settings))
    policy.load_state_dict(parameters)
    policy.set_training_mode(False)
    return policy


def policy_name(space: spaces.Space[Any]) -> str:
    """Return SB3's name of the policy for an observation space."""
    return "MultiInputPolicy" if isinstance(space, spaces.Dict) else "MlpPolicy"


def _check_batch(config: TrainChoice) -> None:
    """Refuse minibatches that leave a rest of the rollout, which would weigh more than others."""
    values = config.hyperparameters
    if "n_epochs" not in ALGORITHMS[config.algo].settings:
        return
    rollout, batch = values["n_steps"] * config.num_envs, values["batch_size"]
    if batch < 2 or rollout % batch:
        fitting = [size for size in range(2, rollout + 1) if rollout % size == 0] or [rollout]
        close = min(fitting, key=lambda size: abs(float(np.log(size / max(batch, 1)))))
        raise ConfigError(
            f"batch_size must divide the {rollout} steps of a rollout (n_steps x num_envs); was "
            f"{batch}. Likely fix: batch_size={close}."
        )
