"""BookEvents: checked, immutable, fingerprinted by content, cut in time without losing the book."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import Instrument
from seq_gym.market.book.events import BookData, BookEvents, BookKind
from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.opening import levels_at, venue_order

BTC = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick=0.1, lot=0.001, venue="binance")
CLEAR, SNAPSHOT, DEPTH, TRADE, GAP, STATUS = 2, 1, 0, 3, 4, 5


def events(instrument=BTC, **changes):
    columns = {
        "exch_ts": [10, 10, 10, 20, 20, 30, -1, 40],
        "local_ts": [15, 15, 15, 26, 26, 36, 37, -1],
        "seq": [1, 1, 1, 2, 3, 4, 4, 5],
        "kind": [CLEAR, SNAPSHOT, SNAPSHOT, DEPTH, TRADE, DEPTH, DEPTH, DEPTH],
        "side": [0, 1, -1, 1, -1, 1, -1, -1],
        "tick": [0, 1000, 1010, 999, 1000, 1000, 1011, 1011],
        "lots": [0, 5, 6, 7, 2, 3, 4, 9],
    }
    arrays = {name: np.array(values, dtype=COLUMNS[name]) for name, values in columns.items()}
    return BookEvents(instrument=instrument, **(arrays | changes))


def changed(name, row, value):
    column = getattr(events(), name).astype(np.int64)
    column[row] = value
    return {name: column}


def test_columns_are_typed_contiguous_and_read_only():
    book = events(lots=np.arange(16)[::2] + 1)
    for name, dtype in COLUMNS.items():
        column = getattr(book, name)
        assert column.dtype == dtype
        assert column.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 1
    assert (book.num_events, book.start_ns, book.end_ns) == (8, 10, 40)
    assert book.price[1] == 100.0
    assert book.price[3] == 99.9
    assert book.qty[5] == 0.005 + 0.006


def test_nobody_else_can_write_into_it_and_what_is_read_only_already_is_not_copied():
    lots = np.arange(1, 9)
    book = events(lots=lots)
    before = book.fingerprint
    lots[0] = 100
    assert book.lots[0] == 1
    assert book.fingerprint == before
    lots.flags.writeable = False
    assert events(lots=lots).lots is lots


@pytest.mark.parametrize("name", COLUMNS)
def test_the_fingerprint_changes_with_every_value(name):
    book = events()
    other = {
        "exch_ts": (5, 31),
        "local_ts": (3, 25),
        "seq": (7, 6),
        "kind": (1, DEPTH),
        "side": (4, 0),
        "tick": (1, 1001),
        "lots": (7, 10),
    }[name]
    assert events(**changed(name, *other)).fingerprint != book.fingerprint


def test_the_fingerprint_changes_with_the_instrument_and_only_with_content():
    book = events()
    assert events().fingerprint == book.fingerprint
    assert events(lots=list(book.lots)).fingerprint == book.fingerprint
    for other in ({"tick": 0.01}, {"venue": "okx"}, {"taker_fee_frac": 0.1}):
        assert events(replace(BTC, **other)).fingerprint != book.fingerprint


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("kind", 3, 6), "row 3: kind must be a BookKind"),
        (("kind", 3, -1), "row 3: kind must be a BookKind"),
        (("side", 4, 2), "row 4: side must be -1, 0 or 1"),
        (("side", 3, 0), r"row 3: side must be 1 \(bid\) or -1 \(ask\) of a level"),
        (("kind", 3, GAP), "row 3: side must be 0 of a gap"),
        (("tick", 3, 0), "row 3: tick must be 1 to"),
        (("tick", 4, -5), "row 4: tick must be 1 to"),
        (("tick", 4, (1 << 31) - 1), "row 4: tick must be 1 to"),
        (("side", 0, 1), "row 0: tick must be 1 to"),
        (("lots", 3, -1), "row 3: lots must be 0 to"),
        (("lots", 3, 1 << 53), "row 3: lots must be 0 to"),
        (("lots", 4, 0), "row 4: lots must be above 0 of a trade"),
        (("exch_ts", 3, -2), "row 3: exch_ts must be UNIX nanoseconds"),
        (("local_ts", 3, -2), "row 3: local_ts must be UNIX nanoseconds"),
        (("exch_ts", 7, -1), "row 7: local_ts must be known where exch_ts is not"),
        (("exch_ts", 3, 27), r"row 3: local_ts must be at or after exch_ts \(B1\).*at least 1 ns"),
        (("local_ts", 5, 25), "row 5: local_ts must"),
        (("exch_ts", 5, 20), None),
        (("lots", 3, 0), None),
        (("side", 4, 0), None),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_with_row_rule_and_value(change, said):
    if said is None:
        events(**changed(*change))
        return
    with pytest.raises(MarketDataError, match=f"BTCUSDT {said}"):
        events(**changed(*change))


def test_rows_stand_in_order_of_receipt():
    with pytest.raises(MarketDataError, match="row 5: local_ts must not step back"):
        events(**(changed("local_ts", 5, 25) | changed("exch_ts", 5, 20)))


def test_columns_that_are_no_whole_numbers_or_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="Column lots must be whole numbers; was float64"):
        events(lots=np.ones(8))
    with pytest.raises(MarketDataError, match="Column tick must fit int32; was 4294967296"):
        events(tick=np.full(8, 1 << 32))
    with pytest.raises(ConfigError, match="of one length"):
        events(lots=np.ones(7, dtype=np.int64))
    with pytest.raises(ConfigError, match="BTCUSDT tick must be finite and > 0"):
        events(replace(BTC, tick=0.0))
    with pytest.raises(MarketDataError, match="must have rows"):
        events(**{name: np.zeros(0, dtype=dtype) for name, dtype in COLUMNS.items()})


def test_a_frame_holds_the_columns_of_the_spec_and_comes_back_bitwise():
    book = events()
    frame = book.to_frame()
    assert frame.columns == [
        *("venue", "symbol", "exch_ts", "local_ts", "seq", "kind", "side", "price", "qty")
    ]
    assert frame["kind"].to_list()[:4] == ["CLEAR", "SNAPSHOT", "SNAPSHOT", "DEPTH"]
    assert BookEvents.from_frame(frame, BTC).fingerprint == book.fingerprint
    plain = frame.drop("venue", "symbol").with_columns(kind=pl.Series(book.kind))
    assert BookEvents.from_frame(plain, BTC).fingerprint == book.fingerprint
    with pytest.raises(MarketDataError, match=r"Row 3: price must be a multiple of 0\.5"):
        BookEvents.from_frame(frame, replace(BTC, tick=0.5))
    with pytest.raises(MarketDataError, match=r"of one symbol, 'ETHUSDT'; has .'BTCUSDT'. too"):
        BookEvents.from_frame(frame, replace(BTC, symbol="ETHUSDT"))
    with pytest.raises(ConfigError, match="has no qty"):
        BookEvents.from_frame(frame.drop("qty"), BTC)
    with pytest.raises(MarketDataError, match="Row 0: kind must be one of"):
        BookEvents.from_frame(frame.with_columns(kind=pl.lit("BBO")), BTC)


def slow_levels(book, rows):
    sides = {1: {}, -1: {}}
    for row in rows:
        kind, side, tick = int(book.kind[row]), int(book.side[row]), int(book.tick[row])
        if kind == CLEAR:
            for each in (1, -1) if side == 0 else (side,):
                gone = [t for t in sides[each] if side == 0 or (t - tick) * side >= 0]
                for t in gone:
                    del sides[each][t]
        elif kind in (DEPTH, SNAPSHOT):
            sides[side].pop(tick, None)
            if book.lots[row]:
                sides[side][tick] = int(book.lots[row])
    return sides


@st.composite
def books(draw):
    size = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = rng.choice([DEPTH, DEPTH, DEPTH, SNAPSHOT, CLEAR, TRADE, GAP, STATUS], size)
    side = rng.choice([1, -1], size)
    side[(kind >= GAP) | ((kind == CLEAR) & (rng.random(size) < 0.5))] = 0
    lots = rng.integers(0, 4, size)
    lots[kind == TRADE] += 1
    lots[kind == STATUS] %= 2
    lots[(kind == GAP) | (kind == CLEAR)] = 0
    local = np.sort(rng.integers(10, 60, size))
    exch = local - rng.integers(0, 10, size)
    exch[rng.random(size) < 0.1] = -1
    local[(rng.random(size) < 0.1) & (exch >= 0)] = -1
    tick = np.where((kind >= GAP) | (side == 0), 1, rng.integers(99, 103, size))
    columns = {"kind": kind, "side": side, "lots": lots, "local_ts": local, "exch_ts": exch}
    return events(**columns, tick=tick, seq=np.zeros(size, dtype=np.int64))


def on_clocks(book):
    return {"exch_ts": venue_order(book), "local_ts": np.flatnonzero(book.local_ts >= 0)}


@given(books(), st.integers(0, 70), st.integers(0, 70))
def test_a_window_tells_on_each_clock_the_book_that_the_whole_tells(book, start, end):
    refused = False
    try:
        part = book.window(start, end)
    except MarketDataError:
        refused = True
    inside = any(((ts >= start) & (ts < end)).any() for ts in (book.exch_ts, book.local_ts))
    assert refused == (not inside)
    if refused:
        return
    whole_clocks, part_clocks = on_clocks(book), on_clocks(part)
    for clock in whole_clocks:
        ts, part_ts = getattr(book, clock), getattr(part, clock)
        assert ((part_ts == -1) | ((part_ts >= min(start, 70)) & (part_ts < end))).all()
        first = max(start, book.start_ns)
        for at in {first, (first + end) // 2, end - 1}:
            whole_rows = whole_clocks[clock]
            part_rows = part_clocks[clock]
            told = slow_levels(part, part_rows[part_ts[part_rows] <= at])
            assert told == slow_levels(book, whole_rows[ts[whole_rows] <= at])


@given(books())
def test_levels_at_are_those_of_the_obvious_way(book):
    for rows in on_clocks(book).values():
        found = levels_at(book, rows)
        sides = {1: {}, -1: {}}
        for row in found:
            sides[int(book.side[row])][int(book.tick[row])] = int(book.lots[row])
        assert sides == slow_levels(book, rows)


def test_b11_the_venue_order_puts_prints_before_levels_of_one_instant():
    assert venue_order(events()).tolist() == [0, 1, 2, 4, 3, 5, 7]


def test_b10_a_window_that_begins_behind_a_gap_or_a_halt_begins_stale_or_halted():
    kinds = [CLEAR, SNAPSHOT, SNAPSHOT, GAP, STATUS, DEPTH, DEPTH, DEPTH]
    sides = [0, 1, -1, 0, 0, 1, -1, -1]
    book = events(
        kind=np.array(kinds), side=np.array(sides), lots=np.array([0, 5, 6, 0, 0, 3, 4, 9])
    )
    part = book.window(28, None)
    names = [BookKind(kind).name for kind in part.kind[part.local_ts == 28]]
    assert names == ["CLEAR", "SNAPSHOT", "SNAPSHOT", "GAP", "STATUS"]


def test_a_window_of_everything_is_the_same_and_one_of_nothing_is_refused():
    book = events()
    assert book.window() is book
    assert book.window(10, 41) is book
    with pytest.raises(MarketDataError, match="A window must hold a row"):
        book.window(100, 200)


def test_books_of_several_venues_are_selected_by_name():
    eth = replace(BTC, symbol="ETHUSDT")
    okx = replace(BTC, symbol="BTC-USDT", venue="okx")
    data = BookData(books=[events(each) for each in (BTC, eth, okx)])
    assert data.symbols == ("BTCUSDT", "ETHUSDT", "BTC-USDT")
    assert data.venues == ("binance", "binance", "okx")
    assert data.select("eth/usdt").symbols == ("ETHUSDT",)
    assert data.select(["BTC-USDT", "ETHUSDT"]).symbols == ("BTC-USDT", "ETHUSDT")
    assert data.select("btcusdt", venues="okx").venues == ("okx",)
    assert data.window(20, 40).end_ns <= 39
    assert data.fingerprint != data.select(["ETHUSDT", "BTCUSDT", "BTC-USDT"]).fingerprint
    with pytest.raises(UnknownName, match=r"venue 'okex'.*Did you mean 'okx'"):
        data.select(venues="okex")
    with pytest.raises(UnknownName, match="symbol"):
        data.select("SOLUSDT")
    with pytest.raises(ConfigError, match="distinct"):
        BookData(books=(events(), events()))
    with pytest.raises(ConfigError, match="one or more"):
        BookData(books=())
