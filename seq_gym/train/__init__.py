"""Training with Stable-Baselines3: from one config to a run folder that evaluate takes.

What needs torch is imported when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from seq_gym.errors import MissingExtra
from seq_gym.train.cli import main
from seq_gym.train.sections import (
    BookValidationConfig,
    NetworkConfig,
    NormalizeConfig,
    ValidationConfig,
)
from seq_gym.train.settings import TrainBookConfig, TrainConfig

if TYPE_CHECKING:
    from seq_gym.train.extractors import WindowExtractor, attach, extractor_arguments
    from seq_gym.train.loading import load_model, load_run
    from seq_gym.train.run import TrainResult, resume, train
    from seq_gym.train.vec_env import SB3VecEnv, make_vec_env

__all__ = [
    "BookValidationConfig",
    "NetworkConfig",
    "NormalizeConfig",
    "SB3VecEnv",
    "TrainBookConfig",
    "TrainConfig",
    "TrainResult",
    "ValidationConfig",
    "WindowExtractor",
    "attach",
    "extractor_arguments",
    "load_model",
    "load_run",
    "main",
    "make_vec_env",
    "resume",
    "train",
]

_HOMES = {
    "SB3VecEnv": "vec_env",
    "TrainResult": "run",
    "WindowExtractor": "extractors",
    "attach": "extractors",
    "extractor_arguments": "extractors",
    "load_model": "loading",
    "load_run": "loading",
    "make_vec_env": "vec_env",
    "resume": "run",
    "train": "run",
}


def __getattr__(name: str) -> Any:
    """Import what needs torch.

    Raises:
        MissingExtra: It is not installed.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("seq_gym"):
            raise
        raise MissingExtra(error.name or "torch", "train") from error
