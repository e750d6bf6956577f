"""Joins market to engine: the CANDLE records that kernels read, with what is known at each close.

Row t of a tape is what is known at cursor t (C2): the candle that has just closed, the mark that
is carried through gaps (C3, C6), and the trailing volume and volatility that price a fill (M1).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine import codes
from seq_gym.engine.forward import Pyramid, build_pyramid
from seq_gym.engine.layout import CANDLE, Table, new_table
from seq_gym.market import CandleSeries
from seq_gym.times import NS_PER_S

__all__ = ["Tape", "build_tape"]

_NS_PER_DAY = 86_400 * NS_PER_S
_KEPT = 8
"""Tapes kept for envs that open on the same data again."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tape:
    """A market as kernels see it.

    Attributes:
        candles: CANDLE records [T + 1, S], read-only.
        funding: Rates [T + 1, S] aligned with them, or None where no symbol has any. Kernels pay
            them on position x traded mark; where the row has a mark price, the rate is scaled by
            mark price / traded mark, so that what is paid is position x mark price x rate (M5).
    """

    candles: Table
    funding: FloatArray | None

    @cached_property
    def pyramid(self) -> Pyramid:
        """The index of the fast-forward, built when a session first jumps."""
        return build_pyramid(self.candles, (self.candles["flags"] & codes.DATA_ENDED) != 0)


def _carry(values: FloatArray, there: NDArray[np.bool_]) -> FloatArray:
    """Carry the last value of each column forward; NaN before the first."""
    rows = np.where(there, np.arange(len(values))[:, None], -1)
    np.maximum.accumulate(rows, axis=0, out=rows)
    carried = np.take_along_axis(values, np.maximum(rows, 0), axis=0)
    return np.where(rows >= 0, carried, np.nan)


def _adv(series: CandleSeries, per_day: int) -> FloatArray:
    """Return quote volume of the trailing 24 h at each close [T, S] (M1).

    With less than 24 h known it is the mean per candle, scaled to a day.
    """
    known = np.where(series.valid, series.quote_volume, 0.0)
    total = np.cumsum(known, axis=0)
    trailing = total.copy()
    trailing[per_day:] -= total[:-per_day]
    first = series.listed_rows[:, 0]
    age = np.arange(series.num_candles)[:, None] + 1 - first[None, :]
    window = np.clip(age, 1, per_day)
    scale = _NS_PER_DAY / (window * series.interval_ns)
    return np.asarray(np.maximum(trailing, 0.0) * scale, dtype=np.float64)


def _sigma(close: FloatArray, per_day: int, interval_ns: int) -> FloatArray:
    """Return the daily volatility over the trailing day, or 30 candles, at each close [T, S]."""
    window = max(per_day, 30)
    moves = np.zeros_like(close)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log(close[1:] / close[:-1])
    moves[1:] = np.where(np.isfinite(steps), steps, 0.0)  # the mark is 0 before a listing
    squares = np.cumsum(moves * moves, axis=0)
    trailing = squares.copy()
    trailing[window:] -= squares[:-window]
    count = np.minimum(np.arange(len(close)) + 1, window)[:, None]
    per_candle = np.sqrt(np.maximum(trailing, 0.0) / count)
    return np.asarray(per_candle * np.sqrt(_NS_PER_DAY / interval_ns), dtype=np.float64)


def _flags(series: CandleSeries, traded: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the flags of rows 1..T (see codes.py)."""
    rows = np.arange(series.num_candles)[:, None]
    first, stop = series.listed_rows[:, 0], series.listed_rows[:, 1]
    # The last known candle of a coarse symbol goes on being known until the next one may close.
    fresh = traded.copy()
    for s in np.flatnonzero((series.span > 1).any(axis=0)):
        for row in np.flatnonzero(traded[:, s]):
            fresh[row : row + int(series.span[row, s]), s] = True
    # Row t + 1 is known at the close of candle t, which is the open of candle t + 1 (C3).
    listed = (rows + 1 >= first) & (stop > first)
    ended = (rows >= stop) & (stop > first)
    span = np.where(series.valid, series.span, 1).astype(np.int64)
    flags = traded * codes.TRADED + listed * codes.LISTED + ended * codes.DATA_ENDED
    flags = flags + fresh * codes.FRESH
    return np.asarray(flags + (span << codes.SPAN_SHIFT), dtype=np.int64)


def _write_first_row(candles: Table, series: CandleSeries) -> None:
    """Write row 0: before the data only an opening price may be known (C3)."""
    candles["flags"][0] = 1 << codes.SPAN_SHIFT
    for s, (first, stop) in enumerate(series.listed_rows):
        if first == 0 and stop > 0:
            opening = series.open[np.flatnonzero(series.valid[:, s])[0], s]
            candles["mark"][0, s] = opening
            candles["flags"][0, s] |= codes.LISTED


def _mark(series: CandleSeries) -> FloatArray:
    """Return the mark at each close [T, S]; the open of the first candle as it starts (C3)."""
    mark = _carry(series.close, series.valid)
    for s, (first, stop) in enumerate(series.listed_rows):
        if stop > 0:
            last_row = int(np.flatnonzero(series.valid[:, s])[0])
            mark[max(int(first) - 1, 0) : last_row, s] = series.open[last_row, s]
            mark[: max(int(first) - 1, 0), s] = 0.0
            if first == 0:
                mark[:last_row, s] = series.open[last_row, s]
    return np.nan_to_num(mark)


def _funding(series: CandleSeries, traded_mark: FloatArray) -> FloatArray | None:
    """Return what a unit of position value pays in each row [T + 1, S], None where nothing ever.

    Where a row has no mark price, the traded mark stands for it: it is of this row, while an older
    mark price would be of a market that is gone.
    """
    if series.funding is None or not np.any(series.funding != 0.0):
        return None
    rates = np.nan_to_num(series.funding)
    if series.mark is not None:
        there = np.isfinite(series.mark) & (traded_mark > 0.0)
        rates = rates * np.divide(series.mark, traded_mark, out=np.ones_like(rates), where=there)
    return np.concatenate([np.zeros((1, series.num_symbols)), rates])


def _build(series: CandleSeries) -> Tape:
    per_day = max(_NS_PER_DAY // series.interval_ns, 1)
    candles = new_table(CANDLE, series.num_candles + 1, series.num_symbols)
    traded = np.asarray(series.traded)
    mark = _mark(series)
    for name in ("open", "high", "low"):
        candles[name][1:] = np.where(series.valid, getattr(series, name), mark)
    candles["mark"][1:] = mark
    candles["volume"][1:] = np.nan_to_num(_carry(series.volume, series.valid))
    candles["adv"][1:] = _adv(series, per_day)
    candles["sigma"][1:] = _sigma(mark, per_day, series.interval_ns)
    candles["flags"][1:] = _flags(series, traded)
    _write_first_row(candles, series)
    candles.flags.writeable = False
    return Tape(candles=candles, funding=_funding(series, mark))


_tapes: OrderedDict[str, Tape] = OrderedDict()


def build_tape(series: CandleSeries) -> Tape:
    """Return the tape of a series; the last few are kept, by fingerprint."""
    tape = _tapes.pop(series.fingerprint, None) or _build(series)
    _tapes[series.fingerprint] = tape
    while len(_tapes) > _KEPT:
        _tapes.popitem(last=False)
    return tape
