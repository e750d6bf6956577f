"""Order-level CSV as recorded from Bitstamp's live order channel: every order by its number.

Columns are id, timestamp (ms, the recorder's), exchange.timestamp (when the order was placed),
price, volume (what is left of it, in 1e-8 base), action (created, changed, deleted), direction.
The channel tells no trades: an execution is a decrease of two orders of opposite sides by one
amount at one time, up to rounding. The younger of the two is the aggressor; what it took on
arrival never rested, and its rest joins the book after it.
"""

from __future__ import annotations

import csv
import gzip
import io
import lzma
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers.executions import (
    Decrease,
    OrderLine,
    decreases_of,
    pair_decreases,
)
from seq_gym.market.book.orders import OrderFlow, OrderKind
from seq_gym.market.instruments import Instrument, split_symbol

__all__ = ["read_order_csv"]

_COLUMNS: Final = ("id", "timestamp", "price", "volume", "action", "direction")
_ACTIONS: Final = ("created", "changed", "deleted")
_NS_PER_MS: Final = 1_000_000


def read_order_csv(
    path: str | Path,
    *,
    symbol: str = "BTCUSD",
    venue: str = "bitstamp",
    tick: float = 0.01,
    lot: float = 1e-8,
) -> OrderFlow:
    """Read an order-level recording, plain or packed (.xz, .gz).

    Orders that rested before the recording are known from their first line on; they are taken to
    have rested since its beginning. One whose end is not told is withdrawn when the market first
    trades beyond it. Both clocks are the recorder's: the venue's stamp of an event
    is not told. Lines of one millisecond are one message.

    Args:
        path: The file.
        symbol: What is traded.
        venue: Where.
        tick: Smallest price increment.
        lot: Unit of the volume column.

    Raises:
        MarketDataError: A line is not as described; the message names file and line.
    """
    path = Path(path)
    base, quote = split_symbol(symbol)
    instrument = Instrument(symbol=symbol, base=base, quote=quote, venue=venue, tick=tick, lot=lot)
    lines, sides = _read_lines(path, tick)
    decreases = decreases_of(lines)
    pair_decreases(decreases, sides)
    rows = _rows(lines, sides, {each.line.number: each for each in decreases})
    if not rows:
        raise MarketDataError(f"{path.name}: an order recording must have orders; was 0.")
    return _flow(instrument, rows)


def _read_lines(path: Path, tick: float) -> tuple[dict[int, list[OrderLine]], dict[int, int]]:
    lines: dict[int, list[OrderLine]] = defaultdict(list)
    sides: dict[int, int] = {}
    packed = path.read_bytes()
    unpack = {".xz": lzma.decompress, ".gz": gzip.decompress}.get(path.suffix, bytes)
    with io.StringIO(unpack(packed).decode()) as text:
        table = csv.DictReader(text)
        missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
        if missing:
            raise MarketDataError(f"{path.name} line 1: columns must include {missing}.")
        latest = 0
        for number, row in enumerate(table, start=2):
            try:
                order, line = int(row["id"]), _line(number, row, tick)
                side = {"bid": 1, "ask": -1}[row["direction"]]
            except (KeyError, TypeError, ValueError) as fault:
                raise MarketDataError(
                    f"{path.name} line {number}: must be one event of one order; was {row!r}."
                ) from fault
            if line.ts_ms < latest:
                raise MarketDataError(
                    f"{path.name} line {number}: timestamp must not go backwards; was "
                    f"{line.ts_ms} after {latest}."
                )
            latest = line.ts_ms
            lines[order].append(line)
            sides[order] = side
    # The channel sometimes tells the end of an order before its beginning: it never rested.
    known = {
        order: its
        for order, its in lines.items()
        if all(line.action != "created" for line in its[1:])
    }
    return known, sides


def _line(number: int, row: dict[str, str], tick: float) -> OrderLine:
    if row["action"] not in _ACTIONS or int(row["volume"]) < 0:
        raise ValueError(row["action"])
    steps = float(row["price"]) / tick
    if abs(steps - round(steps)) > 1e-6 or round(steps) < 1:
        raise ValueError(row["price"])
    return OrderLine(number, int(row["timestamp"]), round(steps), int(row["volume"]), row["action"])


class _Row(NamedTuple):
    """One change of a resting order; `place` is its line, or just before or after one."""

    place: float
    ts_ms: int
    kind: int
    side: int
    tick: int
    lots: int
    name: tuple[int, int]  # the order, and how often it had lost its place by a new price


def _rows(
    lines: dict[int, list[OrderLine]], sides: dict[int, int], decreases: dict[int, Decrease]
) -> list[_Row]:
    start_ms = min((its[0].ts_ms for its in lines.values()), default=0)
    makers = [each.line for each in decreases.values() if each.partner and not each.is_taker]
    makers.sort()
    rows: list[_Row] = []
    for order, its in lines.items():
        own = [decreases.get(line.number) for line in its]
        story = _Story(order, sides[order], start_ms)
        story.tell(its, own)
        story.end(its[-1], makers)
        rows += story.rows
    return sorted(rows)


class _Story:
    """Turns the lines of one order into changes of what it shows in the book."""

    def __init__(self, order: int, side: int, start_ms: int) -> None:
        self._order, self._side, self._start_ms = order, side, start_ms
        self._version, self._shown, self._tick = 0, 0, 0
        self.rows: list[_Row] = []

    def tell(self, its: list[OrderLine], decreases: list[Decrease | None]) -> None:
        """Turn all lines of the order into rows."""
        first = its[0]
        taken = [each for each in decreases if each is not None and each.is_taker]
        if first.action == "created":
            left = first.lots - sum(each.amount for each in taken)
            self._join(self._place_of(its, taken), OrderKind.ADD, first.tick, left)
            its, decreases = its[1:], decreases[1:]
        else:
            had = first.lots + (decreases[0].amount if decreases[0] else 0)
            self._join((0.0, self._start_ms), OrderKind.REST, first.tick, had)
        for line, decrease in zip(its, decreases, strict=True):
            self._line(line, decrease)

    def end(self, last: OrderLine, makers: list[OrderLine]) -> None:
        """Withdraw an order whose end was not told when an execution first passes it."""
        if self._shown <= 0:
            return
        for line in makers[bisect_right(makers, last) :]:
            if (self._tick - line.tick) * self._side > 0:
                self._leave((line.number - 0.5, line.ts_ms), OrderKind.CANCEL, self._shown)
                return

    def _place_of(self, its: list[OrderLine], taken: list[Decrease]) -> tuple[float, int]:
        """Tell when what an aggressor did not take joined the book: after its last execution."""
        last = its[0]
        for each in taken:
            last = max(last, each.line, each.partner.line if each.partner else last)
        own = {each.line.number for each in taken}
        later = [line for line in its[1:] if line.number not in own]
        if later and later[0].number < last.number:
            return later[0].number - 0.25, later[0].ts_ms
        return last.number + 0.25, last.ts_ms

    def _line(self, line: OrderLine, decrease: Decrease | None) -> None:
        at = (float(line.number), line.ts_ms)
        if decrease is not None and decrease.is_taker:
            return
        if decrease is not None:
            self._leave(at, OrderKind.FILL, min(decrease.amount, self._shown))
        if line.action == "deleted":
            self._leave(at, OrderKind.CANCEL, self._shown)
        elif line.tick != self._tick or line.lots > self._shown:
            # A new price, or more of it: the place in the queue is lost.
            self._leave(at, OrderKind.CANCEL, self._shown)
            self._version += 1
            self._join((line.number + 0.25, line.ts_ms), OrderKind.ADD, line.tick, line.lots)

    def _join(self, at: tuple[float, int], kind: OrderKind, tick: int, lots: int) -> None:
        self._shown, self._tick = max(lots, 0), tick
        if lots > 0:
            self._append(at, kind, lots)

    def _leave(self, at: tuple[float, int], kind: OrderKind, lots: int) -> None:
        self._shown -= lots
        if lots > 0:
            self._append(at, kind, lots)

    def _append(self, at: tuple[float, int], kind: OrderKind, lots: int) -> None:
        name = (self._order, self._version)
        self.rows.append(_Row(*at, int(kind), self._side, self._tick, lots, name))


def _flow(instrument: Instrument, rows: list[_Row]) -> OrderFlow:
    numbers: dict[tuple[int, int], int] = {}
    order = np.array([numbers.setdefault(row.name, len(numbers)) for row in rows])
    ts = np.array([row.ts_ms for row in rows]) * _NS_PER_MS
    resting = np.array([row.kind for row in rows]) == OrderKind.REST
    message = np.cumsum(np.diff(ts, prepend=ts[0]) > 0) + 1
    message[resting] = 0
    return OrderFlow(
        instrument=instrument,
        exch_ts=ts,
        local_ts=ts,
        message=message,
        kind=np.array([row.kind for row in rows], np.int8),
        side=np.array([row.side for row in rows], np.int8),
        tick=np.array([row.tick for row in rows], np.int32),
        lots=np.array([row.lots for row in rows], np.int64),
        order=order,
    )
