"""Finals: figures of the episode of a row that has just ended."""

from __future__ import annotations

from typing import Any, Final

from seq_gym._jit import floats_at, helper
from seq_gym.envs.book.tasks import write_task_finals

__all__ = ["FINALS", "NUM_FINALS", "TASK_FINALS_AT", "write_finals"]

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
    "spread_cost",
    "num_fills",
    "start",
    "end",
    "num_rejects",
    "num_gaps",
    "position",
)
"""Columns of `finals` that every task has: figures of the episode that has just ended."""
TASK_FINALS_AT: Final = len(FINALS)
NUM_FINALS: Final = TASK_FINALS_AT + 8
"""A task may have up to eight of its own."""


@helper
def write_finals(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
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
    out[at + 9] = a.spread_cost
    out[at + 10] = a.num_fills
    out[at + 11] = state.start
    out[at + 12] = state.cursor
    out[at + 13] = a.num_rejects
    out[at + 14] = a.num_gaps
    out[at + 15] = state.qty
    write_task_finals(env, c, a, e, state, env.finals + (at + TASK_FINALS_AT) * 8)
