"""Resting orders (B16 to B18, V2 to V4, V9): what prints and depth rows do to them."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from tests.engine.book.bench import (
    BUY,
    SELL,
    Bench,
    ask,
    bid,
    both,
    clear,
    gap,
    snap,
    status,
    trade,
)

MAKER, TAKER = common.MAKER, common.TAKER
PARITIES = [codes.PARITY, codes.PARITY_NO_PARTIAL]


def resting(*rows: Any, qty: float = 4.0, side: int = BUY, **rules: Any) -> tuple[Bench, int]:
    """An order at its own best price, accepted at 10."""
    bench = Bench([*both(), *rows], **rules)
    order = bench.send(side, 100 if side == BUY else 101, qty)
    assert bench.to(10) == [(order, codes.ACCEPTED, 0)]
    return bench, order


def test_b16_a_print_through_my_tick_fills_at_my_limit_as_maker() -> None:
    bench, order = resting(trade(20, SELL, 99, 9))
    assert bench.to(30) == [(order, 4.0, 100, MAKER)]


def test_b16_a_print_at_my_tick_consumes_the_queue_then_fills_what_remains_of_it() -> None:
    bench, order = resting(trade(20, SELL, 100, 5), trade(30, SELL, 100, 3))
    assert bench.to(25) == []
    assert bench.front(order) == 0.0
    assert bench.to(35) == [(order, 3.0, 100, MAKER)]


@pytest.mark.parametrize("row", [trade(20, SELL, 101, 99), trade(20, BUY, 100, 99)])
def test_b16_a_print_above_my_bid_or_by_a_buyer_does_nothing(row: Any) -> None:
    bench, order = resting(row)
    assert bench.to(30) == []
    assert bench.front(order) == 5.0


def test_b16_sells_are_the_mirror_image() -> None:
    bench, order = resting(trade(20, BUY, 101, 7), trade(30, BUY, 102, 9), side=SELL)
    assert bench.to(25) == [(order, 2.0, 101, MAKER)]
    assert bench.to(35) == [(order, 2.0, 101, MAKER)]


def test_v2_a_print_without_an_aggressor_fills_nothing_and_moves_no_queue() -> None:
    bench, order = resting(trade(20, 0, 99, 50), trade(21, 0, 100, 50))
    assert bench.to(30) == []
    assert bench.front(order) == 5.0


def test_v2_the_whole_print_counts_as_printed_whatever_own_orders_took_of_it() -> None:
    bench = Bench([*both(), trade(20, SELL, 100, 7), bid(30, 100, 9)], queue_model=codes.POWER3)
    first = bench.buy(100, 4)
    bench.to(10)
    second = bench.buy(100, 4)
    bench.to(25)
    assert [float(bench.order(k)["traded"]) for k in (first, second)] == [7.0, 7.0]


def test_b17_a_depth_change_on_my_level_moves_my_queue_and_never_fills() -> None:
    bench, order = resting(bid(20, 100, 2), bid(30, 100, 0))
    assert bench.to(25) == []
    assert bench.front(order) == 2.0
    assert bench.to(35) == []
    assert bench.front(order) == 0.0


@pytest.mark.parametrize("fills", PARITIES)
def test_b17_in_parity_the_best_ask_at_my_tick_fills_all_of_me(fills: int) -> None:
    bench, order = resting(ask(20, 100, 1), fills=fills)
    assert bench.to(30) == [(order, 4.0, 100, MAKER)]


@pytest.mark.parametrize("fills", PARITIES)
def test_b16_in_parity_a_print_through_my_tick_fills_all_of_me(fills: int) -> None:
    bench, order = resting(trade(20, SELL, 99, 1), fills=fills)
    assert bench.to(30) == [(order, 4.0, 100, MAKER)]


def test_b18_in_parity_each_order_meets_the_whole_print() -> None:
    bench = Bench([*both(bid_lots=1), trade(20, SELL, 100, 3)], fills=codes.PARITY)
    first, second = bench.buy(100, 1.6), bench.buy(100, 4.6)
    bench.to(10)
    assert bench.to(30) == [(first, 1.6, 100, MAKER), (second, 2.0, 100, MAKER)]
    assert float(bench.order(second)["leaves"]) == 4.6 - 2.0


def test_b18_in_parity_an_exact_partial_fill_does_not_abort() -> None:
    rows = [*both(bid_lots=1), trade(20, SELL, 100, 5), trade(30, SELL, 100, 5)]
    bench = Bench(rows, fills=codes.PARITY)
    order = bench.buy(100, 4.0)
    bench.to(10)
    assert bench.to(40) == [(order, 4.0, 100, MAKER)]


def test_b18_in_parity_without_partial_fills_a_lot_through_the_queue_fills_all() -> None:
    rows = [*both(bid_lots=1), trade(20, SELL, 100, 2)]
    bench = Bench(rows, fills=codes.PARITY_NO_PARTIAL)
    order = bench.buy(100, 50.0)
    bench.to(10)
    assert bench.to(40) == [(order, 50.0, 100, MAKER)]


def test_b8_a_queue_survives_a_clear_and_the_snapshot_row_of_my_level_caps_it() -> None:
    bench, order = resting(clear(20), snap(30, BUY, 100, 3), snap(30, SELL, 101, 3))
    bench.to(25)
    assert bench.front(order) == 5.0
    assert bench.to(35) == []
    assert bench.front(order) == 3.0


def test_v4_a_clear_alone_fills_nothing_but_the_rows_that_raise_the_best_again_do() -> None:
    bench, order = resting(clear(20), snap(30, SELL, 100, 3))
    assert bench.to(25) == []
    assert bench.to(35) == [(order, 3.0, 100, MAKER)]


def test_v9_on_a_stale_book_prints_fill_me_and_a_crossing_best_does_not() -> None:
    bench, order = resting(gap(20), ask(30, 100, 3), trade(40, SELL, 99, 1), qty=4.0)
    assert bench.to(35) == []
    assert bench.to(45) == [(order, 1.0, 100, MAKER)]


def test_v9_the_snapshot_row_that_ends_staleness_may_fill() -> None:
    bench, order = resting(gap(20), clear(30), snap(30, SELL, 100, 3))
    assert bench.to(35) == [(order, 3.0, 100, MAKER)]


def test_v4_a_fill_over_two_levels_is_no_more_than_what_is_left() -> None:
    bench, order = resting(gap(20), ask(30, 100, 5), snap(40, SELL, 99, 2))
    assert bench.to(50) == [(order, 4.0, 100, MAKER)]


def test_v9_cancel_all_cancels_what_rests_at_the_gap() -> None:
    bench, order = resting(gap(20), trade(30, SELL, 99, 9), stale_policy=codes.CANCEL_ALL)
    assert bench.to(40) == [(order, codes.CANCELLED, common.STALE_BOOK)]


def test_v9_a_halt_stops_fills_of_any_kind_until_it_is_open_again() -> None:
    rows = [status(20, 0), trade(30, SELL, 99, 9), ask(31, 100, 3), ask(32, 100, 0)]
    bench, order = resting(*rows, status(40, 1), trade(50, SELL, 99, 1))
    assert bench.to(45) == []
    assert bench.front(order) == 5.0
    assert bench.to(55) == [(order, 1.0, 100, MAKER)]
