"""Every file of data/awkward is read to what EXPECTED.json says, or refused with the fix."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market import load_candles
from seq_gym.market.columns import join_chunks
from seq_gym.market.importers import ReadOptions, open_tables, read_funding_table
from seq_gym.market.quality import Findings, judge
from seq_gym.times import parse_time

_SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
_AWKWARD = _SHARED / "awkward"
_REFUSED = ("dst_duplicate_naive_BTC_1h.csv", "saam0_BTC_funding.feather")
_ZONES = {"outage_BTCUSDT_1m_2021-04.csv": "UTC", "backtesting_py_EURUSD_1h.csv": "UTC"}
_CONFLICTS = ("cdd_Binance_BTCUSDT_1h_mixed_epoch_dups.csv",)

FORMATS = {
    "binance_spot_BTCUSDT-1h-2024-12.csv": ("binance_klines", "BTCUSDT", "binance"),
    "binance_spot_BTCUSDT-1h-2025-01.csv": ("binance_klines", "BTCUSDT", "binance"),
    "binance_um_BTCUSDT-5m-2025-12.csv": ("binance_klines", "BTCUSDT", "binance_um"),
    "nautilus_ADABTC-1m-2021-11-27.csv": ("binance_klines", "ADABTC", "binance"),
    "cdd_Binance_BTCUSDT_1h_mixed_epoch_dups.csv": ("cryptodatadownload", "BTC/USDT", "binance"),
    "cdd_Binance_BTCUSDT_1h_12hour_clock.csv": ("cryptodatadownload", "BTCUSDT", "binance"),
    "cdd_Bitstamp_BTCUSD_1h_urlline.csv": ("cryptodatadownload", "BTC/USD", "bitstamp"),
    "gym_trading_env_BTC_USD-Hourly.csv": ("cryptodatadownload", "BTC/USD", None),
    "cdd_Coinbase_BTCUSD_d.csv": ("cryptodatadownload", "BTCUSD", "coinbase"),
    "kraken_XBTUSD_1440.csv": ("kraken_ohlcvt", "XBTUSD", "kraken"),
    "kraken_XBTUSD_60_head.csv": ("kraken_ohlcvt", "XBTUSD", "kraken"),
    "bitfinex_LTCUSD_1m_2016_ochl.csv": ("bitfinex", "LTCUSD", "bitfinex"),
    "israel_offset_BTCUSDT_1h.csv": ("csv", "BTCUSDT", None),
    "outage_BTCUSDT_1m_2021-04.csv": ("csv without names", "BTCUSDT", None),
    "binanceus_BTCUSDC_1m_zero_volume.csv": ("csv", "BTCUSDC", "binanceus"),
    "freqtrade_UNITTEST_BTC-1m.feather": ("feather", "UNITTESTBTC", None),
    "freqtrade_UNITTEST_BTC-8m.json.gz": ("freqtrade_json", "UNITTESTBTC", None),
    "ta4j_Coinbase-BTC-USD-PT1D.json": ("coinbase_json", "BTCUSD", "coinbase"),
    "lean_coinbase_minute_btcusd_20171217_trade.zip": ("lean", "BTCUSD", "coinbase"),
    "lean_binance_minute_btcbusd_20221213_trade.zip": ("lean", "BTCBUSD", "binance"),
    "backtesting_py_EURUSD_1h.csv": ("csv", "EURUSD", None),
}


@pytest.fixture(scope="module")
def awkward(shared_data):
    return shared_data / "awkward"


def read(path, on_conflict="error", **options):
    [found] = open_tables(path, ReadOptions(**options))
    chunks = list(found.chunks())
    read_first = sum(
        (Findings.of_reading(c.notes, c.bad_rows, c.num_bad) for c in chunks), Findings()
    )
    columns, judged = judge(join_chunks([c.columns for c in chunks]), on_conflict=on_conflict)
    return found, columns, read_first + judged


def options_of(name):
    return {"tz": _ZONES[name]} if name in _ZONES else {}


def test_every_file_of_the_folder_is_looked_at(awkward):
    names = {path.name for path in awkward.iterdir()} - {"EXPECTED.json"}
    assert names == {*FORMATS, *_REFUSED}


@pytest.mark.parametrize("name", FORMATS)
def test_an_awkward_file_is_read_to_what_is_expected(awkward, name):
    expected = json.loads((awkward / "EXPECTED.json").read_text())[name]
    on_conflict = "first" if name in _CONFLICTS else "error"
    found, columns, findings = read(awkward / name, on_conflict, **options_of(name))
    assert (found.format, columns.symbol, found.venue) == FORMATS[name]
    assert findings.rows == expected["rows"]
    assert findings.kept == len(columns.time_ns) == expected["unique_ts"]
    assert findings.duplicates + findings.conflicts == expected["duplicate_rows"]
    assert findings.order == {"asc": "ascending", "desc": "descending"}[expected["order"]]
    assert findings.first_ns == columns.time_ns[0] == parse_time(expected["first_utc"])
    assert findings.last_ns == columns.time_ns[-1] == parse_time(expected["last_utc"])
    assert findings.interval_ns == expected["step_s"] * 10**9
    assert findings.gaps == expected["gaps"]
    assert findings.missing == expected["missing"]
    assert findings.max_gap_ns == expected["max_gap_s"] * 10**9
    assert findings.zero_volume == expected["zero_volume"]
    first = [float(getattr(columns, price)[0]) for price in ("open", "high", "low", "close")]
    assert first == expected["first_row_by_time"]
    if "epoch_unit" in expected:
        assert findings.units == {expected["epoch_unit"]: expected["rows"]}


@pytest.mark.parametrize("name", _ZONES)
def test_wall_clock_files_are_refused_with_the_flag(awkward, name):
    with pytest.raises(MarketDataError, match=r"line [12]: .*--tz UTC"):
        read(awkward / name)


def test_closes_alone_are_no_candles_and_their_doubled_hour_is_named(awkward):
    path = awkward / "dst_duplicate_naive_BTC_1h.csv"
    with pytest.raises(MarketDataError, match=r"column for open .*--columns open="):
        read(path)
    flat = dict.fromkeys(("open", "high", "low", "close"), "column 1") | {"time": "column 0"}
    with pytest.raises(MarketDataError, match=r"--tz UTC"):
        read(path, columns=flat)
    with pytest.raises(MarketDataError, match=r"line 63: .*exists once in Europe/Lisbon.*01:00:00"):
        read(path, columns=flat, tz="Europe/Lisbon")
    with pytest.raises(MarketDataError, match=r"2021-10-31T01:00:00Z.*--on-conflict first\|last"):
        read(path, columns=flat, tz="UTC", symbol="BTCUSDT")
    _, columns, findings = read(path, "first", columns=flat, tz="UTC")
    assert (findings.rows, len(columns.time_ns), findings.conflicts) == (100, 99, 1)


def test_funding_is_refused_as_candles_and_read_as_what_it_is(awkward):
    [found] = open_tables(awkward / "saam0_BTC_funding.feather")
    assert (found.kind, found.format) == ("funding", "feather")
    with pytest.raises(MarketDataError, match=r"table of funding values\. Pass it as funding="):
        next(found.chunks())
    with pytest.raises(MarketDataError, match="funding="):
        load_candles(awkward / "saam0_BTC_funding.feather", symbols="BTCUSDT")
    rates = read_funding_table(found)
    assert len(rates.rate) == 2552
    assert set(np.diff(rates.time_ns).tolist()) == {8 * 3600 * 10**9}
    assert rates.rate[0] == 0.00037409


def test_the_seam_of_milliseconds_and_microseconds_is_one_hour(awkward):
    series = load_candles(
        [awkward / f"binance_spot_BTCUSDT-1h-{month}.csv" for month in ("2025-01", "2024-12")]
    )
    assert series.num_candles == 1488
    assert not series.gaps()


def test_conflicting_hours_name_both_lines_and_the_first_is_the_one_with_trades(awkward):
    path = awkward / _CONFLICTS[0]
    with pytest.raises(MarketDataError, match=r"line 8764.*line 8765.*--on-conflict first\|last"):
        read(path)
    _, first, findings = read(path, "first")
    assert findings.units == {"ms": 6115, "s": 2884}
    assert findings.conflicts == 2649
    both = first.time_ns >= parse_time("2020-09-26T04:00")
    assert np.isfinite(first.extra["trades"][both]).mean() > 0.99
    _, last, _ = read(path, "last")
    assert (first.close != last.close).any()


@pytest.mark.parametrize(
    "name", ["cdd_Bitstamp_BTCUSD_1h_urlline.csv", "gym_trading_env_BTC_USD-Hourly.csv"]
)
def test_swapped_volumes_are_put_right_row_by_row(awkward, name):
    _, columns, findings = read(awkward / name)
    assert findings.notes["volume columns swapped"] == 1500
    assert columns.volume.max() < 100_000
    traded = columns.volume > 0
    price = columns.quote_volume[traded] / columns.volume[traded]
    inside = (price >= columns.low[traded] * 0.98) & (price <= columns.high[traded] * 1.02)
    assert inside.mean() > 0.99


def test_midnight_on_a_clock_of_twelve_hours_is_twelve_am(awkward):
    _, columns, findings = read(awkward / "cdd_Binance_BTCUSDT_1h_12hour_clock.csv")
    assert any("documents" in note for note in findings.notes)
    hours = columns.time_ns // (3600 * 10**9) % 24
    assert set(hours.tolist()) == set(range(24))


def test_the_bad_first_print_of_binance_is_reported_and_kept(awkward):
    _, columns, findings = read(awkward / "cdd_Binance_BTCUSDT_1h_12hour_clock.csv")
    assert columns.high[0] == 16199.91
    assert "line 4600" in findings.worst_outliers[0].where


def test_bitfinex_order_is_read_and_said(awkward):
    _, _, findings = read(awkward / "bitfinex_LTCUSD_1m_2016_ochl.csv")
    assert (
        findings.notes["columns read by position as time, open, close, high, low, volume"] == 12000
    )


@pytest.mark.parametrize("name", sorted(set(FORMATS) - set(_CONFLICTS)))
def test_load_candles_reads_what_an_import_reads(awkward, name):
    _, columns, _ = read(awkward / name, **options_of(name))
    series = load_candles(awkward / name, **options_of(name))
    there = series.valid[:, 0]
    assert series.start_ns == columns.time_ns[0]
    for price in ("open", "high", "low", "close"):
        assert np.array_equal(getattr(series, price)[there, 0], getattr(columns, price))


def candle_files():
    return sorted(p.name for p in (_SHARED / "candles").glob("*.parquet")) or ["absent"]


@pytest.mark.parametrize("name", candle_files())
def test_every_file_of_real_candles_is_read_as_what_it_is(shared_data, name):
    path = shared_data / "candles" / name
    [found] = open_tables(path)
    kind = "funding" if "funding" in name else "mark" if "mark" in name else "candles"
    assert found.kind == kind
    assert found.symbol in name
    assert (found.venue or "").startswith(name.split("_")[0])
    if kind == "funding":
        rates = read_funding_table(found)
        assert len(rates.rate) == 2552
        assert np.isfinite(rates.rate).all()
        return
    columns, findings = judge(join_chunks([chunk.columns for chunk in found.chunks()]))
    assert findings.kept == findings.rows == len(columns.time_ns)
    interval_s = {"1m": 60, "5m": 300, "1h": 3600, "1d": 86400}
    stated = next(length for length in interval_s if f"_{length}" in name)
    assert findings.interval_ns == interval_s[stated] * 10**9
