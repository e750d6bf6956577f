"""Averages of the book features: over trades, over volume buckets, over whole seconds."""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import floats_at, helper, inlined, ints_at
from seq_gym.engine.book.codes import NO_ASK, NO_BID
from seq_gym.engine.book.features_layout import (
    COUNT,
    DEPTH_OF_TOP,
    HORIZONS_S,
    NUM_BUCKETS,
    PAST_AT,
    RING_AT,
    SIDES_AT,
    SIGNED,
    SIGNS,
    TOPS_AT,
    TRADES_AT,
    VOLUME,
    side_at,
)
from seq_gym.engine.book.features_table import BUCKETS, LEVELS, RETURNS, SECONDS, TRADES
from seq_gym.engine.book.tables import row_at

__all__ = ["add_trade", "mean_level", "pass_mids", "pass_seconds"]

_SECOND: Final = 1_000_000_000
_K: Final = DEPTH_OF_TOP
_NUM_HORIZONS: Final = len(HORIZONS_S)
_DECAY_1: Final = math.log(2.0) / (HORIZONS_S[0] * _SECOND)
_DECAY_10: Final = math.log(2.0) / (HORIZONS_S[1] * _SECOND)
_DECAY_60: Final = math.log(2.0) / (HORIZONS_S[2] * _SECOND)
# Weight of a new second in a moving average of so long a half-life.
_OF_10: Final = 1.0 - 0.5 ** (1.0 / 10.0)
_OF_60: Final = 1.0 - 0.5 ** (1.0 / 60.0)
_OF_300: Final = 1.0 - 0.5 ** (1.0 / 300.0)
_BUCKET_SECONDS: Final = 5.0
_SECONDS_BEFORE_BUCKETS: Final = 60


@helper
def add_trade(k: Any, f: Any, lots: int, sign: int, ts: int) -> None:
    """Take a print into the decayed sums and the volume buckets.

    Args:
        k: The FEATURE_CONTEXT.
        f: The FEATURE_STATE.
        lots: Of the print.
        sign: Of its aggressor; 0: not known, counts in volumes and not in signs.
        ts: Of the row.
    """
    f.volume += lots
    f.signed += sign * lots
    if (k.parts & TRADES) != 0:
        sums = floats_at(k.state + TRADES_AT)
        past = float(f.trade_ts - ts)
        for h in range(_NUM_HORIZONS):
            if past != 0.0:
                rate = _DECAY_1 if h == 0 else (_DECAY_10 if h == 1 else _DECAY_60)
                decay = math.exp(rate * past)
                for j in range(4):
                    sums[4 * h + j] *= decay
            sums[4 * h + COUNT] += 1.0
            sums[4 * h + SIGNS] += float(sign)
            sums[4 * h + VOLUME] += float(lots)
            sums[4 * h + SIGNED] += float(sign * lots)
        f.trade_ts = ts
    if (k.parts & BUCKETS) != 0 and f.num_seconds >= _SECONDS_BEFORE_BUCKETS:
        _fill_buckets(k, f, lots, sign, ts)


@helper
def _fill_buckets(k: Any, f: Any, lots: int, sign: int, ts: int) -> None:
    """Split a print over the volume buckets of VPIN."""
    rest = lots
    while rest > 0:
        if f.bucket_lots == 0:
            f.bucket_lots = max(1, int(_BUCKET_SECONDS * f.volume_rate + 0.5))
            if rest > (NUM_BUCKETS + 1) * f.bucket_lots:
                # A print of many buckets: all but the last ring of them leave no trace.
                skipped = rest // f.bucket_lots - NUM_BUCKETS
                rest -= skipped * f.bucket_lots
                f.num_buckets += skipped
        taken = min(rest, f.bucket_lots - f.bucket_filled)
        f.bucket_filled += taken
        f.bucket_signed += sign * taken
        rest -= taken
        if f.bucket_filled == f.bucket_lots:
            _close_bucket(k, f)
    if f.full_ts == 0 and f.num_buckets >= NUM_BUCKETS:
        f.full_ts = ts


@helper
def _close_bucket(k: Any, f: Any) -> None:
    imbalances = ints_at(k.state + RING_AT)
    volumes = ints_at(k.state + RING_AT + 8 * NUM_BUCKETS)
    slot = f.num_buckets % NUM_BUCKETS
    imbalance = abs(f.bucket_signed)
    f.sum_imbalance += imbalance - imbalances[slot]
    f.sum_volume += f.bucket_lots - volumes[slot]
    imbalances[slot] = imbalance
    volumes[slot] = f.bucket_lots
    f.num_buckets += 1
    f.bucket_lots = 0
    f.bucket_filled = 0
    f.bucket_signed = 0


@inlined
def pass_seconds(k: Any, f: Any, until: int) -> None:
    """Pass the whole seconds up to and including `until`, as far as their table goes."""
    while f.next_second <= until and f.next_second < (k.first_second + k.num_seconds) * _SECOND:
        _pass_second(k, f, f.next_second)
        f.next_second += _SECOND


@helper
def _pass_second(k: Any, f: Any, ts: int) -> None:
    index = ts // _SECOND - k.first_second
    if f.known_ts != 0:
        if f.num_seconds == 0:
            f.known_second = index
            f.second_mid = f.mid
        f.num_seconds += 1
        if (k.parts & SECONDS) != 0:
            _average(k, f)
    f.volume = 0
    floats_at(k.seconds)[index] = f.squares
    if (k.parts & RETURNS) != 0:
        pass_mids(k, ts)


@helper
def _average(k: Any, f: Any) -> None:
    """Take a second into the moving averages; they begin as plain means."""
    plain = 1.0 / float(f.num_seconds)
    slow = max(_OF_300, plain)
    off = f.spread_bps - f.spread_mean
    f.spread_mean += slow * off
    f.spread_variance = (1.0 - slow) * (f.spread_variance + slow * off * off)
    f.spread_fast += max(_OF_10, plain) * (f.spread_bps - f.spread_fast)
    f.volume_rate += slow * (float(f.volume) - f.volume_rate)
    if (k.parts & LEVELS) != 0:
        f.level_lots += max(_OF_60, plain) * (_level_now(k) - f.level_lots)
    if f.num_seconds > 1:
        step = math.log(f.mid / f.second_mid)
        f.squares += step * step
        # The first second has no return: the plain mean is over one fewer.
        weight = max(_OF_300, 1.0 / float(f.num_seconds - 1))
        f.variance += weight * (step * step - f.variance)
    f.second_mid = f.mid


@helper
def _level_now(k: Any) -> float:
    """Return the mean lots of the watched levels, 0 where there are none."""
    total = 0
    count = 0
    for s in range(2):
        count += side_at(k.state + SIDES_AT, s).num_top
        held = ints_at(k.state + TOPS_AT + s * 32 * _K + 8 * _K)
        for m in range(_K):
            total += held[m]
    return float(total) / float(count) if count > 0 else 0.0


@helper
def mean_level(k: Any, f: Any) -> float:
    """Return the moving mean lots of a level, the unit of sizes and flows; 1 lot at least."""
    return max(f.level_lots if f.num_seconds > 0 else _level_now(k), 1.0)


@helper
def pass_mids(k: Any, now: int) -> None:
    """Bring the mids of the past to what was known one horizon before `now`."""
    rows = ints_at(k.state + PAST_AT)
    mids = floats_at(k.state + PAST_AT + 8 * _NUM_HORIZONS)
    for h in range(_NUM_HORIZONS):
        seconds = 1 if h == 0 else (10 if h == 1 else 60)
        until = now - seconds * _SECOND
        r = rows[h]
        while r < k.num_rows:
            x = row_at(k.rows, r)
            if x.ts > until:
                break
            r += 1
            whole = r == k.num_rows or row_at(k.rows, r).ts != x.ts
            if whole and x.bid != NO_BID and x.ask != NO_ASK and x.bid + x.ask > 0:
                mids[h] = 0.5 * (float(x.bid) + float(x.ask))
        rows[h] = r
