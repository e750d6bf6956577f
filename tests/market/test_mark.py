"""Mark prices: a table of its own on the rows, carried by everything that makes another series."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import MarkPrices, candles_from_rows, load_candles, ramp_candles
from seq_gym.times import NS_PER_HOUR, NS_PER_MINUTE, format_time

START = ramp_candles(num_candles=1).start_ns
FUTURES = "binance_um_BTCUSDT_1h-{}_2024-01_2026-04.parquet"


def marked(num_candles=8, interval="1m"):
    """A ramp whose mark is known in all rows but the third: 1000 + row."""
    series = ramp_candles(num_candles=num_candles, interval=interval)
    mark = 1000.0 + np.arange(num_candles)[:, None]
    mark[2] = np.nan
    return replace(series, mark=mark)


def test_m5_a_mark_belongs_to_the_row_whose_half_open_end_holds_the_time_it_is_known():
    series = ramp_candles(num_candles=4, interval="1h")
    times = START + NS_PER_HOUR * np.array([0, 1, 1.5, 2, 9])
    known = MarkPrices(times.astype(np.int64), np.array([9.0, 1.0, 2.0, 4.0, 9.0]))
    got = series.with_mark({"BTC-USDT": known})
    assert got.mark[:, 0].tolist()[:2] == [1.0, 4.0]
    assert np.isnan(got.mark[2:]).all()
    assert series.mark is None


@given(
    st.lists(
        st.tuples(st.integers(-30, 600), st.floats(1.0, 9.0)), max_size=30, unique_by=lambda p: p[0]
    ),
    st.sampled_from([1, 2, 3, 5, 6]),
)
def test_the_mark_of_a_row_is_the_last_one_known_at_its_close_and_not_before_its_open(pairs, width):
    series = ramp_candles(num_candles=20, interval=width * NS_PER_MINUTE)
    times = np.array([START + t * NS_PER_MINUTE for t, _ in pairs], np.int64)
    got = series.with_mark({"BTCUSDT": MarkPrices(times, np.array([p for _, p in pairs]))}).mark
    for row in range(20):
        inside = [(t, p) for t, p in pairs if row * width < t <= (row + 1) * width]
        if inside:
            assert got[row, 0] == max(inside)[1]
        else:
            assert np.isnan(got[row, 0])


@pytest.mark.parametrize(
    ("times", "prices", "rule"),
    [
        ([1, 1], [1.0, 2.0], "row 1, .*one mark price; was 2.0"),
        ([1, 2], [1.0, np.nan], "row 1, .*finite and > 0; was nan"),
        ([1, 2], [0.0, 1.0], "row 0, .*finite and > 0; was 0.0"),
        ([1, 2], [1.0, np.inf], "row 1, .*finite and > 0; was inf"),
    ],
)
def test_marks_that_cannot_be_are_refused(times, prices, rule):
    known = MarkPrices(START + np.array(times), np.array(prices), "mine")
    with pytest.raises(MarketDataError, match=f"mine, {rule}"):
        ramp_candles(num_candles=2).with_mark({"BTCUSDT": known})
    again = MarkPrices(START + np.array([60, 60]), np.array([1.0, 1.0]))
    ramp_candles(num_candles=2).with_mark({"BTCUSDT": again})


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf])
def test_a_series_with_a_mark_that_is_no_price_is_refused(value):
    mark = np.full((8, 1), 5.0)
    mark[3] = value
    when = format_time(START + 3 * NS_PER_MINUTE)
    with pytest.raises(MarketDataError, match=f"BTCUSDT, row 3, {when}: a mark price must be"):
        replace(ramp_candles(num_candles=8), mark=mark)
    with pytest.raises(ConfigError, match="mark must have shape"):
        replace(ramp_candles(num_candles=8), mark=np.ones((7, 1)))


def test_an_unknown_symbol_is_refused_with_the_near_miss():
    with pytest.raises(UnknownName, match="BTCUSDT"):
        marked().with_mark({"BTCUSD": MarkPrices(np.array([START]), np.array([1.0]))})


# ---------------------------------------------------------------------- other series


def test_copies_pickles_and_selections_keep_the_marks():
    series = marked()
    assert copy.deepcopy(series).mark is series.mark
    again = pickle.loads(pickle.dumps(series))
    np.testing.assert_array_equal(again.mark, series.mark)
    assert not again.mark.flags.writeable
    assert again.fingerprint == series.fingerprint
    part = series.select(start=START + 2 * NS_PER_MINUTE, end=START + 5 * NS_PER_MINUTE)
    np.testing.assert_array_equal(part.mark, series.mark[2:5])
    two = candles_from_rows({"BTCUSDT": [(1, 1, 1, 1)] * 3, "ETHUSDT": [(2, 2, 2, 2)] * 3})
    two = replace(two, mark=np.array([[1.0, 2.0]] * 3))
    assert two.select("ETHUSDT").mark.tolist() == [[2.0]] * 3


def test_marks_stated_later_leave_those_of_other_symbols():
    two = candles_from_rows({"BTCUSDT": [(1, 1, 1, 1)] * 2, "ETHUSDT": [(2, 2, 2, 2)] * 2})
    two = two.with_mark({"BTCUSDT": MarkPrices(np.array([two.end_ns]), np.array([7.0]))})
    two = two.with_mark({"ETHUSDT": MarkPrices(np.array([two.end_ns]), np.array([8.0]))})
    assert two.mark[1].tolist() == [7.0, 8.0]


def test_a_coarser_row_has_the_last_mark_known_inside_it():
    series = marked(8)
    got = series.resample("4m").mark[:, 0].tolist()
    assert got == [1003.0, 1007.0]
    gone = series.mark.copy()
    gone[3], gone[4:] = np.nan, np.nan
    got = replace(series, mark=gone).resample("4m").mark[:, 0]
    assert got[0] == 1001.0
    assert np.isnan(got[1])


def test_the_fingerprint_changes_with_any_mark_and_with_there_being_one():
    series = marked()
    cells = series.mark.copy()
    cells[5] = np.nextafter(cells[5], np.inf)
    gone = series.mark.copy()
    gone[5] = np.nan
    others = [
        ramp_candles(num_candles=8),
        replace(series, mark=cells),
        replace(series, mark=gone),
        replace(series, mark=None, funding=np.nan_to_num(series.mark)),
    ]
    assert len({series.fingerprint, *(other.fingerprint for other in others)}) == 5
    assert marked().fingerprint == series.fingerprint


# ---------------------------------------------------------------------- reading


def mark_frame(series, shift=1.5):
    times = START + np.arange(series.num_candles) * series.interval_ns
    price = series.close[:, 0] + shift
    return pl.DataFrame({"open_time": times // 10**6}).with_columns(
        **{name: pl.Series(price) for name in ("open", "high", "low", "close")},
        volume=pl.lit(0.0),
    )


def test_marks_come_from_frames_files_and_arrays_and_are_known_at_the_close(tmp_path):
    series = ramp_candles(num_candles=30)
    frame = mark_frame(series)
    frame.write_csv(tmp_path / "BTCUSDT-mark.csv")
    known = MarkPrices(
        series.start_ns + (np.arange(30) + 1) * NS_PER_MINUTE, series.close[:, 0] + 1.5
    )
    for data in (frame, frame.to_pandas(), tmp_path / "BTCUSDT-mark.csv", known):
        got = load_candles(series, mark={"BTC-USDT": data})
        np.testing.assert_array_equal(got.mark, series.close + 1.5)


def test_the_marks_of_one_of_many_symbols_are_found_and_others_refused():
    series = ramp_candles(num_candles=5)
    frame = mark_frame(series)
    both = pl.concat([frame.with_columns(symbol=pl.lit(name)) for name in ("ETHUSDT", "BTC-USDT")])
    got = load_candles(series, mark={"BTCUSDT": both})
    np.testing.assert_array_equal(got.mark, series.close + 1.5)
    with pytest.raises(
        MarketDataError, match="mark prices of BTCUSDT must be its own; has ETHUSDT"
    ):
        load_candles(series, mark={"BTCUSDT": frame.with_columns(symbol=pl.lit("ETHUSDT"))})


def test_marks_in_pieces_are_joined(tmp_path):
    series = ramp_candles(num_candles=30)
    frame = mark_frame(series)
    for name, part in (("a", frame[20:]), ("b", frame[:22])):
        part.write_csv(tmp_path / f"BTCUSDT-mark-{name}.csv")
    for data in (tmp_path, [frame[20:], frame[:22]]):
        got = load_candles(series, mark={"BTCUSDT": data})
        np.testing.assert_array_equal(got.mark, series.close + 1.5)


def test_marks_of_minutes_reach_hours_at_their_close():
    minutes = ramp_candles(num_candles=180)
    got = load_candles(minutes, interval="1h", mark={"BTCUSDT": mark_frame(minutes)})
    np.testing.assert_array_equal(got.mark, minutes.close[59::60] + 1.5)


def test_the_marks_of_the_real_futures_stand_beside_every_candle(shared_data):
    folder = shared_data / "candles"
    mark = folder / FUTURES.format("mark")
    series = load_candles(
        folder / FUTURES.format("futures"), end="2024-03-01", mark={"BTCUSDT": mark}
    )
    raw = pl.read_parquet(mark).filter(pl.col("ts") < pl.datetime(2024, 3, 2, time_zone="UTC"))
    np.testing.assert_array_equal(series.mark[:, 0], raw["close"].to_numpy())
    assert np.abs(series.mark / series.close - 1).max() < 0.01
