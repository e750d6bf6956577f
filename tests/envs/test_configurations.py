"""Random configurations: no look-ahead, and batch rows are single environments, in all of them."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from seq_gym import RiskProfile
from seq_gym.checks import check_no_lookahead
from tests.envs.worlds import (
    CANDLE,
    FOUR,
    FOUR_COARSE,
    FOUR_ROUGH,
    KINDS,
    ONE,
    ONE_ROUGH,
    make,
    make_vec,
)

CHOICES: dict[str, list[Any]] = {
    "execution": ["close", "next_open"],
    "trigger": ["range", "close"],
    "limit_fill": ["touch", "through"],
    "slippage": ["volume_share", "fixed_bps", "square_root"],
    "max_participation_frac": [None, 0.001, 0.1],
    "candles_per_step": [1, 1, 2, 5],
    "episode_steps": [5, 17, 30],
    "look_back": [1, 3, 20],
    "features": [["log_return"], "default"],
    "observation": ["flat", "dict"],
    "reward_terms": [True, False],
    "liquidate_on_complete": [True, False],
    "window": ["random", "sequential"],
    "reward": ["pnl", "log_return", "differential_sortino", {"pnl": 1.0, "drawdown_penalty": 3.0}],
    "deadband": [0.0, 0.01, 0.3],
    "ruin_frac": [0.0, 0.99, 0.999],
    "risk": [
        None,
        RiskProfile(max_drawdown_pct=1.0, max_orders_per_minute=1),
        RiskProfile(max_position_size_pct=30.0),
    ],
    "timeframes": [
        None,
        {"5m": {"look_back": 2, "features": ["log_return", "close_position"]}},
        {
            "15m": {"look_back": 1, "features": ["log_return"]},
            "10m": {"look_back": 3, "features": ["rsi_2"]},
        },
    ],
}


def drawn(seed: int) -> tuple[str, dict[str, Any]]:
    """One configuration."""
    rng = random.Random(seed)
    env_id, arguments = KINDS[rng.choice(list(KINDS))]
    markets = [ONE, ONE_ROUGH] if env_id == CANDLE else [FOUR, FOUR_ROUGH, FOUR_COARSE]
    chosen = {name: rng.choice(values) for name, values in CHOICES.items()}
    return env_id, {"data": rng.choice(markets), **chosen, **arguments}


def row(observations: Any, e: int) -> Any:
    """Row e of a batch of observations."""
    if isinstance(observations, dict):
        return {name: part[e] for name, part in observations.items()}
    return observations[e]


@pytest.mark.parametrize("seed", range(20))
def test_a_random_configuration_keeps_the_promises(seed: int) -> None:
    env_id, arguments = drawn(seed)
    check_no_lookahead(make(env_id, **arguments), steps=15, seed=seed, cuts=2)
    batch, singles = make_vec(env_id, 2, **arguments), [make(env_id, **arguments) for _ in range(2)]
    batch.reset(seed=seed)
    for e, env in enumerate(singles):
        env.reset(seed=seed + e)
    batch.single_action_space.seed(seed)
    for _ in range(40):
        actions = np.stack([batch.single_action_space.sample() for _ in range(2)])
        rows, rewards, terminated, truncated, infos = batch.step(actions)
        for e, env in enumerate(singles):
            observation, reward, ended, cut, info = env.step(actions[e])
            assert (rewards[e], terminated[e], truncated[e]) == (reward, ended, cut)
            assert env.observation_space.contains(observation)
            money_is_right(env)
            if ended or cut:
                assert infos["final_info"]["equity"][e] == info["equity"]
                observation, _ = env.reset()
            np.testing.assert_equal(row(rows, e), observation)


def money_is_right(env: Any) -> None:
    """M4 between steps: equity is the start, what was realised, and what is not yet."""
    portfolio = env.unwrapped.session.portfolio()
    gained = portfolio.realized_pnl + portfolio.unrealized_pnl
    assert portfolio.total_equity == pytest.approx(10_000.0 + gained, rel=1e-9)
    if env.unwrapped.settings.params.account == "spot":
        assert portfolio.available_cash >= 0.0
