"""Lifecycle and clock of a session (C1 to C5, S1-03 to S1-18, S1-55)."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.engine import codes
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market import candles_from_rows
from seq_gym.sandbox.session import Session
from seq_gym.types import Ending
from tests.sandbox.markets import flat, random_market, session_of


def two_symbols(count: int = 10):
    return candles_from_rows({"BTCUSDT": flat(100, count), "ETHUSDT": flat(10, count)})


def test_omitted_pairs_are_all_pairs_and_named_ones_keep_their_order():
    assert session_of(two_symbols()).symbols == ("BTCUSDT", "ETHUSDT")
    assert session_of(two_symbols(), pairs=["eth-usdt"]).symbols == ("ETHUSDT",)
    assert session_of(two_symbols(), pairs="ETHUSDT").symbols == ("ETHUSDT",)


def test_an_unknown_pair_names_the_near_miss():
    with pytest.raises(UnknownName, match="BTCUSDT"):
        session_of(two_symbols(), pairs=["BTCUSD"])


def test_pairs_of_several_quote_currencies_are_refused():
    series = candles_from_rows({"BTCUSDT": flat(100, 3), "ETHBTC": flat(0.05, 3)})
    with pytest.raises(ConfigError, match="quote"):
        Session.create(data=series)


def test_a_misspelt_argument_names_the_near_miss():
    with pytest.raises(UnknownName, match="taker_fee_frac"):
        Session.create(data=two_symbols(), taker_fee=0.001)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("start_tme", "start_time"), ("candle_intervall", "candle_interval"), ("pair", "pairs")],
)
def test_a_misspelt_argument_of_the_sessions_own_names_the_near_miss(wrong, right):
    with pytest.raises(UnknownName, match=f"Did you mean '{right}'"):
        Session.create(data=two_symbols(), **{wrong: "x"})


def test_c5_total_steps_are_whole_candles_of_the_window():
    session = session_of(
        two_symbols(), start_time="2025-01-01T00:02:00Z", end_time="2025-01-01T00:07:59Z"
    )
    assert session.total_steps == 5
    assert session.virtual_time == "2025-01-01T00:02:00Z"
    session.step_batch(3)
    assert session.virtual_time == "2025-01-01T00:05:00Z"


def test_c5_a_window_without_a_whole_candle_is_an_error():
    with pytest.raises(ConfigError, match="at least one 1m candle"):
        session_of(two_symbols(), start_time="2025-01-01T00:02", end_time="2025-01-01T00:02:30")


@pytest.mark.parametrize(
    "window",
    [{"start_time": "2024-12-31"}, {"end_time": "2025-01-01"}, {"start_time": "2025-01-01T00:11"}],
)
def test_s1_03_a_window_outside_of_the_data_is_refused_with_its_range(window):
    with pytest.raises(ConfigError, match=r"within the data, 2025-01-01T00:00:00Z to"):
        session_of(two_symbols(), **window)


def test_a_start_between_two_candles_is_refused_with_the_boundary():
    with pytest.raises(ConfigError, match="2025-01-01T00:02:00Z"):
        session_of(two_symbols(), start_time="2025-01-01T00:02:30Z")


def test_a_coarser_candle_interval_resamples():
    session = session_of(two_symbols(60), candle_interval="15m")
    assert session.total_steps == 4
    assert session.series.interval == "15m"


def test_c5_a_batch_past_the_end_is_clamped_and_says_so():
    session = session_of(two_symbols())
    assert session.step_batch(7).steps_executed == 7
    last = session.step_batch(600_000)
    assert (last.steps_executed, last.remaining_steps, last.is_complete) == (3, 0, True)
    assert session.ending is Ending.DATA_END


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("snapshot_every", -1),
        ("snapshot_every", 1.5),
        ("snapshot_every", "60"),
        ("snapshot_every", None),
        ("strategy_label", None),
        ("strategy_label", 5),
        ("risk", 5),
    ],
)
def test_an_argument_of_another_kind_is_refused_by_its_name(name, value):
    with pytest.raises(ConfigError, match=f"{name} must be"):
        Session.create(data=two_symbols(), **{name: value})


@pytest.mark.parametrize("steps", [0, -1, 1.5, "3", True, None])
def test_a_wrong_number_of_steps_is_an_error(steps):
    with pytest.raises(ConfigError, match="steps"):
        session_of(two_symbols()).step_batch(steps)


def test_states_go_from_created_to_running_to_completed():
    session = session_of(two_symbols(), start=False)
    assert session.status == "created"
    session.start()
    assert session.status == "running"
    session.step_batch(10)
    assert session.status == "completed"
    assert session.is_complete


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.step(),
        lambda s: s.step_batch(2),
        lambda s: s.place_order("BTCUSDT", "buy", "market", quantity=1),
        lambda s: s.cancel_order("P-00000001"),
        lambda s: s.amend_order("P-00000001", price=1),
        lambda s: s.decrease_order("P-00000001", 1),
        lambda s: s.rebalance({"BTCUSDT": 1}),
        lambda s: s.cancel(),
    ],
)
def test_a_verb_outside_of_running_is_invalid_state_with_both_states(call):
    session = session_of(two_symbols(), start=False)
    for status in ("created", "completed"):
        with pytest.raises(UsageError, match=f"must be running.*was {status}") as raised:
            call(session)
        assert raised.value.code == "INVALID_STATE"
        if status == "created":
            session.start()
            session.step_batch(10)


@pytest.mark.parametrize(
    "read",
    ["prices", "portfolio", "balance", "positions", "equity_curve", "results"],
)
def test_reading_before_the_start_is_invalid_state(read):
    with pytest.raises(UsageError, match="start"):
        getattr(session_of(two_symbols(), start=False), read)()


def test_results_of_a_running_session_are_invalid_state_unless_partial_ones_are_asked_for():
    session = session_of(two_symbols())
    with pytest.raises(UsageError, match="completed, cancelled or failed"):
        session.results()
    assert session.results(partial=True).is_partial


def test_starting_twice_is_invalid_state():
    with pytest.raises(UsageError, match="must be created"):
        session_of(two_symbols()).start()


def test_cancel_sells_nothing_and_marks_the_metrics_partial():
    session = session_of(two_symbols())
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=50)
    session.step()
    session.cancel()
    assert session.status == "cancelled"
    assert session.position("BTCUSDT").quantity == 10
    assert session.open_orders() == ()
    assert session.orders()[-1].reason == "END_OF_EPISODE"
    results = session.results()
    assert (results.status, results.is_partial, results.ending) == ("cancelled", True, "CANCELLED")
    assert results.metrics.num_steps == 1
    with pytest.raises(UsageError, match="was cancelled"):
        session.step()


def test_cancel_leaves_the_physics_as_they_were():
    session = session_of(two_symbols())
    session.cancel()
    assert session.tables.params[0].liquidate_on_complete == 1


def test_m7_completion_cancels_orders_and_closes_positions_at_the_mark():
    session = session_of(flat(100, 5), taker_fee_frac=0.001)
    session.place_order("BTCUSDT", "buy", "market", quantity=10)
    session.place_order("BTCUSDT", "buy", "limit", quantity=1, price=50)
    session.step_batch(5)
    closing = session.fills()[-1]
    assert (closing.reason, closing.price, closing.quantity) == ("COMPLETED", 100, 10)
    assert session.positions() == ()
    assert session.portfolio().total_equity == pytest.approx(10_000 - 1 - 1)


def test_session_ids_differ_and_have_their_form():
    first, second = (session_of(two_symbols(), start=False) for _ in range(2))
    assert first.session_id != second.session_id
    assert first.session_id.startswith("bt_")
    int(first.session_id.removeprefix("bt_"), 16)


def test_equity_has_a_value_for_every_step_and_cannot_be_written_through():
    session = session_of([(100, 100, 100, 100), (100, 110, 100, 110), (110, 120, 110, 120)])
    session.place_order("BTCUSDT", "buy", "market", quantity=1)
    session.step_batch(3)
    assert session.equity.tolist() == [10_000, 10_000, 10_010, 10_020]
    session.equity[:] = 0
    assert session.equity[0] == 10_000


def test_a_view_reads_an_environments_batch_and_leaves_the_clock_to_it():
    owner = session_of(random_market(3), execution="next_open")
    batch = owner.tables
    batch.reset(0, 20, 120)
    view = Session.of_batch(batch, owner.series, owner.params, start=20, end=120)
    assert view.status == "running"
    assert view.place_order("BTCUSDT", "buy", "market", fraction=0.5).status == "open"
    assert batch.advance(0, 100) == codes.DONE
    assert view.is_complete
    assert view.step_index == 100
    assert len(view.equity) == 101
    assert view.fills()[0].order_id == view.orders()[0].order_id
    assert view.results().total_trades == len(view.fills())
    for verb in (view.step, view.start):
        with pytest.raises(UsageError):
            verb()


def test_a_view_loses_nothing_when_the_environment_collects_on_a_full_ring():
    owner = session_of(random_market(5, 2000, gaps=False), execution="next_open")
    batch = owner.tables
    batch.reset(0, 0, 2000)
    view = Session.of_batch(batch, owner.series, owner.params, start=0, end=2000)
    count, fills = 0, 0
    while not view.is_complete:
        batch.ask_target(0, 0, codes.TARGET_WEIGHT, float(count % 2), 0.0)
        code = batch.advance(0, 1)
        while code == codes.RING_FULL:
            view.collect()
            code = batch.advance(0, int(batch.accounts[0].candles_left))
        count += 1
    fills = int(batch.accounts[0].num_fills)
    assert len(view.fills()) == fills > 1024


def test_prices_and_time_of_a_running_session_follow_the_clock():
    series = random_market(1, gaps=False)
    session = session_of(series)
    for k in range(1, 20):
        session.step()
        assert session.virtual_time_ns == series.start_ns + k * series.interval_ns
        assert session.price("btc/usdt") == series.close[k - 1, 0]
    assert np.isfinite(session.portfolio().total_equity)


def test_only_a_running_session_can_fail():
    session = session_of(flat(100, 3), start=False)
    for status in ("created", "running", "failed"):
        assert session.status == status
        if status == "running":
            session.fail()
            continue
        with pytest.raises(UsageError, match=f"was {status}") as raised:
            session.fail()
        assert raised.value.code == "INVALID_STATE"
        if status == "created":
            session.start()
    done = session_of(flat(100, 3), steps=3)
    with pytest.raises(UsageError, match="was completed"):
        done.fail()
    assert done.status == "completed"


@pytest.mark.parametrize("verb", ["orders", "open_orders", "fills", "trades", "positions"])
def test_a_session_that_is_not_started_has_nothing_to_read(verb):
    session = session_of(flat(100, 3), start=False)
    with pytest.raises(UsageError, match=f"to call {verb}; was created") as raised:
        getattr(session, verb)()
    assert raised.value.code == "INVALID_STATE"
