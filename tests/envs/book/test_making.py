"""MarketMaking-v0: quotes, limits of inventory, rewards, endings."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from seq_gym._jit import COMPILED
from seq_gym.engine.book import codes
from seq_gym.types import Ending
from tests.envs.book.slow_tasks import same_events, slow_making
from tests.envs.book.worlds import SMALL, book_of, make, make_vec, play, sampled, still

MAKING = "seq_gym/MarketMaking-v0"
STEPS = 150 if COMPILED else 25
SLOW: dict[str, Any] = {
    "latency_model": "constant",
    "latency": {"entry_ms": 170.0, "cancel_ms": 170.0, "response_ms": 230.0},
}
"""Answers come four decisions later."""
EAGER: dict[str, Any] = {"max_inventory": 0.012, "order_quantity": 0.006, "max_offset_ticks": 2}

TOUCH = np.array([-1.0, -1.0, 1.0, 1.0], np.float32)


def _still(count: int = 12, **arguments: Any) -> Any:
    """A quiet book of 10.00 x 50 / 10.01 x 50 without latency."""
    given = {"latency_model": "none", "max_inventory": 20.0, "order_quantity": 5.0}
    data = arguments.pop("data", None) or book_of(still(count))
    return make(MAKING, data=data, window="full", **{**given, **arguments}).unwrapped


def _working(env: Any) -> dict[int, tuple[int, float, float]]:
    """Side -> (tick, leaves, front) of the orders that rest at the venue."""
    orders = env._core.batch.orders[0, 0]
    return {
        int(o["side"]): (int(o["tick"]), float(o["leaves"]), float(o["front"]))
        for o in orders
        if o["local"] != codes.FREE and o["venue"] == codes.WORKING
    }


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_gymnasiums_checker_finds_nothing(kind: str) -> None:
    check_env(make(MAKING, action=kind).unwrapped, skip_render_check=True)


def test_quotes_lie_behind_the_touch_by_the_offset_and_have_the_size() -> None:
    env = _still(max_offset_ticks=4)
    env.reset(seed=0)
    env.step(np.array([-1.0, 0.9, 1.0, -1.0], np.float32))
    assert _working(env) == {1: (1000, 5.0, 50.0), -1: (1005, 1.0, 0.0)}


def test_the_last_twentieth_of_an_offset_is_no_quote() -> None:
    env = _still()
    env.reset(seed=0)
    env.step(np.array([0.91, 0.89, 1.0, 1.0], np.float32))
    assert set(_working(env)) == {-1}
    env.step(np.array([-1.0, 1.0, 1.0, 1.0], np.float32))
    assert set(_working(env)) == {1}


def test_discrete_offsets_are_ticks_and_the_last_choice_is_no_quote() -> None:
    env = _still(action="discrete", offsets_ticks=[0, 3])
    env.reset(seed=0)
    env.step(np.array([1, 2]))
    assert _working(env) == {1: (997, 5.0, 0.0)}


def test_a_quote_that_does_not_change_keeps_its_place_in_the_queue() -> None:
    rows = still()
    rows += [(450, codes.DEPTH, 1, 1_000, 90), (550, codes.DEPTH, 1, 1_000, 60)]  # others come, go
    env = _still(data=book_of(sorted(rows)))
    env.reset(seed=0)
    fronts = []
    for _ in range(8):
        env.step(TOUCH)
        fronts.append(_working(env)[1][2])
    assert fronts[0] == 50.0
    assert all(after <= before for before, after in pairwise(fronts))
    assert env._core.batch.accounts[0]["next_order_id"] == 3  # one quote a side, ever
    env.step(np.array([-0.9, -1.0, 1.0, 1.0], np.float32))  # a tick further, then back
    env.step(TOUCH)
    assert _working(env)[1][2] == 60.0  # behind all that is displayed
    assert fronts[-1] <= 50.0


def test_a_quote_that_is_filled_in_part_is_left_alone() -> None:
    rows = sorted([*still(), (350, codes.TRADE, -1, 1_000, 52)])
    env = _still(data=book_of(rows))
    env.reset(seed=0)
    for _ in range(6):
        env.step(TOUCH)
    assert _working(env)[1] == (1000, 3.0, 0.0)
    assert env.session.position("BTCUSDT").quantity == 2.0


def test_a_side_at_its_limit_has_no_quote() -> None:
    rows = [*still(), *((250 + 100 * k, codes.TRADE, -1, 1_000, 60) for k in range(8))]
    env = _still(data=book_of(sorted(rows)), max_inventory=7.0)
    env.reset(seed=0)
    for _ in range(9):
        env.step(TOUCH)
        assert env._core.batch.positions[0, 0]["qty"] <= 7.0
    assert env._core.batch.positions[0, 0]["qty"] == 7.0
    assert set(_working(env)) == {-1}


def test_a_quote_counts_until_its_cancellation_is_known() -> None:
    env = _still(count=30, max_inventory=7.0, **SLOW)
    env.reset(seed=0)
    none = np.array([1.0, 1.0, 1.0, 1.0], np.float32)
    for action in (*[TOUCH] * 6, none, TOUCH):
        env.step(action)
    bids = [order.quantity for order in env.session.orders() if order.side == "buy"]
    assert bids == [5.0, 2.0]  # of 7, with 5 that may still be filled


@pytest.mark.parametrize(
    "physics", [SLOW, {"latency_model": "none"}, {}], ids=["slow", "no", "own"]
)
def test_inventory_never_leaves_its_limit_whatever_is_in_flight(physics: dict[str, Any]) -> None:
    """In the order of the venue's executions, of which the agent learns later."""
    most = 0.0
    for seed in range(3 if COMPILED else 1):
        env = make(MAKING, episode_steps=STEPS, **EAGER, **physics).unwrapped
        env.action_space.seed(seed)
        play(env, [env.action_space.sample() * [1, 1, 0, 1] for _ in range(STEPS)], seed=seed)
        fills = sorted(env.session.fills(), key=lambda fill: fill.exch_ns)
        held = 0.0
        for fill in fills:
            held += fill.quantity if fill.side == "buy" else -fill.quantity
            assert abs(held) <= 0.012 + 1e-12
            most = max(most, abs(held))
    assert not COMPILED or most >= 0.006  # it came near


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
@pytest.mark.parametrize("physics", [SLOW, {}], ids=["slow", "own"])
def test_twin_the_same_orders_by_hand_leave_the_same_journal(
    kind: str, physics: dict[str, Any]
) -> None:
    env = make(MAKING, action=kind, episode_steps=STEPS, **EAGER, **physics).unwrapped
    env.action_space.seed(4)
    actions = [env.action_space.sample() for _ in range(STEPS)]
    play(env, actions, seed=9)
    account = env._core.batch.accounts[0]
    start = int(env._core.states["start"][0])
    events = slow_making(env, start, actions, int(account["seed"]))
    env._stash()
    same_events(np.concatenate(env._episode._pieces), events)
    assert account["num_fills"] > 0 or not COMPILED


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_row_i_is_the_single_environment_seeded_s_plus_i(kind: str) -> None:
    given = {"action": kind, "episode_steps": 12, "reward": "asymmetric_dampening", **EAGER}
    batch = make_vec(MAKING, num_envs=3, **given)
    observations, _ = batch.reset(seed=20)
    actions = sampled(batch.single_action_space, 3, 30 if COMPILED else 14)
    singles = [make(MAKING, **given).unwrapped for _ in range(3)]
    for e, env in enumerate(singles):
        np.testing.assert_array_equal(env.reset(seed=20 + e)[0], observations[e])
    for rows in actions:
        observations, rewards, terminated, truncated, _ = batch.step(rows)
        for e, env in enumerate(singles):
            row, reward, *over, _ = env.step(rows[e])
            if any(over):
                row, _ = env.reset()
            assert reward == rewards[e]
            assert over == [terminated[e], truncated[e]]
            np.testing.assert_array_equal(row, observations[e])


def test_the_terms_of_a_step_are_their_formulas() -> None:
    env = make(
        MAKING,
        episode_steps=STEPS,
        reward_terms=True,
        dampening=0.3,
        inventory_aversion=2.0,
        **EAGER,
    ).unwrapped
    env.action_space.seed(2)
    env.reset(seed=5)
    account, position = env._core.batch.accounts, env._core.batch.positions
    lane = env._core.batch.lanes
    inventories, captured = [], 0.0
    for _ in range(STEPS):
        held, mark = float(position[0, 0]["qty"]), float(lane[0, 0]["mark"])
        equity, cost = float(account[0]["equity"]), float(account[0]["spread_cost"])
        env.step(env.action_space.sample())
        terms, now = env.reward_terms, float(position[0, 0]["qty"])
        pnl = float(account[0]["equity"]) - equity
        gain = held * (float(lane[0, 0]["mark"]) - mark)
        assert terms["pnl"] == pnl
        assert terms["asymmetric_dampening"] == pytest.approx(pnl - max(0.0, 0.3 * gain), abs=1e-9)
        assert terms["spread_capture"] == cost - float(account[0]["spread_cost"])
        assert terms["inventory_penalty"] == pytest.approx(-2.0 * (now / 0.012) ** 2 * 0.1)
        inventories.append(abs(now) / 0.012)
        captured += terms["spread_capture"]
    fills = env.session.fills()
    sides = {"buy": 1.0, "sell": -1.0}
    by_hand = sum(sides[f.side] * (f.mid - f.price) * f.quantity for f in fills)
    assert captured == pytest.approx(by_hand, abs=1e-9)
    assert env.finals["spread_capture"] == pytest.approx(by_hand, abs=1e-9)
    assert env.finals["mean_inventory"] == pytest.approx(np.mean(inventories))
    assert env.finals["most_inventory"] == pytest.approx(max(inventories))


def test_e1_inventory_at_its_stop_terminates() -> None:
    rows = [*still(), *((250 + 100 * k, codes.TRADE, -1, 1_000, 60) for k in range(8))]
    env = _still(data=book_of(sorted(rows)), max_inventory=10.0, inventory_stop=0.5)
    env.reset(seed=0)
    for _ in range(9):
        *_, terminated, truncated, info = env.step(TOUCH)
        if terminated or truncated:
            break
    assert terminated
    assert not truncated
    assert info["ending"] is Ending.INVENTORY_LIMIT
    assert env.finals["position"] == 5.0
    assert env.finals["num_quotes"] >= 2.0


def test_spot_quotes_no_ask_without_inventory() -> None:
    env = _still(account="spot")
    env.reset(seed=0)
    env.step(TOUCH)
    assert set(_working(env)) == {1}
    assert env._core.batch.accounts[0]["num_rejects"] == 0


def test_b10_on_a_stale_book_quotes_stay_and_none_are_sent() -> None:
    rows = sorted([*still(), (350, codes.GAP, 0, 0, 0)])
    env = _still(data=book_of(rows))
    env.reset(seed=0)
    for k in range(8):
        env.step(TOUCH if k < 4 else np.array([0.0, 1.0, 1.0, 1.0], np.float32))
    assert _working(env) == {1: (1000, 5.0, 50.0)}  # not moved; the ask could be cancelled
    assert int(env._core.states["num_messages"][0]) == 3
    assert env._core.batch.accounts[0]["num_rejects"] == 0


@pytest.mark.parametrize(("part", "quoted"), [(0, {-1}), (1, {1}), (2, {-1}), (3, {1})])
def test_a_side_whose_offset_or_size_is_no_number_is_not_quoted(
    part: int, quoted: set[int]
) -> None:
    env = _still()
    env.reset(seed=0)
    action = np.full(4, -1.0, np.float32)
    action[part] = np.nan
    env.step(action)
    assert set(_working(env)) == quoted


def test_masks_leave_a_side_at_its_limit_only_no_quote() -> None:
    rows = [*still(), *((250 + 100 * k, codes.TRADE, -1, 1_000, 60) for k in range(8))]
    env = _still(data=book_of(sorted(rows)), max_inventory=5.0, action="discrete")
    env.reset(seed=0)
    assert env.action_masks().all()
    for _ in range(6):
        env.step(np.array([0, 5]))
    assert env.action_masks().tolist() == [False] * 5 + [True] * 7


def test_e4c_a_restored_episode_repeats_byte_for_byte() -> None:
    env = make(MAKING, episode_steps=STEPS, **EAGER).unwrapped
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(STEPS)]
    env.reset(seed=3)
    for action in actions[: STEPS // 2]:
        env.step(action)
    kept = env.snapshot()
    one = [env.step(action)[:2] for action in actions[STEPS // 2 :]]
    finals = env.finals
    env.restore(kept)
    for action, (row, reward) in zip(actions[STEPS // 2 :], one, strict=True):
        again = env.step(action)
        np.testing.assert_array_equal(again[0], row)
        assert again[1] == reward
    assert env.finals == finals


def test_the_future_changes_nothing_before_it() -> None:
    """A quote meets only what has come: the rows after an instant are cut off."""
    end = int(SMALL.local_ts[-1]) - 2_000_000_000
    given: dict[str, Any] = {"window": [5], "episode_steps": 20, **EAGER}
    whole = make(MAKING, **given).unwrapped
    cut = make(MAKING, **given, data=SMALL.window(int(SMALL.local_ts[0]), end)).unwrapped
    shift = int(np.searchsorted(whole.times, cut.times[0]))
    actions = sampled(whole.action_space, 1, 20)
    one = play(whole, [row[0] for row in actions], seed=2, options={"start": 5 + shift})
    two = play(cut, [row[0] for row in actions], seed=2)
    np.testing.assert_array_equal(one["rewards"], two["rewards"])
