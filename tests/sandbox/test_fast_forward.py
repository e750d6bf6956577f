"""Jumping over quiet candles gives what walking through them gives, to the last bit (O13, X1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.market import CandleSeries, synthetic_candles
from seq_gym.sandbox.session import Session

NUM_CANDLES = 6_000


@pytest.fixture(scope="module")
def series() -> CandleSeries:
    return synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=NUM_CANDLES, seed=5)


def _open_session(series: CandleSeries, **params: Any) -> Session:
    session = Session.create(data=series, starting_balance=100_000.0, **params)
    session.start()
    session.step()
    return session


def _place_at_random(session: Session, rng: np.random.Generator) -> None:
    """Hold something, and leave up to eight orders at distances of 0.05 % to 20 %."""
    session.rebalance({symbol: float(rng.uniform(0.0, 0.4)) for symbol in session.symbols})
    for _ in range(int(rng.integers(0, 9))):
        symbol = str(rng.choice(session.symbols))
        mark = session.price(symbol)
        away = float(10.0 ** rng.uniform(-3.3, -0.7))
        kind = str(rng.choice(["limit", "stop_loss", "take_profit", "stop_limit"]))
        side = str(rng.choice(["buy", "sell"])) if kind == "limit" else "sell"
        terms: dict[str, Any] = {"quantity": 1_000.0 / mark}
        if kind == "limit":
            terms["price"] = mark * (1 - away if side == "buy" else 1 + away)
        elif kind == "stop_limit":
            side = "buy"
            terms |= {"trigger_price": mark * (1 + away), "price": mark * (1 + 1.01 * away)}
        else:
            terms["trigger_price"] = mark * (1 - away if kind == "stop_loss" else 1 + away)
        if rng.random() < 0.3:
            terms["expire_after"] = int(rng.integers(1, 3_000))
        session.place_order(symbol, side, kind, **terms)


def _outcome(session: Session) -> tuple[Any, ...]:
    results = session.results(partial=True) if not session.is_complete else session.results()
    return session.fills(), session.orders(), session.portfolio(), results.metrics


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), execution=st.sampled_from(["close", "next_open"]))
def test_a_batch_of_candles_equals_single_steps_whatever_is_jumped(
    series: CandleSeries, seed: int, execution: str
) -> None:
    count = int(np.random.default_rng(seed).integers(200, 2_000))
    jumping, walking = (_open_session(series, execution=execution) for _ in range(2))
    for session in (jumping, walking):
        _place_at_random(session, np.random.default_rng(seed))
    jumping.step_batch(count)
    for _ in range(count):
        walking.step()
    assert jumping.equity.tobytes() == walking.equity.tobytes()
    assert _outcome(jumping) == _outcome(walking)
    assert jumping.equity_curve() == walking.equity_curve()


def test_eight_orders_far_away_are_jumped_over_in_one_go(series: CandleSeries) -> None:
    session = _open_session(series)
    for number in range(8):
        factor = 0.01 if number % 2 else 100.0
        side = "buy" if number % 2 else "sell"
        if number == 0:
            session.place_order("BTCUSDT", "buy", "market", quantity=0.1)
        mark = session.price("BTCUSDT")
        order = session.place_order("BTCUSDT", side, "limit", quantity=0.01, price=mark * factor)
        assert order.is_accepted, order.message
    assert session.tables.skip_quiet(5_000) == 5_000 - 1


def test_an_account_that_accrues_walks(series: CandleSeries) -> None:
    session = _open_session(series, account="margin")
    session.place_order("BTCUSDT", "sell", "market", quantity=0.1)
    assert session.tables.skip_quiet(1_000) == -1
