"""MarketMaking-v0 and Execution-v0: what they refuse, and how they do on the real recordings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym._jit import COMPILED
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.importers import read_recording
from tests.envs.book.worlds import make, play

MAKING = "seq_gym/MarketMaking-v0"
EXECUTION = "seq_gym/Execution-v0"
TOUCH = np.array([-1.0, -1.0, 1.0, 1.0], np.float32)


def _act(rate: float, aggression: float, max_rate: float = 10.0) -> Any:
    return np.array([2.0 * rate / max_rate - 1.0, aggression], np.float32)


def _random(env: Any, seed: int) -> dict[str, list[Any]]:
    env.action_space.seed(seed)
    return play(env, [env.action_space.sample() for _ in range(env.episode_steps)], seed=seed)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"action": "continous"}, UnknownName, "continuous"),
        ({"max_inventry": 1.0}, UnknownName, "max_inventory"),
        ({"reward": "spread_captur"}, UnknownName, "spread_capture"),
        ({"reward": "shortfall"}, UnknownName, "reward term"),
        ({"order_quantity": 1e-9}, ConfigError, "order_quantity"),
        ({"order_quantity": 1e9}, ConfigError, "max_inventory"),
        ({"max_inventory": 0.0}, ConfigError, "max_inventory"),
        ({"max_offset_ticks": 1.5}, ConfigError, "whole number"),
        ({"offsets_ticks": [-1]}, ConfigError, "offsets_ticks"),
        ({"inventory_stop": 1.5}, ConfigError, "inventory_stop"),
        ({"dampening": 2.0}, ConfigError, "dampening"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_arguments_of_a_maker_that_break_their_rule_are_refused(
    arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        make(MAKING, **arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"action": "continous"}, UnknownName, "continuous"),
        ({"side": "sel"}, UnknownName, "sell"),
        ({"quantitiy": 1.0}, UnknownName, "quantity"),
        ({"reward": "shortfal"}, UnknownName, "shortfall"),
        ({"quantity": 1e-9}, ConfigError, "quantity"),
        ({"quantity": None, "participation": 0.0}, ConfigError, "participation"),
        ({"max_rate": 0.0}, ConfigError, "max_rate"),
        ({"max_offset_ticks": -1}, ConfigError, "max_offset_ticks"),
        ({"unfilled_penalty_bps": -1.0}, ConfigError, "unfilled_penalty_bps"),
        ({"risk_aversion": np.nan}, ConfigError, "risk_aversion"),
        ({"liquidate_on_complete": True}, ConfigError, "liquidate_on_complete"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_arguments_of_an_execution_that_break_their_rule_are_refused(
    arguments: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        make(EXECUTION, **{"quantity": 0.2, **arguments})


def test_a_maker_on_the_real_recordings_stays_within_its_limit(shared_data: Any) -> None:
    if not COMPILED:
        pytest.skip("minutes in plain Python")
    path = shared_data / "book" / "binance" / "usdm" / "btcusdt_20240808.gz"
    events = read_recording(path, fix_clock=True)[0].events
    env = make(MAKING, data=events, features="default", window="full", max_inventory=0.05).unwrapped
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(env.episode_steps)]
    for chosen in (actions, [TOUCH] * env.episode_steps):
        out = play(env, chosen, seed=1)
        assert sum(out["rewards"]) == pytest.approx(out["infos"][-1]["equity"] - 10_000.0, abs=1e-6)
        held = 0.0
        fills = sorted(env.session.fills(), key=lambda fill: fill.exch_ns)
        assert len(fills) > 100
        for fill in fills:
            held += fill.quantity if fill.side == "buy" else -fill.quantity
            assert abs(held) <= 0.05 + 1e-9
        assert {fill.liquidity for fill in fills} == {"maker"}


@pytest.mark.parametrize("market", ["usdm/btcusdt", "spot/ethusdt"])
def test_large_parents_are_done_on_the_real_recordings(shared_data: Any, market: str) -> None:
    if not COMPILED:
        pytest.skip("minutes in plain Python")
    path = shared_data / "book" / "binance" / f"{market}_20240808.gz"
    events = read_recording(path, fix_clock=True)[0].events
    for side in ("buy", "sell"):
        env = make(
            EXECUTION, data=events, side=side, quantity=None, participation=0.2, episode_steps=300
        ).unwrapped
        for action in (_act(10.0, 0.0), _act(1.0, 1.0), None):
            out = _random(env, 3) if action is None else play(env, [action] * 300, seed=3)
            assert sum(out["rewards"]) == pytest.approx(-env.finals["shortfall_bps"], abs=1e-6)
            left = env.finals["unfilled_quantity"] / env.settings.setup.max_qty
            assert left == 0.0 or action is None
