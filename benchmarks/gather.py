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


def env_block(env: Any, actions: NDArray[Any], before: NDArray[Any] | None = None) -> Contender:
    """Return a contender: a block of steps from the same drawn starts; seconds of one env step.

    Args:
        env: The batch.
        actions: [steps, N, ...].
        before: Actions of steps that are played first and not timed.
    """

    def play() -> None:
        for action in actions:
            env.step(action)

    def contender() -> float:
        env.reset(seed=0)
        for action in actions[:0] if before is None else before:
            env.step(action)
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


def _row(name: str, times: dict[str, Any], who: str, target: float | None = None) -> Row:
    return Row(
        name=f"3 {name}: rate over memcpy",
        at_least=target,
        ratios=times["copy"] / times[who],
        note=each(times, "copy", who, unit="ns") + " an env step",
    )


def _one_symbol(scale: Scale) -> list[Row]:
    """Eight resting orders in each env, as the prototype of the target had; then other habits."""
    steps = scale.steps(400)
    data = bitcoin()
    resting = make_batch(
        "seq_gym/CandleTrading-v0",
        num_envs=NUM_ENVS,
        data=data,
        episode_steps=steps + 16,
        action="order",
        order_sizes=[0.01],
        offsets_bps=[5_000.0],
        max_orders=8,
    )
    place = np.tile(np.array([2, 0, 0, 0]), (8, NUM_ENVS, 1))
    trading = make_batch(
        "seq_gym/CandleTrading-v0", num_envs=NUM_ENVS, data=data, episode_steps=steps + 16
    )
    choices = np.random.default_rng(0).integers(0, 3, (steps, NUM_ENVS))
    nothing = np.zeros((steps, NUM_ENVS, 4), np.int64)
    times = in_turn(
        {
            "copy": _copy_block(trading, steps),
            "orders": env_block(resting, nothing, before=place),
            "idle": env_block(trading, np.zeros_like(choices)),
            "random": env_block(trading, choices),
        },
        scale.rounds,
    )
    assert (resting.accounts["num_orders"] == 8).all()
    head = "N = 1024, 1 symbol"
    return [
        _row(f"{head}, 8 resting orders", times, "orders", 0.4),
        _row(f"{head}, nothing traded", times, "idle"),
        _row(f"{head}, random: a fill in 3 steps", times, "random"),
    ]


def _ten_symbols(scale: Scale) -> list[Row]:
    """Targets that stay, as a policy's do from step to step; then other habits."""
    steps = scale.steps(100)
    batch = make_batch(
        "seq_gym/Portfolio-v0",
        num_envs=NUM_ENVS,
        data=synthetic(43_200, 10),
        episode_steps=steps + 16,
    )
    rng = np.random.default_rng(0)
    weights = rng.uniform(-1.0, 1.0, (steps, NUM_ENVS, 10)).astype(np.float32)
    steady = np.tile(weights[:1], (steps, 1, 1))
    times = in_turn(
        {
            "copy": _copy_block(batch, steps),
            "steady": env_block(batch, steady, before=steady[:1]),
            "idle": env_block(batch, np.zeros_like(weights)),
            "random": env_block(batch, weights),
        },
        scale.rounds,
    )
    head = "N = 1024, 10 symbols"
    return [
        _row(f"{head}, steady targets", times, "steady", 0.4),
        _row(f"{head}, nothing traded", times, "idle"),
        _row(f"{head}, random: 7 fills a step", times, "random"),
    ]


def rows(scale: Scale) -> list[Row]:
    """Measure row 3."""
    return _one_symbol(scale) + _ten_symbols(scale)
