"""Binance recordings: sequence rules, snapshots in the middle, sides, and the tops they tell."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers import read_recording
from seq_gym.market.book.opening import venue_order
from tests.market.book.importers.handmade import (
    MS,
    NS,
    futures_diff,
    futures_trade,
    replayed,
    rest,
    rows_of,
    spot_diff,
    spot_recording,
    write,
)

SNAPSHOT = ([("99.00", "1"), ("98.00", "4")], [("101.00", "3"), ("102.00", "5")])


def read(tmp_path, lines, end="\n", **options):
    [recording] = read_recording(write(tmp_path / "rec.txt", lines, end), **options)
    return recording


def test_a_spot_recording_is_read_to_the_row(tmp_path):
    events, report = read(tmp_path, spot_recording())
    ms = 1_000_000
    at = [(NS + e * ms, NS + t * ms) for e, t in ((5, 25), (15, 25), (22, 27), (25, 30), (26, 31))]
    assert (events.venue, events.symbol) == ("binance", "BTCUSDT")
    assert rows_of(events) == [
        ("CLEAR", 0, 0.0, 0.0, *at[0]),
        ("SNAPSHOT", 1, 99.0, 1.0, *at[0]),
        ("SNAPSHOT", 1, 98.0, 4.0, *at[0]),
        ("SNAPSHOT", -1, 101.0, 3.0, *at[0]),
        ("SNAPSHOT", -1, 102.0, 5.0, *at[0]),
        # Received before the snapshot and not in it: known to the agent with the snapshot.
        ("DEPTH", 1, 99.5, 2.0, *at[1]),
        ("DEPTH", -1, 101.0, 0.0, *at[1]),
        ("TRADE", -1, 99.5, 0.5, *at[2]),
        ("DEPTH", -1, 100.5, 1.5, *at[3]),
        ("TRADE", 1, 100.5, 0.25, *at[4]),
        ("DEPTH", 1, 99.5, 1.5, NS + 35 * ms, NS + 40 * ms),
    ]
    assert (report.gaps, report.snapshots, report.trades, report.duplicates) == (0, 1, 2, 0)
    assert events.seq.tolist() == [104, 104, 104, 104, 104, 106, 106, 7, 107, 8, 110]
    assert report.tick == "0.1"
    assert report.lot == "0.01"
    assert report.least_latency_ns == 5 * ms


def test_m_true_is_a_seller_and_a_print_that_is_not_of_the_market_is_none(tmp_path):
    lines = [
        futures_diff(10, 5, 90, 95, 100),
        rest(20, 100, *SNAPSHOT, E=MS + 8, T=MS + 7),
        futures_trade(30, 25, 1, "99.00", "2", True),
        futures_trade(31, 26, 2, "0", "0", False, kind="NA"),
        futures_trade(32, 27, 3, "101.00", "1", False, kind="INSURANCE_FUND"),
        futures_trade(33, 28, 4, "101.00", "1", False),
    ]
    events, report = read(tmp_path, lines)
    assert events.venue == "binance_um"
    assert events.side[events.kind == BookKind.TRADE].tolist() == [-1, 1]
    assert report.notes["prints that are not of the book"] == 2


def test_a_spot_difference_that_does_not_continue_the_last_is_a_gap(tmp_path):
    lines = spot_recording()[:-1]
    lines.append(spot_diff(35, 30, 109, 109, bids=[("97.00", "1")]))
    lines.append(spot_diff(40, 35, 110, 112, bids=[("97.00", "2")]))
    events, report = read(tmp_path, lines)
    gaps = np.flatnonzero(events.kind == BookKind.GAP)
    assert report.gaps == len(gaps) == 1
    assert report.gap_lines == ("rec.txt line 7: an update must continue 107; was 108",)
    assert events.local_ts[gaps[0]] == NS + 35_000_000
    assert events.kind[gaps[0] :].tolist() == [BookKind.GAP, BookKind.DEPTH, BookKind.DEPTH]


@pytest.mark.parametrize("stated_ms", [None, 40, 90])
@pytest.mark.parametrize("is_late", [True, False])
def test_b1_a_later_snapshot_is_not_at_the_venue_before_what_it_knows(tmp_path, stated_ms, is_late):
    """It ends within the difference of 60 ms, and is received before it or after it."""
    said = {} if stated_ms is None else {"E": MS + stated_ms, "T": MS + stated_ms}
    middle = futures_diff(65, 60, 100, 101, 120, bids=[("99.50", "2")])
    again = rest(70 if is_late else 62, 110, *SNAPSHOT, **said)
    lines = [
        rest(5, 90, *SNAPSHOT, E=MS + 1, T=MS + 1),
        futures_diff(10, 5, 90, 95, 100, bids=[("99.50", "1")]),
        *([middle, again] if is_late else [again, middle]),
    ]
    events, report = read(tmp_path, lines)
    assert (report.gaps, report.snapshots) == (0, 2)
    ms = 1_000_000
    at_venue = (events.kind == BookKind.SNAPSHOT) & (events.seq == 110) & (events.exch_ts >= 0)
    expected = 40 * ms if stated_ms == 40 else 60 * ms - 1
    assert set((events.exch_ts[at_venue] - NS).tolist()) == {expected}
    told = (events.kind == BookKind.SNAPSHOT) & (events.seq == 110) & (events.local_ts >= 0)
    assert set((events.local_ts[told] - NS).tolist()) == {(70 if is_late else 62) * ms}
    assert told.sum() == at_venue.sum() == 4


def test_a_futures_difference_must_continue_pu(tmp_path):
    lines = [
        futures_diff(10, 5, 80, 85, 90),
        rest(20, 95, *SNAPSHOT),
        futures_diff(30, 25, 90, 93, 100, bids=[("99.50", "1")]),
        futures_diff(40, 35, 100, 130, 140, bids=[("99.50", "2")]),
        futures_diff(50, 45, 150, 151, 160, bids=[("99.50", "3")]),
    ]
    events, report = read(tmp_path, lines)
    assert report.gaps == 1
    assert report.gap_lines == ("rec.txt line 5: an update must continue 140; was 150",)
    assert events.lots[events.kind == BookKind.DEPTH].tolist() == [1, 2, 3]
    # The venue's own time is T, not E.
    assert (events.exch_ts[events.kind == BookKind.DEPTH] - NS).tolist() == [
        25_000_000,
        35_000_000,
        45_000_000,
    ]


@pytest.mark.parametrize(
    ("first", "last", "gaps"), [(103, 110, 0), (105, 110, 0), (106, 110, 1), (104, 104, 0)]
)
def test_the_first_spot_difference_after_a_snapshot_must_straddle_it(tmp_path, first, last, gaps):
    lines = [
        rest(20, 104, *SNAPSHOT),
        spot_diff(30, 25, first, last, bids=[("99.50", "1")]),
    ]
    events, report = read(tmp_path, lines, symbol="BTCUSDT")
    assert report.gaps == gaps
    # What the snapshot contains already is not said again.
    assert (events.kind == BookKind.DEPTH).sum() == (last > 104)


def test_a_snapshot_ends_a_gap_and_lies_on_the_venue_clock_where_it_belongs_b10(tmp_path):
    lines = [
        *spot_recording(),
        spot_diff(50, 45, 120, 121, bids=[("99.60", "1")], asks=[("100.50", "0")]),
        spot_diff(60, 55, 122, 123, bids=[("99.70", "2")]),
        rest(65, 121, [("99.60", "1"), ("99.00", "9")], [("102.00", "5")]),
        spot_diff(70, 65, 124, 124, bids=[("99.00", "8")]),
    ]
    events, report = read(tmp_path, lines)
    assert (report.gaps, report.snapshots) == (1, 2)
    assert report.notes["differences over a snapshot"] == 2
    local = np.flatnonzero(events.local_ts >= 0)
    for order in (local, venue_order(events)):
        book = replayed(events, order)
        assert not book.is_stale
        assert book.sides == {1: {996: 100, 997: 200, 990: 800}, -1: {1020: 500}}
    second = np.flatnonzero(events.kind == BookKind.CLEAR)[1]
    assert events.exch_ts[second] == NS + 45_000_000
    assert events.local_ts[second] == NS + 65_000_000
    assert ((events.exch_ts == -1) & (events.kind == BookKind.DEPTH)).sum() == 1


def test_a_snapshot_lies_just_before_the_difference_that_goes_beyond_it(tmp_path):
    change = {"bids": [("99.00", "2")]}
    before_it = [spot_diff(10, 5, 100, 110, **change), rest(20, 104, *SNAPSHOT)]
    behind_it = [rest(20, 104, *SNAPSHOT), spot_diff(30, 25, 100, 110, **change)]
    within = [rest(20, 104, *SNAPSHOT), spot_diff(30, 25, 100, 104), spot_diff(40, 35, 105, 105)]
    for lines, exch in (
        (before_it, 5_000_000 - 1),
        (behind_it, 25_000_000 - 1),
        (within, 25_000_000),
    ):
        events, report = read(tmp_path, lines)
        clears = np.flatnonzero((events.kind == BookKind.CLEAR) & (events.exch_ts >= 0))
        assert (events.exch_ts[clears] - NS).tolist() == [exch]
        assert report.snapshots == 1
        books = [
            replayed(events, order)
            for order in (np.flatnonzero(events.local_ts >= 0), venue_order(events))
        ]
        assert books[0].sides == books[1].sides
        assert books[0].sides[1] == {99: 1 if lines is within else 2, 98: 4}


def test_a_snapshot_between_two_differences_of_one_instant_lies_before_both(tmp_path):
    lines = [
        *spot_recording(),
        spot_diff(50, 45, 111, 111, bids=[("97.00", "1")]),
        spot_diff(51, 45, 112, 112, bids=[("97.00", "2")]),
        rest(55, 111, [("97.00", "1")], [("102.00", "5")]),
    ]
    events, _ = read(tmp_path, lines)
    for order in (np.flatnonzero(events.local_ts >= 0), venue_order(events)):
        assert replayed(events, order).sides[1][970] == 200


def test_stamps_that_step_back_a_little_are_raised_in_a_book_and_sorted_among_prints(tmp_path):
    lines = spot_recording()
    # Three threads of a recorder: a print is written late, differences have crossed stamps.
    lines[5], lines[6] = lines[6], lines[5]
    lines.append(spot_diff(39.995, 34, 111, 111, bids=[("97.00", "1")]))
    events, report = read(tmp_path, lines)
    assert report.notes["stamps raised"] == 1
    assert (np.diff(events.local_ts) >= 0).all()
    assert events.side[events.kind == BookKind.TRADE].tolist() == [-1, 1]
    assert events.seq[-1] == 111
    assert (events.exch_ts[-1] - NS, events.local_ts[-1] - NS) == (35_000_000, 40_000_000)
    for local, exch in ((-1_000, -2_000), (50, -2_000)):
        late = spot_diff(local, exch, 112, 112, bids=[("97.00", "2")])
        with pytest.raises(MarketDataError, match=r"rec\.txt line 9: (local|exch)_ts of BTCUSDT's"):
            read(tmp_path, [*lines, late])


def test_b8_a_snapshot_of_the_best_levels_leaves_what_is_known_deeper_unless_there_was_a_gap(
    tmp_path,
):
    top = ([("99.50", "7"), ("99.20", "1")], [("100.50", "8"), ("100.70", "1")])
    between = spot_diff(41, 36, 111, 111, bids=[("99.30", "1")], asks=[("100.60", "1")])
    lines = [*spot_recording(), between, rest(45, 111, *top), spot_diff(50, 45, 112, 112)]
    events, report = read(tmp_path, lines)
    for order in (np.flatnonzero(events.local_ts >= 0), venue_order(events)):
        book = replayed(events, order)
        assert book.sides == {
            1: {995: 700, 992: 100, 990: 100, 980: 400},
            -1: {1005: 800, 1007: 100, 1020: 500},
        }
    assert report.gaps == 0
    lines = [*spot_recording()[:-1], spot_diff(40, 35, 109, 110), rest(45, 110, *top)]
    events, report = read(tmp_path, lines)
    book = replayed(events, np.flatnonzero(events.local_ts >= 0))
    assert book.sides == {1: {995: 700, 992: 100}, -1: {1005: 800, 1007: 100}}
    assert report.gaps == 1


def test_an_old_snapshot_and_repeated_or_late_differences_change_nothing(tmp_path):
    lines = spot_recording()
    plain, _ = read(tmp_path, lines)
    noisy = [*lines[:5], lines[4], lines[1], lines[5], lines[5], *lines[6:]]
    noisy.append(rest(45, 50, [("1.00", "1")], []))
    events, report = read(tmp_path, noisy)
    assert events.fingerprint == plain.fingerprint
    assert report.duplicates == 3
    assert report.notes["snapshots older than the differences"] == 1


def test_b1_a_recorder_behind_the_venue_is_refused_with_its_shift_and_mended_on_request(tmp_path):
    lines, behind = spot_recording(), []
    for line in lines:
        stamp, _, message = line.partition(" ")
        behind.append(f"{int(stamp) - 1_270_000_000} {message}")
    path = write(tmp_path / "behind.txt", behind)
    with pytest.raises(
        MarketDataError, match=r"behind\.txt line \d+.*B1.*1,265,000,000 ns.*fix_clock"
    ):
        read_recording(path)
    [(fixed, report)] = read_recording(path, fix_clock=True)
    assert report.clock_offset_ns == -1_265_000_000
    assert report.shift_applied_ns == 1_265_000_000
    assert (fixed.local_ts - fixed.exch_ts)[fixed.exch_ts >= 0].min() == 0
    [(stated, _)] = read_recording(path, shift_ns=1_270_000_000)
    plain, _ = read(tmp_path, lines)
    assert stated.fingerprint == plain.fingerprint
    with pytest.raises(MarketDataError, match="5,000,000 ns before it"):
        read_recording(path, shift_ns=1_260_000_000)


def test_a_book_without_a_snapshot_is_refused(tmp_path):
    lines = [line for line in spot_recording() if "lastUpdateId" not in line]
    with pytest.raises(MarketDataError, match=r"line 1: differences .* snapshot"):
        read(tmp_path, lines)


def test_the_second_file_of_a_recording_goes_on_where_the_first_ended(tmp_path):
    lines = spot_recording()
    whole, _ = read(tmp_path, lines)
    first, second = write(tmp_path / "a.txt", lines[:5]), write(tmp_path / "b.txt", lines[5:])
    [(joined, report)] = read_recording([second, first])
    assert joined.fingerprint == whole.fingerprint
    assert sorted(report.sources) == ["a.txt", "b.txt"]


def test_a_line_cut_off_at_the_end_is_counted_and_one_in_the_middle_refused(tmp_path):
    lines = spot_recording()
    _, report = read(tmp_path, [*lines, spot_diff(50, 45, 111, 111)[:60]], end="")
    assert report.ignored["line cut off at the end"] == 1
    with pytest.raises(MarketDataError, match=r"rec\.txt line 5"):
        read(tmp_path, [*lines[:4], lines[4][:60], *lines[5:]])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tick": 1.0}, r"price must be a multiple of the tick 1; was 99\.5"),
        ({"lot": "0.1"}, r"size must be a multiple of the lot 0\.1; was 0\.25"),
    ],
)
def test_a_value_off_the_stated_grid_names_line_and_fix(tmp_path, options, said):
    with pytest.raises(MarketDataError, match=rf"rec\.txt line \d: {said}.*leave it out"):
        read(tmp_path, spot_recording(), **options)
