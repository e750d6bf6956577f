"""Native vector environments: row i is the single environment seeded s + i, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.types import Ending
from tests.envs.worlds import (
    CANDLE,
    FOUR_ROUGH,
    KINDS,
    ONE_ROUGH,
    make,
    make_vec,
)

VARIANTS = {
    **KINDS,
    "candles_per_step": (CANDLE, {"candles_per_step": 5, "episode_steps": 9}),
    "sequential": (CANDLE, {"window": "sequential", "episode_steps": 11}),
    "full": (CANDLE, {"window": "full", "start": "2025-01-01T08:00:00", "episode_steps": None}),
    "explicit": (CANDLE, {"window": [210, 260, 333], "episode_steps": 13}),
    "rough-order": (CANDLE, {"action": "order", "data": ONE_ROUGH, "execution": "close"}),
    "rough-weights": ("seq_gym/Portfolio-v0", {"data": FOUR_ROUGH, "look_back": 5}),
    "fast-ruin": (
        "seq_gym/CandleTrading-v0",
        {"action": "ladder", "account": "margin", "leverage": 3.0, "ruin_frac": 0.995},
    ),
}


def sampled(space: Any, num_envs: int, count: int) -> list[Any]:
    space.seed(11)
    return [np.stack([space.sample() for _ in range(num_envs)]) for _ in range(count)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_row_i_is_the_single_environment_seeded_s_plus_i(variant: str) -> None:
    env_id, arguments = VARIANTS[variant]
    arguments = {"episode_steps": 15, "reward_terms": True, **arguments}
    num_envs, seed = 3, 40
    batch = make_vec(env_id, num_envs, **arguments)
    singles = [make(env_id, **arguments) for _ in range(num_envs)]
    rows, _ = batch.reset(seed=seed)
    for e, env in enumerate(singles):
        np.testing.assert_array_equal(rows[e], env.reset(seed=seed + e)[0])
    episodes = 0
    for actions in sampled(batch.single_action_space, num_envs, 70):
        rows, rewards, terminated, truncated, infos = batch.step(actions)
        terms = batch.unwrapped.reward_terms
        for e, env in enumerate(singles):
            observation, reward, ended, cut, info = env.step(actions[e])
            assert rewards[e] == reward
            assert (terminated[e], truncated[e]) == (ended, cut)
            assert {name: column[e] for name, column in terms.items()} == info["reward_terms"]
            if ended or cut:
                episodes += 1
                check_final(env, infos, e, observation, info)
                observation, _ = env.reset()
            np.testing.assert_array_equal(rows[e], observation)
            assert batch.unwrapped.equity[e] == env.unwrapped.session.portfolio().total_equity
    assert episodes >= 4


def check_final(env: Any, infos: dict[str, Any], e: int, observation: Any, info: Any) -> None:
    """The row's final_obs and final_info are the last ones of the single environment."""
    session, final = env.unwrapped.session, infos["final_info"]
    np.testing.assert_array_equal(infos["final_obs"][e], observation)
    assert infos["_final_obs"][e]
    assert infos["_final_info"][e]
    assert final["equity"][e] == info["equity"]
    assert final["ending"][e] is info["ending"]
    assert final["start"][e] == session.start_cursor
    assert final["end"][e] == session.cursor
    assert final["num_fills"][e] == len(session.fills())
    assert final["fees"][e] == pytest.approx(session.results().costs.total_fees, rel=1e-12)


def test_the_batch_does_not_depend_on_its_size_or_on_its_neighbours() -> None:
    batch, alone = make_vec(num_envs=5, action="ladder"), make_vec(num_envs=1, action="ladder")
    batch.reset(seed=8)
    alone.reset(seed=8 + 3)
    for actions in sampled(batch.single_action_space, 5, 50):
        rows, rewards, *_ = batch.step(actions)
        row, reward, *_ = alone.step(actions[3:4])
        np.testing.assert_array_equal(rows[3], row[0])
        assert rewards[3] == reward[0]


# ---------------------------------------------------------------------- autoreset


def test_same_step_is_the_default_and_says_so() -> None:
    assert make_vec().metadata["autoreset_mode"] is AutoresetMode.SAME_STEP


def test_same_step_autoreset_returns_the_first_observation_of_the_next_episode() -> None:
    batch = make_vec(num_envs=2, episode_steps=4)
    batch.reset(seed=1)
    for step in range(1, 10):
        rows, _, _, truncated, infos = batch.step(np.array([1, 0]))
        assert truncated.all() == (step % 4 == 0)
        assert bool(infos) == (step % 4 == 0)
        if step % 4 == 0:
            progress = rows[:, batch.unwrapped._core.window_floats + 3]
            np.testing.assert_array_equal(progress, [0.0, 0.0])
            np.testing.assert_array_equal(batch.unwrapped.positions, [[0.0], [0.0]])
            assert infos["final_obs"][0][batch.unwrapped._core.window_floats + 3] == 1.0
            assert infos["final_info"]["ending"][0] is Ending.WINDOW_END


def test_next_step_autoreset_opens_the_next_episode_in_the_step_after() -> None:
    batch = make_vec(num_envs=2, episode_steps=3, autoreset="next_step", reward_terms=True)
    assert batch.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    single = make(episode_steps=3)
    rows, _ = batch.reset(seed=1)
    single.reset(seed=1)
    for _ in range(3):
        rows, rewards, _, truncated, _ = batch.step(np.array([1, 1]))
        observation, reward, _, _, _ = single.step(1)
    assert truncated.all()
    np.testing.assert_array_equal(rows[0], observation)
    rows, rewards, terminated, truncated, _ = batch.step(np.array([1, 1]))
    # The step of the reset ignores its action, pays nothing and ends nothing.
    assert not terminated.any()
    assert not truncated.any()
    np.testing.assert_array_equal(rewards, [0.0, 0.0])
    np.testing.assert_array_equal(rows[0], single.reset()[0])
    np.testing.assert_array_equal(batch.unwrapped.equity, [10_000.0, 10_000.0])
    rows, rewards, *_ = batch.step(np.array([1, 1]))
    observation, reward, *_ = single.step(1)
    np.testing.assert_array_equal(rows[0], observation)
    assert rewards[0] == reward


def test_next_step_autoreset_pays_nothing_at_a_reset_under_a_reward_of_ones_own() -> None:
    batch = make_vec(
        num_envs=2,
        episode_steps=3,
        autoreset="next_step",
        reward=lambda before, after: after.equity - before.equity + 5.0,
    )
    batch.reset(seed=1)
    for _ in range(3):
        batch.step(np.array([1, 0]))
    np.testing.assert_array_equal(batch.step(np.array([1, 0]))[1], [0.0, 0.0])


def test_disabled_autoreset_waits_for_a_reset_mask() -> None:
    batch = make_vec(num_envs=3, episode_steps=3, autoreset="disabled")
    assert batch.metadata["autoreset_mode"] is AutoresetMode.DISABLED
    batch.reset(seed=1)
    for _ in range(3):
        rows, _, _, truncated, _ = batch.step(np.array([1, 1, 1]))
    assert truncated.all()
    mask = np.array([False, True, False])
    reset, _ = batch.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(reset[[0, 2]], rows[[0, 2]])
    single = make(episode_steps=3)
    single.reset(seed=2)
    np.testing.assert_array_equal(reset[1], single.reset()[0])
    again, rewards, _, truncated, _ = batch.step(np.array([0, 0, 0]))
    # Rows that have ended stand still, and pay nothing, until they are reset.
    np.testing.assert_array_equal(again[[0, 2]], rows[[0, 2]])
    np.testing.assert_array_equal(rewards, [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(truncated, ~mask)


def test_a_reset_mask_may_open_rows_with_seeds_and_starts_of_their_own() -> None:
    batch = make_vec(num_envs=2)
    batch.reset(seed=[5, 9], options={"start": [100, 140]})
    assert batch.unwrapped.accounts["start"].tolist() == [100, 140]
    batch.reset(seed=[None, 3], options={"reset_mask": np.array([False, True])})
    single = make()
    single.reset(seed=3)
    assert batch.unwrapped.accounts["start"].tolist() == [
        100,
        single.unwrapped.session.start_cursor,
    ]


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda b: b.step(np.zeros(2, int)), UsageError, "call reset"),
        (lambda b: b.reset(options={"reset_maks": None}), UnknownName, "reset_mask"),
        (lambda b: b.reset(options={"reset_mask": np.ones(5, bool)}), ConfigError, "2 entries"),
        (lambda b: b.reset(options={"reset_mask": np.array([True, False])}), UsageError, "first"),
        (lambda b: b.reset(seed=[1, 2, 3]), ConfigError, "2 entries"),
        (lambda b: b.reset(seed=-1), ConfigError, "seed must"),
        (lambda b: b.reset(seed=[-5, 3]), ConfigError, "seed must"),
        (lambda b: b.reset(seed=2**63 - 1), ConfigError, "seed must"),
        (lambda b: b.reset(options={"start": [1]}), ConfigError, "2 entries"),
        (lambda b: b.reset(options={"start": 3}), ConfigError, "look-back"),
    ],
)
def test_wrong_calls_of_a_batch_say_what_is_wrong(call: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        call(make_vec(num_envs=2).unwrapped)


@pytest.mark.parametrize("actions", [[0, 3], [-1, 0], [0], [0, 1, 2], [[0, 1], [1, 0]]])
def test_actions_outside_of_the_space_are_refused_and_change_nothing(actions: Any) -> None:
    batch = make_vec(num_envs=2)
    batch.reset(seed=1)
    before = batch.unwrapped.snapshot()
    with pytest.raises(ConfigError, match=r"ctions? must"):
        batch.step(np.array(actions))
    assert batch.unwrapped.snapshot() == before


def test_bad_batch_arguments_are_refused() -> None:
    with pytest.raises(UnknownName, match="same_step"):
        make_vec(autoreset="same-step")
    with pytest.raises(ConfigError, match="num_envs"):
        make_vec(num_envs=0)


# ---------------------------------------------------------------------- arrays


def test_returned_arrays_are_fresh_and_rewards_writable() -> None:
    batch = make_vec(num_envs=2)
    first, _ = batch.reset(seed=1)
    kept = first.copy()
    returned = [batch.step(np.array([1, 1])) for _ in range(3)]
    np.testing.assert_array_equal(first, kept)
    for k in range(4):
        arrays = [step[k] for step in returned]
        assert not any(np.shares_memory(arrays[0], other) for other in arrays[1:])
        assert all(array.flags.writeable for array in arrays)
    assert not np.shares_memory(first, returned[0][0])
    returned[0][1][:] += 1.0


def test_aligned_observations_begin_with_a_cache_line_and_are_fresh_and_the_same() -> None:
    plain, aligned = make_vec(num_envs=3), make_vec(num_envs=3)
    aligned.unwrapped.align_observations()
    kept = []
    for env in (plain, aligned):
        env.reset(seed=1)
    for _ in range(9):
        rows = aligned.step(np.array([1, 0, 2]))[0]
        assert rows.ctypes.data % 64 == 0
        assert rows.flags.c_contiguous
        assert rows.flags.writeable
        np.testing.assert_array_equal(rows, plain.step(np.array([1, 0, 2]))[0])
        assert not any(np.shares_memory(rows, other) for other in kept)
        kept.append(rows)


def test_final_observations_are_fresh_too() -> None:
    batch = make_vec(num_envs=1, episode_steps=2)
    batch.reset(seed=1)
    finals = [batch.step(np.array([1]))[4] for _ in range(6)]
    kept = [info["final_obs"][0] for info in finals if info]
    copies = [array.copy() for array in kept]
    for _ in range(4):
        batch.step(np.array([0]))
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert not np.array_equal(kept[0], kept[1])


def test_dict_observations_hold_the_same_numbers() -> None:
    flat, both = make_vec(num_envs=2), make_vec(num_envs=2, observation="dict")
    row, _ = flat.reset(seed=3)
    parts, _ = both.reset(seed=3)
    for _ in range(45):
        joined = np.concatenate([parts["window"].reshape(2, -1), parts["portfolio"]], axis=1)
        np.testing.assert_array_equal(joined, row)
        assert both.observation_space.contains(parts)
        row, _, _, _, infos = flat.step(np.array([1, 2]))
        parts, _, _, _, others = both.step(np.array([1, 2]))
        if infos:
            final = others["final_obs"][0]
            joined = np.concatenate([final["window"].ravel(), final["portfolio"]])
            np.testing.assert_array_equal(joined, infos["final_obs"][0])


# ---------------------------------------------------------------------- Stable-Baselines3


@pytest.mark.parametrize("kind", KINDS)
def test_dummy_vec_env_of_stable_baselines_and_the_batch_give_the_same_numbers(kind: str) -> None:
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env")
    env_id, arguments = KINDS[kind]
    dummy = vec_env.DummyVecEnv([lambda: make(env_id, **arguments) for _ in range(2)])
    dummy.seed(5)
    batch = make_vec(env_id, 2, **arguments)
    np.testing.assert_array_equal(dummy.reset(), batch.reset(seed=5)[0])
    ended = 0
    for actions in sampled(batch.single_action_space, 2, 45):
        theirs, rewards, dones, infos = dummy.step(actions)
        rows, ours, terminated, truncated, finals = batch.step(actions)
        np.testing.assert_array_equal(rewards, ours.astype(np.float32))
        np.testing.assert_array_equal(dones, terminated | truncated)
        for e in np.flatnonzero(dones):
            ended += 1
            last = infos[e]["terminal_observation"]
            np.testing.assert_array_equal(last, finals["final_obs"][e])
            assert infos[e]["TimeLimit.truncated"] == truncated[e]
        np.testing.assert_array_equal(theirs[~dones], rows[~dones])
        if dones.any():
            break
    assert ended >= 1


# ---------------------------------------------------------------------- snapshots


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_batch_repeats_byte_for_byte(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    batch = make_vec(env_id, 3, **{"episode_steps": 12, **arguments})
    batch.reset(seed=2)
    actions = sampled(batch.single_action_space, 3, 40)
    for action in actions[:5]:
        rows = batch.step(action)[0]
    kept = batch.unwrapped.snapshot()
    first = [batch.step(action)[:4] for action in actions[5:]]
    np.testing.assert_array_equal(batch.unwrapped.restore(kept), rows)
    second = [batch.step(action)[:4] for action in actions[5:]]
    for one, other in zip(first, second, strict=True):
        for a, b in zip(one, other, strict=True):
            assert a.tobytes() == b.tobytes()


def test_a_snapshot_of_another_size_is_refused() -> None:
    one, other = make_vec(num_envs=2), make_vec(num_envs=3)
    one.reset(seed=1)
    other.reset(seed=1)
    with pytest.raises(ConfigError, match="same settings"):
        other.unwrapped.restore(one.unwrapped.snapshot())


def test_a_snapshot_holds_the_moving_state_and_not_the_market() -> None:
    batch = make_vec(num_envs=8).unwrapped
    batch.reset(seed=1)
    assert sum(map(len, batch.snapshot().tables)) < 8 * 4096


@pytest.mark.parametrize("kind", ["discrete", "ladder", "order", "order-margin"])
@pytest.mark.parametrize("execution", ["next_open", "close"])
def test_each_row_of_the_masks_is_that_of_the_single_environment(kind: str, execution: str) -> None:
    env_id, arguments = KINDS[kind]
    arguments = {**arguments, "episode_steps": 60, "execution": execution, "max_orders": 3}
    batch = make_vec(env_id, 4, **arguments)
    singles = [make(env_id, **arguments) for _ in range(4)]
    batch.reset(seed=20)
    for e, env in enumerate(singles):
        env.reset(seed=20 + e)
    seen = set()
    for actions in sampled(batch.single_action_space, 4, 50):
        masks = batch.unwrapped.action_masks()
        assert masks.dtype == np.bool_
        assert masks.shape[0] == 4
        for e, env in enumerate(singles):
            assert masks[e].tolist() == env.unwrapped.action_masks().tolist()
            seen.add(masks[e].tobytes())
            env.step(actions[e])
        batch.step(actions)
    assert kind == "ladder" or len(seen) > 1


def test_masks_of_a_batch_without_choices_are_refused() -> None:
    batch = make_vec(CANDLE, 2, action="continuous")
    batch.reset(seed=0)
    with pytest.raises(UsageError, match="discrete action kind; was 'continuous'"):
        batch.unwrapped.action_masks()
