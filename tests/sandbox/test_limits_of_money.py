"""Leverage, position limits and debts where the account is stretched (M5, M6, R2, R4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.market import CandleColumns, CandleSeries, Instrument, candles_from_rows
from seq_gym.sandbox.params import RiskProfile
from seq_gym.sandbox.session import Session
from seq_gym.sandbox.tape import build_tape

FREE = {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0, "slippage": "fixed_bps", "slippage_bps": 0.0}


def play(rows: list[tuple[float, ...]], **arguments: Any) -> Session:
    session = Session.create(data=candles_from_rows(rows), **{**FREE, **arguments})
    session.start()
    session.step()
    return session


@pytest.mark.parametrize("trigger", ["range", "close"])
def test_leverage_counts_at_the_price_that_an_order_meets_inside_a_candle(trigger: str) -> None:
    rows = [(100.0, 100.0, 100.0, 100.0), (100.0, 100.0, 90.0, 90.0), (90.0, 90.0, 90.0, 90.0)]
    session = play(rows, account="margin", trigger=trigger, borrow_rate_frac=0.0)
    session.place_order("BTCUSDT", "buy", "market", quantity=200.0)
    order = session.place_order("BTCUSDT", "buy", "limit", quantity=90.0, price=90.0)
    assert order.is_accepted
    session.step()
    # At 90 the equity is 8,000: three times that is 266 units, and 290 were asked for.
    assert session.position("BTCUSDT").quantity == 200.0
    assert session.order(order.order_id).reason == "INSUFFICIENT_BALANCE"


@pytest.mark.parametrize("size", [{"quantity": 50.0}, {"fraction": 0.5}])
def test_a_waiting_target_counts_towards_the_largest_position(size: dict[str, float]) -> None:
    rows = [(100.0, 100.0, 100.0, 100.0)] * 4
    risk = RiskProfile(max_position_size_pct=50.0)
    session = play(rows, execution="next_open", risk=risk)
    session.rebalance({"BTCUSDT": 0.5})
    order = session.place_order("BTCUSDT", "buy", "market", **size)
    assert order.code == "RISK_LIMIT_EXCEEDED"
    session.step()
    assert session.position("BTCUSDT").quantity == pytest.approx(50.0)


def test_a_debt_of_the_last_forced_close_is_ruin_and_is_reported() -> None:
    rows = [(100.0, 100.0, 100.0, 100.0)] * 2 + [(60.0, 60.0, 60.0, 60.0)] * 2
    session = play(
        rows,
        account="margin",
        maintenance_margin_frac=0.0,
        max_leverage=2.4,
        borrow_rate_frac=0.0,
        slippage=lambda notional, adv, volatility: 0.3 if notional < 14_000.0 else 0.0,
    )
    session.place_order("BTCUSDT", "buy", "market", quantity=230.0)
    session.step_batch(10)
    results = session.results()
    assert session.portfolio().total_equity < 0.0
    assert results.costs.bad_debt == pytest.approx(-session.portfolio().total_equity)
    assert session.ending.name == "RUINED"


def test_a_target_below_the_smallest_notional_is_not_traded() -> None:
    instrument = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", min_notional=1_000.0)
    series = candles_from_rows([(100.0, 100.0, 100.0, 100.0)] * 3, instruments=[instrument])
    session = Session.create(data=series)
    session.start()
    session.step()
    session.rebalance({"BTCUSDT": 0.01})
    session.step()
    assert session.fills() == ()


def test_refused_orders_do_not_use_up_the_orders_of_a_minute() -> None:
    rows = [(100.0, 100.0, 100.0, 100.0)] * 4
    session = play(rows, risk=RiskProfile(max_orders_per_minute=1))
    for _ in range(3):
        refused = session.place_order("BTCUSDT", "buy", "market", quantity=1e6)
        assert refused.code == "INSUFFICIENT_BALANCE"
    assert session.place_order("BTCUSDT", "buy", "market", quantity=1.0).is_accepted
    assert session.place_order("BTCUSDT", "buy", "market", quantity=1.0).code == "RATE_LIMIT"


def test_series_that_state_volume_and_series_that_do_not_have_other_tapes() -> None:
    stated = candles_from_rows([(100.0, 101.0, 99.0, 100.0, 0.0)] * 5)
    silent = candles_from_rows([(100.0, 101.0, 99.0, 100.0)] * 5)
    assert stated.traded.any() != silent.traded.any()
    assert stated.fingerprint != silent.fingerprint
    assert build_tape(stated) is not build_tape(silent)


def test_a_coarse_candle_offers_its_volume_once_however_many_minutes_it_is_the_last_known() -> None:
    hours = candles_from_rows(
        [(100.0, 100.0, 100.0, 100.0, 60.0)] * 4, symbol="ETHUSDT", interval="1h"
    )
    minutes = candles_from_rows([(100.0, 100.0, 100.0, 100.0, 60.0)] * 240)
    columns = [
        CandleColumns(
            symbol=series.symbols[0],
            time_ns=series.start_ns + np.arange(len(series)) * series.interval_ns,
            open=series.open[:, 0],
            high=series.high[:, 0],
            low=series.low[:, 0],
            close=series.close[:, 0],
            volume=series.volume[:, 0],
            interval_ns=series.interval_ns,
        )
        for series in (hours, minutes)
    ]
    session = Session.create(
        data=CandleSeries.from_columns(columns),
        candle_interval="1m",
        max_participation_frac=0.1,
        starting_balance=1e6,
        **FREE,
    )
    session.start()
    session.step_batch(65)
    for _ in range(5):
        session.place_order("ETHUSDT", "buy", "market", quantity=6.0, time_in_force="ioc")
        session.step()
    assert sum(fill.quantity for fill in session.fills()) == pytest.approx(6.0)


@pytest.mark.parametrize("name", ["max_open_orders", "max_orders_per_minute"])
def test_a_count_of_zero_is_no_way_to_switch_a_limit_off(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be .* at least 1, or None"):
        RiskProfile(**{name: 0})
