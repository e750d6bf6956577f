"""A store of its own for every test, files to import, and the command run in this process."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seq_gym.data.cli import main
from seq_gym.times import NS_PER_MINUTE, parse_time


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.out)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The folder that SIM_STORE_PATH names."""
    folder = tmp_path / "store"
    monkeypatch.setenv("SIM_STORE", "local")
    monkeypatch.setenv("SIM_STORE_PATH", str(folder))
    return folder


@pytest.fixture
def run(store, capsys):
    def command(*arguments: str | Path) -> Ran:
        code = main([str(each) for each in arguments])
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return command


def klines(start: str, count: int, *, price: float = 100.0, skip: frozenset[int] = frozenset()):
    """Binance's lines of one-minute candles, in milliseconds."""
    first = parse_time(start)
    lines = []
    for k in range(count):
        if k in skip:
            continue
        opens = (first + k * NS_PER_MINUTE) // 1_000_000
        last = price + k % 7
        values = f"{last},{last + 2},{last - 2},{last + 1},3.5"
        lines.append(f"{opens},{values},{opens + 59_999},{3.5 * last},12,1.5,{1.5 * last},0")
    return lines


@pytest.fixture
def write(tmp_path):
    def file(name: str, lines: list[str]) -> Path:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    return file


def snapshot(folder: Path) -> dict[str, str]:
    """Every file of a folder by its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
