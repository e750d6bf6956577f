"""Accessors of the tables of layout.py, for kernels: `account_at(context.accounts, e)`."""

from __future__ import annotations

from typing import Any

from seq_gym._jit import helper, record_at
from seq_gym.engine import layout
from seq_gym.engine.codes import TRADED

__all__ = [
    "account_at",
    "candle",
    "candle_at",
    "context_at",
    "event_at",
    "instrument_at",
    "order",
    "order_at",
    "params_at",
    "position",
    "position_at",
    "traded",
]

context_at = record_at(layout.CONTEXT)
params_at = record_at(layout.PARAMS)
account_at = record_at(layout.ACCOUNT)
position_at = record_at(layout.POSITION)
order_at = record_at(layout.ORDER)
event_at = record_at(layout.EVENT)
candle_at = record_at(layout.CANDLE)
instrument_at = record_at(layout.INSTRUMENT)


@helper
def candle(c: Any, row: int, s: int) -> Any:
    """Return the candle of symbol s that closed at cursor `row`."""
    return candle_at(c.candles, row * c.num_symbols + s)


@helper
def position(c: Any, e: int, s: int) -> Any:
    """Return the position of env e in symbol s."""
    return position_at(c.positions, e * c.num_symbols + s)


@helper
def order(c: Any, e: int, k: int) -> Any:
    """Return slot k of env e; slot `num_orders` is the request being handled."""
    return order_at(c.orders, e * c.order_slots + k)


@helper
def traded(bar: Any) -> bool:
    """Say whether a candle traded (C6)."""
    return (bar.flags & TRADED) != 0
