"""Funding as money (M5): position x mark price x rate, after the candle that holds the stamp."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from seq_gym.market import FundingRates, candles_from_rows
from seq_gym.sandbox.session import Session
from seq_gym.sandbox.tape import build_tape

FILES = "binance_um_{}_1h-{}_2024-01_2026-04.parquet"
FREE: dict[str, Any] = {
    "account": "margin",
    "borrow_rate_frac": 0.0,
    "taker_fee_frac": 0.0,
    "slippage": "fixed_bps",
    "slippage_bps": 0.0,
}


def raw(folder: Path, symbol: str, kind: str) -> dict[dt.datetime, dict[str, float]]:
    rows = pl.read_parquet(folder / FILES.format(symbol, kind)).to_dicts()
    return {row["ts"]: row for row in rows}


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_week_of_funding_of_a_real_future_is_that_of_the_raw_files(
    shared_data: Path, symbol: str, side: str
) -> None:
    folder = shared_data / "candles"
    start, end = (dt.datetime(2024, 3, day, 5, tzinfo=dt.UTC) for day in (4, 11))
    session = Session.create(
        data=folder / FILES.format(symbol, "futures"),
        pairs=symbol,
        start_time=start,
        end_time=end,
        starting_balance=1_000_000.0,
        funding={symbol: folder / FILES.format(symbol, "funding_rate")},
        mark={symbol: folder / FILES.format(symbol, "mark")},
        liquidate_on_complete=False,
        save=False,
        **FREE,
    )
    session.start()
    session.place_order(symbol, side, "market", quantity=3.0)
    session.step_batch(7 * 24)
    held = 3.0 if side == "buy" else -3.0
    rates, marks = raw(folder, symbol, "funding_rate"), raw(folder, symbol, "mark")
    futures = raw(folder, symbol, "futures")
    paid, on_traded, count = 0.0, 0.0, 0
    hour, opened = dt.timedelta(hours=1), start
    while opened < end:
        stamp = opened + hour  # the close of the candle
        if stamp in rates:
            paid += held * marks[opened]["close"] * rates[stamp]["open"]
            on_traded += held * futures[opened]["close"] * rates[stamp]["open"]
            count += 1
        opened = stamp
    assert count == 21
    costs = session.results().costs
    assert costs.funding == pytest.approx(paid, rel=1e-9)
    assert abs(paid - on_traded) > 1e-6 * abs(paid)
    # Everything else stays on traded prices: the money that moved is price, and funding.
    moved = held * (futures[end - hour]["close"] - futures[start - hour]["close"])
    assert session.equity[-1] == pytest.approx(1_000_000.0 + moved - paid, rel=1e-12)


def test_a_rate_stamped_at_the_close_is_paid_after_that_candle_and_on_its_mark() -> None:
    series = candles_from_rows([(100.0, 100.0, 100.0, 100.0)] * 5, interval="1h")
    close_ns = series.time_of(3)  # candle 2 closes
    rate = FundingRates(np.array([close_ns]), np.array([0.01]))
    mark = np.full((5, 1), 100.0)
    mark[2], mark[1], mark[3] = 120.0, 80.0, 60.0
    series = replace(series.with_funding({"BTCUSDT": rate}), mark=mark)
    session = Session.create(data=series, liquidate_on_complete=False, save=False, **FREE)
    session.start()
    session.step()
    session.place_order("BTCUSDT", "sell", "market", quantity=10.0)
    cash = []
    for _ in range(4):
        session.step()
        cash.append(session.portfolio().total_equity)
    # Candles 1 to 4: the short is paid 10 x 120 x 0.01 when candle 2 has closed.
    assert cash == pytest.approx([10_000.0, 10_012.0, 10_012.0, 10_012.0])


def test_who_sells_before_the_stamp_pays_nothing_and_who_buys_at_it_neither() -> None:
    series = candles_from_rows([(100.0, 100.0, 100.0, 100.0)] * 6, interval="1h")
    rate = FundingRates(np.array([series.time_of(3)]), np.array([0.01]))
    series = series.with_funding({"BTCUSDT": rate})
    for bought, sold, paid in ((1, 2, 0.0), (1, 3, 10.0), (2, 4, 10.0), (3, 5, 0.0)):
        session = Session.create(data=series, save=False, **FREE)
        session.start()
        session.step_batch(bought)
        session.place_order("BTCUSDT", "buy", "market", quantity=10.0)
        session.step_batch(sold - bought)
        session.place_order("BTCUSDT", "sell", "market", quantity=10.0)
        session.step_batch(6 - sold)
        assert session.results().costs.funding == pytest.approx(paid), (bought, sold)


def test_a_row_without_a_mark_price_pays_on_the_traded_one() -> None:
    series = candles_from_rows([(100.0, 100.0, 100.0, 100.0)] * 4, funding=[0.0, 0.01, 0.01, 0.01])
    mark = np.array([[50.0], [np.nan], [200.0], [np.nan]])
    tape = build_tape(replace(series, mark=mark))
    assert tape.funding is not None
    np.testing.assert_allclose(tape.funding[:, 0], [0.0, 0.0, 0.01, 0.02, 0.01], rtol=1e-15)


def test_without_mark_prices_the_tape_is_what_it_was_to_the_bit() -> None:
    series = candles_from_rows([(100.0, 130.0, 90.0, 110.0)] * 4, funding=[0.0, 0.013, -0.02, 0.0])
    tape = build_tape(series)
    assert tape.funding is not None
    assert tape.funding[:, 0].tolist() == [0.0, 0.0, 0.013, -0.02, 0.0]
    assert build_tape(candles_from_rows([(1.0, 1.0, 1.0, 1.0)] * 3)).funding is None


def test_the_mark_price_moves_nothing_but_funding() -> None:
    rows = [(100.0, 100.0, 100.0, 100.0), (100.0, 100.0, 60.0, 70.0), (70.0, 75.0, 65.0, 70.0)] * 4
    series = candles_from_rows(rows, funding=[0.0] * 12)
    crashed = replace(series, mark=series.close * 0.1)
    ends = []
    for market in (series, crashed):
        session = Session.create(data=market, liquidate_on_complete=False, save=False, **FREE)
        session.start()
        session.step()
        session.place_order("BTCUSDT", "buy", "market", quantity=150.0)
        session.step_batch(11)
        ends.append((list(session.equity), session.results().ending))
    assert ends[0] == ends[1]


def test_a_mark_price_far_from_the_market_still_states_the_same_payment() -> None:
    for factor in (1e-3, 0.5, 2.0, 1e3):
        series = candles_from_rows([(100.0, 100.0, 100.0, 100.0)] * 3, funding=[0.0, 0.0, 1e-6])
        series = replace(series, mark=series.close * factor)
        session = Session.create(data=series, liquidate_on_complete=False, save=False, **FREE)
        session.start()
        session.step()
        session.place_order("BTCUSDT", "buy", "market", quantity=7.0)
        session.step_batch(2)
        assert session.results().costs.funding == pytest.approx(7e-4 * factor, rel=1e-9)
