"""Maker adverse selection: passive fills come when they hurt (Z1); off by default.

The tape tells who traded, not who would have traded with me as well. Each passive fill is scored:

    score    = size + flow + volatility + spread
    toxicity = 1 / (1 + exp(bias - score))

`size` is that of the print against the mean print (0 where the other side's best crosses without
one); `flow`, `volatility` and `spread` are what the market was just before (scores.toxicity), the
flow turned so that above 0 it runs against the order. With probability min(toxicity, skip_rate)
the fill is skipped: what I would have got goes to others, the order stays, its queue as after the
print. Otherwise it is executed at a price that is worse than its limit by penalty x toxicity x half
the spread before the row. That is a cost of the model, not a price of the tape; it is at most
ADVERSE_MOST_FRAC of the limit, which spot buys reserve (M3).

One draw a scored fill, from the stream of the lane (Z3).
"""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, singles_at
from seq_gym._random import draw_uniform
from seq_gym.engine.book.answers import execute, execute_at
from seq_gym.engine.book.codes import ADVERSE_MOST_FRAC, NO_ASK, NO_BID
from seq_gym.engine.book.tables import instrument, lane, params_at, tape, venue_row
from seq_gym.engine.book.units import price_of
from seq_gym.engine.codes import MAKER

__all__ = ["make"]


@helper
def _toxicity(p: Any, t: Any, side: int, at: int) -> float:
    """Return how likely a fill of an order on `side` by venue row `at` is an informed one."""
    score = 0.0
    if t.toxicity != 0:
        scores = singles_at(t.toxicity)
        score += -side * float(scores[4 * at])
        for j in range(1, 4):
            score += float(scores[4 * at + j])
    return 1.0 / (1.0 + math.exp(p.adverse_bias - score))


@helper
def _half_spread(ins: Any, t: Any, at: int) -> float:
    """Return half the spread before a venue row; 0 where a side was empty."""
    if at == 0:
        return 0.0
    past = venue_row(t, at - 1)
    if past.bid == NO_BID or past.ask == NO_ASK:
        return 0.0
    return 0.5 * (past.ask - past.bid) * ins.tick_mul / ins.tick_div


@helper
def _make_scored(c: Any, a: Any, e: int, s: int, k: int, o: Any, units: float, at: int) -> None:
    """Skip a passive fill, or execute it at a worse price than its limit."""
    p = params_at(c.params, 0)
    t = tape(c, s)
    ins = instrument(c, s)
    row = lane(c, e, s)
    met = row.venue_row - 1
    toxicity = _toxicity(p, t, o.side, met)
    row.draws_adverse += 1
    if draw_uniform(a.seed, ins.stream_adverse, row.draws_adverse - 1) < min(
        toxicity, p.adverse_skip_rate
    ):
        return
    price = price_of(ins, o.tick)
    worse = p.adverse_penalty * toxicity * _half_spread(ins, t, met)
    price += o.side * min(worse, ADVERSE_MOST_FRAC * price)
    execute_at(c, a, e, s, k, o, units, o.tick, price, MAKER, at)


@helper
def make(c: Any, a: Any, e: int, s: int, k: int, o: Any, units: float, at: int) -> None:
    """Let the order in slot k be filled as a maker, unless its fill is skipped (Z1).

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane, whose cursor stands behind the row that fills.
        k: The order's slot.
        o: The ORDER record.
        units: How much.
        at: Venue time, UNIX ns.
    """
    if params_at(c.params, 0).adverse == 0:
        execute(c, a, e, s, k, o, units, o.tick, MAKER, at)
    else:
        _make_scored(c, a, e, s, k, o, units, at)
