"""The chance of a fill: against scipy's incomplete gamma, and futures drawn at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammainc

from seq_gym._jit import kernel
from seq_gym.engine.book.features_fill import fill_probability, hopeless_lots


@given(
    ahead=st.floats(0.0, 1e5),
    rate=st.floats(1e-6, 1e3),
    lots=st.floats(1e-2, 1e4),
    horizon=st.floats(1e-3, 600.0),
)
def test_it_is_the_regularised_incomplete_gamma(
    ahead: float, rate: float, lots: float, horizon: float
) -> None:
    truth = gammainc(1.0 + ahead / lots, rate * horizon)
    assert fill_probability(ahead, rate, lots, horizon) == pytest.approx(truth, abs=1e-4)


def test_it_is_the_share_of_drawn_futures_in_which_prints_reach_the_order() -> None:
    rng = np.random.default_rng(0)
    prints = rng.poisson(3.0 * 2.5, 200_000)
    for queue in (0, 3, 8):
        share = float((prints * 4 > queue * 4).mean())  # each print takes 4 lots
        assert fill_probability(queue * 4.0, 3.0, 4.0, 2.5) == pytest.approx(share, abs=5e-3)


def test_nothing_ahead_waits_for_one_print() -> None:
    assert fill_probability(0.0, 0.2, 5.0, 3.0) == pytest.approx(1 - math.exp(-0.6), rel=1e-12)


@pytest.mark.parametrize(
    "arguments", [(5, 0, 1, 1), (5, 1, 0, 1), (5, 1, 1, 0), (5, math.nan, 1, 1)]
)
def test_without_prints_size_or_time_there_is_no_fill(arguments: tuple[float, ...]) -> None:
    assert fill_probability(*map(float, arguments)) == 0.0


def test_it_falls_with_the_queue_and_rises_with_time_and_never_leaves_the_unit_interval() -> None:
    queues = [fill_probability(float(x), 7.0, 3.0, 20.0) for x in np.linspace(0, 3_000, 400)]
    times = [fill_probability(400.0, 7.0, 3.0, float(x)) for x in np.linspace(0, 200, 400)]
    assert (np.diff(queues) <= 1e-4).all()
    assert (np.diff(times) >= -1e-4).all()
    assert min(queues + times) >= 0.0
    assert max(queues + times) <= 1.0


@kernel
def _hopeless(rate: float, size: float, horizon_s: float) -> float:
    return hopeless_lots(rate, size, horizon_s)


def test_an_order_behind_the_hopeless_lots_has_a_chance_below_one_in_a_million() -> None:
    for expected in np.geomspace(1e-3, 1e4, 200):
        lots = _hopeless(float(expected), 4.0, 1.0)
        assert gammainc(lots / 4.0, expected) < 1e-6
        assert fill_probability(lots, float(expected), 4.0, 1.0) == 0.0
    assert _hopeless(0.0, 4.0, 1.0) == _hopeless(3.0, 0.0, 1.0) == 0.0
