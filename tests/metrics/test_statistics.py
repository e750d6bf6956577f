"""Sharpe ratios against luck: the papers' own numbers, and properties (semantics X2, X6)."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.metrics import (
    ReturnMoments,
    Undefined,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    generalisation_gap,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    return_moments,
)

# Bailey and Lopez de Prado (2014), the example: annual Sharpe 2.5 over 5 years of 250 days, the
# variance of the trials' annual Sharpe ratios 1/2.
SHARPE = 2.5 / math.sqrt(250)
TRIALS_STD = math.sqrt(0.5 / 250)
FOUND = ReturnMoments(num_returns=1250, sharpe=SHARPE, skew=-3.0, kurtosis=10.0)
NORMAL = ReturnMoments(num_returns=1250, sharpe=SHARPE)


def _trials(count):
    """Sharpe ratios of `count` trials with exactly the standard deviation of the paper."""
    raw = np.linspace(-1.0, 1.0, count)
    return raw / raw.std(ddof=1) * TRIALS_STD


def test_x2_the_papers_example_of_a_hundred_trials():
    found = deflated_sharpe_ratio(FOUND, _trials(100))
    assert found.benchmark_sharpe == pytest.approx(0.1132, abs=5e-5)
    assert found.probability == pytest.approx(0.9004, abs=5e-5)
    assert (found.num_trials, found.undefined) == (100, None)


def test_x2_the_papers_example_of_46_trials_and_of_88_with_normal_returns():
    assert deflated_sharpe_ratio(FOUND, _trials(46)).probability == pytest.approx(0.9505, abs=5e-5)
    normal = deflated_sharpe_ratio(NORMAL, _trials(88))
    assert normal.probability == pytest.approx(0.9505, abs=5e-5)


def test_x2_fewer_independent_trials_than_candidates_deflate_less():
    all_of_them = deflated_sharpe_ratio(FOUND, _trials(100))
    effective = deflated_sharpe_ratio(FOUND, _trials(100), num_trials=12.5)
    assert effective.num_trials == 12.5
    assert effective.probability > all_of_them.probability


def test_x2_one_trial_is_not_deflated():
    alone = deflated_sharpe_ratio(FOUND, [SHARPE])
    assert alone.benchmark_sharpe == 0.0
    assert alone.probability == probabilistic_sharpe_ratio(FOUND)


def test_x2_without_moments_the_deflated_sharpe_ratio_says_why():
    flat = deflated_sharpe_ratio(return_moments([0.01] * 50), _trials(10))
    assert (flat.probability, flat.undefined) == (None, "the returns do not vary")


def test_x2_the_probability_by_hand():
    # SR 0.2, normal: sqrt(1 + 0.5 x 0.04) = sqrt(1.02); 0.2 x sqrt(100) / sqrt(1.02) = 1.98030.
    value = probabilistic_sharpe_ratio(ReturnMoments(num_returns=101, sharpe=0.2))
    assert value == pytest.approx(0.5 * math.erfc(-2.0 / math.sqrt(1.02) / math.sqrt(2.0)))


def test_x2_at_the_minimum_track_record_length_the_probability_is_the_confidence():
    length = minimum_track_record_length(FOUND, benchmark=0.05, confidence=0.9)
    variance = 1 + 3 * SHARPE + 9 / 4 * SHARPE**2
    z = (SHARPE - 0.05) * math.sqrt(length - 1) / math.sqrt(variance)
    assert 0.5 * math.erfc(-z / math.sqrt(2)) == pytest.approx(0.9, rel=1e-12)


def test_x2_the_papers_track_record_of_two_years_and_three_quarters():
    # Bailey and Lopez de Prado (2012): an annual Sharpe of 2 against 1, daily normal returns, takes
    # 2.73 years at 95 %.
    daily = ReturnMoments(num_returns=250, sharpe=2 / math.sqrt(250))
    length = minimum_track_record_length(daily, benchmark=1 / math.sqrt(250))
    assert length / 250 == pytest.approx(2.73, abs=0.005)


def test_x2_no_track_record_is_long_enough_for_a_sharpe_below_its_benchmark():
    assert minimum_track_record_length(FOUND, benchmark=SHARPE) == Undefined(
        "the Sharpe ratio is not above the benchmark"
    )


@pytest.mark.parametrize("count", [2, 5, 50])
def test_x2_the_expected_maximum_is_near_that_of_simulated_trials(count):
    draws = np.random.default_rng(4).normal(0.0, 0.1, (20_000, count)).max(axis=1).mean()
    assert expected_maximum_sharpe(num_trials=count, sharpe_std=0.1) == pytest.approx(
        draws, rel=0.1
    )


def test_x2_moments_are_those_of_the_returns():
    moments = return_moments([0.03, -0.01, 0.01])
    assert moments == ReturnMoments(
        num_returns=3,
        sharpe=pytest.approx(0.5),
        skew=pytest.approx(0.0, abs=1e-12),
        kurtosis=pytest.approx(1.5),
    )
    assert return_moments([0.1, 0.2]) == Undefined("needs at least 3 steps")


def test_x2_moments_that_belong_to_no_distribution_have_no_probability():
    odd = ReturnMoments(num_returns=100, sharpe=0.5, skew=5.0, kurtosis=3.0)
    assert isinstance(probabilistic_sharpe_ratio(odd), Undefined)


@given(
    st.floats(-1.0, 1.0),
    st.floats(-0.5, 0.5),
    st.integers(3, 10_000),
    st.floats(-1.0, 1.0),
    st.floats(0.0, 5.0),
)
@settings(deadline=None)
def test_x2_the_probability_falls_with_the_benchmark_and_a_longer_record_sharpens_it(
    sharpe, benchmark, num_returns, skew, more_kurtosis
):
    kurtosis = 1.0 + skew**2 + more_kurtosis + 1.0
    short = ReturnMoments(num_returns=num_returns, sharpe=sharpe, skew=skew, kurtosis=kurtosis)
    long = ReturnMoments(num_returns=2 * num_returns, sharpe=sharpe, skew=skew, kurtosis=kurtosis)
    value = probabilistic_sharpe_ratio(short, benchmark=benchmark)
    assert 0.0 <= value <= 1.0
    assert probabilistic_sharpe_ratio(short, benchmark=benchmark + 0.1) <= value
    sharper = probabilistic_sharpe_ratio(long, benchmark=benchmark)
    assert abs(sharper - 0.5) >= abs(value - 0.5) - 1e-12


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.floats(0.0, 1.0))
@settings(deadline=None)
def test_x2_more_trials_raise_the_benchmark(count, more, std):
    fewer = expected_maximum_sharpe(num_trials=count, sharpe_std=std)
    assert 0.0 <= fewer <= expected_maximum_sharpe(num_trials=count + more, sharpe_std=std)


def test_s4_32_the_generalisation_gap():
    assert generalisation_gap(10.0, 8.0) == pytest.approx(0.2)
    assert generalisation_gap(8.0, 10.0) == pytest.approx(0.2)
    assert generalisation_gap(10.0, -5.0) == pytest.approx(1.5)
    assert generalisation_gap(-1.0, 0.0) == Undefined("neither score is above 0")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: expected_maximum_sharpe(num_trials=0, sharpe_std=1.0), "num_trials must be 1"),
        (lambda: expected_maximum_sharpe(num_trials=2, sharpe_std=-1.0), "sharpe_std must be 0"),
        (lambda: deflated_sharpe_ratio(FOUND, []), "trial_sharpes must hold at least 1"),
        (lambda: minimum_track_record_length(FOUND, confidence=0.5), "must be above 0.5"),
        (lambda: minimum_track_record_length(FOUND, confidence=95), "write 0.95, not 95"),
    ],
)
def test_arguments_outside_their_range_are_refused(call, words):
    with pytest.raises(ConfigError, match=words):
        call()
