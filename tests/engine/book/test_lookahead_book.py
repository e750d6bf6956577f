"""No look-ahead on either clock, and what exactly that means (B1, B5).

The agent at time t may know: rows of its feed received up to t, and what the venue answered to
rows and requests up to t less the response latency, for an answer takes that long. So a row may be
changed at will, and nothing up to t changes, when its local_ts is later than t and its exch_ts
later than t less the response latency. A row with exch_ts <= t < local_ts may well change fills:
those that are received later than t.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.scores import scored
from seq_gym.engine.book.tape import BookTape
from tests.engine.book.scripts import Step, random_script, run_script, run_step
from tests.engine.book.worlds import COLUMNS, MS, World, tape_of

KNOWN = ("id", "side", "type", "tif", "qty", "local", "local_leaves", "local_tick", "tag")
Row = list[int]
Columns = dict[str, list[int]]


def _other(rng: np.random.Generator, exch: int, local: int) -> Row:
    """Return any row at given stamps."""
    kind = int(rng.choice([0, 0, 1, 3, 3, 2, 4, 5]))
    side = int(rng.choice([codes.BUY, codes.SELL]))
    return [exch, local, kind, side, 100 + int(rng.integers(-6, 7)), int(rng.integers(0, 30))]


def _order(columns: Columns, clock: str) -> list[int]:
    """Return the rows of a clock in its order: trades first at one exch_ts (B11)."""
    stamps, kinds = columns[clock], columns["kind"]
    known = [i for i, ts in enumerate(stamps) if ts >= 0]
    if clock == "local_ts":
        return sorted(known, key=lambda i: stamps[i])
    return sorted(known, key=lambda i: (stamps[i], kinds[i] != codes.TRADE))


def _carried(
    scores: NDArray[np.float32], before: list[int], after: list[int], kept: list[int]
) -> NDArray[np.float32]:
    """Give the rows that were kept their scores, and any to the others.

    Args:
        scores: By row of a clock, of the rows as they were.
        before: Which row of the recording each of them is.
        after: The same of the rows as they are now.
        kept: Of each row now, which it was; -1: none.
    """
    place = {row: k for k, row in enumerate(before)}
    out = np.full((len(after), *scores.shape[1:]), 3.0, np.float32)
    for k, row in enumerate(after):
        if kept[row] >= 0:
            out[k] = scores[place[kept[row]]]
    return out


def spoilt(world: World, s: int, t: int, answer_ns: int, rng: np.random.Generator) -> BookTape:
    """Return lane s's tape with everything changed that the agent cannot know at t."""
    feed_ns = int(world.instruments[s]["feed_ns"])
    rows: list[Row] = []
    later: list[Row] = []
    kept: list[int] = []
    for i, row in enumerate(zip(*(world.columns[s][name] for name in COLUMNS), strict=True)):
        exch, local, *what = row
        is_seen = local < 0 or local + feed_ns <= t
        is_told = exch < 0 or exch + answer_ns <= t
        if is_seen or is_told:
            kept.append(i)
        if is_seen and is_told:
            rows.append(list(row))
        elif is_seen:
            rows.append([-1, local, *what])
            later.append(_other(rng, exch, -1))
        elif is_told:
            rows.append([exch, -1, *what])
            later.append(_other(rng, -1, local))
        else:
            later.append(_other(rng, exch, local))
    columns = {name: [row[i] for row in rows + later] for i, name in enumerate(COLUMNS)}
    tape = tape_of(columns, [pay for pay in world.funding[s] if pay[0] <= t])
    kept += [-1] * len(later)
    old, scores = world.columns[s], world.scores(s)
    venue = _order(old, "exch_ts"), _order(columns, "exch_ts")
    local = _order(old, "local_ts"), _order(columns, "local_ts")
    return scored(
        tape,
        toxicity=_carried(scores["toxicity"], *venue, kept),
        latency_scale=_carried(scores["latency_scale"], *local, kept),
    )


def known_at(world: World, tapes: list[BookTape], script: list[Step], t: int) -> bytes:
    """Play to t; return all that the agent has done, learnt, owns and believes."""
    batch = BookBatch(tapes, world.instruments, world.params)
    batch.reset(0, world.start, world.end, seed=world.seed)
    placed: dict[int, list[int]] = {}
    parts = []
    for step in script:
        if step.verb == "advance" and int(batch.accounts[0]["now"]) + step.terms["duration"] > t:
            break
        run_step(batch, 0, step, placed)
        parts.append(batch.drain(0).tobytes())
    while batch.advance(0, t) == codes.EVENTS_FULL:
        parts.append(batch.drain(0).tobytes())
    parts.append(batch.drain(0).tobytes())
    parts += [batch.accounts[0].tobytes(), batch.positions[0].tobytes()]
    parts += [batch.orders[0][name].tobytes() for name in KNOWN]
    parts += [batch.lanes[0][name].tobytes() for name in ("mark", "latency_seen", "local_row")]
    return b"".join(parts)


def check_no_look_ahead(seed: int) -> int:
    """Spoil the future; return how much of a story there was before it."""
    world = World(seed, 120)
    rng = world.rng
    answer_ns = 0
    if rng.random() < 0.7:
        answer_ns = int(rng.choice([0, 1, 10 * MS, 100 * MS]))
        world.instruments["latency_model"] = codes.LATENCY_CONSTANT
        world.instruments["response_ns"] = float(answer_ns)
        if world.params[0].latency_scaled:
            answer_ns //= 2  # worlds scale latencies by at least a half (L2)
    script = random_script(rng, range(len(world.columns)), 60)
    t = int(rng.integers(world.start, world.end))
    real = known_at(world, world.tapes, script, t)
    for _ in range(2):
        tapes = [spoilt(world, s, t, answer_ns, rng) for s in range(len(world.columns))]
        assert known_at(world, tapes, script, t) == real, seed
    return len(real)


def test_b1_what_the_agent_knows_at_t_depends_on_no_row_it_cannot_know() -> None:
    for seed in range(80):
        check_no_look_ahead(seed)


@pytest.mark.slow
def test_b1_no_look_ahead_in_very_many_feeds() -> None:
    for seed in range(1_000, 6_000):
        check_no_look_ahead(seed)


def test_b1_a_row_that_is_known_does_change_something() -> None:
    """The test above would notice: spoiling what is known at t is seen at t."""
    differing = 0
    for seed in range(30):
        world = World(seed, 120)
        script = random_script(world.rng, range(len(world.columns)), 60)
        t = (world.start + world.end) // 2
        real = known_at(world, world.tapes, script, t)
        early = world.start + (t - world.start) // 4
        tapes = [spoilt(world, s, early, 0, world.rng) for s in range(len(world.columns))]
        differing += known_at(world, tapes, script, t) != real
    assert differing > 12


def test_b5_nothing_is_visible_before_its_response_latency() -> None:
    reports = 0
    for seed in range(60):
        world = World(seed, 120, latency_scaled=0)
        answer_ns = int(world.rng.choice([1, 3 * MS, 50 * MS]))
        world.instruments["latency_model"] = codes.LATENCY_CONSTANT
        world.instruments["response_ns"] = float(answer_ns)
        script = random_script(world.rng, range(len(world.columns)), 60)
        batch = BookBatch(world.tapes, world.instruments, world.params)
        batch.reset(0, world.start, world.end, seed=world.seed)
        journal = run_script(batch, 0, script, world.end)
        told = journal[journal["exch_ts"] > 0]
        assert (told["local_ts"] >= told["exch_ts"] + answer_ns).all(), seed
        assert (np.diff(journal["local_ts"]) >= 0).all(), "the journal runs on the agent's clock"
        for lane in range(len(world.columns)):
            mine = told[told["lane"] == lane]
            assert (np.diff(mine["exch_ts"]) >= 0).all(), "receipts are in order (B4)"
        reports += len(told)
    assert reports > 300
