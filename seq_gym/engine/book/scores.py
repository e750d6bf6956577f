"""What the realism models read of a tape: the factor of latencies (L2), and toxicity (Z1).

Both are arrays by row, made once per tape and causal on their own clock: the agent's for latencies,
the venue's for toxicity, of which the agent sees nothing but its fills.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import ints_at, kernel, singles_at
from seq_gym.engine.book.codes import CLOCK_VENUE, TRADE
from seq_gym.engine.book.features_pass import Pass
from seq_gym.engine.book.features_sample import sample_times
from seq_gym.engine.book.features_stream import run_rows
from seq_gym.engine.book.tables import tape_at, venue_row
from seq_gym.engine.book.tape import BookTape
from seq_gym.errors import ConfigError

__all__ = ["TOXICITY_SCORES", "latency_scale", "scored", "toxicity"]

Singles = NDArray[np.float32]

_SECOND: Final = 1_000_000_000
_YEAR_S: Final = 365.0 * 86_400.0
_HALF_LIFE_S: Final = 300.0
_WARM_S: Final = 60.0
_MOST: Final = 5.0
_SCORED: Final = ("ofi_ewma_1", "realized_volatility_1m", "spread_bps")

TOXICITY_SCORES: Final = ("flow", "volatility", "spread", "size")
"""Columns of `toxicity`."""


def latency_scale(
    tape: BookTape,
    *,
    beta: float = 0.5,
    low: float = 0.5,
    high: float = 4.0,
    window_s: int = 60,
    reference: float | None = None,
) -> Singles:
    """Return the factor of latencies after each local row: clip((rv / rv_ref)^beta, low, high).

    rv is the root mean square log return of the mid over the last `window_s` whole seconds of local
    data; a row on a whole second is not in it yet. Until the window is full the factor is 1.

    Args:
        tape: Of one (venue, symbol).
        beta: Power; 0 is a factor of 1 within the bounds.
        low: Least factor, above 0 and at most 1.
        high: Most, at least 1.
        window_s: Trailing window.
        reference: rv_ref, per root year (0.5 is 50 % a year). None: that of all whole seconds so
            far, so that a market is compared with itself and nothing is known ahead.

    Returns:
        float32 [num_local_rows], **known at** its row.

    Raises:
        ConfigError: An argument out of its range.

    Source: L2.
    """
    _check(beta, low, high, window_s, reference)
    run = Pass(tape, ("realized_volatility_1m",))
    run_rows(run.address, tape.num_local_rows)
    if int(run.state.num_seconds) == 0:
        return np.ones(tape.num_local_rows, np.float32)
    known = int(run.state.known_second)
    last = (tape.local_rows["ts"] - 1) // _SECOND - int(run.context[0]["first_second"])
    is_full = last - known >= window_s
    last = np.where(is_full, last, known + window_s)
    squares = run.seconds
    recent = np.sqrt((squares[last] - squares[last - window_s]) / window_s)
    if reference is None:
        usual = np.sqrt(squares[last] / (last - known))
    else:
        usual = np.full(len(last), reference / math.sqrt(_YEAR_S))
    ratio = np.divide(recent, usual, out=np.ones(len(last)), where=usual > 0)
    factor = np.clip(ratio**beta, low, high)
    return np.where(is_full, factor, 1.0).astype(np.float32)


def _check(beta: float, low: float, high: float, window_s: int, reference: float | None) -> None:
    if not 0.0 < low <= 1.0 <= high < math.inf:
        raise ConfigError(
            f"bounds of the latency factor must be 0 < low <= 1 <= high; were {low}, {high}. "
            "Likely fix: give them as factors, such as 0.5 and 4."
        )
    if not (beta >= 0.0 and math.isfinite(beta)):
        raise ConfigError(f"beta must not be negative; was {beta}. Use 0.5 for a square root.")
    if window_s < 1:
        raise ConfigError(f"window_s must be at least 1; was {window_s}. Use whole seconds.")
    if reference is not None and not 0.0 < reference < math.inf:
        raise ConfigError(
            f"reference must be above 0, per root year; was {reference}. Likely fix: 0.5 for 50 %, "
            "or None for the market's own past."
        )


def toxicity(tape: BookTape) -> Singles:
    """Return scores of how informed the flow is at each venue row.

    | column | of what | sign |
    |---|---|---|
    | `flow` | decayed order flow of the best level | above 0: buyers press; mirror it for a buy |
    | `volatility` | realised volatility of the last minute | above 0: more than of late |
    | `spread` | the spread | above 0: wider than of late |
    | `size` | a print's lots / the mean print's - 1 | above 0: larger than of late |

    A flow above 0 endangers a resting sell. The first three are (x - mean) / deviation, both
    weighted by time with a half-life of 300 s over what was before the row's stamp; the mean of the
    flow is taken as 0. A deviation counts as at least a tenth of the mean. The mean print is that
    of the prints before the row's stamp, each weighing half after 300 s; rows that are no print
    have size 0. Clipped to -5 .. 5; 0 in the first minute of a known book, and of prints.

    Args:
        tape: Of one (venue, symbol).

    Returns:
        float32 [num_venue_rows, 4], **known at** the instant before the row, on the venue's clock,
        `size` with it. All rows of one stamp share the first three.

    Source: Z1.
    """
    stamps, place = np.unique(tape.venue_rows["ts"], return_inverse=True)
    scores = np.zeros((len(stamps), len(_SCORED)), np.float32)
    if len(stamps):
        run = Pass(tape, _SCORED, clock=CLOCK_VENUE)
        before = stamps - 1
        values = np.zeros(scores.shape, np.float32)
        sample_times(run.address, before.ctypes.data, len(before), values.ctypes.data)
        _score(
            before.ctypes.data, len(before), int(run.state.known_ts), values.ctypes.data,
            scores.ctypes.data,
        )  # fmt: skip
    whole = np.zeros((tape.num_venue_rows, len(TOXICITY_SCORES)), np.float32)
    whole[:, : len(_SCORED)] = scores[place]
    _score_prints(tape.address, whole.ctypes.data)
    return whole


@kernel
def _score_prints(tape: int, out: int) -> None:
    """Score prints by their size against the mean of those before their stamp.

    Args:
        tape: Address of the TAPE record.
        out: Address of float32 [num_venue, 4], of which the last column is written.
    """
    t = tape_at(tape, 0)
    scores = singles_at(out)
    first = -1
    stamp = 0  # up to which sum and weight are decayed; prints of the stamp wait beside them
    total = weight = 0.0
    waiting = waiting_weight = 0.0
    for i in range(t.num_venue):
        r = venue_row(t, i)
        if r.kind != TRADE:
            continue
        if first < 0:
            first = r.ts
            stamp = r.ts
        if r.ts > stamp:
            kept = 0.5 ** (float(r.ts - stamp) / _SECOND / _HALF_LIFE_S)
            total = (total + waiting) * kept
            weight = (weight + waiting_weight) * kept
            waiting = waiting_weight = 0.0
            stamp = r.ts
        if total > 0.0 and float(r.ts - first) >= _WARM_S * _SECOND:
            scores[4 * i + 3] = min(_MOST, r.lots * weight / total - 1.0)
        waiting += r.lots
        waiting_weight += 1.0


def scored(
    tape: BookTape, *, latency_scale: Singles | None = None, toxicity: Singles | None = None
) -> BookTape:
    """Return a tape with scores for the realism models to read; the tape itself stays as it is.

    Args:
        tape: As it was prepared; its memory is shared.
        latency_scale: float32 [num_local_rows], what `latency_scale` returns; None: no L2.
        toxicity: float32 [num_venue_rows, 4], what `toxicity` returns; None: no Z1.

    Raises:
        ConfigError: An array of another shape.
    """
    record = tape.record.copy()
    wanted = {
        "latency_scale": (latency_scale, (tape.num_local_rows,)),
        "toxicity": (toxicity, (tape.num_venue_rows, len(TOXICITY_SCORES))),
    }
    keep: list[Any] = [tape]
    for name, (scores, shape) in wanted.items():
        if scores is None:
            continue
        if scores.shape != shape:
            raise ConfigError(
                f"{name} must be of shape {shape}, one for each row of its clock; was "
                f"{scores.shape}. Likely fix: make it from this tape."
            )
        keep.append(np.ascontiguousarray(scores, np.float32))
        record[name] = keep[-1].ctypes.data
    return replace(tape, record=record, keep=tuple(keep))


@kernel
def _score(times: int, count: int, known_ts: int, values: int, out: int) -> None:
    """Score three columns against their own past.

    Args:
        times: Address of int64 [count], ascending.
        count: Times.
        known_ts: When the book was first known; 0: never.
        values: Address of float32 [count, 3].
        out: Address of float32 [count, 3], written where the book was known a minute before.
    """
    stamps = ints_at(times)
    x = singles_at(values)
    scores = singles_at(out)
    begun = -1
    for j in range(3):
        mean = 0.0
        square = 0.0
        begun = -1
        for i in range(count):
            if known_ts == 0 or stamps[i] < known_ts:
                continue
            if begun < 0:
                begun = i
                continue
            # The value before held until now: it weighs by how long, at first among all time.
            held = float(stamps[i] - stamps[i - 1]) / _SECOND
            passed = float(stamps[i] - stamps[begun]) / _SECOND
            weight = max(1.0 - 0.5 ** (held / _HALF_LIFE_S), held / passed)
            off = x[3 * (i - 1) + j] - mean
            if j > 0:
                mean += weight * off
                square = (1.0 - weight) * (square + weight * off * off)
            else:
                square += weight * (off * off - square)
            deviation = max(math.sqrt(square), 0.1 * mean)
            if passed >= _WARM_S and deviation > 0.0:
                score = (x[3 * i + j] - mean) / deviation
                scores[3 * i + j] = max(-_MOST, min(_MOST, score))
