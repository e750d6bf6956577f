"""Trained policies for evaluate: from a run folder, or from a file that the user saved himself.

A run folder is loaded from its config and its weights. The hash of every file is compared with the
recorded one before it is opened, and weights are read by torch as tensors alone; only the
normaliser (vecnormalize.pkl) is a pickle. The hashes tell a damaged or mixed-up folder, not a
malicious one: who can write the model can write the manifest.

A model file alone (`load_model`) is a zip of pickles, as Stable-Baselines3 makes it: it can run
code when it is opened, and is trusted by whoever passes it.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.save_util import load_from_zip_file
from stable_baselines3.common.vec_env import VecNormalize

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.train.algorithms import ALGORITHMS
from seq_gym.train.extractors import attach, settings_of
from seq_gym.train.folder import RunFolder
from seq_gym.train.models import make_policy
from seq_gym.train.specification import refuse_mismatch, specification

__all__ = ["TrainedPolicy", "load_model", "load_run"]

_BROKEN = (
    OSError,
    EOFError,
    AttributeError,
    ImportError,
    KeyError,
    AssertionError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)
"""What Stable-Baselines3, torch and pickle raise on a file that is damaged or of something else."""


class TrainedPolicy:
    """What a run has learned, as a Policy. It acts once it is bound to an environment.

    Args:
        source: Where it came from, for messages.
        normalizer: Frozen statistics of the observations, or None.
        masked: Whether it asks the environment which choices can do anything.
        fit: Makes the network for an environment; refuses one of another specification, unless its
            second argument allows it.
    """

    def __init__(
        self,
        source: str,
        normalizer: VecNormalize | None,
        masked: bool,
        fit: Callable[[Any, bool], Any],
    ) -> None:
        self.source = source
        self._fit = fit
        self._normalizer = normalizer
        self._masked = masked
        self._env: Any = None
        self._policy: Any = None

    def bind(self, env: Any, *, allow_mismatch: bool = False) -> None:
        """Get ready to act in an environment, single or batch.

        Args:
            env: The environment.
            allow_mismatch: Take it even where its specification is not that of the training.

        Raises:
            ConfigError: The specification is another, or the weights do not fit.
        """
        self._policy = self._fit(getattr(env, "unwrapped", env), allow_mismatch)
        self._env = env

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[Any, Any]:
        """Return actions for one observation or a batch of them; see seq_gym.policy.Policy."""
        if self._policy is None:
            raise UsageError("predict needs an environment; call bind(env) first.")
        if self._normalizer is not None:
            observation = self._normalizer.normalize_obs(observation)
        extra = {}
        if self._masked:
            extra["action_masks"] = getattr(self._env, "unwrapped", self._env).action_masks()
        answer: tuple[Any, Any] = self._policy.predict(
            observation, state, episode_start, deterministic, **extra
        )
        return answer


def load_run(folder: str | Path) -> TrainedPolicy:
    """Load the chosen model of a run folder: the best one on validation, where there was any.

    Raises:
        ConfigError: It is no such folder, or a file is not the one that the run recorded.
    """
    run = RunFolder.open(folder)
    manifest, config = run.manifest(), run.config()
    recorded = manifest["specification"]
    path = run.checked(str(manifest.get("policy", "model.zip")))
    statistics = manifest.get("normalizer")
    normalizer = None if statistics is None else _normalizer(run.checked(statistics))
    parameters = _weights(path)

    def fit(env: Any, allow_mismatch: bool) -> Any:
        present = specification(settings_of(env))
        refuse_mismatch(str(run.path), recorded, present, allowed=allow_mismatch)
        try:
            return make_policy(config.algo, config.network, env, parameters)
        except _BROKEN as error:
            raise _no_fit(path, error) from error

    return TrainedPolicy(str(run.path), normalizer, config.algo == "maskable_ppo", fit)


def load_model(
    path: str | Path, algo: str | None, vecnormalize: str | Path | None = None
) -> TrainedPolicy:
    """Load a model that `model.save(path)` has written. The file is trusted by whoever passes it.

    Args:
        path: The zip.
        algo: The algorithm that it is of.
        vecnormalize: What `VecNormalize.save` has written beside it, where there was one.

    Raises:
        UnknownName: No such algorithm.
        ConfigError: A file is missing, damaged, or something else.
    """
    if algo is None:
        raise ConfigError(
            f"A model file needs its algorithm; {path} was given without. Likely fix: --algo ppo."
        )
    if algo not in ALGORITHMS:
        raise UnknownName("algorithm", algo, ALGORITHMS)
    normalizer = None if vecnormalize is None else _normalizer(Path(vecnormalize))
    model = _saved_model(path, algo)

    def fit(env: Any, allow_mismatch: bool) -> Any:
        present = {name: _described(_single(env, name)) for name in ("observation", "action")}
        recorded = {
            "observation": _described(model.observation_space),
            "action": _described(model.action_space),
        }
        # A file does not say which data and settings it was trained with.
        advice = "the --symbols, --env and --set that it was trained with"
        refuse_mismatch(str(path), recorded, present, allowed=allow_mismatch, fix=advice)
        attach(model, env)
        return model.policy

    return TrainedPolicy(str(path), normalizer, algo == "maskable_ppo", fit)


def _saved_model(path: str | Path, algo: str) -> Any:
    """Load a model with its algorithm's own loader."""
    try:
        return ALGORITHMS[algo].load_class().load(path, device="cpu")
    except _BROKEN as error:
        raise ConfigError(
            f"{path} must be a model of {algo} that Stable-Baselines3 saved; cannot be loaded "
            f"({_brief(error)}). Likely fix: --algo with the algorithm that made it."
        ) from error


def _weights(path: Path) -> Any:
    """Read the weights of a policy, as tensors alone."""
    try:
        _, parameters, _ = load_from_zip_file(path, device="cpu", load_data=False)
        return parameters["policy"]
    except _BROKEN as error:
        raise ConfigError(
            f"{path} must be a model that Stable-Baselines3 saved; was not ({_brief(error)})."
        ) from error


def _normalizer(path: Path) -> VecNormalize:
    try:
        found = pickle.loads(path.read_bytes())
    except _BROKEN as error:
        raise ConfigError(
            f"{path} must hold a VecNormalize; cannot be read ({_brief(error)})."
        ) from error
    if not isinstance(found, VecNormalize):
        raise ConfigError(f"{path} must hold a VecNormalize; was {type(found).__name__}.")
    found.training = False
    return found


def _single(env: Any, name: str) -> spaces.Space[Any]:
    own: spaces.Space[Any] = getattr(env, f"{name}_space")
    found: spaces.Space[Any] = getattr(env, f"single_{name}_space", own)
    return found


def _described(space: spaces.Space[Any]) -> Any:
    """Return what of a space a network is made for."""
    if isinstance(space, spaces.Dict):
        return {name: _described(part) for name, part in space.items()}
    if isinstance(space, spaces.Box):
        return f"Box{tuple(space.shape)}"
    return str(space)


def _no_fit(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"The weights of {path} do not fit the environment ({_brief(error)}).")


def _brief(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {' '.join(lines[:2]).strip()}"[:200] if lines else repr(error)
