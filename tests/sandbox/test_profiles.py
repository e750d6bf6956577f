"""Risk profiles by agent (S1-08, S1-63 to S1-66)."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.sandbox.params import RiskProfile, SandboxParams
from seq_gym.sandbox.profiles import load_profile
from tests.sandbox.markets import flat, session_of

TABLE = """
[agents.careful]
max_order_size_pct = 5
max_open_orders = 2
allow_reduce = true
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "agents.toml"
    path.write_text(TABLE)
    return path


def test_an_agents_profile_is_loaded_and_enforced(table):
    session = session_of(flat(100, 5), steps=1, agent_id="careful", profiles_path=table)
    assert session.params.risk == RiskProfile(
        max_order_size_pct=5, max_open_orders=2, allow_reduce=True
    )
    order = session.place_order("BTCUSDT", "buy", "market", quantity=6)
    assert (order.code, order.limit) == ("RISK_LIMIT_EXCEEDED", "max_order_size_pct")
    assert session.place_order("BTCUSDT", "buy", "market", quantity=5).is_accepted


def test_an_agent_without_an_entry_has_no_limits(table):
    assert load_profile("other", table) is None


def test_a_profile_in_code_wins_over_the_table(table):
    session = session_of(
        flat(100, 5), agent_id="careful", profiles_path=table, risk={"max_open_orders": 9}
    )
    assert session.params.risk == RiskProfile(max_open_orders=9)


def test_the_default_table_is_read_where_it_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_profile("careful") is None
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "agents.toml").write_text(TABLE)
    assert load_profile("careful") is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[agents.a]\nmax_order_size = 5", "max_order_size_pct"),
        ("[agent.a]\nmax_open_orders = 5", "agents"),
        ("[agents.a]\nmax_open_orders = 1.5", "whole number"),
        ("[agents.a]\nmax_order_size_pct = '5'", "a number"),
        ("[agents.a]\nmax_order_size_pct = -5", "at least 0"),
        ("[agents.a]\nallow_reduce = 1", "true or false"),
        ("[agents]\na = 5", "table of limits"),
        ("agents = 5", "table of limits"),
        ("[agents.a.v1]\nmax_open_orders = 5", r'quote an id that has a dot, \[agents."a.v1"\]'),
        ("[agents.other]\nmax_open_order = 5", "max_open_orders"),
        ("[agents.a]\nmax_drawdown_pct = nan", r"at least 0.*It stands in \[agents.a\] of"),
        ("[agents.a", "must be TOML"),
    ],
)
def test_a_table_that_breaks_a_rule_says_which(tmp_path, text, words):
    path = tmp_path / "agents.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        load_profile("a", path)


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    path = tmp_path / "agents.toml"
    path.write_bytes(b"[agents.caf\xe9]\nmax_open_orders = 5")
    with pytest.raises(ConfigError, match="must be TOML"):
        load_profile("a", path)


@pytest.mark.parametrize("agent_id", [5, None, ["careful"]])
def test_an_agent_id_that_is_no_text_never_means_no_limits(table, agent_id):
    with pytest.raises(ConfigError, match="agent_id must be text"):
        session_of(flat(100, 5), agent_id=agent_id, profiles_path=table)


def test_an_id_with_a_dot_is_quoted_in_the_table(tmp_path):
    path = tmp_path / "agents.toml"
    path.write_text('[agents."bot.v1"]\nmax_open_orders = 5')
    assert load_profile("bot.v1", path) == RiskProfile(max_open_orders=5)


def test_every_limit_can_stand_in_the_table(tmp_path):
    limits = {
        "max_order_size_pct": 5.5,
        "max_position_size_pct": 25,
        "daily_loss_limit_pct": 2,
        "allow_reduce": True,
        "max_open_orders": 4,
        "min_notional": 10,
        "max_orders_per_minute": 3,
        "max_drawdown_pct": 20,
    }
    assert set(limits) == {each.name for each in fields(RiskProfile)}
    path = tmp_path / "agents.toml"
    lines = [f"{name} = {str(value).lower()}" for name, value in limits.items()]
    path.write_text("\n".join(["[agents.a]", *lines]))
    assert load_profile("a", path) == RiskProfile(**limits)


def test_a_path_that_is_no_file_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="profiles_path"):
        load_profile("a", tmp_path / "none.toml")


def test_a_misspelt_limit_in_code_names_the_near_miss():
    with pytest.raises(UnknownName, match="max_open_orders"):
        session_of(flat(100, 5), risk={"max_open_order": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_orders", 2.5),
        ("max_orders", True),
        ("max_orders", "3"),
        ("starting_balance", True),
        ("starting_balance", "abc"),
        ("starting_balance", None),
        ("starting_balance", 10**400),
        ("taker_fee_frac", False),
        ("max_participation_frac", "0.1"),
        ("liquidate_on_complete", "no"),
        ("liquidate_on_complete", None),
        ("liquidate_on_complete", 0),
        ("risk", {"max_open_orders": 1}),
    ],
)
def test_physics_of_the_wrong_kind_are_one_clear_config_error(name, value):
    with pytest.raises(ConfigError, match=f"^{name} must be .*; was "):
        SandboxParams(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("allow_reduce", "no"),
        ("allow_reduce", None),
        ("max_open_orders", 2.5),
        ("max_open_orders", "3"),
        ("max_open_orders", True),
        ("max_orders_per_minute", 0.5),
        ("max_order_size_pct", "5"),
        ("max_order_size_pct", float("nan")),
        ("min_notional", True),
        ("max_drawdown_pct", -1),
    ],
)
def test_limits_of_the_wrong_kind_are_one_clear_config_error(name, value):
    with pytest.raises(ConfigError, match=f"^{name} must be .*; was "):
        RiskProfile(**{name: value})


@pytest.mark.parametrize("cash", ["abc", True, None, "", [], -1, "0"])
def test_a_starting_balance_that_is_no_money_is_a_config_error(cash):
    with pytest.raises(ConfigError, match=r"^starting_balance must be "):
        session_of(flat(100, 5), starting_balance=cash)


def test_a_starting_balance_may_be_text_as_every_other_number():
    assert session_of(flat(100, 5), starting_balance="250.5").portfolio().total_equity == 250.5
