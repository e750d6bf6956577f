"""One candle for one account: open, adverse leg, favourable leg, close (O2)."""

from __future__ import annotations

import math
from typing import Any

from seq_gym._jit import floats_at, helper, inlined
from seq_gym.engine.account import apply_fill, mark_equity, renew_stamp
from seq_gym.engine.codes import (
    ADVERSE,
    CLOSE,
    DATA_END,
    DATA_ENDED,
    DELISTED,
    DONE,
    END_OF_EPISODE,
    EXPIRED,
    FAVOURABLE,
    FINISHED,
    LIMIT,
    LISTED,
    MAKER,
    NO_EXPIRY,
    NONE,
    NS_PER_DAY,
    OPEN,
    RESTING,
    RING_FULL,
    RUINED,
    RUNNING,
    TAKER,
    TRAILING_STOP,
    TRIGGERED,
    WAITING,
    WINDOW_END,
)
from seq_gym.engine.intents import execute_intents
from seq_gym.engine.journal import has_room
from seq_gym.engine.levels import level_of, waits_for_fall
from seq_gym.engine.liquidation import (
    close_everything,
    is_underwater,
    liquidate,
    liquidation_distance,
)
from seq_gym.engine.matching import (
    arrive,
    execute,
    fire,
    is_passed,
)
from seq_gym.engine.path import leg_end, leg_start, span_of
from seq_gym.engine.slots import cancel_all, compact, finish, is_reduce_only, new_request
from seq_gym.engine.tables import candle, order, params_at, position, traded

__all__ = ["advance", "end_episode", "record_equity", "roll_day", "run_candle"]


@inlined
def roll_day(c: Any, a: Any) -> None:
    """Start a new UTC day's realised loss when the clock has crossed midnight (R3)."""
    p = params_at(c.params, 0)
    if p.any_risk == 0:  # nobody asks, and the division is dear
        return
    day = (p.start_ns + a.cursor * p.interval_ns) // NS_PER_DAY
    if day != a.day:
        a.day = day
        a.realized_at_midnight = a.realized


@helper
def _met_open(c: Any, a: Any, o: Any) -> bool:
    """Say whether the next candle trades and the order was pending at its open (C4)."""
    bar = candle(c, a.cursor + 1, o.symbol)
    return traded(bar) and o.placed <= a.cursor + 1 - span_of(bar)


@helper
def _delist(c: Any, a: Any, e: int) -> None:
    """Close what can never trade again at its last close, and cancel its orders (C3)."""
    for s in range(c.num_symbols):
        now = candle(c, a.cursor + 1, s).flags & (DATA_ENDED | LISTED)
        if now != (DATA_ENDED | LISTED) or (candle(c, a.cursor, s).flags & DATA_ENDED) != 0:
            continue
        for k in range(a.num_orders):
            o = order(c, e, k)
            if o.symbol == s and o.state != FINISHED:
                finish(c, a, e, o, OPEN, DELISTED)
        compact(c, a, e)
        pos = position(c, e, s)
        if pos.intent_mode >= 0:
            pos.intent_mode = -1
            a.num_intents -= 1
        if pos.qty != 0.0:
            mark = candle(c, a.cursor, s).mark
            o = new_request(c, a, s, -1 if pos.qty > 0.0 else 1)
            o.qty = abs(pos.qty)
            renew_stamp(pos, a.cursor + 1)
            apply_fill(c, a, e, o, o.qty, mark, mark, TAKER, OPEN, DELISTED)


@inlined
def _open_phase(c: Any, a: Any, e: int) -> None:
    """Arrivals in placement order, resting orders that the open has passed, liquidation."""
    p = params_at(c.params, 0)
    if a.num_intents > 0:
        execute_intents(c, a, e, OPEN)
    row = a.cursor + 1
    for k in range(a.num_orders):
        o = order(c, e, k)
        if o.state == WAITING and _met_open(c, a, o):
            arrive(c, a, e, o, candle(c, row, o.symbol).open, OPEN)
    if p.trigger_close == 0:
        for k in range(a.num_orders):
            o = order(c, e, k)
            if (o.state == RESTING or o.state == TRIGGERED) and o.blocked != row:
                price = candle(c, row, o.symbol).open
                if _met_open(c, a, o) and is_passed(o, price, p.through != 0):
                    _meet(c, a, e, o, price, OPEN)
    if p.margin != 0 and is_underwater(c, a, e, OPEN):
        liquidate(c, a, e, 0, 0.0, OPEN)


@helper
def _meet(c: Any, a: Any, e: int, o: Any, price: float, phase: int) -> None:
    """Let a resting order meet a price that it waited for."""
    if is_reduce_only(o) and position(c, e, o.symbol).qty * o.side >= 0.0:
        return
    if o.type == LIMIT or o.state == TRIGGERED:
        execute(c, a, e, o, price, price, MAKER, phase, NONE)
    else:
        fire(c, a, e, o, price, phase)


@helper
def _crossing(c: Any, a: Any, e: int, o: Any, leg: int, reached: float, through: bool) -> float:
    """Return how far along a leg (0 to 1) an order is met, or inf.

    A trigger that the path had passed before the order was live is met where the path stands.
    """
    if o.state != RESTING and o.state != TRIGGERED:
        return math.inf
    if o.blocked == a.cursor + 1 or not _met_open(c, a, o):
        return math.inf
    if is_reduce_only(o) and position(c, e, o.symbol).qty * o.side >= 0.0:
        return math.inf
    start = leg_start(c, a, e, o.symbol, leg)
    end = leg_end(c, a, e, o.symbol, leg)
    is_trigger = o.type != LIMIT and o.state != TRIGGERED
    if is_trigger and is_passed(o, start + reached * (end - start), False):
        return reached
    falls = end < start
    if start == end or falls != waits_for_fall(o):
        return math.inf
    level = level_of(o)
    beyond = level - end if falls else end - level
    strict = through and (o.type == LIMIT or o.state == TRIGGERED)
    if beyond < 0.0 or (strict and beyond == 0.0):
        return math.inf
    return max((start - level) / (start - end), 0.0)


@helper
def _run_leg(c: Any, a: Any, e: int, leg: int) -> None:  # noqa: C901  one loop, named phases
    """Meet orders and liquidation along one leg by their distance from its start."""
    p = params_at(c.params, 0)
    phase = ADVERSE if leg == 0 else FAVOURABLE
    reached = 0.0
    while a.ending == RUNNING:
        nearest = math.inf
        chosen = -1
        for k in range(a.num_orders):
            distance = _crossing(c, a, e, order(c, e, k), leg, reached, p.through != 0)
            if distance < math.inf:
                distance = max(distance, reached)
                if distance < nearest:
                    nearest = distance
                    chosen = k
        if p.margin != 0:
            margin_call = liquidation_distance(c, a, e, leg, reached)
            if margin_call < math.inf and margin_call <= nearest:
                liquidate(c, a, e, leg, margin_call, phase)
                return
        if chosen < 0:
            return
        o = order(c, e, chosen)
        price = level_of(o)
        if o.type != LIMIT and o.state != TRIGGERED:
            start = leg_start(c, a, e, o.symbol, leg)
            now = start + reached * (leg_end(c, a, e, o.symbol, leg) - start)
            if is_passed(o, now, False):
                price = now
        reached = nearest
        before = a.num_events
        _meet(c, a, e, o, price, phase)
        if a.num_events == before and o.state != TRIGGERED:
            o.blocked = a.cursor + 1


@inlined
def _needs_legs(c: Any, a: Any, e: int) -> bool:
    """Say whether anything can happen inside the candle; most candles need no path."""
    p = params_at(c.params, 0)
    row = a.cursor + 1
    if p.margin != 0:
        for s in range(c.num_symbols):
            if position(c, e, s).qty != 0.0:
                return True
    for k in range(a.num_orders):
        o = order(c, e, k)
        if o.state == RESTING or o.state == TRIGGERED:
            bar = candle(c, row, o.symbol)
            level = level_of(o)
            if bar.low <= level and level <= bar.high:
                return True
            # An exit of what this candle may open can be passed before it is live.
            if is_reduce_only(o):
                return True
    return False


@helper
def _legs(c: Any, a: Any, e: int) -> None:
    """Walk the adverse leg of each held position, then the favourable one."""
    for s in range(c.num_symbols):
        position(c, e, s).first_leg = 1 if position(c, e, s).qty < 0.0 else -1
        if traded(candle(c, a.cursor + 1, s)):
            renew_stamp(position(c, e, s), a.cursor + 1)
    if params_at(c.params, 0).trigger_close == 0:
        _run_leg(c, a, e, 0)
        if a.ending == RUNNING:
            _run_leg(c, a, e, 1)
        return
    for leg in range(2):
        distance = liquidation_distance(c, a, e, leg, 0.0)
        if distance < math.inf:
            liquidate(c, a, e, leg, distance, ADVERSE if leg == 0 else FAVOURABLE)
            return


@helper
def _trigger_on_close(c: Any, a: Any, e: int) -> None:
    """Show the close to resting orders under trigger="close" (O4); limits fill at their limit."""
    p = params_at(c.params, 0)
    row = a.cursor + 1
    for k in range(a.num_orders):
        o = order(c, e, k)
        if (o.state == RESTING or o.state == TRIGGERED) and o.blocked != row:
            price = candle(c, row, o.symbol).mark
            if _met_open(c, a, o) and is_passed(o, price, p.through != 0):
                is_limit = o.type == LIMIT or o.state == TRIGGERED
                _meet(c, a, e, o, o.price if is_limit else price, CLOSE)


@helper
def _accrue(c: Any, a: Any, e: int) -> None:
    """Pay funding on positions, borrow on shorts and on borrowed cash (M5)."""
    p = params_at(c.params, 0)
    row = a.cursor + 1
    short_notional = 0.0
    for s in range(c.num_symbols):
        pos = position(c, e, s)
        if pos.qty == 0.0:
            continue
        mark = candle(c, row, s).mark
        if c.funding != 0:
            rate = floats_at(c.funding)[row * c.num_symbols + s]
            if rate != 0.0:
                paid = pos.qty * mark * rate
                a.cash -= paid
                a.realized -= paid
                pos.realized -= paid
                a.funding += paid
        if pos.qty < 0.0:
            short_notional -= pos.qty * mark
    interest = p.borrow_per_candle * (short_notional + max(-a.cash, 0.0))
    if interest > 0.0:
        a.cash -= interest
        a.realized -= interest
        a.borrow += interest


@inlined
def _close_phase(c: Any, a: Any, e: int) -> None:
    """Closes as triggers, funding and borrow, liquidation at the close."""
    p = params_at(c.params, 0)
    if p.trigger_close != 0 and a.num_orders > 0:
        _trigger_on_close(c, a, e)
    if p.margin != 0:
        _accrue(c, a, e)
        if is_underwater(c, a, e, CLOSE):
            liquidate(c, a, e, 0, 0.0, CLOSE)


@helper
def _age_orders(c: Any, a: Any, e: int) -> None:
    """Expire orders whose candles are over; let trailing stops follow the candle (O7)."""
    for k in range(a.num_orders):
        o = order(c, e, k)
        if o.state == FINISHED:
            continue
        if o.expires != NO_EXPIRY and a.cursor >= o.expires:
            finish(c, a, e, o, CLOSE, EXPIRED)
        elif o.type == TRAILING_STOP and o.state == RESTING:
            bar = candle(c, a.cursor, o.symbol)
            if position(c, e, o.symbol).qty * o.side >= 0.0:
                o.extreme = bar.mark
            elif traded(bar) and o.placed <= a.cursor - span_of(bar):
                o.extreme = max(o.extreme, bar.high) if o.side < 0 else min(o.extreme, bar.low)


@inlined
def record_equity(c: Any, a: Any, e: int) -> None:
    """Mark the account at the cursor: equity, peak, drawdown, and the curve where it is kept."""
    a.equity = mark_equity(c, a, e)
    # The peak is never below the starting balance, so it is never zero.
    if a.equity >= a.peak_equity:
        a.peak_equity = a.equity
        a.drawdown = 0.0
    else:
        a.drawdown = 1.0 - a.equity / a.peak_equity
        a.max_drawdown = max(a.max_drawdown, a.drawdown)
    if c.equity_curve != 0:
        floats_at(c.equity_curve)[a.cursor - a.start] = a.equity


@inlined
def _stirs(c: Any, a: Any, e: int) -> bool:
    """Say whether the next candle can do anything to an order in work; most cannot."""
    if a.num_orders == 0:
        return False
    if a.cursor + 1 >= a.wake:
        return True
    for s in range(c.num_symbols):
        bar = candle(c, a.cursor + 1, s)
        pos = position(c, e, s)
        if bar.low <= pos.stir_low or bar.high >= pos.stir_high:
            return True
    return False


@inlined
def run_candle(c: Any, a: Any, e: int) -> None:
    """Advance one account by one candle."""
    roll_day(c, a)
    if c.has_endings != 0:
        _delist(c, a, e)
    stirs = a.num_intents > 0 or params_at(c.params, 0).margin != 0 or _stirs(c, a, e)
    if stirs:
        _open_phase(c, a, e)
        if a.ending == RUNNING and _needs_legs(c, a, e):
            _legs(c, a, e)
        if a.ending == RUNNING:
            _close_phase(c, a, e)
    a.cursor += 1
    if stirs and a.num_orders > 0:
        _age_orders(c, a, e)
        compact(c, a, e)
    record_equity(c, a, e)
    if a.ending == RUNNING and a.equity <= params_at(c.params, 0).ruin_frac * a.starting_balance:
        cancel_all(c, a, e, CLOSE, END_OF_EPISODE)
        a.ending = RUINED


@helper
def end_episode(c: Any, a: Any, e: int, ending: int) -> None:
    """Cancel what is pending, close positions where that is asked for, and mark (M7)."""
    p = params_at(c.params, 0)
    close_everything(c, a, e, p.liquidate_on_complete != 0)
    a.ending = ending
    record_equity(c, a, e)
    if p.liquidate_on_complete != 0 and a.equity <= p.ruin_frac * a.starting_balance:
        a.bad_debt = max(-a.cash, 0.0)
        a.ending = RUINED


@inlined
def advance(c: Any, a: Any, e: int, count: int) -> int:
    """Advance an account by `count` candles, to the end of its window or its own end.

    Returns:
        DONE, or RING_FULL with the candles still to go in `candles_left`.
    """
    a.candles_left = count
    while a.candles_left > 0 and a.ending == RUNNING and a.cursor < a.end:
        if not has_room(c, a):
            return RING_FULL
        a.candles_left -= 1
        run_candle(c, a, e)
    a.candles_left = 0
    if a.ending == RUNNING and a.cursor >= a.end:
        end_episode(c, a, e, DATA_END if a.cursor == c.num_rows - 1 else WINDOW_END)
    return DONE
