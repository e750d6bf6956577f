"""python -m seq_gym.backtest: the help, errors of one line, exit codes, Ctrl-C (S0-01 to S0-20)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from seq_gym.backtest.cli import main
from tests.backtest.conftest import DAY, WINDOW

ROOT = Path(__file__).resolve().parents[2]


def test_the_help_tells_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    options = "start end symbols capital venue seed queue-model latency-model agent data funding "
    options += "tick lot fix-clock shift-ns scan-buffer-secs no-dedup set output no-save out"
    for option in options.split():
        assert f"--{option} " in text
    for default in ("100000.0", "42", "3600", "all", "text", "probabilistic", "per-venue"):
        assert f"(default: {default})" in text
    assert "a JSON object a line" in text
    assert "[OPTIONS] [SYMBOL]" in text  # --symbols takes its place


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["BTC-USD", "--end", DAY], "--start must be given"),
        (["BTC-USD", "--start", DAY], "--end must be given"),
        ([*WINDOW], "SYMBOL, or --symbols, must be given"),
        (["BTC-USD", *WINDOW, "--capitl", "5"], "Did you mean '--capital'?"),
        (["BTC-USD", "ETH-USD", *WINDOW], "Unrecognized options: ETH-USD"),
        (["BTC-USD", *WINDOW, "--capital", "much"], "capital must be a valid number; was 'much'."),
        (["BTC-USD", *WINDOW, "--capital", "0"], "capital must be a number above 0"),
        (["BTC-USD", *WINDOW, "--capital", "nan"], "capital must be a number above 0"),
        (["BTC-USD", *WINDOW, "--seed", "1.5"], "seed must be a valid integer"),
        (["BTC-USD", *WINDOW, "--seed", "-1"], "seed must be from 0"),
        (["BTC-USD", *WINDOW, "--seed", "1", "--seed", "2"], "--seed must be given once"),
        (["BTC-USD", *WINDOW, "--scan-buffer-secs", "-1"], "scan_buffer_secs must be at least 0"),
        (["BTC-USD", *WINDOW, "--output", "jsn"], "Did you mean 'json'?"),
        (["BTC-USD", *WINDOW, "--queue-model", "agressive"], "Did you mean 'aggressive'?"),
        (["BTC-USD", *WINDOW, "--latency-model", "lognormal"], "Did you mean 'log-normal'?"),
        (["BTC-USD", *WINDOW, "--latency-model", "recorded"], "recorded_latency"),
        (["BTC-USD", *WINDOW, "--set", "taker_fe_frac=0"], "Did you mean 'taker_fee_frac'?"),
        (["BTC-USD", *WINDOW, "--set", "fills=strct"], "Did you mean 'strict'?"),
        (["BTC-USD", *WINDOW, "--set", "fills"], "An override must be key=value"),
        (["BTC-USD", *WINDOW, "--set", "starting_balance=5"], "Likely fix: --capital."),
        (["BTC-USD", *WINDOW, "--set", "queue_model=none"], "Likely fix: --queue-model."),
        (["BTC-USD", *WINDOW, "--agent", "makr"], "Did you mean 'maker'?"),
        (["BTC-USD", *WINDOW, "--agent", "no/such.py"], "there is no file no/such.py"),
        (["BTC-UDS", *WINDOW], "Did you mean 'BTC-USD'?"),
        (["BTC-USD", *WINDOW, "--venue", "krakn"], "Did you mean 'kraken'?"),
        (["BTC-USD", *WINDOW, "--venue", ","], "venue must name venues, or be all"),
        (["BTC-USD", *WINDOW, "--data", "no.gz"], "there is no 'no.gz'"),
        (["BTC-USD", *WINDOW, "--fix-clock"], "fix_clock is for recordings"),
        (["BTC-USD", *WINDOW, "--shift-ns", "5"], "import FILE, there with --shift-ns."),
        (["BTC-USD", *WINDOW, "--shift-ns", "1.5"], "shift_ns must be a valid integer"),
        (["BTC-USD", *WINDOW, "--tick", "0"], "tick must be a number above 0"),
        (["BTC-USD", *WINDOW, "--lot", "fine"], "lot must be a valid number"),
        (["BTC-USD", *WINDOW, "--funding", "rates.csv"], "funding must be SYMBOL=FILE"),
        (["BTC-USD", *WINDOW, "--funding", "BTC-USD=no.csv"], "there is no 'no.csv'"),
        (
            ["BTC-USD", *WINDOW, "--data", "synthetic", "--lot", "1"],
            "lot must be left out for a synthetic book",
        ),
        (["BTC-USD", "--start", "2024-13-01", "--end", DAY], "start: A time must be"),
        (["BTC-USD", "--start", DAY, "--end", "2024-08-07"], "end must not be before start"),
        (["BTC-USD", "--start", "2024-08-01", "--end", "2024-08-02"], "must have a recorded book"),
        (
            ["BTC-USD", *WINDOW, "--latency-model", "recorded"],
            "latency_model recorded cannot be used on the command line",
        ),
        (["BTC-USD", *WINDOW, "--out", "/dev/null/x"], "out must be a folder"),
        (["BTC-USD", *WINDOW, "--bundle", "bun_e4f2a1"], "--bundle must be left out: there are no"),
        (["BTC-USD", *WINDOW, "--bundle=x"], "Likely fix: --agent file.py."),
        (["BTC-USD", *WINDOW, "--skip-build"], "--skip-build must be left out"),
        (["BTC-USD", *WINDOW, "--skip-buil"], "Unknown option '--skip-buil'"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_1(run, tmp_path, arguments, words):
    told = run(*arguments)
    assert told.code == 1
    assert told.err.startswith("Error: ")
    assert words in told.err
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err
    assert not (tmp_path / "runs").exists()


def test_without_any_data_the_error_says_how_to_get_some(run, tmp_path, monkeypatch):
    monkeypatch.setenv("SIM_STORE_PATH", str(tmp_path / "empty"))
    told = run("BTC-USD", *WINDOW)
    assert told.code == 1
    assert "python -m seq_gym.data import FILE" in told.err
    assert "--data synthetic" in told.err


def test_an_error_of_the_agent_names_its_line_and_the_virtual_time(run, agents):
    (agents / "bad.py").write_text(
        "class Bad:\n    def on_heartbeat(self, session):\n        return 1 / 0\n"
    )
    told = run("ETH-USD", *WINDOW, "--agent", agents / "bad.py")
    assert told.code == 1
    assert "Agent 'bad' failed at 2024-08-08T12:00:0" in told.err
    assert "after 0 fills: ZeroDivisionError: division by zero (bad.py:3)" in told.err


def test_a_policy_is_told_where_it_belongs(run, agents):
    (agents / "policy.py").write_text(
        "class Theirs:\n    def predict(self, observation, **kw):\n        return 0, None\n"
    )
    told = run("ETH-USD", *WINDOW, "--agent", agents / "policy.py")
    assert told.code == 1
    assert "must have callbacks on a session; it has predict" in told.err
    assert "python -m seq_gym.evaluate --agent" in told.err
    (agents / "executor.py").write_text(
        "class Ours:\n    env_id = 'seq_gym/Execution-v0'\n"
        "    def predict(self, observation, **kw):\n        return 0, None\n"
    )
    told = run("ETH-USD", *WINDOW, "--agent", agents / "executor.py")
    assert told.err.endswith(f"--agent {agents / 'executor.py'} --env Execution-v0.\n")
    told = run("ETH-USD", *WINDOW, "--agent", agents / "model.zip")
    assert told.code == 1
    assert f"python -m seq_gym.evaluate --agent {agents / 'model.zip'} --algo ppo" in told.err


def test_an_agent_of_candles_is_refused_on_books(run, agents):
    (agents / "candle.py").write_text("class C:\n    def on_candle(self, session):\n        pass\n")
    for agent in (agents / "candle.py", "trend"):
        told = run("ETH-USD", *WINDOW, "--agent", agent)
        assert told.code == 1
        assert "' trades candles (on_candle); this replay is of order books" in told.err


STOPS = """
from seq_gym import Strategy

class Stops(Strategy):
    def on_start(self, session):
        self.beats = 0
    def on_heartbeat(self, session):
        self.beats += 1
        session.place_order(session.symbols[0], "buy", "market", 0.01)
        if self.beats == 7:
            raise KeyboardInterrupt
"""


def test_ctrl_c_tells_what_was_done_and_keeps_it(run, agents, tmp_path):
    (agents / "stops.py").write_text(STOPS)
    told = run("ETH-USD", *WINDOW, "--agent", agents / "stops.py")
    assert told.code == 130
    (folder,) = (tmp_path / "runs").iterdir()
    fills = pl.read_parquet(folder / "fills.parquet")
    assert 5 <= fills.height <= 7
    assert told.err == (
        f"Interrupted at 2024-08-08T12:00:07Z: {fills.height} fills until then, kept in "
        f"runs/{folder.name}.\n"
    )
    assert "PARTIAL: it was stopped at 2024-08-08T12:00:07Z." in told.out
    assert (folder / "DONE").read_text() == "partial\n"
    # M7: what is stopped is not sold.
    assert fills["side"].unique().to_list() == ["buy"]
    told = run("ETH-USD", *WINDOW, "--agent", agents / "stops.py", "--no-save")
    assert told.code == 130
    assert told.err.endswith("fills until then, nothing was saved.\n")


def test_ctrl_c_before_the_first_event_writes_nothing(run, tmp_path, monkeypatch):
    def stop(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("seq_gym.backtest.run.find_replay", stop)
    told = run("ETH-USD", *WINDOW)
    assert (told.code, told.out) == (130, "")
    assert told.err == "Interrupted; nothing was saved.\n"
    assert not (tmp_path / "runs").exists()


def test_the_module_is_a_door_and_a_reader_that_has_enough_is_no_error(store, tmp_path):
    command = f"{sys.executable} -m seq_gym.backtest ETH-USD --start {DAY} --end {DAY} --no-save"
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} --data store:{store} | head -n 2"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("Backtest of maker on ETH-USD@coinbase\n")
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_an_import_of_the_package_brings_no_parser_and_no_parquet():
    code = (
        "import sys, seq_gym.backtest\n"
        "heavy = {'tyro', 'pydantic', 'tqdm', 'matplotlib', 'torch', 'pyarrow', 'scipy.stats'}\n"
        "found = sorted(heavy & set(sys.modules))\n"
        "sys.exit(', '.join(found) if found else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
