"""What actions of BookTrading-v0 ask for, by hand-made books and beside a BookSession."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import gammainc

from seq_gym.engine.book import codes
from seq_gym.engine.book.looking import read_levels
from seq_gym.sandbox.book.session import BookSession
from seq_gym.sandbox.book.tape import book_tape
from tests.envs.book.worlds import SMALL, hand, make, own, sampled, still


def held(env: Any) -> float:
    return float(env.unwrapped._core.batch.positions["qty"][0, 0])


def target(value: float) -> Any:
    return np.array([value], np.float32)


def test_a_target_is_a_part_of_the_largest_position() -> None:
    env = hand(still())
    env.reset(seed=0)
    env.step(target(0.5))
    assert held(env) == 25.0
    env.step(target(1.0))
    assert held(env) == 50.0
    env.step(target(0.2))
    assert held(env) == 10.0
    (first, second, third) = env.unwrapped.session.fills()
    assert [first.side, second.side, third.side] == ["buy", "buy", "sell"]
    assert [first.price, third.price] == [10.01, 10.0]
    assert all(fill.liquidity == "taker" for fill in (first, second, third))


def test_m3_negative_targets_are_flat_in_spot_and_short_on_margin() -> None:
    env = hand(still())
    env.reset(seed=0)
    env.step(target(0.4))
    env.step(target(-1.0))
    assert held(env) == 0.0
    short = hand(still(), account="margin")
    short.reset(seed=0)
    short.step(target(-0.4))
    assert held(short) == -20.0


def test_a_change_below_the_deadband_waits_but_zero_closes() -> None:
    env = hand(still(), deadband=0.2)
    env.reset(seed=0)
    env.step(target(0.3))
    env.step(target(0.45))
    assert held(env) == 15.0
    env.step(target(0.1))
    assert held(env) == 5.0
    env.step(target(0.0))
    assert held(env) == 0.0


def test_while_an_order_is_in_flight_nothing_is_sent() -> None:
    slow = {"latency_model": "constant", "latency": {"entry_ms": 150.0, "response_ms": 100.0}}
    env = hand(still(), **slow)
    env.reset(seed=0)
    for value in (1.0, 0.5, 0.25):
        env.step(target(value))
    assert len(env.unwrapped.session.orders()) == 1
    assert held(env) == 50.0
    env.step(target(0.5))
    assert len(env.unwrapped.session.orders()) == 2


def test_nan_asks_for_nothing() -> None:
    env = hand(still())
    env.reset(seed=0)
    env.step(target(float("nan")))
    assert held(env) == 0.0
    assert not env.unwrapped.session.orders()


def test_a_spot_buy_fits_the_cash_that_is_there() -> None:
    env = hand(still(), max_position=500.0, taker_fee_frac=0.01)
    env.reset(seed=0)
    env.step(target(1.0))
    # What is set aside is the cap of a market order, five percent above the ask, and the fee.
    assert held(env) == np.floor(1_000.0 / (10.51 * 1.01))
    assert all(order.status != "rejected" for order in env.unwrapped.session.orders())


def test_discrete_is_short_hold_long() -> None:
    env = hand(still(), action="discrete", account="margin")
    env.reset(seed=0)
    told = []
    for action in (2, 1, 0, 1):
        env.step(action)
        told.append(held(env))
    assert told == [50.0, 50.0, -50.0, -50.0]


def test_limits_are_sent_at_the_touch_less_the_offset_and_cancelled() -> None:
    env = hand(still(), action="order", order_sizes=[0.5], offsets_ticks=[0, 3])
    env.reset(seed=0)
    env.step(np.array([3, 0, 0]))
    env.step(np.array([3, 0, 1]))
    orders = env.unwrapped.session.orders()
    assert [order.price for order in orders] == [10.0, 9.97]
    assert [order.quantity for order in orders] == [25.0, 25.0]
    env.step(np.array([3, 0, 0]))  # the position and what works would exceed the largest
    assert len(env.unwrapped.session.orders()) == 2
    env.step(np.array([5, 0, 0]))
    assert {order.status for order in env.unwrapped.session.orders()} == {"cancelled"}


def test_cancel_all_asks_once_for_each_order() -> None:
    slow = {"latency_model": "constant", "latency": {"entry_ms": 250.0, "response_ms": 5.0}}
    env = hand(still(), action="order", **slow)
    env.reset(seed=0)
    env.step(np.array([3, 0, 0]))
    for _ in range(5):
        env.step(np.array([5, 0, 0]))
    lanes = env.unwrapped._core.batch.lanes
    assert int(lanes["requests_tail"][0, 0]) == 2
    assert env.unwrapped.session.orders()[0].status == "cancelled"


def test_masks_say_what_can_do_anything() -> None:
    env = hand(still(), action="order", order_sizes=[0.5], offsets_ticks=[0])
    env.reset(seed=0)
    assert env.unwrapped.action_masks().tolist() == [1, 1, 0, 1, 0, 0, 1, 1]
    env.step(np.array([3, 0, 0]))
    assert env.unwrapped.action_masks().tolist() == [1, 1, 0, 1, 0, 1, 1, 1]
    env.step(np.array([1, 0, 0]))
    assert env.unwrapped.action_masks().tolist() == [1, 1, 1, 1, 1, 1, 1, 1]
    short = hand(still(), action="discrete", account="margin")
    short.reset(seed=0)
    assert short.unwrapped.action_masks().all()


def test_b5_the_queue_shown_is_what_the_agent_knows() -> None:
    rows = [
        *still(),
        (290, codes.TRADE, -1, 1_000, 20),  # prints at my tick: the agent sees it 40 ms later
        (310, codes.TRADE, -1, 1_000, 10),
        (310, codes.DEPTH, 1, 1_000, 30),
    ]
    env = hand(sorted(rows), action="order", delay_ms=40, order_sizes=[0.2], offsets_ticks=[0])
    first, _ = env.reset(seed=0)
    assert own(env, first)["bid_working"] == 0.0
    told = [own(env, env.step(np.array([3, 0, 0]))[0])]
    told += [own(env, env.step(np.array([0, 0, 0]))[0]) for _ in range(4)]
    assert [each["bid_working"] for each in told] == [1.0] * 5
    assert [each["bid_size"] for each in told] == pytest.approx([0.2] * 5)
    queue = [each["bid_queue"] for each in told]
    at = list(env.unwrapped.times[:6] % 1_000_000_000 // 1_000_000)
    # At 300 ms the venue has shortened the queue, and the agent has not heard of it.
    before = [q for q, t in zip(queue, at[1:], strict=False) if t <= 300]
    assert before
    assert all(q == 1.0 for q in before)
    last = next(q for q, t in zip(queue, at[1:], strict=False) if t == 400)
    assert last == pytest.approx(20 / 30)
    assert all(0.0 <= each["bid_fill"] <= 1.0 for each in told)


def slow_queue(env: Any, offset: int) -> tuple[float, float]:
    """Return bid_queue and bid_fill of the only bid, from the whole book that the agent knows."""
    core, grid = env._core, env.settings.grid
    cursor = int(core.states["cursor"][0])
    order = core.batch.orders[0, 0]
    bid = order[(order["local"] == codes.WORKING)][0]
    ticks, lots = np.zeros(5_000, np.int64), np.zeros(5_000, np.int64)
    row = int(core.batch.lanes["local_row"][0, 0]) - 1
    count = read_levels(book_tape(SMALL).address, codes.CLOCK_LOCAL, 1, row, ticks, lots)
    shown = dict(zip(ticks[:count].tolist(), lots[:count].tolist(), strict=True))
    there = shown.get(int(bid["local_tick"]), 0)
    ahead = min(max(float(bid["ahead"]), 0.0), there)
    better = sum(held for tick, held in shown.items() if tick > bid["local_tick"])
    hits, size = (float(x) for x in grid.rates[cursor, 1:])
    fill = gammainc(1.0 + (ahead + better) / size, hits) if hits > 0.0 and size > 0.0 else 0.0
    return (ahead / there if there else 0.0), float(fill)


@pytest.mark.parametrize("offset", [0, 2, 30, 200])
def test_the_queue_and_the_chance_of_a_fill_are_those_of_the_whole_book(offset: int) -> None:
    env = make(action="order", order_sizes=[0.2], offsets_ticks=[offset], account="margin")
    shown, _ = env.reset(seed=1)
    seen = []
    for _ in range(6):
        shown = env.step(np.array([3, 0, 0]))[0]
        told = own(env, shown)
        if told["bid_working"]:
            queue, fill = slow_queue(env.unwrapped, offset)
            assert told["bid_queue"] == pytest.approx(queue, rel=1e-6)
            assert told["bid_fill"] == pytest.approx(fill, abs=1e-4)
            seen.append(told["bid_distance"])
        env.step(np.array([1, 0, 0]))
    assert len(seen) >= 3


@pytest.mark.parametrize("fills", ["strict", "parity"])
def test_twin_a_session_with_the_same_orders_comes_to_the_same_money(fills: str) -> None:
    env = make(action="order", account="margin", fills=fills, episode_steps=30).unwrapped
    env.reset(seed=21)
    start, end = env.session.start_ns, env.session.end_ns
    seed = env.session.seed
    times = env.times[env.cursor :]
    equity = [env.step(row[0])[4]["equity"] for row in sampled(env.action_space, 1, 30)]
    physics = {"account": "margin", "fills": fills, "liquidate_on_complete": False}
    twin = BookSession.create(
        data=SMALL, start_time=start, end_time=end, seed=seed, max_orders=8, **physics
    )
    twin.start()
    sent = {order.order_id: order for order in env.session.orders()}
    by_time: dict[int, list[Any]] = {}
    for order in sent.values():
        by_time.setdefault(order.sent_ns, []).append(order)
    cancels = _cancels(env, times)
    told = []
    for k in range(30):
        now = int(times[k])
        for order in by_time.get(now, []):
            terms = {} if order.price is None else {"price": order.price}
            twin.place_order(
                order.symbol,
                order.side,
                order.type,
                order.quantity,
                time_in_force=order.time_in_force,
                **terms,
            )
        for order_id in cancels.get(now, []):
            twin.cancel_order(order_id)
        twin.advance_to(int(times[k + 1]))
        told.append(float(twin.tables.accounts["equity"][0]))
    assert told == equity
    assert [fill.price for fill in twin.fills()] == [fill.price for fill in env.session.fills()]
    assert len(twin.fills()) > 3


def _cancels(env: Any, times: Any) -> dict[int, list[str]]:
    """Return which orders were asked to cancel, by decision time: those of each "cancel all"."""
    found: dict[int, list[str]] = {}
    actions = [row[0] for row in sampled(env.action_space, 1, 30)]
    swept = 0
    orders = env.session.orders()
    for k, action in enumerate(actions):
        now = int(times[k])
        if action[0] != 5:
            continue
        ids = [
            order.order_id
            for order in orders
            if order.sent_ns < now
            and (order.done_ns is None or order.done_ns > now)
            and int(order.order_id[2:], 16) >= swept
        ]
        found[now] = ids
        swept = 1 + max((int(o.order_id[2:], 16) for o in orders if o.sent_ns < now), default=0)
    return found
