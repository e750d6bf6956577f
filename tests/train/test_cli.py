"""python -m agents.train_*: one line for every error, Ctrl-C, going on, and the configs."""

from __future__ import annotations

import io
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seq_gym.config import config_to_toml, load_config
from seq_gym.evaluate.cli import main as evaluate_main
from seq_gym.train import TrainConfig
from seq_gym.train import cli as train_cli
from seq_gym.train.cli import main
from seq_gym.train.settings import AnyTrainConfig, config_kind

ROOT = Path(__file__).resolve().parents[2]
RECORDS = [
    path
    for path in sorted((ROOT / "configs").glob("*.toml"))
    if "agents.train_" in path.read_text(encoding="utf-8").splitlines()[0]
]
TINY = [
    *("symbols=BTCUSDT", "end=2025-01-04", "total_steps=512", "num_envs=8", "episode_steps=60"),
    *("threads=1", "look_back=6", "validation.every=256", "validation.episodes=2"),
]
ROLLOUT = ["n_steps=32", "batch_size=128", "n_epochs=1"]


def sets(values: list[str]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def only(out: Path) -> Path:
    (folder,) = out.iterdir()
    return folder


def test_the_help_says_that_no_config_is_needed(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main("ppo", ["--help"])
    usage = capsys.readouterr().out.splitlines()[0]
    assert usage.startswith("usage: python -m agents.train_ppo [-h] [CONFIG]")


def test_a_run_says_where_it_is_and_how_to_evaluate_it(tmp_path: Path, capsys: Any) -> None:
    assert main("ppo", sets([*TINY, *ROLLOUT, f"out={tmp_path}"])) == 0
    told = capsys.readouterr()
    folder = only(tmp_path)
    assert f"python -m seq_gym.evaluate --agent {folder}" in told.out
    assert "512 steps (100 %)" in told.err
    assert "validation return" in told.err
    out = ["--out", str(tmp_path / "evaluated"), "--agent", "agents/sma_crossover.py"]
    assert evaluate_main(["--agent", str(folder), *out]) == 0
    assert "sma_crossover" in capsys.readouterr().out
    assert main("ppo", ["--resume", str(folder), *sets(["total_steps=1024"])]) == 0
    assert "1,024 steps, complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("algo", "arguments", "words"),
    [
        ("ppo", ["--sett", "x=1"], "Unknown option '--sett'. Did you mean '--set'?"),
        ("ppo", sets(["lerning_rate=1"]), "Did you mean 'learning_rate'?"),
        ("ppo", ["nope.toml"], "nope.toml cannot be read"),
        ("ppo", ["configs/a2c-synthetic.toml"], "python -m agents.train_a2c with it"),
        ("dqn", ["configs/ppo-synthetic.toml"], "python -m agents.train_ppo with it"),
        ("ppo", sets([*TINY, "algo=a2c"]), "--set algo must be of ppo; was of a2c"),
        ("ppo", ["configs/baselines.toml"], "unknown key 'agent'"),
        ("sac", sets([*TINY, "action=discrete"]), "action must be one that sac can take"),
        ("dqn", sets([*TINY, "action=continuous"]), "or train it with ppo or a2c or sac"),
        ("ppo", sets([*TINY, "data=nope.csv"]), "there is no 'nope.csv'"),
        ("ppo", sets([*TINY, *ROLLOUT, "end=2025-01-01", "episode_steps=900"]), "must fit"),
        ("ppo", ["--resume", "configs"], "has no config.toml"),
        ("ppo", ["configs/ppo-synthetic.toml", "--resume", "runs"], "keeps its own config"),
        ("ppo", sets([*TINY, "features=['rsii']"]), "Did you mean"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    algo: str,
    arguments: list[str],
    words: str,
    tmp_path: Path,
    capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    extra = [] if "--resume" in arguments else sets([f"out={tmp_path}"])
    assert main(algo, [*arguments, *extra]) == 1
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert words in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["torch", "stable_baselines3", "tensorboard"])
def test_a_missing_library_names_the_extra(
    name: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert main("ppo", sets(TINY)) == 1
    told = capsys.readouterr().err
    assert (
        told == f"Error: {name} is not installed. Install it with: pip install 'seq-gym[train]'\n"
    )


def test_without_the_extra_the_package_and_its_config_are_there() -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'stable_baselines3', 'sb3_contrib', 'tensorboard'):\n"
        "    sys.modules[name] = None\n"
        "from seq_gym.errors import MissingExtra\n"
        "import seq_gym.train\n"
        "seq_gym.train.TrainConfig()\n"
        "try:\n"
        "    seq_gym.train.make_vec_env\n"
        "except MissingExtra as error:\n"
        "    sys.exit(0 if 'seq-gym[train]' in str(error) else 1)\n"
        "sys.exit(2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_a_checkpoint_that_the_run_goes_on_from(
    tmp_path: Path, number: signal.Signals
) -> None:
    long = [*TINY, *ROLLOUT, "total_steps=50_000_000", f"out={tmp_path}"]
    command = [sys.executable, "-m", "agents.train_ppo", *sets(long)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = " "
    while line and "validation return" not in line:
        line = process.stderr.readline()
    assert line, "it ended before its first validation"
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in told
    folder = only(tmp_path)
    last = told.splitlines()[-1]
    assert last.startswith("Interrupted at step ")
    assert last.endswith(f"python -m agents.train_ppo --resume {folder}")
    assert not (folder / "DONE").exists()
    assert evaluate_main(["--agent", str(folder), "--out", str(tmp_path / "e")]) == 0
    steps = int(last.split()[3].replace(",", ""))
    assert main("ppo", ["--resume", str(folder), "--set", f"total_steps={steps + 256}"]) == 0
    assert (folder / "DONE").read_text() == "complete\n"


def test_the_bar_of_a_resumed_run_counts_what_is_done_now(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    told = {"total": 2_000_000, "seconds_left": 1.0, "figures": {}}
    resumed = SimpleNamespace(steps=1_000_000, steps_per_s=0.0, **told)
    later = SimpleNamespace(steps=1_000_010, steps_per_s=50.0, **told)
    with train_cli._progress() as show:
        show(resumed)
        time.sleep(0.2)
        show(later)
    assert "1.00M/2.00M" in terminal.getvalue()
    assert "kstep/s" not in terminal.getvalue()
    assert "Mstep/s" not in terminal.getvalue()


# ---------------------------------------------------------------------- configs


def record(path: Path) -> AnyTrainConfig:
    top = tomllib.loads(path.read_text(encoding="utf-8"))
    return load_config(config_kind(top.get("env"), ()), path)


def test_there_is_a_record_for_every_algorithm() -> None:
    algorithms = {record(path).algo for path in RECORDS}
    assert algorithms == {"ppo", "a2c", "dqn", "sac", "maskable_ppo"}


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_a_record_is_complete(path: Path) -> None:
    config = record(path)
    text = path.read_text(encoding="utf-8")
    # What the record leaves unsaid would be a default that may change under it.
    assert tomllib.loads(text) == tomllib.loads(config_to_toml(config.resolved()))


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_the_first_line_of_a_record_is_the_command_that_runs_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    command = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    config = record(path)
    assert command[1:] == ["-m", f"agents.train_{config.algo}", f"configs/{path.name}"]
    if config.data and not all(Path(each).exists() for each in config.data):
        pytest.skip("the real market data (../shared/data) is not on this machine")
    small = ["total_steps=512", "num_envs=8", "episode_steps=60", "validation.every=256"]
    small += ["validation.episodes=2", "threads=1", f"out={tmp_path}"]
    last = "2025-01-04" if isinstance(config, TrainConfig) else "2025-01-01T00:08:00"
    small += [] if config.data else [f"end={last}"]
    small += ["batch_size=128"] if "n_epochs" in config.hyperparameters else []
    small += ["learning_starts=128", "buffer_size=1000"] if config.algo in ("dqn", "sac") else []
    assert main(config.algo, [*command[3:], *sets(small)]) == 0
    assert (only(tmp_path) / "DONE").exists()
