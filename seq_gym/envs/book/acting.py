"""Actions of BookTrading-v0.

| kind | space | meaning |
|---|---|---|
| `target` | Box(-1, 1, (1,)) | go to the position action x `max_position` by a market order |
| `discrete` | Discrete(3) | 0 go short (spot: flat), 1 hold, 2 go long, as targets -1 and 1 |
| `order` | MultiDiscrete([6, sizes, offsets]) | what to send, its size, its price offset |

Order kinds: 0 nothing, 1 market buy, 2 market sell, 3 limit buy at the best bid less the offset, 4
limit sell at the best ask plus the offset, 5 cancel all. A size is a fraction of `max_position`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym._jit import floats_at, helper, inlined, ints_at
from seq_gym.engine.book.codes import BUY, FREE, NO_ASK, NO_BID, SELL
from seq_gym.engine.book.tables import lane, order, params_at, position
from seq_gym.engine.codes import GTC, NONE
from seq_gym.envs.book.sending import (
    affordable_units,
    cancel_order,
    send_limit,
    send_market,
    touch,
    units_held,
    whole_units,
)

__all__ = ["TRADING_ACTIONS", "TradingAction", "act_trading", "trading_masks", "trading_space"]

TradingAction = Literal["target", "discrete", "order"]
TRADING_ACTIONS: Final[tuple[TradingAction, ...]] = ("target", "discrete", "order")
TARGET, DISCRETE, ORDER = range(3)

HOLD, MARKET_BUY, MARKET_SELL, LIMIT_BUY, LIMIT_SELL, CANCEL_ALL = range(6)
NUM_ORDER_KINDS: Final = 6


def trading_space(kind: TradingAction, num_sizes: int, num_offsets: int) -> spaces.Space[Any]:
    """Return the space of one env's actions."""
    if kind == "target":
        return spaces.Box(-1.0, 1.0, (1,), np.float32)
    if kind == "discrete":
        return spaces.Discrete(3)
    return spaces.MultiDiscrete([NUM_ORDER_KINDS, num_sizes, num_offsets])


@helper
def _market(env: Any, c: Any, a: Any, e: int, side: int, units: float) -> None:
    """Send a market order for as much as is covered; nothing where the other side is empty."""
    best = touch(c, e, -side)
    if best == NO_BID or best == NO_ASK:
        return
    cap = best
    if side > 0:  # what the engine sets aside for it (A2)
        highest = math.floor(best * (1.0 + params_at(c.params, 0).market_cap_frac))
        cap = int(min(highest, NO_ASK - 1.0))
    count = affordable_units(env, c, a, e, side, units, cap)
    if count > 0.0:
        send_market(env, c, a, e, side, count, 0)


@helper
def _go_to(env: Any, c: Any, a: Any, e: int, target: float) -> None:
    """Send what is missing to a target position, a part of `max_position`; one order at a time."""
    if a.num_orders > 0:
        return
    low = -1.0 if params_at(c.params, 0).margin != 0 else 0.0
    part = max(low, min(1.0, target))
    wanted = whole_units(env, abs(part) * env.max_units)
    missing = (wanted if part > 0.0 else -wanted) - units_held(c, e)
    if abs(missing) < env.deadband_units and wanted != 0.0:
        return
    units = whole_units(env, abs(missing))
    if units > 0.0:
        _market(env, c, a, e, BUY if missing > 0.0 else SELL, units)


@helper
def _room(env: Any, c: Any, e: int, side: int, units: float) -> float:
    """Return how much of an order keeps the position within bounds, working orders counted."""
    pos = position(c, e, 0)
    working = pos.pending_buy if side > 0 else pos.pending_sell
    return min(units, env.max_units - side * units_held(c, e) - working)


@helper
def _limit(env: Any, c: Any, a: Any, e: int, side: int, units: float, offset: int) -> None:
    best = touch(c, e, side)
    if best == NO_BID or best == NO_ASK:
        return
    tick = best - side * offset
    count = affordable_units(env, c, a, e, side, units, tick)
    if tick >= 1 and count > 0.0:
        send_limit(env, c, a, e, side, count, tick, GTC, 0)


@helper
def _cancel_all(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Ask for the cancellation of every order, once each."""
    is_sent = True
    for k in range(lane(c, e, 0).num_slots):
        o = order(c, e, 0, k)
        if o.local != FREE and o.id >= state.swept:
            is_sent = cancel_order(env, e, o.id) == NONE and is_sent
    if is_sent:
        state.swept = a.next_order_id


@helper
def _act_order(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    actions = ints_at(env.actions)
    kind = actions[3 * e]
    if kind == HOLD:
        return
    if kind == CANCEL_ALL:
        _cancel_all(env, c, a, e, state)
        return
    levels = floats_at(env.levels)
    side = BUY if kind == MARKET_BUY or kind == LIMIT_BUY else SELL
    units = _room(env, c, e, side, levels[actions[3 * e + 1]] * env.max_units)
    if kind == MARKET_BUY or kind == MARKET_SELL:
        _market(env, c, a, e, side, units)
    else:
        _limit(env, c, a, e, side, units, int(levels[env.num_levels + actions[3 * e + 2]]))


@inlined
def act_trading(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Do what env e's action says."""
    if env.action_kind == TARGET:
        target = floats_at(env.actions)[e]
        if target == target:
            _go_to(env, c, a, e, target)
    elif env.action_kind == DISCRETE:
        choice = ints_at(env.actions)[e]
        if choice != 1:
            _go_to(env, c, a, e, choice - 1.0)
    else:
        _act_order(env, c, a, e, state)


def trading_masks(
    kind: TradingAction,
    held: NDArray[np.float64],
    num_orders: NDArray[np.integer[Any]],
    max_orders: int,
    margin: bool,
    sizes: Sequence[int],
) -> NDArray[np.bool_]:
    """Return which choices of an action can do anything, in MaskablePPO's layout.

    Args:
        kind: "discrete" or "order".
        held: Signed position of each row, [N].
        num_orders: Working orders of each row, [N].
        max_orders: How many there may be.
        margin: Whether a sale may open a short.
        sizes: How many values each part of the action has.

    Returns:
        bool [N, sum(sizes)].
    """
    masks = np.ones((len(held), sum(sizes)), np.bool_)
    if kind == "discrete":
        idle = num_orders == 0
        masks[:, 0] = idle & (margin | (held > 0.0))
        masks[:, 2] = idle
        return masks
    free = num_orders < max_orders
    masks[:, MARKET_BUY] = masks[:, LIMIT_BUY] = free
    masks[:, MARKET_SELL] = masks[:, LIMIT_SELL] = free & (margin | (held > 0.0))
    masks[:, CANCEL_ALL] = num_orders > 0
    return masks
