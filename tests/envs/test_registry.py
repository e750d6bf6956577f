"""Every registered environment and action kind: checkers, seeds, spaces (registry-parametrised)."""

from __future__ import annotations

import json
import warnings
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import seq_gym
from tests.envs.worlds import CANDLE, FOUR_ROUGH, KINDS, ONE_ROUGH, PORTFOLIO, make, make_vec, play

IDS = list(seq_gym.ENV_IDS)
"""Environments over candles; those over books have tests of their own (tests/envs/book)."""


def test_the_registry_and_the_tables_of_ids_agree() -> None:
    registered = [name for name in gymnasium.registry if name.startswith("seq_gym/")]
    assert sorted(registered) == sorted([*seq_gym.ENV_IDS, *seq_gym.BOOK_ENV_IDS])
    assert sorted(IDS) == sorted([CANDLE, PORTFOLIO])
    assert {env_id for env_id, _ in KINDS.values()} == set(IDS)


@pytest.mark.parametrize("env_id", IDS)
def test_an_id_is_made_without_any_argument(env_id: str) -> None:
    env = gymnasium.make(env_id)
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.unwrapped.settings.series.num_candles > 40_000
    assert env.unwrapped.settings.first_start <= env.unwrapped.session.start_cursor


@pytest.mark.parametrize("observation", ["flat", "dict"])
@pytest.mark.parametrize("kind", KINDS)
def test_gymnasiums_checker_finds_nothing(kind: str, observation: str) -> None:
    env_id, arguments = KINDS[kind]
    env = make(env_id, observation=observation, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("observation", ["flat", "dict"])
@pytest.mark.parametrize("kind", KINDS)
def test_stable_baselines_checker_finds_nothing(kind: str, observation: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env_id, arguments = KINDS[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if observation == "dict":
            # The window keeps its shape [look_back, S * F] for extractors of one's own; SB3's
            # standard ones flatten it, and its checker says that it has seen it.
            warnings.filterwarnings("ignore", "Your observation window has an unconventional")
        checker.check_env(make(env_id, observation=observation, **arguments), warn=True)


@pytest.mark.parametrize("kind", KINDS)
def test_two_equally_seeded_rollouts_are_identical(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    runs = []
    for _ in range(2):
        env = make(env_id, **arguments)
        env.action_space.seed(3)
        actions = [env.action_space.sample() for _ in range(40)]
        runs.append(play(env, actions, seed=3))
    for one, other in zip(runs[0]["observations"], runs[1]["observations"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs[0]["rewards"] == runs[1]["rewards"]
    assert runs[0]["infos"] == runs[1]["infos"]


@pytest.mark.parametrize("data", ["clean", "rough"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_observation_lies_in_the_space_and_every_reward_is_finite(
    kind: str, data: str
) -> None:
    env_id, arguments = KINDS[kind]
    if data == "rough":
        arguments = {**arguments, "data": ONE_ROUGH if env_id == CANDLE else FOUR_ROUGH}
    env = make(env_id, episode_steps=100, features="full", **arguments)
    env.action_space.seed(1)
    for seed in range(3):
        out = play(env, [env.action_space.sample() for _ in range(100)], seed=seed)
        for observation in out["observations"]:
            assert env.observation_space.contains(observation)
            assert observation.dtype == np.float32
        assert np.isfinite(out["rewards"]).all()
        assert all(type(reward) is float for reward in out["rewards"])


@pytest.mark.parametrize("env_id", IDS)
def test_bounds_are_finite_and_action_spaces_are_those_that_no_checker_minds(env_id: str) -> None:
    for kind, (kind_id, arguments) in KINDS.items():
        if kind_id != env_id:
            continue
        env = make(env_id, **arguments)
        box = env.observation_space
        assert np.isfinite(box.low).all()
        assert np.isfinite(box.high).all()
        space = env.action_space
        assert isinstance(
            space, gymnasium.spaces.Discrete | gymnasium.spaces.MultiDiscrete | gymnasium.spaces.Box
        ), kind
        if isinstance(space, gymnasium.spaces.Box):
            assert (space.low == -1.0).all()
            assert (space.high == 1.0).all()


@pytest.mark.parametrize("env_id", IDS)
def test_a_spec_of_plain_arguments_is_json_and_makes_the_same_environment(env_id: str) -> None:
    env = gymnasium.make(env_id, episode_steps=20, look_back=10, reward={"pnl": 1.0}, symbols=None)
    text = env.spec.to_json()
    assert json.loads(text)["kwargs"]["look_back"] == 10
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(text))
    np.testing.assert_array_equal(env.reset(seed=4)[0], again.reset(seed=4)[0])
    env.action_space.seed(0)
    action = env.action_space.sample()
    assert env.step(action)[1] == again.step(action)[1]


def test_the_registration_switches_no_checker_off() -> None:
    for env_id in IDS:
        spec = gymnasium.spec(env_id)
        assert not spec.disable_env_checker
        assert spec.order_enforce
        assert not spec.nondeterministic


@pytest.mark.parametrize("env_id", IDS)
def test_make_vec_makes_the_native_environment_and_sync_the_single_ones(env_id: str) -> None:
    native = make_vec(env_id, num_envs=2)
    assert isinstance(native.unwrapped, gymnasium.vector.VectorEnv)
    assert type(native.unwrapped).__module__ == "seq_gym.envs.catalog"
    sync = make_vec(env_id, num_envs=2, vectorization_mode="sync")
    one, _ = native.reset(seed=5)
    other, _ = sync.reset(seed=5)
    np.testing.assert_array_equal(one, other)
    assert native.single_observation_space == sync.single_observation_space
    assert native.action_space == sync.action_space


# ---------------------------------------------------------------------- seeds


def start_of(env: Any, **reset: Any) -> int:
    env.reset(**reset)
    return int(env.unwrapped.session.start_cursor)


@pytest.mark.parametrize("env_id", IDS)
def test_zero_is_a_seed(env_id: str) -> None:
    env = make(env_id)
    first = start_of(env, seed=0)
    later = [start_of(env) for _ in range(4)]
    assert start_of(env, seed=0) == first
    assert [start_of(env) for _ in range(4)] == later
    assert len({first, *later}) > 1


@pytest.mark.parametrize("env_id", IDS)
def test_a_seed_always_opens_the_same_window_and_other_seeds_others(env_id: str) -> None:
    env = make(env_id)
    assert len({start_of(env, seed=7) for _ in range(5)}) == 1
    assert start_of(make(env_id), seed=7) == start_of(env, seed=7)
    assert len({start_of(env, seed=seed) for seed in range(20)}) > 15


def test_an_unseeded_environment_draws_its_own_seed() -> None:
    starts = {start_of(make(), seed=None) for _ in range(8)}
    assert len(starts) > 3


def test_global_random_state_neither_matters_nor_moves() -> None:
    np.random.seed(1)  # noqa: NPY002 - the global state is what this is about
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    env = make()
    one = start_of(env, seed=3)
    env.step(1)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert start_of(env, seed=3) == one
