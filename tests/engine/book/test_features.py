"""Book features: kernels against the slow twin, causality, checkpoints, real recordings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine.book.codes import NEVER
from seq_gym.engine.book.features import BookFeatures, event_times, measure
from seq_gym.engine.book.features_table import (
    BOOK_FEATURE_SETS,
    BOOK_FEATURES,
    book_feature_names,
)
from seq_gym.engine.book.layout import INSTRUMENT
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.engine.layout import new_table
from seq_gym.errors import ConfigError, UnknownName
from tests.engine.book.features_twin import (
    CLEAR,
    DEPTH,
    GAP,
    SECOND,
    SNAPSHOT,
    STATUS,
    TRADE,
    Row,
    twin_features,
)

EVERY = tuple(BOOK_FEATURES)
START = 1_700_000_000 * SECOND


def tape_of(rows: list[Row]) -> BookTape:
    ts, kind, side, tick, lots = (np.array(x, np.int64) for x in zip(*rows, strict=True))
    return prepare_tape(
        exch_ts=ts, local_ts=ts, kind=kind.astype(np.int8), side=side.astype(np.int8), tick=tick,
        lots=lots,
    )  # fmt: skip


def stream(seed: int, count: int, seconds: float, *, rough: bool = True) -> list[Row]:
    """A random feed around a wandering price; rough: clears, gaps, halts, crossed levels."""
    rng = np.random.default_rng(seed)
    stamps = rng.integers(0, int(seconds * SECOND), count // 3)
    # Some stand on the very times at which features are asked for.
    stamps[::3] -= stamps[::3] % (SECOND // 4)
    stamps = START + np.sort(stamps)
    middle = 10_000.0
    rows: list[Row] = []
    for ts in stamps.tolist():
        middle += rng.normal() * 2
        for _ in range(rng.integers(1, 6)):
            side = int(rng.choice((1, -1)))
            away = int(rng.integers(-1 if rough else 1, 16))
            lots = int(rng.choice((0, rng.integers(1, 40))))
            draw = rng.random()
            tick = round(middle) - side * away
            if draw < 0.25:
                rows.append((ts, TRADE, int(rng.choice((1, -1, 0))), tick, int(rng.integers(0, 9))))
            elif rough and draw < 0.27:
                rows.append((ts, CLEAR, int(rng.choice((1, -1, 0))), tick, 0))
            elif rough and draw < 0.28:
                rows.append((ts, GAP, 0, 0, 0))
            elif rough and draw < 0.29:
                rows.append((ts, STATUS, 0, 0, int(rng.integers(0, 2))))
            elif draw < 0.34:
                rows.append((ts, SNAPSHOT, side, tick, lots))
            else:
                rows.append((ts, DEPTH, side, tick, lots))
    return rows


def assert_like_twin(rows: list[Row], times: list[int], interval: int) -> None:
    values = measure(tape_of(rows), None, times, EVERY, interval_ns=interval)
    begins = [times[0] - interval, *times[:-1]]
    for row, now, since in zip(values, times, begins, strict=True):
        twin = twin_features(rows, now, since)
        wanted = np.array([twin[name] for name in EVERY])
        wrong = ~np.isclose(row, wanted, rtol=1e-6, atol=1e-6)
        assert not wrong.any(), {EVERY[j]: (row[j], wanted[j]) for j in np.flatnonzero(wrong)}


@given(seed=st.integers(0, 2**32), count=st.integers(3, 120), rough=st.booleans())
@settings(max_examples=30)
def test_the_kernels_equal_the_slow_twin(seed: int, count: int, rough: bool) -> None:
    seconds = 1.0 + seed % 7
    rows = stream(seed, count, seconds, rough=rough)
    step = SECOND // 4 * (1 + seed % 5)
    assert_like_twin(rows, [START + k * step for k in range(8)], step)


def test_the_kernels_equal_the_twin_over_minutes_with_windows_and_buckets_full() -> None:
    rows = stream(5, 1_500, 420.0)
    assert_like_twin(rows, [START + k * 405 * SECOND // 4 for k in (1, 4)], SECOND)
    features = BookFeatures(tape_of(rows))
    assert START + 250 * SECOND < features.known_from("vpin") < rows[-1][0]
    assert 0.0 < features.at(START + 405 * SECOND, "vpin")[0] < 1.0


def test_a_print_of_many_buckets_leaves_what_filling_them_lot_by_lot_leaves() -> None:
    rows: list[Row] = [(START, DEPTH, 1, 99, 5), (START, DEPTH, -1, 101, 5)]
    rows += [(START + k * SECOND + 1, TRADE, 1 - 2 * (k % 2), 100, 1) for k in range(70)]
    rows += [(START + 70 * SECOND, TRADE, 1, 101, 1_003)]
    rows += [(START + 71 * SECOND, TRADE, -1, 99, 12)]
    times = [START + 69 * SECOND, START + 141 * SECOND // 2, START + 72 * SECOND]
    assert_like_twin(rows, times, SECOND)


@pytest.mark.parametrize("names", [*BOOK_FEATURE_SETS, *BOOK_FEATURES])
def test_a_feature_asked_for_alone_is_the_column_of_all_of_them(names: str) -> None:
    rows = stream(11, 400, 90.0)
    tape = tape_of(rows)
    times = START + np.arange(0, 100, 7) * SECOND
    every = measure(tape, None, times, EVERY)
    wanted = [EVERY.index(name) for name in book_feature_names(names)]
    assert np.array_equal(measure(tape, None, times, names), every[:, wanted])


@given(seed=st.integers(0, 2**32), cut=st.integers(0, 100))
@settings(max_examples=15)
def test_b1_rows_after_t_change_nothing_at_t(seed: int, cut: int) -> None:
    rows = stream(seed, 150, 20.0)
    now = START + cut * SECOND // 5
    before = [row for row in rows if row[0] <= now]
    changed = before + [
        (ts + 10**6, *rest) for ts, *rest in stream(seed + 1, 150, 20.0) if ts > now
    ]
    if not before:
        return
    times = np.arange(START, now + 1, SECOND // 5)
    full = measure(tape_of(rows), None, times, EVERY)
    assert np.array_equal(full, measure(tape_of(changed), None, times, EVERY))
    assert np.array_equal(full, measure(tape_of(before), None, times, EVERY))


@given(seed=st.integers(0, 2**32), every=st.integers(1, 60))
@settings(max_examples=15)
def test_a_read_at_any_time_is_the_row_of_the_grid(seed: int, every: int) -> None:
    rows = stream(seed, 240, 30.0)
    tape = tape_of(rows)
    times = np.arange(START - SECOND, START + 34 * SECOND, SECOND // 4)
    grid = measure(tape, None, times, EVERY, interval_ns=SECOND // 4)
    features = BookFeatures(tape, checkpoint_rows=every)
    order = np.random.default_rng(seed).permutation(len(times))
    for k in (*order[:20], *range(40, 60)):
        row = features.at(int(times[k]), EVERY, interval_ns=SECOND // 4)
        assert np.array_equal(row, grid[k]), k


def test_the_feed_of_an_instrument_delays_what_is_known() -> None:
    rows = stream(3, 150, 20.0)
    tape = tape_of(rows)
    instrument: Any = new_table(INSTRUMENT, 1)[0]
    instrument.feed_ns = 300_000_000
    times = START + np.arange(20) * SECOND
    late = measure(tape, instrument, times + 300_000_000, EVERY)
    assert np.array_equal(late, measure(tape, None, times, EVERY))
    features = BookFeatures(tape, instrument)
    on_time = BookFeatures(tape)
    assert features.known_from("spread_bps") - on_time.known_from("spread_bps") == 300_000_000
    delays = event_times(tape, instrument, 4) - event_times(tape, None, 4)
    assert delays.size
    assert (delays == 300_000_000).all()


def test_e3_features_are_known_from_the_first_two_sided_book_and_a_full_look_back() -> None:
    rows: list[Row] = [(START + k * SECOND, DEPTH, 1, 100, 5) for k in range(4)]
    rows += [(START + k * SECOND, DEPTH, -1, 104, 3 + k) for k in range(4, 400)]
    features = BookFeatures(tape_of(rows))
    first = START + 4 * SECOND
    assert features.known_from("imbalance_1") == first
    assert features.known_from("default") == first + 60 * SECOND
    assert features.known_from(["spread_bps", "realized_volatility_5m"]) == first + 300 * SECOND
    assert features.known_from("realized_volatility_1h") == NEVER
    assert features.known_from("vpin") == NEVER  # no print
    assert not features.at(first - 1, EVERY).any()
    assert features.at(first, "spread_bps")[0] == pytest.approx(1e4 * 4 / 102)


def test_e3_a_book_that_is_never_two_sided_has_zeros_and_is_never_known() -> None:
    features = BookFeatures(tape_of([(START, DEPTH, 1, 100, 5), (START + 1, TRADE, -1, 100, 1)]))
    assert features.known_from("staleness") == NEVER
    assert not features.measure([START, START + 90 * SECOND], EVERY).any()


def test_a_tape_without_rows_has_zeros() -> None:
    none = np.zeros(0, np.int64)
    tape = prepare_tape(
        exch_ts=none, local_ts=none, kind=none.astype(np.int8), side=none.astype(np.int8),
        tick=none, lots=none,
    )  # fmt: skip
    features = BookFeatures(tape)
    assert features.known_from() == NEVER
    assert not features.measure([START], EVERY).any()
    assert not features.at(START, EVERY).any()
    assert measure(tape, None, [], "default").shape == (0, len(BOOK_FEATURE_SETS["default"]))
    assert not event_times(tape, None, 1).size


def test_order_flow_by_hand() -> None:
    rows: list[Row] = [
        (START, SNAPSHOT, 1, 99, 10),
        (START, SNAPSHOT, -1, 101, 10),
        (START + 1, DEPTH, 1, 100, 4),  # better bid: + 4
        (START + 2, DEPTH, 1, 100, 1),  # fewer at it: - 3
        (START + 3, DEPTH, 1, 100, 0),  # worse bid: - 1
        (START + 4, DEPTH, -1, 101, 25),  # more on offer: - 15
    ]
    level = 10.0  # at the whole second START
    flow = measure(tape_of(rows), None, [START, START + 9], ["ofi_1", "ofi_ewma_1"])
    assert flow[0].tolist() == [0.0, 0.0]  # a snapshot is no flow
    rate = 15 * math.log(2) / 10
    assert flow[1] == pytest.approx(
        [-math.log(1 + 15 / level), -math.log(1 + rate / level)], rel=1e-6
    )


def test_staleness_counts_from_the_last_row_about_the_book_and_flags_follow_b10() -> None:
    rows: list[Row] = [
        (START, DEPTH, 1, 99, 10),
        (START, DEPTH, -1, 101, 10),
        (START + 2 * SECOND, TRADE, 1, 101, 1),
        (START + 3 * SECOND, GAP, 0, 0, 0),
        (START + 4 * SECOND, STATUS, 0, 0, 0),
        (START + 5 * SECOND, SNAPSHOT, 1, 99, 3),
    ]
    times = START + np.arange(1, 7) * SECOND
    seen = measure(tape_of(rows), None, times, ["staleness", "book_stale", "halted"])
    assert np.expm1(seen[:, 0]) == pytest.approx([1, 2, 3, 4, 0, 1], abs=1e-6)
    assert seen[:, 1].tolist() == [0, 0, 1, 1, 0, 0]
    assert seen[:, 2].tolist() == [0, 0, 0, 1, 1, 1]


def test_decision_times_by_events_count_stamps_of_the_kind() -> None:
    rows: list[Row] = [(START + k // 2, DEPTH if k % 4 else TRADE, 1, 100, 1) for k in range(40)]
    tape = tape_of(rows)
    assert event_times(tape, None, 1).tolist() == [START + k for k in range(20)]
    assert event_times(tape, None, 7).tolist() == [START + 6, START + 13]
    assert event_times(tape, None, 3, "trade").tolist() == [START + 4, START + 10, START + 16]
    assert len(event_times(tape, None, 1, "book")) == 20
    with pytest.raises(UnknownName, match="'trade'"):
        event_times(tape, None, 1, "trades")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="at least 1"):
        event_times(tape, None, 0)


def test_names_are_checked_and_sets_are_made_of_features() -> None:
    with pytest.raises(UnknownName, match="imbalance_5"):
        book_feature_names("imbalance5")
    with pytest.raises(ConfigError, match="given twice"):
        book_feature_names(["default", "imbalance_1"])
    with pytest.raises(ConfigError, match="at least one"):
        book_feature_names([])
    with pytest.raises(ConfigError, match="ascend"):
        measure(tape_of(stream(1, 9, 1.0)), None, [START + 1, START])
    for names in BOOK_FEATURE_SETS.values():
        assert set(names) <= set(EVERY)
    for spec in BOOK_FEATURES.values():
        assert spec.low < spec.high
        assert spec.formula
        assert spec.unit
