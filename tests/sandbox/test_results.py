"""Identities of money and results (M4, X1 to X5)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.engine import codes
from seq_gym.metrics import sharpe_ratio, simple_returns
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import random_market, session_of

SYMBOLS = ("BTCUSDT", "ETHUSDT")


def play(session: Session, seed: int) -> None:
    """Trade at random to the end."""
    rng = np.random.default_rng(seed)
    while not session.is_complete:
        symbol = SYMBOLS[int(rng.integers(2))]
        side = ("buy", "sell")[int(rng.integers(2))]
        mark = session.prices().get(symbol, 1.0)
        kind = int(rng.integers(5))
        if kind == 0:
            session.place_order(symbol, side, "market", fraction=float(rng.uniform(0.05, 1)))
        elif kind == 1:
            price = mark * float(rng.uniform(0.97, 1.03))
            session.place_order(
                symbol, side, "limit", notional=float(rng.uniform(50, 5e3)), price=price
            )
        elif kind == 2:
            trigger = mark * float(rng.uniform(0.95, 1.05))
            session.place_order(symbol, side, "stop_loss", trigger_price=trigger)
        elif kind == 3:
            weights = rng.dirichlet([1, 1, 1])
            session.rebalance({"BTCUSDT": float(weights[0]), "ETHUSDT": float(weights[1])})
        elif session.open_orders():
            session.cancel_order(session.open_orders()[0])
        session.step_batch(int(rng.integers(1, 12)))


@pytest.mark.parametrize("account", ["spot", "margin"])
@pytest.mark.parametrize("execution", ["close", "next_open"])
@given(seed=st.integers(0, 10_000), keep=st.booleans())
def test_m4_and_x4_hold_whatever_is_traded(account, execution, seed, keep):
    session = session_of(
        random_market(seed % 5, 240, SYMBOLS),
        account=account,
        execution=execution,
        taker_fee_frac=0.001,
        maker_fee_frac=-0.0002,
        slippage="volume_share",
        liquidate_on_complete=keep,
    )
    play(session, seed)
    account_row, results = session.tables.accounts[0], session.results()
    found, fills = session.portfolio(), session.fills()
    close = {"rel": 1e-9, "abs": 1e-6}
    assert found.total_equity == pytest.approx(
        10_000 + found.realized_pnl + found.unrealized_pnl, **close
    )
    assert found.total_equity == pytest.approx(
        session.balance()[0].total + found.position_value, **close
    )
    assert found.total_equity == results.final_equity == float(account_row.equity)
    assert results.total_pnl == pytest.approx(results.final_equity - 10_000, **close)
    assert results.roi_pct == pytest.approx(results.total_pnl / 100, **close)
    assert results.total_trades == len(fills) == sum(pair.trades for pair in results.by_pair)
    costs = results.costs
    assert costs.total_fees == pytest.approx(sum(f.fee for f in fills), **close)
    assert costs.slippage == pytest.approx(sum(f.slippage for f in fills), **close)
    assert sum(p.net_pnl for p in results.by_pair) - costs.borrow == pytest.approx(
        results.total_pnl, **close
    )
    closing = [f.realized_pnl for f in fills if f.realized_pnl is not None]
    assert sum(closing) - costs.borrow - costs.funding == pytest.approx(found.realized_pnl, **close)
    assert results.metrics.trades.num_closing_fills == len(closing)
    if closing:
        wins = sum(pnl > 0 for pnl in closing)
        assert results.metrics.trades.win_rate_frac == pytest.approx(wins / len(closing))
    if account == "spot":
        assert min(b.available for b in session.balance()) >= -1e-9


def test_m4_each_fill_costs_exactly_its_fee_and_slippage():
    session = session_of(
        random_market(1, gaps=False), steps=1, taker_fee_frac=0.001, slippage="volume_share"
    )
    for _ in range(20):
        before = session.portfolio().total_equity
        order = session.place_order("BTCUSDT", "buy", "market", notional=300)
        fill = session.fills()[-1]
        assert order.status == "filled"
        assert session.portfolio().total_equity == pytest.approx(before - fill.fee - fill.slippage)
        session.step()


def test_x2_the_metrics_are_those_of_the_full_curve_whatever_is_stored():
    session = session_of(random_market(6), steps=1)
    session.place_order("BTCUSDT", "buy", "market", fraction=0.9)
    session.step_batch(500)
    measured = session.results().metrics
    returns = simple_returns(session.equity)
    assert measured.num_steps == len(returns) == 240
    assert measured.sharpe_ratio == sharpe_ratio(returns, periods_per_year=525_600)
    assert measured.final_equity == session.equity[-1]


def test_the_config_of_results_says_what_was_run():
    session = session_of(random_market(6), strategy_label="momentum_v1", agent_id="a")
    session.cancel()
    config = session.results().config
    assert config["strategy_label"] == "momentum_v1"
    assert config["data_fingerprint"] == session.series.fingerprint
    assert config["physics"]["taker_fee_frac"] == 0.0
    assert config["total_steps"] == 240


def test_m5_a_liquidation_is_in_fills_orders_and_results():
    rows = [(100, 100, 100, 100), (100, 100, 100, 100), (100, 100, 50, 60), *[(60, 60, 60, 60)] * 3]
    session = session_of(rows, steps=1, account="margin")
    session.place_order("BTCUSDT", "buy", "market", fraction=2.9)
    result = session.step_batch(10)
    assert result.is_complete
    assert result.steps_executed == 2
    fill = result.orders_filled[-1]
    assert fill.reason == "LIQUIDATED"
    results = session.results()
    assert (results.ending, results.status) == ("LIQUIDATED", "completed")
    assert results.metrics.num_steps == 3
    assert math.isclose(results.final_equity, session.equity[-1])


def test_funding_of_the_data_is_a_cost():
    from seq_gym.market import candles_from_rows

    series = candles_from_rows([(100, 100, 100, 100)] * 5, funding=[0, 0, 0.01])
    session = session_of(series, steps=1, account="margin", borrow_rate_frac=0.0)
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.step_batch(10)
    assert session.results().costs.funding == pytest.approx(10.0)
    assert session.results().total_pnl == pytest.approx(-10.0)


def test_a_callable_slippage_goes_by_its_name():
    def dear(notional: float, adv_quote: float, volatility_frac: float) -> float:
        return 0.01

    session = session_of(random_market(1, gaps=False), steps=1, slippage=dear)
    fill_price = session.place_order("BTCUSDT", "buy", "market", quantity=1).avg_fill_price
    assert fill_price == pytest.approx(session.price("BTCUSDT") * 1.01)
    session.cancel()
    assert session.results().config["physics"]["slippage"].endswith("dear")


def test_a_symbol_whose_data_ends_is_closed_and_says_so():
    from seq_gym.market import candles_from_rows

    series = candles_from_rows(
        {"BTCUSDT": [(100, 100, 100, 100)] * 8, "ETHUSDT": [(10, 10, 10, 10)] * 4}
    )
    session = session_of(series, steps=1)
    session.place_order("ETHUSDT", "buy", "market", quantity=1)
    session.step_batch(5)
    assert session.fills()[-1].reason == "DELISTED"
    assert session.place_order("ETHUSDT", "buy", "market", quantity=1).code == "NOT_LISTED"
    assert session.tables.accounts[0].ending == codes.RUNNING
