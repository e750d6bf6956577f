"""Callbacks on books: each once, in order, at its own instant; messages; what callbacks may do."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.engine.book import codes
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.policy import Strategy
from seq_gym.sandbox.book.runner import BookRunner
from seq_gym.sandbox.book.session import BookSession
from tests.sandbox.book.books import (
    MS,
    SECOND,
    T0,
    Recorder,
    depth,
    make_book,
    make_session,
    opening,
    trade,
)

ALL = ("on_book", "on_trade", "on_nbbo", "on_heartbeat", "on_fill", "on_reject")
PRINTS = (100.0, 100.0, 250.0, 400.0, 1_200.0, 1_999.0)


def rows() -> list[Any]:
    found = [*opening()]
    found += [trade(at, -1, 100, 1 + k) for k, at in enumerate(PRINTS)]
    found += [depth(at, 1, 100, 20 + k) for k, at in enumerate((100, 250, 300, 300, 1_500))]
    return [*found, depth(300, 1, 99, 7), depth(2_500, -1, 103, 3)]


@pytest.mark.parametrize(
    "names", [("on_trade",), ("on_trade", "on_book"), ALL, ("on_trade", "on_heartbeat")]
)
def test_every_print_is_told_once_at_its_own_instant(names: tuple[str, ...]) -> None:
    recorder = Recorder(*names)
    make_session(make_book(rows()), seconds=3).run(recorder)
    told = [(at, trade.quantity) for at, (trade,) in recorder.of("on_trade")]
    assert told == [(at + 1.0, 1.0 + k) for k, at in enumerate(PRINTS)]


def test_on_book_is_once_for_each_instant_and_lane() -> None:
    books = [make_book(rows(), symbol=name) for name in ("BTCUSDT", "ETHUSDT")]
    recorder = Recorder("on_book")
    make_session(*books, seconds=3).run(recorder)
    instants = [101, 251, 301, 1_501, 2_501]
    expected = [(at, (name,)) for at in instants for name in ("BTCUSDT", "ETHUSDT")]
    assert recorder.of("on_book") == expected


def test_on_nbbo_is_told_of_changes_of_the_best_prices_only() -> None:
    one = make_book(rows(), venue="one")
    two = make_book([*opening(), depth(700, 1, 100, 0), depth(800, -1, 101, 4)], venue="two")
    recorder = Recorder("on_nbbo", "on_book")
    make_session(one, two, seconds=3).run(recorder)
    told = [(at, n.bid_quantity, n.bid_venue, n.ask_venue) for at, (n,) in recorder.of("on_nbbo")]
    assert told == [
        (101, 20.0, "one", "one"),
        (251, 21.0, "one", "one"),
        (301, 23.0, "one", "one"),
        (1_501, 24.0, "one", "one"),
    ]
    assert len(recorder.of("on_book")) > len(told)


def test_the_heartbeat_is_at_every_whole_second_also_without_data() -> None:
    recorder = Recorder("on_heartbeat")
    session = BookSession.create(
        data=make_book(rows()), start_time=T0 + 300 * MS, end_time=T0 + 5 * SECOND
    )
    session.run(recorder)
    assert [at for at, _ in recorder.of("on_heartbeat")] == [1_000, 2_000, 3_000, 4_000, 5_000]


def test_b2_data_of_an_instant_comes_before_the_answers_of_it() -> None:
    class Buyer(Recorder):
        def on_start(self, session: BookSession) -> None:
            session.place_order("BTCUSDT", "buy", "market", 1)

    buyer = Buyer(*ALL)
    make_session(make_book([*opening(), depth(14, 1, 99, 3)]), seconds=1).run(buyer)
    assert [(at, name) for at, name, _ in buyer.told] == [
        (15, "on_book"),
        (15, "on_fill"),
        (1_000, "on_heartbeat"),
    ]


def test_a_strategy_that_overrides_nothing_stops_the_clock_at_nothing() -> None:
    class Idle(Strategy):
        pass

    class Beat(Strategy):
        def on_heartbeat(self, session: Any) -> None:
            pass

    session = make_session(make_book(rows()))
    assert BookRunner(session, [Idle()]).wanted == 0
    assert BookRunner(session, [Idle(), Beat()]).wanted == codes.ON_HEARTBEAT
    late = Idle()
    late.on_trade = lambda session, trade: None  # type: ignore[method-assign]
    assert BookRunner(session, [late]).wanted == codes.ON_TRADE
    assert session.run(Idle()).status == "completed"


def test_what_happened_before_a_run_is_not_told_and_the_rest_is() -> None:
    session = make_session(make_book([*opening(), trade(300, 1, 101, 1)]), seconds=2)
    session.place_order("BTCUSDT", "buy", "market", 1)
    session.advance("100ms")
    late = session.place_order("BTCUSDT", "buy", "limit", 1, 100, post_only=True)
    recorder = Recorder(*ALL)
    session.run(recorder)
    assert recorder.of("on_fill") == []
    assert [at for at, _ in recorder.of("on_trade")] == [301]
    ((_, (cancelled,)),) = recorder.of("on_reject")
    assert (cancelled.order_id, cancelled.reason) == (late.order_id, "END_OF_EPISODE")
    with pytest.raises(UsageError, match="must be created or running"):
        session.run(recorder)


def test_the_end_is_told_and_answers_to_it_are_left_alone() -> None:
    class Eager(Recorder):
        def on_start(self, session: BookSession) -> None:
            session.place_order("BTCUSDT", "buy", "market", 2)
            session.place_order("BTCUSDT", "buy", "limit", 1, 99)

        def on_fill(self, session: BookSession, fill: Any) -> None:
            self.told.append((0.0, "on_fill", (fill.reason,)))
            session.place_order("BTCUSDT", "buy", "limit", 1, 99)

    eager = Eager("on_reject", "on_shutdown", "on_book")
    results = make_session(make_book(rows()), seconds=3, liquidate_on_complete=True).run(eager)
    assert results.status == "completed"
    assert eager.of("on_fill") == [(0.0, (None,)), (0.0, ("COMPLETED",))]
    reasons = [order.reason for _, (order,) in eager.of("on_reject")]
    assert reasons == ["END_OF_EPISODE", "END_OF_EPISODE"]
    assert [name for _, name, _ in eager.told][-1] == "on_shutdown"
    assert len(eager.of("on_shutdown")) == 1


def test_what_the_strategy_cancels_itself_is_no_reject() -> None:
    class Canceller(Recorder):
        def on_start(self, session: BookSession) -> None:
            self.order = session.place_order("BTCUSDT", "buy", "limit", 1, 99)

        def on_heartbeat(self, session: BookSession) -> None:
            if session.order(self.order).is_open:
                session.cancel_order(self.order)

    canceller = Canceller("on_reject")
    session = make_session(make_book(rows()), seconds=3)
    session.run(canceller)
    assert session.orders()[0].status == "cancelled"
    assert canceller.of("on_reject") == []


def test_b15_every_callback_has_its_own_actions() -> None:
    class Busy(Strategy):
        def act(self, session: BookSession) -> None:
            for _ in range(3):
                session.place_order("BTCUSDT", "buy", "limit", 1, 99)

        def on_book(self, session: BookSession, symbol: str) -> None:
            self.act(session)

        def on_nbbo(self, session: BookSession, nbbo: Any) -> None:
            self.act(session)

    session = make_session(make_book([*opening(), depth(100, 1, 100, 3)]), max_actions=2, seconds=1)
    session.run(Busy(), Busy())
    codes_of = [order.code for order in session.orders()]
    assert codes_of == [None, None, "RATE_LIMIT"] * 4


class Talker:
    def __init__(self, name: str, log: list[Any]) -> None:
        self.name = name
        self.log = log

    def on_heartbeat(self, session: BookSession) -> None:
        if self.name == "a":
            session.send("ping")
            session.send("psst", to="b")
            session.send("memo", to="a")

    def on_message(self, session: BookSession, sender: str, message: Any) -> None:
        self.log.append((session.virtual_time_ns % 10**9, sender, self.name, message))
        if message == "ping":
            session.send("pong", to=sender)


def test_messages_are_told_at_the_same_time_in_the_order_of_sending() -> None:
    log: list[Any] = []
    make_session(make_book(rows()), seconds=1.5).run(*(Talker(name, log) for name in "abc"))
    assert log == [
        (0, "a", "b", "ping"),
        (0, "a", "c", "ping"),
        (0, "a", "b", "psst"),
        (0, "a", "a", "memo"),
        (0, "b", "a", "pong"),
        (0, "c", "a", "pong"),
    ]


def test_a_message_to_nobody_is_refused_with_the_near_miss() -> None:
    class Lost(Strategy):
        def on_start(self, session: BookSession) -> None:
            session.send("hello", to="Lots")

    session = make_session(make_book(rows()))
    with pytest.raises(UsageError, match="nothing runs"):
        session.send("hello")
    with pytest.raises(UnknownName, match="Lost"):
        session.run(Lost())


def test_an_exception_in_a_callback_fails_the_session_and_shuts_it_down() -> None:
    class Broken(Recorder):
        def on_trade(self, session: BookSession, trade: Any) -> None:
            raise ZeroDivisionError

    broken = Broken("on_shutdown")
    session = make_session(make_book(rows()))
    session.place_order("BTCUSDT", "buy", "limit", 1, 99)
    with pytest.raises(ZeroDivisionError):
        session.run(broken)
    assert (session.status, len(broken.of("on_shutdown"))) == ("failed", 1)
    assert session.orders()[0].reason == "END_OF_EPISODE"
    assert session.results().is_partial


def test_a_callback_cannot_move_the_clock_or_run_another() -> None:
    class Impatient(Strategy):
        def __init__(self, verb: str, *arguments: Any) -> None:
            self.call = verb, arguments

        def on_start(self, session: BookSession) -> None:
            verb, arguments = self.call
            getattr(session, verb)(*arguments)

    for verb, given in (("advance", "1s"), ("run", Strategy())):
        session = make_session(make_book(rows()))
        with pytest.raises(UsageError) as caught:
            session.run(Impatient(verb, given))
        assert caught.value.code == "INVALID_STATE"
    session = make_session(make_book(rows()))
    assert session.run(Impatient("cancel")).status == "cancelled"


def test_answers_without_end_are_stopped() -> None:
    class Stubborn(Strategy):
        def on_start(self, session: BookSession) -> None:
            session.place_order("BTCUSDT", "buy", "limit", 1)

        def on_reject(self, session: BookSession, order: Any) -> None:
            session.place_order("BTCUSDT", "buy", "limit", 1)

    session = make_session(make_book(rows()))
    with pytest.raises(UsageError, match="come to an end"):
        session.run(Stubborn())
    assert session.status == "failed"


def test_what_is_no_strategy_is_refused() -> None:
    session = make_session(make_book(rows()))
    for wrong in ((), (object(),)):
        with pytest.raises(ConfigError):
            session.run(*wrong)
    assert session.status == "running"


def test_a_callback_that_is_misspelt_is_refused_beside_right_ones() -> None:
    class Deaf:
        def on_trade(self, session: BookSession, trade: Any) -> None: ...

        def on_hearbeat(self, session: BookSession) -> None: ...

        def on_my_own_signal(self) -> None: ...

    session = make_session(make_book(opening()))
    told = r"'on_hearbeat' \(of Deaf\)\. Did you mean 'on_heartbeat'"
    with pytest.raises(UnknownName, match=told):
        session.run(Deaf())
    del Deaf.on_hearbeat
    session.run(Deaf())
