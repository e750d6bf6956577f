"""The venue's side of a lane: rows of the tape and arriving requests, merged in time (V1).

Most rows touch none of my orders. With nothing at rest time leaps; otherwise a row costs one test
of its tick and best prices against the ticks at which orders wait.
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper
from seq_gym.engine.book.answers import (
    answer,
    answer_unknown,
    best_ask,
    best_bid,
    has_room,
    is_gone,
)
from seq_gym.engine.book.codes import (
    ACCEPTED,
    AMENDED,
    ASK_AMEND,
    ASK_CANCEL,
    ASK_NEW,
    CANCELLED,
    CHANGE_REFUSED,
    DONE_WITH,
    GAP,
    NEVER,
    ON_THE_WAY,
    REFUSED,
    STRICT,
    TRADE,
    WORKING,
)
from seq_gym.engine.book.cursor import first_after
from seq_gym.engine.book.making import meet_row
from seq_gym.engine.book.replay import HALTED_FLAG, STALE_FLAG
from seq_gym.engine.book.resting import drop_done
from seq_gym.engine.book.tables import (
    instrument,
    lane,
    order,
    params_at,
    report,
    request,
    row_at,
    tape,
    venue_row,
)
from seq_gym.engine.book.taking import arrive
from seq_gym.engine.book.units import mid_of
from seq_gym.engine.codes import (
    INVALID_QUANTITY,
    NONE,
    NOT_LISTED,
    ORDER_NOT_FOUND,
    STALE_BOOK,
    USER_CANCELLED,
)

__all__ = ["run_venue"]


@helper
def _next_stirring(t: Any, row: Any, limit: int) -> int:
    """Return the first row, from the cursor on, that may touch an order at rest.

    Args:
        t: The TAPE record.
        row: The LANE record, with at least one order at rest.
        limit: UNIX ns; a row after it is returned as it is met.
    """
    rows, count = t.venue_rows, t.num_venue
    buy_low, buy_high = row.buy_low, row.buy_high
    sell_low, sell_high = row.sell_low, row.sell_high
    at = row.venue_row
    while at < count:
        r = row_at(rows, at)
        tick = r.tick
        touches = ((tick >= buy_low) & (tick <= buy_high)) | (
            (tick >= sell_low) & (tick <= sell_high)
        )
        crosses = (r.ask <= buy_high) | (r.bid >= sell_low)
        passes = (r.kind == TRADE) & ((tick <= buy_high) | (tick >= sell_low))
        if touches | crosses | passes | (r.kind == GAP) | (r.ts > limit):
            break
        at += 1
    return at


@helper
def _bound(c: Any, e: int, s: int, row: Any, until: int, stop_at_report: int) -> int:
    """Return how far the venue may be run before the agent has to be asked."""
    if stop_at_report != 0 and row.reports_head != row.reports_tail:
        return min(until, report(c, e, s, row.reports_head).receipt)
    return until


@helper
def _run_rows(c: Any, a: Any, e: int, s: int, until: int, upto: int, stop_at_report: int) -> bool:
    """Let rows happen up to `upto` inclusive, or up to the first receipt if that is asked.

    Returns:
        False when the ring of reports has no room for what the next row may bring.
    """
    t = tape(c, s)
    row = lane(c, e, s)
    upto = min(upto, a.end)
    while row.num_resting > 0:
        limit = min(upto, _bound(c, e, s, row, until, stop_at_report))
        at = _next_stirring(t, row, limit)
        row.venue_row = at
        if at == t.num_venue or venue_row(t, at).ts > limit:
            return True
        if not has_room(c, row):
            return False
        row.venue_row = at + 1
        meet_row(c, a, e, s, at)
    limit = min(upto, _bound(c, e, s, row, until, stop_at_report))
    row.venue_row = first_after(t.venue_rows, row.venue_row, t.num_venue, limit)
    return True


@helper
def _closed(c: Any, s: int, row: Any) -> int:
    """Say why the venue takes in nothing new now; NONE when it does, as the peer always (V9)."""
    if row.venue_row == 0 or params_at(c.params, 0).fills != STRICT:
        return NONE
    flags = venue_row(tape(c, s), row.venue_row - 1).flags
    if (flags & HALTED_FLAG) != 0:
        return NOT_LISTED
    return STALE_BOOK if (flags & STALE_FLAG) != 0 else NONE


@helper
def _amend(c: Any, a: Any, e: int, s: int, o: Any, q: Any) -> None:
    """Replace an order's tick and leaves: less at its tick keeps the queue (B19, V8).

    What executed unknown to the sender is part of what was asked for; nothing left of that is
    refused.
    """
    at = q.arrival
    leaves = q.qty - (o.executed - q.executed)
    if is_gone(params_at(c.params, 0), instrument(c, s), leaves):
        answer(c, a, e, s, q.slot, o, CHANGE_REFUSED, INVALID_QUANTITY, at)
        return
    if q.tick == o.tick and leaves <= o.leaves:
        o.leaves = leaves
        answer(c, a, e, s, q.slot, o, AMENDED, NONE, at)
        return
    closed = _closed(c, s, lane(c, e, s))
    if closed != NONE:
        answer(c, a, e, s, q.slot, o, CHANGE_REFUSED, closed, at)
        return
    o.venue = ON_THE_WAY
    drop_done(c, e, s, lane(c, e, s))
    o.leaves = leaves
    o.tick = q.tick
    arrive(c, a, e, s, q.slot, o, AMENDED, at)


@helper
def _decrease(c: Any, a: Any, e: int, s: int, o: Any, q: Any) -> None:
    """Shrink an order, which keeps its queue; not to nothing (B19)."""
    if q.qty <= 0.0 or is_gone(params_at(c.params, 0), instrument(c, s), o.leaves - q.qty):
        answer(c, a, e, s, q.slot, o, CHANGE_REFUSED, INVALID_QUANTITY, q.arrival)
        return
    o.leaves -= q.qty
    answer(c, a, e, s, q.slot, o, AMENDED, NONE, q.arrival)


@helper
def _handle(c: Any, a: Any, e: int, s: int, q: Any) -> None:
    """Let a request meet the book at its arrival."""
    row = lane(c, e, s)
    o = order(c, e, s, q.slot)
    if q.kind == ASK_NEW:
        t = tape(c, s)
        o.arrival_ts = q.arrival
        o.arrival_mid = mid_of(instrument(c, s), best_bid(t, row), best_ask(t, row))
        closed = _closed(c, s, row)
        if closed == NONE:
            arrive(c, a, e, s, q.slot, o, ACCEPTED, q.arrival)
            return
        o.venue = DONE_WITH
        answer(c, a, e, s, q.slot, o, REFUSED, closed, q.arrival)
    elif o.id != q.order_id or o.venue != WORKING:
        answer_unknown(c, a, e, s, q, CHANGE_REFUSED, ORDER_NOT_FOUND, q.arrival)
    elif q.kind == ASK_CANCEL:
        o.venue = DONE_WITH
        drop_done(c, e, s, row)
        answer(c, a, e, s, q.slot, o, CANCELLED, USER_CANCELLED, q.arrival)
    elif q.kind == ASK_AMEND:
        _amend(c, a, e, s, o, q)
    else:
        _decrease(c, a, e, s, o, q)


@helper
def run_venue(c: Any, a: Any, e: int, s: int, until: int, stop_at_report: int) -> None:
    """Run a lane's venue: rows with ts <= until, requests that arrive by then, reports pushed.

    A request meets the book after all rows up to its arrival (B2). LANE.venue_time says how far
    the venue came: short of `until` where the agent has to be asked first, or where the ring of
    reports is half full and something is still to be done.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e; rows after its `end` never happen.
        e: The account.
        s: The lane.
        until: UNIX ns, inclusive.
        stop_at_report: 1: not beyond the receipt of the first report that was not delivered.

    Source: B2, V1.
    """
    row = lane(c, e, s)
    while True:
        arrival = NEVER
        if row.requests_head != row.requests_tail:
            arrival = request(c, e, s, row.requests_head).arrival
        limit = _bound(c, e, s, row, until, stop_at_report)
        fits = _run_rows(c, a, e, s, until, min(limit, arrival), stop_at_report)
        limit = _bound(c, e, s, row, until, stop_at_report)
        if not fits or (arrival <= limit and not has_room(c, row)):
            stopped = arrival if fits else venue_row(tape(c, s), row.venue_row).ts
            row.venue_time = min(max(row.venue_time, stopped - 1), until - 1)
            break
        if arrival > limit:
            row.venue_time = max(row.venue_time, limit)
            break
        row.requests_head += 1
        _handle(c, a, e, s, request(c, e, s, row.requests_head - 1))
    last = row.venue_row - 1
    row.stale = venue_row(tape(c, s), last).flags & STALE_FLAG if last >= 0 else 0
