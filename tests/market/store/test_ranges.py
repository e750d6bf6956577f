"""Which candles a load takes where lengths mix, what a store covers, and what verify finds."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market import CandleSeries, FundingRates, Gap
from seq_gym.market.store import Store
from seq_gym.market.store.table import read_manifest, read_part
from seq_gym.sandbox import responses
from seq_gym.times import NS_PER_MINUTE, parse_time
from tests.market.store.made import contents, make_candles

MINUTES = make_candles(3_000, start="2025-01-31")
SERIES = CandleSeries.from_columns(MINUTES)


def columns_of(series):
    rows = np.flatnonzero(series.valid[:, 0])
    return replace(
        make_candles(1, interval=series.interval),
        time_ns=series.start_ns + rows * series.interval_ns,
        row_numbers=None,
        **{
            name: getattr(series, name)[rows, 0]
            for name in ("open", "high", "low", "close", "volume", "quote_volume")
        },
    )


# ---------------------------------------------------------------------- mixed lengths


def test_finer_candles_are_resampled_as_the_whole_series_is(store):
    store.write_candles([MINUTES], venue="v")
    assert store.load(interval="1h").fingerprint == SERIES.resample("1h").fingerprint


def test_a_resampled_stretch_is_the_stretch_of_the_resampled_whole(folder_store):
    quiet = MINUTES.volume.copy()
    quiet[600:650] = 0  # an hour that begins without a trade
    columns = replace(MINUTES, volume=quiet)
    folder_store.write_candles([columns], venue="v")
    whole = folder_store.load(interval="1h")
    for start, end in (("2025-01-31T10:00", "2025-02-01T05:00"), ("2025-01-31T09:30", None)):
        part = folder_store.load(interval="1h", start=start, end=end)
        assert part.fingerprint == whole.select(None, start, end).fingerprint


def test_coarse_candles_are_carried_where_no_finer_ones_are(store):
    hours = make_candles(24, interval="1h", start="2025-01-30")
    store.write_candles([MINUTES], venue="v")
    store.write_candles([hours], venue="v")
    loaded = store.load()
    assert loaded.fingerprint == CandleSeries.from_columns([MINUTES, hours]).fingerprint
    assert loaded.interval == "1m"
    assert loaded.span.max() == 60


def test_only_coarse_tables_of_the_stretch_set_the_grid(store):
    store.write_candles([make_candles(40, interval="1d", start="2024-01-01")], venue="v")
    store.write_candles([MINUTES], venue="v")
    assert store.load(end="2024-01-20").interval == "1d"
    assert store.load(start="2025-01-31").interval == "1m"


def test_stored_candles_of_the_wanted_length_are_taken_and_finer_ones_beyond_them(store):
    hours = columns_of(SERIES.resample("1h"))
    marked = replace(hours.take(np.arange(10, 20)), volume=hours.volume[10:20] * 3)
    store.write_candles([MINUTES], venue="v")
    store.write_candles([marked], venue="v")
    loaded = store.load(interval="1h")
    np.testing.assert_array_equal(loaded.volume[10:20, 0], marked.volume)
    rest = np.r_[0:10, 20:50]
    np.testing.assert_array_equal(loaded.volume[rest, 0], hours.volume[rest])


def test_an_interval_that_fits_no_table_is_refused(store):
    store.write_candles([make_candles(interval="5m")], venue="v")
    with pytest.raises(ConfigError, match="interval must fit the candles of the store, 5m; was 3m"):
        store.load(interval="3m")


def test_resample_writes_the_table_that_a_load_would_make(store):
    store.write_candles([MINUTES], venue="v")
    expected = store.load(interval="4h").fingerprint
    report = store.resample("btc-usdt", "4h")
    assert (report.key.interval, report.added) == ("4h", 12)
    assert store.load(interval="4h").fingerprint == expected
    before = contents(store)
    assert not store.resample("BTCUSDT", "4h").is_changed
    assert contents(store) == before
    with pytest.raises(ConfigError, match="must have candles that add up to 30s; the store has 1m"):
        store.resample("BTCUSDT", "30s")


def test_a_resampled_table_grows_with_its_source(store):
    store.write_candles([MINUTES.take(np.arange(1_500))], venue="v")
    store.resample("BTCUSDT", "1h")
    store.write_candles([MINUTES], venue="v")
    store.resample("BTCUSDT", "1h")
    times = store.open_times("BTCUSDT", venue="v", interval="1h")
    assert len(times) == 50


# ---------------------------------------------------------------------- what is covered


def with_gap(columns, first, last):
    rows = np.r_[0:first, last : len(columns.time_ns)]
    return columns.take(rows)


def test_the_data_range_lists_its_gaps_as_the_series_does(store):
    columns = with_gap(with_gap(MINUTES, 1_400, 1_500), 100, 103)
    store.write_candles([columns], venue="v")
    found = store.data_range()
    assert list(found.gaps) == store.load().gaps()
    assert responses.data_range(found) == {
        "earliest": "2025-01-31T00:00:00Z",
        "latest": "2025-02-02T02:00:00Z",
        "total_pairs": 1,
        "intervals_available": ["1m", "5m", "15m", "1h", "4h", "1d"],
        "data_gaps": [
            {
                "symbol": "BTCUSDT",
                "from": "2025-01-31T01:40:00Z",
                "to": "2025-01-31T01:43:00Z",
                "missing": 3,
            },
            {
                "symbol": "BTCUSDT",
                "from": "2025-01-31T23:20:00Z",
                "to": "2025-02-01T01:00:00Z",
                "missing": 100,
            },
        ],
    }


def test_a_gap_between_two_months_is_found(store):
    first = make_candles(44_640, start="2025-01-01")
    last = make_candles(60, start="2025-03-01")
    store.write_candles([first], venue="v")
    store.write_candles([last], venue="v")
    (gap,) = store.data_range().gaps
    begin, end = parse_time("2025-02-01"), parse_time("2025-03-01")
    assert gap == Gap("BTCUSDT", begin, end, 28 * 1_440)


def test_a_gap_that_coarser_candles_cover_is_none(store):
    store.write_candles([with_gap(MINUTES, 60, 120)], venue="v")
    assert len(store.data_range().gaps) == 1
    store.write_candles([make_candles(4, interval="1h", start="2025-01-31")], venue="v")
    assert store.data_range().gaps == ()


def test_stretches_of_minutes_inside_of_days_make_no_gap(store):
    store.write_candles([make_candles(20, interval="1d", start="2025-01-25")], venue="v")
    store.write_candles([with_gap(MINUTES, 300, 2_000)], venue="v")
    assert store.data_range().gaps == ()


def test_the_range_counts_symbols_and_intervals_of_all_tables(store):
    store.write_candles([make_candles(48, interval="1h")], venue="v")
    store.write_candles([make_candles(48, interval="3d", symbol="ETHUSDT")], venue="w")
    found = store.data_range()
    assert found.symbols == ("BTCUSDT", "ETHUSDT")
    assert found.intervals == ("1h", "4h", "1d", "3d")
    assert store.data_range(symbol="eth/usdt").intervals == ("3d",)


def test_coverage_tells_the_density_of_every_month(store):
    store.write_candles([with_gap(MINUTES, 1_400, 1_500)], venue="v")
    stamps = FundingRates(MINUTES.time_ns[:1], np.zeros(1))
    store.write_funding("BTCUSDT", stamps, venue="v")
    (found,) = store.coverage()
    assert (found.rows, found.expected, found.missing) == (2_900, 3_000, 100)
    assert found.months == (("2025-01", 1_400, 1_440), ("2025-02", 1_500, 1_560))
    assert found.density_frac == pytest.approx(2_900 / 3_000)
    assert found.end_ns == parse_time("2025-02-02T02:00")
    assert [gap.missing for gap in found.gaps] == [100]
    assert list(store.coverage(interval="1h")) == []


def test_the_list_says_what_every_table_is(store):
    store.write_candles([MINUTES], venue="v")
    store.write_funding("BTCUSDT", FundingRates(MINUTES.time_ns[:2], np.zeros(2), "f"), venue="v")
    store.write_candles([MINUTES], venue="v", kind="mark")
    candles, funding, mark = store.list()
    assert (candles.key.kind, funding.key.kind, mark.key.kind) == ("candles", "funding", "mark")
    assert (candles.rows, candles.num_files, candles.has_volume) == (3_000, 2, True)
    assert candles.end_ns - candles.first_ns == 3_000 * NS_PER_MINUTE
    assert candles.imports == ("made.csv",)
    assert funding.end_ns - funding.first_ns == NS_PER_MINUTE
    assert not mark.has_volume
    sizes = sum(len(data) for path, data in contents(store).items() if path.endswith(".parquet"))
    assert candles.num_bytes + funding.num_bytes + mark.num_bytes == sizes


# ---------------------------------------------------------------------- verify


def damaged(store: Store, change):
    """Rewrite a part by hand with changed rows, as someone else's tool might."""
    import polars as pl

    path = next(store.place.root.rglob("2025-01.parquet"))
    change(pl.read_parquet(path)).write_parquet(path)
    return [fault.problem for fault in store.verify()]


def test_a_whole_store_has_no_fault(store):
    store.write_candles([MINUTES], venue="v")
    store.write_candles([MINUTES], venue="v", kind="mark")
    store.write_funding("BTCUSDT", FundingRates(MINUTES.time_ns[:2], np.zeros(2)), venue="v")
    assert list(store.verify()) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda rows: rows[::-1], "Times must ascend"),
        (lambda rows: rows[:-1], "It must have 1440 rows"),
        (lambda rows: rows.with_columns(close=rows["close"] * 1.0000001), "fingerprint"),
        (lambda rows: rows.with_columns(low=rows["high"] * 2), "low must be <="),
        (lambda rows: rows.drop("close"), "must have a column close"),
        (lambda rows: rows[:0], "It must have rows"),
        (
            lambda rows: rows.with_columns(rows["open_time"].dt.offset_by("30s")),
            "an open time must be a multiple of 1m",
        ),
        (
            lambda rows: rows.with_columns(rows["open_time"].dt.offset_by("1d")),
            "It must hold rows of 2025-01 only",
        ),
    ],
    ids=["order", "rows", "value", "rule", "column", "empty", "grid", "month"],
)
def test_verify_names_what_was_changed_by_hand(folder_store, change, problem):
    folder_store.write_candles([MINUTES], venue="v")
    assert any(problem in each for each in damaged(folder_store, change))


def test_rows_out_of_order_are_not_loaded(folder_store):
    folder_store.write_candles([MINUTES], venue="v")
    damaged(folder_store, lambda rows: rows[::-1])
    with pytest.raises(MarketDataError, match="must stand in time order"):
        folder_store.load()


def test_a_part_of_other_rows_is_not_loaded(folder_store):
    folder_store.write_candles([MINUTES], venue="v")
    damaged(folder_store, lambda rows: rows[:-1])
    with pytest.raises(MarketDataError, match=r"must have the 3,000 rows.*remove the folder"):
        folder_store.load()


def test_nobody_holds_the_bytes_of_a_part_when_it_has_been_read(folder_store):
    """A thread of Arrow that does needs Python to let go, and aborts a process that ends."""
    folder_store.write_candles([MINUTES], venue="v")
    key = folder_store.list()[0].key
    manifest = read_manifest(folder_store.place, key)
    data = folder_store.place.read(f"{key.folder}/{manifest.parts[0].file}")
    place = SimpleNamespace(name="held", read=lambda _: data)
    before = sys.getrefcount(data)
    for _ in range(100):
        read_part(place, key, manifest.parts[0])
        assert sys.getrefcount(data) == before


def test_verify_names_files_that_are_gone_or_broken(folder_store):
    folder_store.write_candles([MINUTES], venue="v")
    first, second = sorted(folder_store.place.root.rglob("*.parquet"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:-100])
    problems = {fault.file: fault.problem for fault in folder_store.verify()}
    assert "must be there" in problems[first.name]
    assert "cannot be read as Parquet" in problems[second.name]
    with pytest.raises(MarketDataError, match="must have the parts that its manifest names"):
        folder_store.load(end="2025-01-31")
    with pytest.raises(MarketDataError, match="cannot be read"):
        folder_store.load(start="2025-02-01")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "parts": [{}]}', "\xff"])
def test_a_manifest_that_is_none_is_named(folder_store, text):
    folder_store.write_candles([MINUTES], venue="v")
    (path,) = folder_store.place.root.rglob("_manifest.json")
    path.write_text(text, encoding="latin-1")
    (fault,) = folder_store.verify()
    assert fault.file == "_manifest.json"
    assert str(path) in fault.problem
    with pytest.raises(MarketDataError, match="must be the manifest that an import wrote"):
        folder_store.load()


def test_an_edited_manifest_is_found(folder_store):
    folder_store.write_candles([MINUTES], venue="v")
    (path,) = folder_store.place.root.rglob("_manifest.json")
    path.write_text(path.read_text().replace('"has_volume": true', '"has_volume": false'))
    assert "has been edited" in folder_store.verify()[0].problem
