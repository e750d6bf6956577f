"""The event ring: what happened, in order, until the caller drains it."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.codes import REJECTED, TRAILING_STOP
from seq_gym.engine.tables import event_at

__all__ = ["events_per_candle", "has_room", "log_event", "log_order"]


@helper
def events_per_candle(c: Any) -> int:
    """Return a bound on the events of one candle: orders fill, shrink and go; symbols close."""
    return 4 * c.order_slots + 8 * c.num_symbols + 8


@inlined
def has_room(c: Any, a: Any) -> bool:
    """Say whether one more candle fits; a batch in training overwrites the oldest instead."""
    return c.record_all == 0 or a.num_events + events_per_candle(c) <= c.event_capacity


@helper
def log_event(
    c: Any,
    a: Any,
    e: int,
    o: Any,
    kind: int,
    phase: int,
    liquidity: int,
    reason: int,
    qty: float,
    price: float,
    base: float,
    fee: float,
    slippage: float,
    realized: float,
) -> None:
    """Write one event about an order to env e's ring."""
    if c.event_capacity == 0:
        a.num_events += 1
        return
    event = event_at(c.events, e * c.event_capacity + (a.num_events & (c.event_capacity - 1)))
    a.num_events += 1
    event.kind = kind
    event.order_id = o.id
    event.cursor = a.cursor
    event.phase = phase
    event.symbol = o.symbol
    event.side = o.side
    event.type = o.type
    event.tif = o.tif
    event.flags = o.flags
    event.size_mode = o.size_mode
    event.group = o.group
    event.expires = o.expires
    event.liquidity = liquidity
    event.reason = reason
    event.qty = qty
    event.price = price
    event.trigger = o.trail_frac if o.type == TRAILING_STOP else o.trigger
    event.base_price = base
    event.fee = fee
    event.slippage = slippage
    event.realized = realized
    event.value = a.reject_value if kind == REJECTED else o.qty
    event.bound = a.reject_bound if kind == REJECTED else math.nan


@helper
def log_order(c: Any, a: Any, e: int, o: Any, kind: int, phase: int, reason: int) -> None:
    """Write an event that is no fill: the order as it stands."""
    qty = o.qty if o.qty > 0.0 else o.size
    log_event(c, a, e, o, kind, phase, 0, reason, qty, o.price, math.nan, 0.0, 0.0, math.nan)
