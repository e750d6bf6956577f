"""What a session over books reads as one on candles does: price, ticker, trades, equity curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.sandbox.book.session import BookSession
from tests.sandbox.book.books import (
    T0,
    depth,
    make_book,
    make_session,
    opening,
    snapshot,
    trade,
)

HOUR_MS = 3_600_000.0
PRINTS = [*opening(), trade(1_000, 1, 101, 3), trade(2_000, -1, 99, 4), trade(3_000, 1, 102, 2)]


def shown(session: BookSession) -> tuple[Any, ...]:
    ticker = session.ticker("BTCUSDT")
    return ticker.open, ticker.high, ticker.low, ticker.close, ticker.volume, ticker.trade_count


@pytest.mark.parametrize(("mark", "price"), [("mid", 100.5), ("last", 101.0)])
def test_the_price_is_what_values_a_position(mark: str, price: float) -> None:
    session = make_session(make_book(PRINTS), mark=mark)
    session.place_order("BTCUSDT", "buy", "market", 2)
    session.advance("1500ms")
    held = session.position("BTCUSDT")
    assert held is not None
    assert session.price("btc/usdt") == price == held.mark_price
    assert session.prices() == {"BTCUSDT": price}


def test_a_ticker_is_flat_at_the_mark_until_a_print_has_been_received() -> None:
    session = make_session(make_book(PRINTS))
    session.advance("1s")  # the print of 1 s is received a millisecond later
    assert shown(session) == (100.5, 100.5, 100.5, 100.5, 0.0, 0)
    session.advance("1ms")
    assert shown(session) == (101.0, 101.0, 101.0, 101.0, 3.0, 1)
    session.advance("5s")
    assert shown(session) == (101.0, 102.0, 99.0, 102.0, 9.0, 3)
    ticker = session.ticker("BTCUSDT")
    assert ticker.quote_volume == 3 * 101 + 4 * 99 + 2 * 102
    assert (ticker.price_change, ticker.virtual_time_ns) == (1.0, session.virtual_time_ns)


def test_a_ticker_forgets_what_is_a_day_old() -> None:
    rows = [*opening(), trade(0, 1, 150, 1, lag=0.0), trade(HOUR_MS, 1, 101, 2)]
    session = make_session(make_book([*rows, trade(25 * HOUR_MS, 1, 103, 4)]), seconds=26 * 3_600)
    session.advance_to(T0 + 24 * 3_600 * 10**9 - 1)
    assert shown(session)[:2] == (150.0, 150.0)
    session.advance(1)  # (now - 24 h, now]
    assert shown(session) == (101.0, 101.0, 101.0, 101.0, 2.0, 1)
    session.advance("2h")
    assert shown(session) == (103.0, 103.0, 103.0, 103.0, 4.0, 1)


def test_an_inverse_contract_counts_contracts_and_their_worth_in_coins() -> None:
    terms: dict[str, Any] = {"inverse": True, "contract_size": 100.0, "base": "BTC", "quote": "USD"}
    session = make_session(make_book(PRINTS, **terms), account="margin", starting_balance=100.0)
    session.advance("1500ms")
    ticker = session.ticker("BTCUSDT")
    assert ticker.volume == 3.0
    assert ticker.quote_volume == pytest.approx(3 * 100 / 101)


def test_names_and_venues_are_read_as_everywhere() -> None:
    books = [make_book(PRINTS, venue=venue) for venue in ("one", "two")]
    session = make_session(*books)
    assert session.price("BTCUSDT@one") == session.price("BTCUSDT", venue="two") == 100.5
    assert session.ticker("BTCUSDT", venue="two").symbol == "BTCUSDT@two"
    for verb in (session.price, session.ticker):
        with pytest.raises(ConfigError, match="several venues"):
            verb("BTCUSDT")
        with pytest.raises(UnknownName, match="Unknown symbol 'XRPUSDT'"):
            verb("XRPUSDT")


def test_there_is_no_price_before_the_first_book_and_no_reading_before_the_start() -> None:
    late = make_book([*snapshot(5_000), depth(9_000, 1, 100, 1)], symbol="ETHUSDT", base="ETH")
    session = make_session(make_book(PRINTS), late)
    for verb in (session.price, session.ticker):
        with pytest.raises(UsageError, match="ETHUSDT has no price") as error:
            verb("ETHUSDT")
        assert error.value.code == "PRICE_NOT_AVAILABLE"
    session.advance("6s")
    assert session.price("ETHUSDT") == 100.5
    created = BookSession.create(data=synthetic_book(seconds=5.0, seed=2))
    for name in ("trades", "equity_curve"):
        with pytest.raises(UsageError, match="must be running"):
            getattr(created, name)()


def test_the_trade_log_is_every_fill() -> None:
    session = make_session(make_book(opening(lots=2)))
    assert session.trades() == ()
    session.place_order("BTCUSDT", "buy", "market", 3)
    session.advance("1s")
    assert len(session.trades()) == 2
    assert session.trades() == session.fills()
    session.cancel()
    assert session.results().total_trades == len(session.trades())


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_the_curve_is_the_account_at_every_whole_second(account: Any) -> None:
    rows = [*opening(), *snapshot(2_500, bid=110, ask=111)]
    session = make_session(make_book(rows), seconds=4.5, account=account)
    session.place_order("BTCUSDT", "buy", "market", 2)
    session.advance("1500ms")
    (start, first) = session.equity_curve()
    assert (start.simulated_ns, first.simulated_ns) == (T0, T0 + 10**9)
    assert start.portfolio.total_equity == 10_000.0
    assert first.portfolio == session.portfolio()  # nothing has changed since
    session.advance("10s")
    curve = session.equity_curve()
    assert [point.simulated_ns for point in curve] == session.equity_times.tolist()
    assert [point.portfolio.total_equity for point in curve] == session.equity.tolist()
    assert curve[-1].portfolio == session.portfolio()
    # Two bought at 101 with a fee of 0.1 %, worth 100.5 each, then 110.5.
    values = [point.portfolio.position_value for point in curve]
    assert values == [0.0, 201.0, 201.0, 221.0, 221.0, 221.0]
    gains = [point.portfolio.unrealized_pnl for point in curve]
    assert gains[1:] == pytest.approx([201 - 202.202] * 2 + [221 - 202.202] * 3)


def test_the_curve_of_a_busy_session_equals_its_equity() -> None:
    session = BookSession.create(data=synthetic_book(seconds=30.0, seed=4), account="margin")
    session.start()
    for k in range(60):
        session.place_order("BTCUSDT", ("buy", "sell")[k % 2], "market", 0.01 * (1 + k % 5))
        session.advance("450ms")
    session.advance("60s")
    curve = session.equity_curve()
    assert len(curve) > 25
    equity = np.array([point.portfolio.total_equity for point in curve])
    assert np.array_equal(equity, session.equity)


def test_looking_changes_nothing() -> None:
    def play(looks: bool) -> tuple[Any, ...]:
        session = BookSession.create(data=synthetic_book(seconds=10.0, seed=4), seed=7)
        session.start()
        while not session.is_complete:
            if looks:
                session.price("BTCUSDT")
                session.ticker("BTCUSDT")
                session.trades()
                session.equity_curve()
            session.place_order("BTCUSDT", "buy", "market", 0.001)
            session.advance("700ms")
        return session.fills(), session.orders(), session.equity_curve()

    assert play(looks=True) == play(looks=False)


def test_c2_a_changed_future_changes_nothing_that_is_read() -> None:
    def read(rows: list[Any]) -> list[Any]:
        session = make_session(make_book(rows), seconds=20)
        session.rebalance({"BTCUSDT": 0.5})
        session.advance("2500ms")
        session.place_order("BTCUSDT", "buy", "limit", price=100, fraction=0.1)
        verbs = (session.price, session.ticker)
        return [*(verb("BTCUSDT") for verb in verbs), session.equity_curve(), session.orders()]

    future = [trade(2_500, 1, 170, 9), *snapshot(2_600, bid=150, ask=151)]
    assert read(PRINTS[:-1]) == read([*PRINTS[:-1], *future])
