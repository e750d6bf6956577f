"""Faults that rival environments have, impossible here: one test each, through the public doors."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest

from seq_gym import Feature, Session
from seq_gym.market import candles_from_rows, ramp_candles
from seq_gym.types import Ending
from tests.envs.worlds import (
    FOUR,
    FREE,
    KINDS,
    ONE,
    PLAIN,
    PORTFOLIO,
    flat,
    make,
    make_vec,
    play,
    rows_env,
)

RISING = ramp_candles(100.0, 0.01, 200)
STILL = candles_from_rows(flat(100.0, 200))
COSTS = {"taker_fee_frac": 0.001, "maker_fee_frac": 0.001, "slippage_bps": 5.0}


def session_of(rows: Any, **arguments: Any) -> Session:
    """A started session over rows, without costs unless they are given."""
    session = Session.create(data=candles_from_rows(rows), **{**FREE, **arguments})
    session.start()
    return session


def gain(env: gymnasium.Env[Any, Any], actions: Any, seed: int = 0) -> tuple[float, float]:
    """Play, and return (sum of rewards, what the account gained)."""
    out = play(env, actions, seed=seed)
    return float(np.sum(out["rewards"])), out["infos"][-1]["equity"] - out["infos"][0]["equity"]


# ---------------------------------------------------------------------- rewards


@pytest.mark.parametrize("reward", ["pnl", "log_return", "differential_sharpe", "drawdown_penalty"])
@pytest.mark.parametrize("market", [RISING, STILL], ids=["rising", "flat"])
def test_churn_that_loses_capital_earns_no_reward(market: Any, reward: str) -> None:
    env = rows_env(market, action="ladder", reward=reward, **COSTS)
    total, gained = gain(env, [4, 0] * 80)
    assert gained < -500.0
    assert total < 0.0


@pytest.mark.parametrize("reward", ["pnl", "log_return"])
@pytest.mark.parametrize("kind", KINDS)
def test_raising_the_fee_lowers_the_total_reward(kind: str, reward: str) -> None:
    env_id, arguments = KINDS[kind]
    totals = []
    for fee in (0.0, 0.0005, 0.001, 0.005):
        fees = {"taker_fee_frac": fee, "maker_fee_frac": fee, "reward": reward}
        env = make(env_id, **arguments, **fees)
        env.action_space.seed(2)
        actions = [env.action_space.sample() for _ in range(40)]
        if kind.startswith("order"):  # plain market orders, all of which fill
            actions = [np.array([1, k % 2, 2, 0]) for k in range(40)]
        totals.append(gain(env, actions)[0])
    assert totals == sorted(totals, reverse=True)
    assert len(set(totals)) == len(totals)


def test_a_short_through_ruin_ends_with_a_large_finite_loss() -> None:
    # The price jumps tenfold over night: far more is lost than there was.
    rows = [*flat(100.0, 6), *flat(1_000.0, 6)]
    for reward, at_most in (("log_return", -5.0), ("pnl", -10_000.0)):
        env = rows_env(rows, action="ladder", account="margin", reward=reward, leverage=1.0)
        out = play(env, [0] * 12)
        assert out["terminated"][-1]
        assert out["infos"][-1]["ending"] in (Ending.LIQUIDATED, Ending.RUINED)
        assert np.isfinite(out["rewards"]).all()
        assert out["rewards"][-1] < at_most
        assert sum(out["rewards"]) < at_most


def test_ruin_is_never_a_better_reward_than_survival() -> None:
    rows = [*flat(100.0, 6), *flat(1_000.0, 6)]
    returns = {}
    for level, weight in enumerate((-1.0, -0.1, 0.0)):
        env = rows_env(rows, action="ladder", levels=[-1.0, -0.1, 0.0], account="margin")
        returns[weight] = sum(play(env, [level] * 12)["rewards"])
    assert returns[-1.0] < returns[-0.1] < returns[0.0] == 0.0


@pytest.mark.parametrize("liquidate", [False, True])
def test_the_final_reward_is_paid_once_and_whole(liquidate: bool) -> None:
    env = rows_env(RISING, action="ladder", reward="pnl", liquidate_on_complete=liquidate)
    out = play(env, [4] * 500)
    # Held from the second step on, each candle of a line pays the same, the last one too.
    np.testing.assert_allclose(out["rewards"][1:], out["rewards"][1], rtol=1e-9)
    equity = [info["equity"] for info in out["infos"]]
    np.testing.assert_allclose(out["rewards"], np.diff(equity), rtol=1e-9, atol=1e-9)


def test_the_forced_close_at_the_end_is_inside_the_reward() -> None:
    totals = {}
    for liquidate in (False, True):
        env = rows_env(
            STILL, action="ladder", reward="pnl", liquidate_on_complete=liquidate, **COSTS
        )
        total, gained = gain(env, [4] * 500)
        assert total == pytest.approx(gained, rel=1e-9)
        totals[liquidate] = total
        sold = [f for f in env.unwrapped.session.fills() if f.side == "sell"]
        assert len(sold) == int(liquidate)
    closing = sold[0]
    assert closing.reason == "COMPLETED"
    assert totals[True] - totals[False] == pytest.approx(
        -(closing.fee + closing.slippage), rel=1e-9
    )


def test_the_forced_close_at_the_end_is_inside_the_reward_of_a_batch_too() -> None:
    arguments = {"action": "ladder", "reward": "pnl", "liquidate_on_complete": True, "data": STILL}
    batch = make_vec(num_envs=2, **{**PLAIN, **arguments}, episode_steps=5)
    batch.reset(seed=1)
    total = np.zeros(2)
    for _ in range(5):
        _, rewards, _, _, infos = batch.step(np.array([4, 0]))
        total += rewards
    np.testing.assert_allclose(infos["final_info"]["total_reward"], total, rtol=1e-12)
    np.testing.assert_allclose(infos["final_info"]["equity"] - 10_000.0, total, rtol=1e-9)
    assert infos["final_info"]["num_fills"].tolist() == [2.0, 0.0]


# ---------------------------------------------------------------------- costs


def test_borrow_interest_accrues_with_every_candle_that_a_short_is_held() -> None:
    paid = []
    for held in (10, 20, 40):
        session = session_of(flat(100.0, 100), account="margin", borrow_rate_frac=0.10)
        session.place_order("BTCUSDT", "sell", "market", quantity=50.0)
        session.step_batch(held)
        paid.append(session.results(partial=True).costs.borrow)
    # 5,000 short at 10 % a year, by the minute.
    expected = [5_000.0 * 0.10 * held / (365 * 24 * 60) for held in (10, 20, 40)]
    np.testing.assert_allclose(paid, expected, rtol=1e-6)


def test_slippage_never_improves_a_fill() -> None:
    seen = 0
    for kind in ("order-margin", "weights-margin", "ladder-margin"):
        env_id, arguments = KINDS[kind]
        env = make(env_id, slippage="fixed_bps", slippage_bps=20.0, episode_steps=100, **arguments)
        env.action_space.seed(9)
        for seed in range(3):
            play(env, [env.action_space.sample() for _ in range(100)], seed=seed)
            for fill in env.unwrapped.session.fills():
                sign = 1.0 if fill.side == "buy" else -1.0
                assert sign * (fill.price - fill.base_price) >= -1e-9
                assert fill.slippage >= 0.0
                seen += 1
    assert seen > 100


# ---------------------------------------------------------------------- fills


@pytest.mark.parametrize("execution", ["close", "next_open"])
def test_a_buy_limit_above_the_market_fills_at_the_market(execution: str) -> None:
    session = session_of(flat(100.0, 10), execution=execution)
    session.place_order("BTCUSDT", "buy", "limit", quantity=1.0, price=120.0)
    session.step()
    assert [fill.price for fill in session.fills()] == [100.0]


@pytest.mark.parametrize(
    ("order", "gap", "price"),
    [
        ({"side": "buy", "type": "limit", "price": 95.0}, 90.0, 90.0),
        ({"side": "sell", "type": "limit", "price": 105.0}, 110.0, 110.0),
        ({"side": "sell", "type": "stop_loss", "trigger_price": 95.0}, 90.0, 90.0),
        ({"side": "sell", "type": "take_profit", "trigger_price": 105.0}, 110.0, 110.0),
    ],
    ids=["buy-limit", "sell-limit", "stop", "target"],
)
def test_a_gap_through_a_limit_or_stop_fills_at_the_open(
    order: Any, gap: float, price: float
) -> None:
    session = session_of([*flat(100.0, 5), *flat(gap, 5)])
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=1.0)
    session.place_order("BTCUSDT", quantity=1.0, **order)
    session.step_batch(6)
    assert [fill.price for fill in session.fills()] == [100.0, price]


def test_an_order_larger_than_its_share_of_the_volume_fills_in_parts() -> None:
    rows = [(100.0, 100.0, 100.0, 100.0, 10.0)] * 10
    session = session_of(rows, max_participation_frac=0.1, execution="next_open")
    session.place_order("BTCUSDT", "buy", "market", quantity=2.5)
    session.step_batch(5)
    assert [fill.quantity for fill in session.fills()] == pytest.approx([1.0, 1.0, 0.5])


def test_an_order_larger_than_the_whole_candle_is_never_filled_whole_by_an_environment() -> None:
    rows = [(100.0, 100.0, 100.0, 100.0, 10.0)] * 30
    env = rows_env(rows, action="ladder", max_participation_frac=0.2)
    play(env, [4] * 20)
    fills = env.unwrapped.session.fills()
    assert fills
    assert all(fill.quantity <= 2.0 + 1e-12 for fill in fills)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "margin" not in kind])
def test_cash_never_falls_below_zero_off_margin(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    for execution in ("close", "next_open"):
        env = make(env_id, episode_steps=200, execution=execution, **arguments)
        env.action_space.seed(1)
        env.reset(seed=1)
        for _ in range(200):
            env.step(env.action_space.sample())
            for balance in env.unwrapped.session.balance():
                assert balance.total >= 0.0
                assert balance.available >= 0.0


def test_an_order_never_changes_its_side() -> None:
    env = make(action="order", account="margin", episode_steps=200)
    env.action_space.seed(5)
    env.reset(seed=5)
    sides: dict[str, str] = {}
    for _ in range(200):
        env.step(env.action_space.sample())
        for order in env.unwrapped.session.orders():
            assert sides.setdefault(order.order_id, order.side) == order.side
    fills = env.unwrapped.session.fills()
    assert fills
    assert all(sides[fill.order_id] == fill.side for fill in fills)


def test_a_side_that_is_wrong_is_refused_and_not_turned_round() -> None:
    session = session_of(flat(100.0, 5))
    order = session.place_order("BTCUSDT", "sell", "market", quantity=1.0)
    assert (order.status, order.code) == ("rejected", "INSUFFICIENT_BALANCE")
    assert (
        session.place_order("BTCUSDT", "short", "market", quantity=1.0).code == "VALIDATION_ERROR"
    )
    assert session.positions() == ()


def test_liquidation_looks_inside_the_candle() -> None:
    # Down to 60 and back to 100: who looks only at closes sees nothing.
    rows = [*flat(100.0, 5), (100.0, 100.0, 60.0, 100.0, 1e6), *flat(100.0, 5)]
    env = rows_env(rows, action="ladder", account="margin", leverage=3.0)
    out = play(env, [4] * 12)
    assert out["terminated"][-1]
    assert out["infos"][-1]["ending"] is Ending.LIQUIDATED
    forced = [f for f in env.unwrapped.session.fills() if f.reason == "LIQUIDATED"]
    # 300 units for 30,000: equity 10,000 + 300 (p - 100) = 5 % of 300 p at p = 20,000 / 285.
    assert forced[0].base_price == pytest.approx(20_000 / 285, rel=1e-6)


# ---------------------------------------------------------------------- seeds and sharing


def test_a_seed_fixes_the_start_and_another_seed_moves_it() -> None:
    env = make()
    starts = []
    for seed in (7, 7, 8, 7, 9, 10):
        env.reset(seed=seed)
        starts.append(env.unwrapped.session.start_cursor)
    assert starts[0] == starts[1] == starts[3]
    assert len(set(starts)) > 2


def test_parallel_environments_do_not_share_one_trajectory() -> None:
    batch = make_vec(num_envs=8)
    batch.reset(seed=7)
    assert len(set(batch.unwrapped.accounts["start"].tolist())) > 5
    batch = make_vec(num_envs=4, action="ladder")
    batch.reset(seed=1, options={"start": 200})
    for _ in range(5):
        batch.step(np.array([0, 1, 3, 4]))
    assert len(set(batch.unwrapped.equity.tolist())) == 4


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_the_last_episode_is_seen_in_the_first_observation(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    used, fresh = make(env_id, **arguments), make(env_id, **arguments)
    used.action_space.seed(3)
    for seed in (1, 2):
        play(used, [used.action_space.sample() for _ in range(25)], seed=seed)
    start = {"options": {"start": 250}}
    np.testing.assert_array_equal(used.reset(seed=5, **start)[0], fresh.reset(seed=5, **start)[0])
    actions = [used.action_space.sample() for _ in range(40)]
    one, other = play(used, actions, seed=5, **start), play(fresh, actions, seed=5, **start)
    assert one["rewards"] == other["rewards"]
    assert one["infos"] == other["infos"]


def test_writing_into_an_observation_changes_neither_the_market_nor_the_environment() -> None:
    env, other = make(), make()
    values = env.unwrapped.settings.matrix.values.copy()
    seen, _ = env.reset(seed=1)
    other.reset(seed=1)
    for action in (1, 0, 2, 1, 0):
        seen[...] = -1e9
        seen, reward, *_ = env.step(action)
        expected, same, *_ = other.step(action)
        np.testing.assert_array_equal(seen, expected)
        assert reward == same
    np.testing.assert_array_equal(env.unwrapped.settings.matrix.values, values)


def test_writing_into_the_arrays_of_a_batch_changes_nothing() -> None:
    one, other = make_vec(num_envs=2), make_vec(num_envs=2)
    seen = list(one.reset(seed=1)[:1])
    other.reset(seed=1)
    for _ in range(45):
        for array in seen:
            array[...] = 0
        seen = list(one.step(np.array([1, 2]))[:4])
        for mine, theirs in zip(seen, other.step(np.array([1, 2]))[:4], strict=True):
            np.testing.assert_array_equal(mine, theirs)


# ---------------------------------------------------------------------- endings and actions


@pytest.mark.parametrize("window", ["random", "full"])
def test_the_end_of_the_data_is_not_reported_as_terminated(window: str) -> None:
    env = make(window=window, episode_steps=None)
    out = play(env, [1] * 2_000)
    assert out["truncated"][-1]
    assert not any(out["terminated"])


def test_portfolio_weights_do_not_jump_when_the_sum_passes_one() -> None:
    held = []
    for total in (0.98, 0.999999, 1.0, 1.000001, 1.02, 1.5):
        env = rows_env(FOUR, deadband=0.0, window="random", episode_steps=10)
        action = np.array([0.4, 0.3, 0.2, 0.1], np.float32) * np.float32(total)
        play(env, [action])
        portfolio = env.unwrapped.session.portfolio()
        held.append(portfolio.position_value / portfolio.total_equity)
    steps = np.diff(held)
    assert held[0] == pytest.approx(0.98, abs=2e-3)
    assert (np.abs(steps) < 0.025).all()
    np.testing.assert_allclose(held[2:], 1.0, atol=2e-3)


def test_weights_keep_their_proportions_beyond_a_sum_of_one() -> None:
    env = rows_env(FOUR, deadband=0.0)
    play(env, [np.array([1.0, 0.5, 0.25, 0.25], np.float32)])
    worth = [position.market_value for position in env.unwrapped.session.positions()]
    np.testing.assert_allclose(np.array(worth) / sum(worth), [0.5, 0.25, 0.125, 0.125], atol=3e-3)


@pytest.mark.parametrize("value", [1.0, 0.0, -1.0])
def test_a_symbol_trades_whatever_its_indicators_say(value: float) -> None:
    same = Feature("same", np.full((FOUR.num_candles, 4), value))
    env = rows_env(FOUR, features=[same])
    play(env, [np.full(4, 0.25, np.float32)] * 3)
    assert {fill.symbol for fill in env.unwrapped.session.fills()} == set(FOUR.symbols)


# ---------------------------------------------------------------------- the process


def test_the_import_leaves_warnings_and_global_random_state_as_they_were() -> None:
    program = """
import random, warnings
import numpy as np
import gymnasium
np.random.seed(1); random.seed(1)
before = list(warnings.filters), np.random.get_state()[1].tolist(), random.getstate()
errors = np.geterr()
import seq_gym
env = gymnasium.make("seq_gym/CandleTrading-v0", episode_steps=5)
env.reset(seed=1)
after = list(warnings.filters), np.random.get_state()[1].tolist(), random.getstate()
assert after[0] == before[0], "filters"
assert after[1:] == before[1:], "random state"
assert np.geterr() == errors
warnings.warn("still a warning")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "still a warning" in done.stderr


def test_making_and_playing_an_environment_warns_of_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        play(make(PORTFOLIO), [np.full(4, 0.25, np.float32)] * 40)
        play(make(data=ONE), [1, 2] * 20)
