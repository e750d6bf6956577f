"""Small runs for the tests of training."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np

from seq_gym.train import BookValidationConfig, TrainBookConfig, TrainConfig, ValidationConfig

PPO = {"n_steps": 32, "batch_size": 128, "n_epochs": 2}
SHORT = ["imbalance_1", "microprice_bps", "trade_imbalance_1s"]
"""Features of a book that look back three seconds; what is known of fills looks back thirty."""


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


def small_on_book(out: Path, **changes: Any) -> TrainBookConfig:
    """Minutes of the synthetic book, two beside embargoes, 1,024 steps in eight environments."""
    values: dict[str, Any] = {
        "env": "MarketMaking-v0",
        "end": "2025-01-01T00:03:30",
        "total_steps": 1_024,
        "num_envs": 8,
        "episode_steps": 40,
        "threads": 1,
        "checkpoint_every": 512,
        "hyperparameters": PPO,
        "env_settings": {"features": SHORT},
        "validation": BookValidationConfig(every=512, episodes=3),
        "out": str(out),
    }
    return TrainBookConfig(**(values | changes))


def weights(model: Any) -> dict[str, Any]:
    """The weights of a model's policy as arrays."""
    return {name: value.cpu().numpy() for name, value in model.policy.state_dict().items()}


def assert_same_weights(one: Any, other: Any) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


class InterruptAt:
    """A watcher that sends Ctrl-C once when so many steps are done."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.sent = False

    def __call__(self, progress: Any) -> None:
        if progress.steps >= self.steps and not self.sent:
            self.sent = True
            os.kill(os.getpid(), signal.SIGINT)


def log_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text("utf-8").splitlines()]
