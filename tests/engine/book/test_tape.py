"""B7, B8, B10, B11: the prepared tape against a book of dictionaries, row by row."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym._jit import kernel
from seq_gym.engine.book import codes
from seq_gym.engine.book.levels import changed_after, lots_at, lots_between, next_tick
from seq_gym.engine.book.tables import tape_at
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.errors import ConfigError, MarketDataError

Event = tuple[int, int, int, int, int, int]  # exch_ts, local_ts, kind, side, tick, lots


@kernel
def _lots_at(tape: int, clock: int, side: int, tick: int, row: int) -> int:
    return lots_at(tape_at(tape, 0), clock, side, tick, row)


@kernel
def _next_tick(tape: int, clock: int, side: int, tick: int, row: int) -> int:
    return next_tick(tape_at(tape, 0), clock, side, tick, row)


@kernel
def _lots_between(
    tape: int, clock: int, side: int, first: int, tick: int, row: int, enough: float
) -> int:
    return lots_between(tape_at(tape, 0), clock, side, first, tick, row, enough)


@kernel
def _changed_after(tape: int, clock: int, side: int, tick: int, since: int, row: int) -> bool:
    return changed_after(tape_at(tape, 0), clock, side, tick, since, row)


def tape_of(events: list[Event]) -> BookTape:
    """Prepare hand-written events."""
    columns = np.array(events, np.int64).reshape(-1, 6).T
    names = ("exch_ts", "local_ts", "kind", "side", "tick", "lots")
    return prepare_tape(**dict(zip(names, columns, strict=True)))


def depth(ts: int, side: int, tick: int, lots: int) -> Event:
    return ts, ts, codes.DEPTH, side, tick, lots


class SlowBook:
    """B7 and B8 by their text, over two dictionaries."""

    def __init__(self) -> None:
        self.levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.best = {1: codes.NO_BID, -1: codes.NO_ASK}
        self.stale = self.halted = False

    def _beyond(self, side: int, tick: int) -> int:
        """The next populated level away from the touch."""
        if side > 0:
            return max((t for t in self.levels[1] if t < tick), default=codes.NO_BID)
        return min((t for t in self.levels[-1] if t > tick), default=codes.NO_ASK)

    def apply(self, kind: int, side: int, tick: int, lots: int) -> int:
        before = 0
        if kind in (codes.DEPTH, codes.SNAPSHOT):
            before = self._set(side, tick, lots)
            self.stale = self.stale and kind != codes.SNAPSHOT
        elif kind == codes.CLEAR and side == codes.BOTH:
            self.levels = {1: {}, -1: {}}
            self.best = {1: codes.NO_BID, -1: codes.NO_ASK}
        elif kind == codes.CLEAR:
            best = self.best[side]
            low, high = (tick, best) if side > 0 else (best, tick)
            if low <= high and best in self.levels[side]:
                kept = {t: q for t, q in self.levels[side].items() if not low <= t <= high}
                self.levels[side] = kept
                self.best[side] = self._beyond(side, tick)
        elif kind == codes.GAP:
            self.stale = True
        elif kind == codes.STATUS:
            self.halted = lots == 0
        return before

    def _set(self, side: int, tick: int, lots: int) -> int:
        before = self.levels[side].pop(tick, 0)
        if lots > 0:
            self.levels[side][tick] = lots
            if (tick - self.best[side]) * side > 0:
                self.best[side] = tick
                if (tick - self.best[-side]) * side >= 0:
                    self.best[-side] = self._beyond(-side, tick)
        elif tick == self.best[side]:
            self.best[side] = self._beyond(side, tick)
        return before


def assert_matches_slow_book(tape: BookTape, events: list[Event], clock: int) -> None:
    rows = tape.venue_rows if clock == codes.CLOCK_VENUE else tape.local_rows
    present = [k for k, event in enumerate(events) if event[clock] != -1]
    if clock == codes.CLOCK_VENUE:
        present.sort(key=lambda k: (events[k][0], events[k][2] != codes.TRADE))
    else:
        present.sort(key=lambda k: events[k][1])
    assert len(rows) == len(present)
    book = SlowBook()
    address = tape.address
    ticks = sorted({event[4] for event in events})
    for r, k in enumerate(present):
        kind, side, tick, lots = events[k][2:]
        before = book.apply(kind, side, tick, lots)
        row: Any = rows[r]
        assert (row.ts, row.kind, row.side, row.tick, row.lots) == (
            events[k][clock], kind, side, tick, lots,
        )  # fmt: skip
        assert (row.prev, row.bid, row.ask) == (before, book.best[1], book.best[-1]), r
        assert row["flags"] == book.stale + 2 * book.halted
        if r % 5 == 0 or r == len(present) - 1:
            for which in (1, -1):
                for at in ticks:
                    held = book.levels[which].get(at, 0)
                    assert _lots_at(address, clock, which, at, r) == held
                    assert _next_tick(address, clock, which, at, r) == book._beyond(which, at)
                    asked = (address, clock, which, at, at - 5 * which, r)
                    held = sum(book.levels[which].get(at - k * which, 0) for k in range(5))
                    assert _lots_between(*asked, np.inf) == held
                    assert min(3.0, held) <= _lots_between(*asked, 3.0) <= held


def random_events(draw: Any) -> list[Event]:
    ticks = draw(st.sampled_from([(90, 110), (-5, 5), (0, 3), (-40, 40)]))
    event = st.tuples(
        st.sampled_from([codes.DEPTH] * 12 + [codes.SNAPSHOT, codes.CLEAR, codes.TRADE] * 2
                        + [codes.GAP, codes.STATUS]),
        st.sampled_from([1, -1]),
        st.integers(*ticks),
        st.sampled_from([0, 0, 1, 2, 7]),
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from(["both"] * 8 + ["venue", "local"]),
    )  # fmt: skip
    rows: list[Event] = []
    ts = 1_000
    for kind, side, tick, lots, later, delay, clocks in draw(st.lists(event, max_size=80)):
        ts += later
        whole = kind in (codes.GAP, codes.STATUS) or (kind == codes.CLEAR and lots == 7)
        exch = -1 if clocks == "local" else ts
        local = -1 if clocks == "venue" else ts + delay
        rows.append((exch, local, kind, codes.BOTH if whole else side, tick, min(lots, 1)
                     if kind == codes.STATUS else lots))  # fmt: skip
    return rows


@given(st.data())
@settings(max_examples=150)
def test_b7_b8_b10_b11_every_row_of_both_clocks_says_what_a_slow_book_says(data: Any) -> None:
    events = random_events(data.draw)
    tape = tape_of(events)
    assert_matches_slow_book(tape, events, codes.CLOCK_VENUE)
    assert_matches_slow_book(tape, events, codes.CLOCK_LOCAL)


def test_b7_a_bid_at_the_best_ask_pushes_it_to_the_next_populated_level_above() -> None:
    tape = tape_of([depth(1, -1, 101, 5), depth(2, -1, 103, 5), depth(3, 1, 101, 2)])
    assert tape.venue_rows["ask"].tolist() == [101, 101, 103]
    assert tape.venue_rows["bid"].tolist() == [codes.NO_BID, codes.NO_BID, 101]


def test_b7_a_stale_crossed_level_is_kept_but_skipped_and_its_update_makes_it_best_again() -> None:
    tape = tape_of(
        [depth(1, -1, 101, 5), depth(2, 1, 102, 2), depth(3, 1, 102, 0), depth(4, -1, 101, 4)]
    )
    assert tape.venue_rows["ask"].tolist() == [101, codes.NO_ASK, codes.NO_ASK, 101]
    assert tape.venue_rows["prev"].tolist() == [0, 0, 2, 5]


def test_b8_clear_removes_from_the_best_through_its_tick_and_is_a_change_to_zero() -> None:
    tape = tape_of(
        [depth(1, 1, 100, 5), depth(2, 1, 99, 4), depth(3, 1, 97, 3),
         (4, 4, codes.CLEAR, 1, 99, 0)]
    )  # fmt: skip
    address = tape.address
    assert tape.venue_rows["bid"].tolist()[-1] == 97
    assert [_lots_at(address, 0, 1, t, 3) for t in (100, 99, 97)] == [0, 0, 3]
    assert [_lots_at(address, 0, 1, t, 2) for t in (100, 99, 97)] == [5, 4, 3]


def test_b10_a_gap_makes_the_book_stale_until_the_next_snapshot_row() -> None:
    tape = tape_of(
        [(1, 1, codes.GAP, 0, 0, 0), depth(2, 1, 9, 1), (3, 3, codes.CLEAR, 0, 0, 0),
         (4, 4, codes.SNAPSHOT, 1, 9, 1)]
    )  # fmt: skip
    assert tape.venue_rows["flags"].tolist() == [1, 1, 1, 0]


def test_b11_at_one_exchange_stamp_trades_come_first_on_the_venues_clock_only() -> None:
    tape = tape_of([depth(5, 1, 9, 1), (5, 5, codes.TRADE, -1, 9, 1), depth(5, 1, 9, 0)])
    assert tape.venue_rows["kind"].tolist() == [codes.TRADE, codes.DEPTH, codes.DEPTH]
    assert tape.local_rows["kind"].tolist() == [codes.DEPTH, codes.TRADE, codes.DEPTH]


def test_f2_a_row_of_the_same_quantity_is_a_change_of_its_level() -> None:
    tape = tape_of([depth(1, 1, 9, 4), depth(2, 1, 8, 4), depth(3, 1, 9, 4)])
    address = tape.address
    assert not _changed_after(address, 0, 1, 9, 0, 1)
    assert _changed_after(address, 0, 1, 9, 0, 2)
    assert not _changed_after(address, 0, 1, 7, 0, 2)


def test_levels_far_apart_are_found_across_the_whole_range_of_ticks() -> None:
    far = [-(1 << 31) + 1, -70_000, 0, 5_000, (1 << 31) - 2]
    events = [depth(k, 1, tick, 1) for k, tick in enumerate(far)]
    events += [depth(10 + k, 1, tick, 0) for k, tick in enumerate(reversed(far))]
    tape = tape_of(events)
    assert tape.venue_rows["bid"].tolist() == [*far, *far[-2::-1], codes.NO_BID]


def test_thousands_of_empty_levels_between_two_populated_ones_cost_no_walk() -> None:
    order = np.random.default_rng(0).permutation(20_000).tolist()
    events = [depth(0, 1, tick, 0) for tick in order] + [depth(1, 1, 63, 1)]
    for k in range(200):
        events += [depth(2 + k, 1, 19_000 + k, 1), depth(2 + k, 1, 19_000 + k, 0)]
    bids = tape_of(events).venue_rows["bid"][20_000:]
    assert bids[0] == 63
    assert set(bids[2::2].tolist()) == {63}
    assert bids[1::2].tolist() == [19_000 + k for k in range(200)]


def test_b7_a_hundred_thousand_levels_of_both_sides_are_each_found_again() -> None:
    ticks = np.random.default_rng(0).permutation(50_000) * 16
    tick = np.concatenate([-ticks, ticks + 1])
    side = np.repeat([1, -1], len(ticks))
    stamps, kind = np.arange(len(tick)), np.zeros(len(tick), np.int8)
    columns: dict[str, Any] = {"exch_ts": stamps, "local_ts": stamps, "kind": kind}
    tape = prepare_tape(**columns, side=side.astype(np.int8), tick=tick, lots=stamps + 1)
    last = len(tick) - 1
    for row in range(0, len(tick), 997):
        assert _lots_at(tape.address, 1, side[row], tick[row], last) == row + 1
    assert (tape.venue_rows["bid"][last], tape.venue_rows["ask"][last]) == (0, 1)
    assert _next_tick(tape.address, 0, 1, 0, last) == -16


def test_a_recording_of_nothing_makes_a_tape_without_rows() -> None:
    tape = tape_of([])
    assert (tape.num_venue_rows, tape.num_local_rows) == (0, 0)
    assert (tape.first_ts, tape.last_ts) == (0, -1)


@pytest.mark.parametrize("bad", [(1, 1, 0, 0, 5, 1), (1, 1, 6, 1, 5, 1), (1, 1, 0, 1, 5, -1)])
def test_a_row_that_no_book_can_hold_is_named(bad: Event) -> None:
    with pytest.raises(MarketDataError, match="Row 1: kind must be"):
        tape_of([depth(1, 1, 5, 1), bad])


def test_a_tick_beyond_the_range_and_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(MarketDataError, match="Row 0: a tick must lie"):
        tape_of([depth(1, 1, codes.NO_ASK, 1)])
    one = np.zeros(1, np.int64)
    with pytest.raises(ConfigError, match="of one length"):
        prepare_tape(
            exch_ts=one, local_ts=one, kind=one, side=one, tick=one, lots=np.zeros(2, np.int64)
        )


def test_a_tape_holds_what_kernels_read_and_nothing_of_its_preparation() -> None:
    count = 20_000
    number = np.arange(count)
    side = np.where(number % 2 == 0, 1, -1).astype(np.int8)
    columns: dict[str, Any] = {"exch_ts": number, "local_ts": number}
    columns["kind"] = np.zeros(count, np.int8)
    columns |= {"side": side, "tick": (100 - side).astype(np.int32), "lots": 1 + number % 9}
    prepare_tape(**columns)  # compiled
    gc.collect()
    tracemalloc.start()
    tape = prepare_tape(**columns)
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert tape.num_venue_rows == count
    # Two rows of 40 bytes, two changes of 4, and the level of 4.
    assert held < 96 * count
