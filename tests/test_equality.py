"""One engine behind every door: the same actions give the same fills, equity and metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seq_gym import Session
from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.evaluate.candles import FILL_FIELDS
from seq_gym.market import CandleSeries
from seq_gym.metrics import episode_metrics
from seq_gym.sandbox.params import SandboxParams
from tests.envs.worlds import CANDLE, FOUR_ROUGH, ONE, ONE_ROUGH, PORTFOLIO, make, make_vec, play

PHYSICS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "close": {"execution": "close", "liquidate_on_complete": True},
    "margin": {"account": "margin"},
    "square-root": {"slippage": "square_root", "slippage_impact": 0.5},
    "participation": {"max_participation_frac": 0.01},
    "strict": {"trigger": "close", "limit_fill": "through", "maker_fee_frac": -0.0001},
}
SAME = {"execution": "next_open", "liquidate_on_complete": False}


def session_like(env: Any, series: CandleSeries, **physics: Any) -> Session:
    """A session over the window that an environment plays, under the same physics."""
    window = env.unwrapped.session
    session = Session.create(
        data=series,
        start_time=series.time_of(window.start_cursor),
        end_time=series.time_of(window.end_cursor),
        **{**SAME, **physics},
    )
    session.start()
    return session


def orders_of_session(session: Session, kind: str, action: Any, env: Any) -> None:
    """Ask a session for what an action of an environment asks."""
    settings = env.unwrapped.settings
    symbols = session.symbols
    listed = session.prices()
    if kind == "discrete":
        if action == 1:
            session.place_order(symbols[0], "buy", "market", fraction=settings.buy_fraction)
        elif action == 2 and session.positions():
            session.rebalance({symbols[0]: 0.0})
    elif kind == "ladder":
        weight = settings.levels[action] * settings.leverage
        session.rebalance({symbols[0]: weight}, deadband=settings.deadband)
    else:
        weights = np.asarray(action, np.float64)
        if session.params.account == "spot":
            weights = np.maximum(weights, 0.0)
        weights = weights / max(1.0, np.abs(weights).sum())
        wanted = {s: float(w) for s, w in zip(symbols, weights, strict=True) if s in listed}
        session.rebalance(wanted, deadband=settings.deadband)


@pytest.mark.parametrize("physics", PHYSICS)
@pytest.mark.parametrize("kind", ["discrete", "ladder", "weights"])
def test_environment_and_session_fill_alike(kind: str, physics: str) -> None:
    env_id = PORTFOLIO if kind == "weights" else CANDLE
    if (kind, physics) == ("discrete", "participation"):
        pytest.skip("the rest of a market order waits on; a target is replaced by the next one")
    # For the same reason a fraction as an order and as a target are two wishes over gaps.
    series = {"weights": FOUR_ROUGH, "ladder": ONE_ROUGH, "discrete": ONE}[kind]
    own = {} if kind == "weights" else {"action": kind}
    env = make(env_id, data=series, episode_steps=60, look_back=5, **own, **PHYSICS[physics])
    env.action_space.seed(5)
    actions = [env.action_space.sample() for _ in range(60)]
    out = play(env, actions, seed=5)
    theirs = env.unwrapped.session
    session = session_like(env, series, **PHYSICS[physics])
    for action in actions[: len(out["rewards"])]:
        orders_of_session(session, kind, action, env)
        session.step()
    assert_alike(session, theirs)
    assert len(session.fills()) > 3


def assert_alike(one: Session, other: Session) -> None:
    """Fills, equity and metrics are the same, to the bit; ids and requests may differ."""
    fields = [name for name in FILL_FIELDS if name not in ("order_id", "type")]
    for mine, theirs in zip(one.fills(), other.fills(), strict=True):
        assert [getattr(mine, name) for name in fields] == [
            getattr(theirs, name) for name in fields
        ]
    np.testing.assert_array_equal(one.equity, other.equity)
    results, others = one.results(), other.results()
    assert results.metrics == others.metrics
    assert results.costs == others.costs
    assert results.ending == others.ending
    assert (results.final_equity, results.total_trades) == (
        others.final_equity,
        others.total_trades,
    )


def test_order_actions_and_the_orders_of_a_session_fill_alike() -> None:
    env = make(action="order", data=ONE_ROUGH, episode_steps=150, offsets_bps=[1.0, 3.0, 8.0])
    env.action_space.seed(7)
    actions = [env.action_space.sample() for _ in range(150)]
    play(env, actions, seed=7)
    settings = env.unwrapped.settings
    session = session_like(env, ONE_ROUGH)
    for action in actions:
        place_as_the_environment(session, action, settings)
        session.step()
    assert_alike(session, env.unwrapped.session)
    types = {"market", "limit", "stop_loss", "take_profit"}
    assert {fill.type for fill in session.fills()} == types


def place_as_the_environment(session: Session, action: Any, settings: Any) -> None:
    """Translate [type, side, size, offset] as the docstring of the actions says."""
    kind, side, size, offset = (int(part) for part in action)
    if kind == 5:
        for order in session.open_orders():
            session.cancel_order(order)
    if kind in (0, 5):
        return
    symbol = session.symbols[0]
    mark = session.price(symbol)
    positions = session.positions()
    held = positions[0].quantity if positions else 0.0
    away = settings.offsets_bps[offset] / 10_000.0
    if kind in (3, 4):
        trigger = mark * (1.0 - away) if kind == 3 else mark * (1.0 + away)
        name = "stop_loss" if kind == 3 else "take_profit"
        session.place_order(symbol, "sell", name, trigger_price=trigger)
        return
    sign = -1.0 if side else 1.0
    fraction = settings.levels[size]
    sized = {"notional": fraction * held * mark} if side else {"fraction": fraction}
    if side and held == 0.0:
        return
    terms = {"price": mark * (1.0 - sign * away)} if kind == 2 else {}
    session.place_order(
        symbol, "sell" if side else "buy", ("market", "limit")[kind - 1], **sized, **terms
    )


def test_steps_of_many_candles_and_batches_of_a_session_fill_alike() -> None:
    env = make(action="ladder", data=ONE_ROUGH, candles_per_step=6, episode_steps=25)
    env.action_space.seed(2)
    actions = [env.action_space.sample() for _ in range(25)]
    play(env, actions, seed=2)
    session = session_like(env, ONE_ROUGH)
    for action in actions:
        orders_of_session(session, "ladder", action, env)
        session.step_batch(6)
    assert_alike(session, env.unwrapped.session)


def test_orders_placed_through_the_session_of_an_environment_fill_as_in_a_session() -> None:
    env = make(action="order", episode_steps=30)
    env.reset(seed=3)
    session = session_like(env, ONE)
    for step in range(30):
        for each in (session, env.unwrapped.session):
            mark = each.price("BTCUSDT")
            if step == 3:
                each.place_order("BTCUSDT", "buy", "market", notional=4_000)
                each.place_order("BTCUSDT", "sell", "trailing_stop", trail_frac=0.0005)
            if step == 5:
                each.place_order("BTCUSDT", "buy", "limit", notional=1_000, price=mark * 0.9999)
        env.step(np.zeros(4, int))
        session.step()
    assert_alike(session, env.unwrapped.session)
    assert len(session.fills()) >= 2


# ---------------------------------------------------------------------- the batch


def test_the_finals_of_a_batch_are_the_results_of_the_episodes() -> None:
    arguments = {"action": "ladder", "data": ONE_ROUGH, "episode_steps": 30}
    batch, env = make_vec(num_envs=1, **arguments), make(**arguments)
    batch.reset(seed=6)
    env.reset(seed=6)
    env.action_space.seed(6)
    for _ in range(30):
        action = env.action_space.sample()
        infos = batch.step(np.array([action]))[4]
        env.step(action)
    final = {name: column[0] for name, column in infos["final_info"].items()}
    results, session = env.unwrapped.session.results(), env.unwrapped.session
    returns = np.diff(session.equity) / session.equity[:-1]
    assert final["equity"] == results.final_equity
    assert final["num_fills"] == results.total_trades
    assert final["num_steps"] == session.step_index
    assert final["slippage"] == pytest.approx(results.costs.slippage, rel=1e-12)
    assert final["max_drawdown"] == pytest.approx(results.metrics.max_drawdown_frac, rel=1e-9)
    assert final["sum_return"] == pytest.approx(returns.sum(), rel=1e-9)
    assert final["sum_square"] == pytest.approx((returns**2).sum(), rel=1e-9)
    assert final["turnover"] == pytest.approx(sum(f.notional for f in session.fills()), rel=1e-9)


# ---------------------------------------------------------------------- evaluate


class Script:
    """Plays the targets of a wave, whatever it sees."""

    def __init__(self) -> None:
        self.step = 0

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> Any:
        step = 0 if state is None else state
        return np.array([max(0.0, np.sin(step / 3.0))], np.float32), step + 1


class SessionScript:
    """The same wave, written against a session."""

    def on_start(self, session: Session) -> None:
        self.step = 0
        self._act(session)

    def on_candle(self, session: Session) -> None:
        if not session.is_complete:
            self._act(session)

    def _act(self, session: Session) -> None:
        weight = float(np.float32(max(0.0, np.sin(self.step / 3.0))))
        self.step += 1
        session.rebalance({session.symbols[0]: weight}, deadband=0.01)


@pytest.fixture(scope="module")
def config() -> EvaluateConfig:
    return EvaluateConfig(
        episodes=3,
        episode_steps=60,
        seed=5,
        agent=("tests.test_equality:Script", "tests.test_equality:SessionScript"),
        env_settings={"action": "continuous"},
        sandbox=replace(SandboxParams(starting_balance=10_000.0), **SAME),
    )


def test_evaluate_environment_and_session_give_the_same_numbers(config: EvaluateConfig) -> None:
    result = evaluate(config, data=ONE)
    policy, strategy = (result.episodes_of(name) for name in ("Script", "SessionScript"))
    assert len(policy) == len(strategy) == 3
    for one, other in zip(policy, strategy, strict=True):
        start = (one.start_ns - ONE.start_ns) // ONE.interval_ns
        env = make(action="continuous", episode_steps=60)
        env.reset(seed=0, options={"start": int(start)})
        state, over = None, False
        while not over:
            action, state = Script().predict(None, state)
            _, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
        session = env.unwrapped.session
        for episode in (one, other):
            np.testing.assert_array_equal(episode.equity, session.equity)
            mine = [
                [x for x, name in zip(row, FILL_FIELDS, strict=True) if name != "order_id"]
                for row in episode.fills
            ]
            theirs = [
                [getattr(f, name) for name in FILL_FIELDS if name != "order_id"]
                for f in session.fills()
            ]
            assert mine == theirs
            assert len(mine) > 5
        assert one.metrics == other.metrics
        expected = episode_metrics(
            session.equity,
            step_s=60.0,
            closing_pnls=[f.realized_pnl for f in session.fills() if f.realized_pnl is not None],
            num_fills=len(session.fills()),
            start_ns=one.start_ns,
        )
        assert one.metrics == expected
        assert one.costs == other.costs
