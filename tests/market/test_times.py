"""C1 and C8: instants, dates and intervals."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.times import (
    NS_PER_DAY,
    NS_PER_S,
    format_interval,
    format_time,
    parse_interval,
    parse_time,
)

JUNE = 1_748_736_000 * NS_PER_S


@pytest.mark.parametrize(
    "value",
    [
        "2025-06-01",
        "2025-06-01T00:00",
        "2025-06-01 00:00:00",
        "2025-06-01T00:00:00Z",
        "2025-06-01T02:00:00+02:00",
        "2025-06-01T02:00:00.000+0200",
        dt.date(2025, 6, 1),
        dt.datetime(2025, 6, 1),  # noqa: DTZ001 (naive is UTC: that is the rule)
        dt.datetime(2025, 6, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        np.datetime64("2025-06-01"),
        np.datetime64("2025-06-01T00:00", "m"),
        pd.Timestamp("2025-06-01", tz="UTC"),
        JUNE,
        np.int64(JUNE),
    ],
)
def test_c1_every_way_to_write_an_instant_means_the_same_nanosecond(value):
    assert parse_time(value) == JUNE


@pytest.mark.parametrize(
    "value", ["2025-06-01", dt.date(2025, 6, 1), np.datetime64("2025-06-01", "D")]
)
def test_c8_a_date_as_an_end_includes_that_whole_day(value):
    assert parse_time(value, end=True) == JUNE + NS_PER_DAY


def test_c8_an_instant_as_an_end_is_exact():
    assert parse_time("2025-06-01T00:00", end=True) == JUNE


@given(st.integers(min_value=0, max_value=4 * 10**18))
def test_an_instant_survives_being_written_and_read(ns):
    assert parse_time(format_time(ns)) == ns


def test_a_fraction_is_written_only_where_there_is_one():
    assert format_time(JUNE) == "2025-06-01T00:00:00Z"
    assert format_time(JUNE + 1_500_000) == "2025-06-01T00:00:00.0015Z"


@pytest.mark.parametrize(
    "value",
    ["June", "2025-13-01", "2025-02-30", "2025-06-01T25:00", "", True, None, 1.748e9, 0.5],
)
def test_what_is_no_instant_is_refused_with_what_was_written(value):
    with pytest.raises(ConfigError, match=r"must be .*; was "):
        parse_time(value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("1m", 60), ("90m", 5400), ("4h", 14400), ("1d", 86400)]
)
def test_an_interval_is_a_count_and_a_unit(text, seconds):
    assert parse_interval(text) == seconds * NS_PER_S
    assert parse_interval(dt.timedelta(seconds=seconds)) == seconds * NS_PER_S
    assert parse_interval(np.timedelta64(seconds, "s")) == seconds * NS_PER_S
    assert parse_interval(format_interval(seconds * NS_PER_S)) == seconds * NS_PER_S


@pytest.mark.parametrize(
    "value",
    [
        *("1M", "1w", "m", "0m", "-1m", "", 0, -5, 1.5, True),
        *(np.timedelta64(count, unit) for count, unit in ((1, "M"), ("NaT", "s"), (-1, "s"))),
        np.timedelta64(3),
    ],
)
def test_what_is_no_interval_is_refused_with_the_units(value):
    with pytest.raises(ConfigError, match="units d, h, m, s"):
        parse_interval(value)
