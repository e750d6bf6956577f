"""One step of a batch of envs: act, advance, reward, endings, autoreset, observe."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import bytes_at, floats_at, helper, inlined, ints_at, kernel, prefetch
from seq_gym._random import draw_uniform
from seq_gym.engine.batch import reset_account
from seq_gym.engine.candles import advance
from seq_gym.engine.codes import LIQUIDATED, RING_FULL, RUINED, RUNNING
from seq_gym.engine.journal import has_room
from seq_gym.engine.layout import CANDLE
from seq_gym.engine.tables import account_at, context_at
from seq_gym.envs.actions import act
from seq_gym.envs.layout import env_context_at, env_state_at
from seq_gym.envs.observations import write_observation
from seq_gym.envs.rewards import reset_reward, step_reward
from seq_gym.envs.windows import window_start

__all__ = [
    "DISABLED",
    "FINALS",
    "INTERRUPTED",
    "INVALID",
    "NEXT_STEP",
    "NUM_FINALS",
    "SAME_STEP",
    "all_valid",
    "move",
    "observe",
    "reset_env",
    "reset_rows",
    "show",
    "step",
    "use_outputs",
]

_CANDLE_BYTES = CANDLE.itemsize
AHEAD = 8
"""Envs between asking for memory and using it."""
SAME_STEP, NEXT_STEP, DISABLED = range(3)
INTERRUPTED = -1
"""Return code of a step whose event ring is full: drain it and call `move` again."""

INVALID = -2
"""Return code of a step whose discrete actions are out of range: nothing has moved."""

FEE_STREAM = 0x464545
"""The keyed stream of fee scales ("FEE")."""

SLIPPAGE_STREAM = 0x534C4950
"""The keyed stream of slippage scales ("SLIP")."""

FINALS = (
    "equity",
    "total_reward",
    "num_steps",
    "ending",
    "max_drawdown",
    "sum_return",
    "sum_square",
    "turnover",
    "fees",
    "slippage",
    "num_fills",
    "start",
    "end",
    "num_rejects",
    "fee_scale",
    "slippage_scale",
)
"""Columns of `finals`: figures of the episode that has just ended."""
NUM_FINALS = len(FINALS)


@helper
def _draw_scale(state: Any, stream: int, low: float, high: float) -> float:
    """Draw the scale of episode k of a row, log-uniform: a function of (seed, stream, k) alone."""
    if low == high:
        return low
    return min(low * (high / low) ** draw_uniform(state.seed, stream, state.episode), high)


@helper
def _open_episode(env: Any, c: Any, e: int, start: int) -> None:
    """Open the next episode of row e at a cursor."""
    a = account_at(c.accounts, e)
    state = env_state_at(env.states, e)
    end = env.last_cursor
    if env.episode_candles > 0:
        end = min(end, start + env.episode_candles)
    reset_account(c, a, e, start, end)
    if env.randomized != 0:
        a.fee_scale = _draw_scale(state, FEE_STREAM, env.fee_scale_low, env.fee_scale_high)
        a.slippage_scale = _draw_scale(
            state, SLIPPAGE_STREAM, env.slippage_scale_low, env.slippage_scale_high
        )
    reset_reward(a, state)
    state.step_frac = 1.0 / (end - start)
    state.episode += 1


@kernel
def reset_env(address: int, e: int, seed: int, start: int) -> None:
    """Reset row e and write its observation.

    Args:
        address: Of the ENV_CONTEXT.
        e: The row.
        seed: A new seed, which restarts its episodes at 0, or -1 to go on with the old one.
        start: Cursor to start at, or -1 to draw it.
    """
    env = env_context_at(address, 0)
    _reset_row(env, context_at(env.engine, 0), e, seed, start)


@kernel
def reset_rows(address: int, mask: Any, seeds: Any, starts: Any) -> None:
    """Reset the rows of a mask as `reset_env` does: bool, int64 and int64 [N]."""
    env = env_context_at(address, 0)
    c = context_at(env.engine, 0)
    for e in range(c.num_envs):
        if mask[e]:
            _reset_row(env, c, e, seeds[e], starts[e])


@helper
def _reset_row(env: Any, c: Any, e: int, seed: int, start: int) -> None:
    state = env_state_at(env.states, e)
    if seed >= 0:
        state.seed = seed
        state.episode = 0
    _open_episode(env, c, e, start if start >= 0 else window_start(env, state, env.episode_candles))
    _observe_row(env, c, e, env.observations)


@inlined
def _observe_row(env: Any, c: Any, e: int, base: int) -> None:
    a = account_at(c.accounts, e)
    state = env_state_at(env.states, e)
    write_observation(env, c, a, e, state, base + e * env.observation_floats * 4)


@helper
def _write_finals(env: Any, a: Any, e: int, state: Any) -> None:
    """Keep the figures of an episode that has ended (FINALS)."""
    out = floats_at(env.finals)
    at = e * NUM_FINALS
    out[at] = a.equity
    out[at + 1] = state.total_reward
    out[at + 2] = state.steps
    out[at + 3] = a.ending
    out[at + 4] = a.max_drawdown
    out[at + 5] = state.sum_return
    out[at + 6] = state.sum_square
    out[at + 7] = a.turnover
    out[at + 8] = a.taker_fees + a.maker_fees
    out[at + 9] = a.slippage
    out[at + 10] = a.num_fills
    out[at + 11] = a.start
    out[at + 12] = a.cursor
    out[at + 13] = a.num_rejects
    out[at + 14] = a.fee_scale
    out[at + 15] = a.slippage_scale


@inlined
def _write_flags(env: Any, a: Any, e: int) -> None:
    """Write terminated and truncated; never both (E1)."""
    terminated = a.ending == RUINED or a.ending == LIQUIDATED
    bytes_at(env.terminated)[e] = 1 if terminated else 0
    bytes_at(env.truncated)[e] = 1 if a.ending != RUNNING and not terminated else 0


@inlined
def _move_row(env: Any, c: Any, a: Any, e: int, state: Any) -> int:
    """Act and advance one row; returns INTERRUPTED, or whether it ended."""
    if a.candles_left == 0:
        if not has_room(c, a):
            return INTERRUPTED
        act(env, c, a, e)
        a.candles_left = env.candles_per_step
    if advance(c, a, e, a.candles_left) == RING_FULL:
        return INTERRUPTED
    floats_at(env.rewards)[e] = step_reward(env, c, a, e, state)
    _write_flags(env, a, e)
    ended = a.ending != RUNNING
    state.done = 1 if ended else 0
    if ended:
        _write_finals(env, a, e, state)
        return 1
    return 0


@inlined
def _prefetch(env: Any, c: Any, e: int) -> None:
    """Ask for the rows that env e will read, each at a random place in the market."""
    if e < c.num_envs:
        row = account_at(c.accounts, e).cursor + 1
        known = c.candles + (row - 1) * c.num_symbols * _CANDLE_BYTES
        for k in range(2 * c.num_symbols):  # the candle that is known, and the one that comes
            prefetch(known + k * _CANDLE_BYTES)
        window = env.features + row * env.row_bytes
        for k in range(0, env.row_bytes, 64):
            prefetch(window + k)


@inlined
def _move_or_wait(env: Any, c: Any, e: int) -> int:
    """Move one row, or do what its autoreset mode does with an episode that is over."""
    _prefetch(env, c, e + AHEAD)
    state = env_state_at(env.states, e)
    a = account_at(c.accounts, e)
    if state.done == 0:
        return _move_row(env, c, a, e, state)
    # next-step autoreset: this step only opens the next episode; disabled: nothing moves
    floats_at(env.rewards)[e] = 0.0
    if env.autoreset == NEXT_STEP:
        _open_episode(env, c, e, window_start(env, state, env.episode_candles))
    _write_flags(env, a, e)
    return 0


@inlined
def _show(env: Any, c: Any, e: int) -> None:
    """Observe one row; an episode that has just ended gives way to the next (same-step)."""
    if env.autoreset == SAME_STEP:
        state = env_state_at(env.states, e)
        if state.done != 0:
            _observe_row(env, c, e, env.final_observations)
            _open_episode(env, c, e, window_start(env, state, env.episode_candles))
    _observe_row(env, c, e, env.observations)


@inlined
def all_valid(env: Any, c: Any) -> bool:
    """Check the range of discrete actions before anything moves."""
    actions = ints_at(env.actions)
    width = env.action_width
    count = c.num_envs
    wrong = 0
    for k in range(width):
        last = ints_at(env.choices)[k] - 1
        for e in range(count):  # the sign of either tells: no branch, several at once
            choice = actions[e * width + k]
            wrong |= choice | (last - choice)
    return wrong >= 0


@kernel
def step(address: int) -> int:
    """Step every row.

    Returns:
        How many episodes ended; INTERRUPTED with nothing observed yet; or INVALID with nothing
        moved, when a discrete action is out of range.
    """
    env = env_context_at(address, 0)
    c = context_at(env.engine, 0)
    if not all_valid(env, c):
        return INVALID
    ended = 0
    for e in range(c.num_envs):  # row by row, so that a row is observed while it is in the cache
        result = _move_or_wait(env, c, e)
        if result == INTERRUPTED:
            return INTERRUPTED
        ended += result
        _show(env, c, e)
    return ended


@kernel
def move(address: int) -> int:
    """Do the first half of a step alone: act, advance, reward, endings.

    Returns:
        How many episodes ended, or INTERRUPTED.
    """
    env = env_context_at(address, 0)
    c = context_at(env.engine, 0)
    ended = 0
    for e in range(c.num_envs):
        result = _move_or_wait(env, c, e)
        if result == INTERRUPTED:
            return INTERRUPTED
        ended += result
    return ended


@kernel
def show(address: int) -> None:
    """Do the second half of a step alone: reset what ended, where that is wanted, and observe."""
    env = env_context_at(address, 0)
    c = context_at(env.engine, 0)
    for e in range(c.num_envs):
        _show(env, c, e)


@kernel
def observe(address: int) -> None:
    """Write every row's observation as it stands."""
    env = env_context_at(address, 0)
    c = context_at(env.engine, 0)
    for e in range(c.num_envs):
        _observe_row(env, c, e, env.observations)


@kernel
def use_outputs(
    address: int,
    observations: Any,
    rewards: Any,
    terminated: Any,
    truncated: Any,
    actions: Any,
) -> None:
    """Let the next step read and write these arrays (see EnvBatch.new_outputs)."""
    env = env_context_at(address, 0)
    env.actions = actions.ctypes.data
    env.observations = observations.ctypes.data
    env.rewards = rewards.ctypes.data
    env.terminated = terminated.ctypes.data
    env.truncated = truncated.ctypes.data
