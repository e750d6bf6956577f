"""Every config file is a complete record of a run, and runs."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from seq_gym.config import config_to_toml
from seq_gym.evaluate import EvaluateBookConfig
from seq_gym.evaluate.cli import main, read_command_line

ROOT = Path(__file__).resolve().parents[2]
RECORDS = [
    path
    for path in sorted((ROOT / "configs").glob("*.toml"))
    if "seq_gym.evaluate" in path.read_text(encoding="utf-8").splitlines()[0]
]


def test_there_are_records():
    assert len(RECORDS) >= 8


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_a_record_is_complete(path):
    config = read_command_line(["--config", str(path)])
    # What the record leaves unsaid would be a default that may change under it.
    assert tomllib.loads(path.read_text(encoding="utf-8")) == tomllib.loads(config_to_toml(config))


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_the_first_line_of_a_record_is_the_command_that_runs_it(
    path, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(ROOT)
    command = shlex.split(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    assert command[:3] == ["python", "-m", "seq_gym.evaluate"]
    config = read_command_line(["--config", str(path)])
    is_book = isinstance(config, EvaluateBookConfig)
    small = ["--end", "2025-01-01T00:03:00Z" if is_book else "2025-01-02"]
    if config.window == "full":
        small = ["--end", "2021-03-31"]
    else:
        small += ["--episodes", "2", "--episode-steps", "120"]
    arguments = [*command[3:], *small, "--output", "json", "--out", str(tmp_path)]
    assert main(arguments) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["partial"] is False
    assert len(document["agents"]) >= (3 if is_book else 5)
