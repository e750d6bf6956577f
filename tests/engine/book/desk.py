"""Hand-made books for the tests of the agent's half: a tape from rows, a batch of one."""

from __future__ import annotations

from typing import Any

import numpy as np

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.layout import INSTRUMENT, PARAMS
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.engine.codes import LIMIT
from seq_gym.engine.layout import Table, new_table

SECOND = 1_000_000_000
MS = 1_000_000
T0 = 1_700_000_000 * SECOND

Row = tuple[int, int, int, int, int, int]
"""exch_ts, local_ts, kind, side, tick, lots: times relative to T0, in nanoseconds."""


def depth(ts: int, side: int, tick: int, lots: int, lag: int = 0) -> Row:
    return (ts, ts + lag, codes.DEPTH, side, tick, lots)


def trade(ts: int, side: int, tick: int, lots: int, lag: int = 0) -> Row:
    return (ts, ts + lag, codes.TRADE, side, tick, lots)


def opening(ts: int = -SECOND, bid: int = 100, ask: int = 101, lots: int = 10) -> list[Row]:
    """A book of three levels a side, known before T0."""
    rows = []
    for k in range(3):
        rows += [depth(ts, 1, bid - k, lots), depth(ts, -1, ask + k, lots)]
    return rows


def make_tape(rows: list[Row], **funding: Any) -> BookTape:
    columns = np.array(rows, np.int64).reshape(-1, 6).T
    times = [np.where(each < -(10**15), -1, each + T0) for each in columns[:2]]
    return prepare_tape(
        exch_ts=times[0],
        local_ts=times[1],
        kind=columns[2].astype(np.int8),
        side=columns[3].astype(np.int8),
        tick=columns[4].astype(np.int32),
        lots=columns[5].copy(),
        **funding,
    )


def make_instruments(count: int = 1, **fields: Any) -> Table:
    table = new_table(INSTRUMENT, count)
    given = {
        "tick_mul": 1.0,
        "tick_div": 1.0,
        "lot_mul": 1.0,
        "lot_div": 1.0,
        "contract_size": 1.0,
        "stream_entry": 1,
        "stream_cancel": 2,
        "stream_response": 3,
        "stream_adverse": 4,
        **fields,
    }
    for name, value in given.items():
        table[name] = value
    return table


def make_params(**fields: Any) -> Table:
    table = new_table(PARAMS, 1)
    given = {
        "queue_model": codes.RISK_AVERSE,
        "queue_power": 3.0,
        "max_orders": 32,
        "max_actions": 1000,
        "starting_balance": 10_000.0,
        "initial_margin_frac": 1.0 / 3.0,
        "maintenance_frac": 0.05,
        "market_cap_frac": 0.05,
        "price_deviation_frac": np.inf,
        "max_position_notional": np.inf,
        "max_order_size_pct": np.inf,
        "max_position_size_pct": np.inf,
        "daily_loss_limit_pct": np.inf,
        "max_drawdown_pct": np.inf,
        **fields,
    }
    for name, value in given.items():
        table[name] = value
    return table


def make_batch(
    *tapes: BookTape,
    instrument: dict[str, Any] | None = None,
    seconds: float = 60.0,
    batch: dict[str, Any] | None = None,
    **params: Any,
) -> BookBatch:
    """A batch whose account 0 is open from T0 for `seconds`."""
    instruments = make_instruments(len(tapes), **(instrument or {}))
    made = BookBatch(tapes, instruments, make_params(**params), **(batch or {}))
    made.reset(0, T0, T0 + int(seconds * SECOND))
    return made


def limit(batch: BookBatch, side: int, tick: int, qty: float, *, s: int = 0, **fields: Any) -> int:
    """Place a limit order; returns its id."""
    request = batch.request(0, s, side)
    request.type = LIMIT
    request.tick = tick
    request.qty = qty
    for name, value in fields.items():
        setattr(request, name, value)
    return batch.place(0, s)


def market(batch: BookBatch, side: int, qty: float, *, s: int = 0, **fields: Any) -> int:
    """Place a market order; returns its id."""
    request = batch.request(0, s, side)
    request.qty = qty
    for name, value in fields.items():
        setattr(request, name, value)
    return batch.place(0, s)


def kinds(events: Table) -> list[int]:
    return [int(kind) for kind in events["kind"]]
