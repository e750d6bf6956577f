"""Tiny hand-made books for the tests of a session over books, and the strategies they run."""

from __future__ import annotations

from typing import Any

import numpy as np

from seq_gym.market.book.events import BookData, BookEvents, BookKind
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.session import BookSession

SECOND = 1_000_000_000
MS = 1_000_000
T0 = 1_700_000_000 * SECOND
"""Hand-made sessions start here; times of rows are relative to it."""

Row = tuple[int, int, BookKind, int, int, int]
"""exch_ts, local_ts, kind, side, tick, lots."""

QUIET: dict[str, Any] = {
    "latency_model": "constant",
    "latency": Latency(entry_ms=10, response_ms=5),
    "taker_fee_frac": 0.001,
    "maker_fee_frac": 0.0,
    "queue_model": "risk_averse",
}
"""Physics whose fills are computed by hand: 10 ms to the venue, 5 ms back, no fee for makers."""


def depth(ms: float, side: int, tick: int, lots: int, lag: float = 1.0) -> Row:
    at = round(ms * MS)
    return (at, at + round(lag * MS), BookKind.DEPTH, side, tick, lots)


def trade(ms: float, side: int, tick: int, lots: int, lag: float = 1.0) -> Row:
    at = round(ms * MS)
    return (at, at + round(lag * MS), BookKind.TRADE, side, tick, lots)


def gap(ms: float, lag: float = 1.0) -> Row:
    at = round(ms * MS)
    return (at, at + round(lag * MS), BookKind.GAP, 0, 1, 0)


def status(ms: float, is_open: bool, lag: float = 1.0) -> Row:
    at = round(ms * MS)
    return (at, at + round(lag * MS), BookKind.STATUS, 0, 1, int(is_open))


def snapshot(ms: float, bid: int = 100, ask: int = 101, lots: int = 10, lag: float = 1.0) -> list:
    """The whole book anew: three levels a side."""
    at = round(ms * MS)
    rows: list[Row] = [(at, at + round(lag * MS), BookKind.CLEAR, 0, 1, 0)]
    for k in range(3):
        for side, tick in ((1, bid - k), (-1, ask + k)):
            rows.append((at, at + round(lag * MS), BookKind.SNAPSHOT, side, tick, lots))
    return rows


def opening(bid: int = 100, ask: int = 101, lots: int = 10) -> list[Row]:
    """A book of three levels a side, known from T0 on."""
    return snapshot(0, bid, ask, lots, lag=0.0)


def make_book(
    rows: list[Row],
    *,
    symbol: str = "BTCUSDT",
    venue: str = "test",
    tick: float = 1.0,
    lot: float = 1.0,
    **instrument: Any,
) -> BookEvents:
    """A recording of rows, sorted by receipt."""
    columns = np.array(sorted(rows, key=lambda row: row[1]), np.int64).reshape(-1, 6).T
    units = {"base": "BTC", "quote": "USDT", "tick": tick, "lot": lot, **instrument}
    return BookEvents(
        instrument=Instrument(symbol=symbol, venue=venue, **units),
        exch_ts=columns[0] + T0,
        local_ts=columns[1] + T0,
        seq=np.arange(len(rows)),
        kind=columns[2].astype(np.int8),
        side=columns[3].astype(np.int8),
        tick=columns[4].astype(np.int32),
        lots=columns[5].copy(),
    )


def make_session(*books: BookEvents, seconds: float = 60.0, **arguments: Any) -> BookSession:
    """A started session of `seconds` from T0 over hand-made books, quiet unless told otherwise."""
    settings: dict[str, Any] = {
        "start_time": T0,
        "end_time": T0 + int(seconds * SECOND),
        "liquidate_on_complete": False,
        **QUIET,
        **arguments,
    }
    session = BookSession.create(data=BookData(books=books), **settings)
    session.start()
    return session


def since(ns: int | None) -> float | None:
    """A stamp as milliseconds since T0."""
    return None if ns is None else (ns - T0) / MS


class Recorder:
    """A strategy that writes down what it is told, and when."""

    def __init__(self, *names: str) -> None:
        self.told: list[tuple[float, str, Any]] = []
        for name in names:
            setattr(self, name, self._taker(name))

    def _taker(self, name: str) -> Any:
        def take(session: BookSession, *what: Any) -> None:
            self.told.append(((session.virtual_time_ns - T0) / MS, name, what))

        return take

    def of(self, name: str) -> list[tuple[float, Any]]:
        return [(at, what) for at, which, what in self.told if which == name]
