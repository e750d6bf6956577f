"""Garbage in: nothing crashes, nothing hangs, no fill is invented, and the money adds up."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.reference_book import PublicBook
from seq_gym.engine.book.reference_state import Row
from seq_gym.engine.layout import Table
from tests.engine.book.arena import Twins, random_verb, step_of
from tests.engine.book.scripts import executions, random_script, run_script
from tests.engine.book.worlds import COLUMNS, MS, START, World, feed_of

INT32 = 1 << 31
RICH = {"starting_balance": 1e9, "max_orders": 1 << 20, "max_actions": 1 << 20}


def garbage(rng: np.random.Generator, rows: int) -> dict[str, list[int]]:
    """Return rows that mean nothing: any kind, side, stamp and size that the columns can hold."""
    near = rng.random() < 0.7
    ticks = rng.integers(90, 110, rows) if near else rng.integers(1, INT32 - 2, rows)
    spread = int(rng.choice([5, 10 * MS, 3_000 * MS]))
    exch = START + rng.integers(-spread, spread + 1, rows)
    local = START + rng.integers(-spread, spread + 1, rows)
    exch[rng.random(rows) < 0.1] = -1
    local[rng.random(rows) < 0.1] = -1
    lots = rng.choice([0, 1, 3, 10, 1 << 40], rows)
    kinds = rng.choice([0, 0, 0, 1, 2, 3, 3, 4, 5], rows)
    sides = np.where(kinds < codes.CLEAR, rng.choice([-1, 1], rows), rng.choice([-1, 0, 1], rows))
    values = (exch, local, kinds, sides, ticks, lots)
    return {name: value.tolist() for name, value in zip(COLUMNS, values, strict=True)}


def check_garbage(seed: int) -> int:
    """Play a script on garbage in both engines; return the number of events."""
    rng = np.random.default_rng(seed)
    world = World(seed, 5)
    rows = int(rng.choice([0, 1, 2, 40, 120]))
    world.columns = [garbage(rng, rows) for _ in world.columns]
    world.start, world.end = START, START + int(rng.choice([1, 20 * MS, 2_500 * MS]))
    twins = Twins(world)
    for _ in range(60):
        random_verb(rng, twins)
        twins.advance(twins.reference.account.now + step_of(rng), int(rng.choice([0, 0, 3, 4, 15])))
        if not twins.running:
            break
    twins.advance(world.end)
    assert rows == 0 or not twins.running or twins.advance(world.end) != codes.REPORTS_FULL
    return twins.num_events


@settings(max_examples=60)
@given(seed=st.integers(0, 2**40))
def test_garbage_neither_crashes_nor_hangs_nor_parts_the_engines(seed: int) -> None:
    check_garbage(seed)


@pytest.mark.slow
@settings(max_examples=4_000)
@given(seed=st.integers(0, 2**40))
def test_very_much_garbage(seed: int) -> None:
    check_garbage(seed)


def test_absurd_orders_are_refused_as_values() -> None:
    world = World(3, 60, calm=True)
    batch = BookBatch(world.tapes, world.instruments, world.params)
    batch.reset(0, world.start, world.end)
    absurd = [math.nan, math.inf, -math.inf, -1.0, 0.0, 0.5, 1e300]
    for qty in absurd:
        for tick in (-(1 << 31), -1, 0, (1 << 31) - 1):
            request = batch.request(0, 0, codes.BUY)
            request.type, request.qty, request.tick = common.LIMIT, qty, tick
            batch.place(0, 0)
            assert batch.last_reason != common.NONE
    assert batch.advance(0, world.end) == codes.ENDED
    assert int(batch.accounts[0]["num_fills"]) == 0


# Conservation: no more than was printed, no more than was displayed


def distinct(world: World) -> None:
    """Give every row an exch_ts of its own, so that a fill says which row it met."""
    for columns in world.columns:
        count = len(columns["kind"])
        columns["exch_ts"] = [START + (i - 20) * MS for i in range(count)]
        columns["local_ts"] = [ts + 7 for ts in columns["exch_ts"]]
    world.start, world.end = START, START + len(world.columns[0]["kind"]) * MS
    world.funding = [[] for _ in world.columns]


def check_maker_fills(rows: list[Row], fills: Table) -> int:
    """Makers get at most what the row that met them printed or displayed (F1, F3)."""
    met: dict[int, list[Any]] = defaultdict(list)
    for fill in fills[fills["liquidity"] == common.MAKER]:
        met[int(fill["exch_ts"])].append(fill)
    book = PublicBook()
    for row in rows:
        book.apply(row)
        mine = met.pop(row.ts, [])
        if not mine:
            continue
        total = sum(float(f["qty"]) for f in mine)
        assert all(int(f["side"]) == -row.side for f in mine)
        worst = min(int(f["tick"]) * row.side for f in mine) * row.side
        if row.kind == codes.TRADE:
            assert total <= row.lots, "one print is one budget"
            assert all((row.tick - int(f["tick"])) * row.side >= 0 for f in mine)
        else:
            shown = sum(lots for _, lots in book.walk(row.side, worst))
            assert total <= shown, "a cross gives what it displays"
    assert not met, "fills without a row that met them"
    return len(fills)


def check_taker_fills(rows: list[Row], fills: Table) -> None:
    """Between two rows of a level takers get what it displays less prints at most (F2, F2b)."""
    book, taken, eaten, at = PublicBook(), defaultdict(float), defaultdict(float), 0
    takers = fills[fills["liquidity"] == common.TAKER]
    for fill in takers[np.argsort(takers["exch_ts"], kind="stable")]:
        while at < len(rows) and rows[at].ts <= fill["exch_ts"]:
            row = rows[at]
            book.apply(row)
            if row.kind in (codes.DEPTH, codes.SNAPSHOT):
                taken[row.side, row.tick] = eaten[row.side, row.tick] = 0.0
            elif row.kind == codes.TRADE and row.side:
                for tick in book.levels[-row.side]:
                    gone = book.lots(-row.side, tick) if (row.tick - tick) * row.side > 0 else 0
                    eaten[-row.side, tick] += row.lots if tick == row.tick else gone
            at += 1
        level = (-int(fill["side"]), int(fill["tick"]))
        taken[level] += float(fill["qty"])
        assert taken[level] + eaten[level] <= book.lots(*level), "what I and prints took is gone"


def test_conservation_no_fill_exceeds_what_was_printed_or_displayed() -> None:
    fills = 0
    for seed in range(60):
        world = World(seed, 200, calm=seed % 2 == 0, **RICH, fills=codes.STRICT, impact=0)
        distinct(world)
        world.instruments["lot_div"] = 1.0
        script = random_script(world.rng, range(len(world.columns)), 150)
        batch = BookBatch(world.tapes, world.instruments, world.params)
        batch.reset(0, world.start, world.end, seed=world.seed)
        journal = executions(run_script(batch, 0, script, world.end))
        for s, columns in enumerate(world.columns):
            mine = journal[journal["lane"] == s]
            rows = [row for row in feed_of(columns).venue if row.ts <= world.end]
            fills += check_maker_fills(rows, mine)
            check_taker_fills(rows, mine)
            check_orders(mine, script)
    assert fills > 400


def check_orders(fills: Table, script: list[Any]) -> None:
    """Whole lots, never more than an order ever asked for, a maker at its own tick."""
    assert (fills["qty"] > 0.0).all()
    assert (fills["qty"] == np.floor(fills["qty"])).all()
    assert (fills["leaves"] >= 0.0).all()
    asked = sum(step.terms.get("qty", 0.0) for step in script if step.verb != "advance")
    assert fills["qty"].sum() <= asked


# Money: the identities


def check_money(world: World, batch: BookBatch, journal: list[Table]) -> None:
    """The identities of M4, and the journal's sums, now."""
    a: Any = batch.accounts[0]
    fills = np.concatenate(journal)
    fills = fills[fills["kind"] == codes.EXECUTED]
    value = unrealized = 0.0
    for s, ins in enumerate(world.instruments):
        pos, mark = batch.positions[0, s], float(batch.lanes[0, s]["mark"])
        worth = float(ins["contract_size"]) * mark
        held = float(pos["qty"]) * worth if pos["qty"] != 0.0 else 0.0
        value += held
        unrealized += held - float(pos["basis"])
        mine = fills[fills["lane"] == s]
        assert float(pos["qty"]) == pytest.approx((mine["qty"] * mine["side"]).sum(), abs=1e-9)
    size = max(float(a.starting_balance), float(a.turnover))
    near = {"abs": 1e-9 * size, "rel": 0.0}
    assert float(a.equity) == pytest.approx(float(a.cash) + value, **near)
    start = float(a.starting_balance)
    assert float(a.equity) == pytest.approx(start + float(a.realized) + unrealized, **near)
    fees = float(a.taker_fees) + float(a.maker_fees)
    assert fees == pytest.approx(fills["fee"].sum(), **near)
    closed = np.nansum(fills["realized"]) - float(a.funding) - float(a.borrow)
    assert float(a.realized) == pytest.approx(closed, **near)
    if not world.params[0]["margin"]:
        assert float(a.cash) >= -1e-9 * size, "no balance ever goes below zero (M3)"
        assert all(float(p["qty"]) >= -1e-9 for p in batch.positions[0])


def test_m4_the_identities_hold_after_every_event() -> None:
    checked = 0
    for seed in range(16):
        world = World(seed, 120, fills=codes.STRICT)
        batch = BookBatch(world.tapes, world.instruments, world.params)
        batch.reset(0, world.start, world.end, seed=world.seed)
        script = random_script(world.rng, range(len(world.columns)), 60)
        journal = []
        for step in script:
            journal.append(run_script(batch, 0, [step]))
            for _ in range(20):
                batch.advance(0, int(batch.accounts[0]["now"]) + 5 * MS, codes.ON_REPORT)
                journal.append(batch.drain(0))
                check_money(world, batch, journal)
                if int(batch.accounts[0]["stopped_by"]) != codes.ON_REPORT:
                    break
            checked += int(batch.accounts[0]["num_fills"]) > 0
    assert checked > 100
