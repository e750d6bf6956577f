"""The compiled door: a strategy in it does what the same verbs do outside it."""

from __future__ import annotations

import numpy as np

from seq_gym import _jit
from seq_gym.engine import codes as common
from seq_gym.engine.book import codes, door
from tests.engine.book.desk import (
    MS,
    SECOND,
    T0,
    Row,
    depth,
    limit,
    make_batch,
    make_tape,
    opening,
    trade,
)

SLOW = {
    "latency_model": codes.LATENCY_CONSTANT,
    "entry_ns": 5e6,
    "cancel_ns": 5e6,
    "response_ns": 7e6,
}


def market_rows(count: int = 400) -> list[Row]:
    """A book whose touch wanders, with prints on both sides: three levels, always two-sided."""
    rng = np.random.default_rng(11)
    bid = 100
    rows = opening(bid=bid, lots=5)
    for k in range(count):
        ts = (k + 1) * 7 * MS
        rows.append(trade(ts, -1, bid, int(rng.integers(1, 9)), MS))
        rows.append(trade(ts + MS, 1, bid + 1, int(rng.integers(1, 9)), MS))
        step = int(rng.choice([-1, 0, 0, 1]))
        if step > 0:
            rows.append(depth(ts + 2 * MS, -1, bid + 1, 0, MS))
            rows.append(depth(ts + 2 * MS, 1, bid + 1, 5, MS))
            rows.append(depth(ts + 2 * MS, -1, bid + 4, 5, MS))
        elif step < 0:
            rows.append(depth(ts + 2 * MS, 1, bid, 0, MS))
            rows.append(depth(ts + 2 * MS, -1, bid, 5, MS))
            rows.append(depth(ts + 2 * MS, 1, bid - 3, 5, MS))
        bid += step
    return rows


@door.strategy
def maker(h: int, interval: int) -> int:
    """Keep one bid and one offer at the touch."""
    steps = 0
    while door.advance_by(h, interval) == door.REACHED:
        steps += 1
        bid = door.best_bid(h)
        ask = door.best_ask(h)
        have_bid = False
        have_ask = False
        for k in range(door.num_slots(h)):
            if door.order_id(h, k) == 0:
                continue
            wanted = bid if door.order_side(h, k) > 0 else ask
            if door.order_tick(h, k) != wanted:
                door.cancel(h, door.order_id(h, k))
            elif door.order_side(h, k) > 0:
                have_bid = True
            else:
                have_ask = True
        if not have_bid and door.position(h) < 3.0:
            door.buy(h, 1.0, bid, door.POST_ONLY)
        if not have_ask and door.position(h) > -3.0:
            door.sell(h, 1.0, ask, door.POST_ONLY)
    return steps


@door.strategy
def glance(h: int, out: np.ndarray) -> None:
    """Write down what is seen, and try every way to order."""
    out[0] = door.best_bid(h)
    out[1] = door.best_ask(h)
    out[2] = door.bid_lots(h)
    out[3] = door.ask_lots(h)
    out[4] = door.level_lots(h, 1, 99)
    out[5] = door.microprice_ticks(h)
    out[6] = door.mid_ticks(h)
    out[7] = door.buy(h, 2.0, 101, door.IOC)
    out[8] = door.buy(h, 1.5, 101)
    out[9] = door.sell(h, 1.0, 0, door.MARKET)
    out[10] = door.sell(h, 1.0, 103, door.FOK | door.REDUCE_ONLY)
    out[11] = door.buy(h, 3.0, 98, tag=7)
    out[12] = door.num_working(h)
    out[13] = door.advance_by(h, 1_000_000_000, door.ON_REPORT)
    out[14] = door.stopped_by(h)
    out[15] = door.stopped_lane(h)
    door.advance_by(h, 20_000_000)
    out[16] = door.now(h)
    out[17] = door.position(h)
    out[18] = door.equity(h)
    k = door.find_order(h, 5)
    out[19] = door.order_state(h, k)
    out[20] = door.order_left(h, k)
    out[21] = door.amend(h, 5, 97, 2.0)
    out[22] = door.cancel_all(h)
    out[23] = door.find_order(h, 77)


def test_the_door_sees_and_orders() -> None:
    rows = [*opening(), depth(-MS, 1, 100, 30)]
    batch = make_batch(make_tape(rows), instrument=SLOW, margin=1)
    out = np.zeros(24)
    events = door.run_strategy(batch, glance, out)
    touch = [100, 101, 30, 10, 10, 100.75, 100.5]
    orders = [1, -common.INVALID_PARAMS, 3, -common.INVALID_PARAMS, 5, 3]
    assert out[:13].tolist() == [*touch, *orders]
    assert out[13:16].tolist() == [codes.STOPPED, codes.ON_REPORT, 0]
    assert out[16:19].tolist() == [T0 + 32 * MS, 1.0, 10_000 - 2 * 101 + 100 + 100.5]
    assert out[19:].tolist() == [codes.WORKING, 3.0, 0, 1, -1]
    assert events["tag"][events["order_id"] == 5].tolist() == [7, 7]


def outside(batch: door.BookBatch, interval: int) -> int:
    """The maker once more, through the batch's own verbs."""
    steps = 0
    until = T0
    while True:
        until += interval
        if batch.advance(0, until) != codes.REACHED:
            return steps
        steps += 1
        lane = batch.lanes[0, 0]
        known = batch.tapes[0].local_rows[lane.local_row - 1]
        touch = {1: int(known.bid), -1: int(known.ask)}
        have = set()
        for o in batch.orders[0, 0, : lane.num_slots]:
            if o.local != codes.FREE:
                if o.local_tick == touch[int(o.side)]:
                    have.add(int(o.side))
                else:
                    batch.cancel(0, 0, int(o.id))
        for side in (1, -1):
            if side not in have and batch.positions[0, 0].qty * side < 3.0:
                limit(batch, side, touch[side], 1.0, flags=codes.POST_ONLY_FLAG)


def test_a_maker_in_the_door_trades_as_the_same_maker_outside_it() -> None:
    tape = make_tape(market_rows())
    inside = make_batch(tape, instrument=SLOW, margin=1, seconds=2.5)
    again = make_batch(tape, instrument=SLOW, margin=1, seconds=2.5)
    events = door.run_strategy(inside, maker, 20 * MS)
    assert outside(again, 20 * MS) == 124
    assert events.tobytes() == again.drain().tobytes()
    assert inside.accounts.tobytes() == again.accounts.tobytes()
    fills = events[events["kind"] == codes.EXECUTED]
    assert len(fills) > 20
    assert (fills["liquidity"] == common.MAKER).all()


def test_a_small_ring_is_drained_while_the_strategy_runs_and_nothing_is_lost() -> None:
    tape = make_tape(market_rows())
    journals = []
    for capacity in (64, 4096):
        batch = make_batch(
            tape, instrument=SLOW, margin=1, seconds=2.5, batch={"event_capacity": capacity}
        )
        journals.append(door.run_strategy(batch, maker, 20 * MS).tobytes())
        assert batch.context[0].drain == 0
    assert journals[0] == journals[1]
    assert len(journals[0]) > 64 * batch.events.itemsize


def test_a_strategy_is_kept_on_disk_under_the_digest_of_the_engine() -> None:
    if _jit.COMPILED:
        folder = maker._cache._cache_path  # type: ignore[attr-defined]
        assert _jit._sources_digest() in folder


def test_a_strategy_without_a_file_compiles_all_the_same() -> None:
    space: dict[str, object] = {"door": door}
    source = "def idle(h):\n    return door.advance_by(h, 1_000)\n"
    exec(compile(source, "<a cell>", "exec"), space)  # noqa: S102
    batch = make_batch(make_tape(opening()))
    assert door.strategy(space["idle"])(batch.handle()) == codes.REACHED
    assert batch.accounts[0].now == T0 + 1_000
    assert batch.accounts[0].end == T0 + 60 * SECOND
