"""load_candles: every way in gives the same series; what is ambiguous is refused with the fix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import FundingRates, Instrument, load_candles, ramp_candles, synthetic_candles
from seq_gym.market.sources import symbol_in_name
from seq_gym.times import NS_PER_MINUTE, parse_time

START = parse_time("2025-01-01")


@pytest.fixture(scope="module")
def series():
    return synthetic_candles(num_candles=50)


@pytest.fixture(scope="module")
def frame(series):
    return to_frame(series)


def to_frame(series, column=0):
    times = series.start_ns + np.arange(series.num_candles) * series.interval_ns
    return pl.DataFrame(
        {"ts": pl.Series(times).cast(pl.Datetime("ns", "UTC"))}
        | {
            name: getattr(series, name)[:, column]
            for name in ("open", "high", "low", "close", "volume", "quote_volume")
        }
    )


def kline_lines(series, unit_ns):
    """Binance klines without a header: 12 columns, times in the given unit."""
    for row in range(series.num_candles):
        opened = series.time_of(row)
        closed = opened + series.interval_ns - unit_ns
        o, h, low, c, v, q = (
            getattr(series, name)[row, 0]
            for name in ("open", "high", "low", "close", "volume", "quote_volume")
        )
        yield f"{opened // unit_ns},{o},{h},{low},{c},{v},{closed // unit_ns},{q!s},7,0.5,0.5,0"


def write_klines(path: Path, series, unit_ns=10**6, header=False):
    names = "open_time,open,high,low,close,volume,close_time,quote_volume,count,a,b,ignore\n"
    path.write_text((names if header else "") + "\n".join(kline_lines(series, unit_ns)) + "\n")
    return path


# ---------------------------------------------------------------------- ways in


def as_parquet(frame, folder):
    frame.write_parquet(folder / "BTCUSDT_1m.parquet")
    return folder / "BTCUSDT_1m.parquet"


def as_feather(frame, folder):
    frame.write_ipc(folder / "BTC_USDT-1m.feather", compression="lz4")
    return str(folder / "BTC_USDT-1m.feather")


def as_csv(frame, folder):
    frame.write_csv(folder / "btcusdt.csv")
    return {"BTCUSDT": folder / "btcusdt.csv"}


def as_hive(frame, folder):
    place = folder / "candles" / "symbol=BTCUSDT" / "2025-01.parquet"
    place.parent.mkdir(parents=True)
    frame.write_parquet(place)
    return folder / "candles"


def as_pieces(frame, folder):
    frame[:30].write_parquet(folder / "BTCUSDT-a.parquet")
    frame[25:].write_parquet(folder / "BTCUSDT-b.parquet")
    return [folder / "BTCUSDT-b.parquet", folder / "BTCUSDT-a.parquet"]


WAYS = {
    "parquet": as_parquet,
    "feather": as_feather,
    "csv": as_csv,
    "hive folder": as_hive,
    "pieces that overlap": as_pieces,
    "polars": lambda frame, folder: {"BTCUSDT": frame},
    "lazy polars": lambda frame, folder: {"BTCUSDT": frame.lazy()},
    "arrow": lambda frame, folder: {"BTCUSDT": frame.to_arrow()},
    "pandas": lambda frame, folder: {"BTCUSDT": frame.to_pandas()},
    "pandas with a time index": lambda frame, folder: {
        "BTCUSDT": frame.to_pandas().set_index("ts").rename_axis(None)
    },
    "naive datetimes": lambda frame, folder: {
        "BTCUSDT": frame.with_columns(pl.col("ts").dt.replace_time_zone(None))
    },
    "another zone": lambda frame, folder: {
        "BTCUSDT": frame.with_columns(pl.col("ts").dt.convert_time_zone("Asia/Tokyo"))
    },
    "microseconds": lambda frame, folder: {
        "BTCUSDT": frame.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    },
    "symbol column": lambda frame, folder: frame.with_columns(symbol=pl.lit("BTCUSDT")),
    "capitals": lambda frame, folder: {
        "BTCUSDT": frame.rename({"ts": "Date", "open": "Open", "quote_volume": "Quote Volume"})
    },
    "newest first": lambda frame, folder: {"BTCUSDT": frame.reverse()},
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_gives_the_same_fingerprint(series, frame, tmp_path, way):
    assert load_candles(WAYS[way](frame, tmp_path)).fingerprint == series.fingerprint


@pytest.mark.parametrize("unit_ns", [10**9, 10**6, 10**3, 1])
def test_c7_the_unit_of_an_epoch_is_told_by_its_magnitude(series, frame, unit_ns):
    for dtype in (pl.Int64, pl.Float64, pl.String):
        if dtype == pl.Float64 and unit_ns == 1:
            continue  # a float has no room for nanoseconds
        times = frame["ts"].cast(pl.Int64) // unit_ns
        got = load_candles({"BTCUSDT": frame.with_columns(ts=times.cast(dtype))})
        assert got.fingerprint == series.fingerprint


@pytest.mark.parametrize("header", [True, False])
def test_binance_klines_load_with_and_without_a_header(series, tmp_path, header):
    path = write_klines(tmp_path / "BTCUSDT-1m-2025-01.csv", series, header=header)
    assert load_candles(path).fingerprint == series.fingerprint


def test_c7_a_switch_from_ms_to_us_inside_a_file_leaves_no_seam(series, tmp_path):
    lines = [*kline_lines(series, 10**6)][:20] + [*kline_lines(series, 10**3)][20:]
    path = tmp_path / "BTCUSDT.csv"
    path.write_text("\n".join(lines))
    assert load_candles(path).fingerprint == series.fingerprint


def test_a_long_frame_holds_many_symbols():
    both = synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=20)
    long = pl.concat(
        [to_frame(both, i).with_columns(symbol=pl.lit(name)) for i, name in enumerate(both.symbols)]
    ).sort("ts")
    assert load_candles(long).fingerprint == both.fingerprint
    assert load_candles(long, symbols=["eth-usdt"]).symbols == ("ETHUSDT",)


def test_a_folder_gives_the_symbols_asked_for(tmp_path):
    both = synthetic_candles(("BTCUSDT", "ETHUSDT"), num_candles=20)
    for i, name in enumerate(both.symbols):
        to_frame(both, i).write_parquet(tmp_path / f"{name}.parquet")
    (tmp_path / "SOLUSDT.csv").write_text("this is no candle file")
    got = load_candles(tmp_path, symbols=["ETHUSDT", "BTCUSDT"])
    assert got.symbols == ("ETHUSDT", "BTCUSDT")


def test_a_series_passes_through_selection(series):
    assert load_candles(series) is series
    got = load_candles(series, start="2025-01-01T00:10", end="2025-01-01T00:30", interval="5m")
    assert (got.num_candles, got.interval) == (4, "5m")
    with pytest.raises(ConfigError, match="tz must be left out"):
        load_candles(series, tz="UTC")


# ---------------------------------------------------------------------- interval


def test_c4_finer_data_is_resampled_and_coarser_data_is_carried(frame):
    fine = ramp_candles(num_candles=60)
    coarse = ramp_candles(num_candles=4, interval="15m")
    data = {"BTCUSDT": to_frame(fine), "ETHUSDT": to_frame(coarse)}
    assert load_candles(data).valid.sum(axis=0).tolist() == [60, 4]
    assert load_candles(data, interval="5m").valid.sum(axis=0).tolist() == [12, 4]
    assert load_candles(data, interval="15m").valid.sum(axis=0).tolist() == [4, 4]
    assert load_candles({"A": to_frame(coarse)}, interval="5m").span.max() == 3


@pytest.mark.parametrize("interval", [None, "1m", "5m"])
def test_start_and_end_leave_what_a_selection_would(interval):
    fine = ramp_candles(num_candles=60)
    coarse = ramp_candles(num_candles=12, interval="5m", volume=0.0)
    data = {"BTCUSDT": to_frame(fine), "ETHUSDT": to_frame(coarse)}
    between = {"start": "2025-01-01T00:07", "end": "2025-01-01T00:31"}
    got = load_candles(data, interval=interval, **between)
    assert got.fingerprint == load_candles(data, interval=interval).select(**between).fingerprint
    with pytest.raises(MarketDataError, match="of the data, 2025-01-01T00:00:00Z to"):
        load_candles(data, interval=interval, start="2026-01-01")


def test_a_quiet_stretch_of_a_file_with_volume_did_not_trade(frame):
    quiet = frame.with_columns(volume=pl.when(pl.int_range(pl.len()) < 9).then(1.0).otherwise(0.0))
    assert not load_candles({"BTCUSDT": quiet}, start="2025-01-01T00:20").traded.any()


# ---------------------------------------------------------------------- columns and symbols


def test_columns_of_other_names_are_named(series, frame):
    other = frame.rename({"ts": "when", "close": "last", "volume": "size"})
    names = {"time": "when", "close": "last", "volume": "size"}
    assert load_candles({"BTCUSDT": other}, columns=names).fingerprint == series.fingerprint


def test_a_missing_column_is_named_with_what_there_is(frame):
    with pytest.raises(MarketDataError, match=r"column for close .* has ts, open, .*columns="):
        load_candles({"BTCUSDT": frame.drop("close")})


def test_unknown_keys_and_columns_are_refused_with_the_near_miss(frame):
    with pytest.raises(UnknownName, match="Did you mean 'volume'"):
        load_candles({"BTCUSDT": frame}, columns={"volum": "volume"})
    with pytest.raises(UnknownName, match="Did you mean 'close'"):
        load_candles({"BTCUSDT": frame}, columns={"close": "clse"})
    with pytest.raises(UnknownName, match="Did you mean 'volume'"):
        load_candles({"BTCUSDT": frame}, extra=["volumes"])


def test_extra_columns_are_kept_as_features(frame):
    featured = frame.with_columns(rsi=pl.int_range(pl.len()).cast(pl.Float64))
    got = load_candles({"BTCUSDT": featured}, extra=["rsi"])
    assert got.extra["rsi"][:3, 0].tolist() == [0, 1, 2]


def test_without_volume_every_candle_counts_as_traded(frame):
    got = load_candles({"BTCUSDT": frame.drop("volume", "quote_volume")})
    assert not got.has_volume[0]
    assert got.traded.all()


def test_data_that_states_no_symbol_asks_for_it(frame, tmp_path):
    frame.write_parquet(tmp_path / "data.parquet")
    for nameless in (frame, tmp_path / "data.parquet"):
        with pytest.raises(ConfigError, match="symbols='BTCUSDT'"):
            load_candles(nameless)
        assert load_candles(nameless, symbols="ABCXYZ").symbols == ("ABCXYZ",)
    with pytest.raises(ConfigError, match="one for each of 2"):
        load_candles([frame, frame], symbols="BTCUSDT")
    assert load_candles([frame, frame], symbols=["A", "B"]).symbols == ("A", "B")


def test_a_mapping_that_contradicts_its_data_is_refused(frame):
    named = frame.with_columns(symbol=pl.lit("ETHUSDT"))
    with pytest.raises(MarketDataError, match="data of BTCUSDT must be of that symbol"):
        load_candles({"BTCUSDT": named})


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet", "BTCUSDT"),
        ("BTC_USDT-1m.feather", "BTCUSDT"),
        ("BTC_USDT_USDT-1h-futures.feather", "BTCUSDT"),
        ("BTC_USD-Hourly.csv", "BTCUSD"),
        ("XBTUSD_1440.csv", "XBTUSD"),
        ("ethusdt.parquet", "ETHUSDT"),
        ("BTCUSDT-vs-ETHUSDT.csv", None),
        ("data.csv", None),
        ("prices_2025.csv", None),
    ],
)
def test_a_symbol_is_recognised_in_a_file_name_only_where_there_is_one(name, symbol):
    assert symbol_in_name(Path(name)) == symbol


# ---------------------------------------------------------------------- bad values


def csv_file(folder, lines):
    path = folder / "BTCUSDT.csv"
    path.write_text("\n".join(["time,open,high,low,close,volume", *lines]) + "\n")
    return path


def test_c7_a_bad_value_in_a_file_is_named_with_its_line(tmp_path):
    good = "2025-01-01T00:00:00Z,10,12,9,11,5"
    with pytest.raises(MarketDataError, match=r"BTCUSDT\.csv, line 3: high must be a number; was"):
        load_candles(csv_file(tmp_path, [good, "2025-01-01T00:01:00Z,10,oops,9,11,5"]))
    with pytest.raises(MarketDataError, match=r"BTCUSDT\.csv, BTCUSDT, line 3, .*00:01:00Z: low"):
        load_candles(csv_file(tmp_path, [good, "2025-01-01T00:01:00Z,10,12,11,11,5"]))
    with pytest.raises(MarketDataError, match=r"line 3, .*close must be finite"):
        load_candles(csv_file(tmp_path, [good, "2025-01-01T00:01:00Z,10,12,9,,5"]))
    with pytest.raises(MarketDataError, match=r"line 3: time must be a time; was empty"):
        load_candles(csv_file(tmp_path, [good, ",10,12,9,11,5"]))


def test_c7_wall_clock_text_is_refused_unless_its_zone_is_said(tmp_path):
    lines = [f"2025-06-01 0{hour}:00:00,10,12,9,11,5" for hour in range(3)]
    with pytest.raises(MarketDataError, match="tz='UTC'"):
        load_candles(csv_file(tmp_path, lines))
    assert load_candles(csv_file(tmp_path, lines), tz="UTC").start_ns == parse_time("2025-06-01")
    berlin = load_candles(csv_file(tmp_path, lines), tz="Europe/Berlin")
    assert berlin.start_ns == parse_time("2025-05-31T22:00")
    with pytest.raises(ConfigError, match="IANA zone"):
        load_candles(csv_file(tmp_path, lines), tz="Mars/Base")


def test_c7_an_hour_that_a_zone_has_twice_is_an_error_that_names_it(tmp_path):
    lines = [f"2025-10-26 0{hour}:00:00,10,12,9,11,5" for hour in range(4)]
    with pytest.raises(MarketDataError, match=r"line 4: .*exists once in Europe/Berlin.*02:00:00"):
        load_candles(csv_file(tmp_path, lines), tz="Europe/Berlin")


def test_c7_offsets_and_a_change_of_them_are_read_as_instants(tmp_path):
    lines = [
        "2020-10-25 01:00:00+03:00,10,12,9,11,5",
        "2020-10-25 01:00:00+02:00,10,12,9,11,5",
        "2020-10-25T00:00:00Z,10,12,9,11,5",
    ]
    got = load_candles(csv_file(tmp_path, lines))
    assert got.start_ns == parse_time("2020-10-24T22:00")
    assert got.valid.all()
    assert got.num_candles == 3


def test_a_file_without_names_is_read_by_position(tmp_path):
    path = tmp_path / "BTCUSDT.csv"
    path.write_text("1735689600,10,11,12,9,5\n1735689660,11,10,12,9,5\n")
    with pytest.raises(MarketDataError, match="column 0, column 1"):
        load_candles(path)
    order = dict(zip(("time", "open", "close", "high", "low", "volume"), range(6), strict=True))
    got = load_candles(path, columns={name: f"column {i}" for name, i in order.items()})
    assert got.close[:, 0].tolist() == [11, 10]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        ("no/such/file.parquet", "must exist"),
        ("candles.xlsx", "Unknown file format"),
        (42, "must be a path"),
        ({"open": [1, 2], "close": [1, 2]}, "must be a path"),
        ({}, "at least one table"),
    ],
)
def test_what_cannot_be_read_is_refused(data, rule):
    with pytest.raises((ConfigError, MarketDataError), match=rule):
        load_candles(data)


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "BTCUSDT.parquet").write_text("not parquet")
    with pytest.raises(MarketDataError, match=r"BTCUSDT\.parquet cannot be read"):
        load_candles(tmp_path / "BTCUSDT.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MarketDataError, match="has none"):
        load_candles(tmp_path / "empty")


# ---------------------------------------------------------------------- funding, instruments


def test_m5_funding_comes_from_files_frames_and_arrays(frame):
    stamps = START + np.array([0, 10, 20]) * NS_PER_MINUTE
    rates = np.array([0.1, 0.2, 0.3])
    table = pl.DataFrame({"calc_time": stamps // 10**6, "last_funding_rate": rates})
    for funding in (table, table.to_pandas(), FundingRates(stamps, rates)):
        got = load_candles({"BTCUSDT": frame}, funding={"BTC-USDT": funding})
        assert np.flatnonzero(got.funding[:, 0]).tolist() == [9, 19]
    with pytest.raises(MarketDataError, match="funding must have one of the columns"):
        load_candles({"BTCUSDT": frame}, funding={"BTCUSDT": frame.drop("open")})
    with pytest.raises(UnknownName):
        load_candles({"BTCUSDT": frame}, funding={"ETHUSDT": table})


def test_instruments_may_be_stated(frame):
    stated = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick=0.1, venue="here")
    assert load_candles({"BTCUSDT": frame}, instruments=[stated]).instruments == (stated,)


def test_pandas_categories_and_decimals_are_read():
    times = pd.date_range("2025-01-01", periods=3, freq="1min")
    one = {"open": [1.0] * 3, "high": [1] * 3, "low": [1.0] * 3, "close": pa.array([1.0] * 3)}
    data = pd.DataFrame({"date": times, "symbol": pd.Categorical(["AUSDT"] * 3)} | one)
    assert load_candles(data).symbols == ("AUSDT",)


def test_an_empty_frame_is_refused_in_words():
    with pytest.raises(MarketDataError, match="must have a column for time"):
        load_candles(pl.DataFrame(), symbols="BTCUSDT")
