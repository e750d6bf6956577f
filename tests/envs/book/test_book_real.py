"""Random agents on real recordings, and a learner: nothing breaks, and the identities hold."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.importers import read_recording
from tests.envs.book.worlds import make, make_vec, sampled

RECORDINGS = ("usdm/btcusdt_20240808.gz", "spot/btcusdt_20240808.gz")


@cache
def recording(path: Path) -> BookEvents:
    """Read the largest book of a recording."""
    found = read_recording(path, fix_clock=True)
    return max((each.events for each in found), key=lambda each: each.num_events)


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("kind", ["target", "discrete", "order"])
def test_a_random_agent_on_a_real_book(shared_data: Path, name: str, kind: str) -> None:
    path = shared_data / "book" / "binance" / name
    if not path.exists():
        pytest.skip(f"{path.name} is not on this machine")
    batch = make_vec(
        num_envs=3,
        data=recording(path),
        action=kind,
        account="margin",
        features="default",
        episode_steps=60,
        reward="pnl",
        decide_every="500ms",
    )
    rows, _ = batch.reset(seed=1)
    paid = np.zeros(3)
    for actions in sampled(batch.single_action_space, 3, 150):
        rows, rewards, terminated, truncated, infos = batch.step(actions)
        assert batch.observation_space.contains(rows)
        paid += rewards
        for e in np.flatnonzero(terminated | truncated):
            final = infos["final_info"]
            assert final["equity"][e] - 10_000.0 == pytest.approx(paid[e], abs=1e-7)
            assert final["total_reward"][e] == pytest.approx(paid[e], abs=1e-7)
            assert final["num_fills"][e] > 0
            paid[e] = 0.0
    assert batch.unwrapped.accounts["num_fills"].sum() > 0


@pytest.mark.slow
def test_a_learner_takes_its_steps() -> None:
    ppo = pytest.importorskip("stable_baselines3").PPO
    env: Any = make(action="discrete", look_back=2)
    ppo("MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=1, seed=0).learn(128)
