"""Time: the venue runs, and what becomes known reaches the agent in order (B2, B3, A5, A7)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, inlined, ints_at
from seq_gym.engine.book.closing import end_episode, run_heartbeat
from seq_gym.engine.book.codes import (
    ENDED,
    EVENTS_FULL,
    EXECUTED,
    NEVER,
    ON_BOOK,
    ON_HEARTBEAT,
    ON_REPORT,
    ON_TRADE,
    REACHED,
    REPORTS_FULL,
    STOPPED,
    TRADE,
    TRUNCATE,
)
from seq_gym.engine.book.cursor import first_after, number_up_to
from seq_gym.engine.book.journal import has_room
from seq_gym.engine.book.lanes import first_receipt, next_report, run_venues
from seq_gym.engine.book.money import record_equity
from seq_gym.engine.book.reports import deliver_report
from seq_gym.engine.book.tables import (
    instrument,
    lane,
    params_at,
    report,
    row_at,
    tape,
)
from seq_gym.engine.book.venue import run_venue
from seq_gym.engine.codes import DATA_END, RUNNING, WINDOW_END

__all__ = ["advance", "see"]

_ON_DATA = ON_BOOK | ON_TRADE


@inlined
def _see_lane(c: Any, a: Any, e: int, s: int, until: int) -> None:
    """Show a lane's local rows up to a time by a leap, and count the gaps among them (B10)."""
    t = tape(c, s)
    row = lane(c, e, s)
    before = row.local_row
    known = until - instrument(c, s).feed_ns
    low = before
    if row.likely_row > low and row_at(t.local_rows, row.likely_row - 1).ts <= known:
        low = row.likely_row
    row.local_row = first_after(t.local_rows, low, t.num_local, known)
    if t.num_gaps > 0 and row.local_row > before:
        seen = number_up_to(t.local_gaps, t.num_gaps, row.local_row - 1)
        a.num_gaps += seen - number_up_to(t.local_gaps, t.num_gaps, before - 1)


@inlined
def see(c: Any, a: Any, e: int, until: int, last_lane: int) -> None:
    """Show local rows up to a time; lanes after `last_lane` only those before it (B2).

    No row past the end of the episode is ever shown.
    """
    for s in range(c.num_lanes):
        _see_lane(c, a, e, s, min(until if s <= last_lane else until - 1, a.end))


@helper
def _is_wanted(kind: int, wanted: int) -> bool:
    return (wanted & (ON_TRADE if kind == TRADE else ON_BOOK)) != 0


@helper
def _next_data(c: Any, e: int, s: int, until: int, wanted: int) -> int:
    """Return the next local row of a wanted kind, received at the latest at `until`; -1: none."""
    t = tape(c, s)
    last = until - instrument(c, s).feed_ns
    row = lane(c, e, s).local_row
    while row < t.num_local and row_at(t.local_rows, row).ts <= last:
        if _is_wanted(row_at(t.local_rows, row).kind, wanted):
            return row
        row += 1
    return -1


@helper
def _data_lane(c: Any, e: int, until: int, wanted: int) -> int:
    """Return the lane whose wanted data is received first, up to `until`; -1: none."""
    chosen = -1
    for s in range(c.num_lanes):
        row = _next_data(c, e, s, until, wanted)
        if row >= 0:
            chosen = s
            # A later lane must be earlier to win: ties go by index (B2).
            until = row_at(tape(c, s).local_rows, row).ts + instrument(c, s).feed_ns - 1
    return chosen


@helper
def _data_time(c: Any, e: int, s: int, wanted: int) -> int:
    """Return when the wanted data of a lane is received."""
    row = _next_data(c, e, s, NEVER, wanted)
    return row_at(tape(c, s).local_rows, row).ts + instrument(c, s).feed_ns


@helper
def _stop_at_data(c: Any, a: Any, e: int, s: int, wanted: int) -> None:
    """Show the rows of one instant of a lane, and say which kinds were among them."""
    rows = tape(c, s).local_rows
    row = lane(c, e, s).local_row
    see(c, a, e, a.now, s)
    ts = a.now - instrument(c, s).feed_ns
    kinds = 0
    while row < lane(c, e, s).local_row:
        if row_at(rows, row).ts == ts:
            kinds |= ON_TRADE if row_at(rows, row).kind == TRADE else ON_BOOK
        row += 1
    a.stopped_lane = s
    a.stopped_by = kinds & wanted


@helper
def _deliver(c: Any, a: Any, e: int, until: int, wanted: int, data_lane: int) -> int:
    """Deliver reports in order of receipt and lane, up to a time and before a lane's data at it.

    Returns:
        REACHED, STOPPED at a wanted report, or EVENTS_FULL.
    """
    while True:
        s = next_report(c, e, until)
        if s < 0:
            return REACHED
        receipt = first_receipt(c, e, s)
        if data_lane >= 0 and receipt == until and s >= data_lane:
            return REACHED
        if not has_room(c, a, e):
            return EVENTS_FULL
        a.now = max(a.now, receipt)
        row = lane(c, e, s)
        if report(c, e, s, row.reports_head).kind == EXECUTED or (wanted & ON_REPORT) != 0:
            see(c, a, e, a.now, s)
        deliver_report(c, a, e, s)
        if (wanted & ON_REPORT) != 0:
            a.stopped_lane = s
            a.stopped_by = ON_REPORT
            return STOPPED


@inlined
def _run_to(c: Any, a: Any, e: int, until: int, wanted: int) -> int:
    """Handle every event up to a time before the next heartbeat, or to the first wanted one."""
    while True:
        limit = until
        data_lane = -1
        if (wanted & _ON_DATA) != 0:
            data_lane = _data_lane(c, e, until, wanted)
            if data_lane >= 0:
                limit = _data_time(c, e, data_lane, wanted)
        reached = run_venues(c, a, e, limit, (wanted & ON_REPORT) != 0)
        before = a.num_events
        code = _deliver(c, a, e, reached, wanted, data_lane if reached == limit else -1)
        if code != REACHED:
            return code
        if reached < limit:  # a ring of reports is full
            if a.num_events == before:
                return REPORTS_FULL
            continue
        a.now = limit
        if data_lane >= 0:
            _stop_at_data(c, a, e, data_lane, wanted)
            return STOPPED
        see(c, a, e, limit, c.num_lanes)
        return REACHED


@helper
def _next_gap(c: Any, a: Any) -> int:
    """Return when the agent learns of the episode's first gap, at most now; NEVER: of none.

    A stale stretch that the episode began in is no such gap: it can still be waited out.
    """
    soonest = NEVER
    for s in range(c.num_lanes):
        t = tape(c, s)
        if t.num_gaps == 0:
            continue
        feed = instrument(c, s).feed_ns
        known = first_after(t.local_rows, 0, t.num_local, a.start - feed) - 1
        k = number_up_to(t.local_gaps, t.num_gaps, known)
        if k < t.num_gaps:
            row = ints_at(t.local_gaps)[k]
            soonest = min(soonest, row_at(t.local_rows, row).ts + feed)
    return soonest


@helper
def _finish(c: Any, a: Any, e: int) -> int:
    """Let what is in flight arrive and be answered, then end the episode (B20, V10)."""
    while True:
        for s in range(c.num_lanes):
            run_venue(c, a, e, s, max(a.end, lane(c, e, s).entry_last), 0)
        s = next_report(c, e, NEVER - 1)
        if s < 0:
            break
        if not has_room(c, a, e):
            return EVENTS_FULL
        a.now = max(a.now, first_receipt(c, e, s))
        deliver_report(c, a, e, s)
    last = tape(c, 0).last_ts
    for s in range(1, c.num_lanes):
        last = max(last, tape(c, s).last_ts)
    end_episode(c, a, e, DATA_END if last < a.end else WINDOW_END)
    return ENDED


@helper
def advance(c: Any, a: Any, e: int, until: int, wanted: int) -> int:
    """Let time pass for an account to `until`, its end, or the first event of a wanted kind.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e; `now` is then the time that was reached (B3).
        e: The account.
        until: UNIX nanoseconds; every event stamped so or before is handled.
        wanted: Bits ON_BOOK, ON_TRADE, ON_REPORT, ON_HEARTBEAT; 0: only time stops it, and then
            nothing is done row by row on the agent's clock.

    Returns:
        REACHED, STOPPED, EVENTS_FULL, ENDED or REPORTS_FULL.
    """
    if a.ending != RUNNING:
        return ENDED
    a.num_actions = 0
    a.stopped_lane = -1
    a.stopped_by = 0
    goal = min(until, a.end)
    gap = _next_gap(c, a) if params_at(c.params, 0).stale_policy == TRUNCATE else NEVER
    while True:
        limit = max(min(goal, a.next_heartbeat, gap), a.now)
        code = _run_to(c, a, e, limit, wanted)
        if code != REACHED:
            record_equity(c, a, e)
            return code
        if limit >= gap:
            end_episode(c, a, e, DATA_END)
            return ENDED
        if limit == a.next_heartbeat and limit <= a.end:
            if not has_room(c, a, e):
                return EVENTS_FULL
            run_heartbeat(c, a, e)
            if a.ending != RUNNING:
                return ENDED
            if (wanted & ON_HEARTBEAT) != 0:
                a.stopped_by = ON_HEARTBEAT
                return STOPPED
        if limit >= goal:
            break
    record_equity(c, a, e)
    return _finish(c, a, e) if a.now >= a.end else REACHED
