"""Orders by notional, by fraction and by weight on books, GTX, and what a venue does not have."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.errors import ConfigError, UsageError
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.sandbox.book.session import BookSession
from tests.sandbox.book.books import QUIET, make_book, make_session, opening, trade

DEEP = opening(lots=1_000)
"""Bid 100, ask 101, mid 100.5."""


def sent(order: Any) -> tuple[Any, ...]:
    assert order.is_accepted, order.message
    return order.side, order.quantity, order.reduce_only


def refused(order: Any) -> tuple[Any, ...]:
    assert not order.is_accepted
    return order.code, order.limit


def two(**arguments: Any) -> BookSession:
    """A session over two symbols, both at a mid of 100.5."""
    books = [
        make_book(opening(lots=100_000), symbol=f"{base}USDT", base=base, lot=0.01)
        for base in ("BTC", "ETH")
    ]
    settings = {"max_market_slippage_frac": 0.0, "taker_fee_frac": 0.0, **arguments}
    return make_session(*books, **settings)


@pytest.mark.parametrize(
    ("terms", "quantity"),
    [
        ({"type": "market", "notional": 1_000}, 9.9),  # at the mid of 100.5: 9.95
        ({"type": "limit", "price": 90, "notional": "1_000"}, 11.1),  # at the limit: 11.11
        ({"type": "limit", "price": 100, "fraction": 0.5}, 50.0),
        ({"type": "market", "fraction": 0.201}, 20.0),
        ({"type": "limit", "price": 100, "notional": 30}, 0.3),  # not 0.2: 0.1 + 0.2 is 0.3
    ],
)
def test_o3b_a_size_is_settled_when_it_is_sent_in_whole_lots(terms: Any, quantity: float) -> None:
    session = make_session(make_book(DEEP, lot=0.1))
    order = session.place_order("BTCUSDT", "buy", **terms)
    assert order.is_accepted
    assert order.quantity == pytest.approx(quantity, rel=1e-12)


def test_o3b_a_contract_is_sized_by_its_worth() -> None:
    terms: dict[str, Any] = {"inverse": True, "contract_size": 100.0, "base": "BTC", "quote": "USD"}
    session = make_session(make_book(DEEP, **terms), account="margin", starting_balance=100.0)
    order = session.place_order("BTCUSDT", "sell", "limit", price=200, notional=5.2)
    assert sent(order) == ("sell", 10.0, False)  # 0.5 coins each


@pytest.mark.parametrize("adverse", [False, True])
@pytest.mark.parametrize("fee", [0.0, 0.001, 0.0123])
@pytest.mark.parametrize("kind", ["market", "limit"])
def test_o3b_all_in_is_never_refused_and_a_lot_more_is(
    kind: str, fee: float, adverse: bool
) -> None:
    terms: dict[str, Any] = {"price": 100} if kind == "limit" else {}
    for cash in (9_999.0, 10_000.0, 10_100.0, 12_345.67):
        physics = {"taker_fee_frac": fee, "adverse_selection": adverse, "starting_balance": cash}
        session = make_session(make_book(DEEP, lot=0.1), **physics)
        order = session.place_order("BTCUSDT", "buy", kind, fraction=1, **terms)
        assert order.is_accepted, order.message
        session = make_session(make_book(DEEP, lot=0.1), **physics)
        more = session.place_order("BTCUSDT", "buy", kind, order.quantity + 0.1, **terms)
        if kind == "market" or fee or adverse:
            assert more.code == "INSUFFICIENT_BALANCE"
        assert order.quantity > 0.93 * cash / 101


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_m5_all_in_on_margin_is_never_refused_and_a_lot_more_is(side: str) -> None:
    terms: dict[str, Any] = {"account": "margin", "max_leverage": 3.0}
    session = make_session(make_book(DEEP, lot=0.1), **terms)
    order = session.place_order("BTCUSDT", side, "market", fraction=3)
    assert sent(order) == (side, pytest.approx(298.5), False)  # 30 000 / 100.5
    assert session.place_order("BTCUSDT", side, "market", 0.1).code == "INSUFFICIENT_BALANCE"
    again = session.place_order("BTCUSDT", side, "market", fraction=1)
    assert refused(again) == ("INSUFFICIENT_BALANCE", "available")


def test_o9_an_exit_without_a_size_closes_what_no_other_exit_works_on() -> None:
    session = make_session(make_book(DEEP))
    assert refused(session.place_order("BTCUSDT", "sell", "market", reduce_only=True)) == (
        "INVALID_PARAMS",
        "reduce_only",
    )
    session.place_order("BTCUSDT", "buy", "market", 7)
    session.advance("100ms")
    part = session.place_order(
        "BTCUSDT", "sell", "limit", price=110, reduce_only=True, notional=220
    )
    assert sent(part) == ("sell", 2.0, True)
    rest = session.place_order("BTCUSDT", "sell", "market", reduce_only=True)
    assert sent(rest) == ("sell", 5.0, True)
    session.advance("100ms")
    held = session.position("BTCUSDT")
    assert held is not None
    assert held.quantity == 2.0


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({}, ("INVALID_PARAMS", "quantity", "one of quantity, notional and fraction; none was gi")),
        ({"quantity": 1, "notional": 5}, ("INVALID_PARAMS", "quantity", "was quantity and notio")),
        ({"notional": -5}, ("INVALID_PARAMS", "notional", "notional must be a number above 0")),
        ({"notional": 50}, ("INVALID_PARAMS", "notional", "at least a lot of 1; was 50")),
        ({"fraction": 1.5}, ("INVALID_PARAMS", "fraction", "at most 1 of equity; was 1.5")),
        ({"fraction": "much"}, ("INVALID_PARAMS", "fraction", "fraction must be a number above 0")),
        ({"notionl": 5}, ("INVALID_PARAMS", "notionl", "Did you mean 'notional'")),
    ],
)
def test_a_wrong_size_is_a_value_that_says_why(terms: Any, told: tuple[str, str, str]) -> None:
    session = make_session(make_book(DEEP))
    order = session.place_order("BTCUSDT", "buy", "market", **terms)
    assert refused(order) == told[:2]
    assert told[2] in str(order.message)
    assert order in session.orders()


def test_what_is_none_is_left_out() -> None:
    session = make_session(make_book(DEEP))
    terms = dict.fromkeys(("time_in_force", "post_only", "reduce_only", "tag", "venue"))
    assert sent(session.place_order("BTCUSDT", "buy", "limit", 1, 99, **terms))[1] == 1.0


@pytest.mark.parametrize("written", ["GTX", "gtx", " Gtx "])
def test_b12_gtx_is_post_only(written: str) -> None:
    session = make_session(make_book(DEEP))
    rests = session.place_order("BTCUSDT", "buy", "limit", 1, 100, time_in_force=written)
    takes = session.place_order("BTCUSDT", "buy", "limit", 1, 101, time_in_force=written)
    assert (rests.time_in_force, rests.post_only) == ("GTC", True)
    session.advance("100ms")
    assert session.order(rests).status == "open"
    assert (session.order(takes).status, session.order(takes).reason) == (
        "expired",
        "POST_ONLY_WOULD_TAKE",
    )
    assert session.fills() == ()
    terms: tuple[dict[str, Any], ...] = ({"type": "market"}, {"price": 99, "post_only": False})
    for each in terms:
        order = session.place_order("BTCUSDT", "buy", quantity=1, time_in_force=written, **each)
        assert refused(order) == ("INVALID_PARAMS", "post_only")


@pytest.mark.parametrize(
    ("terms", "limit", "instead"),
    [
        ({"trigger_price": 90}, "trigger_price", "on_trade, on_book or on_heartbeat"),
        ({"trail_frac": 0.1}, "trail_frac", "on_book or on_heartbeat"),
        ({"group_id": "g"}, "group_id", "cancel the other orders in on_fill"),
        ({"expire_after": 5}, "expire_after", "cancel_order in on_heartbeat"),
        ({"type": "stop_limit", "trigger_price": 90}, "type", "limit and market orders only"),
        ({"type": "Stop_Loss", "trigger_price": 90}, "type", "on_trade, on_book or on_heartbeat"),
        ({"type": "trailing_stop", "trail_frac": 0.1}, "type", "keep the best price"),
    ],
)
def test_b12_what_a_venue_does_not_have_is_refused_with_what_does_it(
    terms: Any, limit: str, instead: str
) -> None:
    session = make_session(make_book(DEEP))
    order = session.place_order("BTCUSDT", "buy", **{"quantity": 1, "price": 99, **terms})
    assert refused(order) == ("INVALID_PARAMS", limit)
    assert "Likely fix: " in str(order.message)
    assert instead in str(order.message)
    assert "Unknown" not in str(order.message)
    assert "Did you mean" not in str(order.message)


def test_e6_weights_become_market_orders_reductions_first() -> None:
    session = two()
    orders = session.rebalance({"BTCUSDT": 0.5})
    assert [sent(order) for order in orders] == [("buy", 49.75, False)]  # 5 000 / 100.5
    session.advance("100ms")
    equity = session.portfolio().total_equity
    assert equity == 10_000 - 49.75 * 0.5
    first, second = session.rebalance({"ETHUSDT": 0.25, "BTCUSDT": 0.2})
    assert (first.symbol, *sent(first)) == ("BTCUSDT", "sell", 29.89, True)
    assert (second.symbol, *sent(second)) == ("ETHUSDT", "buy", 24.81, False)
    session.advance("100ms")
    orders = session.rebalance({"BTCUSDT": 0, "ETHUSDT": -1})
    assert [sent(order) for order in orders] == [("sell", 19.86, True), ("sell", 24.81, True)]
    session.advance("100ms")
    assert session.positions() == ()


def test_e6_market_orders_on_their_way_count_and_resting_limits_do_not() -> None:
    session = two()
    session.place_order("BTCUSDT", "buy", "limit", 10, 90)
    assert len(session.rebalance({"BTCUSDT": 0.5})) == 1
    assert session.rebalance({"BTCUSDT": 0.5}, deadband=0.001) == ()
    session.advance("100ms")
    held = session.position("BTCUSDT")
    assert held is not None
    assert held.quantity == 49.75


def test_e6_what_opens_is_scaled_by_one_factor_to_what_is_free() -> None:
    session = two(max_market_slippage_frac=0.05, taker_fee_frac=0.01)
    orders = session.rebalance({"BTCUSDT": 0.6, "ETHUSDT": 0.4})
    most = 10_000 / (106.0 * 1.01)  # the dearest price that may be paid, with its fee
    assert [order.quantity for order in orders] == [
        pytest.approx(0.6 * most, abs=0.01),
        pytest.approx(0.4 * most, abs=0.01),
    ]
    assert all(order.is_accepted for order in orders)
    session.advance("100ms")
    assert len(session.fills()) == 2


def test_e6_a_deadband_leaves_small_changes_alone_and_zero_always_closes() -> None:
    session = two()
    session.rebalance({"BTCUSDT": 0.05})
    session.advance("100ms")
    assert session.rebalance({"BTCUSDT": 0.08}, deadband=0.05) == ()
    (closing,) = session.rebalance({"BTCUSDT": 0.0}, deadband=0.05)
    assert sent(closing) == ("sell", 4.97, True)


def test_e6_a_margin_account_turns_round_in_one_order() -> None:
    session = two(account="margin", max_leverage=3.0)
    session.rebalance({"BTCUSDT": 1.0})
    session.advance("100ms")
    (order,) = session.rebalance({"BTCUSDT": -1.0})
    assert order.is_accepted
    session.advance("100ms")
    held = session.position("BTCUSDT")
    assert held is not None
    assert held.market_value == pytest.approx(-session.portfolio().total_equity, rel=0.02)
    orders = session.rebalance({"BTCUSDT": -9.0, "ETHUSDT": 9.0})
    assert all(order.is_accepted for order in orders)
    session.advance("100ms")
    # Margin is checked at the mid (A3): the spread of what was bought may be missing after it.
    assert session.portfolio().available_cash > -150.0
    assert len(orders) == len(session.positions()) == 2


def test_e6_a_wrong_name_or_weight_sends_nothing() -> None:
    session = two()
    orders = session.rebalance({"BTCUSDT": 0.5, "XRPUSDT": 0.1, "ETHUSDT": float("nan")})
    assert [refused(order) for order in orders] == [
        ("INVALID_SYMBOL", "symbol"),
        ("INVALID_PARAMS", "weight"),
    ]
    assert session.orders() == orders
    for deadband in (-0.1, float("inf"), "x", True):
        with pytest.raises(ConfigError, match="deadband must be a number of at least 0"):
            session.rebalance({"BTCUSDT": 0.5}, deadband=deadband)  # type: ignore[arg-type]
    session.cancel()
    with pytest.raises(UsageError, match="must be running"):
        session.rebalance({"BTCUSDT": 0.5})


def test_e6_a_symbol_without_a_book_is_refused_and_the_others_trade() -> None:
    late = make_book([trade(1, 1, 100, 1)], symbol="ETHUSDT", base="ETH")
    session = make_session(make_book(DEEP), late)
    first, second = session.rebalance({"ETHUSDT": 0.5, "BTCUSDT": 0.5})
    assert (first.symbol, *refused(first)) == ("ETHUSDT", "NOT_LISTED", None)
    assert (second.symbol, *sent(second)) == ("BTCUSDT", "buy", 49.0, False)


def test_e6_fuzzed_weights_are_never_refused_for_money() -> None:
    for account in ("spot", "margin"):
        session = BookSession.create(
            data=synthetic_book(seconds=40.0, seed=5), **{**QUIET, "account": account}
        )
        session.start()
        for k in range(60):
            weight = (k * 0.61803) % 1.0 * (1 if account == "spot" else (-1) ** k * 3)
            for order in session.rebalance({"BTCUSDT": weight}):
                assert order.is_accepted, order.message
            session.advance(f"{20 + 37 * k % 500}ms")
        assert len(session.fills()) > 20
        assert session.portfolio().available_cash > -1.0
