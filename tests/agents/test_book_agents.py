"""Every strategy on books is a short complete file, and does what it says."""

from __future__ import annotations

import ast
import importlib.util
import math
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from seq_gym.config import field_docs
from seq_gym.evaluate import EvaluateBookConfig, evaluate
from seq_gym.evaluate.book_costs import mids_at
from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.load import load_book
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.market.instruments import Instrument
from seq_gym.sandbox.book.session import BookSession

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("avellaneda_stoikov", "fixed_spread_maker", "imbalance_taker")
NS = 1_000_000_000
START = 1_735_689_600 * NS
MARGIN = {"account": "margin", "latency_model": "none", "starting_balance": 100_000.0}


def _load(name: str) -> ModuleType:
    path = ROOT / "agents" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"book_agent_under_test_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MODULES = {name: _load(name) for name in NAMES}


def _still(bid_lots: int = 100, ask_lots: int = 100, seconds: int = 10) -> BookEvents:
    """A book of three levels a side around 1000.5 that does not move, and no print."""
    rows = []
    for at in range(seconds * 10):
        time = START + at * NS // 10
        kind = BookKind.SNAPSHOT if at == 0 else BookKind.DEPTH
        rows += [(time, kind, 1, 1000 - level, bid_lots) for level in range(3)]
        rows += [(time, kind, -1, 1001 + level, ask_lots) for level in range(3)]
    times, kinds, sides, ticks, lots = (np.array(each) for each in zip(*rows, strict=True))
    return BookEvents(
        instrument=Instrument(
            symbol="XYZUSDT", venue="still", base="XYZ", quote="USDT", tick=1.0, lot=0.001
        ),
        exch_ts=times,
        local_ts=times,
        seq=np.arange(len(times)),
        kind=kinds.astype(np.int8),
        side=sides.astype(np.int8),
        tick=ticks.astype(np.int32),
        lots=lots,
    )


@pytest.fixture(scope="module")
def minutes() -> BookEvents:
    return synthetic_book(seconds=130.0, seed=3)


@pytest.mark.parametrize("name", NAMES)
def test_an_agent_is_short_and_says_how_it_is_run(name):
    text = (ROOT / "agents" / f"{name}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    doc = ast.get_docstring(ast.parse(text)) or ""
    assert f"python -m seq_gym.evaluate --agent agents/{name}.py" in doc
    settings = MODULES[name].Settings
    assert is_dataclass(settings)
    assert settings.__dataclass_params__.frozen
    assert set(field_docs(settings)) == {each.name for each in fields(settings)}


def test_the_fixed_spread_maker_quotes_at_the_stated_distance_and_leaves_a_good_quote_alone():
    module = MODULES["fixed_spread_maker"]
    maker = module.FixedSpreadMaker(module.Settings(half_spread_bps=20.0))
    session = BookSession.create(data=_still(), liquidate_on_complete=False, **MARGIN)
    session.run(maker)
    orders = session.orders()
    # 20 bps of 1000.5 are 2.001: the bid goes down to 998, the ask up to 1003, once and for all.
    assert [(order.side, order.price) for order in orders] == [("buy", 998.0), ("sell", 1003.0)]
    assert all(order.post_only for order in orders)
    assert orders[0].quantity == pytest.approx(0.02 * 100_000 / 1000.5, abs=0.001)


def test_the_fixed_spread_maker_keeps_within_its_limit_and_sells_nothing_it_has_not(minutes):
    module = MODULES["fixed_spread_maker"]
    told = module.Settings(half_spread_bps=0.1, order_frac=0.1, max_position_frac=0.15)
    held = []

    class Watched(module.FixedSpreadMaker):
        def on_heartbeat(self, session):
            position = session.position("BTCUSDT")
            held.append(0.0 if position is None else position.market_value)

    session = BookSession.create(data=minutes, **MARGIN)
    session.run(Watched(told))
    assert len(session.fills()) > 10
    assert max(map(abs, held)) > 0.05 * 100_000.0
    assert max(map(abs, held)) <= 0.26 * 100_000.0  # one order of 0.1 may be on its way beyond
    spot = BookSession.create(data=minutes, starting_balance=100_000.0)
    spot.run(module.FixedSpreadMaker(told))
    assert not [order for order in spot.orders() if order.status == "rejected"]


def test_avellaneda_stoikov_quotes_as_the_paper_says():
    module = MODULES["avellaneda_stoikov"]
    told = module.Settings(risk_aversion=0.2, horizon_s=100.0)
    maker = module.AvellanedaStoikov(told)
    maker.fitted = module.Fit(sigma=2.0, rate=1.5, decay=0.4)
    g = 0.2 / (2.0 * 10.0)
    risk = g * 4.0 * 100.0
    spread = risk + 2.0 / g * math.log(1.0 + g / 0.4)
    bid, ask = maker.prices(1000.0, 0.0, 1e9)
    assert (bid, ask) == pytest.approx((1000.0 - spread / 2.0, 1000.0 + spread / 2.0), rel=1e-12)
    # A long inventory lowers both quotes by q g sigma^2 tau, and less of it near the end.
    bid_long, ask_long = maker.prices(1000.0, 3.0, 1e9)
    assert (bid - bid_long, ask - ask_long) == pytest.approx((3.0 * risk, 3.0 * risk), rel=1e-9)
    late = maker.prices(1000.0, 3.0, 10.0)
    assert 1000.0 - sum(late) / 2.0 == pytest.approx(3.0 * risk / 10.0, rel=1e-9)


def test_avellaneda_stoikov_finds_the_parameters_that_made_a_tape():
    module = MODULES["avellaneda_stoikov"]
    draws = np.random.Generator(np.random.Philox(key=np.array([1, 2], np.uint64)))
    mids = 1000.0 + np.cumsum(draws.normal(0.0, 0.7, 3_000))
    away = draws.exponential(1.0 / 0.35, 30_000)
    found = module.fit(mids, away, 3_000.0, 0.1)
    assert found.sigma == pytest.approx(0.7, rel=0.05)
    assert found.decay == pytest.approx(0.35, rel=0.05)
    assert found.rate == pytest.approx(10.0, rel=0.05)
    assert module.fit(mids[:3], away, 3.0, 0.1) is None


def test_avellaneda_stoikov_fits_nothing_that_it_has_not_received(minutes):
    module = MODULES["avellaneda_stoikov"]
    seen = []

    class Watched(module.AvellanedaStoikov):
        def refit(self, session):
            super().refit(session)
            assert all(time <= session.virtual_time_ns for time, _ in self.prints)
            seen.append(self.fitted)

    start = minutes.start_ns + 90 * NS
    whole = BookSession.create(data=minutes, start_time=start, **MARGIN)
    whole.run(Watched())
    assert seen[0] is not None  # fitted on what came before the window
    first = len(seen)
    cut = minutes.window(None, start + 20 * NS)
    BookSession.create(data=cut, start_time=start, **MARGIN).run(Watched())
    again = seen[first:]
    assert again[:3] == seen[:3]


def test_mids_are_those_that_were_received_and_none_that_is_to_come(minutes):
    session = BookSession.create(data=minutes, latency_model="none")
    session.start()
    now = session.advance("60s")
    times = now + NS * np.array([-90, -30, 0, 20])
    seen = session.view.mids(0, times)
    assert np.isnan(seen[0])
    assert seen[2] == seen[3] == session.book("BTCUSDT", 1).mid
    assert seen[1] == mids_at(minutes, times)[1]
    session.advance("20s")
    assert session.view.mids(0, times)[3] == mids_at(minutes, times)[3] != seen[3]


@pytest.mark.parametrize(("bids", "asks", "side"), [(95, 5, "buy"), (5, 95, "sell")])
def test_the_imbalance_taker_takes_the_side_that_is_heavy(bids, asks, side):
    taker = MODULES["imbalance_taker"].ImbalanceTaker()
    session = BookSession.create(data=_still(bids, asks, seconds=5), **MARGIN)
    session.run(taker)
    first = session.orders()[0]
    assert (first.side, first.type) == (side, "market")


def test_the_imbalance_taker_takes_only_beyond_its_threshold():
    module = MODULES["imbalance_taker"]
    book = _still(90_000, 10_000)  # an imbalance of 0.8 exactly
    session = BookSession.create(data=book, **MARGIN)
    session.run(module.ImbalanceTaker(module.Settings(threshold=0.8)))
    assert session.orders() == ()
    lower = BookSession.create(data=book, **MARGIN)
    lower.run(
        module.ImbalanceTaker(module.Settings(threshold=0.79, most_s=2.0, max_slippage_bps=20.0))
    )
    sides = [order.side for order in lower.orders()]
    assert sides[:3] == ["buy", "sell", "buy"]  # left after two seconds, and taken again
    spot = BookSession.create(data=_still(10, 90), starting_balance=100_000.0)
    spot.run(module.ImbalanceTaker())
    assert spot.orders() == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["usdm/btcusdt", "usdm/ethusdt", "spot/btcusdt"])
def test_every_agent_trades_on_real_recordings(shared_data, name):
    path = shared_data / "book" / "binance" / f"{name}_20240808.gz"
    agents = tuple(str(ROOT / "agents" / f"{each}.py") for each in NAMES)
    config = EvaluateBookConfig(agent=agents, episodes=4, episode_steps=300)
    result = evaluate(config, data=load_book(str(path), fix_clock=True))
    for each in NAMES:
        episodes = result.episodes_of(each)
        assert sum(len(episode.fills) for episode in episodes) >= 2, each
        assert {episode.ending for episode in episodes} == {"WINDOW_END"}
