"""The book twin's money: what positions are worth, what fills move, heartbeats (A3 to A5, M)."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from seq_gym.engine.book.codes import ADVERSE_MOST_FRAC, BUY, HEARTBEAT_NS, SELL, STRICT
from seq_gym.engine.book.reference_book import PublicBook
from seq_gym.engine.book.reference_state import (
    DUST,
    Account,
    Event,
    Feed,
    Order,
    Position,
    Row,
    read_record,
)
from seq_gym.engine.codes import MAKER, NS_PER_DAY, NS_PER_MINUTE

__all__ = ["Money"]


class Money:
    """One account over its lanes: what it knows, holds and owes.

    Attributes:
        books: What the agent's feed displays, by lane.
        marks: The price that values each lane: the last known mid; NaN before the first.
        orders: Orders that the agent does not know to be done, by id.
    """

    def __init__(self, feeds: list[Feed], instruments: Any, params: Any) -> None:
        self.feeds = feeds
        self.instruments: list[Any] = [SimpleNamespace(**read_record(i)) for i in instruments]
        self.p: Any = SimpleNamespace(**read_record(params[0]))
        self.strict = self.p.fills == STRICT
        self.spot = self.p.margin == 0
        self.events: list[Event] = []

    def open(self, start: int, end: int, seed: int) -> None:
        """Open the account afresh."""
        balance = self.p.starting_balance
        beat = (start // HEARTBEAT_NS + 1) * HEARTBEAT_NS
        self.account = Account(balance, balance, start, start, end, seed, beat)
        self.account.equity = self.account.peak_equity = balance
        self.account.day = start // NS_PER_DAY
        self.account.minute = start // NS_PER_MINUTE
        self.positions = [Position() for _ in self.feeds]
        self.books = [PublicBook() for _ in self.feeds]
        self.marks = [math.nan for _ in self.feeds]
        self.orders: dict[int, Order] = {}
        self.paid = [0 for _ in self.feeds]
        for s, feed in enumerate(self.feeds):
            while self.paid[s] < len(feed.funding) and feed.funding[self.paid[s]][0] <= start:
                self.paid[s] += 1

    # What things are worth

    def price_of(self, s: int, tick: float) -> float:
        """Return the price of a tick."""
        ins = self.instruments[s]
        return float(tick * ins.tick_mul / ins.tick_div)

    def base_of(self, s: int, units: float) -> float:
        """Return order units as base quantity: lots under strict rules."""
        ins = self.instruments[s]
        return float(units * ins.lot_mul / ins.lot_div) if self.strict else units

    def worth(self, s: int, price: float) -> float:
        """Return what one base unit is worth in money; negative of an inverse contract."""
        ins = self.instruments[s]
        return float(-ins.contract_size / price if ins.inverse else ins.contract_size * price)

    def see(self, s: int, row: Row) -> None:
        """Take a row of the agent's clock in, and mark at the mid (A5)."""
        book = self.books[s]
        book.apply(row)
        if book.two_sided:
            self.marks[s] = self.mark_of(s)

    def mark_of(self, s: int) -> float:
        """Return the mid of a two-sided book."""
        book = self.books[s]
        return 0.5 * (self.price_of(s, book.bid) + self.price_of(s, book.ask))

    def equity(self) -> float:
        """Return cash plus positions at their marks."""
        total = self.account.cash
        for s, pos in enumerate(self.positions):
            if pos.qty != 0.0:
                total += pos.qty * self.worth(s, self.marks[s])
        return total

    def gross(self) -> float:
        """Return the absolute notional of all positions."""
        total = 0.0
        for s, pos in enumerate(self.positions):
            if pos.qty != 0.0:
                total += abs(pos.qty * self.worth(s, self.marks[s]))
        return total

    def value(self) -> None:
        """Mark the account: equity, its peak, its drawdown (X3)."""
        a = self.account
        a.equity = self.equity()
        a.peak_equity = max(a.peak_equity, a.equity)
        if a.peak_equity > 0.0:
            a.drawdown = 1.0 - a.equity / a.peak_equity
            a.max_drawdown = max(a.max_drawdown, a.drawdown)

    # What working orders hold back

    def working(self, s: int, side: int) -> list[Order]:
        """Return a lane's orders of a side, as the agent knows them."""
        return [o for o in self.orders.values() if o.lane == s and o.side == side]

    def pending(self, s: int, side: int) -> float:
        """Return the base quantity of a lane's working orders of a side."""
        return sum((self.base_of(s, o.held) for o in self.working(s, side)), 0.0)

    def fee_reserve(self, s: int) -> float:
        """Return what a reserve adds to the notional: no rebate, and a maker's worst price (Z1)."""
        ins = self.instruments[s]
        fee = max(float(ins.taker_fee_frac), float(ins.maker_fee_frac), 0.0)
        return fee + (ADVERSE_MOST_FRAC * (1.0 + fee) if self.p.adverse else 0.0)

    def cost_of(self, s: int, units: float, price: float) -> float:
        """Return what a spot buy reserves of cash."""
        base = self.base_of(s, units)
        return abs(base * self.worth(s, price)) * (1.0 + self.fee_reserve(s))

    @property
    def reserved(self) -> float:
        """Cash held for working buys (spot)."""
        if not self.spot:
            return 0.0
        buys = (o for o in self.orders.values() if o.side == BUY)
        return sum((self.cost_of(o.lane, o.held, o.reserve_price) for o in buys), 0.0)

    def reserved_base(self, s: int) -> float:
        """Base units held for working sells (spot)."""
        if not self.spot:
            return 0.0
        return self.pending(s, SELL)

    # Fills

    def fill(self, s: int, side: int, qty: float, price: float, liquidity: int) -> Any:
        """Move the money of one execution; return its fee and what it realised (M2, M4)."""
        a, pos, ins = self.account, self.positions[s], self.instruments[s]
        each = self.worth(s, price)
        rate = ins.maker_fee_frac if liquidity == MAKER else ins.taker_fee_frac
        fee = abs(qty * each) * rate
        held = abs(pos.qty) if pos.qty * side < 0.0 else 0.0
        closing = qty if qty <= held * (1.0 + DUST) else held
        opening = qty - closing
        profit = math.nan
        if closing > 0.0:
            profit = self._close(pos, side, closing, each, fee * (closing / qty))
        if opening > 0.0:
            cost = side * opening * each + fee * (opening / qty)
            a.cash -= cost
            pos.qty += side * opening
            pos.basis += cost
        if side == BUY:
            pos.bought += qty
        else:
            pos.sold += qty
        a.num_fills += 1
        a.turnover += abs(qty * each)
        if liquidity == MAKER:
            a.maker_fees += fee
        else:
            a.taker_fees += fee
        return SimpleNamespace(fee=fee, realized=profit)

    def _close(self, pos: Position, side: int, qty: float, each: float, fee: float) -> float:
        """Close a part at average cost; return proceeds minus exit fee minus basis (M4)."""
        whole = qty >= abs(pos.qty) * (1.0 - DUST)
        part = 1.0 if whole else qty / abs(pos.qty)
        proceeds = -side * qty * each - fee
        profit = proceeds - pos.basis * part
        pos.qty = 0.0 if whole else pos.qty + side * qty
        pos.basis = 0.0 if whole else pos.basis * (1.0 - part)
        pos.realized += profit
        self.account.cash += proceeds
        self.account.realized += profit
        self.account.num_closing += 1
        self.account.num_wins += profit > 0.0
        return profit
