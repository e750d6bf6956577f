"""A session that is over is in its file, and what is read back is what it was (S1-17, S1-55)."""

from __future__ import annotations

import sqlite3
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import UsageError
from seq_gym.sandbox.params import PHYSICS_VERSION
from seq_gym.sandbox.records import Fill, Order
from seq_gym.sandbox.saved_rows import columns_of
from seq_gym.sandbox.saved_session import SavedSession
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import flat, random_market, session_of, ticked
from tests.sandbox.savings import finished, must_be_equal

MARKETS = (
    random_market(1, 90),
    random_market(2, 90, ("BTCUSDT", "ETHUSDT")),
    ticked(random_market(3, 90, gaps=False).close[:, 0, None].repeat(4, axis=1).round(1).tolist()),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "sessions.db"


# ---------------------------------------------------------------------- what is read back


def test_a_finished_session_is_in_its_file_before_the_last_step_returns(path):
    live = finished(path)
    assert live.is_saved
    assert live.save_error is None
    loaded = Session.load(live.session_id, path)
    must_be_equal(live, loaded)
    assert len(loaded.fills()) == 3
    assert loaded.metrics == live.results().metrics
    assert loaded.order(live.orders()[1].order_id) == live.orders()[1]
    assert loaded.orders(symbol="btc/usdt") == live.orders(symbol="btc/usdt")
    assert loaded.position("btc-usdt") is None
    assert loaded.physics_version == PHYSICS_VERSION


def test_what_it_was_created_with_is_read_back(path):
    risk = {"max_open_orders": 9, "max_position_size_pct": 99.5}
    live = finished(path, strategy_label="momentum_v1", agent_id="agent_1", risk=risk)
    loaded = Session.load(live.session_id, path)
    assert loaded.config == live.results().config
    assert loaded.physics == asdict(live.params)
    assert loaded.physics["risk"]["max_position_size_pct"] == 99.5
    assert (loaded.strategy_label, loaded.agent_id) == ("momentum_v1", "agent_1")
    assert loaded.config["data_fingerprint"] == live.series.fingerprint


def constant_slippage(notional: float, adv_quote: float, volatility: float) -> float:
    return 0.001


def test_a_slippage_function_goes_by_its_name(path):
    live = session_of(flat(100, 3), save_to=path, slippage=constant_slippage)
    live.step_batch(3)
    assert live.save_error is None
    physics = Session.load(live.session_id, path).physics
    assert physics["slippage"].endswith(":constant_slippage")


WORDS = st.sampled_from(["x", "", "\x00", "naïve ✓", "\ud800", "1e5", "P-1'; DROP TABLE fills"])
NUMBERS = st.one_of(
    st.floats(0.01, 300), st.sampled_from([0, -1, 1e300, 2**70, True, "7", float("inf")])
)


@st.composite
def plays(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """What an agent does: orders, right and wrong ones, cancels and steps."""
    kinds = ("market", "limit", "stop_loss", "take_profit", "stop_limit", "trailing_stop")
    order = st.fixed_dictionaries(
        {
            "symbol": st.one_of(st.sampled_from(["BTCUSDT", "ETHUSDT"]), WORDS),
            "side": st.one_of(st.sampled_from(["buy", "sell"]), WORDS),
            "type": st.sampled_from(kinds),
        },
        optional={
            "quantity": NUMBERS,
            "notional": st.floats(1, 3_000),
            "fraction": st.floats(0.01, 1.0),
            "price": st.one_of(st.floats(80, 120), NUMBERS),
            "trigger_price": st.floats(80, 120),
            "trail_frac": st.floats(0.001, 0.2),
            "group_id": WORDS,
        },
    )
    easy = st.builds(
        lambda side, size: {
            "symbol": "BTCUSDT", "side": side, "type": "market", "quantity": size,
        },
        st.sampled_from(["buy", "sell"]),
        st.floats(0.1, 60),
    )  # fmt: skip
    return draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("order"), order),
                st.tuples(st.just("order"), easy),
                st.tuples(st.just("step"), st.integers(1, 25)),
            ),
            max_size=25,
        )
    )


@settings(max_examples=60)
@given(
    market=st.sampled_from(MARKETS),
    play=plays(),
    end=st.sampled_from(["complete", "cancel", "fail"]),
    account=st.sampled_from(["spot", "margin"]),
    execution=st.sampled_from(["close", "next_open"]),
    sells=st.booleans(),
    every=st.sampled_from([0, 1, 7, 60]),
)
def test_whatever_happened_is_read_back_to_the_last_bit(
    tmp_path_factory, market, play, end, account, execution, sells, every
):
    file = tmp_path_factory.getbasetemp() / "property.db"
    live = Session.create(
        data=market,
        account=account,
        execution=execution,
        liquidate_on_complete=sells,
        snapshot_every=every,
        save_to=file,
    )
    live.start()
    for what, given_ in [("step", 2), *play]:
        if live.is_complete:
            break
        live.step_batch(given_) if what == "step" else live.place_order(**given_)
    if not live.is_complete:
        live.step_batch(99) if end == "complete" else getattr(live, end)()
    assert live.save_error is None
    half = "\ud800" in repr(play) or "\\ud800" in repr(play)
    loaded = Session.load(live.session_id, file)
    if half:  # half a surrogate pair cannot be stored: it is there as it would be printed
        assert loaded.results() == live.results()
    else:
        must_be_equal(live, loaded)


def test_every_field_of_an_order_and_of_a_fill_has_its_column(path):
    finished(path)
    with sqlite3.connect(path) as link:
        for table, kind in (("orders", Order), ("fills", Fill)):
            rows = link.execute(f"PRAGMA table_info({table})").fetchall()
            assert [row[1] for row in rows] == ["session", "number", *columns_of(kind)]
            assert columns_of(kind) == tuple(each.name for each in fields(kind))
    link.close()


def test_equity_is_stored_as_snapshots_and_metrics_come_from_every_step(path):
    live = session_of(random_market(4, 600, gaps=False), steps=1, save_to=path, snapshot_every=100)
    live.place_order("BTCUSDT", "buy", "market", fraction=0.9)
    live.step_batch(600)
    loaded = Session.load(live.session_id, path)
    assert len(loaded.equity_curve()) == 8  # the start, the fill, five on the grid, the end
    assert loaded.metrics.num_steps == len(live.equity) - 1 == 600
    with pytest.raises(UsageError, match="equity_curve") as raised:
        loaded.equity.sum()
    assert raised.value.code == "INVALID_STATE"


def test_a_loaded_session_needs_its_file_no_more(path):
    live = finished(path)
    loaded = Session.load(live.session_id, path)
    path.unlink()
    must_be_equal(live, loaded)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("start", ()), ("step", ()), ("step_batch", (1,)), ("advance", (1,)), ("cancel", ()),
        ("run", (object(),)), ("fail", ()), ("save", ()), ("place_order", ("BTCUSDT", "buy")),
        ("cancel_order", ("P-00000001",)), ("amend_order", ("P-00000001",)),
        ("decrease_order", ("P-00000001", 1)), ("rebalance", ({"BTCUSDT": 1.0},)), ("prices", ()),
        ("price", ("BTCUSDT",)), ("ticker", ("BTCUSDT",)), ("candles", ("BTCUSDT",)),
    ],
)  # fmt: skip
def test_a_loaded_session_refuses_every_verb_that_needs_a_live_one(path, verb, arguments):
    loaded = Session.load(finished(path).session_id, path)
    with pytest.raises(UsageError, match=f"must be live to call {verb}") as raised:
        getattr(loaded, verb)(*arguments)
    assert raised.value.code == "INVALID_STATE"


def test_a_loaded_session_has_or_refuses_whatever_a_live_one_offers():
    inner = {"of_batch", "create", "load", "tables", "collect", "stash", "mark", "rewind"}
    inner |= {"happenings", "is_saved", "save_error", "cursor"}
    public = {name for name in dir(Session) if not name.startswith("_")}
    assert public - inner - set(dir(SavedSession)) == {"session_id", "status", "step_index"} | {
        "total_steps"
    }  # attributes of the instance
