"""Row 3: a batch of 1,024 against a bare copy of the same windows.

The copy is one compiled loop of memcpy over the cursors that the envs visit, forward by one candle
a step, into a fresh array each step as the env makes one. It is what the observation alone must
cost; what the env needs beyond it is the trading, the reward and the portfolio columns.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numba as nb
import numpy as np
from numpy.typing import NDArray

from benchmarks.market import FEATURES, LOOK_BACK, bitcoin, synthetic
from benchmarks.measure import Contender, Row, Scale, each, in_turn, seconds_of
from seq_gym._jit import copy_bytes

NUM_ENVS = 1024


@nb.njit
def _copy_windows(source: int, rows: Any, ahead: int, target: Any, row_bytes: int) -> None:
    size = target.shape[1] * target.itemsize
    address = target.ctypes.data
    for e in range(len(rows)):
        copy_bytes(address + e * size, source + (rows[e] + ahead) * row_bytes, size)


def make_batch(env_id: str, **arguments: Any) -> Any:
    """Make the native vector environment with the features of this benchmark."""
    return gymnasium.make_vec(
        env_id, features=list(FEATURES), look_back=LOOK_BACK, starting_balance=1e6, **arguments
    )


def env_block(env: Any, actions: NDArray[Any]) -> Contender:
    """Return a contender: a block of steps from the same drawn starts; seconds of one env step."""

    def play() -> None:
        for action in actions:
            env.step(action)

    def contender() -> float:
        env.reset(seed=0)
        return seconds_of(play) / len(actions) / env.num_envs

    return contender


def _copy_block(env: Any, steps: int) -> Contender:
    """Return a contender: the windows of such a block, copied."""
    values = env.settings.matrix.values
    floats = values[:LOOK_BACK].size

    def contender() -> float:
        env.reset(seed=0)
        rows = env.accounts["cursor"] - LOOK_BACK + 2  # the first window is that after one step

        def copy() -> None:
            for step in range(steps):
                target = np.empty((env.num_envs, floats), np.float32)
                _copy_windows(values.ctypes.data, rows, step, target, values.strides[0])

        return seconds_of(copy) / steps / env.num_envs

    return contender


def _measure(name: str, env: Any, actions: NDArray[Any], scale: Scale) -> list[Row]:
    """Return the rows of one environment: trading at random, and holding nothing."""
    times = in_turn(
        {
            "copy": _copy_block(env, len(actions)),
            "env": env_block(env, actions),
            "hold": env_block(env, np.zeros_like(actions)),
        },
        scale.rounds,
    )
    return [
        Row(
            name=f"3 {name}, random actions: rate over memcpy",
            at_least=0.4,
            ratios=times["copy"] / times["env"],
            note=each(times, "copy", "env", unit="ns") + " an env step",
        ),
        Row(
            name=f"3 {name}, nothing traded: rate over memcpy",
            ratios=times["copy"] / times["hold"],
            note=each(times, "hold", unit="ns"),
        ),
    ]


def rows(scale: Scale) -> list[Row]:
    """Measure row 3."""
    rng = np.random.default_rng(0)
    steps = scale.steps(400)
    one = make_batch(
        "seq_gym/CandleTrading-v0", num_envs=NUM_ENVS, data=bitcoin(), episode_steps=steps + 1
    )
    found = _measure("N = 1024, 1 symbol", one, rng.integers(0, 3, (steps, NUM_ENVS)), scale)
    steps //= 4
    ten = make_batch(
        "seq_gym/Portfolio-v0",
        num_envs=NUM_ENVS,
        data=synthetic(43_200, 10),
        episode_steps=steps + 1,
    )
    weights = rng.uniform(-1.0, 1.0, (steps, NUM_ENVS, 10)).astype(np.float32)
    return found + _measure("N = 1024, 10 symbols", ten, weights, scale)
