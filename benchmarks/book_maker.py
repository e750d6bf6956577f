"""The same maker as in book_peer, written against our door for compiled strategies."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.book_grid import LATENCY_MS, POSITION_LOTS, POWER, Grid
from seq_gym.engine.book import codes, door
from seq_gym.engine.book.batch import BookBatch
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.params import BookParams, FillRule, book_params
from seq_gym.sandbox.book.tape import book_tape

_MS = 1_000_000
_SLOTS = 64
WORKING = codes.WORKING


@door.strategy
def _quote(
    h: Any, interval: int, levels: int, step: int, lot: float, unit: float, most_decisions: int
) -> int:
    """Quote to the end of the window, or for so many intervals; return how many there were."""
    most = (POSITION_LOTS - 0.5) * lot
    is_there = np.zeros((2, levels), np.bool_)
    asked = np.zeros(_SLOTS, np.int64)  # by slot: the order whose cancel is on its way
    decisions = 0
    while decisions < most_decisions and door.advance_by(h, interval) == door.REACHED:
        decisions += 1
        bid, ask = door.best_bid(h), door.best_ask(h)
        is_there[:] = False
        for k in range(door.num_slots(h)):
            number = door.order_id(h, k)
            if number == 0:
                continue
            is_buy = door.order_side(h, k) > 0
            tick = door.order_tick(h, k)
            away = bid - tick if is_buy else tick - ask
            if away >= 0 and away < levels * step and away % step == 0:
                is_there[0 if is_buy else 1, away // step] = True
            elif door.order_state(h, k) == WORKING and asked[k] != number:
                door.cancel(h, number)
                asked[k] = number
        position = door.position(h)
        for level in range(levels):
            if position < most and not is_there[0, level]:
                door.buy(h, unit, bid - level * step, door.POST_ONLY)
            if position > -most and not is_there[1, level]:
                door.sell(h, unit, ask + level * step, door.POST_ONLY)
    return decisions


class Maker:
    """A market maker over our engine: one account on the feed's tape."""

    def __init__(self, events: BookEvents, fills: FillRule = "parity_no_partial") -> None:
        params = BookParams(
            starting_balance=1e12,
            account="margin",
            fills=fills,
            queue_model="power3",
            queue_power=POWER,
            latency_model="constant",
            latency=Latency(entry_ms=LATENCY_MS, response_ms=LATENCY_MS),
            taker_fee_frac=0.0,
            maker_fee_frac=0.0,
            max_orders=_SLOTS,
            max_actions=1_000,
            max_leverage=1_000.0,
            liquidate_on_complete=False,
        )
        instruments, _ = book_instruments(params, BookData(books=(events,)))
        instruments["min_notional"] = 0.0
        self._events = events
        self._lot = float(instruments[0].lot_mul / instruments[0].lot_div)
        self._unit = 1.0 if fills == "strict" else self._lot
        self._batch = BookBatch(
            [book_tape(events)],
            instruments,
            book_params(params),
            order_slots=_SLOTS,
            event_capacity=1024,
            record_all=False,
        )

    def open(self) -> None:
        """Put the account at the beginning of the feed."""
        self._batch.reset(0, self._events.start_ns, self._events.end_ns)

    def run(self, grid: Grid) -> int:
        """Quote to the end; return the number of fills."""
        handle, interval = self._batch.handle(0), grid.interval_ms * _MS
        sizes = (self._lot, self._unit)
        _quote(handle, interval, grid.levels, grid.step, *sizes, grid.most_decisions)
        return int(self._batch.accounts[0].num_fills)
