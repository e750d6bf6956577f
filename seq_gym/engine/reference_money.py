"""The reference twin's money: valuation, slippage, reserves, and the fill (M1 to M6)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.codes import (
    AT_ONCE,
    CANCELLED,
    CLOSE,
    FILL,
    FIXED_BPS,
    MAKER,
    NONE,
    OPEN,
    SQUARE_ROOT,
    TAKER,
    VOLUME_SHARE,
)
from seq_gym.engine.layout import Table
from seq_gym.engine.reference_state import (
    DUST,
    Account,
    Bar,
    CandleUse,
    Event,
    Order,
    Position,
    ceil_to,
    floor_to,
    read_bars,
    read_record,
    without_dust,
)

__all__ = ["Money"]


class Money:
    """One account over one market: what things are worth, cost and hold."""

    def __init__(
        self,
        candles: Table,
        funding: NDArray[np.float64] | None,
        instruments: Table,
        params: Table,
        slippage: Callable[[float, float, float], float] | None = None,
    ) -> None:
        self.bars: list[list[Bar]] = read_bars(candles)
        self.funding = None if funding is None else funding.tolist()
        self.instruments: list[Any] = [SimpleNamespace(**read_record(i)) for i in instruments]
        self.p: Any = SimpleNamespace(**read_record(params[0]))
        self.slippage_function = slippage
        self.spot: bool = self.p.margin == 0
        self.events: list[Event] = []
        self.reset(0, len(self.bars) - 1)

    def reset(
        self, start: int, end: int, fee_scale: float = 1.0, slippage_scale: float = 1.0
    ) -> None:
        """Open the account afresh at cursor `start`, to end at cursor `end`."""
        balance = self.p.starting_balance
        self.account = Account(balance, balance, cursor=start, start=start, end=end)
        self.account.fee_scale, self.account.slippage_scale = fee_scale, slippage_scale
        self.account.peak_equity = balance
        self.positions = [Position() for _ in self.instruments]
        self.orders: list[Order] = []
        self.uses: dict[tuple[int, int], CandleUse] = defaultdict(CandleUse)
        self.record_equity()

    # Time and prices

    def known(self, s: int) -> Bar:
        """Return the last row that is known now."""
        return self.bars[self.account.cursor][s]

    def coming(self, s: int) -> Bar:
        """Return the candle that is being matched."""
        return self.bars[self.account.cursor + 1][s]

    def row(self, phase: int) -> int:
        """Return the candle in which a phase lies: the last one between candles."""
        return self.account.cursor + (0 if phase == AT_ONCE else 1)

    def met_row(self, s: int, phase: int) -> int:
        """Return the candle whose liquidity a phase takes: the last known one at once (O10)."""
        row = self.row(phase)
        if phase == AT_ONCE:
            while row > 0 and self.bars[row][s].fresh and not self.bars[row][s].traded:
                row -= 1
        return row

    def use(self, s: int, phase: int) -> CandleUse:
        """Return what was taken of a symbol's candle in which a phase trades."""
        return self.uses[self.met_row(s, phase), s]

    def value_price(self, s: int, phase: int) -> float:
        """Return the mark between candles; inside one its open, if it trades, at last its close."""
        if phase == CLOSE:
            return self.coming(s).mark
        if phase != AT_ONCE and self.coming(s).traded:
            return self.coming(s).open
        return self.known(s).mark

    def equity_at(self, phase: int) -> float:
        """Return cash plus positions at a phase's prices."""
        total = self.account.cash
        for s, pos in enumerate(self.positions):
            if pos.qty != 0.0:
                total += pos.qty * self.value_price(s, phase)
        return total

    def gross_at(self, phase: int) -> float:
        """Return the absolute notional of all positions at a phase's prices."""
        total = 0.0
        for s, pos in enumerate(self.positions):
            total += abs(pos.qty) * self.value_price(s, phase)
        return total

    def record_equity(self) -> None:
        """Mark the account at the cursor: equity, its peak, its drawdown (X3)."""
        a = self.account
        a.equity = self.equity_at(AT_ONCE)
        a.peak_equity = max(a.peak_equity, a.equity)
        if a.peak_equity > 0.0:
            a.max_drawdown = max(a.max_drawdown, 1.0 - a.equity / a.peak_equity)
        at = a.cursor - a.start
        a.curve[at:] = [a.equity]

    # What taking costs

    def slippage_frac(self, notional: float, adv: float, sigma: float) -> float:
        """Return the slippage of taking `notional` from one candle (M1)."""
        p = self.p
        if p.slippage_model == FIXED_BPS:
            return float(p.impact)
        if p.slippage_model == VOLUME_SHARE:
            raw = p.impact * notional / adv if adv > 0.0 else 0.0
        elif p.slippage_model == SQUARE_ROOT:
            raw = p.impact * sigma * math.sqrt(notional / adv) if adv > 0.0 else 0.0
        else:
            assert self.slippage_function is not None
            raw = self.slippage_function(notional, adv, sigma)
        if math.isnan(raw):
            return float(p.slippage_floor)
        return float(min(max(raw, p.slippage_floor), p.slippage_cap))

    def fee_frac(self, s: int, liquidity: int) -> float:
        """Return what the account pays of a fill's notional (M2); negative is a rebate."""
        ins = self.instruments[s]
        listed = ins.maker_fee_frac if liquidity == MAKER else ins.taker_fee_frac
        return float(self.account.fee_scale * listed)

    def taker_price(self, s: int, side: int, base: float, qty: float, phase: int) -> float:
        """Return base moved against the taker, to the worse tick (M1, M6, O10)."""
        use = self.use(s, phase)
        before = use.bought if side > 0 else use.sold
        known = self.known(s)  # D15: before the candle that fills
        slip = self.slippage_frac(before + qty * base, known.adv, known.sigma)
        slip *= self.account.slippage_scale
        tick = self.instruments[s].tick
        if side > 0:
            return ceil_to(base * (1.0 + slip), tick)
        moved = base * (1.0 - slip)
        rounded = floor_to(moved, tick)
        return rounded if rounded > 0.0 else moved

    def price_of(self, o: Order, base: float, limit: float, qty: float, phase: int) -> float:
        """Return what an order pays as taker; a limit is a promise (O6), 0 is none."""
        price = self.taker_price(o.symbol, o.side, base, qty, phase)
        if limit <= 0.0:
            return price
        return min(price, limit) if o.side > 0 else max(price, limit)

    def unit_cost(self, base: float, price: float, fee_frac: float) -> float:
        """Return what one opened unit takes from the budget (D11)."""
        if self.spot:
            return price + price * fee_frac
        return float(self.p.initial_margin_frac * price + abs(price - base) + price * fee_frac)

    def spend(self, qty: float, base: float, price: float, fee_frac: float) -> float:
        """Return what opening `qty` takes from the budget (D11)."""
        if self.spot:
            return qty * price + qty * price * fee_frac
        return qty * self.unit_cost(base, price, fee_frac)

    # Reserves

    def fee_reserve(self, s: int) -> float:
        """Return the fee that a reserve provides for: no rebate is counted on (M3)."""
        return max(self.fee_frac(s, TAKER), self.fee_frac(s, MAKER), 0.0)

    def reserve_of(self, o: Order) -> float:
        """Return what an order holds: quote units, or base units for a spot sale (M3)."""
        if o.reduce_only or o.qty <= 0.0 or o.reserve_price <= 0.0:
            return 0.0
        if self.spot and o.side < 0:
            return o.qty
        fee = self.fee_reserve(o.symbol)
        if self.spot:
            return o.qty * o.reserve_price + o.qty * o.reserve_price * fee
        held = self.positions[o.symbol].qty
        opening = o.qty - (min(o.qty, abs(held)) if held * o.side < 0.0 else 0.0)
        return float(opening * o.reserve_price * (self.p.initial_margin_frac + fee))

    @property
    def reserved(self) -> float:
        """Quote units held by all working orders."""
        total = 0.0
        for o in self.orders:
            if not (self.spot and o.side < 0):
                total += self.reserve_of(o)
        return total

    def reserved_base(self, s: int) -> float:
        """Return the base units that working spot sales of a symbol hold."""
        total = 0.0
        for o in self.orders:
            if self.spot and o.side < 0 and o.symbol == s:
                total += self.reserve_of(o)
        return total

    def budget(self, phase: int) -> float:
        """Return what opening orders may spend (D11)."""
        if self.spot:
            return self.account.cash - self.reserved
        used = self.p.initial_margin_frac * self.gross_at(phase)
        return float(self.equity_at(phase) - used - self.reserved)

    def fitting_budget(self, phase: int) -> float:
        """Return what a fitted size may spend: a rounding must not eat what others reserved."""
        spare = 4e-15 * self.account.cash if self.spot and self.reserved > 0.0 else 0.0
        return self.budget(phase) - spare

    # What happens to orders

    def log(self, o: Order, kind: int, phase: int, reason: int) -> None:
        """Record an event that is no fill."""
        qty = o.qty if o.qty > 0.0 else o.size
        self.events.append(
            Event(
                kind, o.id, self.account.cursor, phase, o.symbol, o.side, o.type, 0, reason,
                qty, o.price, math.nan, 0.0, 0.0, math.nan,
            )
        )  # fmt: skip

    def finish(self, o: Order, phase: int, reason: int) -> None:
        """Take an order out of work and say why; what it held is free at once."""
        self.log(o, CANCELLED, phase, reason)
        self.forget(o)

    def forget(self, o: Order) -> None:
        """Take an order out of the book, if it is there."""
        self.orders = [other for other in self.orders if other is not o]
        o.done = True

    def fill(
        self,
        o: Order,
        qty: float,
        price: float,
        base: float,
        liquidity: int,
        phase: int,
        reason: int = NONE,
    ) -> None:
        """Move the money of one execution (M2, M4)."""
        a, pos, ins = self.account, self.positions[o.symbol], self.instruments[o.symbol]
        fee = qty * price * self.fee_frac(o.symbol, liquidity)
        slippage = abs(price - base) * qty
        held = abs(pos.qty) if pos.qty * o.side < 0.0 else 0.0
        closing = qty if qty <= held * (1.0 + DUST) else held
        opening = qty - closing
        profit = math.nan
        if closing > 0.0:
            profit = self._close(pos, o.side, closing, price, fee * (closing / qty))
            use = self.use(o.symbol, phase)
            use.opened_inside = min(use.opened_inside, abs(pos.qty))
        if opening > 0.0:
            cost = o.side * opening * price + fee * (opening / qty)
            a.cash -= cost
            if pos.qty == 0.0:
                pos.opened_at = a.cursor
            pos.qty += o.side * opening
            pos.basis += cost
            pos.entry += o.side * opening * price
            if phase not in (AT_ONCE, OPEN):
                self.use(o.symbol, phase).opened_inside += opening
        pos.qty = without_dust(pos.qty, ins.lot)
        self._count(o, qty, base, phase)
        a.num_fills += 1
        a.turnover += qty * price
        a.slippage += slippage
        if liquidity == MAKER:
            a.maker_fees += fee
        else:
            a.taker_fees += fee
        o.filled += qty
        o.qty = o.qty - qty if o.qty - qty > DUST * qty else 0.0
        self.events.append(
            Event(
                FILL, o.id, a.cursor, phase, o.symbol, o.side, o.type, liquidity, reason,
                qty, price, base, fee, slippage, profit,
            )
        )  # fmt: skip

    def _close(self, pos: Position, side: int, qty: float, price: float, fee: float) -> float:
        """Close a part at average cost; return proceeds minus exit fee minus basis (M4)."""
        whole = qty >= abs(pos.qty) * (1.0 - DUST)
        part = 1.0 if whole else qty / abs(pos.qty)
        proceeds = -side * qty * price - fee
        profit = proceeds - pos.basis * part
        pos.qty = 0.0 if whole else pos.qty + side * qty
        pos.basis = 0.0 if whole else pos.basis * (1.0 - part)
        pos.entry = 0.0 if whole else pos.entry * (1.0 - part)
        pos.realized += profit
        self.account.cash += proceeds
        self.account.realized += profit
        self.account.num_closing += 1
        self.account.num_wins += profit > 0.0
        return profit

    def _count(self, o: Order, qty: float, base: float, phase: int) -> None:
        """Add a fill to the candle's counters (O10)."""
        use = self.use(o.symbol, phase)
        use.volume += qty
        if o.side > 0:
            use.bought += qty * base
        else:
            use.sold += qty * base
