"""What the book features are worth at one time: a row of a sample, from the state of the pass."""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import floats_at, helper, inlined, ints_at, kernel, singles_at
from seq_gym.engine.book.features_averages import mean_level, pass_mids
from seq_gym.engine.book.features_layout import (
    ABSENT,
    COUNT,
    DEPTH_OF_TOP,
    HORIZONS_S,
    PAST_AT,
    SIGNED,
    SIGNS,
    TOPS_AT,
    TRADES_AT,
    VOLUME,
    context_at,
    state_at,
)
from seq_gym.engine.book.features_stream import mark, run_to
from seq_gym.engine.book.features_table import (
    BUCKETS,
    COLUMN,
    FLOW,
    LEVELS,
    RETURNS,
    SECONDS,
    TOP,
    TRADES,
)

__all__ = ["run_and_mark", "sample_at", "sample_times"]

_SECOND: Final = 1_000_000_000
_YEAR_S: Final = 365.0 * 86_400.0
_K: Final = DEPTH_OF_TOP
_NUM_HORIZONS: Final = len(HORIZONS_S)
_LN2: Final = math.log(2.0)
_DECAY_10: Final = _LN2 / (10.0 * _SECOND)
_REGIME: Final = 1.5
_MOST_SIGMAS: Final = 10.0

# Columns of one kind lie beside each other, or as many apart as their family has members.
_DISTANCE = (COLUMN["bid_distance_1"], COLUMN["ask_distance_1"])
_SIZE = (COLUMN["bid_size_1"], COLUMN["ask_size_1"])
_IMBALANCE = COLUMN["imbalance_1"]
_OFI = COLUMN["ofi_1"]
_OFI_EWMA = COLUMN["ofi_ewma_1"]
_SIGN = COLUMN["trade_sign_1s"]
_RETURN = COLUMN["return_bps_1s"]
_MICRO = COLUMN["microprice_bps"]
_SPREAD = COLUMN["spread_bps"]
_SPREAD_Z = COLUMN["spread_zscore"]
_SPREAD_REGIME = COLUMN["spread_regime"]
_TRADE_FLOW = COLUMN["trade_flow"]
_VPIN = COLUMN["vpin"]
_CANCEL_RATE = COLUMN["cancel_rate"]
_CANCEL_SHARE = COLUMN["cancel_share"]
_VOLATILITY = COLUMN["realized_volatility_1m"]
_STALENESS = COLUMN["staleness"]
_STALE = COLUMN["book_stale"]
_HALTED = COLUMN["halted"]
_BUYS = COLUMN["buy_prints_per_second"]
_SELLS = COLUMN["sell_prints_per_second"]
_PRINT = COLUMN["mean_print_lots"]


@kernel
def sample_times(context: int, times: int, count: int, out: int) -> None:
    """Run through ascending times and write a row at each.

    Args:
        context: Address of the FEATURE_CONTEXT.
        times: Address of int64 [count], UNIX nanoseconds on the tape's own local clock.
        count: Times.
        out: Address of float32 [count, num_columns].
    """
    k = context_at(context, 0)
    f = state_at(k.state, 0)
    stamps = ints_at(times)
    for i in range(count):
        run_to(k, f, stamps[i])
        _write(k, f, stamps[i], out + 4 * i * k.num_columns)
        mark(context)


@kernel
def run_and_mark(context: int, until: int) -> None:
    """Run up to a time and begin a decision interval there."""
    k = context_at(context, 0)
    run_to(k, state_at(k.state, 0), until)
    mark(context)


@kernel
def sample_at(context: int, begun: int, now: int, out: int) -> None:
    """Run up to `now` and write one row, its interval begun where another pass stands.

    Args:
        context: Address of the FEATURE_CONTEXT.
        begun: Address of the state block of the other pass, which stands at the interval's begin.
        now: UNIX nanoseconds on the tape's own local clock.
        out: Address of float32 [num_columns].
    """
    k = context_at(context, 0)
    f = state_at(k.state, 0)
    b = state_at(begun, 0)
    run_to(k, f, now)
    f.mark_1 = b.flow_1
    f.mark_5 = b.flow_5
    f.mark_10 = b.flow_10
    f.mark_signed = b.signed
    _write(k, f, now, out)


@helper
def _write(k: Any, f: Any, now: int, out: int) -> None:
    """Write the wanted columns, within their bounds."""
    if f.known_ts != 0:
        _compute(k, f, now)
    values = floats_at(k.values)
    columns = ints_at(k.columns)
    low = singles_at(k.low)
    high = singles_at(k.high)
    row = singles_at(out)
    for j in range(k.num_columns):
        value = values[columns[j]] if f.known_ts != 0 else 0.0
        row[j] = max(low[j], min(high[j], value))


@helper
def _compute(k: Any, f: Any, now: int) -> None:
    values = floats_at(k.values)
    values[_SPREAD] = f.spread_bps
    values[_STALENESS] = math.log1p(float(max(now - f.book_ts, 0)) / _SECOND)
    values[_STALE] = 1.0 if (f.flags & 1) != 0 else 0.0
    values[_HALTED] = 1.0 if (f.flags & 2) != 0 else 0.0
    level = mean_level(k, f)
    if (k.parts & LEVELS) != 0:
        _touch(k, f, values)
    if (k.parts & TOP) != 0:
        _top(k, f, values, level)
    if (k.parts & FLOW) != 0:
        _flow(k, f, values, level, now)
    if (k.parts & TRADES) != 0:
        _trades(k, f, values, now)
    if (k.parts & BUCKETS) != 0:
        values[_VPIN] = _ratio(float(f.sum_imbalance), float(f.sum_volume))
    if (k.parts & SECONDS) != 0:
        _seconds(k, f, values)
    if (k.parts & RETURNS) != 0:
        _returns(k, f, values, now)


@inlined
def _slog(x: float) -> float:
    return math.copysign(math.log1p(abs(x)), x)


@inlined
def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else 0.0


@helper
def _touch(k: Any, f: Any, values: Any) -> None:
    """Write the imbalances and the microprice."""
    bids = ints_at(k.state + TOPS_AT + 8 * _K)
    asks = ints_at(k.state + TOPS_AT + 40 * _K)
    bid = 0
    ask = 0
    for m in range(_K):
        bid += bids[m]
        ask += asks[m]
        if m == 0 or m == 4 or m == 9:
            column = _IMBALANCE + 3 * (0 if m == 0 else (1 if m == 4 else 2))
            values[column] = _ratio(float(bid - ask), float(bid + ask))
    values[_MICRO] = 0.0
    if bids[0] > 0 and asks[0] > 0:
        # The weighted mid lies off the mid by half the spread times the imbalance.
        values[_MICRO] = 0.5 * f.spread_bps * values[_IMBALANCE]


@helper
def _top(k: Any, f: Any, values: Any, level: float) -> None:
    """Write distances and sizes of the watched levels."""
    for s in range(2):
        signed = ints_at(k.state + TOPS_AT + s * 32 * _K)
        held = ints_at(k.state + TOPS_AT + s * 32 * _K + 8 * _K)
        mid = f.mid if s == 0 else -f.mid
        far = 0.0
        for m in range(_K):
            if signed[m] != ABSENT:
                far = math.log1p(abs(mid - float(signed[m])))
            values[_DISTANCE[s] + m] = far
            values[_SIZE[s] + m] = math.log1p(float(held[m]) / level)


@helper
def _flow(k: Any, f: Any, values: Any, level: float, now: int) -> None:
    """Write order flow of the interval and its decayed sums."""
    decay = math.exp(_DECAY_10 * float(min(f.flow_ts - now, 0)))
    values[_OFI] = _slog(float(f.flow_1 - f.mark_1) / level)
    values[_OFI + 3] = _slog(float(f.flow_5 - f.mark_5) / (5.0 * level))
    values[_OFI + 6] = _slog(float(f.flow_10 - f.mark_10) / (10.0 * level))
    rate = decay * (_LN2 / 10.0)
    values[_OFI_EWMA] = _slog(f.decayed_1 * rate / level)
    values[_OFI_EWMA + 3] = _slog(f.decayed_5 * rate / (5.0 * level))
    values[_OFI_EWMA + 6] = _slog(f.decayed_10 * rate / (10.0 * level))
    values[_TRADE_FLOW] = _slog(float(f.signed - f.mark_signed) / level)
    removed = f.removed * decay
    past = float(min(f.trade_ts - now, 0))
    printed = floats_at(k.state + TRADES_AT)[4 + VOLUME] * math.exp(_DECAY_10 * past)
    gone = max(removed - printed, 0.0)
    values[_CANCEL_RATE] = math.log1p(gone * (_LN2 / 10.0) / level)
    values[_CANCEL_SHARE] = _ratio(gone, removed)


@helper
def _trades(k: Any, f: Any, values: Any, now: int) -> None:
    """Write what the decayed sums over prints say."""
    sums = floats_at(k.state + TRADES_AT)
    past = float(min(f.trade_ts - now, 0)) / _SECOND
    for h in range(_NUM_HORIZONS):
        seconds = 1.0 if h == 0 else (10.0 if h == 1 else 60.0)
        rate = math.exp(_LN2 / seconds * past) * (_LN2 / seconds)
        count = sums[4 * h + COUNT]
        signs = sums[4 * h + SIGNS]
        column = _SIGN + 3 * h
        # A ratio of two decayed sums is what it was at the last print.
        values[column] = _ratio(signs, count)
        values[column + 1] = _ratio(sums[4 * h + SIGNED], sums[4 * h + VOLUME])
        values[column + 2] = math.log1p(count * rate)
        if h == 1:
            values[_BUYS] = 0.5 * (count + signs) * rate
            values[_SELLS] = 0.5 * (count - signs) * rate
            values[_PRINT] = _ratio(sums[4 * h + VOLUME], count)


@helper
def _seconds(k: Any, f: Any, values: Any) -> None:
    """Write what stands on the grid of whole seconds."""
    mean = f.spread_mean
    off = f.spread_bps - mean
    deviation = max(math.sqrt(f.spread_variance), 0.1 * mean)
    score = _ratio(off, deviation) if f.num_seconds > 0 else 0.0
    values[_SPREAD_Z] = max(-_MOST_SIGMAS, min(_MOST_SIGMAS, score))
    wide = f.spread_fast > _REGIME * mean
    tight = f.spread_fast * _REGIME < mean
    values[_SPREAD_REGIME] = (1.0 if wide else 0.0) - (1.0 if tight else 0.0)
    squares = floats_at(k.seconds)
    last = f.next_second // _SECOND - k.first_second - 1
    for h in range(3):
        window = 60 if h == 0 else (300 if h == 1 else 3600)
        count = min(window, last - f.known_second)
        values[_VOLATILITY + h] = 0.0
        if f.num_seconds > 0 and count > 0:
            mean_square = (squares[last] - squares[last - count]) / float(count)
            values[_VOLATILITY + h] = math.sqrt(mean_square * _YEAR_S)


@helper
def _returns(k: Any, f: Any, values: Any, now: int) -> None:
    """Write mid returns, in bps and in sigmas."""
    pass_mids(k, now)
    mids = floats_at(k.state + PAST_AT + 8 * _NUM_HORIZONS)
    for h in range(_NUM_HORIZONS):
        seconds = 1.0 if h == 0 else (10.0 if h == 1 else 60.0)
        step = math.log(f.mid / mids[h]) if mids[h] > 0.0 else 0.0
        sigma = math.sqrt(f.variance * seconds)
        values[_RETURN + 2 * h] = 1e4 * step
        values[_RETURN + 2 * h + 1] = _ratio(step, sigma)
