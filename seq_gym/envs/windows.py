"""Windows: where the episodes of a row begin (E2), for kernels of all environments."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, ints_at
from seq_gym._random import draw_below

__all__ = ["EXPLICIT", "FULL", "RANDOM", "SEQUENTIAL", "window_start"]

RANDOM, SEQUENTIAL, FULL, EXPLICIT = range(4)

WINDOW_STREAM = 0x57494E444F57
"""The keyed stream of window starts ("WINDOW")."""


@helper
def window_start(env: Any, state: Any, length: int) -> int:
    """Draw the start of episode k of a row: a function of (seed, window, k) alone (E2).

    Args:
        env: Constants: window_kind, starts, num_starts, first_start, last_start, last_cursor.
        state: The row: seed, episode.
        length: Cursors of an episode; 0: to the last.
    """
    room = env.last_start - env.first_start + 1
    if env.window_kind == FULL:
        return env.first_start
    if env.window_kind == EXPLICIT:
        return ints_at(env.starts)[(state.seed + state.episode) % env.num_starts]
    if env.window_kind == SEQUENTIAL:
        count = max((env.last_cursor - env.first_start) // length, 1)
        return env.first_start + (state.seed + state.episode) % count * length
    return env.first_start + draw_below(state.seed, WINDOW_STREAM, state.episode, room)
