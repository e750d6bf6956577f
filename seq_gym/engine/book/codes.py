"""Plain integers of the book engine; those it shares with candles are in engine/codes.py."""

from __future__ import annotations

from typing import Final

BUY: Final = 1
"""Side of an order; of a book row: bid; of a trade: the aggressor bought."""
SELL: Final = -1
"""Side of an order; of a book row: ask; of a trade: the aggressor sold."""
BOTH: Final = 0
"""Side of a CLEAR, GAP or STATUS that concerns the whole book."""

# ROW.kind
DEPTH: Final = 0
"""A level's new quantity; 0 deletes it."""
SNAPSHOT: Final = 1
"""A level of a snapshot."""
CLEAR: Final = 2
"""Levels of a side from the best through `tick` are gone (B8); side BOTH: the whole book."""
TRADE: Final = 3
"""A public print; its side is the aggressor's."""
GAP: Final = 4
"""The recording lost messages: the book is stale until the next snapshot (B10)."""
STATUS: Final = 5
"""Trading halts (lots 0) or is open (lots 1)."""

# Best prices where a side is empty: beyond every tick, so that nothing crosses them (B12).
NO_BID: Final = -(1 << 31)
NO_ASK: Final = (1 << 31) - 1

# Time in force: GTC, IOC and FOK are those of engine/codes.py
POST_ONLY_FLAG: Final = 2
"""Bit of ORDER.flags: expires instead of taking (GTX, B13)."""
REDUCE_ONLY_FLAG: Final = 1

# Queue models (B18)
RISK_AVERSE: Final = 0
POWER1: Final = 1
POWER2: Final = 2
POWER3: Final = 3
LOG1: Final = 4
LOG2: Final = 5
AGGRESSIVE: Final = 6
NO_QUEUE: Final = 7

# Fill rules (section F)
STRICT: Final = 0
PARITY: Final = 1
PARITY_NO_PARTIAL: Final = 2

# Stale book policies (B10)
HOLD: Final = 0
CANCEL_ALL: Final = 1
TRUNCATE: Final = 2

# Latency models (L1)
LATENCY_NONE: Final = 0
LATENCY_CONSTANT: Final = 1
LATENCY_LOG_NORMAL: Final = 2
LATENCY_RECORDED: Final = 3

# Requests on their way to the venue
ASK_NEW: Final = 0
ASK_CANCEL: Final = 1
ASK_AMEND: Final = 2
ASK_DECREASE: Final = 3

# Reports on their way to the agent; also EVENT.kind
SENT: Final = 0
"""The agent has sent a new order (EVENT only)."""
ACCEPTED: Final = 1
"""The venue took the order: it rests, or its executions follow."""
EXECUTED: Final = 2
"""One execution (F5)."""
EXPIRED: Final = 3
"""IOC or FOK rest, crossing POST_ONLY, a cap on slippage, nothing left to reduce: terminal."""
CANCELLED: Final = 4
"""Cancelled on request, at a gap, or since the position is gone: terminal."""
REFUSED: Final = 5
"""Refused by the agent's own checks or by the venue: terminal. A value, never an exception."""
AMENDED: Final = 6
"""Replaced or decreased."""
CHANGE_REFUSED: Final = 7
"""A cancel, amend or decrease of what is gone (B19): the order is as it was."""
MONEY: Final = 8
"""Funding, borrow or liquidation moved cash (EVENT only)."""

# ORDER.local and ORDER.venue: what either side holds the order for
FREE: Final = 0
"""The slot is empty."""
ON_THE_WAY: Final = 1
WORKING: Final = 2
DONE_WITH: Final = 3
"""Terminal on this side."""

# What stops an advance (bits); 0 means only its time does
ON_BOOK: Final = 1
ON_TRADE: Final = 2
ON_REPORT: Final = 4
ON_HEARTBEAT: Final = 8

# Return codes of an advance
REACHED: Final = 0
STOPPED: Final = 1
"""A wanted event was met; LANE.stopped_by and ACCOUNT.now say which and when."""
EVENTS_FULL: Final = 2
"""Drain the event ring, then go on."""
ENDED: Final = 3
"""The episode is over; ACCOUNT.ending says why."""
REPORTS_FULL: Final = 4
"""A lane has more reports in flight than its ring holds: the engine cannot go on."""

CLOCK_VENUE: Final = 0
CLOCK_LOCAL: Final = 1

ADVERSE_MOST_FRAC: Final = 0.001
"""Z1 worsens a maker's price by at most this part of it: so much more a spot buy reserves."""

HEARTBEAT_NS: Final = 1_000_000_000
"""Housekeeping runs at every whole second of virtual time: funding, borrow, margin, ruin."""
NEVER: Final = 1 << 62
