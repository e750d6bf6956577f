"""What a hostile user gives to environments over books: one error that names the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, UnknownName
from tests.envs.book.worlds import SMALL, make, make_vec

MAKING = "seq_gym/MarketMaking-v0"
EXECUTION = "seq_gym/Execution-v0"

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "both ways to decide": (
        {"decide_every": "100ms", "decide_every_events": 7},
        "decide_every must be left out with decide_every_events=7.*was '100ms'",
    ),
    "no interval": ({"decide_every": "1x"}, r"decide_every: An interval must .*was '1x'"),
    "no horizon": ({"fill_horizon": -1}, r"fill_horizon: An interval must .*was -1"),
    "no time": ({"start": "junk"}, r"start: A time must .*was 'junk'"),
    "reversed": (
        {"start": "2025-01-02", "end": "2025-01-01"},
        "end must be after start; were end='2025-01-01' and start='2025-01-02'",
    ),
    "window of none": ({"window": None}, "window must be random, .* or a list of starts; was None"),
    "symbols": ({"symbols": 3}, "symbols must be a name, or a list of names; was 3"),
    "venue": ({"venue": 3}, "venue must be a name, or a list of names; was 3"),
    "flag": ({"reward_terms": "no"}, "reward_terms must be true or false; was 'no'"),
    "action": ({"action": []}, r"action must be the name of a kind; was \[\]"),
    "overflow": (
        {"max_position": 1e30},
        r"max_position must .* 2\^53 lots; was 1e\+30\.$",
    ),
    "bounds": ({"volatility_bounds": 3}, r"volatility_bounds must be \(low <= 1.*was 3"),
    "bound": ({"volatility_bounds": ["a", 2]}, r"volatility_bounds must be .*was \('a', 2\)"),
    "latencies": ({"venue_latency": 3}, "venue_latency must be a mapping of venues.*was 3"),
    "no latency": (
        {"venue_latency": {"synthetic": None}},
        r"venue_latency\['synthetic'\] must be a Latency; was None",
    ),
    "unread latency": (
        {
            "latency_model": "recorded",
            "recorded_latency": np.array([[0, 1, 2]]),
            "latency": {"entry_ms": 5.0},
        },
        "latency must be left out with latency_model='recorded'",
    ),
    "unknown venue": ({"venue_latency": {"synthetik": {}}}, "Did you mean 'synthetic'"),
    "empty path": ({"data": ""}, "A book must be a path of a recording; was ''"),
}


@pytest.mark.parametrize("name", WRONG)
def test_nonsense_is_refused_by_the_name_of_its_argument(name: str) -> None:
    arguments, match = WRONG[name]
    with pytest.raises(ConfigError, match=match):
        make(**arguments)
    with pytest.raises(ConfigError, match=match):
        make_vec(**arguments)


PARENTS: dict[str, tuple[dict[str, Any], str]] = {
    "more than was ever shown": ({"quantity": 1e9}, "quantity must be at most .*was 1000000000.0"),
    "on margin": ({"quantity": 1e9, "account": "margin"}, "all that the recording ever shows"),
    "of a peer": ({"quantity": 1e30, "fills": "parity"}, "quantity must be at most"),
    "part of a lot": ({"quantity": 0.0015}, "in whole lots of 0.001; was 0.0015. Likely fix: 0.00"),
    "less than a lot": ({"quantity": 1e-9}, "in whole lots of 0.001; was 1e-09. Likely fix: 0.001"),
    "no number": ({"quantity": float("nan")}, "quantity must be a base quantity in whole lots"),
    "both": ({"quantity": 0.2, "participation": 0.5}, "participation must be left out with a q"),
    "above a limit": (
        {"quantity": 1.0, "side": "buy", "max_position_notional": 10.0},
        "quantity must be worth at most max_position_notional, 10; was 1.0",
    ),
    "side": ({"side": ["buy"]}, "Unknown side"),
}


@pytest.mark.parametrize("name", PARENTS)
def test_a_parent_order_that_can_never_be_done_is_refused(name: str) -> None:
    arguments, match = PARENTS[name]
    with pytest.raises(ConfigError, match=match):
        make(EXECUTION, **arguments)


def test_a_parent_that_sells_what_it_holds_has_no_limit_of_positions() -> None:
    make(EXECUTION, quantity=0.2, side="sell", max_position_notional=10.0).reset(seed=0)
    rows = SMALL.lots.sum() * 0.001
    make(EXECUTION, quantity=float(np.floor(rows)), side="buy").reset(seed=0)


@pytest.mark.parametrize("action", [None, "a", [0.1, 0.2], [[1], [1, 2]], 10**30])
def test_a_wrong_action_is_told_in_the_words_of_one_environment(action: Any) -> None:
    env = make(MAKING)
    env.reset(seed=0)
    with pytest.raises(
        ConfigError, match=r"^action must be float64 of shape \(4,\), from Box"
    ) as e:
        env.unwrapped.step(action)
    assert "(1, 4)" not in str(e.value)


@pytest.mark.parametrize("action", [99, -1, 10**30, 1.5])
def test_a_wrong_choice_is_told_without_a_row(action: Any) -> None:
    env = make(action="discrete")
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"^action must be .*Discrete\(3\)") as error:
        env.unwrapped.step(action)
    assert "row" not in str(error.value)
    assert "(1, 1)" not in str(error.value)


def test_a_batch_is_told_its_shape_and_the_row() -> None:
    env = make_vec(MAKING)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"^actions must be float64 of shape \(3, 4\)"):
        env.step(np.zeros(4))
    env = make_vec(action="discrete")
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"action must be in Discrete\(3\); was 9 in row 1"):
        env.step(np.array([0, 9, 0]))


@pytest.mark.parametrize("count", ["a", 1.5, 0, True])
def test_a_number_of_environments_is_whole(count: Any) -> None:
    with pytest.raises(ConfigError, match="num_envs must be a whole number of at least 1"):
        make_vec(num_envs=count)


@pytest.mark.parametrize("seed", ["a", True, -1, 1 << 64])
def test_a_seed_is_a_whole_number(seed: Any) -> None:
    for env in (make(), make_vec()):
        with pytest.raises(ConfigError, match="seed must be a whole number from 0"):
            env.unwrapped.reset(seed=seed)


@pytest.mark.parametrize("options", [3, "start", [("start", 0)]])
def test_options_of_a_reset_are_a_mapping(options: Any) -> None:
    for env in (make(), make_vec()):
        with pytest.raises(ConfigError, match="options must be a mapping; was"):
            env.unwrapped.reset(options=options)


@pytest.mark.parametrize("paid", ["x", None, np.zeros(7)])
def test_a_reward_of_ones_own_is_told_what_to_return(paid: Any) -> None:
    env = make(reward=lambda before, after: paid)
    env.reset(seed=0)
    with pytest.raises(ConfigError, match=r"reward must return float64 of shape \(1,\)"):
        env.step(np.zeros(1, np.float32))


def test_only_a_snapshot_is_restored() -> None:
    env = make().unwrapped
    env.reset(seed=0)
    with pytest.raises(ConfigError, match="snapshot must be one that snapshot"):
        env.restore(3)


def test_a_parent_by_participation_is_a_tenth_unless_it_is_said() -> None:
    usual = make(EXECUTION).unwrapped.settings.setup.max_qty
    assert make(EXECUTION, participation=0.1).unwrapped.settings.setup.max_qty == usual
    with pytest.raises(UnknownName, match="buy"):
        make(EXECUTION, side="by")


@pytest.mark.parametrize(
    "arguments",
    [
        {"decide_every": np.timedelta64(1, "s")},
        {"window": range(4, 20, 3), "episode_steps": 5},
        {"symbols": np.array(["BTCUSDT"])},
        {"features": np.array(["spread_bps"])},
        {"volatility_bounds": np.array([0.5, 2.0], np.float32)},
    ],
)
def test_numbers_and_lists_of_other_libraries_are_as_good_as_pythons(
    arguments: dict[str, Any],
) -> None:
    env = make(**arguments)
    env.reset(seed=np.int64(3))
    env.step(env.action_space.sample())
