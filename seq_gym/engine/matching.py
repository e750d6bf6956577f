"""How an order meets a price: sizing, caps, funds, the fill, and what remains (O3 to O12)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import helper, inlined
from seq_gym.engine.account import (
    DUST,
    apply_fill,
    budget,
    cost_of,
    equity_at,
    fitting_budget,
    maker_fee_frac,
    met_row,
    price_for,
    renew_stamp,
    taker_fee_frac,
    unit_cost,
    value_price,
)
from seq_gym.engine.codes import (
    ADVERSE,
    AT_ONCE,
    EQUITY_FRACTION,
    EXPIRED,
    FAVOURABLE,
    FINISHED,
    FIRED,
    FITTED,
    FOK,
    GTC,
    INSUFFICIENT_BALANCE,
    IOC,
    LIMIT,
    MAKER,
    MARKET,
    MAX_SLIPPAGE,
    NO_LIQUIDITY,
    NONE,
    POSITION_CLOSED,
    POST_ONLY,
    POST_ONLY_WOULD_TAKE,
    QUANTITY,
    RESTING,
    STOP_LIMIT,
    TAKE_PROFIT,
    TAKER,
    TRAILING_STOP,
    TRIGGERED,
    WAITING,
    WHOLE_POSITION,
)
from seq_gym.engine.levels import stop_level
from seq_gym.engine.pricing import floor_to
from seq_gym.engine.slots import after_fill, finish, is_reduce_only, reserve_of
from seq_gym.engine.tables import candle, instrument_at, order, params_at, position

__all__ = [
    "arrive",
    "execute",
    "fire",
    "has_entry",
    "is_passed",
    "size_of",
]


@inlined
def size_of(c: Any, a: Any, e: int, o: Any, base: float, phase: int) -> float:
    """Turn the order's size into a quantity at the price it meets (O3b), once."""
    if o.size_mode == QUANTITY:
        return o.qty
    if o.size_mode == WHOLE_POSITION:
        o.qty = abs(position(c, e, o.symbol).qty)
    else:
        quote = o.size
        if o.size_mode == EQUITY_FRACTION:
            quote = max(o.size * equity_at(c, a, e, phase), 0.0)
        o.qty = floor_to(quote / base, instrument_at(c.instruments, o.symbol).lot)
    o.size_mode = QUANTITY
    o.flags |= FITTED
    return o.qty


@inlined
def _bounded(side: int, price: float, limit: float) -> float:
    """Keep a slipped price within the limit's promise (O6); a limit of 0 is none."""
    if limit <= 0.0:
        return price
    return min(price, limit) if side > 0 else max(price, limit)


@helper
def _price(c: Any, a: Any, e: int, o: Any, base: float, limit: float, qty: float) -> float:
    return _bounded(o.side, price_for(c, a, e, o.symbol, o.side, base, qty), limit)


@inlined
def _liquidity_left(c: Any, e: int, s: int, row: int) -> float:
    """Return how much more own orders may take of a candle (O10)."""
    p = params_at(c.params, 0)
    if p.max_participation_frac <= 0.0:
        return math.inf
    allowed = p.max_participation_frac * candle(c, row, s).volume
    left = allowed - position(c, e, s).used_volume
    return max(floor_to(left, instrument_at(c.instruments, s).lot), 0.0)


@helper
def _capped_by_slippage(
    c: Any, a: Any, e: int, o: Any, base: float, limit: float, qty: float
) -> float:
    """Return the largest part of `qty` whose price stays within max_slippage_bps (S3-27)."""
    bound = base * (1.0 + o.side * o.max_slippage_frac)
    if o.side * (_price(c, a, e, o, base, limit, qty) - bound) <= 1e-12 * base:
        return qty
    low, high = 0.0, qty
    for _ in range(60):
        middle = 0.5 * (low + high)
        if o.side * (_price(c, a, e, o, base, limit, middle) - bound) <= 1e-12 * base:
            low = middle
        else:
            high = middle
    return floor_to(low, instrument_at(c.instruments, o.symbol).lot)


@inlined
def _spend(p: Any, qty: float, base: float, price: float, fee_frac: float) -> float:
    """Return what opening `qty` takes from the budget."""
    if p.margin == 0:
        return cost_of(qty, price, fee_frac)
    return qty * unit_cost(p, base, price, fee_frac)


@inlined
def _affordable(
    c: Any, a: Any, e: int, o: Any, base: float, limit: float, qty: float, have: float, fee: float
) -> float:
    """Return the largest quantity up to `qty` that `have` pays for, slippage and fee included.

    The price rises with the quantity, so each odd step of `q -> have / unit_cost(price(q))` from
    above lands on an affordable quantity, and every pair of steps on a better one.
    """
    p = params_at(c.params, 0)
    if have <= 0.0:
        return 0.0
    price = _price(c, a, e, o, base, limit, qty)
    if _spend(p, qty, base, price, fee) <= have:
        return qty
    fit = min(qty, have / unit_cost(p, base, price, fee))
    for _ in range(2):
        better = _price(c, a, e, o, base, limit, fit)
        if better == price:  # at the slippage floor the first step is the last
            break
        price = better
        fit = min(qty, have / unit_cost(p, base, price, fee))
    lot = instrument_at(c.instruments, o.symbol).lot
    if lot > 0.0:
        fit = floor_to(fit, lot)
        price = _price(c, a, e, o, base, limit, fit)
    # What is left to shave off is rounding, so the price of a step above is dear enough.
    while fit > 0.0 and _spend(p, fit, base, price, fee) > have:
        fit = floor_to(fit - lot, lot) if lot > 0.0 else fit * (1.0 - 4e-16)
    return max(fit, 0.0)


@inlined
def _funded(  # noqa: C901  spot and margin side by side
    c: Any,
    a: Any,
    e: int,
    o: Any,
    base: float,
    limit: float,
    qty: float,
    liquidity: int,
    phase: int,
) -> float:
    """Return how much of `qty` the account can pay for; negative when the order must go (O12)."""
    p = params_at(c.params, 0)
    ins = instrument_at(c.instruments, o.symbol)
    pos = position(c, e, o.symbol)
    closing = min(qty, abs(pos.qty)) if pos.qty * o.side < 0.0 else 0.0
    fitted = (o.flags & FITTED) != 0
    if p.margin == 0 and o.side < 0:
        if is_reduce_only(o):
            return closing
        free = min(pos.qty - (pos.reserved - reserve_of(c, a, e, o)), pos.qty)
        if qty <= free * (1.0 + DUST):
            return qty
        if fitted:
            return floor_to(max(free, 0.0), ins.lot)
        return -1.0
    opening = qty - closing
    if opening <= qty * DUST:
        return qty
    maker = liquidity == MAKER
    fee = maker_fee_frac(c, a, o.symbol) if maker else taker_fee_frac(c, a, o.symbol)
    have = fitting_budget(c, a, e, phase) if fitted else budget(c, a, e, phase)
    have += reserve_of(c, a, e, o)
    if p.margin != 0 and (phase == ADVERSE or phase == FAVOURABLE):
        # Inside the candle the symbol stands where the order meets it, no longer at its open.
        moved = base - value_price(c, a, o.symbol, phase)
        have += pos.qty * moved - p.initial_margin_frac * abs(pos.qty) * moved
    if closing > 0.0:
        price = base if liquidity == MAKER else _price(c, a, e, o, base, limit, qty)
        have += closing * (p.initial_margin_frac * base - abs(price - base) - price * fee)
    if liquidity == MAKER:
        if _spend(p, opening, base, base, fee) <= have:
            return qty
        if not fitted:
            return -1.0
        fit = floor_to(max(have / unit_cost(p, base, base, fee), 0.0), ins.lot)
        return closing + min(opening, fit)
    fit = _affordable(c, a, e, o, base, limit, opening, have, fee)
    if fit >= opening:
        return qty
    return closing + fit if fitted else -1.0


@helper
def _keep_rest(c: Any, a: Any, e: int, o: Any, phase: int, why: int) -> None:
    """Decide what becomes of the part of an order that did not fill, and say why it did not."""
    if o.state == FINISHED:
        return
    if o.tif != GTC:
        finish(c, a, e, o, phase, why)
        return
    o.blocked = a.cursor if phase == AT_ONCE else a.cursor + 1
    if o.type == LIMIT or o.state == TRIGGERED:
        if o.state == WAITING:
            o.state = RESTING
    elif o.type == MARKET or (o.flags & FIRED) != 0:
        o.state = WAITING
    if params_at(c.params, 0).margin == 0 and a.cash < a.reserved:
        finish(c, a, e, o, phase, INSUFFICIENT_BALANCE)


@inlined
def _allowed_now(c: Any, e: int, o: Any, phase: int) -> float:
    """Return how much an order may close now: no profit on what this candle's legs opened (O2)."""
    pos = position(c, e, o.symbol)
    profits = o.type == LIMIT or o.type == TAKE_PROFIT
    if phase < ADVERSE or not profits or pos.qty * o.side >= 0.0:
        return math.inf
    return abs(pos.qty) - pos.inside_qty


@helper
def execute(  # noqa: C901  the rules in their order, one after the other
    c: Any,
    a: Any,
    e: int,
    o: Any,
    base: float,
    limit: float,
    liquidity: int,
    phase: int,
    reason: int,
) -> None:
    """Fill as much of an order as rules, liquidity and funds allow; cancel or keep the rest.

    Args:
        c: The CONTEXT record.
        a: The ACCOUNT record of env e.
        e: The env.
        o: The ORDER record.
        base: The price it meets: mark, open, trigger, or its own limit as maker.
        limit: The worst price it may pay, 0 for none.
        liquidity: TAKER (slippage applies) or MAKER (at base exactly).
        phase: AT_ONCE, or where in the candle.
        reason: NONE, or why it is forced; forced orders are exempt from caps (O10).
    """
    row = met_row(c, a, o.symbol, phase)
    pos = position(c, e, o.symbol)
    renew_stamp(pos, row)
    qty = size_of(c, a, e, o, base, phase)
    if is_reduce_only(o):
        if pos.qty * o.side >= 0.0:
            finish(c, a, e, o, phase, POSITION_CLOSED)
            return
        qty = min(qty, abs(pos.qty))
    wanted = qty
    why = NO_LIQUIDITY
    if reason == NONE:
        left = min(_liquidity_left(c, e, o.symbol, row), _allowed_now(c, e, o, phase))
        if left < qty:
            if o.tif == FOK:
                finish(c, a, e, o, phase, NO_LIQUIDITY)
                return
            qty = left
            if qty <= 0.0:
                _keep_rest(c, a, e, o, phase, why)
                return
        if liquidity == TAKER and o.max_slippage_frac < math.inf:
            within = _capped_by_slippage(c, a, e, o, base, limit, qty)
            if within < qty and (within <= 0.0 or o.tif == FOK):
                finish(c, a, e, o, phase, MAX_SLIPPAGE)
                return
            if within < qty:
                o.tif = IOC
                qty = within
                why = MAX_SLIPPAGE
        funded = _funded(c, a, e, o, base, limit, qty, liquidity, phase)
        if funded <= 0.0:
            finish(c, a, e, o, phase, INSUFFICIENT_BALANCE)
            return
        if (o.flags & FITTED) != 0 and funded < qty and left >= wanted:
            wanted = funded  # that was its size all along
        qty = funded
    price = base if liquidity == MAKER else _price(c, a, e, o, base, limit, qty)
    closed = pos.qty * o.side < 0.0
    o.qty = wanted
    apply_fill(c, a, e, o, qty, price, base, liquidity, phase, reason)
    if o.qty <= 0.0:
        o.state = FINISHED
    after_fill(c, a, e, o, closed, phase)
    _keep_rest(c, a, e, o, phase, why)


@helper
def is_passed(o: Any, price: float, through: bool) -> bool:
    """Say whether `price` is already at or beyond what an order waits for (O5, O7)."""
    if o.type == LIMIT or o.state == TRIGGERED:
        if through:
            return (o.price - price) * o.side > 0.0
        return (o.price - price) * o.side >= 0.0
    if o.type == TAKE_PROFIT:
        return (o.trigger - price) * o.side >= 0.0
    return (price - stop_level(o)) * o.side >= 0.0


@helper
def fire(c: Any, a: Any, e: int, o: Any, base: float, phase: int) -> None:
    """Execute an order whose trigger was met at `base`; a stop-limit becomes a limit."""
    if o.type != STOP_LIMIT:
        if o.type != TAKE_PROFIT:
            o.flags |= FIRED
        execute(c, a, e, o, base, 0.0, TAKER, phase, NONE)
        return
    o.state = TRIGGERED
    if is_passed(o, base, False):
        execute(c, a, e, o, base, o.price, TAKER, phase, NONE)
    elif o.tif != GTC:
        finish(c, a, e, o, phase, EXPIRED)


@helper
def has_entry(c: Any, a: Any, e: int, o: Any) -> bool:
    """Say whether an order in work could still open what a reduce-only order protects."""
    for k in range(a.num_orders):
        other = order(c, e, k)
        if (
            other.symbol == o.symbol
            and other.side == -o.side
            and other.state != FINISHED
            and not is_reduce_only(other)
        ):
            return True
    return position(c, e, o.symbol).intent_mode >= 0


@helper
def arrive(  # noqa: C901  one branch for each type of order
    c: Any, a: Any, e: int, o: Any, base: float, phase: int
) -> None:
    """Let a new order meet its first price: the mark at once, or the next traded open (O3)."""
    if is_reduce_only(o) and position(c, e, o.symbol).qty * o.side >= 0.0:
        if o.type != MARKET and (o.flags & FIRED) == 0 and has_entry(c, a, e, o):
            if o.type == TRAILING_STOP and o.extreme <= 0.0:
                o.extreme = base
            o.state = RESTING
        else:
            finish(c, a, e, o, phase, POSITION_CLOSED)
        return
    if o.type == MARKET or (o.flags & FIRED) != 0:
        execute(c, a, e, o, base, 0.0, TAKER, phase, NONE)
        return
    if o.type == TRAILING_STOP and o.extreme <= 0.0:
        o.extreme = base
    o.state = RESTING
    if o.type == LIMIT:
        if is_passed(o, base, False):
            if (o.flags & POST_ONLY) != 0:
                finish(c, a, e, o, phase, POST_ONLY_WOULD_TAKE)
            else:
                execute(c, a, e, o, base, o.price, TAKER, phase, NONE)
        elif o.tif != GTC:
            finish(c, a, e, o, phase, EXPIRED)
    elif is_passed(o, base, False):
        fire(c, a, e, o, base, phase)
