"""Plain integers for kernels: the enums of seq_gym.types, which a kernel must not touch.

An IntEnum argument costs a kernel call 7.6 us, a module-level int nothing.
"""

from __future__ import annotations

from typing import Final

from seq_gym.types import (
    Ending,
    EventKind,
    Liquidity,
    OrderType,
    Phase,
    Reason,
    SizeMode,
    TimeInForce,
)

# Order types
MARKET: Final = int(OrderType.MARKET)
LIMIT: Final = int(OrderType.LIMIT)
STOP_LOSS: Final = int(OrderType.STOP_LOSS)
TAKE_PROFIT: Final = int(OrderType.TAKE_PROFIT)
STOP_LIMIT: Final = int(OrderType.STOP_LIMIT)
TRAILING_STOP: Final = int(OrderType.TRAILING_STOP)

# Time in force
GTC: Final = int(TimeInForce.GTC)
IOC: Final = int(TimeInForce.IOC)
FOK: Final = int(TimeInForce.FOK)

# Size modes
QUANTITY: Final = int(SizeMode.QUANTITY)
NOTIONAL: Final = int(SizeMode.NOTIONAL)
EQUITY_FRACTION: Final = int(SizeMode.EQUITY_FRACTION)
TARGET_WEIGHT: Final = int(SizeMode.TARGET_WEIGHT)
WHOLE_POSITION: Final = int(SizeMode.WHOLE_POSITION)

TAKER: Final = int(Liquidity.TAKER)
MAKER: Final = int(Liquidity.MAKER)

# Phases of a candle
AT_ONCE: Final = int(Phase.AT_ONCE)
OPEN: Final = int(Phase.OPEN)
ADVERSE: Final = int(Phase.ADVERSE)
FAVOURABLE: Final = int(Phase.FAVOURABLE)
CLOSE: Final = int(Phase.CLOSE)

# Events
PLACED: Final = int(EventKind.PLACED)
FILL: Final = int(EventKind.FILL)
CANCELLED: Final = int(EventKind.CANCELLED)
REJECTED: Final = int(EventKind.REJECTED)
AMENDED: Final = int(EventKind.AMENDED)

# Reasons
NONE: Final = int(Reason.NONE)
VALIDATION_ERROR: Final = int(Reason.VALIDATION_ERROR)
INVALID_QUANTITY: Final = int(Reason.INVALID_QUANTITY)
NOT_LISTED: Final = int(Reason.NOT_LISTED)
INSUFFICIENT_BALANCE: Final = int(Reason.INSUFFICIENT_BALANCE)
RISK_LIMIT_EXCEEDED: Final = int(Reason.RISK_LIMIT_EXCEEDED)
DAILY_LOSS_LIMIT: Final = int(Reason.DAILY_LOSS_LIMIT)
TOO_MANY_ORDERS: Final = int(Reason.TOO_MANY_ORDERS)
RATE_LIMIT: Final = int(Reason.RATE_LIMIT)
KILL_SWITCH: Final = int(Reason.KILL_SWITCH)
POSITION_CLOSED: Final = int(Reason.POSITION_CLOSED)
POST_ONLY_WOULD_TAKE: Final = int(Reason.POST_ONLY_WOULD_TAKE)
EXPIRED: Final = int(Reason.EXPIRED)
MAX_SLIPPAGE: Final = int(Reason.MAX_SLIPPAGE)
GROUP_FILLED: Final = int(Reason.GROUP_FILLED)
USER_CANCELLED: Final = int(Reason.USER_CANCELLED)
END_OF_EPISODE: Final = int(Reason.END_OF_EPISODE)
LIQUIDATION: Final = int(Reason.LIQUIDATED)
DELISTED: Final = int(Reason.DELISTED)
MIN_NOTIONAL: Final = int(Reason.MIN_NOTIONAL)
NO_LIQUIDITY: Final = int(Reason.NO_LIQUIDITY)
ORDER_NOT_FOUND: Final = int(Reason.ORDER_NOT_FOUND)
COMPLETED: Final = int(Reason.COMPLETED)
INVALID_PARAMS: Final = int(Reason.INVALID_PARAMS)
RISK: Final = int(Reason.RISK)
POSITION_LIMIT: Final = int(Reason.POSITION_LIMIT)
PRICE_DEVIATION: Final = int(Reason.PRICE_DEVIATION)
STALE_BOOK: Final = int(Reason.STALE_BOOK)

# Endings
RUNNING: Final = int(Ending.RUNNING)
RUINED: Final = int(Ending.RUINED)
LIQUIDATED: Final = int(Ending.LIQUIDATED)
TARGET_DONE: Final = int(Ending.TARGET_DONE)
INVENTORY_LIMIT: Final = int(Ending.INVENTORY_LIMIT)
WINDOW_END: Final = int(Ending.WINDOW_END)
DATA_END: Final = int(Ending.DATA_END)

# Bits of CANDLE.flags; the number of grid candles a candle spans starts at SPAN_SHIFT (C4)
TRADED: Final = 1
LISTED: Final = 2
DATA_ENDED: Final = 4
FRESH: Final = 8
"""The last known candle traded: a market order fills at once under execution="close" (C6)."""
SPAN_SHIFT: Final = 8

# Bits of ORDER.flags
REDUCE_ONLY: Final = 1
POST_ONLY: Final = 2
FITTED: Final = 4
"""The quantity came from a size mode: floored to the funds at the fill, never refused (O3b)."""
FIRED: Final = 8
"""A stop that was met and could not fill whole: its rest is a market order (O7, O10)."""

# ORDER.state
WAITING: Final = 0
"""Not arrived: its first meeting is the next traded open."""
RESTING: Final = 1
"""In the book, or a trigger that watches the price."""
TRIGGERED: Final = 2
"""A stop-limit that has fired and now is a limit."""
FINISHED: Final = 3
"""Filled, cancelled or expired: its slot is reclaimed at the end of the phase."""

# Slippage models
FIXED_BPS: Final = 0
VOLUME_SHARE: Final = 1
SQUARE_ROOT: Final = 2
CALLABLE: Final = 3

# Return codes of kernels that advance
DONE: Final = 0
RING_FULL: Final = 1

NO_EXPIRY: Final = 1 << 62

NS_PER_MINUTE: Final = 60_000_000_000
NS_PER_DAY: Final = 86_400_000_000_000
