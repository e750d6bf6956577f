"""Single environments: endings, the session of an episode, snapshots, replay, arrays (E1, E4c)."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from seq_gym import Session
from seq_gym.checks import altered_after
from seq_gym.errors import ConfigError, SeqGymError, UnknownName, UsageError
from seq_gym.market import Instrument, ramp_candles
from seq_gym.types import Ending
from tests.envs.worlds import KINDS, ONE, ONE_ROUGH, flat, make, make_vec, play, rows_env

# ---------------------------------------------------------------------- endings


def test_the_end_of_the_window_truncates() -> None:
    out = play(make(episode_steps=5), [0] * 9)
    assert out["truncated"] == [False] * 4 + [True]
    assert not any(out["terminated"])
    assert out["infos"][-1]["ending"] is Ending.WINDOW_END


def test_the_end_of_the_data_truncates_and_never_terminates() -> None:
    env = make(episode_steps=50)
    out = play(env, [1] * 60, options={"start": ONE.num_candles - 7})
    assert len(out["rewards"]) == 7
    assert out["truncated"][-1]
    assert not any(out["terminated"])
    assert out["infos"][-1]["ending"] in (Ending.DATA_END, Ending.WINDOW_END)


def test_a_window_that_the_data_cuts_short_says_so() -> None:
    env = make(episode_steps=50)
    out = play(env, [0] * 60, options={"start": ONE.num_candles - 7})
    assert out["infos"][-1]["ending"] is Ending.DATA_END


def test_ruin_terminates() -> None:
    rows = [*flat(100.0, 6), *[(p, p, p, p, 1e6) for p in (80.0, 60.0, 40.0, 30.0)], *flat(30.0, 5)]
    env = rows_env(rows, action="ladder", ruin_frac=0.5)
    out = play(env, [4] * 20)
    assert out["terminated"][-1]
    assert not any(out["truncated"])
    assert out["infos"][-1]["ending"] is Ending.RUINED
    assert out["infos"][-1]["equity"] == pytest.approx(4_000.0)
    assert len(out["rewards"]) < 15


def test_a_margin_call_terminates() -> None:
    rows = [*flat(100.0, 6), (100.0, 140.0, 100.0, 140.0, 1e6), *flat(140.0, 5)]
    env = rows_env(rows, action="ladder", account="margin", leverage=3.0)
    out = play(env, [0] * 20)
    assert out["terminated"][-1]
    assert not out["truncated"][-1]
    assert out["infos"][-1]["ending"] is Ending.LIQUIDATED
    assert any(fill.reason == "LIQUIDATED" for fill in env.unwrapped.session.fills())


def test_ruin_on_the_last_candle_is_terminated_and_not_truncated() -> None:
    rows = [*flat(100.0, 5), (100.0, 100.0, 10.0, 10.0, 1e6)]
    env = rows_env(rows, action="ladder", ruin_frac=0.5)
    out = play(env, [4] * 20)
    assert (out["terminated"][-1], out["truncated"][-1]) == (True, False)


def test_stepping_an_ended_or_unopened_episode_is_refused() -> None:
    env = make(episode_steps=2).unwrapped
    for call in (lambda: env.step(0), lambda: env.session, env.snapshot):
        with pytest.raises(UsageError, match=r"call reset\(\) first"):
            call()
    env.reset(seed=1)
    env.step(0)
    env.step(0)
    with pytest.raises(UsageError, match=r"call reset\(\) first"):
        env.step(0)
    env.reset()
    env.step(0)


# ---------------------------------------------------------------------- the session


def test_the_session_stays_readable_after_the_end_until_the_next_reset() -> None:
    env = make(action="ladder", episode_steps=20)
    out = play(env, [4, 0] * 10)
    session = env.unwrapped.session
    results = session.results()
    assert results.final_equity == out["infos"][-1]["equity"]
    assert results.total_trades == len(session.fills()) > 5
    assert len(session.equity) == 21
    np.testing.assert_array_equal(session.equity, [info["equity"] for info in out["infos"]])
    env.reset()
    assert env.unwrapped.session.fills() == ()
    assert env.unwrapped.session.step_index == 0


def test_the_session_of_an_environment_reads_but_does_not_own_the_clock() -> None:
    env = make()
    env.reset(seed=1)
    for verb in ("step", "cancel"):
        with pytest.raises(UsageError, match=r"env\.step"):
            getattr(env.unwrapped.session, verb)()


def test_an_episode_of_many_thousand_fills_loses_none() -> None:
    series = ramp_candles(100.0, 0.001, 12_000)
    env = rows_env(series, action="ladder")
    steps = env.unwrapped.settings.last_cursor - env.unwrapped.settings.first_start
    out = play(env, [4, 0] * 6_000)
    assert len(out["rewards"]) == steps
    fills = env.unwrapped.session.fills()
    assert len(fills) == steps
    assert [fill.side for fill in fills] == (["buy", "sell"] * steps)[:steps]
    assert env.unwrapped.session.results().final_equity == out["infos"][-1]["equity"]


def test_many_fills_under_a_reward_of_ones_own_are_all_kept_too() -> None:
    series = ramp_candles(100.0, 0.001, 6_000)
    pnl = {"reward": lambda before, after: after.equity - before.equity}
    out = [
        play(rows_env(series, action="ladder", **x), [4, 0] * 3_000)
        for x in (pnl, {"reward": "pnl"})
    ]
    assert out[0]["rewards"] == out[1]["rewards"]


# ---------------------------------------------------------------------- snapshots and replay


@pytest.mark.parametrize("kind", KINDS)
def test_a_restored_branch_repeats_byte_for_byte_with_its_journal(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    env = make(env_id, **arguments)
    env.action_space.seed(4)
    actions = [env.action_space.sample() for _ in range(40)]
    env.reset(seed=4)
    for action in actions[:10]:
        env.step(action)
    kept = env.unwrapped.snapshot()
    before = env.unwrapped.session.fills(), env.unwrapped.session.orders()
    branches = []
    for _ in range(3):
        steps = [env.step(action) for action in actions[10:]]
        session = env.unwrapped.session
        branches.append((steps, session.fills(), session.orders(), session.equity.tobytes()))
        env.unwrapped.restore(kept)
        assert (env.unwrapped.session.fills(), env.unwrapped.session.orders()) == before
    for steps, fills, orders, equity in branches[1:]:
        for one, other in zip(steps, branches[0][0], strict=True):
            assert one[0].tobytes() == other[0].tobytes()
            assert one[1:] == other[1:]
        assert (fills, orders, equity) == branches[0][1:]


def test_a_branch_that_went_another_way_leaves_no_trace() -> None:
    env = make(action="order")
    env.action_space.seed(1)
    env.reset(seed=1)
    for _ in range(10):
        env.step(env.action_space.sample())
    kept = env.unwrapped.snapshot()
    straight = [env.step(np.array([1, 0, 0, 0]))[1] for _ in range(5)]
    env.unwrapped.restore(kept)
    for _ in range(20):
        env.step(env.action_space.sample())
    env.unwrapped.restore(kept)
    assert [env.step(np.array([1, 0, 0, 0]))[1] for _ in range(5)] == straight


def test_a_snapshot_outlives_the_end_of_the_episode() -> None:
    env = make(episode_steps=6)
    env.reset(seed=1)
    env.step(1)
    kept = env.unwrapped.snapshot()
    ended = [env.step(2) for _ in range(5)][-1]
    assert ended[3]
    env.unwrapped.restore(kept)
    assert [env.step(2) for _ in range(5)][-1][1:] == ended[1:]


def test_a_snapshot_survives_a_reset_to_another_window() -> None:
    env = make()
    env.reset(seed=1)
    for _ in range(5):
        env.step(1)
    kept = env.unwrapped.snapshot()
    fills = env.unwrapped.session.fills()
    straight = [env.step(2)[1] for _ in range(5)]
    env.reset(seed=9)
    env.step(0)
    env.unwrapped.restore(kept)
    assert [env.step(2)[1] for _ in range(5)] == straight
    assert env.unwrapped.session.fills()[: len(fills)] == fills


@pytest.mark.parametrize("kind", KINDS)
def test_a_recorded_action_log_replays_to_identical_fills(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    env = make(env_id, **arguments)
    env.action_space.seed(6)
    log = [np.array(env.action_space.sample()).tolist() for _ in range(40)]
    play(env, [np.array(a) for a in log], seed=6)
    fills, start = env.unwrapped.session.fills(), env.unwrapped.session.start_cursor
    again = make(env_id, **arguments)
    play(again, [np.array(a) for a in log], seed=1, options={"start": start})
    assert again.unwrapped.session.fills() == fills
    assert len(fills) > 0 or kind.startswith("order")
    assert again.unwrapped.session.orders() == env.unwrapped.session.orders() != ()


# ---------------------------------------------------------------------- arrays


@pytest.mark.parametrize("observation", ["flat", "dict"])
def test_returned_arrays_are_fresh_and_writing_into_them_changes_nothing(observation: str) -> None:
    env, other = make(observation=observation), make(observation=observation)

    def arrays(value: Any) -> list[Any]:
        return list(value.values()) if isinstance(value, dict) else [value]

    seen = [env.reset(seed=1)[0]]
    other.reset(seed=1)
    for step in range(10):
        for array in arrays(seen[-1]):
            array[...] = 1e9
        seen.append(env.step(step % 3)[0])
        expected = other.step(step % 3)[0]
        for one, two in zip(arrays(seen[-1]), arrays(expected), strict=True):
            np.testing.assert_array_equal(one, two)
        assert not any(np.shares_memory(a, b) for a in arrays(seen[-1]) for b in arrays(seen[-2]))


def test_the_market_and_the_features_cannot_be_written_through_the_environment() -> None:
    env = make().unwrapped
    for array in (env.settings.series.close, env.settings.matrix.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_two_environments_on_one_market_share_no_state() -> None:
    one, other = make(), make()
    one.reset(seed=1)
    other.reset(seed=1)
    quiet = [other.step(0)[0] for _ in range(5)]
    other.reset(seed=1)
    for k in range(5):
        one.step(1)
        np.testing.assert_array_equal(other.step(0)[0], quiet[k])


def copied(thing: Any) -> Any:
    """A deep copy; None where the thing refuses to be copied, which is as good."""
    try:
        return copy.deepcopy(thing)
    except (SeqGymError, TypeError):
        return None


def test_a_deep_copy_is_refused_or_lives_on_its_own() -> None:
    env = make(action="ladder").unwrapped
    env.reset(seed=1)
    env.step(4)
    straight = [step[1] for step in map(copied(env).step, [0, 4])] if copied(env) else None
    assert env.session.step_index == 1
    assert len(env.session.fills()) == 1
    assert straight is None or straight == [env.step(0)[1], env.step(4)[1]]


def test_a_deep_copy_of_a_batch_is_refused_or_lives_on_its_own() -> None:
    batch = make_vec(num_envs=2).unwrapped
    batch.reset(seed=1)
    twin = copied(batch)
    before = batch.snapshot()
    if twin is not None:
        twin.step(np.array([1, 1]))
    assert batch.snapshot() == before


def test_a_deep_copy_of_a_session_is_refused_or_lives_on_its_own() -> None:
    session = Session.create(data=ONE)
    session.start()
    twin = copied(session)
    if twin is not None:
        twin.place_order("BTCUSDT", "buy", "market", notional=100.0)
        assert len(twin.fills()) == 1
    assert session.fills() == ()
    assert session.portfolio().available_cash == 10_000.0


def test_environments_on_one_series_share_it() -> None:
    one, other = make().unwrapped, make().unwrapped
    assert one.settings.matrix is other.settings.matrix
    assert one.settings.series is other.settings.series is ONE


# ---------------------------------------------------------------------- windows and starts


def test_options_start_takes_a_cursor_or_a_time() -> None:
    env = make()
    for start in (150, np.int64(150), "2025-01-01T02:30:00Z", ONE.time_of(150)):
        env.reset(options={"start": start})
        assert env.unwrapped.session.start_cursor == 150
    first = env.unwrapped.settings.first_start
    for start in (first - 1, ONE.num_candles):
        with pytest.raises(ConfigError, match="look-back is full"):
            env.reset(options={"start": start})
    with pytest.raises(UnknownName, match="'start'"):
        env.reset(options={"strat": 150})


def test_an_episode_starts_only_where_the_look_back_is_full() -> None:
    env = make(data=ONE_ROUGH, look_back=17, features=["rsi_28", "log_return"]).unwrapped
    matrix = env.settings.matrix
    assert env.settings.first_start == int(matrix.ready.min()) + 16
    for seed in range(30):
        observation, _ = env.reset(seed=seed)
        assert env.session.start_cursor >= env.settings.first_start
        window = observation[: 17 * 2].reshape(17, 2)
        assert (window[:, 0] != 0.0).any()


def test_the_window_of_an_observation_is_the_last_rows_of_the_features() -> None:
    env = make(look_back=6, features=["log_return", "rsi"], observation="dict").unwrapped
    observation, _ = env.reset(seed=3)
    for _ in range(4):
        cursor = env.session.cursor
        expected = env.settings.matrix.values[cursor - 5 : cursor + 1].reshape(6, 2)
        np.testing.assert_array_equal(observation["window"], expected)
        log_return = np.log(ONE.close[cursor - 1, 0] / ONE.close[cursor - 2, 0])
        scale = float(observation["window"][-1, 0]) / log_return
        assert scale > 0.0
        observation, *_ = env.step(0)


def test_portfolio_columns_by_hand() -> None:
    rows = [*flat(100.0, 5), (100.0, 110.0, 100.0, 110.0, 1e6), *flat(110.0, 6)]
    env = rows_env(rows, action="ladder", observation="dict", starting_balance=1_000.0)
    start = env.reset(seed=0)[0]["portfolio"]
    np.testing.assert_array_equal(start, [1, 0, 0, 0, 0, 1, 0, 0, 0])
    first = env.unwrapped.session.start_cursor
    total = env.unwrapped.session.total_steps
    for _ in range(6 - first):
        columns = env.step(2)[0]["portfolio"]
    # Half of 1,000 bought at 100: 5 units, at 110 now; equity 1,050.
    assert env.unwrapped.session.cursor == 6
    held = 6 - first
    expected = [
        500 / 1050,
        0.05,
        0.0,
        held / total,
        0.0,
        1.0,
        550 / 1050,
        50 / 1050,
        held / (held + 2),
    ]
    np.testing.assert_allclose(columns, expected, rtol=1e-6)


def test_full_plays_the_whole_range_and_sequential_walks_through_it() -> None:
    env = make(window="full", start="2025-01-01T05:00", end="2025-01-01T06:00", episode_steps=None)
    out = play(env, [0] * 500)
    assert len(out["rewards"]) == 60
    walk = make(window="sequential", episode_steps=30, start="2025-01-01T05:00").unwrapped
    starts = []
    for k in range(8):
        walk.reset(seed=0 if k == 0 else None)
        starts.append(walk.session.start_cursor)
    assert starts[:6] == [300, 330, 360, 390, 420, 450]
    assert starts[6:] == [300, 330]


def test_explicit_windows_are_played_in_turn() -> None:
    env = make(window=[150, "2025-01-01T05:00"], episode_steps=10).unwrapped
    starts = []
    for k in range(4):
        env.reset(seed=0 if k == 0 else None)
        starts.append(env.session.start_cursor)
    assert starts == [150, 300, 150, 300]


def test_start_and_end_bound_the_episodes_of_random_windows() -> None:
    env = make(start="2025-01-01T03:00", end="2025-01-01T05:00", episode_steps=40).unwrapped
    starts = set()
    for seed in range(60):
        env.reset(seed=seed)
        assert env.session.start_cursor >= 180
        assert env.session.end_cursor <= 300
        starts.add(env.session.start_cursor)
    assert min(starts) < 200
    assert max(starts) > 240


def test_a_start_between_two_candles_waits_for_the_next_one() -> None:
    env = make(start="2025-01-01T03:00:30", window="full", episode_steps=None).unwrapped
    env.reset(seed=0)
    assert env.session.start_cursor == 181


def test_candles_per_step_passes_them_all_and_keeps_every_fill() -> None:
    one = make(action="order", candles_per_step=5, episode_steps=8)
    limits = [np.array([2, k % 2, 0, 0]) for k in range(8)]
    play(one, limits, seed=2)
    session = one.unwrapped.session
    assert session.step_index == 40
    assert len(session.equity) == 41
    assert len({fill.filled_ns for fill in session.fills()}) > 1


def test_a_series_given_as_a_frame_is_the_same_market() -> None:
    names = ("open", "high", "low", "close", "volume", "quote_volume")
    frame = pl.DataFrame(
        {
            "open_time": [ONE.time_of(row) // 1_000_000 for row in range(ONE.num_candles)],
            **{name: getattr(ONE, name)[:, 0] for name in names},
        }
    )
    plain = replace(ONE, instruments=(Instrument.of("BTCUSDT"),))
    env, other = make(data=frame, symbols="BTCUSDT"), make(data=plain)
    one, two = play(env, [1, 2] * 20), play(other, [1, 2] * 20)
    assert one["rewards"] == two["rewards"]


def test_an_environment_reads_the_series_that_it_is_given() -> None:
    actions = [1, 2] * 10
    moved = altered_after(ONE, 0)
    assert play(make(data=moved), actions)["rewards"] != play(make(), actions)["rewards"]


def test_an_environment_states_its_market_and_its_windows() -> None:
    env = make(look_back=7, episode_steps=40).unwrapped
    settings = env.settings
    assert env.series is settings.series
    assert env.params is settings.params
    assert (env.look_back, env.episode_steps) == (7, 40)
    assert (env.first_start, env.last_start) == (settings.first_start, settings.last_start)
