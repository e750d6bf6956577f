"""Where nothing is said, a run on books trades under what its environment has by itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from seq_gym.config import config_to_toml, load_config
from seq_gym.errors import ConfigError
from seq_gym.evaluate import EvaluateBookConfig, evaluate, write_run_folder
from seq_gym.evaluate.book_costs import BOOK_FILL_FIELDS, mids_at
from seq_gym.evaluate.cli import main, read_command_line
from seq_gym.market.book.events import BookData
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.sandbox.book.params import BookParams

AGENTS = Path(__file__).resolve().parents[2] / "agents"
IDS = ("BookTrading-v0", "MarketMaking-v0", "Execution-v0")
PLACE = {name: place for place, name in enumerate(BOOK_FILL_FIELDS.names)}


@pytest.fixture(scope="module")
def book():
    return synthetic_book(seconds=240.0, seed=5)


def _own(name, book):
    """The physics of an environment that is told nothing."""
    return gymnasium.make(f"seq_gym/{name}", data=book).unwrapped.settings.params


@pytest.mark.parametrize("name", IDS)
def test_unsaid_physics_are_those_of_the_environment_through_every_door(name, book, tmp_path):
    own = _own(name, book)
    assert EvaluateBookConfig(env=name).sandbox == own
    assert EvaluateBookConfig(env=f"seq_gym/{name}").sandbox == own
    assert read_command_line(["--env", name]).sandbox == own
    assert read_command_line(["--set", f"env={name}"]).sandbox == own
    path = tmp_path / "run.toml"
    path.write_text(f'env = "{name}"\n')
    assert read_command_line(["--config", str(path)]).sandbox == own
    assert load_config(EvaluateBookConfig, path).sandbox == own
    path.write_text('env = "BookTrading-v0"\nseed = 3\n')
    assert read_command_line(["--config", str(path), "--env", name]).sandbox == own


@pytest.mark.parametrize("name", IDS)
def test_what_is_said_wins_and_leaves_the_rest_to_the_environment(name, book, tmp_path):
    said = replace(_own(name, book), maker_fee_frac=0.0004, queue_model="none")
    changes = ["maker_fee_frac=0.0004", "queue_model=none"]
    given = [word for change in changes for word in ("--set", change)]
    assert read_command_line(["--env", name, *given]).sandbox == said
    path = tmp_path / "run.toml"
    path.write_text(f'env = "{name}"\n[sandbox]\nmaker_fee_frac = 0.0004\nqueue_model = "none"\n')
    assert read_command_line(["--config", str(path)]).sandbox == said
    config = load_config(EvaluateBookConfig, path)
    assert config.sandbox == said
    path.write_text(config_to_toml(config))  # a complete record: nothing is unsaid
    assert read_command_line(["--config", str(path), "--env", "BookTrading-v0"]).sandbox == said


def test_without_an_environment_accounts_are_on_margin_as_help_says(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "without --env those of a margin account of 100,000, unless --set says others" in told
    usual = EvaluateBookConfig().sandbox
    margin = replace(BookParams(), account="margin", starting_balance=100_000.0)
    assert usual == replace(margin, liquidate_on_complete=False)


def test_capital_is_short_for_the_balance_whatever_the_environment_has(tmp_path):
    for name in (None, *IDS):
        config = EvaluateBookConfig(env=name, capital=50_000.0)
        assert config.sandbox.starting_balance == 50_000.0
        assert config.capital is None
    given = read_command_line(["--env", "MarketMaking-v0", "--capital", "700"])
    assert given.sandbox.starting_balance == 700.0
    path = tmp_path / "run.toml"
    path.write_text('env = "MarketMaking-v0"\ncapital = 700.0\n')
    assert read_command_line(["--config", str(path)]).sandbox == given.sandbox
    with pytest.raises(ConfigError, match=r"capital and sandbox\.starting_balance must agree"):
        EvaluateBookConfig(capital=5.0, sandbox=BookParams(starting_balance=6.0))


class Quotes:
    """Quotes at the touch of MarketMaking-v0."""

    def predict(self, observation, state=None, episode_start=None, deterministic=True):
        return np.array([-1.0, -1.0, 1.0, 1.0], np.float32), None


def test_a_run_of_market_making_charges_its_makers_nothing_and_says_so(book, tmp_path, capsys):
    config = EvaluateBookConfig(env="MarketMaking-v0", episodes=2, episode_steps=200)
    result = evaluate(config, agents={"quotes": Quotes()}, data=book)
    assert any(e.fills for e in result.episodes_of("quotes"))
    assert all(e.costs["maker_fees"] == 0.0 for e in result.episodes_of("quotes"))
    assert "margin account of 10,000" in result.text()
    assert "fees 0.1% taker, 0% maker;" in result.text()
    dear = replace(config, sandbox=replace(config.sandbox, maker_fee_frac=0.0002))
    paid = evaluate(dear, agents={"quotes": Quotes()}, data=book)
    for episode in paid.episodes_of("quotes"):
        notional = sum(fill[PLACE["notional"]] for fill in episode.fills)
        assert episode.costs["maker_fees"] == pytest.approx(0.0002 * notional)
    small = ["--env", "MarketMaking-v0", "--end", "2025-01-01T00:02:00Z", "--episodes", "2"]
    assert main([*small, "--episode-steps", "100", "--out", str(tmp_path)]) == 0
    assert "0% maker" in capsys.readouterr().out
    (folder,) = tmp_path.iterdir()
    assert "maker_fee_frac = 0.0\n" in (folder / "config.toml").read_text()
    assert "0% maker" in (folder / "report.html").read_text()
    for file in ("manifest.json", "metrics.json"):
        document = json.loads((folder / file).read_text())
        (terms,) = document["data"]["terms"] if file == "manifest.json" else document["terms"]
        assert (terms["maker_fee_frac"], terms["taker_fee_frac"]) == (0.0, 0.001)
        assert not terms["own_fees"]
        assert terms["latency_ms"]["entry"] > 0.0


def test_fees_that_an_instrument_states_are_those_that_are_told(book):
    own = replace(book.instrument, maker_fee_frac=-0.0001, taker_fee_frac=0.0003)
    config = EvaluateBookConfig(env="MarketMaking-v0", episodes=1, episode_steps=200)
    result = evaluate(config, agents={"quotes": Quotes()}, data=replace(book, instrument=own))
    assert "fees 0.03% taker, -0.01% maker, the instrument's own;" in result.text()
    (terms,) = result.document()["terms"]
    assert (terms["maker_fee_frac"], terms["own_fees"]) == (-0.0001, True)
    (episode,) = result.episodes_of("quotes")
    notional = sum(fill[PLACE["notional"]] for fill in episode.fills)
    assert episode.costs["maker_fees"] == pytest.approx(-0.0001 * notional)
    assert notional > 0.0
    ether = replace(own, symbol="ETHUSDT", base="ETH", maker_fee_frac=None, taker_fee_frac=None)
    both = BookData(books=(replace(book, instrument=own), replace(book, instrument=ether)))
    told = evaluate(replace(config, env=None), data=both).text()
    assert "of BTCUSDT 0.03% taker, -0.01% maker, the instrument's own, of ETHUSDT 0.1%" in told


def _perold_bps(fills, side, quantity, arrival):
    """What the parent order cost beyond Q at the arrival mid, in basis points of that; all done."""
    paid = sum(side * f[PLACE["price"]] * f[PLACE["quantity"]] + f[PLACE["fee"]] for f in fills)
    return 1e4 * (paid - side * quantity * arrival) / (quantity * arrival)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_scripted_executors_have_the_parent_shortfall_of_perold(side, book):
    """The same figure by the same definition for files, built-ins and baselines."""
    names = ("twap", "vwap", "iceberg", "almgren_chriss", "passive", "aggressive")
    config = EvaluateBookConfig(
        env="Execution-v0",
        agent=tuple(str(AGENTS / f"{name}.py") for name in names),
        env_settings={"quantity": 0.4, "side": side},
        episodes=2,
        episode_steps=100,
    )
    result = evaluate(config, data=book)
    assert [spec.kind for spec in result.specs] == ["policy"] * len(result.specs)
    sign = 1.0 if side == "buy" else -1.0
    for spec in result.specs:
        for episode in result.episodes_of(spec.name):
            assert episode.extras["parent_filled_frac"] == 1.0
            arrival = float(mids_at(book, np.array([episode.start_ns]))[0])
            by_hand = _perold_bps(episode.fills, sign, 0.4, arrival)
            assert episode.extras["parent_shortfall_bps"] == pytest.approx(by_hand, abs=1e-6)
    figures = {each.name: each.figures for each in result.summary.agents}
    # A file and a baseline that do the same cost the same.
    pairs = [(spec.name, spec.source) for spec in result.specs if "twap" in spec.source]
    costs = [figures[name]["parent_shortfall_bps"].estimate for name, _ in pairs]
    assert len(costs) == 2
    assert costs[0] == costs[1]


@pytest.mark.parametrize(
    ("account", "side", "words"),
    [
        ("spot", "buy", "plus, for policies, twice the worth of the parent order in cash;"),
        ("spot", "sell", "plus, for policies, the quantity to sell;"),
        ("margin", "sell", "plus, for policies, twice the worth of the parent order in cash;"),
    ],
)
def test_what_an_account_of_execution_starts_with_is_told_as_it_is(account, side, words, book):
    config = EvaluateBookConfig(
        env="Execution-v0",
        sandbox=replace(EvaluateBookConfig(env="Execution-v0").sandbox, account=account),
        env_settings={"quantity": 0.4, "side": side},
        episodes=1,
        episode_steps=50,
    )
    result = evaluate(config, data=book)
    assert f"{account} account of 10,000 {words}" in result.text()
    (episode,) = result.episodes_of("passive")
    mid = float(mids_at(book, np.array([episode.start_ns]))[0])
    worths = 1.0 if words.startswith("plus, for policies, the") else 2.0
    assert episode.equity[0] == pytest.approx(10_000.0 + worths * 0.4 * mid)


def test_a_users_agent_keeps_its_name_beside_a_baseline_of_the_same(book, tmp_path):
    config = EvaluateBookConfig(
        env="Execution-v0", agent=(str(AGENTS / "twap.py"),), episodes=1, episode_steps=50
    )
    result = evaluate(config, data=book)
    assert [spec.name for spec in result.specs] == ["twap", "random", "baseline-twap", "aggressive"]
    assert result.candidates == ["twap"]
    folder, _ = write_run_folder(result, ["evaluate"], tmp_path)
    assert "-twap-s" in folder.name
