"""L2's latency factor and Z1's toxicity scores: against plain sums, causal, within their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.engine.book.codes import DEPTH, TRADE
from seq_gym.engine.book.features import measure
from seq_gym.engine.book.scores import latency_scale, scored, toxicity
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.errors import ConfigError

SECOND = 10**9
START = 1_700_000_000 * SECOND
FEED = 5_000_000


def market(seed: int, seconds: int, per_second: int = 3, burst: float = 1.0) -> dict[str, Any]:
    """A book of two quotes that move, `burst` times as far in its last third."""
    rng = np.random.default_rng(seed)
    count = seconds * per_second
    ts = rng.integers(0, seconds * SECOND, count)
    ts[::5] -= (ts[::5] + FEED) % SECOND  # seen on a whole second
    ts = START + np.sort(ts)
    step = np.where(np.arange(count) > 2 * count // 3, burst, 1.0)
    mids = np.round(50_000 + np.cumsum(rng.normal(size=count) * 3 * step)).astype(np.int64)
    rows = []
    bid, ask = 0, 0
    for stamp, mid in zip(ts.tolist(), mids.tolist(), strict=True):
        wide = int(rng.integers(1, 4))
        if bid:
            rows += [(stamp, DEPTH, 1, bid, 0), (stamp, DEPTH, -1, ask, 0)]
        bid, ask = mid - wide, mid + wide
        rows += [(stamp, DEPTH, 1, bid, int(rng.integers(1, 50)))]
        rows += [(stamp, DEPTH, -1, ask, int(rng.integers(1, 50)))]
        rows += [(stamp, TRADE, 1, ask, 1)]
    exch, kind, side, tick, lots = (np.array(x, np.int64) for x in zip(*rows, strict=True))
    return {
        "exch_ts": exch, "local_ts": exch + FEED, "kind": kind.astype(np.int8),
        "side": side.astype(np.int8), "tick": tick, "lots": lots,
    }  # fmt: skip


def first(columns: dict[str, Any], count: int) -> BookTape:
    return prepare_tape(**{name: column[:count] for name, column in columns.items()})


def plain_factor(tape: BookTape, row: int, window: int, beta: float) -> float:
    rows = tape.local_rows
    ts = int(rows["ts"][row])
    known = int(rows["ts"][np.flatnonzero((rows["bid"] > 0) & (rows["ask"] < 2**30))[0]])
    seconds = range(-(-known // SECOND), (ts - 1) // SECOND + 1)
    mids = []
    for second in seconds:
        last = np.searchsorted(rows["ts"], second * SECOND, "right") - 1
        mids.append((int(rows["bid"][last]) + int(rows["ask"][last])) / 2)
    squares = np.diff(np.log(mids)) ** 2
    if len(squares) < window:
        return 1.0
    return float(np.clip((squares[-window:].mean() / squares.mean()) ** (beta / 2), 0.5, 4.0))


def test_l2_the_factor_is_the_ratio_of_volatilities_to_a_power() -> None:
    tape = prepare_tape(**market(1, 120, burst=4.0))
    factor = latency_scale(tape, beta=0.7, window_s=20)
    assert factor.dtype == np.float32
    assert factor.shape == (tape.num_local_rows,)
    rows = np.random.default_rng(0).integers(0, tape.num_local_rows, 60)
    truth = [plain_factor(tape, int(row), 20, 0.7) for row in rows]
    assert factor[rows] == pytest.approx(truth, rel=1e-6)
    assert (factor[:100] == 1.0).all()
    assert factor[-50:].min() > 1.1  # the burst


def test_l2_a_reference_of_ones_own_and_the_bounds() -> None:
    tape = prepare_tape(**market(2, 60))
    free = {"low": 1e-9, "high": 1e9, "window_s": 10}
    one, two = (latency_scale(tape, beta=1.0, reference=x, **free) for x in (0.5, 1.0))
    full = one != 1.0
    assert full.any()
    assert one[full] == pytest.approx(2 * two[full], rel=1e-6)
    assert latency_scale(tape, beta=1.0, reference=1e-6, window_s=10).max() == 4.0
    assert latency_scale(tape, beta=1.0, reference=1e6, window_s=10).min() == 0.5
    assert (latency_scale(tape, beta=0.0, window_s=10) == 1.0).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"low": 0.0}, "0 < low <= 1"),
        ({"high": 0.9}, "0 < low <= 1"),
        ({"beta": -1.0}, "beta must not be negative"),
        ({"window_s": 0}, "at least 1"),
        ({"reference": 0.0}, "above 0"),
    ],
)
def test_l2_arguments_out_of_range_are_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        latency_scale(prepare_tape(**market(1, 3)), **arguments)


@given(seed=st.integers(0, 2**32), cut=st.floats(0.1, 0.9))
@settings(max_examples=10)
def test_scores_of_a_row_do_not_know_the_rows_after_it(seed: int, cut: float) -> None:
    columns = market(seed, 90)
    count = int(cut * len(columns["kind"]))
    whole, part = first(columns, len(columns["kind"])), first(columns, count)
    assert np.array_equal(
        latency_scale(whole, window_s=10)[:count], latency_scale(part, window_s=10)
    )
    # The venue's clock has trades first: only whole stamps stand where they stood.
    same = np.flatnonzero(part.venue_rows["ts"] < part.venue_rows["ts"][-1])
    assert np.array_equal(toxicity(whole)[same], toxicity(part)[same])


def test_z1_a_row_is_scored_by_what_was_before_its_stamp() -> None:
    columns = market(3, 90)
    later = {name: column.copy() for name, column in columns.items()}
    last = columns["exch_ts"] == columns["exch_ts"][-1]
    later["lots"][last] *= 1_000
    ours, theirs = toxicity(prepare_tape(**columns)), toxicity(prepare_tape(**later))
    assert np.array_equal(ours[:, :3], theirs[:, :3])
    assert np.abs(ours[-1]).max() > 0
    before = np.sort(columns["exch_ts"]) < columns["exch_ts"][-1]
    assert np.array_equal(ours[before], theirs[before])
    assert theirs[~before, 3].max() == 5.0, "the size of a print is its own"


def test_z1_the_size_of_a_print_is_against_the_mean_of_those_before_its_stamp() -> None:
    rng = np.random.default_rng(2)
    ts = START + np.sort(rng.integers(0, 200 * SECOND // 50, 300)) * 50
    ts[100:103] = ts[100]
    lots = rng.integers(1, 40, 300)
    lots[200] = 100_000
    kinds = np.where(rng.random(300) < 0.7, TRADE, DEPTH).astype(np.int8)
    kinds[[0, 100, 101, 102, 200]] = TRADE
    tape = prepare_tape(
        exch_ts=ts, local_ts=ts, kind=kinds, side=np.ones(300, np.int8), tick=np.full(300, 9),
        lots=lots,
    )  # fmt: skip
    sizes, rows = toxicity(tape)[:, 3], tape.venue_rows
    prints = rows[rows["kind"] == TRADE]
    for row, size in zip(rows, sizes, strict=True):
        past = prints[prints["ts"] < row["ts"]]
        if row["kind"] != TRADE or row["ts"] < prints["ts"][0] + 60 * SECOND:
            assert size == 0.0
            continue
        mean = np.average(past["lots"], weights=0.5 ** ((row["ts"] - past["ts"]) / (300 * SECOND)))
        assert size == pytest.approx(min(row["lots"] / mean - 1.0, 5.0), rel=1e-5, abs=1e-6)
    assert sizes.max() == 5.0


def test_scored_tapes_share_their_memory_and_leave_the_tape_alone() -> None:
    tape = prepare_tape(**market(3, 5))
    scale = np.full(tape.num_local_rows, 2.0, np.float32)
    with_scale = scored(tape, latency_scale=scale)
    assert int(tape.record.latency_scale) == 0
    assert int(with_scale.record.latency_scale) != 0
    assert int(with_scale.record.toxicity) == 0
    assert with_scale.venue_rows is tape.venue_rows
    with pytest.raises(ConfigError, match="toxicity must be of shape"):
        scored(tape, toxicity=scale)


def test_z1_scores_are_deviations_from_the_means_of_the_time_before() -> None:
    columns = market(6, 300)
    tape = prepare_tape(**{**columns, "local_ts": columns["exch_ts"]})
    stamps = np.unique(tape.venue_rows["ts"])
    names = ["ofi_ewma_1", "realized_volatility_1m", "spread_bps"]
    x = measure(tape, None, stamps - 1, names).astype(np.float64)[1:]  # known after the first
    scores = toxicity(tape)[np.searchsorted(tape.venue_rows["ts"], stamps)][1:]
    for last in (400, 650, 850):
        held = np.diff(stamps[1 : last + 2])  # under 300 s a plain mean over time
        mean = np.average(x[:last], axis=0, weights=held) * [0, 1, 1]
        square = np.average((x[:last] - mean) ** 2, axis=0, weights=held)
        deviation = np.maximum(np.sqrt(square), 0.1 * mean)
        truth = np.clip((x[last] - mean) / deviation, -5, 5)
        assert scores[last, :3] == pytest.approx(truth, rel=1e-4, abs=1e-5)


def test_z1_scores_are_centred_bounded_and_silent_in_the_first_minute() -> None:
    tape = prepare_tape(**market(4, 600))
    scores = toxicity(tape)
    ts = tape.venue_rows["ts"]
    assert scores.shape == (tape.num_venue_rows, 4)
    scores = scores[:, :3]
    assert not scores[ts < ts[0] + 60 * SECOND].any()
    late = scores[ts > ts[0] + 120 * SECOND]
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() <= 5.0
    assert (np.abs(late.mean(axis=0)) < 0.7).all()
    assert ((late.std(axis=0) > 0.4) & (late.std(axis=0) < 2.0)).all()


def test_z1_a_rush_of_buyers_and_a_wider_spread_score_above_zero() -> None:
    stamps = START + np.arange(1_200) * SECOND // 10
    rng = np.random.default_rng(5)
    lots = rng.integers(40, 60, 1_200)
    lots[1_150:] += np.arange(50) * 500  # bids pile up at the end
    rows = [(START, DEPTH, -1, 1_010, 5), (START, DEPTH, -1, 1_030, 5)]
    rows += [(int(ts), DEPTH, 1, 1_000, int(q)) for ts, q in zip(stamps, lots, strict=True)]
    rows += [(int(stamps[-1]) + 1, DEPTH, -1, 1_010, 0), (int(stamps[-1]) + 2, TRADE, 1, 1_030, 1)]
    exch, kind, side, tick, held = (np.array(x, np.int64) for x in zip(*rows, strict=True))
    tape = prepare_tape(
        exch_ts=exch, local_ts=exch, kind=kind.astype(np.int8), side=side.astype(np.int8),
        tick=tick, lots=held,
    )  # fmt: skip
    before, last = toxicity(tape)[[-2, -1]]
    assert before[0] > 3.0
    assert before[2] == 0.0
    assert last[2] == 5.0


def test_a_tape_without_a_two_sided_book_has_factors_of_one_and_no_scores() -> None:
    ts = START + np.arange(3)
    ones = np.ones(3, np.int64)
    tape = prepare_tape(
        exch_ts=ts, local_ts=ts, kind=np.zeros(3, np.int8), side=np.ones(3, np.int8), tick=ones,
        lots=ones,
    )  # fmt: skip
    assert (latency_scale(tape) == 1.0).all()
    assert not toxicity(tape).any()
