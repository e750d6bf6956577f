"""The data contract: one row per env (or env and slot), read and written by every kernel.

Times are *cursors*: cursor t is the virtual time `start + t * interval`, at which the candles
0..t-1 are known. CANDLE row t describes the candle that has just closed at cursor t, and what is
known then; row 0 stands before the data. Money is in quote units, quantities in base units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACCOUNT",
    "CANDLE",
    "CONTEXT",
    "EVENT",
    "INSTRUMENT",
    "ORDER",
    "PARAMS",
    "POSITION",
    "Table",
    "new_table",
    "record",
]

Table = NDArray[np.record]


def record(**fields: str) -> np.dtype[Any]:
    """Make an aligned record dtype, whose rows have attributes."""
    return np.dtype((np.record, np.dtype(list(fields.items()), align=True)))


CANDLE = record(
    open="f8",
    high="f8",
    low="f8",
    mark="f8",  # close if it traded, else carried forward (C3, C6)
    volume="f8",  # base units
    adv="f8",  # quote volume of the trailing 24 h, known at this close (M1)
    sigma="f8",  # standard deviation of daily returns, known at this close (M1, square_root)
    flags="i8",  # TRADED | LISTED | DATA_ENDED | FRESH | span << SPAN_SHIFT
)
"""One candle of one symbol in one cache line: [T + 1, S]."""

INSTRUMENT = record(
    tick="f8", lot="f8", min_notional="f8", taker_fee_frac="f8", maker_fee_frac="f8"
)
"""Constants of a symbol: [S]. A tick or lot of 0 means no rounding."""

PARAMS = record(
    margin="i8",  # 1: margin account, 0: spot
    at_close="i8",  # 1: execution="close", 0: "next_open"
    trigger_close="i8",  # 1: resting orders see closes only (O4)
    through="i8",  # 1: a limit needs low strictly below it (O6)
    max_orders="i8",
    slippage_model="i8",
    slippage_address="i8",
    liquidate_on_complete="i8",
    allow_reduce="i8",  # R3: exits pass the daily loss limit
    max_open_orders="i8",  # R4; 0: off
    max_orders_per_minute="i8",  # R4; 0: off
    start_ns="i8",  # of cursor 0: R3 and R4 count in UTC days and minutes
    interval_ns="i8",
    starting_balance="f8",
    impact="f8",
    slippage_floor="f8",
    slippage_cap="f8",
    max_participation_frac="f8",  # 0: no cap
    initial_margin_frac="f8",
    maintenance_frac="f8",
    borrow_per_candle="f8",
    ruin_frac="f8",
    any_risk="i8",  # 1: at least one limit of R1 to R4 is on
    max_order_size_pct="f8",  # R1; inf: off, and so on
    max_position_size_pct="f8",
    daily_loss_limit_pct="f8",
    risk_min_notional="f8",
    max_drawdown_pct="f8",
)
"""Constants of a sandbox: one row."""

ACCOUNT = record(
    # What every candle reads comes first: two cache lines; then what a fill adds, a third.
    cash="f8",
    reserved="f8",  # held for working orders
    equity="f8",  # at the last recorded candle
    peak_equity="f8",
    drawdown="f8",  # part of the peak that is lost now
    max_drawdown="f8",
    starting_balance="f8",
    cursor="i8",
    start="i8",
    end="i8",
    candles_left="i8",  # of the current step, when a full ring interrupted it
    ending="i4",
    num_orders="i4",
    num_intents="i4",
    num_events="i4",  # written since the last drain
    wake="i8",  # cursor at which a candle stirs an order whatever its prices
    realized="f8",  # M4: net of fees, funding and borrow
    taker_fees="f8",
    maker_fees="f8",
    slippage="f8",
    turnover="f8",  # notional traded
    next_order_id="i8",
    num_fills="i8",
    num_closing="i4",
    num_wins="i4",
    fee_scale="f8",  # what every fee and every slippage of the account is multiplied by
    slippage_scale="f8",
    num_rejects="i4",
    orders_in_minute="i4",
    borrow="f8",
    funding="f8",
    bad_debt="f8",
    realized_at_midnight="f8",
    reject_value="f8",  # R5: what the last refusal measured, and its bound
    reject_bound="f8",
    day="i4",
    minute="i4",
)
"""The moving state of one account: [N]."""

POSITION = record(
    # What every candle reads: one cache line.
    qty="f8",  # signed
    basis="f8",  # signed cost of the open quantity, entry fees included (M4)
    stir_low="f8",  # highest level that a fall meets, of the orders in work; -inf: none
    stir_high="f8",  # lowest level that a rise meets; inf: none
    intent_value="f8",
    intent_deadband="f8",
    intent_mode="i4",  # a SizeMode, or -1 for none
    intent_placed="i4",  # cursor at which it was first asked for
    opened_at="i4",  # cursor
    first_leg="i4",  # -1: this candle's low comes first, +1: its high (O2)
    # What a fill reads: another.
    stamp="i8",
    inside_qty="f8",  # opened in a leg of candle `stamp`: takes no profit in it (O2)
    entry="f8",  # the basis without fees
    realized="f8",
    reserved="f8",  # base units held for working sells (spot)
    buy_notional="f8",  # taken or made in candle `stamp` (O10)
    sell_notional="f8",
    used_volume="f8",
)
"""One symbol of one account: [N, S]."""

ORDER = record(
    id="i8",
    symbol="i4",
    side="i4",
    type="i4",
    tif="i4",
    flags="i4",
    size_mode="i4",
    state="i4",
    group="i4",  # 0: none
    placed="i8",  # cursor
    expires="i8",  # cursor at whose candle's end it goes; NO_EXPIRY
    blocked="i8",  # cursor of the candle in which it may not try again
    size="f8",  # in units of size_mode
    qty="f8",  # still to be filled
    filled="f8",
    price="f8",
    trigger="f8",
    trail_frac="f8",
    extreme="f8",  # best price of earlier candles (trailing_stop)
    max_slippage_frac="f8",  # inf: no cap
    reserve_price="f8",  # what a unit still to be filled is reserved at; 0: locks nothing
)
"""One working order: [N, max_orders] in priority order; and the one request being handled."""

EVENT = record(
    order_id="i8",
    cursor="i8",
    group="i8",
    expires="i8",
    qty="f8",
    price="f8",
    trigger="f8",  # of a trailing stop: its trail_frac
    base_price="f8",  # what a fill met before slippage
    fee="f8",
    slippage="f8",
    realized="f8",  # NaN when the fill opened only
    value="f8",  # REJECTED: what was measured (R5); else what is still to be filled
    bound="f8",  # REJECTED: the limit that it broke
    symbol="i4",
    reason="i2",
    kind="i1",
    phase="i1",
    side="i1",
    type="i1",
    tif="i1",
    flags="i1",
    size_mode="i1",
    liquidity="i1",
    unused="i8",  # fills the row to two cache lines
)
"""One thing that happened to an order: a ring per env, drained into the journal."""

CONTEXT = record(
    candles="i8",
    funding="i8",  # 0: none
    instruments="i8",
    params="i8",
    accounts="i8",
    positions="i8",
    orders="i8",
    request="i8",  # one ORDER, shared by all rows: it does not outlive a verb
    events="i8",
    equity_curve="i8",  # 0: not kept; else float64 [steps + 1] of row 0
    pyramid="i8",  # addresses of the fast-forward index; 0: none
    num_envs="i8",
    num_symbols="i8",
    num_rows="i8",  # T + 1
    order_slots="i8",  # rows of a table of orders for each env
    event_capacity="i8",  # a power of two, or 0
    has_endings="i8",  # 1: some symbol's data ends before the rest
    record_all="i8",  # 1: a full ring stops the kernel; 0: the last few are kept
)
"""Where everything is: addresses of the tables, and their sizes."""


def new_table(dtype: np.dtype[Any], *shape: int) -> Table:
    """Return zeroed rows, aligned to cache lines so that a candle never straddles two."""
    count = int(np.prod(shape, dtype=np.int64))
    raw = np.zeros(count * dtype.itemsize + 64, np.uint8)
    shift = -raw.ctypes.data % 64
    table: Table = raw[shift : shift + count * dtype.itemsize].view(dtype).reshape(shape)
    return table
