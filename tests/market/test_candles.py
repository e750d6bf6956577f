"""CandleSeries: what it refuses, what it finds, and that nobody can change it."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import (
    CandleColumns,
    CandleSeries,
    FundingRates,
    Instrument,
    candles_from_rows,
    ramp_candles,
)
from seq_gym.times import NS_PER_HOUR, NS_PER_MINUTE, parse_time

START = parse_time("2025-01-01")
ROW = (10.0, 12.0, 9.0, 11.0, 5.0)
FIELDS = ("open", "high", "low", "close", "volume", "quote_volume")


def table(rows, minutes=None, symbol="BTCUSDT", length=1, **more):
    cells = np.array(rows, dtype=np.float64)
    minutes = np.arange(len(rows)) * length if minutes is None else np.array(minutes)
    return CandleColumns(
        symbol=symbol,
        time_ns=START + minutes.astype(np.int64) * NS_PER_MINUTE,
        open=cells[:, 0],
        high=cells[:, 1],
        low=cells[:, 2],
        close=cells[:, 3],
        volume=cells[:, 4],
        **more,
    )


# ---------------------------------------------------------------------- C7: what is refused


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ((10, 12, 10.5, 11, 1), "low must be <= min"),
        ((10, 10.5, 9, 11, 1), "high must be >= max"),
        ((0, 12, 0, 11, 1), "open must be finite and > 0"),
        ((10, np.inf, 9, 11, 1), "high must be finite and > 0"),
        ((10, 12, 9, np.nan, 1), "close must be finite and > 0"),
        ((10, 12, -1, 11, 1), "low must be finite and > 0"),
        ((10, 12, 9, 11, -1), "volume must be finite and >= 0"),
        ((10, 12, 9, 11, np.nan), "volume must be finite and >= 0"),
    ],
)
def test_c7_a_bad_row_is_named_with_source_symbol_row_time_and_values(row, rule):
    with pytest.raises(MarketDataError) as caught:
        CandleSeries.from_columns(table([ROW, ROW, row], source="mine.csv"))
    assert rule in str(caught.value)
    assert "mine.csv, BTCUSDT, row 2, 2025-01-01T00:02:00Z" in str(caught.value)


def test_c7_columns_in_the_order_open_close_high_low_are_recognised():
    with pytest.raises(MarketDataError, match="read as open, close, high, low"):
        CandleSeries.from_columns(table([(10, 11, 12, 9, 1), (11, 10, 12, 9, 1)]))


def test_c7_identical_duplicates_are_merged():
    series = CandleSeries.from_columns(table([ROW, ROW, ROW], minutes=[0, 1, 1]))
    assert series.num_candles == 2


def test_c7_the_first_of_conflicting_rows_is_named():
    other = (10.0, 12.0, 9.0, 11.5, 5.0)
    rows = [ROW, ROW, ROW, other, (10.5, *ROW[1:])]
    with pytest.raises(MarketDataError, match=r"row 1, 2025-01-01T00:01:00Z.*row 3.*close 11\.5"):
        CandleSeries.from_columns(table(rows, minutes=[0, 1, 2, 1, 2]))


def test_c7_tables_of_one_symbol_join_and_conflicts_name_both_sources():
    first, second = table([ROW, ROW], source="a"), table([ROW, ROW], [1, 2], source="b")
    assert CandleSeries.from_columns([second, first]).num_candles == 3
    different = table([(10, 12, 9, 10.5, 5), ROW], [1, 2], source="b")
    with pytest.raises(MarketDataError, match=r"row 1, .*again in .*row 0"):
        CandleSeries.from_columns([first, different])


def test_rows_in_any_order_are_sorted():
    rows = [(float(i), i + 1.0, i - 0.5, float(i), 1.0) for i in (3, 1, 2)]
    series = CandleSeries.from_columns(table(rows, minutes=[2, 0, 1]))
    assert series.open[:, 0].tolist() == [1, 2, 3]


def test_c7_an_open_time_off_the_utc_grid_is_refused():
    wrong = table([ROW, ROW])
    with pytest.raises(MarketDataError, match="multiple of the interval 1m"):
        CandleSeries.from_columns(replace(wrong, time_ns=wrong.time_ns + 1))


def test_c7_the_interval_is_the_mode_of_the_differences():
    series = CandleSeries.from_columns(table([ROW] * 4, minutes=[0, 5, 10, 60]))
    assert series.interval == "5m"
    assert series.num_candles == 13


def test_a_single_candle_needs_its_interval_said():
    with pytest.raises(MarketDataError, match="interval="):
        CandleSeries.from_columns(table([ROW]))
    assert CandleSeries.from_columns(table([ROW]), interval="1m").num_candles == 1


def test_a_series_cannot_be_built_around_the_rules():
    good = ramp_candles(num_candles=3)
    with pytest.raises(MarketDataError, match="high must be"):
        replace(good, high=good.high - 1)
    with pytest.raises(MarketDataError, match="multiple of the interval"):
        replace(good, start_ns=good.start_ns + 1)
    with pytest.raises(ConfigError, match="close must have shape"):
        replace(good, close=good.close[:2])
    with pytest.raises(ConfigError, match="Instruments must be those"):
        replace(good, instruments=())
    with pytest.raises(MarketDataError, match="without a candle must hold NaN"):
        replace(good, valid=np.zeros((3, 1), dtype=bool))
    with pytest.raises(MarketDataError, match="span"):
        replace(good, span=np.full((3, 1), 2, dtype=np.int32))


# ---------------------------------------------------------------------- shape and immutability


def test_arrays_are_c_contiguous_and_read_only_also_after_pickling():
    series = ramp_candles(num_candles=3)
    assert series.traded.all()  # derived before it is pickled
    for copy in (series, pickle.loads(pickle.dumps(series)), series.select(end="2025-01-01T00:02")):
        for name in (*FIELDS, "valid", "span", "has_volume", "traded", "listed_rows"):
            assert getattr(copy, name).flags.c_contiguous
            with pytest.raises(ValueError, match="read-only"):
                getattr(copy, name)[0] = 1


def test_the_caller_keeps_no_way_to_write_into_a_series():
    mine = np.array([[10.0], [10.0]])
    series = replace(ramp_candles(10, 0, 2), extra={"rsi": mine})
    mine[0] = 99
    assert series.extra["rsi"][0, 0] == 10


def test_quote_volume_is_volume_times_close_where_the_source_has_none():
    series = candles_from_rows([ROW, None])
    assert series.quote_volume[0, 0] == 55
    assert np.isnan(series.quote_volume[1, 0])


# ---------------------------------------------------------------------- fingerprint


@given(
    field=st.sampled_from(["open", "high", "low", "close", "volume", "quote_volume"]),
    row=st.integers(0, 4),
    column=st.integers(0, 1),
)
def test_the_fingerprint_changes_with_any_value(field, row, column):
    rows = [(10, 20, 5, 11, 3)] * 5
    series = candles_from_rows({"BTCUSDT": rows, "ETHUSDT": rows})
    cells = getattr(series, field).copy()
    cells[row, column] = np.nextafter(cells[row, column], np.inf)
    assert replace(series, **{field: cells}).fingerprint != series.fingerprint


def test_the_fingerprint_changes_with_times_symbols_funding_and_features():
    series = ramp_candles(num_candles=4)
    others = [
        ramp_candles(num_candles=4, start="2025-01-02"),
        ramp_candles(num_candles=4, interval="5m"),
        ramp_candles(num_candles=4, symbol="ETHUSDT"),
        replace(series, funding=np.full((4, 1), 0.001)),
        replace(series, extra={"rsi": np.ones((4, 1))}),
        replace(series, extra={"rsi2": np.ones((4, 1))}),
    ]
    assert len({series.fingerprint, *(other.fingerprint for other in others)}) == 7
    assert ramp_candles(num_candles=4).fingerprint == series.fingerprint


# ---------------------------------------------------------------------- time, selection, gaps


def test_row_at_is_what_is_known_then():
    series = ramp_candles(num_candles=10)
    assert series.row_at("2025-01-01T00:03:59") == 3
    assert series.row_at(series.end_ns) == 10
    assert series.time_of(3) == START + 3 * NS_PER_MINUTE
    with pytest.raises(MarketDataError, match="within the data"):
        series.row_at("2025-01-02")


def test_select_keeps_candles_that_open_after_start_and_close_by_end():
    series = ramp_candles(num_candles=10)
    part = series.select(start="2025-01-01T00:02:30", end="2025-01-01T00:05:59")
    assert part.close[:, 0].tolist() == [103, 104]
    assert series.select(start="2024-01-01", end="2025-01-01").num_candles == 10
    with pytest.raises(MarketDataError, match="at least one symbol and one candle"):
        series.select(start="2025-02-01")


def test_select_takes_symbols_in_the_order_asked_for():
    series = candles_from_rows({"BTCUSDT": [ROW], "ETHUSDT": [(1, 1, 1, 1, 1)]})
    part = series.select(["eth-usdt", "BTCUSDT"])
    assert part.symbols == ("ETHUSDT", "BTCUSDT")
    assert part.close[0].tolist() == [1, 11]
    assert part.instruments[0].base == "ETH"
    with pytest.raises(UnknownName):
        series.select("DOGEUSDT")


def test_c6_gaps_are_listed_per_symbol_and_zero_volume_is_no_gap():
    flat = (10, 10, 10, 10, 0)
    series = candles_from_rows(
        {"BTCUSDT": [ROW, None, None, ROW, flat, ROW], "ETHUSDT": [None, ROW, ROW, None]}
    )
    assert series.gaps() == [("BTCUSDT", START + 60 * 10**9, START + 180 * 10**9, 2)]
    assert series.listed_rows.tolist() == [[0, 6], [1, 3]]
    assert series.traded[:, 0].tolist() == [True, False, False, True, False, True]


def test_c6_without_any_volume_every_candle_counts_as_traded():
    series = candles_from_rows([ROW[:4], None, ROW[:4]])
    assert not series.has_volume[0]
    assert series.traded[:, 0].tolist() == [True, False, True]


def test_a_quiet_selection_of_a_series_with_volume_did_not_trade():
    series = candles_from_rows([ROW, (10, 10, 10, 10, 0)])
    assert not series.select(start="2025-01-01T00:01").traded.any()


# ---------------------------------------------------------------------- C4: mixed granularity


def test_c4_a_coarse_candle_stands_at_the_last_row_of_its_span():
    fine = table([ROW] * 10)
    coarse = table([(1, 2, 0.5, 1.5, 7)] * 2, symbol="ETHUSDT", length=5)
    series = CandleSeries.from_columns([fine, coarse])
    assert series.interval == "1m"
    assert np.flatnonzero(series.valid[:, 1]).tolist() == [4, 9]
    assert series.span[[4, 9], 1].tolist() == [5, 5]
    assert series.listed_rows[1].tolist() == [0, 10]
    assert not series.gaps()


def test_c4_where_both_exist_the_finer_candle_wins():
    coarse = table([(1, 2, 0.5, 1.5, 7)] * 3, length=5)
    fine = table([ROW] * 2, minutes=[6, 7])
    series = CandleSeries.from_columns([coarse, fine])
    assert np.flatnonzero(series.valid[:, 0]).tolist() == [4, 6, 7, 14]
    assert series.span[:, 0][series.valid[:, 0]].tolist() == [5, 1, 1, 5]


def test_c4_the_gap_of_a_coarse_symbol_is_counted_in_its_own_candles():
    fine = table([ROW] * 20)
    coarse = table([ROW] * 3, symbol="ETHUSDT", minutes=[0, 5, 15])
    series = CandleSeries.from_columns([fine, coarse])
    assert [gap.missing for gap in series.gaps()] == [1]


def test_c2_a_coarse_candle_that_opened_before_a_selection_is_left_out():
    fine = table([ROW] * 10)
    coarse = table([ROW] * 2, symbol="ETHUSDT", length=5)
    part = CandleSeries.from_columns([fine, coarse]).select(start="2025-01-01T00:02")
    assert np.flatnonzero(part.valid[:, 1]).tolist() == [7]


def test_c4_an_interval_that_does_not_divide_the_grid_is_refused():
    with pytest.raises(MarketDataError, match="multiple of the grid's 2m; was 5m"):
        CandleSeries.from_columns(table([ROW] * 2, length=5), interval="2m")


# ---------------------------------------------------------------------- funding, instruments


def test_m5_a_rate_belongs_to_the_row_whose_half_open_end_holds_its_stamp():
    hour = NS_PER_HOUR
    series = ramp_candles(num_candles=4, interval="1h")
    stamps = START + np.array([0, hour, hour + 1, 2 * hour, 9 * hour])
    funded = series.with_funding({"BTC-USDT": FundingRates(stamps, np.array([9, 1, 2, 4, 9.0]))})
    assert funded.funding[:, 0].tolist() == [1, 6, 0, 0]
    assert series.funding is None


@pytest.mark.parametrize(("rates", "rule"), [([1, 2], "one rate"), ([1, np.nan], "finite")])
def test_funding_that_contradicts_itself_is_refused(rates, rule):
    stamped = FundingRates(np.array([START, START]), np.array(rates, dtype=float), "mine")
    with pytest.raises(MarketDataError, match=f"mine, row 1, .*{rule}"):
        ramp_candles(num_candles=2).with_funding({"BTCUSDT": stamped})


def test_instruments_are_stated_by_name_and_keep_the_symbols_spelling():
    stated = Instrument(symbol="btc/usdt", base="BTC", quote="USDT", tick=0.01)
    series = ramp_candles(num_candles=2).with_instruments(stated)
    assert series.instruments[0].tick == 0.01
    assert series.instruments[0].symbol == "BTCUSDT"
