"""Targets and fractions that need no order slot: sells first, then buys that fit (E6, O3b).

An intent is a market order of one arrival. It lives in the position row, so that an agent that
rebalances every step costs no slot and no search.
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.account import (
    budget,
    equity_at,
    met_row,
    price_for,
    renew_stamp,
    taker_fee_frac,
    unit_cost,
    value_price,
)
from seq_gym.engine.codes import (
    AT_ONCE,
    FITTED,
    FRESH,
    IOC,
    NONE,
    QUANTITY,
    REDUCE_ONLY,
    TAKER,
    TARGET_WEIGHT,
)
from seq_gym.engine.matching import execute
from seq_gym.engine.path import span_of
from seq_gym.engine.pricing import floor_to
from seq_gym.engine.slots import compact, new_request
from seq_gym.engine.tables import candle, instrument_at, params_at, position, traded

__all__ = ["execute_intents", "set_intent"]


@inlined
def set_intent(c: Any, a: Any, e: int, s: int, mode: int, value: float, deadband: float) -> None:
    """Ask for a target weight, or for a signed fraction of equity, at the next arrival.

    Asking again for what already waits keeps its place: it is pending since the first time.
    """
    pos = position(c, e, s)
    if pos.intent_mode < 0:
        a.num_intents += 1
        pos.intent_placed = a.cursor
    elif pos.intent_mode != mode or pos.intent_value != value:
        pos.intent_placed = a.cursor
    pos.intent_mode = mode
    pos.intent_value = value
    pos.intent_deadband = deadband


@inlined
def _meets(c: Any, a: Any, s: int, pos: Any, phase: int) -> bool:
    """Say whether a symbol can fill an intent now; else it waits for the next traded open (C6).

    A coarse candle meets only what was pending at its open (C4).
    """
    if phase == AT_ONCE:
        return (candle(c, a.cursor, s).flags & FRESH) != 0
    bar = candle(c, a.cursor + 1, s)
    return traded(bar) and pos.intent_placed <= a.cursor + 1 - span_of(bar)


@inlined
def _wanted(c: Any, pos: Any, equity: float, price: float) -> float:
    """Return the signed change of quantity that an intent asks for at a price."""
    if equity <= 0.0:
        return -pos.qty
    if pos.intent_mode != TARGET_WEIGHT:
        return pos.intent_value * equity / price
    weight = pos.intent_value
    if params_at(c.params, 0).margin == 0:
        weight = max(weight, 0.0)
    if weight == 0.0:
        return -pos.qty
    if abs(weight - pos.qty * price / equity) < pos.intent_deadband:
        return 0.0
    return weight * equity / price - pos.qty


@inlined
def _reduce(c: Any, a: Any, e: int, s: int, change: float, price: float, phase: int) -> float:
    """Execute the part of a change that shrinks a position; return what is left of the change."""
    pos = position(c, e, s)
    if change * pos.qty >= 0.0:
        return change
    lot = instrument_at(c.instruments, s).lot
    held = abs(pos.qty)
    qty = held if abs(change) >= held else floor_to(abs(change), lot)
    if qty > 0.0:
        o = new_request(c, a, s, -1 if pos.qty > 0.0 else 1)
        o.flags = REDUCE_ONLY
        o.tif = IOC
        o.qty = qty
        execute(c, a, e, o, price, 0.0, TAKER, phase, NONE)
    if pos.qty != 0.0 or abs(change) <= held:
        return 0.0  # a cap left some, or a part stays: nothing opens on the other side
    return change + held if change < 0.0 else change - held


@inlined
def _open_all(c: Any, a: Any, e: int, phase: int) -> None:
    """Open what is asked for, scaled by one factor where the funds do not cover it all."""
    p = params_at(c.params, 0)
    total = 0.0
    count = 0
    for s in range(c.num_symbols if c.num_symbols > 1 else 0):
        change = position(c, e, s).intent_value
        if change == 0.0 or position(c, e, s).intent_mode != QUANTITY:
            continue
        base = value_price(c, a, s, phase)
        fee = taker_fee_frac(c, a, s)
        side = 1 if change > 0.0 else -1
        price = price_for(c, a, e, s, side, base, abs(change))
        total += abs(change) * unit_cost(p, base, price, fee)
        count += 1
    # A single order is fitted by `execute`, exactly as an order of a Session would be.
    factor = 1.0
    if count > 1:
        have = budget(c, a, e, phase)
        factor = max(have, 0.0) / total if total > have else 1.0
    for s in range(c.num_symbols):
        pos = position(c, e, s)
        change = pos.intent_value
        if change == 0.0 or pos.intent_mode != QUANTITY:
            continue
        ins = instrument_at(c.instruments, s)
        qty = floor_to(abs(change) * factor, ins.lot)
        if qty > 0.0 and qty * value_price(c, a, s, phase) >= ins.min_notional:
            o = new_request(c, a, s, 1 if change > 0.0 else -1)
            o.flags = FITTED
            o.tif = IOC
            o.qty = qty
            execute(c, a, e, o, value_price(c, a, s, phase), 0.0, TAKER, phase, NONE)


@helper
def execute_intents(c: Any, a: Any, e: int, phase: int) -> None:
    """Execute every intent whose symbol can trade: reductions first, then what they pay for."""
    equity = equity_at(c, a, e, phase)
    opening = 0
    for s in range(c.num_symbols):
        pos = position(c, e, s)
        if pos.intent_mode < 0 or not _meets(c, a, s, pos, phase):
            continue
        price = value_price(c, a, s, phase)
        change = _wanted(c, pos, equity, price)
        if change != 0.0:
            renew_stamp(pos, met_row(c, a, s, phase))
            change = _reduce(c, a, e, s, change, price, phase)
        if change == 0.0:
            pos.intent_mode = -1
            a.num_intents -= 1
        else:
            pos.intent_mode = QUANTITY
            pos.intent_value = change
            opening += 1
    if a.num_orders > 0:
        compact(c, a, e)
    if opening == 0:
        return
    _open_all(c, a, e, phase)
    for s in range(c.num_symbols):
        pos = position(c, e, s)
        if pos.intent_mode == QUANTITY:
            pos.intent_mode = -1
            a.num_intents -= 1
