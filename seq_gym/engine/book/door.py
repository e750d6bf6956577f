"""The door for compiled strategies: plain functions of one handle, called inside the user's kernel.

```python
from seq_gym.engine.book import door


@door.strategy
def maker(h):
    while door.advance_by(h, 100_000_000) == door.REACHED:
        for k in range(door.num_slots(h)):
            if door.order_id(h, k) and door.order_tick(h, k) != door.best_bid(h):
                door.cancel(h, door.order_id(h, k))
        if door.num_working(h) == 0:
            door.buy(h, 1.0, door.best_bid(h), door.POST_ONLY)


events = door.run_strategy(batch, maker)
```

Everything is known at `now(h)`: prices and quantities are those of the agent's clock. Prices are
ticks, order quantities units (lots under strict rules), positions base quantity. The last argument
is the lane; a batch of one tape has lane 0 only. Time passes in `advance_by` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from seq_gym._jit import far_call, helper, python_address, user_kernel
from seq_gym.engine.book import codes, verbs
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.codes import BUY, SELL
from seq_gym.engine.book.sight import (
    ask_lots,
    best_ask,
    best_bid,
    bid_lots,
    equity,
    find_order,
    level_lots,
    microprice_ticks,
    mid_ticks,
    now,
    num_slots,
    num_working,
    order_id,
    order_left,
    order_side,
    order_state,
    order_tick,
    position,
    stopped_by,
    stopped_lane,
)
from seq_gym.engine.book.tables import account_at, context_at, door_at, order_at
from seq_gym.engine.codes import FOK as FILL_OR_KILL
from seq_gym.engine.codes import IOC as IMMEDIATE_OR_CANCEL
from seq_gym.engine.codes import LIMIT as LIMIT_TYPE
from seq_gym.engine.layout import Table

__all__ = [
    "ENDED",
    "FOK",
    "IOC",
    "LIMIT",
    "MARKET",
    "ON_BOOK",
    "ON_HEARTBEAT",
    "ON_REPORT",
    "ON_TRADE",
    "POST_ONLY",
    "REACHED",
    "REDUCE_ONLY",
    "STOPPED",
    "advance_by",
    "amend",
    "ask_lots",
    "best_ask",
    "best_bid",
    "bid_lots",
    "buy",
    "cancel",
    "cancel_all",
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
    "run_strategy",
    "sell",
    "stopped_by",
    "stopped_lane",
    "strategy",
]

REACHED: Final = codes.REACHED
STOPPED: Final = codes.STOPPED
ENDED: Final = codes.ENDED
ON_BOOK: Final = codes.ON_BOOK
ON_TRADE: Final = codes.ON_TRADE
ON_REPORT: Final = codes.ON_REPORT
ON_HEARTBEAT: Final = codes.ON_HEARTBEAT

LIMIT: Final = 0
"""How to buy or sell: a limit that rests until it is filled or cancelled."""
POST_ONLY: Final = 1
"""A limit that expires instead of taking."""
IOC: Final = 2
"""A limit whose rest expires on arrival."""
FOK: Final = 3
"""A limit that is filled whole on arrival, or not at all."""
MARKET: Final = 4
"""At any price up to the cap of the sandbox; its tick is not looked at."""
REDUCE_ONLY: Final = 8
"""Added to one of those above: refused unless it reduces the position; fills are clipped to it."""

_call_3 = far_call(3)
_call_4 = far_call(4)
_call_5 = far_call(5)


@helper
def advance_by(h: int, ns: int, wanted: int = 0) -> int:
    """Let `ns` nanoseconds pass, or less to the first wanted event.

    Returns:
        REACHED, STOPPED at a wanted event, ENDED, or a code of a full ring.
    """
    d = door_at(h, 0)
    time = account_at(context_at(d.context, 0).accounts, d.account).now
    return _call_4(d.advance, (d.context, d.account, time + ns, wanted))


@helper
def _send(h: int, side: int, units: float, tick: int, how: int, s: int, tag: int) -> int:
    d = door_at(h, 0)
    c = context_at(d.context, 0)
    a = account_at(c.accounts, d.account)
    o = verbs.new_request(c, side)
    kind = how & 7
    if kind != MARKET:
        o.type = LIMIT_TYPE
        o.tick = tick
    if kind == POST_ONLY:
        o.flags = codes.POST_ONLY_FLAG
    elif kind == IOC:
        o.tif = IMMEDIATE_OR_CANCEL
    elif kind == FOK:
        o.tif = FILL_OR_KILL
    if (how & REDUCE_ONLY) != 0:
        o.flags |= codes.REDUCE_ONLY_FLAG
    o.qty = units
    o.tag = tag
    order_id = _call_3(d.place, (d.context, d.account, s))
    return order_id if a.reason == 0 else -a.reason


@helper
def buy(h: int, units: float, tick: int, how: int = LIMIT, s: int = 0, tag: int = 0) -> int:
    """Send an order to buy; returns its id, or minus the Reason of a refusal."""
    return _send(h, BUY, units, tick, how, s, tag)


@helper
def sell(h: int, units: float, tick: int, how: int = LIMIT, s: int = 0, tag: int = 0) -> int:
    """Send an order to sell; returns its id, or minus the Reason of a refusal."""
    return _send(h, SELL, units, tick, how, s, tag)


@helper
def cancel(h: int, order_id: int, s: int = 0) -> int:
    """Ask for a cancellation; returns a Reason, 0: it was sent."""
    d = door_at(h, 0)
    return _call_4(d.cancel, (d.context, d.account, s, order_id))


@helper
def cancel_all(h: int, s: int = 0) -> int:
    """Ask for the cancellation of all orders of a lane; returns how many were asked for."""
    d = door_at(h, 0)
    return _call_3(d.cancel_all, (d.context, d.account, s))


@helper
def amend(h: int, order_id: int, tick: int, units: float, s: int = 0) -> int:
    """Ask for an order to become `units` still to be filled at `tick`; returns a Reason."""
    d = door_at(h, 0)
    order_at(context_at(d.context, 0).scratch, 0).qty = units
    return _call_5(d.amend, (d.context, d.account, s, order_id, tick))


def strategy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a strategy `function(h, ...)` that talks to the engine through this module.

    Its further arguments are numbers or numpy arrays. The compiled code is kept on disk, and
    renewed when the strategy's file or the engine changes.
    """
    return user_kernel(function)


def run_strategy(
    batch: BookBatch, function: Callable[..., Any], *arguments: Any, account: int = 0
) -> Table:
    """Run a strategy over one account of a batch that was reset.

    Args:
        batch: The batch; with `record_all` its events are drained as its ring fills.
        function: Made by `strategy`; called with the account's handle first.
        arguments: What else it takes.
        account: The account.

    Returns:
        The events, EVENT records in order; of a batch that does not record all, the last ones.
    """
    pieces: list[Table] = []
    address, alive = python_address(lambda e: pieces.append(batch.drain(e)))
    context: Any = batch.context[0]
    context.drain = address
    try:
        function(batch.handle(account), *arguments)
    finally:
        context.drain = 0
        del alive
    pieces.append(batch.drain(account))
    events: Table = np.concatenate(pieces)
    return events
