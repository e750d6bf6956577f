"""The book twin's checks before a message is sent (A1 to A3, R1 to R5)."""

from __future__ import annotations

import math

from seq_gym.engine.book.codes import BUY, NO_ASK, NO_BID, POST_ONLY_FLAG, REDUCE_ONLY_FLAG, SELL
from seq_gym.engine.book.reference_money import Money
from seq_gym.engine.book.reference_state import DUST, Order
from seq_gym.engine.codes import (
    DAILY_LOSS_LIMIT,
    FOK,
    GTC,
    INSUFFICIENT_BALANCE,
    INVALID_PARAMS,
    IOC,
    KILL_SWITCH,
    LIMIT,
    MARKET,
    MIN_NOTIONAL,
    NO_LIQUIDITY,
    NONE,
    NOT_LISTED,
    NS_PER_MINUTE,
    POSITION_LIMIT,
    PRICE_DEVIATION,
    RATE_LIMIT,
    RISK,
    STALE_BOOK,
    TOO_MANY_ORDERS,
)

__all__ = ["Checks"]


class Checks(Money):
    """Which orders the agent's own side refuses, and why."""

    def check(self, o: Order) -> int:
        """Return NONE, or why a new order is not sent (A1)."""
        if len(self.orders) >= self.p.max_orders:
            return TOO_MANY_ORDERS
        reason = self.check_shape(o)
        return reason if reason != NONE else self.check_terms(o)

    def check_shape(self, o: Order) -> int:
        """Check what needs no book."""
        if not self.is_quantity(o.qty) or o.type not in (MARKET, LIMIT):
            return INVALID_PARAMS
        if o.side not in (BUY, SELL) or o.tif not in (GTC, IOC, FOK):
            return INVALID_PARAMS
        if math.isnan(o.max_slippage_frac) or o.max_slippage_frac < 0.0:
            return INVALID_PARAMS
        if o.flags & POST_ONLY_FLAG and (o.type == MARKET or o.tif != GTC):
            return INVALID_PARAMS
        if o.type == LIMIT and not 1 <= o.tick <= NO_ASK - 1:
            return INVALID_PARAMS
        return NONE

    def is_quantity(self, qty: float) -> bool:
        """Say whether a quantity of units may be sent: positive, whole lots under strict rules."""
        if not 0.0 < qty < math.inf:
            return False
        return not self.strict or qty == math.floor(qty)

    def check_terms(self, o: Order) -> int:
        """Check what depends on the agent's book, positions and money, in the order of A1."""
        s, book = o.lane, self.books[o.lane]
        is_empty = book.bid == NO_BID and book.ask == NO_ASK
        if is_empty or math.isnan(self.marks[s]):
            return NOT_LISTED
        if self.strict and book.stale:
            return STALE_BOOK
        if o.type == MARKET and book.best(-o.side) in (NO_BID, NO_ASK):
            return NO_LIQUIDITY
        if o.type == MARKET:
            o.tick = self.cap_of(o)
        mid, price = self.marks[s], self.price_of(s, self._expected_tick(o))
        qty = self.base_of(s, o.qty)
        if o.type == LIMIT and abs(price - mid) / mid > self.p.price_deviation_frac:
            return PRICE_DEVIATION
        reduces = self.only_reduces(o, qty)
        if o.flags & REDUCE_ONLY_FLAG and not reduces:
            return INVALID_PARAMS
        notional = abs(qty * self.worth(s, price))
        if not o.flags & REDUCE_ONLY_FLAG and notional < self.instruments[s].min_notional:
            return MIN_NOTIONAL
        reason = self._check_risk(o, qty, notional, reduces=reduces)
        return reason if reason != NONE else self._check_money(o, qty, reduces=reduces)

    def cap_of(self, o: Order) -> int:
        """Return the worst tick at which a market order may take (A2)."""
        if o.side == BUY:
            cap = math.floor(self.books[o.lane].ask * (1.0 + self.p.market_cap_frac))
            return min(cap, NO_ASK - 1)
        return max(math.ceil(self.books[o.lane].bid * (1.0 - self.p.market_cap_frac)), 1)

    def _expected_tick(self, o: Order) -> int:
        return o.tick if o.type == LIMIT else self.books[o.lane].best(-o.side)

    def only_reduces(self, o: Order, qty: float) -> bool:
        """Say whether an order, with those already working on its side, only reduces."""
        held = self.positions[o.lane].qty
        if held * o.side >= 0.0:
            return False
        return qty + self.pending(o.lane, o.side) <= abs(held) * (1.0 + DUST)

    # Risk profile (R1 to R5)

    def _check_risk(self, o: Order, qty: float, notional: float, *, reduces: bool) -> int:
        p, a = self.p, self.account
        if not p.any_risk:
            return NONE
        if p.max_orders_per_minute > 0 and a.now // NS_PER_MINUTE != a.minute:
            a.minute, a.orders_in_minute = a.now // NS_PER_MINUTE, 0
        if 0 < p.max_orders_per_minute < a.orders_in_minute + 1:
            return RATE_LIMIT
        lost = 100.0 * max(a.realized_at_midnight - a.realized, 0.0) / a.starting_balance
        if lost > p.daily_loss_limit_pct and not (reduces and p.allow_reduce):
            return DAILY_LOSS_LIMIT
        if reduces:
            return NONE
        equity = self.equity()
        drawdown = 100.0 * (1.0 - equity / max(a.peak_equity, equity, 1e-300))
        if drawdown > p.max_drawdown_pct:
            return KILL_SWITCH
        return self._check_sizes(o, qty, notional, equity)

    def _check_sizes(self, o: Order, qty: float, notional: float, equity: float) -> int:
        p, s = self.p, o.lane
        if 0 < p.max_open_orders < len(self.orders) + 1 or notional < p.risk_min_notional:
            return RISK
        held = self.positions[s].qty
        closing = abs(held) if held * o.side < 0.0 else 0.0
        part = max(qty - closing, 0.0) / qty
        cost = notional * (1.0 + self.instruments[s].taker_fee_frac) * part
        if 100.0 * cost > p.max_order_size_pct * max(self._available(equity), 0.0):
            return RISK
        after = abs(held + o.side * (self.pending(s, o.side) + qty))
        if 100.0 * after * self._mid_worth(s) > p.max_position_size_pct * max(equity, 0.0):
            return RISK
        return NONE

    def _available(self, equity: float) -> float:
        if self.spot:
            return self.account.cash - self.reserved
        return equity - self.p.initial_margin_frac * self.gross()

    def _mid_worth(self, s: int) -> float:
        return abs(self.worth(s, self.marks[s]))

    # Limits and money

    def _check_money(self, o: Order, qty: float, *, reduces: bool) -> int:
        s, held = o.lane, self.positions[o.lane].qty
        if not reduces:
            after = abs(held + o.side * (self.pending(s, o.side) + qty))
            if after * self._mid_worth(s) > self.p.max_position_notional:
                return POSITION_LIMIT
        if not self.spot:
            with_it = self.p.initial_margin_frac * self._exposure(o, qty)
            return NONE if reduces or not with_it > self.equity() else INSUFFICIENT_BALANCE
        if o.side == SELL:
            free = held - self.reserved_base(s)
            return NONE if qty <= free * (1.0 + DUST) else INSUFFICIENT_BALANCE
        need = self.cost_of(s, o.qty, self.price_of(s, o.tick))
        return INSUFFICIENT_BALANCE if need > self.account.cash - self.reserved else NONE

    def _exposure(self, new: Order | None = None, qty: float = 0.0) -> float:
        """Return the largest notional that working orders may lead to, with a new one (A3)."""
        total = 0.0
        for s, pos in enumerate(self.positions):
            buys, sells = self.pending(s, BUY), self.pending(s, SELL)
            if new is not None and new.lane == s:
                buys += qty if new.side == BUY else 0.0
                sells += qty if new.side == SELL else 0.0
            most = max(abs(pos.qty + buys), abs(pos.qty - sells))
            if most > 0.0:
                total += most * self._mid_worth(s)
        return total
