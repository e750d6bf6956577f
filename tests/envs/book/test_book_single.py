"""BookTrading-v0 as a single environment: gymnasium's rules, endings, money, session, copies."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from seq_gym.engine.book import codes
from seq_gym.envs.book import core
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.types import Ending
from tests.envs.book.worlds import KINDS, MS, SMALL, START, hand, make, play, sampled, still


@pytest.mark.parametrize("kind", KINDS)
def test_gymnasiums_checker_finds_nothing(kind: str) -> None:
    env = make(**KINDS[kind], episode_steps=5, render_mode="ansi")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*obs.*not be inf|.*human")
        check_env(env.unwrapped, skip_render_check=True)


def test_stable_baselines_checker_finds_nothing() -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(make(episode_steps=5).unwrapped)


@pytest.mark.parametrize("kind", KINDS)
def test_e3_observations_are_finite_and_within_bounds(kind: str) -> None:
    env = make(**KINDS[kind])
    told = play(env, _actions(env, 20), seed=5)
    for observation in told["observations"]:
        assert env.observation_space.contains(observation)


def _actions(env: gymnasium.Env[Any, Any], count: int) -> list[Any]:
    return [row[0] for row in sampled(env.action_space, 1, count)]


def test_e4b_pnl_sums_to_final_minus_starting_equity() -> None:
    env = make(action="order", reward="pnl", reward_terms=True)
    told = play(env, _actions(env, 20), seed=2)
    final = told["infos"][-1]["equity"]
    assert final != 10_000.0
    assert sum(told["rewards"]) == pytest.approx(final - 10_000.0, abs=1e-9)
    logs = [info["reward_terms"]["log_return"] for info in told["infos"][1:]]
    assert sum(logs) == pytest.approx(np.log(final / 10_000.0), abs=1e-12)


def test_e4b_spread_capture_sums_to_minus_the_spread_cost() -> None:
    env = make(action="order", reward={"spread_capture": 2.0})
    told = play(env, _actions(env, 20), seed=2)
    cost = float(env.unwrapped._core.batch.accounts["spread_cost"][0])
    assert cost > 0.0
    assert sum(told["rewards"]) == pytest.approx(-2.0 * cost, abs=1e-9)


def test_the_inventory_penalty_is_squared_inventory_times_seconds() -> None:
    env = hand(still(), reward={"inventory_penalty": 1.0}, inventory_aversion=4.0)
    env.reset(seed=0)
    rewards = [env.step(np.array([0.5], np.float32))[1] for _ in range(3)]
    # Bought at once: half of the largest position, 0.1 s a step.
    assert rewards == pytest.approx([-4.0 * 0.25 * 0.1] * 3)


def test_the_reward_may_be_a_function_of_columns() -> None:
    seen: list[Any] = []

    def reward(before: Any, after: Any) -> Any:
        seen.append((before.equity[0], after.equity[0], after.weights.shape))
        return after.turnover - before.turnover

    env = hand(still(), reward=reward)
    env.reset(seed=0)
    _, paid, *_ = env.step(np.array([1.0], np.float32))
    assert paid == pytest.approx(50 * 10.01)
    assert seen[0][2] == (1, 1)
    env.step(np.array([1.0], np.float32))
    assert seen[1][0] == seen[0][1]


def test_e1_an_episode_is_truncated_where_its_window_ends() -> None:
    env = make(episode_steps=6)
    told = play(env, _actions(env, 10), seed=1)
    assert told["truncated"] == [False] * 5 + [True]
    assert not any(told["terminated"])
    assert told["infos"][-1]["ending"] == Ending.WINDOW_END
    with pytest.raises(UsageError, match="reset"):
        env.unwrapped.step(env.action_space.sample())


def test_e1_ruin_terminates() -> None:
    rows = [*still(30), (1_050, codes.DEPTH, 1, 1_000, 0), (1_050, codes.DEPTH, 1, 999, 0)]
    env = hand(sorted(rows), ruin_frac=0.998, episode_steps=None)
    env.reset(seed=0)
    ended = cut = False
    while not (ended or cut):
        _, _, ended, cut, info = env.step(np.array([1.0], np.float32))
    assert (ended, cut, info["ending"]) == (True, False, Ending.RUINED)


def test_b10_a_gap_under_truncate_ends_the_episode() -> None:
    rows = sorted([*still(), (550, codes.GAP, 0, 0, 0)])
    env = hand(rows, stale="truncate")
    env.reset(seed=0)
    cut, steps = False, 0
    while not cut:
        _, _, _, cut, info = env.step(np.array([0.0], np.float32))
        steps += 1
    assert info["ending"] == Ending.DATA_END
    assert steps < 10


def test_b10_info_counts_stale_stretches_as_final_info_does() -> None:
    snapshot = (codes.SNAPSHOT, 1, 1_000, 50)
    gaps = [(250, codes.GAP, 0, 0, 0), (450, *snapshot), (650, codes.GAP, 0, 0, 0)]
    env = hand(sorted([*still(), *gaps]))
    told = play(env, [np.array([0.0], np.float32)] * 20, seed=0)
    counted = [info["num_gaps"] for info in told["infos"]]
    assert counted == sorted(counted)
    assert counted[0] == 0
    assert counted[-1] == env.unwrapped.finals["num_gaps"] == env.unwrapped.session.num_gaps == 2
    # At 300 ms the book is stale: an episode that begins there says so at once.
    late = int(np.searchsorted(env.unwrapped.times, START + 300 * MS))
    _, info = env.reset(options={"start": late})
    assert info["num_gaps"] == 1


def test_the_session_is_a_view_with_fills_orders_and_equity_at_every_decision() -> None:
    env = make(action="order")
    told = play(env, _actions(env, 20), seed=4)
    session = env.unwrapped.session
    assert session.is_view
    assert session.is_complete
    equity = [info["equity"] for info in told["infos"]]
    np.testing.assert_array_equal(session.equity, equity)
    assert len(session.equity_times) == len(equity)
    assert (np.diff(session.equity_times) == 100_000_000).all()
    assert len(session.fills()) == env.unwrapped.finals["num_fills"] > 0
    paid = sum(fill.fee for fill in session.fills())
    assert paid == pytest.approx(env.unwrapped.finals["fees"])
    assert session.results().final_equity == equity[-1]
    assert session.tca() is not None
    with pytest.raises(UsageError, match=r"env\.step"):
        make_running_session().advance("1s")


def make_running_session() -> Any:
    env = make()
    env.reset(seed=0)
    return env.unwrapped.session


def test_events_survive_a_full_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make(action="order")
    actions = _actions(whole, 20)
    told = play(whole, actions, seed=4)
    monkeypatch.setattr(core, "RING_ROWS", 8)
    tight = make(action="order")
    again = play(tight, actions, seed=4)
    assert again["rewards"] == told["rewards"]
    assert tight.unwrapped._episode._pieces  # it was full, and emptied
    assert tight.unwrapped.session.fills() == whole.unwrapped.session.fills()
    assert tight.unwrapped.session.orders() == whole.unwrapped.session.orders()


@pytest.mark.parametrize("kind", ["target", "order"])
def test_e4c_a_restored_episode_repeats_byte_for_byte(kind: str) -> None:
    env = make(action=kind).unwrapped
    actions = _actions(env, 20)
    env.reset(seed=9)
    for action in actions[:8]:
        last = env.step(action)[0]
    held = env.snapshot()
    first = [env.step(action) for action in actions[8:]]
    fills = env.session.fills()
    np.testing.assert_array_equal(env.restore(held), last)
    again = [env.step(action) for action in actions[8:]]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[0], two[0])
        assert one[1:4] == two[1:4]
    assert env.session.fills() == fills


def test_info_is_small_and_observations_are_fresh() -> None:
    env = make()
    one, info = env.reset(seed=0)
    assert set(info) == {"equity", "ending", "num_gaps"}
    kept = one.copy()
    two = env.step(np.array([1.0], np.float32))[0]
    assert two is not one
    np.testing.assert_array_equal(one, kept)


def test_render_is_a_line_of_text() -> None:
    env = make(render_mode="ansi")
    env.reset(seed=0)
    env.step(np.array([1.0], np.float32))
    assert "equity" in env.render()
    with pytest.raises(UsageError, match="render_mode"):
        make().unwrapped.render()


def test_render_is_a_picture_of_mid_and_equity() -> None:
    pytest.importorskip("matplotlib")
    env = make(render_mode="rgb_array")
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.sample())
    picture = env.render()
    assert (picture.shape, picture.dtype) == ((500, 800, 3), np.uint8)
    assert picture.std() > 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium's own word about it
        with pytest.raises(UnknownName, match="ansi"):
            make(render_mode="anso")


def test_actions_outside_of_the_space_are_refused() -> None:
    env = make(action="order")
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"action must be in MultiDiscrete"):
        env.unwrapped.step(np.array([9, 0, 0]))
    with pytest.raises(ConfigError, match="of shape"):
        env.unwrapped.step(np.array([0.5, 0.0]))


def test_without_data_there_is_a_synthetic_book() -> None:
    one = gymnasium.make("seq_gym/BookTrading-v0").unwrapped if SMALL.num_events > 5_000 else None
    if one is None:
        pytest.skip("ten minutes of a book take too long in plain Python")
    assert one.episode_steps == 1_000
    observation, _ = one.reset(seed=0)
    assert one.observation_space.contains(observation)
    assert (np.diff(one.times) == 100_000_000).all()
