"""The book twin's queue models and latencies (B18, L1)."""

from __future__ import annotations

import bisect
import itertools
import math
from statistics import NormalDist
from typing import Any

import numpy as np

from seq_gym._random import draw_uniform
from seq_gym.engine.book.codes import (
    AGGRESSIVE,
    LATENCY_LOG_NORMAL,
    LATENCY_NONE,
    LATENCY_RECORDED,
    LOG1,
    LOG2,
    NO_QUEUE,
    POWER1,
    POWER2,
    RISK_AVERSE,
)
from seq_gym.engine.book.reference_state import Feed, Order

__all__ = ["Latencies", "share_behind", "shrink"]


def share_behind(model: int, power: float, front: float, back: float) -> float:
    """Return the share of a decrease that happened behind me, as the shape says (B18)."""
    f, b = np.float64(front), np.float64(back)
    with np.errstate(all="ignore"):
        if model == POWER1:
            share = b**power / (b**power + f**power)
        elif model == POWER2:
            share = b**power / (b + f) ** power
        elif model == LOG1:
            share = np.log(1.0 + b) / (np.log(1.0 + b) + np.log(1.0 + f))
        elif model == LOG2:
            share = np.log(1.0 + b) / np.log(1.0 + (b + f))
        else:
            share = 1.0 - (f / (f + b)) ** power
    return 1.0 if math.isinf(share) else float(share)


def shrink(o: Order, model: int, power: float, prev: float, new: float, *, strict: bool) -> None:
    """Move the queue ahead of an order with a depth row of its level (B18, V3)."""
    change = prev - new - o.traded
    o.traded = 0.0
    if model == NO_QUEUE:
        o.front = 0.0
    elif model == RISK_AVERSE or change < 0.0:
        o.front = min(o.front, new)
    elif model == AGGRESSIVE:
        o.front = min(o.front - change, new)
    else:
        back = prev - o.front
        share = share_behind(model, power, o.front, back)
        rest = back - share * change
        front = o.front - (1.0 - share) * change + min(0.0 if math.isnan(rest) else rest, 0.0)
        o.front = new if math.isnan(front) else min(front, new)
    if strict:
        o.front = min(max(o.front, 0.0), new)


class Latencies:
    """The channels' delays of one lane: draws keyed by (seed, stream, counter) (Z3)."""

    def __init__(self, instrument: Any, feed: Feed, seed: int, *, is_scaled: bool = False) -> None:
        self.ins = instrument
        self.feed = feed
        self.seed = seed
        self.is_scaled = is_scaled
        self.draws = {"entry": 0, "cancel": 0, "response": 0}

    def of(self, purpose: str, at: int) -> int:
        """Return the nanoseconds that a message takes; `purpose` is a key of `draws`."""
        ins = self.ins
        if ins.latency_model == LATENCY_NONE:
            return 0
        value = float(getattr(ins, f"{purpose}_ns"))
        if ins.latency_model == LATENCY_RECORDED:
            value = self._recorded(purpose, at)
        elif ins.latency_model == LATENCY_LOG_NORMAL:
            stream = getattr(ins, f"stream_{purpose}")
            uniform = draw_uniform(self.seed, stream, self.draws[purpose]) or 2.0**-53
            self.draws[purpose] += 1
            sigma = getattr(ins, f"{purpose}_sigma")
            value *= math.exp(sigma * NormalDist().inv_cdf(uniform))
        if self.is_scaled:
            value *= self._scale(at)
        return math.floor(max(value, 0.0) + 0.5)

    def _scale(self, at: int) -> float:
        """Return the factor of the last row of the agent's clock that is known at a time (L2)."""
        ts = at - self.ins.feed_ns
        known = bisect.bisect_right(self.feed.local, ts, key=lambda row: row.ts)
        scales = self.feed.latency_scale
        return float(scales[known - 1]) if known and len(scales) else 1.0

    def _recorded(self, purpose: str, at: int) -> float:
        """Interpolate what the recorder's own orders took, flat outside."""
        first, second = (1, 2) if purpose == "response" else (0, 1)
        known = [(row[first], row[second] - row[first]) for row in self.feed.recorded]
        if at <= known[0][0]:
            return float(known[0][1])
        for (t0, before), (t1, after) in itertools.pairwise(known):
            if at < t1:
                return before + (after - before) * ((at - t0) / (t1 - t0))
        return float(known[-1][1])
