"""The same rules slowly: the twin against which the kernels are tested.

Plain Python on dataclasses and lists, written from the semantics (C, O, M, R, E) rather than from
the kernels: no numba, no addresses, no cached sums. It exists to disagree. The parts are stacked:
`reference_state` (data, rounding), `reference_money` (value, slippage, reserves, the fill),
`reference_matching` (one order meets one price), `reference_candle` (one candle),
`reference_risk`, and here what an agent can ask for.
"""

from __future__ import annotations

import math
from dataclasses import replace

from seq_gym.engine.codes import (
    AMENDED,
    AT_ONCE,
    EQUITY_FRACTION,
    INSUFFICIENT_BALANCE,
    INVALID_QUANTITY,
    LIMIT,
    MARKET,
    MIN_NOTIONAL,
    NONE,
    NOT_LISTED,
    ORDER_NOT_FOUND,
    PLACED,
    POSITION_CLOSED,
    POST_ONLY_WOULD_TAKE,
    QUANTITY,
    REJECTED,
    RUNNING,
    STOP_LIMIT,
    TAKER,
    TARGET_WEIGHT,
    TOO_MANY_ORDERS,
    TRAILING_STOP,
    USER_CANCELLED,
    VALIDATION_ERROR,
    WAITING,
    WHOLE_POSITION,
)
from seq_gym.engine.reference_risk import Risk
from seq_gym.engine.reference_state import DUST, Event, Order, ceil_to, floor_to

__all__ = ["Event", "Order", "ReferenceSandbox"]


class ReferenceSandbox(Risk):
    """One account over one market: the verbs of `Batch`, for the account that it has.

    Args:
        candles: CANDLE records [T + 1, S].
        funding: Rates [T + 1, S], or None.
        instruments: INSTRUMENT records [S].
        params: One PARAMS record [1].
        slippage: The user's function where params.slippage_model is CALLABLE.

    `events` lists what happened, oldest first, with the field names of EVENT.
    """

    def place(
        self,
        symbol: int,
        side: int,
        size: float,
        *,
        type: int = MARKET,  # noqa: A002 - the name of the EVENT field
        tif: int = 0,
        size_mode: int = QUANTITY,
        reduce_only: bool = False,
        post_only: bool = False,
        price: float = 0.0,
        trigger: float = 0.0,
        trail_frac: float = 0.0,
        max_slippage_frac: float = math.inf,
        group: int = 0,
        expire_after: int | None = None,
    ) -> int:
        """Place an order; returns a Reason number, 0 when accepted (O1)."""
        o = self.new_order(symbol, side)
        o.size, o.type, o.tif, o.size_mode = size, type, tif, size_mode
        o.reduce_only, o.post_only, o.group = reduce_only, post_only, group
        o.price, o.trigger, o.trail_frac = price, trigger, trail_frac
        o.max_slippage_frac = max_slippage_frac
        o.expires = None if expire_after is None else self.account.cursor + expire_after
        reason = self._check(o)
        if reason != NONE:
            self.account.num_rejects += 1
            self.log(o, REJECTED, AT_ONCE, reason)
            return reason
        self.count_order()
        self.log(o, PLACED, AT_ONCE, NONE)
        self._admit(o)
        return NONE

    def cancel(self, order_id: int) -> int:
        """Cancel a working order; returns a Reason number (O11)."""
        o = self._find(order_id)
        if o is None:
            return ORDER_NOT_FOUND
        self.finish(o, AT_ONCE, USER_CANCELLED)
        return NONE

    def decrease(self, order_id: int, by: float) -> int:
        """Shrink a working order and keep its priority (O11)."""
        o = self._find(order_id)
        if o is None:
            return ORDER_NOT_FOUND
        if o.size_mode != QUANTITY:
            return INVALID_QUANTITY
        rest = floor_to(o.qty - by, self.instruments[o.symbol].lot)
        if not by > 0.0 or not rest > DUST * o.qty:
            return INVALID_QUANTITY
        o.qty = rest
        self.log(o, AMENDED, AT_ONCE, NONE)
        return NONE

    def amend(
        self,
        order_id: int,
        price: float = math.nan,
        qty: float = math.nan,
        trigger: float = math.nan,
    ) -> int:
        """Cancel and replace under the same id, with new priority; NaN leaves a term (O11)."""
        old = self._find(order_id)
        if old is None:
            return ORDER_NOT_FOUND
        new = replace(
            old,
            state=WAITING,
            fired=False,
            placed=self.account.cursor,
            blocked=-1,
            extreme=0.0,
            reserve_price=0.0,
        )
        if not math.isnan(price):
            new.price = price
        if not math.isnan(trigger):
            new.trigger = trigger
        if not math.isnan(qty):
            new.qty, new.size_mode, new.fitted = qty, QUANTITY, False
        if new.size_mode == QUANTITY:
            new.size = new.qty
        before = self.orders
        self.orders = [o for o in before if o is not old]
        reason = self._check(new)
        if reason != NONE:
            self.orders = before
            return reason
        self.count_order()
        self.log(new, AMENDED, AT_ONCE, NONE)
        self._admit(new)
        return NONE

    def ask_target(self, symbol: int, mode: int, value: float, deadband: float = 0.0) -> int:
        """Ask for a target weight or a signed fraction of equity (E6)."""
        reason = self._check_target(symbol, mode, value)
        if reason == NONE:
            self.count_order()
            pos = self.positions[symbol]
            if (pos.target_mode, pos.target_value) != (mode, value):
                pos.target_placed = self.account.cursor
            pos.target_mode, pos.target_value, pos.target_deadband = mode, value, deadband
            return NONE
        o = self.new_order(symbol, 1 if value >= 0.0 else -1)
        o.size, o.size_mode = value, mode
        self.account.num_rejects += 1
        self.log(o, REJECTED, AT_ONCE, reason)
        return reason

    def rebalance(self) -> None:
        """Execute the targets at once under execution="close"; else they wait for the open."""
        if self.p.at_close and self.account.ending == RUNNING:
            self.execute_intents(AT_ONCE)

    # How a request is checked and admitted

    def _find(self, order_id: int) -> Order | None:
        return next((o for o in self.orders if o.id == order_id), None)

    def _check_shape(self, o: Order) -> int:
        """Check what needs no money; round to tick and lot (M6)."""
        ins = self.instruments[o.symbol]
        if not self.known(o.symbol).listed or self.known(o.symbol).ended:
            return NOT_LISTED
        if o.size_mode != WHOLE_POSITION and not 0.0 < o.size < math.inf:
            return INVALID_QUANTITY
        if not self._check_prices(o):
            return VALIDATION_ERROR
        if o.size_mode == QUANTITY:
            o.qty = floor_to(o.size, ins.lot)
            if o.qty <= 0.0:
                return INVALID_QUANTITY
        return NONE

    def _check_prices(self, o: Order) -> bool:
        """Say whether the prices that the type needs are there; round the limit to its tick."""
        if o.type in (LIMIT, STOP_LIMIT):
            if not 0.0 < o.price < math.inf:
                return False
            o.price = (floor_to if o.side > 0 else ceil_to)(
                o.price, self.instruments[o.symbol].tick
            )
            if o.price <= 0.0:
                return False
        if o.type == TRAILING_STOP:
            return 0.0 < o.trail_frac < 1.0
        return o.type in (MARKET, LIMIT) or 0.0 < o.trigger < math.inf

    def _expected_price(self, o: Order, qty: float) -> float:
        """Return the price that a check assumes: the limit, or the mark with slippage."""
        if o.type in (LIMIT, STOP_LIMIT):
            return o.price
        return self.taker_price(o.symbol, o.side, self.known(o.symbol).mark, qty, AT_ONCE)

    def _quote(self, o: Order) -> float:
        return o.size * self.equity_at(AT_ONCE) if o.size_mode == EQUITY_FRACTION else o.size

    def _fit_limit(self, o: Order) -> None:
        """Turn a limit's notional or fraction into a quantity now: its price is known (D6)."""
        if o.size_mode == QUANTITY or o.type not in (LIMIT, STOP_LIMIT) or o.reduce_only:
            return
        qty = self._quote(o) / o.price
        if o.side > 0 or not self.spot:
            unit = self.unit_cost(o.price, o.price, self.fee_reserve(o.symbol))
            qty = min(qty, max(self.fitting_budget(AT_ONCE), 0.0) / unit * (1.0 - 1e-15))
        else:
            qty = min(qty, self.positions[o.symbol].qty - self.reserved_base(o.symbol))
        o.qty = max(floor_to(qty, self.instruments[o.symbol].lot), 0.0)
        o.size_mode, o.fitted = QUANTITY, True

    def _expected_qty(self, o: Order) -> float:
        """Return the quantity that a check assumes for a size that is settled at the fill."""
        if o.size_mode == QUANTITY:
            return o.qty
        if o.size_mode == WHOLE_POSITION:
            return abs(self.positions[o.symbol].qty)
        return max(self._quote(o), 0.0) / self.known(o.symbol).mark

    def _is_fresh(self, o: Order) -> bool:
        """Say whether an order meets the mark at once (O3, C6)."""
        return bool(self.p.at_close) and self.known(o.symbol).fresh

    def _check(self, o: Order) -> int:
        """Return NONE, or why a request is refused."""
        reason = self._check_shape(o)
        if reason != NONE:
            return reason
        at_once = self._is_fresh(o) and o.type == MARKET
        if len(self.orders) >= self.p.max_orders and not at_once:
            return TOO_MANY_ORDERS
        self._fit_limit(o)
        if self.cannot_reduce(o) and not self.has_entry(o):
            return POSITION_CLOSED
        qty, ins = self._expected_qty(o), self.instruments[o.symbol]
        price = self._expected_price(o, qty)
        if not o.reduce_only and qty * price < ins.min_notional:
            return MIN_NOTIONAL
        if self._is_fresh(o) and o.post_only and self.is_passed(o, self.known(o.symbol).mark):
            return POST_ONLY_WOULD_TAKE
        self.roll_day()
        cost = qty * price * (1.0 + self.fee_frac(o.symbol, TAKER))
        reason = self.check_risk(
            o.symbol, o.side, qty, price, cost, exit_only=o.reduce_only, is_target=False
        )
        if reason != NONE or o.reduce_only:
            return reason
        return self._check_funds(o)

    def _check_funds(self, o: Order) -> int:
        """Check that an explicit quantity is covered (M3)."""
        pos = self.positions[o.symbol]
        if o.size_mode == QUANTITY and o.qty <= 0.0:
            return INSUFFICIENT_BALANCE
        if self.spot and o.side < 0:
            free = pos.qty - self.reserved_base(o.symbol)
            covered = o.qty <= free * (1.0 + DUST) if o.size_mode == QUANTITY else free > 0.0
            return NONE if covered else INSUFFICIENT_BALANCE
        if o.size_mode != QUANTITY:
            return NONE
        have = self.budget(AT_ONCE)
        price = self._expected_price(o, o.qty)
        if not self.spot:
            mark = self.known(o.symbol).mark
            closing = min(o.qty, abs(pos.qty)) if pos.qty * o.side < 0.0 else 0.0
            if closing >= o.qty * (1.0 - DUST):
                return NONE
            have += closing * self.p.initial_margin_frac * mark
            fee = self.fee_frac(o.symbol, TAKER)
            if o.type == MARKET and (o.qty - closing) * self.unit_cost(mark, price, fee) > have:
                return INSUFFICIENT_BALANCE
        need = self.reserve_of(replace(o, reserve_price=price))
        return INSUFFICIENT_BALANCE if need > have else NONE

    def _admit(self, o: Order) -> None:
        """Let an accepted request arrive at once, or wait; keep what still has work."""
        if self._is_fresh(o):
            self.arrive(o, self.known(o.symbol).mark, AT_ONCE)
        if o.done:
            return
        if len(self.orders) >= self.p.max_orders:
            self.finish(o, AT_ONCE, TOO_MANY_ORDERS)
            return
        o.reserve_price = self._expected_price(o, o.qty) if o.size_mode == QUANTITY else 0.0
        self.orders.append(o)
        if self.spot and self.account.cash < self.reserved:
            self.finish(o, AT_ONCE, INSUFFICIENT_BALANCE)

    def _check_target(self, s: int, mode: int, value: float) -> int:
        """Return NONE, or why a target cannot be asked for."""
        known, pos = self.known(s), self.positions[s]
        if not math.isfinite(value):
            return INVALID_QUANTITY
        if not known.listed or known.ended:
            return NOT_LISTED if value != 0.0 else NONE
        if not self.p.any_risk:
            return NONE
        self.roll_day()
        if mode == TARGET_WEIGHT and self.spot:
            value = max(value, 0.0)
        change = value * self.equity_at(AT_ONCE) / known.mark
        if mode == TARGET_WEIGHT:
            change -= pos.qty
        if change == 0.0:
            return NONE
        side = 1 if change > 0.0 else -1
        price = self.taker_price(s, side, known.mark, abs(change), AT_ONCE)
        cost = abs(change) * price * (1.0 + self.fee_frac(s, TAKER))
        exit_only = mode == TARGET_WEIGHT and value == 0.0
        return self.check_risk(
            s, side, abs(change), price, cost, exit_only=exit_only, is_target=True
        )
