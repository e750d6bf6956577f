"""Files into the store: once or twice, one or many, whole or not at all, in bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import polars as pl
import pytest

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market import load_candles
from seq_gym.market.importers import ReadOptions
from seq_gym.market.store import Store
from seq_gym.times import NS_PER_MINUTE, parse_time
from tests.market.store.made import contents, make_candles


def write_csv(path, columns):
    rows = {"open_time": columns.time_ns // 10**6} | columns.values()
    path.parent.mkdir(exist_ok=True)
    pl.DataFrame(rows).write_csv(path)
    return path


@pytest.fixture
def months(tmp_path):
    """A file a month, as archives have them."""
    columns = make_candles(3_000, start="2025-01-31")
    first = columns.time_ns < parse_time("2025-02-01")
    return [
        write_csv(tmp_path / "in" / f"BTCUSDT-{name}.csv", columns.take(np.flatnonzero(rows)))
        for name, rows in (("2025-01", first), ("2025-02", ~first))
    ]


def test_files_of_one_symbol_are_one_commit(store, months):
    (report,) = store.import_files(months, ReadOptions(venue="binance"))
    assert report.sources == ("BTCUSDT-2025-01.csv", "BTCUSDT-2025-02.csv")
    assert (report.rows, report.added) == (3_000, 3_000)
    assert set(report.by_source) == set(report.sources)
    assert report.findings.rows == 3_000
    assert store.load().fingerprint == load_candles([str(path) for path in months]).fingerprint


def test_files_that_are_imported_again_change_nothing(store, months):
    store.import_files(months)
    before = contents(store)
    for paths in (months, months[::-1], months[:1], months[0].parent):
        reports = store.import_files(paths)
        assert not any(report.is_changed for report in reports)
    assert contents(store) == before


def test_a_file_without_a_venue_goes_to_one_of_its_own(folder_store, months):
    folder_store.import_files(months[0])
    assert folder_store.list()[0].key.venue in ("binance", "unknown")


def test_a_faulty_file_brings_nothing_in(folder_store, months):
    lines = months[1].read_text().splitlines()
    fields = lines[700].split(",")
    lines[700] = ",".join([fields[0], fields[1], "0.5", *fields[3:]])
    months[1].write_text("\n".join(lines) + "\n")
    with pytest.raises(MarketDataError, match=r"BTCUSDT-2025-02\.csv.*line 701"):
        folder_store.import_files(months)
    assert contents(folder_store) == {}
    (report,) = folder_store.import_files(months, drop_bad=True)
    assert (report.findings.dropped, report.rows) == (1, 2_999)
    (manifest,) = folder_store.place.root.rglob("_manifest.json")
    reports = json.loads(manifest.read_text())["imports"]
    assert [each["findings"]["dropped"] for each in reports] == [0, 1]


def test_every_file_is_opened_before_the_first_is_read(folder_store, months, tmp_path):
    (tmp_path / "notes.txt").write_text("no candles here\n")
    with pytest.raises((ConfigError, MarketDataError)):
        folder_store.import_files([*months, tmp_path / "notes.txt"])
    assert contents(folder_store) == {}


def test_progress_goes_from_reading_to_writing_and_up(folder_store, months):
    seen = []
    folder_store.import_files(months, progress=seen.append)
    assert {each.stage for each in seen} == {"reading", "writing"}
    reading = [each.done for each in seen if each.stage == "reading"]
    assert reading == sorted(reading)
    assert seen[0].total == sum(path.stat().st_size for path in months)
    assert (seen[-1].done, seen[-1].total) == (2, 2)


def test_an_unfinished_last_candle_is_left_out(folder_store, months):
    last = parse_time("2025-02-02T01:59")
    (report,) = folder_store.import_files(months, now_ns=last + NS_PER_MINUTE // 2)
    assert (report.findings.unfinished, report.rows) == (1, 2_999)
    (report,) = folder_store.import_files(months, now_ns=last + NS_PER_MINUTE)
    assert (report.added, report.rows) == (1, 3_000)


def test_a_length_that_is_stated_is_taken(folder_store, tmp_path):
    path = write_csv(tmp_path / "BTCUSDT.csv", make_candles(1))
    with pytest.raises(MarketDataError, match="does not tell its interval"):
        folder_store.import_files(path)
    folder_store.import_files(path, ReadOptions(interval_ns=NS_PER_MINUTE))
    assert folder_store.list()[0].key.interval == "1m"


def test_a_file_of_many_symbols_fills_many_tables(store, tmp_path):
    frames = [
        pl.DataFrame({"symbol": name, "time": columns.time_ns // 10**6} | columns.values())
        for name, columns in ((n, make_candles(50, symbol=n)) for n in ("BTCUSDT", "ETHUSDT"))
    ]
    pl.concat(frames).sort("time").write_csv(tmp_path / "all.csv")
    reports = store.import_files(tmp_path / "all.csv")
    assert [report.key.symbol for report in reports] == ["BTCUSDT", "ETHUSDT"]
    assert store.load().num_symbols == 2


def test_the_futures_files_fill_all_three_kinds_of_tables(folder_store, shared_data):
    folder = shared_data / "candles"
    files = sorted(folder.glob("binance_um_BTCUSDT_1h-*"))
    assert len(files) == 3
    folder_store.import_files(files)
    assert {info.key.kind for info in folder_store.list()} == {"candles", "mark", "funding"}
    futures, mark, funding = (
        next(path for path in files if kind in path.name) for kind in ("futures", "mark", "funding")
    )
    expected = load_candles(futures, funding={"BTCUSDT": str(funding)}, mark={"BTCUSDT": str(mark)})
    loaded = folder_store.load()
    assert loaded.fingerprint == expected.fingerprint
    assert loaded.funding is not None
    assert loaded.mark is not None
    assert list(folder_store.verify()) == []


@pytest.mark.slow
def test_every_candle_file_is_loaded_back_as_it_is(tmp_path, shared_data):
    for path in sorted((shared_data / "candles").glob("*.parquet")):
        if "funding" in path.name or "mark" in path.name:
            continue
        store = Store.open(tmp_path / path.stem)
        (report,) = store.import_files(path)
        assert store.load().fingerprint == load_candles(path).fingerprint, path.name
        assert not store.import_files(path)[0].is_changed, path.name
        assert list(store.verify()) == [], path.name
        assert report.rows == report.findings.kept


# ---------------------------------------------------------------------- memory


BOUND_MIB = 600
"""Peak of a process that imports ten million rows: libraries 200, a chunk of half a million, a
buffer of a million, and one month. The rows themselves would be 640, twice that to sort them."""

BIG = """
    import resource, sys
    import numpy as np
    from dataclasses import replace
    from seq_gym.market.store import Store
    from seq_gym.market.columns import CandleColumns

    ROWS, CHUNK, ORDER = 10_000_000, 500_000, sys.argv[2]
    first = 1_000_000_000 // 60 * 60 * 10**9

    def chunk(number):
        if ORDER == "ascending":
            index = np.arange(number * CHUNK, (number + 1) * CHUNK)
        else:
            # Every chunk holds candles of every month.
            index = number + np.arange(CHUNK) * (ROWS // CHUNK)
        close = 100 + np.sin(index / 1e4) * 10
        opens = 100 + np.sin((index - 1) / 1e4) * 10
        volume = 1 + index % 1000 / 1e3
        return CandleColumns(
            symbol="BTCUSDT", time_ns=first + index * 60 * 10**9, source="big",
            open=opens, high=np.maximum(opens, close), low=np.minimum(opens, close), close=close,
            volume=volume, quote_volume=volume * close,
        )

    store = Store.open(sys.argv[1])
    store.write_candles((chunk(n) for n in range(ROWS // CHUNK)), venue="v")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("order", ["ascending", "scattered"])
def test_ten_million_rows_are_imported_in_bounded_memory(tmp_path, order):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BIG), str(tmp_path), order],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = Store.open(tmp_path)
    (info,) = store.list()
    assert info.rows == 10_000_000
    assert info.end_ns - info.first_ns == 10_000_000 * NS_PER_MINUTE
    assert not (tmp_path / "_staging").exists() or not list((tmp_path / "_staging").glob("*/"))
    assert int(done.stdout) < BOUND_MIB
