"""What a fill has cost: identities, mark-outs and their time, orders, percentiles."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.sandbox.book.tca import MARK_OUTS_S
from tests.sandbox.book.books import depth, make_book, make_session, opening, trade


def moving(lag: float = 1.0) -> list[tuple[int, ...]]:
    """The mid rises by a tick with every second, from 100.5 at T0."""
    rows = list(opening())
    for k in range(1, 80):
        at = k * 1_000 - 500
        rows += [
            depth(at, -1, 100 + k, 0, lag=lag),
            depth(at, -1, 103 + k, 10, lag=lag),
            depth(at, 1, 100 + k, 10, lag=lag),
        ]
    return rows


def test_a_taker_by_hand() -> None:
    session = make_session(make_book(opening(lots=2)))
    session.place_order("BTCUSDT", "buy", "market", 3)
    session.advance("50ms")
    first, second = session.tca().fills
    assert first.spread_cost_bps == pytest.approx(1e4 * 0.5 / 100.5)
    assert second.spread_cost_bps == pytest.approx(1e4 * 1.5 / 100.5)
    assert first.impact_bps == second.impact_bps == 0.0
    assert first.fee_bps == pytest.approx(1e4 * 0.101 / 100.5)
    assert first.shortfall_bps == pytest.approx(1e4 * (0.5 + 0.101) / 100.5)
    (order,) = session.tca().orders
    assert order.shortfall_bps == pytest.approx(1e4 * ((2 * 101 + 102 - 301.5) + 0.304) / 301.5)
    assert (order.entry_latency_ns, order.round_trip_ns) == (10_000_000, 15_000_000)
    assert order.filled_frac == 1.0


def test_a_passive_fill_earns_the_spread_and_pays_for_the_move() -> None:
    session = make_session(make_book([*moving(), trade(1_400, 1, 103, 50)]), account="margin")
    session.advance("600ms")  # 101 x 102
    session.place_order("BTCUSDT", "sell", "limit", 2, 103)
    session.advance("2s")
    (fill,) = session.tca().fills
    assert fill.fill.liquidity == "maker"
    assert fill.impact_bps == pytest.approx(0.0)
    assert fill.spread_cost_bps == pytest.approx(-1e4 * (103 - fill.fill.mid) / fill.fill.sent_mid)
    assert fill.shortfall_bps < 0.0


def test_shortfall_is_impact_and_spread_and_fee() -> None:
    session = make_session(make_book(moving()), account="margin", seconds=70)
    session.advance("495ms")  # the market moves while an order is on its way
    for k in range(30):
        session.place_order("BTCUSDT", ("buy", "sell")[k % 2], "market", 1 + k % 13)
        session.advance(1.0 if k % 3 else "2ms")
    report = session.tca()
    assert len(report.fills) > 30
    assert any(fill.impact_bps for fill in report.fills)
    for each in (*report.fills, *report.orders):
        parts = each.impact_bps + each.spread_cost_bps + each.fee_bps
        assert each.shortfall_bps == pytest.approx(parts, rel=1e-9, abs=1e-9)
        fill = getattr(each, "fill", None)
        if fill is not None:  # and in money
            sign = 1 if fill.side == "buy" else -1
            paid = sign * (fill.price - fill.sent_mid) * fill.quantity + fill.fee
            money = each.shortfall_bps / 1e4 * fill.quantity * fill.sent_mid
            assert money == pytest.approx(paid, abs=1e-9)


def test_a_mark_out_is_known_when_its_time_has_come_and_not_before() -> None:
    session = make_session(make_book(moving()), seconds=70)
    session.place_order("BTCUSDT", "buy", "market", 1)  # at 10 ms, 101
    for at, known in ((1_009, 0), (1_010, 1), (10_009, 1), (10_010, 2), (60_010, 3)):
        session.advance_to(session.start_ns + at * 1_000_000)
        (fill,) = session.tca().fills
        marks = [fill.mark_outs_bps[h] for h in MARK_OUTS_S]
        assert [mark is not None for mark in marks] == [k < known for k in range(3)]
    # The mid is 100.5 at first, and 101.5, 110.5 and 160.5 after 1, 10 and 60 seconds.
    expected = [1e4 * (mid - 101) / 100.5 for mid in (101.5, 110.5, 160.5)]
    assert marks == pytest.approx(expected)


def test_no_mark_out_reads_what_the_agent_has_not_received() -> None:
    """Rows that are received later than the mark-out's time change nothing of it."""
    plain = [row for row in moving(lag=900.0) if row[1] <= 1_010_000_000]
    other = [*plain, depth(800, 1, 102, 9, lag=900.0), depth(5_000, 1, 50, 1)]
    found = []
    for rows in ([*plain, depth(5_000, 1, 50, 1)], other):
        session = make_session(make_book(rows))
        session.place_order("BTCUSDT", "buy", "market", 1)
        session.advance("1100ms")
        found.append(session.tca().fills[0].mark_outs_bps[1])
    assert found[0] is not None
    assert found[0] == found[1]


def test_a_mark_out_after_the_data_is_not_known() -> None:
    session = make_session(make_book([*opening(), depth(5_000, 1, 100, 3)]), seconds=70)
    session.place_order("BTCUSDT", "buy", "market", 1)
    session.advance("69s")
    marks = session.tca().fills[0].mark_outs_bps
    assert [marks[h] is None for h in MARK_OUTS_S] == [False, True, True]


def test_the_summary_has_the_percentiles_of_what_is_known() -> None:
    session = make_session(make_book(moving()), account="margin", seconds=70)
    for k in range(20):
        session.place_order("BTCUSDT", ("buy", "sell")[k % 2], "market", 1 + k % 3)
        session.advance(2.0)
    report = session.tca()
    summary = report.summary()
    spread = [fill.spread_cost_bps for fill in report.fills]
    for p in (50, 75, 95, 99):
        assert summary["spread_cost_bps"][f"p{p}"] == pytest.approx(np.percentile(spread, p))
    known = [f for f in report.fills if f.mark_outs_bps[10] is not None]
    assert summary["mark_out_10s_bps"]["count"] == len(known) < len(report.fills)
    assert "mark_out_60s_bps" not in summary
    assert summary["round_trip_ns"]["p50"] == 15_000_000
    assert make_session(make_book(opening())).tca().summary() == {}


def test_a_forced_fill_costs_too_but_is_no_order() -> None:
    session = make_session(make_book(opening()), seconds=2, liquidate_on_complete=True)
    session.place_order("BTCUSDT", "buy", "market", 1)
    session.advance("5s")
    report = session.tca()
    assert (len(report.fills), len(report.orders)) == (2, 1)
    forced = report.fills[1]
    assert forced.spread_cost_bps == pytest.approx(1e4 * 0.5 / 100.5)
    assert forced.fill.sent_ns == forced.fill.local_ns
