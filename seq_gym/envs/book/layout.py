"""The data contract of the kernels of environments over books: constants, and one row per env.

A *cursor* t is a decision time: `times[t]` on the agent's clock, at which row t of the features is
known (grid.py). An env trades lane 0 of its account.
"""

from __future__ import annotations

from seq_gym._jit import record_at
from seq_gym.engine.layout import record

__all__ = [
    "BOOK_ENV",
    "BOOK_STATE",
    "EXECUTION",
    "MAKING",
    "PRINT",
    "TOP_LEVELS",
    "TRADING",
    "book_env_at",
    "book_state_at",
    "print_at",
]

TRADING, MAKING, EXECUTION = range(3)
"""Tasks: what an action means, and what else is paid, shown and kept (tasks.py)."""

PRINT = record(ts="i8", lots="f8", tick="i4", side="i4")
"""A print as the agent sees it: when, how much, where, and the aggressor."""

BOOK_STATE = record(
    # What every step reads and writes.
    cursor="i8",  # of the decision that is next, or of the end
    start="i8",
    end="i8",  # cursor of the end of the window
    done="i8",  # ended in the last step and not reset since
    moving="i8",  # 1: acted, but not there yet: a full event ring was in the way
    steps="i8",
    equity="f8",  # after the last step: the reward measures from it (E4)
    change="f8",  # of equity, over the last step
    log_equity="f8",
    inverse_steps="f8",  # 1 / steps of the window
    total_reward="f8",
    sum_return="f8",  # streaming moments of the episode (X1)
    sum_square="f8",
    drawdown="f8",
    turnover="f8",
    spread_cost="f8",
    mid="f8",  # the mark after the last step
    qty="f8",  # the position before the last step
    seed="i8",
    episode="i8",
    swept="i8",  # orders below this id were asked to cancel by a "cancel all"
    # MarketMaking-v0
    bid_id="i8",  # orders that quote now; 0: none
    ask_id="i8",
    bid_asked="f8",  # units that they were asked to show
    ask_asked="f8",
    inventory_steps="f8",  # sum of |inventory| / max over steps
    most_inventory="f8",
    seconds_quoted="f8",  # with a quote on both sides
    num_quotes="i8",
    num_messages="i8",
    # Execution-v0
    start_units="f8",  # held at the start
    start_cash="f8",
    arrival_mid="f8",
    carried="f8",  # of a lot: due, and less than can be sent
    shortfall="f8",  # so far, money of the account
    step_shortfall="f8",  # of the last step
    child_asked="f8",
    child_id="i8",  # the order that rests; 0: none
)
"""What an env adds to its account: [N]."""

TOP_LEVELS = 12
"""Levels of each side that are kept for every decision; beyond them histories are searched."""

BOOK_ENV = record(
    engine="i8",  # address of the book engine's CONTEXT
    # Kernels of the engine by address, so that these compile without it (engine/book/batch.py)
    advance="i8",
    place="i8",
    cancel="i8",
    amend="i8",
    states="i8",
    times="i8",  # int64 [T], UNIX nanoseconds
    rows="i8",  # int64 [T]: how many rows of the agent's clock are known at each cursor
    features="i8",  # float32 [T, F]
    rates="i8",  # float32 [T, 3]: prints a second that hit asks, bids; mean lots of a print
    prints="i8",  # PRINT [num_prints], by ts
    print_at="i8",  # int64 [T]: how many prints have been seen by each cursor
    top_ticks="i8",  # int32 [T, 2, TOP_LEVELS]: the best bids and asks displayed at each cursor
    top_lots="i8",  # float32 [T, 2, TOP_LEVELS]
    actions="i8",  # int64 or float64, by action kind
    observations="i8",  # float32 [N, observation_floats]
    final_observations="i8",
    rewards="i8",  # float64 [N]
    terms="i8",  # float64 [N, NUM_TERMS], 0: not asked for
    terminated="i8",  # uint8 [N]
    truncated="i8",
    finals="i8",  # float64 [N, NUM_FINALS]
    curve="i8",  # float64 [steps + 1] equity at every decision of a recorded env; 0: none
    starts="i8",  # int64 [num_starts], 0: none given
    weights="i8",  # float64 [NUM_TERMS]
    choices="i8",  # int64 [action_width]: how many values each part of a discrete action has
    levels="i8",  # float64: order sizes (fractions of max_units), then offsets in ticks
    num_levels="i8",
    asked_terms="i8",  # bit k: term k is weighed or reported
    action_width="i8",  # parts of a discrete action; 0: a Box, not checked
    row_bytes="i8",  # of a row of features
    window_bytes="i8",
    look_back="i8",
    window_floats="i8",  # where the own state begins
    observation_floats="i8",
    task="i8",
    action_kind="i8",
    window_kind="i8",
    num_starts="i8",
    first_start="i8",
    last_start="i8",
    last_cursor="i8",  # no episode goes beyond
    episode_steps="i8",  # 0: to last_cursor
    autoreset="i8",
    sees_fills="i8",  # 1: the own state shows the fill probability
    max_units="f8",  # the largest position that actions ask for, in units
    max_qty="f8",  # the same in base quantity
    inverse_qty="f8",
    money_scale="f8",  # 10,000 / notional of max_qty: quote money in basis points of it
    lot_units="f8",  # one lot in units
    fill_horizon_s="f8",
    deadband_units="f8",
    inventory_aversion="f8",
    turnover_cost_frac="f8",
    # MarketMaking-v0
    order_units="f8",
    max_offset_ticks="f8",
    inventory_stop_qty="f8",  # inf: off
    dampening="f8",
    # Execution-v0
    side="i8",
    quantity_units="f8",
    max_rate="f8",
    unfilled_penalty_frac="f8",
    risk_aversion="f8",
)
"""Addresses and constants of a batch of envs: one row."""

print_at = record_at(PRINT)
book_env_at = record_at(BOOK_ENV)
book_state_at = record_at(BOOK_STATE)
