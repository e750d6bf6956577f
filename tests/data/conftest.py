"""A store of its own for every test, files to import, and the command run in this process."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seq_gym.data.cli import main
from seq_gym.times import NS_PER_MINUTE, parse_time

MS = 1_000_000
_RECORDED = parse_time("2024-08-08T23:58:00")


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


def websocket(*, behind_ms=0, skip=(), first=0, count=3000):
    """A recording of Binance's websocket: a snapshot, then differences and prints 100 ms apart."""
    lines = []

    def say(at_ms, document):
        lines.append(f"{_RECORDED + (at_ms - behind_ms) * MS} {json.dumps(document)}")

    bids = [[f"{100 - k / 10:.2f}", "5.000"] for k in range(1, 6)]
    asks = [[f"{100 + k / 10:.2f}", "5.000"] for k in range(1, 6)]
    say(first * 100 + 1, {"lastUpdateId": 10 * first, "bids": bids, "asks": asks})
    for number in range(first + 1, first + count):
        if number in skip:
            continue
        at = number * 100
        told = _RECORDED // MS + at
        diff = {"e": "depthUpdate", "E": told, "s": "BTCUSDT"}
        diff |= {"U": 10 * number - 9, "u": 10 * number}
        diff |= {"b": [[f"{100 - (1 + number % 5) / 10:.2f}", f"{number % 7}.000"]], "a": []}
        say(at + 2, {"stream": "btcusdt@depth@100ms", "data": diff})
        if number % 10 == 0:
            print_ = {"e": "trade", "E": told, "T": told, "s": "BTCUSDT", "t": number}
            print_ |= {"p": "100.10", "q": "0.500", "m": False}
            say(at + 2, {"stream": "btcusdt@trade", "data": print_})
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
