"""Tardis CSV: snapshot runs clear, both stamps are microseconds, books and trades join."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers import read_recording
from tests.market.book.importers.handmade import replayed, rows_of, write

BOOK = "exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount"
TRADES = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
US = 1_585_699_200_000_000


def level(exch, local, is_snapshot, side, price, amount, symbol="BTCUSDT"):
    told = "true" if is_snapshot else "false"
    return f"binance-futures,{symbol},{US + exch},{US + local},{told},{side},{price},{amount}"


def trade(exch, local, name, side, price, amount):
    return f"binance-futures,BTCUSDT,{US + exch},{US + local},{name},{side},{price},{amount}"


def book_lines():
    return [
        BOOK,
        level(10, 20, True, "bid", "100.5", "3"),
        level(10, 20, True, "ask", "101", "2"),
        level(30, 40, False, "bid", "100.5", "1.25"),
        level(31, 40, False, "ask", "101", "0"),
        level(31, 40, False, "ask", "102", "4"),
        level(50, 90, True, "bid", "99", "7"),
        level(50, 90, True, "ask", "103", "8"),
        level(95, 99, False, "ask", "103", "6"),
    ]


def trade_lines():
    return [
        TRADES,
        trade(29, 40, "a", "sell", "100.5", "1.75"),
        trade(60, 70, "b", "buy", "102", "0.5"),
        trade(60, 70, "b", "buy", "102", "0.5"),
        trade(61, 71, "c", "unknown", "102", "0.5"),
    ]


def ns(us):
    return (US + us) * 1000


def test_a_snapshot_run_begins_with_a_clear_and_stamps_are_microseconds(tmp_path):
    [(events, report)] = read_recording(write(tmp_path / "book.csv", book_lines()))
    assert (events.venue, events.symbol) == ("binance_um", "BTCUSDT")
    assert rows_of(events)[:4] == [
        ("CLEAR", 0, 0.0, 0.0, ns(10), ns(20)),
        ("SNAPSHOT", 1, 100.5, 3.0, ns(10), ns(20)),
        ("SNAPSHOT", -1, 101.0, 2.0, ns(10), ns(20)),
        ("DEPTH", 1, 100.5, 1.25, ns(30), ns(40)),
    ]
    assert report.snapshots == 2
    assert (report.tick, report.lot) == ("0.1", "0.01")
    book = replayed(events, np.arange(events.num_events))
    assert book.sides == {1: {990: 700}, -1: {1030: 600}}


@pytest.mark.parametrize("names", [("a.csv", "b.csv"), ("b.csv", "a.csv.gz")])
def test_book_and_trades_join_by_local_time_prints_first(tmp_path, names):
    paths = []
    for name, lines in zip(names, (book_lines(), trade_lines()), strict=True):
        text = "\n".join(lines) + "\n"
        data = gzip.compress(text.encode()) if name.endswith("gz") else text.encode()
        (tmp_path / name).write_bytes(data)
        paths.append(tmp_path / name)
    [(events, report)] = read_recording(paths)
    kinds = events.kind.tolist()
    assert kinds[3:5] == [BookKind.TRADE, BookKind.DEPTH]
    assert events.side[events.kind == BookKind.TRADE].tolist() == [-1, 1, 0]
    assert (report.trades, report.duplicates) == (3, 1)
    assert (np.diff(events.local_ts) >= 0).all()
    [(again, _)] = read_recording(paths[::-1])
    assert again.fingerprint == events.fingerprint


def test_levels_before_the_first_snapshot_are_counted_and_a_book_without_one_refused(tmp_path):
    lines = book_lines()
    late = [lines[0], *lines[3:]]
    [(events, report)] = read_recording(write(tmp_path / "b.csv", late))
    assert report.notes["levels before a snapshot"] == 3
    assert events.kind[0] == BookKind.CLEAR
    with pytest.raises(MarketDataError, match=r"b\.csv line 2: a book must begin with a snapshot"):
        read_recording(write(tmp_path / "b.csv", [lines[0], *lines[3:6]]))


def test_stamps_of_a_book_that_step_back_a_little_are_raised_and_counted(tmp_path):
    lines = [*book_lines(), level(93, 97, False, "ask", "103", "5")]
    [(events, report)] = read_recording(write(tmp_path / "b.csv", lines))
    assert report.notes["stamps raised"] == 2
    assert rows_of(events)[-1] == ("DEPTH", -1, 103.0, 5.0, ns(95), ns(99))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (level(60, 99, False, "bid", "nan", "1"), "price must be a finite number >= 0; was 'nan'"),
        (level(60, 99, False, "bid", "99", "-1"), "size must be a finite number >= 0; was '-1'"),
        (level(60, 99, False, "bid", "-99", "1"), "price must be a finite number >= 0"),
        (level(60, 99, False, "bid", "0", "1"), "price must be 1 to"),
        (level(60, 99, False, "buy", "99", "1"), "side must be one of bid, ask; was 'buy'"),
        (level(60, 99, 2, "bid", "99", "").replace("true", "yes"), "is_snapshot must be one of"),
        (level(60, 99, False, "bid", "99", ""), "size must be a finite number"),
        ("binance-futures,BTCUSDT,1,2,false,bid,99", "a row must have 8 fields"),
        ("a,b,c,d,e,f,g,h,i", "a row must have 8 fields"),
        (level(-2_000_000, 99, False, "bid", "99", "1"), "timestamp must not step back by more"),
        (level(60, -2_000_000, False, "bid", "99", "1"), "local_timestamp must not step back"),
        (level(60, 99, False, "bid", "99", "1").replace("," + str(US)[:3], ",x", 1), "timestamp"),
        (level(60, 99, False, "bid", "99", "1e400"), "size must be a finite number"),
        (level(60, 99, False, "bid", "99.1234567890123456789", "1"), "at most 18 decimals"),
        (level(99, 95, False, "bid", "99", "1"), "B1"),
    ],
)
def test_a_nonsense_row_is_refused_with_file_and_line(tmp_path, row, said):
    lines = book_lines()
    lines.insert(-1, row)
    with pytest.raises(MarketDataError, match=r"book\.csv line 9: ") as told:
        read_recording(write(tmp_path / "book.csv", lines))
    assert said in str(told.value)


def test_several_symbols_of_one_file_become_several_books(tmp_path):
    lines = book_lines() + [line.replace("BTCUSDT", "ETHUSDT") for line in book_lines()[1:]]
    found = read_recording(write(tmp_path / "b.csv", lines))
    assert [events.symbol for events, _ in found] == ["BTCUSDT", "ETHUSDT"]
    [(one, _)] = read_recording(tmp_path / "b.csv", symbol="eth-usdt")
    assert one.fingerprint == found[1].events.fingerprint
    with pytest.raises(MarketDataError, match="must hold SOLUSDT; holds BTCUSDT, ETHUSDT"):
        read_recording(tmp_path / "b.csv", symbol="SOLUSDT")


def test_the_real_rows_are_read(shared_data):
    folder = shared_data / "book" / "misc"
    [(book, report)] = read_recording(folder / "deribit_incremental_book_L2_BTC-PERPETUAL.csv")
    assert (book.venue, book.symbol, book.num_events) == ("deribit", "BTC-PERPETUAL", 16)
    assert (report.snapshots, report.snapshot_rows, report.least_latency_ns) == (1, 15, 110_684_000)
    assert book.price[1] == 6421.5
    [(prints, report)] = read_recording(folder / "bitmex_trades_XBTUSD.csv")
    assert (report.trades, prints.side.tolist()) == (10, [-1] * 10)
    assert prints.qty[0] == 2152
