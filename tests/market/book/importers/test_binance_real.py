"""Real Binance recordings: each difference leads to the best prices that bookTicker told."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from itertools import islice

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.decimals import step_of
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers import read_recording
from seq_gym.market.book.opening import venue_order
from tests.market.book.importers.handmade import SlowBook

FILES = {
    "spot/btcusdt": ("0.01", "0.000001", -1_274_761_454, 9757),
    "spot/ethusdt": ("0.01", "0.00001", -1_274_537_754, 6106),
    "usdm/btcusdt": ("0.1", "0.001", -1_272_156_851, 21_313),
    "usdm/ethusdt": ("0.01", "0.001", -1_272_228_703, 14_076),
}
DIFFERENCES = {
    "spot/btcusdt": 3449,
    "spot/ethusdt": 3432,
    "usdm/btcusdt": 6547,
    "usdm/ethusdt": 6580,
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in FILES if name != "spot/btcusdt"]


@pytest.mark.parametrize("name", ["spot/btcusdt", *SLOW])
def test_the_real_recordings_tell_the_best_prices_that_book_ticker_told(shared_data, name):
    path = shared_data / "book" / "binance" / f"{name}_20240808.gz"
    [(events, report)] = read_recording(path, fix_clock=True)
    assert (report.tick, report.lot, report.clock_offset_ns, report.trades) == FILES[name]
    assert (report.gaps, report.duplicates, report.snapshots) == (0, 0, 1)
    tickers = tickers_of(path)
    for order in (np.flatnonzero(events.local_ts >= 0), venue_order(events)):
        compared, wrong = compare_tops(events, order, tickers)
        # Each difference but those that the snapshot contains or that came with it.
        assert compared == DIFFERENCES[name]
        assert wrong == 0


def test_the_beginning_of_a_real_futures_recording_tells_the_best_prices(shared_data, tmp_path):
    path = tmp_path / "btcusdt.txt"
    source = shared_data / "book" / "binance" / "usdm" / "btcusdt_20240808.gz"
    with gzip.open(source, "rb") as lines:
        path.write_bytes(b"".join(islice(lines, 9000)))
    [(events, report)] = read_recording(path, fix_clock=True)
    assert (report.tick, report.lot, report.gaps, events.venue) == ("0.1", "0.001", 0, "binance_um")
    with gzip.open(source, "rt") as lines:
        tickers = tickers_in(islice(lines, 9000))
    compared, wrong = compare_tops(events, np.flatnonzero(events.local_ts >= 0), tickers)
    assert compared > 500
    assert wrong == 0


def test_b1_the_real_recorders_were_behind_by_1_27_seconds(shared_data):
    path = shared_data / "book" / "binance" / "spot" / "ethusdt_20240808.gz"
    with pytest.raises(MarketDataError, match=r"ethusdt_20240808\.gz line \d+.*\(1\.275 s\)"):
        read_recording(path)


def tickers_of(path):
    with gzip.open(path, "rt") as lines:
        return tickers_in(lines)


def tickers_in(lines):
    """(update id, best bid, its size, best ask, its size) of the bookTicker lines."""
    found = []
    for line in lines:
        if "@bookTicker" in line:
            data = json.loads(line.partition(" ")[2])["data"]
            found.append((data["u"], *(float(data[key]) for key in "bBaA")))
    return sorted(found)


def compare_tops(events, order, tickers):
    """Compare the top after each difference with the last bookTicker that it contains."""
    ids = [ticker[0] for ticker in tickers]
    tick, lot = step_of(events.instrument.tick), step_of(events.instrument.lot)
    order = order[events.kind[order] != BookKind.TRADE]
    names = ("kind", "side", "tick", "lots", "seq")
    rows = list(zip(*(getattr(events, name)[order].tolist() for name in names), strict=True))
    book, compared, wrong = SlowBook(), 0, 0
    for index, (kind, side, price, lots, seq) in enumerate(rows):
        book.apply(kind, side, price, lots)
        is_last = index + 1 == len(rows) or rows[index + 1][4] != seq
        at = bisect_right(ids, seq) - 1
        if is_last and at >= 0 and kind == BookKind.DEPTH:
            bid, bid_lots, ask, ask_lots = book.best()
            prices = tick.times(np.array([bid, ask])).tolist()
            sizes = lot.times(np.array([bid_lots, ask_lots])).tolist()
            compared += 1
            wrong += (prices[0], sizes[0], prices[1], sizes[1]) != tickers[at][1:]
    return compared, wrong
