"""What an evaluation on books is told of its data: funding rates, steps, the recorder's clock."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seq_gym.engine.book import codes
from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.evaluate import EvaluateBookConfig, evaluate, write_run_folder
from seq_gym.evaluate.book_costs import BOOK_FILL_FIELDS, mids_at
from seq_gym.evaluate.cli import main, read_command_line
from seq_gym.market import FundingRates, Store
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.load import load_book
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.policy import Strategy
from seq_gym.sandbox.book.params import BookParams
from seq_gym.times import format_time
from tests.data.conftest import websocket

NS = 1_000_000_000
PLACE = {name: place for place, name in enumerate(BOOK_FILL_FIELDS.names)}
BOOK = synthetic_book(seconds=150.0, seed=5)
START = int(-(-BOOK.local_ts[0] // NS) * NS)
STAMPS = START + np.arange(70, 140, 9, dtype=np.int64) * NS
RATES = FundingRates(STAMPS, 0.001 * np.arange(1, len(STAMPS) + 1), "made")


class Hoard(Strategy):
    """Buys 0.5 at the start and keeps it."""

    def on_start(self, session):
        session.place_order("BTCUSDT", "buy", "market", 0.5, time_in_force="IOC")


class HoardPolicy:
    """The same as a target of BookTrading-v0, whose largest position is 0.5."""

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.ones(1, np.float32), None


def _config(**changes):
    sandbox = BookParams(starting_balance=100_000.0, account="margin", liquidate_on_complete=False)
    told = {"episodes": 2, "episode_steps": 300, "seed": 7, "sandbox": sandbox}
    settings = {"env_settings": {"max_position": 0.5}, "window": "sequential"}
    return EvaluateBookConfig(**{**told, **settings, "warm_up": "60900ms", **changes})


def _file(folder: Path, times: float = 1.0) -> str:
    path = folder / "rates.csv"
    pairs = zip(*RATES[:2], strict=True)
    lines = [f"{stamp // 1_000_000},{times * rate}" for stamp, rate in pairs]
    path.write_text("\n".join(["time,rate", *lines]) + "\n")
    return str(path)


@pytest.mark.parametrize("name", ["BTCUSDT", "BTCUSDT@synthetic"])
def test_m5_policies_and_strategies_pay_the_same_funding_to_the_bit(name, tmp_path):
    config = _config(funding=(f"{name}={_file(tmp_path)}",))
    agents = {"strategy": Hoard, "policy": HoardPolicy()}
    paid, free = (
        evaluate(each, agents=agents, data=BOOK) for each in (config, replace(config, funding=None))
    )
    for ours, theirs in zip(paid.episodes_of("strategy"), paid.episodes_of("policy"), strict=True):
        assert (ours.costs, ours.metrics) == (theirs.costs, theirs.metrics)
        assert ours.equity.tobytes() == theirs.equity.tobytes()
        within = np.searchsorted(STAMPS, [ours.start_ns, ours.end_ns], side="right")
        stamps, rates = STAMPS[slice(*within)], RATES.rate[slice(*within)]
        owed = float(np.sum(0.5 * mids_at(BOOK, stamps) * rates))
        assert len(stamps) >= 3
        assert ours.costs["funding"] == pytest.approx(owed, rel=1e-12)
    for ours, theirs in zip(paid.episodes, free.episodes, strict=True):
        assert theirs.costs["funding"] == 0.0
        assert ours.equity[-1] == pytest.approx(theirs.equity[-1] - ours.costs["funding"])
    assert "; with funding rates" in paid.text()
    assert "; no funding rates" in free.text()
    folder, _ = write_run_folder(paid, ["test"], tmp_path / "runs")
    recorded = json.loads((folder / "manifest.json").read_text())["data"]["funding"]
    assert recorded["BTCUSDT@synthetic"]["stamps"] == len(STAMPS)
    assert free.ground.data_record()["funding"] == {}


@pytest.mark.parametrize("has_rates", [False, True])
def test_m5_a_spot_account_pays_none_and_nothing_is_said_of_it(has_rates, tmp_path):
    spot = BookParams(starting_balance=100_000.0, liquidate_on_complete=False)
    rates = (f"BTCUSDT={_file(tmp_path)}",) if has_rates else None
    config = _config(sandbox=spot, funding=rates)
    result = evaluate(config, agents={"hoard": Hoard}, data=BOOK)
    assert bool(result.ground.data_record()["funding"]) == has_rates
    assert all(e.costs["funding"] == 0.0 for e in result.episodes)
    assert "funding" not in dict(result.facts())["market"]


def test_m5_the_rates_of_a_store_are_paid_unless_a_file_is_named(tmp_path):
    store = Store.open(tmp_path / "sim")
    store.write_book(BOOK)
    store.write_funding("BTCUSDT", RATES, venue="synthetic")
    agents = {"strategy": Hoard, "policy": HoardPolicy()}
    stored = evaluate(_config(data=(str(tmp_path / "sim"),)), agents=agents)
    assert all(e.costs["funding"] > 0.0 for e in stored.episodes if e.agent < 2)
    named = replace(stored.config, funding=(f"BTCUSDT={_file(tmp_path, times=2.0)}",))
    for once, twice in zip(stored.episodes, evaluate(named, agents=agents).episodes, strict=True):
        assert twice.costs["funding"] == pytest.approx(2.0 * once.costs["funding"])


def test_b10_windows_with_a_stale_book_are_told(tmp_path):
    columns = {name: getattr(BOOK, name).copy() for name in COLUMNS}
    at = int(np.searchsorted(BOOK.local_ts, START + 100 * NS))
    for name, value in (("kind", codes.GAP), ("side", 0), ("tick", 0), ("lots", 0)):
        columns[name][at] = value
    lost = BookEvents(instrument=BOOK.instrument, **columns)
    config = _config(env_settings={}, agent=("maker",), episodes=3, episode_steps=250)
    result = evaluate(config, data=lost)
    windows = result.document()["windows"]
    gap_ns = int(BOOK.local_ts[at])
    for window, each in zip(windows, result.windows, strict=True):
        start, end = result.ground.span(each)
        assert window["starts_stale"] == (start >= gap_ns)
        assert window["num_gaps"] == (end >= gap_ns)
        stale_s = max(end - max(start, gap_ns), 0) / NS
        assert window["stale_s"] == pytest.approx(stale_s)
    assert [w["num_gaps"] for w in windows] == [0, 1, 1]
    assert [w["starts_stale"] for w in windows] == [False, False, True]
    note = "STALE BOOK: 2 of 3 windows met a gap in the recording, and 1 began in a book"
    assert note in result.text()
    assert not any(e.fills for e in result.episodes_of("maker") if e.index == 2)
    folder, _ = write_run_folder(result, ["evaluate"], tmp_path)
    assert note in (folder / "report.html").read_text()
    whole = evaluate(config, data=BOOK)
    assert "STALE BOOK" not in whole.text()
    assert all(w["num_gaps"] == 0 for w in whole.document()["windows"])


def test_rates_that_are_nobodys_are_refused(tmp_path):
    path = _file(tmp_path)
    with pytest.raises(UnknownName, match="Did you mean 'BTCUSDT'"):
        evaluate(_config(funding=(f"BTCUSD={path}",)), data=BOOK)
    with pytest.raises(ConfigError, match="funding must name files that exist"):
        evaluate(_config(funding=("BTCUSDT=none.csv",)), data=BOOK)
    with pytest.raises(ConfigError, match="funding must be SYMBOL=FILE"):
        _config(funding=("rates.csv",))


@pytest.fixture
def late(tmp_path):
    """A recording whose recorder's clock was half a second behind."""
    path = tmp_path / "btcusdt_20240808.txt"
    path.write_text("\n".join(websocket(count=1200, behind_ms=500)) + "\n")
    return path


def test_b1_the_error_of_a_late_clock_names_options_that_the_command_has(late, tmp_path, capsys):
    small = ["--data", str(late), "--window", "full", "--out", str(tmp_path / "runs")]
    assert main(small) == 1
    error = capsys.readouterr().err
    assert "(B1)" in error
    for option in (["--fix-clock"], ["--shift-ns", "500000000"]):
        assert option[0] in error
        assert main([*small, *option]) == 0
        capsys.readouterr()
    assert main([*small, "--shift-ns", "400000000"]) == 1
    assert "(B1)" in capsys.readouterr().err
    assert main([*small, "--shift-ns", "500000000", "--fix-clock"]) == 1
    assert "not both" in capsys.readouterr().err


def test_steps_and_shift_reach_the_recording_and_the_record(late):
    config = read_command_line(
        ["--data", str(late), "--shift-ns", "700000000", "--tick", "0.01", "--lot", "0.5"]
    )
    assert (config.tick, config.lot, config.shift_ns) == (0.01, 0.5, 700_000_000)
    result = evaluate(replace(config, window="full"))
    (book,) = result.ground.books.books
    assert (book.instrument.tick, book.instrument.lot) == (0.01, 0.5)
    (terms,) = result.document()["terms"]
    assert (terms["tick"], terms["lot"]) == (0.01, 0.5)
    usual = load_book(str(late), shift_ns=600_000_000).books[0]
    assert usual.instrument.lot != 0.5
    told = usual.local_ts >= 0  # the others are not on the agent's clock
    assert np.unique((book.local_ts - usual.local_ts)[told]).tolist() == [100_000_000]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tick", "0"], "tick must be a number above 0"),
        (["--lot", "-1"], "lot must be a number above 0"),
        (["--tick", "fine"], "tick must be a valid number"),
        (["--shift-ns", "1.5"], "shift_ns must be a valid integer"),
        (["--shift-n", "1"], "Did you mean '--shift-ns'?"),
    ],
)
def test_steps_that_are_none_are_refused_by_name(late, arguments, words, capsys):
    assert main(["--data", str(late), *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tick", "lot", "fix_clock", "shift_ns"])
def test_how_a_recording_is_read_is_refused_where_none_is_read(name, tmp_path):
    value = {"fix_clock": True, "shift_ns": 5}.get(name, 0.01)
    with pytest.raises(ConfigError, match=f"{name} must be left out without data"):
        evaluate(EvaluateBookConfig(**{name: value}))
    with pytest.raises(ConfigError, match=f"{name} must be left out"):
        evaluate(EvaluateBookConfig(**{name: value}), data=BOOK)
    Store.open(tmp_path).write_book(BOOK)
    with pytest.raises(ConfigError, match=f"{name} must be left out"):
        evaluate(EvaluateBookConfig(data=(str(tmp_path),), **{name: value}))


def test_real_a_recording_is_read_as_import_reads_it(shared_data):
    path = shared_data / "book" / "binance" / "usdm" / "btcusdt_20240808.gz"
    if not path.exists():
        pytest.skip("the recording is not there")
    config = read_command_line(["--env", "MarketMaking-v0", "--data", str(path)])
    with pytest.raises(MarketDataError, match=r"B1.*--shift-ns"):
        evaluate(config)
    shift = {"shift_ns": 5 * NS, "episodes": 2, "episode_steps": 100}
    result = evaluate(replace(config, **shift))
    assert {e.ending for e in result.episodes} == {"WINDOW_END"}
    first = format_time(result.ground.books.start_ns)
    assert first.startswith("2024-08-0")
    assert result.config.sandbox.maker_fee_frac == 0.0
