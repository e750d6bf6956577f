"""Reduce-only orders are clipped to the position at the venue, when they fill (O9)."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from tests.engine.book.bench import BUY, SELL, Bench, ask, bid, both, trade
from tests.engine.book.desk import MS, SECOND, T0, limit, make_batch, make_tape, market, opening
from tests.engine.book.desk import trade as printed

MAKER, TAKER = common.MAKER, common.TAKER
ONLY = {"flags": codes.REDUCE_ONLY_FLAG}
CLOSED = common.POSITION_CLOSED
FILLS = pytest.mark.parametrize("fills", [codes.STRICT, codes.PARITY, codes.PARITY_NO_PARTIAL])


def long_5(rows: Any = (), **rules: Any) -> Bench:
    """A bench that has bought 5, of 20 at 101."""
    bench = Bench([*both(ask_lots=20), *rows], **rules)
    bench.buy(101, 5)
    bench.to(5)
    return bench


def position(bench: Bench) -> float:
    return float(bench.batch.positions[0, 0].qty)


@FILLS
def test_o9_a_resting_exit_is_cancelled_when_the_position_is_gone(fills: int) -> None:
    bench = long_5([bid(6, 100, 20), trade(50, BUY, 110, 50)], fills=fills)
    exit_ = bench.sell(110, 5, **ONLY)
    bench.to(10)
    closing = bench.sell(100, 5, tif=common.IOC)
    assert bench.to(20) == [(closing, 5.0, 100, TAKER), (exit_, codes.CANCELLED, CLOSED)]
    assert bench.to(60) == []
    assert position(bench) == 0.0
    assert int(bench.batch.lanes[0, 0].num_resting) == 0
    assert int(bench.batch.accounts[0].num_orders) == 0


@FILLS
def test_o9_a_resting_exit_fills_only_what_is_left_of_the_position(fills: int) -> None:
    bench = long_5([bid(6, 100, 20), trade(50, BUY, 111, 50)], fills=fills)
    exit_ = bench.sell(110, 5, **ONLY)
    bench.sell(100, 2, tif=common.IOC)
    bench.to(20)
    assert float(bench.order(exit_)["leaves"]) == 5.0  # clipped when it fills, not before
    assert bench.to(60) == [(exit_, 3.0, 110, MAKER), (exit_, codes.CANCELLED, CLOSED)]
    assert position(bench) == 0.0


def test_o9_a_position_that_flips_ends_its_exits_too() -> None:
    bench = long_5([bid(6, 100, 20), trade(50, BUY, 110, 50)])
    exit_ = bench.sell(110, 5, **ONLY)
    bench.to(10)
    bench.sell(100, 8, tif=common.IOC)
    assert bench.to(20)[-1] == (exit_, codes.CANCELLED, CLOSED)
    assert bench.to(60) == []
    assert position(bench) == -3.0


def test_o9_one_print_closes_the_position_once_and_what_is_left_of_it_goes_on() -> None:
    bench = long_5([bid(6, 100, 20), trade(50, BUY, 112, 50)])
    first = bench.sell(110, 3, **ONLY)
    second = bench.sell(111, 2, **ONLY)
    opening_ = bench.sell(111, 4)
    bench.sell(100, 1, tif=common.IOC)
    bench.to(10)
    # 4 are left: 3 at 110, 1 of 2 at 111; an order that may open is not held up behind it.
    assert bench.to(60) == [
        (first, 3.0, 110, MAKER),
        (second, 1.0, 111, MAKER),
        (second, codes.CANCELLED, CLOSED),
        (opening_, 4.0, 111, MAKER),
    ]
    assert position(bench) == -4.0


def test_o9_a_cross_fills_a_resting_exit_up_to_the_position_and_takes_no_more_from_it() -> None:
    bench = long_5([bid(6, 100, 20), bid(50, 103, 20), ask(50, 101, 0), ask(50, 102, 0)])
    exit_ = bench.sell(103, 5, **ONLY)
    bench.sell(100, 3, tif=common.IOC)
    bench.to(10)
    assert bench.to(60) == [(exit_, 2.0, 103, MAKER), (exit_, codes.CANCELLED, CLOSED)]
    other = bench.sell(103, 20, tif=common.IOC)
    assert bench.to(70)[0] == (other, 18.0, 103, TAKER)


SLOW: dict[str, Any] = {
    "latency_model": codes.LATENCY_CONSTANT,
    "entry_ns": 10.0,
    "cancel_ns": 10.0,
}


@FILLS
def test_o9_an_exit_that_is_amended_to_take_is_clipped_to_what_is_left_on_arrival(
    fills: int,
) -> None:
    bench = long_5([bid(6, 100, 20)], fills=fills)
    exit_ = bench.sell(110, 5, **ONLY)
    bench.to(10)
    assert bench.batch.amend(0, 0, exit_, 100, 5.0) == 0
    bench.batch.positions[0, 0].qty = 3.0
    assert bench.to(20) == [(exit_, 3.0, 100, TAKER), (exit_, codes.EXPIRED, CLOSED)]
    assert position(bench) == 0.0


@FILLS
@pytest.mark.parametrize("tif", [common.GTC, common.IOC, common.FOK])
def test_o9_an_exit_that_arrives_with_nothing_to_reduce_is_ended(fills: int, tif: int) -> None:
    bench = Bench(both(), fills=fills, **SLOW)
    bench.batch.positions[0, 0].qty = 5.0  # an inventory that the episode begins with
    exit_ = bench.sell(100, 5, tif=tif, **ONLY)
    bench.batch.positions[0, 0].qty = 0.0
    assert bench.to(20) == [(exit_, codes.EXPIRED, CLOSED)]


@FILLS
@pytest.mark.parametrize("tif", [common.GTC, common.IOC, common.FOK])
def test_o9_what_an_episode_begins_with_can_be_reduced(fills: int, tif: int) -> None:
    bench = Bench([*both(bid_lots=4)], fills=fills, **SLOW)
    bench.batch.positions[0, 0].qty = -3.0
    exit_ = bench.buy(101, 3, tif=tif, **ONLY)
    bench.batch.positions[0, 0].qty = -2.0
    assert bench.to(20) == [(exit_, 2.0, 101, TAKER), (exit_, codes.EXPIRED, CLOSED)]
    assert position(bench) == 0.0


def test_o9_a_fill_or_kill_needs_only_what_it_may_reduce() -> None:
    bench = Bench(both(ask_lots=2), **SLOW)
    bench.batch.positions[0, 0].qty = -100.0
    exit_ = bench.buy(101, 100, tif=common.FOK, **ONLY)
    bench.batch.positions[0, 0].qty = -2.0
    assert bench.to(20) == [(exit_, 2.0, 101, TAKER), (exit_, codes.EXPIRED, CLOSED)]


def test_o9_part_of_a_lot_is_nothing_to_reduce_under_strict_rules() -> None:
    bench = Bench(both(), **SLOW)
    bench.batch.positions[0, 0].qty = 3.0
    exit_ = bench.sell(100, 3, **ONLY)
    bench.batch.positions[0, 0].qty = 2.7
    assert bench.to(20) == [(exit_, 2.0, 100, TAKER), (exit_, codes.EXPIRED, CLOSED)]


def test_o9_a_position_whose_double_lies_below_its_lots_closes_to_the_last_one() -> None:
    bench = Bench([*both(ask_lots=40), bid(6, 100, 40)], lot=0.01)
    bench.buy(101, 29)
    bench.to(10)
    assert position(bench) / 0.01 < 29.0
    exit_ = bench.sell(100, 29, **ONLY)
    assert bench.to(20) == [(exit_, pytest.approx(0.29), 100, TAKER)]
    assert position(bench) == 0.0


def closing_ahead(batch: BookBatch) -> None:
    """Long 5; an exit of 5 rests; 3 are sold, and the agent is not told for a while."""
    market(batch, BUY, 5.0)
    batch.advance(0, T0 + 50 * MS)
    limit(batch, SELL, 110, 5.0, **ONLY)
    batch.advance(0, T0 + 100 * MS)
    market(batch, SELL, 3.0)
    batch.advance(0, T0 + 110 * MS)


def test_e4c_a_snapshot_between_execution_and_receipt_knows_the_position_of_the_venue() -> None:
    rows = [*opening(), printed(SECOND, BUY, 111, 50)]
    latency = {"latency_model": codes.LATENCY_CONSTANT, "entry_ns": 5e6, "response_ns": 20e6}
    batch = make_batch(make_tape(rows), margin=1, instrument=latency, batch={"num_envs": 2})
    batch.reset(1, T0, T0 + SECOND)
    closing_ahead(batch)
    lane: Any = batch.lanes[0, 0]
    assert (lane.untold, lane.num_reducing) == (-3.0, 1)
    kept = batch.snapshot(0)
    for e in (0, 1):
        batch.restore(e, kept)
        batch.advance(e, T0 + 2 * SECOND)
        fills = batch.drain(e)
        fills = fills[fills["kind"] == codes.EXECUTED]
        assert fills["qty"].tolist() == [5.0, 3.0, 2.0]
        assert batch.positions[e, 0].qty == 0.0
        assert batch.lanes[e, 0].untold == 0.0


def test_e4d_an_episode_begins_with_nothing_untold() -> None:
    latency = {"latency_model": codes.LATENCY_CONSTANT, "entry_ns": 5e6, "response_ns": 20e6}
    batch = make_batch(make_tape(opening()), margin=1, instrument=latency)
    closing_ahead(batch)
    batch.reset(0, T0, T0 + SECOND)
    lane: Any = batch.lanes[0, 0]
    assert (lane.untold, lane.num_reducing) == (0.0, 0)
