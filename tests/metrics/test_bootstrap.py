"""Bootstrap intervals (semantics X6)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.metrics import (
    bootstrap,
    bootstrap_interval,
    interquartile_mean,
    paired_difference,
)

GOLDEN = [8, 8, 4, 4, 9, 7, 1, 8, 2, 3, 3, 5]
SKEWED = np.random.default_rng(5).lognormal(0.0, 0.8, 40)


def test_the_same_seed_gives_the_same_interval_to_the_byte_and_another_seed_does_not():
    first = bootstrap_interval(SKEWED, seed=3)
    assert repr(first) == repr(bootstrap_interval(SKEWED.copy(), seed=3))
    assert first.low != bootstrap_interval(SKEWED, seed=4).low


def test_the_draws_of_a_seed_are_pinned():
    first = bootstrap._replicas(np.arange(10.0), 7, lambda s: s[..., 0], 12, 1)
    assert first.astype(int).tolist() == GOLDEN


def test_the_interval_does_not_depend_on_how_the_resamples_are_chunked(monkeypatch):
    whole = bootstrap_interval(SKEWED, seed=1)
    monkeypatch.setattr(bootstrap, "_CHUNK_DRAWS", 999)
    assert bootstrap_interval(SKEWED, seed=1) == whole


def test_every_value_is_drawn_equally_often():
    stream = bootstrap._replicas(np.arange(7.0), 9, lambda s: s[..., 0], 70_000, 1)
    counts = np.bincount(stream.astype(int), minlength=7)
    assert np.abs(counts - 10_000).max() < 500  # five deviations of sqrt(70000 / 7 x 6 / 7)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_x6_scipy_agrees_within_the_noise_of_the_resampling(method):
    stats = pytest.importorskip("scipy.stats", reason="an oracle of the dev extra")
    theirs = stats.bootstrap(
        (SKEWED,),
        np.mean,
        method={"bca": "BCa"}.get(method, method),
        n_resamples=40_000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    ours = bootstrap_interval(SKEWED, seed=0, method=method, num_resamples=40_000)
    width = theirs.high - theirs.low
    assert ours.low == pytest.approx(theirs.low, abs=0.02 * width)
    assert ours.high == pytest.approx(theirs.high, abs=0.02 * width)


def test_x6_an_interval_of_95_percent_covers_the_truth_about_95_times_in_100():
    draws = np.random.default_rng(8).normal(1.0, 2.0, (400, 30))
    hits = 0
    for k, sample in enumerate(draws):
        interval = bootstrap_interval(sample, seed=k, num_resamples=500)
        hits += interval.low <= 1.0 <= interval.high
    assert 0.90 <= hits / 400 <= 0.98


def test_x6_a_bca_interval_leans_to_the_side_of_the_long_tail():
    bca = bootstrap_interval(SKEWED, seed=1)
    plain = bootstrap_interval(SKEWED, seed=1, method="percentile")
    assert bca.high > plain.high
    assert bca.low > plain.low


def test_x6_resamples_that_tie_with_the_estimate_lean_to_neither_side():
    interval = bootstrap_interval([0.0, 1.0] * 6, seed=0, num_resamples=40_000)
    plain = bootstrap_interval([0.0, 1.0] * 6, seed=0, num_resamples=40_000, method="percentile")
    assert (interval.low, interval.high) == (plain.low, plain.high)
    assert interval.low + interval.high == pytest.approx(1.0)


def test_x6_a_block_is_drawn_with_its_neighbours_and_runs_round_the_end():
    steps = bootstrap._replicas(np.arange(10.0), 3, lambda s: s[..., 1] - s[..., 0], 500, 2)
    assert set(steps) == {1.0, -9.0}


def test_x6_blocks_keep_the_dependence_of_neighbours_and_widen_the_interval():
    noise = np.random.default_rng(3).normal(size=600)
    smooth = np.convolve(noise, np.ones(12) / 12, mode="valid")
    single = bootstrap_interval(smooth, seed=1, method="percentile")
    block = bootstrap_interval(smooth, seed=1, method="percentile", block_length=24)
    assert block.high - block.low > 2.0 * (single.high - single.low)


def test_x6_one_episode_has_an_estimate_and_no_interval():
    interval = bootstrap_interval([3.0], seed=0)
    assert (interval.estimate, interval.low, interval.high) == (3.0, None, None)
    assert interval.undefined == "one value says nothing of its spread"


def test_x6_equal_episodes_have_an_interval_of_no_width():
    interval = bootstrap_interval([0.1] * 9, seed=0)
    assert interval.low == pytest.approx(0.1, rel=1e-14)
    assert interval.high == pytest.approx(0.1, rel=1e-14)


def test_the_interquartile_mean_leaves_a_quarter_off_either_end():
    assert interquartile_mean(np.array([9.0, 1.0, 2.0, -50.0])) == 1.5
    rows = interquartile_mean(np.array([[0.0, 1.0, 2.0, 100.0], [4.0, 4.0, 4.0, 4.0]]))
    assert rows.tolist() == [1.5, 4.0]


def test_x6_pairing_sees_a_small_difference_that_the_windows_would_hide():
    windows = np.random.default_rng(1).normal(0.0, 10.0, 50)
    noise = np.random.default_rng(2).normal(0.0, 0.1, 50)
    paired = paired_difference(windows + 0.2 + noise, windows, seed=0)
    assert paired.difference.low > 0.1
    assert paired.difference.estimate == pytest.approx(0.2 + noise.mean())
    assert paired.better_frac > 0.9
    alone = bootstrap_interval(windows, seed=0)
    assert alone.high - alone.low > 4.0


def test_x6_equal_windows_count_half_for_either_agent():
    assert paired_difference([1.0, 2.0, 3.0], [1.0, 1.0, 9.0], seed=0).better_frac == 0.5


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.integers(0, 2**64 - 1))
@settings(deadline=None, max_examples=40)
def test_x6_a_paired_difference_changes_sign_with_its_sides(values, seed):
    a = np.array(values)
    b = a[::-1].copy()
    left = paired_difference(a, b, seed=seed, num_resamples=100, method="percentile")
    right = paired_difference(b, a, seed=seed, num_resamples=100, method="percentile")
    assert left.difference.low == pytest.approx(-right.difference.high, rel=1e-9, abs=1e-9)
    assert left.better_frac + right.better_frac == 1.0


def test_x6_other_windows_are_no_pairs():
    a, b = [1.0, 2.0], [1.0, 3.0]
    paired_difference(a, b, seed=0, windows_a=[10, 20], windows_b=[10, 20])
    for windows in ({"windows_a": [10, 20], "windows_b": [20, 10]}, {"windows_a": [10, 20]}):
        with pytest.raises(ConfigError, match="same windows in the same order"):
            paired_difference(a, b, seed=0, **windows)
    with pytest.raises(ConfigError, match="of one length; were 2 and 3"):
        paired_difference(a, [1.0, 2.0, 3.0], seed=0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seed": -1}, "seed must be"),
        ({"seed": True}, "seed must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"seed": 0, "confidence": 95}, "write 0.95, not 95"),
        ({"seed": 0, "num_resamples": 10}, "at least 100; was 10"),
        ({"seed": 0, "block_length": 4}, r"in 1\.\.3"),
        ({"seed": 0, "block_length": 2}, "must be 'percentile' for block_length 2"),
    ],
)
def test_arguments_outside_their_range_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        bootstrap_interval([1.0, 2.0, 3.0], **arguments)


def test_an_unknown_method_is_refused_with_the_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'percentile'"):
        bootstrap_interval([1.0, 2.0], seed=0, method="percentiles")
