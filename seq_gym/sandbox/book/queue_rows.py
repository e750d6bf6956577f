"""What a queue model sees of tracked orders, and the truth beside it, row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.orders import OrderFlow, book_of
from seq_gym.market.book.queue_truth import NEVER, QueueTruth

__all__ = ["QueueRows", "queue_rows"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


class QueueRows(NamedTuple):
    """Rows of the L2 book at the levels of K tracked orders: R in all, grouped by order."""

    displayed: FloatArray
    """[K] lots at the tick when the order joined."""
    first: IntArray
    """[K + 1] where the rows of each order begin."""
    order: IntArray
    """[R] the order that a row is of."""
    ts: IntArray
    """[R] exch_ts."""
    is_print: BoolArray
    """[R] a print at the tick, else a depth row of the level."""
    prev: FloatArray
    """[R] a depth row's lots before it."""
    lots: FloatArray
    """[R] a print's lots, a depth row's lots after it."""
    ahead: FloatArray
    """[R] the truth: lots ahead after the row's message."""
    is_waiting: BoolArray
    """[R] a depth row before the order's first execution: there predictions are judged."""


def queue_rows(flow: OrderFlow, truth: QueueTruth) -> QueueRows:
    """Gather what L2 tells of each tracked order's level, from joining until the market passed it.

    Args:
        flow: What happened order by order; each tracked order joined before a message.
        truth: What became of the tracked orders.
    """
    book = book_of(flow)
    level = _levels(book.tick, np.where(book.kind == BookKind.TRADE, -book.side, book.side))
    rows = np.flatnonzero(book.kind != BookKind.CLEAR)
    rows = rows[np.argsort(level[rows], kind="stable")]
    span = np.int64(book.num_events + 1)
    names, place = np.unique(level[rows], return_inverse=True)
    keys = place * span + rows
    prev = _lots_before(book, rows, place)
    end_ts = np.where(truth.passed_ts == NEVER, truth.until_ts, truth.passed_ts)
    wanted = np.searchsorted(names, _levels(truth.tick, truth.side))
    since = np.searchsorted(book.seq, flow.message[truth.row])
    low = np.searchsorted(keys, wanted * span + since)
    high = np.searchsorted(keys, wanted * span + np.searchsorted(book.exch_ts, end_ts, "right"))
    counts = np.maximum(high - low, 0)
    first = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
    order = np.repeat(np.arange(truth.num_orders), counts)
    at = np.arange(first[-1]) - first[order] + low[order]
    seen = rows[at]
    ts = book.exch_ts[seen]
    is_print = book.kind[seen] == BookKind.TRADE
    filled = truth.first_fill_ts[order]
    return QueueRows(
        displayed=truth.ahead_lots.astype(np.float64),
        first=first,
        order=order,
        ts=ts,
        is_print=is_print,
        prev=prev[at].astype(np.float64),
        lots=book.lots[seen].astype(np.float64),
        ahead=_ahead_after(flow, truth, order, book.seq[seen]).astype(np.float64),
        is_waiting=~is_print & ((filled == NEVER) | (ts < filled)),
    )


def _levels(tick: npt.NDArray[np.integer], side: npt.NDArray[np.integer]) -> IntArray:
    return np.asarray(tick, np.int64) * 2 + (np.asarray(side) < 0)


def _lots_before(book: BookEvents, rows: IntArray, place: IntArray) -> IntArray:
    """Return what each level held before each of its rows: rows are grouped by level, in order."""
    is_depth = book.kind[rows] != BookKind.TRADE
    depth = np.flatnonzero(is_depth)
    last = np.cumsum(is_depth) - is_depth  # depth rows before this one, of all levels
    before = depth[np.maximum(last - 1, 0)] if len(depth) else np.zeros_like(last)
    known = (last > 0) & (place[before] == place)
    return np.where(known, book.lots[rows[before]], 0)


def _ahead_after(
    flow: OrderFlow, truth: QueueTruth, order: IntArray, message: IntArray
) -> IntArray:
    """Look up the true lots ahead of each order after a message."""
    span = np.int64(len(flow.order) + 1)
    path_order = np.repeat(np.arange(truth.num_orders), np.diff(truth.path_first))
    keys = path_order * span + truth.path_row
    end = np.searchsorted(flow.message, message, "right")
    at = np.searchsorted(keys, order * span + end) - 1
    moved = at >= truth.path_first[order]
    if not len(keys):
        return truth.ahead_lots[order]
    return np.where(moved, truth.path_ahead[np.maximum(at, 0)], truth.ahead_lots[order])
