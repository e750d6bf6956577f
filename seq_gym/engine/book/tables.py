"""Accessors of the tables of layout.py, for kernels: `lane(c, e, s)`, `order(c, e, s, k)`."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, record_at
from seq_gym.engine.book import layout

__all__ = [
    "account_at",
    "context_at",
    "door_at",
    "event_at",
    "hole",
    "hole_at",
    "instrument",
    "instrument_at",
    "lane",
    "lane_at",
    "levels_at",
    "local_row",
    "order",
    "order_at",
    "params_at",
    "position",
    "position_at",
    "report",
    "report_at",
    "request",
    "request_at",
    "row_at",
    "seen",
    "tape",
    "tape_at",
    "venue_row",
]

row_at = record_at(layout.ROW)
levels_at = record_at(layout.LEVELS)
tape_at = record_at(layout.TAPE)
instrument_at = record_at(layout.INSTRUMENT)
params_at = record_at(layout.PARAMS)
account_at = record_at(layout.ACCOUNT)
position_at = record_at(layout.POSITION)
lane_at = record_at(layout.LANE)
order_at = record_at(layout.ORDER)
request_at = record_at(layout.REQUEST)
report_at = record_at(layout.REPORT)
hole_at = record_at(layout.HOLE)
event_at = record_at(layout.EVENT)
context_at = record_at(layout.CONTEXT)
door_at = record_at(layout.DOOR)


@helper
def tape(c: Any, s: int) -> Any:
    """Return the tape of lane s."""
    return tape_at(c.tapes, s)


@helper
def instrument(c: Any, s: int) -> Any:
    """Return the constants of lane s."""
    return instrument_at(c.instruments, s)


@helper
def position(c: Any, e: int, s: int) -> Any:
    """Return what account e holds on lane s."""
    return position_at(c.positions, e * c.num_lanes + s)


@helper
def lane(c: Any, e: int, s: int) -> Any:
    """Return the cursors and channels of account e on lane s."""
    return lane_at(c.lanes, e * c.num_lanes + s)


@helper
def order(c: Any, e: int, s: int, k: int) -> Any:
    """Return slot k of account e on lane s."""
    return order_at(c.orders, (e * c.num_lanes + s) * c.order_slots + k)


@helper
def request(c: Any, e: int, s: int, counter: int) -> Any:
    """Return the slot of the ring of requests that a counter falls on."""
    slot = counter & (c.request_slots - 1)
    return request_at(c.requests, (e * c.num_lanes + s) * c.request_slots + slot)


@helper
def report(c: Any, e: int, s: int, counter: int) -> Any:
    """Return the slot of the ring of reports that a counter falls on."""
    slot = counter & (c.report_slots - 1)
    return report_at(c.reports, (e * c.num_lanes + s) * c.report_slots + slot)


@helper
def hole(c: Any, e: int, s: int, k: int) -> Any:
    """Return hole k of account e on lane s."""
    return hole_at(c.holes, (e * c.num_lanes + s) * c.hole_slots + k)


@helper
def seen(c: Any, e: int, s: int, k: int) -> Any:
    """Return the k-th hole that account e knows of on lane s (Z2)."""
    return hole_at(c.seen, (e * c.num_lanes + s) * c.hole_slots + k)


@helper
def venue_row(t: Any, row: int) -> Any:
    """Return a row of a tape by the venue's clock."""
    return row_at(t.venue_rows, row)


@helper
def local_row(t: Any, row: int) -> Any:
    """Return a row of a tape by the agent's clock."""
    return row_at(t.local_rows, row)
