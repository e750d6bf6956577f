"""Checkpoints: everything that moves in a run, so that a resumed one goes on as if never stopped.

A checkpoint is a folder of its own: the model as SB3 saves it (weights, optimiser, counters, last
observations), the normaliser, the replay buffer where there is one, the state of the environments
and of every random generator. It is written beside its place and moved there, with the hashes of
its files.
"""

from __future__ import annotations

import json
import pickle
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seq_gym.errors import ConfigError
from seq_gym.runs.folder import read_json
from seq_gym.train.extractors import attach
from seq_gym.train.folder import check_hash, file_hash
from seq_gym.train.vec_env import SB3VecEnv

__all__ = ["latest_checkpoint", "restore_checkpoint", "save_checkpoint"]

_MODEL, _STATE, _NORMALIZER, _BUFFER = "model.zip", "state.pkl", "vecnormalize.pkl", "replay.pkl"
_SUMS = "sums.json"


def save_checkpoint(folder: Path, model: Any, progress: dict[str, Any], keep: int) -> Path:
    """Save a checkpoint, and remove the oldest beyond those that are kept.

    Args:
        folder: Where checkpoints are.
        model: The model, between two rollouts.
        progress: What the callbacks must remember.
        keep: How many there may be.
    """
    folder.mkdir(exist_ok=True)
    target = folder / f"{model.num_timesteps:012d}"
    scratch = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        model.save(scratch / _MODEL)
        (scratch / _STATE).write_bytes(pickle.dumps(_moving_state(model, progress)))
        normalizer = model.get_vec_normalize_env()
        if normalizer is not None:
            normalizer.save(str(scratch / _NORMALIZER))
        if getattr(model, "replay_buffer", None) is not None:
            model.save_replay_buffer(scratch / _BUFFER)
        sums = {path.name: file_hash(path) for path in sorted(scratch.iterdir())}
        (scratch / _SUMS).write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")
        scratch.chmod(0o755)
        shutil.rmtree(target, ignore_errors=True)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    for old in _checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return target


def latest_checkpoint(folder: Path) -> Path:
    """Return the latest checkpoint, its files checked against their hashes.

    Raises:
        ConfigError: There is none, or one of its files is another.
    """
    found = _checkpoints(folder)
    if not found:
        raise ConfigError(
            f"{folder.parent} must hold a checkpoint to be resumed; has none yet. Likely fix: "
            "start the run again."
        )
    for name, recorded in read_json(found[-1] / _SUMS).items():
        check_hash(found[-1] / name, str(recorded))
    return found[-1]


def restore_checkpoint(
    checkpoint: Path, kind: Any, env: SB3VecEnv, *, device: str
) -> tuple[Any, dict[str, Any]]:
    """Load a checkpoint into new environments.

    Args:
        checkpoint: Its folder, already checked.
        kind: Class of the algorithm.
        env: A batch of the same settings; its state is replaced.
        device: Where the networks live.

    Returns:
        The model, ready to go on, and what the callbacks remembered.

    Raises:
        ConfigError: It does not fit.
    """
    from stable_baselines3.common.vec_env import VecNormalize

    state = pickle.loads((checkpoint / _STATE).read_bytes())
    normalizer = None
    around: Any = env
    if (checkpoint / _NORMALIZER).exists():
        normalizer = VecNormalize.load(str(checkpoint / _NORMALIZER), env)
        normalizer.returns = state["returns"]
        around = normalizer
    try:
        model = kind.load(checkpoint / _MODEL, env=around, device=device, force_reset=False)
        attach(model, env)
        env.restore(state["env"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{checkpoint} does not fit its run: {error}") from error
    if (checkpoint / _BUFFER).exists():
        model.load_replay_buffer(checkpoint / _BUFFER)
    # Loading has seeded everything anew: the generators come last.
    _set_random_state(model, state["random"])
    return model, state["progress"]


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(each for each in folder.glob("[0-9]*") if (each / _SUMS).exists())


def _moving_state(model: Any, progress: dict[str, Any]) -> dict[str, Any]:
    normalizer = model.get_vec_normalize_env()
    env = model.get_env().unwrapped
    return {
        "env": env.snapshot(),
        "returns": None if normalizer is None else normalizer.returns,
        "random": {
            "python": random.getstate(),
            "numpy": np.random.get_state(),  # noqa: NPY002 - it is what SB3 draws from
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if model.device.type == "cuda" else [],
            "actions": model.action_space.np_random.bit_generator.state,
        },
        "progress": progress,
    }


def _set_random_state(model: Any, state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002 - it is what SB3 draws from
    torch.set_rng_state(state["torch"])
    if state["cuda"] and model.device.type == "cuda":
        torch.cuda.set_rng_state_all(state["cuda"])
    model.action_space.np_random.bit_generator.state = state["actions"]
