"""A store of short synthetic books and of candles, agents to run, and the command in here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from seq_gym.backtest.cli import main
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.market.importers import ReadOptions
from seq_gym.market.store import Store
from tests.data.conftest import klines

DAY = "2024-08-08"
NOON = f"{DAY}T12:00:00Z"
WINDOW = ("--start", DAY, "--end", DAY)

TAKER = '''
class Taker:
    """Buys and sells a hundredth every other second."""

    def __init__(self):
        self.sides = {}

    def on_heartbeat(self, session):
        for symbol in session.symbols:
            side = "sell" if self.sides.get(symbol) == "buy" else "buy"
            order = session.place_order(symbol, side, "market", 0.01)
            if order.is_accepted:
                self.sides[symbol] = side
'''


class Ran(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The objects of --output json."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def fills(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == "fill"]

    @property
    def summary(self) -> dict[str, Any]:
        return self.lines[-1]


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """BTC at Kraken and Coinbase, ETH and SOL at Coinbase, a minute each; candles of two more."""
    folder = tmp_path_factory.mktemp("backtest") / "sim"
    opened = Store.open(folder)
    for symbol, venue in (
        ("XBT/USD", "kraken"),
        ("BTC-USD", "coinbase"),
        ("ETH-USD", "coinbase"),
        ("SOL-USD", "coinbase"),
    ):
        opened.write_book(
            synthetic_book(symbol=symbol, venue=venue, seconds=60.0, start=NOON, seed=1)
        )
    # Recorded on another day only.
    opened.write_book(
        synthetic_book(symbol="BTCUSD", venue="okx", seconds=5.0, start="2024-09-01", seed=1)
    )
    files = folder.parent / "files"
    files.mkdir()
    for symbol in ("ADAUSDT", "XRPUSDT"):
        path = files / f"{symbol}-1m.csv"
        path.write_text("\n".join(klines(DAY, 1_440, price=100.0)) + "\n")
        opened.import_files([path], ReadOptions(venue="binance"))
    return folder


@pytest.fixture
def agents(tmp_path) -> Path:
    """A folder with agents."""
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "taker.py").write_text(TAKER)
    return folder


@pytest.fixture
def run(store, tmp_path, monkeypatch, capsys):
    """Run the command where its runs are nobody else's."""
    monkeypatch.setenv("SIM_STORE", "local")
    monkeypatch.setenv("SIM_STORE_PATH", str(store))
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str | Path) -> Ran:
        code = main([str(each) for each in arguments])
        told = capsys.readouterr()
        return Ran(code, told.out, told.err)

    return command
