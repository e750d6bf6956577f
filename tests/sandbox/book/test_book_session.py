"""A session over hand-made books: orders, money, states and windows, computed by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.session import BookSession
from seq_gym.types import Ending
from tests.sandbox.book.books import (
    MS,
    QUIET,
    SECOND,
    T0,
    depth,
    make_book,
    make_session,
    opening,
    since,
    trade,
)


def test_a_forced_close_has_no_order_that_arrived() -> None:
    session = BookSession.create(data=synthetic_book(seconds=5.0, seed=2), latency_model="none")
    session.start()
    session.advance("2s")
    session.place_order("BTCUSDT", "buy", "market", 0.01)
    session.advance("10s")
    forced = [fill for fill in session.fills() if fill.reason == "COMPLETED"]
    assert forced
    assert all(fill.arrived_ns is None for fill in forced)
    assert all(fill.arrived_ns for fill in session.fills() if fill.reason is None)


def test_b14_a_market_order_walks_the_levels_and_each_is_one_fill() -> None:
    session = make_session(make_book(opening(lots=2)))
    order = session.place_order("BTCUSDT", "buy", "market", 3)
    assert (order.status, order.is_open, session.position("BTCUSDT")) == ("sent", True, None)
    session.advance("14ms")
    assert session.fills() == ()  # it arrived after 10 ms, and is known after 15
    session.advance("1ms")
    fills = session.fills()
    assert [(f.price, f.quantity, f.liquidity) for f in fills] == [
        (101.0, 2.0, "taker"),
        (102.0, 1.0, "taker"),
    ]
    order = session.order(order)
    assert (order.status, order.filled_quantity) == ("filled", 3.0)
    assert order.avg_fill_price == pytest.approx(304 / 3)
    assert order.fee == pytest.approx(0.304)
    position = session.position("BTCUSDT")
    assert position is not None
    assert position.avg_entry_price == pytest.approx(304 / 3)
    assert session.portfolio().available_cash == pytest.approx(10_000 - 304.304)


def test_b18_a_limit_waits_for_the_queue_ahead_and_fills_in_part() -> None:
    rows = [*opening(), trade(100, -1, 100, 8), trade(200, -1, 100, 5), trade(300, -1, 100, 9)]
    session = make_session(make_book(rows))
    order = session.place_order("BTCUSDT", "buy", "limit", 5, 100)
    session.advance("50ms")
    order = session.order(order)
    assert (order.status, order.queue_ahead) == ("open", 10.0)
    session.advance("200ms")
    order = session.order(order)
    assert (order.status, order.filled_quantity) == ("partially_filled", 3.0)
    session.advance("200ms")
    order = session.order(order)
    assert (order.status, order.filled_quantity, order.avg_fill_price) == ("filled", 5.0, 100.0)
    assert [f.liquidity for f in session.fills()] == ["maker", "maker"]
    assert order.fee == 0.0


def test_m4_money_adds_up_after_every_event() -> None:
    rows = [*opening(), *(depth(k * 20, 1, 100, 10 + k) for k in range(1, 40))]
    rows += [trade(k * 30 + 5, (-1) ** k, 101 - k % 2, 40) for k in range(1, 30)]
    session = make_session(make_book(rows), account="margin", seconds=2)
    sides = ("buy", "sell")
    for k in range(40):
        price = 100 if k % 2 == 0 else 101
        session.place_order("BTCUSDT", sides[k % 2], "limit", 1 + k % 3, price)
        if k % 5 == 0:
            session.place_order("BTCUSDT", sides[k // 5 % 2], "market", 2)
        session.advance("25ms")
        portfolio = session.portfolio()
        start = session.params.starting_balance
        assert portfolio.total_equity == pytest.approx(
            start + portfolio.realized_pnl + portfolio.unrealized_pnl, rel=1e-12
        )
        held = session.position("BTCUSDT")
        bought = math.fsum(f.quantity for f in session.fills() if f.side == "buy")
        sold = math.fsum(f.quantity for f in session.fills() if f.side == "sell")
        assert (held.quantity if held else 0.0) == bought - sold
    assert len(session.fills()) > 20
    session.advance("2s")
    results = session.results()
    assert results.final_equity == session.equity[-1] == session.portfolio().total_equity
    by_pair = sum(pair.net_pnl for pair in results.by_pair)
    assert results.total_pnl == pytest.approx(by_pair - results.costs.borrow, rel=1e-9)
    assert results.total_trades == len(session.fills()) == sum(p.trades for p in results.by_pair)


def test_m3_a_spot_account_reserves_and_refuses_with_limit_value_and_bound() -> None:
    session = make_session(make_book(opening()), starting_balance=1_000.0)
    order = session.place_order("BTCUSDT", "buy", "limit", 9, 100)
    cash, *_ = session.balance()
    assert (order.status, cash.locked, cash.available) == ("sent", 900.9, pytest.approx(99.1))
    refused = session.place_order("BTCUSDT", "buy", "limit", 1, 99)
    assert refused.is_accepted is True  # 99.099 fits
    refused = session.place_order("BTCUSDT", "buy", "limit", 1, 100)
    assert (refused.code, refused.limit) == ("INSUFFICIENT_BALANCE", "available")
    assert (refused.value, refused.bound) == (pytest.approx(100.1), pytest.approx(0.001))
    assert "100.1" in str(refused.message)
    sale = session.place_order("BTCUSDT", "sell", "limit", 1, 101)
    assert (sale.code, sale.value, sale.bound) == ("INSUFFICIENT_BALANCE", 1.0, 0.0)


def test_m7_cancel_sells_nothing_and_the_results_are_partial() -> None:
    session = make_session(make_book(opening()), liquidate_on_complete=True)
    session.place_order("BTCUSDT", "buy", "market", 2)
    session.advance("100ms")
    working = session.place_order("BTCUSDT", "buy", "limit", 1, 99)
    session.cancel()
    assert (session.status, session.ending) == ("cancelled", Ending.CANCELLED)
    held = session.position("BTCUSDT")
    assert held is not None
    assert held.quantity == 2.0
    assert session.order(working).reason == "END_OF_EPISODE"
    assert session.order(working).acknowledged_ns is None  # the venue never answered
    results = session.results()
    assert (results.is_partial, results.status) == (True, "cancelled")
    with pytest.raises(UsageError, match="must be running"):
        session.place_order("BTCUSDT", "buy", "market", 1)


def test_m7_the_end_of_the_window_closes_on_the_book_with_a_fee() -> None:
    session = make_session(make_book(opening(lots=2)), liquidate_on_complete=True, seconds=3)
    session.place_order("BTCUSDT", "buy", "market", 3)
    session.advance("1m")
    assert (session.status, session.positions()) == ("completed", ())
    *_, first, last = session.fills()
    assert [(f.price, f.quantity, f.reason) for f in (first, last)] == [
        (100.0, 2.0, "COMPLETED"),
        (99.0, 1.0, "COMPLETED"),
    ]
    bought, sold = 101 * 2 + 102, 100 * 2 + 99
    expected = 10_000 + sold - bought - 0.001 * (bought + sold)
    assert session.results().final_equity == pytest.approx(expected, rel=1e-12)


def test_b20_what_is_in_flight_at_the_end_still_arrives_and_is_known() -> None:
    session = make_session(make_book(opening()), seconds=1)
    session.advance("995ms")
    session.place_order("BTCUSDT", "buy", "market", 1)
    session.advance("1s")
    assert session.status == "completed"
    (fill,) = session.fills()
    assert (since(fill.exch_ns), since(fill.local_ns)) == (1_005.0, 1_010.0)
    assert since(session.virtual_time_ns) == 1_010.0


def test_the_curve_has_its_start_every_whole_second_and_its_end_once() -> None:
    rows = [*opening(), depth(4_400, 1, 100, 3)]
    whole = make_session(make_book(rows), seconds=4)
    whole.advance("1m")
    assert [since(t) for t in whole.equity_times] == [0, 1_000, 2_000, 3_000, 4_000]
    data = whole.data
    settings = {"latency_model": "none", "end_time": T0 + 3_500 * MS}
    odd = BookSession.create(data=data, start_time=T0 + 300 * MS, **settings)
    odd.start()
    for _ in range(40):
        if not odd.is_complete:
            odd.advance("93ms")
    assert [since(t) for t in odd.equity_times] == [300, 1_000, 2_000, 3_000, 3_500]
    assert len(odd.equity) == 5
    ended = BookSession.create(data=data, start_time=T0, **settings)
    ended.start()
    ended.cancel()
    assert [since(t) for t in ended.equity_times] == [0]
    assert ended.results().final_equity == 10_000.0


def test_states_are_those_of_a_session_on_candles() -> None:
    session = BookSession.create(data=make_book(opening()), start_time=T0)
    assert (session.status, session.is_complete) == ("created", False)
    for verb in (lambda: session.advance("1s"), session.cancel, session.portfolio):
        with pytest.raises(UsageError, match=r"Call start\(\) first") as caught:
            verb()
        assert caught.value.code == "INVALID_STATE"
    session.start()
    with pytest.raises(UsageError, match="must be created"):
        session.start()
    with pytest.raises(UsageError, match="must be completed"):
        session.results()
    assert session.results(partial=True).is_partial
    session.fail()
    assert (session.status, session.results().status) == ("failed", "failed")
    with pytest.raises(UsageError, match="order_id"):
        session.order("P-00000063")


def test_an_unknown_argument_is_refused_with_the_near_miss() -> None:
    book = make_book(opening())
    with pytest.raises(UnknownName, match="queue_model"):
        BookSession.create(data=book, queue_modle="none")
    with pytest.raises(UnknownName, match="probabilistic"):
        BookSession.create(data=book, queue_model="probabilstic")
    with pytest.raises(ConfigError, match="seed"):
        BookSession.create(data=book, seed=-1)
    with pytest.raises(UnknownName, match="BTCUSDT"):
        BookSession.create(data=book, symbols="BTCUSD")


def test_a_window_lies_inside_the_data_and_leaves_out_its_end() -> None:
    rows = [*opening(), trade(1_000, -1, 99, 50, lag=0.0)]
    book = make_book(rows)
    wrong_ones = ((T0 + 1, T0, "must be after"), (T0 - 9 * SECOND, T0 - SECOND, "inside"))
    for start, end, wrong in wrong_ones:
        with pytest.raises(ConfigError, match=wrong):
            BookSession.create(data=book, start_time=start, end_time=end)
    for end, filled in ((T0 + SECOND, 0), (T0 + SECOND + 1, 1)):
        session = BookSession.create(
            data=book, start_time=T0, end_time=end, **{**QUIET, "latency_model": "none"}
        )
        session.start()
        session.place_order("BTCUSDT", "buy", "limit", 1, 100)
        session.advance("2s")
        assert len([f for f in session.fills() if f.liquidity == "maker"]) == filled


def test_without_a_start_a_session_begins_when_the_book_is_known() -> None:
    rows = [(0, 7 * MS, *row[2:]) for row in opening()]
    session = BookSession.create(data=make_book([*rows, depth(900, 1, 100, 3)]))
    assert since(session.start_ns) == 7.0
    session.start()
    assert session.place_order("BTCUSDT", "buy", "limit", 1, 100).is_accepted
    early = BookSession.create(data=session.data, start_time="2023-11-14")
    assert since(early.start_ns) == 7.0


def test_the_synthetic_book_is_the_default_and_a_window_of_it_can_be_named() -> None:
    session = BookSession.create(start_time="2025-01-01", end_time="2025-01-01T00:00:05")
    session.start()
    assert session.symbols == ("BTCUSDT",)
    assert session.place_order("BTCUSDT", "buy", "market", 0.001).is_accepted
    session.advance("1m")
    assert (session.status, len(session.equity)) == ("completed", 6)


def test_time_goes_forward_by_any_length() -> None:
    session = make_session(make_book(opening()))
    for length in ("250ms", 0.25, 250 * MS, "500ms"):
        session.advance(length)
    assert since(session.virtual_time_ns) == 1_250.0
    assert session.virtual_time.startswith("2023-11-14T22:13:21.25")
    for wrong in (0, -1.0, math.nan, "1 fortnight"):
        with pytest.raises(ConfigError):
            session.advance(wrong)
    with pytest.raises(ConfigError, match="forward only"):
        session.advance_to(T0)


def test_f2_what_was_taken_of_a_hundred_levels_stays_taken() -> None:
    rows: list[Any] = [depth(0, 1, 100, 1, lag=0.0)]
    rows += [depth(0, -1, 101 + k, 1, lag=0.0) for k in range(150)]
    session = make_session(make_book(rows), starting_balance=1e6, max_market_slippage_frac=0.5)
    for _ in range(2):
        session.place_order("BTCUSDT", "buy", "limit", 100, 200, time_in_force="IOC")
        session.advance("50ms")
    assert math.fsum(f.quantity for f in session.fills()) == 100.0


def test_inverse_contracts_pay_in_base_and_need_a_margin_account() -> None:
    book = make_book(opening(), base="BTC", quote="USD", contract_size=100.0, inverse=True)
    with pytest.raises(ConfigError, match="margin"):
        make_session(book)
    session = make_session(book, account="margin", starting_balance=100.0)
    session.place_order("BTCUSDT", "buy", "market", 2)
    session.advance("50ms")
    (fill,) = session.fills()
    assert fill.notional == pytest.approx(200 / 101)
    assert fill.fee == pytest.approx(0.001 * 200 / 101)
    held = session.position("BTCUSDT")
    assert held is not None
    assert held.avg_entry_price == pytest.approx(101.0)
    assert session.quote == "BTC"
    assert session.portfolio().total_equity == pytest.approx(
        100.0 - 200 / 100.5 + 200 / 101 - fill.fee
    )


def test_parity_takes_fractions_of_a_lot() -> None:
    physics = {**QUIET, "fills": "parity", "latency": Latency(entry_ms=1, response_ms=1)}
    session = make_session(make_book(opening()), account="margin", **physics)
    order = session.place_order("BTCUSDT", "buy", "market", 0.6)
    session.advance("50ms")
    assert session.order(order).filled_quantity == 0.6
