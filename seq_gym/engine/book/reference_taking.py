"""The book twin's venue: what requests do on arrival (B12 to B14, B19, F4, V5, V8)."""

from __future__ import annotations

import math

from seq_gym.engine.book.codes import (
    ACCEPTED,
    AMENDED,
    ASK_AMEND,
    ASK_CANCEL,
    ASK_NEW,
    BUY,
    CANCELLED,
    CHANGE_REFUSED,
    EXPIRED,
    NO_ASK,
    NO_BID,
    NO_QUEUE,
    PARITY_NO_PARTIAL,
    POST_ONLY_FLAG,
    REFUSED,
)
from seq_gym.engine.book.reference_making import Making
from seq_gym.engine.book.reference_state import Order, Request
from seq_gym.engine.codes import (
    FOK,
    GTC,
    INVALID_QUANTITY,
    MARKET,
    MAX_SLIPPAGE,
    NO_LIQUIDITY,
    NONE,
    NOT_LISTED,
    ORDER_NOT_FOUND,
    POSITION_CLOSED,
    POST_ONLY_WOULD_TAKE,
    STALE_BOOK,
    TAKER,
    USER_CANCELLED,
)

__all__ = ["Venue"]

_PEER_MARKET_TICKS = 99
"""How far beyond the best ask the peer's market buy walks; its sell walks one tick more."""


class Venue(Making):
    """One lane's venue, with what arrives at it."""

    def handle(self, request: Request) -> None:
        """Let a request meet the book."""
        self.ts = request.arrival
        o = request.order
        if request.kind == ASK_NEW:
            o.arrival_ts = self.ts
            closed = self._closed()
            if closed != NONE:
                self.answer(REFUSED, o, reason=closed)
                return
            self._arrive(o, ACCEPTED)
        elif not o.resting:
            self.answer(CHANGE_REFUSED, o, reason=ORDER_NOT_FOUND)
        elif request.kind == ASK_CANCEL:
            self.forget(o)
            self.answer(CANCELLED, o, reason=USER_CANCELLED)
        elif request.kind == ASK_AMEND:
            # What has executed unknown to the sender is part of what was asked for.
            self._amend(o, request.tick, request.qty - (o.executed - request.executed))
        else:
            self._decrease(o, request.qty)

    def _closed(self) -> int:
        """Say why nothing new is taken in now, if so (V5, V9)."""
        if self.is_halted:
            return NOT_LISTED
        return STALE_BOOK if self.strict and self.book.stale else NONE

    def _decrease(self, o: Order, by: float) -> None:
        if self.lots_of(o.leaves - by) <= 0:
            self.answer(CHANGE_REFUSED, o, reason=INVALID_QUANTITY)
            return
        o.leaves -= by
        self.answer(AMENDED, o)

    def _amend(self, o: Order, tick: int, leaves: float) -> None:
        """Keep the queue where less is asked for at the same tick, else arrive anew (B19, V8)."""
        if self.lots_of(leaves) <= 0:
            self.answer(CHANGE_REFUSED, o, reason=INVALID_QUANTITY)
            return
        if tick == o.tick and leaves <= o.leaves:
            o.leaves = leaves
            self.answer(AMENDED, o)
            return
        closed = self._closed()
        if closed != NONE:
            self.answer(CHANGE_REFUSED, o, reason=closed)
            return
        self.forget(o)
        o.tick, o.leaves = tick, leaves
        self._arrive(o, AMENDED)

    def _arrive(self, o: Order, accepted: int) -> None:
        """A new order takes, rests or expires (V5)."""
        if self.cannot_reduce(o):
            self.answer(EXPIRED, o, reason=POSITION_CLOSED)
            return
        if not self.strict:
            self._arrive_at_the_peer(o, accepted)
            return
        cap = self._cap(o)
        if not self._reaches(o, cap):
            if o.tif == GTC and o.type != MARKET:
                self._rest(o, accepted, self._queue_at(o))
            else:
                stopped = self._reaches(o, o.tick)
                self.answer(EXPIRED, o, reason=MAX_SLIPPAGE if stopped else NO_LIQUIDITY)
            return
        if o.flags & POST_ONLY_FLAG:
            self.answer(EXPIRED, o, reason=POST_ONLY_WOULD_TAKE)
            return
        bent = max(self.bent_ticks * o.side, 0.0)
        reached = [t for t, _ in self.book.walk(-o.side, cap) if (cap - t) * o.side >= bent]
        there = [(tick, self.takeable(-o.side, tick)) for tick in reached]
        if o.tif == FOK and sum(units for _, units in there) < self.most_of(o):
            self.answer(EXPIRED, o, reason=NO_LIQUIDITY)
            return
        for tick, units in there:
            units = min(units, self.most_of(o))
            if units > 0.0:
                self.take(-o.side, tick, units)
                self._bend(-o.side, tick, units)
                self.execute(o, units, tick, TAKER, worse=self.price_of(bent))
        if o.leaves > 0.0:
            self._leave_rest(o, cap, len(reached), accepted)

    def _bend(self, side: int, tick: int, units: float) -> None:
        """Let a part of the move stay that a taking makes towards the next level (Z2)."""
        if not self.p.impact:
            return
        part = units / self.units(self.book.lots(side, tick))
        levels = [t for t, _ in self.book.walk(side, NO_BID if side == BUY else NO_ASK)]
        for beyond in levels[levels.index(tick) + 1 :][:1]:
            self.bent_ticks += self.p.impact_permanent * part * (beyond - tick)

    def _leave_rest(self, o: Order, cap: int, num_reached: int, accepted: int) -> None:
        """What a walk leaves rests with nothing ahead (F4), or expires."""
        if self.cannot_reduce(o):
            self.answer(EXPIRED, o, reason=POSITION_CLOSED)
            return
        if o.tif == GTC and o.type != MARKET:
            self._rest(o, accepted, 0.0)
            return
        levels = [tick for tick, _ in self.book.walk(-o.side, o.tick)]
        beyond = any((tick - cap) * o.side > 0 for tick in levels[num_reached:][:1])
        self.answer(EXPIRED, o, reason=MAX_SLIPPAGE if beyond else NO_LIQUIDITY)

    def _rest(self, o: Order, accepted: int, front: float) -> None:
        o.front = 0.0 if self.p.queue_model == NO_QUEUE else front
        o.traded = 0.0
        o.resting = True
        self.resting.append(o)
        self.answer(accepted, o)

    def _queue_at(self, o: Order) -> float:
        """Return what is displayed at my tick on my side, less my hole there (B18, V6)."""
        return self.free(o.side, o.tick)

    def _reaches(self, o: Order, cap: int) -> bool:
        """Say whether the opposite best is at or inside a cap (B12)."""
        best = self.book.best(-o.side)
        if best in (NO_BID, NO_ASK):
            return False
        return (cap - best) * o.side >= 0

    def _cap(self, o: Order) -> int:
        """Return the worst tick that an order may take at: its own, or its slippage's (B12)."""
        if math.isinf(o.max_slippage_frac):
            return o.tick
        bid, ask = self.book.bid, self.book.ask
        if bid == NO_BID or ask == NO_ASK:
            middle = float(ask if bid == NO_BID else bid)
        else:
            middle = 0.5 * (bid + ask)
        if o.side == BUY:
            return min(o.tick, math.floor(middle * (1.0 + o.max_slippage_frac)))
        return max(o.tick, math.ceil(middle * (1.0 - o.max_slippage_frac)))

    # Parity: as the peer does it

    def _arrive_at_the_peer(self, o: Order, accepted: int) -> None:
        cap = o.tick
        best = self.book.best(-o.side)
        if o.type == MARKET and best not in (NO_BID, NO_ASK):
            cap = best + _PEER_MARKET_TICKS if o.side == BUY else best - _PEER_MARKET_TICKS - 1
        if not self._reaches(o, cap):
            if o.tif == GTC and o.type != MARKET:
                self._rest(o, accepted, self.units(self.book.lots(o.side, o.tick)))
            else:
                self.answer(EXPIRED, o, reason=NO_LIQUIDITY)
        elif o.type != MARKET and o.flags & POST_ONLY_FLAG:
            self.answer(EXPIRED, o, reason=POST_ONLY_WOULD_TAKE)
        elif self.p.fills == PARITY_NO_PARTIAL:
            self.execute(o, self.most_of(o), best, TAKER)
            if o.leaves > 0.0:
                self.answer(EXPIRED, o, reason=POSITION_CLOSED)
        else:
            self._walk_at_the_peer(o, cap)

    def _walk_at_the_peer(self, o: Order, cap: int) -> None:
        there = [(tick, self.units(lots)) for tick, lots in self.book.walk(-o.side, cap)]
        is_market = o.type == MARKET
        if o.tif == FOK and not is_market:
            total = 0.0
            for _, units in there:
                total += units
            if self.lots_of(total) < self.lots_of(self.most_of(o)):
                self.answer(EXPIRED, o, reason=NO_LIQUIDITY)
                return
        sweeps = o.tif == GTC and not is_market
        for tick, units in there:
            # The peer's limit buy leaves its own tick to the last stroke.
            if self.most_of(o) > 0.0 and not (sweeps and o.side == BUY and tick == cap):
                self.execute(o, min(units, self.most_of(o)), tick, TAKER)
        if sweeps and self.most_of(o) > 0.0:
            self.execute(o, self.most_of(o), cap, TAKER)
        if o.leaves > 0.0:
            closed = self.cannot_reduce(o)
            self.answer(EXPIRED, o, reason=POSITION_CLOSED if closed else NO_LIQUIDITY)
