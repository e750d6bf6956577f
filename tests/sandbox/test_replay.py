"""Stepping in batches: the same fills, the same account, the same curve (O13, S1-24, X1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.sandbox.session import Session
from seq_gym.times import NS_PER_MINUTE
from tests.sandbox.markets import flat, random_market, session_of


def fill_text(session: Session) -> list[Any]:
    return [repr(fill) for fill in session.fills()]


def place_many(session: Session, seed: int) -> None:
    """Orders of every type, some of which fill soon and some never."""
    rng = np.random.default_rng(seed)
    mark = session.price("BTCUSDT")
    session.place_order("BTCUSDT", "buy", "market", fraction=0.3)
    for number in range(6):
        off = float(rng.uniform(0.005, 0.05))
        session.place_order(
            "BTCUSDT", "buy", "limit", quantity=float(rng.uniform(1, 9)), price=mark * (1 - off)
        )
        session.place_order(
            "BTCUSDT", "sell", "limit", quantity=2, price=mark * (1 + off), group_id=str(number)
        )
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=mark * 0.9)
    session.place_order("BTCUSDT", "sell", "take_profit", trigger_price=mark * 1.2)
    session.place_order("BTCUSDT", "sell", "trailing_stop", trail_frac=0.08, expire_after=90)


@pytest.mark.parametrize("account", ["spot", "margin"])
@pytest.mark.parametrize("execution", ["close", "next_open"])
@given(seed=st.integers(0, 10_000), pieces=st.lists(st.integers(1, 200), min_size=1, max_size=4))
def test_o13_a_batch_of_n_is_n_single_steps_with_all_their_fills(account, execution, seed, pieces):
    market = random_market(seed % 7, 240, gaps=True)
    arguments = {"account": account, "execution": execution, "taker_fee_frac": 0.001}
    whole, single = (session_of(market, steps=1, **arguments) for _ in range(2))
    for piece in pieces:
        if whole.is_complete:
            break
        for session in (whole, single):
            place_many(session, seed)
        batch = whole.step_batch(piece)
        steps = [single.step() for _ in range(batch.steps_executed)]
        assert batch.orders_filled == tuple(f for each in steps for f in each.orders_filled)
        assert batch.orders_cancelled == tuple(o for each in steps for o in each.orders_cancelled)
    assert fill_text(whole) == fill_text(single)
    assert whole.orders() == single.orders()
    assert whole.equity.tobytes() == single.equity.tobytes()
    assert whole.portfolio() == single.portfolio()
    assert whole.equity_curve() == single.equity_curve()


def test_s1_24_a_stop_triggers_inside_a_batch_of_a_thousand_candles():
    rows = [*flat(100, 500), (100, 100, 80, 99), *flat(99, 800)]
    session = session_of(rows, steps=1)
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=90)
    result = session.step_batch(1_000)
    (fill,) = result.orders_filled
    assert (fill.price, fill.filled_ns) == (90, session.series.time_of(501))
    assert result.steps_executed == 1_000


def test_fills_come_in_time_order_and_none_is_known_later_than_now():
    session = session_of(random_market(11), steps=1)
    while not session.is_complete:
        place_many(session, session.step_index)
        result = session.step_batch(17)
        times = [fill.filled_ns for fill in result.orders_filled]
        assert times == sorted(times)
        assert all(time <= session.virtual_time_ns for time in times)
    assert len({fill.fill_id for fill in session.fills()}) == len(session.fills())


def test_x1_points_stand_at_the_start_the_grid_the_fills_and_the_end():
    rows = [*flat(100, 70), (100, 100, 90, 95), *flat(95, 79)]
    session = session_of(rows)
    session.place_order("BTCUSDT", "buy", "limit", quantity=10, price=92)
    session.step_batch(150)
    steps = [
        (point.simulated_ns - session.series.start_ns) // NS_PER_MINUTE
        for point in session.equity_curve()
    ]
    assert steps == [0, 60, 71, 120, 150]
    before, after = session.equity_curve()[1:3]
    assert (before.portfolio.available_cash, before.portfolio.total_equity) == (
        10_000 - 920,
        10_000,
    )
    assert (after.portfolio.available_cash, after.portfolio.position_value) == (9_080, 950)
    assert after.portfolio.unrealized_pnl == 30


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_x1_every_point_of_the_curve_is_the_equity_of_its_step(account):
    session = session_of(random_market(4, 400), steps=1, account=account, snapshot_every=7)
    while not session.is_complete:
        place_many(session, session.step_index)
        session.step_batch(90)
    curve, start = session.equity, session.series.start_ns
    for point in session.equity_curve():
        step = (point.simulated_ns - start) // NS_PER_MINUTE
        found = point.portfolio
        # What fills at once, after the candle, is in the point and in the next step's equity.
        at_once = any(fill.filled_ns == point.simulated_ns for fill in session.fills())
        if not at_once:
            assert found.total_equity == pytest.approx(curve[step], rel=1e-12)
        assert found.total_equity == pytest.approx(
            10_000 + found.realized_pnl + found.unrealized_pnl, rel=1e-9
        )


def test_a_curve_that_is_switched_off_changes_no_result():
    market = random_market(8)
    results = []
    for every in (0, 1, 60):
        session = session_of(market, steps=1, snapshot_every=every)
        place_many(session, 1)
        session.step_batch(500)
        results.append((session.results().metrics, session.results().costs))
        assert bool(session.equity_curve()) == (every > 0)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("every", [0, 60])
def test_a_full_ring_is_drained_on_the_way_and_loses_nothing(every):
    rows = [(100, 100, 100, 100, 10)] * 3_000
    session = session_of(
        rows, steps=1, starting_balance=1e7, snapshot_every=every, max_participation_frac=0.1
    )
    order = session.place_order("BTCUSDT", "buy", "limit", quantity=50_000, price=100)
    result = session.step_batch(2_500)
    assert session.tables.events.shape[1] < 2_500
    assert len(result.orders_filled) == 2_500
    assert session.order(order.order_id).filled_quantity == 2_501
    assert len(session.fills()) == int(session.tables.accounts[0].num_fills)
    assert len(session.equity_curve()) == (2_502 if every else 0)


def test_the_same_session_twice_is_the_same_to_the_byte():
    texts = []
    for _ in range(2):
        session = session_of(random_market(13), steps=1, execution="next_open")
        place_many(session, 3)
        session.step_batch(100)
        session.rebalance({"BTCUSDT": 0.4})
        session.step_batch(500)
        texts.append(
            (fill_text(session), [repr(o) for o in session.orders()], session.equity.tobytes())
        )
    assert texts[0] == texts[1]
