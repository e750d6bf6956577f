"""The data contract of the book features: what the pass over the agent's clock reads and keeps.

All that moves lies in one block of 8-byte words (`STATE_WORDS`): the FEATURE_STATE record, the two
FEATURE_SIDE records, then arrays. A checkpoint is a copy of that block and the populated levels of
the book; the addresses (FEATURE_CONTEXT) stay with whoever runs the pass.

Prices here are *signed ticks*: side x tick, so that on both sides a higher number is a better
price and one text serves both.
"""

from __future__ import annotations

from typing import Final

from seq_gym._jit import record_at
from seq_gym.engine.layout import record

__all__ = [
    "ABSENT",
    "COUNT",
    "DEPTH_OF_TOP",
    "FEATURE_CONTEXT",
    "FEATURE_SIDE",
    "FEATURE_STATE",
    "HORIZONS_S",
    "NUM_BUCKETS",
    "PAST_AT",
    "RING_AT",
    "SIDES_AT",
    "SIGNED",
    "SIGNS",
    "STATE_WORDS",
    "TOPS_AT",
    "TRADES_AT",
    "VOLUME",
    "context_at",
    "level_index_at",
    "side_at",
    "state_at",
]

DEPTH_OF_TOP: Final = 10
"""Best levels of a side that are watched."""
ABSENT: Final = -(1 << 40)
"""Signed tick of a level that is not there: worse than any."""
HORIZONS_S: Final = (1, 10, 60)
"""Half-lives of the trade statistics and look-backs of the returns, in seconds."""
NUM_BUCKETS: Final = 50
"""Volume buckets of VPIN."""

FEATURE_STATE = record(
    row="i8",  # the next row
    time="i8",  # of the last row taken
    next_second="i8",  # the next whole second to pass, ns
    known_ts="i8",  # when both sides first had a price; 0: not yet
    known_second="i8",  # index of the first whole second with a mid
    num_seconds="i8",  # whole seconds passed since then
    mid="f8",  # ticks; the last one known; 0: none yet
    spread_bps="f8",  # the last one known
    book_ts="i8",  # of the last row that told about the book
    flags="i8",  # of the last row: 1 stale, 2 halted
    restated="i4",  # of this stamp: a snapshot, clear or gap, so differences are not flow
    told="i4",  # of this stamp: some row told about the book
    # Order flow: lots since the tape began, what they were at the last mark, and decayed sums.
    flow_1="i8",
    flow_5="i8",
    flow_10="i8",
    signed="i8",
    mark_1="i8",
    mark_5="i8",
    mark_10="i8",
    mark_signed="i8",
    decayed_1="f8",
    decayed_5="f8",
    decayed_10="f8",
    removed="f8",  # decayed lots that left the watched levels
    removed_now="i8",  # at this stamp
    flow_ts="i8",  # of these decayed sums
    trade_ts="i8",  # of the trade sums
    # Moving averages over whole seconds
    spread_mean="f8",
    spread_variance="f8",
    spread_fast="f8",
    level_lots="f8",  # lots of a watched level
    variance="f8",  # of the log return of a second
    second_mid="f8",
    squares="f8",  # sum of squared log returns of all seconds so far
    volume="i8",  # lots printed in this second
    volume_rate="f8",  # lots a second
    # VPIN: the open bucket, and sums over the closed ones
    bucket_lots="i8",  # 0: none is open
    bucket_filled="i8",
    bucket_signed="i8",
    num_buckets="i8",
    sum_imbalance="i8",
    sum_volume="i8",
    full_ts="i8",  # when the last of NUM_BUCKETS first closed; 0: not yet
)
"""What one pass keeps."""

FEATURE_SIDE = record(
    live="i8",  # populated levels
    best="i8",  # best tick as the rows tell it; NO_BID, NO_ASK
    tail="i8",  # signed tick of the last watched level; ABSENT when fewer than DEPTH_OF_TOP
    num_top="i8",
    dirty="i8",  # a watched level changed at this stamp
)
"""One side of the book of a pass: [bids, asks]."""

_STATE = FEATURE_STATE.itemsize // 8
_SIDE = FEATURE_SIDE.itemsize // 8
# A side's watched levels: signed ticks, lots; then both again, as they are being walked anew.
_TOP = 4 * DEPTH_OF_TOP

SIDES_AT: Final = 8 * _STATE
TOPS_AT: Final = SIDES_AT + 8 * 2 * _SIDE
RING_AT: Final = TOPS_AT + 8 * 2 * _TOP
"""|signed lots| of the last NUM_BUCKETS buckets, then their lots."""
TRADES_AT: Final = RING_AT + 8 * 2 * NUM_BUCKETS
"""float64 [horizon, COUNT SIGNS VOLUME SIGNED]."""
PAST_AT: Final = TRADES_AT + 8 * 4 * len(HORIZONS_S)
"""int64 [horizon]: row of the past mid; then float64 [horizon]: the mid."""
STATE_WORDS: Final = PAST_AT // 8 + 2 * len(HORIZONS_S)

COUNT: Final = 0
SIGNS: Final = 1
VOLUME: Final = 2
SIGNED: Final = 3

FEATURE_CONTEXT = record(
    state="i8",  # the block of STATE_WORDS
    rows="i8",  # ROW [num_rows] by local_ts
    num_rows="i8",
    level_index="i8",  # uint32 [num_rows]
    levels="i8",  # LEVELS [bids, asks] of the agent's clock: every tick ever populated
    bid_lots="i8",  # int64 [LEVELS.num_levels]: the book as it stands
    ask_lots="i8",
    seconds="i8",  # float64 [num_seconds]: FEATURE_STATE.squares at each whole second
    first_second="i8",  # the UNIX second of `seconds[0]`
    num_seconds="i8",
    values="i8",  # float64 [all columns]: scratch of a sample
    columns="i8",  # int64 [num_columns]: which of them are wanted
    low="i8",  # float32 [num_columns]: bounds of the wanted ones
    high="i8",
    num_columns="i8",
    parts="i8",  # bits of features_table: what is wanted at all
)
"""What one pass reads, and where it is: addresses, and sizes."""

context_at = record_at(FEATURE_CONTEXT)
state_at = record_at(FEATURE_STATE)
side_at = record_at(FEATURE_SIDE)
level_index_at = record_at(record(level="u4"))
