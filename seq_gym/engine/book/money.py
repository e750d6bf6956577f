"""Money: what positions are worth, and the one place where a fill moves cash (M2 to M5).

A unit of quantity is worth `worth(ins, price)` of account money: of a linear contract its size
times the price, of an inverse one minus its size over the price. With that one word both kinds
obey the same formulas: cash falls by the worth of what is bought, equity is cash plus the worth of
what is held.
"""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.account import DUST
from seq_gym.engine.book.codes import ADVERSE_MOST_FRAC, CLOCK_LOCAL, NO_ASK, NO_BID, TRADE
from seq_gym.engine.book.levels import lots_at
from seq_gym.engine.book.tables import instrument, lane, params_at, position, row_at, tape
from seq_gym.engine.book.units import mid_of, price_of
from seq_gym.engine.codes import MAKER

__all__ = [
    "book_fill",
    "equity_of",
    "fee_frac",
    "fee_reserve_frac",
    "gross_of",
    "known_row",
    "mid_known",
    "record_equity",
    "refresh_mark",
    "whole_lots",
    "worth",
]

_MICROPRICE = 1
_LAST_TRADE = 2
_LIQUIDATION_SIDE = 3


@inlined
def worth(ins: Any, price: float) -> float:
    """Return what one unit of quantity is worth in account money at a price, signed."""
    if ins.inverse != 0:
        return -ins.contract_size / price
    return ins.contract_size * price


@inlined
def fee_reserve_frac(p: Any, ins: Any) -> float:
    """Return what a reserve provides for beyond the notional, as part of it (M3).

    That is the dearer fee, rebates not counted on, and the worst price of a maker (Z1).
    """
    fee = max(ins.taker_fee_frac, ins.maker_fee_frac, 0.0)
    if p.adverse != 0:
        fee += ADVERSE_MOST_FRAC * (1.0 + fee)
    return fee


@inlined
def whole_lots(ins: Any, qty: float) -> float:
    """Return the whole lots that a sum of fills is but for dust; other quantities as they are."""
    count = qty * ins.lot_div / ins.lot_mul
    whole = math.floor(count + 0.5)
    if abs(count - whole) > 1e-6:
        return qty
    return whole * ins.lot_mul / ins.lot_div


@inlined
def known_row(c: Any, e: int, s: int) -> int:
    """Return the last row of the agent's clock that lane s has shown; -1 before the first."""
    return lane(c, e, s).local_row - 1


@helper
def _two_sided_row(c: Any, e: int, s: int) -> int:
    """Return the last row known with prices on both sides; -1 when there was none.

    Rows are looked at once: a side may be empty for hours.
    """
    rows = tape(c, s).local_rows
    last = known_row(c, e, s)
    if last < 0 or (row_at(rows, last).bid != NO_BID and row_at(rows, last).ask != NO_ASK):
        return last
    own = lane(c, e, s)
    row = last
    while row > own.sided_to and (
        row_at(rows, row).bid == NO_BID or row_at(rows, row).ask == NO_ASK
    ):
        row -= 1
    if row > own.sided_to:
        own.sided_row = row
    own.sided_to = last
    return own.sided_row


@helper
def mid_known(c: Any, e: int, s: int) -> float:
    """Return the last mid that the agent knows of a lane; NaN before the first."""
    row = _two_sided_row(c, e, s)
    if row < 0:
        return math.nan
    known = row_at(tape(c, s).local_rows, row)
    return mid_of(instrument(c, s), known.bid, known.ask)


@helper
def _microprice(c: Any, s: int, row: int) -> float:
    """Return the mean of the best prices of a row, each weighed by the quantity opposite it."""
    t = tape(c, s)
    ins = instrument(c, s)
    known = row_at(t.local_rows, row)
    bid_lots = float(lots_at(t, CLOCK_LOCAL, 1, known.bid, row))
    ask_lots = float(lots_at(t, CLOCK_LOCAL, -1, known.ask, row))
    if bid_lots + ask_lots <= 0.0:
        return mid_of(ins, known.bid, known.ask)
    share = bid_lots / (bid_lots + ask_lots)
    return price_of(ins, known.ask) * share + price_of(ins, known.bid) * (1.0 - share)


@helper
def _last_trade(c: Any, e: int, s: int, otherwise: float) -> float:
    """Return the price of the last print known, or another price before the first."""
    rows = tape(c, s).local_rows
    own = lane(c, e, s)
    last = known_row(c, e, s)
    row = last
    while row > own.traded_to and row_at(rows, row).kind != TRADE:
        row -= 1
    if row > own.traded_to:
        own.traded_row = row
    own.traded_to = last
    if own.traded_row < 0:
        return otherwise
    return price_of(instrument(c, s), row_at(rows, own.traded_row).tick)


@helper
def _mark_by(c: Any, e: int, s: int, row: int, kind: int) -> float:
    """Return the mark of a two-sided row by a rule other than the mid."""
    known = row_at(tape(c, s).local_rows, row)
    ins = instrument(c, s)
    if kind == _MICROPRICE:
        return _microprice(c, s, row)
    mid = mid_of(ins, known.bid, known.ask)
    if kind == _LAST_TRADE:
        return _last_trade(c, e, s, mid)
    qty = position(c, e, s).qty
    if kind != _LIQUIDATION_SIDE or qty == 0.0:
        return mid
    return price_of(ins, known.bid if qty > 0.0 else known.ask)


@inlined
def refresh_mark(c: Any, e: int, s: int) -> None:
    """Set LANE.mark to what values a position now: a function of the last rows known."""
    row = _two_sided_row(c, e, s)
    if row < 0:
        return
    kind = params_at(c.params, 0).mark
    if kind == 0:
        known = row_at(tape(c, s).local_rows, row)
        lane(c, e, s).mark = mid_of(instrument(c, s), known.bid, known.ask)
    else:
        lane(c, e, s).mark = _mark_by(c, e, s, row, kind)


@helper
def equity_of(c: Any, a: Any, e: int) -> float:
    """Return cash plus the worth of all positions at marks that it brings up to date."""
    total = a.cash
    for s in range(c.num_lanes):
        refresh_mark(c, e, s)
        qty = position(c, e, s).qty
        if qty != 0.0:
            total += qty * worth(instrument(c, s), lane(c, e, s).mark)
    return total


@helper
def gross_of(c: Any, e: int) -> float:
    """Return the summed absolute notional of all positions at the marks."""
    total = 0.0
    for s in range(c.num_lanes):
        qty = position(c, e, s).qty
        if qty != 0.0:
            total += abs(qty * worth(instrument(c, s), lane(c, e, s).mark))
    return total


@helper
def record_equity(c: Any, a: Any, e: int) -> None:
    """Mark the account at what it knows now: equity, its peak, and the drawdown."""
    a.equity = equity_of(c, a, e)
    # The peak is never below the starting balance, so it is never zero.
    if a.equity >= a.peak_equity:
        a.peak_equity = a.equity
        a.drawdown = 0.0
    else:
        a.drawdown = 1.0 - a.equity / a.peak_equity
        a.max_drawdown = max(a.max_drawdown, a.drawdown)


@helper
def _close_part(a: Any, pos: Any, side: int, qty: float, unit: float, fee: float) -> float:
    """Close `qty` of a position at average cost; return the realised profit net of the fee."""
    whole = qty >= abs(pos.qty) * (1.0 - DUST)
    basis = pos.basis if whole else pos.basis * (qty / abs(pos.qty))
    cash_flow = -side * qty * unit - fee
    profit = cash_flow - basis
    a.cash += cash_flow
    pos.basis = 0.0 if whole else pos.basis - basis
    pos.qty = 0.0 if whole else pos.qty + side * qty
    pos.realized += profit
    a.realized += profit
    a.num_closing += 1
    if profit > 0.0:
        a.num_wins += 1
    return profit


@helper
def _count(a: Any, pos: Any, side: int, qty: float, notional: float) -> None:
    a.turnover += notional
    a.num_fills += 1
    if side > 0:
        pos.bought += qty
    else:
        pos.sold += qty


@helper
def book_fill(
    c: Any, a: Any, e: int, s: int, side: int, qty: float, price: float, mid: float, liquidity: int
) -> float:
    """Book one execution: the one place where trading moves money.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        side: +1 bought, -1 sold.
        qty: Base quantity, positive.
        price: What was paid.
        mid: The venue's mid when it happened; NaN where a side was empty.
        liquidity: MAKER or TAKER.

    Returns:
        The realised profit, exit fee and entry fees included; NaN when the fill opened only (M4).
    """
    pos = position(c, e, s)
    ins = instrument(c, s)
    unit = worth(ins, price)
    notional = qty * abs(unit)
    fee = notional * fee_frac(ins, liquidity)
    held = abs(pos.qty) if pos.qty * side < 0.0 else 0.0
    closing = qty if qty <= held * (1.0 + DUST) else held
    profit = math.nan
    closing_fee = 0.0
    if closing > 0.0:
        closing_fee = fee if closing == qty else fee * (closing / qty)
        profit = _close_part(a, pos, side, closing, unit, closing_fee)
    opening = qty - closing
    if opening > 0.0:
        cost = side * opening * unit + (fee - closing_fee)
        a.cash -= cost
        pos.basis += cost
        pos.qty += side * opening
    pos.qty = whole_lots(ins, pos.qty)
    if liquidity == MAKER:
        a.maker_fees += fee
    else:
        a.taker_fees += fee
    if mid > 0.0:
        a.spread_cost += side * qty * (unit - worth(ins, mid))
    _count(a, pos, side, qty, notional)
    return profit


@inlined
def fee_frac(ins: Any, liquidity: int) -> float:
    """Return the fee of a fill as part of its notional (M2); negative is a rebate."""
    return ins.maker_fee_frac if liquidity == MAKER else ins.taker_fee_frac
