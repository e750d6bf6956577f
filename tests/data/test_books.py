"""python -m seq_gym.data and recordings of order books: import, ls, coverage, verify, resample."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import seq_gym
from seq_gym.errors import UnknownName
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.load import load_book
from seq_gym.market.wording import counted
from tests.data.conftest import MS, klines, snapshot, websocket


@pytest.fixture
def record(tmp_path):
    def file(name="btcusdt_20240808.gz", **how):
        path = tmp_path / "recordings" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(("\n".join(websocket(**how)) + "\n").encode(), mtime=0))
        return path

    return file


def test_a_recording_is_recognised_imported_and_told(run, record, store):
    ran = run("import", record())
    assert (ran.code, ran.err) == (0, "")
    for words in (
        "btcusdt_20240808.gz: book of BTCUSDT at binance, binance_websocket",
        "trades: 299",
        "snapshots: 1 of 20 levels",
        "-> book of BTCUSDT at binance: ",
        f"Store: {store}",
    ):
        assert words in ran.out
    book = load_book("store").books[0]
    assert (book.symbol, book.venue) == ("BTCUSDT", "binance")
    assert int((book.kind == BookKind.TRADE).sum()) == 299


def test_the_same_recording_twice_changes_nothing(run, record, store):
    run("import", record())
    before = snapshot(store)
    ran = run("import", record(), "--output", "json")
    assert snapshot(store) == before
    (table,) = ran.document["tables"]
    assert (table["kind"], table["is_changed"], table["added"]) == ("book", False, 0)
    (file,) = table["files"]
    assert (file["format"], file["trades"]) == ("binance_websocket", 299)
    assert "nothing new" in run("import", record()).out


def test_b1_a_recorder_that_is_behind_is_refused_until_it_is_said_what_to_do(run, record, store):
    path = record(behind_ms=1_270)
    ran = run("import", path)
    assert ran.code == 1
    assert ran.err.startswith("Error: btcusdt_20240808.gz line ")
    assert "--fix-clock" in ran.err
    assert ran.err.count("\n") == 1
    assert not store.exists()
    assert run("import", path, "--fix-clock").code == 0
    fixed = load_book("store").books[0]
    ran = run("import", path, "--shift-ns", str(1_300 * MS))
    assert "0 rows new" in ran.out
    assert f"{fixed.num_events:,} replaced" in ran.out
    assert "shifted by 1,300,000,000 ns" in ran.out
    assert int((load_book("store").books[0].local_ts - fixed.local_ts).max()) == 32 * MS


def test_steps_venue_and_symbol_are_taken_from_options(run, record):
    options = ["--tick", "0.05", "--lot", "0.0005", "--venue", "elsewhere"]
    assert run("import", record(), *options).code == 0
    (book,) = load_book("store").books
    assert (book.instrument.tick, book.instrument.lot) == (0.05, 0.0005)
    assert book.venue == "elsewhere"
    assert run("import", record(), "--symbol", "ETHUSDT").code == 1
    for option, value in (("--tick", "-1"), ("--lot", "fine"), ("--shift-ns", "1.5")):
        ran = run("import", record(), option, value)
        assert ran.code == 1
        assert ran.err.startswith(f"Error: {option[2:].replace('-', '_')}: A s")


def test_candles_and_recordings_of_a_folder_are_imported_together(run, record, write, store):
    path = record()
    write("../recordings/BTCUSDT-1m-2024-03.csv", klines("2024-03-01", 60))
    ran = run("import", path.parent, "--output", "json")
    assert ran.code == 0, ran.err
    assert [table["kind"] for table in ran.document["tables"]] == ["candles", "book"]
    assert seq_gym.load_candles("store").num_candles == 60


def test_what_is_of_recordings_is_refused_without_one(run, write):
    path = write("BTCUSDT-1m-2024-03.csv", klines("2024-03-01", 60))
    ran = run("import", path, "--tick", "0.1")
    assert ran.code == 1
    assert ran.err.startswith("Error: tick must be left out, it is of recorded order books and no")
    ran = run("import", path, "--kind", "book")
    assert ran.code == 1
    assert "must be a recording of an order book" in ran.err


def test_ls_has_a_line_for_each_book(run, record):
    run("import", record())
    ran = run("ls")
    assert ran.code == 0
    (line,) = [line for line in ran.out.splitlines() if line.startswith("book ")]
    assert line.split()[1:4] == ["BTCUSDT", "binance", "-"]
    (table,) = run("ls", "--output", "json").document["tables"]
    assert (table["gaps"], table["missing"], table["num_files"]) == (0, None, 2)
    assert table["imports"] == ["btcusdt_20240808.gz"]


def test_coverage_tells_time_days_recordings_and_the_gaps_that_nobody_fills(run, record):
    run("import", record("one.gz", skip=range(1000, 1100), count=2000))
    run("import", record("two.gz", first=2500, count=400))
    ran = run("coverage")
    assert ran.code == 0
    assert "book of BTCUSDT at binance: 2024-08-08T23:58:00.001Z to" in ran.out
    for words in ("2024-08-08", "2024-08-09", "one.gz", "two.gz", "gaps: 2", "gaps:\n"):
        assert words in ran.out
    (book,) = run("coverage", "--output", "json").document["books"]
    assert [run_["gaps"] for run_ in book["recordings"]] == [1, 0]
    assert 200 < book["covered_seconds"] < 250
    lost, hole = book["gaps"]
    assert lost["from"].startswith("2024-08-08T23:59:39.9")
    assert hole["to"].startswith("2024-08-09T00:02:1")
    run("import", record("three.gz", first=900, count=300))
    (book,) = run("coverage", "--output", "json").document["books"]
    assert [run_["gaps_left"] for run_ in book["recordings"]] == [0, 0, 0]
    assert len(book["gaps"]) == 1
    assert run("coverage", "--interval", "1m").code == 0


def test_verify_finds_a_book_that_was_changed(run, record, store):
    run("import", record())
    ran = run("verify")
    assert (ran.code, ran.out) == (0, f"1 table, 0 faults in {store}\n")
    path = next(store.rglob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-20])
    ran = run("verify")
    assert ran.code == 1
    assert "book of BTCUSDT at binance, date=2024-08-0" in ran.out


def test_prints_become_candles_where_a_symbol_has_none(run, record):
    run("import", record())
    ran = run("resample", "BTCUSDT", "--to", "1m")
    assert ran.code == 0, ran.err
    series = seq_gym.load_candles("store")
    # A minute that the recording does not hold from its first instant on is no candle.
    assert series.num_candles == 3
    assert series.close[:, 0].tolist() == [100.1] * 3
    assert np.allclose(series.volume[:, 0], 30.0)  # 60 prints of 0.5
    assert run("resample", "BTCUSDT", "--to", "1d").code == 1


@pytest.mark.parametrize("option", [("--interval", "1m"), ("--tz", "UTC"), ("--drop-bad",)])
def test_an_option_of_tables_is_refused_where_every_file_is_a_recording(run, record, option):
    ran = run("import", record(), *option)
    name = option[0].strip("-").replace("-", "_")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"Error: {name} must be left out, it is of candles and rates")


def test_a_recording_is_no_table_of_candles(run, record):
    ran = run("import", record(), "--kind", "candles")
    assert ran.code == 1
    assert "kind must be 'book' for btcusdt_20240808.gz" in ran.err


def test_a_folder_of_nothing_says_what_it_should_hold(run, tmp_path):
    (tmp_path / "none").mkdir()
    ran = run("import", tmp_path / "none")
    assert ran.code == 1
    assert "A folder must hold recordings of books, or tables" in ran.err


def test_a_venue_that_a_recording_does_not_have_is_refused(record):
    path = record()
    assert load_book(path, venues="binance").venues == ("binance",)
    with pytest.raises(UnknownName, match=r"Unknown venue 'binanse' \(of .*Did you mean 'binance'"):
        load_book(path, venues="binanse")


def test_one_thing_is_told_in_the_singular(run, record, store):
    run("import", record())
    assert run("verify").out == f"1 table, 0 faults in {store}\n"
    assert counted(1, "table") == "1 table"
    assert (counted(0, "row"), counted(1_200, "row")) == ("0 rows", "1,200 rows")
