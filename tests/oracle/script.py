"""Seeded scripts of timed commands, decided from the feed alone: the same for both engines.

Every order is for some whole lots and six tenths of one, so that no execution of whole lots ever
exhausts it exactly: hftbacktest stops with an error where that happens. A cancel leaves well after
the order's answer came back, whatever the latency of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.codes import BUY, NO_ASK, NO_BID, TRADE
from tests.oracle.feed import Int64, Recording, Touch, local_order, local_touch

NEW, CANCEL = 0, 1
GTC, GTX, FOK, IOC, MARKET = 0, 1, 2, 3, 4
"""What to do with an order: hftbacktest's times in force, and a market order."""
FORCES = ("GTC", "GTX", "FOK", "IOC", "MARKET")

_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000
_MOST_LOTS = 1e12  # a double still tells tenths of a lot apart: coins are counted in 1e-8
_ACKNOWLEDGED = 120 * _MILLISECOND  # no cancel sooner: twice the slowest round trip, and some
_THROUGH = 4
_NEVER = 0.15  # share of resting orders that are not cancelled


@dataclass(frozen=True, eq=False, kw_only=True)
class Script:
    """Commands in order of time; an order's number is its place among the orders, from 1."""

    seed: int
    time: Int64
    """When the agent sends, UNIX nanoseconds."""
    what: NDArray[np.int8]
    order: Int64
    side: NDArray[np.int8]
    force: NDArray[np.int8]
    tick: Int64
    lots: NDArray[np.float64]

    @property
    def num_orders(self) -> int:
        """Orders sent."""
        return int((self.what == NEW).sum())

    @cached_property
    def ticks(self) -> Int64:
        """Limits of orders 1, 2, ..."""
        return self._by_order(self.tick)

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """Lots of orders 1, 2, ..."""
        return self._by_order(self.lots)

    def _by_order(self, column: NDArray[Any]) -> NDArray[Any]:
        is_new = self.what == NEW
        return column[is_new][np.argsort(self.order[is_new])]

    @property
    def fingerprint(self) -> str:
        """Name the commands by their content."""
        content = blake2b(digest_size=16)
        for field in fields(self):
            content.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return content.hexdigest()


def _times(rng: np.random.Generator, rows: Recording, count: int) -> Int64:
    """Draw sending times: when a print is received, on whole milliseconds (as venue times), any."""
    order = local_order(rows)
    local = rows.local_ts[order]
    margin = min(4 * _SECOND, int(local[-1] - local[0]) // 10)
    first, last = int(local[0]) + margin, int(local[-1]) - margin
    times = rng.integers(first, last, count) // 1000 * 1000
    received = local[rows.kind[order] == TRADE]
    received = received[(received > first) & (received < last)]
    habit = rng.random(count)
    times = np.where(habit < 0.5, rng.choice(received, count), times)
    return np.sort(np.where(habit > 0.75, times // _MILLISECOND * _MILLISECOND, times))


def _coming(
    rng: np.random.Generator, rows: Recording, times: Int64
) -> tuple[NDArray[np.int8], Int64]:
    """Draw a print that comes soon after each time: the side that it fills, and its tick.

    A script may know the future: it is there to meet rules, not to earn.
    """
    prints = np.flatnonzero((rows.kind == TRADE) & (rows.exch_ts >= 0))
    prints = prints[np.argsort(rows.exch_ts[prints], kind="stable")]
    next_print = np.searchsorted(rows.exch_ts[prints], times + 40 * _MILLISECOND)
    chosen = prints[np.minimum(next_print + rng.integers(0, 60, len(times)), len(prints) - 1)]
    return (-rows.side[chosen]).astype(np.int8), rows.tick[chosen].astype(np.int64)


def _prices(
    rng: np.random.Generator, rows: Recording, times: Int64, touch: Touch
) -> tuple[NDArray[np.int8], Int64, Int64]:
    """Draw sides and ticks: where prints come, at, behind, inside or through; and which of them."""
    count = len(times)
    side, coming = _coming(rng, rows, times)
    side = np.where(rng.random(count) < 0.2, -side, side)
    own = np.where(side == BUY, touch.bid, touch.ask)
    other = np.where(side == BUY, touch.ask, touch.bid)
    place = rng.choice(5, count, p=(0.4, 0.15, 0.1, 0.15, 0.2))
    behind = own - side * np.ceil(rng.exponential(25.0, count)).astype(np.int64)
    inside = own + side * rng.integers(1, 4, count)
    through = other + side * np.floor(rng.exponential(30.0, count)).astype(np.int64)
    return side, np.choose(place, [coming, own, behind, inside, through]), place


def _sizes(rng: np.random.Generator, rows: Recording, place: Int64) -> NDArray[np.float64]:
    """Draw whole lots around the prints' sizes, larger where an order takes; add 0.6 of one."""
    prints = np.sort(rows.lots[rows.kind == TRADE])
    typical = prints[(rng.beta(2.0, 1.0, len(place)) * len(prints)).astype(np.int64)]
    factor = np.exp(rng.normal(1.5, 1.2, len(place))) * np.where(place == _THROUGH, 3.0, 1.0)
    return np.floor(typical * factor).clip(1, _MOST_LOTS) + 0.6


def make_script(rows: Recording, seed: int, num_orders: int) -> Script:
    """Draw orders and cancels for a recording, where its book has both sides."""
    rng = np.random.default_rng(seed)
    times = _times(rng, rows, num_orders)
    touch = local_touch(rows, times)
    is_whole = (touch.bid > NO_BID) & (touch.ask < NO_ASK)
    times, touch = times[is_whole], Touch(*(column[is_whole] for column in touch))
    num_orders = len(times)
    side, tick, place = _prices(rng, rows, times, touch)
    lots = _sizes(rng, rows, place)
    force = np.where(
        place == _THROUGH,
        rng.choice(5, num_orders, p=(0.2, 0.1, 0.2, 0.35, 0.15)),
        rng.choice(5, num_orders, p=(0.68, 0.27, 0.02, 0.03, 0.0)),
    )
    numbers = np.arange(1, num_orders + 1)
    wait = _ACKNOWLEDGED + rng.exponential(6.0, num_orders) * _SECOND
    ends = times + wait.astype(np.int64) // 1000 * 1000
    is_cancelled = (rng.random(num_orders) > _NEVER) & (ends < times[-1] + 2 * _SECOND)
    cancels = numbers[is_cancelled]
    columns: dict[str, NDArray[Any]] = {
        "time": np.concatenate((times, ends[is_cancelled])),
        "what": np.repeat(np.array([NEW, CANCEL], np.int8), [num_orders, len(cancels)]),
        "order": np.concatenate((numbers, cancels)),
        "side": side[np.concatenate((numbers, cancels)) - 1],
        "force": force[np.concatenate((numbers, cancels)) - 1].astype(np.int8),
        "tick": tick[np.concatenate((numbers, cancels)) - 1],
        "lots": lots[np.concatenate((numbers, cancels)) - 1],
    }
    order = np.lexsort((columns["order"], columns["what"], columns["time"]))
    return Script(seed=seed, **{name: column[order] for name, column in columns.items()})
