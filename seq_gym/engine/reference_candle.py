"""The reference twin's candle: targets, open, two legs, close, and the end (O2, E1, M5, M7)."""

from __future__ import annotations

import math

from seq_gym.engine.codes import (
    ADVERSE,
    AT_ONCE,
    CLOSE,
    COMPLETED,
    DATA_END,
    DELISTED,
    END_OF_EPISODE,
    EXPIRED,
    FAVOURABLE,
    IOC,
    LIQUIDATED,
    LIQUIDATION,
    OPEN,
    RESTING,
    RUINED,
    RUNNING,
    TAKER,
    TARGET_WEIGHT,
    TRAILING_STOP,
    TRIGGERED,
    WAITING,
    WHOLE_POSITION,
    WINDOW_END,
)
from seq_gym.engine.reference_matching import Matching
from seq_gym.engine.reference_state import Order, floor_to

__all__ = ["Candles"]


class Candles(Matching):
    """What one candle does to the account."""

    def new_order(self, s: int, side: int) -> Order:
        """Return a fresh order with the next id."""
        a = self.account
        a.next_order_id += 1
        return Order(id=a.next_order_id - 1, symbol=s, side=side, placed=a.cursor)

    # Targets: E6, D10.

    def execute_intents(self, phase: int) -> None:
        """Execute the targets that can trade: reductions first, then what they pay for."""
        equity = self.equity_at(phase)
        to_open: dict[int, float] = {}
        for s, pos in enumerate(self.positions):
            if pos.target_mode is None or not self._can_trade(s, pos.target_placed, phase):
                continue
            change = self._wanted_change(s, equity, self.value_price(s, phase))
            pos.target_mode = None
            to_open[s] = self._reduce(s, change, phase)
        self._open_all({s: change for s, change in to_open.items() if change != 0.0}, phase)

    def _can_trade(self, s: int, placed: int, phase: int) -> bool:
        if phase == AT_ONCE:
            return self.known(s).fresh
        coming = self.coming(s)
        return coming.traded and placed <= self.account.cursor + 1 - coming.span

    def _wanted_change(self, s: int, equity: float, price: float) -> float:
        pos = self.positions[s]
        if equity <= 0.0:
            return -pos.qty
        if pos.target_mode != TARGET_WEIGHT:
            return pos.target_value * equity / price
        weight = max(pos.target_value, 0.0) if self.spot else pos.target_value
        if weight == 0.0:
            return -pos.qty
        if abs(weight - pos.qty * price / equity) < pos.target_deadband:
            return 0.0
        return weight * equity / price - pos.qty

    def _reduce(self, s: int, change: float, phase: int) -> float:
        """Execute what shrinks the position; return what is left to open."""
        pos = self.positions[s]
        if change * pos.qty >= 0.0:
            return change
        held = abs(pos.qty)
        lot = self.instruments[s].lot
        qty = held if abs(change) >= held else floor_to(abs(change), lot)
        if qty > 0.0:
            o = self.new_order(s, -1 if pos.qty > 0.0 else 1)
            o.reduce_only, o.tif, o.qty = True, IOC, qty
            self.execute(o, self.value_price(s, phase), 0.0, TAKER, phase)
        if pos.qty != 0.0 or abs(change) <= held:
            return 0.0
        return change + held if change < 0.0 else change - held

    def _open_all(self, changes: dict[int, float], phase: int) -> None:
        """Open what is asked for; several that do not fit are scaled by one factor."""
        total = 0.0
        for s, change in changes.items():
            base, side = self.value_price(s, phase), 1 if change > 0.0 else -1
            price = self.taker_price(s, side, base, abs(change), phase)
            fee = self.fee_frac(s, TAKER)
            total += abs(change) * self.unit_cost(base, price, fee)
        have = self.budget(phase)
        factor = max(have, 0.0) / total if len(changes) > 1 and total > have else 1.0
        for s, change in changes.items():
            ins = self.instruments[s]
            qty = floor_to(abs(change) * factor, ins.lot)
            if qty > 0.0 and qty * self.value_price(s, phase) >= ins.min_notional:
                o = self.new_order(s, 1 if change > 0.0 else -1)
                o.fitted, o.tif, o.qty = True, IOC, qty
                self.execute(o, self.value_price(s, phase), 0.0, TAKER, phase)

    # Forced closes

    def cancel_all(self, phase: int, reason: int) -> None:
        """Cancel every working order, in priority order."""
        for o in list(self.orders):
            self.finish(o, phase, reason)

    def drop_intents(self) -> None:
        """Forget the targets that still wait."""
        for pos in self.positions:
            pos.target_mode = None

    def close_positions(self, prices: list[float], phase: int, reason: int) -> None:
        """Close every position as a taker at these prices, exempt from caps."""
        for s, pos in enumerate(self.positions):
            if pos.qty != 0.0:
                o = self.new_order(s, -1 if pos.qty > 0.0 else 1)
                o.reduce_only, o.size_mode = True, WHOLE_POSITION
                self.execute(o, prices[s], 0.0, TAKER, phase, reason)

    def liquidate(self, prices: list[float], phase: int) -> None:
        """Cancel everything, close everything, end (M5)."""
        self.cancel_all(phase, LIQUIDATION)
        self.drop_intents()
        self.close_positions(prices, phase, LIQUIDATION)
        self.account.bad_debt = max(-self.account.cash, 0.0)
        self.account.ending = LIQUIDATED

    def excess(self, prices: list[float]) -> float | None:
        """Return equity minus maintenance margin at these prices, None without a position."""
        total, holds = self.account.cash, False
        for pos, price in zip(self.positions, prices, strict=True):
            if pos.qty != 0.0:
                holds = True
                total += pos.qty * price - self.p.maintenance_frac * abs(pos.qty) * price
        return total if holds else None

    def liquidate_if_underwater(self, prices: list[float], phase: int) -> None:
        """Liquidate where equity is at or below maintenance."""
        excess = self.excess(prices)
        if not self.spot and excess is not None and excess <= 0.0:
            self.liquidate(prices, phase)

    def _delist(self) -> None:
        """Close at the last mark what can never trade again (C3, D8)."""
        for s, pos in enumerate(self.positions):
            last, now = self.known(s), self.coming(s)
            if last.ended or not (now.ended and now.listed):
                continue
            for o in [o for o in self.orders if o.symbol == s]:
                self.finish(o, OPEN, DELISTED)
            pos.target_mode = None
            if pos.qty != 0.0:
                o = self.new_order(s, -1 if pos.qty > 0.0 else 1)
                o.qty = abs(pos.qty)
                self.fill(o, o.qty, last.mark, last.mark, TAKER, OPEN, DELISTED)

    # The phases of a candle: O2, D16.

    def pending_at_open(self, o: Order) -> bool:
        """Say whether the coming candle trades, and the order was pending at its open (C4)."""
        bar = self.coming(o.symbol)
        return bar.traded and o.placed <= self.account.cursor + 1 - bar.span

    def resting_orders(self) -> list[Order]:
        """Return the orders that may meet the coming candle, in priority order."""
        row = self.account.cursor + 1
        return [
            o
            for o in self.orders
            if o.state in (RESTING, TRIGGERED) and o.blocked != row and self.pending_at_open(o)
        ]

    def _open_phase(self) -> None:
        self.execute_intents(OPEN)
        for o in list(self.orders):
            if not o.done and o.state == WAITING and self.pending_at_open(o):
                self.arrive(o, self.coming(o.symbol).open, OPEN)
        if not self.p.trigger_close:
            for o in self.resting_orders():
                price = self.coming(o.symbol).open
                if not o.done and self.is_passed(o, price, strict=bool(self.p.through)):
                    self.meet(o, price, OPEN)
        opens = [self.value_price(s, OPEN) for s in range(len(self.positions))]
        self.liquidate_if_underwater(opens, OPEN)

    def _legs(self) -> None:
        """Walk the adverse leg, then the favourable one (O2, D2)."""
        for pos in self.positions:
            pos.low_first = pos.qty >= 0.0
        for leg, phase in ((0, ADVERSE), (1, FAVOURABLE)):
            if self.account.ending == RUNNING:
                self._run_leg(leg, phase)

    def ends_of_leg(self, s: int, leg: int) -> tuple[float, float]:
        """Return where a leg of a symbol starts and ends; a candle without trades stands still."""
        bar = self.coming(s)
        if not bar.traded:
            return bar.mark, bar.mark
        first, second = (bar.low, bar.high) if self.positions[s].low_first else (bar.high, bar.low)
        return (bar.open, first) if leg == 0 else (first, second)

    def price_on_leg(self, s: int, leg: int, part: float) -> float:
        """Return a symbol's price part of the way along a leg."""
        start, end = self.ends_of_leg(s, leg)
        return start + part * (end - start)

    def prices_on_leg(self, leg: int, part: float) -> list[float]:
        """Return all prices part of the way along a leg: symbols move together."""
        return [self.price_on_leg(s, leg, part) for s in range(len(self.positions))]

    def _run_leg(self, leg: int, phase: int) -> None:
        reached = 0.0
        while True:
            margin_call = self._margin_call(leg, reached)
            met = None
            if not self.p.trigger_close:
                met = self._next_meeting(leg, reached)
            nearest = math.inf if met is None else met[0]
            if margin_call is not None and margin_call <= nearest:
                self.liquidate(self.prices_on_leg(leg, margin_call), phase)
                return
            if met is None:
                return
            reached, o, price = met
            had_fired = o.state == TRIGGERED
            self.meet(o, price, phase)
            just_fired = o.state == TRIGGERED and not had_fired
            if not o.done and not just_fired:
                o.blocked = self.account.cursor + 1

    def _next_meeting(self, leg: int, reached: float) -> tuple[float, Order, float] | None:
        """Return the next order that the leg meets: where, which, and at what price."""
        best: tuple[float, Order, float] | None = None
        for o in self.resting_orders():
            met = self._meeting(o, leg, reached)
            if met is not None and (best is None or met[0] < best[0]):
                best = (met[0], o, met[1])
        return best

    def _meeting(self, o: Order, leg: int, reached: float) -> tuple[float, float] | None:
        """Return where on the leg an order is met, and at what price; None if it is not."""
        if self.cannot_reduce(o):
            return None
        start, end = self.ends_of_leg(o.symbol, leg)
        now = self.price_on_leg(o.symbol, leg, reached)
        if not o.is_limit and self.is_passed(o, now):
            return reached, now  # passed before it was live (D2)
        if start == end or (end < start) != self.waits_for_fall(o):
            return None
        if not self.is_passed(o, end, strict=bool(self.p.through)):
            return None
        level = self.level(o)
        return max((start - level) / (start - end), reached), level

    def _margin_call(self, leg: int, reached: float) -> float | None:
        """Return the smallest part of the leg at which equity equals maintenance (M5)."""
        if self.spot:
            return None
        now = self.excess(self.prices_on_leg(leg, reached))
        end = self.excess(self.prices_on_leg(leg, 1.0))
        if now is None or end is None:
            return None
        if now <= 0.0:
            return reached
        return reached + (1.0 - reached) * now / (now - end) if end <= 0.0 else None

    def _close_phase(self) -> None:
        if self.p.trigger_close:
            for o in self.resting_orders():
                price = self.coming(o.symbol).mark
                if not o.done and self.is_passed(o, price, strict=bool(self.p.through)):
                    self.meet(o, o.price if o.is_limit else price, CLOSE)
        if not self.spot:
            self._accrue()
            marks = [self.coming(s).mark for s in range(len(self.positions))]
            self.liquidate_if_underwater(marks, CLOSE)

    def _accrue(self) -> None:
        """Pay funding, then interest on shorts and on borrowed cash (M5, D9)."""
        a = self.account
        short_notional = 0.0
        for s, pos in enumerate(self.positions):
            mark = self.coming(s).mark
            rate = 0.0 if self.funding is None else self.funding[a.cursor + 1][s]
            paid = pos.qty * mark * rate
            a.cash -= paid
            a.realized -= paid
            a.funding += paid
            pos.realized -= paid
            short_notional += max(-pos.qty, 0.0) * mark
        interest = self.p.borrow_per_candle * (short_notional + max(-a.cash, 0.0))
        a.cash -= interest
        a.realized -= interest
        a.borrow += interest

    def _age_orders(self) -> None:
        """Expire what is over; let trailing stops follow the candle that has closed (D14, O7)."""
        for o in list(self.orders):
            bar = self.known(o.symbol)
            if o.expires is not None and self.account.cursor >= o.expires:
                self.finish(o, CLOSE, EXPIRED)
            elif o.type == TRAILING_STOP and o.state == RESTING:
                if self.cannot_reduce(o):
                    o.extreme = bar.mark
                elif bar.traded and o.placed <= self.account.cursor - bar.span:
                    up, down = max(o.extreme, bar.high), min(o.extreme, bar.low)
                    o.extreme = up if o.side < 0 else down

    def roll_day(self) -> None:
        """Start a new UTC day's realised loss (R3, D12)."""
        a = self.account
        day = (self.p.start_ns + a.cursor * self.p.interval_ns) // 86_400_000_000_000
        if day != a.day:
            a.day, a.realized_at_midnight = day, a.realized

    def run_candle(self) -> None:
        """Advance by one candle (D16)."""
        a = self.account
        self.roll_day()
        self._delist()
        self._open_phase()
        if a.ending == RUNNING:
            self._legs()
        if a.ending == RUNNING:
            self._close_phase()
        a.cursor += 1
        self._age_orders()
        self.record_equity()
        if a.ending == RUNNING and a.equity <= self.p.ruin_frac * a.starting_balance:
            self.cancel_all(CLOSE, END_OF_EPISODE)
            a.ending = RUINED

    def advance(self, count: int) -> None:
        """Advance by `count` candles, to the end of the window or the account's own end."""
        a = self.account
        for _ in range(count):
            if a.ending != RUNNING or a.cursor >= a.end:
                break
            self.run_candle()
        if a.ending == RUNNING and a.cursor >= a.end:
            self.end_episode(DATA_END if a.cursor == len(self.bars) - 1 else WINDOW_END)

    def end_episode(self, ending: int) -> None:
        """Cancel what is pending; close at the marks where that is asked for (M7)."""
        self.cancel_all(AT_ONCE, END_OF_EPISODE)
        self.drop_intents()
        if self.p.liquidate_on_complete:
            marks = [self.known(s).mark for s in range(len(self.positions))]
            self.close_positions(marks, AT_ONCE, COMPLETED)
        a = self.account
        a.ending = ending
        self.record_equity()
        if self.p.liquidate_on_complete and a.equity <= self.p.ruin_frac * a.starting_balance:
            a.bad_debt = max(-a.cash, 0.0)
            a.ending = RUINED
