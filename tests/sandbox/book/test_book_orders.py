"""The life of an order on a book: its states, its stamps, and why it was refused (R5, B15, B19)."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.errors import UsageError
from seq_gym.sandbox.book.session import BookSession
from tests.sandbox.book.books import (
    MS,
    T0,
    depth,
    gap,
    make_book,
    make_session,
    opening,
    since,
    snapshot,
    status,
    trade,
)


def stamps(session: BookSession, order: Any) -> list[tuple[str, float | None]]:
    return [(stage.name, since(stage.ns)) for stage in session.trace(order).stages()]


def reason_of(session: BookSession, **terms: Any) -> tuple[Any, ...]:
    order = session.place_order("BTCUSDT", **{"side": "buy", "quantity": 1, **terms})
    assert order.is_accepted is False
    assert order.message
    assert order in session.orders()
    return order.code, order.limit, order.value, order.bound


def test_the_trace_has_every_stage_on_its_clock() -> None:
    rows = [*opening(lots=2), trade(100, -1, 100, 3), trade(200, -1, 100, 9)]
    session = make_session(make_book(rows))
    order = session.place_order("BTCUSDT", "buy", "limit", 4, 100)
    session.advance("1s")
    assert stamps(session, order) == [
        ("sent", 0),
        ("arrived", 10),
        ("queued", 10),
        ("acknowledged", 15),
        ("first_fill", 100),
        ("first_fill_known", 105),
        ("ended", 200),
        ("done", 205),
    ]
    trace = session.trace(order)
    assert (trace.queue_ahead, trace.num_fills, trace.status) == (2.0, 2, "filled")
    assert (trace.entry_latency_ns, trace.round_trip_ns) == (10_000_000, 15_000_000)
    assert [stage.clock for stage in trace.stages()][:3] == ["agent", "venue", "venue"]


def test_b19_a_cancel_has_a_round_trip_of_its_own() -> None:
    session = make_session(make_book(opening()))
    order = session.place_order("BTCUSDT", "buy", "limit", 4, 99)
    session.advance("50ms")
    assert session.cancel_order(order).status == "open"  # it works when it arrives
    session.advance("20ms")
    assert session.order(order).status == "cancelled"
    assert session.order(order).reason == "USER_CANCELLED"
    (change,) = session.trace(order).changes
    assert (change.kind, change.outcome, change.round_trip_ns) == ("cancel", "done", 15_000_000)
    assert stamps(session, order)[-5:] == [
        ("cancel_sent", 50),
        ("cancel_arrived", 60),
        ("ended", 60),
        ("cancel_acknowledged", 65),
        ("done", 65),
    ]


def test_b19_a_fill_before_the_cancel_arrives_wins_and_the_cancel_is_refused() -> None:
    session = make_session(make_book([*opening(lots=1), trade(52, -1, 100, 9)]))
    order = session.place_order("BTCUSDT", "buy", "limit", 4, 100)
    session.advance("50ms")
    session.cancel_order(order)
    session.advance("50ms")
    assert session.order(order).status == "filled"
    (change,) = session.trace(order).changes
    assert (change.outcome, change.reason) == ("refused", "ORDER_NOT_FOUND")
    kinds = [(kind, what.reason) for kind, what in session.happenings()]
    assert kinds == [("fill", None), ("rejected", "ORDER_NOT_FOUND")]
    again = session.cancel_order(order)
    assert (again.status, again.code) == ("rejected", "ORDER_NOT_CANCELLABLE")
    assert session.order(order).status == "filled"  # the refusal is of the verb


def test_b19_a_dearer_amend_arrives_anew_and_may_take() -> None:
    session = make_session(make_book(opening(lots=3)))
    order = session.place_order("BTCUSDT", "buy", "limit", 4, 99)
    session.advance("50ms")
    session.amend_order(order, price=101, quantity=5)
    session.advance("50ms")
    order = session.order(order)
    assert (order.status, order.price, order.quantity) == ("partially_filled", 101.0, 5.0)
    assert (order.filled_quantity, order.avg_fill_price, order.queue_ahead) == (3.0, 101.0, 0.0)
    assert (since(order.queued_ns), order.remaining_quantity) == (60.0, 2.0)
    (change,) = session.trace(order).changes
    assert (change.outcome, since(change.arrived_ns)) == ("done", 60.0)
    session.amend_order(order, price=102)
    session.advance("50ms")
    order = session.order(order)  # nothing but its last execution answers the amend
    assert (order.status, order.price, order.filled_quantity) == ("filled", 102.0, 5.0)
    assert [c.outcome for c in session.trace(order).changes] == ["done", "done"]


def test_b19_a_smaller_order_keeps_its_queue_and_the_quantity_is_that_in_all() -> None:
    session = make_session(make_book([*opening(lots=2), trade(100, -1, 100, 4)]))
    order = session.place_order("BTCUSDT", "buy", "limit", 6, 100)
    session.advance("120ms")
    assert session.order(order).filled_quantity == 2.0
    session.amend_order(order, quantity=5)
    session.advance("50ms")
    order = session.order(order)
    assert (order.quantity, order.remaining_quantity, since(order.queued_ns)) == (5.0, 3.0, 10.0)
    session.decrease_order(order, 1)
    session.advance("50ms")
    assert session.order(order).quantity == 4.0
    refused = session.decrease_order(order, 2)
    assert (refused.code, refused.limit, refused.value, refused.bound) == (
        "INVALID_QUANTITY",
        "by",
        2.0,
        2.0,
    )
    refused = session.amend_order(order, quantity=2)
    assert (refused.code, refused.bound) == ("INVALID_QUANTITY", 2.0)
    assert [c.kind for c in session.trace(order).changes] == ["amend", "decrease"]


def test_a_second_amend_in_flight_starts_from_the_first() -> None:
    session = make_session(make_book(opening()))
    order = session.place_order("BTCUSDT", "buy", "limit", 6, 98)
    session.advance("50ms")
    session.amend_order(order, price=99)
    session.amend_order(order, quantity=7)
    session.advance("50ms")
    order = session.order(order)
    assert (order.price, order.quantity) == (99.0, 7.0)
    session.decrease_order(order, 2)
    session.amend_order(order, price=98)
    session.advance("50ms")
    order = session.order(order)
    assert (order.price, order.quantity) == (98.0, 5.0)


def test_what_fills_while_an_amend_travels_counts_towards_it() -> None:
    session = make_session(make_book([*opening(lots=1), trade(52, -1, 100, 3)]))
    order = session.place_order("BTCUSDT", "buy", "limit", 6, 100)
    session.advance("50ms")
    session.amend_order(order, quantity=8)
    session.advance("8ms")  # the fill of 2 is known, the amend is under way
    assert session.order(order).filled_quantity == 2.0
    session.amend_order(order, price=99)
    session.advance("50ms")
    order = session.order(order)
    assert (order.quantity, order.remaining_quantity, order.price) == (8.0, 6.0, 99.0)


def test_b13_what_expires_says_why() -> None:
    session = make_session(make_book(opening(lots=2)))
    terms: dict[str, dict[str, Any]] = {
        "POST_ONLY_WOULD_TAKE": {"price": 101, "post_only": True},
        "NO_LIQUIDITY": {"price": 100, "time_in_force": "IOC"},
        "MAX_SLIPPAGE": {"type": "market", "quantity": 5, "max_slippage_bps": 60},
    }
    for reason, each in terms.items():
        order = session.place_order("BTCUSDT", **{"side": "buy", "quantity": 1, **each})
        assert order.is_accepted
        session.advance("50ms")
        order = session.order(order)
        assert (order.status, order.reason, order.code) == ("expired", reason, None)
        assert order.message
        assert session.trace(order).ended_ns is not None


def test_r5_the_ticket_refuses_with_the_field_and_the_near_miss() -> None:
    session = make_session(make_book(opening()))
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"symbol": "ETHUSDT"}, "INVALID_SYMBOL", "symbol"),
        ({"side": "bye"}, "INVALID_PARAMS", "side"),
        ({"quantity": 0.5}, "INVALID_PARAMS", "quantity"),
        ({"quantity": "many"}, "INVALID_PARAMS", "quantity"),
        ({"quantity": 1e300}, "INVALID_PARAMS", "quantity"),
        ({"price": None}, "INVALID_PARAMS", "price"),
        ({"price": 1e300}, "INVALID_PARAMS", "price"),
        ({"price": 0.3}, "INVALID_PARAMS", "price"),
        ({"type": "market"}, "INVALID_PARAMS", "price"),
        ({"time_in_force": "GTD"}, "INVALID_PARAMS", "time_in_force"),
        ({"post_only": 1}, "INVALID_PARAMS", "post_only"),
        ({"post_only": True, "time_in_force": "IOC"}, "INVALID_PARAMS", "post_only"),
        ({"venue": "elsewhere"}, "INVALID_PARAMS", "venue"),
        ({"tag": "mine"}, "INVALID_PARAMS", "tag"),
        ({"max_slippage_bps": -1}, "INVALID_PARAMS", "max_slippage_bps"),
        ({"trigger_price": 3}, "INVALID_PARAMS", "trigger_price"),
    ]
    for change, code, limit in cases:
        given = {"symbol": "btc-usdt", "side": "buy", "quantity": 1, "price": 100, **change}
        order = session.place_order(**given)
        assert (order.status, order.code, order.limit) == ("rejected", code, limit), change
        assert order.message
    assert len(session.orders()) == len(cases)
    assert len({order.order_id for order in session.orders()}) == len(cases)
    assert len(session.orders(symbol="BTCUSDT")) == len(cases) - 2  # no lane: no symbol of ours


def test_b15_each_limit_refuses_with_its_code_value_and_bound() -> None:
    book = make_book(opening(), min_notional=150.0)
    session = make_session(
        book,
        max_orders=2,
        max_actions=6,
        max_price_deviation_frac=0.1,
        max_position_notional=500.0,
    )
    assert reason_of(session, price=100) == ("MIN_NOTIONAL", "min_notional", 100.0, 150.0)
    deviation = reason_of(session, price=80, quantity=5)
    assert deviation == (
        "PRICE_DEVIATION",
        "max_price_deviation_frac",
        pytest.approx(20.5 / 100.5),
        0.1,
    )
    assert reason_of(session, price=100, quantity=6) == (
        "POSITION_LIMIT",
        "max_position_notional",
        pytest.approx(603.0),
        500.0,
    )
    for _ in range(2):
        assert session.place_order("BTCUSDT", "buy", "limit", 2, 100).is_accepted
    assert reason_of(session, price=100, quantity=2) == ("TOO_MANY_ORDERS", "max_orders", 3.0, 2.0)
    assert reason_of(session, price=100) == ("RATE_LIMIT", "max_actions", 7.0, 6.0)
    session.advance("1ms")
    assert reason_of(session, price=100)[0] == "TOO_MANY_ORDERS"


def test_r_the_limits_of_a_profile_are_named() -> None:
    def refusal(risk: dict[str, Any], **terms: Any) -> tuple[Any, ...]:
        session = make_session(make_book(opening(lots=90)), risk=risk)
        for price in (90, 91):
            session.place_order("BTCUSDT", "buy", "limit", 5, price)
        given = {"price": 100, "quantity": 20, **terms}
        return reason_of(session, **given)[:2]

    assert refusal({"max_order_size_pct": 10}) == ("RISK", "max_order_size_pct")
    assert refusal({"max_position_size_pct": 25}) == ("RISK", "max_position_size_pct")
    both = {"max_position_size_pct": 25, "max_order_size_pct": 25}
    assert refusal(both) == ("RISK", "max_position_size_pct")
    assert refusal(both, quantity=40) == ("RISK", "max_order_size_pct")
    assert refusal({"max_open_orders": 2}) == ("RISK", "max_open_orders")
    assert refusal({"min_notional": 3_000}) == ("RISK", "min_notional")
    assert refusal({"max_orders_per_minute": 2}) == ("RATE_LIMIT", "max_orders_per_minute")


def test_r3_loss_of_the_day_and_drawdown_refuse_what_opens() -> None:
    for risk, code, limit in (
        ({"daily_loss_limit_pct": 0.001}, "DAILY_LOSS_LIMIT", "daily_loss_limit_pct"),
        ({"max_drawdown_pct": 0.001}, "KILL_SWITCH", "max_drawdown_pct"),
    ):
        session = make_session(make_book(opening()), risk=risk)
        for side in ("buy", "sell"):
            session.place_order("BTCUSDT", side, "market", 5)
            session.advance("50ms")
        found = reason_of(session, price=100)
        assert found[:2] == (code, limit)
        assert found[2] > found[3] == 0.001


def test_the_profile_of_an_agent_id_is_loaded(tmp_path: Any) -> None:
    table = tmp_path / "agents.toml"
    table.write_text("[agents.careful]\nmax_order_size_pct = 1\n", "utf-8")
    arguments = {"agent_id": "careful", "profiles_path": table}
    session = make_session(make_book(opening()), **arguments)
    assert reason_of(session, price=100, quantity=2)[1] == "max_order_size_pct"
    free = make_session(make_book(opening()), **arguments, risk={})
    assert free.place_order("BTCUSDT", "buy", "limit", 2, 100).is_accepted


def test_b10_a_stale_book_and_a_halt_refuse() -> None:
    rows = [*opening(), gap(100), *snapshot(200), status(300, False), status(400, True)]
    session = make_session(make_book([*rows, depth(900, 1, 100, 3)]))
    session.advance("150ms")
    assert session.book("BTCUSDT").is_stale
    assert session.nbbo("BTCUSDT").bid is None
    assert reason_of(session, price=100)[0] == "STALE_BOOK"
    session.advance("100ms")
    assert session.book("BTCUSDT").is_stale is False
    session.advance("80ms")
    assert session.book("BTCUSDT").is_halted
    order = session.place_order("BTCUSDT", "buy", "limit", 1, 100)
    session.advance("20ms")
    order = session.order(order)
    assert (order.status, order.code, since(order.ended_ns)) == ("rejected", "NOT_LISTED", 340.0)
    assert since(order.acknowledged_ns) == since(order.done_ns) == 345.0
    assert session.num_gaps == 1


def test_b10_a_session_that_begins_in_a_stale_book_counts_it() -> None:
    rows = [*opening(), gap(100), *snapshot(200), gap(600), depth(900, 1, 100, 3)]
    session = make_session(make_book(rows), start_time=T0 + 150 * MS)
    assert session.book("BTCUSDT").is_stale
    assert session.num_gaps == 1
    session.advance("200ms")
    assert (session.num_gaps, session.stale_ns) == (1, 51 * MS)  # a row is received 1 ms later
    session.advance("300ms")
    assert (session.num_gaps, session.stale_ns) == (2, 100 * MS)


def test_reduce_only_needs_something_to_reduce() -> None:
    session = make_session(make_book(opening()), account="margin")
    refused = session.place_order("BTCUSDT", "sell", "limit", 1, 101, reduce_only=True)
    assert refused.code == "INVALID_PARAMS"
    assert "reduce_only" in str(refused.message)


def test_an_order_that_never_was_raises() -> None:
    session = make_session(make_book(opening()))
    for wrong in ("P-00000009", "P-zz", "9", 9, None):
        for verb in (session.order, session.cancel_order, session.trace):
            with pytest.raises(UsageError) as caught:
                verb(wrong)
            assert caught.value.code == "ORDER_NOT_FOUND"


def test_cancel_all_is_of_a_symbol_or_of_all() -> None:
    books = [make_book(opening(), symbol=name) for name in ("BTCUSDT", "ETHUSDT")]
    session = make_session(*books)
    for name in ("BTCUSDT", "ETHUSDT", "ETHUSDT"):
        session.place_order(name, "buy", "limit", 1, 99)
    assert len(session.cancel_all("eth/usdt")) == 2
    session.advance("50ms")
    assert [o.symbol for o in session.open_orders()] == ["BTCUSDT"]
    assert len(session.cancel_all()) == 1
    assert session.orders()[0].sent_ns == T0


def test_o9_a_reduce_only_order_ends_with_the_position_and_says_so() -> None:
    session = make_session(make_book([*opening(), trade(500, 1, 103, 50)]), account="margin")
    session.place_order("BTCUSDT", "buy", "market", 5)
    session.advance("50ms")
    exit_ = session.place_order("BTCUSDT", "sell", "limit", 5, 103, reduce_only=True)
    session.advance("50ms")
    session.place_order("BTCUSDT", "sell", "market", 5)
    session.advance("50ms")
    ended = session.order(exit_)
    assert (ended.status, ended.reason) == ("cancelled", "POSITION_CLOSED")
    assert ended.message == "Nothing is left of the position that it could reduce."
    assert stamps(session, exit_)[-2:] == [("ended", 110), ("done", 115)]
    session.advance("1s")
    assert [(fill.side, fill.quantity) for fill in session.fills()] == [("buy", 5), ("sell", 5)]
