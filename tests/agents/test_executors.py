"""The scripted executors: complete, short, and each does what its name says."""

from __future__ import annotations

import ast
import sys
from dataclasses import fields, is_dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from seq_gym.config import field_docs
from seq_gym.errors import ConfigError
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.policy import is_policy

AGENTS = Path(__file__).resolve().parents[2] / "agents"
EXECUTORS = {
    "twap": "Twap",
    "vwap": "Vwap",
    "iceberg": "Iceberg",
    "almgren_chriss": "AlmgrenChriss",
    "passive": "Passive",
    "aggressive": "Aggressive",
}
BOOK = synthetic_book(seconds=150.0, seed=8)
STEPS = 60


def _module(name: str) -> Any:
    key = f"executor_under_test_{name}"
    if key not in sys.modules:
        spec = spec_from_file_location(key, AGENTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[key] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[key])
    return sys.modules[key]


def _agent(name: str, **settings: Any) -> Any:
    module = _module(name)
    return getattr(module, EXECUTORS[name])(module.Settings(**settings))


def _arguments(**arguments: Any) -> dict[str, Any]:
    given = {"data": BOOK, "quantity": 0.6, "episode_steps": STEPS, "latency_model": "none"}
    return {**given, "max_rate": 12.0, **arguments}


def _env(**arguments: Any) -> Any:
    return gymnasium.make("seq_gym/Execution-v0", **_arguments(**arguments)).unwrapped


def _run(agent: Any, env: Any, seed: int = 0) -> list[float]:
    """Play an episode; return what is left of Q after each decision, 0 to 1."""
    agent.bind(env)
    observation, _ = env.reset(seed=seed)
    state, first, left, over = None, np.ones(1, np.bool_), [1.0], False
    at = env.own_names.index("remaining") - len(env.own_names)
    while not over:
        action, state = agent.predict(observation, state=state, episode_start=first)
        observation, _, terminated, truncated, _ = env.step(action)
        first, over = np.zeros(1, np.bool_), terminated or truncated
        own = observation["own"] if isinstance(observation, dict) else observation
        left.append(float(own[at]))
    return left


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_is_short_and_says_how_it_is_run(name: str) -> None:
    text = (AGENTS / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert f"python -m seq_gym.evaluate --agent agents/{name}.py" in doc
    assert is_policy(_agent(name))


@pytest.mark.parametrize("name", EXECUTORS)
def test_settings_are_frozen_and_every_one_has_a_sentence(name: str) -> None:
    settings = _module(name).Settings
    assert is_dataclass(settings)
    docs = field_docs(settings)
    assert all(docs.get(field.name) for field in fields(settings))


@pytest.mark.parametrize("observation", ["flat", "dict"])
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_does_the_whole_parent(name: str, side: str, observation: str) -> None:
    env = _env(side=side, observation=observation, look_back=3)
    left = _run(_agent(name), env)
    assert left[-1] == 0.0
    assert env.finals["filled_quantity"] == pytest.approx(0.6, abs=1e-12)
    assert np.all(np.diff(left) <= 1e-7)


@pytest.mark.parametrize("env", ["CandleTrading-v0", "Portfolio-v0", "MarketMaking-v0"])
@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_says_where_it_acts_and_binds_nowhere_else(name: str, env: str) -> None:
    assert _agent(name).env_id == "seq_gym/Execution-v0"
    other = gymnasium.make(f"seq_gym/{env}").unwrapped
    with pytest.raises(ConfigError, match="needs action='continuous' of seq_gym/Execution-v0"):
        _agent(name).bind(other)


def test_twap_is_on_its_line() -> None:
    left = _run(_agent("twap"), _env())
    line = 1.0 - np.arange(len(left)) / STEPS
    np.testing.assert_allclose(left, line, atol=1.0 / 600 + 1e-6)  # a lot


def test_almgren_chriss_is_the_sinh_schedule() -> None:
    # kappa = sqrt(0.5 / 1) x sigma; nothing but sigma = 1 is known.
    agent = _agent("almgren_chriss", risk_aversion=0.5, temporary_impact=1.0, feature="none")
    left = _run(agent, _env())
    time = np.arange(STEPS + 1) * 0.1
    schedule = np.sinh(np.sqrt(0.5) * (time[-1] - time)) / np.sinh(np.sqrt(0.5) * time[-1])
    np.testing.assert_allclose(left, schedule[: len(left)], atol=2.0 / 600)


def test_almgren_chriss_without_aversion_is_a_twap() -> None:
    left = _run(_agent("almgren_chriss", risk_aversion=0.0), _env())
    np.testing.assert_allclose(left, 1.0 - np.arange(len(left)) / STEPS, atol=2.0 / 600)


def test_vwap_does_more_where_more_is_traded() -> None:
    env = _env()
    agent = _agent("vwap")
    agent.bind(env)
    names = env.feature_names
    row = np.zeros(len(names) + len(env.own_names), np.float32)
    row[len(names) + env.own_names.index("time_left")] = 0.5
    rate = names.index("trade_rate_10s")
    row[rate] = np.log1p(10.0)
    calm, state = agent.predict(row, episode_start=np.ones(1, np.bool_))
    row[rate] = np.log1p(40.0)
    busy, _ = agent.predict(row, state=state, episode_start=np.zeros(1, np.bool_))
    # 40 now, 25 on average so far, 29 decisions to come
    slices = 40.0 / (40.0 + 25.0 * 29.0) * 30.0
    assert calm[0] == pytest.approx(2.0 / 12.0 - 1.0)
    assert busy[0] == pytest.approx(2.0 * slices / 12.0 - 1.0)


def test_passive_is_a_maker_until_the_last_decision_and_aggressive_a_taker() -> None:
    env = _env()
    _run(_agent("passive"), env)
    *resting, _ = env.session.orders()
    assert all(order.post_only for order in resting)
    left = _run(_agent("aggressive"), env)
    assert {fill.liquidity for fill in env.session.fills()} == {"taker"}
    assert left[15] < 0.1


def test_an_iceberg_that_is_late_takes() -> None:
    env = _env(max_offset_ticks=2)
    _run(_agent("iceberg", patience=0.02, shown=1.0), env)
    assert {fill.liquidity for fill in env.session.fills()} == {"maker", "taker"}


@pytest.mark.parametrize("name", EXECUTORS)
def test_a_batch_does_what_single_environments_do(name: str) -> None:
    batch: Any = gymnasium.make_vec("seq_gym/Execution-v0", num_envs=3, **_arguments())
    agents = [_agent(name) for _ in range(4)]
    singles = [_env() for _ in range(3)]
    for agent in agents:
        agent.bind(singles[0])
    rows, _ = batch.reset(seed=4)
    ones = [env.reset(seed=4 + e)[0] for e, env in enumerate(singles)]
    state, states = None, [None] * 3
    first = np.ones(3, np.bool_)
    for _ in range(20):
        actions, state = agents[3].predict(rows, state=state, episode_start=first)
        for e in range(3):
            action, states[e] = agents[e].predict(ones[e], states[e], first[e : e + 1])
            np.testing.assert_array_equal(action, actions[e])
            ones[e] = singles[e].step(action)[0]
        rows, _, terminated, truncated, _ = batch.step(actions)
        assert not (terminated | truncated).any()
        first = np.zeros(3, np.bool_)


@pytest.mark.parametrize("name", EXECUTORS)
def test_an_executor_refuses_an_environment_that_it_cannot_act_in(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        _agent(name).bind(_env(action="discrete"))
