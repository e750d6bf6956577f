"""MarketMaking-v0: two quotes around the spread, within a limit of inventory.

| kind | space | meaning |
|---|---|---|
| `continuous` | Box(-1, 1, (4,)) | bid offset, ask offset, bid size, ask size |
| `discrete` | MultiDiscrete([K + 1, K + 1]) | `offsets_ticks[k]` behind each touch; K: no quote |

What a quote does between two decisions is told in quotes.py.

Its own reward term, with the position and the mark before the step (Spooner, Fearnley, Savani and
Koukorinis, 2018, Market making via reinforcement learning, equation 10):

    asymmetric_dampening = pnl - max(0, eta x position x change of the mark)
"""

from __future__ import annotations

from typing import Any, Final

from seq_gym._jit import floats_at, helper, inlined, ints_at, singles_at
from seq_gym.engine.book.closing import end_episode
from seq_gym.engine.book.money import worth
from seq_gym.engine.book.tables import instrument, lane, params_at, position
from seq_gym.engine.codes import INVENTORY_LIMIT, RUNNING
from seq_gym.envs.book.quotes import exposure, keep_quote, quote_tick
from seq_gym.envs.book.sending import units_held
from seq_gym.envs.book.terms import DAMPENED, weigh

__all__ = [
    "CONTINUOUS",
    "DISCRETE",
    "MAKING_COLUMNS",
    "MAKING_FINALS",
    "NO_QUOTE_PART",
    "act_making",
    "open_making",
    "pay_making",
    "settle_making",
    "write_making",
    "write_making_finals",
]

CONTINUOUS, DISCRETE = range(2)

NO_QUOTE_PART: Final = 0.95
"""Offsets span this part of a continuous action's range; beyond it there is no quote."""

MAKING_COLUMNS: Final[tuple[tuple[str, float, float], ...]] = (
    ("bid_exposure", 0.0, 2.0),
    ("ask_exposure", 0.0, 2.0),
)
"""Its columns of an observation: name, low, high."""
MAKING_FINALS: Final[tuple[str, ...]] = (
    "spread_capture",
    "mean_inventory",
    "most_inventory",
    "num_quotes",
    "num_messages",
    "seconds_quoted",
)
"""Its columns of the finals."""

_NS_PER_S: Final = 1e9


@helper
def open_making(state: Any) -> None:
    """Begin without quotes."""
    state.bid_id = 0
    state.ask_id = 0
    state.bid_asked = 0.0
    state.ask_asked = 0.0
    state.inventory_steps = 0.0
    state.most_inventory = 0.0
    state.num_quotes = 0
    state.num_messages = 0
    state.seconds_quoted = 0.0


@inlined
def _unit(value: float) -> float:
    """Return where a number between -1 and 1 lies in that range, 0 .. 1."""
    return min(max(0.5 * (value + 1.0), 0.0), 1.0)


@helper
def _offset(env: Any, e: int, side: int) -> int:
    """Return how many ticks behind its touch a side is to be quoted; -1: not at all.

    An action that is no number quotes nothing: a policy that has diverged must not trade.
    """
    part = 0 if side > 0 else 1
    if env.action_kind == DISCRETE:
        choice = ints_at(env.actions)[2 * e + part]
        return int(floats_at(env.levels)[choice]) if choice < env.num_levels else -1
    given = floats_at(env.actions)[4 * e + part]
    size = floats_at(env.actions)[4 * e + part + 2]
    if given != given or size != size:
        return -1
    share = _unit(given)
    if share > NO_QUOTE_PART:
        return -1
    return int(share / NO_QUOTE_PART * env.max_offset_ticks + 0.5)


@helper
def _size(env: Any, e: int, side: int) -> float:
    """Return the size that a side is to show: whole lots, at least one."""
    if env.action_kind == DISCRETE:
        return env.order_units
    share = _unit(floats_at(env.actions)[4 * e + (2 if side > 0 else 3)])
    lots = float(int(share * env.order_units / env.lot_units + 0.5))
    return max(lots, 1.0) * env.lot_units


@helper
def _quote(
    env: Any, c: Any, a: Any, e: int, number: int, asked: float, side: int
) -> tuple[int, float]:
    """Bring one side's quote to where the action wants it."""
    offset = _offset(env, e, side)
    tick = quote_tick(c, e, side, offset) if offset >= 0 else 0
    limit = env.max_units if side > 0 or params_at(c.params, 0).margin != 0 else 0.0
    room = limit - side * units_held(c, e)
    return keep_quote(env, c, a, e, number, asked, side, tick, _size(env, e, side), room)


@helper
def _count(state: Any, before: int, now: int) -> None:
    """Count quotes as they are placed."""
    if now > before:
        state.num_quotes += 1


@helper
def act_making(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Bring both quotes to where the action wants them."""
    actions = a.num_actions
    bid, ask = state.bid_id, state.ask_id
    state.bid_id, state.bid_asked = _quote(env, c, a, e, bid, state.bid_asked, 1)
    _count(state, bid, state.bid_id)
    state.ask_id, state.ask_asked = _quote(env, c, a, e, ask, state.ask_asked, -1)
    _count(state, ask, state.ask_id)
    state.num_messages += a.num_actions - actions


@helper
def settle_making(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Count the step, and end the episode where inventory has reached its stop."""
    held = abs(position(c, e, 0).qty)
    share = held * env.inverse_qty
    state.inventory_steps += share
    state.most_inventory = max(state.most_inventory, share)
    if state.bid_id != 0 and state.ask_id != 0:
        times = ints_at(env.times)
        state.seconds_quoted += (times[state.cursor] - times[state.cursor - 1]) / _NS_PER_S
    if a.ending == RUNNING and held >= env.inventory_stop_qty:
        end_episode(c, a, e, INVENTORY_LIMIT)


@inlined
def pay_making(env: Any, c: Any, e: int, state: Any) -> float:
    """Return the weighed terms of the task's own."""
    if not env.asked_terms & (1 << DAMPENED):
        return 0.0
    ins = instrument(c, 0)
    gain = 0.0
    if state.qty != 0.0:
        gain = state.qty * (worth(ins, lane(c, e, 0).mark) - worth(ins, state.mid))
    return weigh(env, e, DAMPENED, state.change - max(0.0, env.dampening * gain))


@helper
def write_making(env: Any, c: Any, e: int, target: int) -> None:
    """Write its columns of an observation to an address."""
    out = singles_at(target)
    out[0] = min(exposure(c, e, 1, 0) / env.max_units, 2.0)
    out[1] = min(exposure(c, e, -1, 0) / env.max_units, 2.0)


@helper
def write_making_finals(a: Any, state: Any, target: int) -> None:
    """Write its columns of the finals to an address."""
    out = floats_at(target)
    out[0] = -a.spread_cost
    out[1] = state.inventory_steps / max(state.cursor - state.start, 1)
    out[2] = state.most_inventory
    out[3] = state.num_quotes
    out[4] = state.num_messages
    out[5] = state.seconds_quoted
