"""The own state in an observation: what the agent knows of its account and orders.

Everything is known at the decision time (B1, B5, E3): answers of the venue count from their
receipt, and the place in a queue is the agent's own estimate, from what it was told when its order
was accepted, less the prints that it has seen at that price since, and never more than is displayed
there. slog(x) = sign(x) log(1 + |x|); bps are basis points of the notional of `max_position`.

| column | meaning | bounds |
|---|---|---|
| `inventory` | position / `max_position` | -2 .. 2 |
| `unrealized` | slog of the unrealised profit, bps | -12 .. 12 |
| `profit` | slog of equity less starting equity, bps | -12 .. 12 |
| `equity_change` | slog of the last step's change of equity, bps | -12 .. 12 |
| `drawdown` | slog of what equity lies below its peak, bps | 0 .. 12 |
| `time_left` | part of the window that is left | 0 .. 1 |
| `in_flight` | n / (1 + n), n orders whose arrival or change is not answered | 0 .. 1 |
| `latency` | log(1 + ms) from sending an order to its first answer, the last one | 0 .. 12 |
| `bid_working` | 1 when a limit buy works; those below are of the best one | 0 .. 1 |
| `bid_distance` | slog of its distance behind the best bid, ticks | -8 .. 8 |
| `bid_size` | what is left of it / `max_position` | 0 .. 2 |
| `bid_queue` | lots ahead of it at its price / lots displayed there | 0 .. 1 |
| `bid_fill` | probability of being hit within `fill_horizon` (features_fill.py) | 0 .. 1 |
| `ask_...` | the same of the best limit sell | |
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import helper, inlined, int32s_at, ints_at, singles_at
from seq_gym.engine.book.codes import CLOCK_LOCAL, FREE, NO_ASK, NO_BID, ON_THE_WAY, WORKING
from seq_gym.engine.book.features_fill import fill_probability, hopeless_lots
from seq_gym.engine.book.levels import lots_at, lots_between
from seq_gym.engine.book.money import known_row, worth
from seq_gym.engine.book.tables import instrument, lane, order, position, row_at, tape
from seq_gym.engine.codes import LIMIT
from seq_gym.envs.book.layout import TOP_LEVELS, print_at

__all__ = ["OWN_COLUMNS", "see_prints", "write_own"]

_ORDER_COLUMNS: Final = (
    ("working", 0.0, 1.0),
    ("distance", -8.0, 8.0),
    ("size", 0.0, 2.0),
    ("queue", 0.0, 1.0),
    ("fill", 0.0, 1.0),
)
OWN_COLUMNS: Final[tuple[tuple[str, float, float], ...]] = (
    ("inventory", -2.0, 2.0),
    ("unrealized", -12.0, 12.0),
    ("profit", -12.0, 12.0),
    ("equity_change", -12.0, 12.0),
    ("drawdown", 0.0, 12.0),
    ("time_left", 0.0, 1.0),
    ("in_flight", 0.0, 1.0),
    ("latency", 0.0, 12.0),
    *(
        (f"{side}_{name}", low, high)
        for side in ("bid", "ask")
        for name, low, high in _ORDER_COLUMNS
    ),
)
"""Name, low and high of the columns that every task has."""

NUM_ORDER_COLUMNS: Final = len(_ORDER_COLUMNS)
BID_AT: Final = 8
ASK_AT: Final = BID_AT + NUM_ORDER_COLUMNS
_NS_PER_MS: Final = 1e6


@inlined
def _clip(value: float, low: float, high: float) -> float:
    if not value > low:  # NaN too
        return low
    return min(value, high)


@inlined
def _slog(value: float, bound: float) -> float:
    if value == 0.0:
        return 0.0
    size = min(math.log(1.0 + abs(value)), bound)
    return size if value > 0.0 else -size


@inlined
def _take_prints(env: Any, o: Any, first: int, last: int) -> None:
    """Take prints off what is ahead of one order."""
    for k in range(first, last):
        p = print_at(env.prints, k)
        if p.tick == o.local_tick and p.side == -o.side and p.ts > o.ahead_ts:
            o.ahead -= p.lots * env.lot_units


@inlined
def see_prints(env: Any, c: Any, e: int, state: Any) -> None:
    """Take the prints of the last step off what the agent believes to be ahead of its orders."""
    seen = ints_at(env.print_at)
    first, last = seen[state.cursor - 1], seen[state.cursor]
    if first == last:
        return
    for k in range(lane(c, e, 0).num_slots):
        o = order(c, e, 0, k)
        if o.local == WORKING and o.ahead > 0.0:
            _take_prints(env, o, first, last)


@helper
def _best_order(c: Any, e: int, side: int) -> int:
    """Return the slot of the best working limit of a side; -1: none."""
    best = -1
    worst = NO_BID if side > 0 else NO_ASK
    for k in range(lane(c, e, 0).num_slots):
        o = order(c, e, 0, k)
        is_limit = o.local == WORKING and o.side == side and o.type == LIMIT
        if is_limit and (o.local_tick - worst) * side > 0:
            best = k
            worst = o.local_tick
    return best


@inlined
def _displayed(
    env: Any, c: Any, state: Any, o: Any, row: int, hits: float, size: float
) -> tuple[float, float]:
    """Return the lots displayed at an order's tick, and at better prices as far as they matter.

    Most orders stand among the levels that are kept for the decision; others search histories.
    """
    ticks, lots = int32s_at(env.top_ticks), singles_at(env.top_lots)
    first = (2 * state.cursor + (0 if o.side > 0 else 1)) * TOP_LEVELS
    better = 0.0
    for k in range(first, first + TOP_LEVELS):
        away = (o.local_tick - ticks[k]) * o.side
        if away >= 0:  # at the level, or between it and a better one
            return float(lots[k]) if away == 0 else 0.0, better
        better += float(lots[k])
    t = tape(c, 0)
    there = lots_at(t, CLOCK_LOCAL, o.side, o.local_tick, row)
    enough = hopeless_lots(hits, size, env.fill_horizon_s)
    if env.sees_fills != 0 and better < enough:
        beyond = ticks[first + TOP_LEVELS - 1] - o.side
        left = enough - better
        better += float(lots_between(t, CLOCK_LOCAL, o.side, beyond, o.local_tick, row, left))
    return float(there), better


@inlined
def _prints_ahead(env: Any, state: Any, side: int) -> tuple[float, float]:
    """Return how many prints a second hit the orders of a side, and their mean lots."""
    rates = singles_at(env.rates)
    at = 3 * state.cursor
    return float(rates[at + (1 if side > 0 else 0)]), float(rates[at + 2])


@helper
def _write_order(env: Any, c: Any, e: int, state: Any, side: int, out: Any, at: int) -> None:
    """Write the columns of the best working limit of a side."""
    k = _best_order(c, e, side)
    for column in range(NUM_ORDER_COLUMNS):
        out[at + column] = 0.0
    if k < 0:
        return
    o = order(c, e, 0, k)
    row = known_row(c, e, 0)
    t = tape(c, 0)
    known = row_at(t.local_rows, row)
    best = known.bid if side > 0 else known.ask
    out[at] = 1.0
    if best != NO_BID and best != NO_ASK:
        out[at + 1] = _slog(float((best - o.local_tick) * side), 8.0)
    out[at + 2] = _clip(o.local_leaves / env.max_units, 0.0, 2.0)
    hits, size = _prints_ahead(env, state, side)
    there, better = _displayed(env, c, state, o, row, hits, size)
    ahead = min(max(o.ahead, 0.0) / env.lot_units, there)
    if there > 0.0:
        out[at + 3] = ahead / there
    if env.sees_fills != 0:
        out[at + 4] = fill_probability(ahead + better, hits, size, env.fill_horizon_s)


@inlined
def _in_flight(c: Any, e: int) -> float:
    """Return how many orders wait for an answer of the venue."""
    count = 0.0
    for k in range(lane(c, e, 0).num_slots):
        o = order(c, e, 0, k)
        if o.local != FREE and (o.local == ON_THE_WAY or o.changes > 0):
            count += 1.0
    return count


@helper
def write_own(env: Any, c: Any, a: Any, e: int, state: Any, target: int) -> None:
    """Write OWN_COLUMNS of env e to an address.

    Args:
        env: The BOOK_ENV record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        state: Its BOOK_STATE record.
        target: Address of float32 [len(OWN_COLUMNS)].
    """
    out = singles_at(target)
    pos = position(c, e, 0)
    scale = env.money_scale
    held = 0.0
    if pos.qty != 0.0:
        held = pos.qty * worth(instrument(c, 0), lane(c, e, 0).mark) - pos.basis
    out[0] = _clip(pos.qty * env.inverse_qty, -2.0, 2.0)
    out[1] = _slog(held * scale, 12.0)
    out[2] = _slog((a.equity - a.starting_balance) * scale, 12.0)
    out[3] = _slog(state.change * scale, 12.0)
    out[4] = _slog(max(a.peak_equity - a.equity, 0.0) * scale, 12.0)
    out[5] = (state.end - state.cursor) * state.inverse_steps
    out[6] = 0.0
    out[7] = _slog(lane(c, e, 0).latency_seen / _NS_PER_MS, 12.0)
    if a.num_orders == 0:
        for column in range(BID_AT, ASK_AT + NUM_ORDER_COLUMNS):
            out[column] = 0.0
        return
    waiting = _in_flight(c, e)
    out[6] = waiting / (1.0 + waiting)
    _write_order(env, c, e, state, 1, out, BID_AT)
    _write_order(env, c, e, state, -1, out, ASK_AT)
