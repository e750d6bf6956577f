"""Native vector environments over books: row i is the single environment seeded s + i."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.types import Ending
from tests.envs.book.worlds import KINDS, make, make_vec, sampled

VARIANTS: dict[str, dict[str, Any]] = {
    **KINDS,
    "sequential": {"window": "sequential", "episode_steps": 7},
    "explicit": {"window": [5, 20, 11], "episode_steps": 9},
    "realism": {
        "action": "order",
        "adverse_selection": True,
        "self_impact": True,
        "permanent_impact": 0.1,
        "account": "margin",
    },
}


def _same(one: Any, two: Any) -> None:
    if isinstance(one, dict):
        assert set(one) == set(two)
        for key in one:
            np.testing.assert_array_equal(one[key], two[key])
    else:
        np.testing.assert_array_equal(one, two)


def _row(rows: Any, e: int) -> Any:
    return {key: each[e] for key, each in rows.items()} if isinstance(rows, dict) else rows[e]


@pytest.mark.parametrize("variant", VARIANTS)
def test_row_i_is_the_single_environment_seeded_s_plus_i(variant: str) -> None:
    arguments = {"episode_steps": 8, "reward_terms": True, **VARIANTS[variant]}
    num_envs, seed = 3, 40
    batch = make_vec(num_envs=num_envs, **arguments)
    singles = [make(**arguments) for _ in range(num_envs)]
    rows, _ = batch.reset(seed=seed)
    for e, env in enumerate(singles):
        _same(_row(rows, e), env.reset(seed=seed + e)[0])
    episodes = 0
    for actions in sampled(batch.single_action_space, num_envs, 30):
        rows, rewards, terminated, truncated, infos = batch.step(actions)
        terms = batch.unwrapped.reward_terms
        for e, env in enumerate(singles):
            observation, reward, ended, cut, info = env.step(actions[e])
            assert rewards[e] == reward
            assert (terminated[e], truncated[e]) == (ended, cut)
            assert {name: column[e] for name, column in terms.items()} == info["reward_terms"]
            if ended or cut:
                episodes += 1
                _same(infos["final_obs"][e], observation)
                final = infos["final_info"]
                assert final["equity"][e] == info["equity"]
                assert final["ending"][e] == info["ending"]
                assert final["num_gaps"][e] == info["num_gaps"]
                for name, value in env.unwrapped.finals.items():
                    assert final[name][e] == value
                observation = env.reset()[0]
            _same(_row(rows, e), observation)
    assert episodes >= num_envs


def test_next_step_autoreset_opens_the_next_episode_in_a_step_of_its_own() -> None:
    batch = make_vec(num_envs=2, episode_steps=3, autoreset="next_step")
    same = make_vec(num_envs=2, episode_steps=3)
    batch.reset(seed=7)
    same.reset(seed=7)
    actions = np.ones((2, 1), np.float32)
    for _ in range(2):
        batch.step(actions)
        same.step(actions)
    last, _, _, truncated, infos = batch.step(actions)
    after, *_, told = same.step(actions)
    assert truncated.all()
    for e in range(2):
        np.testing.assert_array_equal(last[e], told["final_obs"][e])
    assert infos["final_info"]["ending"][0] == Ending.WINDOW_END
    rows, rewards, terminated, truncated, _ = batch.step(actions)
    np.testing.assert_array_equal(rows, after)
    assert not rewards.any()
    assert not terminated.any()
    assert not truncated.any()


def test_disabled_autoreset_stands_still_until_a_reset_mask() -> None:
    batch = make_vec(num_envs=2, episode_steps=3, autoreset="disabled")
    batch.reset(seed=7)
    actions = np.ones((2, 1), np.float32)
    for _ in range(3):
        last, *_ = batch.step(actions)
    rows, rewards, _, truncated, _ = batch.step(actions)
    np.testing.assert_array_equal(rows, last)
    assert truncated.all()
    assert not rewards.any()
    rows, _ = batch.reset(options={"reset_mask": np.array([True, False])})
    assert not np.array_equal(rows[0], last[0])
    np.testing.assert_array_equal(rows[1], last[1])


def test_returned_arrays_are_fresh_and_writable() -> None:
    batch = make_vec()
    first, _ = batch.reset(seed=1)
    kept = first.copy()
    actions = np.zeros((3, 1), np.float32)
    rows, rewards, terminated, truncated, _ = batch.step(actions)
    copies = [each.copy() for each in (rows, rewards, terminated, truncated)]
    batch.step(actions)
    np.testing.assert_array_equal(first, kept)
    for each, copy in zip((rows, rewards, terminated, truncated), copies, strict=True):
        np.testing.assert_array_equal(each, copy)
    rewards[:] = 0.0


def test_e4c_a_restored_batch_repeats_byte_for_byte() -> None:
    batch = make_vec(action="order", episode_steps=9)
    actions = sampled(batch.single_action_space, 3, 24)
    batch.reset(seed=3)
    for each in actions[:12]:
        batch.step(each)
    held = batch.unwrapped.snapshot()
    first = [batch.step(each)[:4] for each in actions[12:]]
    batch.unwrapped.restore(held)
    again = [batch.step(each)[:4] for each in actions[12:]]
    for one, two in zip(first, again, strict=True):
        for left, right in zip(one, two, strict=True):
            np.testing.assert_array_equal(left, right)


def test_a_python_reward_sees_columns_of_the_batch() -> None:
    batch = make_vec(num_envs=4, reward=lambda before, after: after.equity - before.equity)
    other = make_vec(num_envs=4, reward="pnl")
    batch.reset(seed=5)
    other.reset(seed=5)
    for actions in sampled(batch.single_action_space, 4, 25):
        one, two = batch.step(actions), other.step(actions)
        np.testing.assert_allclose(one[1], two[1], atol=1e-12)
        np.testing.assert_array_equal(one[0], two[0])


def test_masks_and_columns_are_those_of_the_single_environments() -> None:
    batch = make_vec(num_envs=2, action="order")
    single = make(action="order")
    batch.reset(seed=5)
    single.reset(seed=5)
    for actions in sampled(batch.single_action_space, 2, 10):
        batch.step(actions)
        single.step(actions[0])
        masks = batch.unwrapped.action_masks()
        np.testing.assert_array_equal(masks[0], single.unwrapped.action_masks())
    assert batch.unwrapped.equity.shape == (2,)
    assert batch.unwrapped.positions.shape == (2, 1)


def test_wrong_calls_are_refused() -> None:
    batch = make_vec()
    with pytest.raises(UsageError, match="reset"):
        batch.unwrapped.step(np.zeros((3, 1), np.float32))
    with pytest.raises(UnknownName, match="same_step"):
        make_vec(autoreset="same_stop")
    batch.reset(seed=0)
    with pytest.raises(ConfigError, match="of shape"):
        batch.unwrapped.step(np.zeros((2, 1), np.float32))
    with pytest.raises(UsageError, match="discrete"):
        batch.unwrapped.action_masks()
