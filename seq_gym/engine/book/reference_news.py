"""What the book twin's agent learns: reports, heartbeats and endings, and their rows (A4, A5)."""

from __future__ import annotations

import math

from seq_gym.engine.book.codes import (
    ACCEPTED,
    AMENDED,
    BUY,
    CANCELLED,
    CHANGE_REFUSED,
    DONE_WITH,
    EXECUTED,
    HEARTBEAT_NS,
    MONEY,
    NO_ASK,
    NO_BID,
    REFUSED,
    SELL,
    WORKING,
)
from seq_gym.engine.book.reference_checks import Checks
from seq_gym.engine.book.reference_state import Event, Order, Report
from seq_gym.engine.codes import (
    COMPLETED,
    DATA_END,
    END_OF_EPISODE,
    LIQUIDATED,
    LIQUIDATION,
    NS_PER_DAY,
    RUINED,
    TAKER,
    WINDOW_END,
)

__all__ = ["News"]


class News(Checks):
    """What comes to the account, and what it writes down."""

    # Reports

    def _receive(self, report: Report) -> None:
        """Learn what the venue did (A4)."""
        o, kind = report.order, report.kind
        self.account.now = report.receipt
        self._log(kind, o, report.reason, report)
        self.account.num_rejects += kind == REFUSED
        if o.local == DONE_WITH:
            return
        if kind in (ACCEPTED, EXECUTED, AMENDED):
            o.local_leaves = report.leaves
            o.local_executed += report.qty
            o.asked = max(o.asked - report.qty, 0.0)
        if kind in (ACCEPTED, AMENDED):
            o.local, o.local_tick = WORKING, report.tick
        if kind in (AMENDED, CHANGE_REFUSED):
            self._settle_change(o)
        elif kind != ACCEPTED and (kind != EXECUTED or report.leaves == 0.0):
            self._forget(o)
        if kind == EXECUTED:
            self.value()

    def _settle_change(self, o: Order) -> None:
        """Count one answer to a change; after the last, no more than the order is held."""
        o.changes = max(o.changes - 1, 0)
        if o.changes == 0:
            o.asked = 0.0
            o.reserve_price = self.price_of(o.lane, o.local_tick)

    def _forget(self, o: Order) -> None:
        o.local, o.local_leaves, o.asked = DONE_WITH, 0.0, 0.0
        self.orders.pop(o.id, None)

    def _log(self, kind: int, o: Order, reason: int, report: Report | None = None) -> None:
        """Record what the agent did, or what a report says (F5)."""
        s, a = o.lane, self.account
        tick = o.local_tick or o.tick
        qty, leaves, mid, fee, realized = o.qty, o.local_leaves, o.sent_mid, 0.0, math.nan
        if kind in (CANCELLED, CHANGE_REFUSED):
            qty = 0.0
        if report is not None:
            tick, leaves, qty = report.tick, report.leaves, report.qty
            mid = self._venue_mid(s, report)
        price = self.price_of(s, tick)
        if kind == EXECUTED and report is not None:
            price = report.price
            paid = self.fill(s, o.side, self.base_of(s, qty), price, report.liquidity)
            fee, realized = paid.fee, paid.realized
        self.events.append(
            Event(
                kind, o.id, s, a.now, report.exch_ts if report else 0, o.sent_ts,
                report.arrival_ts if report else 0, o.side, o.type, o.tif, o.flags, tick,
                report.liquidity if report else 0, reason, self.base_of(s, qty), price, fee,
                realized, mid, self.base_of(s, report.front if report else 0.0),
                self.base_of(s, leaves), o.tag,
            )
        )  # fmt: skip

    def _venue_mid(self, s: int, report: Report) -> float:
        """Return the venue's mid when it happened, NaN where a side was empty."""
        if report.bid == NO_BID or report.ask == NO_ASK:
            return math.nan
        return 0.5 * (self.price_of(s, report.bid) + self.price_of(s, report.ask))

    # Heartbeats

    def heartbeat(self) -> None:
        """Do the housekeeping of a whole second; it may end the episode."""
        a = self.account
        a.now = a.next_heartbeat
        a.next_heartbeat += HEARTBEAT_NS
        if not self.spot:
            for s in range(len(self.feeds)):
                self._fund(s)
            self._borrow()
        self.value()
        if not self.spot and self._is_called():
            self.cancel_working(LIQUIDATION)
            self.close_positions(LIQUIDATION)
            self.value()
            a.bad_debt, a.ending = max(-a.cash, 0.0), LIQUIDATED
        elif a.equity <= self.p.ruin_frac * a.starting_balance:
            self.cancel_working(END_OF_EPISODE)
            a.ending = RUINED
        if a.now // NS_PER_DAY != a.day:
            a.day, a.realized_at_midnight = a.now // NS_PER_DAY, a.realized

    def _is_called(self) -> bool:
        gross = self.gross()
        return gross > 0.0 and self.account.equity <= self.p.maintenance_frac * gross

    def _borrow(self) -> None:
        """Pay for what is short and for borrowed cash."""
        short = 0.0
        for s, pos in enumerate(self.positions):
            if pos.qty < 0.0 and not self.instruments[s].inverse:
                short += abs(pos.qty * self.worth(s, self.marks[s]))
        due = self.p.borrow_per_second * (short + max(-self.account.cash, 0.0))
        if due > 0.0:
            self.account.cash -= due
            self.account.realized -= due
            self.account.borrow += due

    def _fund(self, s: int) -> None:
        """Pay the funding whose stamps have come."""
        a, pos, stamps = self.account, self.positions[s], self.feeds[s].funding
        while self.paid[s] < len(stamps) and stamps[self.paid[s]][0] <= a.now:
            rate = stamps[self.paid[s]][1]
            self.paid[s] += 1
            if pos.qty == 0.0:
                continue
            due = math.copysign(abs(pos.qty * self.worth(s, self.marks[s])), pos.qty) * rate
            a.cash -= due
            a.realized -= due
            a.funding += due
            pos.realized -= due
            self.events.append(
                Event(
                    MONEY, 0, s, a.now, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, pos.qty, self.marks[s], due,
                    math.nan, math.nan, 0.0, 0.0, 0,
                )
            )  # fmt: skip

    # Endings

    def cancel_working(self, reason: int) -> None:
        """Cancel what works, by lane, then by id; nothing in flight arrives any more."""
        for o in sorted(self.orders.values(), key=lambda o: (o.lane, o.id)):
            self._log(CANCELLED, o, reason)
            self._forget(o)

    def end_episode(self, ending: int) -> None:
        """Cancel what works, close what is held where that is asked for, and mark (M7, V10)."""
        self.cancel_working(END_OF_EPISODE)
        if self.p.liquidate_on_complete and ending in (WINDOW_END, DATA_END):
            self.close_positions(COMPLETED)
        self.value()
        self.account.ending = ending

    def close_positions(self, reason: int) -> None:
        """Close every position on the agent's book: a walk of its levels, as taker (A5, M7).

        What lies beyond the last level goes at its price; with no level at all, at the mark.
        """
        for s, pos in enumerate(self.positions):
            if pos.qty == 0.0:
                continue
            side = SELL if pos.qty > 0.0 else BUY
            levels = list(self.books[s].walk(-side, NO_BID if side == SELL else NO_ASK))
            for tick, lots in levels[:-1]:
                qty = min(abs(pos.qty), self.lots_base(s, lots))
                if qty > 0.0:
                    self._close_part(s, side, qty, tick, self.price_of(s, tick), reason)
            if pos.qty != 0.0:
                tick = levels[-1][0] if levels else 0
                price = self.price_of(s, tick) if levels else self.marks[s]
                self._close_part(s, side, abs(pos.qty), tick, price, reason)

    def lots_base(self, s: int, lots: int) -> float:
        """Return lots of a level as base quantity."""
        return float(lots * self.instruments[s].lot_mul / self.instruments[s].lot_div)

    def _close_part(
        self, s: int, side: int, qty: float, tick: int, price: float, reason: int
    ) -> None:
        paid = self.fill(s, side, qty, price, TAKER)
        self.events.append(
            Event(
                EXECUTED, 0, s, self.account.now, 0, 0, 0, side, 0, 0, 0, tick,
                TAKER, reason, qty, price, paid.fee, paid.realized, self.marks[s], 0.0, 0.0, 0,
            )
        )  # fmt: skip
