"""What the agent's own side refuses before anything is sent: shape, book, money and risk (A1)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.account import DUST
from seq_gym.engine.book.codes import (
    BUY,
    NO_ASK,
    NO_BID,
    POST_ONLY_FLAG,
    REDUCE_ONLY_FLAG,
    SELL,
    STRICT,
)
from seq_gym.engine.book.money import (
    equity_of,
    fee_reserve_frac,
    gross_of,
    known_row,
    mid_known,
    worth,
)
from seq_gym.engine.book.tables import instrument, params_at, position, row_at, tape
from seq_gym.engine.book.units import base_of_units, price_of
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
)
from seq_gym.engine.risk import exceeds

__all__ = ["check_order", "check_shape", "only_reduces"]


@helper
def check_shape(p: Any, o: Any) -> int:
    """Check what needs no book: type, time in force, flags, quantity and tick."""
    if not (o.qty > 0.0 and o.qty < math.inf):
        return INVALID_PARAMS
    if p.fills == STRICT and o.qty != math.floor(o.qty):
        return INVALID_PARAMS
    if (o.side != BUY and o.side != SELL) or (o.type != LIMIT and o.type != MARKET):
        return INVALID_PARAMS
    if o.tif != GTC and o.tif != IOC and o.tif != FOK:
        return INVALID_PARAMS
    if (o.flags & POST_ONLY_FLAG) != 0 and (o.type == MARKET or o.tif != GTC):
        return INVALID_PARAMS
    if not o.max_slippage_frac >= 0.0:
        return INVALID_PARAMS
    if o.type == LIMIT and (o.tick < 1 or o.tick >= NO_ASK):
        return INVALID_PARAMS
    return NONE


@helper
def _check_book(c: Any, a: Any, e: int, s: int, o: Any) -> int:
    """Check against the book that the agent knows; give a market order its cap (A2)."""
    row = known_row(c, e, s)
    if row < 0:
        return NOT_LISTED
    known = row_at(tape(c, s).local_rows, row)
    mid = mid_known(c, e, s)
    if (known.bid == NO_BID and known.ask == NO_ASK) or math.isnan(mid):
        return NOT_LISTED
    p = params_at(c.params, 0)
    if p.fills == STRICT and (known.flags & 1) != 0:
        return STALE_BOOK
    if o.type == MARKET:
        if o.side == BUY:
            if known.ask == NO_ASK:
                return NO_LIQUIDITY
            o.tick = int(min(math.floor(known.ask * (1.0 + p.market_cap_frac)), NO_ASK - 1.0))
        else:
            if known.bid == NO_BID:
                return NO_LIQUIDITY
            o.tick = int(max(math.ceil(known.bid * (1.0 - p.market_cap_frac)), 1.0))
        return NONE
    if p.price_deviation_frac < math.inf:
        away = abs(price_of(instrument(c, s), o.tick) - mid)
        if exceeds(a, away / mid, p.price_deviation_frac):
            return PRICE_DEVIATION
    return NONE


@inlined
def _expected_price(c: Any, e: int, s: int, o: Any) -> float:
    """Return the price that checks assume: the limit, of a market order the opposite touch."""
    ins = instrument(c, s)
    if o.type == LIMIT:
        return price_of(ins, o.tick)
    known = row_at(tape(c, s).local_rows, known_row(c, e, s))
    return price_of(ins, known.ask if o.side == BUY else known.bid)


@helper
def only_reduces(c: Any, e: int, s: int, side: int, qty: float) -> bool:
    """Say whether `qty` more on a side, with all that works there, can only reduce a position."""
    pos = position(c, e, s)
    pending = pos.pending_buy if side == BUY else pos.pending_sell
    working = base_of_units(params_at(c.params, 0), instrument(c, s), pending)
    return pos.qty * side < 0.0 and qty + working <= abs(pos.qty) * (1.0 + DUST)


@helper
def _after_working(c: Any, e: int, s: int, side: int, qty: float) -> float:
    """Return the position once all working orders of a side, and `qty` more, are filled."""
    pos = position(c, e, s)
    pending = pos.pending_buy if side == BUY else pos.pending_sell
    return pos.qty + side * (base_of_units(params_at(c.params, 0), instrument(c, s), pending) + qty)


@helper
def _margin_needed(c: Any, e: int, s: int, side: int, qty: float) -> float:
    """Return the initial margin of all lanes, each at the worse of its two sides (A3)."""
    total = 0.0
    for k in range(c.num_lanes):
        bought = abs(_after_working(c, e, k, BUY, qty if k == s and side == BUY else 0.0))
        sold = abs(_after_working(c, e, k, SELL, qty if k == s and side == SELL else 0.0))
        most = max(bought, sold)
        if most > 0.0:
            total += most * abs(worth(instrument(c, k), mid_known(c, e, k)))
    return total * params_at(c.params, 0).initial_margin_frac


@helper
def _check_money(c: Any, a: Any, e: int, s: int, o: Any, qty: float) -> int:
    """Check that an order is covered: spot by free cash or base, margin by equity (A3)."""
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    if p.margin != 0:
        if only_reduces(c, e, s, o.side, qty):
            return NONE
        need = _margin_needed(c, e, s, o.side, qty)
        return INSUFFICIENT_BALANCE if exceeds(a, need, equity_of(c, a, e)) else NONE
    if o.side == BUY:
        notional = qty * worth(ins, price_of(ins, o.tick))
        need = notional + notional * fee_reserve_frac(p, ins)
        return INSUFFICIENT_BALANCE if exceeds(a, need, a.cash - a.reserved) else NONE
    pos = position(c, e, s)
    free = (pos.qty - pos.reserved) * (1.0 + DUST)
    return INSUFFICIENT_BALANCE if exceeds(a, qty, max(free, 0.0)) else NONE


@helper
def _check_pace(a: Any, p: Any) -> int:
    """Check orders per minute of virtual time (R4)."""
    if p.max_orders_per_minute > 0:
        minute = a.now // NS_PER_MINUTE
        if minute != a.minute:
            a.minute = minute
            a.orders_in_minute = 0
        if exceeds(a, float(a.orders_in_minute + 1), float(p.max_orders_per_minute)):
            return RATE_LIMIT
    return NONE


@helper
def _budget(c: Any, a: Any, e: int) -> float:
    """Return what opening orders may spend: free cash in spot, free margin in a margin account."""
    p = params_at(c.params, 0)
    if p.margin == 0:
        return a.cash - a.reserved
    return equity_of(c, a, e) - p.initial_margin_frac * gross_of(c, e)


@helper
def _check_sizes(c: Any, a: Any, e: int, s: int, side: int, qty: float, price: float) -> int:
    """Check an opening order against R1, R2 and the least notional of R4."""
    p = params_at(c.params, 0)
    ins = instrument(c, s)
    notional = qty * abs(worth(ins, price))
    if notional < p.risk_min_notional:
        a.reject_value = notional
        a.reject_bound = p.risk_min_notional
        return RISK
    held = position(c, e, s).qty
    opening = qty - (min(abs(held), qty) if held * side < 0.0 else 0.0)
    available = max(_budget(c, a, e), 0.0)
    cost = notional * (1.0 + ins.taker_fee_frac) * (opening / qty)
    if exceeds(a, 100.0 * cost, p.max_order_size_pct * available):
        a.reject_value = 100.0 * cost / available if available > 0.0 else 1e308
        a.reject_bound = p.max_order_size_pct
        return RISK
    equity = max(equity_of(c, a, e), 0.0)
    result = abs(_after_working(c, e, s, side, qty)) * abs(worth(ins, mid_known(c, e, s)))
    if exceeds(a, 100.0 * result, p.max_position_size_pct * equity):
        a.reject_value = 100.0 * result / equity if equity > 0.0 else 1e308
        a.reject_bound = p.max_position_size_pct
        return RISK
    return NONE


@helper
def _check_risk(
    c: Any, a: Any, e: int, s: int, side: int, qty: float, price: float, replaced: int
) -> int:
    """Return NONE, or why the risk profile refuses an order (R1 to R5)."""
    p = params_at(c.params, 0)
    reason = _check_pace(a, p)
    if reason != NONE:
        return reason
    reduces = only_reduces(c, e, s, side, qty)
    lost = 100.0 * max(a.realized_at_midnight - a.realized, 0.0) / a.starting_balance
    if not (reduces and p.allow_reduce != 0) and exceeds(a, lost, p.daily_loss_limit_pct):
        return DAILY_LOSS_LIMIT
    if reduces:
        return NONE
    equity = equity_of(c, a, e)
    drawdown = 100.0 * (1.0 - equity / max(a.peak_equity, equity, 1e-300))
    if exceeds(a, drawdown, p.max_drawdown_pct):
        return KILL_SWITCH
    most = float(p.max_open_orders)
    if most > 0.0 and exceeds(a, a.num_orders - replaced + 1.0, most):
        return RISK
    return _check_sizes(c, a, e, s, side, qty, price)


@helper
def _check_least(c: Any, a: Any, s: int, qty: float, price: float) -> int:
    """Check the instrument's least notional."""
    ins = instrument(c, s)
    notional = qty * abs(worth(ins, price))
    if notional < ins.min_notional:
        a.reject_value = notional
        a.reject_bound = ins.min_notional
        return MIN_NOTIONAL
    return NONE


@helper
def check_order(c: Any, a: Any, e: int, s: int, o: Any, replaced: int) -> int:
    """Return NONE, or why an order is not sent; the account remembers value and bound (R5).

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of account e.
        e: The account.
        s: The lane.
        o: The ORDER that is asked for; a market order gets its cap as `tick` (A2).
        replaced: Working orders that make room for it: 1 for an amend, whose own is taken out.
    """
    p = params_at(c.params, 0)
    reason = check_shape(p, o)
    if reason == NONE:
        reason = _check_book(c, a, e, s, o)
    if reason != NONE:
        return reason
    qty = base_of_units(p, instrument(c, s), o.qty)
    price = _expected_price(c, e, s, o)
    is_exit = (o.flags & REDUCE_ONLY_FLAG) != 0
    reduces = only_reduces(c, e, s, o.side, qty)
    if is_exit and not reduces:
        return INVALID_PARAMS
    if not is_exit:
        reason = _check_least(c, a, s, qty, price)
    if reason == NONE and p.any_risk != 0:
        reason = _check_risk(c, a, e, s, o.side, qty, price, replaced)
    if reason == NONE and not reduces and p.max_position_notional < math.inf:
        most = abs(_after_working(c, e, s, o.side, qty))
        unit = abs(worth(instrument(c, s), mid_known(c, e, s)))
        if exceeds(a, most * unit, p.max_position_notional):
            return POSITION_LIMIT
    return reason if reason != NONE else _check_money(c, a, e, s, o, qty)
