"""No door shows what is not known yet (C2, C3, S1-33)."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market import CandleSeries, candles_from_rows
from seq_gym.sandbox import responses
from seq_gym.sandbox.session import Session
from seq_gym.times import NS_PER_DAY
from tests.sandbox.markets import flat, random_market, session_of

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def with_another_future(series: CandleSeries, cursor: int, seed: int) -> CandleSeries:
    """The same candles up to a cursor, and others after it."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list] = {}
    for column, symbol in enumerate(series.symbols):
        listed: list = []
        for row in range(series.num_candles):
            if row < cursor:
                values = [
                    float(getattr(series, name)[row, column])
                    for name in ("open", "high", "low", "close", "volume")
                ]
                listed.append(values if series.valid[row, column] else None)
            else:
                first = float(series.open[row, column]) if row == 0 else rng.uniform(50, 5_000)
                other = float(rng.uniform(50, 5_000))
                low, high = min(first, other), max(first, other)
                listed.append((first, high * 1.01, low * 0.99, other, float(rng.uniform(0, 1e6))))
        rows[symbol] = listed
    return candles_from_rows(rows)


def everything(session: Session) -> str:
    """All that a session shows, as one text."""
    shown = [responses.prices(session), responses.portfolio(session), responses.balance(session)]
    shown += [
        responses.positions(session),
        responses.orders(session),
        responses.equity_curve(session),
    ]
    shown += [responses.trade_history(session), session.equity.tolist()]
    for symbol in SYMBOLS:
        try:
            shown += [responses.price(session, symbol), responses.ticker(session, symbol)]
        except UsageError as error:
            shown.append(responses.error(error))
        for interval in (None, "5m", "1h"):
            shown.append(responses.candles(session, symbol, interval, 1000))
    return json.dumps(shown)


@pytest.mark.parametrize("execution", ["close", "next_open"])
@given(cursor=st.integers(1, 119), seed=st.integers(0, 1000))
def test_c2_another_future_changes_nothing_that_is_shown(execution, cursor, seed):
    series = random_market(seed % 5, 180, SYMBOLS, gaps=seed % 2 == 0)
    other = with_another_future(series, cursor, seed)
    shown = []
    for market in (series, other):
        session = session_of(
            market, execution=execution, taker_fee_frac=0.001, slippage="volume_share"
        )
        for step in range(cursor):
            if step % 10 == 3:
                session.place_order("BTCUSDT", "buy", "market", notional=500)
                session.place_order(
                    "ETHUSDT", "buy", "limit", notional=100, price=session.price("ETHUSDT")
                )
                session.place_order(
                    "BTCUSDT", "sell", "stop_loss", trigger_price=session.price("BTCUSDT") * 0.99
                )
            session.step()
        shown.append(everything(session))
    assert shown[0] == shown[1]


def test_c3_a_symbol_has_no_price_before_its_first_candle_opens():
    series = candles_from_rows(
        {"BTCUSDT": flat(100, 6), "ETHUSDT": [None, None, None, *flat(10, 3)]}
    )
    session = session_of(series, steps=2)
    assert session.prices() == {"BTCUSDT": 100}
    for read in (session.price, session.ticker):
        with pytest.raises(UsageError, match="no price at 2025-01-01T00:02:00Z") as raised:
            read("ETHUSDT")
        assert raised.value.code == "PRICE_NOT_AVAILABLE"
        assert "00:03" not in str(raised.value)
    assert session.place_order("ETHUSDT", "buy", "market", quantity=1).code == "NOT_LISTED"
    assert session.candles("ETHUSDT") == ()
    session.step()
    assert session.price("ETHUSDT") == 10
    found = session.ticker("ETHUSDT")
    assert (found.open, found.close, found.volume, found.price_change) == (10, 10, 0, 0)


def test_reading_an_unknown_symbol_names_the_near_miss():
    session = session_of(flat(100, 3))
    for read in (session.price, session.ticker, session.candles, session.position):
        with pytest.raises(UnknownName, match="BTCUSDT"):
            read("BTCUSD")


def test_s1_31_the_ticker_covers_24_hours_of_known_candles():
    per_day = NS_PER_DAY // 60_000_000_000
    rows = [(100 + i, 101 + i, 99 + i, 100 + i, 2.0) for i in range(per_day + 50)]
    session = session_of(rows, steps=10)
    found = session.ticker("BTCUSDT")
    assert (found.open, found.high, found.low, found.close, found.volume) == (100, 110, 99, 109, 20)
    session.step_batch(per_day + 20)
    found = session.ticker("BTCUSDT")
    assert (found.open, found.close, found.volume) == (130, 129 + per_day, 2.0 * per_day)
    assert found.price_change == per_day - 1
    assert found.trade_count is None


def test_s1_32_candles_are_finished_oldest_first_and_at_most_the_limit():
    session = session_of(random_market(1, 240, gaps=False), steps=127)
    base = session.candles("BTCUSDT")
    assert len(base) == 100
    assert base[-1].close_ns == session.virtual_time_ns
    assert [c.open_ns for c in base] == sorted(c.open_ns for c in base)
    hours = session.candles("BTCUSDT", "1h")
    assert len(hours) == 2
    assert hours[-1].close_ns <= session.virtual_time_ns
    assert hours[0].open == session.candles("BTCUSDT", limit=1000)[0].open
    assert hours[0].high == max(c.high for c in session.candles("BTCUSDT", limit=1000)[:60])
    assert len(session.candles("BTCUSDT", limit=1)) == 1


@pytest.mark.parametrize("limit", [0, 1001, -1, 2.5, True])
def test_a_limit_outside_of_1_to_1000_is_an_error(limit):
    with pytest.raises(ConfigError, match="limit must be a whole number from 1 to 1000"):
        session_of(flat(100, 3)).candles("BTCUSDT", limit=limit)


def test_an_interval_that_is_no_multiple_is_an_error():
    with pytest.raises(ConfigError, match="interval"):
        session_of(flat(100, 10), candle_interval="2m").candles("BTCUSDT", "3m")


def test_history_before_the_window_is_known():
    session = session_of(random_market(1, gaps=False), start_time="2025-01-01T01:00")
    assert len(session.candles("BTCUSDT", limit=1000)) == 60
    assert session.ticker("BTCUSDT").volume > 0
    assert session.price("BTCUSDT") == session.series.close[59, 0]


def test_s1_62_a_coarse_symbol_stands_still_between_its_closes():
    hours = candles_from_rows({"ETHUSDT": [(10, 12, 9, 11, 5), (11, 14, 10, 13, 5)]}, interval="1h")
    minutes = candles_from_rows({"BTCUSDT": flat(100, 120)})
    session = session_of_both(minutes, hours)
    seen = []
    for _ in range(120):
        session.step()
        seen.append(session.prices()["ETHUSDT"])
    assert seen[:59] == [10] * 59
    assert seen[59:119] == [11] * 60
    assert seen[119] == 13


def session_of_both(first: CandleSeries, second: CandleSeries) -> Session:
    """A session over a fine and a coarse series."""
    import polars as pl

    frames = []
    for series in (first, second):
        times = [series.time_of(row) for row in range(series.num_candles)]
        columns = {name: getattr(series, name)[:, 0] for name in ("open", "high", "low", "close")}
        volume = np.ones(series.num_candles)
        frames.append(
            pl.DataFrame(
                {
                    "time": times,
                    "symbol": [series.symbols[0]] * len(times),
                    **columns,
                    "volume": volume,
                }
            )
        )
    session = Session.create(data=frames, candle_interval="1m")
    session.start()
    return session


def test_the_decimals_of_prices_are_those_seen_so_far():
    rows = [(100.5, 100.5, 100.5, 100.5), (100.125, 100.125, 100.125, 100.125), *flat(100, 2)]
    session = session_of(rows, steps=1)
    assert responses.prices(session)["prices"] == {"BTCUSDT": "100.50"}
    session.step()
    assert responses.prices(session)["prices"] == {"BTCUSDT": "100.125"}
    session.step()
    assert responses.prices(session)["prices"] == {"BTCUSDT": "100.000"}
