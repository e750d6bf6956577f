"""Z2: what I take refills by half-lives, moves what I pay, and I see myself in the book."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.looking import read_seen
from seq_gym.engine.book.reference_book import PublicBook
from tests.engine.book.bench import BUY, SELL, Bench, ask, bid
from tests.engine.book.scripts import random_script, run_step
from tests.engine.book.worlds import MS, START, World, feed_of

MAKER, TAKER = common.MAKER, common.TAKER
HALF = 100
"""Half-life of the tests, ns."""
ON = {"impact": 1, "impact_half_life_ns": float(HALF), "impact_permanent": 0.0}
IOC = {"tif": common.IOC}


def deep(lots: int = 100, levels: int = 4) -> list[Any]:
    rows = [bid(0, 100 - k, lots) for k in range(levels)]
    return rows + [ask(0, 101 + k, lots) for k in range(levels)]


def taken(bench: Bench, ts: int, order: int) -> float:
    """Units that an order got by a time."""
    return sum(row[1] for row in bench.to(ts) if row[0] == order and len(row) == 4)


def seen(batch: BookBatch, side: int, s: int = 0, e: int = 0) -> list[tuple[int, int]]:
    ticks, lots = np.zeros(50, np.int64), np.zeros(50, np.int64)
    count = read_seen(batch.address, e, s, side, ticks, lots)
    return list(zip(ticks[:count].tolist(), lots[:count].tolist(), strict=True))


@pytest.mark.parametrize(
    ("after", "there"),
    [(0, 0), (1, 0), (HALF, 50), (2 * HALF, 75), (7 * HALF, 99), (8 * HALF, 100)],
)
def test_z2_a_hole_halves_in_each_half_life(after: int, there: int) -> None:
    bench = Bench(deep(), **ON)
    bench.buy(101, 100, **IOC)  # without latency it takes at 0
    bench.to(after)
    assert taken(bench, after, bench.buy(101, 500, **IOC)) == there


def test_z2_off_a_hole_stays_until_the_levels_next_row() -> None:
    bench = Bench([*deep(), ask(900, 101, 30)])
    bench.buy(101, 100, **IOC)
    bench.to(800)
    assert taken(bench, 800, bench.buy(101, 500, **IOC)) == 0
    bench.to(900)
    assert taken(bench, 900, bench.buy(101, 500, **IOC)) == 30


def test_z2_the_tapes_next_row_refills_before_the_half_life() -> None:
    bench = Bench([*deep(), ask(5, 101, 80)], **ON)
    bench.buy(101, 100, **IOC)
    bench.to(6)
    assert taken(bench, 6, bench.buy(101, 500, **IOC)) == 80


@settings(max_examples=60)
@given(
    orders=st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 300)), min_size=1, max_size=12
    ),
    half=st.floats(1.0, 1000.0),
)  # fmt: skip
def test_z2_a_hole_never_makes_the_book_negative_and_whole_lots_are_taken(
    orders: list[tuple[int, int]], half: float
) -> None:
    bench = Bench(deep(7), **{**ON, "impact_half_life_ns": half})
    ts, missing, last = 0, 0.0, 0
    for wait, qty in orders:
        ts += wait
        bench.to(ts)
        missing *= 0.5 ** ((ts - last) / half)
        missing, last = (missing if missing >= 0.5 else 0.0), ts
        got = taken(bench, ts, bench.buy(101, qty, **IOC))
        assert got == min(math.floor(7 - missing), qty)
        missing += got
        assert 0.0 <= missing <= 7.0
        lots = dict(seen(bench.batch, SELL))
        assert all(0 < n <= 7 for n in lots.values())
        assert lots.get(101, 0) == math.floor(7 - missing)


def test_z2_permanent_impact_is_that_part_of_the_move_that_the_taking_made() -> None:
    rows = [bid(0, 100, 50), bid(0, 90, 50), ask(0, 101, 10), ask(0, 105, 20), ask(0, 111, 50)]
    bench = Bench(rows, **{**ON, "impact_half_life_ns": 1e15, "impact_permanent": 0.25})
    bench.buy(111, 20, **IOC)  # all of 101, half of 105: a move of 4 + 3 ticks
    bench.batch.advance(0, START + 10)
    fills = bench.batch.drain(0)
    fills = fills[fills["kind"] == codes.EXECUTED]
    assert fills["price"].tolist() == [101.0, 105.0]
    assert float(bench.batch.lanes[0, 0].bent_ticks) == 0.25 * 7
    bench.buy(111, 5, **IOC)
    bench.batch.advance(0, START + 20)
    later = bench.batch.drain(0)
    later = later[later["kind"] == codes.EXECUTED]
    assert later["price"].tolist() == [105.0 + 1.75]
    assert later["tick"].tolist() == [105]


def test_z2_nobody_is_paid_better_for_what_has_moved_and_the_other_side_draws_it_back() -> None:
    rows = [bid(0, 100, 50), bid(0, 97, 50), ask(0, 101, 10), ask(0, 105, 20)]
    bench = Bench(rows, **{**ON, "impact_half_life_ns": 1e15, "impact_permanent": 0.5})
    bench.buy(101, 10, **IOC)
    bench.to(10)
    assert float(bench.batch.lanes[0, 0].bent_ticks) == 2.0
    bench.sell(97, 25, **IOC)
    bench.batch.advance(0, START + 20)
    fills = bench.batch.drain(0)
    assert fills[fills["kind"] == codes.EXECUTED]["price"].tolist() == [100.0]
    assert float(bench.batch.lanes[0, 0].bent_ticks) == 2.0 - 0.5 * 0.5 * 3


def test_b12_a_bent_price_never_passes_the_orders_cap() -> None:
    rows = [bid(0, 100, 50), ask(0, 101, 10), ask(0, 105, 20), ask(0, 106, 30)]
    bench = Bench(rows, **{**ON, "impact_half_life_ns": 1e15, "impact_permanent": 1.0})
    bench.buy(101, 10, **IOC)
    bench.to(10)
    assert float(bench.batch.lanes[0, 0].bent_ticks) == 4.0
    none = bench.buy(108, 5, **IOC)
    whole = bench.buy(108, 5, tif=common.FOK)
    assert bench.to(20) == [
        (none, codes.EXPIRED, common.NO_LIQUIDITY), (whole, codes.EXPIRED, common.NO_LIQUIDITY)
    ]  # fmt: skip
    enough = bench.buy(109, 25, **IOC)
    bench.batch.advance(0, START + 30)
    fills = bench.batch.drain(0)
    fills = fills[fills["kind"] == codes.EXECUTED]
    assert fills["order_id"].tolist() == [enough]
    assert fills["price"].tolist() == [109.0]
    assert fills["qty"].tolist() == [20.0]


def test_z2_i_see_my_resting_orders_and_my_holes_once_i_am_told() -> None:
    slow = {"latency_model": codes.LATENCY_CONSTANT, "entry_ns": 10.0, "response_ns": 20.0}
    rows = [*deep(5, 2), ask(3_000, 101, 2)]
    bench = Bench(rows, **{**ON, **slow, "impact_half_life_ns": 1e6})
    assert seen(bench.batch, SELL) == [(101, 5), (102, 5)]
    bench.buy(102, 7, **IOC)
    rest = bench.buy(100, 3)
    inside = bench.sell(103, 4)
    bench.to(29)
    assert seen(bench.batch, SELL) == [(101, 5), (102, 5)], "the venue did it, nobody said so"
    bench.to(30)
    assert seen(bench.batch, SELL) == [(102, 3), (103, 4)]
    assert seen(bench.batch, BUY) == [(100, 8), (99, 5)]
    bench.batch.cancel(0, 0, rest)
    bench.batch.decrease(0, 0, inside, 1.0)
    bench.to(3_500)
    assert seen(bench.batch, SELL) == [(101, 2), (102, 3), (103, 3)], "the tape's row refills"
    assert seen(bench.batch, BUY) == [(100, 5), (99, 5)]
    bench.to(2_000_030)  # two half-lives after it was told: half a lot is missing at 102
    assert dict(seen(bench.batch, SELL))[102] == 4
    bench.to(2_000_031)
    assert dict(seen(bench.batch, SELL))[102] == 5


def test_z2_an_own_order_inside_the_spread_is_the_best_i_see() -> None:
    bench = Bench([bid(0, 100, 5), ask(0, 105, 5)], **ON)
    bench.buy(102, 2)
    bench.sell(103, 1)
    bench.buy(101, 4)
    bench.to(10)
    assert seen(bench.batch, BUY) == [(102, 2), (101, 4), (100, 5)]
    assert seen(bench.batch, SELL) == [(103, 1), (105, 5)]


class Viewer:
    """What one lane's agent ought to see: its feed replayed, its holes, its orders."""

    def __init__(self, world: World, s: int) -> None:
        self.s = s
        self.rows = feed_of(world.columns[s]).local
        self.feed = int(world.instruments[s]["feed_ns"])
        self.lot_div = float(world.instruments[s]["lot_div"])
        self.half = float(world.params[0].impact_half_life_ns)
        self.book = PublicBook()
        self.known = 0
        self.holes: dict[tuple[int, int], tuple[float, int]] = {}

    def left(self, side: int, tick: int, now: int) -> float:
        units, ts = self.holes.get((side, tick), (0.0, now))
        left = units * 0.5 ** ((now - ts) / self.half)
        return left if left >= 0.5 else 0.0

    def learn(self, batch: BookBatch, told: Any) -> None:
        """Take in rows and fills in the order in which they came: rows first at one ns (B2)."""
        takes = [fill for fill in told if fill["lane"] == self.s and fill["order_id"] > 0]
        for fill in takes:
            if fill["kind"] != codes.EXECUTED or fill["liquidity"] != TAKER:
                continue
            at, side, tick = int(fill["local_ts"]), -int(fill["side"]), int(fill["tick"])
            while self.known < len(self.rows) and self.rows[self.known].ts + self.feed <= at:
                self._see_row()
            lots = self.left(side, tick, at) + float(fill["qty"]) * self.lot_div
            self.holes[side, tick] = (lots, at)
        while self.known < int(batch.lanes[0, self.s].local_row):
            self._see_row()

    def _see_row(self) -> None:
        row = self.rows[self.known]
        self.known += 1
        self.book.apply(row)
        if row.kind in (codes.DEPTH, codes.SNAPSHOT):
            self.holes.pop((row.side, row.tick), None)

    def levels(self, side: int, orders: list[Any], now: int) -> list[tuple[int, int]]:
        shown: dict[int, int] = {}
        for tick, lots in self.book.walk(side, codes.NO_BID if side == BUY else codes.NO_ASK):
            shown[tick] = max(math.floor(lots - self.left(side, tick, now)), 0)
        for o in (o for o in orders if o.side == side):
            shown[int(o.local_tick)] = shown.get(int(o.local_tick), 0) + int(o.local_leaves)
        return sorted(((t, n) for t, n in shown.items() if n), reverse=side == BUY)[:50]


def check_view(seed: int) -> int:
    """Compare what is seen after each verb of a script; return how often there was something."""
    world = World(seed, 120, fills=codes.STRICT, **ON)
    world.params["impact_half_life_ns"] = float(world.rng.choice([3.0, 20.0 * MS]))
    batch = BookBatch(world.tapes, world.instruments, world.params)
    batch.reset(0, world.start, world.end, seed=world.seed)
    viewers = [Viewer(world, s) for s in range(len(world.columns))]
    placed: dict[int, list[int]] = {}
    checked = 0
    for step in random_script(world.rng, range(len(viewers)), 120):
        run_step(batch, 0, step, placed)
        told = batch.drain(0)
        if int(batch.accounts[0].ending):
            break
        for viewer in viewers:
            viewer.learn(batch, told)
            orders = [o for o in batch.orders[0, viewer.s] if o.local == codes.WORKING]
            for side in (BUY, SELL):
                wanted = viewer.levels(side, orders, int(batch.accounts[0].now))
                assert seen(batch, side, viewer.s) == wanted
            checked += len(orders) > 0 or len(viewer.holes) > 0
    return checked


def test_e4c_a_snapshot_holds_what_is_seen_and_what_has_moved() -> None:
    bench = Bench(deep(), **{**ON, "impact_half_life_ns": 1e6, "impact_permanent": 1.0})
    bench.buy(102, 120, **IOC)
    bench.to(10)
    before = seen(bench.batch, SELL)
    state = bench.batch.snapshot(0)
    bench.buy(106, 280, **IOC)  # two ticks more than is displayed, for what has moved
    bench.to(20)
    assert seen(bench.batch, SELL) == []
    bench.batch.restore(0, state)
    assert seen(bench.batch, SELL) == before == [(102, 80), (103, 100), (104, 100)]
    assert float(bench.batch.lanes[0, 0].bent_ticks) == pytest.approx(1.2)


def test_z2_the_book_i_see_is_the_feeds_less_what_i_was_told_i_took_plus_what_rests() -> None:
    assert sum(check_view(seed) for seed in range(40)) > 500


def test_z2_off_the_shadow_is_the_feeds_book() -> None:
    bench = Bench(deep(5, 2))
    bench.buy(101, 5, **IOC)
    bench.buy(100, 5)
    bench.to(10)
    assert seen(bench.batch, SELL) == [(101, 5), (102, 5)]
    assert seen(bench.batch, BUY) == [(100, 5), (99, 5)]
