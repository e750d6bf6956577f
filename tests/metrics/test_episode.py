"""The metrics of one episode (semantics X1 to X5)."""

import json
import math
import pickle
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.metrics import (
    EpisodeMetrics,
    Undefined,
    cagr,
    calmar_ratio,
    daily_equity,
    episode_metrics,
    sharpe_daily,
    sharpe_ratio,
    simple_returns,
)

DAY = 86_400
MIDNIGHT = 1_748_736_000 * 1_000_000_000  # 2025-06-01T00:00:00Z


def _walk(n, seed=1, scale=0.01):
    steps = np.random.default_rng(seed).normal(0.0005, scale, n)
    return 10_000.0 * np.exp(np.concatenate(([0.0], np.cumsum(steps))))


def test_x2_an_episode_by_hand():
    m = episode_metrics(
        [100.0, 110.0, 99.0, 108.9], step_s=DAY, closing_pnls=[10.0, -5.0], num_fills=6
    )
    assert (m.num_steps, m.elapsed_s, m.periods_per_year) == (3, 3 * DAY, 365.0)
    assert m.total_pnl == pytest.approx(8.9)
    assert m.total_return_frac == pytest.approx(0.089)
    # Returns +0.1, -0.1, +0.1: mean 1/30, variance (2 (1/15)^2 + (2/15)^2) / 2 = 0.04 / 3.
    assert m.sharpe_ratio == pytest.approx((1 / 30) / math.sqrt(0.04 / 3) * math.sqrt(365))
    assert m.sortino_ratio == pytest.approx((1 / 30) / math.sqrt(0.01 / 3) * math.sqrt(365))
    assert m.omega_ratio == pytest.approx(2.0)
    assert m.max_drawdown_frac == pytest.approx(0.1)
    assert m.max_drawdown_duration_s == 2 * DAY
    assert m.cagr_frac == pytest.approx(1.089 ** (365 / 3) - 1)
    assert m.calmar_ratio == pytest.approx((1.089 ** (365 / 3) - 1) / 0.1)
    assert (m.total_trades, m.trades_per_day) == (6, 2.0)
    assert m.trades.profit_factor == 2.0
    assert m.undefined == {
        "value_at_risk_95": "needs at least 20 steps to see a 5 % tail",
        "cvar_95": "needs at least 20 steps to see a 5 % tail",
        "sharpe_daily": "needs at least 30 whole days; had 3",
    }


def test_x2_an_episode_without_a_trade_has_reasons_and_no_zeros_or_infinities():
    m = episode_metrics([100.0] * 50, step_s=60)
    assert m.sharpe_ratio is None
    assert m.reasons() == {
        "sharpe_ratio": "the returns do not vary",
        "skew": "the returns do not vary",
        "excess_kurtosis": "the returns do not vary",
        "sortino_ratio": "no step lost",
        "omega_ratio": "no step lost",
        "calmar_ratio": "the equity never fell",
        "sharpe_daily": "needs at least 30 whole days; had 0",
        "win_rate_frac": "no fill closed a position",
        "profit_factor": "no fill closed a position",
        "avg_win": "no closing fill won",
        "avg_loss": "no closing fill lost",
        "best_trade": "no fill closed a position",
        "worst_trade": "no fill closed a position",
    }
    assert (m.volatility_frac, m.cagr_frac, m.max_drawdown_frac) == (0.0, 0.0, 0.0)


def test_x2_an_episode_without_a_step_is_measured_as_such():
    m = episode_metrics([100.0], step_s=60)
    assert (m.num_steps, m.total_return_frac, m.max_drawdown_frac) == (0, 0.0, 0.0)
    assert m.undefined["cagr_frac"] == m.undefined["trades_per_day"] == "no step was made"


def test_e1_ruin_at_the_last_point_is_a_loss_of_all():
    m = episode_metrics([100.0, 50.0, 0.0], step_s=60)
    assert (m.total_return_frac, m.cagr_frac, m.max_drawdown_frac) == (-1.0, -1.0, 1.0)
    assert m.sharpe_ratio < 0


def test_m5_a_loss_beyond_the_equity_has_no_growth_rate_but_a_full_drawdown():
    m = episode_metrics([100.0, 50.0, -10.0], step_s=60)
    assert m.undefined["cagr_frac"] == "the final equity is below 0"
    assert m.undefined["calmar_ratio"] == "the final equity is below 0"
    assert m.max_drawdown_frac == 1.0
    assert m.total_return_frac == pytest.approx(-1.1)


def test_a_curve_that_goes_on_after_ruin_has_no_returns_and_says_so():
    m = episode_metrics([100.0, -1.0, 20.0], step_s=60)
    assert m.sharpe_ratio is None
    assert m.undefined["sharpe_ratio"] == "the equity was gone before its last point"
    assert m.total_return_frac == pytest.approx(-0.8)


def test_x2_a_minute_of_growth_that_no_float_holds_for_a_year_is_undefined():
    growth = cagr([100.0, 150.0], step_s=60)
    assert isinstance(growth, Undefined)
    assert "too large for a year" in growth.reason
    assert isinstance(calmar_ratio([100.0, 150.0], step_s=60), Undefined)


def test_x2_a_year_is_365_days():
    assert cagr(np.linspace(100.0, 121.0, 731), step_s=DAY) == pytest.approx(0.1, rel=1e-12)


def test_x2_daily_equity_is_taken_at_utc_midnights_and_leaves_broken_days_out():
    # Hours from 22:00: midnights are points 2, 26 and 50 of 60.
    equity = np.arange(100.0, 160.0)
    start = MIDNIGHT - 2 * 3600 * 10**9
    daily = daily_equity(equity, step_s=3600, start_ns=start)
    assert daily.tolist() == [102.0, 126.0, 150.0]


def test_x2_between_two_steps_midnight_sees_the_last_step_before_it():
    # Steps of 7 hours from 20:00: 20, 03, 10, 17, 00 + 1 day, 07, 14, 21, 04.
    equity = np.arange(9.0) + 1.0
    start = MIDNIGHT - 4 * 3600 * 10**9
    assert daily_equity(equity, step_s=7 * 3600, start_ns=start).tolist() == [1.0, 5.0, 8.0]


def test_x2_without_a_start_time_days_are_counted_from_the_first_point():
    equity = np.arange(1.0, 98.0)
    assert daily_equity(equity, step_s=1800).tolist() == [1.0, 49.0, 97.0]
    same = daily_equity(equity, step_s=1800, start_ns=MIDNIGHT)
    assert same.tolist() == [1.0, 49.0, 97.0]


def test_x2_a_curve_that_meets_no_midnight_has_no_daily_equity():
    start = MIDNIGHT + 3600 * 10**9
    assert daily_equity([1.0, 2.0], step_s=60, start_ns=start).size == 0
    assert sharpe_daily([1.0, 2.0], step_s=60, start_ns=start) == Undefined(
        "needs at least 30 whole days; had 0"
    )


def test_x2_sharpe_daily_begins_at_thirty_whole_days():
    equity = _walk(30 * 24)
    daily = sharpe_daily(equity, step_s=3600, start_ns=MIDNIGHT)
    assert daily == sharpe_ratio(simple_returns(equity[::24]), periods_per_year=365)
    assert isinstance(sharpe_daily(equity[:-1], step_s=3600, start_ns=MIDNIGHT), Undefined)
    later = MIDNIGHT + 3600 * 10**9
    assert isinstance(sharpe_daily(equity, step_s=3600, start_ns=later), Undefined)


def test_x2_on_daily_steps_the_two_sharpe_ratios_are_one():
    m = episode_metrics(_walk(100), step_s=DAY, start_ns=MIDNIGHT)
    assert m.sharpe_daily == m.sharpe_ratio


def test_x2_a_step_longer_than_a_day_has_no_daily_sharpe():
    assert sharpe_daily(_walk(100), step_s=2 * DAY) == Undefined("a step is longer than a day")


def test_x5_a_row_is_flat_json_and_every_null_has_its_reason():
    m = episode_metrics(_walk(40), step_s=60, closing_pnls=[3.0], num_fills=2)
    row = json.loads(json.dumps(m.as_row(), allow_nan=False))
    assert {k for k, v in row.items() if v is None} == set(m.reasons())
    assert set(row) >= {f.name for f in fields(EpisodeMetrics)} - {"trades", "undefined"}
    assert row["avg_win"] == 3.0


def test_the_record_is_frozen_and_travels_between_processes():
    m = episode_metrics(_walk(40), step_s=60)
    assert pickle.loads(pickle.dumps(m)) == m
    with pytest.raises(FrozenInstanceError):
        m.num_steps = 3


@pytest.mark.parametrize(
    ("settings_", "words"),
    [
        ({"step_s": 0}, "step_s must be finite and above 0; was 0"),
        ({"step_s": 60, "num_fills": 0, "closing_pnls": [1.0]}, "at least the 1 closing fills"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(settings_, words):
    with pytest.raises(ConfigError, match=words):
        episode_metrics([100.0, 101.0], **settings_)


@given(
    st.lists(st.floats(-1e6, 1e9), max_size=60),
    st.sampled_from([1.0, 60.0, 3600.0, 86_400.0, 604_800.0]),
    st.lists(st.floats(-1e5, 1e5), max_size=5),
)
@settings(deadline=None)
def test_x2_no_curve_gives_an_infinite_figure_and_every_none_has_a_reason(tail, step_s, pnls):
    m = episode_metrics([100.0, *tail], step_s=step_s, closing_pnls=pnls, num_fills=5)
    row = m.as_row()
    assert all(v is None or math.isfinite(v) for v in row.values())
    assert {k for k, v in row.items() if v is None} == set(m.reasons())
    assert 0.0 <= m.max_drawdown_frac <= 1.0
