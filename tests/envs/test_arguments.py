"""Arguments: whatever is wrong raises one error that names what, the rule and the near miss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, MarketDataError, SeqGymError, UnknownName
from seq_gym.market import candles_from_rows
from tests.envs.worlds import CANDLE, FOUR, ONE, PORTFOLIO, flat, make, make_vec

MIXED = candles_from_rows({"BTCUSDT": flat(100.0, 200), "ETHBTC": flat(0.05, 200)})

WRONG: list[tuple[str, dict[str, Any], type[SeqGymError], str]] = [
    (CANDLE, {"look_bak": 3}, UnknownName, "look_back"),
    (CANDLE, {"taker_fee": 0.1}, UnknownName, "taker_fee_frac"),
    (CANDLE, {"action": "discreet"}, UnknownName, "discrete"),
    (CANDLE, {"action": "weights"}, ConfigError, "Portfolio-v0"),
    (CANDLE, {"data": FOUR}, ConfigError, "symbols='BTCUSDT'"),
    (CANDLE, {"symbols": "BTCUSD"}, UnknownName, "BTCUSDT"),
    (CANDLE, {"features": ["rsl"]}, UnknownName, "rsi"),
    (CANDLE, {"features": []}, ConfigError, "at least one"),
    (CANDLE, {"observation": "flatt"}, UnknownName, "flat"),
    (CANDLE, {"window": "randm"}, UnknownName, "random"),
    (CANDLE, {"window": []}, ConfigError, "window"),
    (CANDLE, {"window": [3]}, ConfigError, "cursors"),
    (CANDLE, {"window": 5}, ConfigError, "window"),
    (CANDLE, {"reward": "pln"}, UnknownName, "pnl"),
    (
        CANDLE,
        {"look_back": 0},
        ConfigError,
        "look_back must be a whole number of at least 1; was 0",
    ),
    (CANDLE, {"look_back": 2.5}, ConfigError, "look_back must be"),
    (CANDLE, {"look_back": True}, ConfigError, "look_back must be"),
    (CANDLE, {"look_back": 10_000}, ConfigError, "shorter look_back"),
    (CANDLE, {"candles_per_step": 0}, ConfigError, "candles_per_step must be"),
    (CANDLE, {"episode_steps": 0}, ConfigError, "episode_steps must be"),
    (CANDLE, {"episode_steps": 2.5}, ConfigError, "episode_steps must be"),
    (CANDLE, {"episode_steps": 5_000}, ConfigError, "episode_steps must fit"),
    (CANDLE, {"episode_steps": "10"}, ConfigError, "episode_steps must be"),
    (
        CANDLE,
        {"window": "full", "episode_steps": 10},
        ConfigError,
        "episode_steps must be left out with window='full'.*was 10",
    ),
    (CANDLE, {"liquidate_on_complete": "no"}, ConfigError, "liquidate_on_complete must be"),
    (CANDLE, {"max_orders": 2.5}, ConfigError, "max_orders must be a whole number"),
    (CANDLE, {"buy_fraction": 0.0}, ConfigError, "buy_fraction must be above 0"),
    (CANDLE, {"buy_fraction": 1.5}, ConfigError, "buy_fraction must be"),
    (CANDLE, {"buy_fraction": "half"}, ConfigError, "buy_fraction must be"),
    (CANDLE, {"deadband": -0.1}, ConfigError, "deadband must be"),
    (CANDLE, {"deadband": np.nan}, ConfigError, "deadband must be"),
    (CANDLE, {"leverage": 2.0}, ConfigError, "leverage must be above 0, up to 1 for a spot"),
    (CANDLE, {"leverage": 5.0, "account": "margin"}, ConfigError, "up to 3 for a margin"),
    (CANDLE, {"eta": 1.0}, ConfigError, "eta must be"),
    (CANDLE, {"holding_cost_frac": -1.0}, ConfigError, "holding_cost_frac must be"),
    (CANDLE, {"action": "ladder", "levels": [-0.5, 1.0]}, ConfigError, "levels must be"),
    (CANDLE, {"action": "ladder", "levels": []}, ConfigError, "levels must"),
    (
        CANDLE,
        {"action": "order", "order_sizes": [0.5, 1.5]},
        ConfigError,
        "order_sizes must be.*1.5",
    ),
    (CANDLE, {"action": "order", "offsets_bps": [0.0]}, ConfigError, "offsets_bps must be"),
    (CANDLE, {"taker_fee_frac": 2.0}, ConfigError, "taker_fee_frac must be"),
    (CANDLE, {"starting_balance": 0.0}, ConfigError, "starting_balance must be above 0"),
    (CANDLE, {"execution": "next-open"}, UnknownName, "next_open"),
    (CANDLE, {"account": "futures"}, UnknownName, "account"),
    (CANDLE, {"interval": "90s"}, ConfigError, "interval"),
    (CANDLE, {"start": "2030-01-01"}, MarketDataError, "within the data"),
    (
        CANDLE,
        {"start": "2025-01-01T05:00", "end": "2025-01-01T04:00"},
        ConfigError,
        "at least one candle",
    ),
    (CANDLE, {"end": "2020-01-01"}, SeqGymError, "2025-01-01"),
    (PORTFOLIO, {"action": "discrete"}, UnknownName, "action"),
    (PORTFOLIO, {"buy_fraction": 0.5}, UnknownName, "buy_fraction"),
    (PORTFOLIO, {"symbols": ["BTCUSDT", "DOGEUSDT"]}, UnknownName, "DOGEUSDT"),
    (PORTFOLIO, {"data": MIXED}, ConfigError, "one quote currency"),
    (PORTFOLIO, {"data": "no-such-file.parquet"}, SeqGymError, "no-such-file"),
]


@pytest.mark.parametrize(
    ("env_id", "arguments", "error", "text"),
    WRONG,
    ids=[f"{k}-{'-'.join(arguments)}" for k, (_, arguments, _, _) in enumerate(WRONG)],
)
def test_a_wrong_argument_is_refused_by_name(
    env_id: str, arguments: dict[str, Any], error: type[SeqGymError], text: str
) -> None:
    with pytest.raises(error, match=text) as single:
        make(env_id, **arguments)
    with pytest.raises(error, match=text) as vector:
        make_vec(env_id, num_envs=2, **arguments)
    assert str(single.value) == str(vector.value)


def test_an_unknown_render_mode_is_refused() -> None:
    with pytest.raises(UnknownName, match="rgb_array"):
        type(make().unwrapped)(ONE, render_mode="rgb")


def test_an_unknown_name_carries_what_is_known() -> None:
    with pytest.raises(UnknownName) as caught:
        make(look_bak=3)
    assert caught.value.near_miss == "look_back"
    assert {"look_back", "taker_fee_frac"} <= set(caught.value.known)


def test_the_two_doors_take_the_same_arguments() -> None:
    arguments = {"action": "ladder", "levels": [0.0, 1.0], "eta": 0.5, "max_orders": 4}
    single, vector = make(**arguments).unwrapped, make_vec(**arguments).unwrapped
    assert single.settings.params == vector.settings.params
    assert single.settings.levels == vector.settings.levels
    assert single.observation_space == vector.single_observation_space


def test_a_resampled_environment_steps_in_the_coarser_candle() -> None:
    env = make(interval="5m", episode_steps=5, look_back=3, features=["log_return"]).unwrapped
    env.reset(seed=1)
    before = env.session.virtual_time_ns
    env.step(0)
    assert env.session.virtual_time_ns - before == 5 * ONE.interval_ns


def test_the_order_of_symbols_is_the_one_asked_for() -> None:
    env = make(PORTFOLIO, symbols=["SOLUSDT", "btc-usdt"]).unwrapped
    assert env.settings.series.symbols == ("SOLUSDT", "BTCUSDT")
    assert env.action_space.shape == (2,)


def test_a_whole_window_refuses_a_number_of_steps_and_takes_none() -> None:
    with pytest.raises(ConfigError, match=r"episode_steps.*window='full'"):
        make(window="full", episode_steps=10)
    env = make(window="full", episode_steps=None).unwrapped
    assert env.episode_steps == ONE.num_candles - env.first_start


@pytest.mark.parametrize("features", [3, None, 2.5, object()])
def test_features_that_are_no_names_are_refused_by_name(features):
    with pytest.raises(ConfigError, match=r"features must be a set, a name, .*; was "):
        make(features=features)
