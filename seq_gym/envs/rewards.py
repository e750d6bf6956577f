"""Rewards: named terms on equity before and after a step, weighed in one place (E4).

| term | value of a step | sums to |
|---|---|---|
| `pnl` | equity after minus before, quote units | final minus starting equity (E4b) |
| `log_return` | log(after / before), equity floored at 1e-6 of the start | log(final / start) |
| `differential_sharpe` | Moody and Saffell (1998): marginal effect on a moving Sharpe ratio | |
| `differential_sortino` | the same on the downside deviation ratio (Moody and Saffell, 2001) | |
| `drawdown_penalty` | minus the growth of the drawdown from the peak | at least minus 1 |
| `turnover_cost` | minus notional traded / equity before x `turnover_cost_frac` | |
| `holding_cost` | minus absolute exposure / equity x `holding_cost_frac` | |

Fees and slippage are in equity already: the last two shape behaviour beyond what trading costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import floats_at, helper, inlined
from seq_gym.engine.tables import candle, position
from seq_gym.envs.layout import NUM_TERMS
from seq_gym.errors import ConfigError, UnknownName

__all__ = [
    "REWARD_TERMS",
    "BatchView",
    "Reward",
    "RewardSpec",
    "parse_reward",
    "reset_reward",
    "step_reward",
]

REWARD_TERMS = (
    "pnl",
    "log_return",
    "differential_sharpe",
    "differential_sortino",
    "drawdown_penalty",
    "turnover_cost",
    "holding_cost",
)
"""Names of the terms, in the order of `env.reward_terms` columns."""

PNL, LOG_RETURN, SHARPE, SORTINO, DRAWDOWN, TURNOVER, HOLDING = range(NUM_TERMS)

EQUITY_FLOOR_FRAC = 1e-6
"""Part of the starting balance at which log equity is floored, so that ruin is finite (E4b)."""


@dataclass(frozen=True, slots=True)
class BatchView:
    """Columns of a batch at one moment, for rewards written in Python.

    Attributes:
        equity: float64 [N], quote units.
        cash: float64 [N].
        weights: float64 [N, S], position value / equity.
        drawdown: float64 [N], part of the peak that is lost.
        turnover: float64 [N], notional traded in the episode so far.
    """

    equity: NDArray[np.float64]
    cash: NDArray[np.float64]
    weights: NDArray[np.float64]
    drawdown: NDArray[np.float64]
    turnover: NDArray[np.float64]


Reward = Callable[[BatchView, BatchView], NDArray[np.float64]]
"""`reward(before, after) -> float64 [N]`: whole batch columns, never one env at a time."""


@dataclass(frozen=True, slots=True)
class RewardSpec:
    """A parsed reward: the weight of each term [NUM_TERMS], or a function of batch columns."""

    weights: NDArray[np.float64]
    function: Reward | None = None


def parse_reward(reward: str | Mapping[str, float] | Reward) -> RewardSpec:
    """Read a reward: a term's name, weights by name, or a function.

    Raises:
        UnknownName: A term is not one of REWARD_TERMS.
        ConfigError: A weight is not a finite number, or none is given.
    """
    weights = np.zeros(NUM_TERMS)
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
        if name not in REWARD_TERMS:
            raise UnknownName("reward term", name, REWARD_TERMS)
        if isinstance(weight, bool) or not isinstance(weight, (int, float)):
            raise ConfigError(f"Weight of reward term {name!r} must be a number; was {weight!r}.")
        if not math.isfinite(weight):
            raise ConfigError(f"Weight of reward term {name!r} must be finite; was {weight!r}.")
        weights[REWARD_TERMS.index(name)] = weight
    return RewardSpec(weights)


@inlined
def log_equity_of(a: Any) -> float:
    """Return log of equity over the starting balance, floored (E4b)."""
    return math.log(max(a.equity / a.starting_balance, EQUITY_FLOOR_FRAC))


@helper
def reset_reward(a: Any, state: Any) -> None:
    """Start measuring from an account as it stands."""
    state.steps = 0
    state.done = 0
    state.equity = a.equity
    state.log_equity = log_equity_of(a)
    state.drawdown = a.drawdown
    state.turnover = a.turnover
    state.mean_return = 0.0
    state.mean_square = 0.0
    state.mean_downside = 0.0
    state.sum_return = 0.0
    state.sum_square = 0.0
    state.total_reward = 0.0


@helper
def _exposure(c: Any, a: Any, e: int) -> float:
    """Return absolute position value over equity, 0 when nothing is left."""
    total = 0.0
    for s in range(c.num_symbols):
        total += abs(position(c, e, s).qty) * candle(c, a.cursor, s).mark
    return total / a.equity if a.equity > 0.0 else 0.0


@helper
def _differential_sharpe(state: Any, change: float) -> float:
    variance = state.mean_square - state.mean_return * state.mean_return
    if variance <= 1e-18:
        return 0.0
    first = change - state.mean_return
    second = change * change - state.mean_square
    return (state.mean_square * first - 0.5 * state.mean_return * second) / variance**1.5


@helper
def _differential_sortino(state: Any, change: float) -> float:
    if state.mean_downside <= 1e-18:
        return 0.0
    deviation = math.sqrt(state.mean_downside)
    if change > 0.0:
        return (change - 0.5 * state.mean_return) / deviation
    excess = state.mean_downside * (change - 0.5 * state.mean_return)
    return (excess - 0.5 * state.mean_return * change * change) / deviation**3


@helper
def _move_averages(env: Any, state: Any, change: float) -> None:
    """Move the averages of the differential ratios on by one return."""
    loss = min(change, 0.0)
    state.mean_return += env.eta * (change - state.mean_return)
    state.mean_square += env.eta * (change * change - state.mean_square)
    state.mean_downside += env.eta * (loss * loss - state.mean_downside)


@inlined
def _weigh(env: Any, e: int, term: int, value: float) -> float:
    """Return a term's part of the reward; report the term where that was asked for."""
    if env.terms != 0:
        floats_at(env.terms)[e * NUM_TERMS + term] = value
    return floats_at(env.weights)[term] * value


@helper
def _rarer_terms(env: Any, c: Any, a: Any, e: int, state: Any, change: float) -> float:
    """Return the weighed terms beyond profit, and move on what only they measure from."""
    asked = env.asked_terms
    before = state.equity
    reward = 0.0
    if asked & (1 << SHARPE):
        reward += _weigh(env, e, SHARPE, _differential_sharpe(state, change))
    if asked & (1 << SORTINO):
        reward += _weigh(env, e, SORTINO, _differential_sortino(state, change))
    if asked & (1 << DRAWDOWN):
        reward += _weigh(env, e, DRAWDOWN, -max(a.drawdown - state.drawdown, 0.0))
    if asked & (1 << TURNOVER):
        traded = (a.turnover - state.turnover) / before if before > 0.0 else 0.0
        reward += _weigh(env, e, TURNOVER, -env.turnover_cost_frac * traded)
    if asked & (1 << HOLDING):
        reward += _weigh(env, e, HOLDING, -env.holding_cost_frac * _exposure(c, a, e))
    if asked & (1 << SHARPE | 1 << SORTINO):
        _move_averages(env, state, change)
    state.drawdown = a.drawdown
    state.turnover = a.turnover
    return reward


@inlined
def step_reward(env: Any, c: Any, a: Any, e: int, state: Any) -> float:
    """Return the weighed reward of the step that has just ended, and move the state on.

    Args:
        env: The ENV_CONTEXT record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e, after the step.
        e: The env.
        state: Its ENV_STATE record, as the last step left it.
    """
    asked = env.asked_terms
    before = state.equity
    moved = a.equity != before  # a flat account costs no logarithm and no division
    change = (a.equity - before) / before if moved and before > 0.0 else 0.0
    reward = 0.0
    if asked & (1 << PNL):
        reward += _weigh(env, e, PNL, a.equity - before)
    if asked & (1 << LOG_RETURN):
        log_equity = log_equity_of(a) if moved else state.log_equity
        reward += _weigh(env, e, LOG_RETURN, log_equity - state.log_equity)
        state.log_equity = log_equity
    if asked >> SHARPE:
        reward += _rarer_terms(env, c, a, e, state, change)
    if moved:
        state.equity = a.equity
        state.sum_return += change
        state.sum_square += change * change
    state.steps += 1
    state.total_reward += reward
    return reward
