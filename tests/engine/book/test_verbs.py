"""What the agent may ask for: each refusal of A1; cancels, amends, decreases (B12, B15, B19)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from tests.engine.book.desk import (
    MS,
    SECOND,
    T0,
    Row,
    depth,
    kinds,
    limit,
    make_batch,
    make_tape,
    market,
    opening,
    trade,
)

SLOW = {"latency_model": codes.LATENCY_CONSTANT, "entry_ns": 5e6, "cancel_ns": 3e6}


def batch_of(rows: list[Row] | None = None, **fields: Any) -> BookBatch:
    return make_batch(make_tape(opening() if rows is None else rows), **fields)


def refusal(batch: BookBatch, side: int = 1, tick: int = 99, qty: float = 1.0, **more: Any) -> int:
    limit(batch, side, tick, qty, **more)
    return batch.last_reason


@pytest.mark.parametrize(
    "wrong",
    [
        {"qty": 0.0},
        {"qty": -1.0},
        {"qty": math.nan},
        {"qty": math.inf},
        {"qty": 1.5},
        {"tick": 0},
        {"tick": -3},
        {"tick": codes.NO_ASK},
        {"side": 0},
        {"type": 7},
        {"tif": 9},
        {"flags": codes.POST_ONLY_FLAG, "tif": common.IOC},
        {"flags": codes.POST_ONLY_FLAG, "type": common.MARKET},
        {"max_slippage_frac": -0.1},
        {"max_slippage_frac": math.nan},
        {"flags": codes.REDUCE_ONLY_FLAG},
    ],
)
def test_a1_what_no_order_can_be_is_refused_and_uses_up_an_id(wrong: dict[str, Any]) -> None:
    batch = batch_of()
    assert refusal(batch, **wrong) == common.INVALID_PARAMS
    event: Any = batch.drain()[0]
    assert (event.kind, event.reason, event.order_id) == (codes.REFUSED, common.INVALID_PARAMS, 1)
    assert batch.accounts[0].num_rejects == 1
    assert limit(batch, 1, 99, 1.0) == 2


def test_f6_parity_takes_parts_of_lots() -> None:
    assert refusal(batch_of(fills=codes.PARITY), qty=1.6) == 0


def test_a1_no_book_is_not_listed_and_an_empty_opposite_side_no_liquidity() -> None:
    assert refusal(batch_of([depth(SECOND, 1, 100, 1)])) == common.NOT_LISTED
    one_sided = [depth(-SECOND, 1, 100, 1)]
    assert refusal(batch_of(one_sided)) == common.NOT_LISTED  # a mid was never known
    gone = [depth(-2 * SECOND, -1, 101, 1), *one_sided, depth(-SECOND, -1, 101, 0)]
    batch = batch_of(gone)
    assert refusal(batch) == 0
    market(batch, 1, 1.0)
    assert batch.last_reason == common.NO_LIQUIDITY


def test_b10_a_stale_book_takes_no_orders() -> None:
    batch = batch_of([*opening(), (MS, MS, codes.GAP, 0, 0, 0)])
    assert refusal(batch) == 0
    batch.advance(0, T0 + 2 * MS)
    assert refusal(batch) == common.STALE_BOOK
    assert batch.accounts[0].num_gaps == 1


def test_b15_more_actions_than_a_callback_may_take_are_refused_until_time_passes() -> None:
    batch = batch_of(max_actions=3)
    number = limit(batch, 1, 90, 1.0)
    assert batch.cancel(0, 0, number) == 0
    assert batch.cancel(0, 0, 77) == common.ORDER_NOT_FOUND  # no action: nothing is sent
    assert refusal(batch) == 0
    assert refusal(batch) == common.RATE_LIMIT
    assert batch.accounts[0].reject_bound == 3.0
    assert batch.cancel(0, 0, 2) == common.RATE_LIMIT
    batch.advance(0, T0)
    assert refusal(batch) == 0


def test_b15_more_working_orders_than_allowed_are_refused_until_one_is_known_to_be_gone() -> None:
    batch = batch_of(max_orders=2, instrument={**SLOW, "response_ns": 4e6})
    first = limit(batch, 1, 90, 1.0)
    limit(batch, 1, 91, 1.0)
    assert refusal(batch) == common.TOO_MANY_ORDERS
    batch.cancel(0, 0, first)
    batch.advance(0, T0 + 9 * MS - 1)
    assert refusal(batch) == common.TOO_MANY_ORDERS
    batch.advance(0, T0 + 9 * MS)
    assert refusal(batch) == 0


def test_a_lane_without_a_free_slot_takes_no_more_orders() -> None:
    batch = batch_of(batch={"order_slots": 2})
    assert [refusal(batch), refusal(batch), refusal(batch)] == [0, 0, common.TOO_MANY_ORDERS]


def test_a1_a_limit_far_from_the_mid_is_refused() -> None:
    batch = batch_of(price_deviation_frac=0.1)  # of 100.5
    assert refusal(batch, tick=90) == common.PRICE_DEVIATION
    assert batch.accounts[0].reject_value == pytest.approx(10.5 / 100.5)
    assert refusal(batch, tick=91) == 0
    assert refusal(batch, tick=111) == common.PRICE_DEVIATION


def test_a1_the_least_notional_is_asked_of_all_but_reduce_only_orders() -> None:
    batch = batch_of(instrument={"min_notional": 150.0})
    assert refusal(batch, tick=100, qty=1.0) == common.MIN_NOTIONAL
    market(batch, 1, 1.0)  # at 101
    assert batch.last_reason == common.MIN_NOTIONAL
    assert refusal(batch, tick=101, qty=2.0) == 0
    batch.advance(0, T0 + MS)
    assert refusal(batch, side=-1, tick=101, qty=1.0) == common.MIN_NOTIONAL
    assert refusal(batch, side=-1, tick=101, qty=1.0, flags=codes.REDUCE_ONLY_FLAG) == 0


def test_reduce_only_counts_what_already_works_on_its_side() -> None:
    batch = batch_of(margin=1)
    market(batch, 1, 3.0)
    batch.advance(0, T0 + MS)
    only = {"flags": codes.REDUCE_ONLY_FLAG}
    assert refusal(batch, -1, 110, 2.0, **only) == 0
    assert refusal(batch, -1, 110, 2.0, **only) == common.INVALID_PARAMS
    assert refusal(batch, -1, 110, 1.0, **only) == 0
    assert refusal(batch, 1, 90, 1.0, **only) == common.INVALID_PARAMS


def test_the_position_limit_counts_all_working_orders_of_a_side() -> None:
    batch = batch_of(margin=1, max_position_notional=402.0)  # 4 lots at 100.5
    assert refusal(batch, qty=3.0) == 0
    assert refusal(batch, qty=2.0) == common.POSITION_LIMIT
    assert refusal(batch, qty=1.0) == 0
    assert refusal(batch, -1, 110, 4.0) == 0


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_orders_per_minute": 1}, common.RATE_LIMIT),
        ({"max_open_orders": 1}, common.RISK),
        ({"max_order_size_pct": 1.5}, common.RISK),
        ({"max_position_size_pct": 2.5}, common.RISK),
        ({"risk_min_notional": 199.0}, common.RISK),
    ],
)
def test_r1_to_r4_limits_of_the_risk_profile(limits: dict[str, float], reason: int) -> None:
    batch = batch_of(any_risk=1, **limits)
    expected = [0, reason]
    if "risk_min_notional" in limits:
        expected = [reason, reason]
    if "max_order_size_pct" in limits:
        expected = [0, 0]  # each 0.99 % of free cash
        assert refusal(batch, qty=2.0) == reason
        assert batch.accounts[0].reject_value == pytest.approx(100 * 198 / 10_000)
    answers = [refusal(batch, tick=99, qty=1.0) for _ in range(2)]
    if "max_position_size_pct" in limits:
        answers = [answers[-1], refusal(batch, tick=99, qty=1.0)]
    assert answers == expected


def test_r3_the_days_loss_and_the_drawdown_refuse_what_does_not_reduce() -> None:
    batch = batch_of(any_risk=1, allow_reduce=1, daily_loss_limit_pct=0.005, margin=1)
    market(batch, 1, 1.0)
    batch.advance(0, T0 + MS)
    market(batch, -1, 1.0)
    batch.advance(0, T0 + 2 * MS)  # a loss of 1 in 10,000
    assert refusal(batch) == common.DAILY_LOSS_LIMIT
    drawn = batch_of(any_risk=1, max_drawdown_pct=0.001, margin=1)
    market(drawn, 1, 1.0)
    drawn.advance(0, T0 + MS)
    assert refusal(drawn) == common.KILL_SWITCH
    assert refusal(drawn, -1, 101, 1.0) == 0  # only reduces


def test_a2_the_cap_of_a_market_order_comes_from_the_touch_it_was_sent_at() -> None:
    batch = batch_of(margin=1)
    market(batch, 1, 1.0)
    market(batch, -1, 1.0)
    orders = batch.orders[0, 0]
    assert orders["tick"][:2].tolist() == [106, 95]  # floor(101 x 1.05), ceil(100 x 0.95)


def test_b19_a_fill_before_the_cancel_arrives_wins_and_the_cancel_is_a_refused_value() -> None:
    rows = [*opening(), trade(7 * MS, -1, 99, 50)]
    batch = batch_of(rows, instrument=SLOW)
    number = limit(batch, 1, 100, 1.0)
    batch.advance(0, T0 + 6 * MS)
    assert batch.cancel(0, 0, number) == 0
    batch.advance(0, T0 + SECOND)
    events = batch.drain()
    assert kinds(events) == [codes.SENT, codes.ACCEPTED, codes.EXECUTED, codes.CHANGE_REFUSED]
    assert events["reason"][3] == common.ORDER_NOT_FOUND
    assert batch.positions[0, 0].qty == 1.0
    assert batch.cancel(0, 0, number) == common.ORDER_NOT_FOUND


def test_b19_an_amend_reserves_the_dearer_terms_until_it_is_answered() -> None:
    batch = batch_of(instrument=SLOW)
    number = limit(batch, 1, 90, 2.0)
    assert batch.accounts[0].reserved == 180.0
    assert batch.amend(0, 0, number, 80, 3.0) == 0
    assert batch.accounts[0].reserved == 270.0
    batch.advance(0, T0 + SECOND)
    assert batch.accounts[0].reserved == 240.0
    order: Any = batch.orders[0, 0, 0]
    assert (order.local_tick, order.local_leaves, order.changes) == (80, 3.0, 0)
    assert batch.amend(0, 0, number, 80, 500.0) == common.INSUFFICIENT_BALANCE
    assert batch.accounts[0].reserved == 240.0
    events = batch.drain()
    assert kinds(events)[-1] == codes.CHANGE_REFUSED
    assert (events["value"][-1], events["bound"][-1]) == (40_000.0, 10_000.0)


def test_m5_what_an_amend_in_flight_asks_for_counts_towards_margin() -> None:
    batch = batch_of(instrument=SLOW, margin=1, starting_balance=1000.0)
    number = limit(batch, 1, 90, 1.0)
    assert batch.amend(0, 0, number, 90, 29.0) == 0  # 29 x 100.5 / 3 = 971.5
    assert refusal(batch) == common.INSUFFICIENT_BALANCE
    batch.advance(0, T0 + SECOND)
    assert batch.positions[0, 0].pending_buy == 29.0
    assert batch.amend(0, 0, number, 90, 2.0) == 0
    batch.advance(0, T0 + 2 * SECOND)
    assert batch.positions[0, 0].pending_buy == 2.0
    assert refusal(batch) == 0


def test_b19_an_amend_that_only_reduces_needs_no_money() -> None:
    batch = batch_of(starting_balance=100.0)
    number = limit(batch, 1, 100, 1.0)
    assert batch.amend(0, 0, number, 99, 1.0) == 0
    assert batch.amend(0, 0, number, 99, 1.5) == common.INVALID_PARAMS
    assert batch.amend(0, 0, number, 101, 1.0) == common.INSUFFICIENT_BALANCE
    assert batch.amend(0, 0, number, 1 << 40, 1.0) == common.INVALID_PARAMS
    assert batch.amend(0, 0, 55, 99, 1.0) == common.ORDER_NOT_FOUND


@pytest.mark.parametrize("sent_ms", [15, 21], ids=["fill after", "fill before"])
def test_b19_a_fill_that_an_amend_did_not_know_of_counts_towards_what_it_asks_for(
    sent_ms: int,
) -> None:
    rows = [*opening(ask=103), trade(20 * MS, -1, 100, 14), trade(40 * MS, -1, 99, 50)]
    slow = SLOW | {"entry_ns": 1e6, "cancel_ns": 10e6, "response_ns": 15e6}
    batch = batch_of(rows, starting_balance=1_000.0, instrument=slow)
    order = limit(batch, 1, 100, 5.0)
    batch.advance(0, T0 + sent_ms * MS)
    assert batch.amend(0, 0, order, 100, 10.0) == 0
    for ms in range(sent_ms, 100, 5):
        batch.advance(0, T0 + ms * MS)
        account = batch.accounts[0]
        assert account.cash >= account.reserved >= 0.0  # A3: never below zero
    assert batch.positions[0, 0].qty == 10.0  # 4 it did not know of, and 6 more
    assert batch.accounts[0].cash == 0.0


def test_b19_a_new_price_alone_never_fills_more_than_the_order_was_for() -> None:
    rows = [*opening(ask=103), trade(20 * MS, -1, 100, 14), trade(40 * MS, -1, 99, 50)]
    slow = SLOW | {"entry_ns": 1e6, "response_ns": 15e6}
    batch = batch_of(rows, instrument=slow)
    order = limit(batch, 1, 100, 5.0)
    batch.advance(0, T0 + 21 * MS)  # 4 have executed; the agent learns it at 35 ms
    assert batch.amend(0, 0, order, 101, 5.0) == 0
    batch.advance(0, T0 + SECOND)
    assert batch.positions[0, 0].qty == 5.0


def test_b19_an_amend_to_less_than_has_executed_meanwhile_is_refused() -> None:
    rows = [*opening(ask=103), trade(20 * MS, -1, 100, 14)]
    slow = SLOW | {"entry_ns": 1e6, "response_ns": 15e6}
    batch = batch_of(rows, instrument=slow)
    order = limit(batch, 1, 100, 5.0)
    batch.advance(0, T0 + 21 * MS)
    assert batch.amend(0, 0, order, 100, 4.0) == 0
    batch.advance(0, T0 + SECOND)
    told = batch.drain(0)
    assert (told["kind"][-1], told["reason"][-1]) == (
        codes.CHANGE_REFUSED,
        common.INVALID_QUANTITY,
    )
    assert (batch.positions[0, 0].qty, batch.orders[0, 0, 0].leaves) == (4.0, 1.0)


def test_b19_a_decrease_keeps_the_queue_and_never_reaches_nothing() -> None:
    batch = batch_of()
    number = limit(batch, 1, 100, 5.0)
    batch.advance(0, T0 + MS)
    assert batch.decrease(0, 0, number, 5.0) == common.INVALID_QUANTITY
    assert batch.decrease(0, 0, number, 0.0) == common.INVALID_QUANTITY
    assert batch.decrease(0, 0, number, 1.5) == common.INVALID_QUANTITY
    assert batch.decrease(0, 0, number, 3.0) == 0
    batch.advance(0, T0 + 2 * MS)
    order: Any = batch.orders[0, 0, 0]
    assert (order.local_leaves, order.front) == (2.0, 10.0)
    assert batch.accounts[0].reserved == 200.0
    assert batch.decrease(0, 0, 9, 1.0) == common.ORDER_NOT_FOUND


def test_slots_are_used_again_once_the_agent_knows_that_an_order_is_done() -> None:
    batch = batch_of(instrument=SLOW)
    for k in range(200):
        number = limit(batch, 1, 90, 1.0)
        assert batch.last_reason == 0
        batch.cancel(0, 0, number)
        batch.advance(0, T0 + (k + 1) * 20 * MS)
        batch.drain()
    assert batch.lanes[0, 0].num_slots == 0
    assert batch.accounts[0].num_orders == 0
