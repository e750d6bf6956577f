"""Money on books: M2 to M5, hand-computed, and the identities after every event."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym._jit import COMPILED
from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.types import Ending
from tests.engine.book.desk import (
    MS,
    SECOND,
    T0,
    Row,
    depth,
    limit,
    make_batch,
    make_tape,
    market,
    opening,
    trade,
)

FEES = {"taker_fee_frac": 0.001, "maker_fee_frac": -0.0002}


def worth(batch: BookBatch, s: int, price: float) -> float:
    ins: Any = batch.instruments[s]
    return -ins.contract_size / price if ins.inverse else ins.contract_size * price


def check_identities(batch: BookBatch) -> None:
    a: Any = batch.accounts[0]
    worths = [
        (pos.qty * worth(batch, s, row.mark) if pos.qty else 0.0)
        for s, (pos, row) in enumerate(zip(batch.positions[0], batch.lanes[0], strict=True))
    ]
    basis = float(batch.positions[0]["basis"].sum())
    scale = max(1.0, abs(a.equity), abs(a.cash))
    assert a.equity == pytest.approx(a.cash + sum(worths), abs=1e-9 * scale)
    unrealized = sum(worths) - basis
    assert a.equity == pytest.approx(a.starting_balance + a.realized + unrealized, abs=1e-9 * scale)
    assert a.realized == pytest.approx(float(batch.positions[0]["realized"].sum()) - a.borrow)
    for pos in batch.positions[0]:
        assert pos.qty == pytest.approx(pos.bought - pos.sold, abs=1e-9)
        assert min(pos.reserved, pos.pending_buy, pos.pending_sell) >= 0.0
    assert a.reserved >= 0.0
    assert a.drawdown == pytest.approx(1.0 - a.equity / a.peak_equity)
    assert a.max_drawdown >= a.drawdown


def test_m3_a_spot_buy_reserves_its_cap_price_with_the_dearer_fee_and_pays_what_it_met() -> None:
    batch = make_batch(
        make_tape(opening()), instrument={**FEES, "entry_ns": 5e6, "latency_model": 1}
    )
    market(batch, 1, 12.0)
    assert batch.last_reason == 0
    assert batch.accounts[0].reserved == pytest.approx(12 * 106 * 1.001)  # floor(101 * 1.05)
    batch.advance(0, T0 + SECOND)
    a: Any = batch.accounts[0]
    paid = 10 * 101 + 2 * 102
    assert a.cash == pytest.approx(10_000 - paid * 1.001)
    assert a.reserved == 0.0
    assert a.taker_fees == pytest.approx(paid * 0.001)
    assert a.turnover == paid
    assert a.spread_cost == pytest.approx(10 * 0.5 + 2 * 1.5)
    check_identities(batch)


def test_m3_a_spot_sale_of_more_than_is_free_is_refused() -> None:
    batch = make_batch(make_tape(opening()))
    limit(batch, 1, 101, 5.0)
    batch.advance(0, T0 + MS)
    limit(batch, -1, 105, 3.0)
    assert batch.last_reason == 0
    assert batch.positions[0, 0].reserved == 3.0
    limit(batch, -1, 105, 3.0)
    assert batch.last_reason == common.INSUFFICIENT_BALANCE
    limit(batch, -1, 105, 2.0)
    assert batch.last_reason == 0


def test_m3_cash_that_working_buys_hold_is_not_spent_twice() -> None:
    batch = make_batch(make_tape(opening()), starting_balance=1000.0)
    limit(batch, 1, 90, 10.0)
    limit(batch, 1, 90, 2.0)
    assert batch.last_reason == common.INSUFFICIENT_BALANCE
    assert batch.accounts[0].reject_value == 180.0
    assert batch.accounts[0].reject_bound == 100.0
    batch.cancel(0, 0, 1)
    batch.advance(0, T0 + MS)
    assert batch.accounts[0].reserved == 0.0


def test_m4_average_cost_with_entry_fees_and_profit_when_closed() -> None:
    batch = make_batch(make_tape(opening(lots=1)), instrument={"taker_fee_frac": 0.01}, margin=1)
    market(batch, 1, 2.0)  # 1 at 101, 1 at 102
    batch.advance(0, T0 + MS)
    basis = 203 * 1.01
    assert batch.positions[0, 0].basis == pytest.approx(basis)
    market(batch, -1, 1.0)  # at 100
    batch.advance(0, T0 + 2 * MS)
    profit = 100 * 0.99 - basis / 2
    assert batch.accounts[0].realized == pytest.approx(profit)
    fills = batch.drain()
    fills = fills[fills["kind"] == codes.EXECUTED]
    assert np.isnan(fills["realized"][:2]).all()
    assert fills["realized"][2] == pytest.approx(profit)
    assert fills["fee"].tolist() == pytest.approx([1.01, 1.02, 1.0])
    check_identities(batch)


def test_m4_a_fill_through_zero_closes_and_opens() -> None:
    batch = make_batch(make_tape(opening()), margin=1)
    market(batch, 1, 2.0)
    batch.advance(0, T0 + MS)
    market(batch, -1, 5.0)
    batch.advance(0, T0 + 2 * MS)
    pos: Any = batch.positions[0, 0]
    assert (pos.qty, pos.basis) == (-3.0, -300.0)
    assert batch.accounts[0].realized == -2.0
    check_identities(batch)


def test_an_inverse_contract_earns_in_base() -> None:
    rows = [*opening(), depth(SECOND, 1, 120, 10), depth(SECOND, -1, 121, 10)]
    inverse = {"inverse": 1, "contract_size": 100.0, "taker_fee_frac": 0.001}
    batch = make_batch(make_tape(rows), instrument=inverse, margin=1, starting_balance=10.0)
    market(batch, 1, 4.0)
    batch.advance(0, T0 + MS)
    notional = 4 * 100 / 101
    assert batch.accounts[0].taker_fees == pytest.approx(notional * 0.001)
    batch.advance(0, T0 + 2 * SECOND)
    expected = 10.0 + 400 * (1 / 101 - 1 / 120.5) - notional * 0.001
    assert batch.accounts[0].equity == pytest.approx(expected)
    check_identities(batch)
    market(batch, -1, 4.0)
    batch.advance(0, T0 + 2 * SECOND + MS)
    gain = 400 * (1 / 101 - 1 / 120) - notional * 0.001 - 400 / 120 * 0.001
    assert batch.accounts[0].cash == pytest.approx(10.0 + gain)
    assert batch.accounts[0].realized == pytest.approx(gain)


@pytest.mark.parametrize(("mark", "expected"), [(0, 100.5), (1, 100.25), (2, 100.0), (3, 100.0)])
def test_a_position_is_marked_at_mid_microprice_last_trade_or_the_liquidation_side(
    mark: int, expected: float
) -> None:
    rows = [*opening(), trade(MS, -1, 100, 1), depth(2 * MS, 1, 100, 3), depth(2 * MS, -1, 101, 9)]
    batch = make_batch(make_tape(rows), margin=1, mark=mark)
    market(batch, 1, 1.0)
    batch.advance(0, T0 + 3 * MS)
    assert batch.lanes[0, 0].mark == pytest.approx(expected)
    assert batch.accounts[0].equity == pytest.approx(10_000 - 101 + expected)


def test_c3_the_mark_is_carried_while_a_side_is_empty() -> None:
    rows = [*opening(), *(depth(SECOND, -1, 101 + k, 0) for k in range(3))]
    batch = make_batch(make_tape(rows), margin=1)
    market(batch, 1, 1.0)
    batch.advance(0, T0 + 2 * SECOND)
    # The rows of 1 s delete 101, 102 and 103 in turn: the last mid with both sides is 101.5.
    assert batch.lanes[0, 0].mark == 101.5


def test_m5_margin_counts_the_worse_side_of_all_working_orders() -> None:
    batch = make_batch(make_tape(opening()), margin=1, starting_balance=1000.0)
    limit(batch, 1, 90, 29.0)  # 29 * 100.5 / 3 = 971.5
    assert batch.last_reason == 0
    limit(batch, -1, 110, 29.0)
    assert batch.last_reason == 0
    limit(batch, 1, 90, 1.0)
    assert batch.last_reason == common.INSUFFICIENT_BALANCE
    assert batch.accounts[0].reject_value == pytest.approx(30 * 100.5 / 3)
    assert batch.accounts[0].reserved == 0.0


def test_m5_orders_that_only_reduce_pass_without_margin() -> None:
    rows = [*opening(lots=100), depth(SECOND, 1, 79, 100), depth(SECOND, -1, 80, 100)]
    rows += [depth(SECOND, 1, 100 - k, 0) for k in range(3)]
    batch = make_batch(make_tape(rows), margin=1, starting_balance=1000.0, maintenance_frac=0.01)
    market(batch, 1, 28.0)
    batch.advance(0, T0 + int(1.5 * SECOND))
    limit(batch, 1, 40, 1.0)
    assert batch.last_reason == common.INSUFFICIENT_BALANCE
    limit(batch, -1, 90, 28.0)
    assert batch.last_reason == 0
    limit(batch, -1, 90, 1.0)  # the 29th would open
    assert batch.last_reason == common.INSUFFICIENT_BALANCE


def test_m5_funding_is_paid_at_the_heartbeat_after_its_stamp_on_the_position_known_then() -> None:
    stamps = np.array([T0 - SECOND, T0 + SECOND // 2, T0 + 2 * SECOND, T0 + 5 * SECOND])
    rates = np.array([1.0, 0.01, -0.02, 0.5])
    batch = make_batch(
        make_tape(opening(), funding_ts=stamps, funding_rate=rates), margin=1, seconds=4.0
    )
    market(batch, -1, 2.0)
    batch.advance(0, T0 + 3 * SECOND)
    money = batch.drain()
    money = money[money["kind"] == codes.MONEY]
    assert money["fee"].tolist() == pytest.approx([-2.01, 4.02])  # 2 x 100.5 x rate
    assert money["local_ts"].tolist() == [T0 + SECOND, T0 + 2 * SECOND]
    assert batch.accounts[0].funding == pytest.approx(2.01)
    check_identities(batch)


def test_m5_a_stamp_before_the_start_is_not_paid() -> None:
    stamps, rates = np.array([T0 + SECOND // 4]), np.array([0.5])
    batch = make_batch(make_tape(opening(), funding_ts=stamps, funding_rate=rates), margin=1)
    batch.reset(0, T0 + SECOND // 2, T0 + 3 * SECOND)
    market(batch, 1, 1.0)
    batch.advance(0, T0 + 2 * SECOND)
    assert batch.positions[0, 0].qty == 1.0
    assert batch.accounts[0].funding == 0.0


def test_m5_borrow_accrues_every_second_on_shorts_and_on_borrowed_cash() -> None:
    batch = make_batch(make_tape(opening()), margin=1, borrow_per_second=1e-4)
    market(batch, -1, 2.0)
    batch.advance(0, T0 + 10 * SECOND)
    assert batch.accounts[0].borrow == pytest.approx(10 * 1e-4 * 2 * 100.5)
    check_identities(batch)


def falling(lots: int = 3) -> list[Row]:
    """At 1.5 s the book falls to 60 / 61 over three levels of some lots."""
    rows = opening(lots=100)
    for k in range(3):
        rows += [depth(3 * SECOND // 2, 1, 100 - k, 0), depth(3 * SECOND // 2, 1, 60 - k, lots)]
    return [*rows, depth(3 * SECOND // 2, -1, 61, 100)]


def test_m5_a_margin_call_closes_everything_level_by_level_and_terminates() -> None:
    batch = make_batch(make_tape(falling()), margin=1, starting_balance=1000.0)
    market(batch, 1, 26.0)
    limit(batch, 1, 50, 1.0)
    assert batch.advance(0, T0 + 5 * SECOND) == codes.ENDED
    a: Any = batch.accounts[0]
    assert a.now == T0 + 2 * SECOND
    assert a.ending == common.LIQUIDATED
    events = batch.drain()
    forced = events[(events["kind"] == codes.EXECUTED) & (events["reason"] == common.LIQUIDATION)]
    assert forced["price"].tolist() == [60.0, 59.0, 58.0]  # the rest at the last level's price
    assert forced["qty"].tolist() == [3.0, 3.0, 20.0]
    assert a.cash == pytest.approx(1000 - 26 * 101 + 3 * 60 + 3 * 59 + 20 * 58)
    assert a.bad_debt == -a.cash > 0
    cancelled = events[events["kind"] == codes.CANCELLED]
    assert cancelled["reason"].tolist() == [common.LIQUIDATION]
    assert a.num_orders == 0
    check_identities(batch)
    assert batch.advance(0, T0 + 6 * SECOND) == codes.ENDED


@pytest.mark.parametrize(("balance", "is_called"), [(1110.0, True), (1150.0, False)])
def test_m5_the_call_comes_where_equity_reaches_maintenance(
    balance: float, is_called: bool
) -> None:
    batch = make_batch(make_tape(falling(100)), margin=1, starting_balance=balance)
    market(batch, 1, 26.0)
    batch.advance(0, T0 + 3 * SECOND)
    # 26 lots at 60.5 are 1573, of which 5 % are 78.65; the fall costs 26 x 40.5 = 1053.
    assert (batch.accounts[0].ending == common.LIQUIDATED) == is_called
    assert batch.accounts[0].bad_debt == 0.0


def test_e1_ruin_ends_the_episode_at_a_whole_second() -> None:
    batch = make_batch(make_tape(falling(200)), starting_balance=1000.0, ruin_frac=0.7)
    market(batch, 1, 9.0)
    assert batch.advance(0, T0 + 5 * SECOND) == codes.ENDED
    a: Any = batch.accounts[0]
    assert (a.ending, a.now) == (common.RUINED, T0 + 2 * SECOND)
    assert batch.positions[0, 0].qty == 9.0


def test_m7_positions_are_closed_on_the_agents_book_when_that_is_asked_for() -> None:
    batch = make_batch(make_tape(opening(lots=2)), seconds=2.0, liquidate_on_complete=1)
    market(batch, 1, 3.0)
    assert batch.advance(0, T0 + 2 * SECOND) == codes.ENDED
    events = batch.drain()
    closing = events[events["reason"] == common.COMPLETED]
    assert closing["price"].tolist() == [100.0, 99.0]
    assert closing["qty"].tolist() == [2.0, 1.0]
    assert batch.positions[0, 0].qty == 0.0
    assert batch.accounts[0].equity == batch.accounts[0].cash


def test_m7_only_the_end_of_the_window_or_of_the_data_sells() -> None:
    for ending in (int(Ending.CANCELLED), common.TARGET_DONE, common.DATA_END):
        batch = make_batch(make_tape(opening(lots=5)), seconds=2.0, liquidate_on_complete=1)
        market(batch, 1, 3.0)
        batch.advance(0, T0 + SECOND)
        batch.end_episode(0, ending)
        sold = ending == common.DATA_END
        assert batch.positions[0, 0].qty == (0.0 if sold else 3.0)
        assert (batch.drain()["reason"] == common.COMPLETED).any() == sold


def test_one_lot_of_a_decimal_size_leaves_no_dust() -> None:
    lots = {"lot_mul": 1.0, "lot_div": 10.0}
    batch = make_batch(make_tape(opening()), instrument=lots)
    for qty in (1.0, 2.0):
        market(batch, 1, qty)
        batch.advance(0, batch.accounts[0].now + MS)
    assert batch.positions[0, 0].qty == 0.3
    market(batch, -1, 3.0)
    assert batch.last_reason == 0
    batch.advance(0, batch.accounts[0].now + MS)
    assert batch.positions[0, 0].qty == 0.0
    assert batch.positions[0, 0].basis == 0.0


def random_rows(rng: np.random.Generator, count: int) -> list[Row]:
    rows = opening(lots=4)
    for k in range(count):
        ts = (k + 1) * 37 * MS
        if rng.random() < 0.4:
            rows.append(trade(ts, int(rng.choice([-1, 1])), int(rng.integers(97, 105)), 5))
        else:
            side = int(rng.choice([-1, 1]))
            tick = int(rng.integers(96, 101) if side > 0 else rng.integers(101, 106))
            rows.append(depth(ts, side, tick, int(rng.integers(0, 6)), lag=5 * MS))
    rows[6:] = [(ts, max(local, ts + 5 * MS), *rest) for ts, local, *rest in rows[6:]]
    return rows


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    margin=st.integers(0, 1),
    inverse=st.booleans(),
    mark=st.integers(0, 3),
)
def test_m4_the_identities_hold_after_every_event(
    seed: int, margin: int, inverse: bool, mark: int
) -> None:
    rng = np.random.default_rng(seed)
    kind = {"inverse": 1, "contract_size": 3.0} if inverse and margin else {"contract_size": 1.0}
    instrument = {**FEES, **kind, "latency_model": 1, "entry_ns": 9e6, "response_ns": 11e6}
    batch = make_batch(
        make_tape(random_rows(rng, 60)),
        make_tape(random_rows(rng, 60)),
        instrument=instrument,
        margin=margin,
        mark=mark,
        starting_balance=400.0,
        borrow_per_second=1e-5,
        max_actions=100,
    )
    while batch.accounts[0].ending == common.RUNNING and batch.accounts[0].now < T0 + 3 * SECOND:
        for s in range(2):
            side = int(rng.choice([-1, 1]))
            limit(batch, side, int(rng.integers(97, 105)), float(rng.integers(1, 4)), s=s)
            if rng.random() < 0.3:
                batch.cancel(0, s, int(rng.integers(1, 30)))
            if rng.random() < 0.3:
                batch.amend(0, s, int(rng.integers(1, 30)), int(rng.integers(97, 105)), 2.0)
        goal = batch.accounts[0].now + int(rng.integers(1, 200)) * MS
        while batch.advance(0, goal, codes.ON_REPORT) == codes.STOPPED:
            check_identities(batch)
            if margin == 0:
                assert batch.accounts[0].cash - batch.accounts[0].reserved >= -1e-9
                free = batch.positions[0]["qty"] - batch.positions[0]["reserved"]
                assert (free >= -1e-9).all()
        check_identities(batch)
    assert not math.isnan(batch.accounts[0].equity)


def long_book(num_rows: int, *, is_one_sided: bool, has_prints: bool) -> BookTape:
    """One row each 100 us from T0 on; the ask is there, or goes with the third row."""
    number = np.arange(num_rows)
    rows = {"kind": np.zeros(num_rows, np.int8), "side": np.ones(num_rows, np.int8)}
    tick, lots = 100 - number % 5, 1 + number % 7
    rows["side"][1:3], tick[1:3] = -1, 105
    lots[2] = 0 if is_one_sided else 1
    if has_prints:
        rows["kind"][10::10] = codes.TRADE
    stamps = {"exch_ts": T0 + number * 100_000, "local_ts": T0 + number * 100_000 + 1}
    return prepare_tape(**rows, **stamps, tick=tick.astype(np.int32), lots=lots)


def seconds_of_steps(tape: BookTape, mark: int) -> float:
    """Measure 300 steps over a tape, without the compilation of the first one."""
    length_s = tape.num_venue_rows * 1e-4
    batch = make_batch(tape, seconds=length_s, margin=1, mark=mark)
    step = int(length_s * SECOND) // 301
    batch.advance(0, T0 + step)
    began = time.process_time()
    for number in range(2, 301):
        batch.advance(0, T0 + number * step)
    return time.process_time() - began


@pytest.mark.parametrize("mark", [0, 2], ids=["mid without asks", "last without prints"])
def test_a_mark_from_long_ago_costs_no_walk_back_at_every_step(mark: int) -> None:
    num_rows = 200_000 if COMPILED else 10_000
    plain = long_book(num_rows, is_one_sided=False, has_prints=True)
    old = long_book(num_rows, is_one_sided=mark == 0, has_prints=mark == 0)
    slow, fast = (min(seconds_of_steps(tape, mark) for _ in range(3)) for tape in (old, plain))
    assert slow < 5.0 * fast + 0.02


def test_the_mark_is_that_of_the_last_row_with_both_sides_as_sides_come_and_go() -> None:
    rng = np.random.default_rng(3)
    rows = opening()
    for number in range(300):
        side, lots = (1, -1)[number % 2], int(rng.choice([0, 0, 0, 4]))
        tick = (100 if side > 0 else 101) - side * int(rng.integers(3))
        if rng.random() < 0.2:
            rows.append(trade(number * MS, side, 90 + number % 20, 1))
        else:
            rows.append(depth(number * MS, side, tick, lots))
    tape = make_tape(rows)
    for mark in (0, 2):
        batch = make_batch(tape, mark=mark)
        for at in np.sort(rng.choice(320, 80, replace=False)).tolist():
            batch.advance(0, T0 + at * MS)
            known = tape.local_rows[: int(batch.lanes[0, 0].local_row)]
            both = (known["bid"] != codes.NO_BID) & (known["ask"] != codes.NO_ASK)
            last = known[both][-1]
            expected = 0.5 * (int(last["bid"]) + int(last["ask"]))
            if mark == 2 and (known["kind"] == codes.TRADE).any():
                expected = float(known["tick"][known["kind"] == codes.TRADE][-1])
            assert batch.lanes[0, 0].mark == expected
