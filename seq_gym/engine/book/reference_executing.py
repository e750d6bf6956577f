"""The book twin's venue: reports, executions, and what is displayed to me (F2, F5, O9, Z1)."""

from __future__ import annotations

import heapq
import math
from typing import Any

from seq_gym._random import draw_uniform
from seq_gym.engine.book.codes import (
    ACCEPTED,
    ADVERSE_MOST_FRAC,
    AMENDED,
    CANCELLED,
    EXECUTED,
    REDUCE_ONLY_FLAG,
    STRICT,
)
from seq_gym.engine.book.reference_book import Holes, PublicBook
from seq_gym.engine.book.reference_queue import Latencies
from seq_gym.engine.book.reference_state import Feed, Order, Report
from seq_gym.engine.codes import MAKER, NONE, POSITION_CLOSED

__all__ = ["Executing"]


class Executing:
    """One lane's venue: its book, the resting orders, what they took, and reports on their way.

    Attributes:
        net: What I hold by what was executed here, signed units.
        resting: Orders in order of acceptance (F6).
        bent_ticks: What my taking has moved for good (Z2), up above 0.
        holes: What I took of displayed levels, until their next row (F2).
        reports: Heap of reports, by receipt.
    """

    def __init__(self, feed: Feed, instrument: Any, params: Any, latencies: Latencies) -> None:
        self.ins = instrument
        self.p = params
        self.latencies = latencies
        self.strict = params.fills == STRICT
        self.rows = feed.venue
        self.toxicity = feed.toxicity
        self.net = 0.0
        self.num_scored = 0
        self.spread_before = 0.0
        self.bent_ticks = 0.0
        self.next_row = 0
        self.book = PublicBook()
        self.resting: list[Order] = []
        self.holes = Holes(params.impact_half_life_ns if params.impact else 0.0)
        self.reports: list[Report] = []
        self.num_reports = 0
        self.last_receipt = 0
        self.ts = 0

    @property
    def is_halted(self) -> bool:
        """Trading is halted; the peer knows no halts."""
        return self.strict and self.book.halted

    # Units and reports

    def units(self, lots: float) -> float:
        """Return lots as the quantity of orders: themselves, or base units under parity."""
        return float(lots) if self.strict else lots * self.ins.lot_mul / self.ins.lot_div

    def lots_of(self, units: float) -> int:
        """Return the whole number of lots nearest to a quantity, halves away from zero."""
        lots = units if self.strict else units / (self.ins.lot_mul / self.ins.lot_div)
        return int(math.copysign(math.floor(abs(lots) + 0.5), lots))

    def answer(
        self,
        kind: int,
        o: Order,
        *,
        reason: int = NONE,
        qty: float = 0.0,
        tick: int | None = None,
        price: float = math.nan,
        liquidity: int = 0,
    ) -> None:
        """Send a report; the channel is FIFO (B4)."""
        delay = self.latencies.of("response", self.ts)
        self.last_receipt = max(self.ts + delay, self.last_receipt)
        self.num_reports += 1
        report = Report(
            receipt=self.last_receipt,
            number=self.num_reports,
            kind=kind,
            order=o,
            exch_ts=self.ts,
            arrival_ts=o.arrival_ts,
            tick=o.tick if tick is None else tick,
            liquidity=liquidity,
            reason=reason,
            bid=self.book.bid,
            ask=self.book.ask,
            qty=qty,
            price=price,
            leaves=o.leaves,
            front=o.front if kind in (ACCEPTED, AMENDED) else 0.0,
        )
        heapq.heappush(self.reports, report)

    def execute(
        self, o: Order, units: float, tick: int, liquidity: int, *, worse: float = 0.0
    ) -> None:
        """Execute a part of an order, one report each (F5), at a tick's price or a worse one."""
        o.leaves -= units
        o.executed += units
        if self.lots_of(o.leaves) <= 0:
            o.leaves = 0.0
            self.forget(o)
        price = self.price_of(tick) + o.side * worse
        self.net += o.side * units
        self.answer(EXECUTED, o, qty=units, tick=tick, price=price, liquidity=liquidity)
        for other in list(self.resting):
            if self.cannot_reduce(other):
                self.forget(other)
                self.answer(CANCELLED, other, reason=POSITION_CLOSED)

    # Reduce-only orders (O9)

    def most_of(self, o: Order) -> float:
        """Return what an order may execute now: what it leaves, clipped to the position."""
        if not o.flags & REDUCE_ONLY_FLAG:
            return o.leaves
        left = -o.side * self.net
        dust = 1e-6 * (1.0 if self.strict else self.ins.lot_mul / self.ins.lot_div)
        return min(o.leaves, left) if self.lots_of(left + dust) > 0 else 0.0

    def cannot_reduce(self, o: Order) -> bool:
        """Say whether a reduce-only order has nothing to reduce."""
        return bool(o.flags & REDUCE_ONLY_FLAG) and self.most_of(o) == 0.0

    def price_of(self, tick: float) -> float:
        """Return the price of a tick."""
        return float(tick * self.ins.tick_mul / self.ins.tick_div)

    # Adverse selection

    def make(self, o: Order, units: float) -> None:
        """Fill a resting order, unless adverse selection skips or worsens that (Z1)."""
        if not self.p.adverse:
            self.execute(o, units, o.tick, MAKER)
            return
        toxicity = self._toxicity(o.side)
        seed, stream = self.latencies.seed, self.ins.stream_adverse
        uniform = draw_uniform(seed, stream, self.num_scored)
        self.num_scored += 1
        if uniform < min(toxicity, self.p.adverse_skip_rate):
            return
        price = self.price_of(o.tick)
        worse = self.p.adverse_penalty * toxicity * 0.5 * self.spread_before
        self.execute(o, units, o.tick, MAKER, worse=min(worse, ADVERSE_MOST_FRAC * price))

    def _toxicity(self, side: int) -> float:
        """Return how likely it is that who meets an order now knows more (Z1)."""
        flow, *others = self.toxicity[self.next_row - 1] if len(self.toxicity) else (0.0,)
        score = -side * float(flow) + sum(map(float, others))
        return 1.0 / (1.0 + math.exp(self.p.adverse_bias - score))

    def forget(self, o: Order) -> None:
        """Take an order off the book, if it is there."""
        o.resting = False
        self.resting = [other for other in self.resting if other is not o]

    # What is displayed to me

    def free(self, side: int, tick: int) -> float:
        """Return the displayed units of a level less what I took of it, in whole lots (F2)."""
        shown = self.units(self.book.lots(side, tick))
        left = self.holes.left(side, tick, self.ts)
        return shown if left == 0.0 else float(max(math.floor(shown - left), 0))

    def takeable(self, side: int, tick: int) -> float:
        """Return what a taker finds at a level: what is free less what prints took (F2b)."""
        return max(self.free(side, tick) - self.book.eaten(side, tick), 0.0)

    def take(self, side: int, tick: int, units: float) -> None:
        """Remember what I took of a level; parity leaves the book as it is."""
        if self.strict:
            self.holes.dig(side, tick, units, self.ts)
