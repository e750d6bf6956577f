"""E2: splits and windows share no candle, and say how many fit."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.market import random_windows, sequential_windows, split_range


@given(
    num_candles=st.integers(10, 5_000),
    shares=st.tuples(*[st.integers(0, 10)] * 3),
    embargo=st.integers(0, 100),
    look_back=st.integers(0, 100),
)
def test_e2_no_split_reads_a_candle_of_another(num_candles, shares, embargo, look_back):
    assume(sum(shares) > 0 and embargo >= look_back)
    fractions = tuple(share / sum(shares) for share in shares)
    smallest = min(share for share in fractions if share > 0)
    assume((num_candles - 3 * embargo) * smallest >= 2)
    splits = split_range(num_candles, fractions, embargo=embargo, look_back=look_back)
    used = [window for window in splits if window.num_steps]
    assert used[-1].end == num_candles
    assert used[0].start >= look_back
    for earlier, later in pairwise(used):
        assert later.start - look_back >= earlier.end


def test_e2_the_shares_are_of_what_the_embargoes_leave():
    splits = split_range(1_030, (0.6, 0.2, 0.2), embargo=10, look_back=10)
    assert splits == ((10, 610), (620, 820), (830, 1_030))


@pytest.mark.parametrize(
    ("fractions", "embargo", "rule"),
    [
        ((0.5, 0.5), 5, "three shares"),
        ((0.5, 0.6, -0.1), 5, "three shares"),
        ((0.5, 0.2, 0.2), 5, "sum to 1"),
        ((0.7, 0.15, 0.15), 4, "embargo must be >= the look-back 5; was 4"),
        ((0.7, 0.15, 0.15), 40, "must hold a candle"),
    ],
)
def test_e2_a_split_that_cannot_be_is_refused(fractions, embargo, rule):
    with pytest.raises(ConfigError, match=rule):
        split_range(100, fractions, embargo=embargo, look_back=5)


@given(
    first=st.integers(0, 50),
    size=st.integers(1, 500),
    length=st.integers(1, 60),
    count=st.integers(1, 40),
    seed=st.integers(0, 2**64 - 1),
)
def test_e2_random_windows_are_disjoint_inside_the_range_and_repeatable(
    first, size, length, count, seed
):
    last = first + size
    assume(count * length <= size)
    windows = random_windows(first, last, length, count, seed)
    assert len(windows) == count
    assert windows == random_windows(first, last, length, count, seed)
    assert windows[0].start >= first
    assert windows[-1].end <= last
    assert all(window.num_steps == length for window in windows)
    assert all(earlier.end <= later.start for earlier, later in pairwise(windows))


def test_e2_more_windows_than_fit_is_an_error_that_says_how_many_do():
    with pytest.raises(ConfigError, match=r"from 1 to 9, .*was 10"):
        random_windows(10, 105, 10, 10, seed=0)


def test_every_placement_of_random_windows_is_equally_likely():
    drawn = [tuple(random_windows(0, 5, 2, 2, seed)) for seed in range(3_000)]
    placements, counts = np.unique(
        [[w.start for w in d] for d in drawn], axis=0, return_counts=True
    )
    assert placements.tolist() == [[0, 2], [0, 3], [1, 3]]
    assert counts.min() > 900


def test_seeds_and_streams_give_other_windows():
    drawn = {
        tuple(random_windows(0, 10_000, 10, 20, seed, stream=stream))
        for seed in range(3)
        for stream in range(2)
    }
    assert len(drawn) == 6


def test_sequential_windows_stand_side_by_side():
    assert sequential_windows(5, 40, 10) == [(5, 15), (15, 25), (25, 35)]
    with pytest.raises(ConfigError, match="from 1 to 9 candles"):
        sequential_windows(0, 9, 10)
