"""What the tasks of all book environments ask the engine for, in one line each.

The engine's own kernels are called by their addresses, so that environments compile in seconds.
All of it happens at the decision time; nothing is known of the answer before its receipt (B5).
"""

from __future__ import annotations

from typing import Any

from seq_gym._jit import far_call, helper, inlined
from seq_gym.engine.book.codes import NO_ASK, NO_BID, POST_ONLY_FLAG
from seq_gym.engine.book.money import fee_reserve_frac, known_row
from seq_gym.engine.book.tables import (
    instrument,
    order_at,
    params_at,
    position,
    row_at,
    tape,
)
from seq_gym.engine.book.units import lot_units, price_of
from seq_gym.engine.book.verbs import new_request
from seq_gym.engine.codes import IOC, LIMIT

__all__ = [
    "affordable_units",
    "amend_order",
    "cancel_order",
    "send_limit",
    "send_market",
    "touch",
    "units_held",
    "whole_units",
]

_call_3 = far_call(3)
_call_4 = far_call(4)
_call_5 = far_call(5)


@inlined
def touch(c: Any, e: int, side: int) -> int:
    """Return the best tick of a side of the book that the agent knows; NO_BID or NO_ASK: none."""
    row = known_row(c, e, 0)
    if row < 0:
        return NO_BID if side > 0 else NO_ASK
    known = row_at(tape(c, 0).local_rows, row)
    return known.bid if side > 0 else known.ask


@helper
def units_held(c: Any, e: int) -> float:
    """Return the signed position in units: lots under strict rules, to the nearest."""
    ins = instrument(c, 0)
    lots = position(c, e, 0).qty * ins.lot_div / ins.lot_mul
    whole = float(round(lots))
    one = lot_units(params_at(c.params, 0), ins)
    return (whole if abs(lots - whole) < 1e-6 else lots) * one


@helper
def whole_units(env: Any, units: float) -> float:
    """Return units rounded down to whole lots; dust below a lot is 0."""
    if not units > 0.0:
        return 0.0
    return float(int(units / env.lot_units + 1e-9)) * env.lot_units


@helper
def affordable_units(env: Any, c: Any, a: Any, e: int, side: int, units: float, tick: int) -> float:
    """Return how much of an order a spot account covers, in whole lots; margin: all of it.

    Args:
        env: The BOOK_ENV record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        side: +1 buy, -1 sell.
        units: Wanted.
        tick: The dearest that may be paid.
    """
    p = params_at(c.params, 0)
    if p.margin != 0:
        return whole_units(env, units)
    ins = instrument(c, 0)
    pos = position(c, e, 0)
    one = ins.lot_mul / ins.lot_div  # base quantity of a lot
    if side < 0:
        free = pos.qty - pos.reserved
    else:
        fee = fee_reserve_frac(p, ins)
        # A hair below, so that the engine's own sum does not come out above the cash.
        cash = (a.cash - a.reserved) * (1.0 - 1e-12)
        free = cash / (price_of(ins, tick) * ins.contract_size * (1.0 + fee))
    return whole_units(env, min(units, max(free, 0.0) / one * env.lot_units))


@helper
def send_market(env: Any, c: Any, a: Any, e: int, side: int, units: float, tag: int) -> int:
    """Send a market order (its rest expires); return its id, 0 where it was refused."""
    o = new_request(c, side)
    o.tif = IOC
    o.qty = units
    o.tag = tag
    number = _call_3(env.place, (env.engine, e, 0))
    return number if a.reason == 0 else 0


@helper
def send_limit(
    env: Any, c: Any, a: Any, e: int, side: int, units: float, tick: int, tif: int, post_only: int
) -> int:
    """Send a limit order; return its id, 0 where it was refused.

    Args:
        env: The BOOK_ENV record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        side: +1 buy, -1 sell.
        units: Quantity, whole lots.
        tick: The limit.
        tif: GTC, IOC or FOK (engine/codes.py).
        post_only: 1: it expires instead of taking.
    """
    o = new_request(c, side)
    o.type = LIMIT
    o.tif = tif
    o.tick = tick
    o.qty = units
    if post_only != 0:
        o.flags = POST_ONLY_FLAG
    number = _call_3(env.place, (env.engine, e, 0))
    return number if a.reason == 0 else 0


@helper
def cancel_order(env: Any, e: int, number: int) -> int:
    """Ask for a cancellation; return a Reason, 0: it was sent."""
    return _call_4(env.cancel, (env.engine, e, 0, number))


@helper
def amend_order(env: Any, c: Any, e: int, number: int, tick: int, units: float) -> int:
    """Ask for an order to become `units` still to be filled at `tick`; return a Reason."""
    order_at(c.scratch, 0).qty = units
    return _call_5(env.amend, (env.engine, e, 0, number, tick))
