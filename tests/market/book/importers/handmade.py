"""Small recordings of each format, written by hand, and a slow book to compare with."""

from __future__ import annotations

import json

from seq_gym.market.book.events import BookKind

NS = 1_723_161_255_000_000_000
MS = NS // 1_000_000


def spot_diff(local_ms, exch_ms, first, last, bids=(), asks=(), symbol="BTCUSDT"):
    data = {"e": "depthUpdate", "E": MS + exch_ms, "s": symbol, "U": first, "u": last}
    data |= {"b": [list(level) for level in bids], "a": [list(level) for level in asks]}
    return _line(local_ms, {"stream": "x@depth", "data": data})


def futures_diff(local_ms, exch_ms, before, first, last, bids=(), asks=()):
    data = {"e": "depthUpdate", "E": MS + exch_ms + 1, "T": MS + exch_ms, "s": "BTCUSDT"}
    data |= {"U": first, "u": last, "pu": before}
    data |= {"b": [list(level) for level in bids], "a": [list(level) for level in asks]}
    return _line(local_ms, {"stream": "x@depth@0ms", "data": data})


def rest(local_ms, last_id, bids, asks, **more):
    message = {"lastUpdateId": last_id, "bids": [list(level) for level in bids]}
    return _line(local_ms, message | {"asks": [list(level) for level in asks]} | more)


def spot_trade(local_ms, exch_ms, trade_id, price, qty, is_maker_buyer):
    data = {"e": "trade", "E": MS + exch_ms, "s": "BTCUSDT", "t": trade_id, "p": price}
    data |= {"q": qty, "T": MS + exch_ms, "m": is_maker_buyer, "M": True}
    return _line(local_ms, {"stream": "x@trade", "data": data})


def futures_trade(local_ms, exch_ms, trade_id, price, qty, is_maker_buyer, kind="MARKET"):
    data = {"e": "trade", "E": MS + exch_ms, "T": MS + exch_ms, "s": "BTCUSDT", "t": trade_id}
    data |= {"p": price, "q": qty, "X": kind, "m": is_maker_buyer}
    return _line(local_ms, {"stream": "x@trade", "data": data})


def _line(local_ms, message):
    return f"{NS + round(local_ms * 1_000_000)} {json.dumps(message, separators=(',', ':'))}"


def spot_recording():
    """Eight lines: two differences, a snapshot that contains the first, two more, two prints."""
    return [
        spot_diff(10, 5, 101, 103, bids=[("99.00", "1")]),
        spot_diff(20, 15, 104, 106, bids=[("99.50", "2")], asks=[("101.00", "0")]),
        rest(25, 104, [("99.00", "1"), ("98.00", "4")], [("101.00", "3"), ("102.00", "5")]),
        spot_trade(27, 22, 7, "99.50", "0.5", True),
        spot_diff(30, 25, 107, 107, asks=[("100.50", "1.5")]),
        spot_trade(31, 26, 8, "100.50", "0.25", False),
        spot_diff(40, 35, 108, 110, bids=[("99.50", "1.5")]),
    ]


def cryptofeed(venue, messages, conn="X.ws.1", addr="wss://x", answers=()):
    """Records of a container; messages are (seconds after the start, message)."""
    records = [{"t": "header", "format": 2, "exchange": venue, "recorded": 1618678132.0}]
    records += [{"t": "http", "conn": "h", "ts": 1.5, "data": json.dumps(a)} for a in answers]
    records += [{"t": "connect", "conn": conn, "ts": 1618678132.5, "addr": addr}]
    for after, message in messages:
        record = {"t": "recv", "conn": conn, "ts": 1618678133 + after}
        records.append(record | {"data": json.dumps(message)})
    return [json.dumps(record) for record in records]


def write(path, lines, end="\n"):
    path.write_text("\n".join(lines) + end)
    return path


def rows_of(events):
    """(kind, side, price, qty, exch, local) of each row, as plain values."""
    kinds = [BookKind(kind).name for kind in events.kind]
    return list(
        zip(
            kinds,
            events.side.tolist(),
            events.price.tolist(),
            events.qty.tolist(),
            events.exch_ts.tolist(),
            events.local_ts.tolist(),
            strict=True,
        )
    )


class SlowBook:
    """A dict a side; the obvious way."""

    def __init__(self):
        self.sides = {1: {}, -1: {}}
        self.is_stale = True

    def apply(self, kind, side, tick, lots):
        if kind == BookKind.CLEAR:
            for each in (1, -1) if side == 0 else (side,):
                reached = [t for t in self.sides[each] if side == 0 or (t - tick) * side >= 0]
                for t in reached:
                    del self.sides[each][t]
        elif kind == BookKind.GAP:
            self.is_stale = True
        elif kind in (BookKind.DEPTH, BookKind.SNAPSHOT):
            self.is_stale &= kind != BookKind.SNAPSHOT
            self.sides[side].pop(tick, None)
            if lots:
                self.sides[side][tick] = lots

    def best(self):
        bid, ask = max(self.sides[1], default=None), min(self.sides[-1], default=None)
        return bid, self.sides[1].get(bid), ask, self.sides[-1].get(ask)


def replayed(events, order):
    """The book after rows in an order."""
    book = SlowBook()
    columns = [getattr(events, name)[order].tolist() for name in ("kind", "side", "tick", "lots")]
    for row in zip(*columns, strict=True):
        book.apply(*row)
    return book
