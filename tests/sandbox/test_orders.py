"""Orders through a session: what is refused, and every type by hand (O1 to O11, R5)."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, UsageError
from seq_gym.market import candles_from_rows
from seq_gym.sandbox.session import Session
from seq_gym.types import OrderType, Side
from tests.sandbox.markets import FEES, flat, random_market, session_of, ticked

SEVEN_HOURS_NS = 7 * 3_600 * 1_000_000_000
BUY = {"symbol": "BTCUSDT", "side": "buy", "type": "market", "quantity": 1}


def state_of(session: Session) -> tuple[bytes, ...]:
    """The whole account, its positions and working orders, but for the counters."""
    tables = session.tables
    account = tables.accounts[:1].copy()
    for counter in ("num_rejects", "next_order_id", "reject_value", "reject_bound", "num_events"):
        account[counter] = 0
    working = int(account[0]["num_orders"])
    return account.tobytes(), tables.positions.tobytes(), tables.orders[0, :working].tobytes()


def busy_session(**arguments) -> Session:
    """A session with a position and a working order."""
    session = session_of(flat(100, 20), **arguments)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=90)
    return session


WRONG = [
    ({"symbol": "BTCUSD"}, "INVALID_SYMBOL", "BTCUSDT"),
    ({"symbol": None}, "INVALID_SYMBOL", "symbol"),
    ({"side": "bye"}, "VALIDATION_ERROR", "Did you mean 'buy'"),
    ({"side": None}, "VALIDATION_ERROR", "side"),
    ({"type": "markt"}, "VALIDATION_ERROR", "Did you mean 'market'"),
    ({"type": 17}, "VALIDATION_ERROR", "order type"),
    ({"quantity": None}, "INVALID_QUANTITY", "one of quantity, notional and fraction"),
    ({"quantity": 0}, "INVALID_QUANTITY", "above 0"),
    ({"quantity": -1}, "INVALID_QUANTITY", "above 0"),
    ({"quantity": math.nan}, "INVALID_QUANTITY", "nan"),
    ({"quantity": math.inf}, "INVALID_QUANTITY", "inf"),
    ({"quantity": "one"}, "INVALID_QUANTITY", "'one'"),
    ({"quantity": True}, "INVALID_QUANTITY", "True"),
    ({"quantity": [1]}, "INVALID_QUANTITY", "quantity"),
    ({"notional": 50}, "VALIDATION_ERROR", "quantity and notional"),
    ({"quantity": None, "fraction": 50}, "INVALID_QUANTITY", "50 percent is 0.5"),
    ({"quantity": None, "notional": "nan"}, "INVALID_QUANTITY", "notional"),
    ({"price": 100}, "VALIDATION_ERROR", "leave price out"),
    ({"trigger_price": 100}, "VALIDATION_ERROR", "leave trigger_price out"),
    ({"type": "limit"}, "VALIDATION_ERROR", "must have a price"),
    ({"type": "limit", "price": -5}, "VALIDATION_ERROR", "price must be a number above 0"),
    ({"type": "limit", "price": "1e5x"}, "VALIDATION_ERROR", "1e5x"),
    ({"type": "limit", "price": 9, "trigger_price": 9}, "VALIDATION_ERROR", "trigger_price"),
    ({"type": "stop_loss"}, "VALIDATION_ERROR", "must have a trigger_price"),
    ({"type": "stop_loss", "trigger_price": 9, "price": 9}, "VALIDATION_ERROR", "leave price out"),
    ({"type": "stop_loss", "trigger_price": 9, "reduce_only": False}, "VALIDATION_ERROR", "always"),
    ({"type": "stop_limit", "price": 9}, "VALIDATION_ERROR", "trigger_price"),
    ({"type": "trailing_stop", "trail_frac": 1.5}, "VALIDATION_ERROR", "5 percent is 0.05"),
    ({"type": "trailing_stop"}, "VALIDATION_ERROR", "trail_frac"),
    ({"time_in_force": "GTD"}, "VALIDATION_ERROR", "GTD"),
    ({"reduce_only": "yes"}, "VALIDATION_ERROR", "reduce_only"),
    ({"post_only": True}, "VALIDATION_ERROR", "post_only"),
    (
        {"type": "limit", "price": 9, "post_only": True, "time_in_force": "IOC"},
        "VALIDATION_ERROR",
        "",
    ),
    ({"expire_after": 0}, "VALIDATION_ERROR", "expire_after"),
    ({"expire_after": 1.5}, "VALIDATION_ERROR", "whole number"),
    ({"max_slippage_bps": -1}, "VALIDATION_ERROR", "max_slippage_bps"),
    ({"group_id": 1.5}, "VALIDATION_ERROR", "group_id"),
    ({"prise": 100}, "VALIDATION_ERROR", "Did you mean 'price'"),
    ({"stop_price": 100}, "VALIDATION_ERROR", "stop_price"),
    ({"quantity": 1e9}, "INSUFFICIENT_BALANCE", "needs"),
    ({"side": "sell", "quantity": 11}, "INSUFFICIENT_BALANCE", "10"),
    ({"side": "buy", "type": "take_profit", "trigger_price": 9}, "POSITION_CLOSED", "BTCUSDT"),
    ({"type": "limit", "price": 101, "post_only": True}, "POST_ONLY_WOULD_TAKE", "post_only"),
]


@pytest.mark.parametrize(("change", "code", "words"), WRONG, ids=[str(w[0]) for w in WRONG])
def test_r5_a_refusal_is_a_value_that_changes_nothing(change, code, words):
    session = busy_session()
    before, rejects = state_of(session), int(session.tables.accounts[0].num_rejects)
    order = session.place_order(**{**BUY, **change})
    assert (order.status, order.code, order.is_accepted) == ("rejected", code, False)
    assert words in order.message
    assert state_of(session) == before
    assert int(session.tables.accounts[0].num_rejects) == rejects + 1
    assert session.orders()[-1] == order
    assert session.step().orders_rejected == (order,)


FIELDS = (
    "price",
    "notional",
    "fraction",
    "trail_frac",
    "trigger_price",
    "time_in_force",
    "reduce_only",
    "post_only",
    "max_slippage_bps",
    "expire_after",
    "group_id",
)
HUGE = (2**53, 2**63, 10**19, -(10**19), 10**400, -(10**400))
"""Whole numbers beyond counters and beyond floats."""


@pytest.mark.parametrize("life", [2**53 + 2, 2**63 - 1, 10**19, 10**400])
def test_a_life_that_no_counter_holds_is_a_refused_value(life):
    session = session_of(flat(100, 3), steps=1)
    order = session.place_order(**BUY, expire_after=life)
    assert (order.code, order.limit) == ("VALIDATION_ERROR", "expire_after")
    assert session.place_order(**BUY, expire_after=2**53).is_accepted


@pytest.mark.parametrize("field", [*BUY, *FIELDS])
def test_a_number_too_long_to_write_as_text_is_a_refused_value_in_any_field(field):
    session = session_of(flat(100, 3), steps=1)
    assert session.place_order(**{**BUY, field: 10**5000}).status == "rejected"
    assert session.rebalance({"BTCUSDT": 10**5000})[0].code == "INVALID_QUANTITY"


@given(
    st.dictionaries(
        st.sampled_from([*BUY, *FIELDS]),
        st.one_of(
            st.none(),
            st.floats(),
            st.text(max_size=4),
            st.integers(-2, 2),
            st.booleans(),
            st.sampled_from(HUGE),
        ),
    )
)
def test_no_field_whatever_it_holds_makes_place_order_raise(change):
    session = session_of(flat(100, 3))
    before = state_of(session)
    order = session.place_order(**{**BUY, **change})
    assert order.is_accepted or state_of(session) == before


def test_s1_19_numbers_may_be_text_and_names_may_be_enums():
    session = session_of(flat(100, 5), steps=1)
    assert session.place_order("btc-usdt", "BUY", "Market", quantity="0.5").status == "filled"
    assert session.place_order("BTCUSDT", Side.BUY, OrderType.MARKET, quantity=Decimal("0.5"))
    assert session.place_order("BTCUSDT", "sell", "limit", quantity="1", price="101.5").is_open
    assert session.position("BTCUSDT").quantity == 1.0


def test_a_refusal_by_a_limit_carries_limit_value_and_bound():
    risk = {"max_order_size_pct": 10, "max_position_size_pct": 10}
    session = session_of(flat(100, 5), risk=risk, steps=1)
    order = session.place_order("BTCUSDT", "buy", "market", quantity=11)
    assert (order.code, order.limit, order.bound) == (
        "RISK_LIMIT_EXCEEDED",
        "max_order_size_pct",
        10,
    )
    assert order.value == pytest.approx(11)
    session.place_order("BTCUSDT", "buy", "market", quantity=6)
    order = session.place_order("BTCUSDT", "buy", "market", quantity=5)
    assert order.limit == "max_position_size_pct"
    assert order.value == pytest.approx(11)
    assert "11" in order.message


def test_each_limit_of_r4_names_itself():
    for risk, orders in [
        ({"max_open_orders": 1}, [{"price": 50}, {"price": 60}]),
        ({"min_notional": 100}, [{"price": 50}]),
        ({"max_orders_per_minute": 1}, [{"price": 50}, {"price": 60}]),
    ]:
        session = session_of(flat(100, 5), risk=risk)
        for fields in orders:
            order = session.place_order("BTCUSDT", "buy", "limit", quantity=1, **fields)
        assert order.limit == next(iter(risk))
        assert order.bound == next(iter(risk.values()))


def test_r3_a_daily_loss_above_the_limit_refuses_until_midnight():
    rows = [*flat(100, 1), *flat(80, 5)]
    session = session_of(rows, steps=1, risk={"daily_loss_limit_pct": 1})
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.step()
    session.place_order("BTCUSDT", "sell", "market", quantity=10)
    order = session.place_order("BTCUSDT", "buy", "market", quantity=1)
    assert (order.code, order.value, order.bound) == ("DAILY_LOSS_LIMIT", 2.0, 1.0)


def test_r3_the_day_ends_at_midnight_whatever_the_interval():
    start = 1_735_689_600_000_000_000 // SEVEN_HOURS_NS * SEVEN_HOURS_NS
    rows = candles_from_rows([*flat(100, 1), *flat(80, 30)], interval="7h", start=start)
    session = session_of(rows, steps=1, risk={"daily_loss_limit_pct": 1})
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.step()
    session.place_order("BTCUSDT", "sell", "market", quantity=10)
    lost_on, answers = session.virtual_time[:10], []
    for _ in range(12):
        order = session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=1)
        answers.append((order.code == "DAILY_LOSS_LIMIT", session.virtual_time[:10] == lost_on))
        session.step()
    assert len(set(answers)) == 2
    assert all(refused == same_day for refused, same_day in answers)


# ---------------------------------------------------------------------- every type by hand


def test_o3_a_market_order_at_the_close_fills_at_mark_with_slippage_and_fee():
    session = session_of(flat(100, 5), **FEES)
    session.step()
    order = session.place_order("BTCUSDT", "buy", "market", quantity=10)
    assert order.avg_fill_price == pytest.approx(100.1)
    assert order.fee == pytest.approx(1.001)
    assert session.portfolio().available_cash == pytest.approx(10_000 - 1001 - 1.001)
    (fill,) = session.fills()
    assert fill.slippage == pytest.approx(1.0)
    assert fill.slippage_pct == pytest.approx(0.1)
    assert (fill.liquidity, fill.realized_pnl, fill.filled_at) == (
        "taker",
        None,
        "2025-01-01T00:01:00Z",
    )


def test_o3_a_market_order_at_the_next_open_fills_there_inside_the_step():
    rows = [(100, 100, 100, 100), (105, 106, 104, 106), (106, 106, 106, 106)]
    session = session_of(rows, execution="next_open", **FEES)
    session.step()
    assert session.place_order("BTCUSDT", "buy", "market", quantity=1).status == "open"
    (fill,) = session.step().orders_filled
    assert fill.price == pytest.approx(105 * 1.001)
    assert fill.filled_at == "2025-01-01T00:01:00Z"


def test_o3b_a_notional_and_a_fraction_become_a_quantity_at_the_fill():
    session = session_of(flat(100, 5), steps=1)
    half = session.place_order("BTCUSDT", "buy", "market", fraction=0.5)
    assert (half.quantity, half.fraction) == (50.0, 0.5)
    thousand = session.place_order("BTCUSDT", "buy", "market", notional="1000")
    assert (thousand.quantity, thousand.notional) == (10.0, 1000.0)
    every = session.place_order("BTCUSDT", "buy", "market", fraction=1)
    assert every.quantity == pytest.approx(40.0)
    assert session.portfolio().available_cash == pytest.approx(0.0, abs=1e-9)


def test_o3b_an_all_in_buy_pays_its_costs_from_the_same_cash():
    session = session_of(flat(100, 5), **FEES, steps=1)
    order = session.place_order("BTCUSDT", "buy", "market", fraction=1.0)
    assert order.quantity == pytest.approx(10_000 / (100.1 * 1.001))
    assert 0.0 <= session.portfolio().available_cash < 1e-8


def test_o6_a_resting_limit_fills_at_its_limit_as_maker_and_reserves_until_then():
    rows = [*flat(100, 1), (99, 99.5, 94, 96), *flat(96, 2)]
    session = session_of(rows, **{**FEES, "maker_fee_frac": 0.0005})
    session.step()
    order = session.place_order("BTCUSDT", "buy", "limit", quantity=10, price=95)
    (cash,) = session.balance()
    assert cash.locked == pytest.approx(950 * 1.001)
    assert session.portfolio().total_equity == 10_000
    (fill,) = session.step().orders_filled
    assert (fill.price, fill.liquidity, fill.slippage) == (95, "maker", 0)
    assert fill.fee == pytest.approx(950 * 0.0005)
    assert session.order(order.order_id).status == "filled"
    assert session.balance()[0].locked == 0


def test_o7_a_stop_fills_worse_than_its_trigger_and_its_sibling_goes():
    rows = [*flat(100, 1), (99, 99.5, 91, 96), *flat(96, 1)]
    session = session_of(rows, **FEES)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=95)
    target = session.place_order("BTCUSDT", "sell", "take_profit", trigger_price=110)
    result = session.step()
    (fill,) = result.orders_filled
    assert fill.price == pytest.approx(95 * 0.999)
    assert fill.base_price == 95
    paid, got = 1001 * 1.001, 950 * 0.999 * 0.999
    assert fill.realized_pnl == pytest.approx(got - paid)
    assert result.orders_cancelled == (session.order(target.order_id),)
    assert session.order(target.order_id).reason == "POSITION_CLOSED"


def test_o5_a_gap_beyond_the_stop_fills_at_the_open():
    session = session_of([*flat(100, 1), (90, 92, 88, 91), *flat(91, 1)])
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=95)
    assert session.step().orders_filled[0].price == 90


def test_a_take_profit_sells_where_the_price_rises_to_it():
    session = session_of([*flat(100, 1), (101, 107, 100, 102), *flat(102, 1)])
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "sell", "take_profit", trigger_price=105, quantity=4)
    (fill,) = session.step().orders_filled
    assert (fill.price, fill.quantity, fill.realized_pnl) == (105, 4, 20)
    assert session.position("BTCUSDT").quantity == 6


def test_a_stop_limit_enters_above_its_trigger_and_never_above_its_limit():
    session = session_of([*flat(100, 1), (101, 107, 100, 106), *flat(106, 1)])
    session.step()
    session.place_order("BTCUSDT", "buy", "stop_limit", quantity=1, trigger_price=103, price=104)
    (fill,) = session.step().orders_filled
    assert fill.price == 103


def test_a_trailing_stop_follows_earlier_candles_only():
    rows = [*flat(100, 1), (100, 110, 100, 110), (110, 111, 98, 100), *flat(100, 1)]
    session = session_of(rows)
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.place_order("BTCUSDT", "sell", "trailing_stop", trail_frac=0.1)
    assert session.step().orders_filled == ()
    (fill,) = session.step().orders_filled
    assert fill.price == pytest.approx(99)


def test_o9b_the_first_fill_of_a_group_cancels_the_rest():
    session = session_of([*flat(100, 1), (100, 106, 100, 105), *flat(105, 1)])
    session.step()
    session.place_order("BTCUSDT", "buy", "market", quantity=2)
    session.place_order("BTCUSDT", "sell", "limit", quantity=1, price=105, group_id="exit")
    other = session.place_order("BTCUSDT", "sell", "limit", quantity=1, price=120, group_id="exit")
    assert other.group_id == "exit"
    session.step()
    assert session.order(other.order_id).reason == "GROUP_FILLED"


def test_expire_after_counts_candles():
    session = session_of(flat(100, 10))
    order = session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=90, expire_after=2)
    session.step()
    assert session.order(order.order_id).is_open
    (expired,) = session.step().orders_cancelled
    assert (expired.reason, expired.updated_ns) == ("EXPIRED", session.virtual_time_ns)


def test_a_size_left_out_closes_the_whole_position_where_only_exits_may():
    session = session_of(flat(100, 5), steps=1)
    session.place_order("BTCUSDT", "buy", "market", quantity=3)
    order = session.place_order("BTCUSDT", "sell", "market", reduce_only=True)
    assert (order.status, order.quantity) == ("filled", 3)
    assert session.place_order("BTCUSDT", "buy", "market").code == "INVALID_QUANTITY"


def test_o10_a_participation_cap_makes_partial_fills():
    rows = [(100, 100, 100, 100, 10)] * 6
    session = session_of(rows, execution="next_open", max_participation_frac=0.1)
    session.step()
    order = session.place_order("BTCUSDT", "buy", "market", quantity=2.5)
    session.step()
    now = session.order(order.order_id)
    assert (now.status, now.filled_quantity, now.remaining_quantity) == ("partially_filled", 1, 1.5)
    session.step_batch(2)
    assert session.order(order.order_id).status == "filled"
    assert [f.quantity for f in session.fills()] == [1, 1, 0.5]


def test_lots_and_ticks_round_quantities_down_and_limits_to_what_promises_no_more():
    session = session_of(ticked(flat(100, 3)))
    order = session.place_order("BTCUSDT", "buy", "limit", quantity=0.12345, price=99.99)
    assert (order.quantity, order.price) == (0.123, 99.9)
    assert session.place_order("BTCUSDT", "buy", "market", quantity=0.0001).limit == "lot"


# ---------------------------------------------------------------------- amend, decrease, cancel


def test_o11_cancelling_a_working_order_frees_its_reserve():
    session = busy_session()
    order = session.open_orders()[0]
    gone = session.cancel_order(order.order_id)
    assert (gone.status, gone.reason) == ("cancelled", "USER_CANCELLED")
    assert session.balance()[0].locked == 0


def test_o11_cancelling_a_finished_order_is_a_refused_value_and_keeps_the_order():
    session = busy_session()
    filled = session.orders()[0]
    before = state_of(session)
    refused = session.cancel_order(filled)
    assert refused.code == "ORDER_NOT_CANCELLABLE"
    assert "filled" in refused.message
    assert session.order(filled.order_id) == filled
    for verb in (
        lambda: session.amend_order(filled, price=1),
        lambda: session.decrease_order(filled, 1),
    ):
        assert verb().code == "ORDER_NOT_CANCELLABLE"
    assert state_of(session) == before


@pytest.mark.parametrize("order_id", ["P-000000ff", "nonsense", "P-xyz", 7])
def test_an_id_that_never_was_raises_order_not_found(order_id):
    with pytest.raises(UsageError) as raised:
        busy_session().cancel_order(order_id)
    assert raised.value.code == "ORDER_NOT_FOUND"


def test_o11_an_amended_price_moves_the_order_and_its_reserve():
    session = busy_session()
    order = session.amend_order(session.open_orders()[0], price="95", quantity=2)
    assert (order.price, order.quantity, order.status) == (95, 2, "open")
    assert session.balance()[0].locked == pytest.approx(190)


def test_o11_a_smaller_quantity_keeps_the_priority_and_a_larger_one_loses_it():
    session = session_of(flat(100, 5))
    first, second = (
        session.place_order("BTCUSDT", "buy", "limit", quantity=2, price=90) for _ in range(2)
    )
    session.amend_order(first, quantity=1)
    assert [o.order_id for o in session.open_orders()] == [first.order_id, second.order_id]
    session.amend_order(first, quantity=3)
    assert [o.order_id for o in session.open_orders()] == [second.order_id, first.order_id]


@pytest.mark.parametrize(
    "terms",
    [{}, {"price": -1}, {"quantity": 0}, {"quantity": 1e9}, {"trigger_price": 9}, {"prize": 9}],
)
def test_o11_a_refused_amendment_leaves_the_order_as_it_was(terms):
    session = busy_session()
    before = state_of(session)
    order = session.open_orders()[0]
    refused = session.amend_order(order, **terms)
    assert refused.status == "rejected"
    assert refused.message
    assert state_of(session) == before
    assert session.order(order.order_id) == order


def test_o11_a_decrease_to_zero_or_below_is_refused():
    session = busy_session()
    order = session.open_orders()[0]
    for by in (1, 2, "x", -1):
        assert session.decrease_order(order, by).code == "INVALID_QUANTITY"
    assert session.decrease_order(order, 0.25).quantity == 0.75


def test_o11_a_decrease_by_all_but_the_dust_of_a_sum_is_one_to_zero():
    session = session_of(flat(100, 5), steps=1)
    order = session.place_order("BTCUSDT", "buy", "limit", quantity=0.1 + 0.2, price=50)
    assert session.decrease_order(order, 0.3).code == "INVALID_QUANTITY"


# ---------------------------------------------------------------------- targets


def test_e6_a_rebalance_at_the_close_executes_at_once():
    series = random_market(2, symbols=("BTCUSDT", "ETHUSDT"), gaps=False)
    session = session_of(series)
    session.step()
    orders = session.rebalance({"BTCUSDT": 0.5, "ethusdt": 0.25})
    assert [o.status for o in orders] == ["filled", "filled"]
    weights = {p.symbol: p.market_value / 10_000 for p in session.positions()}
    assert weights == pytest.approx({"BTCUSDT": 0.5, "ETHUSDT": 0.25})
    session.rebalance({"BTCUSDT": 0})
    assert [p.symbol for p in session.positions()] == ["ETHUSDT"]


def test_e6_a_rebalance_under_next_open_waits_and_is_in_the_step():
    session = session_of(random_market(2, gaps=False), execution="next_open")
    session.step()
    assert session.rebalance({"BTCUSDT": 1.0}) == ()
    (fill,) = session.step().orders_filled
    assert session.order(fill.order_id).status == "filled"


@pytest.mark.parametrize(
    "weights", [{"BTCUSDT": 1, "ETHUSD": 1}, {"BTCUSDT": math.nan}, {"BTCUSDT": "x"}]
)
def test_a_rebalance_with_a_wrong_name_or_number_asks_for_nothing(weights):
    session = busy_session()
    before = state_of(session)
    (refused,) = session.rebalance(weights)
    assert refused.status == "rejected"
    assert state_of(session) == before


@pytest.mark.parametrize("weight", [True, False, 10**400, -(10**400), None, [], "x"])
def test_a_weight_that_is_no_number_is_a_refused_value(weight):
    session = busy_session()
    before = state_of(session)
    (refused,) = session.rebalance({"BTCUSDT": weight})
    assert (refused.status, refused.code, refused.limit) == (
        "rejected",
        "INVALID_QUANTITY",
        "weight",
    )
    assert state_of(session) == before


def test_weights_and_deadbands_may_be_text_as_every_other_number():
    session = session_of(flat(100, 5), steps=1)
    session.rebalance({"BTCUSDT": "0.5"}, deadband="0.01")
    assert session.position("BTCUSDT").quantity == 50.0


@pytest.mark.parametrize("deadband", ["x", None, True, math.nan, math.inf, 10**400, [0.1]])
def test_a_deadband_that_is_no_number_is_a_config_error(deadband):
    with pytest.raises(ConfigError, match="deadband must be a number of at least 0"):
        busy_session().rebalance({"BTCUSDT": 1}, deadband=deadband)


def test_a_deadband_below_zero_is_an_error():
    with pytest.raises(ConfigError, match="deadband"):
        busy_session().rebalance({"BTCUSDT": 1}, deadband=-1)


def test_a_margin_account_may_sell_short_and_shows_free_margin_as_available():
    session = session_of(flat(100, 5), account="margin", steps=1)
    session.place_order("BTCUSDT", "sell", "market", quantity=150)
    held = session.position("BTCUSDT")
    assert (held.quantity, held.avg_entry_price) == (-150, 100)
    found = session.portfolio()
    assert found.total_equity == pytest.approx(10_000)
    assert found.available_cash == pytest.approx(5_000)
    assert np.sign(found.position_value) == -1
    assert session.place_order("BTCUSDT", "sell", "market", fraction=2.5).is_accepted
