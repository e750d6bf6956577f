"""PPO learns what can be learned, and to leave alone what cannot."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from seq_gym.market import synthetic_candles
from seq_gym.train import make_vec_env
from tests.train.known_answer import Best, settings

pytestmark = pytest.mark.slow

CANDLE = "seq_gym/CandleTrading-v0"
EPISODES = 64


def learned(seed: int, steps: int, **arguments: Any) -> tuple[Any, Any]:
    """Return an untrained and a trained model."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecNormalize

    models = []
    for budget in (0, steps):
        env = VecNormalize(make_vec_env(CANDLE, 64, **arguments), norm_obs=False, gamma=0.95)
        model = PPO(
            "MlpPolicy",
            env,
            n_steps=64,
            batch_size=1_024,
            n_epochs=8,
            gamma=0.95,
            learning_rate=1e-3,
            seed=seed,
            device="cpu",
        )
        models.append(model.learn(budget) if budget else model)
    return models[0], models[1]


def test_three_seeds_come_to_four_fifths_of_the_best_policy_in_200_000_steps() -> None:
    from stable_baselines3.common.evaluation import evaluate_policy

    starts = [10 + 500 * k for k in range(EPISODES)]
    unseen = make_vec_env(
        CANDLE, EPISODES, window=starts, episode_steps=500, **settings(33_000, seed=2)
    )

    def reward(policy: Any) -> float:
        unseen.seed(0)
        return float(evaluate_policy(policy, unseen, EPISODES)[0])

    best = reward(Best())
    assert best > 0.05  # 5 % an episode of 500 steps, after fees
    began, reached, before = time.perf_counter(), [], []
    for seed in range(3):
        untrained, trained = learned(
            seed, 200_000 - 64 * 64, episode_steps=200, **settings(40_000, seed=1)
        )
        assert trained.num_timesteps <= 200_000
        before.append(reward(untrained) / best)
        reached.append(reward(trained) / best)
    elapsed = time.perf_counter() - began
    told = f"of the best {best:.4f}: untrained {before}, trained {reached}, in {elapsed:.0f} s"
    assert min(reached) >= 0.8, told
    assert max(before) < 0.6, told
    assert elapsed < 120.0, told


def test_on_a_random_walk_with_fees_it_learns_to_stay_flat() -> None:
    series = synthetic_candles("BTCUSDT", num_candles=30_000, seed=11)
    physics: dict[str, Any] = {"data": series, "look_back": 5, "episode_steps": 200}

    def turnover(model: Any, *, best_action: bool) -> float:
        """Return the mean turnover of a step over equity at the start, on later windows."""
        env = make_vec_env(CANDLE, EPISODES, start="2025-01-15", **physics)
        env.seed(3)
        observations, infos = env.reset(), []
        model.set_random_seed(5)
        while not infos:
            actions, _ = model.predict(observations, deterministic=best_action)
            observations, _, dones, told = env.step(actions)
            infos = told if dones.all() else []
        return float(np.mean([info["turnover_frac"] / info["episode"]["l"] for info in infos]))

    untrained, trained = learned(0, 150_000, end="2025-01-14", **physics)
    before, after = (turnover(model, best_action=False) for model in (untrained, trained))
    chosen = turnover(trained, best_action=True)
    told = f"untrained {before:.4%}, trained {after:.4%}, its best actions {chosen:.4%}"
    assert after < 0.01, told
    assert chosen < 0.01, told
    assert before > 0.2, told
