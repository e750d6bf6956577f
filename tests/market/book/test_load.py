"""load_book: every source, the same window of the same data, and mistakes told in a sentence."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.book.events import BookData, BookKind
from seq_gym.market.book.load import _joined, load_book
from seq_gym.market.store import Store
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, NS_PER_S, format_time
from tests.market.book.store.made import START, STEP, Truth, book_of, made_book, venue_states

MIDNIGHT = START + NS_PER_S


@pytest.fixture
def stored(tmp_path):
    Store.open(tmp_path).write_book(made_book())
    return tmp_path


@settings(max_examples=30)
@given(
    st.integers(0, 20),
    st.lists(
        st.tuples(st.integers(0, 70), st.integers(2, 30), st.booleans()), min_size=1, max_size=3
    ),
    st.integers(-5, 110),
    st.integers(1, 110),
)
def test_a_window_of_a_store_is_the_window_of_all_of_it(seed, cuts, first, length):
    truth = Truth(100, seed)
    with tempfile.TemporaryDirectory() as folder:
        store, books = Store.open(folder), []
        for number, (begin, count, lossy) in enumerate(cuts):
            lost = ((begin + count // 2, begin + count // 2 + 1),) if lossy and count > 4 else ()
            book = truth.record(begin, begin + count, lost=lost, seed=number, whole=number != 1)
            store.write_book(book)
            books.append(book)
        whole = store.load_book()
        assert whole.books[0].fingerprint == _joined(books, dedup=True).fingerprint
        start, end = START + first * STEP, START + (first + length) * STEP
        try:
            expected = whole.window(start, end).fingerprint
        except MarketDataError:
            with pytest.raises(MarketDataError, match=r"must have rows from .* the store has"):
                store.load_book(start=start, end=end)
            return
        assert store.load_book(start=start, end=end).fingerprint == expected


def test_the_book_at_the_start_of_a_window_is_the_true_one(stored):
    truth = Truth(300, 0)
    book = load_book(stored, start=MIDNIGHT + STEP // 2, end=MIDNIGHT + NS_PER_S).books[0]
    (_, opening), *later = venue_states(book)
    assert opening == truth.states[(MIDNIGHT - START) // STEP]
    assert all(state == truth.states[(exch - START) // STEP] for exch, state in later)


def test_s3_50_nothing_outside_the_window_reaches_either_clock(stored):
    start, end = MIDNIGHT - 10 * STEP, MIDNIGHT + 10 * STEP
    book = load_book(stored, start=start, end=end).books[0]
    for times in (book.exch_ts, book.local_ts):
        known = times[times >= 0]
        assert start <= known.min()
        assert known.max() < end


def late_book():
    """A print before midnight that the recorder wrote an hour and a half after it."""
    late = MIDNIGHT + 90 * 60 * NS_PER_S
    return book_of(
        [
            (MIDNIGHT - 9, MIDNIGHT - 5, 1, BookKind.CLEAR, 0, 0, 0),
            (MIDNIGHT - 9, MIDNIGHT - 5, 1, BookKind.SNAPSHOT, 1, 99, 5),
            (MIDNIGHT + 1, MIDNIGHT + 2, 2, BookKind.CLEAR, 0, 0, 0),
            (MIDNIGHT + 1, MIDNIGHT + 2, 2, BookKind.SNAPSHOT, 1, 98, 5),
            (late - 1, late - 1, 3, BookKind.DEPTH, 1, 97, 5),
            (MIDNIGHT - 1, late, 4, BookKind.TRADE, 1, 100, 7),
        ]
    )


def test_s3_50_rows_that_were_written_late_are_found_on_the_dates_within_the_buffer(tmp_path):
    Store.open(tmp_path).write_book(late_book())
    window = {"start": MIDNIGHT + NS_PER_HOUR, "end": MIDNIGHT + NS_PER_DAY}
    found = load_book(tmp_path, **window).books[0]
    assert found.fingerprint == late_book().window(**window).fingerprint
    assert (found.kind == BookKind.TRADE).sum() == 1
    # The date of its exch_ts is looked at because of the buffer alone.
    narrow = load_book(tmp_path, scan_buffer_secs=0, **window).books[0]
    assert (narrow.kind == BookKind.TRADE).sum() == 0
    assert narrow.num_events == found.num_events - 1


def test_a_window_reads_no_date_that_it_does_not_need(tmp_path):
    day = NS_PER_DAY
    rows = [
        (START + k * day + at, START + k * day + at + 5, k, kind, side, tick, lots)
        for k in range(5)
        for at, kind, side, tick, lots in ((0, 2, 0, 0, 0), (0, 1, 1, 90 + k, 5), (50, 0, 1, 80, 7))
    ]
    store = Store.open(tmp_path)
    store.write_book(book_of(rows))
    for path in sorted(tmp_path.rglob("*.parquet")):
        if "08-10" not in str(path):
            path.write_bytes(b"broken")
    book = load_book(store, start=START + 2 * day + 9, end=START + 2 * day + 99).books[0]
    assert set(book.tick[book.kind == BookKind.SNAPSHOT].tolist()) == {92}
    assert book.tick[-1] == 80


def test_every_source_gives_the_same_book(stored, monkeypatch):
    book = made_book()
    monkeypatch.setenv("SIM_STORE_PATH", str(stored))
    monkeypatch.delenv("SIM_STORE", raising=False)
    sources = [
        book,
        BookData(books=(book,)),
        [book],
        stored,
        str(stored),
        f"store:{stored}",
        "store",
        "store?venue=binance",
        Store.open(stored),
    ]
    window = {"start": MIDNIGHT, "end": MIDNIGHT + NS_PER_S}
    for cut in ({}, window):
        found = {load_book(source, **cut).fingerprint for source in sources}
        assert found == {BookData(books=(book,)).window(**cut).fingerprint}


def test_a_book_on_s3_reads_as_one_in_a_folder(s3_environ, stored):
    where = f"s3://{s3_environ}/a"
    Store.open(where).write_book(made_book())
    window = {"start": MIDNIGHT, "end": MIDNIGHT + NS_PER_S}
    assert load_book(where, **window).fingerprint == load_book(stored, **window).fingerprint


def test_without_data_there_is_a_seeded_synthetic_book():
    window = {"start": "2025-01-01", "end": "2025-01-01T00:00:05"}
    book = load_book(symbols="ETHUSDT", **window)
    assert (book.symbols, book.venues) == (("ETHUSDT",), ("synthetic",))
    assert book.fingerprint == load_book(symbols=["ETHUSDT"], **window).fingerprint
    assert book.end_ns < 1735689605 * NS_PER_S


def test_real_recordings_read_alike_from_files_and_from_a_store(shared_data, tmp_path):
    path = shared_data / "book" / "binance" / "spot"
    files = load_book(path, fix_clock=True)
    assert files.symbols == ("BTCUSDT", "ETHUSDT")
    store = Store.open(tmp_path)
    for book in files.books:
        store.write_book(book)
    assert load_book(store).fingerprint == files.fingerprint
    start = int(np.quantile(files.books[0].local_ts, 0.6))
    window = {"start": start, "end": start + 5 * NS_PER_S}
    assert load_book(store, **window).fingerprint == files.window(**window).fingerprint
    only = load_book(os.fspath(path / "btcusdt_20240808.gz"), symbols="BTCUSDT", shift_ns=2 * 10**9)
    assert only.books[0].num_events == files.books[0].num_events
    with pytest.raises(MarketDataError, match=r"B1.*--fix-clock"):
        load_book(path / "btcusdt_20240808.gz")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"symbols": "BTCUSD"}, UnknownName, "Did you mean 'BTCUSDT'"),
        ({"venues": "binanse"}, UnknownName, "Did you mean 'binance'"),
        ({"start": "2024-09-01"}, MarketDataError, "has 2024-08-08T23:59:59Z to"),
        ({"end": "2024-08-07"}, MarketDataError, "must have rows from its start to 2024-08-08"),
        ({"tick": 0.1}, ConfigError, "tick must be left out, it is of recordings that are files"),
        ({"scan_buffer_secs": -1}, ConfigError, "scan_buffer_secs must be a number from 0.*was -1"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(stored, arguments, error, words):
    for source in (stored, made_book()):
        with pytest.raises(error, match=words):
            load_book(source, **arguments)


def test_what_is_no_book_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"A book must be a path .*; was float"):
        load_book(1.5)
    with pytest.raises(MarketDataError, match="must hold some"):
        load_book(tmp_path)
    with pytest.raises(MarketDataError, match="there is no"):
        load_book(tmp_path / "nothing.gz")
    assert format_time(START) == "2024-08-08T23:59:59Z"
