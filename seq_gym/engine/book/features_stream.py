"""The pass of the book features over the agent's clock: rows, stamps, whole seconds.

Rows of one `local_ts` are one message: the book between them is nobody's book (it may be crossed),
so levels are compared before and after the whole stamp. At a whole second the book is that of all
rows with `local_ts` up to and including it.
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import helper, inlined, int32s_at, ints_at, kernel
from seq_gym.engine.book.codes import (
    CLEAR,
    DEPTH,
    GAP,
    NO_ASK,
    NO_BID,
    TRADE,
)
from seq_gym.engine.book.features_averages import add_trade, pass_seconds
from seq_gym.engine.book.features_layout import (
    ABSENT,
    DEPTH_OF_TOP,
    SIDES_AT,
    TOPS_AT,
    context_at,
    level_index_at,
    side_at,
    state_at,
)
from seq_gym.engine.book.features_table import FLOW, LEVELS
from seq_gym.engine.book.levels import level_of
from seq_gym.engine.book.tables import levels_at, row_at

__all__ = ["begin", "mark", "run_rows", "run_to"]

_SECOND: Final = 1_000_000_000
_DECAY: Final = math.log(2.0) / (10.0 * _SECOND)
_K: Final = DEPTH_OF_TOP
_STALE: Final = 1


@kernel
def begin(context: int) -> None:
    """Set a zeroed state to the beginning of its tape."""
    k = context_at(context, 0)
    f = state_at(k.state, 0)
    f.next_second = k.first_second * _SECOND
    for s in range(2):
        side = side_at(k.state + SIDES_AT, s)
        side.best = NO_BID if s == 0 else NO_ASK
        side.tail = ABSENT
        signed = ints_at(k.state + TOPS_AT + s * 32 * _K)
        for m in range(_K):
            signed[m] = ABSENT


@kernel
def mark(context: int) -> None:
    """Begin a decision interval: order flow is counted from here."""
    k = context_at(context, 0)
    f = state_at(k.state, 0)
    f.mark_1 = f.flow_1
    f.mark_5 = f.flow_5
    f.mark_10 = f.flow_10
    f.mark_signed = f.signed


@kernel
def run_rows(context: int, row: int) -> None:
    """Take whole stamps until at least `row` rows of the tape have been taken."""
    k = context_at(context, 0)
    f = state_at(k.state, 0)
    while f.row < row and f.row < k.num_rows:
        ts = row_at(k.rows, f.row).ts
        if f.next_second < ts:
            pass_seconds(k, f, ts - 1)
        _take_stamp(k, f, ts)


@helper
def run_to(k: Any, f: Any, until: int) -> None:
    """Take all rows with `local_ts <= until`, and the whole seconds up to it."""
    while f.row < k.num_rows:
        ts = row_at(k.rows, f.row).ts
        if ts > until:
            break
        if f.next_second < ts:
            pass_seconds(k, f, ts - 1)
        _take_stamp(k, f, ts)
    pass_seconds(k, f, until)


@helper
def _take_stamp(k: Any, f: Any, ts: int) -> None:
    walks = (k.parts & LEVELS) != 0
    r = f.row
    count = k.num_rows
    while r < count:
        x = row_at(k.rows, r)
        if x.ts != ts:
            break
        kind = x.kind
        if kind == TRADE:
            add_trade(k, f, x.lots, x.side, ts)
        elif kind <= CLEAR:
            f.told = 1
            if kind != DEPTH:
                f.restated = 1
            if walks:
                _set_level(k, f, x, r)
        elif kind == GAP:
            f.restated = 1
        r += 1
    f.row = r
    f.time = ts
    _end_stamp(k, f, ts)


@inlined
def _set_level(k: Any, f: Any, x: Any, r: int) -> None:
    if x.kind == CLEAR:
        _clear(k, x, r)
        return
    bids = x.side > 0
    side = side_at(k.state + SIDES_AT, 0 if bids else 1)
    lots = ints_at(k.bid_lots if bids else k.ask_lots)
    level = level_index_at(k.level_index, r).level
    before = lots[level]
    if before == x.lots:
        return
    lots[level] = x.lots
    side.live += (x.lots > 0) - (before > 0)
    signed = x.side * x.tick
    if signed >= side.tail:
        side.dirty = 1
        if before > x.lots and signed <= x.side * side.best:
            f.removed_now += before - x.lots


@helper
def _clear(k: Any, x: Any, r: int) -> None:
    """Empty a side from the best through the row's tick (B8), or the whole book."""
    for s in range(2):
        sign = 1 - 2 * s
        if x.side == -sign:
            continue
        low = -(1 << 40)
        high = 1 << 40
        if x.side != 0:
            if r == 0:
                continue
            best = row_at(k.rows, r - 1).bid if s == 0 else row_at(k.rows, r - 1).ask
            low = x.tick if s == 0 else best
            high = best if s == 0 else x.tick
            if low > high:
                continue
        _empty(k, s, low, high)


@helper
def _empty(k: Any, s: int, low: int, high: int) -> None:
    side = side_at(k.state + SIDES_AT, s)
    levels = levels_at(k.levels, s)
    ticks = int32s_at(levels.ticks)
    lots = ints_at(k.bid_lots if s == 0 else k.ask_lots)
    i = level_of(levels, low)
    while i < levels.num_levels and ticks[i] <= high:
        if lots[i] > 0:
            lots[i] = 0
            side.live -= 1
        i += 1
    side.dirty = 1


@inlined
def _end_stamp(k: Any, f: Any, ts: int) -> None:
    """Compare the book with what it was before the stamp."""
    last = row_at(k.rows, f.row - 1)
    bids = side_at(k.state + SIDES_AT, 0)
    asks = side_at(k.state + SIDES_AT, 1)
    f.flags = last.flags
    moved = bids.best != last.bid or asks.best != last.ask
    if moved or bids.dirty != 0 or asks.dirty != 0:
        if (k.parts & LEVELS) != 0:
            _levels_changed(k, f, ts, last.bid, last.ask)
        bids.best = last.bid
        asks.best = last.ask
    if f.told != 0:
        f.book_ts = ts
        f.told = 0
    f.restated = 0
    f.removed_now = 0
    # Without a walk the sides hold nothing but the best ticks, and they are enough here.
    if moved and last.bid != NO_BID and last.ask != NO_ASK:
        mid = 0.5 * (float(last.bid) + float(last.ask))
        if mid > 0.0:
            f.mid = mid
            f.spread_bps = 1e4 * (float(last.ask) - float(last.bid)) / mid
            if f.known_ts == 0:
                f.known_ts = ts


@helper
def _levels_changed(k: Any, f: Any, ts: int, bid: int, ask: int) -> None:
    """Walk the sides that changed, and add the differences to the flow."""
    bids = side_at(k.state + SIDES_AT, 0)
    asks = side_at(k.state + SIDES_AT, 1)
    flows = (k.parts & FLOW) != 0 and f.restated == 0 and (f.flags & _STALE) == 0
    before_1 = f.flow_1
    before_5 = f.flow_5
    before_10 = f.flow_10
    if bids.dirty != 0 or bids.best != bid:
        _walk(k, 0, bid)
        _renew(k, f, 0, flows)
    if asks.dirty != 0 or asks.best != ask:
        _walk(k, 1, ask)
        _renew(k, f, 1, flows)
    if not flows:
        return
    decay = math.exp(_DECAY * float(f.flow_ts - ts))
    f.flow_ts = ts
    f.decayed_1 = f.decayed_1 * decay + float(f.flow_1 - before_1)
    f.decayed_5 = f.decayed_5 * decay + float(f.flow_5 - before_5)
    f.decayed_10 = f.decayed_10 * decay + float(f.flow_10 - before_10)
    f.removed = f.removed * decay + float(f.removed_now)


@helper
def _walk(k: Any, s: int, best: int) -> None:
    """Find the watched levels of a side anew, from its best tick away from the touch."""
    side = side_at(k.state + SIDES_AT, s)
    top = k.state + TOPS_AT + s * 32 * _K
    signed = ints_at(top + 16 * _K)
    held = ints_at(top + 24 * _K)
    levels = levels_at(k.levels, s)
    ticks = int32s_at(levels.ticks)
    count = levels.num_levels
    lots = ints_at(k.bid_lots if s == 0 else k.ask_lots)
    sign = 1 - 2 * s
    wanted = min(side.live, _K)
    found = 0
    if best != NO_BID and best != NO_ASK:
        i = level_of(levels, best)
        while found < wanted and 0 <= i < count:
            if lots[i] > 0:
                signed[found] = sign * ticks[i]
                held[found] = lots[i]
                found += 1
            i -= sign
    side.num_top = found
    side.tail = signed[_K - 1] if found == _K else ABSENT
    side.dirty = 0
    for m in range(found, _K):
        signed[m] = ABSENT
        held[m] = 0


@helper
def _renew(k: Any, f: Any, s: int, flows: bool) -> None:
    """Put the levels just walked in the place of the old ones; their difference is order flow.

    Level m adds what it holds now when its price is better than before, takes away what it held
    when it is worse, and adds the change otherwise; asks count against bids.
    """
    old_signed = ints_at(k.state + TOPS_AT + s * 32 * _K)
    old_held = ints_at(k.state + TOPS_AT + s * 32 * _K + 8 * _K)
    signed = ints_at(k.state + TOPS_AT + s * 32 * _K + 16 * _K)
    held = ints_at(k.state + TOPS_AT + s * 32 * _K + 24 * _K)
    total = 0
    first = 0
    half = 0
    for m in range(_K):
        now = held[m] if signed[m] >= old_signed[m] else 0
        total += now - (old_held[m] if signed[m] <= old_signed[m] else 0)
        if m == 0:
            first = total
        if m == 4:
            half = total
        old_signed[m] = signed[m]
        old_held[m] = held[m]
    if flows:
        sign = 1 - 2 * s
        f.flow_1 += sign * first
        f.flow_5 += sign * half
        f.flow_10 += sign * total
