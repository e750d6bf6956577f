"""What the venue tells the agent: one report each, on a channel that keeps its order (B4, F5)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.codes import (
    ACCEPTED,
    AMENDED,
    CANCELLED,
    DONE_WITH,
    EXECUTED,
    NO_ASK,
    NO_BID,
    STRICT,
    WORKING,
)
from seq_gym.engine.book.latency import FOR_RESPONSE, latency_ns
from seq_gym.engine.book.reducing import cannot_reduce
from seq_gym.engine.book.tables import (
    instrument,
    lane,
    order,
    params_at,
    report,
    tape,
    venue_row,
)
from seq_gym.engine.book.units import lot_units, price_of, rounded
from seq_gym.engine.codes import POSITION_CLOSED

__all__ = [
    "answer",
    "answer_unknown",
    "best_ask",
    "best_bid",
    "execute",
    "execute_at",
    "has_room",
    "is_gone",
]


@helper
def best_bid(t: Any, row: Any) -> int:
    """Return the venue's best bid tick now; NO_BID before the first row."""
    return venue_row(t, row.venue_row - 1).bid if row.venue_row > 0 else NO_BID


@helper
def best_ask(t: Any, row: Any) -> int:
    """Return the venue's best ask tick now; NO_ASK before the first row."""
    return venue_row(t, row.venue_row - 1).ask if row.venue_row > 0 else NO_ASK


@helper
def has_room(c: Any, row: Any) -> bool:
    """Say whether what one row or request brings about still fits into the ring of reports."""
    return 2 * (row.reports_tail - row.reports_head) <= c.report_slots


@helper
def _push(c: Any, a: Any, e: int, s: int, kind: int, reason: int, at: int) -> Any:
    """Append a report of something that happened at `at`; the caller says to what order."""
    row = lane(c, e, s)
    t = tape(c, s)
    row.receipt_last = max(at + latency_ns(c, a, e, s, FOR_RESPONSE, at), row.receipt_last)
    r = report(c, e, s, row.reports_tail)
    row.reports_tail += 1
    r.receipt = row.receipt_last
    r.exch_ts = at
    r.kind = kind
    r.reason = reason
    r.liquidity = 0
    r.bid = best_bid(t, row)
    r.ask = best_ask(t, row)
    r.qty = 0.0
    r.price = 0.0
    r.front = 0.0
    return r


@helper
def answer(c: Any, a: Any, e: int, s: int, k: int, o: Any, kind: int, reason: int, at: int) -> None:
    """Report that something other than an execution became of the order in slot k.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        k: The order's slot.
        o: The ORDER record.
        kind: ACCEPTED, EXPIRED, CANCELLED, REFUSED, AMENDED or CHANGE_REFUSED.
        reason: Why; NONE where there is nothing to explain.
        at: Venue time, UNIX ns.
    """
    r = _push(c, a, e, s, kind, reason, at)
    r.order_id = o.id
    r.slot = k
    r.tick = o.tick
    r.leaves = o.leaves
    if kind == ACCEPTED or kind == AMENDED:
        r.front = o.front


@helper
def answer_unknown(c: Any, a: Any, e: int, s: int, q: Any, kind: int, reason: int, at: int) -> None:
    """Answer a request about an order that the venue does not hold (V8)."""
    r = _push(c, a, e, s, kind, reason, at)
    r.order_id = q.order_id
    r.slot = q.slot
    r.tick = q.tick
    r.leaves = 0.0


@helper
def is_gone(p: Any, ins: Any, units: float) -> bool:
    """Say whether what is left of an order is no lot any more."""
    if p.fills == STRICT:
        return units <= 0.0
    return rounded(units / lot_units(p, ins)) <= 0.0


@helper
def _end_reducing(c: Any, a: Any, e: int, s: int, row: Any, at: int) -> None:
    """Cancel the resting reduce-only orders that an execution has left nothing to reduce (O9).

    Nothing is left of them for the row or request that is being handled; they stay in the list
    until it is done.
    """
    k = row.first_slot
    while k >= 0:
        o = order(c, e, s, k)
        if o.venue == WORKING and cannot_reduce(c, e, s, o):
            o.venue = DONE_WITH
            answer(c, a, e, s, k, o, CANCELLED, POSITION_CLOSED, at)
            o.leaves = 0.0
        k = o.next


@helper
def execute_at(
    c: Any,
    a: Any,
    e: int,
    s: int,
    k: int,
    o: Any,
    units: float,
    tick: int,
    price: float,
    liquidity: int,
    at: int,
) -> None:
    """Execute a part of the order in slot k, and report it (F5).

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        k: The order's slot.
        o: The ORDER record.
        units: How much.
        tick: At what tick.
        price: What is paid: the tick's, but for the costs of Z1 and Z2.
        liquidity: MAKER or TAKER.
        at: Venue time, UNIX ns.
    """
    o.leaves -= units
    o.executed += units
    if is_gone(params_at(c.params, 0), instrument(c, s), o.leaves):
        o.leaves = 0.0
        o.venue = DONE_WITH
    r = _push(c, a, e, s, EXECUTED, 0, at)
    r.order_id = o.id
    r.slot = k
    r.tick = tick
    r.liquidity = liquidity
    r.qty = units
    r.leaves = o.leaves
    r.price = price
    row = lane(c, e, s)
    row.untold += o.side * units
    if row.num_reducing > 0:
        _end_reducing(c, a, e, s, row, at)


@helper
def execute(
    c: Any,
    a: Any,
    e: int,
    s: int,
    k: int,
    o: Any,
    units: float,
    tick: int,
    liquidity: int,
    at: int,
) -> None:
    """Execute a part of the order in slot k at a tick's own price; see `execute_at`."""
    price = price_of(instrument(c, s), tick)
    execute_at(c, a, e, s, k, o, units, tick, price, liquidity, at)
