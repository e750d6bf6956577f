"""The synthetic market's matching engine: orders by name in queues, run event by event.

A zero-intelligence book (Smith, Farmer, Gillemot and Krishnamurthy 2003, "Statistical theory of
the continuous double auction") around a fair price that moves by itself: makers place below and
above it and withdraw what it has passed, takers come in bursts (Hawkes 1971) and more of them when
quotes are stale. Times are exact: the wait for the next event is drawn from the sum of all rates.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from seq_gym._jit import helper, kernel
from seq_gym._random import draw_uniform
from seq_gym.market.book.synthetic_draws import exponential, exponential_of
from seq_gym.market.book.synthetic_pools import (
    BEST,
    CANCEL,
    CAPACITY,
    COUNT,
    DRAWS,
    EMITTING,
    FILL,
    MESSAGE,
    NUM_FREE,
    OUT,
    RING,
    Pools,
    place_order,
    show_book,
    take,
)

__all__ = ["GRID_NS", "Rates", "run_market"]

FloatArray = npt.NDArray[np.float64]

GRID_NS: Final = 10_000_000
"""One step of the reference price."""
_KEPT_ORDERS: Final = 8
"""Orders that each side always keeps: the book is never empty."""


class Rates(NamedTuple):
    """What `SyntheticMarket` says, in the units of the kernel: rates per nanosecond."""

    limit: float
    market: float
    cancel: float
    patience_ns: float
    informed: float
    foresight: float
    foresight_steps: int
    reprice: float
    excitation: float
    decay: float
    depth_ticks: float
    max_depth: float
    mean_lots: float


@helper
def _draw(pools: Pools, seed: int, stream: int) -> float:
    pools.state[DRAWS] += 1
    return draw_uniform(seed, stream, pools.state[DRAWS])


@helper
def _size(pools: Pools, rates: Rates, seed: int, stream: int) -> int:
    """Draw a size in lots: a Pareto tail of index 2, cut at fifty times the mean."""
    excess = 1.0 / math.sqrt(1.0 - _draw(pools, seed, stream)) - 1.0
    return 1 + int(rates.mean_lots * min(excess, 50.0))


@helper
def _limit(
    pools: Pools,
    rates: Rates,
    seed: int,
    stream: int,
    ts: int,
    side: int,
    fair: int,
    depth: float,
) -> None:
    """A maker places at or behind the fair price, never through the other side."""
    sign = 1 - 2 * side
    away = depth * (1.0 / (1.0 - _draw(pools, seed, stream)) - 1.0)
    inner = fair + side  # the bid's own tick, or the one above it
    other = pools.state[BEST + 1 - side]
    if pools.state[COUNT + 1 - side] > 0 and (other - inner) * sign <= 0:
        inner = other - sign
    tick = inner - sign * int(min(away, rates.max_depth))
    lots = _size(pools, rates, seed, stream)
    if tick >= 1 and pools.state[NUM_FREE] > 0:
        place_order(pools, ts, side, tick, lots)


@helper
def _cancel(pools: Pools, rates: Rates, seed: int, stream: int, ts: int) -> None:
    """Some order thinks again: the longer it has waited, the less likely it leaves."""
    bids, asks = pools.state[COUNT], pools.state[COUNT + 1]
    pick = int(_draw(pools, seed, stream) * (bids + asks))
    side = 0 if pick < bids else 1
    slot = pools.alive[side, pick - side * bids]
    restless = 0.04 + 0.96 * rates.patience_ns / (rates.patience_ns + (ts - pools.born[slot]))
    if pools.state[COUNT + side] > _KEPT_ORDERS and _draw(pools, seed, stream) < restless:
        take(pools, ts, CANCEL, slot, pools.lots[slot])


@helper
def _withdraw(pools: Pools, seed: int, stream: int, ts: int, side: int) -> None:
    """Some order at a touch that the fair price has passed is withdrawn."""
    at = pools.state[BEST + side] & (RING - 1)
    if pools.state[COUNT + side] <= _KEPT_ORDERS:
        return
    # Who has waited longest has most to lose.
    slot, chance = pools.tail[side, at], _draw(pools, seed, stream)
    for _ in range(int(chance * chance * pools.level_orders[side, at])):
        slot = pools.before[slot]
    take(pools, ts, CANCEL, slot, pools.lots[slot])


@helper
def _hit(pools: Pools, ts: int, side: int, lots: int) -> None:
    """An aggressor meets the resting orders of a side, best first, oldest first."""
    while lots > 0 and pools.state[COUNT + side] > _KEPT_ORDERS:
        slot = pools.head[side, pools.state[BEST + side] & (RING - 1)]
        part = min(lots, pools.lots[slot])
        lots -= part
        take(pools, ts, FILL, slot, part)


@helper
def _threat(pools: Pools, rates: Rates, fair: float, ahead: float, side: int) -> float:
    """Ticks by which a side's touch stands beyond the fair price, and a hint of what will."""
    sign = 1 - 2 * side
    stale = (pools.state[BEST + side] - int(fair) - side) * sign
    coming = (fair - ahead) * sign
    return float(max(0, min(stale, 4)) + rates.foresight * max(0.0, min(coming, 4.0)))


@helper
def _gap_ticks(pools: Pools, fair: int, side: int) -> int:
    """How far the touch of a side stands back from the fair price."""
    return int(max(0, (fair + side - pools.state[BEST + side]) * (1 - 2 * side)))


@helper
def _happen(
    pools: Pools,
    rates: Rates,
    seed: int,
    stream: int,
    ts: int,
    fair: float,
    ahead: float,
    heat: FloatArray,
) -> None:
    """One event at a time that was drawn; which, in proportion to the rates."""
    floor = int(fair)
    # The nearer the fair price is to the tick above, the more makers join the bid.
    lean = fair - floor - 0.5
    pick = _draw(pools, seed, stream) * heat[2]
    for side in range(2):
        threat = _threat(pools, rates, fair, ahead, side)
        pick -= rates.limit * (1.0 + (1 - 2 * side) * lean)
        if pick < 0.0:
            _limit(pools, rates, seed, stream, ts, side, floor, rates.depth_ticks)
            return
        pick -= rates.reprice * min(_gap_ticks(pools, floor, side), 4)
        if pick < 0.0:
            _limit(pools, rates, seed, stream, ts, side, floor, 0.5)
            return
        pick -= rates.market + heat[side] + rates.informed * threat
        if pick < 0.0:
            _hit(pools, ts, side, _size(pools, rates, seed, stream))
            heat[side] += rates.excitation * rates.decay * 0.8
            heat[1 - side] += rates.excitation * rates.decay * 0.2
            return
        pick -= rates.reprice * threat
        if pick < 0.0:
            _withdraw(pools, seed, stream, ts, side)
            return
    pick -= rates.cancel * (pools.state[COUNT] + pools.state[COUNT + 1])
    if pick < 0.0:
        _cancel(pools, rates, seed, stream, ts)


@helper
def _total_rate(pools: Pools, rates: Rates, fair: float, ahead: float, heat: FloatArray) -> float:
    total = 2.0 * (rates.limit + rates.market) + heat[0] + heat[1]
    total += rates.cancel * (pools.state[COUNT] + pools.state[COUNT + 1])
    for side in range(2):
        total += rates.reprice * min(_gap_ticks(pools, int(fair), side), 4)
        total += (rates.reprice + rates.informed) * _threat(pools, rates, fair, ahead, side)
    return float(total)


@kernel
def run_market(
    pools: Pools,
    rates: Rates,
    path: FloatArray,
    seed: int,
    stream: int,
    start_ns: int,
    lag_ns: int,
    warm_ns: int,
    run_ns: int,
) -> int:
    """Run a market and write what happens to its orders.

    Args:
        pools: An empty book (`make_pools`).
        rates: What happens how often.
        path: float64 [steps], the fair price in ticks, one per `GRID_NS` from the warm-up on, and
            as many more as takers foresee.
        seed: Of the market.
        stream: Of this venue and symbol.
        start_ns: Time of the first row.
        lag_ns: By how much this venue learns the fair price later.
        warm_ns: How long the book fills before the first row.
        run_ns: How long rows are written.

    Returns:
        Rows written; the pool's capacity where there was not room for all.
    """
    state, heat = pools.state, np.zeros(3)
    now = -warm_ns
    while state[OUT] < state[CAPACITY]:
        step = (now + warm_ns) // GRID_NS
        known = max(0, (now + warm_ns - lag_ns) // GRID_NS)
        fair, ahead = path[known], path[known + rates.foresight_steps]
        heat[2] = _total_rate(pools, rates, fair, ahead, heat)
        state[DRAWS] += 1
        wait = 1 + int(exponential(seed, stream, state[DRAWS]) / heat[2])
        # Rates hold until the next step of the fair price: there the wait begins anew.
        edge = (step + 1) * GRID_NS - warm_ns
        ts = min(now + wait, edge)
        if state[EMITTING] == 0 and ts >= 0:
            show_book(pools, start_ns)
        if ts > run_ns:
            break
        cooling = exponential_of(-rates.decay * (ts - now))
        heat[0] *= cooling
        heat[1] *= cooling
        if now + wait < edge:
            state[MESSAGE] += 1
            _happen(pools, rates, seed, stream, start_ns + ts, fair, ahead, heat)
        now = ts
    return int(state[OUT])
