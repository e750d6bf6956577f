"""Every door reads a store by name, and loads the stretch that it needs."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

import seq_gym
from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.evaluate.cli import main as evaluate_main
from seq_gym.market import CandleSeries, load_candles
from seq_gym.market.store import Store
from seq_gym.market.store import loading as loading_module
from seq_gym.sandbox import responses
from seq_gym.sandbox.session import Session
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, parse_time
from tests.market.store.made import make_candles

HOURS = make_candles(4_000, interval="1h", start="2025-01-01")


@pytest.fixture
def filled(tmp_path, monkeypatch):
    """A store of two symbols in the folder that SIM_STORE_PATH names."""
    root = tmp_path / "my sim"
    monkeypatch.setenv("SIM_STORE_PATH", str(root))
    monkeypatch.delenv("SIM_STORE", raising=False)
    store = Store.open()
    store.write_candles(
        [HOURS, make_candles(4_000, interval="1h", start="2025-01-01", symbol="ETHUSDT", seed=1)],
        venue="binance",
    )
    return root


@pytest.fixture
def stretches(monkeypatch):
    """What was asked of the store: start and end of every load."""
    seen = []
    whole = loading_module.load_series

    def spy(place, wanted, **how):
        seen.append((wanted.start_ns, wanted.end_ns))
        return whole(place, wanted, **how)

    monkeypatch.setattr("seq_gym.market.store.reader.load_series", spy)
    return seen


# ---------------------------------------------------------------------- names of a store


def test_every_name_of_a_store_loads_the_same(filled):
    expected = Store.open(filled).load().fingerprint
    names = ["store", f"store:{filled}", filled, str(filled), Store.open(filled)]
    names += ["store?venue=binance", f"store:{filled}?venue=binance"]
    assert {load_candles(name).fingerprint for name in names} == {expected}


def test_a_store_on_s3_is_read_by_its_address(s3_environ):
    address = f"s3://{s3_environ}/a"
    Store.open(address).write_candles([HOURS], venue="v")
    whole = CandleSeries.from_columns(HOURS).fingerprint
    assert load_candles(address).fingerprint == whole
    assert load_candles(f"{address}?venue=v").fingerprint == whole
    session = Session.create(data=address, start_time="2025-02-01", end_time="2025-02-02")
    assert session.total_steps == 48


def test_load_candles_passes_everything_on(filled, stretches):
    loaded = load_candles(
        "store", symbols="eth-usdt", interval="4h", start="2025-02-01", end="2025-02-10"
    )
    assert (loaded.symbols, loaded.interval) == (("ETHUSDT",), "4h")
    assert stretches == [(parse_time("2025-02-01"), parse_time("2025-02-11"))]
    assert loaded.start_ns == parse_time("2025-02-01")
    assert loaded.end_ns == parse_time("2025-02-11")
    named = load_candles("store", instruments=[seq_gym.Instrument.of("ETHUSDT")])
    assert named.num_symbols == 2


def test_extra_columns_are_asked_for_by_name(filled):
    extra = {"x": np.arange(100.0)}
    store = Store.open(filled)
    store.write_candles([make_candles(100, symbol="X", extra=extra)], venue="v")
    assert set(load_candles("store", symbols="X", extra=["x"]).extra) == {"x"}
    assert set(load_candles("store", symbols="X").extra) == {"x"}


def test_how_to_read_files_is_refused_of_a_store(filled):
    with pytest.raises(ConfigError, match="tz must be left out for a store"):
        load_candles("store", tz="UTC")
    with pytest.raises(ConfigError, match=r"\?venue=NAME; was 'store\?vnue=x'"):
        load_candles("store?vnue=x")


def test_a_symbol_at_two_venues_is_chosen_in_the_name(filled):
    Store.open(filled).write_candles([HOURS.take(np.arange(50))], venue="kraken")
    with pytest.raises(ConfigError, match=r"data='store\?venue=binance'"):
        load_candles("store", symbols="BTCUSDT")
    assert load_candles("store?venue=kraken", symbols="BTCUSDT").num_candles == 50
    session = Session.create(data="store?venue=kraken", pairs="BTCUSDT")
    assert session.total_steps == 50


def test_a_folder_of_plain_files_is_no_store(tmp_path):
    import polars as pl

    frame = pl.DataFrame({"ts": HOURS.time_ns} | HOURS.values())
    (tmp_path / "candles").mkdir()
    frame.write_parquet(tmp_path / "candles" / "BTCUSDT_1h.parquet")
    assert load_candles(tmp_path).num_candles == 4_000


@pytest.mark.parametrize(
    ("kind", "hint"), [("locl", "Did you mean 'local'"), ("gcs", "Choose from: local, s3")]
)
def test_a_misspelt_kind_of_store_is_refused_with_the_near_miss(monkeypatch, kind, hint):
    monkeypatch.setenv("SIM_STORE", kind)
    with pytest.raises(UnknownName, match=hint):
        Store.open()


def test_the_default_store_lies_in_data_sim(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SIM_STORE", "SIM_STORE_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert Store.open().place.name == "data/sim"
    monkeypatch.setenv("SIM_STORE", " LOCAL ")
    monkeypatch.setenv("SIM_STORE_PATH", "")
    assert Store.open().place.name == "data/sim"
    with pytest.raises(MarketDataError, match="data/sim has none"):
        load_candles("store")
    assert not (tmp_path / "data").exists()


def test_a_file_is_no_store(tmp_path):
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(ConfigError, match="A store must be a folder"):
        Store.open(tmp_path / "x.csv")


# ---------------------------------------------------------------------- sessions


def test_a_session_from_a_store_trades_as_one_from_the_series(filled):
    def run(data):
        session = Session.create(
            data=data, start_time="2025-03-01", end_time="2025-03-20", pairs=["BTCUSDT"]
        )
        session.start()
        session.place_order("BTCUSDT", "buy", "market", fraction=0.5)
        session.place_order("BTCUSDT", "sell", "stop_loss", trigger_price=99.9)
        session.step_batch(1_000)
        document = responses.results(session)
        del document["session_id"]
        return document, [(fill.price, fill.quantity, fill.fee) for fill in session.fills()]

    whole = CandleSeries.from_columns(HOURS)
    assert run("store") == run(whole)
    assert run("store")[1]


def test_a_session_loads_its_window_and_a_month_around_it(filled, stretches):
    session = Session.create(data="store", start_time="2025-03-01", end_time="2025-03-20")
    month = 30 * NS_PER_DAY
    assert stretches == [(parse_time("2025-03-01") - month, parse_time("2025-03-21") + month)]
    assert session.total_steps == 20 * 24
    assert session.series.num_symbols == 2
    assert session.series.num_candles < 4_000


def test_a_gap_at_the_end_of_a_window_is_not_taken_for_the_end_of_the_data(tmp_path):
    store = Store.open(tmp_path)
    gap = np.r_[0:1_000, 1_100:4_000]
    store.write_candles([HOURS.take(gap)], venue="v")
    end = int(HOURS.time_ns[1_050])
    session = Session.create(data=store, end_time=end)
    assert session.end_cursor == 1_050
    session.start()
    session.place_order("BTCUSDT", "buy", "market", fraction=0.5)
    last = session.step_batch(1_050)
    assert not any(order.reason == "DELISTED" for order in last.orders_cancelled)
    assert session.end_cursor < session.series.listed_rows[0, 1]


@pytest.mark.parametrize(
    ("window", "name"),
    [
        ({"start_time": "2024-12-31T23:00"}, "start_time"),
        ({"end_time": "2026-01-01"}, "end_time"),
        ({"start_time": "2019-01-01", "end_time": "2019-02-01"}, "start_time"),
    ],
)
def test_a_window_outside_of_the_store_is_refused_with_its_range(filled, window, name):
    with pytest.raises(ConfigError) as caught:
        Session.create(data="store", **window)
    end = int(HOURS.time_ns[-1]) + NS_PER_HOUR
    text = str(caught.value)
    assert text.startswith(f"{name} must lie within the data, 2025-01-01T00:00:00Z to ")
    assert end == parse_time("2025-06-16T16:00")
    assert "2025-06-16T16:00:00Z" in text


# ---------------------------------------------------------------------- environments


@pytest.mark.parametrize("name", seq_gym.ENV_IDS)
def test_every_environment_reads_a_store_by_name(filled, name):
    symbols = ["BTCUSDT"] if "Candle" in name else ["BTCUSDT", "ETHUSDT"]
    one = gymnasium.make(name, data="store", symbols=symbols, episode_steps=50)
    two = gymnasium.make(name, data=Store.open(filled).load(symbols=symbols), episode_steps=50)
    np.testing.assert_array_equal(one.reset(seed=3)[0], two.reset(seed=3)[0])
    for _ in range(50):
        action = two.action_space.sample()
        for a, b in zip(one.step(action), two.step(action), strict=True):
            if not isinstance(a, dict):
                np.testing.assert_array_equal(a, b)


def test_an_environment_leaves_out_what_comes_long_after_its_end(filled, stretches):
    how = {"symbols": "BTCUSDT", "end": "2025-02-01", "episode_steps": 20}
    env = gymnasium.make("seq_gym/CandleTrading-v0", data="store", **how)
    assert stretches == [(None, parse_time("2025-02-02") + 30 * NS_PER_DAY)]
    other = gymnasium.make("seq_gym/CandleTrading-v0", data=Store.open(filled).load(), **how)
    np.testing.assert_array_equal(env.reset(seed=1)[0], other.reset(seed=1)[0])


def test_a_vector_environment_reads_a_store_by_name(filled):
    envs = gymnasium.make_vec(
        "seq_gym/CandleTrading-v0",
        num_envs=3,
        data=f"store:{filled}",
        symbols="BTCUSDT",
        episode_steps=20,
    )
    assert envs.reset(seed=1)[0].shape[0] == 3


# ---------------------------------------------------------------------- evaluate


def test_evaluate_reads_a_store_by_name(filled, stretches, tmp_path, capsys):
    code = evaluate_main(
        [
            *("--data", "store", "--symbols", "BTCUSDT", "--agent", "hold"),
            *("--start", "2025-02-01", "--end", "2025-03-01", "--episodes", "2"),
            *("--output", "json", "--out", str(tmp_path / "runs")),
        ]
    )
    assert code in (0, None)
    assert stretches == [(parse_time("2025-02-01"), parse_time("2025-03-02"))]
    assert "hold" in json.dumps(json.loads(capsys.readouterr().out))


def test_evaluate_reads_a_store_with_a_venue(filled, tmp_path):
    code = evaluate_main(
        [
            *("--data", f"store:{filled}?venue=binance", "--symbols", "BTCUSDT"),
            *("--agent", "hold", "--episodes", "1", "--out", str(tmp_path / "runs")),
        ]
    )
    assert code in (0, None)
