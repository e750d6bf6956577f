"""Index observations: the cursor in place of the windows, which the policy gathers itself."""

from __future__ import annotations

import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.checks import check_no_lookahead
from seq_gym.envs import observations
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.evaluate import EvaluateConfig, evaluate
from tests.envs.test_vector import sampled
from tests.envs.worlds import CANDLE, FOUR_ROUGH, KINDS, ONE, PORTFOLIO, make, make_vec


def longer(**look_backs: int) -> dict[str, Any]:
    """Timeframes whose features need no long warm-up."""
    plain = ["log_return", "rsi_3"]
    return {f"{k[1:]}m": {"look_back": n, "features": plain} for k, n in look_backs.items()}


WINDOWS: dict[str, dict[str, Any]] = {
    "one": {"look_back": 7},
    "timeframes": {"look_back": 4, "timeframes": longer(m15=3, m5=6)},
    "rough": {"data": FOUR_ROUGH, "look_back": 3, "timeframes": longer(m5=2)},
}
"""Windows of several kinds, for one symbol or four."""


def ids_of(name: str) -> str:
    return PORTFOLIO if name == "rough" else CANDLE


def gathered(env: Any, observation: Any) -> Any:
    """The flat observation that an index one stands for."""
    cursors = observation["index"][..., 0]
    windows = [each.gather(cursors) for each in env.unwrapped.settings.windows]
    parts = [window.reshape(*cursors.shape, -1) for window in windows]
    return np.concatenate([*parts, observation["portfolio"]], axis=-1)


@pytest.mark.parametrize("name", WINDOWS)
def test_what_an_index_points_at_is_the_flat_observation_to_the_bit(name: str) -> None:
    env_id = ids_of(name)
    flat = make_vec(env_id, 5, **WINDOWS[name])
    index = make_vec(env_id, 5, observation="index", **WINDOWS[name])
    rows, _ = flat.reset(seed=3)
    pointed, _ = index.reset(seed=3)
    ended = 0
    for actions in sampled(flat.single_action_space, 5, 90):
        np.testing.assert_array_equal(gathered(index, pointed), rows)
        assert index.observation_space.contains(pointed)
        rows, rewards, _, _, infos = flat.step(actions)
        pointed, others, _, _, finals = index.step(actions)
        np.testing.assert_array_equal(rewards, others)
        assert bool(infos) == bool(finals)
        for e in np.flatnonzero(infos.get("_final_obs", [])):
            ended += 1
            final = gathered(index, finals["final_obs"][e])
            np.testing.assert_array_equal(final, infos["final_obs"][e])
    assert ended >= 5


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**40),
    look_back=st.integers(1, 40),
    frames=st.dictionaries(st.sampled_from(["m3", "m5", "m20"]), st.integers(1, 4)),
)
def test_every_window_of_every_length_is_gathered_as_the_kernel_copies_it(
    seed: int, look_back: int, frames: dict[str, int]
) -> None:
    arguments = {"look_back": look_back, "timeframes": longer(**frames), "episode_steps": 9}
    flat, index = make_vec(**arguments), make_vec(observation="index", **arguments)
    rows, pointed = flat.reset(seed=seed)[0], index.reset(seed=seed)[0]
    np.testing.assert_array_equal(gathered(index, pointed), rows)


@pytest.mark.parametrize("kind", KINDS)
def test_row_i_of_a_batch_is_the_single_environment(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    arguments = {**arguments, "observation": "index", "episode_steps": 12}
    batch = make_vec(env_id, 2, **arguments)
    singles = [make(env_id, **arguments) for _ in range(2)]
    rows, _ = batch.reset(seed=9)
    found = [env.reset(seed=9 + e)[0] for e, env in enumerate(singles)]
    for actions in sampled(batch.single_action_space, 2, 30):
        for e, observation in enumerate(found):
            for key, part in observation.items():
                np.testing.assert_array_equal(rows[key][e], part)
        rows, _, terminated, truncated, _ = batch.step(actions)
        for e, env in enumerate(singles):
            found[e] = env.step(actions[e])[0]
            if terminated[e] or truncated[e]:
                found[e] = env.reset()[0]


def test_the_index_is_the_cursor_of_the_session() -> None:
    env = make(observation="index")
    observation, _ = env.reset(seed=1)
    for _ in range(5):
        assert observation["index"].tolist() == [env.unwrapped.session.cursor]
        assert observation["index"].dtype == np.float32
        observation = env.step(1)[0]


@pytest.mark.parametrize("env_id", [CANDLE, PORTFOLIO])
def test_the_checker_of_gymnasium_is_content(env_id: str) -> None:
    check_env(make(env_id, observation="index").unwrapped, skip_render_check=True)


def test_a_row_of_floats_is_an_index_and_the_portfolio() -> None:
    core = make_vec(PORTFOLIO, observation="index", look_back=50).unwrapped._core
    assert core.row_floats == 1 + 5 + 4 * 4


def test_snapshots_of_index_observations_repeat_byte_for_byte() -> None:
    env = make(observation="index", action="ladder")
    env.reset(seed=2)
    for action in (4, 1, 2):
        env.step(action)
    kept = env.unwrapped.snapshot()
    first = [env.step(action) for action in (0, 3, 4)]
    env.unwrapped.restore(kept)
    assert pickle.dumps([env.step(action) for action in (0, 3, 4)]) == pickle.dumps(first)


def test_next_step_autoreset_shows_the_last_index_before_the_first_of_the_next_episode() -> None:
    batch = make_vec(num_envs=1, observation="index", autoreset="next_step", episode_steps=3)
    start = batch.reset(seed=4)[0]["index"][0, 0]
    seen = [batch.step(np.array([0]))[0]["index"][0, 0] for _ in range(4)]
    assert seen[:3] == [start + 1, start + 2, start + 3]
    assert seen[3] == batch.unwrapped.accounts["start"][0]


# ---------------------------------------------------------------------- checks


def test_the_windows_behind_an_index_are_checked_for_look_ahead() -> None:
    arguments = {"look_back": 4, "timeframes": longer(m5=3)}
    report = check_no_lookahead(make(observation="index", **arguments))
    flat = check_no_lookahead(make(**arguments))
    # Whatever moves in a flat observation has been seen to move here.
    assert report.unmoved == flat.unmoved
    assert report.num_fills == flat.num_fills


def test_a_feature_that_looks_ahead_is_found_behind_an_index() -> None:
    def leaky(series: Any) -> Any:
        tomorrow = np.append(series.close[1:, 0], series.close[-1, 0])
        features = [("leak", tomorrow / series.close[:, 0] - 1.0, -1.0, 1.0)]
        return gymnasium.make(CANDLE, data=series, features=features, observation="index")

    with pytest.raises(AssertionError, match="feature 'leak' of BTCUSDT"):
        check_no_lookahead(leaky, series=ONE, steps=20)


class BuyAlways:
    """A policy that looks at nothing but the number of observations."""

    def predict(self, observation: Any, *args: Any, **kwargs: Any) -> tuple[Any, None]:
        return 1, None


def test_evaluate_gives_the_same_figures_in_every_kind_of_observation() -> None:
    found = []
    for kind in ("flat", "dict", "index"):
        config = EvaluateConfig(
            episodes=3, episode_steps=30, env_settings={"observation": kind, "look_back": 5}
        )
        found.append(evaluate(config, agents={"mine": BuyAlways()}, data=ONE))
    figures = [[(each.name, each.figures) for each in run.summary.agents] for run in found]
    assert figures[0] == figures[1] == figures[2]


# ---------------------------------------------------------------------- refused


def test_more_candles_than_float32_tells_apart_are_refused(monkeypatch: Any) -> None:
    assert np.float32(observations.MOST_INDEXED - 1) != np.float32(observations.MOST_INDEXED)
    assert np.float32(observations.MOST_INDEXED + 1) == np.float32(observations.MOST_INDEXED)
    monkeypatch.setattr("seq_gym.envs.settings.MOST_INDEXED", ONE.num_candles - 1)
    with pytest.raises(ConfigError, match="float32 can tell apart; the data has 500"):
        make(observation="index")
    make(observation="dict")


def test_an_unknown_kind_of_observation_names_the_near_miss() -> None:
    with pytest.raises(UnknownName, match="'index'"):
        make(observation="indx")
