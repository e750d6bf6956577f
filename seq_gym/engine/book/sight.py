"""What a compiled strategy sees: the half of the door that only looks (see door.py).

Known at: `now(h)`, on the agent's clock. The handle is the address of a DOOR record. Best ticks and
lots are those of the shadow book under self-impact (Z2); mids are the market's always.
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book import verbs
from seq_gym.engine.book.codes import BUY, CLOCK_LOCAL, FREE, SELL
from seq_gym.engine.book.levels import lots_at
from seq_gym.engine.book.money import equity_of, known_row
from seq_gym.engine.book.shadow import seen_best, seen_lots, tape_best
from seq_gym.engine.book.tables import (
    account_at,
    context_at,
    door_at,
    lane,
    order,
    tape,
)
from seq_gym.engine.book.tables import position as position_of

__all__ = [
    "ask_lots",
    "best_ask",
    "best_bid",
    "bid_lots",
    "equity",
    "find_order",
    "level_lots",
    "microprice_ticks",
    "mid_ticks",
    "now",
    "num_slots",
    "num_working",
    "order_id",
    "order_left",
    "order_side",
    "order_state",
    "order_tick",
    "position",
    "stopped_by",
    "stopped_lane",
]


@helper
def now(h: int) -> int:
    """Return the time, UNIX nanoseconds."""
    d = door_at(h, 0)
    return account_at(context_at(d.context, 0).accounts, d.account).now


@helper
def stopped_by(h: int) -> int:
    """Return which bits (ON_BOOK, ...) stopped the last advance; 0: its time."""
    d = door_at(h, 0)
    return account_at(context_at(d.context, 0).accounts, d.account).stopped_by


@helper
def stopped_lane(h: int) -> int:
    """Return the lane that stopped the last advance; -1: none."""
    d = door_at(h, 0)
    return account_at(context_at(d.context, 0).accounts, d.account).stopped_lane


@helper
def best_bid(h: int, s: int = 0) -> int:
    """Return the best bid's tick; codes.NO_BID where there is none."""
    d = door_at(h, 0)
    return seen_best(context_at(d.context, 0), d.account, s, BUY)


@helper
def best_ask(h: int, s: int = 0) -> int:
    """Return the best ask's tick; codes.NO_ASK where there is none."""
    d = door_at(h, 0)
    return seen_best(context_at(d.context, 0), d.account, s, SELL)


@helper
def level_lots(h: int, side: int, tick: int, s: int = 0) -> int:
    """Return the lots displayed at a tick; side +1: bids, -1: asks."""
    d = door_at(h, 0)
    return seen_lots(context_at(d.context, 0), d.account, s, side, tick)


@helper
def bid_lots(h: int, s: int = 0) -> int:
    """Return the lots at the best bid."""
    return level_lots(h, 1, best_bid(h, s), s)


@helper
def ask_lots(h: int, s: int = 0) -> int:
    """Return the lots at the best ask."""
    return level_lots(h, -1, best_ask(h, s), s)


@helper
def _market_best(h: int, side: int, s: int) -> int:
    """Return the best tick of the tape: a mid that its own quotes moved would run after them."""
    d = door_at(h, 0)
    return tape_best(context_at(d.context, 0), d.account, s, side)


@helper
def _market_lots(h: int, side: int, tick: int, s: int) -> int:
    d = door_at(h, 0)
    c = context_at(d.context, 0)
    return lots_at(tape(c, s), CLOCK_LOCAL, side, tick, known_row(c, d.account, s))


@helper
def mid_ticks(h: int, s: int = 0) -> float:
    """Return the middle of the market's best ticks; meaningless where a side is empty."""
    return 0.5 * (_market_best(h, BUY, s) + _market_best(h, SELL, s))


@helper
def microprice_ticks(h: int, s: int = 0) -> float:
    """Return the mean of the market's best ticks, each weighed by the lots opposite it."""
    bid_tick, ask_tick = _market_best(h, BUY, s), _market_best(h, SELL, s)
    bid = float(_market_lots(h, BUY, bid_tick, s))
    ask = float(_market_lots(h, SELL, ask_tick, s))
    if bid + ask <= 0.0:
        return mid_ticks(h, s)
    return (ask_tick * bid + bid_tick * ask) / (bid + ask)


@helper
def position(h: int, s: int = 0) -> float:
    """Return the signed base quantity held, as the agent knows it."""
    d = door_at(h, 0)
    return position_of(context_at(d.context, 0), d.account, s).qty


@helper
def equity(h: int) -> float:
    """Return cash plus positions at their marks."""
    d = door_at(h, 0)
    c = context_at(d.context, 0)
    return equity_of(c, account_at(c.accounts, d.account), d.account)


@helper
def num_working(h: int) -> int:
    """Return how many orders work on all lanes, those on their way included."""
    d = door_at(h, 0)
    return account_at(context_at(d.context, 0).accounts, d.account).num_orders


@helper
def num_slots(h: int, s: int = 0) -> int:
    """Return how many slots to look at for orders: `order_id(h, k)` for k below it."""
    d = door_at(h, 0)
    return lane(context_at(d.context, 0), d.account, s).num_slots


@helper
def _slot(h: int, k: int, s: int) -> Any:
    d = door_at(h, 0)
    return order(context_at(d.context, 0), d.account, s, k)


@helper
def order_state(h: int, k: int, s: int = 0) -> int:
    """Return codes.FREE, ON_THE_WAY or WORKING of slot k, as the agent knows it."""
    return _slot(h, k, s).local


@helper
def order_id(h: int, k: int, s: int = 0) -> int:
    """Return the id of the order in slot k; 0: the slot is free."""
    o = _slot(h, k, s)
    return o.id if o.local != FREE else 0


@helper
def order_side(h: int, k: int, s: int = 0) -> int:
    """Return the side of the order in slot k."""
    return _slot(h, k, s).side


@helper
def order_tick(h: int, k: int, s: int = 0) -> int:
    """Return the tick of the order in slot k, as the agent knows it."""
    return _slot(h, k, s).local_tick


@helper
def order_left(h: int, k: int, s: int = 0) -> float:
    """Return the units still to be filled of the order in slot k, as the agent knows it."""
    return _slot(h, k, s).local_leaves


@helper
def find_order(h: int, number: int, s: int = 0) -> int:
    """Return the slot of an order's id; -1: it is done, or was refused."""
    d = door_at(h, 0)
    return verbs.find_order(context_at(d.context, 0), d.account, s, number)
