"""What an order has cost as a whole: its fills together, and what was not filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.book.tca import MARK_OUTS_S, ORDER_FIGURES, OrderCost
from tests.sandbox.book.books import MS, depth, make_book, make_session, opening, trade
from tests.sandbox.book.test_book_tca import moving

BASE = 100.5
"""The mid at T0; that of `moving` is a tick more from 501 ms on, and with every second after."""


def bps(amount: float) -> Any:
    """An amount of price, in basis points of the first mid."""
    return pytest.approx(1e4 * amount / BASE, rel=1e-12)


def the_order(session: BookSession, *, at_ms: float | None = None) -> OrderCost:
    """The only order of a session, at a time since its start."""
    if at_ms is not None:
        session.advance_to(session.start_ns + round(at_ms * MS))
    (cost,) = session.tca().orders
    return cost


def test_what_was_not_filled_is_marked_at_the_mid_of_the_orders_end() -> None:
    session = make_session(make_book(moving()), account="margin")
    order = session.place_order("BTCUSDT", "buy", "limit", 15, 101)  # 10 are there
    session.advance("2s")
    assert session.order(order).filled_quantity == 10
    session.cancel_order(order)
    working = the_order(session, at_ms=2_014)
    assert working.shortfall_bps == bps(0.5 + 0.101)
    assert working.opportunity_bps is None
    assert working.implementation_shortfall_bps is None
    ended = the_order(session, at_ms=2_015)  # the agent learns that it is cancelled, at 102.5
    assert ended.filled_frac == 10 / 15
    assert ended.shortfall_bps == bps(0.5 + 0.101)  # of what was filled, as before
    assert ended.opportunity_bps == bps((102.5 - BASE) * 5 / 15)
    assert ended.implementation_shortfall_bps == bps((10 * 0.5 + 1.01 + 5 * 2.0) / 15)
    later = the_order(session, at_ms=9_000)  # what the market does afterwards is not its cost
    assert later.implementation_shortfall_bps == ended.implementation_shortfall_bps


@pytest.mark.parametrize(("side", "price", "sign"), [("buy", 90, 1), ("sell", 190, -1)])
def test_an_order_without_a_fill_costs_what_it_missed(side: str, price: int, sign: int) -> None:
    session = make_session(make_book(moving()), account="margin")
    order = session.place_order("BTCUSDT", side, "limit", 2, price)
    session.advance("3s")
    session.cancel_order(order)
    cost = the_order(session, at_ms=4_000)
    assert cost.filled_frac == 0.0
    assert cost.opportunity_bps == bps(sign * 3.0)  # at 3.015 s the mid is 103.5
    assert cost.implementation_shortfall_bps == cost.opportunity_bps
    parts = (cost.shortfall_bps, cost.spread_cost_bps, cost.impact_bps, cost.fee_bps)
    assert (*parts, *cost.mark_outs_bps.values()) == (None,) * 7
    assert (cost.entry_latency_ns, cost.round_trip_ns) == (10 * MS, 15 * MS)
    assert cost.time_to_fill_ns is None
    assert session.tca().fills == ()


def test_a_filled_order_has_missed_nothing_whatever_the_book_looks_like() -> None:
    rows = [*opening(), *(depth(5, -1, tick, 0, lag=8.0) for tick in (102, 103))]
    rows.append(depth(11, -1, 101, 0, lag=1.0))  # no offer is left when the fill is known
    session = make_session(make_book(rows))
    session.place_order("BTCUSDT", "buy", "market", 4)
    cost = the_order(session, at_ms=100)
    assert session.book("BTCUSDT").mid is None
    assert cost.opportunity_bps == 0.0
    assert cost.implementation_shortfall_bps == cost.shortfall_bps == bps(0.5 + 0.101)


def test_without_a_mid_at_the_orders_end_the_missed_part_is_not_known() -> None:
    empty = [depth(1_000, -1, tick, 0) for tick in (101, 102, 103)]
    found = {}
    for gone_ms in (500, 1_500, 2_500):
        session = make_session(make_book([*opening(), *empty, depth(2_000, -1, 105, 5)]))
        order = session.place_order("BTCUSDT", "buy", "limit", 1, 90)
        session.advance_to(session.start_ns + gone_ms * MS)
        session.cancel_order(order)
        cost = the_order(session, at_ms=4_000)
        assert cost.order.status == "cancelled"
        assert cost.opportunity_bps == cost.implementation_shortfall_bps
        found[gone_ms] = cost.opportunity_bps
    assert found == {500: 0.0, 1_500: None, 2_500: bps(2.0)}


def test_the_end_of_the_window_ends_an_order_at_the_mid_that_was_seen_then() -> None:
    session = make_session(make_book(moving()), seconds=5)
    session.place_order("BTCUSDT", "buy", "limit", 1, 90)
    cost = the_order(session, at_ms=5_000)
    assert (cost.order.status, cost.order.done_ns) == ("cancelled", session.end_ns)
    assert cost.opportunity_bps == bps(5.0)


def test_an_amended_order_is_whole_at_its_last_quantity() -> None:
    session = make_session(make_book(moving()), account="margin")
    order = session.place_order("BTCUSDT", "buy", "limit", 15, 101)
    session.advance("100ms")
    session.decrease_order(order, 3)
    session.advance("900ms")
    session.cancel_order(order)
    cost = the_order(session, at_ms=1_500)
    assert cost.filled_frac == 10 / 12
    assert cost.opportunity_bps == bps(1.0 * 2 / 12)


def test_mark_outs_of_an_order_are_weighed_by_quantity() -> None:
    session = make_session(make_book(moving()), seconds=70)
    session.place_order("BTCUSDT", "buy", "market", 13)  # 10 at 101 and 3 at 102, at 10 ms
    early = the_order(session, at_ms=1_009)
    assert set(early.mark_outs_bps.values()) == {None}
    assert the_order(session, at_ms=1_010).mark_outs_bps[1] is not None
    marks = the_order(session, at_ms=60_010).mark_outs_bps
    for horizon, mid in zip(MARK_OUTS_S, (101.5, 110.5, 160.5), strict=True):
        assert marks[horizon] == bps((10 * (mid - 101) + 3 * (mid - 102)) / 13)


def test_the_mark_out_of_an_order_comes_with_that_of_its_last_fill() -> None:
    """Of 4 offered at 103, 1 is filled by a print at 1.4 s, 3 when the bid is there at 2.5 s."""
    session = make_session(make_book([*moving(), trade(1_400, 1, 103, 11)]), account="margin")
    session.place_order("BTCUSDT", "sell", "limit", 4, 103)
    assert the_order(session, at_ms=2_450).mark_outs_bps[1] == bps(103 - 102.5)  # of 1, so far
    assert the_order(session, at_ms=3_400).mark_outs_bps[1] is None
    cost = the_order(session, at_ms=3_500)
    assert [fill.fill.quantity for fill in session.tca().fills] == [1, 3]
    assert cost.mark_outs_bps[1] == bps(103 - (1 * 102.5 + 3 * 103.5) / 4)


def test_what_was_never_sent_is_no_order_and_what_the_venue_refused_is_one() -> None:
    session = make_session(make_book(moving()))
    session.place_order("BTCUSDT", "buy", "limit", 0, 90)
    session.place_order("NONE", "buy", "limit", 1, 90)
    session.place_order("BTCUSDT", "buy", "limit", 10_000_000, 90)  # more than the account has
    assert {order.status for order in session.orders()} == {"rejected"}
    assert session.tca().orders == ()
    session.advance("488ms")
    session.place_order("BTCUSDT", "buy", "limit", 1, 101, post_only=True)
    cost = the_order(session, at_ms=600)  # it would take; the mid moved before that was known
    assert cost.order.ended_ns == session.start_ns + 498 * MS
    assert cost.opportunity_bps == bps(1.0)


def test_nothing_that_is_received_after_the_end_of_an_order_changes_its_cost() -> None:
    found = []
    for late in ([], [depth(1_000, 1, 100, 0, lag=16.0), depth(3_000, -1, 101, 0)]):
        session = make_session(make_book([*opening(), *late, depth(9_000, 1, 90, 1)]))
        order = session.place_order("BTCUSDT", "buy", "limit", 1, 90)
        session.advance("1s")
        session.cancel_order(order)  # known at 1.015 s; the venue's best bid is gone by then
        found.append(the_order(session, at_ms=5_000).opportunity_bps)
    assert found == [0.0, 0.0]


def test_the_summary_has_the_percentiles_of_orders_beside_those_of_fills() -> None:
    session = make_session(make_book(moving()), account="margin", seconds=70)
    for k in range(12):
        order = session.place_order("BTCUSDT", ("buy", "sell")[k % 2], "market", 5 + k)
        resting = session.place_order("BTCUSDT", "buy", "limit", 1, 50)
        session.advance(2.5)
        session.cancel_order(resting)
        assert order.is_accepted
    session.advance("100ms")
    report = session.tca()
    summary = report.summary()
    assert len(report.orders) == 24
    assert len(report.fills) > 12
    for name in ORDER_FIGURES:
        known = [each.figures()[name] for each in report.orders]
        known = [value for value in known if value is not None]
        told = summary.get(f"order_{name}")
        assert (told is None) == (not known), name
        if told is None:
            continue
        assert told["count"] == len(known)
        assert told["mean"] == pytest.approx(np.mean(known))
        for p in (50, 75, 95, 99):
            assert told[f"p{p}"] == pytest.approx(np.percentile(known, p)), name
    counts = {name: summary[f"order_{name}"]["count"] for name in ("shortfall_bps", "fee_bps")}
    assert counts == {"shortfall_bps": 12, "fee_bps": 12}
    assert summary["order_implementation_shortfall_bps"]["count"] == 24
    assert summary["shortfall_bps"]["count"] == len(report.fills)
    assert summary["round_trip_ns"]["count"] == 24
    assert summary["time_to_fill_ns"]["count"] == 12


def test_implementation_shortfall_is_the_money_that_paper_had_more() -> None:
    """Perold: paper buys all at the first mid; both are worth the mid at the order's end."""
    session = make_session(make_book(moving()), account="margin")
    order = session.place_order("BTCUSDT", "buy", "limit", 25, 102)  # 20 of them at two prices
    session.advance("3s")
    session.cancel_order(order)
    cost = the_order(session, at_ms=3_100)
    fills = [each.fill for each in session.tca().fills]
    end_mid = 103.5
    paper = 25 * (end_mid - BASE)
    real = sum(fill.quantity * (end_mid - fill.price) - fill.fee for fill in fills)
    assert [fill.quantity for fill in fills] == [10, 10]
    assert cost.implementation_shortfall_bps == bps((paper - real) / 25)
