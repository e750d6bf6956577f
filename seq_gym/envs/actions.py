"""Actions: what a number that the agent chooses asks of the account.

| kind | space | meaning |
|---|---|---|
| `discrete` | Discrete(3) | 0 hold, 1 buy `buy_fraction` of equity, 2 close |
| `ladder` | Discrete(len(levels)) | go to the target weight `levels[action]` |
| `continuous` | Box(-1, 1, (1,)) | go to that target weight x leverage, outside of the dead zone |
| `weights` | Box(-1, 1, (S,)) | target weights `a / max(1, sum of abs a)` x leverage (E6) |
| `order` | MultiDiscrete([6, 2, sizes, offsets]) | type, side, size, price offset |

A discrete buy with less cash left than the dead zone is a hold. Order types: 0 nothing, 1 market,
2 limit, 3 stop loss, 4 take profit, 5 cancel all. The size is a fraction of equity (exits close the
whole position), the offset a distance from the mark in basis points: below it for buy limits and
for stops of a long position, above it for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym._jit import floats_at, helper, inlined, ints_at
from seq_gym.engine.account import budget
from seq_gym.engine.codes import (
    AT_ONCE,
    DATA_ENDED,
    EQUITY_FRACTION,
    LIMIT,
    LISTED,
    NOTIONAL,
    REDUCE_ONLY,
    STOP_LOSS,
    TAKE_PROFIT,
    TARGET_WEIGHT,
    USER_CANCELLED,
    WHOLE_POSITION,
)
from seq_gym.engine.slots import cancel_all, new_request
from seq_gym.engine.tables import candle, params_at, position
from seq_gym.engine.verbs import ask_target, place, rebalance

__all__ = ["ACTION_KINDS", "ActionKind", "act", "action_space", "order_masks"]

ActionKind = Literal["discrete", "ladder", "continuous", "weights", "order"]
ACTION_KINDS: Final[tuple[ActionKind, ...]] = (
    "discrete",
    "ladder",
    "continuous",
    "weights",
    "order",
)
DISCRETE, LADDER, CONTINUOUS, WEIGHTS, ORDER = range(5)

HOLD, DO_MARKET, DO_LIMIT, DO_STOP, DO_TARGET, DO_CANCEL = range(6)
NUM_ORDER_TYPES = 6


def action_space(
    kind: ActionKind, num_symbols: int, levels: Sequence[float], offsets: Sequence[float]
) -> spaces.Space[Any]:
    """Return the space of one env's actions.

    Args:
        kind: One of ACTION_KINDS.
        num_symbols: S, the length of a weights action.
        levels: Targets of a ladder, or sizes of orders.
        offsets: Price offsets of orders, basis points.
    """
    if kind == "discrete":
        return spaces.Discrete(3)
    if kind == "ladder":
        return spaces.Discrete(len(levels))
    if kind == "order":
        return spaces.MultiDiscrete([NUM_ORDER_TYPES, 2, len(levels), len(offsets)])
    size = 1 if kind == "continuous" else num_symbols
    return spaces.Box(-1.0, 1.0, (size,), np.float32)


@inlined
def _target(c: Any, a: Any, e: int, s: int, weight: float, deadband: float) -> None:
    """Ask for a target weight, unless the symbol is flat and should stay so."""
    if weight == 0.0 and position(c, e, s).qty == 0.0 and position(c, e, s).intent_mode < 0:
        return
    if (candle(c, a.cursor, s).flags & (LISTED | DATA_ENDED)) != LISTED:
        return
    ask_target(c, a, e, s, TARGET_WEIGHT, weight, deadband)


@helper
def _side_allowed(value: float, spot: bool) -> float:
    """Turn negatives to 0 in spot (E6); NaN stays, to be refused."""
    return 0.0 if spot and value < 0.0 else value


@helper
def _act_weights(env: Any, c: Any, a: Any, e: int) -> None:
    """Turn a vector of actions into target weights (E6)."""
    size = c.num_symbols
    actions = floats_at(env.actions)
    spot = params_at(c.params, 0).margin == 0
    total = 0.0
    for s in range(size):
        total += abs(_side_allowed(actions[e * size + s], spot))
    scale = env.leverage / total if total > 1.0 else env.leverage
    for s in range(size):
        weight = _side_allowed(actions[e * size + s], spot) * scale
        _target(c, a, e, s, weight, env.deadband)


@helper
def _act_order(env: Any, c: Any, a: Any, e: int) -> None:
    """Turn a MultiDiscrete action into an order of the only symbol."""
    actions = ints_at(env.actions)
    kind = actions[4 * e]
    if kind == HOLD:
        return
    if kind == DO_CANCEL:
        cancel_all(c, a, e, AT_ONCE, USER_CANCELLED)
        return
    levels = floats_at(env.levels)
    held = position(c, e, 0).qty
    is_exit = kind == DO_STOP or kind == DO_TARGET
    side = 1 if actions[4 * e + 1] == 0 else -1
    if is_exit:
        # With nothing held the exit protects the long that a working entry may open.
        side = 1 if held < 0.0 else -1
    offset = levels[env.num_levels + actions[4 * e + 3]] / 10_000.0
    mark = candle(c, a.cursor, 0).mark
    size = levels[actions[4 * e + 2]]
    o = new_request(c, a, 0, side)
    o.size_mode = EQUITY_FRACTION
    o.size = size
    if params_at(c.params, 0).margin == 0 and side < 0:
        # A spot sale can only come out of what is held.
        o.size_mode = NOTIONAL
        o.size = size * held * mark
    if kind == DO_LIMIT:
        o.type = LIMIT
        o.price = mark * (1.0 - side * offset)
    elif is_exit:
        o.size_mode = WHOLE_POSITION
        o.flags = REDUCE_ONLY
        o.type = STOP_LOSS if kind == DO_STOP else TAKE_PROFIT
        away = side if kind == DO_STOP else -side
        o.trigger = mark * (1.0 + away * offset)
    place(c, a, e)


@inlined
def act(env: Any, c: Any, a: Any, e: int) -> None:
    """Do what env e's action says: place orders, or ask for targets."""
    kind = env.action_kind
    if kind == DISCRETE:
        choice = ints_at(env.actions)[e]
        if choice == 1 and budget(c, a, e, AT_ONCE) > env.deadband * a.equity:
            ask_target(c, a, e, 0, EQUITY_FRACTION, env.buy_fraction, 0.0)
        elif choice == 2:
            _target(c, a, e, 0, 0.0, 0.0)
    elif kind == LADDER:
        level = floats_at(env.levels)[ints_at(env.actions)[e]]
        _target(c, a, e, 0, level * env.leverage, env.deadband)
    elif kind == CONTINUOUS or kind == WEIGHTS:
        _act_weights(env, c, a, e)
    else:
        _act_order(env, c, a, e)
    rebalance(c, a, e)


def order_masks(
    held: NDArray[np.float64],
    num_orders: NDArray[np.integer[Any]],
    max_orders: int,
    margin: bool,
    sizes: Sequence[int],
    at_once: bool,
) -> NDArray[np.bool_]:
    """Return which choices of an order action can do anything, for action masking.

    Args:
        held: Signed position of each row, [N].
        num_orders: Working orders of each row, [N].
        max_orders: How many there may be.
        margin: Whether a sale may open a short.
        sizes: `nvec` of the action space.
        at_once: Market orders fill at once and need no slot.

    Returns:
        bool [N, sum(sizes)], the layout that sb3-contrib's MaskablePPO expects.
    """
    free = num_orders < max_orders
    # Flat, an exit may still wait for the entry that is working.
    exits = free & ((held != 0.0) | (num_orders > 0))
    masks = np.ones((len(held), sum(sizes)), np.bool_)
    masks[:, DO_MARKET] = free | at_once
    masks[:, DO_LIMIT] = free
    masks[:, DO_STOP] = masks[:, DO_TARGET] = exits
    masks[:, DO_CANCEL] = num_orders > 0
    masks[:, NUM_ORDER_TYPES + 1] = margin | (held > 0.0)
    return masks
