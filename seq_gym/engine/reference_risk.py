"""The reference twin's risk profile: R1 to R5, checked when an order is placed."""

from __future__ import annotations

from seq_gym.engine.codes import (
    AT_ONCE,
    DAILY_LOSS_LIMIT,
    EQUITY_FRACTION,
    KILL_SWITCH,
    NONE,
    NOTIONAL,
    RATE_LIMIT,
    RISK_LIMIT_EXCEEDED,
    TARGET_WEIGHT,
    WHOLE_POSITION,
)
from seq_gym.engine.reference_candle import Candles
from seq_gym.engine.reference_state import Order

__all__ = ["Risk"]


class Risk(Candles):
    """Which orders the risk profile refuses."""

    def check_risk(
        self,
        s: int,
        side: int,
        qty: float,
        price: float,
        cost: float,
        *,
        exit_only: bool,
        is_target: bool,
    ) -> int:
        """Return NONE or the reason of a refusal; equal to a bound is allowed (R5)."""
        p, a = self.p, self.account
        if not p.any_risk:
            return NONE
        if self._too_fast():
            return RATE_LIMIT
        held = self.positions[s].qty
        reduces = exit_only or (held * side < 0.0 and qty <= abs(held))
        lost = 100.0 * max(a.realized_at_midnight - a.realized, 0.0) / a.starting_balance
        if lost > p.daily_loss_limit_pct and not (reduces and p.allow_reduce):
            return DAILY_LOSS_LIMIT
        if reduces:
            return NONE
        equity = self.equity_at(AT_ONCE)
        drawdown = 100.0 * (1.0 - equity / max(a.peak_equity, equity, 1e-300))
        if drawdown > p.max_drawdown_pct:
            return KILL_SWITCH
        waiting = 0.0 if is_target else self._waiting(s, side, equity)
        return self._check_sizes(s, side, qty, price, cost, equity, waiting)

    def _waiting(self, s: int, side: int, equity: float) -> float:
        """Return the notional that a waiting target would add on a side (R2)."""
        pos = self.positions[s]
        if pos.target_mode is None:
            return 0.0
        wanted = pos.target_value * max(equity, 0.0)
        held = pos.qty * self.known(s).mark if pos.target_mode == TARGET_WEIGHT else 0.0
        return max((wanted - held) * side, 0.0)

    def count_order(self) -> None:
        """Count an accepted order towards the orders of its minute (R4)."""
        self.account.orders_in_minute += 1

    def _too_fast(self) -> bool:
        """Say whether one more order would exceed those of this virtual minute (R4)."""
        p, a = self.p, self.account
        if p.max_orders_per_minute <= 0:
            return False
        minute = (p.start_ns + a.cursor * p.interval_ns) // 60_000_000_000
        if minute != a.minute:
            a.minute, a.orders_in_minute = minute, 0
        return bool(a.orders_in_minute + 1 > p.max_orders_per_minute)

    def _check_sizes(
        self,
        s: int,
        side: int,
        qty: float,
        price: float,
        cost: float,
        equity: float,
        waiting: float,
    ) -> int:
        """Check R4's counts, R1 on the opening part, R2 on the resulting position."""
        p = self.p
        if 0 < p.max_open_orders < len(self.orders) + 1:
            return RISK_LIMIT_EXCEEDED
        if qty * price < p.risk_min_notional:
            return RISK_LIMIT_EXCEEDED
        held = self.positions[s].qty
        opening = qty - (abs(held) if held * side < 0.0 else 0.0)
        opening_cost = cost * (opening / qty if qty > 0.0 else 0.0)
        available = max(self.budget(AT_ONCE), 0.0)
        if 100.0 * opening_cost > p.max_order_size_pct * available:
            return RISK_LIMIT_EXCEEDED
        mark = self.known(s).mark
        result = abs(held + side * qty) * mark + self._pending(s, side, mark, equity) + waiting
        if 100.0 * result > p.max_position_size_pct * max(equity, 0.0):
            return RISK_LIMIT_EXCEEDED
        return NONE

    def _pending(self, s: int, side: int, mark: float, equity: float) -> float:
        """Return the notional of working orders that would add to a symbol on a side (R2)."""
        return sum(
            (
                self._pending_notional(o, mark, equity)
                for o in self.orders
                if o.symbol == s and o.side == side and not o.reduce_only
            ),
            0.0,
        )

    def _pending_notional(self, o: Order, mark: float, equity: float) -> float:
        if o.size_mode == NOTIONAL:
            return o.size
        if o.size_mode == EQUITY_FRACTION:
            return o.size * max(equity, 0.0)
        if o.size_mode == WHOLE_POSITION:
            return abs(self.positions[o.symbol].qty) * mark
        return o.qty * (o.price if o.price > 0.0 else mark)
