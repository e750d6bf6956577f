"""The batch: accounts apart, episodes afresh, snapshots that repeat to the byte (E4c, E4d)."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.errors import ConfigError, UsageError
from tests.engine.book.desk import (
    MS,
    SECOND,
    T0,
    Row,
    depth,
    limit,
    make_batch,
    make_instruments,
    make_params,
    make_tape,
    opening,
    trade,
)

RANDOM = {
    "latency_model": codes.LATENCY_LOG_NORMAL,
    "entry_ns": 5e6,
    "entry_sigma": 0.8,
    "cancel_ns": 5e6,
    "response_ns": 9e6,
    "response_sigma": 0.5,
    "taker_fee_frac": 0.001,
}
MOVING = ("accounts", "positions", "lanes")


def rows(seed: int, count: int = 200) -> list[Row]:
    rng = np.random.default_rng(seed)
    found = opening(lots=5)
    for k in range(count):
        ts = (k + 1) * 9 * MS
        side = int(rng.choice([-1, 1]))
        if rng.random() < 0.4:
            found.append(trade(ts, side, int(rng.integers(98, 104)), int(rng.integers(1, 9)), MS))
        else:
            tick = int(rng.integers(97, 101) if side > 0 else rng.integers(101, 105))
            found.append(depth(ts, side, tick, int(rng.integers(0, 7)), MS))
    return found


def act(batch: BookBatch, e: int, rng: np.random.Generator, steps: int) -> None:
    """Place, cancel and amend at random, on every lane, while time passes."""
    for _ in range(steps):
        for s in range(batch.num_lanes):
            request = batch.request(e, s, int(rng.choice([-1, 1])))
            request.type = common.LIMIT
            request.tick = int(rng.integers(97, 105))
            request.qty = float(rng.integers(1, 5))
            number = batch.place(e, s)
            batch.cancel(e, s, number - int(rng.integers(0, 9)))
            batch.amend(e, s, number - int(rng.integers(0, 9)), int(rng.integers(97, 105)), 2.0)
        until = int(batch.accounts[e].now) + int(rng.integers(1, 60)) * MS
        while batch.advance(e, until, codes.ON_REPORT | codes.ON_TRADE) == codes.STOPPED:
            pass


def state(batch: BookBatch, e: int) -> list[bytes]:
    return [getattr(batch, name)[e].tobytes() for name in MOVING]


def test_e4c_a_restored_account_repeats_byte_for_byte_in_another_row_too() -> None:
    tapes = [make_tape(rows(1)), make_tape(rows(2))]
    batch = make_batch(*tapes, instrument=RANDOM, margin=1, batch={"num_envs": 2})
    batch.reset(0, T0, T0 + 2 * SECOND, seed=4)
    act(batch, 0, np.random.default_rng(9), 12)
    while not (batch.lanes["reports_tail"] > batch.lanes["reports_head"]).any():
        limit(batch, 1, 97, 1.0)
        batch.advance(0, int(batch.accounts[0].now) + 3 * MS)
    limit(batch, 1, 97, 1.0)
    limit(batch, -1, 98, 1.0, s=1)
    kept = batch.snapshot(0)
    # Messages are on their way, in both directions.
    assert min(len(kept.requests[0]), len(kept.requests[1]), len(kept.reports[0])) > 0
    answers = []
    for e in (0, 0, 1):
        batch.reports["qty"][e] = -1.0  # what another branch leaves behind in the rings
        batch.requests["qty"][e] = -1.0
        batch.restore(e, kept)
        act(batch, e, np.random.default_rng(10), 30)
        batch.advance(e, T0 + 3 * SECOND)
        answers.append((state(batch, e), batch.drain(e).tobytes()))
    assert answers[0] == answers[1] == answers[2]
    assert batch.accounts[0].num_fills > 5


def test_e4d_an_episode_does_not_depend_on_the_one_before() -> None:
    tape = make_tape(rows(3))
    fresh, used = (make_batch(tape, instrument=RANDOM) for _ in range(2))
    act(used, 0, np.random.default_rng(1), 20)
    for batch in (fresh, used):
        batch.reset(0, T0 + 100 * MS, T0 + SECOND, seed=2)
    assert state(fresh, 0) == state(used, 0)
    for batch in (fresh, used):
        act(batch, 0, np.random.default_rng(5), 20)
    assert state(fresh, 0) == state(used, 0)
    assert fresh.drain().tobytes() == used.drain().tobytes()


def test_z3_rows_of_a_batch_are_single_accounts_with_their_seeds() -> None:
    tape = make_tape(rows(4))
    batch = make_batch(tape, instrument=RANDOM, batch={"num_envs": 3})
    for e in range(3):
        batch.reset(e, T0, T0 + SECOND, seed=10 + e)
        act(batch, e, np.random.default_rng(6), 15)
    journals = []
    for e in range(3):
        single = make_batch(tape, instrument=RANDOM)
        single.reset(0, T0, T0 + SECOND, seed=10 + e)
        act(single, 0, np.random.default_rng(6), 15)
        assert state(single, 0) == state(batch, e)
        journals.append(single.drain().tobytes())
        assert journals[-1] == batch.drain(e).tobytes()
    assert len(set(journals)) == 3  # another seed, other latencies


def test_b8_an_episode_may_start_anywhere_and_knows_the_book_of_that_time() -> None:
    tape = make_tape(rows(5))
    walked, begun = (make_batch(tape) for _ in range(2))
    walked.advance(0, T0 + 777 * MS)
    begun.reset(0, T0 + 777 * MS, T0 + 60 * SECOND)
    for name in ("local_row", "mark", "stale", "venue_row"):
        assert walked.lanes[0, 0][name] == begun.lanes[0, 0][name]


def test_an_episode_that_is_ended_early_forgets_what_was_on_its_way() -> None:
    batch = make_batch(make_tape(rows(6)), instrument=RANDOM)
    limit(batch, 1, 99, 1.0)
    batch.end_episode(0, common.WINDOW_END)
    assert batch.accounts[0].num_orders == 0
    assert batch.accounts[0].reserved == 0.0
    assert batch.advance(0, T0 + SECOND) == codes.ENDED
    assert [int(kind) for kind in batch.drain()["kind"]] == [codes.SENT, codes.CANCELLED]


def test_a_batch_holds_addresses_and_refuses_to_be_copied() -> None:
    batch = make_batch(make_tape(opening()))
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(UsageError, match="snapshot"):
            copier(batch)


@pytest.mark.parametrize("name", ["event_capacity", "report_slots"])
def test_rings_must_be_powers_of_two(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a power of two; was 100"):
        make_batch(make_tape(opening()), batch={name: 100})


def test_tapes_and_instruments_come_in_pairs() -> None:
    with pytest.raises(ConfigError, match="one for each of the tapes"):
        BookBatch([make_tape(opening())], make_instruments(2), make_params())
    with pytest.raises(ConfigError, match="at least one"):
        BookBatch([], make_instruments(0), make_params())
