import gzip
from pathlib import Path

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers.bitstamp_l3 import read_order_csv
from seq_gym.market.book.orders import OrderFlow, OrderKind, book_of
from seq_gym.market.book.phantoms import touch_ticks
from seq_gym.market.book.queue_truth import follow_orders
from tests.market.book.slow_orders import SlowBook

HEAD = "id,timestamp,exchange.timestamp,price,volume,action,direction\n"


@pytest.fixture(scope="module")
def recording(shared_data: Path) -> OrderFlow:
    return read_order_csv(shared_data / "book" / "bitstamp_l3" / "orders.csv.xz")


def read(tmp_path: Path, *lines: str) -> list[tuple[int, ...]]:
    path = tmp_path / "orders.csv"
    path.write_text(HEAD + "\n".join(lines) + "\n")
    flow = read_order_csv(path)
    names = ("kind", "side", "tick", "lots", "order")
    return [tuple(int(getattr(flow, name)[i]) for name in names) for i in range(len(flow.order))]


def test_an_execution_is_a_decrease_of_two_orders_and_the_younger_took(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "1,1000,1000,100.00,50,created,ask",
        "2,2000,2000,100.00,80,created,bid",
        "1,2003,1000,100.00,0,deleted,ask",
        "2,2004,2000,100.00,30,changed,bid",
        "2,9000,2000,100.00,30,deleted,bid",
    )
    assert rows == [
        (OrderKind.ADD, -1, 10_000, 50, 0),
        (OrderKind.FILL, -1, 10_000, 50, 0),
        (OrderKind.ADD, 1, 10_000, 30, 1),  # what it did not take, after it took
        (OrderKind.CANCEL, 1, 10_000, 30, 1),
    ]


def test_an_order_known_by_its_end_only_rested_from_the_beginning(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "7,1000,1000,101.00,10,created,ask",
        "8,2000,2000,100.00,25,created,ask",
        "3,2002,500,100.00,0,deleted,bid",
        "8,2003,2000,100.00,0,deleted,ask",
        "4,3000,500,99.00,40,deleted,bid",
    )
    assert rows == [
        (OrderKind.REST, 1, 9_900, 40, 0),
        (OrderKind.REST, 1, 10_000, 25, 1),  # as much as the aggressor lost
        (OrderKind.ADD, -1, 10_100, 10, 2),
        (OrderKind.FILL, 1, 10_000, 25, 1),
        (OrderKind.CANCEL, 1, 9_900, 40, 0),
    ]


def test_a_new_price_loses_the_place_and_an_untold_end_is_told_by_trades(tmp_path: Path) -> None:
    rows = read(
        tmp_path,
        "1,1000,1000,100.00,50,created,bid",
        "2,1100,1100,99.00,20,created,bid",
        "1,1500,1000,99.00,50,changed,bid",
        "3,1600,1600,101.00,5,created,bid",
        "4,2000,2000,99.00,20,created,ask",
        "2,2001,1100,99.00,0,deleted,bid",
        "4,2002,2000,99.00,0,deleted,ask",
    )
    assert rows[:4] == [
        (OrderKind.ADD, 1, 10_000, 50, 0),
        (OrderKind.ADD, 1, 9_900, 20, 1),
        (OrderKind.CANCEL, 1, 10_000, 50, 0),
        (OrderKind.ADD, 1, 9_900, 50, 2),
    ]
    assert rows[4:] == [
        (OrderKind.ADD, 1, 10_100, 5, 3),
        (OrderKind.CANCEL, 1, 10_100, 5, 3),  # a trade at 99 would have met it
        (OrderKind.FILL, 1, 9_900, 20, 1),
    ]


def test_faults_name_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(MarketDataError, match=r"orders\.csv line 2: must be one event"):
        read(tmp_path, "1,1000,1000,100.001,50,created,bid")
    with pytest.raises(MarketDataError, match=r"line 3: must be one event"):
        read(tmp_path, "1,1000,1000,100,50,created,bid", "2,1000,1000,100,50,born,bid")
    with pytest.raises(MarketDataError, match=r"line 3: timestamp must not go backwards"):
        read(tmp_path, "1,1000,1000,100,50,created,bid", "2,900,900,100,50,created,bid")
    with pytest.raises(MarketDataError, match="must have orders"):
        read(tmp_path)
    other = tmp_path / "other.csv.gz"
    other.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with pytest.raises(MarketDataError, match=r"other\.csv\.gz line 1: columns must include"):
        read_order_csv(other)


def test_the_real_recording_becomes_a_book_that_is_rarely_crossed(recording: OrderFlow) -> None:
    assert recording.num_orders == 24_817
    assert (recording.kind == OrderKind.FILL).sum() == 591
    book = book_of(recording)
    assert (book.kind == BookKind.TRADE).sum() == 591
    last = np.flatnonzero(np.diff(recording.message, append=-1) != 0)
    touch, seconds = touch_ticks(recording)[last[:-1]], np.diff(recording.exch_ts[last])
    known = (touch >= 0).all(axis=1)
    crossed = known & (touch[:, 1] <= touch[:, 0])
    assert seconds[crossed].sum() / seconds[known].sum() < 0.02


def test_the_real_venue_fills_by_time_priority(recording: OrderFlow) -> None:
    """What the truth of queue positions rests on: nobody was filled before those ahead of it."""
    truth = follow_orders(recording)
    gone = truth.cancelled_ahead_lots + truth.executed_ahead_lots
    filled = truth.filled_lots > 0
    assert filled.sum() == 431
    assert (filled & (truth.ahead_lots > 0)).sum() == 38
    assert np.array_equal(gone[filled], truth.ahead_lots[filled])
    assert (gone <= truth.ahead_lots).all()


def test_the_book_of_the_real_recording_is_that_of_a_slow_book(recording: OrderFlow) -> None:
    book = book_of(recording)
    rows = np.flatnonzero((book.kind == BookKind.DEPTH) & (book.seq < 4000))
    slow, at = SlowBook(), 0
    for row in range(int(np.searchsorted(recording.message, 4000))):
        slow.apply(recording, row, is_fifo=False)
        if recording.message[row] == recording.message[row + 1]:
            continue
        while at < len(rows) and book.seq[rows[at]] == recording.message[row]:
            side, tick = int(book.side[rows[at]]), int(book.tick[rows[at]])
            assert book.lots[rows[at]] == slow.shown(side, tick)
            at += 1
    assert at == len(rows)
