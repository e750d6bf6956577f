"""Several venues side by side: who runs how far, and whose report is received next (A4, A7)."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.book.codes import NEVER
from seq_gym.engine.book.tables import lane, report, request, row_at, tape
from seq_gym.engine.book.venue import run_venue

__all__ = ["first_receipt", "next_report", "run_venues"]


@inlined
def first_receipt(c: Any, e: int, s: int) -> int:
    """Return when the oldest undelivered report of a lane is received; NEVER: none."""
    row = lane(c, e, s)
    if row.reports_head == row.reports_tail:
        return NEVER
    return report(c, e, s, row.reports_head).receipt


@helper
def next_report(c: Any, e: int, until: int) -> int:
    """Return the lane whose report is received next, at the latest at `until`; -1: none."""
    chosen = -1
    for s in range(c.num_lanes):
        receipt = first_receipt(c, e, s)
        if receipt <= until and (chosen < 0 or receipt < first_receipt(c, e, chosen)):
            chosen = s
    return chosen


@helper
def _next_at_venue(c: Any, e: int, s: int) -> int:
    """Return when a lane's venue next does something that a report may follow; NEVER: nothing."""
    row = lane(c, e, s)
    t = tape(c, s)
    soonest = NEVER
    if row.requests_head != row.requests_tail:
        soonest = request(c, e, s, row.requests_head).arrival
    if row.num_resting > 0 and row.venue_row < t.num_venue:
        soonest = min(soonest, row_at(t.venue_rows, row.venue_row).ts)
    return max(soonest, row.venue_time)


@helper
def _run_merged(c: Any, a: Any, e: int, until: int) -> int:
    """Run several venues side by side, so that none goes beyond another's first report.

    Returns:
        How far all of them have run: the first receipt, or `until`.
    """
    for s in range(c.num_lanes):
        until = min(until, first_receipt(c, e, s))
    while True:
        chosen = 0
        soonest = NEVER
        second = NEVER
        for s in range(c.num_lanes):
            time = _next_at_venue(c, e, s)
            if time < soonest:
                second = soonest
                soonest = time
                chosen = s
            else:
                second = min(second, time)
        if soonest > until:
            break
        target = min(until, second)
        run_venue(c, a, e, chosen, target, 1)
        until = min(until, first_receipt(c, e, chosen))
        if lane(c, e, chosen).venue_time < min(until, target):  # its ring is full
            until = lane(c, e, chosen).venue_time
            break
    for s in range(c.num_lanes):
        run_venue(c, a, e, s, until, 0)
    return until


@inlined
def run_venues(c: Any, a: Any, e: int, until: int, reacts: bool) -> int:
    """Run all venues, to the first receipt where the agent reacts to it; return how far."""
    if reacts and c.num_lanes > 1:
        return _run_merged(c, a, e, until)
    for s in range(c.num_lanes):
        run_venue(c, a, e, s, until, 1 if reacts else 0)
    reached = lane(c, e, 0).venue_time
    for s in range(1, c.num_lanes):
        reached = min(reached, lane(c, e, s).venue_time)
    return reached
