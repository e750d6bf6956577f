"""Environments over books behind the interface of Stable-Baselines3, and their models evaluated."""

from __future__ import annotations

import math

import numpy as np
import pytest
from stable_baselines3 import PPO

from seq_gym.errors import ConfigError
from seq_gym.evaluate import EvaluateBookConfig, evaluate
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.train import make_vec_env

NAMES = ("BookTrading-v0", "MarketMaking-v0", "Execution-v0")


@pytest.fixture(scope="module")
def book():
    return synthetic_book(seconds=180.0, seed=2)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_over_books_tells_sb3_of_its_episodes(book, name):
    env = make_vec_env(f"seq_gym/{name}", 4, data=book, episode_steps=50, decide_every="200ms")
    env.seed(3)
    observations = env.reset()
    assert observations.shape == (4, *env.observation_space.shape)
    env.action_space.seed(1)
    ended = []
    for _ in range(50):
        actions = np.stack([env.action_space.sample() for _ in range(4)])
        observations, rewards, dones, infos = env.step(actions)
        ended += [infos[e] for e in np.flatnonzero(dones)]
    assert len(ended) >= 4
    for info in ended:
        assert info["episode"]["l"] <= 50
        assert info["terminal_observation"].shape == env.observation_space.shape
        assert info["trades"] >= 0
        assert math.isnan(info["total_return_frac"]) == (name == "Execution-v0")
    assert rewards.dtype == np.float64
    assert np.isfinite(observations).all()


def test_a_model_that_sb3_saved_is_evaluated_on_books(book, tmp_path):
    env = make_vec_env("seq_gym/MarketMaking-v0", 8, data=book, episode_steps=100)
    model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=1, seed=0, device="cpu")
    model.learn(256)
    path = str(tmp_path / "maker.zip")
    model.save(path)
    config = EvaluateBookConfig(
        env="MarketMaking-v0", agent=(path,), algo="ppo", episodes=2, episode_steps=100
    )
    result = evaluate(config, data=book)
    assert [spec.kind for spec in result.specs][:1] == ["policy"]
    first = result.episodes_of("maker")
    assert len(first) == 2
    again = evaluate(config, data=book).episodes_of("maker")
    assert [e.equity.tobytes() for e in first] == [e.equity.tobytes() for e in again]
    with pytest.raises(ConfigError, match="trained in"):
        evaluate(EvaluateBookConfig(env="Execution-v0", agent=(path,), algo="ppo"), data=book)
