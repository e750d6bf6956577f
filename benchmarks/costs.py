"""Row 5: what must not grow: the step with time or data, memory with rows, the reset.

Bounds of "does not depend" leave a quarter for the noise of a shared machine.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import gymnasium
import numpy as np

from benchmarks.gather import NUM_ENVS, env_block, make_batch
from benchmarks.market import FEATURES, LOOK_BACK, bitcoin, synthetic
from benchmarks.measure import Contender, Row, Scale, each, in_turn, seconds_of

ONE, MANY = "seq_gym/CandleTrading-v0", "seq_gym/Portfolio-v0"
NOISE = 1.25
FREE = {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0, "slippage": "fixed_bps", "slippage_bps": 0.0}
"""Without costs an account trades as much after a hundred thousand random actions as at first."""


def _single(data: Any) -> gymnasium.Env[Any, Any]:
    env = gymnasium.make(
        ONE, data=data, features=list(FEATURES), look_back=LOOK_BACK, window="full", **FREE
    )
    env.reset(seed=0)
    return env


def _actions() -> Iterator[Any]:
    return cycle(list(np.random.default_rng(0).integers(0, 3, 9973)))


def _going_on(env: gymnasium.Env[Any, Any], actions: Iterator[Any], steps: int) -> Contender:
    """Return a contender: the next steps of an episode that goes on."""

    def play() -> None:
        for _ in range(steps):
            env.step(next(actions))

    return lambda: seconds_of(play) / steps


def _from_the_start(env: gymnasium.Env[Any, Any], steps: int) -> Contender:
    """Return a contender: the first steps of an episode."""
    actions = list(np.random.default_rng(0).integers(0, 3, steps))

    def play() -> None:
        for action in actions:
            env.step(action)

    def contender() -> float:
        env.reset(seed=0, options={"start": 1_000})
        return seconds_of(play) / steps

    return contender


def _time_row(scale: Scale) -> Row:
    """Measure the first tenth of a long episode against the last."""
    length = 25_000 if scale.is_quick else 100_000
    block = length // 10 // (scale.rounds + 1)
    early, late, late_actions = _single(bitcoin()), _single(bitcoin()), _actions()
    for _ in range(length - length // 10):
        late.step(next(late_actions))
    times = in_turn(
        {
            "first": _going_on(early, _actions(), block),
            "last": _going_on(late, late_actions, block),
        },
        scale.rounds,
    )
    return Row(
        name=f"5 step, last tenth of {length:,} steps over the first",
        at_most=NOISE,
        ratios=times["last"] / times["first"],
        note=each(times, "last", "first"),
    )


def _length_rows(scale: Scale) -> list[Row]:
    """Measure a step on short data and on long data that begins with the same candles."""
    short, long, steps = synthetic(10_000), synthetic(500_000), scale.steps(4_000)
    times = in_turn(
        {
            "10k": _from_the_start(_single(short), steps),
            "500k": _from_the_start(_single(long), steps),
        },
        scale.rounds,
    )
    actions = np.random.default_rng(0).integers(0, 3, (scale.steps(200), NUM_ENVS))
    batches = in_turn(
        {
            name: env_block(make_batch(ONE, num_envs=NUM_ENVS, data=data), actions)
            for name, data in (("10k", short), ("500k", long))
        },
        scale.rounds,
    )
    return [
        Row(
            name="5 step, 500k candles over 10k candles",
            at_most=NOISE,
            ratios=times["500k"] / times["10k"],
            note=each(times, "500k", "10k"),
        ),
        Row(
            name="5 the same, N = 1024 at random places (cache misses)",
            ratios=batches["500k"] / batches["10k"],
            note=each(batches, "500k", "10k", unit="ns") + " an env step",
        ),
    ]


def _reset_row(scale: Scale) -> Row:
    """Measure a reset of every row against a step of every row."""
    env = make_batch(ONE, num_envs=NUM_ENVS, data=bitcoin())
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 3, NUM_ENVS)
    repeats = scale.steps(80)

    def steps() -> None:
        for _ in range(repeats):
            env.step(actions)

    def resets() -> None:
        for _ in range(repeats):
            env.reset()

    times = in_turn(
        {
            "reset": lambda: seconds_of(resets) / repeats,
            "step": lambda: seconds_of(steps) / repeats,
        },
        scale.rounds,
    )
    return Row(
        name="5 reset of 1,024 envs over one step of them",
        at_most=10.0,
        ratios=times["reset"] / times["step"],
        note=each(times, "reset", "step"),
    )


def _allocated(env_id: str, num_envs: int, **arguments: Any) -> tuple[Any, int]:
    """Return a batch after a step, and the bytes that it allocated."""
    tracemalloc.start()
    env = make_batch(env_id, num_envs=num_envs, **arguments)
    env.reset(seed=0)
    kept = env.step(np.zeros(env.action_space.shape, env.action_space.dtype))
    bytes_held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return (env, kept), bytes_held


def _memory_rows() -> list[Row]:
    """Measure bytes per env beyond the market: of the tables, and of all that is held."""
    found = []
    cases: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("1 symbol", ONE, {"data": bitcoin()}),
        ("orders", ONE, {"data": bitcoin(), "action": "order"}),
        ("10 symbols", MANY, {"data": synthetic(43_200, 10)}),
    )
    for name, env_id, arguments in cases:
        _allocated(env_id, 1, **arguments)  # the market and its features are shared from here on
        _, base = _allocated(env_id, 1, **arguments)
        (env, _kept), total = _allocated(env_id, 16_384, **arguments)
        core, batch = env._core, env._core.batch
        tables = (batch.accounts, batch.positions, batch.orders, batch.events, core.states)
        state = sum(table.nbytes for table in (*tables, core.actions, core.finals)) / 16_384
        row = core.row_floats * 4
        found.append(
            Row(
                name=f"5 memory per env, {name}: state",
                at_most=4.0,
                unit=" KiB",
                ratios=np.array([state / 1024]),
                note=f"and {row / 1024:.2f} KiB a row of observations, twice; all that N = 16,384 "
                f"hold (tracemalloc): {(total - base) / 16_383 / 1024:.2f} KiB each",
            )
        )
    return found


def rows(scale: Scale) -> list[Row]:
    """Measure row 5."""
    return [_time_row(scale), *_length_rows(scale), _reset_row(scale), *_memory_rows()]
