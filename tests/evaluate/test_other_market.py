"""evaluate: what belongs to the other kind of market is refused, with what to use instead."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.errors import ConfigError
from seq_gym.evaluate import EvaluateBookConfig
from seq_gym.evaluate.cli import main

BOOKS = ("--env", "seq_gym/MarketMaking-v0")
CANDLES = ("--env", "CandleTrading-v0")


@pytest.fixture
def refused(capsys: Any, tmp_path: Any) -> Any:
    def run(*arguments: str) -> str:
        assert main([*arguments, "--out", str(tmp_path / "runs")]) == 1
        assert not (tmp_path / "runs").exists()
        told: str = capsys.readouterr().err
        assert told.startswith("Error: ")
        assert told.count("\n") == 1
        return told

    return run


@pytest.mark.parametrize(
    ("option", "instead"),
    [
        (("--interval", "1m"), "--decide-every"),
        (("--candles-per-step", "3"), "--decide-every"),
        (("--mark", "BTCUSDT=marks.csv"), "--set mark=mid"),
        (("--tz", "UTC"), "leave it out"),
        (("--set", "interval=1m"), "--decide-every"),
    ],
)
def test_an_option_of_candles_is_refused_on_books(
    refused: Any, option: tuple[str, str], instead: str
) -> None:
    told = refused(*BOOKS, *option)
    name = option[1].partition("=")[0] if option[0] == "--set" else option[0].strip("-")
    assert f"--{name} is for runs on candles; this one is on order books" in told
    assert f"Likely fix: {instead}" in told


@pytest.mark.parametrize("option", [("--decide-every", "1s"), ("--fix-clock",), ("--venues", "x")])
def test_an_option_of_books_is_refused_on_candles(refused: Any, option: tuple[str, ...]) -> None:
    told = refused(*CANDLES, *option)
    assert f"{option[0]} is for runs on order books; this one is on candles" in told


def test_a_strategy_on_candles_is_refused_on_books_and_the_other_way_round(refused: Any) -> None:
    told = refused(*BOOKS, "--agent", "agents/sma_crossover.py")
    assert "Agent 'sma_crossover': Strategy 'SmaCrossover' trades candles (on_candle)" in told
    assert "env 'seq_gym/MarketMaking-v0' is of order books" in told
    told = refused(*CANDLES, "--agent", "agents/fixed_spread_maker.py")
    assert "trades order books (on_book); the data of this run is of candles" in told


def test_decisions_are_by_time_or_by_events() -> None:
    with pytest.raises(ConfigError, match="decide_every must be left out with decide_every_events"):
        EvaluateBookConfig(decide_every="1s", decide_every_events=10)
    assert EvaluateBookConfig(decide_every_events=10).decide_every_events == 10
