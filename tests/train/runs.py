"""Small runs for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from seq_gym.train import TrainConfig, ValidationConfig

PPO = {"n_steps": 32, "batch_size": 128, "n_epochs": 2}


def small(out: Path, **changes: Any) -> TrainConfig:
    """Four days of the synthetic market, 2,048 steps in eight environments."""
    values: dict[str, Any] = {
        "symbols": ("BTCUSDT",),
        "end": "2025-01-04",
        "total_steps": 2_048,
        "num_envs": 8,
        "episode_steps": 100,
        "threads": 1,
        "checkpoint_every": 1_024,
        "hyperparameters": PPO,
        "env_settings": {"look_back": 6},
        "validation": ValidationConfig(every=1_024, episodes=3),
        "out": str(out),
    }
    return TrainConfig(**(values | changes))


def weights(model: Any) -> dict[str, Any]:
    """The weights of a model's policy as arrays."""
    return {name: value.cpu().numpy() for name, value in model.policy.state_dict().items()}


def assert_same_weights(one: Any, other: Any) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
