"""Rewards of environments over books: named terms, weighed in one place (E4).

| term | value of a step | sums to |
|---|---|---|
| `pnl` | equity after minus before, quote units | final minus starting equity (E4b) |
| `log_return` | log(after / before), equity floored at 1e-6 of the start | log(final / start) |
| `drawdown_penalty` | minus the growth of the drawdown from the peak | at least minus 1 |
| `turnover_cost` | minus notional traded x `turnover_cost_frac`, quote units | |
| `inventory_penalty` | minus `inventory_aversion` x (position / max)^2 x seconds, quote units | |
| `spread_capture` | sum over fills of side x (venue's mid - price) x quantity | |

What else a task pays is listed with it (tasks.py). Fees are in equity already.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from seq_gym._jit import helper, inlined, ints_at
from seq_gym.engine.book.tables import position
from seq_gym.envs.book.tasks import pay
from seq_gym.envs.book.terms import (
    BOOK_TERMS,
    DRAWDOWN,
    INVENTORY,
    LOG_RETURN,
    PNL,
    SPREAD,
    TURNOVER,
    weigh,
)
from seq_gym.envs.numbers import check_number
from seq_gym.envs.rewards import Reward, RewardSpec, log_equity_of
from seq_gym.errors import ConfigError, UnknownName

__all__ = ["parse_book_reward", "reset_book_reward", "step_book_reward"]

_NS_PER_S: Final = 1e9


def parse_book_reward(
    reward: str | Mapping[str, float] | Reward, terms: Sequence[str]
) -> RewardSpec:
    """Read a reward: a term's name, weights by name, or a function.

    Args:
        reward: As given.
        terms: Those that the task has.

    Raises:
        UnknownName: A term is not one of them.
        ConfigError: A weight is not a finite number, or none is given.
    """
    weights = np.zeros(len(BOOK_TERMS))
    if callable(reward):
        return RewardSpec(weights, reward)
    if not isinstance(reward, (str, Mapping)):
        raise ConfigError(
            f"reward must be a term, weights by term, or a function of columns; was {reward!r}."
        )
    table = {reward: 1.0} if isinstance(reward, str) else dict(reward)
    if not table:
        raise ConfigError("reward must name at least one term; was empty.")
    for name, weight in table.items():
        if name not in terms:
            raise UnknownName("reward term", name, tuple(terms))
        check_number(f"Weight of reward term {name!r}", weight, "a finite number", math.isfinite)
        weights[BOOK_TERMS.index(name)] = weight
    return RewardSpec(weights)


@helper
def reset_book_reward(c: Any, a: Any, e: int, state: Any) -> None:
    """Start measuring from an account as it stands."""
    state.steps = 0
    state.done = 0
    state.moving = 0
    state.equity = a.equity
    state.change = 0.0
    state.log_equity = log_equity_of(a)
    state.drawdown = a.drawdown
    state.turnover = a.turnover
    state.spread_cost = a.spread_cost
    state.qty = position(c, e, 0).qty
    state.sum_return = 0.0
    state.sum_square = 0.0
    state.total_reward = 0.0


@helper
def _shaping(env: Any, c: Any, a: Any, e: int, state: Any) -> float:
    """Return the weighed terms beyond profit, and move on what only they measure from."""
    asked = env.asked_terms
    reward = 0.0
    if asked & (1 << DRAWDOWN):
        reward += weigh(env, e, DRAWDOWN, -max(a.drawdown - state.drawdown, 0.0))
    if asked & (1 << TURNOVER):
        traded = a.turnover - state.turnover
        reward += weigh(env, e, TURNOVER, -env.turnover_cost_frac * traded)
    if asked & (1 << INVENTORY):
        times = ints_at(env.times)
        seconds = (times[state.cursor] - times[state.cursor - 1]) / _NS_PER_S
        share = position(c, e, 0).qty * env.inverse_qty
        reward += weigh(env, e, INVENTORY, -env.inventory_aversion * share * share * seconds)
    if asked & (1 << SPREAD):
        reward += weigh(env, e, SPREAD, state.spread_cost - a.spread_cost)
    state.drawdown = a.drawdown
    state.turnover = a.turnover
    state.spread_cost = a.spread_cost
    return reward


@inlined
def step_book_reward(env: Any, c: Any, a: Any, e: int, state: Any) -> float:
    """Return the weighed reward of the step that has just ended, and move the state on.

    Args:
        env: The BOOK_ENV record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e, at `state.cursor`.
        e: The env.
        state: Its BOOK_STATE record; equity and so on as the last step left them.
    """
    asked = env.asked_terms
    before = state.equity
    state.change = a.equity - before
    reward = 0.0
    if asked & (1 << PNL):
        reward += weigh(env, e, PNL, state.change)
    if asked & (1 << LOG_RETURN):
        log_equity = log_equity_of(a) if state.change != 0.0 else state.log_equity
        reward += weigh(env, e, LOG_RETURN, log_equity - state.log_equity)
        state.log_equity = log_equity
    if asked >> DRAWDOWN:
        reward += _shaping(env, c, a, e, state)
        reward += pay(env, c, e, state)
    if state.change != 0.0 and before > 0.0:
        part = state.change / before
        state.sum_return += part
        state.sum_square += part * part
    state.equity = a.equity
    state.qty = position(c, e, 0).qty
    state.steps += 1
    state.total_reward += reward
    return reward
