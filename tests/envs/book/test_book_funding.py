"""M5: environments over books pay the funding that a session over the same books pays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seq_gym._random import draw_below
from seq_gym.envs.book.kernel import ENGINE_STREAM
from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.evaluate.book_costs import mids_at
from seq_gym.market import FundingRates, Store
from seq_gym.sandbox.book.session import BookSession
from tests.envs.book.worlds import SMALL, make, make_vec, sampled

SECOND = 1_000_000_000
IDS = ("seq_gym/BookTrading-v0", "seq_gym/MarketMaking-v0", "seq_gym/Execution-v0")
PHYSICS: dict[str, Any] = {"account": "margin", "borrow_rate_frac": 0.05, "latency_model": "none"}
STEPS = 25
START = int(-(-SMALL.local_ts[0] // SECOND) * SECOND) + SECOND
"""A whole second at which the book is known: the first decision of every episode here."""


def _rates(*seconds: float, rate: float = 0.01) -> FundingRates:
    """Rates stamped so long after START, growing, so that no two are confused."""
    stamps = START + np.array([round(second * SECOND) for second in seconds], np.int64)
    return FundingRates(stamps, rate * np.arange(1, len(seconds) + 1), "made")


def _world(env_id: str) -> dict[str, Any]:
    """Five seconds from START, with room for a position of a few lots."""
    own = {
        IDS[0]: {"max_position": 0.08},
        IDS[1]: {"max_inventory": 0.08},
        IDS[2]: {"quantity": 0.08, "max_rate": 2.0, "max_offset_ticks": 20},
    }[env_id]
    when = {"start": START, "window": [START], "decide_every": "200ms", "episode_steps": STEPS}
    return {**PHYSICS, **when, **own}


def _played(env_id: str, **arguments: Any) -> Any:
    """Play an episode to its end: targets, quotes at the touch, or immediate takes."""
    env: Any = make(env_id, **{**_world(env_id), **arguments}).unwrapped
    env.reset(seed=7)
    for row in sampled(env.action_space, 1, STEPS):
        action = row[0]
        if env_id == IDS[1]:
            action = np.array([-1.0, 1.0, 1.0, 1.0], np.float32)  # it buys and does not sell
        elif env_id == IDS[2]:
            action = np.array([0.0, 1.0], np.float32)
        env.step(action)
    return env


def _money(session: Any) -> tuple[float, ...]:
    """Cash, equity, fees, borrow and funding, to the bit."""
    costs = session.results(partial=True).costs
    row = session._account
    fees = costs.maker_fees + costs.taker_fees
    return (float(row["cash"]), float(row["equity"]), fees, costs.borrow, costs.funding)


@pytest.mark.parametrize("name", ["BTCUSDT", "btc-usdt@synthetic"])
@pytest.mark.parametrize("env_id", [IDS[0], IDS[2]])
def test_m5_an_env_has_the_cash_of_a_session_that_does_the_same(env_id: str, name: str) -> None:
    funding = {name: _rates(1.0, 2.5, 4.0)}
    env = _played(env_id, funding=funding)
    done = env.session
    session = BookSession.create(
        data=SMALL,
        start_time=START,
        end_time=int(env.times[env.cursor]),
        starting_balance=done.equity[0],  # with what Execution-v0 puts in
        seed=draw_below(7, ENGINE_STREAM, 0, 1 << 53),
        funding=funding,
        liquidate_on_complete=False,
        **PHYSICS,
    )
    session.start()
    for order in done.orders():  # they all take at once, so that none is cancelled
        session.advance_to(order.sent_ns)
        price = None if order.type == "market" else order.price
        terms = {"time_in_force": order.time_in_force}
        session.place_order("BTCUSDT", order.side, order.type, order.quantity, price, **terms)
    session.advance_to(session.end_ns)
    assert len(session.fills()) == len(done.fills()) > 3
    assert _money(session) == _money(done)
    assert _money(session)[-1] != 0.0


@pytest.mark.parametrize("env_id", IDS)
def test_m5_a_stamp_takes_rate_times_position_times_mark_and_nothing_else(env_id: str) -> None:
    rates = _rates(1.0, 2.0, 4.0)
    paid, free = _played(env_id, funding={"BTCUSDT": rates}), _played(env_id)
    assert paid.session.fills() == free.session.fills()
    owed = 0.0
    for stamp, rate in zip(rates.time_ns, rates.rate, strict=True):
        # What is sent at the stamp itself is sent after it was paid.
        known = [fill for fill in paid.session.fills() if fill.local_ns < stamp]
        held = sum(fill.quantity if fill.side == "buy" else -fill.quantity for fill in known)
        owed += held * rate * mids_at(SMALL, np.array([stamp]))[0]
    assert owed != 0.0
    assert _money(paid.session)[-1] == pytest.approx(owed, rel=1e-12)
    assert _money(free.session)[-1] == 0.0
    taken = _money(free.session)[0] - _money(paid.session)[0]
    assert taken == pytest.approx(owed, rel=1e-9)


@pytest.mark.parametrize("env_id", IDS)
def test_m5_a_row_of_a_batch_pays_what_a_single_environment_pays(env_id: str) -> None:
    world = {**_world(env_id), "funding": {"BTCUSDT": _rates(1.0, 2.5, 4.0)}}
    batch = make_vec(env_id, num_envs=3, autoreset="disabled", **world)
    singles = [make(env_id, **world).unwrapped for _ in range(3)]
    batch.reset(seed=4)
    for e, env in enumerate(singles):
        env.reset(seed=4 + e)
    accounts = batch.unwrapped._core.batch.accounts
    for actions in sampled(singles[0].action_space, 3, STEPS):
        batch.step(actions)
        over = [env.step(actions[e])[2] for e, env in enumerate(singles)]
        for field in ("cash", "equity", "funding", "realized"):
            alone = [float(env._core.batch.accounts[0][field]) for env in singles]
            assert accounts[field].tolist() == alone
        if any(over):
            break
    assert np.all(accounts["funding"] != 0.0)


def test_m5_a_spot_account_pays_none_as_in_a_session() -> None:
    funding = {"BTCUSDT": _rates(1.0, 2.5, 4.0)}
    spot = _played(IDS[0], funding=funding, account="spot")
    assert spot.session.fills()
    assert _money(spot.session) == _money(_played(IDS[0], account="spot").session)


@pytest.mark.parametrize("env_id", IDS)
def test_b1_a_later_rate_changes_nothing_earlier(env_id: str) -> None:
    now, other = _rates(1.0, 2.0, 4.0), _rates(1.0, 2.0, 4.0)
    other.rate[2] = -0.3
    envs = [
        make(env_id, funding={"BTCUSDT": rates}, **_world(env_id)).unwrapped
        for rates in (now, other)
    ]
    left, right = (env.reset(seed=7)[0] for env in envs)
    np.testing.assert_array_equal(left, right)
    differs = False
    for k, row in enumerate(sampled(envs[0].action_space, 1, STEPS)):
        one, two = (env.step(row[0]) for env in envs)
        if envs[0].times[envs[0].cursor] < now.time_ns[2]:
            np.testing.assert_array_equal(one[0], two[0])
            assert one[1] == two[1], k
            assert one[4]["equity"] == two[4]["equity"]
        else:
            differs = differs or one[4]["equity"] != two[4]["equity"]
    assert differs


def test_m5_the_rates_of_a_store_are_paid_unless_others_are_given(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.write_book(SMALL)
    store.write_funding("BTCUSDT", _rates(1.0, 2.5), venue="synthetic")
    world = {"data": str(tmp_path)}
    stored = _money(_played(IDS[0], **world).session)
    assert stored == _money(_played(IDS[0], funding={"BTCUSDT": _rates(1.0, 2.5)}).session)
    assert stored[-1] != 0.0
    given = {"BTCUSDT": _rates(1.0, 2.5, rate=0.02)}
    assert _money(_played(IDS[0], funding=given, **world).session)[-1] == pytest.approx(
        2.0 * stored[-1]
    )


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("maker", [make, make_vec])
def test_funding_is_refused_as_a_session_refuses_it(env_id: str, maker: Any) -> None:
    twice = FundingRates(np.array([START, START]), np.array([0.1, 0.2]))
    refused: list[tuple[Any, type[Exception], str]] = [
        ({"BTCUSD": _rates(1.0)}, UnknownName, "BTCUSDT"),
        ({"BTCUSDT@synthetik": _rates(1.0)}, UnknownName, "synthetic"),
        ({"BTCUSDT": twice}, MarketDataError, "one rate"),
        ("rates.parquet", ConfigError, "mapping by symbol"),
    ]
    for funding, error, words in refused:
        with pytest.raises(error, match=words):
            maker(env_id, funding=funding)
        with pytest.raises(error, match=words):
            BookSession.create(data=SMALL, funding=funding)
    with pytest.raises(UnknownName, match="Did you mean 'funding'"):
        maker(env_id, fundin={})
