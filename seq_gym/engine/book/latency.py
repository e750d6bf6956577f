"""Latency: how long a message takes to the venue and back (L1, L2).

Each message draws from the keyed stream of its lane and purpose (Z3), numbered by a counter of the
lane, so that neither other lanes nor the size of a batch change a draw.
"""

from __future__ import annotations

import math
from typing import Any, Final

from seq_gym._jit import helper, ints_at, kernel, singles_at
from seq_gym._random import draw_uniform
from seq_gym.engine.book.codes import LATENCY_CONSTANT, LATENCY_LOG_NORMAL, LATENCY_NONE
from seq_gym.engine.book.cursor import first_after
from seq_gym.engine.book.tables import instrument, lane, params_at, row_at, tape

__all__ = ["FOR_CANCEL", "FOR_ENTRY", "FOR_RESPONSE", "latency_ns", "normal_of"]

FOR_ENTRY: Final = 0
"""A new order on its way to the venue."""
FOR_CANCEL: Final = 1
"""A cancel, amend or decrease on its way to the venue."""
FOR_RESPONSE: Final = 2
"""A report on its way to the agent."""

_LEAST: Final = 2.0**-53
"""Stands for a uniform draw of 0: the smallest other one."""


# AS 241's coefficients, highest power first: numerators and denominators of the middle of the
# distribution, of its flanks and of its tails.
_MIDDLE_TOP: Final = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080e0,
)
_MIDDLE_BOTTOM: Final = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
_FLANK_TOP: Final = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e0,
    3.64784832476320460504e0,
    5.76949722146069140550e0,
    4.63033784615654529590e0,
    1.42343711074968357734e0,
)
_FLANK_BOTTOM: Final = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e0,
    2.05319162663775882187e0,
    1.0,
)
_TAIL_TOP: Final = (
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    1.24266094738807843860e-3,
    2.65321895265761230930e-2,
    2.96560571828504891230e-1,
    1.78482653991729133580e0,
    5.46378491116411436990e0,
    6.65790464350110377720e0,
)
_TAIL_BOTTOM: Final = (
    2.04426310338993978564e-15,
    1.42151175831644588870e-7,
    1.84631831751005468180e-5,
    7.86869131145613259100e-4,
    1.48753612908506148525e-2,
    1.36929880922735805310e-1,
    5.99832206555887937690e-1,
    1.0,
)


@helper
def _polynomial(coefficients: Any, r: float) -> float:
    """Evaluate a polynomial of degree 7 by Horner's rule."""
    total = coefficients[0]
    for power in range(1, 8):
        total = total * r + coefficients[power]
    return total


@kernel
def normal_of(u: float) -> float:
    """Return the standard normal quantile of a uniform draw, accurate to 1e-15.

    A draw of 0 is taken as 2**-53. Source: M. J. Wichura, "Algorithm AS 241: The Percentage
    Points of the Normal Distribution", Applied Statistics 37 (1988), routine PPND16.
    """
    u = max(u, _LEAST)
    q = u - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        return _polynomial(_MIDDLE_TOP, r) * q / _polynomial(_MIDDLE_BOTTOM, r)
    r = math.sqrt(-math.log(u if q <= 0.0 else 1.0 - u))
    if r <= 5.0:
        x = _polynomial(_FLANK_TOP, r - 1.6) / _polynomial(_FLANK_BOTTOM, r - 1.6)
    else:
        x = _polynomial(_TAIL_TOP, r - 5.0) / _polynomial(_TAIL_BOTTOM, r - 5.0)
    return -x if q < 0.0 else x


@helper
def _recorded(ins: Any, purpose: int, at: int) -> float:
    """Interpolate a recorded latency at a time: linear between its samples, flat outside.

    Samples of entries lie at their request times, those of responses at their exchange times.
    """
    times = ints_at(ins.recorded)
    stamp = 1 if purpose == FOR_RESPONSE else 0
    low = 0
    high = ins.num_recorded
    while low < high:
        middle = (low + high) >> 1
        if times[middle * 3 + stamp] <= at:
            low = middle + 1
        else:
            high = middle
    if low == 0 or low == ins.num_recorded:
        k = 3 * (low if low == 0 else low - 1) + stamp
        return float(times[k + 1] - times[k])
    k = 3 * (low - 1) + stamp
    before = float(times[k + 1] - times[k])
    after = float(times[k + 4] - times[k + 3])
    return before + (after - before) * (float(at - times[k]) / float(times[k + 3] - times[k]))


@helper
def _scale(c: Any, e: int, s: int, at: int) -> float:
    """Return L2's factor as the last local row known at a time leaves it; 1 before the first."""
    t = tape(c, s)
    if t.latency_scale == 0:
        return 1.0
    ts = at - instrument(c, s).feed_ns
    low = lane(c, e, s).local_row
    if low > 0 and row_at(t.local_rows, low - 1).ts > ts:
        low = 0
    known = first_after(t.local_rows, low, t.num_local, ts)
    return float(singles_at(t.latency_scale)[known - 1]) if known > 0 else 1.0


@helper
def _count_draw(row: Any, purpose: int) -> int:
    """Return the number of a purpose's next draw, and count it."""
    if purpose == FOR_ENTRY:
        row.draws_entry += 1
        return row.draws_entry - 1
    if purpose == FOR_CANCEL:
        row.draws_cancel += 1
        return row.draws_cancel - 1
    row.draws_response += 1
    return row.draws_response - 1


@helper
def _log_normal(c: Any, a: Any, e: int, s: int, purpose: int, median: float) -> float:
    """Draw from a log-normal around its median."""
    ins = instrument(c, s)
    if purpose == FOR_ENTRY:
        stream, sigma = ins.stream_entry, ins.entry_sigma
    elif purpose == FOR_CANCEL:
        stream, sigma = ins.stream_cancel, ins.cancel_sigma
    else:
        stream, sigma = ins.stream_response, ins.response_sigma
    counter = _count_draw(lane(c, e, s), purpose)
    uniform = draw_uniform(a.seed, stream, counter)
    return median * math.exp(sigma * normal_of(uniform))


@helper
def latency_ns(c: Any, a: Any, e: int, s: int, purpose: int, at: int) -> int:
    """Return how long a message of a lane takes, whole nanoseconds; never negative.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e; its seed keys the draw.
        e: The account.
        s: The lane.
        purpose: FOR_ENTRY, FOR_CANCEL or FOR_RESPONSE.
        at: When it is sent: the agent's time, of a response the venue's.
    """
    ins = instrument(c, s)
    if ins.latency_model == LATENCY_NONE:
        return 0
    value = ins.response_ns
    if purpose == FOR_ENTRY:
        value = ins.entry_ns
    elif purpose == FOR_CANCEL:
        value = ins.cancel_ns
    if ins.latency_model == LATENCY_LOG_NORMAL:
        value = _log_normal(c, a, e, s, purpose, value)
    elif ins.latency_model != LATENCY_CONSTANT:
        value = _recorded(ins, purpose, at)
    if params_at(c.params, 0).latency_scaled != 0:
        value *= _scale(c, e, s, at)
    return math.floor(max(value, 0.0) + 0.5)
