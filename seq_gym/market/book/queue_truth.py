"""The truth of queue positions: orders followed through an order-level recording by name.

A *phantom* joins the back of a level without influencing the market: it is ahead of whoever comes
later, behind whoever is there. It is filled by what those behind it were filled with, by an
aggressor who went beyond its tick, and by orders that came to rest at or through its tick on the
other side: they would have met it first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym._jit import helper, kernel
from seq_gym.errors import ConfigError
from seq_gym.market.book.orders import IntArray, OrderFlow, OrderKind, lots_displayed
from seq_gym.times import NS_PER_S

__all__ = ["NEVER", "QueueTruth", "follow_orders", "follow_phantoms"]

NEVER: Final = -1
"""Time of what did not happen."""

_REST, _ADD, _CANCEL, _FILL = (int(kind) for kind in OrderKind)
_LEAVES, _AHEAD, _FIRST_FILL, _DONE, _PASSED = 0, 1, 2, 3, 4
_FILLED, _CUT_AHEAD, _CUT_BEHIND, _MET_AHEAD, _NUM_PATH = 5, 6, 7, 8, 9


@dataclass(frozen=True, eq=False, kw_only=True)
class QueueTruth:
    """What became of K tracked orders; times are of the venue's clock."""

    row: IntArray
    """int64 [K]: the row of the flow that the order came before (its own, for a real order)."""
    side: IntArray
    """int64 [K]: +1 bid, -1 ask."""
    tick: IntArray
    """int64 [K]."""
    lots: IntArray
    """int64 [K]: its size."""
    ahead_lots: IntArray
    """int64 [K]: what was displayed at its tick when it came."""
    until_ts: IntArray
    """int64 [K]: until when it was followed."""
    first_fill_ts: IntArray
    """int64 [K]: when its first lot was executed, or NEVER."""
    done_ts: IntArray
    """int64 [K]: when its last lot was executed, or NEVER."""
    passed_ts: IntArray
    """int64 [K]: when the market first traded beyond its tick or quoted at or through it, on the
    other side; NEVER while it was followed. An order is filled by then whatever its queue."""
    filled_lots: IntArray
    """int64 [K]."""
    cancelled_ahead_lots: IntArray
    """int64 [K]: withdrawn at its tick by those before it."""
    cancelled_behind_lots: IntArray
    """int64 [K]: withdrawn at its tick by those after it (of a real order: not by itself)."""
    executed_ahead_lots: IntArray
    """int64 [K]: executed at its tick of those before it."""
    path_first: IntArray
    """int64 [K + 1]: where the path of each order begins."""
    path_row: IntArray
    """int64: rows of the flow after which the quantity ahead was another one."""
    path_ahead: IntArray
    """int64: lots ahead after that row."""

    @property
    def num_orders(self) -> int:
        """K."""
        return len(self.row)


class _Rows(NamedTuple):
    """Columns of a flow, and the row in which each order joined its queue."""

    ts: IntArray
    kind: npt.NDArray[np.int8]
    side: npt.NDArray[np.int8]
    tick: npt.NDArray[np.int32]
    lots: IntArray
    order: IntArray
    born: IntArray


@helper
def _fill(outcome: IntArray, k: int, ts: int, lots: int) -> None:
    lots = min(lots, outcome[k, _LEAVES])
    if lots <= 0:
        return
    outcome[k, _LEAVES] -= lots
    outcome[k, _FILLED] += lots
    if outcome[k, _FIRST_FILL] < 0:
        outcome[k, _FIRST_FILL] = ts
    if outcome[k, _LEAVES] == 0:
        outcome[k, _DONE] = ts


@helper
def _in_queue(rows: _Rows, row: int, outcome: IntArray, k: int, rank: int, own: int) -> bool:
    """Handle a withdrawal or execution at the order's level; True if it was ahead of it."""
    lots = rows.lots[row]
    is_cancel = rows.kind[row] == _CANCEL
    if rows.order[row] == own:
        if is_cancel:
            outcome[k, _LEAVES] -= lots
        else:
            _fill(outcome, k, rows.ts[row], lots)
        return False
    if rows.born[rows.order[row]] < rank:
        outcome[k, _CUT_AHEAD if is_cancel else _MET_AHEAD] += lots
        outcome[k, _AHEAD] -= lots
        return True
    if is_cancel:
        outcome[k, _CUT_BEHIND] += lots
    elif own < 0:
        _fill(outcome, k, rows.ts[row], lots)
    return False


@helper
def _passes(rows: _Rows, row: int, side: int, tick: int) -> bool:
    """Tell whether a row trades beyond a tick, or quotes at or through it on the other side."""
    inside = (tick - rows.tick[row]) * side
    if rows.side[row] == side:
        return bool(rows.kind[row] == _FILL and inside > 0)
    return bool(rows.kind[row] == _ADD and inside >= 0)


@kernel
def _follow(
    rows: _Rows, placed: IntArray, outcome: IntArray, path_first: IntArray, path: IntArray
) -> None:
    """Follow each order from its row to its end.

    Args:
        rows: The flow.
        placed: int64 [K, 7]: row, side, tick, lots, ahead, until_ts, own order (-1: phantom).
        outcome: int64 [K, 10], filled.
        path_first: int64 [K + 1]: where each path is written.
        path: int64 [P, 2], filled: row and lots ahead; of length 0 to count only.
    """
    for k in range(len(placed)):
        rank, side, tick, own = placed[k, 0], placed[k, 1], placed[k, 2], placed[k, 6]
        outcome[k, :] = 0
        outcome[k, _LEAVES], outcome[k, _AHEAD] = placed[k, 3], placed[k, 4]
        outcome[k, _FIRST_FILL] = outcome[k, _DONE] = outcome[k, _PASSED] = -1
        for row in range(rank, len(rows.ts)):
            if rows.ts[row] > placed[k, 5] or (own >= 0 and outcome[k, _LEAVES] <= 0):
                break
            if rows.side[row] == side and rows.tick[row] == tick:
                if rows.kind[row] == _ADD or not _in_queue(rows, row, outcome, k, rank, own):
                    continue
                if len(path) > 0:
                    path[path_first[k] + outcome[k, _NUM_PATH], 0] = row
                    path[path_first[k] + outcome[k, _NUM_PATH], 1] = outcome[k, _AHEAD]
                outcome[k, _NUM_PATH] += 1
            elif own < 0 and _passes(rows, row, side, tick):
                outcome[k, _PASSED] = rows.ts[row]
                # What came to rest on the other side fills its size, a trade beyond all.
                there = rows.lots[row] if rows.side[row] != side else placed[k, 3]
                _fill(outcome, k, rows.ts[row], there)
                break


def follow_phantoms(
    flow: OrderFlow,
    *,
    row: IntArray,
    side: npt.NDArray[np.integer],
    tick: npt.NDArray[np.integer],
    lots: IntArray | int = 1,
    seconds: float = 60.0,
) -> QueueTruth:
    """Follow orders that were never there, each until the market passes its tick.

    Args:
        flow: What happened to the orders that were.
        row: int64 [K]: the row before which each phantom joins its level.
        side: int64 [K]: +1 bid, -1 ask.
        tick: int64 [K], on its own side of the market: a phantom does not take.
        lots: int64 [K] or one for all, > 0.
        seconds: How long each is followed at most.

    Raises:
        ConfigError: A row is not of the flow, or a size is not positive.
    """
    row = np.asarray(row, np.int64)
    if len(row) and (row.min() < 0 or row.max() >= len(flow.order)):
        raise ConfigError(
            f"row must be from 0 to {len(flow.order) - 1}; was {int(row.min())} to "
            f"{int(row.max())}."
        )
    sizes = np.broadcast_to(np.asarray(lots, np.int64), row.shape)
    if (sizes <= 0).any():
        raise ConfigError(f"lots must be > 0; was {int(sizes.min())}.")
    until = flow.exch_ts[row] + round(seconds * NS_PER_S)
    return _truth(flow, row, np.asarray(side), np.asarray(tick), sizes, until, None)


def follow_orders(flow: OrderFlow) -> QueueTruth:
    """Follow every real order that joined a level, each to its own end.

    Returns:
        One per ADD row, in their order.
    """
    row = np.flatnonzero(flow.kind == OrderKind.ADD)
    until = np.full(len(row), flow.exch_ts[-1] if len(flow.exch_ts) else 0)
    return _truth(flow, row, flow.side[row], flow.tick[row], flow.lots[row], until, flow.order[row])


def _truth(
    flow: OrderFlow,
    row: IntArray,
    side: npt.NDArray[np.integer],
    tick: npt.NDArray[np.integer],
    lots: IntArray,
    until: IntArray,
    own: IntArray | None,
) -> QueueTruth:
    ahead = lots_displayed(flow, row, side, tick)
    own = np.full(len(row), -1) if own is None else own
    columns = (row, side, tick, lots, ahead, until, own)
    placed = np.stack([np.asarray(column, np.int64) for column in columns], axis=1)
    rows = _Rows(flow.exch_ts, flow.kind, flow.side, flow.tick, flow.lots, flow.order, flow.born)
    outcome = np.zeros((len(row), 10), np.int64)
    first = np.zeros(len(row) + 1, np.int64)
    _follow(rows, placed, outcome, first, np.zeros((0, 2), np.int64))
    first[1:] = np.cumsum(outcome[:, _NUM_PATH])
    path = np.zeros((int(first[-1]), 2), np.int64)
    if len(path):
        _follow(rows, placed, outcome, first, path)
    return QueueTruth(
        row=placed[:, 0],
        side=placed[:, 1],
        tick=placed[:, 2],
        lots=placed[:, 3],
        ahead_lots=placed[:, 4],
        until_ts=placed[:, 5],
        first_fill_ts=outcome[:, _FIRST_FILL],
        done_ts=outcome[:, _DONE],
        passed_ts=outcome[:, _PASSED],
        filled_lots=outcome[:, _FILLED],
        cancelled_ahead_lots=outcome[:, _CUT_AHEAD],
        cancelled_behind_lots=outcome[:, _CUT_BEHIND],
        executed_ahead_lots=outcome[:, _MET_AHEAD],
        path_first=first,
        path_row=path[:, 0],
        path_ahead=path[:, 1],
    )
