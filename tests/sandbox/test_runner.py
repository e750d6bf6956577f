"""A strategy's callbacks: which, when, and in which order (policy.py)."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.errors import ConfigError, UsageError
from seq_gym.policy import Strategy
from tests.sandbox.markets import flat, random_market, session_of

FALL = [*flat(100, 2), (100, 100, 89, 95), *flat(95, 3)]


class Recorder(Strategy):
    """Notes every callback with the step at which it came."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def on_start(self, session: Any) -> None:
        self.calls.append(("start", session.step_index))

    def on_candle(self, session: Any) -> None:
        self.calls.append(("candle", session.step_index))

    def on_fill(self, session: Any, fill: Any) -> None:
        self.calls.append(("fill", session.step_index, fill.type))

    def on_reject(self, session: Any, order: Any) -> None:
        self.calls.append(("reject", session.step_index, order.reason))

    def on_shutdown(self, session: Any) -> None:
        self.calls.append(("shutdown", session.step_index, session.results().status))


def test_callbacks_come_in_their_order():
    class Buyer(Recorder):
        def on_candle(self, session: Any) -> None:
            super().on_candle(session)
            if session.step_index == 1:
                session.place_order("BTCUSDT", "buy", "market", quantity=1)
                session.place_order("BTCUSDT", "bye", "market", quantity=1)
                session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=90)
                session.place_order("BTCUSDT", "sell", "take_profit", trigger_price=190)

    strategy = Buyer()
    results = session_of(FALL, start=False).run(strategy)
    assert strategy.calls == [
        ("start", 0),
        ("candle", 1),
        ("fill", 1, "market"),
        ("reject", 1, "VALIDATION_ERROR"),
        ("candle", 2),
        ("fill", 3, "stop_loss"),
        ("reject", 3, "POSITION_CLOSED"),
        ("candle", 3),
        ("candle", 4),
        ("candle", 5),
        ("shutdown", 6, "completed"),
    ]
    assert results.total_trades == 2


def test_a_bracket_placed_in_on_fill_protects_from_the_next_candle_on():
    class Bracket:
        def on_candle(self, session: Any) -> None:
            if session.step_index == 1:
                session.place_order("BTCUSDT", "buy", "market", quantity=1)

        def on_fill(self, session: Any, fill: Any) -> None:
            if fill.side == "buy":
                session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=fill.price * 0.95)

    session = session_of(FALL, start=False)
    session.run(Bracket(), candles_per_step=1)
    assert [f.price for f in session.fills()] == [100, 95]


def test_candles_per_step_spaces_on_candle_and_tells_all_that_happened_between():
    strategy = Recorder()
    session = session_of(random_market(2), start=False)
    session.run(strategy, candles_per_step=60)
    assert [c[1] for c in strategy.calls if c[0] == "candle"] == [60, 120, 180]


def test_what_the_strategy_cancels_itself_is_not_told():
    class Changer(Recorder):
        def on_candle(self, session: Any) -> None:
            if session.step_index == 1:
                order = session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=50)
                session.cancel_order(order)

    strategy = Changer()
    session_of(flat(100, 4), start=False).run(strategy)
    assert [c[0] for c in strategy.calls] == ["start", "shutdown"]


def test_a_strategy_may_end_the_session():
    class Quitter(Recorder):
        def on_candle(self, session: Any) -> None:
            super().on_candle(session)
            if session.step_index == 2:
                session.cancel()

    strategy = Quitter()
    results = session_of(flat(100, 9), start=False).run(strategy)
    assert results.status == "cancelled"
    assert strategy.calls[-1] == ("shutdown", 2, "cancelled")


def test_an_error_in_a_callback_fails_the_session_and_is_raised():
    class Broken(Recorder):
        def on_candle(self, session: Any) -> None:
            raise ZeroDivisionError

    strategy, session = Broken(), session_of(flat(100, 9), start=False)
    with pytest.raises(ZeroDivisionError):
        session.run(strategy)
    assert session.status == "failed"
    assert session.results().is_partial
    assert strategy.calls[-1] == ("shutdown", 1, "failed")
    with pytest.raises(UsageError, match="was failed"):
        session.step()


def test_a_strategy_that_answers_itself_without_end_is_stopped():
    class Echo:
        def on_start(self, session: Any) -> None:
            session.place_order("X", "buy", "market", quantity=1)

        def on_reject(self, session: Any, order: Any) -> None:
            session.place_order("X", "buy", "market", quantity=1)

    with pytest.raises(UsageError, match="must come to an end"):
        session_of(flat(100, 9), start=False).run(Echo())


def test_something_without_callbacks_is_no_strategy():
    with pytest.raises(ConfigError, match="on_candle"):
        session_of(flat(100, 9), start=False).run(object())


def test_a_running_session_is_run_from_where_it_stands():
    strategy = Recorder()
    session = session_of(flat(100, 5), steps=2)
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.run(strategy)
    assert strategy.calls[:2] == [("start", 2), ("candle", 3)]


def test_a_callback_that_raises_after_the_end_raises_its_own_error_and_the_session_stays_complete():
    class Late(Recorder):
        def on_start(self, session: Any) -> None:
            session.place_order("BTCUSDT", "buy", "market", quantity=1)

        def on_fill(self, session: Any, fill: Any) -> None:
            if session.is_complete:
                raise ZeroDivisionError("planted")

    session, strategy = session_of(flat(100, 4)), Late()
    with pytest.raises(ZeroDivisionError, match="planted"):
        session.run(strategy)
    assert session.status == "completed"
    assert strategy.calls[-1] == ("shutdown", 4, "completed")
