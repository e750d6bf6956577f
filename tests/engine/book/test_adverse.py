"""Z1: passive fills are scored, skipped or worsened; one draw each, from the stream of the lane."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym._random import draw_uniform
from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.scores import scored
from seq_gym.engine.layout import Table
from tests.engine.book.bench import BUY, SELL, Row, ask, bid, trade
from tests.engine.book.scripts import executions
from tests.engine.book.worlds import START, columns_of, instruments, params, tape_of

LIMIT = common.LIMIT
ON = {"adverse": 1, "adverse_bias": 2.0, "adverse_skip_rate": 0.3, "adverse_penalty": 0.5}
PRICE = 10_000


def toxicity_of(score: float, bias: float = 2.0) -> float:
    return 1.0 / (1.0 + math.exp(bias - score))


def prints(count: int, lots: int = 1, spread: int = 4) -> list[Row]:
    """A book nobody else rests in, and sells that hit the bid one by one."""
    rows = [bid(0, PRICE, 0), bid(0, PRICE - 1, 1), ask(0, PRICE + spread - 1, 1)]
    return rows + [trade(20 + i, SELL, PRICE, lots) for i in range(count)]


def batch_of(
    *feeds: list[Row], scores: Any = None, side: int = BUY, **rules: Any
) -> tuple[BookBatch, list[Table]]:
    """Let an order of a million lots rest on each lane, and everything happen to it."""
    tapes = [tape_of(columns_of(rows)) for rows in feeds]
    if scores is not None:
        tapes = [
            scored(t, toxicity=np.tile(np.array(scores, np.float32), (t.num_venue_rows, 1)))
            for t in tapes
        ]
    rules = {"starting_balance": 1e15, **ON, **rules}
    seed = rules.pop("seed", 1)
    batch = BookBatch(tapes, instruments(len(tapes)), params(**rules), event_capacity=1 << 16)
    batch.reset(0, START, START + 900_000_000, seed=seed)
    for s in range(len(tapes)):
        request = batch.request(0, s, side)
        request.type, request.tick, request.qty = LIMIT, PRICE, 1e6
        batch.place(0, s)
    batch.advance(0, START + 800_000_000)
    fills = executions(batch.drain(0))
    return batch, [fills[fills["lane"] == s] for s in range(len(tapes))]


def test_z1_off_every_print_fills_at_the_limit() -> None:
    batch, (fills,) = batch_of(prints(50), scores=[5, 5, 5, 5], adverse=0)
    assert len(fills) == 50
    assert (fills["price"] == PRICE).all()
    assert int(batch.lanes[0, 0].draws_adverse) == 0


@pytest.mark.parametrize(
    ("score", "skipped"), [(-20.0, 0.0), (0.0, toxicity_of(0.0)), (1.0, toxicity_of(1.0))]
)
def test_z1_the_skip_frequency_is_the_probability(score: float, skipped: float) -> None:
    scores = [-5, -5, -5, -5] if score < 0 else [0, score, 0, 0]
    side = SELL if score < 0 else BUY  # a falling flow endangers buys, not sells
    rows = [
        (*r[:3], -r[3], *r[4:]) if r[2] == codes.TRADE and side == SELL else r
        for r in prints(4_000)
    ]
    if side == SELL:
        rows[:3] = [ask(0, PRICE, 0), ask(0, PRICE + 1, 1), bid(0, PRICE - 4, 1)]
    batch, (fills,) = batch_of(rows, scores=scores, side=side)
    assert int(batch.lanes[0, 0].draws_adverse) == 4_000
    assert 1.0 - len(fills) / 4_000 == pytest.approx(skipped, abs=4 * 0.5 / math.sqrt(4_000))
    if skipped == 0.0:
        assert len(fills) == 4_000


@pytest.mark.parametrize("rate", [0.3, 0.1, 0.0])
def test_z1_never_more_than_skip_rate_is_skipped(rate: float) -> None:
    _, (fills,) = batch_of(prints(4_000), scores=[-5, 5, 5, 5], adverse_skip_rate=rate)
    assert 1.0 - len(fills) / 4_000 == pytest.approx(rate, abs=0.03 if rate else 0.0)


def test_z1_the_draws_are_those_of_the_lane_counted_by_scored_fill() -> None:
    batch, (fills,) = batch_of(prints(200), seed=7)
    stream = int(batch.instruments[0].stream_adverse)
    kept = [draw_uniform(7, stream, k) >= toxicity_of(0.0) for k in range(200)]
    at = [int(ts) - START - 20 for ts in fills["exch_ts"]]
    assert at == [k for k in range(200) if kept[k]]


def test_z3_the_draws_of_one_lane_do_not_depend_on_another() -> None:
    _, (alone,) = batch_of(prints(300))
    _, (first, second) = batch_of(prints(300), prints(77, lots=2))
    assert np.array_equal(alone["exch_ts"], first["exch_ts"])
    assert np.array_equal(alone["price"], first["price"])
    assert not np.array_equal(first["exch_ts"][:50], second["exch_ts"][:50])


@given(
    flow=st.floats(-5, 5), volatility=st.floats(-5, 5), spread=st.integers(2, 9),
    side=st.sampled_from([BUY, SELL]), penalty=st.floats(0, 3),
)  # fmt: skip
def test_z1_the_price_is_worse_by_penalty_x_toxicity_x_half_spread(
    flow: float, volatility: float, spread: int, side: int, penalty: float
) -> None:
    flow, volatility = float(np.float32(flow)), float(np.float32(volatility))
    rows = [
        bid(0, PRICE - 1 if side == BUY else PRICE - spread + 1, 1),
        ask(0, PRICE + 1 if side == SELL else PRICE + spread - 1, 1),
        trade(20, -side, PRICE, 5),
    ]
    rules = {"adverse_skip_rate": 0.0, "adverse_penalty": penalty}
    _, (fills,) = batch_of(rows, scores=[flow, volatility, 0, 0], side=side, **rules)
    toxicity = toxicity_of(-side * flow + volatility)
    worse = min(penalty * toxicity * 0.5 * spread, codes.ADVERSE_MOST_FRAC * PRICE)
    assert float(fills["price"][0]) == pytest.approx(PRICE + side * worse, abs=1e-9)
    assert int(fills["tick"][0]) == PRICE, "the tick is the limit's"


def test_z1_a_skipped_print_is_lost_and_the_order_stays_first_in_its_queue() -> None:
    seed = next(k for k in range(99) if _first_is_skipped(k))
    rows = [bid(0, PRICE, 3), ask(0, PRICE + 1, 1), trade(20, SELL, PRICE, 5)]
    rows += [trade(30, SELL, PRICE, 1)]
    batch, (fills,) = batch_of(rows, seed=seed, queue_model=codes.RISK_AVERSE)
    assert int(batch.lanes[0, 0].draws_adverse) == 2
    assert [(int(f["exch_ts"]) - START, float(f["qty"])) for f in fills] == [(30, 1.0)]


def _first_is_skipped(seed: int) -> bool:
    stream = int(instruments(1)[0].stream_adverse)
    first, second = (draw_uniform(seed, stream, k) for k in (0, 1))
    return first < toxicity_of(0.0) <= second


def test_m3_a_spot_buy_reserves_the_worst_price_so_that_cash_stays_above_zero() -> None:
    most = {"adverse_skip_rate": 0.0, "adverse_penalty": 100.0, "margin": 0}
    need = PRICE * 1e6 * (1.0 + codes.ADVERSE_MOST_FRAC) * (1.0 + 1e-12)
    rows = prints(1, lots=2_000_000)
    batch, (fills,) = batch_of(rows, scores=[-5, 5, 5, 5], starting_balance=need, **most)
    assert float(fills["qty"].sum()) == 1e6
    assert float(fills["price"][0]) == pytest.approx(PRICE * (1 + codes.ADVERSE_MOST_FRAC))
    assert abs(float(batch.accounts[0].cash)) < 1e-9 * need
    batch, (fills,) = batch_of(rows, starting_balance=0.9999 * need, **most)
    assert len(fills) == 0
    assert batch.last_reason == common.INSUFFICIENT_BALANCE


def test_z1_a_cross_is_scored_as_the_mean_print() -> None:
    rows = [bid(0, PRICE - 3, 1), ask(0, PRICE + 1, 9), ask(20, PRICE, 4)]
    batch, (fills,) = batch_of(rows, adverse_skip_rate=0.0)
    assert int(batch.lanes[0, 0].draws_adverse) == 1
    assert float(fills["qty"][0]) == 4.0
    assert float(fills["price"][0]) == pytest.approx(PRICE + 0.5 * toxicity_of(0.0) * 0.5 * 4)
