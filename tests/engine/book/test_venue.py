"""The venue's clock (B2, B4, B19, V1, V8) and its channel of reports."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym._jit import kernel
from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.tables import account_at, context_at
from seq_gym.engine.book.venue import run_venue
from tests.engine.book.bench import (
    POST_ONLY,
    SELL,
    START,
    Bench,
    ask,
    bid,
    both,
    gap,
    snap,
    status,
    trade,
)

MAKER, TAKER = common.MAKER, common.TAKER
CONSTANT = codes.LATENCY_CONSTANT


@kernel
def _run(context: int, until: int, stop_at_report: int) -> None:
    c = context_at(context, 0)
    run_venue(c, account_at(c.accounts, 0), 0, 0, until, stop_at_report)


def venue_time(batch: BookBatch, until: int, *, stop: bool) -> int:
    """Run the venue alone; return how far it came."""
    _run(batch.address, START + until, int(stop))
    return int(batch.lanes[0, 0].venue_time) - START


def test_b2_v1_the_market_moves_before_my_order_that_arrives_at_the_same_ns() -> None:
    rows = [*both(), ask(20, 101, 0), trade(20, SELL, 98, 9)]
    bench = Bench(rows, latency_model=CONSTANT, entry_ns=20.0)
    order = bench.buy(101, 1)
    assert bench.to(30) == [(order, codes.ACCEPTED, 0)]


def test_b4_receipts_keep_their_order_and_every_report_has_both_clocks() -> None:
    rows = [*both(), trade(20, SELL, 99, 1), trade(21, SELL, 99, 1)]
    bench = Bench(rows, latency_model=CONSTANT, response_ns=50.0)
    bench.buy(100, 2)
    bench.batch.advance(0, START + 200)
    events = [event for event in bench.batch.drain(0) if event["kind"] != codes.SENT]
    assert [int(event["exch_ts"]) - START for event in events] == [0, 20, 21]
    assert [int(event["local_ts"]) - START for event in events] == [50, 70, 71]


def test_b4_no_receipt_is_before_the_one_ahead_of_it() -> None:
    rows = [*both(), *(trade(20 + k, SELL, 99, 1) for k in range(40))]
    log_normal = {"latency_model": codes.LATENCY_LOG_NORMAL, "response_sigma": 2.0}
    bench = Bench(rows, response_ns=50.0, **log_normal)
    bench.buy(100, 40)
    bench.batch.advance(0, START + 1_000_000)
    receipts = [int(event["local_ts"]) for event in bench.batch.drain(0)]
    assert len(receipts) == 42
    assert receipts == sorted(receipts)
    assert len(set(receipts)) < 30  # some had to wait


def test_b5_a_fill_is_not_known_before_its_response_time() -> None:
    bench = Bench([*both(), trade(20, SELL, 99, 9)], latency_model=CONSTANT, response_ns=50.0)
    order = bench.buy(100, 2)
    assert bench.to(69) == [(order, codes.ACCEPTED, 0)]
    assert float(bench.batch.positions[0, 0].qty) == 0.0
    assert bench.to(70) == [(order, 2.0, 100, MAKER)]


def test_b19_a_cancel_works_at_arrival_and_a_fill_before_it_wins() -> None:
    rows = [*both(), trade(20, SELL, 99, 3), trade(40, SELL, 99, 3)]
    bench = Bench(rows, latency_model=CONSTANT, cancel_ns=15.0)
    order = bench.buy(100, 5)
    bench.to(10)
    bench.batch.cancel(0, 0, order)
    assert bench.to(50) == [
        (order, 3.0, 100, MAKER),
        (order, codes.CANCELLED, common.USER_CANCELLED),
    ]


@pytest.mark.parametrize("verb", ["cancel", "amend", "decrease"])
def test_b19_v8_changing_what_is_gone_is_refused_as_a_value(verb: str) -> None:
    rows = [*both(), trade(20, SELL, 99, 9)]
    bench = Bench(rows, latency_model=CONSTANT, cancel_ns=15.0, response_ns=50.0)
    order = bench.buy(100, 5)
    bench.to(55)
    terms = {"cancel": (), "amend": (99, 2.0), "decrease": (1.0,)}[verb]
    assert getattr(bench.batch, verb)(0, 0, order, *terms) == 0
    bench.batch.advance(0, START + 300)
    assert bench.told() == [
        (order, 5.0, 100, MAKER),
        (order, codes.CHANGE_REFUSED, common.ORDER_NOT_FOUND),
    ]


def test_v8_less_at_the_same_tick_keeps_the_queue_and_more_loses_it() -> None:
    bench = Bench([*both(), trade(20, SELL, 100, 3), bid(25, 100, 9)])
    order = bench.buy(100, 5)
    bench.to(30)
    assert bench.front(order) == 2.0
    bench.batch.amend(0, 0, order, 100, 4.0)
    assert bench.to(40) == [(order, codes.AMENDED, 0)]
    assert (bench.front(order), float(bench.order(order)["leaves"])) == (2.0, 4.0)
    bench.batch.amend(0, 0, order, 100, 6.0)
    assert bench.to(50) == [(order, codes.AMENDED, 0)]
    assert (bench.front(order), float(bench.order(order)["leaves"])) == (9.0, 6.0)


def test_v8_an_amended_order_goes_behind_my_own_later_ones() -> None:
    bench = Bench([*both(bid_lots=0), trade(30, SELL, 100, 3)])
    first, second = bench.buy(100, 2), bench.buy(100, 2)
    bench.to(10)
    bench.batch.amend(0, 0, first, 100, 3.0)
    bench.to(20)
    assert bench.to(40) == [(second, 2.0, 100, MAKER), (first, 1.0, 100, MAKER)]


def test_v8_a_new_tick_may_take_and_a_post_only_may_expire() -> None:
    bench = Bench(both())
    plain, post = bench.buy(100, 9), bench.buy(100, 9, flags=POST_ONLY)
    bench.to(10)
    bench.batch.amend(0, 0, post, 101, 9.0)
    assert bench.to(20) == [(post, codes.EXPIRED, common.POST_ONLY_WOULD_TAKE)]
    bench.batch.amend(0, 0, plain, 101, 9.0)
    assert bench.to(30) == [(plain, 5.0, 101, TAKER), (plain, codes.AMENDED, 0)]
    assert float(bench.order(plain)["leaves"]) == 4.0


def test_v8_decrease_keeps_the_queue_and_refuses_to_leave_nothing() -> None:
    rows = [*both(bid_lots=0), trade(20, SELL, 100, 3)]
    bench = Bench(rows, latency_model=CONSTANT, cancel_ns=15.0, response_ns=50.0)
    order = bench.buy(100, 5)
    bench.to(55)
    bench.batch.decrease(0, 0, order, 4.0)  # arrives after 3 were filled
    bench.batch.advance(0, START + 200)
    assert bench.told() == [
        (order, 3.0, 100, MAKER),
        (order, codes.CHANGE_REFUSED, common.INVALID_QUANTITY),
    ]
    bench.batch.decrease(0, 0, order, 1.0)
    assert bench.to(300) == [(order, codes.AMENDED, 0)]
    assert float(bench.order(order)["leaves"]) == 1.0


def test_parity_knows_no_halt_and_strict_rules_do() -> None:
    rows = [*both(bid_lots=0), status(20, 0), trade(30, SELL, 100, 6), trade(50, SELL, 99, 6)]
    for fills, told in ((codes.PARITY, [5.0, 2.0]), (codes.STRICT, [])):
        bench = Bench(rows, fills=fills)
        bench.buy(100, 5)
        bench.to(25)
        late = bench.buy(100, 2)
        got = bench.to(60)
        assert [row[1] for row in got if len(row) == 4] == told
        refused = (late, codes.REFUSED, common.NOT_LISTED)
        assert (refused in got) == (fills == codes.STRICT)


def test_v8_v9_an_order_stays_as_it_was_when_it_may_not_arrive_anew() -> None:
    bench = Bench([*both(), status(20, 0), status(40, 1), gap(60), snap(80, SELL, 101, 5)])
    order = bench.buy(100, 5)
    bench.to(30)
    bench.batch.amend(0, 0, order, 99, 5.0)
    assert bench.to(35) == [(order, codes.CHANGE_REFUSED, common.NOT_LISTED)]
    assert (bench.front(order), int(bench.order(order)["tick"])) == (5.0, 100)
    bench.batch.cancel(0, 0, order)
    assert bench.to(50) == [(order, codes.CANCELLED, common.USER_CANCELLED)]


def test_b20_nothing_after_the_end_of_the_episode_happens_to_an_order() -> None:
    bench = Bench([*both(), trade(50, SELL, 99, 9)])
    bench.batch.reset(0, START, START + 40)
    bench.buy(100, 5)
    assert bench.batch.advance(0, START + 100) == codes.ENDED
    assert [kind for _, kind, *_ in bench.told()] == [codes.ACCEPTED, codes.CANCELLED]
    bench.batch.reset(0, START, START + 40)
    bench.buy(100, 5)
    assert venue_time(bench.batch, 100, stop=False) == 100
    assert int(bench.batch.lanes[0, 0].reports_tail) == 1


def test_a7_the_venue_stops_at_the_first_receipt_when_the_agent_may_react() -> None:
    rows = [*both(), trade(20, SELL, 99, 1), trade(90, SELL, 99, 1)]
    bench = Bench(rows, latency_model=CONSTANT, response_ns=50.0)
    bench.buy(100, 5)
    assert venue_time(bench.batch, 300, stop=True) == 50  # the receipt of the acceptance
    lane: Any = bench.batch.lanes[0, 0]
    lane.reports_head += 1
    assert venue_time(bench.batch, 300, stop=True) == 70
    lane.reports_head += 1
    assert venue_time(bench.batch, 300, stop=False) == 300
    assert int(lane.reports_tail) == 3


def test_a_ring_of_reports_that_is_half_full_stops_the_venue_before_the_next_row() -> None:
    rows = [*both(), *(trade(20 + k, SELL, 99, 1) for k in range(30))]
    bench = Bench(rows, report_slots=16)
    bench.buy(100, 25)
    reached = venue_time(bench.batch, 300, stop=False)
    lane: Any = bench.batch.lanes[0, 0]
    assert int(lane.reports_tail) == 9
    assert reached == 27  # acceptance and eight fills, at 20 to 27
    lane.reports_head = lane.reports_tail
    assert venue_time(bench.batch, 300, stop=False) == 36
    whole = Bench(rows, report_slots=16)
    order = whole.buy(100, 25)
    assert whole.to(300)[1:] == [(order, 1.0, 100, MAKER)] * 25


def test_one_arrival_takes_no_more_levels_than_half_a_ring_of_reports_holds() -> None:
    rows = [bid(0, 100, 1), *(ask(0, 101 + k, 1) for k in range(20))]
    bench = Bench(rows, report_slots=16)
    order = bench.buy(130, 20, tif=common.IOC)
    told = bench.to(10)
    assert [fill[2] for fill in told[:-1]] == [101, 102, 103, 104, 105, 106]
    assert told[-1] == (order, codes.EXPIRED, common.NO_LIQUIDITY)
