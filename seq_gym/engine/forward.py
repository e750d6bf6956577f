"""Fast-forward: jump over candles in which nothing can happen, at a cost per fill.

A pyramid of lowest lows and highest highs over blocks of 64 and 4,096 candles answers "when does
the next working order meet a price" without visiting the candles between. What is jumped over
changes no account: the equity of the stretch is cash plus the same positions at each mark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import floats_at, helper, kernel, record_at
from seq_gym.engine.account import mark_equity
from seq_gym.engine.codes import (
    FINISHED,
    NO_EXPIRY,
    RUNNING,
    TRAILING_STOP,
    WAITING,
)
from seq_gym.engine.layout import Table, new_table, record
from seq_gym.engine.levels import level_of, waits_for_fall
from seq_gym.engine.tables import account_at, candle, context_at, order, params_at, position

__all__ = ["MIN_SKIP", "Pyramid", "build_pyramid", "skip_quiet"]

SMALL, LARGE = 64, 4096
MIN_SKIP = 64
"""Shorter jumps cost more than walking."""

PYRAMID = record(low_small="i8", high_small="i8", low_large="i8", high_large="i8", ended_row="i8")
"""Addresses of the block tables, and of the first row after each symbol's data."""

_pyramid_at = record_at(PYRAMID)


@dataclass(frozen=True, eq=False)
class Pyramid:
    """Lowest lows and highest highs of blocks, float64 [blocks, S], and the table of addresses."""

    arrays: tuple[NDArray[np.float64], ...]
    table: Table


def _blocks(values: NDArray[np.float64], size: int, least: bool) -> NDArray[np.float64]:
    """Reduce rows in blocks; the last one is filled up with what changes nothing."""
    rows, symbols = values.shape
    fill = np.inf if least else -np.inf
    padded = np.full((-(-rows // size) * size, symbols), fill)
    padded[:rows] = values
    shaped = padded.reshape(-1, size, symbols)
    return np.ascontiguousarray(shaped.min(axis=1) if least else shaped.max(axis=1))


def build_pyramid(candles: Table, ended: NDArray[np.bool_]) -> Pyramid:
    """Build the index of a market once.

    Args:
        candles: CANDLE records [T + 1, S].
        ended: bool [T + 1, S], DATA_ENDED.
    """
    low, high = candles["low"].astype(np.float64), candles["high"].astype(np.float64)
    low_small, high_small = _blocks(low, SMALL, True), _blocks(high, SMALL, False)
    per = LARGE // SMALL
    arrays = (
        low_small,
        high_small,
        _blocks(low_small, per, True),
        _blocks(high_small, per, False),
        np.where(ended.any(axis=0), ended.argmax(axis=0), len(candles)).astype(np.float64),
    )
    table = new_table(PYRAMID, 1)
    for name, array in zip(PYRAMID.names or (), arrays, strict=True):
        table[0][name] = array.ctypes.data
    return Pyramid(arrays, table)


@helper
def _always_walks(c: Any, a: Any, e: int) -> bool:
    """Say whether time alone moves the account: accrual, trailing stops, rules on every candle."""
    p = params_at(c.params, 0)
    if p.trigger_close != 0 or p.max_drawdown_pct < math.inf:
        return True
    holds = False
    for s in range(c.num_symbols):
        holds = holds or position(c, e, s).qty != 0.0
    if holds and (p.margin != 0 or p.ruin_frac > 0.0):
        return True
    if p.margin != 0 and a.cash < 0.0:
        return True
    for k in range(a.num_orders):
        if order(c, e, k).type == TRAILING_STOP:
            return True
    return False


@helper
def _awaits_open(c: Any, a: Any, e: int) -> bool:
    """Say whether something arrives at the next traded open."""
    if a.num_intents > 0:
        return True
    for k in range(a.num_orders):
        if order(c, e, k).state == WAITING:
            return True
    return False


@helper
def _first_hit(c: Any, s: int, row: int, last: int, low: float, high: float) -> int:
    """Return the first row from `row` to `last` whose candle reaches low or high, or last + 1."""
    pyramid = _pyramid_at(c.pyramid, 0)
    size = c.num_symbols
    while row <= last:
        if row % LARGE == 0:
            block = row // LARGE * size + s
            if (
                floats_at(pyramid.low_large)[block] > low
                and floats_at(pyramid.high_large)[block] < high
            ):
                row += LARGE
                continue
        if row % SMALL == 0:
            block = row // SMALL * size + s
            if (
                floats_at(pyramid.low_small)[block] > low
                and floats_at(pyramid.high_small)[block] < high
            ):
                row += SMALL
                continue
        bar = candle(c, row, s)
        if bar.low <= low or bar.high >= high:
            return row
        row += 1
    return last + 1


@helper
def _next_event(c: Any, a: Any, e: int, last: int) -> int:
    """Return the first row at which something may happen, or last + 1."""
    pyramid = _pyramid_at(c.pyramid, 0)
    for s in range(c.num_symbols):
        low, high = -math.inf, math.inf
        works = position(c, e, s).qty != 0.0
        for k in range(a.num_orders):
            o = order(c, e, k)
            if o.symbol != s or o.state == FINISHED:
                continue
            works = True
            if o.expires != NO_EXPIRY:
                last = min(last, o.expires - 1)
            if waits_for_fall(o):
                low = max(low, level_of(o))
            else:
                high = min(high, level_of(o))
        if works:
            last = min(last, int(floats_at(pyramid.ended_row)[s]) - 1)
            last = _first_hit(c, s, a.cursor + 1, last, low, high) - 1
    return last + 1


@kernel
def skip_quiet(context: int, e: int, count: int) -> int:
    """Jump over up to `count` candles in which nothing can happen to account e.

    The equity curve of the stretch is not written: nothing but the marks changes in it.

    Returns:
        How many candles were jumped over: 0 when something is near, an arrival at the next open
        included; -1 when this account has to walk (accrual, trailing stops, triggers on closes).
    """
    c = context_at(context, 0)
    a = account_at(c.accounts, e)
    if a.ending != RUNNING or c.pyramid == 0 or _always_walks(c, a, e):
        return -1
    if _awaits_open(c, a, e):
        return 0
    last = min(a.cursor + count, a.end)
    # The row of the event itself is walked, and so is the last one of the window.
    skipped = min(_next_event(c, a, e, last - 1), last) - 1 - a.cursor
    if skipped < MIN_SKIP:
        return 0
    a.cursor += skipped
    a.equity = mark_equity(c, a, e)
    return skipped
