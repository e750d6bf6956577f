"""Strict rules: no free lunch (F1 to F6). The cases that hftbacktest gets wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from tests.engine.book.bench import BUY, SELL, Bench, ask, bid, both, snap, trade

MAKER, TAKER = common.MAKER, common.TAKER


def test_f1_one_print_fills_two_own_orders_at_most_its_size() -> None:
    bench = Bench([*both(bid_lots=0), trade(20, SELL, 100, 6)])
    first, second = bench.buy(100, 4), bench.buy(100, 4)
    bench.to(10)
    assert bench.to(30) == [(first, 4.0, 100, MAKER), (second, 2.0, 100, MAKER)]


def test_f1_a_later_own_order_waits_while_an_earlier_one_at_its_tick_has_leaves() -> None:
    bench = Bench([*both(), trade(20, SELL, 100, 7), bid(30, 100, 0), trade(40, SELL, 100, 1)])
    first = bench.buy(100, 4)
    bench.to(10)
    second = bench.buy(100, 4)
    assert bench.to(25)[1:] == [(first, 2.0, 100, MAKER)]
    assert bench.front(second) == 0.0
    assert bench.to(50) == [(first, 1.0, 100, MAKER)]


def test_f1_the_better_price_has_its_part_of_a_print_first() -> None:
    bench = Bench([*both(bid_lots=0), trade(20, SELL, 99, 12)])
    low, high = bench.buy(99, 9), bench.buy(100, 3)
    bench.to(10)
    # 3 at 100 leave 9 of the print for 99, where 7 are ahead.
    assert bench.to(30) == [(high, 3.0, 100, MAKER), (low, 2.0, 99, MAKER)]


def test_f2_four_iocs_of_5_against_a_displayed_5_get_5() -> None:
    bench = Bench([*both(), ask(500, 101, 5)])
    got = []
    for ts in (10, 20, 30, 40):
        order = bench.buy(101, 5, tif=common.IOC)
        got.append(bench.to(ts))
        kinds = [(order, 5.0, 101, TAKER)] if ts == 10 else []
        reason = [] if ts == 10 else [(order, codes.EXPIRED, common.NO_LIQUIDITY)]
        assert got[-1] == kinds + reason
    bench.to(600)  # the level's own row renews it, same quantity or not
    order = bench.buy(101, 9, tif=common.IOC)
    assert bench.to(610)[0] == (order, 5.0, 101, TAKER)


def test_f2_a_row_of_another_level_does_not_fill_my_hole() -> None:
    bench = Bench([*both(), ask(20, 102, 9), bid(20, 100, 9)])
    bench.buy(101, 5, tif=common.IOC)
    bench.to(30)
    order = bench.buy(101, 1, tif=common.IOC)
    assert bench.to(40) == [(order, codes.EXPIRED, common.NO_LIQUIDITY)]


def test_f2_a_full_table_of_holes_ends_a_sweep_and_never_forgets_one() -> None:
    bench = Bench([*both(), ask(0, 103, 1), ask(50, 101, 4)], hole_slots=2)
    refused = bench.buy(103, 14, tif=common.FOK)
    assert bench.to(5) == [(refused, codes.EXPIRED, common.NO_LIQUIDITY)]
    first = bench.buy(103, 14, tif=common.IOC)
    rest = (first, codes.EXPIRED, common.NO_LIQUIDITY)
    assert bench.to(10) == [(first, 5.0, 101, TAKER), (first, 8.0, 102, TAKER), rest]
    assert bench.num_holes == 2
    again = bench.buy(103, 9, tif=common.IOC)
    assert bench.to(20) == [(again, codes.EXPIRED, common.NO_LIQUIDITY)]
    bench.to(50)  # a row of the level ends its hole, and makes room
    after = bench.buy(103, 9, tif=common.IOC)
    assert bench.to(60)[0] == (after, 4.0, 101, TAKER)


def test_f2_two_sweeps_of_many_levels_take_each_displayed_lot_once() -> None:
    levels = [ask(0, 101 + k, 1) for k in range(200)]
    bench = Bench([bid(0, 100, 5), *levels], margin=1, market_cap_frac=10.0, starting_balance=1e9)
    taken: list[int] = []
    for ts in (10, 20, 30):
        bench.buy(300, 100, tif=common.IOC)
        taken += [told[2] for told in bench.to(ts) if len(told) == 4]
    assert taken == list(range(101, 301))


def test_f2_a_maker_filled_by_a_cross_meets_a_full_table_of_holes_too() -> None:
    rows = [ask(20, 100, 3), ask(30, 99, 3), ask(40, 98, 3)]
    bench = Bench([bid(0, 100, 5), ask(0, 105, 2), ask(0, 106, 2), *rows], hole_slots=1)
    bench.buy(105, 2, tif=common.IOC)
    resting = bench.buy(100, 9)
    told = bench.to(50)
    assert [each for each in told if len(each) == 4] == [(1, 2.0, 105, TAKER)]
    assert bench.order(resting)["leaves"] == 9.0


@pytest.mark.parametrize("side", [BUY, SELL])
def test_f2b_what_prints_took_of_a_level_no_taker_gets(side: int) -> None:
    near, far = (101, 102) if side == BUY else (100, 99)
    beyond = 8.0 if side == BUY else 7.0
    prints = [trade(10, side, near, 2), trade(20, side, near, 1)]
    bench = Bench([*both(), *prints])
    bench.to(30)
    order = bench.send(side, far, 20.0, tif=common.IOC)
    rest = (order, codes.EXPIRED, common.NO_LIQUIDITY)
    assert bench.to(40) == [(order, 2.0, near, TAKER), (order, beyond, far, TAKER), rest]


@pytest.mark.parametrize("side", [BUY, SELL])
def test_f2b_a_print_beyond_a_level_took_all_of_it(side: int) -> None:
    far = 102 if side == BUY else 99
    bench = Bench([*both(), trade(10, side, far, 1)])
    bench.to(20)
    order = bench.send(side, far, 3.0, tif=common.IOC)
    assert bench.to(30) == [(order, 3.0, far, TAKER)]


def test_f2b_a_limit_that_finds_all_eaten_crosses_takes_nothing_and_rests() -> None:
    bench = Bench([*both(), trade(10, BUY, 101, 9)])
    bench.to(20)
    post = bench.buy(101, 1, flags=codes.POST_ONLY_FLAG)
    order = bench.buy(101, 4)
    assert bench.to(30) == [
        (post, codes.EXPIRED, common.POST_ONLY_WOULD_TAKE),
        (order, codes.ACCEPTED, 0),
    ]
    assert bench.front(order) == 0.0


def test_f2b_own_holes_and_prints_add_up_and_never_give_back() -> None:
    bench = Bench([*both(), trade(20, BUY, 101, 1), trade(40, BUY, 101, 4)])
    got = []
    for ts, qty in ((10, 2), (30, 1), (50, 9)):
        bench.buy(101, qty, tif=common.IOC)
        got += [fill[:3] for fill in bench.to(ts) if len(fill) == 4]
        bench.to(ts + 10)
    assert got == [(1, 2.0, 101), (2, 1.0, 101)]


@pytest.mark.parametrize(
    ("renews", "got"),
    [(ask(20, 101, 5), 5.0), (ask(10, 101, 5), 5.0), (ask(20, 102, 8), 1.0), (bid(20, 99, 7), 1.0)],
)
def test_f2b_the_levels_own_next_row_and_no_other_renews_it(renews: Any, got: float) -> None:
    bench = Bench([*both(), trade(10, BUY, 101, 4), renews])  # B11: of one instant, prints first
    bench.to(30)
    order = bench.buy(101, 5, tif=common.IOC)
    assert bench.to(40)[0] == (order, got, 101, TAKER)


@pytest.mark.parametrize(
    "other",
    [
        trade(10, SELL, 101, 4),
        trade(10, SELL, 102, 4),
        trade(10, 0, 102, 4),
        trade(10, BUY, 100, 4),
    ],
)
def test_f2b_prints_of_the_other_side_of_none_and_short_of_a_level_take_nothing(other: Any) -> None:
    bench = Bench([*both(), other])
    bench.to(20)
    order = bench.buy(101, 5, tif=common.IOC)
    assert bench.to(30) == [(order, 5.0, 101, TAKER)]


def test_f2b_fok_counts_what_prints_have_left() -> None:
    bench = Bench([*both(), trade(10, BUY, 101, 3)])
    bench.to(20)
    refused = bench.buy(102, 11, tif=common.FOK)
    assert bench.to(30) == [(refused, codes.EXPIRED, common.NO_LIQUIDITY)]
    order = bench.buy(102, 10, tif=common.FOK)
    assert bench.to(40) == [(order, 2.0, 101, TAKER), (order, 8.0, 102, TAKER)]


def test_f2b_eaten_levels_use_up_no_room_of_a_fok() -> None:
    rows = [*both(), ask(0, 103, 3), trade(10, BUY, 102, 8)]
    bench = Bench(rows, hole_slots=1)
    bench.to(20)
    order = bench.buy(103, 3, tif=common.FOK)
    assert bench.to(30) == [(order, 3.0, 103, TAKER)]


def test_f2b_a_cross_fills_makers_with_what_prints_have_left() -> None:
    # The bid of 102 skips the ask of 101 (B7); the ask of 98 brings it back, eaten in part.
    rows = [bid(0, 95, 5), ask(0, 101, 6), ask(0, 105, 5), bid(5, 102, 1)]
    bench = Bench([*rows, trade(20, BUY, 101, 4), ask(40, 98, 1)])
    bench.to(6)
    order = bench.buy(101, 9)
    assert bench.to(30) == [(order, codes.ACCEPTED, 0)]
    assert bench.to(50) == [(order, 3.0, 101, MAKER)]


def test_f2b_in_parity_prints_leave_the_book_as_it_is() -> None:
    bench = Bench([*both(), trade(10, BUY, 102, 3)], fills=codes.PARITY)
    bench.to(20)
    order = bench.buy(101, 5.0, tif=common.IOC)
    assert bench.to(30) == [(order, 5.0, 101, TAKER)]


def test_f3_1000_against_a_level_of_5_gets_5_and_walks() -> None:
    bench = Bench(both())
    order = bench.buy(102, 1000, tif=common.IOC)
    assert bench.to(10) == [
        (order, 5.0, 101, TAKER),
        (order, 8.0, 102, TAKER),
        (order, codes.EXPIRED, common.NO_LIQUIDITY),
    ]


def test_f3_a_print_through_my_tick_fills_at_most_its_size() -> None:
    bench = Bench([*both(), trade(20, SELL, 98, 3)])
    order = bench.buy(100, 10)
    bench.to(10)
    assert bench.to(30) == [(order, 3.0, 100, MAKER)]


@pytest.mark.parametrize("opposite", [100, 99])
def test_f3_v4_the_best_ask_at_or_through_my_tick_fills_what_it_displays(opposite: int) -> None:
    bench = Bench([*both(), ask(20, opposite, 4), ask(30, opposite, 4)])
    order = bench.buy(100, 10)
    bench.to(10)
    assert bench.to(25) == [(order, 4.0, 100, MAKER)]
    # The same price again is no move of the best: nothing is filled twice.
    assert bench.to(35) == []


def test_f3_v4_own_orders_share_what_is_displayed_through_them_by_price_then_acceptance() -> None:
    bench = Bench([*both(), ask(20, 99, 6)])
    third, first, second = bench.buy(99, 4), bench.buy(100, 3), bench.buy(100, 2)
    bench.to(10)
    assert bench.to(30) == [
        (first, 3.0, 100, MAKER),
        (second, 2.0, 100, MAKER),
        (third, 1.0, 99, MAKER),
    ]
    taker = bench.buy(99, 1, tif=common.IOC)
    assert bench.to(40) == [(taker, codes.EXPIRED, common.NO_LIQUIDITY)]


def test_f4_what_a_sweep_leaves_rests_at_its_limit_with_nothing_ahead() -> None:
    bench = Bench([*both(), snap(10, BUY, 101, 0), trade(20, SELL, 101, 2)])
    order = bench.buy(101, 9)
    assert bench.to(5) == [(order, 5.0, 101, TAKER), (order, codes.ACCEPTED, 0)]
    assert bench.front(order) == 0.0
    assert bench.to(15) == []
    assert bench.to(30) == [(order, 2.0, 101, MAKER)]


def test_f5_a_partial_fill_is_exact_and_what_remains_goes_on() -> None:
    bench = Bench([*both(), trade(20, SELL, 100, 8), trade(30, SELL, 100, 7)])
    order = bench.buy(100, 10)
    bench.to(10)
    assert bench.to(25) == [(order, 3.0, 100, MAKER)]
    assert float(bench.order(order)["leaves"]) == 7.0
    assert bench.to(35) == [(order, 7.0, 100, MAKER)]
    assert float(bench.batch.positions[0, 0].qty) == 10.0


def test_f6_a_probabilistic_queue_executes_whole_lots_only() -> None:
    rows = [*both(bid_lots=10), bid(20, 100, 25), bid(30, 100, 20), trade(40, SELL, 100, 11)]
    bench = Bench(rows, queue_model=codes.POWER3, queue_power=3.0)
    order = bench.buy(100, 10)
    bench.to(35)
    share = 1.0 - (10.0 / 25.0) ** 3.0
    assert bench.front(order) == 10.0 - (1.0 - share) * 5.0
    assert bench.to(50) == [(order, 1.0, 100, MAKER)]
    assert bench.front(order) == 0.0


@st.composite
def crowded(draw: Any) -> tuple[list[Any], list[tuple[int, int, int, int]]]:
    """Random rows in a few ticks, and orders in them."""
    ticks = st.integers(97, 104)
    row = st.tuples(st.sampled_from("bbaatt"), ticks, st.integers(0, 9), st.sampled_from([1, -1]))
    rows, ts = both(), 1
    for what, tick, lots, side in draw(st.lists(row, max_size=60)):
        ts += draw(st.integers(0, 2))
        if what == "t":
            rows.append(trade(ts, side, tick, lots + 1))
        else:
            rows.append(bid(ts, tick, lots) if what == "b" else ask(ts, tick, lots))
    order = st.tuples(st.integers(1, ts), st.sampled_from([1, -1]), ticks, st.integers(1, 12))
    return rows, sorted(draw(st.lists(order, min_size=1, max_size=20)))


@given(crowded(), st.sampled_from(range(8)))
@settings(max_examples=150)
def test_conservation_what_is_filled_never_exceeds_what_was_displayed_or_printed(
    world: tuple[list[Any], list[tuple[int, int, int, int]]], model: int
) -> None:
    rows, orders = world
    bench = Bench(rows, queue_model=model, queue_power=3.0, max_actions=99, max_orders=64)
    fills = []
    sides = {}
    for ts, side, tick, qty in orders:
        fills += bench.to(ts)
        sides[bench.send(side, tick, float(qty))] = side
    fills += bench.to(1_000)
    fills = [fill for fill in fills if len(fill) == 4]
    supply = dict.fromkeys((BUY, SELL), 0)
    for row in rows:  # a renewed level counts anew, a print is there once
        supply[-row[3]] += row[5]
    for side in (BUY, SELL):
        filled = [fill[1] for fill in fills if sides[fill[0]] == side]
        assert sum(filled) <= supply[side]
        assert all(units == np.floor(units) for units in filled)
    net = sum(fill[1] * sides[fill[0]] for fill in fills)
    assert float(bench.batch.positions[0, 0].qty) == net
