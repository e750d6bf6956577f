"""The twin of the book engine on cases that are computed by hand: it must be right by itself."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.reference import Event, ReferenceBook
from tests.engine.book.worlds import START, columns_of, feed_of, instruments, params

DEPTH, SNAPSHOT, CLEAR, TRADE, GAP, STATUS = range(6)
BUY, SELL = codes.BUY, codes.SELL
Line = tuple[int, int, int, int, int]

BOOK: list[Line] = [
    (0, DEPTH, BUY, 99, 10),
    (0, DEPTH, BUY, 98, 7),
    (0, DEPTH, SELL, 101, 5),
    (0, DEPTH, SELL, 102, 5),
]
END = 10_000


def sandbox(
    *rows: Line, delay: int = 0, end: int = END, ins: dict[str, Any] | None = None, **rules: Any
) -> ReferenceBook:
    """Replay BOOK at START, then rows of (ns after START, kind, side, tick, lots)."""
    written = [(START + t, START + t + delay, *what) for t, *what in [*BOOK, *rows]]
    feed = feed_of(columns_of(written))  # type: ignore[arg-type]
    reference = ReferenceBook([feed], instruments(**(ins or {})), params(**rules))
    reference.reset(START + delay, START + end)
    return reference


def told(r: ReferenceBook, kind: int = codes.EXECUTED) -> list[Event]:
    return [e for e in r.events if e.kind == kind]


def fills(r: ReferenceBook) -> list[tuple[int, int, float, int]]:
    """Return (order, tick, quantity, liquidity) of every execution."""
    return [(e.order_id, e.tick, e.qty, e.liquidity) for e in told(r)]


def buy(r: ReferenceBook, qty: float, tick: int, **terms: Any) -> int:
    return r.place(0, BUY, qty, tick=tick, **terms)


def run(r: ReferenceBook, ns: int = END) -> None:
    r.advance(START + ns)


def test_b16_a_print_through_my_tick_fills_me_and_one_above_does_not() -> None:
    r = sandbox((5, TRADE, SELL, 99, 3), (6, TRADE, SELL, 97, 3))
    buy(r, 4.0, 98)
    run(r)
    assert fills(r) == [(1, 98, 3.0, common.MAKER)]


def test_b18_a_print_at_my_tick_first_eats_the_queue_ahead() -> None:
    r = sandbox((5, TRADE, SELL, 98, 6), (6, TRADE, SELL, 98, 4))
    buy(r, 5.0, 98)
    run(r)
    assert told(r, codes.ACCEPTED)[0].front == 7.0
    assert fills(r) == [(1, 98, 3.0, common.MAKER)], "7 ahead: 6 and 1 go to them, 3 to me"


def test_f1_one_print_is_one_budget_for_my_orders_at_a_price() -> None:
    r = sandbox((5, TRADE, SELL, 100, 6))
    first, second = buy(r, 4.0, 100), buy(r, 4.0, 100)
    run(r)
    assert fills(r) == [(first, 100, 4.0, 1), (second, 100, 2.0, 1)]


def test_b18_f1_a_print_that_an_own_order_shares_is_still_printed_as_a_whole() -> None:
    """20 ahead, 20 behind; of a print of 12 my first order takes 2: 10 are left ahead of mine.

    Of the 18 that the level then loses, 12 were printed; a quarter of 6 was ahead: 8.5 are left.
    """
    rows = [(2, DEPTH, BUY, 99, 20), (4, DEPTH, BUY, 99, 40), (5, TRADE, SELL, 99, 12)]
    rows += [(6, DEPTH, BUY, 99, 22), (7, TRADE, SELL, 99, 9), (8, TRADE, SELL, 99, 1)]
    r = sandbox(*rows, queue_model=codes.POWER1, queue_power=1.0)
    first = buy(r, 2.0, 99)
    run(r, 3)
    second = buy(r, 5.0, 99)
    run(r)
    assert fills(r) == [(first, 99, 2.0, 1), (second, 99, 1.0, 1)]


def test_f1_the_better_price_is_served_first() -> None:
    r = sandbox((5, TRADE, SELL, 98, 12))
    low, high = buy(r, 4.0, 98), buy(r, 4.0, 100)
    run(r)
    assert fills(r) == [(high, 100, 4.0, 1), (low, 98, 1.0, 1)], "12 - 4 of mine - 7 ahead"


def test_f2_four_iocs_of_5_against_a_displayed_5_get_5() -> None:
    r = sandbox()
    for _ in range(4):
        buy(r, 5.0, 101, tif=common.IOC)
    run(r)
    assert fills(r) == [(1, 101, 5.0, common.TAKER)]
    assert [e.reason for e in told(r, codes.EXPIRED)] == [common.NO_LIQUIDITY] * 3


def test_f2_the_next_row_of_the_level_fills_the_hole() -> None:
    r = sandbox((5, DEPTH, SELL, 101, 5), (7, DEPTH, SELL, 102, 5))
    buy(r, 5.0, 101, tif=common.IOC)
    run(r, 6)
    buy(r, 9.0, 101, tif=common.IOC)
    run(r)
    assert fills(r) == [(1, 101, 5.0, 0), (2, 101, 5.0, 0)]


def test_b14_f4_a_sweep_walks_the_levels_and_its_rest_rests_with_nothing_ahead() -> None:
    r = sandbox((5, TRADE, SELL, 102, 2))
    buy(r, 1_000.0, 102)
    run(r)
    assert fills(r) == [(1, 101, 5.0, 0), (1, 102, 5.0, 0), (1, 102, 2.0, 1)]
    assert told(r, codes.ACCEPTED)[0].leaves == 990.0


def test_b13_b14_fok_takes_all_that_it_wants_or_nothing() -> None:
    r = sandbox()
    buy(r, 11.0, 102, tif=common.FOK)
    buy(r, 10.0, 102, tif=common.FOK)
    run(r)
    assert fills(r) == [(2, 101, 5.0, 0), (2, 102, 5.0, 0)]
    assert told(r, codes.EXPIRED)[0].order_id == 1


def test_b12_the_slippage_cap_counts_from_the_mid_on_arrival() -> None:
    r = sandbox()
    buy(r, 8.0, 0, type=common.MARKET, max_slippage_frac=0.01)
    run(r)
    assert fills(r) == [(1, 101, 5.0, 0)]
    assert told(r, codes.EXPIRED)[0].reason == common.MAX_SLIPPAGE


def test_b17_f3_the_other_best_comes_through_me_and_gives_what_it_displays() -> None:
    r = sandbox((5, DEPTH, SELL, 98, 6), (6, DEPTH, SELL, 97, 1))
    high, low = buy(r, 4.0, 99), buy(r, 4.0, 98)
    run(r)
    assert fills(r) == [(high, 99, 4.0, 1), (low, 98, 2.0, 1), (low, 98, 1.0, 1)]


def test_b17_a_depth_row_of_my_level_moves_my_queue_and_fills_nothing() -> None:
    r = sandbox((5, DEPTH, BUY, 99, 0), (6, TRADE, SELL, 99, 1))
    buy(r, 1.0, 99)
    run(r, 5)
    assert fills(r) == []
    run(r)
    assert fills(r) == [(1, 99, 1.0, 1)]


@pytest.mark.parametrize(
    ("model", "filled"),
    [(codes.RISK_AVERSE, 0.0), (codes.POWER1, 2.0), (codes.AGGRESSIVE, 4.0), (codes.NO_QUEUE, 9.0)],
)
def test_b18_queue_models_differ_in_whose_orders_were_cancelled(model: int, filled: float) -> None:
    """10 ahead of me, 10 behind; 4 of 20 go: none, 2 (n = 1) or 4 of them were ahead; then 10."""
    rows = [(2, DEPTH, BUY, 99, 20), (3, DEPTH, BUY, 99, 16), (4, TRADE, SELL, 99, 10)]
    r = sandbox(*rows, queue_model=model, queue_power=1.0)
    buy(r, 9.0, 99)
    run(r)
    assert sum(e.qty for e in told(r)) == filled


def test_b19_a_fill_before_the_cancel_arrives_wins_and_cancelling_it_is_a_value() -> None:
    r = sandbox((5, TRADE, SELL, 100, 9), ins={"latency_model": 1, "cancel_ns": 6.0})
    order = buy(r, 1.0, 100)
    run(r, 3)
    assert r.cancel(0, order) == common.NONE
    run(r)
    assert fills(r) == [(order, 100, 1.0, 1)]
    assert told(r, codes.CHANGE_REFUSED)[0].reason == common.ORDER_NOT_FOUND


def test_b19_less_quantity_keeps_the_queue_and_a_new_price_loses_it() -> None:
    r = sandbox((5, TRADE, SELL, 98, 3))
    keep, move = buy(r, 5.0, 98), buy(r, 5.0, 97)
    run(r, 6)
    r.decrease(0, keep, 2.0)
    r.amend(0, move, 98, 5.0)
    run(r)
    kept, moved = told(r, codes.AMENDED)
    assert (kept.leaves, kept.front, moved.front) == (3.0, 4.0, 7.0)


def test_b2_the_market_moves_before_my_order_arrives() -> None:
    r = sandbox((7, DEPTH, SELL, 101, 0), ins={"latency_model": 1, "entry_ns": 7.0})
    buy(r, 5.0, 101, tif=common.IOC)
    run(r)
    assert fills(r) == []


def test_b4_b5_receipts_come_after_the_response_latency_and_in_order() -> None:
    ins = {"latency_model": 1, "entry_ns": 3.0, "response_ns": 4.0}
    r = sandbox((5, TRADE, SELL, 100, 9), ins=ins)
    buy(r, 1.0, 100)
    run(r)
    stamps = [(e.kind, e.exch_ts - START, e.local_ts - START) for e in r.events[1:]]
    assert stamps == [(codes.ACCEPTED, 3, 7), (codes.EXECUTED, 5, 9)]


def test_b10_stale_books_neither_fill_crosses_nor_take_orders_in() -> None:
    rows = [(3, GAP, 0, 0, 0), (5, DEPTH, SELL, 99, 5), (6, TRADE, SELL, 98, 1)]
    r = sandbox(*rows, (9, SNAPSHOT, BUY, 90, 1), ins={"latency_model": 1, "entry_ns": 1.0})
    buy(r, 5.0, 99)
    run(r, 2)
    buy(r, 5.0, 102)
    run(r, 8)
    assert told(r, codes.REFUSED)[0].reason == common.STALE_BOOK
    assert fills(r) == [(1, 99, 1.0, 1)], "a print is a fact even in a stale book"
    assert r.account.num_gaps == 1


def test_b10_the_stale_stretch_of_the_start_is_counted() -> None:
    r = sandbox((0, GAP, 0, 0, 0), (3, GAP, 0, 0, 0), (5, SNAPSHOT, BUY, 90, 1), (7, GAP, 0, 0, 0))
    assert r.account.num_gaps == 1
    run(r, 6)
    assert r.account.num_gaps == 1
    run(r, 8)
    assert r.account.num_gaps == 2


def test_b10_cancel_all_cancels_at_the_gap() -> None:
    r = sandbox((3, GAP, 0, 0, 0), stale_policy=codes.CANCEL_ALL)
    buy(r, 5.0, 99)
    run(r)
    assert [(e.reason, e.exch_ts - START) for e in told(r, codes.CANCELLED)] == [
        (common.STALE_BOOK, 3)
    ]


def test_v9_a_halt_fills_nothing_and_takes_nothing_in() -> None:
    rows = [(3, STATUS, 0, 0, 0), (5, TRADE, SELL, 90, 9), (9, STATUS, 0, 0, 1)]
    r = sandbox(*rows, ins={"latency_model": 1, "entry_ns": 1.0})
    buy(r, 5.0, 99)
    run(r, 6)
    buy(r, 5.0, 102)
    run(r)
    assert fills(r) == []
    assert told(r, codes.REFUSED)[0].reason == common.NOT_LISTED


def test_b7_a_bid_at_the_ask_pushes_it_and_the_skipped_level_stays_skipped() -> None:
    r = sandbox((3, DEPTH, BUY, 101, 2), (4, DEPTH, BUY, 101, 0), (5, DEPTH, SELL, 102, 0))
    run(r, 3)
    assert (r.books[0].bid, r.books[0].ask) == (101, 102)
    run(r, 4)
    assert (r.books[0].bid, r.books[0].ask) == (99, 102)
    run(r)
    assert (r.books[0].bid, r.books[0].ask) == (99, codes.NO_ASK)


def test_b20_what_is_in_flight_at_the_end_still_arrives_on_a_book_that_stands_still() -> None:
    r = sandbox((9, DEPTH, SELL, 101, 1), end=5, ins={"latency_model": 1, "entry_ns": 20.0})
    buy(r, 5.0, 101, tif=common.IOC)
    assert r.advance(START + 5) == codes.ENDED
    assert fills(r) == [(1, 101, 5.0, 0)]
    assert r.account.ending == common.WINDOW_END
    assert r.account.now == START + 20


def test_m4_round_trip_with_fees() -> None:
    """Buy 5 at 101, sell 5 at 99: 10 lost, and 0.1 % of 505 and of 495 in fees."""
    r = sandbox(ins={"taker_fee_frac": 0.001}, starting_balance=1_000.0)
    buy(r, 5.0, 101, tif=common.IOC)
    run(r, 3)
    assert r.account.equity == pytest.approx(1_000.0 - 5.0 - 0.505)
    r.place(0, SELL, 5.0, tick=99, tif=common.IOC)
    run(r, 6)
    assert r.account.cash == pytest.approx(1_000.0 - 10.0 - 1.0)
    assert r.account.realized == pytest.approx(-11.0)


def test_m4_an_inverse_contract_earns_in_base() -> None:
    """Long 5 contracts of 100 from 101, out at 99: 500 / 101 - 500 / 99 of the base."""
    r = sandbox(ins={"inverse": 1, "contract_size": 100.0})
    buy(r, 5.0, 101, tif=common.IOC)
    run(r, 3)
    r.place(0, SELL, 5.0, tick=99, tif=common.IOC)
    run(r, 6)
    assert r.account.realized == pytest.approx(500 / 101 - 500 / 99)


def test_a3_spot_holds_back_what_working_orders_may_cost() -> None:
    r = sandbox(margin=0, starting_balance=1_000.0)
    buy(r, 6.0, 98)
    buy(r, 5.0, 98)
    assert r.reserved == 588.0
    assert r.last_reason == common.INSUFFICIENT_BALANCE
    r.place(0, SELL, 1.0, tick=103)
    assert r.last_reason == common.INSUFFICIENT_BALANCE
