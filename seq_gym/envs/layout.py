"""The data contract of the env kernels: one row of moving state per env, one row of constants."""

from __future__ import annotations

from seq_gym._jit import record_at
from seq_gym.engine.layout import record

__all__ = [
    "ENV_CONTEXT",
    "ENV_STATE",
    "NUM_TERMS",
    "TIMEFRAME",
    "env_context_at",
    "env_state_at",
    "timeframe_at",
]

NUM_TERMS = 7
"""Reward terms (rewards.py)."""


ENV_STATE = record(
    # What every step reads and writes: one cache line.
    steps="i8",
    done="i8",  # ended in the last step and not reset since
    equity="f8",  # after the last step: the reward measures from it (E4)
    log_equity="f8",
    step_frac="f8",  # 1 / candles of the window
    sum_return="f8",  # streaming moments of the episode (X1)
    sum_square="f8",
    total_reward="f8",
    # What some rewards and every reset need: another.
    drawdown="f8",
    turnover="f8",
    mean_return="f8",  # moving averages of the differential ratios
    mean_square="f8",
    mean_downside="f8",
    seed="i8",
    episode="i8",
    unused="i8",
)
"""What an env adds to its account: [N]."""

ENV_CONTEXT = record(
    engine="i8",  # address of the CONTEXT
    states="i8",
    features="i8",  # float32 [T + 1, S, F]
    ready="i8",  # int64 [S]: first cursor whose every window is defined
    actions="i8",  # int64 or float64, by action kind
    observations="i8",  # float32 [N, observation_floats]
    final_observations="i8",
    rewards="i8",  # float64 [N]
    terms="i8",  # float64 [N, NUM_TERMS], 0: not asked for
    terminated="i8",  # uint8 [N]
    truncated="i8",
    finals="i8",  # float64 [N, NUM_FINALS]: figures of the episode that has just ended
    starts="i8",  # int64 [num_starts], 0: none given
    weights="i8",  # float64 [NUM_TERMS]
    asked_terms="i8",  # bit k: term k is weighed or reported
    levels="i8",  # float64: ladder targets, or order sizes then offsets
    num_levels="i8",
    window_bytes="i8",
    row_bytes="i8",
    look_back="i8",
    timeframes="i8",  # TIMEFRAME [num_timeframes], 0: none
    num_timeframes="i8",
    window_floats="i8",  # of all windows: where the portfolio begins
    observation_floats="i8",
    action_kind="i8",
    window_kind="i8",
    num_starts="i8",
    first_start="i8",
    last_start="i8",
    last_cursor="i8",  # no episode goes beyond
    episode_candles="i8",  # 0: to last_cursor
    candles_per_step="i8",
    autoreset="i8",
    inverse_balance="f8",  # 1 / starting_balance: the hot path divides by nothing constant
    inverse_orders="f8",  # 1 / max_orders
    choices="i8",  # int64 [action_width]: how many values each part of a discrete action has
    action_width="i8",  # parts of a discrete action; 0: a Box, not checked
    buy_fraction="f8",
    deadband="f8",
    leverage="f8",
    eta="f8",
    turnover_cost_frac="f8",
    holding_cost_frac="f8",
    randomized="i8",  # 1: an episode draws its scales
    fee_scale_low="f8",
    fee_scale_high="f8",
    slippage_scale_low="f8",
    slippage_scale_high="f8",
)
"""Addresses and constants of a batch of envs: one row."""

TIMEFRAME = record(
    features="i8",  # float32 [T' + 1, S, F']
    offset="i8",  # cursor at which its first candle opens
    multiple="i8",  # candles of the env in one of its own
    look_back="i8",
    row_bytes="i8",
    window_bytes="i8",
)
"""A window of longer candles (timeframes.py): one row each, the finest first."""

timeframe_at = record_at(TIMEFRAME)
env_context_at = record_at(ENV_CONTEXT)
env_state_at = record_at(ENV_STATE)
