"""How agents are named, found and built."""

from __future__ import annotations

import json

import pytest

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.evaluate.agents import choose_agents, load_agent
from seq_gym.evaluate.baselines import BASELINES, BuyAndHold
from seq_gym.market import candles_from_rows
from seq_gym.sandbox.session import Session

STRATEGY = "class Mine:\n    def on_candle(self, session):\n        pass\n"
POLICY = "class Theirs:\n    def predict(self, observation, **kw):\n        return 0, None\n"


def _file(tmp_path, text, name="mine.py"):
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_a_bare_run_is_one_strategy_and_the_baselines():
    specs = choose_agents((), {}, 0)
    assert [s.name for s in specs] == ["trend", "hold", "random", "buy-and-hold", "equal-weight"]
    assert [s.baseline for s in specs] == [False, True, True, True, True]


def test_a_baseline_that_is_named_is_still_there_once():
    names = [s.name for s in choose_agents(("hold", "trend", "trend"), {}, 0)]
    assert names == ["trend", *BASELINES]


def test_a_file_with_one_agent_needs_no_name(tmp_path):
    path = _file(tmp_path, STRATEGY)
    (spec, *_) = choose_agents((path,), {}, 0)
    assert (spec.name, spec.kind) == ("mine", "strategy")
    (spec, *_) = choose_agents((_file(tmp_path, POLICY, "p.py"),), {}, 0)
    assert spec.kind == "policy"


def test_a_file_with_two_agents_asks_which(tmp_path):
    path = _file(tmp_path, STRATEGY + POLICY)
    with pytest.raises(ConfigError, match=r"one policy or strategy class; was 2 \(Mine, Theirs\)"):
        choose_agents((path,), {}, 0)
    specs = choose_agents((f"{path}:Mine", f"{path}:Theirs"), {}, 0)
    assert [(s.name, s.kind) for s in specs[:2]] == [("Mine", "strategy"), ("Theirs", "policy")]


def test_agents_of_one_name_are_told_apart(tmp_path):
    first = _file(tmp_path, STRATEGY)
    (tmp_path / "b").mkdir()
    second = _file(tmp_path / "b", STRATEGY)
    names = [s.name for s in choose_agents((first, second), {"hold": BASELINES["hold"]}, 0)]
    assert names == ["mine", "mine-2", "hold", "baseline-hold", *list(BASELINES)[1:]]


@pytest.mark.parametrize("given", [{"algo": "ppo"}, {"vecnormalize": "v.pkl"}])
def test_what_belongs_to_a_model_file_is_refused_without_one(given):
    with pytest.raises(ConfigError, match="algo and vecnormalize are for a model file"):
        choose_agents(("trend",), {}, 0, **given)


def test_a_module_is_named_with_a_colon():
    (spec, *_) = choose_agents(("seq_gym.evaluate.baselines:Trend",), {}, 0)
    assert (spec.name, spec.kind) == ("Trend", "strategy")
    with pytest.raises(UnknownName, match="Did you mean 'Trend'"):
        choose_agents(("seq_gym.evaluate.baselines:Trnd",), {}, 0)
    with pytest.raises(ConfigError, match="No module named"):
        choose_agents(("no_such_module:Trend",), {}, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import no_such_thing\n" + STRATEGY, r"ModuleNotFoundError.*\(mine.py:1\)"),
        ("def f(:\n", "SyntaxError"),
        ("x = 1\n", "one policy or strategy class; was 0"),
        (STRATEGY + "    def __init__(self, needed):\n        pass\n", "without arguments"),
        (STRATEGY + "    def __init__(self):\n        1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_file_that_cannot_be_an_agent_is_an_error_of_one_line(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words) as told:
        choose_agents((_file(tmp_path, text),), {}, 0)
    assert "\n" not in str(told.value)


def test_a_misspelt_name_or_file_names_the_near_miss(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'equal-weight'"):
        choose_agents(("equal-wieght",), {}, 0)
    path = _file(tmp_path, STRATEGY)
    with pytest.raises(UnknownName, match=r"Did you mean .*mine\.py"):
        choose_agents((path.replace("mine", "mien"),), {}, 0)


def test_an_object_that_is_no_agent_is_refused():
    with pytest.raises(ConfigError, match="must have predict"):
        choose_agents((), {"x": object()}, 0)


def test_an_edited_file_is_read_anew(tmp_path):
    path = _file(tmp_path, STRATEGY)
    (first, *_) = choose_agents((path,), {}, 0)
    assert first.kind == "strategy"
    _file(tmp_path, POLICY)
    (second, *_) = choose_agents((path,), {}, 0)
    assert second.kind == "policy"


def test_every_episode_has_an_agent_of_its_own(tmp_path):
    path = _file(tmp_path, STRATEGY + "    def __init__(self):\n        self.seen = []\n")
    (spec, *_) = choose_agents((path,), {}, 0)
    loaded = load_agent(spec, 0)
    one, two = loaded.fresh(), loaded.fresh()
    assert one is not two
    assert one.seen is not two.seen
    (live, *_) = choose_agents((), {"live": one}, 0)
    copied = load_agent(live, 0).fresh()
    assert copied is not one
    assert copied.seen is not one.seen


def test_a_run_folder_is_loaded_by_the_loader_of_its_manifest(tmp_path, monkeypatch):
    (tmp_path / "loader_of_test.py").write_text(
        "class P:\n"
        "    def __init__(self, folder):\n"
        "        self.folder = folder\n"
        "    def predict(self, observation, **kw):\n"
        "        return 0, None\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text(json.dumps({"loader": "loader_of_test:P"}))
    (spec, *_) = choose_agents((str(run),), {}, 0)
    assert (spec.name, spec.kind) == ("run", "policy")
    assert load_agent(spec, 0).agent.folder == run
    (run / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="names its loader"):
        choose_agents((str(run),), {}, 0)


def test_buy_and_hold_goes_on_buying_where_a_cap_has_cut_its_order():
    rows = [(100.0, 100.0, 100.0, 100.0, 30.0)] * 12  # 10 % of 30 units a candle: 3 of 10
    session = Session.create(
        data=candles_from_rows(rows),
        starting_balance=1_000.0,
        execution="next_open",
        max_participation_frac=0.1,
        liquidate_on_complete=False,
        save=False,
    )
    session.run(BuyAndHold())
    assert [round(fill.quantity, 2) for fill in session.fills()] == [3.0, 3.0, 3.0, 0.99]
    assert session.portfolio().available_cash < 10.0
