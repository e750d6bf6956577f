"""The event ring: what the agent did and learnt, in order, until it is drained.

Quantities of events are base quantities. An event carries both clocks: `local_ts`, when the agent
did or learnt it, and `exch_ts`, when the venue did it (0 where it had no part).
"""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import far_call, helper, inlined
from seq_gym.engine.book.codes import MONEY, REFUSED, SENT
from seq_gym.engine.book.tables import event_at, instrument, params_at
from seq_gym.engine.book.units import base_of_units, mid_of, price_of
from seq_gym.engine.codes import MARKET

__all__ = [
    "has_room",
    "log_money",
    "log_order",
    "log_report",
    "new_event",
]

_call_drain = far_call(1)


@inlined
def has_room(c: Any, a: Any, e: int) -> bool:
    """Say whether an account may go on: a quarter of its ring stays free for one instant.

    A batch in training overwrites the oldest instead. Where the context names a function that
    drains (a compiled strategy cannot stop half-way), it is called.
    """
    if c.record_all == 0 or 4 * a.num_events <= 3 * c.event_capacity:
        return True
    if c.drain == 0:
        return False
    _call_drain(c.drain, (e,))
    return True


@helper
def new_event(c: Any, a: Any, e: int, s: int, kind: int, reason: int) -> Any:
    """Return the next event of account e, blank but for its kind, lane and time."""
    event = event_at(c.events, e * c.event_capacity + (a.num_events & (c.event_capacity - 1)))
    a.num_events += 1
    event.kind = kind
    event.lane = s
    event.reason = reason
    event.local_ts = a.now
    event.order_id = 0
    event.exch_ts = 0
    event.sent_ts = 0
    event.arrival_ts = 0
    event.qty = 0.0
    event.price = math.nan
    event.fee = 0.0
    event.realized = math.nan
    event.mid = math.nan
    event.front = 0.0
    event.leaves = 0.0
    event.value = math.nan
    event.bound = math.nan
    event.tag = 0
    event.tick = 0
    event.side = 0
    event.type = 0
    event.tif = 0
    event.flags = 0
    event.liquidity = 0
    return event


@helper
def _describe(event: Any, o: Any) -> None:
    """Write whose event it is: the order's identity and terms."""
    event.order_id = o.id
    event.sent_ts = o.sent_ts
    event.tag = o.tag
    event.side = o.side
    event.type = o.type
    event.tif = o.tif
    event.flags = o.flags


@helper
def log_order(c: Any, a: Any, e: int, s: int, o: Any, kind: int, reason: int) -> None:
    """Write what the agent did with an order: the venue has no part in it yet."""
    ins = instrument(c, s)
    event = new_event(c, a, e, s, kind, reason)
    _describe(event, o)
    event.tick = o.local_tick  # `tick` is the venue's: it moves before the agent is told
    event.price = math.nan if o.type == MARKET else price_of(ins, o.local_tick)
    event.mid = o.sent_mid
    if kind == SENT or kind == REFUSED:
        event.qty = base_of_units(params_at(c.params, 0), ins, o.qty)
    event.leaves = base_of_units(params_at(c.params, 0), ins, o.local_leaves)
    if kind == REFUSED or reason != 0:
        event.value = a.reject_value
        event.bound = a.reject_bound


@helper
def log_report(c: Any, a: Any, e: int, s: int, o: Any, r: Any, known: bool) -> Any:
    """Write what a report says, and return the event; `known`: the agent still holds its order."""
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    event = new_event(c, a, e, s, r.kind, r.reason)
    if known:
        _describe(event, o)
        event.arrival_ts = o.arrival_ts
    event.order_id = r.order_id
    event.exch_ts = r.exch_ts
    event.tick = r.tick
    event.price = r.price
    event.liquidity = r.liquidity
    event.mid = mid_of(ins, r.bid, r.ask)
    event.front = base_of_units(p, ins, r.front)
    event.leaves = base_of_units(p, ins, r.leaves)
    event.qty = base_of_units(p, ins, r.qty)
    return event


@helper
def log_money(c: Any, a: Any, e: int, s: int, qty: float, price: float, paid: float) -> None:
    """Write that a position of `qty` was charged `paid` at a mark (funding)."""
    event = new_event(c, a, e, s, MONEY, 0)
    event.qty = qty
    event.price = price
    event.fee = paid
