"""Neighbours change nothing: other accounts, other symbols, other venues, earlier episodes."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.layout import Table
from tests.engine.book.arena import Twins, random_verb, step_of
from tests.engine.book.scripts import executions, random_script, run_script, run_step
from tests.engine.book.worlds import World

RICH = {"starting_balance": 1e9, "max_orders": 1 << 20, "max_actions": 1 << 20}


def state_of(batch: BookBatch, e: int) -> bytes:
    """Everything that moves of one account but the memory of what is free."""
    return batch.accounts[e].tobytes() + batch.positions[e].tobytes() + batch.lanes[e].tobytes()


def test_a_row_of_a_batch_is_the_single_account_bit_by_bit() -> None:
    for seed in range(25):
        world = World(seed, 100)
        rng, lanes = world.rng, range(len(world.columns))
        scripts = [random_script(rng, lanes, 60) for _ in range(3)]
        tapes = world.tapes
        batch = BookBatch(tapes, world.instruments, world.params, num_envs=3)
        journals: list[list[Table]] = [[], [], []]
        placed: list[dict[int, list[int]]] = [{}, {}, {}]
        for e in range(3):
            batch.reset(e, world.start, world.end, seed=world.seed + e)
        for steps in zip(*scripts, strict=True):
            for e in rng.permutation(3):
                run_step(batch, int(e), steps[e], placed[e])
                journals[e].append(batch.drain(int(e)))
        for e in range(3):
            single = BookBatch(tapes, world.instruments, world.params)
            single.reset(0, world.start, world.end, seed=world.seed + e)
            alone = run_script(single, 0, scripts[e])
            assert alone.tobytes() == np.concatenate(journals[e]).tobytes(), (seed, e)
            assert state_of(single, 0) == state_of(batch, e), (seed, e)


def test_accounts_of_one_batch_agree_with_the_twin_side_by_side() -> None:
    events = 0
    for seed in range(20):
        world = World(seed + 500, 80)
        batch = BookBatch(world.tapes, world.instruments, world.params, num_envs=3)
        accounts = [Twins(world, batch=batch, e=e) for e in range(3)]
        for _ in range(120):
            twins = accounts[int(world.rng.integers(3))]
            if twins.running:
                random_verb(world.rng, twins)
                until = twins.reference.account.now + step_of(world.rng)
                twins.advance(until, int(world.rng.choice([0, codes.ON_REPORT])))
        events += sum(twins.num_events for twins in accounts)
    assert events > 500


def _lane_story(journal: Table, lane: int) -> bytes:
    """What a lane lived through; ids and lane numbers are the account's, not the lane's."""
    names = [n for n in journal.dtype.names if n not in ("order_id", "lane", "value", "bound")]
    rows = journal[(journal["lane"] == lane) & (journal["kind"] != codes.MONEY)]
    return b"".join(rows[name].tobytes() for name in names)


@pytest.mark.parametrize("first", [True, False])
def test_b6_adding_a_symbol_or_a_venue_changes_nothing_else(first: bool) -> None:
    fills = 0
    for seed in range(40):
        world = World(seed, 100, calm=True, **RICH)
        if len(world.columns) < 2:
            continue
        rng = world.rng
        script = [
            s for s in random_script(rng, [0], 80) if s.verb != "advance" or not s.terms["wanted"]
        ]
        tapes = world.tapes
        alone = BookBatch(tapes[:1], world.instruments[:1], world.params, event_capacity=1 << 14)
        alone.reset(0, world.start, world.end, seed=world.seed)
        one = run_script(alone, 0, script, world.end - 1)
        order = [0, 1] if first else [1, 0]
        lane = order.index(0)
        both = BookBatch(
            [tapes[i] for i in order],
            world.instruments[order],
            world.params,
            event_capacity=1 << 14,
        )
        both.reset(0, world.start, world.end, seed=world.seed)
        mixed = []
        for step in script:
            mixed.append(step._replace(lane=lane))
            other = random_script(rng, [1 - lane], 1)[0]
            if other.verb != "advance":
                mixed.append(other)
        two = run_script(both, 0, mixed, world.end - 1)
        assert _lane_story(one, 0) == _lane_story(two, lane), seed
        fills += len(executions(one))
    assert fills > 100


def test_the_same_seed_twice_is_the_same_journal_and_another_differs() -> None:
    """Z3: latencies are keyed draws, and nothing else is random."""
    differing = 0
    for seed in range(30):
        world = World(seed, 100, calm=True, **RICH)
        world.instruments["latency_model"] = codes.LATENCY_LOG_NORMAL
        world.instruments["response_ns"] = 5e6
        world.instruments["response_sigma"] = 0.5
        script = random_script(world.rng, range(len(world.columns)), 60)
        batch = BookBatch(world.tapes, world.instruments, world.params)
        stories = []
        for latency_seed in (1, 1, 2):
            batch.reset(0, world.start, world.end, seed=latency_seed)
            stories.append(run_script(batch, 0, script).tobytes())
        assert stories[0] == stories[1]
        differing += stories[0] != stories[2]
    assert differing >= 20


def test_e4d_nothing_of_an_earlier_episode_is_left() -> None:
    for seed in range(20):
        world = World(seed, 100)
        script = random_script(world.rng, range(len(world.columns)), 80)
        used = BookBatch(world.tapes, world.instruments, world.params)
        fresh = BookBatch(world.tapes, world.instruments, world.params)
        used.reset(0, world.start, world.end, seed=9)
        run_script(used, 0, random_script(world.rng, range(len(world.columns)), 80))
        stories = []
        for batch in (used, fresh):
            batch.reset(0, world.start, world.end, seed=world.seed)
            stories.append(run_script(batch, 0, script, world.end).tobytes() + state_of(batch, 0))
        assert stories[0] == stories[1], seed
