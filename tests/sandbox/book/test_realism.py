"""The realism models on real recordings: what each does to money, prices and time (Z1, Z2, L2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.book.tape import book_tape
from seq_gym.sandbox.book.wiring import book_batch, lane_tape
from tests.sandbox.book.realism_cases import (
    latencies,
    make_markets,
    recording,
    sweeps,
)

REALISM = ("adverse_selection", "self_impact", "volatility_latency")
REBATE = {"maker_fee_frac": -1e-3}
"""No real fee: at 3 bps a maker on spot BTC earns more when its toxic fills are skipped."""


@pytest.fixture(params=["usdm/ethusdt", "spot/btcusdt"])
def events(request: pytest.FixtureRequest, shared_data: Path) -> BookEvents:
    """A recording of six minutes."""
    return recording(shared_data / "book" / "binance" / f"{request.param}_20240808.gz")


def test_z1_a_maker_earns_less_by_just_what_its_worse_prices_cost(events: BookEvents) -> None:
    off = make_markets(events)
    on = make_markets(events, adverse_selection=True, adverse_skip_rate=0.0)
    assert len(on.fills) == len(off.fills) == on.num_scored > 200
    same = ("order_id", "exch_ts", "local_ts", "qty", "tick", "side")
    assert all(np.array_equal(on.fills[name], off.fills[name]) for name in same)
    worse = (on.fills["price"] - off.fills["price"]) * on.fills["side"]
    assert (worse >= 0.0).all()
    assert (worse > 0.0).mean() > 0.99
    assert on.pnl == pytest.approx(off.pnl - on.worse, abs=1e-3)
    assert float(np.mean(worse)) > 0.01 * events.instrument.tick
    most = 0.5 * 0.5 * _spread_before(events, on.fills["exch_ts"])
    assert (worse <= most + 1e-9).all(), "half of half the spread is the most"


def _spread_before(events: BookEvents, exch_ts: Any) -> Any:
    """Return the widest spread at the last row before a stamp or at a row that bears it."""
    rows = book_tape(events).venue_rows
    spread = (rows["ask"].astype(float) - rows["bid"]) * events.instrument.tick
    first = np.searchsorted(rows["ts"], exch_ts, "left") - 1
    last = np.searchsorted(rows["ts"], exch_ts, "right")
    return np.array([spread[a:b].max() for a, b in zip(first, last, strict=True)])


def test_z1_skipped_fills_cost_a_maker_what_fills_are_worth(events: BookEvents) -> None:
    off = make_markets(events, **REBATE)
    runs = [make_markets(events, adverse_selection=True, seed=k, **REBATE) for k in range(4)]
    assert off.pnl > 0.0, "a fill is worth having"
    assert np.mean([run.pnl for run in runs]) < off.pnl
    assert np.mean([run.turnover for run in runs]) < off.turnover
    skipped = float(np.mean([run.skipped for run in runs]))
    assert 0.05 < skipped < 0.3


def test_z2_a_second_sweep_pays_for_the_first_until_its_hole_is_gone(events: BookEvents) -> None:
    waits = [0.0, 0.1, 1.0, 10.0]
    naive = sweeps(events, waits, times=6, fills="parity")
    strict = sweeps(events, waits, times=6)
    impact = sweeps(events, waits, times=6, self_impact=True)
    lasting = sweeps(events, waits, times=6, self_impact=True, permanent_impact=0.5)
    assert (strict[:, 0] > 0.0).all()
    assert (naive[:, 0] <= strict[:, 0] * (1.0 + 1e-9)).all(), "parity takes what prints took (F2b)"
    for other in (impact, lasting):
        assert other[:, 0] == pytest.approx(strict[:, 0], rel=1e-9), "the first meets no hole"
    assert np.abs(naive[:, 1:]).max() < 1e-9, "the tape of parity forgets me"
    assert (strict[:, 1] > 0.5 * strict[:, 0]).all(), "at once there is only what lies behind"
    assert impact[:, 1] == pytest.approx(strict[:, 1]), "at once nothing has refilled"
    assert (impact[:, 1:] <= strict[:, 1:] + 1e-9).all(), "holes refill, at the latest by the tape"
    mean = impact.mean(axis=0)
    assert mean[1] > mean[2] > mean[3] >= mean[4] >= 0.0
    assert mean[4] < 0.05 * mean[1]
    # Half of a move of more than twice the mean price of a sweep stays.
    stays = lasting[:, 4] - impact[:, 4]
    assert (stays > 0.25 * strict[:, 0]).all()


def test_l2_latency_follows_the_volatility_of_the_last_minute(events: BookEvents) -> None:
    _, ms, ratio = latencies(events, volatility_latency=True).T
    assert len(ms) > 250
    assert np.corrcoef(ms, ratio)[0, 1] > 0.9
    assert ms == pytest.approx(5.0 * np.sqrt(ratio), rel=1e-5)
    assert np.ptp(ms) > 0.2
    _, ms, _ = latencies(events, volatility_latency=True, volatility_bounds=(0.98, 1.03)).T
    assert ms.min() == pytest.approx(0.98 * 5.0, abs=1e-5)
    assert ms.max() <= 1.03 * 5.0 + 1e-5
    _, ms, _ = latencies(events).T
    assert (ms == 5.0).all()


# What the recordings are not needed for


@pytest.fixture(scope="module")
def synthetic() -> BookData:
    return BookData(books=(synthetic_book(seconds=90.0, seed=3),))


@pytest.mark.parametrize("name", REALISM)
@pytest.mark.parametrize("fills", ["parity", "parity_no_partial"])
def test_parity_refuses_realism(name: str, fills: Any) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be off under fills='{fills}'"):
        BookParams(fills=fills, **{name: True})


def test_off_is_the_shared_tape_and_on_leaves_it_alone(synthetic: BookData) -> None:
    (events,) = synthetic.books
    plain = book_tape(events)
    assert lane_tape(BookParams(), events) is plain
    assert lane_tape(BookParams(self_impact=True), events) is plain
    one = lane_tape(BookParams(volatility_latency=True, adverse_selection=True), events)
    two = lane_tape(BookParams(volatility_latency=True, volatility_beta=1.0), events)
    again = lane_tape(BookParams(volatility_latency=True), events)
    assert int(plain.record.latency_scale) == int(plain.record.toxicity) == 0
    assert int(two.record.toxicity) == 0
    assert int(one.record.latency_scale) == int(again.record.latency_scale), "measured once"
    assert int(one.record.latency_scale) != int(two.record.latency_scale)
    assert one.venue_rows is plain.venue_rows


def test_off_writes_the_same_records_as_no_word_of_it(synthetic: BookData) -> None:
    quiet = dict.fromkeys(REALISM, False)
    params = BookParams(adverse_bias=0.0, impact_half_life_s=9.0, volatility_beta=2.0, **quiet)
    batches = [book_batch(each, synthetic) for each in (BookParams(), params)]
    for batch in batches:
        row: Any = batch.params[0]
        assert int(row.adverse) == int(row.impact) == int(row.latency_scaled) == 0
        assert batch.seen.shape[2] == 1, "no table of what is seen"


def test_a_session_shows_itself_in_its_book_under_self_impact(synthetic: BookData) -> None:
    for shows in (False, True):
        session = BookSession.create(
            data=synthetic, account="margin", self_impact=shows, latency_model="none",
            adverse_selection=shows, volatility_latency=shows, impact_half_life_s=1e6,
        )  # fmt: skip
        session.start()
        session.advance("5s")
        before = session.book("BTCUSDT", 5)
        price, quantity = before.bids[0]
        session.place_order("BTCUSDT", "buy", quantity=0.002, price=price)
        session.place_order("BTCUSDT", "buy", "market", quantity=before.asks[0][1])
        session.advance(1)  # a nanosecond: no row of the market
        after = session.book("BTCUSDT", 5)
        if shows:
            assert after.bids[0] == (price, pytest.approx(quantity + 0.002))
            assert after.asks[:4] == before.asks[1:]
            assert session.nbbo("BTCUSDT").ask == before.asks[1][0]
        else:
            assert (after.bids, after.asks) == (before.bids, before.asks)
