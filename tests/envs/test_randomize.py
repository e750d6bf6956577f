"""Domain randomisation: what trading costs is drawn for each episode, from its seed alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym._random import draw_uniform
from seq_gym.checks import check_no_lookahead
from seq_gym.envs import kernel
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.types import Ending
from tests.envs.test_vector import sampled
from tests.envs.worlds import CANDLE, KINDS, ONE, make, make_vec, rows_env

WIDE = {"fee_scale": [0.2, 5.0], "slippage_scale": [0.5, 3.0]}
PRICES = [(100.0, 103.0, 98.0, 101.0, 5e4), (101.0, 102.0, 97.0, 99.0, 5e4)] * 30


def scales_of(batch: Any) -> Any:
    accounts = batch.unwrapped.accounts
    return np.stack([accounts["fee_scale"], accounts["slippage_scale"]], axis=1)


def bits(returned: Any) -> bytes:
    return b"".join(np.ascontiguousarray(part).tobytes() for part in returned[:4])


# ---------------------------------------------------------------------- what is drawn


def test_scales_are_log_uniform_within_their_bounds_and_independent() -> None:
    batch = make_vec(num_envs=4_000, randomize=WIDE)
    batch.reset(seed=1)
    scales = scales_of(batch)
    for column, (low, high) in enumerate(WIDE.values()):
        drawn = scales[:, column]
        assert low <= drawn.min() < low * 1.01
        assert high >= drawn.max() > high / 1.01
        place = np.sort(np.log(drawn / low) / math.log(high / low))
        # Kolmogorov-Smirnov: beyond this distance one sample in a thousand lies.
        distance = np.abs(place - np.arange(1, 4_001) / 4_000).max()
        assert distance < 1.95 / math.sqrt(4_000)
    assert abs(np.corrcoef(np.log(scales).T)[0, 1]) < 0.05


def test_a_scale_is_the_keyed_draw_of_its_seed_and_episode() -> None:
    env = make(randomize=WIDE, episode_steps=5)
    seen = []
    for episode in range(4):
        _, info = env.reset(seed=77 if episode == 0 else None)
        low, high = WIDE["fee_scale"]
        wanted = low * (high / low) ** draw_uniform(77, kernel.FEE_STREAM, episode)
        assert info["fee_scale"] == pytest.approx(wanted, rel=1e-14)
        seen.append((info["fee_scale"], info["slippage_scale"]))
    assert len(set(seen)) == 4
    assert env.reset(seed=77)[1]["fee_scale"] == seen[0][0]


def test_scales_do_not_move_the_windows() -> None:
    plain, drawn = make_vec(num_envs=50), make_vec(num_envs=50, randomize=WIDE)
    np.testing.assert_array_equal(plain.reset(seed=5)[0], drawn.reset(seed=5)[0])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**60), scale=st.floats(0.01, 9.0))
def test_equal_bounds_are_exactly_that_scale(seed: int, scale: float) -> None:
    env = make(randomize={"fee_scale": [scale, scale], "slippage_scale": [0.0, 0.0]})
    info = env.reset(seed=seed)[1]
    assert info["fee_scale"] == scale
    assert info["slippage_scale"] == 0.0


# ---------------------------------------------------------------------- batches


@pytest.mark.parametrize("kind", KINDS)
def test_a_scale_of_one_changes_not_a_bit(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    arguments = {**arguments, "episode_steps": 12}
    plain = make_vec(env_id, 3, **arguments)
    one = make_vec(env_id, 3, **arguments, randomize={"fee_scale": [1, 1]})
    np.testing.assert_array_equal(plain.reset(seed=3)[0], one.reset(seed=3)[0])
    for actions in sampled(plain.single_action_space, 3, 40):
        assert bits(plain.step(actions)) == bits(one.step(actions))


@pytest.mark.parametrize("kind", KINDS)
def test_row_i_is_the_single_environment_whatever_its_costs(kind: str) -> None:
    env_id, arguments = KINDS[kind]
    arguments = {**arguments, "episode_steps": 11, "randomize": WIDE}
    batch = make_vec(env_id, 3, **arguments)
    singles = [make(env_id, **arguments) for _ in range(3)]
    batch.reset(seed=30)
    for e, env in enumerate(singles):
        env.reset(seed=30 + e)
    ended = 0
    for actions in sampled(batch.single_action_space, 3, 50):
        rows, rewards, terminated, truncated, infos = batch.step(actions)
        for e, env in enumerate(singles):
            observation, reward, _, _, info = env.step(actions[e])
            assert rewards[e] == reward
            if terminated[e] or truncated[e]:
                ended += 1
                final = infos["final_info"]
                for name in ("equity", "fee_scale", "slippage_scale"):
                    assert final[name][e] == info[name]
                observation = env.reset()[0]
            np.testing.assert_array_equal(rows[e], observation)
    assert ended >= 9


def test_scales_do_not_depend_on_the_size_of_the_batch() -> None:
    large, small = make_vec(num_envs=7, randomize=WIDE), make_vec(num_envs=2, randomize=WIDE)
    large.reset(seed=100)
    small.reset(seed=104)
    np.testing.assert_array_equal(scales_of(large)[4:6], scales_of(small))


def test_every_episode_of_a_row_draws_anew_and_the_last_info_tells_the_old_ones() -> None:
    batch = make_vec(num_envs=2, randomize=WIDE, episode_steps=3)
    batch.reset(seed=1)
    before = scales_of(batch)
    for _ in range(3):
        *_, infos = batch.step(np.array([1, 1]))
    np.testing.assert_array_equal(infos["final_info"]["fee_scale"], before[:, 0])
    np.testing.assert_array_equal(infos["final_info"]["slippage_scale"], before[:, 1])
    assert not (scales_of(batch) == before).any()


def test_infos_hold_scales_only_where_they_are_drawn() -> None:
    batch, env = make_vec(num_envs=1, episode_steps=1), make()
    batch.reset(seed=1)
    assert not set(batch.step(np.array([0]))[4]["final_info"]) & {"fee_scale", "slippage_scale"}
    assert set(env.reset(seed=1)[1]) == {"equity", "ending"}
    assert "fee_scale" not in batch.unwrapped.final_names


def test_a_snapshot_keeps_the_scales_of_its_episode() -> None:
    env = make(randomize=WIDE, action="ladder")
    env.reset(seed=2)
    kept = env.unwrapped.snapshot()
    first = bits(env.step(4))
    info = env.reset()[1]
    env.unwrapped.restore(kept)
    assert bits(env.step(4)) == first
    assert env.step(0)[4]["fee_scale"] != info["fee_scale"]


# ---------------------------------------------------------------------- what it costs


def one_trip(**randomize: Any) -> Any:
    """All in at 100, all out: by hand."""
    env = rows_env(
        [(100.0, 100.0, 100.0, 100.0, 1e6)] * 30,
        action="ladder",
        taker_fee_frac=0.002,
        slippage="fixed_bps",
        slippage_bps=10.0,
        randomize=randomize or None,
    )
    env.reset(seed=0)
    env.step(2)
    env.step(0)
    return env.unwrapped.session


@pytest.mark.parametrize(("fee", "slip"), [(1.0, 1.0), (3.0, 1.0), (1.0, 4.0), (0.0, 0.0), (2, 5)])
def test_a_round_trip_costs_its_scaled_fees_and_slippage_by_hand(fee: float, slip: float) -> None:
    session = one_trip(fee_scale=[fee, fee], slippage_scale=[slip, slip])
    buy, sell = session.fills()
    assert buy.price == pytest.approx(100.0 * (1.0 + 0.001 * slip), rel=1e-12)
    assert sell.price == pytest.approx(100.0 * (1.0 - 0.001 * slip), rel=1e-12)
    for fill in (buy, sell):
        assert fill.fee == pytest.approx(fill.quantity * fill.price * 0.002 * fee, rel=1e-12)
    lost = 10_000.0 - session.portfolio().total_equity
    assert lost == pytest.approx(
        buy.fee + sell.fee + 100.0 * 0.002 * slip * buy.quantity, abs=1e-9, rel=1e-9
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**30),
    kind=st.sampled_from([k for k in KINDS if KINDS[k][0] == CANDLE]),
    fee=st.floats(0.0, 20.0),
    slip=st.floats(0.0, 8.0),
)
def test_identities_of_money_hold_at_every_scale(
    seed: int, kind: str, fee: float, slip: float
) -> None:
    """M4: equity is start plus realised plus unrealised, and cash plus positions at their marks."""
    env = make(
        **KINDS[kind][1], randomize={"fee_scale": [fee, fee], "slippage_scale": [slip, slip]}
    )
    env.reset(seed=seed)
    env.action_space.seed(seed)
    for _ in range(39):
        if any(env.step(env.action_space.sample())[2:4]):
            break
    (account,) = env.unwrapped._core.batch.accounts
    (position,) = env.unwrapped._core.batch.positions[0]
    mark = env.unwrapped._core.batch.candles["mark"][account["cursor"], 0]
    value = position["qty"] * mark
    equity, start = float(account["equity"]), float(account["starting_balance"])
    scale = 1e-9 * max(start, float(account["turnover"]))
    assert abs(equity - (account["cash"] + value)) <= scale
    assert abs(equity - (start + account["realized"] + value - position["basis"])) <= scale
    if env.unwrapped.params.account == "spot":
        assert account["cash"] >= 0.0
        assert position["qty"] >= 0.0


def test_costs_rise_with_their_scale() -> None:
    def fees(scale: float) -> float:
        env = make(action="ladder", randomize={"fee_scale": [scale, scale]})
        env.reset(seed=6)
        for k in range(38):
            env.step(4 if k % 2 else 0)
        return float(env.unwrapped._core.batch.accounts["taker_fees"][0])

    assert 0.0 == fees(0.0) < fees(0.5) < fees(1.0) < fees(4.0)


def test_an_all_in_buy_never_fails_because_the_episode_is_dear() -> None:
    """O3b: a fraction is fitted to what free cash covers, with the costs that it really pays."""
    batch = make_vec(num_envs=200, action="ladder", randomize={"fee_scale": [1, 200]})
    batch.reset(seed=3)
    batch.step(np.full(200, 4))
    accounts = batch.unwrapped.accounts
    assert (accounts["num_fills"] == 1).all()
    assert (accounts["cash"] >= 0.0).all()
    one_lot = batch.unwrapped.settings.series.instruments[0].lot * np.nanmax(ONE.high)
    assert (accounts["cash"] < 1.3 * one_lot).all()  # with the dearest fee


def test_liquidation_pays_scaled_costs_too() -> None:
    """M5: the margin call closes as a taker of this episode."""
    fall = [(100.0, 100.0, 100.0, 100.0, 1e6)] * 6 + [(100.0, 100.0, 60.0, 62.0, 1e6)] * 4
    paid = []
    for scale in (1.0, 3.0):
        env = rows_env(
            fall,
            action="ladder",
            account="margin",
            leverage=3.0,
            levels=[0.0, 1.0],
            taker_fee_frac=0.001,
            randomize={"fee_scale": [scale, scale]},
        )
        env.reset(seed=0)
        ended = False
        while not ended:
            *_, ended, cut, info = env.step(1)
            assert not cut
        assert info["ending"] is Ending.LIQUIDATED
        last = env.unwrapped.session.fills()[-1]
        paid.append(last.fee / (last.quantity * last.price))
    assert paid == [pytest.approx(0.001), pytest.approx(0.003)]


def test_randomised_costs_look_no_further_ahead() -> None:
    check_no_lookahead(make(randomize=WIDE, action="ladder"), steps=30)


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("randomize", "error", "text"),
    [
        ([0.5, 2.0], ConfigError, "must map"),
        ({"fee": [0.5, 2.0]}, UnknownName, "fee_scale"),
        ({"fee_scale": 2.0}, ConfigError, r"must be \[low, high\]"),
        ({"fee_scale": [1.0]}, ConfigError, r"must be \[low, high\]"),
        ({"fee_scale": "12"}, ConfigError, r"must be \[low, high\]"),
        ({"fee_scale": [2.0, 0.5]}, ConfigError, "low <= high"),
        ({"fee_scale": [0.0, 0.5]}, ConfigError, "or 0 twice"),
        ({"fee_scale": [-1.0, 0.5]}, ConfigError, "at least 0"),
        ({"slippage_scale": [1.0, math.nan]}, ConfigError, "finite"),
        ({"slippage_scale": [1.0, math.inf]}, ConfigError, "finite"),
        ({"fee_scale": [1.0, 1000.0]}, ConfigError, "below its price; up to 1000 times 0.001"),
        ({"slippage_scale": [1.0, 10.0]}, ConfigError, "below its price; up to 10 times 0.1"),
    ],
)
def test_wrong_bounds_are_refused_and_say_why(randomize: Any, error: type, text: str) -> None:
    with pytest.raises(error, match=text):
        make(randomize=randomize)
