"""evaluate: what belongs to the other kind of market is refused, with what to use instead."""

from __future__ import annotations

from typing import Any

import pytest

from seq_gym.errors import ConfigError
from seq_gym.evaluate import EvaluateBookConfig
from seq_gym.evaluate.cli import main
from seq_gym.market.book.events import BookData
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.runs import book_decisions
from seq_gym.sandbox.book.params import BookParams

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
    assert "Agent 'sma_crossover' trades candles (on_candle)" in told
    assert "env 'seq_gym/MarketMaking-v0' is of order books" in told
    told = refused(*CANDLES, "--agent", "agents/fixed_spread_maker.py")
    assert "trades order books (on_book); the data of this run is of candles" in told


@pytest.mark.parametrize("env", [(), CANDLES, BOOKS])
def test_an_executor_is_refused_where_there_is_no_parent_order(
    refused: Any, env: tuple[str, ...]
) -> None:
    symbols = ("--symbols", "BTCUSDT")
    told = refused(*env, *symbols, "--agent", "agents/twap.py")
    here = env[1].removeprefix("seq_gym/") if env else "CandleTrading-v0"
    assert told == (
        "Error: Agent 'twap' must act in Execution-v0; the policies of this run act in "
        f"{here}. Likely fix: --env Execution-v0.\n"
    )


def test_a_warm_up_that_is_no_time_is_told_the_format(refused: Any) -> None:
    told = refused(*BOOKS, "--warm-up", "1")
    assert "warm_up: An interval must be a count and one of the units" in told
    assert "was '1'" in told


def test_the_help_has_the_sentences_of_both_markets(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for word, candles, books in (
        ("--warm-up CANDLES|TIME", "Candles before the first window", "Time before the first"),
        ("--data [FILE ...]", "Candle files", "Recordings, folders of them"),
        ("--funding [SYMBOL[@VENUE]=FILE ...]", "SYMBOL=FILE each", "SYMBOL@VENUE=FILE each"),
    ):
        _, found, rest = text.partition(f"{word} ")
        own = rest.split(" --", 1)[0]
        assert found, word
        assert candles in own.partition(" On order books: ")[0]
        assert books in own.partition(" On order books: ")[2]


def test_decisions_beyond_counting_are_refused_before_they_are_laid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    books = BookData(books=(synthetic_book(seconds=60.0, seed=1),))
    monkeypatch.setattr(book_decisions, "np", None)  # what would lay them
    with pytest.raises(ConfigError, match=r"at most 20,000,000 decisions; was '1us', which leaves"):
        book_decisions.decision_times(books, BookParams(), every="1us")


def test_decisions_are_by_time_or_by_events() -> None:
    with pytest.raises(ConfigError, match="decide_every must be left out with decide_every_events"):
        EvaluateBookConfig(decide_every="1s", decide_every_events=10)
    assert EvaluateBookConfig(decide_every_events=10).decide_every_events == 10
