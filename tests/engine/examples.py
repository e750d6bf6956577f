"""Verbs and views for examples that are computed by hand: one symbol, no costs unless asked."""

from __future__ import annotations

from typing import Any

from seq_gym.engine import codes
from seq_gym.engine.reference import Event
from tests.engine.arena import Twins, candles_of, default_instruments, default_params

FLAT = (100.0, 100.0, 100.0, 100.0)
FREE = {"slippage_floor": 0.0, "impact": 0.0}
CLOSE = {"at_close": 1}
MARGIN = {"margin": 1, "borrow_per_candle": 0.0}
NO_FEES = {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0}


def play(*rows: tuple[float, float, float, float], fees: bool = False, **changes: Any) -> Twins:
    """Return both engines on one symbol, without slippage, and without fees unless asked."""
    instruments = default_instruments(1, **({} if fees else NO_FEES))
    return Twins(candles_of(list(rows)), default_params(**(FREE | changes)), instruments)


def buy(t: Twins, size: float, **fields: Any) -> int:
    return t.place(**({"symbol": 0, "side": 1, "size": size} | fields))


def sell(t: Twins, size: float, **fields: Any) -> int:
    return t.place(**({"symbol": 0, "side": -1, "size": size} | fields))


def stop(t: Twins, size: float, trigger: float, **fields: Any) -> int:
    return sell(
        t, size, **({"type": codes.STOP_LOSS, "trigger": trigger, "reduce_only": True} | fields)
    )


def target(t: Twins, size: float, trigger: float, **fields: Any) -> int:
    return sell(
        t, size, **({"type": codes.TAKE_PROFIT, "trigger": trigger, "reduce_only": True} | fields)
    )


def fills(t: Twins) -> list[Event]:
    return [e for e in t.reference.events if e.kind == codes.FILL]


def last_fill(t: Twins) -> Event:
    return fills(t)[-1]


def gone(t: Twins) -> list[tuple[int, int]]:
    """Return (order, reason) of what was cancelled."""
    return [(e.order_id, e.reason) for e in t.reference.events if e.kind == codes.CANCELLED]


def cash(t: Twins) -> float:
    return float(t.batch.accounts[0]["cash"])
