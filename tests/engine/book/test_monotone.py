"""B18: who believes that more of the queue ahead has gone is filled no later, and no less."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.reference_book import PublicBook
from tests.engine.book.scripts import Step, executions, run_script
from tests.engine.book.worlds import MS, START, World, columns_of

CHAIN = (codes.RISK_AVERSE, codes.POWER3, codes.AGGRESSIVE, codes.NO_QUEUE)
QUIET = {"starting_balance": 1e9, "max_orders": 1 << 20, "max_actions": 1 << 20}


def filled(world: World, script: list[Step], model: int, until: int) -> dict[int, float]:
    """Return how many lots each order (by tag) has filled by a time."""
    params = world.params.copy()
    params["queue_model"] = model
    instruments = world.instruments[:1].copy()
    # Drawn ones differ by the number of reports before, and so what is received by `until`.
    instruments["latency_model"] = codes.LATENCY_CONSTANT
    batch = BookBatch(world.tapes[:1], instruments, params)
    batch.reset(0, world.start, world.end, seed=world.seed)
    total: dict[int, float] = defaultdict(float)
    for row in executions(run_script(batch, 0, script, until)):
        lots = row["qty"] * world.instruments[0]["lot_div"]
        total[int(row["tag"])] += round(float(lots))
    return total


def long_queues(rng: np.random.Generator, rows: int) -> dict[str, list[int]]:
    """Return a feed whose touch is deep and changes little by little: whose were the cancels?"""
    lots = {codes.BUY: 40, codes.SELL: 40}
    tick = {codes.BUY: 99, codes.SELL: 101}
    written = [(START - 2, START - 2, codes.DEPTH, side, tick[side], 40) for side in lots]
    ts = START
    for _ in range(rows):
        ts += int(rng.integers(1, 4)) * MS
        side = int(rng.choice([codes.BUY, codes.SELL]))
        change = int(rng.integers(-9, 8))
        if rng.random() < 0.4:
            change = -int(rng.integers(1, 9))
            written.append((ts, ts, codes.TRADE, -side, tick[side], -change))
            change -= int(rng.choice([0, 0, 3]))
        lots[side] = max(lots[side] + change, 1)
        written.append((ts, ts, codes.DEPTH, side, tick[side], lots[side]))
    return columns_of(written)


def touch_at(world: World, side: int, ts: int) -> int:
    """Return the best tick of a side at a time; 100 where there is none."""
    book = PublicBook()
    for row in world.feeds[0].venue:
        if row.ts <= ts:
            book.apply(row)
    return 100 if book.best(side) in (codes.NO_BID, codes.NO_ASK) else book.best(side)


def one_order(rng: np.random.Generator, world: World) -> list[Step]:
    """Return a script of one order that joins a side, and perhaps is cancelled."""
    side = int(rng.choice([codes.BUY, codes.SELL]))
    span = world.end - world.start
    wait = int(rng.integers(0, span // 4 + 1))
    touch = touch_at(world, side, world.start + wait)
    terms: dict[str, Any] = {
        "side": side,
        "type": 1,
        "qty": float(rng.integers(1, 40)),
        "tick": touch - side * int(rng.choice([0, 0, 0, 1, 2])),
        "flags": codes.POST_ONLY_FLAG,
    }
    pause = Step("advance", 0, {"duration": wait, "wanted": 0})
    script = [pause, Step("place", 0, terms)]
    if rng.random() < 0.5:
        script.append(Step("advance", 0, {"duration": span // 2, "wanted": 0}))
        script.append(Step("cancel", 0, {"which": 0}))
    return script


def check_chain(seed: int, *, calm: bool) -> tuple[float, ...]:
    """Fill one order along the chain of models; return what each filled."""
    # Each skipped fill is a draw (Z1): the n-th one is another fill under another model.
    off = {"any_risk": 0, "adverse": 0}
    world = World(seed, 200, calm=calm, **QUIET | {"fills": codes.STRICT} | off)
    if not calm:
        world.params["margin"], world.params["max_position_notional"] = 1, np.inf
        world.params["price_deviation_frac"], world.params["stale_policy"] = np.inf, 0
    if calm:
        world.columns, world.funding = [long_queues(world.rng, 50)], [[]]
        world.start, world.end = START, world.columns[0]["exch_ts"][-1] + MS
    script = one_order(world.rng, world)
    until = int(world.rng.choice([world.end - 1, world.rng.integers(world.start, world.end)]))
    amounts = tuple(filled(world, script, model, until)[0] for model in CHAIN)
    assert list(amounts) == sorted(amounts), (seed, amounts)
    return amounts


def test_b18_fills_of_one_order_never_decrease_along_the_chain() -> None:
    told = [check_chain(seed, calm=seed % 2 == 0) for seed in range(120)]
    assert sum(len(set(amounts)) > 1 for amounts in told) > 12, "the models hardly differ here"


@settings(max_examples=60)
@given(seed=st.integers(0, 2**40), calm=st.booleans())
def test_b18_fills_never_decrease_wherever_hypothesis_looks(seed: int, calm: bool) -> None:
    check_chain(seed, calm=calm)


@pytest.mark.slow
@settings(max_examples=3_000)
@given(seed=st.integers(0, 2**40), calm=st.booleans())
def test_b18_fills_never_decrease_in_very_many_feeds(seed: int, calm: bool) -> None:
    check_chain(seed, calm=calm)


def quotes(rng: np.random.Generator) -> list[Step]:
    """Return a script of many orders that join either side at any tick, and time."""
    script: list[Step] = []
    for _ in range(30):
        side = int(rng.choice([codes.BUY, codes.SELL]))
        terms: dict[str, Any] = {
            "side": side,
            "type": 1,
            "qty": float(rng.integers(1, 10)),
            "tick": 100 - side * int(rng.integers(0, 5)),
            "flags": codes.POST_ONLY_FLAG,
        }
        script.append(Step("place", 0, terms))
        pause = int(rng.choice([1, MS, 30 * MS]))
        script.append(Step("advance", 0, {"duration": pause, "wanted": 0}))
    return script


def test_b18_fills_of_a_whole_script_never_decrease_in_sum() -> None:
    """Orders that share prints and crosses pass them on, so the promise is about their sum."""
    for seed in range(30):
        world = World(seed, 200, calm=True, **QUIET)
        script = quotes(world.rng)
        sums = [sum(filled(world, script, model, world.end - 1).values()) for model in CHAIN]
        assert sums == sorted(sums), (seed, sums)
