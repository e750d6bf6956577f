"""Windows and decision times of book environments (E2, E3), and what the seed draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.engine.book import codes
from seq_gym.engine.book.features import BookFeatures, measure
from seq_gym.engine.book.looking import read_levels
from seq_gym.envs.book.layout import TOP_LEVELS
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.sandbox.book.tape import book_tape
from tests.envs.book.worlds import SMALL, book_of, hand, make, make_vec, still

ACTION = np.array([1.0], np.float32)


def _starts(env: Any, count: int) -> list[int]:
    found = []
    for _ in range(count):
        env.reset()
        found.append(env.unwrapped.cursor)
    return found


def test_e2_episode_k_depends_on_seed_window_and_k_alone() -> None:
    env = make()
    env.reset(seed=11)
    first = [env.unwrapped.cursor, *_starts(env, 4)]
    for steps in range(3):  # however the episodes went
        env.reset(seed=11)
        again = [env.unwrapped.cursor]
        for _ in range(4):
            for _ in range(steps):
                env.step(ACTION)
            again += _starts(env, 1)
        assert again == first
    assert len(set(first)) > 1


def test_e2_windows_are_sequential_full_or_explicit() -> None:
    env = make(window="sequential", episode_steps=10)
    env.reset(seed=0)
    first = env.unwrapped.first_start
    assert [env.unwrapped.cursor, *_starts(env, 2)] == [first, first + 10, first + 20]
    whole = make(window="full")
    whole.reset(seed=3)
    assert whole.unwrapped.cursor == first
    assert whole.unwrapped.episode_steps == len(whole.unwrapped.times) - 1 - first
    chosen = make(window=[9, 4])
    chosen.reset(seed=0)
    assert [chosen.unwrapped.cursor, *_starts(chosen, 2)] == [9, 4, 9]


def test_decisions_are_at_whole_multiples_of_the_interval() -> None:
    times = make(decide_every="250ms").unwrapped.times
    assert (times % 250_000_000 == 0).all()
    assert (np.diff(times) == 250_000_000).all()
    assert times[-1] <= SMALL.local_ts.max() < times[-1] + 250_000_000


def test_decisions_may_be_at_every_kth_event() -> None:
    env = make(decide_every_events=5).unwrapped
    stamps = np.unique(SMALL.local_ts)[4::5]
    assert set(env.times) <= set(stamps)
    assert len(env.times) > 10


def test_e3_starts_lie_where_every_look_back_is_full() -> None:
    names = ("microprice_bps", "trade_rate_1s")
    env = make(features=names, look_back=3).unwrapped
    known = BookFeatures(env.settings.market.tape).known_from(names)
    assert env.times[0] >= known > env.times[0] - 100_000_000
    assert env.first_start == 2
    seen = set()
    env.reset(seed=0)
    for _ in range(60):
        env.reset()
        seen.add(env.cursor)
    assert min(seen) >= 2
    assert max(seen) <= env.last_start


def test_start_and_end_bound_the_episodes() -> None:
    whole = make().unwrapped.times
    env = make(start=int(whole[7]), end=int(whole[30]), window="full").unwrapped
    assert env.first_start == 7
    env.reset(seed=0)
    cut = False
    while not cut:
        *_, cut, _ = env.step(ACTION)
    assert env.cursor == 30


def test_a_start_by_hand_is_a_cursor_or_a_time() -> None:
    env = make().unwrapped
    env.reset(seed=0, options={"start": 6})
    assert env.cursor == 6
    env.reset(options={"start": int(env.times[8])})
    assert env.cursor == 8
    with pytest.raises(ConfigError, match="look-back is full"):
        env.reset(options={"start": len(env.times) - 1})
    with pytest.raises(UnknownName, match="start"):
        env.reset(options={"stort": 6})


def test_z3_the_seed_keys_the_latencies_of_an_episode() -> None:
    batch = make_vec(
        num_envs=2,
        window=[5],
        latency_model="log-normal",
        latency={"entry_ms": 20.0, "entry_sigma": 1.0},
    )
    batch.reset(seed=1)
    for _ in range(6):
        batch.step(np.ones((2, 1), np.float32))
    seen = batch.unwrapped._core.batch.lanes["latency_seen"][:, 0]
    assert seen[0] != seen[1]  # the same window, and latencies of their own
    env = make(
        window=[5], latency_model="log-normal", latency={"entry_ms": 20.0, "entry_sigma": 1.0}
    ).unwrapped
    told = []
    for seed in (1, None, 1, None):
        env.reset(seed=seed)
        for _ in range(6):
            env.step(ACTION)
        told.append(float(env._core.batch.lanes["latency_seen"][0, 0]))
    assert told[:2] == told[2:]
    assert told[0] != told[1]
    assert told[0] == seen[0]


def test_the_last_decision_of_the_data_is_the_end() -> None:
    env = hand(still(6)).unwrapped
    env.reset(seed=0)
    cut, steps = False, 0
    while not cut:
        *_, cut, _ = env.step(ACTION)
        steps += 1
    assert steps == env.episode_steps == len(env.times) - 1


def test_data_that_is_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least two decisions"):
        make(data=book_of(still(1, 10)), window="full")
    with pytest.raises(ConfigError, match="look-back of its features"):
        make(data=book_of(still(4)), features="default", window="full")
    with pytest.raises(ConfigError, match="at least one decision"):
        make(look_back=100_000)


def test_the_levels_kept_for_a_decision_are_those_displayed_then() -> None:
    env = make().unwrapped
    grid, tape = env.settings.grid, book_tape(SMALL)
    for cursor in np.random.default_rng(0).integers(0, len(grid.times), 40).tolist():
        row = int(np.searchsorted(tape.local_rows["ts"], grid.times[cursor], side="right")) - 1
        for part, side in enumerate((codes.BUY, codes.SELL)):
            ticks, lots = np.zeros(TOP_LEVELS, np.int64), np.zeros(TOP_LEVELS, np.int64)
            count = read_levels(tape.address, codes.CLOCK_LOCAL, side, row, ticks, lots)
            assert grid.top_ticks[cursor, part, :count].tolist() == ticks[:count].tolist()
            assert grid.top_lots[cursor, part].tolist() == lots.tolist()


def test_features_of_the_first_decision_by_events_rest_on_nothing_later() -> None:
    names = ("ofi_1", "trade_flow")  # both are sums over the interval of a decision
    book = synthetic_book(seconds=75.0, seed=5)
    grid = make(data=book, features=names, decide_every_events=7).unwrapped.settings.grid
    alone = measure(book_tape(book), None, grid.times[:1], names)
    assert grid.features[0].tolist() == alone[0].tolist()
    assert alone.any()
