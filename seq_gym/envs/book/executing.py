"""Execution-v0: buy or sell Q within the horizon.

A *slice* is what is left of Q over the decisions that are left. What is taken is a number of
slices, rounded down to whole lots; the rest of a lot is carried to the next decision, so that a
rate of 1 is a TWAP to the lot. What rests is rounded up to whole lots, and left alone at its tick:
it shrinks where less is wanted, and never grows.

| kind | space | meaning |
|---|---|---|
| `discrete` | Discrete(5) | wait, join the touch, improve it by a tick, take a slice, take two |
| `continuous` | Box(-1, 1, (2,)) | rate, 0 .. `max_rate` slices; aggressiveness |

Orders never exceed Q, whatever is on its way: what is free to be sent is what is left of Q less
all that working orders may still do (quotes.py).

Own reward terms:

    shortfall = -(change of the shortfall of the step), bps (shortfall.py)
    shortfall_risk = -risk_aversion x (left / Q)^2 x seconds

The second is the variance term of Almgren and Chriss (2001), Optimal execution of portfolio
transactions, with the variance of the price in `risk_aversion`.
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import floats_at, helper, inlined, ints_at, singles_at
from seq_gym.engine.book.closing import end_episode
from seq_gym.engine.book.codes import NO_ASK, NO_BID
from seq_gym.engine.book.money import mid_known
from seq_gym.engine.book.tables import order, params_at
from seq_gym.engine.book.verbs import find_order
from seq_gym.engine.codes import DATA_END, IOC, RUNNING, TARGET_DONE, WINDOW_END
from seq_gym.envs.book.quotes import drop_quote, exposure, is_stale, keep_quote, quote_tick
from seq_gym.envs.book.sending import (
    affordable_units,
    send_limit,
    send_market,
    touch,
    whole_units,
)
from seq_gym.envs.book.shortfall import (
    BPS,
    fund_parent,
    left_units,
    shortfall_bps,
    shortfall_now,
    value_of_parent,
)
from seq_gym.envs.book.terms import SHORTFALL, SHORTFALL_RISK, weigh

__all__ = [
    "CONTINUOUS",
    "DISCRETE",
    "EXECUTION_COLUMNS",
    "EXECUTION_FINALS",
    "IMPROVE",
    "JOIN",
    "TAKE",
    "TAKE_TWICE",
    "WAIT",
    "act_execution",
    "open_execution",
    "pay_execution",
    "settle_execution",
    "write_execution",
    "write_execution_finals",
]

DISCRETE, CONTINUOUS = range(2)
WAIT, JOIN, IMPROVE, TAKE, TAKE_TWICE = range(5)

EXECUTION_COLUMNS: Final[tuple[tuple[str, float, float], ...]] = (
    ("remaining", 0.0, 1.0),
    ("pending", 0.0, 2.0),
    ("carried", 0.0, 1.0),
    ("shortfall", -12.0, 12.0),
    ("price_move", -12.0, 12.0),
)
"""Its columns of an observation: name, low, high."""
EXECUTION_FINALS: Final[tuple[str, ...]] = (
    "filled_quantity",
    "unfilled_quantity",
    "shortfall_bps",
    "arrival_mid",
    "shortfall",
)
"""Its columns of the finals."""

ACTION_DUST: Final = 1e-6
"""Part of a quantity that rounding an action to float32 may cost."""
_NS_PER_S: Final = 1e9


@helper
def open_execution(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Put in place what the parent order needs."""
    fund_parent(env, c, a, e, state)
    state.child_id = 0
    state.child_asked = 0.0
    state.carried = 0.0
    state.shortfall = 0.0
    state.step_shortfall = 0.0


@helper
def _take(env: Any, c: Any, a: Any, e: int, units: float, through: int) -> None:
    """Take `units` at once, up to `through` ticks beyond the touch; -1: up to the market's cap."""
    best = touch(c, e, -env.side)
    if units <= 0.0 or best == NO_BID or best == NO_ASK or is_stale(c, e):
        return
    if through >= 0:
        cap = min(max(best + env.side * through, 1), NO_ASK - 1)
        count = affordable_units(env, c, a, e, env.side, units, cap)
        if count > 0.0:
            send_limit(env, c, a, e, env.side, count, cap, IOC, 0)
        return
    highest = math.floor(best * (1.0 + params_at(c.params, 0).market_cap_frac))
    cap = int(min(highest, NO_ASK - 1.0)) if env.side > 0 else best
    count = affordable_units(env, c, a, e, env.side, units, cap)
    if count > 0.0:
        send_market(env, c, a, e, env.side, count, 0)


@helper
def _slice(env: Any, c: Any, e: int, state: Any, left: float) -> float:
    """Return what is left, and is not being taken already, over the decisions that are left."""
    taken = exposure(c, e, env.side, state.child_id)
    return max(left - taken - state.carried, 0.0) / (state.end - state.cursor)


@helper
def _take_slices(
    env: Any, c: Any, a: Any, e: int, state: Any, slices: float, left: float, through: int
) -> None:
    """Take a number of slices, whole lots, and carry the rest of a lot."""
    due = state.carried + slices * _slice(env, c, e, state, left)
    lots = whole_units(env, due * (1.0 + ACTION_DUST))
    state.carried = min(max(due - lots, 0.0), env.lot_units)
    free = max(left - exposure(c, e, env.side, 0), 0.0)
    _take(env, c, a, e, min(lots, free), through)


@helper
def _rest(
    env: Any, c: Any, a: Any, e: int, state: Any, slices: float, left: float, offset: int
) -> None:
    """Let a number of slices rest `offset` ticks behind the touch, whole lots rounded up.

    In the last two decisions nothing is put at rest.
    """
    if state.end - state.cursor <= 2:
        return
    wanted = slices * _slice(env, c, e, state, left) / env.lot_units
    lots = math.ceil(wanted * (1.0 - ACTION_DUST))
    units = min(float(lots) * env.lot_units, left)
    tick = quote_tick(c, e, env.side, offset)
    if tick > 0 and (tick - touch(c, e, -env.side)) * env.side >= 0:
        tick = quote_tick(c, e, env.side, 0)  # there is no tick inside the spread
    k = find_order(c, e, 0, state.child_id) if state.child_id > 0 else -1
    if k >= 0 and units > 0.0 and order(c, e, 0, k).local_tick == tick:
        # Slices grow from decision to decision; to grow would cost its place.
        units = min(units, order(c, e, 0, k).local_leaves)
    state.child_id, state.child_asked = keep_quote(
        env, c, a, e, state.child_id, state.child_asked, env.side, tick, units, left
    )


@helper
def _act_discrete(env: Any, c: Any, a: Any, e: int, state: Any, left: float) -> None:
    choice = ints_at(env.actions)[e]
    if choice == JOIN or choice == IMPROVE:
        _rest(env, c, a, e, state, env.max_rate, left, 0 if choice == JOIN else -1)
    elif choice == TAKE or choice == TAKE_TWICE:
        _take_slices(env, c, a, e, state, 1.0 if choice == TAKE else 2.0, left, -1)


@helper
def _act_continuous(env: Any, c: Any, a: Any, e: int, state: Any, left: float) -> None:
    actions = floats_at(env.actions)
    rate, aggression = actions[2 * e], actions[2 * e + 1]
    if rate != rate or aggression != aggression:
        return
    slices = 0.5 * (min(max(rate, -1.0), 1.0) + 1.0) * env.max_rate
    ticks = int(min(abs(aggression), 1.0) * env.max_offset_ticks + 0.5)
    if aggression > 0.0:
        _take_slices(env, c, a, e, state, slices, left, ticks)
    else:
        _rest(env, c, a, e, state, slices, left, ticks)


@helper
def act_execution(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Do what env e's action says; at the last decision send what is left as a market order.

    At the last but one what rests is cancelled, so that all of it is free at the last.
    """
    left = left_units(env, c, e, state)
    decisions = state.end - state.cursor
    if decisions <= 2:
        state.child_id = drop_quote(env, c, e, state.child_id)
    if decisions == 1:
        _take(env, c, a, e, max(left - exposure(c, e, env.side, 0), 0.0), -1)
    elif env.action_kind == DISCRETE:
        _act_discrete(env, c, a, e, state, left)
    else:
        _act_continuous(env, c, a, e, state, left)


@helper
def settle_execution(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """End the episode when Q is done, and measure the shortfall."""
    if left_units(env, c, e, state) <= 0.0:
        if a.ending == RUNNING:
            end_episode(c, a, e, TARGET_DONE)
        elif a.ending == WINDOW_END or a.ending == DATA_END:
            a.ending = TARGET_DONE
    now = shortfall_now(env, c, a, e, state, a.ending != RUNNING)
    state.step_shortfall = now - state.shortfall
    state.shortfall = now


@helper
def pay_execution(env: Any, c: Any, e: int, state: Any) -> float:
    """Return the weighed terms of the task's own."""
    reward = 0.0
    if env.asked_terms & (1 << SHORTFALL):
        change = state.step_shortfall * BPS / value_of_parent(env, c, state)
        reward += weigh(env, e, SHORTFALL, -change)
    if env.asked_terms & (1 << SHORTFALL_RISK):
        times = ints_at(env.times)
        seconds = (times[state.cursor] - times[state.cursor - 1]) / _NS_PER_S
        share = left_units(env, c, e, state) / env.quantity_units
        reward += weigh(env, e, SHORTFALL_RISK, -env.risk_aversion * share * share * seconds)
    return reward


@inlined
def _log_bps(value: float) -> float:
    size = min(math.log(1.0 + abs(value)), 12.0)
    return size if value > 0.0 else -size


@helper
def write_execution(env: Any, c: Any, e: int, state: Any, target: int) -> None:
    """Write its columns of an observation to an address."""
    out = singles_at(target)
    move = mid_known(c, e, 0) / state.arrival_mid - 1.0
    out[0] = min(max(left_units(env, c, e, state) / env.quantity_units, 0.0), 1.0)
    out[1] = min(exposure(c, e, env.side, 0) / env.quantity_units, 2.0)
    out[2] = state.carried / env.lot_units
    out[3] = _log_bps(shortfall_bps(env, c, state))
    out[4] = _log_bps(env.side * move * BPS)


@helper
def write_execution_finals(env: Any, c: Any, e: int, state: Any, target: int) -> None:
    """Write its columns of the finals to an address."""
    out = floats_at(target)
    left = left_units(env, c, e, state)
    lot = env.max_qty / env.quantity_units  # base quantity of a unit
    out[0] = (env.quantity_units - left) * lot
    out[1] = left * lot
    out[2] = shortfall_bps(env, c, state)
    out[3] = state.arrival_mid
    out[4] = state.shortfall
