"""Streaming sums of a batch against the curves they stand for (semantics X1)."""

import itertools

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.metrics import (
    StreamingEquity,
    max_drawdown,
    sharpe_ratio,
    simple_returns,
    sortino_ratio,
    volatility,
)

PPY = 525_600.0


def _stream(curves):
    sums = StreamingEquity.start(curves[0])
    for before, after in itertools.pairwise(curves):
        sums.update(before, after)
    return sums


@pytest.fixture
def curves():
    """Equity of 5 environments over 300 steps, [301, 5]."""
    steps = np.random.default_rng(6).normal(0.0, 0.01, (300, 5))
    return 1000.0 * np.exp(np.vstack([np.zeros(5), np.cumsum(steps, axis=0)]))


def test_x1_the_sums_of_a_batch_give_the_metrics_of_every_curve(curves):
    sums = _stream(curves)
    sharpe = sums.sharpe_ratio(periods_per_year=PPY)
    sortino = sums.sortino_ratio(periods_per_year=PPY)
    deviation = sums.volatility(periods_per_year=PPY)
    for i, curve in enumerate(curves.T):
        r = simple_returns(curve)
        assert sharpe[i] == pytest.approx(sharpe_ratio(r, periods_per_year=PPY), rel=1e-9)
        assert sortino[i] == pytest.approx(sortino_ratio(r, periods_per_year=PPY), rel=1e-9)
        assert deviation[i] == pytest.approx(volatility(r, periods_per_year=PPY), rel=1e-9)
        assert sums.max_drawdown_frac[i] == max_drawdown(curve, step_s=60).frac


def test_x1_a_restarted_environment_forgets_its_past_and_the_others_do_not(curves):
    sums = _stream(curves)
    before = sums.sharpe_ratio(periods_per_year=PPY)
    fresh = np.full(5, 500.0)
    sums.restart(np.array([False, True, False, False, True]), fresh)
    assert sums.count.tolist() == [300, 0, 300, 300, 0]
    assert sums.peak[1] == 500.0
    after = sums.sharpe_ratio(periods_per_year=PPY)
    assert np.isnan(after[[1, 4]]).all()
    assert np.array_equal(after[[0, 2, 3]], before[[0, 2, 3]])


def test_x1_what_has_no_value_is_nan_and_never_infinite():
    rates = np.linspace(0.0, 0.05, 200)
    sums = _stream(1000.0 * (1.0 + rates) ** np.arange(300)[:, None])
    assert np.isnan(sums.sharpe_ratio(periods_per_year=PPY)).all()
    assert np.isnan(sums.sortino_ratio(periods_per_year=PPY)).all()
    assert (sums.max_drawdown_frac == 0.0).all()


def test_x1_fewer_than_two_steps_have_no_volatility_and_no_ratio():
    sums = StreamingEquity.start(np.array([1.0]))
    for _ in range(2):
        assert np.isnan(sums.volatility(periods_per_year=PPY)).all()
        assert np.isnan(sums.sharpe_ratio(periods_per_year=PPY)).all()
        assert np.isnan(sums.sortino_ratio(periods_per_year=PPY)).all()
        sums.update(np.array([1.0]), np.array([0.9]))


def test_x3_in_a_stream_the_loss_of_the_first_step_counts():
    sums = StreamingEquity.start(np.array([100.0, 100.0]))
    sums.update(np.array([100.0, 100.0]), np.array([75.0, -5.0]))
    assert sums.max_drawdown_frac.tolist() == [0.25, 1.0]


def test_the_start_does_not_alias_the_callers_array():
    equity = np.array([100.0])
    sums = StreamingEquity.start(equity)
    sums.update(equity, np.array([120.0]))
    assert equity.tolist() == [100.0]


def test_a_balance_of_zero_cannot_be_started_from():
    with pytest.raises(ConfigError, match=r"above 0 at the start; was 0\.0"):
        StreamingEquity.start(np.array([100.0, 0.0]))
