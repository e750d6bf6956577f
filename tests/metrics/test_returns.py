"""Ratios of returns: hand computations, properties and what is undefined (semantics X2)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.metrics import (
    Undefined,
    cvar_95,
    excess_kurtosis,
    omega_ratio,
    sharpe_ratio,
    simple_returns,
    skewness,
    sortino_ratio,
    value_at_risk_95,
    volatility,
)

RATIOS = (sharpe_ratio, sortino_ratio, omega_ratio, skewness, excess_kurtosis)
RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=40).map(np.array)
CURVES = st.lists(st.floats(1.0, 1e6), min_size=3, max_size=40).map(np.array)


def test_x2_sharpe_is_mean_over_sample_deviation_times_the_root_of_periods():
    # Mean 0.01; squares of the deviations 0.0004, 0.0004, 0: variance 0.0008 / 2 = 0.0004.
    assert sharpe_ratio([0.03, -0.01, 0.01], periods_per_year=4) == pytest.approx(1.0, rel=1e-14)
    assert volatility([0.03, -0.01, 0.01], periods_per_year=4) == pytest.approx(0.04, rel=1e-14)


def test_x2_sortino_divides_by_the_downside_over_all_steps():
    # One loss of 0.02 in four steps: sqrt(0.0004 / 4) = 0.01; mean 0.005.
    r = [0.02, 0.0, 0.02, -0.02]
    assert sortino_ratio(r) == pytest.approx(0.5, rel=1e-14)


def test_x2_omega_is_gains_over_losses():
    assert omega_ratio([0.03, -0.01, -0.01]) == pytest.approx(1.5, rel=1e-14)
    assert omega_ratio([0.03, -0.01, -0.01], threshold=0.01) == pytest.approx(0.5, rel=1e-14)


def test_x2_var_and_cvar_are_of_the_returns_as_they_were():
    r = np.arange(-10.0, 11.0) / 100.0  # 21 returns, so the quantile is the second worst
    assert value_at_risk_95(r) == pytest.approx(-0.09, rel=1e-14)
    assert cvar_95(r) == pytest.approx(-0.095, rel=1e-14)


def test_x2_of_forty_returns_the_tail_is_the_worst_two():
    assert cvar_95(-np.arange(40.0) / 100) == pytest.approx(-0.385, rel=1e-14)


def test_x2_moments_are_of_the_population():
    # Values 0, 0, 0, 1: mean 1/4, m2 = 3/16, m3 = 3/32, m4 = 21/256.
    r = [0.0, 0.0, 0.0, 1.0]
    assert skewness(r) == pytest.approx((3 / 32) / (3 / 16) ** 1.5, rel=1e-14)
    assert excess_kurtosis(r) == pytest.approx((21 / 256) / (3 / 16) ** 2 - 3, rel=1e-14)


@pytest.mark.parametrize("ratio", RATIOS)
def test_x2_one_step_has_no_ratio(ratio):
    assert ratio([0.01]) == Undefined("needs at least 2 steps")


@pytest.mark.parametrize("ratio", [sharpe_ratio, skewness, excess_kurtosis])
@pytest.mark.parametrize("growth", [1.0, 1.001, 0.999])
def test_x2_a_curve_of_one_rate_has_no_sharpe_although_rounding_gives_it_a_deviation(ratio, growth):
    r = simple_returns(10_000.0 * growth ** np.arange(200))
    assert ratio(r) == Undefined("the returns do not vary")


@pytest.mark.parametrize("ratio", [sortino_ratio, omega_ratio])
def test_x2_without_a_loss_sortino_and_omega_are_undefined_and_not_infinite(ratio):
    assert ratio([0.01, 0.02, 0.0]) == Undefined("no step lost")
    assert ratio([0.01, 0.02, -1e-16]) == Undefined("no step lost")


@pytest.mark.parametrize("risk", [value_at_risk_95, cvar_95])
def test_x2_a_tail_of_five_percent_needs_twenty_steps(risk):
    assert isinstance(risk([-0.01] * 19), Undefined)
    assert risk([-0.01] * 20) == pytest.approx(-0.01)


def test_a_return_after_ruin_is_refused():
    with pytest.raises(ConfigError, match="at index 1"):
        simple_returns([100.0, 0.0, 1.0])
    assert simple_returns([100.0, 0.0]).tolist() == [-1.0]


def test_periods_per_year_must_be_above_zero():
    with pytest.raises(ConfigError, match="periods_per_year must be finite and above 0; was 0"):
        sharpe_ratio([0.1, 0.2], periods_per_year=0)


@given(CURVES, st.integers(-30, 30))
@settings(deadline=None)
def test_x2_no_ratio_depends_on_the_currency_unit(equity, power):
    first, second = simple_returns(equity), simple_returns(equity * 2.0**power)
    for ratio in RATIOS:
        assert ratio(first) == ratio(second)


@given(RETURNS, st.integers(-8, 0))
@settings(deadline=None)
def test_x2_sharpe_does_not_depend_on_leverage(r, power):
    first, second = sharpe_ratio(r), sharpe_ratio(r * 2.0**power)
    if not (isinstance(first, Undefined) or isinstance(second, Undefined)):
        assert first == second


@given(RETURNS)
@settings(deadline=None)
def test_x2_every_ratio_is_finite_or_undefined_and_signs_follow_the_mean(r):
    for ratio in RATIOS:
        value = ratio(r)
        assert isinstance(value, Undefined) or math.isfinite(value)
    sharpe = sharpe_ratio(r)
    if not isinstance(sharpe, Undefined):
        assert np.sign(sharpe) == np.sign(r.mean())


@given(st.lists(st.floats(-0.5, 0.5), min_size=20, max_size=200))
@settings(deadline=None)
def test_x2_the_mean_of_the_tail_is_no_better_than_its_quantile(values):
    assert cvar_95(values) <= value_at_risk_95(values) + 1e-12
