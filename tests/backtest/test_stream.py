"""Fills as they happen: text, JSON and Parquet say the same, in order, and the same every time."""

from __future__ import annotations

import json
from dataclasses import fields

import polars as pl
import pytest

from seq_gym.backtest import BacktestOptions, run_backtest
from seq_gym.sandbox.book.records import BookFill, BookOrder
from seq_gym.times import parse_time
from tests.backtest.conftest import DAY, WINDOW

TWO = ("--symbols", "BTC-USD,ETH-USD")
PARTS = ("shortfall_bps", "spread_cost_bps", "impact_bps", "fee_bps", "mark_out_1s_bps")

QUOTER = '''
class Quoter:
    """A bid and an offer at the touch, anew every second."""

    def on_heartbeat(self, session):
        session.cancel_all()
        book = session.book("ETH-USD", 1)
        session.place_order("ETH-USD", "buy", "limit", 0.3, book.bid)
        session.place_order("ETH-USD", "sell", "limit", 0.3, book.ask)
        session.place_order("ETH-USD", "sell", "limit", 0.0, book.ask)  # refused, never sent
'''


@pytest.fixture
def taken(run, agents, tmp_path):
    """A run of the taker as JSON, and its folder."""
    told = run(*TWO, *WINDOW, "--agent", agents / "taker.py", "--output", "json")
    assert told.code == 0, told.err
    (folder,) = (tmp_path / "runs").iterdir()
    return told, folder


def test_s0_16_fills_come_first_in_order_and_the_summary_is_the_last_line(taken):
    told, folder = taken
    assert [line["event"] for line in told.lines] == ["fill"] * len(told.fills) + ["summary"]
    assert len(told.fills) > 100
    times = [parse_time(fill["local_time"]) for fill in told.fills]
    assert times == sorted(times)
    assert [fill["fill_id"] for fill in told.fills] == [
        f"F-{number:08x}" for number in range(1, len(told.fills) + 1)
    ]
    assert told.summary["run_folder"] == f"runs/{folder.name}"
    assert told.summary["metrics"]["total_trades"] == len(told.fills)
    assert told.err == ""


def test_the_summary_adds_up(taken):
    told, _ = taken
    pnl, costs = told.summary["pnl"], told.summary["costs"]
    assert pnl["final_equity"] - pnl["starting_balance"] == pytest.approx(pnl["total"])
    assert sum(fill["fee"] for fill in told.fills) == pytest.approx(
        costs["maker_fees"] + costs["taker_fees"]
    )
    assert sum(each["net_pnl"] for each in told.summary["by_symbol"]) == pytest.approx(pnl["total"])
    assert told.summary["tca"]["shortfall_bps"]["count"] == len(told.fills)
    sent = [told.summary["tca"][name]["count"] for name in ("round_trip_ns", "order_fee_bps")]
    assert told.summary["tca"]["order_implementation_shortfall_bps"]["count"] in sent
    assert set(told.summary["tca"]["spread_cost_bps"]) == {
        "mean", "p50", "p75", "p95", "p99", "count",
    }  # fmt: skip


def test_s3_49_parquet_holds_what_was_streamed(taken):
    told, folder = taken
    table = pl.read_parquet(folder / "fills.parquet")
    assert table.height == len(told.fills)
    for name in ("fill_id", "order_id", "symbol", "venue", "side", "quantity", "price", "fee"):
        assert table[name].to_list() == [fill[name] for fill in told.fills], name
    assert table["realized_pnl"].to_list() == [fill["realized_pnl"] for fill in told.fills]
    stamps = table["local_time"].dt.epoch("ns").to_list()
    assert stamps == [parse_time(fill["local_time"]) for fill in told.fills]
    named = {each.name.removesuffix("_ns") for each in fields(BookFill)}
    assert named <= {name.removesuffix("_time") for name in table.columns}
    paid = table["shortfall_bps"] - table["impact_bps"] - table["spread_cost_bps"]
    assert (paid - table["fee_bps"]).abs().max() < 1e-6
    orders = pl.read_parquet(folder / "orders.parquet")
    named = {each.name.removesuffix("_ns") for each in fields(BookOrder)}
    assert named <= {name.removesuffix("_time") for name in orders.columns}
    counts = orders["status"].value_counts().rows()
    assert dict(counts) == told.summary["orders"]
    equity = pl.read_parquet(folder / "equity.parquet")
    assert equity["equity"][-1] == told.summary["pnl"]["final_equity"]
    assert equity["time"].is_sorted()


def test_the_manifest_says_how_to_repeat_the_run(taken):
    told, folder = taken
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["command"][:4] == ["python", "-m", "seq_gym.backtest", "--symbols"]
    assert manifest["seed"] == 42
    assert manifest["options"]["start"] == DAY
    assert manifest["physics"]["queue_model"] == "probabilistic"
    assert manifest["physics"]["latency_model"] == "per-venue"
    assert manifest["data"] == told.summary["data"]
    assert len(manifest["data"]["fingerprint"]) == 64
    assert {"numpy", "numba", "seq_gym"} <= set(manifest["versions"])
    assert folder.name.endswith(f"-backtest-taker-s42-{manifest['config_hash']}")
    summary = json.loads((folder / "summary.json").read_text())
    assert {**summary, "run_folder": told.summary["run_folder"]} == told.summary
    assert {path.name for path in folder.iterdir()} == {
        "DONE", "equity.parquet", "fills.parquet", "manifest.json", "orders.parquet",
        "summary.json",
    }  # fmt: skip


def test_text_has_an_aligned_line_for_each_fill_then_the_tables(run, agents, taken):
    told, _ = taken
    text = run(*TWO, *WINDOW, "--agent", agents / "taker.py", "--no-save").out
    stream, *tables = text.split("\n\n")[1:]
    header, *lines = stream.splitlines()
    assert header.split() == ["time", "symbol", "side", "quantity", "price", "fee", "realised"]
    assert len(lines) == len(told.fills)
    for line, fill in zip(lines, told.fills, strict=True):
        time, name, side, quantity, price, liquidity, fee, realised, *reason = line.split()
        assert time == fill["local_time"]
        assert name == f"{fill['symbol']}@{fill['venue']}"
        assert (side, liquidity) == (fill["side"], fill["liquidity"])
        assert (float(quantity), float(price)) == (fill["quantity"], fill["price"])
        assert float(fee) == pytest.approx(fill["fee"], abs=5e-5)
        assert (realised == "-") == (fill["realized_pnl"] is None)
        assert reason == ([fill["reason"]] if fill["reason"] else [])
    ends = {line.index(fill["liquidity"]) for line, fill in zip(lines, told.fills, strict=True)}
    assert len(ends) == 1
    titles = [table.splitlines()[0] for table in tables]
    assert len(titles) == 5
    assert titles[:3] == ["Profit and loss", "By symbol", "Statistics"]
    _execution_costs_say_what_they_count(tables[3:], told.summary["tca"])
    assert "Run folder" not in text


def _execution_costs_say_what_they_count(tables, tca):
    """A table of fills and one of orders, latencies in the second; each with its own count."""
    figures = {}
    for table, each in zip(tables, ("fill", "order"), strict=True):
        title, header, _, *rows = table.splitlines()
        assert title.startswith(f"Execution costs by {each}, ")
        assert header.split() == ["figure", f"{each}s", "mean", "p50", "p75", "p95", "p99"]
        cells = [row.rsplit(maxsplit=6) for row in rows]
        figures[each] = {words: (int(count), float(mean)) for words, count, mean, *_ in cells}
    for each, words, name, scale in (
        ("fill", "shortfall, bps", "shortfall_bps", 1.0),
        ("fill", "mark-out 10 s, bps", "mark_out_10s_bps", 1.0),
        ("order", "shortfall, bps", "order_shortfall_bps", 1.0),
        ("order", "unfilled part, bps", "order_opportunity_bps", 1.0),
        ("order", "whole order, bps", "order_implementation_shortfall_bps", 1.0),
        ("order", "mark-out 10 s, bps", "order_mark_out_10s_bps", 1.0),
        ("order", "round trip, ms", "round_trip_ns", 1e-6),
    ):
        count, mean = figures[each][words]
        assert count == tca[name]["count"]
        assert mean == pytest.approx(tca[name]["mean"] * scale, abs=6e-4), words
    assert "round trip, ms" not in figures["fill"]


def test_parquet_has_the_costs_of_every_order_filled_or_not(run, agents, tmp_path):
    (agents / "quoter.py").write_text(QUOTER)
    margin = ("--agent", agents / "quoter.py", "--set", "account=margin")
    told = run("ETH-USD", *WINDOW, *margin, "--output", "json")
    (folder,) = (tmp_path / "runs").iterdir()
    fills = pl.read_parquet(folder / "fills.parquet")
    orders = pl.read_parquet(folder / "orders.parquet")
    fills_of = {key: rows for (key,), rows in fills.group_by("order_id")}
    refused = orders.filter(pl.col("status") == "rejected")
    assert refused.height > 10
    assert refused["implementation_shortfall_bps"].null_count() == refused.height
    ended = orders.filter(pl.col("ended_time").is_not_null())
    counts = {"none": 0, "part": 0, "all": 0}
    for order in ended.iter_rows(named=True):
        part = order["filled_quantity"] / order["quantity"]
        counts["all" if part == 1.0 else "part" if part else "none"] += 1
        rows = fills_of.get(order["order_id"])
        for name in PARTS:
            mean = None
            if rows is not None and not rows[name].null_count():
                mean = (rows[name] * rows["quantity"]).sum() / rows["quantity"].sum()
            assert (order[name] is None) == (mean is None), name
            assert mean is None or order[name] == pytest.approx(mean, rel=1e-9, abs=1e-9), name
        paid = part * (order["shortfall_bps"] or 0.0)
        whole = order["implementation_shortfall_bps"]
        assert whole == pytest.approx(paid + order["opportunity_bps"], rel=1e-9, abs=1e-9)
        assert (order["opportunity_bps"] == 0.0) or part < 1.0
    assert min(counts.values()) > 0
    told_of = told.summary["tca"]["order_implementation_shortfall_bps"]
    known = orders["implementation_shortfall_bps"].drop_nulls()
    assert told_of["count"] == len(known) >= ended.height
    assert told_of["mean"] == pytest.approx(known.mean())
    assert told_of["p50"] == pytest.approx(known.quantile(0.5, "linear"))


def test_s0_12_the_same_seed_and_data_give_the_same_output_and_another_seed_does_not(run, tmp_path):
    base = ("BTC-USD", *WINDOW, "--output", "json", "--no-save")
    first = run(*base)
    assert run(*base).out == first.out
    assert run(*base, "--seed", "123").out != first.out
    text = ("BTC-USD", *WINDOW)
    one, two = run(*text).out, run(*text).out
    assert one.rpartition("\nRun folder")[0] == two.rpartition("\nRun folder")[0]
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    for name in ("fills.parquet", "orders.parquet", "equity.parquet", "summary.json"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_fill_is_told_before_the_strategy_answers_it(store):
    heard = []

    class Both:
        def on_heartbeat(self, session):
            session.place_order("ETH-USD", "buy", "market", 0.01)

        def on_fill(self, session, fill):
            heard.append(("strategy", fill.fill_id))

    options = BacktestOptions(symbol="ETH-USD", start=DAY, end=DAY, data=(str(store),))
    done = run_backtest(
        options, strategy=Both(), tell=lambda fill: heard.append(("told", fill.fill_id))
    )
    assert done.agent == "Both"
    told = [name for who, name in heard if who == "told"]
    assert told == [fill.fill_id for fill in done.session.fills()]
    answered = [name for who, name in heard if who == "strategy"]
    assert answered == told[: len(answered)]
    assert heard.index(("told", told[5])) < heard.index(("strategy", told[5]))


def test_watching_changes_no_trade(store, agents):
    from seq_gym.market.book.load import load_book
    from seq_gym.sandbox.book.session import BookSession

    options = BacktestOptions(
        symbol="ETH-USD", start=DAY, end=DAY, data=(str(store),), agent=f"{agents}/taker.py"
    )
    watched = run_backtest(options, tell=lambda fill: None).session
    from seq_gym.runs.agents import AgentSpec, load_agent

    spec = AgentSpec(name="taker", source=f"{agents}/taker.py", kind="strategy")
    alone = BookSession.create(
        data=load_book(str(store), symbols="ETH-USD", start=DAY, end=DAY),
        end_time=watched.end_ns,
        starting_balance=100_000.0,
        seed=42,
    )
    alone.run(load_agent(spec, {}).agent)
    assert alone.fills() == watched.fills()
    assert alone.results().final_equity == watched.results().final_equity
