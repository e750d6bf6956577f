"""Implementation shortfall: what a parent order costs against a paper portfolio (Perold, 1988).

The paper portfolio does the whole of Q at the arrival mid, at once and free. The shortfall at any
time is what it is ahead of the real one:

    shortfall = paid + to_go x mid - side x Q x arrival_mid

where `paid` is the cash that has left the account (fees, and borrow of a margin account, included)
and `to_go` what is still to be bought, negative to be sold. So the part that is done is charged at
its prices, and the part that is left at what it would cost now: execution cost and opportunity
cost. At the end of the episode what is left is charged at the opposite touch (the mid, where that
side is empty), worsened by the taker's fee and by `unfilled_penalty_bps`, in place of the mid:
without the fee an order that comes too late would be cheaper than one that trades. Money per unit
is `worth` (engine), so the formula holds for inverse contracts too.

Basis points are of Q at the arrival mid. The rewards of an episode add up to minus the total.

Source: Perold (1988), The implementation shortfall: paper versus reality.
"""

from __future__ import annotations

from typing import Any, Final

from seq_gym._jit import helper, inlined
from seq_gym.engine.book.codes import NO_ASK, NO_BID
from seq_gym.engine.book.money import equity_of, mid_known, worth
from seq_gym.engine.book.tables import instrument, params_at, position
from seq_gym.engine.book.units import base_of_units, price_of
from seq_gym.envs.book.sending import touch, units_held

__all__ = ["BPS", "fund_parent", "left_units", "shortfall_bps", "shortfall_now", "value_of_parent"]

BPS: Final = 10_000.0
_FUNDED: Final = 2.0
"""Cash put in beside `starting_balance`, in worths of Q at arrival: prices may rise meanwhile."""


@inlined
def value_of_parent(env: Any, c: Any, state: Any) -> float:
    """Return what Q is worth at the arrival mid, money of the account; above 0."""
    ins = instrument(c, 0)
    qty = base_of_units(params_at(c.params, 0), ins, env.quantity_units)
    return qty * abs(worth(ins, state.arrival_mid))


@helper
def fund_parent(env: Any, c: Any, a: Any, e: int, state: Any) -> None:
    """Put into an account what its parent order needs, and remember what it starts from.

    A spot account that sells gets Q as a position at the arrival mid; any other gets twice the
    worth of Q as cash. Both count as starting equity: they are a transfer in, not a profit.
    """
    p = params_at(c.params, 0)
    ins = instrument(c, 0)
    pos = position(c, e, 0)
    state.arrival_mid = mid_known(c, e, 0)
    if env.side < 0 and p.margin == 0:
        pos.qty = base_of_units(p, ins, env.quantity_units)
        pos.basis = pos.qty * worth(ins, state.arrival_mid)
    else:
        a.cash += _FUNDED * value_of_parent(env, c, state)
    state.start_units = units_held(c, e)
    state.start_cash = a.cash
    a.equity = equity_of(c, a, e)
    a.starting_balance = a.equity
    a.peak_equity = a.equity


@helper
def left_units(env: Any, c: Any, e: int, state: Any) -> float:
    """Return how much of Q is still to be done, as the agent knows, in units."""
    left = env.quantity_units - env.side * (units_held(c, e) - state.start_units)
    lots = left / env.lot_units
    whole = float(round(lots))
    return whole * env.lot_units if abs(lots - whole) < 1e-6 else left


@helper
def _price_of_rest(env: Any, c: Any, e: int, is_over: bool) -> float:
    """Return the price at which what is left is charged: the mid, at the end a dear touch."""
    if not is_over:
        return mid_known(c, e, 0)
    ins = instrument(c, 0)
    best = touch(c, e, -env.side)
    price = mid_known(c, e, 0) if best == NO_BID or best == NO_ASK else price_of(ins, best)
    # A rebate is earned by trading alone.
    beyond = env.unfilled_penalty_frac + max(ins.taker_fee_frac, 0.0)
    return price * (1.0 + env.side * beyond)


@helper
def shortfall_now(env: Any, c: Any, a: Any, e: int, state: Any, is_over: bool) -> float:
    """Return the shortfall up to now, money of the account.

    Args:
        env: The BOOK_ENV record.
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        state: Its BOOK_STATE record.
        is_over: What is left will not be done any more.
    """
    p = params_at(c.params, 0)
    ins = instrument(c, 0)
    whole = base_of_units(p, ins, env.quantity_units) * worth(ins, state.arrival_mid)
    left = left_units(env, c, e, state)
    total = state.start_cash - a.cash - env.side * whole
    if left != 0.0:
        price = _price_of_rest(env, c, e, is_over)
        total += env.side * base_of_units(p, ins, left) * worth(ins, price)
    return total


@inlined
def shortfall_bps(env: Any, c: Any, state: Any) -> float:
    """Return the shortfall up to the last decision, basis points of Q at the arrival mid."""
    return state.shortfall * BPS / value_of_parent(env, c, state)
