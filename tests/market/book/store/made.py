"""A true book, recorders that lose some of it, and slow oracles of what a store makes of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from seq_gym.market import Instrument
from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.times import parse_time

__all__ = ["START", "Truth", "book_of", "contents_of", "made_book", "venue_states"]

START = parse_time("2024-08-08T23:59:59")
INSTRUMENT = replace(Instrument.of("BTCUSDT", venue="binance"), tick=0.1, lot=0.001)
STEP = 20_000_000
"""Between messages: 50 of them in a second, so that midnight is in the middle."""


def book_of(rows, instrument=INSTRUMENT):
    """Events of rows (exch_ts, local_ts, seq, kind, side, tick, lots)."""
    table = np.array(rows, np.int64).reshape(-1, 7)
    names = ("exch_ts", "local_ts", "seq", "kind", "side", "tick", "lots")
    return BookEvents(
        instrument=instrument, **{name: table[:, at] for at, name in enumerate(names)}
    )


class Truth:
    """What a venue sent: messages of one instant each, and the book after each of them."""

    def __init__(self, count, seed):
        random = np.random.default_rng(seed)
        self.messages = []
        self.states = []
        levels = {(side, 1000 - side * far): 5 for side in (1, -1) for far in range(1, 6)}
        for number in range(count):
            exch = START + number * STEP
            rows = []
            if random.random() < 0.4:
                side, tick = int(random.choice((1, -1))), int(random.integers(995, 1005))
                rows += [(exch, BookKind.TRADE, side, tick, 1)] * int(random.integers(1, 3))
            for _ in range(int(random.integers(0 if rows else 1, 4))):
                side = int(random.choice((1, -1)))
                tick = 1000 - side * int(random.integers(1, 8))
                lots = int(random.integers(0, 9))
                rows.append((exch, BookKind.DEPTH, side, tick, lots))
                levels[side, tick] = lots
            self.messages.append(rows)
            self.states.append({level: lots for level, lots in levels.items() if lots})

    def record(self, first, end, *, lost=(), latency=1_000_000, seed=0, whole=True):
        """Record messages [first, end) but those of the stretches lost, each told by a GAP."""
        random = np.random.default_rng(seed)
        rows, clock = [], 0
        known = False
        for number in range(first, end):
            if any(start <= number < stop for start, stop in lost):
                known = False
                continue
            exch = START + number * STEP
            clock = max(clock, exch + latency + int(random.integers(0, latency)))
            if not known:
                if rows:
                    rows.append((exch, clock, 0, BookKind.GAP, 0, 0, 0))
                rows += self._snapshot(number, exch, clock, whole=whole)
                known = True
                continue
            rows += [(exch, clock, number, *row[1:]) for row in self.messages[number]]
        return book_of(rows)

    def _snapshot(self, number, exch, clock, *, whole):
        told = [0] if whole else []
        rows = [(exch, clock, number, BookKind.CLEAR, side, 0, 0) for side in told]
        for (side, tick), lots in sorted(self.states[number].items()):
            rows.append((exch, clock, number, BookKind.SNAPSHOT, side, tick, lots))
        return rows


def venue_states(events):
    """Yield each instant of the venue's clock with the book after it; None while it is stale."""
    order = sorted(
        (int(events.exch_ts[row]), int(events.kind[row]) != BookKind.TRADE, row)
        for row in range(events.num_events)
        if events.exch_ts[row] >= 0
    )
    book, known = {}, False
    for at, (exch, _, row) in enumerate(order):
        kind, side = int(events.kind[row]), int(events.side[row])
        level = (side, int(events.tick[row]))
        if kind == BookKind.GAP:
            known = False
        elif kind == BookKind.CLEAR:
            assert side == 0
            book = {}
        elif kind in (BookKind.DEPTH, BookKind.SNAPSHOT):
            known = known or kind == BookKind.SNAPSHOT
            book[level] = int(events.lots[row])
        if at + 1 == len(order) or order[at + 1][0] > exch:
            yield exch, {key: lots for key, lots in book.items() if lots} if known else None


def contents_of(events, kinds=(BookKind.DEPTH, BookKind.TRADE)):
    """Count the events of some kinds by instant and content."""
    return Counter(
        tuple(
            int(getattr(events, name)[row]) for name in ("exch_ts", "kind", "side", "tick", "lots")
        )
        for row in range(events.num_events)
        if int(events.kind[row]) in kinds
    )


def made_book(count=300, seed=0):
    """A recording without a loss, over midnight."""
    return Truth(count, seed).record(0, count)
