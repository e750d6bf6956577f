"""Resampling against a slow, obvious twin, and what it must conserve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market import CandleColumns, CandleSeries, candles_from_rows, ramp_candles
from seq_gym.times import NS_PER_MINUTE, parse_time

FLAT = (7, 7, 7, 7, 0)


@st.composite
def some_rows(draw):
    """Rows of one symbol: missing, carried with zero volume, or traded."""
    rows = []
    for _ in range(draw(st.integers(5, 40))):
        low = draw(st.integers(1, 9))
        opened, close = low + draw(st.integers(0, 5)), low + draw(st.integers(0, 5))
        high = max(opened, close) + draw(st.integers(0, 3))
        volume = draw(st.integers(0, 4))
        traded = (opened, high, low, close, volume)
        rows.append(draw(st.sampled_from([None, FLAT, traded, traded])))
    return rows


def slow_twin(rows, first_minute, size):
    """One bucket after another, in plain Python: time of the bucket -> candle.

    Rows state their volume, so that one without any did not trade, even where none of them did.
    """
    buckets, started = {}, False
    last_whole = (first_minute + len(rows)) // size
    for bucket in range(-(-first_minute // size), last_whole):
        inner = [rows[bucket * size - first_minute + i] for i in range(size)]
        there = [row for row in inner if row is not None]
        traded = [row for row in there if row[4] > 0]
        started = started or (inner[0] is not None and inner[0] in traded)
        if not there or not started:
            continue
        source = traded or [(there[-1][3],) * 4]
        buckets[bucket] = (
            source[0][0],
            max(row[1] for row in source),
            min(row[2] for row in source),
            source[-1][3],
            sum(row[4] for row in there),
        )
    return buckets


@given(rows=some_rows(), first_minute=st.integers(0, 9), size=st.sampled_from([2, 3, 5]))
def test_c7_resampling_agrees_with_a_slow_twin(rows, first_minute, size):
    base = 28_900_020  # a minute of 2024 that 2, 3 and 5 divide
    series = candles_from_rows(rows, start=(base + first_minute) * NS_PER_MINUTE)
    expected = slow_twin(rows, first_minute, size)
    if (first_minute + len(rows)) // size <= -(-first_minute // size):
        with pytest.raises(MarketDataError, match="one whole"):
            series.resample(f"{size}m")
        return
    got = series.resample(f"{size}m")
    shift = got.start_ns // (size * NS_PER_MINUTE) - base // size
    found = {
        row + shift: (
            got.open[row, 0],
            got.high[row, 0],
            got.low[row, 0],
            got.close[row, 0],
            got.volume[row, 0],
        )
        for row in np.flatnonzero(got.valid[:, 0])
    }
    assert found == expected


@given(rows=some_rows(), size=st.sampled_from([2, 5]))
def test_resampling_conserves_volume_and_value_of_whole_buckets(rows, size):
    opening = (10, 12, 9, 11, 5)  # the first bucket begins with a trade, so all buckets stay
    rows = [opening, *rows]
    series = candles_from_rows(rows)
    got = series.resample(f"{size}m")
    used = got.num_candles * size
    assert np.nansum(got.volume) == np.nansum(series.volume[:used])
    assert np.nansum(got.quote_volume) == pytest.approx(np.nansum(series.quote_volume[:used]))


def test_c7_zero_volume_candles_never_supply_open_high_or_low():
    rows = [(10, 11, 9, 10, 1), FLAT, (99, 99, 1, 50, 0), (10, 12, 10, 11, 2), FLAT]
    got = candles_from_rows([*rows, FLAT, *rows[1:]]).resample("5m")
    assert [getattr(got, name)[0, 0] for name in ("open", "high", "low", "close")] == [
        10,
        12,
        9,
        11,
    ]


def test_a_bucket_without_a_trade_is_flat_at_the_last_close():
    got = candles_from_rows([(10, 11, 9, 10, 1), FLAT, FLAT, (8, 9, 7, 8, 0)]).resample("2m")
    assert [got.open[1, 0], got.high[1, 0], got.low[1, 0], got.close[1, 0]] == [8, 8, 8, 8]
    assert got.volume[1, 0] == 0
    assert not got.traded[1, 0]


def test_an_unfinished_last_bucket_and_a_late_first_one_are_left_out():
    got = ramp_candles(num_candles=13, start="2025-01-01T00:03").resample("5m")
    assert got.start_ns == parse_time("2025-01-01T00:05")
    assert got.num_candles == 2
    assert got.close[:, 0].tolist() == [106, 111]


def test_c3_the_open_of_a_symbols_first_bucket_was_there_when_the_bucket_began():
    row = (10, 11, 9, 10, 1)
    late = [None, row, row, row, row, row]
    got = candles_from_rows({"BTCUSDT": [row] * 6, "ETHUSDT": late}).resample("2m")
    assert got.valid[:, 1].tolist() == [False, True, True]


def test_a_bucket_with_missing_inner_candles_forms_from_what_is_there():
    got = candles_from_rows([(10, 11, 9, 10, 1), None, None, (12, 13, 8, 9, 2)]).resample("4m")
    assert [got.open[0, 0], got.high[0, 0], got.low[0, 0], got.close[0, 0]] == [10, 13, 8, 9]


def test_c4_a_coarse_symbol_is_aggregated_once_the_bucket_is_as_long():
    start = parse_time("2025-01-01")

    def table(symbol, minutes, count):
        return CandleColumns(
            symbol=symbol,
            time_ns=start + np.arange(count) * minutes * NS_PER_MINUTE,
            open=np.full(count, 10.0),
            high=np.arange(count) + 11.0,
            low=np.full(count, 9.0),
            close=np.full(count, 10.0),
            volume=np.ones(count),
        )

    series = CandleSeries.from_columns([table("BTCUSDT", 1, 60), table("ETHUSDT", 15, 4)])
    five, fifteen, thirty = (series.resample(f"{n}m") for n in (5, 15, 30))
    assert np.flatnonzero(five.valid[:, 1]).tolist() == [2, 5, 8, 11]
    assert five.span[2, 1] == 3
    assert fifteen.high[:, 1].tolist() == [11, 12, 13, 14]
    assert fifteen.span.max() == 1
    assert thirty.high[:, 1].tolist() == [12, 14]
    assert thirty.volume[:, 1].tolist() == [2, 2]
    with pytest.raises(ConfigError, match="fit the candles of 15m"):
        series.resample("10m")


def test_m5_funding_is_summed_and_a_feature_keeps_its_last_known_value():
    rows = [(10, 11, 9, 10, 1)] * 4
    series = candles_from_rows(rows, funding=[0.5, 0.25, 0, 1])
    got = series.resample("2m")
    assert got.funding[:, 0].tolist() == [0.75, 1]


@pytest.mark.parametrize("interval", ["30s", "7m"])
def test_an_interval_that_is_no_multiple_is_refused(interval):
    with pytest.raises(ConfigError, match="multiple of 5m"):
        ramp_candles(num_candles=10, interval="5m").resample(interval)


@given(rows=some_rows())
def test_resampling_in_one_leap_or_in_two_is_the_same(rows):
    series = candles_from_rows([(10, 12, 9, 11, 5), *rows, *rows, *rows])
    one, two = series.resample("6m"), series.resample("2m").resample("6m")
    for name in ("open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(
            getattr(one, name), getattr(two, name)[: one.num_candles], err_msg=name
        )
