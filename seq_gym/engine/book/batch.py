"""The tables of N accounts over shared tapes, and the compiled doors to them.

The batch is the unit of work: a session and a single env are a batch of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from seq_gym._jit import far_address, kernel
from seq_gym.engine.book import verbs
from seq_gym.engine.book.advance import advance
from seq_gym.engine.book.closing import end_episode
from seq_gym.engine.book.layout import (
    ACCOUNT,
    CONTEXT,
    DOOR,
    EVENT,
    HOLE,
    LANE,
    ORDER,
    POSITION,
    REPORT,
    REQUEST,
    TAPE,
)
from seq_gym.engine.book.opening import reset_account
from seq_gym.engine.book.snapshot import AccountState, restore, snapshot
from seq_gym.engine.book.tables import account_at, context_at, order_at
from seq_gym.engine.book.tape import BookTape
from seq_gym.engine.layout import Table, new_table
from seq_gym.errors import ConfigError, UsageError

__all__ = ["BookBatch"]


@kernel
def _reset(context: int, e: int, start: int, end: int, seed: int) -> None:
    c = context_at(context, 0)
    reset_account(c, account_at(c.accounts, e), e, start, end, seed)


@kernel
def _request(context: int, side: int) -> None:
    verbs.new_request(context_at(context, 0), side)


@kernel
def _place(context: int, e: int, s: int) -> int:
    c = context_at(context, 0)
    return verbs.place(c, account_at(c.accounts, e), e, s)


@kernel
def _cancel(context: int, e: int, s: int, order_id: int) -> int:
    c = context_at(context, 0)
    return verbs.cancel(c, account_at(c.accounts, e), e, s, order_id)


@kernel
def _cancel_all(context: int, e: int, s: int) -> int:
    c = context_at(context, 0)
    return verbs.cancel_all(c, account_at(c.accounts, e), e, s)


@kernel
def _amend_scratch(context: int, e: int, s: int, order_id: int, tick: int) -> int:
    """Amend an order to the quantity of the scratch order: whole numbers pass a far call."""
    c = context_at(context, 0)
    qty = order_at(c.scratch, 0).qty
    return verbs.amend(c, account_at(c.accounts, e), e, s, order_id, tick, qty)


@kernel
def _amend(context: int, e: int, s: int, order_id: int, tick: int, qty: float) -> int:
    c = context_at(context, 0)
    return verbs.amend(c, account_at(c.accounts, e), e, s, order_id, tick, qty)


@kernel
def _decrease(context: int, e: int, s: int, order_id: int, by: float) -> int:
    c = context_at(context, 0)
    return verbs.decrease(c, account_at(c.accounts, e), e, s, order_id, by)


@kernel
def _advance(context: int, e: int, until: int, wanted: int) -> int:
    c = context_at(context, 0)
    return advance(c, account_at(c.accounts, e), e, until, wanted)


@kernel
def _end_episode(context: int, e: int, ending: int) -> None:
    c = context_at(context, 0)
    end_episode(c, account_at(c.accounts, e), e, ending)


_FAR = (
    ("advance", _advance, 4),
    ("place", _place, 3),
    ("cancel", _cancel, 4),
    ("cancel_all", _cancel_all, 3),
    ("amend", _amend_scratch, 5),
)
"""Kernels that a compiled strategy calls by their addresses, with their number of arguments."""


def _power_of_two(name: str, value: int) -> int:
    if value < 1 or value & (value - 1):
        raise ConfigError(f"{name} must be a power of two; was {value}.")
    return value


class BookBatch:
    """N accounts over S shared tapes: tables in numpy, verbs in kernels.

    Args:
        tapes: Prepared tapes, one for each lane; shared, never written.
        instruments: INSTRUMENT records [S].
        params: One PARAMS record [1].
        num_envs: Accounts N.
        order_slots: Working orders that a lane may have.
        event_capacity: Rows of each account's event ring, a power of two.
        record_all: A full ring stops `advance` until it is drained; otherwise the last are kept.
        report_slots: Reports in flight that a lane may have, a power of two; requests as many.
        hole_slots: Levels that a lane may have taken from and that are not renewed yet (F2); when
            there are as many, no other level can be taken from.
        keep: What the instruments point to, which must live as long as the batch.

    Raises:
        ConfigError: A size is no power of two, or tapes and instruments differ in number.
    """

    def __init__(
        self,
        tapes: Sequence[BookTape],
        instruments: Table,
        params: Table,
        *,
        num_envs: int = 1,
        order_slots: int = 64,
        event_capacity: int = 4096,
        record_all: bool = True,
        report_slots: int = 1024,
        hole_slots: int = 512,
        keep: Any = None,
    ) -> None:
        lanes = len(tapes)
        if not lanes or len(instruments) != lanes:
            raise ConfigError(
                f"instruments must be one for each of the tapes, at least one; were "
                f"{len(instruments)} for {lanes}."
            )
        _power_of_two("event_capacity", event_capacity)
        _power_of_two("report_slots", report_slots)
        self.tapes = tuple(tapes)
        self.instruments = instruments
        self.params = params
        self._keep = keep
        self.num_envs = num_envs
        self.num_lanes = lanes
        self.accounts = new_table(ACCOUNT, num_envs)
        self.positions = new_table(POSITION, num_envs, lanes)
        self.lanes = new_table(LANE, num_envs, lanes)
        self.orders = new_table(ORDER, num_envs, lanes, order_slots)
        self.requests = new_table(REQUEST, num_envs, lanes, report_slots)
        self.reports = new_table(REPORT, num_envs, lanes, report_slots)
        self.holes = new_table(HOLE, num_envs, lanes, max(hole_slots, 1))
        sees_itself = bool(params[0].impact)
        self.seen = new_table(HOLE, num_envs, lanes, max(hole_slots, 1) if sees_itself else 1)
        self.events = new_table(EVENT, num_envs, event_capacity)
        self.doors = new_table(DOOR, num_envs)
        self.context = new_table(CONTEXT, 1)
        self._records = new_table(TAPE, lanes)
        self._scratch = new_table(ORDER, 1)
        self._placed = 0
        for s, tape in enumerate(tapes):
            self._records[s] = tape.record
        self._write_context(order_slots, report_slots, max(hole_slots, 1), event_capacity)
        self.context[0].record_all = int(record_all)
        self.address: int = self.context.ctypes.data
        self.doors["context"] = self.address
        self.doors["account"] = np.arange(num_envs)

    def _write_context(self, orders: int, reports: int, holes: int, events: int) -> None:
        c: Any = self.context[0]
        c.tapes = self._records.ctypes.data
        c.instruments = self.instruments.ctypes.data
        c.params = self.params.ctypes.data
        c.accounts = self.accounts.ctypes.data
        c.positions = self.positions.ctypes.data
        c.lanes = self.lanes.ctypes.data
        c.orders = self.orders.ctypes.data
        c.requests = self.requests.ctypes.data
        c.reports = self.reports.ctypes.data
        c.holes = self.holes.ctypes.data
        c.seen = self.seen.ctypes.data
        c.events = self.events.ctypes.data
        c.scratch = self._scratch.ctypes.data
        c.num_envs = self.num_envs
        c.num_lanes = self.num_lanes
        c.order_slots = orders
        c.request_slots = reports
        c.report_slots = reports
        c.hole_slots = holes
        c.event_capacity = events

    def __reduce__(self) -> NoReturn:
        raise UsageError(
            "A batch holds addresses of its own memory, so it cannot be copied or pickled. Likely "
            "fix: make another one, or use snapshot() and restore()."
        )

    def reset(self, e: int, start_ns: int, end_ns: int, *, seed: int = 0) -> None:
        """Open account e afresh at a time, to end at another.

        Args:
            e: The account.
            start_ns: UNIX nanoseconds; what either clock shows up to then is known there.
            end_ns: UNIX nanoseconds.
            seed: Keys its draws of latency and of realism (Z3).
        """
        _reset(self.address, e, start_ns, max(start_ns, end_ns), seed)

    def request(self, e: int, s: int, side: int) -> Any:
        """Return the scratch order, blank but for its side, to fill in and then `place`.

        It is shared by all accounts and lanes: e and s are those of `place`.
        """
        del e, s
        _request(self.address, side)
        return self._scratch[0]

    def place(self, e: int, s: int) -> int:
        """Send the request to lane s; returns its id, and `last_reason` says if it was refused."""
        self._placed = e
        return int(_place(self.address, e, s))

    @property
    def last_reason(self) -> int:
        """The Reason of the last `place`; 0: it was sent."""
        return int(self.accounts[self._placed].reason)

    def cancel(self, e: int, s: int, order_id: int) -> int:
        """Ask for a cancellation; returns a Reason, 0: it was sent."""
        return int(_cancel(self.address, e, s, order_id))

    def amend(self, e: int, s: int, order_id: int, tick: int, qty_units: float) -> int:
        """Ask for an order to become `qty_units` still to be filled at `tick`; returns a Reason."""
        return int(_amend(self.address, e, s, order_id, tick, qty_units))

    def decrease(self, e: int, s: int, order_id: int, by_units: float) -> int:
        """Ask for an order to shrink, keeping its place in the queue; returns a Reason."""
        return int(_decrease(self.address, e, s, order_id, by_units))

    def advance(self, e: int, until_ns: int, wanted: int = 0) -> int:
        """Let time pass (engine.book.advance.advance); returns REACHED, STOPPED, ..., ENDED."""
        return int(_advance(self.address, e, until_ns, wanted))

    def end_episode(self, e: int, ending: int) -> None:
        """End an episode before its window does: nothing in flight arrives any more."""
        _end_episode(self.address, e, ending)

    def drain(self, e: int = 0) -> Table:
        """Return a copy of the events since the last drain, oldest first, and forget them.

        Of a ring that was overwritten the last `event_capacity` are left.
        """
        count, capacity = int(self.accounts[e].num_events), self.events.shape[1]
        self.accounts[e].num_events = 0
        if count <= capacity:
            return self.events[e, :count].copy()
        return self.events[e, np.arange(count - capacity, count) & (capacity - 1)]

    def snapshot(self, e: int = 0) -> AccountState:
        """Copy the whole moving state of an account, events that are not drained included (E4c)."""
        return snapshot(self, e)

    def restore(self, e: int, state: AccountState) -> None:
        """Put an account back where `snapshot` copied it, of this batch or one made alike."""
        restore(self, e, state)

    def handle(self, e: int = 0) -> int:
        """Return what a compiled strategy calls account e by (engine.book.door)."""
        if not self.doors[0].advance:
            for name, function, count in _FAR:
                self.doors[name] = far_address(function, count)
        return int(self.doors.ctypes.data) + e * DOOR.itemsize
