"""python -m seq_gym.evaluate: options, errors of one line, the run folder, Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from seq_gym.config import load_config
from seq_gym.errors import ConfigError
from seq_gym.evaluate import PHYSICS_VERSION, EvaluateConfig
from seq_gym.evaluate import folder as folders
from seq_gym.evaluate import run as run_module
from seq_gym.evaluate.cli import main, read_command_line

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--end", "2025-01-02", "--episodes", "3", "--episode-steps", "90", "--seed", "7"]
FILES = {
    "DONE",
    "config.toml",
    "episodes.parquet",
    "equity.parquet",
    "equity.png",
    "fills.parquet",
    "manifest.json",
    "metrics.json",
    "report.html",
}


def _only(out: Path) -> Path:
    (folder,) = out.iterdir()
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    assert main([*SMALL, "--out", str(out)]) == 0
    return _only(out)


def test_the_run_folder_is_named_by_what_the_run_was(run):
    time, *rest = run.name.split("-")
    assert len(time) == 16
    assert time.endswith("Z")
    assert "-".join(rest).startswith("Portfolio-v0-trend-s7-")
    assert {p.name for p in run.iterdir()} == FILES
    assert (run / "DONE").read_text() == "complete\n"
    assert not [p for p in run.parent.iterdir() if p.name.startswith(".")]


def test_the_manifest_says_how_to_repeat_the_run(run):
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["command"][:3] == ["python", "-m", "seq_gym.evaluate"]
    assert manifest["physics_version"] == PHYSICS_VERSION
    assert manifest["seed"] == 7
    assert len(manifest["data"]["fingerprint"]) == 64
    assert manifest["partial"] is False
    assert manifest["data"]["source"] == "synthetic market of seed 7"
    assert manifest["agents"][0] == {"name": "trend", "source": "trend", "kind": "strategy"}
    assert {"numpy", "numba", "seq_gym"} <= set(manifest["versions"])
    assert run.name.endswith(manifest["config_hash"])


def test_the_config_of_a_run_folder_repeats_it_to_the_byte(run, tmp_path):
    config = run / "config.toml"
    assert load_config(EvaluateConfig, config).seed == 7
    assert main(["--config", str(config), "--out", str(tmp_path)]) == 0
    again = _only(tmp_path)
    assert again.name[16:] == run.name[16:]
    for name in ("episodes.parquet", "equity.parquet", "fills.parquet", "metrics.json"):
        assert (again / name).read_bytes() == (run / name).read_bytes()


def test_workers_change_no_byte(run, tmp_path):
    assert main([*SMALL, "--workers", "2", "--out", str(tmp_path)]) == 0
    for name in ("episodes.parquet", "equity.parquet", "fills.parquet", "metrics.json"):
        assert (_only(tmp_path) / name).read_bytes() == (run / name).read_bytes()


def test_another_seed_changes_the_episodes(run, tmp_path):
    assert main([*SMALL[:-1], "8", "--out", str(tmp_path)]) == 0
    other = (_only(tmp_path) / "episodes.parquet").read_bytes()
    assert other != (run / "episodes.parquet").read_bytes()


def test_the_tables_hold_every_episode_step_and_fill(run):
    episodes = pl.read_parquet(run / "episodes.parquet")
    equity = pl.read_parquet(run / "equity.parquet")
    fills = pl.read_parquet(run / "fills.parquet")
    assert episodes.height == 5 * 3
    assert episodes["agent"].unique(maintain_order=True).to_list() == [
        "trend",
        "hold",
        "random",
        "buy-and-hold",
        "equal-weight",
    ]
    assert equity.height == 5 * 3 * 91
    assert fills.height == episodes["total_trades"].sum()
    assert str(equity["time"].dtype) == "Datetime(time_unit='ns', time_zone='UTC')"
    last = equity.group_by("agent", "episode", maintain_order=True).last()
    assert last["equity"].to_list() == episodes["final_equity"].to_list()
    fees = fills.group_by(pl.col("agent").cast(pl.String), "episode").agg(pl.col("fee").sum())
    joined = episodes.join(fees, on=["agent", "episode"], how="left").fill_null(0.0)
    paid = (joined["taker_fees"] + joined["maker_fees"] - joined["fee"]).abs().max()
    assert paid < 1e-9


def test_the_report_needs_no_other_file(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert 'src="data:image/png;base64,' in text
    assert "http://" not in text
    assert "https://" not in text
    for words in ("execution next_open", "trigger range", "fees 0.1% taker", "buy-and-hold"):
        assert words in text
    assert (run / "equity.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_a_note_names_the_extra(tmp_path, capsys, monkeypatch):
    for name in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, name, None)
    assert main([*SMALL, "--out", str(tmp_path)]) == 0
    assert "No picture: matplotlib is not installed" in capsys.readouterr().out
    assert {p.name for p in _only(tmp_path).iterdir()} == FILES - {"equity.png"}


def test_the_text_states_the_sandbox_and_the_differences(tmp_path, capsys):
    arguments = ["--set", "taker_fee_frac=0.0004", "--set", "execution=close", "--capital", "5000"]
    assert main([*SMALL, *arguments, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "spot account of 5,000; execution close; trigger range" in told.out
    assert "fees 0.04% taker, 0.1% maker" in told.out
    assert "trend - buy-and-hold" in told.out
    assert f"Run folder: {_only(tmp_path)}" in told.out
    assert told.err == ""


def test_json_is_one_document_and_nothing_else(tmp_path, capsys):
    assert main([*SMALL, "--output", "json", "--out", str(tmp_path)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["run_folder"] == str(_only(tmp_path))
    assert document["agents"][0]["name"] == "trend"
    assert document["sandbox"]["execution"] == "next_open"
    assert len(document["windows"]) == 3
    assert document["agents"][0]["figures"]["total_return_frac"]["num_values"] == 3


def test_options_win_over_the_file_and_set_wins_over_nothing_else(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(
        'seed = 1\nepisodes = 4\nagent = ["hold"]\n[sandbox]\nstarting_balance = 10.0\n'
    )
    config = read_command_line(["--config", str(path)])
    assert (config.seed, config.episodes, config.agent) == (1, 4, ("hold",))
    assert config.sandbox.starting_balance == 10.0
    assert config.sandbox.execution == "next_open"
    options = "--seed 42 --agent a.py --agent b.py --capital 7 --symbols A,B C --set trigger=close"
    config = read_command_line(["--config", str(path), *options.split()])
    assert (config.seed, config.agent) == (42, ("a.py", "b.py"))
    assert config.sandbox.starting_balance == 7.0
    assert config.symbols == ("A", "B", "C")
    assert config.sandbox.trigger == "close"
    assert read_command_line(["--symbols", "42"]).symbols == ("42",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--agnt", "x"], "Unknown option '--agnt'. Did you mean '--agent'?"),
        (["--episodes"], "Missing value for argument '--episodes'"),
        (["stray"], "Unrecognized options: stray"),
        (["--episodes", "many"], "episodes must be a valid integer; was 'many'."),
        (["--window", "randm"], "Did you mean 'random'?"),
        (["--set", "taker_fe_frac=0"], "Did you mean 'taker_fee_frac'?"),
        (["--set", "look_bak=3"], "Did you mean 'look_back'?"),
        (["--set", "execution=nxt_open"], "Did you mean 'next_open'?"),
        (["--set", "max_leverage=0"], "max_leverage must be a number from 1 to 1000"),
        (["--agent", "trnd"], "Did you mean 'trend'?"),
        (["--data", "no-such.parquet"], "there is no 'no-such.parquet'"),
        (["--config", "no-such.toml"], "no-such.toml cannot be read"),
        (["--env", "CandleTrading-v0"], "trades one symbol"),
        (["--episodes", "4000"], "from 1 to"),
        (["--end", "2025-13-01"], "2025-13-01"),
        (["--out", "/dev/null/x"], "out must be a folder that can be written"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_1(arguments, words, tmp_path, capsys):
    rest = [] if "--out" in arguments else ["--out", str(tmp_path / "o")]
    small = ["--end", "2025-01-01", "--episode-steps", "30"] if "--end" not in arguments else []
    assert main([*small, *arguments, *rest]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("Error: ")
    assert words in told.err
    assert told.err.count("\n") == 1
    assert "Traceback" not in told.err
    assert not (tmp_path / "o").exists()


def test_help_tells_every_option_with_its_sentence(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    options = "env data symbols interval start end agent episodes episode-steps window seed"
    options += " capital workers out output config set candles-per-step warm-up"
    for option in options.split():
        assert f"--{option} " in text
    assert "buy-and-hold" in text
    assert "(default: 42)" in text


def test_ctrl_c_keeps_the_finished_episodes_and_says_so(tmp_path, capsys):
    agent = tmp_path / "stops.py"
    agent.write_text(
        "class Stops:\n"
        "    def on_candle(self, session):\n"
        "        if session.cursor > 1100:\n"
        "            raise KeyboardInterrupt\n"
    )
    out = tmp_path / "o"
    arguments = ["--window", "sequential", "--end", "2025-01-01", "--episode-steps", "300"]
    assert main([*arguments, "--agent", str(agent), "--out", str(out)]) == 130
    told = capsys.readouterr()
    assert "Interrupted: 15 of 20 episodes were finished and are kept in" in told.err
    assert "PARTIAL" in told.out
    assert pl.read_parquet(_only(out) / "episodes.parquet").height == 15
    assert "Interrupted" in (_only(out) / "report.html").read_text(encoding="utf-8")


def test_a_failed_write_leaves_no_half_folder(tmp_path, monkeypatch, capsys):
    def fails(*args, **kw):
        raise ConfigError("planted")

    monkeypatch.setattr(folders, "write_tables", fails)
    assert main([*SMALL, "--out", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []
    assert "planted" in capsys.readouterr().err


def test_two_runs_of_one_second_do_not_meet(tmp_path, monkeypatch):
    now = folders.utc_now()
    monkeypatch.setattr(folders, "utc_now", lambda: now)
    for _ in range(2):
        assert main([*SMALL, "--out", str(tmp_path)]) == 0
    one, two = sorted(p.name for p in tmp_path.iterdir())
    assert two == f"{one}-2"


def test_an_import_of_the_package_brings_no_parser_and_no_picture():
    code = (
        "import sys, seq_gym.evaluate, seq_gym.config\n"
        "heavy = {'tyro', 'pydantic', 'tqdm', 'matplotlib', 'torch', 'pyarrow', 'scipy.stats'}\n"
        "found = sorted(heavy & set(sys.modules))\n"
        "sys.exit(', '.join(found) if found else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs POSIX signals")
def test_there_are_no_more_processes_than_cores_and_episodes(tmp_path, monkeypatch):
    started = []

    @contextlib.contextmanager
    def around_every_start():
        started.append(1)
        yield

    monkeypatch.setattr(run_module, "_interrupts_held", around_every_start)
    monkeypatch.setattr(run_module, "_cores", lambda: 2)
    assert main([*SMALL, "--workers", "99", "--out", str(tmp_path / "cores")]) == 0
    assert len(started) == 2


def test_ctrl_c_stops_the_workers_without_a_word_of_theirs(tmp_path):
    agent = tmp_path / "stops.py"
    agent.write_text(
        "import os, signal, time\n"
        "class Stops:\n"
        "    def on_candle(self, session):\n"
        "        if session.cursor > 1100:\n"
        "            os.kill(os.getppid(), signal.SIGINT)\n"
        "            time.sleep(60)\n"
    )
    out = tmp_path / "o"
    command = [sys.executable, "-m", "seq_gym.evaluate", "--window", "sequential"]
    command += ["--end", "2025-01-01", "--episode-steps", "300", "--workers", "2"]
    command += ["--agent", str(agent), "--out", str(out)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr.startswith("Interrupted: 1")
    assert done.stderr.count("\n") == 1
    assert pl.read_parquet(_only(out) / "episodes.parquet").height >= 14
