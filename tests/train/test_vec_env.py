"""The batch as Stable-Baselines3 sees it: a DummyVecEnv of single environments is the oracle."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.market import synthetic_candles
from seq_gym.train.figures import EPISODE_FIGURES
from seq_gym.train.vec_env import SB3VecEnv, make_vec_env

CANDLE, PORTFOLIO = "seq_gym/CandleTrading-v0", "seq_gym/Portfolio-v0"
ONE = synthetic_candles("BTCUSDT", num_candles=900, seed=3)
TWO = synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=900, seed=3)
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "discrete": (CANDLE, {}),
    "dict": (CANDLE, {"observation": "dict"}),
    "index": (CANDLE, {"observation": "index"}),
    "continuous": (CANDLE, {"action": "continuous"}),
    "order": (CANDLE, {"action": "order"}),
    "weights": (PORTFOLIO, {"data": TWO}),
    "ruin": (CANDLE, {"action": "ladder", "account": "margin", "ruin_frac": 0.9995}),
}


def world(variant: str) -> tuple[str, dict[str, Any]]:
    env_id, own = VARIANTS[variant]
    return env_id, {"data": ONE, "episode_steps": 17, "look_back": 5, **own}


def small(num_envs: int = 3, **own: Any) -> SB3VecEnv:
    return make_vec_env(CANDLE, num_envs, data=ONE, episode_steps=17, look_back=5, **own)


def equal(one: Any, other: Any) -> None:
    assert isinstance(one, dict) == isinstance(other, dict)
    if not isinstance(one, dict):
        one, other = {"": one}, {"": other}
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_does_what_a_dummy_vec_env_of_monitored_single_environments_does(variant: str) -> None:
    env_id, arguments = world(variant)
    ours = make_vec_env(env_id, 3, **arguments)
    theirs = DummyVecEnv([lambda: Monitor(gymnasium.make(env_id, **arguments))] * 3)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    ours.seed(8)
    theirs.seed(8)
    equal(ours.reset(), theirs.reset())
    ours.action_space.seed(1)
    ended = 0
    for _ in range(60):
        actions = np.stack([ours.action_space.sample() for _ in range(3)])
        (rows, rewards, dones, infos), known = ours.step(actions), theirs.step(actions)
        equal(rows, known[0])
        np.testing.assert_allclose(rewards, known[1], rtol=1e-6)
        np.testing.assert_array_equal(dones, known[2])
        for info, other, done in zip(infos, known[3], dones, strict=True):
            if not done:
                assert info == {}
                continue
            ended += 1
            equal(info["terminal_observation"], other["terminal_observation"])
            assert info["TimeLimit.truncated"] == other["TimeLimit.truncated"]
            assert info["ending"] == other["ending"].name
            assert info["episode"]["l"] == other["episode"]["l"]
            assert info["episode"]["r"] == pytest.approx(other["episode"]["r"], abs=2e-6)
    assert ended >= 6


def test_what_a_step_returns_is_never_written_again() -> None:
    env = small()
    env.seed(0)
    kept = [env.reset()]
    copies = [kept[0].copy()]
    for _ in range(40):
        rows, rewards, dones, _ = env.step(np.array([1, 0, 2]))
        rewards += 1.0  # SB3 adds its bootstrap in place
        kept += [rows, rewards, dones]
        copies += [rows.copy(), rewards.copy(), dones.copy()]
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_what_is_written_into_an_info_stays_in_its_step() -> None:
    env = small()
    env.reset()
    _, _, _, first = env.step(np.zeros(3, int))
    first[1]["note"] = "mine"
    _, _, _, second = env.step(np.zeros(3, int))
    assert second == [{}, {}, {}]
    assert first[1] == {"note": "mine"}
    second[0] = {"other": 1}
    assert env.step(np.zeros(3, int))[3] == [{}, {}, {}]


def test_a_quiet_step_touches_no_info() -> None:
    env = small()
    env.reset()
    first, second = env.step(np.zeros(3, int))[3], env.step(np.zeros(3, int))[3]
    assert all(one is other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("env_id", [CANDLE, PORTFOLIO])
@pytest.mark.parametrize("observation", ["flat", "dict", "index"])
def test_the_checker_of_stable_baselines_has_nothing_to_say(env_id: str, observation: str) -> None:
    env = gymnasium.make(env_id, observation=observation, episode_steps=50)
    check_env(env.unwrapped, warn=observation == "flat")


class Momentum:
    """Long after a rise, flat after a fall: a policy without memory."""

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: Any = 1
    ) -> tuple[Any, Any]:
        rows = np.atleast_2d(observation)
        return np.where(rows[:, 20] > 0.3, 1, np.where(rows[:, 20] < -0.3, 2, 0)), None


class Single(Momentum):
    def predict(self, observation: Any, *args: Any, **kw: Any) -> tuple[Any, Any]:
        return int(super().predict(observation)[0][0]), None


def test_evaluate_policy_and_the_infos_say_what_evaluate_says_of_the_same_windows() -> None:
    from stable_baselines3.common.evaluation import evaluate_policy

    settings = {"look_back": 5}
    config = EvaluateConfig(
        symbols=("BTCUSDT",), episodes=4, episode_steps=150, end="2025-01-01", env_settings=settings
    )
    result = evaluate(config, agents={"mine": Single()})
    episodes = result.episodes_of("mine")
    env = make_vec_env(
        CANDLE,
        4,
        data=result.series,
        window=[window.start for window in result.windows],
        episode_steps=150,
        starting_balance=100_000.0,
        **settings,
    )
    env.seed(0)
    rewards, lengths = evaluate_policy(Momentum(), env, 4, return_episode_rewards=True)
    assert lengths == [150] * 4
    known = [np.log(each.equity[-1] / each.equity[0]) for each in episodes]
    assert rewards == pytest.approx(known, abs=1e-12)
    assert sum(each.metrics.total_trades for each in episodes) > 20
    env.seed(0)
    observations = env.reset()
    infos: list[dict[str, Any]] = []
    while not infos:
        observations, _, dones, told = env.step(Momentum().predict(observations)[0])
        infos = told if dones.all() else []
    for info, each in zip(infos, episodes, strict=True):
        metrics = each.metrics
        assert info["total_return_frac"] == pytest.approx(metrics.total_return_frac, abs=1e-12)
        assert info["sharpe_ratio"] == pytest.approx(metrics.sharpe_ratio, rel=1e-9)
        assert info["max_drawdown_frac"] == pytest.approx(metrics.max_drawdown_frac, abs=1e-12)
        assert info["trades"] == metrics.total_trades
        assert info["fees"] == pytest.approx(each.costs["taker_fees"], rel=1e-12)
        assert info["slippage"] == pytest.approx(each.costs["slippage"], rel=1e-9)
        notional = sum(fill[7] for fill in each.fills)
        assert info["turnover_frac"] == pytest.approx(notional / 100_000.0, rel=1e-12)
        assert info["final_equity"] == pytest.approx(each.equity[-1], rel=1e-12)


def test_a_flat_episode_has_no_sharpe_ratio() -> None:
    env = small()
    env.reset()
    infos: list[dict[str, Any]] = [{}]
    while not infos[0]:
        infos = env.step(np.zeros(3, int))[3]
    assert np.isnan(infos[0]["sharpe_ratio"])
    assert {*EPISODE_FIGURES, "final_equity", "ending", "episode"} < infos[0].keys()


def test_masks_come_a_row_each_in_one_call() -> None:
    env = small(action="order")
    env.reset()
    masks = np.stack(env.env_method("action_masks"))
    np.testing.assert_array_equal(masks, env.action_masks())
    np.testing.assert_array_equal(env.get_attr("action_masks", [2])[0](), masks[2])
    assert env.has_attr("action_masks")
    assert len(env.env_method("action_masks", indices=[0, 2])) == 2


def test_attributes_are_those_of_a_row_or_shared() -> None:
    env = small()
    env.reset()
    env.step(np.array([1, 0, 1]))
    assert env.get_attr("equity") == env.env.equity.tolist()
    assert env.get_attr("settings", 0) == [env.env.settings]
    assert not env.has_attr("no_such_thing")
    env.set_attr("note", 5)
    assert env.get_attr("note") == [5, 5, 5]
    with pytest.raises(UsageError, match="must name all 3 rows"):
        env.set_attr("note", 6, indices=[0])
    assert env.env_is_wrapped(Monitor) == [True] * 3
    assert env.env_is_wrapped(gymnasium.wrappers.TimeLimit, 1) == [False]


def test_seeds_and_options_reach_the_next_reset_alone() -> None:
    env = small()
    env.seed(3)
    first = env.reset()
    second = env.reset()
    assert not np.array_equal(first, second)
    env.seed(3)
    np.testing.assert_array_equal(env.reset(), first)
    env.set_options({"start": 400})
    env.reset()
    assert set(env.env.accounts["start"]) == {400}
    env.reset()
    assert set(env.env.accounts["start"]) != {400}
    env.set_options([{"start": 400}, {}, {}])
    with pytest.raises(ConfigError, match="every row or for none"):
        env.reset()
    env.set_options({"strt": 400})
    with pytest.raises(UnknownName, match="Did you mean 'start'"):
        env.reset()


def test_a_batch_is_not_rendered_and_resets_in_one_way_only() -> None:
    env = small()
    with pytest.raises(UsageError, match="render_mode='rgb_array'"):
        env.render()
    other: Any = gymnasium.make_vec(CANDLE, 2, data=ONE, autoreset="next_step")
    with pytest.raises(ConfigError, match="must be 'same_step'"):
        SB3VecEnv(other.unwrapped)
    env.close()


def test_vec_normalize_goes_around_it() -> None:
    env = VecNormalize(small())
    env.reset()
    for _ in range(20):
        rows, rewards, *_ = env.step(np.array([1, 0, 2]))
    assert rows.dtype == rewards.dtype == np.float32
    env.training = False
    assert env.get_attr("settings") == [env.unwrapped.env.settings] * 3
