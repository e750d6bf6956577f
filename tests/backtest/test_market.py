"""What is replayed: symbols in any spelling, venues as lanes, candles, files, made-up books."""

from __future__ import annotations

import re

import numpy as np
import pytest

from seq_gym.engine.book import codes
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.synthetic import synthetic_book
from seq_gym.market.store import Store
from seq_gym.times import parse_time
from tests.backtest.conftest import DAY, NOON, WINDOW
from tests.data.conftest import klines, websocket

JSON = (*WINDOW, "--output", "json", "--no-save")


def _lanes(told):
    data = told.summary["data"]
    return [
        f"{symbol}@{venue}" for symbol, venue in zip(data["symbols"], data["venues"], strict=True)
    ]


@pytest.mark.parametrize("name", ["BTC-USD", "btc/usd", "XBTUSD", "btcusd"])
def test_c8_any_spelling_finds_the_symbol_at_every_venue_that_recorded_the_window(run, name):
    told = run(name, *JSON)
    assert sorted(_lanes(told)) == ["BTC-USD@coinbase", "XBT/USD@kraken"]
    assert told.summary["notes"] == ["Not recorded in the window: BTCUSD@okx."]


def test_s0_29_the_examples_of_the_specification_run(run):
    single = run("BTC-USD", *JSON, "--capital", "50000")
    assert single.summary["pnl"]["starting_balance"] == 50_000.0
    many = run("BTC-USD", "--symbols", "BTC-USD,ETH-USD,SOL-USD", *JSON)
    assert len(_lanes(many)) == 4
    pair = run("BTC-USD", *JSON, "--venue", "kraken,coinbase")
    assert _lanes(pair) == ["XBT/USD@kraken", "BTC-USD@coinbase"]
    assert pair.summary["notes"] == []
    assert run("BTC-USD", *JSON, "--seed", "123").summary["seed"] == 123


def test_s0_05_symbols_take_the_place_of_the_positional_one(run):
    assert _lanes(run("BTC-USD", "--symbols", "ETH-USD,SOL-USD", *JSON)) == [
        "ETH-USD@coinbase",
        "SOL-USD@coinbase",
    ]
    assert _lanes(run("--symbols", "sol-usd", *JSON)) == ["SOL-USD@coinbase"]


def test_s0_07_venues_limit_in_any_case_and_one_that_lacks_the_window_is_an_error(run):
    assert _lanes(run("BTC-USD", *JSON, "--venue", "KRAKEN")) == ["XBT/USD@kraken"]
    assert len(_lanes(run("BTC-USD", *JSON, "--venue", "ALL"))) == 2
    told = run("BTC-USD", *JSON, "--venue", "okx")
    assert told.code == 1
    assert "BTC-USD must have a recorded book from 2024-08-08" in told.err
    assert "nearest first: BTCUSD@okx 2024-09-01" in told.err


def test_a_venue_that_was_asked_for_by_name_and_has_nothing_is_told(run):
    told = run("BTC-USD", *JSON, "--venue", "kraken,okx")
    assert _lanes(told) == ["XBT/USD@kraken"]
    assert told.summary["notes"] == ["Not recorded in the window: BTCUSD@okx."]
    told = run("--symbols", "SOL-USD,BTC-USD", *JSON, "--venue", "kraken,coinbase")
    assert told.summary["notes"] == ["Not recorded in the window: SOL-USD@kraken."]
    plain = run("ETH-USD", *WINDOW, "--no-save", "--venue", "Coinbase,OKX")
    assert "\nNot recorded in the window: ETH-USD@OKX.\n" in plain.out


def test_a_venue_without_the_symbol_is_told_who_has_it(run, store):
    told = run("SOL-USD", *JSON, "--venue", "kraken,okx")
    assert told.code == 1
    assert told.err == (
        f"Error: kraken, okx must have SOL-USD; {store} has it at coinbase. Likely fix: "
        "--venue coinbase.\n"
    )
    unknown = run("SOL-USDT-X", *JSON, "--venue", "kraken")
    assert "Unknown symbol 'SOL-USDT-X'" in unknown.err


def test_a_window_without_data_names_every_book_of_the_symbol_nearest_first(run):
    told = run("BTC-USD", "--start", "2024-08-28", "--end", "2024-08-29", *JSON[4:])
    assert told.code == 1
    must, _, has = told.err.partition("nearest first: ")
    assert must.startswith("Error: BTC-USD must have a recorded book from 2024-08-28T00:00:00Z")
    places = [has.index(name) for name in ("BTCUSD@okx 2024-09-01", "BTC-USD@coinbase 2024-08-08")]
    assert places == sorted(places)
    assert "XBT/USD@kraken 2024-08-08" in has


def test_b10_gaps_and_stale_time_are_in_the_summary(run, tmp_path):
    book = synthetic_book(seconds=60.0, start=NOON, seed=1)
    columns = {name: getattr(book, name).copy() for name in COLUMNS}
    at = int(np.searchsorted(book.local_ts, book.local_ts[0] + 40 * 10**9))
    for name, value in (("kind", codes.GAP), ("side", 0), ("tick", 0), ("lots", 0)):
        columns[name][at] = value
    lost = BookEvents(instrument=book.instrument, **columns)
    Store.open(tmp_path / "lost").write_book(lost)
    told = run("BTCUSDT", *JSON, "--data", tmp_path / "lost")
    assert told.code == 0, told.err
    stale_s = (book.local_ts[-1] + 1 - book.local_ts[at]) / 1e9
    assert told.summary["num_gaps"] == 1
    assert told.summary["stale_s"] == pytest.approx(stale_s, abs=1e-3)
    text = run("BTCUSDT", *WINDOW, "--no-save", "--data", tmp_path / "lost").out
    assert re.search(r"\ngaps in the book +1\nbook stale, s +\d+\.\d{3}\n", text)
    whole = run("BTC-USD", *JSON)
    assert (whole.summary["num_gaps"], whole.summary["stale_s"]) == (0, 0.0)
    assert "gaps in the book" not in run("BTC-USD", *WINDOW, "--no-save").out
    assert "num_gaps" not in run("ADAUSDT", *JSON).summary


def test_a_store_is_named_as_everywhere(run, store, monkeypatch, tmp_path):
    monkeypatch.setenv("SIM_STORE_PATH", str(tmp_path / "other"))
    assert _lanes(run("ETH-USD", *JSON, "--data", store)) == ["ETH-USD@coinbase"]
    named = run("BTC-USD", *JSON, "--data", f"store:{store}?venue=kraken")
    assert _lanes(named) == ["XBT/USD@kraken"]


def test_where_a_symbol_has_only_candles_it_runs_on_them_and_says_so(run, store, tmp_path):
    told = run("ada/usdt", *WINDOW)
    assert told.code == 0, told.err
    assert f"\nADAUSDT has only candles in {store}: this runs on candles.\n" in told.out
    assert told.out.startswith("Backtest of trend on ADAUSDT@binance\n")
    assert "Execution costs" not in told.out
    json_ = run("ADAUSDT", *JSON)
    assert json_.summary["market"] == "candles"
    assert json_.summary["window"] == {"start": f"{DAY}T00:00:00Z", "end": "2024-08-09T00:00:00Z"}
    assert json_.summary["data"]["candles"] > 0
    assert [fill["filled_time"] for fill in json_.fills] == sorted(
        fill["filled_time"] for fill in json_.fills
    )
    assert json_.fills
    (folder,) = (tmp_path / "runs").iterdir()
    assert (folder / "fills.parquet").is_file()
    assert run("ADAUSDT", *JSON).out == json_.out


def test_on_candles_the_window_is_what_the_store_has_of_it(run):
    told = run("ADAUSDT", "--start", "2024-08-01", "--end", "2024-08-31", *JSON[4:])
    assert told.summary["window"] == {"start": f"{DAY}T00:00:00Z", "end": "2024-08-09T00:00:00Z"}
    told = run("ADAUSDT", "--start", "2024-07-01", "--end", "2024-07-02", *JSON[4:])
    assert told.code == 1
    assert "must have candles from 2024-07-01T00:00:00Z to 2024-07-03T00:00:00Z" in told.err


def test_several_symbols_have_books_or_none_has(run):
    both = run("--symbols", "ADAUSDT,XRPUSDT", *JSON)
    assert both.summary["data"]["symbols"] == ["ADAUSDT", "XRPUSDT"]
    told = run("--symbols", "ETH-USD,ADAUSDT", *JSON)
    assert told.code == 1
    assert "Symbols must all have recorded books, or none of them; ADAUSDT has none" in told.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--queue-model", "none"], "queue_model must be left out on candles"),
        (["--latency-model", "none"], "latency_model must be left out on candles"),
        (["--agent", "maker"], "(on_heartbeat); what there is of ADAUSDT is of candles"),
        (["--set", "fills=parity"], "Unknown setting 'fills'"),
        (["--set", "executon=close"], "Did you mean 'execution'?"),
        (["--venue", "coinbase"], "coinbase must have ADAUSDT; "),
    ],
)
def test_what_is_of_books_is_refused_on_candles(run, arguments, words):
    told = run("ADAUSDT", *JSON, *arguments)
    assert told.code == 1
    assert words in told.err


def test_the_physics_of_candles_are_set_too(run):
    base = run("ADAUSDT", *JSON)
    free = run("ADAUSDT", *JSON, "--set", "taker_fee_frac=0")
    assert base.summary["costs"]["taker_fees"] > 0.0 == free.summary["costs"]["taker_fees"]


def test_a_strategy_with_both_kinds_of_callbacks_runs_on_both(run, agents):
    (agents / "both.py").write_text(
        "class Both:\n"
        "    def on_candle(self, session):\n"
        "        session.place_order(session.symbols[0], 'buy', 'market', quantity=0.01)\n"
        "    on_heartbeat = on_candle\n"
    )
    for symbol, market in (("ETH-USD", "book"), ("ADAUSDT", "candles")):
        told = run(symbol, *JSON, "--agent", agents / "both.py")
        assert told.summary["market"] == market
        assert told.fills


def test_candles_of_several_venues_ask_which(run, store, tmp_path):
    from seq_gym.market.importers import ReadOptions

    other = Store.open(tmp_path / "two")
    path = tmp_path / "ADAUSDT-1m.csv"
    path.write_text("\n".join(klines(DAY, 60)) + "\n")
    for venue in ("binance", "bybit"):
        other.import_files([path], ReadOptions(venue=venue))
    told = run("ADAUSDT", *JSON, "--data", tmp_path / "two")
    assert told.code == 1
    assert "Likely fix: --venue binance." in told.err
    told = run("ADAUSDT", *JSON, "--data", tmp_path / "two", "--venue", "bybit")
    assert told.code == 0, told.err


def test_a_recording_is_named_by_its_path(run, tmp_path):
    path = tmp_path / "btcusdt_20240808.txt"
    path.write_text("\n".join(websocket(count=600)) + "\n")
    window = ("--start", DAY, "--end", "2024-08-09", *JSON[4:])
    told = run("btc/usdt", *window, "--data", path)
    assert told.code == 0, told.err
    assert told.summary["data"]["symbols"] == ["BTCUSDT"]
    path.write_text("\n".join(websocket(count=600, behind_ms=500)) + "\n")
    late = run("BTCUSDT", *window, "--data", path)
    assert late.code == 1
    assert "(B1)" in late.err
    for option in (["--fix-clock"], ["--shift-ns", "500000000"]):
        assert option[0] in late.err
        assert run("BTCUSDT", *window, "--data", path, *option).code == 0
    early = run("BTCUSDT", *window, "--data", path, "--shift-ns", "400000000")
    assert "(B1)" in early.err


def test_steps_of_a_recording_are_those_that_are_stated(tmp_path):
    from seq_gym.backtest import BacktestOptions
    from seq_gym.backtest.market import find_replay

    path = tmp_path / "btcusdt_20240808.txt"
    path.write_text("\n".join(websocket(count=60)) + "\n")
    window = {"start": DAY, "end": "2024-08-09", "data": (str(path),)}
    options = BacktestOptions(symbol="BTCUSDT", **window, tick=0.01, lot=0.05)
    (book,) = find_replay(options).books.books
    assert (book.instrument.tick, book.instrument.lot) == (0.01, 0.05)
    later = BacktestOptions(symbol="BTCUSDT", **window, shift_ns=7)
    (moved,) = find_replay(later).books.books
    told = book.local_ts >= 0  # the others are not on the agent's clock
    assert np.unique((moved.local_ts - book.local_ts)[told]).tolist() == [7]


def test_a_file_of_candles_is_named_by_its_path(run, tmp_path):
    path = tmp_path / "ADAUSDT-1m.csv"
    path.write_text("\n".join(klines(DAY, 240)) + "\n")
    told = run("ADAUSDT", *JSON, "--data", path)
    assert told.code == 0, told.err
    assert told.summary["notes"] == [f"ADAUSDT has only candles in {path}: this runs on candles."]
    for option in (["--venue", "binance"], ["--tick", "0.01"], ["--shift-ns", "5"]):
        refused = run("ADAUSDT", *JSON, "--data", path, *option)
        name = option[0].strip("-").replace("-", "_")
        assert f"{name} must be left out for files of candles" in refused.err


def test_a_synthetic_book_needs_no_data_and_is_of_the_seed(run):
    window = ("--start", "2025-01-01", "--end", "2025-01-01T00:00:30", *JSON[4:])
    told = run("BTC-USD", *window, "--data", "synthetic")
    assert told.summary["data"]["source"] == "synthetic book of seed 42"
    assert "it is nobody's market" in told.summary["notes"][0]
    assert len(told.summary["notes"]) == 1
    other = run("BTC-USD", *window, "--data", "synthetic", "--seed", "7")
    prints = [each.summary["data"]["fingerprint"] for each in (told, other)]
    assert prints[0] != prints[1]
    assert run("BTC-USD", *window, "--data", "synthetic").out == told.out


def test_a_synthetic_book_of_a_day_ends_after_an_hour_and_says_so():
    from seq_gym.backtest import BacktestOptions
    from seq_gym.backtest.market import find_replay

    options = BacktestOptions(symbol="XRP-USD", start=DAY, end=DAY, data=("synthetic",))
    replay = find_replay(options)
    assert replay.end_ns - replay.start_ns <= 3_600 * 10**9
    assert replay.notes[-1] == "A synthetic book ends an hour after its start."


def test_m5_a_margin_account_pays_the_funding_rates_of_the_store(run, tmp_path, agents):
    from seq_gym.market import FundingRates
    from seq_gym.market.book.synthetic import synthetic_book

    store = Store.open(tmp_path / "funded")
    book = synthetic_book(symbol="BTCUSDT", venue="um", seconds=20.0, start=NOON, seed=1)
    store.write_book(book)
    window = (*JSON, "--data", tmp_path / "funded", "--set", "account=margin")
    (agents / "holder.py").write_text(
        "class Holder:\n"
        "    def on_start(self, session):\n"
        "        session.place_order('BTCUSDT', 'buy', 'market', 0.01)\n"
    )
    agent = ("--agent", agents / "holder.py")
    assert run("BTCUSDT", *window, *agent).summary["costs"]["funding"] == 0.0
    stamps = [parse_time(NOON) + 10**9 * seconds for seconds in (5, 6, 7)]
    rates = FundingRates(time_ns=np.array(stamps), rate=np.full(3, 0.01), source="made")
    store.write_funding("BTCUSDT", rates, venue="um")
    told = run("BTCUSDT", *window, *agent)
    paid = 3 * 0.01 * 0.01 * told.fills[0]["price"]
    assert told.summary["costs"]["funding"] == pytest.approx(paid, rel=1e-3)
    text = run("BTCUSDT", *WINDOW, "--no-save", *window[len(JSON) :], *agent).out
    assert "Z; with funding rates\n" in text


def test_m5_rates_that_are_named_are_paid_on_recordings_made_up_books_and_candles(
    run, tmp_path, agents
):
    (agents / "holder.py").write_text(
        "class Holder:\n"
        "    def on_heartbeat(self, session):\n"
        "        if not session.orders():\n"
        "            session.place_order(session.symbols[0], 'buy', 'market', quantity=0.5)\n"
        "    on_candle = on_heartbeat\n"
    )
    recording, candles = tmp_path / "btcusdt_20240808.txt", tmp_path / "ADAUSDT-1m.csv"
    recording.write_text("\n".join(websocket(count=100)) + "\n")
    candles.write_text("\n".join(klines(DAY, 240)) + "\n")
    cases = (
        ("BTCUSDT", recording, f"{DAY}T23:58:05Z"),
        ("BTCUSDT", "synthetic", f"{DAY}T12:00:05Z"),
        ("ADAUSDT", candles, f"{DAY}T02:00:00Z"),
    )
    for symbol, data, stamp in cases:
        rates = tmp_path / "rates.csv"
        rates.write_text(f"time,rate\n{stamp},0.01\n")
        window = ["--start", DAY, "--end", DAY]
        if data == "synthetic":
            window = ["--start", NOON, "--end", f"{DAY}T12:00:20Z"]
        words = [*window, *JSON[4:], "--data", data, "--agent", agents / "holder.py"]
        margin = [*words, "--set", "account=margin"]
        assert run(symbol, *margin).summary["costs"]["funding"] == 0.0
        told = run(symbol, *margin, "--funding", f"{symbol}={rates}")
        assert told.code == 0, told.err
        paid = 0.01 * 0.5 * told.fills[0]["price"]
        assert told.summary["costs"]["funding"] == pytest.approx(paid, rel=0.1)
        spot = run(symbol, *words, "--funding", f"{symbol}={rates}")
        assert spot.summary["costs"]["funding"] == 0.0
        wrong = run(symbol, *margin, "--funding", f"XRPUSDT={rates}")
        assert wrong.code == 1
        assert "XRPUSDT" in wrong.err
    summary = run("BTCUSDT", *words[:-4], "--data", recording).summary
    assert summary["data"]["funding"] == {}
