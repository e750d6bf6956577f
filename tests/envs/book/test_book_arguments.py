"""Arguments of book environments: plain JSON in, and what is refused, with the near miss."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import seq_gym
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.synthetic import synthetic_books
from tests.envs.book.worlds import SMALL, make, make_vec

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "argument": ({"look_bak": 3}, "look_back"),
    "physics": ({"taker_fee_fra": 0.1}, "taker_fee_frac"),
    "action": ({"action": "targt"}, "target"),
    "feature": ({"features": ["imbalance_11"]}, "imbalance_1"),
    "reward": ({"reward": "pnll"}, "pnl"),
    "observation": ({"observation": "flatt"}, "flat"),
    "window": ({"window": "randum"}, "random"),
    "latency": ({"latency": {"entry_mss": 1.0}}, "entry_ms"),
    "fills": ({"fills": "strikt"}, "strict"),
    "task of another": ({"reward": "shortfall"}, "pnl"),
}


def test_features_that_are_no_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"features must be .* was 3"):
        make(features=3)


def test_a_whole_number_is_nanoseconds_and_too_many_decisions_say_so() -> None:
    with pytest.raises(ConfigError, match=r"decide_every must .* was 1 ns.*nanoseconds"):
        make(decide_every=1)


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_exist_is_refused_with_the_near_miss(name: str) -> None:
    arguments, near = REFUSED[name]
    with pytest.raises(UnknownName, match=near):
        make(**arguments)
    with pytest.raises(UnknownName, match=near):
        make_vec(**arguments)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "look_back": ({"look_back": 0}, "look_back must be"),
    "steps": ({"episode_steps": 0}, "episode_steps must be"),
    "too many": ({"episode_steps": 1_000_000}, "must fit in the"),
    "full": ({"window": "full", "episode_steps": 5}, "left out"),
    "deadband": ({"deadband": 1.5}, "deadband must be"),
    "sizes": ({"order_sizes": [0.0]}, "order_sizes must be"),
    "offsets": ({"offsets_ticks": [0.5]}, "offsets_ticks must be"),
    "position": ({"max_position": 0.0}, "max_position must be"),
    "less than a lot": ({"max_position": 1e-9}, "at least a lot"),
    "events": ({"decide_every_events": 0}, "decide_every_events must be"),
    "weight": ({"reward": {"pnl": float("inf")}}, "finite"),
    "no reward": ({"reward": {}}, "at least one term"),
    "start": ({"window": [1, 0], "look_back": 2}, "must lie at cursors"),
    "time": ({"window": ["1999-01-01"]}, "must be a cursor below"),
    "latency": ({"latency": 5.0}, "mapping"),
    "aversion": ({"inventory_aversion": -1.0}, "inventory_aversion must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_value_that_breaks_its_rule_is_refused(name: str) -> None:
    arguments, match = WRONG[name]
    with pytest.raises(ConfigError, match=match):
        make(**arguments)


def test_arguments_are_plain_json() -> None:
    arguments = {
        "window": "sequential",
        "decide_every": "200ms",
        "action": "order",
        "features": ["microprice_bps", "imbalance_5"],
        "look_back": 2,
        "reward": {"pnl": 1.0, "inventory_penalty": 0.5},
        "order_sizes": [0.5, 1.0],
        "offsets_ticks": [0, 2],
        "latency_model": "constant",
        "latency": {"entry_ms": 3.0, "response_ms": 2.0},
        "risk": {"max_drawdown_pct": 50.0},
        "volatility_bounds": [0.5, 5.0],
    }
    env = make(**json.loads(json.dumps(arguments)))
    env.reset(seed=0)
    for _ in range(5):
        env.step(env.action_space.sample())
    assert env.unwrapped.settings.params.latency.entry_ms == 3.0


def test_one_book_is_chosen_of_several() -> None:
    several = synthetic_books(["BTCUSDT", "ETHUSDT"], ["one", "two"], seconds=3.0)
    with pytest.raises(ConfigError, match=r"symbols='BTCUSDT' and venue='one'"):
        make(data=several)
    env = make(data=several, symbols="ETHUSDT", venue="two")
    assert env.unwrapped.settings.market.events.venue == "two"
    assert env.unwrapped.settings.market.events.symbol == "ETHUSDT"


def test_what_is_measured_once_is_shared() -> None:
    one, two = make(), make_vec()
    assert one.unwrapped.settings.grid is two.unwrapped.settings.grid
    assert one.unwrapped.settings.market.tape is two.unwrapped.settings.market.tape
    other = make(features=["imbalance_5"])
    assert other.unwrapped.settings.grid is not one.unwrapped.settings.grid


def test_parity_units_are_base_quantity() -> None:
    env = make(fills="parity", max_position=0.05)
    env.reset(seed=0)
    for _ in range(4):
        env.step(np.array([1.0], np.float32))
    assert env.unwrapped._core.batch.positions["qty"][0, 0] == pytest.approx(0.05)


def test_the_ids_are_registered_without_importing_the_book_engine() -> None:
    assert "seq_gym/BookTrading-v0" in seq_gym.BOOK_ENV_IDS
    code = "import sys, seq_gym; assert 'seq_gym.envs.book.catalog' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_small_book_is_the_tests_own() -> None:
    assert SMALL.num_events > 1_000
