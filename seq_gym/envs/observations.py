"""Observations: a window of candle features, those of longer candles, then the portfolio.

A flat observation is float32 [look_back * S * F + 5 + 4 * S]: the window in time order (row of the
oldest candle first; within a row by symbol, then by feature), then the portfolio columns. As a
dict it is `{"window": [look_back, S * F], "portfolio": [5 + 4 * S]}`, views of the same memory.
Everything is known at the cursor (C2, E3).

With `timeframes` the window of each follows the first one, the finest first, whatever the order
they were given in: `look_back * S * F` floats of its own look-back and features, of the last
candles of that length that have closed by the cursor. A dict has a key for each, as `"window_1h"`
and `"window_1d"`. A row changes when its candle closes and stands still until the next one does.

With `observation="index"` an observation is `{"index": [1], "portfolio": [5 + 4 * S]}`: the cursor
alone in place of the windows, for a policy that holds the features itself and gathers the windows
where it computes (`seq_gym.train.extractors`). `ObservedWindow.gather` says which they are.

| portfolio column | meaning | bounds |
|---|---|---|
| `cash_frac` | cash / equity | -10 .. 10 |
| `profit_frac` | equity / starting balance - 1 | -1 .. 100 |
| `drawdown` | part of the peak equity that is lost | 0 .. 1 |
| `progress` | part of the window that has passed | 0 .. 1 |
| `orders_frac` | working orders / how many there may be | 0 .. 1 |
| per symbol `listed` | 1 when the symbol has a price and every look-back is full | 0 .. 1 |
| `weight` | position value / equity | -10 .. 10 |
| `unrealized_frac` | unrealised profit / equity | -10 .. 10 |
| `age` | candles held / (candles held + look_back) | 0 .. 1 |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from seq_gym._jit import copy_bytes, helper, inlined, ints_at, singles_at
from seq_gym.engine.codes import DATA_ENDED, LISTED
from seq_gym.engine.tables import candle, position
from seq_gym.envs.features import FeatureMatrix
from seq_gym.envs.layout import timeframe_at

__all__ = [
    "ACCOUNT_COLUMNS",
    "MOST_INDEXED",
    "SYMBOL_COLUMNS",
    "ObservationKind",
    "ObservedWindow",
    "observation_space",
    "portfolio_size",
    "write_observation",
]

ObservationKind = Literal["flat", "dict", "index"]
MOST_INDEXED: Final = 2**24
"""Candles that an index observation can tell apart: float32 holds every cursor up to it exactly."""
ACCOUNT_COLUMNS = ("cash_frac", "profit_frac", "drawdown", "progress", "orders_frac")
SYMBOL_COLUMNS = ("listed", "weight", "unrealized_frac", "age")

_ACCOUNT_LOW = (-10.0, -1.0, 0.0, 0.0, 0.0)
_ACCOUNT_HIGH = (10.0, 100.0, 1.0, 1.0, 1.0)
_SYMBOL_LOW = (0.0, -10.0, -10.0, 0.0)
_SYMBOL_HIGH = (1.0, 10.0, 10.0, 1.0)


class ObservedWindow(NamedTuple):
    """A window of an observation: what it shows, and where it lies at a cursor."""

    key: str
    """Its name in a dict observation."""
    matrix: FeatureMatrix
    look_back: int
    offset: int = 0
    """Cursor of the environment at which its first candle opens."""
    multiple: int = 1
    """Candles of the environment in one of its own."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and floats of a row: (look_back, S * F)."""
        _, num_symbols, num_features = self.matrix.values.shape
        return self.look_back, num_symbols * num_features

    @property
    def num_floats(self) -> int:
        """How many floats it holds."""
        return self.shape[0] * self.shape[1]

    def first_rows(self, cursors: ArrayLike) -> NDArray[np.int64]:
        """Return the row of the matrix where the window at each cursor begins.

        The last of its `look_back` rows is that of the last candle closed by the cursor (C2).
        """
        finished = (np.asarray(cursors, np.int64) - self.offset) // self.multiple
        return finished - self.look_back + 1

    def gather(self, cursors: ArrayLike) -> NDArray[np.float32]:
        """Return the windows that dict observations at cursors [N] show: float32 [N, *shape]."""
        rows = self.first_rows(cursors)[..., None] + np.arange(self.look_back)
        return self.matrix.values[rows].reshape(rows.shape[:-1] + self.shape)

    def space(self) -> spaces.Box:
        """Return its space, `shape` with finite bounds."""
        num_symbols = self.matrix.values.shape[1]
        # Rows before a symbol is listed are zero, whatever the bounds of its features.
        low, high = np.minimum(self.matrix.low, 0.0), np.maximum(self.matrix.high, 0.0)
        rows = [np.broadcast_to(np.tile(bound, num_symbols), self.shape) for bound in (low, high)]
        return spaces.Box(rows[0], rows[1], dtype=np.float32)


def portfolio_size(num_symbols: int) -> int:
    """Return how many portfolio columns there are."""
    return len(ACCOUNT_COLUMNS) + len(SYMBOL_COLUMNS) * num_symbols


def observation_space(
    kind: ObservationKind, windows: Sequence[ObservedWindow], num_symbols: int, num_candles: int
) -> spaces.Space[Any]:
    """Return the space of one env's observations, with finite bounds.

    Args:
        kind: flat, dict or index.
        windows: What it shows, in order.
        num_symbols: S.
        num_candles: T, the largest cursor.
    """
    portfolio = spaces.Box(
        np.array(_ACCOUNT_LOW + _SYMBOL_LOW * num_symbols, np.float32),
        np.array(_ACCOUNT_HIGH + _SYMBOL_HIGH * num_symbols, np.float32),
        dtype=np.float32,
    )
    if kind == "index":
        index = spaces.Box(0.0, float(num_candles), (1,), np.float32)
        return spaces.Dict({"index": index, "portfolio": portfolio})
    parts = {each.key: each.space() for each in windows} | {"portfolio": portfolio}
    if kind == "dict":
        return spaces.Dict({**parts})
    return spaces.Box(
        np.concatenate([part.low.ravel() for part in parts.values()]),
        np.concatenate([part.high.ravel() for part in parts.values()]),
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
    is_full = a.cursor >= ints_at(env.ready)[s]
    here = is_full and (known.flags & LISTED) != 0 and (known.flags & DATA_ENDED) == 0
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


@helper
def _write_timeframes(env: Any, a: Any, target: int) -> None:
    """Write the windows of longer candles, up to the last that has closed by the cursor (C2)."""
    for k in range(env.num_timeframes):
        frame = timeframe_at(env.timeframes, k)
        finished = (a.cursor - frame.offset) // frame.multiple
        source = frame.features + (finished - frame.look_back + 1) * frame.row_bytes
        copy_bytes(target, source, frame.window_bytes)
        target += frame.window_bytes


@inlined
def write_observation(env: Any, c: Any, a: Any, e: int, state: Any, target: int) -> None:
    """Write env e's observation at the cursor to an address."""
    out = singles_at(target)
    if env.window_bytes > 0:
        source = env.features + (a.cursor - env.look_back + 1) * env.row_bytes
        copy_bytes(target, source, env.window_bytes)
        if env.num_timeframes > 0:
            _write_timeframes(env, a, target + env.window_bytes)
    else:  # an index observation
        out[0] = a.cursor
    at = env.window_floats
    inverse = 1.0 / a.equity if a.equity > 0.0 else 0.0
    out[at] = _clip(a.cash * inverse, -10.0, 10.0)
    out[at + 1] = _clip(a.equity * env.inverse_balance - 1.0, -1.0, 100.0)
    out[at + 2] = _clip(a.drawdown, 0.0, 1.0)
    out[at + 3] = (a.cursor - a.start) * state.step_frac  # these two cannot leave their bounds
    out[at + 4] = a.num_orders * env.inverse_orders
    for s in range(c.num_symbols):
        _write_symbol(env, c, a, e, s, inverse, out, at + 5 + 4 * s)
