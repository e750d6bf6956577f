"""Snapshots: the whole moving state of one account, copied and put back (E4c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.layout import Table

__all__ = ["AccountState", "restore", "snapshot"]


class _Batch(Protocol):
    """The tables of a batch that move."""

    accounts: Table
    positions: Table
    lanes: Table
    orders: Table
    requests: Table
    reports: Table
    holes: Table
    seen: Table
    events: Table


@dataclass(frozen=True, eq=False, kw_only=True)
class AccountState:
    """The moving state of one account; the tapes are not part of it."""

    account: Table
    """[1]"""
    positions: Table
    """[S]"""
    lanes: Table
    """[S]"""
    orders: tuple[Table, ...]
    """Of each lane the slots in use."""
    requests: tuple[Table, ...]
    """Of each lane the requests on their way, oldest first."""
    reports: tuple[Table, ...]
    """Of each lane the reports on their way, oldest first."""
    holes: tuple[Table, ...]
    """Of each lane what was taken and is not renewed."""
    seen: tuple[Table, ...]
    """Of each lane what the agent knows of that (Z2)."""
    events: Table
    """Those that are not drained, in the order of their ring."""


def _ring(lane: Any, name: str, size: int) -> NDArray[np.int64]:
    """Return the slots of a ring that are in use."""
    return np.arange(lane[f"{name}_head"], lane[f"{name}_tail"]) & (size - 1)


def _num_events(batch: _Batch, e: int) -> int:
    return min(int(batch.accounts[e].num_events), batch.events.shape[1])


def snapshot(batch: _Batch, e: int) -> AccountState:
    """Copy the state of account e."""
    lanes = batch.lanes[e]
    sizes = batch.requests.shape[2], batch.reports.shape[2]
    every = list(enumerate(lanes))
    return AccountState(
        account=batch.accounts[e : e + 1].copy(),
        positions=batch.positions[e].copy(),
        lanes=lanes.copy(),
        orders=tuple(batch.orders[e, s, : lane.num_slots].copy() for s, lane in every),
        requests=tuple(
            batch.requests[e, s, _ring(lane, "requests", sizes[0])] for s, lane in every
        ),
        reports=tuple(batch.reports[e, s, _ring(lane, "reports", sizes[1])] for s, lane in every),
        holes=tuple(batch.holes[e, s, : lane.num_holes].copy() for s, lane in every),
        seen=tuple(batch.seen[e, s, : lane.num_seen].copy() for s, lane in every),
        events=batch.events[e, : _num_events(batch, e)].copy(),
    )


def restore(batch: _Batch, e: int, state: AccountState) -> None:
    """Write a state into account e; slots that it did not use are empty afterwards."""
    batch.accounts[e] = state.account[0]
    batch.positions[e] = state.positions
    batch.lanes[e] = state.lanes
    sizes = batch.requests.shape[2], batch.reports.shape[2]
    for s, lane in enumerate(state.lanes):
        batch.orders[e, s, : lane.num_slots] = state.orders[s]
        batch.orders["local"][e, s, lane.num_slots :] = 0
        batch.requests[e, s, _ring(lane, "requests", sizes[0])] = state.requests[s]
        batch.reports[e, s, _ring(lane, "reports", sizes[1])] = state.reports[s]
        batch.holes[e, s, : lane.num_holes] = state.holes[s]
        batch.seen[e, s, : lane.num_seen] = state.seen[s]
    batch.events[e, : len(state.events)] = state.events
