"""The reference twin's matching: how one order meets one price (O3 to O12)."""

from __future__ import annotations

import math

from seq_gym.engine.codes import (
    ADVERSE,
    AT_ONCE,
    EQUITY_FRACTION,
    EXPIRED,
    FAVOURABLE,
    FOK,
    GROUP_FILLED,
    GTC,
    INSUFFICIENT_BALANCE,
    IOC,
    LIMIT,
    MAKER,
    MARKET,
    MAX_SLIPPAGE,
    NO_LIQUIDITY,
    NONE,
    OPEN,
    POSITION_CLOSED,
    POST_ONLY_WOULD_TAKE,
    QUANTITY,
    RESTING,
    STOP_LIMIT,
    TAKE_PROFIT,
    TAKER,
    TRAILING_STOP,
    TRIGGERED,
    WAITING,
    WHOLE_POSITION,
)
from seq_gym.engine.reference_money import Money
from seq_gym.engine.reference_state import DUST, Order, floor_to

__all__ = ["Matching"]


class Matching(Money):
    """What an order does when it meets a price."""

    def cannot_reduce(self, o: Order) -> bool:
        """Say whether a reduce-only order has nothing to reduce (O9)."""
        return o.reduce_only and self.positions[o.symbol].qty * o.side >= 0.0

    def has_entry(self, o: Order) -> bool:
        """Say whether something in work could open what a reduce-only order protects (D5)."""
        if self.positions[o.symbol].target_mode is not None:
            return True
        return any(
            other.symbol == o.symbol and other.side == -o.side and not other.reduce_only
            for other in self.orders
        )

    def level(self, o: Order) -> float:
        """Return the price that an order waits for."""
        if o.is_limit:
            return o.price
        if o.type == TRAILING_STOP:
            return o.extreme * (1.0 + o.side * o.trail_frac)
        return o.trigger

    def waits_for_fall(self, o: Order) -> bool:
        """Buy limits, buy targets and sell stops wait for lower prices (O6, O7)."""
        if o.is_limit or o.type == TAKE_PROFIT:
            return o.side > 0
        return o.side < 0

    def is_passed(self, o: Order, price: float, *, strict: bool = False) -> bool:
        """Say whether a price is at or beyond the order's level; strict is limits "through"."""
        level = self.level(o)
        if strict and o.is_limit and price == level:
            return False
        return price <= level if self.waits_for_fall(o) else price >= level

    # How much may fill

    def quantity_at(self, o: Order, base: float, phase: int) -> float:
        """Turn the order's size into a quantity at the price it meets, once (O3b)."""
        if o.size_mode == QUANTITY:
            return o.qty
        if o.size_mode == WHOLE_POSITION:
            o.qty = abs(self.positions[o.symbol].qty)
        else:
            quote = o.size
            if o.size_mode == EQUITY_FRACTION:
                quote = max(o.size * self.equity_at(phase), 0.0)
            o.qty = floor_to(quote / base, self.instruments[o.symbol].lot)
        o.size_mode = QUANTITY
        o.fitted = True
        return o.qty

    def liquidity_left(self, s: int, phase: int) -> float:
        """Return how much more own orders may take of a candle (O10)."""
        share = self.p.max_participation_frac
        if share <= 0.0:
            return math.inf
        volume = self.bars[self.met_row(s, phase)][s].volume
        left = share * volume - self.use(s, phase).volume
        return max(floor_to(left, self.instruments[s].lot), 0.0)

    def profit_left(self, o: Order, phase: int) -> float:
        """Return how much a profit-taking order may close now (O2, D1)."""
        held = self.positions[o.symbol].qty
        takes_profit = o.type in (LIMIT, TAKE_PROFIT) and held * o.side < 0.0
        if phase in (AT_ONCE, OPEN) or not takes_profit:
            return math.inf
        return abs(held) - self.use(o.symbol, phase).opened_inside

    def within_slippage(self, o: Order, base: float, limit: float, qty: float, phase: int) -> float:
        """Return the largest part of `qty` that stays within the slippage cap (O1)."""
        worst = base * (1.0 + o.side * o.max_slippage_frac)

        def is_fine(part: float) -> bool:
            price = self.price_of(o, base, limit, part, phase)
            return o.side * (price - worst) <= 1e-12 * base

        if is_fine(qty):
            return qty
        low, high = 0.0, qty
        for _ in range(60):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if is_fine(middle) else (low, middle)
        return floor_to(low, self.instruments[o.symbol].lot)

    def affordable(
        self, o: Order, base: float, limit: float, qty: float, have: float, fee: float, phase: int
    ) -> float:
        """Return the largest quantity up to `qty` that `have` pays for (O3b, D6)."""

        def price_at(part: float) -> float:
            return self.price_of(o, base, limit, part, phase)

        if self.spend(qty, base, price_at(qty), fee) <= have:
            return qty
        if have <= 0.0:
            return 0.0
        fit = qty
        for _ in range(3):
            fit = min(qty, have / self.unit_cost(base, price_at(fit), fee))
        lot = self.instruments[o.symbol].lot
        fit = floor_to(fit, lot)
        while fit > 0.0 and self.spend(fit, base, price_at(fit), fee) > have:
            fit = floor_to(fit - lot, lot) if lot > 0.0 else fit * (1.0 - 4e-16)
        return max(fit, 0.0)

    def funded_sale(self, o: Order, qty: float) -> float | None:
        """Return how much a spot account can sell, None when the order must go (M3)."""
        pos = self.positions[o.symbol]
        if o.reduce_only:
            return min(qty, pos.qty)
        own = self.reserve_of(o) if o in self.orders else 0.0
        free = min(pos.qty - (self.reserved_base(o.symbol) - own), pos.qty)
        if qty <= free * (1.0 + DUST):
            return qty
        return floor_to(max(free, 0.0), self.instruments[o.symbol].lot) if o.fitted else None

    def funded(
        self, o: Order, base: float, limit: float, qty: float, liquidity: int, phase: int
    ) -> float | None:
        """Return how much of `qty` is paid for, None when the order must go whole (O12)."""
        if self.spot and o.side < 0:
            return self.funded_sale(o, qty)
        ins, held = self.instruments[o.symbol], self.positions[o.symbol].qty
        closing = min(qty, abs(held)) if held * o.side < 0.0 else 0.0
        opening = qty - closing
        if opening <= qty * DUST:
            return qty
        maker = liquidity == MAKER
        fee = self.fee_frac(o.symbol, liquidity)
        own = self.reserve_of(o) if o in self.orders else 0.0
        have = (self.fitting_budget(phase) if o.fitted else self.budget(phase)) + own
        if not self.spot and phase in (ADVERSE, FAVOURABLE):
            # The symbol's equity and margin count at the price met, the others' at the open.
            moved = base - self.value_price(o.symbol, phase)
            have += held * moved - self.p.initial_margin_frac * abs(held) * moved
        if closing > 0.0:  # what the closing part frees pays for the opening part
            price = base if maker else self.price_of(o, base, limit, qty, phase)
            released = self.p.initial_margin_frac * base - abs(price - base) - price * fee
            have += closing * released
        if maker:
            if self.spend(opening, base, base, fee) <= have:
                return qty
            unit = self.unit_cost(base, base, fee)
            fit = min(opening, floor_to(max(have / unit, 0.0), ins.lot))
        else:
            fit = self.affordable(o, base, limit, opening, have, fee, phase)
            if fit >= opening:
                return qty
        return closing + fit if o.fitted else None

    # The execution

    def execute(
        self,
        o: Order,
        base: float,
        limit: float,
        liquidity: int,
        phase: int,
        reason: int = NONE,
    ) -> None:
        """Fill as much as rules, liquidity and funds allow; cancel or keep the rest."""
        held = self.positions[o.symbol].qty
        wanted = self.quantity_at(o, base, phase)
        if o.reduce_only:
            if self.cannot_reduce(o):
                self.finish(o, phase, POSITION_CLOSED)
                return
            wanted = min(wanted, abs(held))
        qty, why = wanted, NO_LIQUIDITY
        if reason == NONE:
            allowed = self._allowed(o, base, limit, wanted, liquidity, phase)
            if allowed is None:
                return
            wanted, qty, why = allowed
        price = base if liquidity == MAKER else self.price_of(o, base, limit, qty, phase)
        o.qty = wanted
        self.fill(o, qty, price, base, liquidity, phase, reason)
        if o.qty <= 0.0:
            self.forget(o)
        self.after_fill(o, phase, closed=held * o.side < 0.0)
        self.keep_rest(o, phase, why)

    def _allowed(
        self, o: Order, base: float, limit: float, wanted: float, liquidity: int, phase: int
    ) -> tuple[float, float, int] | None:
        """Return size, quantity that may fill now and why no more; None when nothing fills."""
        qty, why = wanted, NO_LIQUIDITY
        left = min(self.liquidity_left(o.symbol, phase), self.profit_left(o, phase))
        if left < wanted:
            qty = left
            if o.tif == FOK:
                self.finish(o, phase, NO_LIQUIDITY)
                return None
            if qty <= 0.0:
                self.keep_rest(o, phase, NO_LIQUIDITY)
                return None
        if liquidity == TAKER and o.max_slippage_frac < math.inf:
            within = self.within_slippage(o, base, limit, qty, phase)
            if within < qty:
                if within <= 0.0 or o.tif == FOK:
                    self.finish(o, phase, MAX_SLIPPAGE)
                    return None
                o.tif, qty, why = IOC, within, MAX_SLIPPAGE
        paid = self.funded(o, base, limit, qty, liquidity, phase)
        if paid is None or paid <= 0.0:
            self.finish(o, phase, INSUFFICIENT_BALANCE)
            return None
        if o.fitted and paid < qty and left >= wanted:
            wanted = paid  # that was its size all along
        return wanted, paid, why

    def keep_rest(self, o: Order, phase: int, why: int) -> None:
        """Decide what becomes of what did not fill (D7)."""
        if o.done:
            return
        if o.tif != GTC:
            self.finish(o, phase, why)
            return
        o.blocked = self.row(phase)
        if o.is_limit and o.state == WAITING:
            o.state = RESTING
        elif o.type == MARKET or o.fired:
            o.state = WAITING
        if self.spot and self.account.cash < self.reserved:
            self.finish(o, phase, INSUFFICIENT_BALANCE)

    def after_fill(self, filled: Order, phase: int, *, closed: bool) -> None:
        """Cancel group siblings, exits without a position, and uncovered sales (O9, D5)."""
        for o in list(self.orders):
            if filled.group != 0 and o.group == filled.group and o is not filled:
                self.finish(o, phase, GROUP_FILLED)
        if not closed:
            return
        s = filled.symbol
        for o in list(self.orders):
            if o.symbol == s and self.cannot_reduce(o):
                self.finish(o, phase, POSITION_CLOSED)
        if not self.spot:
            return
        held = self.positions[s].qty
        for o in reversed(list(self.orders)):
            if self.reserved_base(s) <= held * (1.0 + DUST):
                return
            if o.symbol == s and o.side < 0 and not o.reduce_only:
                self.finish(o, phase, POSITION_CLOSED if held == 0.0 else INSUFFICIENT_BALANCE)

    # Meetings

    def fire(self, o: Order, base: float, phase: int) -> None:
        """Execute what was triggered at `base`; a stop-limit now is a limit (O1, O7)."""
        if o.type != STOP_LIMIT:
            # What a cap leaves of a stop is a market order; a target waits for its price again.
            o.fired = o.type != TAKE_PROFIT
            self.execute(o, base, 0.0, TAKER, phase)
            return
        o.state = TRIGGERED
        if self.is_passed(o, base):
            self.execute(o, base, o.price, TAKER, phase)
        elif o.tif != GTC:
            self.finish(o, phase, EXPIRED)

    def meet(self, o: Order, price: float, phase: int) -> None:
        """Let a resting order meet a price that it waited for."""
        if self.cannot_reduce(o):
            return
        if o.is_limit:
            self.execute(o, price, price, MAKER, phase)
        else:
            self.fire(o, price, phase)

    def arrive(self, o: Order, base: float, phase: int) -> None:
        """Let a new order meet its first price (O3)."""
        if self.cannot_reduce(o) and (o.type == MARKET or o.fired or not self.has_entry(o)):
            self.finish(o, phase, POSITION_CLOSED)
            return
        if o.type == MARKET or o.fired:
            self.execute(o, base, 0.0, TAKER, phase)
            return
        if o.type == TRAILING_STOP and o.extreme <= 0.0:
            o.extreme = base
        o.state = RESTING
        if self.cannot_reduce(o):
            return
        if o.type == LIMIT:
            self._limit_arrives(o, base, phase)
        elif self.is_passed(o, base):
            self.fire(o, base, phase)

    def _limit_arrives(self, o: Order, base: float, phase: int) -> None:
        if not self.is_passed(o, base):
            if o.tif != GTC:
                self.finish(o, phase, EXPIRED)
        elif o.post_only:
            self.finish(o, phase, POST_ONLY_WOULD_TAKE)
        else:
            self.execute(o, base, o.price, TAKER, phase)
