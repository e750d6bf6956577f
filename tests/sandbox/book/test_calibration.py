import math
from pathlib import Path

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers.bitstamp_l3 import read_order_csv
from seq_gym.market.book.orders import OrderFlow, OrderKind, book_of, lots_displayed
from seq_gym.market.book.phantoms import follow_arrivals, follow_touch
from seq_gym.market.book.queue_truth import NEVER, QueueTruth, follow_phantoms
from seq_gym.market.book.synthetic import synthetic_l3, synthetic_orders
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.calibration import QueueCalibration, calibrate_queue
from seq_gym.sandbox.book.queue_rows import queue_rows
from tests.market.book.slow_orders import Phantom, SlowBook

REST, ADD, CANCEL, FILL = OrderKind


@pytest.fixture(scope="module")
def synthetic() -> QueueCalibration:
    made = synthetic_l3(symbol="XRPUSDT", seconds=600, num_tracked=1500, seed=2)
    return calibrate_queue(made.orders, made.truth)


@pytest.fixture(scope="module")
def bitstamp(shared_data: Path) -> OrderFlow:
    return read_order_csv(shared_data / "book" / "bitstamp_l3" / "orders.csv.xz")


def one_queue() -> tuple[OrderFlow, QueueTruth]:
    """12 lots ahead of me; 3 join behind, 6 of those ahead are cancelled, then 4 and 3 trade."""
    rows = np.array(
        [
            (REST, 1, 100, 5, 0),
            (REST, 1, 100, 7, 1),
            (REST, -1, 101, 9, 2),
            (ADD, 1, 100, 3, 3),
            (CANCEL, 1, 100, 6, 1),
            (FILL, 1, 100, 5, 0),
            (FILL, 1, 100, 1, 1),
            (FILL, 1, 100, 2, 3),
        ]
    )
    message = np.maximum(np.arange(8) - 2, 0)
    flow = OrderFlow(
        instrument=Instrument(symbol="X", base="X", quote="Y", tick=1.0, lot=1.0),
        exch_ts=(message + 1) * 10**9,
        local_ts=(message + 1) * 10**9,
        message=message,
        kind=rows[:, 0].astype(np.int8),
        side=rows[:, 1].astype(np.int8),
        tick=rows[:, 2].astype(np.int32),
        lots=rows[:, 3],
        order=rows[:, 4],
    )
    at = np.array([3])
    return flow, follow_phantoms(flow, row=at, side=at * 0 + 1, tick=at * 0 + 100)


def test_b18_errors_of_one_queue_are_those_worked_out_by_hand() -> None:
    flow, truth = one_queue()
    report = calibrate_queue(flow, truth)
    # The level shows 15, 9, 4, 3 while I wait; truly ahead of me are 12, 6, 1, 0.
    risk_averse, aggressive, none = map(report.error, ("risk_averse", "aggressive", "none"))
    assert aggressive.ahead_error_frac == 0.0
    assert risk_averse.ahead_error_frac == pytest.approx((0 + 3 + 3 + 3) / 4 / 12)
    assert risk_averse.ahead_bias_frac == pytest.approx(risk_averse.ahead_error_frac)
    assert none.ahead_bias_frac == pytest.approx(-(12 + 6 + 1 + 0) / 4 / 12)
    # I am filled by the third print; whoever is nowhere in the queue by the first.
    assert report.true_fills_frac == aggressive.fills_frac == none.fills_frac == 1.0
    assert aggressive.fill_time_error_s == 0.0
    assert none.fill_time_bias_s == -2.0
    assert risk_averse.fills_frac == risk_averse.fill_agreement_frac == 0.0
    assert math.isnan(risk_averse.fill_time_error_s)
    assert report.num_rows == 4


def test_rows_and_truth_are_those_of_a_slow_book() -> None:
    flow = synthetic_orders(symbol="XRPUSDT", seconds=5, seed=6)
    truth = follow_arrivals(flow, num_orders=12, seconds=3)
    rows, book = queue_rows(flow, truth), book_of(flow)
    for k in range(truth.num_orders):
        side, tick, start = int(truth.side[k]), int(truth.tick[k]), int(truth.row[k])
        phantom, slow = Phantom(side, tick, 10**9, 1 << 62), SlowBook()
        for row in range(start):
            slow.apply(flow, row)
        slow.join(phantom, side, tick, 0)
        end = int(truth.until_ts[k] if truth.passed_ts[k] == NEVER else truth.passed_ts[k])
        at, row, prev = int(rows.first[k]), start, slow.shown(side, tick)
        for i in np.flatnonzero((book.seq >= flow.message[start]) & (book.exch_ts <= end)):
            is_print = book.kind[i] == BookKind.TRADE
            mine = -book.side[i] if is_print else book.side[i]
            if book.tick[i] != tick or mine != side:
                continue
            while row < len(flow.order) and flow.message[row] <= book.seq[i]:
                slow.apply(flow, row)
                row += 1
            assert rows.is_print[at] == is_print
            assert rows.lots[at] == book.lots[i]
            if not is_print:
                assert rows.prev[at] == prev
                prev = int(book.lots[i])
            if phantom.passed < 0:
                assert rows.ahead[at] == slow.ahead(phantom)
            at += 1
        assert at == rows.first[k + 1]


def test_a_level_that_was_empty_held_nothing_before_its_first_row() -> None:
    flow = synthetic_orders(symbol="XRPUSDT", seconds=60, seed=6)
    arrival = np.flatnonzero(flow.kind == ADD)
    ahead = lots_displayed(flow, arrival, flow.side[arrival], flow.tick[arrival])
    new = arrival[ahead == 0]
    truth = follow_phantoms(flow, row=new, side=flow.side[new], tick=flow.tick[new])
    rows = queue_rows(flow, truth)
    begins = rows.first[:-1]
    assert len(new) > 50
    assert (rows.prev[begins] == 0).all()
    assert np.array_equal(rows.lots[begins], flow.lots[new])


def test_b18_on_the_synthetic_market_shapes_beat_both_extremes(
    synthetic: QueueCalibration,
) -> None:
    fitted = synthetic.error("power3", synthetic.power)
    default, risk_averse = synthetic.error("power3", 3.0), synthetic.error("risk_averse")
    aggressive, none = synthetic.error("aggressive"), synthetic.error("none")
    errors = [each.ahead_error_frac for each in (fitted, default, aggressive, none)]
    assert errors == sorted(errors)
    assert default.ahead_error_frac < risk_averse.ahead_error_frac
    assert risk_averse.ahead_bias_frac > 0.1 > 0 > -0.1 > aggressive.ahead_bias_frac
    assert abs(fitted.ahead_bias_frac) < 0.05
    assert fitted.fill_time_error_s < min(
        risk_averse.fill_time_error_s, aggressive.fill_time_error_s
    )
    assert 1.0 < synthetic.power < 3.0


def test_b18_fills_grow_along_the_models(synthetic: QueueCalibration) -> None:
    names = (("risk_averse", None), ("power3", 3.0), ("aggressive", None), ("none", None))
    fills = [synthetic.error(*name).fills_frac for name in names]
    assert fills == sorted(fills)
    assert fills[0] < fills[-1]


def test_b18_on_the_real_recording_cancels_are_behind(bitstamp: OrderFlow) -> None:
    """Its levels are one or two orders deep and most cancels are of orders just placed.

    So the model that puts every cancel behind is nearest, the default next to it, and those that
    put cancels ahead of me are far off. The fit says so: its exponent goes to the end of the range.
    """
    report = calibrate_queue(bitstamp, follow_arrivals(bitstamp, num_orders=6000, seconds=600))
    assert report.num_orders == 5333
    names = (("risk_averse", None), ("power3", 3.0), ("power3", 1.0), ("aggressive", None))
    errors = [report.error(*name).ahead_error_frac for name in (*names, ("none", None))]
    assert errors == sorted(errors)
    assert errors[0] == pytest.approx(0.047, abs=0.01)
    assert errors[1] == pytest.approx(0.094, abs=0.02)
    assert errors[3] == pytest.approx(0.281, abs=0.03)
    assert report.power > 10
    assert report.error("power3", 3.0).fill_agreement_frac > 0.99


def test_at_the_real_touch_the_default_is_near_the_truth(bitstamp: OrderFlow) -> None:
    report = calibrate_queue(bitstamp, follow_touch(bitstamp, every_seconds=5, seconds=600))
    default, none = report.error("power3", 3.0), report.error("none")
    assert default.ahead_error_frac < 0.02 < none.ahead_error_frac
    assert default.fill_agreement_frac > 0.99 > none.fill_agreement_frac
    assert default.fill_time_error_s < 0.2


def test_the_report_is_plain_values_and_a_table(synthetic: QueueCalibration) -> None:
    plain = synthetic.as_dict()
    assert plain["errors"][0]["model"] == "risk_averse"
    assert plain["fingerprint"] == synthetic.fingerprint
    text = synthetic.as_text()
    assert f"n = {synthetic.power:.2f}" in text
    assert len(text.splitlines()) == 2 + len(synthetic.errors)
    with pytest.raises(ConfigError, match="that was measured"):
        synthetic.error("power3", 77.0)


def test_orders_with_nobody_ahead_cannot_be_judged() -> None:
    flow, _ = one_queue()
    at = np.array([3])
    first = follow_phantoms(flow, row=at, side=at * 0 + 1, tick=at * 0 + 99)
    with pytest.raises(ConfigError, match="some were first"):
        calibrate_queue(flow, first)
