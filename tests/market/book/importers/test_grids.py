"""Decimal text to ticks and lots: exact, or refused with the fix; and the words of times."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.book.decimals import MAX_COUNT, Step, counts_of, step_of
from seq_gym.market.book.importers.grids import (
    counts,
    refusal,
    scaled,
    smallest_step,
    texts_of_floats,
)
from seq_gym.market.book.importers.values import (
    ns_of_iso,
    ns_of_ms,
    ns_of_seconds,
    side_of,
    whole,
)

REFUSE = refusal(lambda row: f"file line {row + 1}")
STEPS = ["0.1", "0.01", "0.5", "0.25", "5", "1", "10", "0.00000001", "0.0005", "2.5"]


@given(st.sampled_from(STEPS), st.lists(st.integers(0, 2**31 - 2), min_size=1, max_size=20))
def test_decimals_become_the_steps_that_they_are_and_come_back_as_their_doubles(step, ticks):
    texts = [format(tick * Decimal(step), "f") for tick in ticks]
    values = scaled(texts, "price", REFUSE)
    assert counts(values, step, "price", REFUSE).tolist() == ticks
    assert step_of(step).times(np.array(ticks)).tolist() == [float(text) for text in texts]
    floats = np.array([float(text) for text in texts])
    found, fits = counts_of(floats, step_of(step))
    assert fits.all()
    assert found.tolist() == ticks


@given(st.lists(st.decimals(0, 10**6, places=4), min_size=1, max_size=20))
def test_the_smallest_step_seen_fits_all_and_no_coarser_decimal_one_does(decimals):
    values = scaled([format(each, "f") for each in decimals], "size", REFUSE)
    step = smallest_step(values)
    assert counts(values, step, "size", REFUSE).min() >= 0
    if values.decimals:
        with pytest.raises(MarketDataError):
            counts(values, str(Decimal(step) * 10), "size", REFUSE)


def test_unusual_spellings_are_the_decimals_that_they_mean():
    texts = ["1e-7", "2E+3", "007.50", "10", "0.0", "+5", " 1.5"]
    values = scaled(texts, "price", REFUSE)
    found = [Decimal(int(n)).scaleb(-values.decimals) for n in values.numbers]
    assert found == [Decimal(text.strip()) for text in texts]
    assert scaled([1, "2.50"], "price", REFUSE).numbers.tolist() == [10, 25]


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "-1", "-0.5", "", "x", "1,5", "1.2.3", "1e99", "True"]
)
def test_what_is_no_finite_decimal_is_refused_with_its_place(text):
    with pytest.raises(MarketDataError, match="file line 2: price must be a finite number"):
        scaled(["1", text], "price", REFUSE)


@pytest.mark.parametrize(
    ("texts", "step", "said"),
    [
        (["1", "1.05"], "0.1", "a multiple of the tick 0.1; was 1.05. State another .tick=0.01"),
        (["0.5", "0.6"], "0.25", "a multiple of the tick 0.25; was 0.6"),
        (["1", "100000000000"], "0.00001", r"below 2\*\*53 steps"),
        (["1", "0.0000000000000000001"], "1", "at most 18 decimals"),
        (["0.1", "999999999999999999"], "1", "fit 18 digits"),
    ],
)
def test_what_is_off_the_grid_or_cannot_be_exact_is_refused(texts, step, said):
    with pytest.raises(MarketDataError, match=f"file line 2: price must .*{said}"):
        counts(scaled(texts, "price", REFUSE), step, "price", REFUSE)


def test_floats_of_other_software_are_near_a_step_or_off_the_grid():
    found, fits = counts_of(np.array([0.1 + 0.2, 0.35, np.nan, np.inf, 2.0**60]), Step(1, 10))
    assert fits.tolist() == [True, False, False, False, False]
    assert found.tolist() == [3, 0, 0, 0, 0]
    assert texts_of_floats(np.array([0.1 + 0.2, 1e-8])).to_list() == ["0.3", "1e-08"]


@pytest.mark.parametrize("step", [0, -0.1, float("nan"), float("inf"), "x", ""])
def test_a_step_is_finite_and_above_zero(step):
    with pytest.raises(ConfigError, match="tick must be finite and > 0"):
        step_of(step, "tick")


def test_times_are_exact_to_the_nanosecond():
    assert ns_of_seconds("1786310819.8690561") == 1_786_310_819_869_056_100
    assert ns_of_seconds(1_786_310_819) == 1_786_310_819_000_000_000
    assert ns_of_ms(1_786_310_819_001) == 1_786_310_819_001_000_000
    for text, ns in {
        "2026-08-09T21:05:48.483587501Z": 1_786_309_548_483_587_501,
        "2026-08-09T21:05:48.5Z": 1_786_309_548_500_000_000,
        "2026-08-09T21:05:48Z": 1_786_309_548_000_000_000,
        "2026-08-10T00:05:48.000001+03:00": 1_786_309_548_000_001_000,
    }.items():
        assert ns_of_iso(text) == ns


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (ns_of_seconds, "1e9"),
        (ns_of_seconds, "1786310819.5x"),
        (ns_of_seconds, None),
        (ns_of_ms, 1_786_310_819_001_000),
        (ns_of_ms, True),
        (ns_of_ms, "9" * 30),
        (ns_of_iso, "2026-08-09T21:05:48"),
        (ns_of_iso, "2026-08-09T21:05:48.5"),
        (ns_of_iso, "1026-08-09T21:05:48Z"),
        (whole, -1),
        (whole, 1 << 63),
        (whole, "1.0"),
        (lambda value: side_of(value, "bid", "offer"), "ask"),
    ],
)
def test_what_is_no_time_number_or_side_raises(read, value):
    with pytest.raises(ValueError, match=r"must|Invalid"):
        read(value)


def test_max_count_is_what_float64_counts_exactly():
    assert float(MAX_COUNT) == MAX_COUNT
    assert float(MAX_COUNT + 2) != MAX_COUNT + 2
