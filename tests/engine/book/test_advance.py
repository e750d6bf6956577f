"""Time: what is handled up to when, what stops it, and what the agent may know (B1 to B6, B20)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from tests.engine.book.desk import (
    MS,
    SECOND,
    T0,
    Row,
    depth,
    kinds,
    limit,
    make_batch,
    make_tape,
    market,
    opening,
    trade,
)

ANY = codes.ON_BOOK | codes.ON_TRADE | codes.ON_REPORT | codes.ON_HEARTBEAT
SLOW = {
    "latency_model": codes.LATENCY_CONSTANT,
    "entry_ns": 5e6,
    "cancel_ns": 5e6,
    "response_ns": 7e6,
}


def now(batch: BookBatch) -> int:
    return int(batch.accounts[0].now) - T0


def stops(batch: BookBatch, until: int, wanted: int = ANY) -> list[tuple[int, int, int]]:
    """Advance to a time, and tell every stop on the way: when, which lane, why."""
    found = []
    while batch.advance(0, T0 + until, wanted) == codes.STOPPED:
        a: Any = batch.accounts[0]
        found.append((now(batch), int(a.stopped_lane), int(a.stopped_by)))
    return found


def test_b3_an_advance_handles_what_is_stamped_up_to_its_end_and_then_is_there() -> None:
    rows = [*opening(), depth(10, 1, 99, 7), depth(20, 1, 98, 7)]
    batch = make_batch(make_tape(rows))
    assert batch.lanes[0, 0].local_row == 6
    assert batch.advance(0, T0 + 19) == codes.REACHED
    assert (now(batch), batch.lanes[0, 0].local_row) == (19, 7)
    assert batch.advance(0, T0 + 20) == codes.REACHED
    assert (now(batch), batch.lanes[0, 0].local_row) == (20, 8)
    assert batch.advance(0, T0 + 5) == codes.REACHED  # time never goes back
    assert now(batch) == 20


def test_b1_the_feed_latency_delays_the_agents_clock_further() -> None:
    rows = [*opening(), depth(10, 1, 99, 7, lag=5)]
    batch = make_batch(make_tape(rows), instrument={"feed_ns": 4})
    assert stops(batch, 100, codes.ON_BOOK) == [(19, 0, codes.ON_BOOK)]


def test_b5_a_fill_is_visible_at_its_response_and_never_before() -> None:
    rows = [*opening(), trade(50 * MS, -1, 99, 20)]
    batch = make_batch(make_tape(rows), instrument=SLOW)
    limit(batch, 1, 100, 2.0)
    batch.advance(0, T0 + 57 * MS - 1)
    assert batch.positions[0, 0].qty == 0.0
    assert batch.accounts[0].cash == 10_000.0
    assert batch.orders[0, 0, 0].local_leaves == 2.0
    batch.advance(0, T0 + 57 * MS)
    assert batch.positions[0, 0].qty == 2.0
    event: Any = batch.drain()[-1]
    assert (event.exch_ts, event.local_ts) == (T0 + 50 * MS, T0 + 57 * MS)
    assert event.arrival_ts == T0 + 5 * MS


def test_b4_reports_are_received_in_the_order_in_which_they_were_sent() -> None:
    instrument = {
        "latency_model": codes.LATENCY_LOG_NORMAL,
        "response_ns": 5e6,
        "response_sigma": 2.0,
    }
    rows = [*opening(), *(trade((20 + k) * MS, -1, 100, 3) for k in range(30))]
    batch = make_batch(make_tape(rows), instrument=instrument)
    limit(batch, 1, 100, 50.0)
    batch.advance(0, T0 + 30 * SECOND)
    events = batch.drain()[1:]
    assert len(events) > 15
    assert (np.diff(events["exch_ts"]) >= 0).all()
    assert (np.diff(events["local_ts"]) >= 0).all()
    assert (np.diff(events["local_ts"]) == 0).any()  # one that was overtaken waited


def test_a7_every_wanted_kind_stops_at_its_time_and_rows_of_one_instant_are_one_stop() -> None:
    rows = [*opening(), depth(5, 1, 99, 7), trade(5, 1, 101, 1), trade(9, 1, 101, 1)]
    batch = make_batch(make_tape(rows), instrument=SLOW)
    limit(batch, 1, 90, 1.0)
    assert stops(batch, 1_100 * MS) == [
        (5, 0, codes.ON_BOOK | codes.ON_TRADE),
        (9, 0, codes.ON_TRADE),
        (12 * MS, 0, codes.ON_REPORT),
        (SECOND, -1, codes.ON_HEARTBEAT),
    ]
    batch.reset(0, T0, T0 + SECOND)
    assert stops(batch, 10, codes.ON_TRADE) == [(5, 0, codes.ON_TRADE), (9, 0, codes.ON_TRADE)]


def test_b2_at_one_instant_lanes_go_by_index_and_data_comes_before_reports() -> None:
    rows = [*opening(), depth(12 * MS, 1, 99, 7)]
    batch = make_batch(make_tape(rows), make_tape(rows), instrument=SLOW)
    for s in (1, 0):
        limit(batch, 1, 90, 1.0, s=s)
    assert batch.advance(0, T0 + SECOND // 2, ANY) == codes.STOPPED
    assert batch.lanes[0]["local_row"].tolist() == [7, 6]  # lane 1 has not shown it yet
    later = [(now(batch), 0, int(batch.accounts[0].stopped_by)), *stops(batch, SECOND // 2)]
    assert later == [
        (12 * MS, 0, codes.ON_BOOK),
        (12 * MS, 0, codes.ON_REPORT),
        (12 * MS, 1, codes.ON_BOOK),
        (12 * MS, 1, codes.ON_REPORT),
    ]


def test_a7_an_agent_that_reacts_to_a_report_meets_the_book_of_that_time() -> None:
    """The cancel that answers the first fill arrives before the second print, on either lane."""
    rows = [*opening(), trade(50 * MS, -1, 100, 11), trade(70 * MS, -1, 100, 5)]
    quiet = [*opening(), depth(45 * MS, 1, 95, 1), trade(65 * MS, -1, 99, 50)]
    batch = make_batch(make_tape(rows), make_tape(quiet), instrument=SLOW)
    first = limit(batch, 1, 100, 3.0)
    second = limit(batch, 1, 100, 3.0, s=1)
    while batch.advance(0, T0 + SECOND // 2, codes.ON_REPORT) == codes.STOPPED:
        if batch.positions[0, 0].qty > 0.0 and first:
            assert now(batch) == 57 * MS
            assert batch.cancel(0, 0, first) == batch.cancel(0, 1, second) == 0
            first = 0
    assert batch.positions[0]["qty"].tolist() == [1.0, 0.0]
    assert kinds(batch.drain())[-2:] == [codes.CANCELLED, codes.CANCELLED]


def test_b2_without_latency_a_request_still_meets_the_book_after_the_rows_of_its_instant() -> None:
    rows = [*opening(), depth(10, -1, 101, 0), depth(10, -1, 102, 4)]
    batch = make_batch(make_tape(rows))
    batch.advance(0, T0 + 10)
    market(batch, 1, 6.0)
    assert batch.advance(0, T0 + 10) == codes.REACHED
    fills = batch.drain()
    fills = fills[fills["kind"] == codes.EXECUTED]
    assert fills["price"].tolist() == [102.0, 103.0]
    assert fills["local_ts"].tolist() == [T0 + 10] * 2


def test_a5_heartbeats_are_whole_seconds_after_the_start_up_to_the_end() -> None:
    batch = make_batch(make_tape(opening()))
    batch.reset(0, T0 + SECOND // 4, T0 + 3 * SECOND)
    found = stops(batch, 5 * SECOND, codes.ON_HEARTBEAT)
    assert [time for time, *_ in found] == [SECOND, 2 * SECOND, 3 * SECOND]
    assert batch.accounts[0].ending == common.DATA_END


def test_b20_what_is_in_flight_drains_before_the_episode_ends() -> None:
    rows = [*opening(), trade(SECOND + 3 * MS, -1, 99, 50), depth(9 * SECOND, 1, 99, 1)]
    batch = make_batch(make_tape(rows), instrument=SLOW, seconds=1.0)
    batch.advance(0, T0 + SECOND - MS)
    limit(batch, 1, 100, 2.0)
    market(batch, 1, 1.0)
    assert batch.advance(0, T0 + SECOND) == codes.ENDED
    a: Any = batch.accounts[0]
    assert a.ending == common.WINDOW_END
    assert now(batch) == SECOND - MS + 12 * MS
    events = batch.drain()[2:]
    assert kinds(events) == [codes.ACCEPTED, codes.EXECUTED, codes.CANCELLED]
    assert events["arrival_ts"][1] == T0 + SECOND + 4 * MS
    assert events["reason"][2] == common.END_OF_EPISODE
    assert (a.num_orders, a.reserved, batch.positions[0, 0].qty) == (0, 0.0, 1.0)
    assert batch.lanes[0, 0].local_row == 6  # nothing past the end is shown


def test_v10_the_data_may_end_before_the_window() -> None:
    batch = make_batch(make_tape([*opening(), depth(SECOND, 1, 99, 1)]), seconds=2.0)
    assert batch.advance(0, T0 + 3 * SECOND // 2) == codes.REACHED
    assert batch.advance(0, T0 + 9 * SECOND) == codes.ENDED
    assert (batch.accounts[0].ending, now(batch)) == (common.DATA_END, 2 * SECOND)


@pytest.mark.parametrize("wanted", [0, ANY])
def test_b10_truncate_ends_the_episode_when_the_agent_learns_of_the_gap(wanted: int) -> None:
    rows = [*opening(), (30 * MS, 40 * MS, codes.GAP, 0, 0, 0), depth(SECOND, 1, 99, 1)]
    batch = make_batch(make_tape(rows), stale_policy=codes.TRUNCATE)
    limit(batch, 1, 90, 1.0)
    stops(batch, SECOND, wanted)
    a: Any = batch.accounts[0]
    assert (a.ending, now(batch), a.num_gaps, a.num_orders) == (common.DATA_END, 40 * MS, 1, 0)


def test_b10_gaps_are_counted_when_time_leaps_over_them() -> None:
    gap = (codes.GAP, 0, 0, 0)
    snapshot = (codes.SNAPSHOT, 1, 100, 3)
    rows = [*opening(), (5, 6, *gap), (7, 8, *gap), (9, 10, *snapshot), (20, 21, *gap)]
    batch = make_batch(make_tape(rows))
    batch.advance(0, T0 + 20)
    assert batch.accounts[0].num_gaps == 1  # the second came while the book was stale
    batch.advance(0, T0 + 21)
    assert batch.accounts[0].num_gaps == 2


@pytest.mark.parametrize("stale_policy", [codes.HOLD, codes.TRUNCATE])
def test_b10_the_stale_stretch_of_the_start_is_counted_and_ends_no_episode(
    stale_policy: int,
) -> None:
    gap = (codes.GAP, 0, 0, 0)
    snapshot = (codes.SNAPSHOT, 1, 100, 3)
    rows = [*opening(), (-9, -8, *gap), (9, 10, *snapshot), (20, 21, *gap), depth(50, 1, 99, 1)]
    batch = make_batch(make_tape(rows), stale_policy=stale_policy)
    assert batch.accounts[0].num_gaps == 1
    assert batch.advance(0, T0 + 20) == codes.REACHED
    assert batch.accounts[0].num_gaps == 1
    batch.advance(0, T0 + 40)
    assert batch.accounts[0].num_gaps == 2
    truncated = stale_policy == codes.TRUNCATE
    assert (batch.accounts[0].ending == common.DATA_END) == truncated
    assert now(batch) == (21 if truncated else 40)


def test_a_full_event_ring_stops_the_advance_until_it_is_drained_and_loses_nothing() -> None:
    rows = [*opening(), *(trade(k * MS, -1, 100, 3) for k in range(1, 60))]
    whole = make_batch(make_tape(rows))
    small = make_batch(make_tape(rows), batch={"event_capacity": 8})
    pieces = []
    for batch in (whole, small):
        limit(batch, 1, 100, 70.0)
        while batch.advance(0, T0 + SECOND // 2) == codes.EVENTS_FULL:
            pieces.append(batch.drain())
    pieces.append(small.drain())
    assert len(pieces) > 2
    assert np.concatenate(pieces).tobytes() == whole.drain().tobytes()


def test_a_ring_that_is_not_recorded_keeps_the_last_events() -> None:
    rows = [*opening(), *(trade(k * MS, -1, 100, 3) for k in range(1, 60))]
    batch = make_batch(make_tape(rows), batch={"event_capacity": 8, "record_all": False})
    limit(batch, 1, 100, 70.0)
    assert batch.advance(0, T0 + SECOND // 2) == codes.REACHED
    events = batch.drain()
    assert len(events) == 8
    assert (np.diff(events["exch_ts"]) > 0).all()
    assert events["leaves"][-1] == 0.0


def test_a_ring_of_reports_that_cannot_be_delivered_is_said() -> None:
    rows = [*opening(lots=1000), *(trade(k * MS, -1, 99, 3) for k in range(1, 60))]
    batch = make_batch(
        make_tape(rows),
        instrument={"latency_model": 1, "response_ns": 1e12},
        batch={"report_slots": 16},
    )
    for _ in range(12):
        limit(batch, 1, 100, 1.0)
    assert batch.advance(0, T0 + SECOND) == codes.REPORTS_FULL


def busy_rows(rng: np.random.Generator, count: int = 120) -> list[Row]:
    rows = opening(lots=4)
    last = 0
    for _ in range(count):
        last += int(rng.integers(0, 30)) * MS
        side = int(rng.choice([-1, 1]))
        if rng.random() < 0.4:
            rows.append(trade(last, side, int(rng.integers(98, 104)), int(rng.integers(1, 9)), MS))
        else:
            tick = int(rng.integers(97, 101) if side > 0 else rng.integers(101, 105))
            rows.append(depth(last, side, tick, int(rng.integers(0, 6)), MS))
    return rows


def play(
    rows: list[list[Row]], script: list[tuple[int, int, int]], cut: int, wanted: int
) -> tuple[bytes, bytes]:
    """Place the same orders at the same times, advancing in pieces of some length."""
    batch = make_batch(*(make_tape(each) for each in rows), instrument=SLOW, margin=1, seconds=3.0)
    for k, (side, tick, qty) in enumerate(script):
        limit(batch, side, tick, float(qty), s=k % len(rows))
        goal = (k + 1) * 60 * MS
        code = codes.STOPPED
        # Stopped at the goal's own time there may be more of it to come (B2).
        while code == codes.STOPPED or (code != codes.ENDED and now(batch) < goal):
            code = batch.advance(0, T0 + min(now(batch) + cut, goal), wanted)
    while batch.advance(0, T0 + 3 * SECOND, wanted) == codes.STOPPED:
        pass
    return batch.drain().tobytes(), batch.positions.tobytes()


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    script=st.lists(
        st.tuples(st.sampled_from([-1, 1]), st.integers(98, 103), st.integers(1, 5)),
        min_size=1,
        max_size=12,
    ),
    cut=st.integers(1, 200),
    wanted=st.integers(0, ANY),
)
def test_b3_how_often_the_agent_looks_changes_nothing_that_happens(
    seed: int, script: list[tuple[int, int, int]], cut: int, wanted: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = [busy_rows(rng), busy_rows(rng)]
    assert play(rows, script, cut * MS, wanted) == play(rows, script, 3 * SECOND, 0)


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_b6_a_lane_more_changes_no_fill_of_another(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, other = busy_rows(rng), busy_rows(rng)
    script = [(int(rng.choice([-1, 1])), int(rng.integers(98, 104)), 2) for _ in range(8)]
    journals = []
    for tapes in ([rows], [rows, other]):
        batch = make_batch(
            *(make_tape(each) for each in tapes), instrument=SLOW, margin=1, seconds=3.0
        )
        for k, (side, tick, qty) in enumerate(script):
            for s in range(len(tapes)):
                limit(batch, side, tick, float(qty), s=s, tag=k)
            while batch.advance(0, T0 + (k + 1) * 60 * MS, codes.ON_REPORT) == codes.STOPPED:
                pass
        batch.advance(0, T0 + 3 * SECOND)
        events = batch.drain()
        names = [name for name in events.dtype.names if name != "order_id"]
        journals.append(events[events["lane"] == 0][names].tolist())
    assert str(journals[0]) == str(journals[1])
