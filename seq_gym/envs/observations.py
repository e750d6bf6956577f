"""Observations: a window of candle features, then the portfolio.

A flat observation is float32 [look_back * S * F + 5 + 4 * S]: the window in time order (row of the
oldest candle first; within a row by symbol, then by feature), then the portfolio columns. As a
dict it is `{"window": [look_back, S * F], "portfolio": [5 + 4 * S]}`, views of the same memory.
Everything is known at the cursor (C2, E3).

| portfolio column | meaning | bounds |
|---|---|---|
| `cash_frac` | cash / equity | -10 .. 10 |
| `profit_frac` | equity / starting balance - 1 | -1 .. 100 |
| `drawdown` | part of the peak equity that is lost | 0 .. 1 |
| `progress` | part of the window that has passed | 0 .. 1 |
| `orders_frac` | working orders / how many there may be | 0 .. 1 |
| per symbol `listed` | 1 when the symbol has a price and a full look-back | 0 .. 1 |
| `weight` | position value / equity | -10 .. 10 |
| `unrealized_frac` | unrealised profit / equity | -10 .. 10 |
| `age` | candles held / (candles held + look_back) | 0 .. 1 |
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from seq_gym._jit import copy_bytes, helper, inlined, ints_at, singles_at
from seq_gym.engine.codes import DATA_ENDED, LISTED
from seq_gym.engine.tables import candle, position
from seq_gym.envs.features import FeatureMatrix

__all__ = [
    "ACCOUNT_COLUMNS",
    "SYMBOL_COLUMNS",
    "ObservationKind",
    "observation_space",
    "portfolio_size",
    "write_observation",
]

ObservationKind = Literal["flat", "dict"]
ACCOUNT_COLUMNS = ("cash_frac", "profit_frac", "drawdown", "progress", "orders_frac")
SYMBOL_COLUMNS = ("listed", "weight", "unrealized_frac", "age")

_ACCOUNT_LOW = (-10.0, -1.0, 0.0, 0.0, 0.0)
_ACCOUNT_HIGH = (10.0, 100.0, 1.0, 1.0, 1.0)
_SYMBOL_LOW = (0.0, -10.0, -10.0, 0.0)
_SYMBOL_HIGH = (1.0, 10.0, 10.0, 1.0)


def portfolio_size(num_symbols: int) -> int:
    """Return how many portfolio columns there are."""
    return len(ACCOUNT_COLUMNS) + len(SYMBOL_COLUMNS) * num_symbols


def _tile(values: NDArray[np.float32], look_back: int, num_symbols: int) -> NDArray[np.float32]:
    return np.broadcast_to(values, (look_back, num_symbols, len(values))).copy()


def observation_space(
    kind: ObservationKind, matrix: FeatureMatrix, look_back: int, num_symbols: int
) -> spaces.Space[Any]:
    """Return the space of one env's observations, with finite bounds."""
    low = _tile(matrix.low, look_back, num_symbols)
    high = _tile(matrix.high, look_back, num_symbols)
    rest_low = np.array(_ACCOUNT_LOW + _SYMBOL_LOW * num_symbols, np.float32)
    rest_high = np.array(_ACCOUNT_HIGH + _SYMBOL_HIGH * num_symbols, np.float32)
    # Rows before a symbol is listed are zero, whatever the bounds of its features.
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    if kind == "dict":
        return spaces.Dict(
            {
                "window": spaces.Box(
                    low.reshape(look_back, -1), high.reshape(look_back, -1), dtype=np.float32
                ),
                "portfolio": spaces.Box(rest_low, rest_high, dtype=np.float32),
            }
        )
    return spaces.Box(
        np.concatenate([low.ravel(), rest_low]),
        np.concatenate([high.ravel(), rest_high]),
        dtype=np.float32,
    )


@helper
def _clip(value: float, low: float, high: float) -> float:
    if not value > low:  # NaN too
        return low
    return min(value, high)


@inlined
def _write_symbol(
    env: Any, c: Any, a: Any, e: int, s: int, inverse: float, out: Any, at: int
) -> None:
    """Write the four columns of one symbol."""
    pos = position(c, e, s)
    known = candle(c, a.cursor, s)
    full = a.cursor >= ints_at(env.ready)[s] + env.look_back - 1
    here = full and (known.flags & LISTED) != 0 and (known.flags & DATA_ENDED) == 0
    out[at] = 1.0 if here else 0.0
    if pos.qty == 0.0:
        out[at + 1] = 0.0
        out[at + 2] = 0.0
        out[at + 3] = 0.0
        return
    value = pos.qty * known.mark
    held = float(a.cursor - pos.opened_at)
    out[at + 1] = _clip(value * inverse, -10.0, 10.0)
    out[at + 2] = _clip((value - pos.basis) * inverse, -10.0, 10.0)
    out[at + 3] = _clip(held / (held + env.look_back), 0.0, 1.0)


@inlined
def write_observation(env: Any, c: Any, a: Any, e: int, state: Any, target: int) -> None:
    """Write env e's observation at the cursor to an address."""
    source = env.features + (a.cursor - env.look_back + 1) * env.row_bytes
    copy_bytes(target, source, env.window_bytes)
    out = singles_at(target)
    at = env.window_floats
    inverse = 1.0 / a.equity if a.equity > 0.0 else 0.0
    out[at] = _clip(a.cash * inverse, -10.0, 10.0)
    out[at + 1] = _clip(a.equity * env.inverse_balance - 1.0, -1.0, 100.0)
    out[at + 2] = _clip(a.drawdown, 0.0, 1.0)
    out[at + 3] = (a.cursor - a.start) * state.step_frac  # these two cannot leave their bounds
    out[at + 4] = a.num_orders * env.inverse_orders
    for s in range(c.num_symbols):
        _write_symbol(env, c, a, e, s, inverse, out, at + 5 + 4 * s)
