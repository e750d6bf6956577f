"""Actions: what each number asks of the account, dead zones, leverage, masks (E6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from seq_gym.errors import ConfigError, UsageError
from seq_gym.market import candles_from_rows
from tests.envs.worlds import FREE, ONE, PORTFOLIO, flat, make, play, rows_env

STEADY = flat(100.0, 40)


def fills_of(env: Any) -> list[tuple[str, float, float]]:
    return [(f.side, f.quantity, f.price) for f in env.unwrapped.session.fills()]


def held(env: Any) -> float:
    positions = env.unwrapped.session.positions()
    return positions[0].quantity if positions else 0.0


# ---------------------------------------------------------------------- discrete and ladder


def test_discrete_holds_buys_a_fraction_of_equity_and_closes() -> None:
    env = rows_env(STEADY, buy_fraction=0.25)
    env.reset(seed=0)
    positions = []
    for action in (0, 1, 0, 1, 2, 2, 1):
        env.step(action)
        positions.append(held(env))
    # A quarter of 10,000 at 100 is 25 units; a second one is a quarter of the equity again.
    assert positions == pytest.approx([0, 25, 25, 50, 0, 0, 25])


def test_a_buy_of_all_equity_fits_fees_and_slippage_and_never_fails() -> None:
    rows = [*flat(100.0, 5), *flat(103.0, 10)]
    env = rows_env(rows, taker_fee_frac=0.002, slippage_bps=10.0, window=[5])
    env.reset(seed=0)
    env.step(1)
    session = env.unwrapped.session
    assert held(env) == pytest.approx(10_000 / (103.0 * 1.001 * 1.002), rel=1e-6)
    assert 0.0 <= session.portfolio().available_cash < 0.01
    assert all(order.status == "filled" for order in session.orders())


def test_a_ladder_goes_to_the_weights_of_its_levels() -> None:
    env = rows_env(STEADY, action="ladder", levels=[0.0, 0.3, 1.0])
    assert env.action_space.n == 3
    env.reset(seed=0)
    positions = []
    for action in (1, 1, 2, 1, 0):
        env.step(action)
        positions.append(held(env))
    assert positions == pytest.approx([30, 30, 100, 30, 0])


def test_the_default_ladder_of_a_margin_account_goes_short_and_leverage_scales_it() -> None:
    env = rows_env(STEADY, action="ladder", account="margin", leverage=2.0, borrow_rate_frac=0.0)
    assert env.action_space.n == 5
    env.reset(seed=0)
    positions = []
    for action in (0, 4, 3, 2):
        env.step(action)
        positions.append(held(env))
    assert positions == pytest.approx([-200, 200, 100, 0])
    # A flip is two fills: the close, then the opening of the other side.
    assert len(fills_of(env)) == 1 + 2 + 1 + 1


# ---------------------------------------------------------------------- continuous and weights


def test_continuous_is_a_target_weight_and_its_negatives_are_cash_in_spot() -> None:
    env = rows_env(STEADY, action="continuous")
    env.reset(seed=0)
    positions = []
    for action in (0.5, 1.0, -1.0, 0.2):
        env.step(np.array([action], np.float32))
        positions.append(held(env))
    assert positions == pytest.approx([50, 100, 0, 20], rel=1e-6)


def test_continuous_goes_short_on_margin() -> None:
    env = rows_env(STEADY, action="continuous", account="margin", borrow_rate_frac=0.0)
    env.reset(seed=0)
    env.step(np.array([-0.5], np.float32))
    assert held(env) == pytest.approx(-50)


def test_changes_below_the_dead_zone_wait_and_a_target_of_zero_always_closes() -> None:
    env = rows_env(STEADY, action="continuous", deadband=0.1)
    env.reset(seed=0)
    positions = []
    for action in (0.05, 0.5, 0.55, 0.45, 0.65, 0.09, 0.0, 0.0):
        env.step(np.array([action], np.float32))
        positions.append(held(env))
    assert positions == pytest.approx([0, 50, 50, 50, 65, 9, 0, 0], rel=1e-6)
    small = rows_env(STEADY, action="continuous", deadband=0.1)
    play(small, [np.array([w], np.float32) for w in (0.15, 0.06, 0.0)])
    assert [side for side, _, _ in fills_of(small)] == ["buy", "sell"]


def test_a_dead_zone_is_of_the_weight_as_it_stands_and_not_of_the_last_target() -> None:
    rows = [*flat(100.0, 6), *flat(150.0, 10)]
    env = rows_env(rows, action="continuous", deadband=0.05, window=[4])
    env.reset(seed=0)
    env.step(np.array([0.5], np.float32))
    assert held(env) == pytest.approx(50)
    for _ in range(3):
        env.step(np.array([0.5], np.float32))
    # At 150 half of the equity of 12,500 is 41.67 units: the weight had drifted to 0.6.
    assert held(env) == pytest.approx(12_500 * 0.5 / 150, rel=1e-6)


def test_weights_sell_first_and_scale_the_buys_by_one_factor() -> None:
    rows = {
        name: flat(price, 30) for name, price in (("AUSDT", 10.0), ("BUSDT", 20.0), ("CUSDT", 40.0))
    }
    fees = {**FREE, "taker_fee_frac": 0.01}
    env = rows_env(candles_from_rows(rows), **fees, deadband=0.0)
    env.reset(seed=0)
    env.step(np.array([1.0, 0.0, 0.0], np.float32))
    env.step(np.array([0.0, 0.5, 0.5], np.float32))
    session = env.unwrapped.session
    assert [(f.symbol, f.side) for f in session.fills()] == [
        ("AUSDT", "buy"),
        ("AUSDT", "sell"),
        ("BUSDT", "buy"),
        ("CUSDT", "buy"),
    ]
    worth = [position.market_value for position in session.positions()]
    assert worth[0] == pytest.approx(worth[1], rel=1e-9)
    assert 0.0 <= session.portfolio().available_cash < 0.01


def test_negative_weights_are_cash_in_spot_and_do_not_shrink_the_others() -> None:
    env = make(PORTFOLIO, **FREE, deadband=0.0)
    play(env, [np.array([0.5, -1.0, -1.0, 0.0], np.float32)])
    positions = env.unwrapped.session.positions()
    assert [p.symbol for p in positions] == ["BTCUSDT"]
    portfolio = env.unwrapped.session.portfolio()
    assert portfolio.position_value / portfolio.total_equity == pytest.approx(0.5, abs=2e-3)


def test_actions_beyond_the_box_are_scaled_back_and_nan_asks_for_nothing() -> None:
    env = rows_env(STEADY, action="continuous")
    env.reset(seed=0)
    env.step(np.array([5.0], np.float32))
    assert held(env) == pytest.approx(100, rel=1e-6)
    _, reward, *_ = env.step(np.array([np.nan], np.float32))
    assert held(env) == pytest.approx(100, rel=1e-6)
    assert np.isfinite(reward)


# ---------------------------------------------------------------------- orders


def order_env(**arguments: Any) -> Any:
    given = {"action": "order", "order_sizes": [0.1, 0.5], "offsets_bps": [100.0, 200.0]}
    env = rows_env(arguments.pop("rows", STEADY), **{**given, **arguments})
    env.reset(seed=0)
    return env


def test_order_actions_say_type_side_size_and_offset() -> None:
    env = order_env()
    assert env.action_space.nvec.tolist() == [6, 2, 2, 2]
    env.step(np.array([1, 0, 1, 0]))  # market buy of half
    env.step(np.array([2, 0, 0, 1]))  # limit buy of a tenth, 2 % below
    env.step(np.array([3, 0, 0, 0]))  # stop 1 % below
    env.step(np.array([4, 1, 0, 1]))  # target 2 % above
    orders = {order.type: order for order in env.unwrapped.session.orders()}
    assert orders["market"].filled_quantity == pytest.approx(50)
    assert (orders["limit"].side, orders["limit"].price) == ("buy", pytest.approx(98.0))
    assert orders["stop_loss"].trigger_price == pytest.approx(99.0)
    assert orders["take_profit"].trigger_price == pytest.approx(102.0)
    assert {orders["stop_loss"].side, orders["take_profit"].side} == {"sell"}
    assert len(env.unwrapped.session.open_orders()) == 3
    env.step(np.array([5, 0, 0, 0]))
    assert env.unwrapped.session.open_orders() == ()
    before = len(env.unwrapped.session.orders())
    env.step(np.array([0, 1, 1, 1]))  # nothing
    assert len(env.unwrapped.session.orders()) == before


def test_exits_of_a_short_watch_the_other_side() -> None:
    env = order_env(account="margin")
    for action in ([1, 1, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0]):
        env.step(np.array(action))
    orders = {order.type: order for order in env.unwrapped.session.orders()}
    assert held(env) == pytest.approx(-10)
    assert orders["stop_loss"].trigger_price == pytest.approx(101.0)
    assert orders["take_profit"].trigger_price == pytest.approx(99.0)
    assert orders["stop_loss"].side == orders["take_profit"].side == "buy"


def test_a_stop_that_fires_closes_the_position_and_cancels_its_sibling() -> None:
    rows = [*flat(100.0, 8), (100.0, 100.0, 98.0, 98.5, 1e6), *flat(98.5, 6)]
    env = order_env(rows=rows, window=[4])
    for action in ([1, 0, 1, 0], [3, 0, 0, 0], [4, 0, 0, 1], [0] * 4, [0] * 4, [0] * 4):
        env.step(np.array(action))
    assert [(side, price) for side, _, price in fills_of(env)] == [("buy", 100.0), ("sell", 99.0)]
    reasons = {o.type: (o.status, o.reason) for o in env.unwrapped.session.orders()}
    assert reasons["take_profit"] == ("cancelled", "POSITION_CLOSED")


def test_a_refused_order_is_a_value_and_no_exception() -> None:
    env = order_env()
    _, reward, terminated, *_ = env.step(np.array([1, 1, 1, 0]))  # sells what is not held
    assert (reward, terminated) == (0.0, False)
    assert held(env) == 0.0
    assert all(order.status == "rejected" for order in env.unwrapped.session.orders())


# ---------------------------------------------------------------------- masks


def test_masks_follow_what_an_order_could_do() -> None:
    env = order_env(max_orders=2)
    sizes = env.action_space.nvec

    def masks() -> tuple[list[bool], list[bool]]:
        flat_masks = env.unwrapped.action_masks()
        assert flat_masks.dtype == np.bool_
        assert flat_masks.shape == (int(sizes.sum()),)
        assert flat_masks[8:].all()
        return flat_masks[:6].tolist(), flat_masks[6:8].tolist()

    # Flat: no exits, nothing to cancel, no sales.
    assert masks() == ([True, True, True, False, False, False], [True, False])
    env.step(np.array([1, 0, 1, 0]))
    assert masks() == ([True, True, True, True, True, False], [True, True])
    env.step(np.array([3, 0, 0, 0]))
    env.step(np.array([4, 0, 0, 0]))
    # Every slot is taken: under next_open a market order would need one until the open.
    assert masks() == ([True, False, False, False, False, True], [True, True])


def test_masks_of_discrete_kinds() -> None:
    env = rows_env(STEADY)
    env.reset(seed=0)
    assert env.unwrapped.action_masks().tolist() == [True, True, False]
    env.step(1)
    assert env.unwrapped.action_masks().tolist() == [True, True, True]
    ladder = rows_env(STEADY, action="ladder")
    ladder.reset(seed=0)
    assert ladder.unwrapped.action_masks().tolist() == [True] * 5
    box = rows_env(STEADY, action="continuous")
    box.reset(seed=0)
    with pytest.raises(UsageError, match="discrete action kind"):
        box.unwrapped.action_masks()


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_actions_that_the_mask_forbids_really_do_nothing(account: str) -> None:
    env = make(action="order", account=account, episode_steps=150, max_orders=3)
    env.action_space.seed(3)
    forbidden = 0
    for seed in range(3):
        env.reset(seed=seed)
        for _ in range(149):
            action = env.action_space.sample()
            masks = env.unwrapped.action_masks()
            if masks[action[0]] and masks[6 + action[1]]:
                env.step(action)
                continue
            # The same moment twice: with the forbidden action, and with none.
            forbidden += 1
            kept = env.unwrapped.snapshot()
            if masks[action[0]] and action[0] > 2:
                continue  # the side of exits and cancels is not asked for
            done = env.step(action)[1]
            fills, orders = fills_of(env), env.unwrapped.session.open_orders()
            env.unwrapped.restore(kept)
            assert env.step(np.zeros(4, int))[1] == done
            assert fills_of(env) == fills
            assert env.unwrapped.session.open_orders() == orders
    assert forbidden > 20


# ---------------------------------------------------------------------- wrong actions


@pytest.mark.parametrize("action", [3, -1, 1.5, np.nan, "buy", None, [1, 2]])
def test_a_discrete_action_outside_of_the_space_is_refused(action: Any) -> None:
    env = make().unwrapped
    env.reset(seed=1)
    with pytest.raises(ConfigError, match=r"ctions? must"):
        env.step(action)
    assert env.session.step_index == 0


@pytest.mark.parametrize(
    "action", [[6, 0, 0, 0], [0, 2, 0, 0], [0, 0, -1, 0], [0, 0, 0], [1, 0, 0, np.nan], None]
)
def test_an_order_action_outside_of_the_space_is_refused(action: Any) -> None:
    env = make(action="order").unwrapped
    env.reset(seed=1)
    with pytest.raises(ConfigError, match=r"ctions? must"):
        env.step(action if action is None else np.array(action))
    assert env.session.step_index == 0


@pytest.mark.parametrize("action", [[0.1, 0.2], [], "half", None])
def test_a_box_action_of_another_shape_is_refused(action: Any) -> None:
    env = make(action="continuous", data=ONE).unwrapped
    env.reset(seed=1)
    with pytest.raises(ConfigError, match=r"ctions? must"):
        env.step(action)


@pytest.mark.parametrize("action", [np.int64(1), np.array(1), np.array([1]), 1, True])
def test_a_discrete_action_may_come_as_any_whole_number(action: Any) -> None:
    env = make().unwrapped
    env.reset(seed=1)
    env.step(action)
    assert len(env.session.fills()) == 1
