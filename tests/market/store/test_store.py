"""What goes in comes out: the same values, the same bytes, at once or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import CandleSeries, FundingRates
from seq_gym.market.store import Store, TableKey
from seq_gym.market.store.reading import read_funding
from seq_gym.times import NS_PER_HOUR, NS_PER_MINUTE, parse_time
from tests.market.store.made import contents, make_candles


def assert_same(loaded, series):
    assert loaded.symbols == series.symbols
    assert loaded.fingerprint == series.fingerprint


# ---------------------------------------------------------------------- in and out


def test_what_was_written_is_loaded_value_by_value(store):
    columns = make_candles()
    (report,) = store.write_candles([columns], venue="binance")
    assert (report.added, report.rows, report.is_changed) == (200, 200, True)
    assert_same(store.load(), CandleSeries.from_columns(columns))


def test_the_layout_is_hive_partitioned_by_interval_symbol_venue_and_month(folder_store):
    folder_store.write_candles([make_candles()], venue="binance")
    base = "candles/interval=1m/symbol=BTCUSDT/venue=binance"
    assert sorted(contents(folder_store)) == [
        f"{base}/2025-01.parquet",
        f"{base}/2025-02.parquet",
        f"{base}/_manifest.json",
    ]
    part = pl.read_parquet(folder_store.place.root / base / "2025-01.parquet")
    assert part.schema == pl.Schema(
        {
            "open_time": pl.Datetime("ns", "UTC"),
            **dict.fromkeys(("open", "high", "low", "close"), pl.Float64),
            **dict.fromkeys(("volume", "quote_volume"), pl.Float64),
            "trades": pl.Int64,
        }
    )
    assert part["open_time"].is_sorted()


def test_any_parquet_reader_sees_the_hive_columns(folder_store):
    folder_store.write_candles([make_candles(symbol="BTC/USDT:USDT")], venue="okx")
    rows = pl.read_parquet(folder_store.place.root / "candles/**/*.parquet", hive_partitioning=True)
    assert rows["symbol"].unique().to_list() == ["BTC/USDT:USDT"]
    assert rows["venue"].unique().to_list() == ["okx"]
    assert rows["interval"].unique().to_list() == ["1m"]


def test_the_parts_are_compressed_with_zstd(folder_store):
    import pyarrow.parquet as pq

    folder_store.write_candles([make_candles()], venue="binance")
    for path in folder_store.place.root.rglob("*.parquet"):
        group = pq.ParquetFile(path).metadata.row_group(0)
        assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC-PERP", "btc usd", "50%", "..", "A=B", "Ж"])
def test_a_symbol_keeps_the_spelling_of_its_venue(store, symbol):
    store.write_candles([make_candles(symbol=symbol)], venue="a/b")
    assert [(info.key.symbol, info.key.venue) for info in store.list()] == [(symbol, "a/b")]
    assert store.load().symbols == (symbol,)


def test_look_ups_ignore_case_and_separators(store):
    store.write_candles([make_candles(symbol="XBT/USD")], venue="kraken")
    assert store.load(symbols="btc-usd").symbols == ("XBT/USD",)
    assert store.load().instruments[0].venue == "kraken"


def test_chunks_in_any_order_are_one_table(store):
    columns = make_candles(5_000)
    order = np.random.default_rng(1).permutation(5_000)
    chunks = [columns.take(rows) for rows in np.array_split(order, 7)]
    store.write_candles(chunks, venue="binance")
    assert_same(store.load(), CandleSeries.from_columns(columns))


def test_several_symbols_are_written_together(store):
    tables = [make_candles(symbol=name, seed=i) for i, name in enumerate(("A/B", "C/D", "E/F"))]
    store.write_candles(tables, venue="binance")
    assert_same(
        store.load(symbols=["C/D", "A/B"]), CandleSeries.from_columns([tables[1], tables[0]])
    )
    assert store.load().num_symbols == 3


def test_the_interval_is_the_mode_of_the_differences_over_all_months(store):
    columns = replace(make_candles(6, start="2025-01-31T20:00", interval="1h"), interval_ns=None)
    store.write_candles([columns.take(np.array([i])) for i in (0, 1, 2, 5)], venue="v")
    assert store.list()[0].key.interval == "1h"


def test_a_single_candle_must_be_told_its_interval(store):
    columns = replace(make_candles(1), interval_ns=None)
    with pytest.raises(MarketDataError, match="a single candle does not tell its interval"):
        store.write_candles([columns], venue="v")
    store.write_candles([columns], venue="v", interval="1m")
    assert store.load().num_candles == 1


def test_data_without_volume_stays_without(store):
    columns = make_candles(volume=False)
    store.write_candles([columns], venue="v")
    loaded = store.load()
    assert_same(loaded, CandleSeries.from_columns(columns))
    assert not loaded.has_volume.any()
    assert loaded.traded.all()


def test_a_table_cannot_state_volume_for_some_of_its_candles(store):
    store.write_candles([make_candles(60)], venue="v")
    before = contents(store)
    later = make_candles(60, start="2025-03-01", volume=False, source="later.csv")
    with pytest.raises(
        MarketDataError, match=r"later\.csv: the candles of BTCUSDT 1m at v must all"
    ):
        store.write_candles([later], venue="v")
    assert contents(store) == before
    store.write_candles([later], venue="w")


def test_volume_that_is_always_zero_goes_with_any(store):
    quiet = replace(make_candles(60), volume=np.zeros(60), quote_volume=np.zeros(60))
    store.write_candles([quiet], venue="v")
    assert not store.load().has_volume[0]
    store.write_candles([make_candles(60, start="2025-03-01")], venue="v")
    assert store.load().has_volume[0]


def test_extra_columns_and_numbers_of_trades_are_kept(store):
    extra = {"sentiment": np.linspace(-1, 1, 200), "trades": np.arange(200.0)}
    store.write_candles([make_candles(extra=extra)], venue="v")
    loaded = store.load()
    assert set(loaded.extra) == {"sentiment"}
    np.testing.assert_array_equal(loaded.extra["sentiment"][:, 0], extra["sentiment"])
    wanted = store.load(extra=["trades"])
    np.testing.assert_array_equal(wanted.extra["trades"][:, 0], extra["trades"])
    with pytest.raises(UnknownName, match="sentiment"):
        store.load(extra=["sentimnt"])


def test_extra_columns_of_some_months_are_missing_in_the_others(store):
    store.write_candles([make_candles(60, start="2025-01-01")], venue="v")
    later = make_candles(60, start="2025-02-01", extra={"x": np.arange(60.0)})
    store.write_candles([later], venue="v")
    x = store.load().extra["x"][:, 0]
    assert np.isnan(x[:-60]).all()
    np.testing.assert_array_equal(x[-60:], np.arange(60.0))


def test_a_fraction_of_a_trade_is_refused(store):
    with pytest.raises(MarketDataError, match="trades must be a whole number"):
        store.write_candles([make_candles(extra={"trades": np.full(200, 0.5)})], venue="v")


# ---------------------------------------------------------------------- again and against


def test_writing_the_same_again_changes_no_byte(store):
    store.write_candles([make_candles()], venue="binance")
    before = contents(store)
    (report,) = store.write_candles([make_candles()], venue="binance")
    assert (report.is_changed, report.added, report.changed) == (False, 0, 0)
    assert contents(store) == before


def test_the_order_of_imports_changes_no_value(tmp_path):
    columns = make_candles(500)
    pieces = [columns.take(rows) for rows in np.array_split(np.arange(500), 5)]
    one, many = Store.open(tmp_path / "one"), Store.open(tmp_path / "many")
    one.write_candles([columns], venue="v")
    for piece in (pieces[3], pieces[0], pieces[4], pieces[2], pieces[1]):
        many.write_candles([piece], venue="v")
    assert one.list()[0].fingerprint == many.list()[0].fingerprint
    assert_same(one.load(), many.load())


def test_a_month_that_is_rewritten_gets_a_new_name_and_the_old_file_goes(folder_store):
    columns = make_candles(300)
    for end in (50, 100, 300):
        folder_store.write_candles([columns.take(np.arange(end))], venue="v")
    names = {path.rpartition("/")[2] for path in contents(folder_store)}
    assert names == {"2025-01.r3.parquet", "2025-02.parquet", "_manifest.json"}


def test_overlapping_imports_merge(store):
    columns = make_candles(300)
    store.write_candles([columns.take(np.arange(200))], venue="v")
    (report,) = store.write_candles([columns.take(np.arange(100, 300))], venue="v")
    assert (report.added, report.changed, report.rows) == (100, 0, 300)
    assert_same(store.load(), CandleSeries.from_columns(columns))


def test_a_conflict_with_the_store_names_both_and_changes_nothing(store):
    columns = make_candles()
    store.write_candles([columns], venue="v")
    before = contents(store)
    other = replace(columns, volume=columns.volume + np.eye(1, 200, 77)[0], source="other.csv")
    with pytest.raises(MarketDataError) as caught:
        store.write_candles([other], venue="v")
    message = str(caught.value)
    assert "other.csv, row 77, 2025-01-31T23:17:00Z" in message
    assert "2025-01" in message.rpartition(" in ")[2]
    assert store.place.name in message
    assert "--on-conflict" in message
    assert contents(store) == before


def test_a_conflict_is_settled_for_the_stored_row_or_the_new_one(store):
    columns = make_candles()
    store.write_candles([columns], venue="v")
    other = replace(columns, volume=columns.volume * 2, source="other.csv")
    (report,) = store.write_candles([other], venue="v", on_conflict="first")
    assert (report.refused, report.is_changed) == (200, False)
    assert_same(store.load(), CandleSeries.from_columns(columns))
    (report,) = store.write_candles([other], venue="v", on_conflict="last")
    assert (report.changed, report.is_changed) == (200, True)
    assert_same(store.load(), CandleSeries.from_columns(other))
    with pytest.raises(UnknownName, match="first"):
        store.write_candles([other], venue="v", on_conflict="frist")


def test_what_one_source_does_not_state_another_may_add(store):
    columns = make_candles()
    store.write_candles([replace(columns, quote_volume=None)], venue="v")
    (report,) = store.write_candles([columns], venue="v")
    assert (report.changed, report.added) == (200, 0)
    (report,) = store.write_candles([replace(columns, quote_volume=None)], venue="v")
    assert not report.is_changed
    assert_same(store.load(), CandleSeries.from_columns(columns))


def test_a_bad_row_leaves_the_store_as_it_was_even_in_the_last_of_many_tables(store):
    good = make_candles(symbol="A/B")
    store.write_candles([good], venue="v")
    before = contents(store)
    worse = make_candles(symbol="C/D")
    low = worse.low.copy()
    low[150] = 1e6
    more = make_candles(400, symbol="A/B")
    with pytest.raises(MarketDataError, match=r"made\.csv, C/D, row 150"):
        store.write_candles([more, replace(worse, low=low)], venue="v")
    assert contents(store) == before
    assert_same(store.load(), CandleSeries.from_columns(good))


def test_the_manifest_keeps_the_reports_of_the_imports_that_changed_it(folder_store):
    columns = make_candles(120)
    folder_store.write_candles([columns.take(np.arange(60))], venue="v")
    second = replace(columns.take(np.arange(60, 120)), source="second.csv")
    folder_store.write_candles([second], venue="v")
    (path,) = folder_store.place.root.rglob("_manifest.json")
    manifest = json.loads(path.read_text())
    assert [each["source"] for each in manifest["imports"]] == ["made.csv", "second.csv"]
    assert manifest["imports"][0]["findings"]["rows"] == 60
    assert manifest["rows"] == 120


# ---------------------------------------------------------------------- venues and errors


def test_a_symbol_at_two_venues_must_be_chosen(store):
    for venue in ("binance", "kraken"):
        store.write_candles([make_candles(seed=len(venue))], venue=venue)
    with pytest.raises(ConfigError, match="binance, kraken"):
        store.load()
    assert store.load(venue="Kraken").instruments[0].venue == "kraken"
    with pytest.raises(UnknownName, match="kraken"):
        store.load(venue="krakn")


def test_an_ambiguous_symbol_lists_its_candidates(store):
    store.write_candles(
        [make_candles(symbol="BTCUSDT"), make_candles(symbol="BTC/USDT")], venue="v"
    )
    with pytest.raises(ConfigError, match="BTC/USDT, BTCUSDT"):
        store.load(symbols="btc-usdt")
    assert store.load(symbols="BTCUSDT").symbols == ("BTCUSDT",)


def test_an_empty_store_says_how_to_fill_it(store):
    with pytest.raises(MarketDataError, match=r"python -m seq_gym\.data import"):
        store.load()
    assert list(store.list()) == []
    assert store.verify() == []


def test_a_stretch_without_data_names_what_there_is(store):
    store.write_candles([make_candles()], venue="v")
    with pytest.raises(MarketDataError, match="2025-01-31T22:00:00Z to 2025-02-01T01:20:00Z"):
        store.load(start="2026-01-01")
    with pytest.raises(UnknownName, match="BTCUSDT"):
        store.load(symbols="BTCUSD")


def test_what_does_not_fit_in_memory_is_refused_with_advice(store):
    tables = [make_candles(2, start=day, symbol=day) for day in ("1971-01-01", "2025-01-01")]
    store.write_candles(tables, venue="v", interval="1m")
    seconds = make_candles(2, symbol="fine", interval="1s")
    store.write_candles([seconds], venue="v", interval="1s")
    with pytest.raises(ConfigError, match="Likely fix: name symbols, start and end"):
        store.load()
    assert store.load(symbols="fine").num_candles == 2


# ---------------------------------------------------------------------- funding and marks


def test_funding_and_marks_come_along_with_the_candles_of_their_venue(store):
    columns = make_candles(48, interval="1h", start="2025-01-31")
    stamps = columns.time_ns[::8] + 8 * NS_PER_HOUR
    rates = FundingRates(stamps, np.linspace(-1e-4, 1e-4, len(stamps)), "funding.csv")
    marks = replace(columns, close=columns.close, volume=None, quote_volume=None)
    store.write_candles([columns], venue="perp")
    store.write_candles([replace(columns, symbol="ETHUSDT")], venue="spot")
    report = store.write_funding("BTCUSDT", rates, venue="perp")
    assert (report.key, report.rows) == (
        TableKey(kind="funding", symbol="BTCUSDT", venue="perp"),
        len(stamps),
    )
    store.write_candles([marks], venue="perp", kind="mark")
    loaded = store.load(symbols=["BTCUSDT", "ETHUSDT"])
    alone = CandleSeries.from_columns(columns).with_funding({"BTCUSDT": rates})
    np.testing.assert_array_equal(loaded.funding[:, 0], alone.funding[:, 0])
    assert not loaded.funding[:, 1].any()
    np.testing.assert_array_equal(loaded.mark[:, 0], columns.close)
    assert np.isnan(loaded.mark[:, 1]).all()
    bare = store.load(symbols="BTCUSDT", funding=False, mark=False)
    assert (bare.funding, bare.mark) == (None, None)
    assert store.load(symbols="ETHUSDT").funding is None


def test_funding_and_marks_are_the_same_whatever_stretch_is_loaded(store):
    columns = make_candles(48, interval="1h", start="2025-01-31")
    rates = FundingRates(columns.time_ns + NS_PER_HOUR, np.arange(48) * 1e-6)
    store.write_candles([columns], venue="v")
    store.write_funding("BTCUSDT", rates, venue="v")
    store.write_candles([columns], venue="v", kind="mark")
    whole = store.load()
    part = store.load(start="2025-01-31T10:00", end="2025-02-01T03:00")
    cut = whole.select(None, "2025-01-31T10:00", "2025-02-01T03:00")
    assert part.fingerprint == cut.fingerprint


def test_funding_that_is_written_again_changes_nothing_and_conflicts_name_both(store):
    stamps = parse_time("2024-12-31T16:00") + np.arange(6) * 8 * NS_PER_HOUR
    rates = FundingRates(stamps[::-1], np.arange(6) * 1e-5, "rates.csv")
    store.write_funding("BTCUSDT", rates, venue="v")
    before = contents(store)
    assert {path.rpartition("/")[2][:4] for path in before if "parquet" in path} == {"2024", "2025"}
    assert not store.write_funding("BTCUSDT", rates, venue="v").is_changed
    other = FundingRates(stamps[:1], np.array([0.5]), "other.csv")
    with pytest.raises(MarketDataError, match=r"other\.csv, row 0.*rate 0\.5 instead of 5e-05"):
        store.write_funding("BTCUSDT", other, venue="v")
    assert contents(store) == before
    twice = FundingRates(stamps[[0, 0]], np.array([0.5, 0.25]), "twice.csv")
    with pytest.raises(MarketDataError, match=r"twice\.csv, row 1.*a stamp must have one rate"):
        store.write_funding("BTCUSDT", twice, venue="v")
    for choice, rate in (("first", 0.5), ("last", 0.25)):
        store.write_funding("ETHUSDT", twice, venue=choice, on_conflict=choice)
        key = TableKey(kind="funding", symbol="ETHUSDT", venue=choice)
        assert read_funding(store.place, key).rate.tolist() == [rate]
    broken = FundingRates(stamps[:1], np.array([np.nan]), "broken.csv")
    with pytest.raises(MarketDataError, match=r"broken\.csv, row 0.*must be finite"):
        store.write_funding("BTCUSDT", broken, venue="v")


def test_open_times_reads_the_times_of_a_stretch(store):
    columns = make_candles()
    store.write_candles([columns], venue="v")
    times = store.open_times("BTCUSDT", venue="v", interval="1m")
    np.testing.assert_array_equal(times, columns.time_ns)
    first = int(columns.time_ns[0])
    part = store.open_times(
        "BTCUSDT", venue="v", interval="1m", start=first + 1, end=first + 3 * NS_PER_MINUTE
    )
    np.testing.assert_array_equal(part, columns.time_ns[1:3])
    assert len(store.open_times("ETHUSDT", venue="v", interval="1m")) == 0
