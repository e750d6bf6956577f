"""Several venues, funding, seeds, pieces of time, doors: the same orders give the same fills."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine.book import codes, door
from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import FundingRates
from seq_gym.market.book.events import BookData
from seq_gym.market.book.load import load_book
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.book.wiring import book_batch
from tests.sandbox.book.books import (
    MS,
    SECOND,
    T0,
    Recorder,
    Row,
    depth,
    make_book,
    make_session,
    opening,
    status,
    trade,
)

NOISY = Latency(entry_ms=9, response_ms=4, entry_sigma=0.5, response_sigma=0.5)
RANDOM: dict[str, Any] = {"latency_model": "log-normal", "latency": NOISY, "account": "margin"}


def walk(seed: int, count: int = 120) -> list[Row]:
    """A touch that wanders, always two-sided, with prints on both sides."""
    rng = np.random.default_rng(seed)
    rows, bid = opening(lots=6), 100
    for k in range(count):
        at = (k + 1) * 11.0
        rows.append(trade(at, -1, bid, int(rng.integers(1, 9))))
        rows.append(trade(at + 1, 1, bid + 1, int(rng.integers(1, 9))))
        rows.append(depth(at + 2, 1, bid, int(rng.integers(1, 12))))
        step = int(rng.choice([-1, 0, 0, 1]))
        if step > 0:
            rows += [depth(at + 3, -1, bid + 1, 0), depth(at + 3, 1, bid + 1, 5)]
            rows.append(depth(at + 3, -1, bid + 4, 5))
        elif step < 0:
            rows += [depth(at + 3, 1, bid, 0), depth(at + 3, -1, bid, 5)]
            rows.append(depth(at + 3, 1, bid - 3, 5))
        bid += step
    return rows


def orders_at(session: BookSession, k: int, rng: np.random.Generator) -> None:
    """Do something: what depends on k and on what is seen, never on the callbacks there are."""
    book = session.book("BTCUSDT@test", 1)
    if book.bid is None or book.ask is None:
        return
    side = ("buy", "sell")[int(rng.integers(2))]
    price = (book.bid if side == "buy" else book.ask) + float(rng.integers(-1, 2))
    kind = int(rng.integers(5))
    if kind == 0:
        session.place_order("BTCUSDT@test", side, "market", int(rng.integers(1, 4)))
    elif kind == 1 and session.open_orders():
        session.cancel_order(session.open_orders()[0])
    elif kind == 2 and session.open_orders():
        session.amend_order(session.open_orders()[0], price=price)
    else:
        session.place_order("BTCUSDT@test", side, "limit", int(rng.integers(1, 6)), price)


def drive(session: BookSession, pieces: int = 1, every_ms: int = 20) -> BookSession:
    """Act every 20 ms; between two actions time passes in so many pieces."""
    rng = np.random.default_rng(3)
    k = 0
    while not session.is_complete:
        orders_at(session, k, rng)
        k += 1
        for part in range(1, pieces + 1):
            if not session.is_complete:
                session.advance_to(T0 + k * every_ms * MS - (pieces - part) * MS)
    return session


def journal(session: BookSession) -> list[Any]:
    return [*session.fills(), *session.orders(), *session.happenings()]


def test_the_same_seed_gives_the_same_journal_and_another_does_not() -> None:
    data = make_book(walk(1))
    one, same, other = (
        drive(make_session(data, seconds=1.4, seed=seed, **RANDOM)) for seed in (5, 5, 6)
    )
    assert len(one.fills()) > 20
    assert journal(one) == journal(same)
    np.testing.assert_array_equal(one.equity, same.equity)
    assert [f.exch_ns for f in one.fills()] != [f.exch_ns for f in other.fills()]


@settings(max_examples=8)
@given(pieces=st.integers(2, 7), seed=st.integers(0, 50))
def test_time_in_pieces_is_time_at_once(pieces: int, seed: int) -> None:
    data = make_book(walk(seed, 60))
    once = drive(make_session(data, seconds=0.7, **RANDOM))
    parts = drive(make_session(data, seconds=0.7, **RANDOM), pieces)
    assert journal(once) == journal(parts)
    np.testing.assert_array_equal(once.equity, parts.equity)
    np.testing.assert_array_equal(once.equity_times, parts.equity_times)
    assert once.results().metrics == parts.results().metrics


def test_callbacks_change_no_fill() -> None:
    class Driver(Recorder):
        def on_heartbeat(self, session: BookSession) -> None:
            rng = np.random.default_rng(session.virtual_time_ns // SECOND)
            for k in range(6):
                orders_at(session, k, rng)

    data = make_book(walk(2, 400))
    names = ("on_book", "on_trade", "on_nbbo", "on_fill", "on_reject")
    found = []
    for listens in ((), ("on_fill",), ("on_trade", "on_nbbo"), names):
        session = make_session(data, seconds=4.4, **RANDOM)
        session.run(Driver(*listens))
        found.append((journal(session), session.equity.tolist()))
    assert len(found[0][0]) > 30
    assert all(each == found[0] for each in found)


def test_b6_another_venue_changes_nothing_of_the_first() -> None:
    first = make_book(walk(1))
    second = make_book(walk(9), venue="other")
    alone = drive(make_session(first, seconds=1.4, **RANDOM))
    for books in ((first, second), (second, first)):
        both = drive(make_session(*books, seconds=1.4, **RANDOM))
        assert both.fills() == alone.fills()
        assert both.orders() == alone.orders()


def test_b6_spot_and_perpetual_of_one_spelling_have_a_best_price_each() -> None:
    spot, other = (make_book(opening(100, 103), venue=each) for each in ("binance", "kraken"))
    swap = make_book([*opening(96, 98), depth(300, 1, 96, 4)], venue="binance_um")
    session = make_session(spot, other, swap)
    with pytest.raises(ConfigError, match=r"several markets .* spot at binance and linear at"):
        session.nbbo("BTCUSDT")
    assert session.nbbo("BTCUSDT@kraken").bid_venue == "binance"  # the first of equal ones
    nbbo = session.nbbo("BTCUSDT@binance_um")
    assert (nbbo.bid, nbbo.ask, nbbo.bid_venue, nbbo.market) == (96.0, 98.0, "binance_um", "linear")
    recorder = Recorder("on_nbbo")
    BookSession.create(data=BookData(books=(spot, other, swap))).run(recorder)
    told = [each for _, (each,) in recorder.of("on_nbbo")]
    assert [(each.market, each.bid_quantity) for each in told] == [("linear", 4.0)]
    assert not any(each.is_crossed for each in told)


def test_a_halted_venue_has_no_part_in_the_best_prices() -> None:
    open_one = make_book(opening(100, 103), venue="one")
    rows = [*opening(101, 102), status(100, is_open=False)]
    session = make_session(open_one, make_book(rows, venue="two"))
    assert session.nbbo("BTCUSDT").bid_venue == "two"
    session.advance("1s")
    nbbo = session.nbbo("BTCUSDT")
    assert (nbbo.bid_venue, nbbo.ask_venue) == ("one", "one")


def test_one_symbol_at_two_venues_has_two_lanes_and_one_nbbo() -> None:
    one = make_book(opening(100, 103), venue="one")
    two = make_book(opening(101, 104, lots=4), venue="two", symbol="BTC-USDT")
    session = make_session(one, two)
    assert session.symbols == ("BTCUSDT", "BTC-USDT")
    nbbo = session.nbbo("btc/usdt")
    assert (nbbo.bid, nbbo.bid_quantity, nbbo.bid_venue) == (101.0, 4.0, "two")
    assert (nbbo.ask, nbbo.ask_quantity, nbbo.ask_venue) == (103.0, 10.0, "one")
    assert not nbbo.is_crossed
    apart = make_session(one, make_book(opening(104, 106), venue="two", symbol="BTC-USDT"))
    assert apart.nbbo("BTCUSDT").is_crossed  # one venue bids more than the other asks
    assert session.prices() == {"BTCUSDT": 101.5, "BTC-USDT": 102.5}
    assert session.place_order("BTCUSDT@two", "buy", "limit", 1, 99).venue == "two"
    assert session.place_order("btcusdt", "buy", "limit", 1, 99).limit == "venue"
    assert session.mid("BTCUSDT", venue="one") == 101.5
    assert len(session.orders(symbol="BTCUSDT@two")) == 1
    with pytest.raises(UnknownName, match="two"):
        session.book("BTCUSDT", venue="tow")
    same = make_session(one, make_book(opening(), venue="two"))
    assert same.symbols == ("BTCUSDT@one", "BTCUSDT@two")
    assert set(same.prices()) == set(same.symbols)


def test_books_of_several_currencies_are_refused() -> None:
    for change in ({"quote": "EUR"}, {"inverse": True}):
        with pytest.raises(ConfigError, match=r"currency|inverse"):
            make_session(make_book(opening()), make_book(opening(), symbol="X", **change))
    coins = [
        make_book(opening(), symbol=s, base=s, quote="USD", inverse=True) for s in ("BTC", "ETH")
    ]
    with pytest.raises(ConfigError, match="BTC, ETH"):
        make_session(*coins, account="margin")


def test_m5_funding_is_paid_on_what_is_held_at_its_stamp() -> None:
    book = make_book([*opening(), depth(9_000, 1, 100, 3)])
    stamps = np.array([3, 1, 9]) * SECOND + T0
    rates = FundingRates(stamps, np.array([0.02, 0.01, 0.5]))
    for name in ("BTCUSDT", "btc-usdt@test"):
        session = make_session(book, account="margin", funding={name: rates}, borrow_rate_frac=0)
        session.advance("2s")
        session.place_order("BTCUSDT", "buy", "market", 2)
        session.advance("3s")
        assert session.results(partial=True).costs.funding == pytest.approx(2 * 100.5 * 0.02)
    spot = make_session(book, funding={"BTCUSDT": rates})
    spot.place_order("BTCUSDT", "buy", "market", 2)
    spot.advance("5s")
    assert spot.results(partial=True).costs.funding == 0.0
    with pytest.raises(UnknownName, match="BTCUSDT"):
        make_session(book, funding={"BTCUSD": rates})
    broken = FundingRates(np.array([T0, T0]), np.array([0.1, 0.2]))
    with pytest.raises(MarketDataError, match="one rate"):
        make_session(book, funding={"BTCUSDT": broken})


def test_features_are_those_of_the_grid_at_that_time() -> None:
    session = make_session(make_book(walk(4)))
    session.advance("800ms")
    found = session.features("BTCUSDT", ["spread_bps", "imbalance_1"])
    book = session.book("BTCUSDT", 1)
    (_, bid), (_, ask) = book.bids[0], book.asks[0]
    assert found["spread_bps"] == pytest.approx(book.spread_bps, rel=1e-5)
    assert found["imbalance_1"] == pytest.approx((bid - ask) / (bid + ask), abs=1e-6)
    with pytest.raises(UnknownName, match="spread_bps"):
        session.features("BTCUSDT", "spread_bp")


@door.strategy
def _quote(h: int, interval: int, most: int) -> int:
    """Post one bid and one offer at the touch at each interval; cancel all before."""
    steps = 0
    while steps < most:
        door.buy(h, 2.0, door.best_bid(h), door.POST_ONLY)
        door.sell(h, 2.0, door.best_ask(h), door.POST_ONLY)
        door.advance_by(h, interval)
        door.cancel_all(h)
        steps += 1
    return steps


FIELDS = ("order_id", "exch_ts", "local_ts", "price", "qty", "fee", "liquidity", "realized")


def test_the_compiled_door_the_batch_and_the_session_fill_alike() -> None:
    book, most, interval = make_book(walk(7, 300)), 60, 50 * MS
    session = make_session(book, seconds=3.4, **RANDOM)
    batch = book_batch(session.params, BookData(books=(book,)))
    batch.reset(0, T0, T0 + int(3.4 * SECOND))
    events = door.run_strategy(batch, _quote, interval, most)
    compiled = events[events["kind"] == codes.EXECUTED]
    for _ in range(most):
        seen = session.book("BTCUSDT", 1)
        for side, price in (("buy", seen.bid), ("sell", seen.ask)):
            session.place_order("BTCUSDT", side, "limit", 2, price, post_only=True)
        session.advance(interval)
        session.cancel_all()
    fills = session.fills()
    assert len(fills) == len(compiled) > 20
    assert [f.exch_ns for f in fills] == compiled["exch_ts"].tolist()
    assert [f.local_ns for f in fills] == compiled["local_ts"].tolist()
    assert [(f.price, f.quantity, f.fee) for f in fills] == list(
        zip(*(compiled[name].tolist() for name in ("price", "qty", "fee")), strict=True)
    )
    assert session.portfolio().total_equity == batch.accounts[0].equity


def test_a_real_recording_is_traded_from_its_file(shared_data: Path) -> None:
    path = shared_data / "book" / "binance" / "usdm" / "btcusdt_20240808.gz"
    if not path.exists():
        pytest.skip("the recording of BTCUSDT is not on this machine")
    data = load_book(path, fix_clock=True)

    class Maker(Recorder):
        def on_heartbeat(self, session: BookSession) -> None:
            session.cancel_all()
            book = session.book("BTCUSDT", 1)
            lot = session.data.books[0].instrument.lot
            for side, price in (("buy", book.bid), ("sell", book.ask)):
                session.place_order("BTCUSDT", side, "limit", 20 * lot, price, post_only=True)

    maker = Maker("on_fill", "on_reject", "on_trade")
    session = BookSession.create(data=data, account="margin")
    results = session.run(maker)
    assert (results.status, results.ending) == ("completed", "DATA_END")
    assert len(session.orders()) > 50
    times = np.diff(session.equity_times)
    assert (times[1:-1] == SECOND).all()
    portfolio = session.portfolio()
    total = 10_000.0 + portfolio.realized_pnl + portfolio.unrealized_pnl
    assert results.final_equity == pytest.approx(total, rel=1e-9)
    for order in session.orders():
        trace = session.trace(order)
        known = [
            n for n in (trace.sent_ns, trace.arrived_ns, trace.acknowledged_ns, trace.done_ns) if n
        ]
        assert known == sorted(known)
        assert not (trace.queued_ns and trace.queued_ns < trace.arrived_ns)
    assert len(maker.of("on_fill")) == len(session.fills())
