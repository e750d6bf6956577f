"""Play a script in our engine under parity rules, one account over the recording's tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.codes import FOK, GTC, IOC, LIMIT, MAKER, MARKET
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.params import BookParams, book_params
from seq_gym.sandbox.book.tape import book_tape
from seq_gym.types import Reason
from tests.oracle import answers, script
from tests.oracle.answers import EXECUTION, Answers, merge
from tests.oracle.runs import POWER, Run
from tests.oracle.script import CANCEL, Script

_FORCES = {script.GTC: GTC, script.GTX: GTC, script.FOK: FOK, script.IOC: IOC, script.MARKET: IOC}
_SECOND = 1_000_000_000
_AT_ONCE = 1024  # orders that may work at one time
_ENDS = {
    codes.ACCEPTED: answers.OPEN,
    codes.EXPIRED: answers.EXPIRED,
    codes.CANCELLED: answers.CANCELLED,
    codes.REFUSED: answers.REFUSED,
}


def _params(run: Run) -> BookParams:
    """Return the physics of hftbacktest, and money without end."""
    return BookParams(
        starting_balance=1e17,
        account="margin",
        fills="parity" if run.is_partial else "parity_no_partial",
        queue_model=run.queue_model,
        queue_power=POWER,
        latency_model="constant",
        latency=Latency(entry_ms=run.latency_ms, response_ms=run.latency_ms),
        max_orders=_AT_ONCE,
        max_actions=1_000_000,
        max_market_slippage_frac=0.5,
        max_leverage=1000.0,
        maintenance_margin_frac=0.0,
        liquidate_on_complete=False,
    )


def batch_of(events: BookEvents, run: Run) -> BookBatch:
    """Return one account over one recording."""
    params = _params(run)
    instruments, _ = book_instruments(params, BookData(books=(events,)))
    instruments["min_notional"] = 0.0
    return BookBatch(
        [book_tape(events)],
        instruments,
        book_params(params),
        order_slots=_AT_ONCE,
        event_capacity=1 << 16,
        report_slots=4096,
    )


def _advance(batch: BookBatch, until: int, found: list[Any]) -> None:
    while batch.advance(0, until) == codes.EVENTS_FULL:
        found.append(batch.drain(0).copy())


def play(events: BookEvents, script: Script, run: Run) -> Answers:
    """Return what our engine answers."""
    batch = batch_of(events, run)
    batch.reset(0, events.start_ns, events.end_ns + 10 * _SECOND)
    lot = batch.instruments[0]
    found: list[Any] = []
    ids: dict[int, int] = {}
    columns = (script.time, script.what, script.order, script.side, script.force)
    columns = (*columns, script.tick, script.lots)
    for time, what, order, side, force, tick, lots in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        _advance(batch, time, found)
        if what == CANCEL:
            batch.cancel(0, 0, ids[order])
            continue
        ids[order] = _place(batch, order, side, force, tick, lots * lot.lot_mul / lot.lot_div)
    _advance(batch, events.end_ns + 10 * _SECOND, found)
    found.append(batch.drain(0).copy())
    return _answers(np.concatenate(found), script, lot)


def _place(batch: BookBatch, tag: int, side: int, force: int, tick: int, qty: float) -> int:
    request = batch.request(0, 0, side)
    request.type = MARKET if force == script.MARKET else LIMIT
    request.tif = _FORCES[force]
    request.flags = codes.POST_ONLY_FLAG if force == script.GTX else 0
    request.tick = tick
    request.qty = qty
    request.tag = tag
    return batch.place(0, 0)


def _answers(events: Any, script: Script, lot: Any) -> Answers:
    """Read executions and final statuses off the event ring."""
    executed = events[events["kind"] == codes.EXECUTED]
    found = np.zeros(len(executed), EXECUTION)
    found["order"], found["exch_ts"] = executed["tag"], executed["exch_ts"]
    found["lots"] = executed["qty"] * lot.lot_div / lot.lot_mul
    found["tick"], found["is_maker"] = executed["tick"], executed["liquidity"] == MAKER
    status = np.zeros(script.num_orders + 1, np.int8)
    for event in events[(events["tag"] > 0) & (events["reason"] != Reason.END_OF_EPISODE)]:
        if event.kind == codes.EXECUTED:
            is_done = event.leaves <= 0.0
            status[event.tag] = answers.FILLED if is_done else answers.PARTLY
        elif event.kind in _ENDS:
            status[event.tag] = _ENDS[event.kind]
    return merge(found, status[1:])
