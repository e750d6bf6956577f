"""What the realism models do on a recording: a maker, two sweeps, and latencies, with and without.

Used by test_realism.py; run as a script it prints the tables of the documentation:
`PYTHONPATH=. python tests/sandbox/book/realism_cases.py RECORDING...`
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.looking import read_seen
from seq_gym.engine.layout import Table
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.market.book.importers import read_recording
from seq_gym.sandbox.book.latency import Latency
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.wiring import book_batch

MS = 1_000_000
SECOND = 1_000_000_000
FREE: dict[str, Any] = {
    "starting_balance": 1e8, "account": "margin", "max_leverage": 1_000.0,
    "maintenance_margin_frac": 0.0, "borrow_rate_frac": 0.0, "taker_fee_frac": 0.0,
    "maker_fee_frac": 0.0, "max_actions": 1_000, "liquidate_on_complete": False,
}  # fmt: skip


@cache
def recording(path: Path) -> BookEvents:
    """Read the largest book of a recording, its clock mended (B1)."""
    found = read_recording(path, fix_clock=True)
    return max((each.events for each in found), key=lambda events: events.num_events)


def batch_of(events: BookEvents, seed: int = 0, **physics: Any) -> BookBatch:
    """Open an account on a recording, free of fees and limits unless the physics say otherwise."""
    batch = book_batch(BookParams(**{**FREE, **physics}), BookData(books=(events,)))
    batch.instruments["min_notional"] = 0.0
    batch.reset(0, events.start_ns, events.end_ns, seed=seed)
    return batch


def touch(batch: BookBatch) -> tuple[int, int]:
    """Return the best ticks that the agent knows."""
    row: Any = batch.tapes[0].local_rows[int(batch.lanes[0, 0].local_row) - 1]
    return int(row.bid), int(row.ask)


def fills_of(batch: BookBatch, parts: list[Table]) -> Table:
    """Return the executions among drained events."""
    parts.append(batch.drain(0))
    events = np.concatenate(parts)
    fills: Table = events[(events["kind"] == codes.EXECUTED) & (events["order_id"] > 0)]
    return fills


class Made(NamedTuple):
    """What became of a maker; money in the quote currency."""

    fills: Table
    pnl: float  # at the last mid
    turnover: float
    num_scored: int
    worse: float  # what the fills paid beyond their limits

    @property
    def skipped(self) -> float:
        """Part of the scored fills that were skipped."""
        return 1.0 - len(self.fills) / self.num_scored


def make_markets(events: BookEvents, *, every_ms: int = 100, seed: int = 0, **physics: Any) -> Made:
    """Join both touches with about 1,000 of quote every 100 ms, whatever is held."""
    batch = batch_of(events, seed, latency_model="constant", latency=Latency(entry_ms=2.0,
                     response_ms=2.0), **physics)  # fmt: skip
    parts = []
    ins: Any = batch.instruments[0]
    worth = touch(batch)[0] * ins.tick_mul / ins.tick_div * ins.lot_mul / ins.lot_div
    quotes = {codes.BUY: (0, 0), codes.SELL: (0, 0)}  # order id and tick
    for now in range(events.start_ns, events.end_ns, every_ms * MS):
        if batch.advance(0, now) == codes.ENDED:
            break
        parts.append(batch.drain(0))
        alive = {int(o.id) for o in batch.orders[0, 0] if o.local}
        for side, tick in zip((codes.BUY, codes.SELL), touch(batch), strict=True):
            known, was = quotes[side]
            if known in alive and was == tick:
                continue
            if known in alive:
                batch.cancel(0, 0, known)
            request = batch.request(0, 0, side)
            request.type, request.tick, request.qty = common.LIMIT, tick, 1_000 // worth
            request.flags = codes.POST_ONLY_FLAG
            quotes[side] = (batch.place(0, 0), tick)
    account: Any = batch.accounts[0]
    fills = fills_of(batch, parts)
    limits = fills["tick"] * ins.tick_mul / ins.tick_div
    size = fills["side"] * fills["qty"]
    return Made(
        fills=fills,
        pnl=float(account.equity) - FREE["starting_balance"],
        turnover=float(account.turnover),
        num_scored=int(batch.lanes[0, 0].draws_adverse),
        worse=float((size * (fills["price"] - limits)).sum()),
    )


def _take(batch: BookBatch, lots: float) -> None:
    """Buy at once, at most 5 % away: a limit, since the peer's market orders stop at 100 ticks."""
    request, ins = batch.request(0, 0, codes.BUY), batch.instruments[0]
    is_strict = int(batch.params[0].fills) == codes.STRICT
    request.qty = lots if is_strict else lots * ins.lot_mul / ins.lot_div
    request.type, request.tif = common.LIMIT, common.IOC
    request.tick = int(1.05 * touch(batch)[1])
    batch.place(0, 0)


def sweep_twice(
    events: BookEvents, at_ns: int, wait_ns: int, lots: float, **physics: Any
) -> tuple[float, float]:
    """Buy `lots` at once, and again after a wait; return what each paid, bps of mid."""
    batch = batch_of(events, latency_model="none", **physics)
    batch.reset(0, at_ns, events.end_ns)
    paid = []
    for now in (at_ns, at_ns + wait_ns):
        batch.advance(0, now)
        batch.drain(0)
        mid = 0.5 * sum(touch(batch))
        _take(batch, lots)
        batch.advance(0, now)
        fills = fills_of(batch, [])
        ins: Any = batch.instruments[0]
        ticks = fills["price"] * ins.tick_div / ins.tick_mul
        paid.append(1e4 * (np.average(ticks, weights=fills["qty"]) / mid - 1.0))
    return float(paid[0]), float(paid[1])


def sweeps(
    events: BookEvents, waits_s: list[float], *, levels: int = 20, times: int = 12, **physics: Any
) -> NDArray[np.float64]:
    """Return what the second sweep pays above one alone at its time, bps: float64 [times, waits].

    Column 0 is what the first pays. A sweep is as large as the best `levels` ticks then display.
    """
    start, end = events.start_ns + 60 * SECOND, events.end_ns - 20 * SECOND
    out = []
    for at in np.linspace(start, end, times).astype(np.int64).tolist():
        batch = batch_of(events)
        batch.reset(0, at, events.end_ns)
        lots = _displayed(batch, levels)
        row = []
        for wait in waits_s:
            ns = round(wait * SECOND)
            first, second = sweep_twice(events, at, ns, lots, **physics)
            alone = sweep_twice(events, at + ns, 0, lots, **physics)[0]
            row.append(second - alone)
        out.append([first, *row])
    return np.array(out)


def _displayed(batch: BookBatch, levels: int) -> float:
    """Return the lots on the best ask levels."""
    ticks, lots = np.zeros(levels, np.int64), np.zeros(levels, np.int64)
    count = read_seen(batch.address, 0, 0, codes.SELL, ticks, lots)
    return float(lots[:count].sum())


def latencies(events: BookEvents, **physics: Any) -> NDArray[np.float64]:
    """Send an order every second; return sent (ns), latency (ms) and the volatility then: [n, 3].

    The volatility is measured here: the root mean square log return of the mid over the last 60
    whole seconds that the agent has seen, against that of all seconds so far.
    """
    batch = batch_of(
        events, latency_model="constant", latency=Latency(entry_ms=5.0, response_ms=5.0), **physics
    )
    rows = batch.tapes[0].local_rows
    first = -(-int(rows["ts"][0]) // SECOND)
    seconds = np.arange(first, int(rows["ts"][-1]) // SECOND + 1)
    last = np.searchsorted(rows["ts"], seconds * SECOND, "right") - 1
    returns = np.diff(np.log(0.5 * (rows["bid"][last].astype(float) + rows["ask"][last])))
    sent, out, parts = {}, [], []
    for k in range(61, len(seconds) - 1):
        now = int(seconds[k]) * SECOND + 900 * MS
        batch.advance(0, now)
        parts.append(batch.drain(0))
        request = batch.request(0, 0, codes.BUY)
        request.type, request.tick, request.qty = common.LIMIT, touch(batch)[0] - 100, 1.0
        request.tif = common.IOC
        window, past = returns[k - 60 : k], returns[:k]
        ratio = np.sqrt((window**2).mean() / (past**2).mean()) if past.any() else 1.0
        sent[batch.place(0, 0)] = (now, float(ratio))
    parts.append(batch.drain(0))
    for event in np.concatenate(parts):
        if event["kind"] == codes.EXPIRED:
            at, ratio = sent[int(event["order_id"])]
            out.append((at, (int(event["exch_ts"]) - at) / MS, ratio))
    return np.array(out)


def _name(events: BookEvents) -> str:
    return f"{events.instrument.symbol} {events.instrument.venue}"


def maker_table(books: list[BookEvents]) -> list[str]:
    """A maker with and without adverse selection; P&L in bps of turnover and in money."""
    rebate = {"maker_fee_frac": -1e-3}
    lines = [
        "| recording | fills, off | on | skipped % | worse price, bps | P&L off, bps "
        "| worse price only | both | P&L with a rebate of 10 bps: off | on |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for events in books:
        off, paid = make_markets(events), make_markets(events, **rebate)
        price = make_markets(events, adverse_selection=True, adverse_skip_rate=0.0)
        runs = [make_markets(events, adverse_selection=True, seed=k, **rebate) for k in range(10)]
        pnl = [run.pnl for run in runs]
        # Without the rebate the same runs: it changes money alone.
        both = [1e4 * run.pnl / run.turnover - 10.0 for run in runs]
        lines.append(
            f"| {_name(events)} | {len(off.fills)} | {np.mean([len(r.fills) for r in runs]):.0f} | "
            f"{100 * np.mean([r.skipped for r in runs]):.1f} | "
            f"{1e4 * price.worse / price.turnover:.4f} | {1e4 * off.pnl / off.turnover:.4f} | "
            f"{1e4 * price.pnl / price.turnover:.4f} | {np.mean(both):.4f} | {paid.pnl:.2f} | "
            f"{np.mean(pnl):.2f} +- {np.std(pnl):.2f} |"
        )
    return lines


def sweep_table(books: list[BookEvents]) -> list[str]:
    """A sweep of 20 levels, and what the next one pays above a lone one at its time."""
    waits = [0.0, 0.1, 1.0, 10.0]
    modes: dict[str, dict[str, Any]] = {
        "parity (the tape forgets me)": {"fills": "parity"},
        "strict (F2)": {},
        "self-impact": {"self_impact": True},
        "self-impact, permanent 0.5": {"self_impact": True, "permanent_impact": 0.5},
    }
    head = " | ".join(f"+{wait:g} s" for wait in waits)
    lines = [f"| recording | rules | first, bps | {head} |", "|---|---|---|---|---|---|---|"]
    for events in books:
        for name, physics in modes.items():
            mean = sweeps(events, waits, **physics).mean(axis=0)
            lines.append(f"| {_name(events)} | {name} | {' | '.join(f'{x:.3f}' for x in mean)} |")
    return lines


def latency_table(books: list[BookEvents]) -> list[str]:
    """A latency of 5 ms under L2, against the volatility that was."""
    lines = ["| recording | correlation | least, ms | mean | most |", "|---|---|---|---|---|"]
    for events in books:
        _, ms, ratio = latencies(events, volatility_latency=True).T
        correlation = np.corrcoef(ms, ratio)[0, 1]
        lines.append(
            f"| {_name(events)} | {correlation:.3f} | {ms.min():.2f} | {ms.mean():.2f} | "
            f"{ms.max():.2f} |"
        )
    return lines


if __name__ == "__main__":
    found = [recording(Path(path)) for path in sys.argv[1:]]
    for table in (maker_table, sweep_table, latency_table):
        sys.stdout.write("\n".join([*table(found), "", ""]))
