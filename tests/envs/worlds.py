"""Small markets and environments for the tests of environments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np

import seq_gym  # noqa: F401 - registers the environments
from seq_gym.market import CandleSeries, candles_from_rows, synthetic_candles

CANDLE, PORTFOLIO = "seq_gym/CandleTrading-v0", "seq_gym/Portfolio-v0"

FREE = {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0, "slippage": "fixed_bps", "slippage_bps": 0.0}
"""No fee and no slippage: prices are exactly those of the candles."""

PLAIN = {"features": ["log_return"], "look_back": 2}
"""The shortest look-back, for markets of a few candles."""

ONE = synthetic_candles(("BTCUSDT",), "1m", num_candles=500, seed=3)
FOUR = synthetic_candles(
    ("BTCUSDT", "ETHUSDT", "SOLUSDT", "BNBUSDT"), "1m", num_candles=400, seed=4
)


def with_gaps(series: CandleSeries, seed: int = 5) -> CandleSeries:
    """A market with missing and untraded candles, funding, an own column, and late listings.

    The last symbol is listed in the middle; the one before it loses its data before the end.
    """
    rng = np.random.default_rng(seed)
    valid = rng.random(series.valid.shape) > 0.03
    valid[[0, -1]] = True
    middle = series.num_candles // 2
    if series.num_symbols > 1:
        valid[:middle, -1] = False
        valid[middle + 10, -1] = True
        valid[-series.num_candles // 8 :, -2] = False
    quiet = rng.random(valid.shape) < 0.03
    funding = np.where(rng.random(valid.shape) < 0.02, rng.normal(0.0, 0.001, valid.shape), 0.0)
    values: dict[str, Any] = {
        name: np.where(valid, getattr(series, name), np.nan)
        for name in ("open", "high", "low", "close")
    }
    for name in ("volume", "quote_volume"):
        values[name] = np.where(valid, np.where(quiet, 0.0, getattr(series, name)), np.nan)
    extra = {"mood": np.where(valid, rng.normal(0.0, 1.0, valid.shape), np.nan)}
    return replace(series, **values, valid=valid, funding=funding, extra=extra)


ONE_ROUGH, FOUR_ROUGH = with_gaps(ONE), with_gaps(FOUR)


def with_coarse(series: CandleSeries, multiple: int = 5) -> CandleSeries:
    """A market whose last symbol has only candles of several grid rows (C4)."""
    coarse = series.resample(multiple * series.interval_ns)
    rows = np.arange(coarse.num_candles) * multiple + multiple - 1
    valid, span = series.valid.copy(), series.span.copy()
    valid[:, -1] = False
    valid[rows, -1], span[rows, -1] = True, multiple
    values: dict[str, Any] = {}
    for name in ("open", "high", "low", "close", "volume", "quote_volume"):
        values[name] = getattr(series, name).copy()
        values[name][:, -1] = np.nan
        values[name][rows, -1] = getattr(coarse, name)[:, -1]
    return replace(series, **values, valid=valid, span=span)


FOUR_COARSE = with_coarse(FOUR)


def make(env_id: str = CANDLE, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment, on a small synthetic market unless data is given."""
    return gymnasium.make(env_id, **_given(env_id, arguments))


def make_vec(env_id: str = CANDLE, num_envs: int = 3, **arguments: Any) -> Any:
    """Make a native vector environment, likewise."""
    return gymnasium.make_vec(env_id, num_envs=num_envs, **_given(env_id, arguments))


def _given(env_id: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Fill in the small market and, but for whole windows, 40 steps."""
    steps = None if arguments.get("window") == "full" else 40
    return {"data": ONE if env_id == CANDLE else FOUR, "episode_steps": steps, **arguments}


def rows_env(rows: Any, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment over rows written out, without costs, played from its first start."""
    series = rows if isinstance(rows, CandleSeries) else candles_from_rows(rows)
    env_id = CANDLE if series.num_symbols == 1 else PORTFOLIO
    return gymnasium.make(env_id, data=series, **{"window": "full", **FREE, **PLAIN, **arguments})


def flat(price: float, count: int, volume: float = 1e6) -> list[tuple[float, ...]]:
    """Candles that stand still."""
    return [(price, price, price, price, volume)] * count


def play(env: gymnasium.Env[Any, Any], actions: Any, seed: int = 0, **reset: Any) -> dict[str, Any]:
    """Play actions to the end of them or of the episode; return everything as lists."""
    observation, info = env.reset(seed=seed, **reset)
    out: dict[str, Any] = {"observations": [observation], "infos": [info], "rewards": []}
    out |= {"terminated": [], "truncated": []}
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        out["observations"].append(observation)
        out["infos"].append(info)
        out["rewards"].append(reward)
        out["terminated"].append(terminated)
        out["truncated"].append(truncated)
        if terminated or truncated:
            break
    return out


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "discrete": (CANDLE, {"action": "discrete", "buy_fraction": 0.5}),
    "ladder": (CANDLE, {"action": "ladder"}),
    "continuous": (CANDLE, {"action": "continuous"}),
    "order": (CANDLE, {"action": "order"}),
    "weights": (PORTFOLIO, {}),
    "ladder-margin": (CANDLE, {"action": "ladder", "account": "margin"}),
    "order-margin": (CANDLE, {"action": "order", "account": "margin"}),
    "weights-margin": (PORTFOLIO, {"account": "margin", "leverage": 2.0}),
}
"""Every id and action kind, spot and margin, by name."""
