"""Execution-v0: the parent order, its shortfall, its endings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from seq_gym._jit import COMPILED
from seq_gym.engine.book import codes
from seq_gym.envs.book.executing import IMPROVE, JOIN, TAKE, TAKE_TWICE, WAIT
from seq_gym.types import Ending
from tests.envs.book.slow_tasks import same_events, slow_execution
from tests.envs.book.worlds import book_of, make, make_vec, play, sampled, still

EXECUTION = "seq_gym/Execution-v0"
STEPS = 120 if COMPILED else 25
SLOW: dict[str, Any] = {
    "latency_model": "constant",
    "latency": {"entry_ms": 170.0, "cancel_ms": 170.0, "response_ms": 230.0},
}
"""Answers come four decisions later."""
KINDS: dict[str, dict[str, Any]] = {
    "sell": {},
    "buy": {"side": "buy"},
    "discrete": {"action": "discrete", "side": "buy"},
    "margin": {"account": "margin", "borrow_rate_frac": 0.0},
    "slow": {"side": "buy", **SLOW},
    "parity": {"fills": "parity", "side": "buy"},
}


def _make(**arguments: Any) -> Any:
    return make(EXECUTION, **{"quantity": 0.2, "episode_steps": STEPS, **arguments}).unwrapped


def _still(rows: Any = None, **arguments: Any) -> Any:
    """A quiet book of 10.00 x 50 / 10.01 x 50 without latency or fees."""
    given: dict[str, Any] = {"latency_model": "none", "quantity": 24.0, "window": [0]}
    given |= {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0, "episode_steps": 8}
    return make(EXECUTION, data=book_of(rows or still()), **{**given, **arguments}).unwrapped


def _act(rate: float, aggression: float, max_rate: float = 10.0) -> Any:
    return np.array([2.0 * rate / max_rate - 1.0, aggression], np.float32)


def _sent(env: Any) -> list[tuple[str, float, str]]:
    """(type, quantity, status) of every order, in order."""
    return [(o.type, o.quantity, o.status) for o in env.session.orders()]


def _random(env: Any, seed: int) -> dict[str, list[Any]]:
    env.action_space.seed(seed)
    count = env.episode_steps
    return play(env, [env.action_space.sample() for _ in range(count)], seed=seed)


@pytest.mark.parametrize("kind", ["continuous", "discrete"])
def test_gymnasiums_checker_finds_nothing(kind: str) -> None:
    check_env(_make(action=kind), skip_render_check=True)


@pytest.mark.parametrize("name", KINDS)
def test_rewards_add_up_to_minus_the_shortfall(name: str) -> None:
    """Perold: paid, and the rest at its price, against all of it at the arrival mid."""
    env = _make(**KINDS[name], unfilled_penalty_bps=7.0)
    for seed in range(3 if COMPILED else 1):
        out = _random(env, seed)
        finals = env.finals
        side = env.settings.setup.constants["side"]
        cost = sum(fill.quantity * fill.price * side + fill.fee for fill in env.session.fills())
        done = sum(fill.quantity for fill in env.session.fills())
        assert done == pytest.approx(finals["filled_quantity"], abs=1e-12)
        assert finals["filled_quantity"] + finals["unfilled_quantity"] == pytest.approx(0.2)
        worth = 0.2 * finals["arrival_mid"]
        rest = finals["unfilled_quantity"]
        if rest:
            book = env.session.book("BTCUSDT", 1)
            touch = book.ask if side > 0 else book.bid
            fee = env.settings.params.taker_fee_frac
            cost += side * rest * touch * (1.0 + side * (7e-4 + fee))
        shortfall = cost - side * worth
        assert finals["shortfall"] == pytest.approx(shortfall, abs=1e-8 * worth)
        assert sum(out["rewards"]) == pytest.approx(-shortfall / worth * 1e4, abs=1e-6)
        assert sum(out["rewards"]) == pytest.approx(-finals["shortfall_bps"], abs=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_no_more_than_the_parent_is_ever_executed(name: str) -> None:
    for seed in range(4 if COMPILED else 1):
        env = _make(**KINDS[name], quantity=0.03, max_rate=30.0)
        out = _random(env, seed)
        done = sum(fill.quantity for fill in env.session.fills())
        assert done <= 0.03 + 1e-12
        sides = {fill.side for fill in env.session.fills()}
        assert sides <= {"sell" if env.settings.setup.constants["side"] < 0 else "buy"}
        if out["infos"][-1]["ending"] is Ending.TARGET_DONE:
            assert done == pytest.approx(0.03, abs=1e-15)
            assert out["terminated"][-1]
            assert env.finals["unfilled_quantity"] == 0.0


def test_what_is_left_at_the_last_decision_goes_as_a_market_order() -> None:
    env = _still()
    out = play(env, [_act(0.0, 1.0)] * 8, seed=0)
    assert _sent(env) == [("market", 24.0, "filled")]
    assert len(out["rewards"]) == 8
    assert out["infos"][-1]["ending"] is Ending.TARGET_DONE
    assert out["terminated"][-1]
    assert not out["truncated"][-1]
    assert env.finals["shortfall"] == pytest.approx(24.0 * 0.005)  # half the spread


def test_what_rests_is_cancelled_at_the_last_decision_but_one() -> None:
    env = _still()
    play(env, [_act(2.0, 0.0)] * 8, seed=0)
    orders = _sent(env)
    assert orders[0] == ("limit", 6.0, "cancelled")
    assert orders[-1] == ("market", 24.0, "filled")
    assert env.finals["filled_quantity"] == 24.0


def test_what_no_order_could_do_is_charged_at_the_touch_and_the_penalty() -> None:
    costs = []
    for penalty in (0.0, 100.0):
        env = _still(quantity=70.0, max_market_slippage_frac=0.0, unfilled_penalty_bps=penalty)
        out = play(env, [_act(0.0, 1.0)] * 8, seed=0)
        assert env.finals["unfilled_quantity"] == 20.0  # 50 were displayed
        assert out["infos"][-1]["ending"] in (Ending.WINDOW_END, Ending.DATA_END)
        costs.append(env.finals["shortfall"])
        assert sum(out["rewards"]) == pytest.approx(-env.finals["shortfall_bps"])
    assert costs[0] == pytest.approx(70.0 * 0.005)
    assert costs[1] - costs[0] == pytest.approx(20.0 * 10.00 * 0.01)


def test_what_comes_too_late_pays_the_takers_fee_as_well() -> None:
    """Else a cancellation that is answered too late would be a way around the fee."""
    costs = []
    for fee in (-0.0001, 0.0, 0.002):
        # Nothing crosses the spread: neither fee nor rebate is earned by trading.
        env = _still(taker_fee_frac=fee, unfilled_penalty_bps=0.0, **SLOW)
        play(env, [_act(10.0, -1.0)] * 8, seed=0)
        assert env.finals["unfilled_quantity"] == 24.0
        costs.append(env.finals["shortfall"])
    assert costs[0] == costs[1] == pytest.approx(24.0 * 0.005)
    assert costs[2] - costs[1] == pytest.approx(24.0 * 10.00 * 0.002)


def test_a_rate_of_one_is_a_twap_to_the_lot() -> None:
    env = _still(quantity=21.0)
    env.reset(seed=0)
    held = []
    for _ in range(8):
        env.step(_act(1.0, 1.0))
        held.append(21.0 - float(env._core.batch.positions[0, 0]["qty"]))
    assert held == [float(int(21 * (k + 1) / 8)) for k in range(8)]


def test_discrete_choices_wait_join_improve_take() -> None:
    rows = [(t, k, s, 1_003 if p == 1_001 else p, q) for t, k, s, p, q in still()]
    env = _still(rows=rows, action="discrete", side="buy", max_rate=2.0, quantity=80.0)
    env.reset(seed=0)
    orders = env._core.batch.orders[0, 0]

    def at_rest() -> list[tuple[int, float]]:
        rests = orders[orders["local"] != codes.FREE]
        return [(int(o["tick"]), float(o["leaves"])) for o in rests]

    env.step(WAIT)
    assert at_rest() == []
    env.step(JOIN)
    assert at_rest() == [(1_000, 23.0)]  # two of 80 / 7, rounded up
    env.step(IMPROVE)
    assert at_rest() == [(1_001, 27.0)]
    env.step(TAKE)
    assert float(env._core.batch.positions[0, 0]["qty"]) == 16.0
    env.step(TAKE_TWICE)
    assert float(env._core.batch.positions[0, 0]["qty"]) == 48.0
    assert at_rest() == [(1_001, 27.0)]  # takes leave it alone


def test_improving_joins_where_the_spread_is_one_tick() -> None:
    env = _still(action="discrete")
    env.reset(seed=0)
    env.step(IMPROVE)
    orders = env._core.batch.orders[0, 0]
    assert [int(o["tick"]) for o in orders if o["local"] != codes.FREE] == [1_001]


def test_a_take_stays_within_its_offset_through_the_touch() -> None:
    env = _still(quantity=100.0, side="buy", max_offset_ticks=2, episode_steps=2)
    env.reset(seed=0)
    env.step(_act(2.0, 0.1))  # rounds to no tick through: 50 at 10.01
    assert [(fill.price, fill.quantity) for fill in env.session.fills()] == [(10.01, 50.0)]
    env = _still(quantity=100.0, side="buy", max_offset_ticks=2, episode_steps=2)
    env.reset(seed=0)
    *_, terminated, _, info = env.step(_act(2.0, 0.5))
    assert [fill.price for fill in env.session.fills()] == [10.01, 10.02]
    assert terminated
    assert info["ending"] is Ending.TARGET_DONE


def test_a_spot_sale_starts_with_the_quantity_and_a_purchase_with_its_cash() -> None:
    sale, purchase = _still(), _still(side="buy")
    sale.reset(seed=0)
    purchase.reset(seed=0)
    assert float(sale._core.batch.positions[0, 0]["qty"]) == 24.0
    assert sale._equity[0] == pytest.approx(10_000.0 + 24.0 * 10.005)
    assert purchase._equity[0] == pytest.approx(10_000.0 + 2.0 * 24.0 * 10.005)
    for env in (sale, purchase):
        start = float(env._equity[0])
        assert float(env._core.batch.accounts[0]["starting_balance"]) == start
        for _ in range(8):
            *_, terminated, _, _ = env.step(_act(1.0, 1.0))
        assert terminated
        assert env._equity[0] - start == pytest.approx(-24.0 * 0.005)


def test_the_risk_term_is_the_square_of_what_is_left_times_seconds() -> None:
    env = _still(reward="shortfall_risk", risk_aversion=5.0)
    out = play(env, [_act(0.0, 1.0)] * 3, seed=0)
    assert out["rewards"] == pytest.approx([-5.0 * 0.1] * 3)


@pytest.mark.parametrize("physics", [SLOW, {}], ids=["slow", "own"])
def test_twin_the_same_orders_by_hand_leave_the_same_journal(physics: dict[str, Any]) -> None:
    for seed in range(3 if COMPILED else 1):
        env = _make(side="buy", max_offset_ticks=3, **physics)
        env.action_space.seed(seed)
        actions = [env.action_space.sample() for _ in range(STEPS)]
        play(env, actions, seed=seed)
        start = int(env._core.states["start"][0])
        engine_seed = int(env._core.batch.accounts[0]["seed"])
        events = slow_execution(env, start, actions, engine_seed)
        env._stash()
        ours = np.concatenate(env._episode._pieces)
        if env.finals["ending"] == Ending.TARGET_DONE:  # which cancels what is left working
            ours = ours[: len(events)]
        same_events(ours, events)


@pytest.mark.parametrize("name", KINDS)
def test_row_i_is_the_single_environment_seeded_s_plus_i(name: str) -> None:
    given = {"quantity": 0.03, "episode_steps": 12, **KINDS[name]}
    batch = make_vec(EXECUTION, num_envs=3, **given)
    observations, _ = batch.reset(seed=20)
    singles = [make(EXECUTION, **given).unwrapped for _ in range(3)]
    for e, env in enumerate(singles):
        np.testing.assert_array_equal(env.reset(seed=20 + e)[0], observations[e])
    for rows in sampled(batch.single_action_space, 3, 30 if COMPILED else 14):
        observations, rewards, terminated, truncated, _ = batch.step(rows)
        for e, env in enumerate(singles):
            row, reward, *over, _ = env.step(rows[e])
            assert reward == rewards[e]
            assert over == [terminated[e], truncated[e]]
            if any(over):
                row, _ = env.reset()
            np.testing.assert_array_equal(row, observations[e])


def test_e4c_a_restored_episode_repeats_byte_for_byte() -> None:
    env = _make()
    env.action_space.seed(1)
    actions = [env.action_space.sample() for _ in range(12)]
    env.reset(seed=3)
    for action in actions[:6]:
        env.step(action)
    kept = env.snapshot()
    one = [env.step(action)[:2] for action in actions[6:]]
    env.restore(kept)
    for action, (row, reward) in zip(actions[6:], one, strict=True):
        again = env.step(action)
        np.testing.assert_array_equal(again[0], row)
        assert again[1] == reward


def test_masks_forbid_a_take_while_all_that_is_left_works() -> None:
    env = _still(action="discrete", max_rate=8.0)
    env.reset(seed=0)
    assert env.action_masks().all()
    env.step(JOIN)
    assert env.action_masks().tolist() == [True, True, True, False, False]


def test_the_default_quantity_is_a_part_of_what_is_traded() -> None:
    env = make(EXECUTION, participation=0.5, episode_steps=50, latency_model="none").unwrapped
    times, prints = env.times, env.settings.grid.prints
    seen = (prints["ts"] > times[0]) & (prints["ts"] <= times[-1])
    share = 50 / (len(times) - 1)
    expected = 0.5 * share * prints["lots"][seen].sum() * 0.001
    assert env.settings.setup.max_qty == pytest.approx(expected, abs=0.001)
