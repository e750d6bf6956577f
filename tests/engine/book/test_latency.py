"""Latency (L1, L2, Z3): what a message takes, and that each draw belongs to its message alone."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym._jit import kernel
from seq_gym._random import draw_uniform
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.latency import (
    FOR_CANCEL,
    FOR_ENTRY,
    FOR_RESPONSE,
    latency_ns,
    normal_of,
)
from seq_gym.engine.book.tables import account_at, context_at
from tests.engine.book.desk import MS, SECOND, T0, depth, limit, make_batch, make_tape, opening


@kernel
def _latency(context: int, purpose: int, at: int) -> int:
    c = context_at(context, 0)
    return latency_ns(c, account_at(c.accounts, 0), 0, 0, purpose, at)


def latencies(batch: BookBatch, purpose: int, count: int = 1, at: int = T0) -> list[int]:
    return [int(_latency(batch.address, purpose, at)) for _ in range(count)]


def batch_of(**instrument: Any) -> BookBatch:
    return make_batch(make_tape(opening()), instrument=instrument)


LOG_NORMAL = {
    "latency_model": codes.LATENCY_LOG_NORMAL,
    "entry_ns": 5e6,
    "entry_sigma": 0.5,
    "cancel_ns": 3e6,
    "cancel_sigma": 0.2,
    "response_ns": 4e6,
    "response_sigma": 1.0,
}


@given(st.floats(1e-300, 1.0 - 1e-16, exclude_max=True))
def test_l1_the_normal_quantile_is_the_standard_librarys(u: float) -> None:
    expected = NormalDist().inv_cdf(max(u, 2.0**-53))
    assert normal_of(u) == pytest.approx(expected, rel=1e-13, abs=1e-15)


def test_l1_a_draw_of_zero_is_a_finite_number() -> None:
    assert normal_of(0.0) == NormalDist().inv_cdf(2.0**-53)


def test_l1_no_latency_is_none_at_all() -> None:
    batch = batch_of(latency_model=codes.LATENCY_NONE, entry_ns=7.0, response_ns=8.0)
    assert latencies(batch, FOR_ENTRY) == latencies(batch, FOR_RESPONSE) == [0]


def test_l1_entry_cancel_and_response_are_separate_constants_to_the_nearest_nanosecond() -> None:
    batch = batch_of(
        latency_model=codes.LATENCY_CONSTANT, entry_ns=1.5, cancel_ns=2.49, response_ns=-3.0
    )
    answers = [latencies(batch, purpose)[0] for purpose in (FOR_ENTRY, FOR_CANCEL, FOR_RESPONSE)]
    assert answers == [2, 2, 0]


def test_z3_the_nth_message_of_a_purpose_has_the_nth_draw_of_its_stream() -> None:
    batch = batch_of(**LOG_NORMAL)
    batch.reset(0, T0, T0 + SECOND, seed=77)
    entries = latencies(batch, FOR_ENTRY, 3) + latencies(batch, FOR_RESPONSE, 2)
    entries += latencies(batch, FOR_ENTRY, 1)
    expected = []
    for stream, number, median, sigma in (
        *((1, k, 5e6, 0.5) for k in range(3)),
        *((3, k, 4e6, 1.0) for k in range(2)),
        (1, 3, 5e6, 0.5),
    ):
        z = NormalDist().inv_cdf(draw_uniform(77, stream, number))
        expected.append(math.floor(median * math.exp(sigma * z) + 0.5))
    assert entries == expected


def test_l1_log_normal_has_its_median_and_its_sigma() -> None:
    batch = batch_of(**LOG_NORMAL)
    drawn = np.log(latencies(batch, FOR_ENTRY, 2000))
    assert np.exp(np.median(drawn)) == pytest.approx(5e6, rel=0.05)
    assert drawn.std() == pytest.approx(0.5, rel=0.05)


def test_l1_other_seeds_draw_other_latencies() -> None:
    batch = batch_of(**LOG_NORMAL)
    drawn = []
    for seed in (1, 2, 1):
        batch.reset(0, T0, T0 + SECOND, seed=seed)
        drawn.append(latencies(batch, FOR_ENTRY, 5))
    assert drawn[0] == drawn[2] != drawn[1]


RECORDED = np.array([[0, 10, 30], [100, 120, 130], [200, 240, 300]], np.int64)


@pytest.mark.parametrize(
    ("purpose", "at", "expected"),
    [
        (FOR_ENTRY, -50, 10),  # flat before the first request
        (FOR_ENTRY, 0, 10),
        (FOR_ENTRY, 50, 15),
        (FOR_CANCEL, 150, 30),
        (FOR_ENTRY, 199, 40),  # 39.8
        (FOR_ENTRY, 900, 40),  # flat after the last
        (FOR_RESPONSE, 5, 20),  # at exchange times 10, 120, 240
        (FOR_RESPONSE, 65, 15),
        (FOR_RESPONSE, 180, 35),
        (FOR_RESPONSE, 240, 60),
    ],
)
def test_l1_recorded_latency_is_linear_between_its_samples_and_flat_outside(
    purpose: int, at: int, expected: int
) -> None:
    batch = batch_of(
        latency_model=codes.LATENCY_RECORDED, recorded=RECORDED.ctypes.data, num_recorded=3
    )
    assert latencies(batch, purpose, at=at) == [expected]


def test_l2_the_factor_is_that_of_the_last_local_row_known_when_the_message_is_sent() -> None:
    rows = [depth(-SECOND, 1, 100, 5), depth(1 * MS, 1, 99, 5, lag=2 * MS), depth(9 * MS, 1, 98, 5)]
    scales = np.array([2.0, 0.5, 4.0], np.float32)
    batch = make_batch(
        make_tape(rows),
        instrument={"latency_model": codes.LATENCY_CONSTANT, "entry_ns": 100.0, "feed_ns": MS},
        latency_scaled=1,
    )
    tapes: Any = batch._records
    tapes["latency_scale"] = scales.ctypes.data
    assert [latencies(batch, FOR_ENTRY, at=T0 + at)[0] for at in (0, 4 * MS - 1, 4 * MS)] == [
        200,
        200,  # received at 3 ms, known a millisecond of feed later
        50,
    ]
    assert latencies(batch, FOR_ENTRY, at=T0 + 10 * MS) == [400]
    assert latencies(batch, FOR_ENTRY, at=T0 - 5 * SECOND) == [100]  # no row is known yet


def test_b4_requests_arrive_in_the_order_in_which_they_were_sent() -> None:
    batch = batch_of(**{**LOG_NORMAL, "entry_sigma": 2.0})
    batch.reset(0, T0, T0 + 60 * SECOND, seed=3)
    for k in range(20):
        limit(batch, 1, 90 - k, 1.0)
        batch.advance(0, T0 + (k + 1) * MS)
    batch.advance(0, T0 + 59 * SECOND)
    accepted = batch.drain()
    accepted = accepted[accepted["kind"] == codes.ACCEPTED]
    assert len(accepted) == 20
    assert (np.diff(accepted["arrival_ts"]) >= 0).all()
    assert (np.diff(accepted["local_ts"]) >= 0).all()
    assert (np.diff(accepted["order_id"]) == 1).all()
    free = accepted["arrival_ts"] - accepted["sent_ts"]
    assert (accepted["arrival_ts"][1:] == accepted["arrival_ts"][:-1]).any()  # some had to wait
    assert (free > 0).all()
