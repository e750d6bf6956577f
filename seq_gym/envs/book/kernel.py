"""One step of a batch of envs over books: act, advance, settle, reward, autoreset, observe."""

from __future__ import annotations

from typing import Any, Final

from seq_gym._jit import (
    bytes_at,
    copy_bytes,
    far_call,
    floats_at,
    helper,
    inlined,
    ints_at,
    kernel,
    prefetch,
)
from seq_gym._random import draw_below
from seq_gym.engine.book.codes import EVENTS_FULL, REPORTS_FULL
from seq_gym.engine.book.journal import has_room
from seq_gym.engine.book.layout import ROW
from seq_gym.engine.book.opening import reset_account
from seq_gym.engine.book.tables import account_at, context_at, lane, tape
from seq_gym.engine.codes import RUNNING, WINDOW_END
from seq_gym.envs.book.finals import FINALS, NUM_FINALS, write_finals
from seq_gym.envs.book.layout import TOP_LEVELS, book_env_at, book_state_at
from seq_gym.envs.book.own import OWN_COLUMNS, see_prints, write_own
from seq_gym.envs.book.rewards import reset_book_reward, step_book_reward
from seq_gym.envs.book.tasks import act, open_task, settle, write_task
from seq_gym.envs.kernel import INTERRUPTED, INVALID, NEXT_STEP, SAME_STEP, all_valid
from seq_gym.envs.windows import window_start

__all__ = [
    "FAULT",
    "FINALS",
    "INTERRUPTED",
    "INVALID",
    "NUM_FINALS",
    "move",
    "observe",
    "reset_env",
    "reset_rows",
    "show",
    "step",
    "use_outputs",
]

_ROW_BYTES = ROW.itemsize
_OWN_BYTES: Final = 4 * len(OWN_COLUMNS)
_TOP_BYTES: Final = 4 * TOP_LEVELS
"""Of the ticks, or the lots, of one side at one decision."""
_RATE_BYTES: Final = 4 * 3
_LINE_BYTES: Final = 64
AHEAD: Final = 4
"""Envs between asking for memory and using it."""
LINES_AHEAD: Final = 4
"""Cache lines of the venue's clock that are asked for; the processor goes on from there."""

FAULT: Final = -3
"""Return code of a step in which an env has more answers in flight than it keeps."""

ENGINE_STREAM: Final = 0x454E47494E45
"""The keyed stream of the engine's seeds ("ENGINE")."""
_SEEDS: Final = 1 << 53

_call_4 = far_call(4)


@helper
def _open_episode(env: Any, c: Any, e: int, start: int) -> None:
    """Open the next episode of row e at a cursor."""
    a = account_at(c.accounts, e)
    state = book_state_at(env.states, e)
    end = env.last_cursor
    if env.episode_steps > 0:
        end = min(end, start + env.episode_steps)
    times = ints_at(env.times)
    seed = draw_below(state.seed, ENGINE_STREAM, state.episode, _SEEDS)
    reset_account(c, a, e, times[start], times[end], seed)
    state.cursor = start
    state.start = start
    state.end = end
    state.swept = 0
    state.inverse_steps = 1.0 / (end - start)
    open_task(env, c, a, e, state)
    reset_book_reward(c, a, e, state)
    state.mid = lane(c, e, 0).mark
    state.episode += 1
    if env.curve != 0:
        floats_at(env.curve)[0] = a.equity


@kernel
def reset_env(address: int, e: int, seed: int, start: int) -> None:
    """Reset row e and write its observation.

    Args:
        address: Of the BOOK_ENV.
        e: The row.
        seed: A new seed, which restarts its episodes at 0, or -1 to go on with the old one.
        start: Cursor to start at, or -1 to draw it.
    """
    env = book_env_at(address, 0)
    _reset_row(env, context_at(env.engine, 0), e, seed, start)


@kernel
def reset_rows(address: int, mask: Any, seeds: Any, starts: Any) -> None:
    """Reset the rows of a mask as `reset_env` does: bool, int64 and int64 [N]."""
    env = book_env_at(address, 0)
    c = context_at(env.engine, 0)
    for e in range(c.num_envs):
        if mask[e]:
            _reset_row(env, c, e, seeds[e], starts[e])


@helper
def _reset_row(env: Any, c: Any, e: int, seed: int, start: int) -> None:
    state = book_state_at(env.states, e)
    if seed >= 0:
        state.seed = seed
        state.episode = 0
    _open_episode(env, c, e, start if start >= 0 else window_start(env, state, env.episode_steps))
    _observe_row(env, c, e, env.observations)


@helper
def _observe_row(env: Any, c: Any, e: int, base: int) -> None:
    """Write the window of features, then the own state, then the task's columns."""
    a = account_at(c.accounts, e)
    state = book_state_at(env.states, e)
    target = base + e * env.observation_floats * 4
    source = env.features + (state.cursor - env.look_back + 1) * env.row_bytes
    copy_bytes(target, source, env.window_bytes)
    target += env.window_bytes
    write_own(env, c, a, e, state, target)
    write_task(env, c, e, state, target + _OWN_BYTES)


@inlined
def _write_flags(env: Any, a: Any, e: int) -> None:
    """Write terminated and truncated; never both (E1)."""
    ended = a.ending != RUNNING
    terminated = ended and a.ending < WINDOW_END
    bytes_at(env.terminated)[e] = 1 if terminated else 0
    bytes_at(env.truncated)[e] = 1 if ended and not terminated else 0


@helper
def _move_row(env: Any, c: Any, a: Any, e: int, state: Any) -> int:
    """Act and advance one row; returns INTERRUPTED, FAULT, or whether it ended."""
    if state.moving == 0:
        if not has_room(c, a, e):
            return INTERRUPTED
        act(env, c, a, e, state)
        state.moving = 1
    until = ints_at(env.times)[state.cursor + 1]
    lane(c, e, 0).likely_row = ints_at(env.rows)[state.cursor + 1]
    code = _call_4(env.advance, (env.engine, e, until, 0))
    if code == EVENTS_FULL:
        return INTERRUPTED
    if code == REPORTS_FULL:
        return FAULT
    state.moving = 0
    state.cursor += 1
    if a.num_orders > 0:
        see_prints(env, c, e, state)
    settle(env, c, a, e, state)
    floats_at(env.rewards)[e] = step_book_reward(env, c, a, e, state)
    state.mid = lane(c, e, 0).mark
    if env.curve != 0:
        floats_at(env.curve)[state.cursor - state.start] = a.equity
    _write_flags(env, a, e)
    ended = a.ending != RUNNING
    state.done = 1 if ended else 0
    if ended:
        write_finals(env, c, a, e, state)
        return 1
    return 0


@inlined
def _prefetch(env: Any, c: Any, e: int) -> None:
    """Ask for what env e will read of the tape and of its next decision, each at a random place."""
    if e >= c.num_envs:
        return
    t = tape(c, 0)
    venue = t.venue_rows + lane(c, e, 0).venue_row * _ROW_BYTES
    for k in range(LINES_AHEAD):
        prefetch(venue + _LINE_BYTES * k)
    cursor = min(book_state_at(env.states, e).cursor + 1, env.last_cursor)
    local = t.local_rows + ints_at(env.rows)[cursor] * _ROW_BYTES
    prefetch(local - _ROW_BYTES)
    prefetch(local)
    window = env.features + cursor * env.row_bytes
    for k in range(0, env.row_bytes, _LINE_BYTES):
        prefetch(window + k)
    for side in range(2 * cursor, 2 * cursor + 2):
        prefetch(env.top_ticks + side * _TOP_BYTES)
        prefetch(env.top_lots + side * _TOP_BYTES)
    prefetch(env.rates + cursor * _RATE_BYTES)
    prefetch(env.times + cursor * 8)
    prefetch(env.print_at + cursor * 8)


@inlined
def _move_or_wait(env: Any, c: Any, e: int) -> int:
    """Move one row, or do what its autoreset mode does with an episode that is over."""
    _prefetch(env, c, e + AHEAD)
    state = book_state_at(env.states, e)
    a = account_at(c.accounts, e)
    if state.done == 0:
        return _move_row(env, c, a, e, state)
    # next-step autoreset: this step only opens the next episode; disabled: nothing moves
    floats_at(env.rewards)[e] = 0.0
    if env.autoreset == NEXT_STEP:
        _open_episode(env, c, e, window_start(env, state, env.episode_steps))
    _write_flags(env, a, e)
    return 0


@inlined
def _show(env: Any, c: Any, e: int) -> None:
    """Observe one row; an episode that has just ended gives way to the next (same-step)."""
    if env.autoreset == SAME_STEP:
        state = book_state_at(env.states, e)
        if state.done != 0:
            _observe_row(env, c, e, env.final_observations)
            _open_episode(env, c, e, window_start(env, state, env.episode_steps))
    _observe_row(env, c, e, env.observations)


@kernel
def step(address: int) -> int:
    """Step every row.

    Returns:
        How many episodes ended; INTERRUPTED or FAULT with nothing observed yet; or INVALID with
        nothing moved, when a discrete action is out of range.
    """
    env = book_env_at(address, 0)
    c = context_at(env.engine, 0)
    if not all_valid(env, c):
        return INVALID
    ended = 0
    for e in range(c.num_envs):  # row by row, so that a row is observed while it is in the cache
        result = _move_or_wait(env, c, e)
        if result < 0:
            return result
        ended += result
        _show(env, c, e)
    return ended


@kernel
def move(address: int) -> int:
    """Do the first half of a step alone: act, advance, reward, endings.

    Returns:
        How many episodes ended, INTERRUPTED or FAULT.
    """
    env = book_env_at(address, 0)
    c = context_at(env.engine, 0)
    ended = 0
    for e in range(c.num_envs):
        result = _move_or_wait(env, c, e)
        if result < 0:
            return result
        ended += result
    return ended


@kernel
def show(address: int) -> None:
    """Do the second half of a step alone: reset what ended, where that is wanted, and observe."""
    env = book_env_at(address, 0)
    c = context_at(env.engine, 0)
    for e in range(c.num_envs):
        _show(env, c, e)


@kernel
def observe(address: int) -> None:
    """Write every row's observation as it stands."""
    env = book_env_at(address, 0)
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
    """Let the next step read and write these arrays."""
    env = book_env_at(address, 0)
    env.actions = actions.ctypes.data
    env.observations = observations.ctypes.data
    env.rewards = rewards.ctypes.data
    env.terminated = terminated.ctypes.data
    env.truncated = truncated.ctypes.data
