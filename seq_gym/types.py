"""The closed lists of the package. Kernels use the same numbers (engine/codes.py)."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal

__all__ = [
    "AccountKind",
    "Ending",
    "EventKind",
    "Execution",
    "LimitFill",
    "Liquidity",
    "OrderType",
    "Phase",
    "Reason",
    "Side",
    "SizeMode",
    "TimeInForce",
    "TriggerKind",
]

AccountKind = Literal["spot", "margin"]
Execution = Literal["close", "next_open"]
TriggerKind = Literal["range", "close"]
LimitFill = Literal["touch", "through"]


class Side(IntEnum):
    """Direction of an order: the sign of what it adds to the position."""

    BUY = 1
    SELL = -1


class OrderType(IntEnum):
    """What an order waits for (semantics O1)."""

    MARKET = 0
    LIMIT = 1
    STOP_LOSS = 2
    TAKE_PROFIT = 3
    STOP_LIMIT = 4
    TRAILING_STOP = 5


class TimeInForce(IntEnum):
    """How long an order stays: until cancelled, or for its one arrival."""

    GTC = 0
    IOC = 1
    FOK = 2


class SizeMode(IntEnum):
    """What the size of an order states; all but QUANTITY become one at the fill (O3b)."""

    QUANTITY = 0
    NOTIONAL = 1
    EQUITY_FRACTION = 2
    TARGET_WEIGHT = 3
    WHOLE_POSITION = 4


class Liquidity(IntEnum):
    """Whether a fill took from the market or rested in it."""

    TAKER = 0
    MAKER = 1


class Phase(IntEnum):
    """Where inside a candle something happened (O2); AT_ONCE is between candles."""

    AT_ONCE = 0
    OPEN = 1
    ADVERSE = 2
    FAVOURABLE = 3
    CLOSE = 4


class EventKind(IntEnum):
    """What a row of the event ring records."""

    PLACED = 0
    FILL = 1
    CANCELLED = 2
    REJECTED = 3
    AMENDED = 4


class Reason(IntEnum):
    """Why an order was refused, cancelled or forced; NONE where there is nothing to say."""

    NONE = 0
    VALIDATION_ERROR = 1
    INVALID_SYMBOL = 2
    INVALID_QUANTITY = 3
    NOT_LISTED = 4
    INSUFFICIENT_BALANCE = 5
    RISK_LIMIT_EXCEEDED = 6
    DAILY_LOSS_LIMIT = 7
    TOO_MANY_ORDERS = 8
    RATE_LIMIT = 9
    KILL_SWITCH = 10
    POSITION_CLOSED = 11
    POST_ONLY_WOULD_TAKE = 12
    EXPIRED = 13
    MAX_SLIPPAGE = 14
    GROUP_FILLED = 15
    USER_CANCELLED = 16
    END_OF_EPISODE = 17
    LIQUIDATED = 18
    DELISTED = 19
    MIN_NOTIONAL = 20
    NO_LIQUIDITY = 22
    ORDER_NOT_FOUND = 23
    ORDER_NOT_CANCELLABLE = 24
    COMPLETED = 25
    INVALID_PARAMS = 26
    RISK = 27
    POSITION_LIMIT = 28
    PRICE_DEVIATION = 29
    STALE_BOOK = 30


class Ending(IntEnum):
    """Why an episode ended (E1): up to INVENTORY_LIMIT it terminated, above it was truncated."""

    RUNNING = 0
    RUINED = 1
    LIQUIDATED = 2
    TARGET_DONE = 3
    INVENTORY_LIMIT = 4
    WINDOW_END = 5
    DATA_END = 6
    CANCELLED = 7
