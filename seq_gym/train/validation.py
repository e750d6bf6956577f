"""Validation: a model on fixed windows that it was not trained on, and the choice among models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecNormalize

from seq_gym.train.extractors import attached
from seq_gym.train.sections import METRICS
from seq_gym.train.vec_env import SB3VecEnv

__all__ = ["is_better", "play_windows", "validate"]


def validate(model: Any, env: SB3VecEnv) -> dict[str, float]:
    """Play every window once and return the mean of each figure over the windows.

    A figure that a window does not define, as the Sharpe ratio of a flat account, counts as 0.

    Args:
        model: The model; its normaliser is used as it stands, and learns nothing.
        env: A row for each window; row e begins at window e under seed 0.
    """
    played = play_windows(model, env, model.get_vec_normalize_env())
    names = (*env.figures, "reward")
    rows = [[info["episode"]["r"] if n == "reward" else info[n] for n in names] for info in played]
    means = np.nan_to_num(np.array(rows)).mean(axis=0)
    return dict(zip(names, means.tolist(), strict=True))


def play_windows(
    model: Any, env: SB3VecEnv, normalizer: VecNormalize | None = None
) -> list[dict[str, Any]]:
    """Play one episode in every row, the best actions only; return their final infos."""
    env.seed(0)
    observations = env.reset()
    masked = type(model).__name__.startswith("Maskable")
    played: dict[int, dict[str, Any]] = {}
    with attached(model, env):
        while len(played) < env.num_envs:
            if normalizer is not None:
                observations = normalizer.normalize_obs(observations)
            extra = {"action_masks": env.action_masks()} if masked else {}
            actions, _ = model.predict(observations, deterministic=True, **extra)
            observations, _, dones, infos = env.step(actions)
            for e in np.flatnonzero(dones).tolist():
                played.setdefault(e, infos[e])
    return [played[e] for e in range(env.num_envs)]


def is_better(metric: str, value: float, best: float | None) -> bool:
    """Say whether a figure is better than the best so far."""
    if best is None or math.isnan(best):
        return True
    return METRICS[metric] * value > METRICS[metric] * best
