"""Rows 1 and 2: other people's environments on the same candles, window and features.

Every environment is made by `gymnasium.make` with the wrappers that it brings; actions are drawn
uniformly beforehand and handed over as `action_space.sample()` does (numpy integers). A block is
one piece of one episode: its reset is not timed, on any side. It is long enough for the event ring
of the single environment to fill and be drained. Fees are a basis point on both sides, so that an
account that trades at random still trades at the end of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np

from benchmarks.market import FEATURES, LOOK_BACK, bitcoin
from benchmarks.measure import Contender, Row, Scale, each, in_turn, seconds_of, skipped

OURS = "seq_gym/CandleTrading-v0"
ANYTRADING = "benchmarks/FiveFeatureStocks-v0"
STEPS = 20_000
FEE = 0.0001


def _ours(**more: Any) -> dict[str, Any]:
    return {
        "data": bitcoin(),
        "features": list(FEATURES),
        "look_back": LOOK_BACK,
        "window": "full",
        "starting_balance": 1e6,
        "taker_fee_frac": FEE,
        **more,
    }


def _columns() -> Any:
    """Return the same candles and features as a pandas frame, for the peers."""
    import pandas as pd

    series = bitcoin()
    names = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame({name: getattr(series, name)[:, 0] for name in names})
    env: Any = gymnasium.make(OURS, **_ours()).unwrapped
    for number, name in enumerate(FEATURES):
        frame[f"feature_{name}"] = env.settings.matrix.values[1:, 0, number]
    frame.index = pd.date_range("2025-05-20", periods=len(frame), freq="min")
    return frame


def _make_anytrading(frame: Any) -> Callable[[], gymnasium.Env[Any, Any]]:
    """Register stocks-v0 with five features, in the way that its README shows."""
    from gym_anytrading.envs import StocksEnv

    def process(env: Any) -> tuple[Any, Any]:
        first = env.frame_bound[0] - env.window_size
        prices = env.df["close"].to_numpy()[first : env.frame_bound[1]]
        features = env.df.filter(like="feature_").to_numpy()[first : env.frame_bound[1]]
        return prices.astype(np.float32), features.astype(np.float32)

    entry = type("FiveFeatureStocksEnv", (StocksEnv,), {"_process_data": process})
    if ANYTRADING not in gymnasium.registry:
        gymnasium.register(ANYTRADING, entry_point=entry)
    bound = (LOOK_BACK, len(frame))
    return lambda: gymnasium.make(ANYTRADING, df=frame, window_size=LOOK_BACK, frame_bound=bound)


def _make_trading_env(frame: Any) -> gymnasium.Env[Any, Any]:
    """Make gym-trading-env as its documentation does; it adds two columns of its own."""
    return gymnasium.make(
        "TradingEnv", df=frame, positions=[0, 1], windows=LOOK_BACK, trading_fees=FEE, verbose=0
    )


def _play(env: gymnasium.Env[Any, Any], actions: Sequence[Any]) -> None:
    for action in actions:
        env.step(action)


def single_block(env: gymnasium.Env[Any, Any], steps: int) -> Contender:
    """Return a contender: one block of random steps of a single environment."""
    choices: Any = env.action_space
    actions = list(np.random.default_rng(0).integers(0, choices.n, steps))

    def contender() -> float:
        env.reset(seed=0)
        return seconds_of(lambda: _play(env, actions)) / steps

    return contender


def _batch_block(env: Any, choices: int, steps: int) -> Contender:
    """Return a contender: one block of random steps of a batch; seconds of one env step."""
    actions = np.random.default_rng(0).integers(0, choices, (steps, env.num_envs))

    def contender() -> float:
        env.reset()
        return seconds_of(lambda: _play(env, list(actions))) / steps / env.num_envs

    return contender


def rows(scale: Scale) -> list[Row]:
    """Measure rows 1 and 2."""
    try:
        # gym-trading-env turns every warning of the process into an error when it is imported.
        with warnings.catch_warnings():
            import gym_anytrading  # noqa: F401
            import gym_trading_env.environments  # noqa: F401
            from stable_baselines3.common.vec_env import DummyVecEnv
    except ImportError as error:
        return [skipped("1, 2: neighbours", f"{error}: pip install 'seq-gym[bench,train]'")]
    frame = _columns()
    make_anytrading = _make_anytrading(frame)
    steps = STEPS  # in a hurry too: fewer would not fill the event ring
    single = in_turn(
        {
            "seq_gym": single_block(gymnasium.make(OURS, **_ours()), steps),
            "gym-anytrading": single_block(make_anytrading(), steps),
            "gym-trading-env": single_block(_make_trading_env(frame), steps),
        },
        scale.rounds,
    )
    ours = gymnasium.make_vec(OURS, num_envs=8, **_ours())
    theirs = DummyVecEnv([make_anytrading] * 8)
    batch = in_turn(
        {
            "seq_gym": _batch_block(ours, 3, scale.steps(5_000)),
            "DummyVecEnv": _batch_block(theirs, 2, scale.steps(5_000)),
        },
        scale.rounds,
    )
    return [
        Row(
            name="1 single env: speed over gym-anytrading",
            at_least=1.3,
            ratios=single["gym-anytrading"] / single["seq_gym"],
            note=each(single, "seq_gym", "gym-anytrading"),
        ),
        Row(
            name="1 single env: speed over gym-trading-env",
            at_least=7.0,
            ratios=single["gym-trading-env"] / single["seq_gym"],
            note=each(single, "gym-trading-env"),
        ),
        Row(
            name="2 vector env, N = 8: speed over SB3 DummyVecEnv(8)",
            at_least=10.0,
            ratios=batch["DummyVecEnv"] / batch["seq_gym"],
            note=each(batch, "seq_gym", "DummyVecEnv") + " an env step",
        ),
    ]
