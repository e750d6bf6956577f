"""python -m seq_gym.data: every command, every mistake in one line, and Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import seq_gym
from seq_gym.data import commands
from seq_gym.data.cli import main
from tests.data.conftest import klines, snapshot

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def candles(write):
    return write("BTCUSDT-1m-2024-03.csv", klines("2024-03-01", 300, skip=frozenset({50, 51})))


# ---------------------------------------------------------------------------- import


def test_import_reports_the_file_and_what_is_new(run, candles, store):
    ran = run("import", candles)
    assert (ran.code, ran.err) == (0, "")
    for words in (
        "BTCUSDT-1m-2024-03.csv: candles BTCUSDT of binance, read as binance_klines",
        "298 rows, 1m, 2024-03-01T00:00:00Z to 2024-03-01T04:59:00Z, ascending",
        "gaps: 1, candles missing: 2",
        "epoch unit ms: 298 rows",
        "candles of BTCUSDT 1m at binance: 298 rows new, 298 in all; fingerprint ",
        f"Store: {store}",
    ):
        assert words in ran.out
    series = seq_gym.load_candles("store")
    assert series.symbols == ("BTCUSDT",)
    assert int(series.valid.sum()) == 298
    assert series.close[0, 0] == 101.0


def test_the_same_file_twice_changes_nothing(run, candles, store):
    run("import", candles)
    before = snapshot(store)
    ran = run("import", candles, "--output", "json")
    assert snapshot(store) == before
    (table,) = ran.document["tables"]
    assert (table["is_changed"], table["added"], table["rows"]) == (False, 0, 298)
    assert "nothing new, 298 rows as before" in run("import", candles).out


def test_the_document_of_an_import_has_all_that_was_found(run, candles, store):
    ran = run("import", candles, "--output", "json")
    assert ran.document["store"] == str(store)
    (table,) = ran.document["tables"]
    named = [table[name] for name in ("kind", "symbol", "venue", "interval")]
    assert named == ["candles", "BTCUSDT", "binance", "1m"]
    assert len(table["fingerprint"]) == 64
    (file,) = table["files"]
    assert file["format"] == "binance_klines"
    found = file["findings"]
    wanted = {"rows": 298, "kept": 298, "gaps": 1, "missing": 2, "order": "ascending"}
    assert {name: found[name] for name in wanted} == wanted
    assert found["units"] == {"ms": 298}


def test_folders_patterns_and_lists_are_imported_together(run, write, store):
    first = write("a/BTCUSDT-1m-1.csv", klines("2024-03-01", 60))
    write("a/b/ETHUSDT-1m-1.csv", klines("2024-03-01", 60, price=50.0))
    write("a/notes.md", ["nothing"])
    whole = run("import", first.parent, "--output", "json").document["tables"]
    assert [table["symbol"] for table in whole] == ["BTCUSDT", "ETHUSDT"]
    write("c/BTCUSDT-1m-2.csv", klines("2024-03-02", 60))
    write("c/BTCUSDT-1m-3.csv", klines("2024-03-03", 60))
    (table,) = run("import", f"{first.parents[1]}/c/*.csv", "--output", "json").document["tables"]
    assert (table["rows"], table["added"], len(table["files"])) == (180, 120, 2)


def test_a_file_that_is_named_twice_is_read_once_and_hidden_ones_fit_no_star(run, write):
    path = write("d/BTCUSDT-1m.csv", klines("2024-03-01", 60))
    write("d/.BTCUSDT-1m.csv.swp", ["nothing"])
    again = path.parent / ".." / "d" / path.name
    ran = run("import", path, again, f"{path.parent}/*", "--output", "json")
    assert ran.code == 0, ran.err
    (table,) = ran.document["tables"]
    assert [file["findings"]["rows"] for file in table["files"]] == [60]


def test_a_file_whose_name_is_a_pattern_is_that_file(run, write):
    path = write("BTCUSDT[1m].csv", klines("2024-03-01", 60))
    write("BTCUSDT1.csv", klines("2024-03-05", 60))
    (table,) = run("import", path, "--output", "json").document["tables"]
    assert table["added"] == 60


def test_what_a_file_does_not_say_is_told_by_options(run, write, store):
    lines = ["when;first;top;bottom;last;amount;mood"]
    lines += [f"2024-03-01 {k:02d}:00:00;10;12;9;11;5;{k}" for k in range(24)]
    path = write("prices.csv", lines)
    names = "time=when,open=first,high=top,low=bottom,close=last,volume=amount"
    options = ["--symbol", "BTC/EUR", "--venue", "here", "--tz", "Europe/Berlin"]
    ran = run("import", path, *options, "--columns", names, "--extra", "mood")
    assert ran.code == 0, ran.err
    series = seq_gym.load_candles("store")
    assert series.symbols == ("BTC/EUR",)
    assert seq_gym.market.candles.format_time(series.start_ns) == "2024-02-29T23:00:00Z"
    assert series.extra["mood"][5, 0] == 5.0
    (table,) = run("ls", "--output", "json").document["tables"]
    assert (table["venue"], table["interval"], table["extra"]) == ("here", "1h", ["mood"])


def test_conflicts_are_refused_unless_it_is_said_which_row_counts(run, write, candles, store):
    run("import", candles)
    before = snapshot(store)
    other = write("BTCUSDT-1m-other.csv", klines("2024-03-01", 10, price=101.0))
    ran = run("import", other)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "on_conflict" in ran.err or "--on-conflict" in ran.err
    assert snapshot(store) == before
    (table,) = run("import", other, "--on-conflict", "first", "--output", "json").document["tables"]
    assert (table["is_changed"], table["refused"]) == (False, 10)
    (table,) = run("import", other, "--on-conflict", "last", "--output", "json").document["tables"]
    assert (table["is_changed"], table["changed"]) == (True, 10)


def test_bad_rows_are_refused_unless_they_are_dropped_and_counted(run, write, store):
    lines = klines("2024-03-01", 60)
    lines[20] = lines[20].replace(",", ",-", 1)
    path = write("BTCUSDT-1m.csv", lines)
    ran = run("import", path)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "BTCUSDT-1m.csv" in ran.err
    assert "line 21" in ran.err
    assert "--drop-bad" in ran.err
    assert not list(store.rglob("*.parquet"))
    ran = run("import", path, "--drop-bad")
    assert ran.code == 0
    assert "bad rows, left out: 1" in ran.out
    assert "line 21" in ran.out


def test_quiet_leaves_only_what_is_new(run, candles):
    ran = run("import", candles, "--quiet")
    assert ran.out.startswith("-> candles of BTCUSDT 1m at binance: 298 rows new")
    assert len(ran.out.splitlines()) == 2


def test_funding_rates_are_a_table_of_their_own(run, write, store):
    lines = ["calc_time,funding_interval_hours,last_funding_rate"]
    lines += [f"{1709251200000 + k * 28_800_000},8,0.000{k}" for k in range(3)]
    path = write("BTCUSDT-fundingRate-2024-03.csv", lines)
    futures = write("BTCUSDT-1m.csv", klines("2024-03-01", 600))
    assert run("import", futures, "--venue", "binance_um").code == 0
    ran = run("import", path, "--venue", "binance_um")
    assert ran.code == 0, ran.err
    assert "funding of BTCUSDT at binance_um: 3 rows new" in ran.out
    series = seq_gym.load_candles("store")
    assert series.funding is not None
    assert series.funding.sum() == 0.0001
    kinds = [table["kind"] for table in run("ls", "--output", "json").document["tables"]]
    assert kinds == ["candles", "funding"]


def test_what_was_stored_before_a_fault_is_told(run, write):
    good = write("ETHUSDT-1m.csv", klines("2024-03-01", 60))
    bad = write("XRPUSDT-1m.csv", [*klines("2024-03-01", 60)[:-1], "1709251200000,-1,2,3,4,5"])
    ran = run("import", good, bad)
    assert ran.code == 1
    assert ran.err.count("\n") == 1
    assert ran.err.endswith("Stored before that: candles of ETHUSDT 1m at binance.\n")
    (table,) = run("ls", "--output", "json").document["tables"]
    assert table["symbol"] == "ETHUSDT"


# ---------------------------------------------------------------------------- what is there


def test_ls_shows_every_table_and_an_empty_store_says_so(run, candles, store):
    assert run("ls").out == f"The store {store} holds nothing here.\n"
    assert run("ls", "--output", "json").document == {"store": str(store), "tables": []}
    run("import", candles)
    title, header, _, row = run("ls").out.splitlines()
    assert title == f"Store: {store}"
    assert header.split() == (
        [
            "table",
            "symbol",
            "venue",
            "interval",
            "rows",
            "from",
            "to",
            "gaps",
            "size",
            "fingerprint",
        ]
    )
    cells = row.split()
    assert cells[:8] == [
        "candles", "BTCUSDT", "binance", "1m", "298",
        "2024-03-01T00:00:00Z", "2024-03-01T05:00:00Z", "1",
    ]  # fmt: skip
    (table,) = run("ls", "--symbol", "btc-usdt", "--output", "json").document["tables"]
    assert table["fingerprint"].startswith(cells[-1])
    assert table["num_bytes"] == sum(path.stat().st_size for path in store.rglob("*.parquet"))


def test_a_symbol_that_venues_spell_differently_is_shown_at_all_of_them(run, write):
    for name, venue in (("XBTUSD", "kraken"), ("BTC-USD", "coinbase")):
        path = write(f"{name}.csv", klines("2024-03-01", 60))
        assert run("import", path, "--symbol", name, "--venue", venue).code == 0
    for command in ("ls", "coverage"):
        tables = run(command, "--symbol", "btc/usd", "--output", "json").document["tables"]
        assert [each["symbol"] for each in tables] == ["BTC-USD", "XBTUSD"]
        tables = run(command, "--symbol", "XBTUSD", "--output", "json").document["tables"]
        assert [each["venue"] for each in tables] == ["kraken"]
    options = ("--symbol", "btcusd", "--venue", "kraken", "--output", "json")
    assert [each["symbol"] for each in run("coverage", *options).document["tables"]] == ["XBTUSD"]
    assert "Unknown venue 'krakn'" in run("coverage", "--symbol", "btcusd", "--venue", "krakn").err


def test_coverage_shows_the_density_of_each_month_and_the_gaps(run, write):
    lines = klines("2024-02-29T22:00:00Z", 240, skip=frozenset(range(180, 210)))
    run("import", write("BTCUSDT-1m.csv", lines))
    text = run("coverage", "--symbol", "BTC/USDT").out
    assert "210 of 240 candles (87.50 %), gaps: 1" in text
    rows = [line.split() for line in text.splitlines() if line.startswith("2024-")]
    assert rows == [
        ["2024-02", "120", "120", "100", "%"],
        ["2024-03", "90", "120", "75.00", "%"],
    ]
    assert "2024-03-01T01:00:00Z to 2024-03-01T01:30:00Z: 30 candles" in text
    (table,) = run("coverage", "--interval", "1m", "--output", "json").document["tables"]
    assert table["gaps"] == [
        {"from": "2024-03-01T01:00:00Z", "to": "2024-03-01T01:30:00Z", "missing": 30}
    ]
    assert table["density_frac"] == 0.875
    assert table["missing"] == 30


def test_resample_makes_a_table_of_whole_candles(run, candles):
    run("import", candles)
    ran = run("resample", "btcusdt", "--to", "1h")
    assert ran.code == 0, ran.err
    assert "candles of BTCUSDT 1h at binance: 5 rows new" in ran.out
    hourly = seq_gym.load_candles("store", interval="1h")
    minutes = seq_gym.load_candles("store", interval="1m")
    assert hourly.high[0, 0] == np.nanmax(minutes.high[:60])
    assert "nothing new" in run("resample", "BTCUSDT", "--to", "1h").out


def test_verify_of_a_store_that_is_not_there_is_an_error(run, tmp_path):
    ran = run("verify", "--store", tmp_path / "typo")
    assert ran.code == 1
    assert "must hold a table" in ran.err


def test_verify_finds_what_was_changed_by_hand(run, candles, store):
    run("import", candles)
    ran = run("verify")
    assert (ran.code, ran.out) == (0, f"1 table, 0 faults in {store}\n")
    (part,) = store.rglob("*.parquet")
    content = bytearray(part.read_bytes())
    part.write_bytes(content[: len(content) // 2])
    ran = run("verify", "--output", "json")
    assert ran.code == 1
    (fault,) = ran.document["faults"]
    assert fault["table"] == "candles of BTCUSDT 1m at binance"
    assert part.name in fault["problem"]
    assert run("verify").out.endswith(f"1 table, 1 fault in {store}\n")


# ---------------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["imprt"], "Unknown command 'imprt'. Did you mean 'import'?"),
        (["sing"], "Choose from: import, ls, coverage, resample, verify, download."),
        (["import"], "FILE must be given. See python -m seq_gym.data import --help."),
        (["import", "none.csv"], "there is no 'none.csv'"),
        (["import", "*.nothing"], "there is no '*.nothing'"),
        (["import", "x.csv", "--symbl", "X"], "Did you mean '--symbol'?"),
        (["import", "x.csv", "--on-conflict", "frist"], "Did you mean 'first'?"),
        (["import", "x.csv", "--kind", "candle"], "Did you mean 'candles'?"),
        (["import", "x.csv", "--interval", "1 fortnight"], "interval: An interval must be"),
        (["import", "x.csv", "--columns", "time"], "columns must be OURS=THEIRS; was 'time'"),
        (["import", __file__, "--columns", "open=o,open=x"], "name open once; was 'o' and 'x'"),
        (["import", ""], "there is no ''"),
        (["import", __file__, "--store", ""], "--store must have a value; was ''"),
        (["import", __file__, "--columns", "tme=ts"], "Did you mean 'time'?"),
        (["import", __file__, "--tz", "Europe/Berln"], "Europe/Berln"),
        (["import", __file__], "test_cli.py"),
        (["ls", "--output", "xml"], "output must be 'text' or 'json'; was 'xml'"),
        (["ls", "extra"], "Unrecognized options: extra"),
        (["ls", "--symbol", "BTCUSDT"], "Unknown symbol 'BTCUSDT'"),
        (["ls", "--store"], "Missing value for argument '--store'"),
        (["ls", "--store", __file__], "test_cli.py"),
        (["resample", "BTCUSDT"], "--to must be given"),
        (["resample", "--to", "1h"], "SYMBOL must be given"),
        (["resample", "BTCUSDT", "--to", "1H"], "to: An interval must be"),
        (["download", "BTCUSDT"], "--start must be given"),
        (["download", "BTCUSDT", "--start", "2024-13-01"], "start: A time must be"),
        (["download", "BTCUSDT", "--start", "2999-01-01"], "start must be before the end"),
        (["download", "X", "--start", "2024", "--source", "kraken"], "start: A time must be"),
        (["download", "X", "--start", "2024-01-01", "--source", "kraken"], "such as ccxt:kraken"),
        (["download", "X", "--start", "2024-01-01", "--market", "um2"], "Did you mean 'um'?"),
        (
            ["download", "X", "--start", "2024-01-01", "--base-url", "http://example.com"],
            "An address must begin with https://",
        ),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_1(run, arguments, words, store):
    ran = run(*arguments)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: ")
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not list(store.rglob("*.parquet"))


def test_an_unknown_kind_of_store_is_refused(run, monkeypatch):
    monkeypatch.setenv("SIM_STORE", "locl")
    ran = run("ls")
    assert ran.code == 1
    assert "Did you mean 'local'?" in ran.err


def test_help_tells_every_command_and_every_option(capsys):
    assert main(["--help"]) == 0
    overview = capsys.readouterr().out
    for command in ("import", "ls", "coverage", "resample", "verify", "download"):
        assert f"\n  {command} " in overview
        with pytest.raises(SystemExit) as exit_:
            main([command, "--help"])
        assert exit_.value.code == 0
        text = capsys.readouterr().out
        assert f"usage: python -m seq_gym.data {command}" in text
        assert "--store PATH" in text
        assert "--output {text,json}" in text
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"seq_gym {seq_gym.__version__}\n"
    assert main([]) == 1
    assert capsys.readouterr().out == overview


# ---------------------------------------------------------------------------- being stopped


@pytest.mark.parametrize("stage", ["reading", "writing"])
def test_ctrl_c_leaves_the_store_as_it_was_and_says_so(
    stage, run, write, candles, store, monkeypatch
):
    run("import", candles)
    before = snapshot(store)

    @contextlib.contextmanager
    def interrupting(is_quiet):
        def show(progress):
            if progress.stage == stage:
                signal.raise_signal(signal.SIGINT)

        yield show

    monkeypatch.setattr(commands, "show_progress", interrupting)
    more = write("BTCUSDT-1m-more.csv", klines("2024-03-02", 2_000))
    ran = run("import", more)
    assert (ran.code, ran.out) == (130, "")
    assert ran.err == "Interrupted; the store is as it was before.\n"
    assert snapshot(store) == before


@pytest.mark.parametrize("part", ["read_options", "json.dumps"])
def test_ctrl_c_before_or_after_the_work_is_no_traceback(part, run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"seq_gym.data.cli.{part}", interrupted)
    assert run("ls", "--output", "json") == (130, "", "Interrupted.\n")


def test_the_door_runs_as_a_module_and_says_nothing_else(tmp_path, candles):
    environment = os.environ | {"SIM_STORE": "local", "SIM_STORE_PATH": str(tmp_path / "s")}
    command = [sys.executable, "-m", "seq_gym.data", "import", str(candles), "--output", "json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["tables"][0]["rows"] == 298


def test_names_that_the_terminal_cannot_write_are_escaped(tmp_path, write):
    lines = [f"{1709251200000 + 60_000 * k},1,2,1,2,5,\u00d6L\u20ac" for k in range(3)]
    path = write("prices.csv", ["time,open,high,low,close,volume,symbol", *lines])
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "SIM_STORE_PATH": str(tmp_path / "s")}
    for output in ("text", "json"):
        command = [sys.executable, "-m", "seq_gym.data", "import", str(path), "--output", output]
        done = subprocess.run(
            command, capture_output=True, check=False, cwd=ROOT, env=environment, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["tables"][0]["symbol"] == "\u00d6L\u20ac"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe that breaks")
def test_a_reader_that_left_is_no_error(tmp_path, candles):
    environment = os.environ | {"SIM_STORE": "local", "SIM_STORE_PATH": str(tmp_path / "s")}
    command = [sys.executable, "-m", "seq_gym.data", "import", str(candles)]
    read, wrote = os.pipe()
    os.close(read)
    done = subprocess.run(
        command, stdout=wrote, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT,
        env=environment, timeout=120,
    )  # fmt: skip
    os.close(wrote)
    assert done.stderr == ""
