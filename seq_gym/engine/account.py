"""Money: valuation, what can be afforded, and the one place where a fill moves cash (M3 to M5)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.codes import AT_ONCE, CLOSE, FILL, FRESH, MAKER, TRADED
from seq_gym.engine.journal import log_event
from seq_gym.engine.pricing import slippage_frac, taker_price, without_dust
from seq_gym.engine.tables import candle, instrument_at, params_at, position, traded

__all__ = [
    "DUST",
    "apply_fill",
    "budget",
    "cost_of",
    "equity_at",
    "fee_reserve_frac",
    "fitting_budget",
    "gross_at",
    "maker_fee_frac",
    "mark_equity",
    "met_row",
    "renew_stamp",
    "taker_fee_frac",
    "unit_cost",
    "value_price",
]


DUST = 1e-12
"""Quantities that agree to this part are the same: 0.1 + 0.2 bought are closed by 0.3 sold."""


@inlined
def value_price(c: Any, a: Any, s: int, phase: int) -> float:
    """Return what values a position: the mark at the cursor, the open or close of the candle."""
    if phase == CLOSE:
        return candle(c, a.cursor + 1, s).mark
    if phase != AT_ONCE:
        bar = candle(c, a.cursor + 1, s)
        if traded(bar):
            return bar.open
    return candle(c, a.cursor, s).mark


@inlined
def equity_at(c: Any, a: Any, e: int, phase: int) -> float:
    """Return cash plus positions at the prices of a phase."""
    total = a.cash
    for s in range(c.num_symbols):
        total += position(c, e, s).qty * value_price(c, a, s, phase)
    return total


@inlined
def mark_equity(c: Any, a: Any, e: int) -> float:
    """Return cash plus positions at the marks of the cursor."""
    total = a.cash
    for s in range(c.num_symbols):  # no test for zero: it would be mispredicted half the time
        total += position(c, e, s).qty * candle(c, a.cursor, s).mark
    return total


@helper
def gross_at(c: Any, a: Any, e: int, phase: int) -> float:
    """Return the summed absolute notional of all positions at the prices of a phase."""
    total = 0.0
    for s in range(c.num_symbols):
        qty = position(c, e, s).qty
        if qty != 0.0:
            total += abs(qty) * value_price(c, a, s, phase)
    return total


@inlined
def cost_of(qty: float, price: float, fee_frac: float) -> float:
    """Return what a spot purchase takes from cash: written once, so that checks equal charges."""
    notional = qty * price
    return notional + notional * fee_frac


@inlined
def taker_fee_frac(c: Any, a: Any, s: int) -> float:
    """Return the fee of a fill as taker in a symbol (M2), as the account pays it."""
    return instrument_at(c.instruments, s).taker_fee_frac * a.fee_scale


@inlined
def maker_fee_frac(c: Any, a: Any, s: int) -> float:
    """Return the fee of a fill as maker in a symbol (M2), as the account pays it."""
    return instrument_at(c.instruments, s).maker_fee_frac * a.fee_scale


@helper
def fee_reserve_frac(c: Any, a: Any, s: int) -> float:
    """Return the fee that a reserve provides for: the dearer one, rebates not counted on (M3)."""
    return max(taker_fee_frac(c, a, s), maker_fee_frac(c, a, s), 0.0)


@inlined
def budget(c: Any, a: Any, e: int, phase: int) -> float:
    """Return what opening orders may spend: free cash in spot, free margin in a margin account."""
    p = params_at(c.params, 0)
    if p.margin == 0:
        return a.cash - a.reserved
    used = p.initial_margin_frac * gross_at(c, a, e, phase)
    return equity_at(c, a, e, phase) - used - a.reserved


@inlined
def fitting_budget(c: Any, a: Any, e: int, phase: int) -> float:
    """Return what a fitted size may spend: its rounding must not eat what others have reserved."""
    have = budget(c, a, e, phase)
    if params_at(c.params, 0).margin == 0 and a.reserved > 0.0:
        have -= 4e-15 * a.cash
    return have


@inlined
def unit_cost(p: Any, base: float, price: float, fee_frac: float) -> float:
    """Return how much of the budget one opened unit takes when bought or sold at `price`."""
    if p.margin == 0:
        return price + price * fee_frac
    return p.initial_margin_frac * price + abs(price - base) + price * fee_frac


@helper
def met_row(c: Any, a: Any, s: int, phase: int) -> int:
    """Return the candle whose liquidity a phase takes: between candles the last known one (O10).

    A coarse candle stays the last known one over the grid rows until the next has closed (C4).
    """
    if phase != AT_ONCE:
        return a.cursor + 1
    row = a.cursor
    while row > 0 and (candle(c, row, s).flags & (TRADED | FRESH)) == FRESH:
        row -= 1
    return row


@inlined
def renew_stamp(pos: Any, row: int) -> None:
    """Start the candle's own counters of a position when a new candle is met (O2, O10)."""
    if pos.stamp != row:
        pos.stamp = row
        pos.inside_qty = 0.0
        pos.buy_notional = 0.0
        pos.sell_notional = 0.0
        pos.used_volume = 0.0


@inlined
def _slipped(c: Any, a: Any, s: int, side: int, base: float, qty: float, before: float) -> float:
    """Return a taker's price, slippage and tick included, after `before` of quote was taken.

    The ADV and volatility are those known at the cursor, before the candle that fills (C2).
    """
    known = candle(c, a.cursor, s)
    slip = slippage_frac(params_at(c.params, 0), before + qty * base, known.adv, known.sigma)
    return taker_price(side, base, slip * a.slippage_scale, instrument_at(c.instruments, s).tick)


@helper
def price_for(c: Any, a: Any, e: int, s: int, side: int, base: float, qty: float) -> float:
    """Return the taker's price for `qty` more of a symbol on a side of the candle being met."""
    pos = position(c, e, s)
    before = pos.buy_notional if side > 0 else pos.sell_notional
    return _slipped(c, a, s, side, base, qty, before)


@helper
def quoted_price(c: Any, a: Any, e: int, s: int, side: int, qty: float) -> float:
    """Return what a check assumes that `qty` would cost a taker at the mark; changes nothing."""
    pos = position(c, e, s)
    before = 0.0
    if pos.stamp == met_row(c, a, s, AT_ONCE):
        before = pos.buy_notional if side > 0 else pos.sell_notional
    return _slipped(c, a, s, side, candle(c, a.cursor, s).mark, qty, before)


@inlined
def _close_part(a: Any, pos: Any, side: int, qty: float, price: float, fee: float) -> float:
    """Close `qty` of a position at average cost; return the realised profit net of the fee."""
    whole = qty >= abs(pos.qty) * (1.0 - DUST)
    part = 1.0 if whole else qty / abs(pos.qty)
    basis = pos.basis * part
    cash_flow = -side * qty * price - fee
    a.cash += cash_flow
    profit = cash_flow - basis
    if whole:
        pos.qty = 0.0
        pos.basis = 0.0
        pos.entry = 0.0
        pos.inside_qty = 0.0
    else:
        pos.qty += side * qty
        pos.basis -= basis
        pos.entry -= pos.entry * part
        pos.inside_qty = min(pos.inside_qty, abs(pos.qty))
    pos.realized += profit
    a.realized += profit
    a.num_closing += 1
    if profit > 0.0:
        a.num_wins += 1
    return profit


@inlined
def _open_part(a: Any, pos: Any, side: int, qty: float, price: float, fee: float, now: int) -> None:
    """Open or add `qty` to a position; the fee joins the basis (M4)."""
    cost = side * qty * price + fee
    a.cash -= cost
    if pos.qty == 0.0:
        pos.opened_at = now
    pos.basis += cost
    pos.entry += side * qty * price
    pos.qty += side * qty


@helper
def apply_fill(
    c: Any,
    a: Any,
    e: int,
    o: Any,
    qty: float,
    price: float,
    base: float,
    liquidity: int,
    phase: int,
    reason: int,
) -> None:
    """Execute `qty` of an order at `price`: the one place where trading moves money.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        o: The ORDER record that fills; its qty and filled are updated.
        qty: Base units, positive.
        price: The executed price, slippage included.
        base: The price the order met, before slippage (M4).
        liquidity: MAKER or TAKER.
        phase: Where in the candle; fills of a leg may take no profit in it (O2).
        reason: Why, when forced (LIQUIDATED, DELISTED, COMPLETED), else NONE.
    """
    pos = position(c, e, o.symbol)
    ins = instrument_at(c.instruments, o.symbol)
    notional = qty * price
    maker = liquidity == MAKER
    fee = notional * (maker_fee_frac(c, a, o.symbol) if maker else taker_fee_frac(c, a, o.symbol))
    slippage = abs(price - base) * qty
    held = abs(pos.qty) if pos.qty * o.side < 0.0 else 0.0
    closing = qty if qty <= held * (1.0 + DUST) else held
    profit = math.nan
    closing_fee = 0.0
    if closing > 0.0:
        closing_fee = fee if closing == qty else fee * (closing / qty)
        profit = _close_part(a, pos, o.side, closing, price, closing_fee)
    opening = qty - closing
    if opening > 0.0:
        inside = 0.0 if phase <= 1 else opening
        _open_part(a, pos, o.side, opening, price, fee - closing_fee, a.cursor)
        pos.inside_qty += inside
    # Sums of lots gather dust, which one lot less or more must not turn into a position.
    pos.qty = without_dust(pos.qty, ins.lot)
    if o.side > 0:
        pos.buy_notional += qty * base
    else:
        pos.sell_notional += qty * base
    pos.used_volume += qty
    if liquidity == MAKER:
        a.maker_fees += fee
    else:
        a.taker_fees += fee
    a.slippage += slippage
    a.turnover += notional
    a.num_fills += 1
    rest = o.qty - qty
    o.qty = rest if rest > DUST * qty else 0.0
    o.filled += qty
    log_event(c, a, e, o, FILL, phase, liquidity, reason, qty, price, base, fee, slippage, profit)
