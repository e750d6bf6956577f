"""Rewards: what they add up to, their terms, and rewards of one's own (E4, E4b)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from seq_gym.envs.rewards import REWARD_TERMS, BatchView
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market import ramp_candles
from tests.envs.worlds import FOUR_ROUGH, KINDS, ONE_ROUGH, flat, make, make_vec, play, rows_env


def played(kind: str, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    env_id, own = KINDS[kind]
    env = make(env_id, episode_steps=60, **{**own, **arguments})
    env.action_space.seed(8)
    return env, play(env, [env.action_space.sample() for _ in range(60)], seed=8)


@pytest.mark.parametrize("liquidate", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_log_returns_add_up_to_the_log_of_final_over_starting_equity(
    kind: str, liquidate: bool
) -> None:
    env, out = played(kind, liquidate_on_complete=liquidate)
    final = out["infos"][-1]["equity"]
    assert sum(out["rewards"]) == pytest.approx(math.log(final / 10_000.0), abs=1e-12)
    assert final == env.unwrapped.session.results().final_equity


@pytest.mark.parametrize("kind", KINDS)
def test_pnl_adds_up_to_the_difference_of_equity(kind: str) -> None:
    data = FOUR_ROUGH if "weights" in kind else ONE_ROUGH
    _, out = played(kind, reward="pnl", data=data)
    final = out["infos"][-1]["equity"]
    assert sum(out["rewards"]) == pytest.approx(final - 10_000.0, abs=1e-8)


def test_sums_hold_over_the_episodes_of_a_batch() -> None:
    batch = make_vec(num_envs=4, action="ladder", reward="pnl", episode_steps=20)
    batch.reset(seed=3)
    batch.action_space.seed(3)
    total, episodes = np.zeros(4), 0
    for _ in range(65):
        _, rewards, terminated, truncated, infos = batch.step(batch.action_space.sample())
        total += rewards
        for e in np.flatnonzero(terminated | truncated):
            final = infos["final_info"]
            assert total[e] == pytest.approx(final["equity"][e] - 10_000.0, abs=1e-8)
            assert final["total_reward"][e] == pytest.approx(total[e], abs=1e-8)
            total[e], episodes = 0.0, episodes + 1
    assert episodes == 12


@pytest.mark.parametrize("kind", ["ladder", "order", "weights-margin"])
def test_the_cost_breakdown_adds_up_to_the_cent(kind: str) -> None:
    data = FOUR_ROUGH if "weights" in kind else ONE_ROUGH
    env, out = played(kind, data=data)
    session, results = env.unwrapped.session, env.unwrapped.session.results()
    fills = session.fills()
    costs = results.costs
    assert costs.maker_fees == pytest.approx(sum(f.fee for f in fills if f.liquidity == "maker"))
    assert costs.taker_fees == pytest.approx(sum(f.fee for f in fills if f.liquidity == "taker"))
    assert costs.slippage == pytest.approx(sum(f.slippage for f in fills), abs=1e-9)
    # M4: equity = start + realised + unrealised, with funding and borrow realised when paid.
    portfolio = session.portfolio()
    gained = portfolio.realized_pnl + portfolio.unrealized_pnl
    assert portfolio.total_equity == pytest.approx(10_000.0 + gained, rel=1e-9)
    assert portfolio.total_equity == out["infos"][-1]["equity"]


# ---------------------------------------------------------------------- terms


def test_every_term_is_reported_by_name_on_request() -> None:
    env, out = played("ladder", reward_terms=True, reward="pnl")
    for reward, info in zip(out["rewards"], out["infos"][1:], strict=True):
        assert tuple(info["reward_terms"]) == REWARD_TERMS
        assert info["reward_terms"]["pnl"] == reward
    assert env.unwrapped.reward_terms == out["infos"][-1]["reward_terms"]
    plain, out = played("ladder")
    assert set(out["infos"][-1]) == {"equity", "ending"}
    with pytest.raises(UsageError, match="reward_terms=True"):
        _ = plain.unwrapped.reward_terms


def test_a_weighted_sum_is_the_sum_of_its_weighted_terms() -> None:
    weights = {
        "log_return": 2.0,
        "drawdown_penalty": 0.5,
        "turnover_cost": 3.0,
        "holding_cost": -1.0,
    }
    weights["differential_sharpe"] = 0.01
    _, out = played("ladder", reward=weights, reward_terms=True)
    for reward, info in zip(out["rewards"], out["infos"][1:], strict=True):
        expected = sum(w * info["reward_terms"][name] for name, w in weights.items())
        assert reward == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("term", REWARD_TERMS)
def test_a_term_is_the_same_whether_or_not_the_others_are_built(term: str) -> None:
    _, alone = played("ladder", reward=term)
    _, together = played("ladder", reward=term, reward_terms=True)
    assert alone["rewards"] == together["rewards"]
    assert [i["reward_terms"][term] for i in together["infos"][1:]] == alone["rewards"]


def test_terms_by_hand() -> None:
    rows = [
        *flat(100.0, 6),
        (100.0, 100.0, 90.0, 90.0, 1e6),
        (90.0, 99.0, 90.0, 99.0, 1e6),
        *flat(99.0, 5),
    ]
    env = rows_env(
        rows,
        action="ladder",
        reward_terms=True,
        turnover_cost_frac=0.01,
        holding_cost_frac=0.002,
        window=[5],
    )
    out = play(env, [4, 4, 4])
    terms = [info["reward_terms"] for info in out["infos"][1:]]
    # All in at 100, down to 90, up to 99.
    assert [t["pnl"] for t in terms] == pytest.approx([0.0, -1_000.0, 900.0])
    assert [t["log_return"] for t in terms] == pytest.approx([0.0, math.log(0.9), math.log(1.1)])
    assert [t["drawdown_penalty"] for t in terms] == pytest.approx([0.0, -0.1, 0.0])
    assert [t["turnover_cost"] for t in terms] == pytest.approx([-0.01, 0.0, 0.0])
    assert [t["holding_cost"] for t in terms] == pytest.approx([-0.002] * 3)


def test_the_differential_sharpe_ratio_is_that_of_moody_and_saffell() -> None:
    eta = 0.05
    env, out = played("ladder", reward="differential_sharpe", eta=eta)
    equity = env.unwrapped.session.equity
    mean = square = 0.0
    for step, change in enumerate(equity[1:] / equity[:-1] - 1.0):
        variance = square - mean**2
        expected = 0.0
        if variance > 1e-18:
            top = square * (change - mean) - 0.5 * mean * (change**2 - square)
            expected = top / variance**1.5
        assert out["rewards"][step] == pytest.approx(expected, rel=1e-6, abs=1e-9)
        mean += eta * (change - mean)
        square += eta * (change**2 - square)


def test_the_log_of_ruin_is_floored_and_finite() -> None:
    rows = [*flat(100.0, 6), *flat(1_000.0, 6)]
    env = rows_env(rows, action="ladder", account="margin")
    out = play(env, [0] * 12)
    assert sum(out["rewards"]) == pytest.approx(math.log(1e-6))


def test_more_candles_a_step_pay_the_same_in_sum() -> None:
    series = ramp_candles(100.0, 0.05, 64)
    totals = []
    for candles in (1, 4):
        env = rows_env(series, action="ladder", reward="pnl", candles_per_step=candles, window=[4])
        totals.append(sum(play(env, [4] * 64)["rewards"]))
    assert totals[0] == pytest.approx(totals[1], rel=1e-12)


# ---------------------------------------------------------------------- rewards of one's own


def by_weight(before: BatchView, after: BatchView) -> Any:
    """Growth less the drawdown, less a little for everything that is held and traded."""
    held = np.abs(after.weights).sum(axis=1)
    growth = np.log(after.equity / before.equity) - after.drawdown
    return growth - 1e-4 * held - 1e-9 * (after.turnover - before.turnover) + 1e-9 * after.cash


@pytest.mark.parametrize("kind", KINDS)
def test_a_reward_of_ones_own_is_the_same_in_a_single_and_in_a_batch(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    given = {**arguments, "reward": by_weight, "episode_steps": 12}
    batch, singles = make_vec(env_id, 2, **given), [make(env_id, **given) for _ in range(2)]
    batch.reset(seed=4)
    for e, env in enumerate(singles):
        env.reset(seed=4 + e)
    batch.single_action_space.seed(1)
    for _ in range(30):
        actions = np.stack([batch.single_action_space.sample() for _ in range(2)])
        rows, rewards, _, truncated, _ = batch.step(actions)
        for e, env in enumerate(singles):
            observation, reward, ended, cut, _ = env.step(actions[e])
            assert rewards[e] == reward
            assert truncated[e] == cut
            if ended or cut:
                observation, _ = env.reset()
            np.testing.assert_array_equal(rows[e], observation)


def test_a_reward_of_ones_own_sees_what_the_account_is() -> None:
    seen: list[tuple[BatchView, BatchView]] = []

    def note(before: BatchView, after: BatchView) -> Any:
        seen.append((before, after))
        return after.equity - before.equity

    env = make(action="ladder", reward=note)
    out = play(env, [4, 2, 0] * 5)
    equity = [info["equity"] for info in out["infos"]]
    assert [float(before.equity[0]) for before, _ in seen] == equity[:-1]
    assert [float(after.equity[0]) for _, after in seen] == equity[1:]
    assert out["rewards"] == list(np.diff(equity))
    assert seen[0][1].weights.shape == (1, 1)
    assert seen[0][1].weights[0, 0] == pytest.approx(1.0, abs=2e-3)


def test_the_total_reward_of_a_batch_counts_a_reward_of_ones_own() -> None:
    batch = make_vec(num_envs=2, episode_steps=5, reward=lambda before, after: np.full(2, 0.5))
    batch.reset(seed=1)
    for _ in range(5):
        infos = batch.step(np.array([1, 0]))[4]
    np.testing.assert_allclose(infos["final_info"]["total_reward"], [2.5, 2.5])


@pytest.mark.parametrize(
    ("reward", "error", "text"),
    [
        ("log_returns", UnknownName, "log_return"),
        ({"pnl": 1.0, "sharpe": 1.0}, UnknownName, "differential_sharpe"),
        ({}, ConfigError, "at least one term"),
        ({"pnl": "much"}, ConfigError, "must be a number"),
        ({"pnl": math.nan}, ConfigError, "must be finite"),
        ({"pnl": True}, ConfigError, "must be a number"),
        (None, ConfigError, "reward"),
        (3, ConfigError, "reward"),
    ],
)
def test_a_reward_that_is_none_is_refused(reward: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        make(reward=reward)
