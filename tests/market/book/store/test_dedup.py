"""Several recordings of one book read as one (S3-51, B10): against slow oracles."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.load import _joined
from seq_gym.market.store import Store
from tests.market.book.store.made import (
    INSTRUMENT,
    START,
    STEP,
    Truth,
    book_of,
    contents_of,
    venue_states,
)

COUNT = 60


@st.composite
def recordings(draw):
    """A truth, and what up to three recorders had of it: (first, end, losses) in messages."""
    truth = Truth(COUNT, draw(st.integers(0, 50)))
    said = []
    for seed in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, COUNT - 2))
        end = draw(st.integers(first + 2, COUNT))
        lost = []
        for _ in range(draw(st.integers(0, 2))):
            start = draw(st.integers(first + 1, max(first + 1, end - 2)))
            lost.append((start, min(draw(st.integers(start + 1, start + 12)), end - 1)))
        latency = draw(st.sampled_from((1_000_000, 50_000_000)))
        said.append((first, end, tuple(lost), latency, seed))
    books = [
        truth.record(first, end, lost=lost, latency=latency, seed=seed)
        for first, end, lost, latency, seed in said
    ]
    return truth, said, books


def joined(books, *, dedup=True):
    """As a store reads them: `test_load.py` holds the two together."""
    return _joined(books, dedup=dedup)


@settings(max_examples=120)
@given(recordings())
def test_s3_51_each_event_stands_as_often_as_the_run_that_has_it_most_often(made):
    _, _, books = made
    expected = Counter()
    for book in books:
        expected |= contents_of(book)
    assert contents_of(joined(books)) == expected


@settings(max_examples=200)
@given(recordings())
def test_the_joined_book_is_the_true_one_wherever_it_is_not_stale(made):
    truth, said, books = made
    heard = {
        number
        for first, end, lost, _, _ in said
        for number in range(first, end)
        if not any(start <= number < stop for start, stop in lost)
    }
    for exch, state in venue_states(joined(books)):
        number = (exch - START) // STEP
        if state is not None:
            assert state == truth.states[number], number
        # A recorder that lost nothing since its snapshot knows the book: so does the joined one.
        elif number in heard and exch == START + number * STEP:
            for first, end, lost, _, _ in said:
                begun = max([first, *(stop for _, stop in lost if stop <= number)])
                inside = first <= number < end
                assert not (inside and all(not a <= number < b for a, b in lost) and begun < number)


def test_b10_a_loss_that_two_runs_fill_one_after_the_other_ends_at_the_snapshot_of_the_first():
    truth = Truth(COUNT, 0)
    lost, first, second = ((0, 4, ((1, 3),)), (1, 3, ()), (2, 4, ()))
    books = [
        truth.record(begin, end, lost=gone, seed=seed)
        for seed, (begin, end, gone) in enumerate((lost, first, second))
    ]
    states = dict(venue_states(joined(books)))
    for number in range(4):
        assert states[START + number * STEP] == truth.states[number]


@settings(max_examples=60)
@given(recordings())
def test_a_change_of_a_level_never_comes_before_an_earlier_one(made):
    book = joined(made[2])
    newest = {}
    for row in range(book.num_events):
        if book.kind[row] == BookKind.DEPTH:
            level = int(book.side[row]), int(book.tick[row])
            assert newest.get(level, 0) <= int(book.exch_ts[row])
            newest[level] = int(book.exch_ts[row])


@settings(max_examples=40)
@given(recordings())
def test_without_dedup_every_row_of_every_run_is_there(made):
    _, _, books = made
    distinct = {(book.fingerprint): book for book in books}.values()
    every = sum((contents_of(book, tuple(BookKind)) for book in distinct), Counter())
    assert contents_of(joined(books, dedup=False), tuple(BookKind)) == every


def test_a_recording_cut_in_overlapping_pieces_reads_as_the_whole():
    truth = Truth(COUNT, 3)
    whole = truth.record(0, COUNT)
    rows = [
        tuple(
            int(getattr(whole, name)[row])
            for name in ("exch_ts", "local_ts", "seq", "kind", "side", "tick", "lots")
        )
        for row in range(whole.num_events)
    ]
    for first, second in ((90, 60), (100, 100), (70, 12)):
        pieces = [book_of(rows[:first]), book_of(rows[second:])]
        assert joined(pieces).fingerprint == whole.fingerprint
        assert joined(pieces[::-1]).fingerprint == whole.fingerprint


def test_two_equal_prints_of_one_run_stay_two_when_another_has_both_as_well():
    def prints(count, latency):
        levels = [(START, START + 7, 1, BookKind.SNAPSHOT, 1, 99, 5)]
        row = (START + STEP, START + STEP + latency, 2, BookKind.TRADE, 1, 100, 1)
        return book_of(levels + [row] * count)

    for one, other in ((2, 2), (2, 1), (1, 3)):
        book = joined([prints(one, 5), prints(other, 9)])
        assert int((book.kind == BookKind.TRADE).sum()) == max(one, other)
        # Each comes when the first recorder had it: those that only the slower one has, later.
        assert book.local_ts[-1] == START + STEP + (5 if one >= other else 9)


def test_b10_a_gap_that_another_recorder_fills_is_none():
    truth = Truth(COUNT, 1)
    books = [truth.record(0, COUNT, lost=((20, 30),)), truth.record(10, 40, seed=1)]
    book = joined(books)
    assert not (book.kind == BookKind.GAP).any()
    assert int((book.kind == BookKind.CLEAR).sum()) == 1
    assert (joined(books[:1]).kind == BookKind.GAP).sum() == 1


def test_b10_what_every_recorder_lost_is_one_gap():
    truth = Truth(COUNT, 1)
    for other in (((20, 30),), ((15, 30),), ((20, 25),), ((25, 35),)):
        lossy = [
            truth.record(0, COUNT, lost=((20, 30),)),
            truth.record(1, COUNT, lost=other, seed=1),
        ]
        book = joined(lossy)
        assert int((book.kind == BookKind.GAP).sum()) == 1
        assert int((book.kind == BookKind.CLEAR).sum()) == 2


def test_b10_between_two_recordings_the_book_is_stale_and_then_begins_anew():
    truth = Truth(COUNT, 1)
    book = joined([truth.record(0, 20), truth.record(40, COUNT, seed=1)])
    (gap,) = (book.kind == BookKind.GAP).nonzero()[0]
    assert book.exch_ts[gap] == book.exch_ts[gap - 1] + 1
    assert [int(kind) for kind in book.kind[gap + 1 : gap + 3]] == [
        BookKind.CLEAR,
        BookKind.SNAPSHOT,
    ]


def test_a_file_that_goes_on_where_another_ended_is_no_gap():
    truth = Truth(COUNT, 1)
    whole = truth.record(0, COUNT)
    cut = int((whole.exch_ts < START + 30 * STEP).sum())
    names = ("exch_ts", "local_ts", "seq", "kind", "side", "tick", "lots")
    rows = list(zip(*(getattr(whole, name).tolist() for name in names), strict=True))
    assert joined([book_of(rows[:cut]), book_of(rows[cut:])]).fingerprint == whole.fingerprint


def test_recordings_that_follow_each_other_are_joined_in_time_whatever_their_snapshots():
    """A snapshot looks at no row of a recording that ends before it, or begins after it."""

    def recording(first, every, size=150_000):
        number = np.arange(size)
        is_snapshot = number % every < 3
        ts = START + (first + number // 3) * 1_000
        rows = {
            "exch_ts": ts,
            "local_ts": ts + 500,
            "seq": number,
            "kind": np.where(is_snapshot, BookKind.SNAPSHOT, BookKind.DEPTH).astype(np.int8),
            "side": np.where(number % 2 == 0, 1, -1).astype(np.int8),
            "tick": np.where(number % 2 == 0, 990, 1010) + number % 7,
            "lots": number % 5,
        }
        return BookEvents(instrument=INSTRUMENT, **rows)

    def seconds(every):
        books = [recording(0, every), recording(100_000, every)]
        began = time.perf_counter()
        joined(books)
        return time.perf_counter() - began

    seconds(75_000)
    assert seconds(150) < 10.0 * seconds(75_000)


def test_recordings_on_different_grids_meet_on_the_finest():
    from dataclasses import replace

    truth = Truth(COUNT, 1)
    fine = truth.record(0, 40)
    coarse_of = replace(fine.instrument, tick=0.2, lot=0.005)
    rows = [
        (START + 50 * STEP, START + 51 * STEP, 1, BookKind.SNAPSHOT, 1, 490, 3),
        (START + 52 * STEP, START + 53 * STEP, 2, BookKind.STATUS, 0, 0, 1),
    ]
    book = joined([fine, book_of(rows, coarse_of)])
    assert (book.instrument.tick, book.instrument.lot) == (0.1, 0.001)
    assert (int(book.tick[-2]), int(book.lots[-2]), int(book.lots[-1])) == (980, 15, 1)
    assert book.price[-2] == 98.0


def test_an_instrument_that_differs_is_refused(tmp_path):
    from dataclasses import replace

    store = Store.open(tmp_path)
    book = Truth(10, 1).record(0, 10)
    store.write_book(book)
    other = replace(book, instrument=replace(book.instrument, contract_size=10.0))
    with pytest.raises(ValueError, match=r"contract_size of BTCUSDT must be that of the stored"):
        store.write_book(other)
    assert store.load_book().books[0].fingerprint == book.fingerprint
