"""Hand-written books for tests of the venue: rows by words, orders by words, reports as tuples."""

from __future__ import annotations

import math
from typing import Any

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from tests.engine.book.worlds import START, columns_of, instruments, params, tape_of

__all__ = ["Bench", "ask", "at", "bid", "both", "clear", "gap", "snap", "status", "trade"]

BUY, SELL = codes.BUY, codes.SELL
Row = tuple[int, int, int, int, int, int]
LIMIT, MARKET = common.LIMIT, common.MARKET
POST_ONLY = codes.POST_ONLY_FLAG


def at(ts: int, kind: int, side: int, tick: int, lots: int) -> Row:
    return START + ts, START + ts, kind, side, tick, lots


def bid(ts: int, tick: int, lots: int) -> Row:
    return at(ts, codes.DEPTH, BUY, tick, lots)


def ask(ts: int, tick: int, lots: int) -> Row:
    return at(ts, codes.DEPTH, SELL, tick, lots)


def snap(ts: int, side: int, tick: int, lots: int) -> Row:
    return at(ts, codes.SNAPSHOT, side, tick, lots)


def trade(ts: int, aggressor: int, tick: int, lots: int) -> Row:
    return at(ts, codes.TRADE, aggressor, tick, lots)


def clear(ts: int, side: int = 0, through: int = 0) -> Row:
    return at(ts, codes.CLEAR, side, through, 0)


def gap(ts: int) -> Row:
    return at(ts, codes.GAP, 0, 0, 0)


def status(ts: int, lots: int) -> Row:
    return at(ts, codes.STATUS, 0, 0, lots)


def both(bid_lots: int = 5, ask_lots: int = 5) -> list[Row]:
    """A book of 100 / 101 with one level behind each, known when the session begins."""
    return [bid(0, 100, bid_lots), bid(0, 99, 7), ask(0, 101, ask_lots), ask(0, 102, 8)]


class Bench:
    """One account on one lane without latency; what it did and learnt as short tuples."""

    def __init__(self, rows: list[Row], *, start: int = 0, lot: float = 1.0, **rules: Any) -> None:
        rules = {"queue_model": codes.RISK_AVERSE} | rules
        table = instruments(lot_mul=lot)
        latency = {name: rules.pop(name) for name in list(rules) if name in table.dtype.names}
        sizes = {name: rules.pop(name) for name in ("report_slots", "hole_slots") if name in rules}
        for name, value in latency.items():
            table[name] = value
        self.tape = tape_of(columns_of(rows))
        self.batch = BookBatch([self.tape], table, params(**rules), **sizes)
        self.batch.reset(0, START + start, START + 900_000_000)

    def send(self, side: int, tick: int, qty: float, **terms: Any) -> int:
        """Send an order; a limit good till cancelled unless the terms say otherwise."""
        request = self.batch.request(0, 0, side)
        fields = {"type": LIMIT, "tif": common.GTC, "tick": tick, "qty": qty} | terms
        for name, value in fields.items():
            request[name] = value
        order_id = self.batch.place(0, 0)
        assert self.batch.last_reason == 0, self.batch.last_reason
        return order_id

    def buy(self, tick: int, qty: float, **terms: Any) -> int:
        return self.send(BUY, tick, qty, **terms)

    def sell(self, tick: int, qty: float, **terms: Any) -> int:
        return self.send(SELL, tick, qty, **terms)

    def to(self, ts: int) -> list[tuple[Any, ...]]:
        """Let time go by; return what was learnt: see `told`."""
        code = self.batch.advance(0, START + ts)
        assert code == codes.REACHED
        return self.told()

    def told(self) -> list[tuple[Any, ...]]:
        """Executions (id, qty, tick, liquidity); the rest (id, kind, reason)."""
        out: list[tuple[Any, ...]] = []
        for event in self.batch.drain(0):
            kind, order_id = int(event["kind"]), int(event["order_id"])
            if kind == codes.EXECUTED:
                fill = (order_id, float(event["qty"]), int(event["tick"]), int(event["liquidity"]))
                out.append(fill)
            elif kind != codes.SENT:
                out.append((order_id, kind, int(event["reason"])))
        return out

    def order(self, order_id: int) -> Any:
        """Return the ORDER record of an order that is known."""
        return next(o for o in self.batch.orders[0, 0] if o["id"] == order_id)

    def front(self, order_id: int) -> float:
        return float(self.order(order_id)["front"])

    @property
    def num_holes(self) -> int:
        return int(self.batch.lanes[0, 0].num_holes)


NO_CAP = math.inf
