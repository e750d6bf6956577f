"""Drawdowns: hand computations and properties (semantics X3)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.metrics import drawdown_series, max_drawdown

CURVES = st.lists(st.floats(-1e6, 1e6), max_size=40).map(lambda tail: np.array([100.0, *tail]))


def test_x3_a_loss_of_the_first_step_counts():
    fall = max_drawdown([100.0, 80.0, 90.0], step_s=60)
    assert fall.frac == pytest.approx(0.2, rel=1e-15)
    assert (fall.peak, fall.trough, fall.recovery) == (0, 1, None)


def test_x3_the_duration_runs_from_the_last_moment_at_the_peak_to_its_recovery():
    #              0      1      2      3     4      5      6
    equity = [100.0, 120.0, 120.0, 90.0, 96.0, 120.0, 130.0]
    fall = max_drawdown(equity, step_s=10)
    assert (fall.peak, fall.trough, fall.recovery) == (2, 3, 5)
    assert fall.frac == pytest.approx(0.25, rel=1e-15)
    assert fall.duration_s == 30.0


def test_x3_a_drawdown_that_never_recovers_lasts_to_the_end():
    fall = max_drawdown([100.0, 110.0, 55.0, 60.0, 109.0], step_s=3600)
    assert fall.recovery is None
    assert fall.duration_s == 3 * 3600


def test_x3_the_duration_is_of_the_deepest_fall_and_the_longest_is_told_beside_it():
    equity = [100.0, 50.0, 100.0, 99.0, 98.0, 99.0, 100.0]
    fall = max_drawdown(equity, step_s=1)
    assert fall.duration_s == 2.0
    assert fall.longest_s == 4.0


def test_x3_of_two_falls_of_one_depth_the_first_is_told():
    fall = max_drawdown([100.0, 50.0, 100.0, 50.0, 60.0], step_s=1)
    assert (fall.peak, fall.trough, fall.recovery) == (0, 1, 2)


def test_s4_20_the_largest_fall_in_money_need_not_be_the_deepest_fall():
    fall = max_drawdown([100.0, 50.0, 1000.0, 900.0], step_s=1)
    assert fall.frac == 0.5
    assert fall.money == 100.0


@pytest.mark.parametrize("equity", [[100.0], [100.0, 100.0], [100.0, 101.0, 150.0]])
def test_x3_a_curve_that_never_falls_has_a_drawdown_of_zero_that_lasts_no_time(equity):
    fall = max_drawdown(equity, step_s=60)
    assert (fall.frac, fall.money, fall.duration_s, fall.longest_s) == (0.0, 0.0, 0.0, 0.0)
    assert fall.peak == fall.trough
    assert fall.recovery is None


def test_x3_an_equity_below_zero_is_a_drawdown_of_one():
    fall = max_drawdown([100.0, -20.0], step_s=60)
    assert fall.frac == 1.0
    assert fall.money == 120.0


@given(CURVES)
@settings(deadline=None)
def test_x3_a_drawdown_is_between_zero_and_one_and_as_a_loop_would_find_it(equity):
    fall = max_drawdown(equity, step_s=2.0)
    peak = equity[0]
    deepest, below, longest = 0.0, 0, 0
    for value in equity:
        peak = max(peak, value)
        deepest = max(deepest, min(1.0, 1.0 - value / peak))
        recovers = value >= peak and below > 0
        below = 0 if value >= peak and not recovers else below + 1
        longest = max(longest, below)
        below = 0 if recovers else below
    assert fall.longest_s == 2.0 * longest
    assert fall.frac == deepest
    assert 0.0 <= fall.frac <= 1.0
    assert 0.0 <= fall.duration_s <= fall.longest_s <= 2.0 * (equity.size - 1)


@given(CURVES, st.integers(-20, 20))
@settings(deadline=None)
def test_x3_a_drawdown_does_not_depend_on_the_currency_unit(equity, power):
    assert np.array_equal(drawdown_series(equity), drawdown_series(equity * 2.0**power))


@pytest.mark.parametrize(
    ("equity", "words"),
    [
        ([], "at least 1 values"),
        ([0.0, 1.0], "starting balance"),
        ([100.0, float("nan")], "was nan at index 1"),
        ([[100.0]], "one-dimensional"),
    ],
)
def test_a_curve_that_is_none_is_refused_with_what_is_wrong(equity, words):
    with pytest.raises(ConfigError, match=words):
        drawdown_series(equity)
