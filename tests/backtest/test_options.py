"""Every option has its effect (S0-05 to S0-08, S0-24 to S0-26, S3-41 to S3-51)."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.backtest.conftest import DAY, WINDOW

JSON = (*WINDOW, "--output", "json", "--no-save")


def _positions(fills):
    """The position after each fill."""
    signs = {"buy": 1.0, "sell": -1.0}
    steps = itertools.accumulate(signs[fill["side"]] * fill["quantity"] for fill in fills)
    return [round(held, 9) for held in steps]


@pytest.fixture
def play(run):
    """Run ETH-USD and return its summary and fills."""

    def command(*arguments):
        told = run("ETH-USD", *JSON, *arguments)
        assert told.code == 0, told.err
        return told

    return command


@pytest.fixture
def take(play, agents):
    """The same with the taker."""
    return lambda *arguments: play("--agent", agents / "taker.py", *arguments)


def test_s3_41_the_capital_is_what_the_account_starts_with(play):
    assert play().summary["pnl"]["starting_balance"] == 100_000.0
    half = play("--capital", "50000")
    assert half.summary["pnl"]["starting_balance"] == 50_000.0
    largest = max(fill["quantity"] for fill in play().fills)
    assert max(fill["quantity"] for fill in half.fills) == pytest.approx(largest / 2, abs=0.02)


def test_s3_43_the_seed_is_that_of_the_draws(take):
    times = {seed: [fill["arrived_time"] for fill in take("--seed", seed).fills] for seed in "12"}
    assert times["1"] != times["2"]
    assert take("--seed", "123").summary["seed"] == 123


def test_s3_46_the_queue_models_are_told_apart(play):
    fills = {
        model: sum(fill["quantity"] for fill in play("--queue-model", model).fills)
        for model in ("risk_averse", "probabilistic", "none")
    }
    assert fills["risk_averse"] <= fills["probabilistic"] <= fills["none"]
    assert fills["risk_averse"] < fills["none"]
    named = play("--queue-model", "power3").out
    assert play("--queue-model", "probabilistic").out == named == play().out


def test_s3_47_the_latency_models_are_told_apart(take):
    def trips(model):
        told = take("--latency-model", model)
        return told.summary["tca"]["entry_latency_ns"]

    assert trips("none")["mean"] == 0.0
    drawn = trips("log-normal")
    assert drawn["p99"] > drawn["p50"] > 0.0
    assert trips("constant") == pytest.approx(
        {"mean": 1e7, "p50": 1e7, "p75": 1e7, "p95": 1e7, "p99": 1e7, "count": drawn["count"]}
    )
    assert trips("per-venue")["p50"] < drawn["p50"]  # Coinbase's is the nearer one


def test_set_reaches_every_field_of_the_physics(play, take):
    cheap = take("--set", "taker_fee_frac=0.0005")
    assert cheap.summary["costs"]["taker_fees"] == pytest.approx(
        take().summary["costs"]["taker_fees"] / 2, rel=1e-3
    )
    kept = take("--set", "liquidate_on_complete=false")
    assert {fill["reason"] for fill in kept.fills} == {None}
    fast = take("--latency-model", "constant", "--set", "latency.entry_ms=2")
    assert fast.summary["tca"]["entry_latency_ns"]["p50"] == 2e6
    limited = take("--set", "risk.max_orders_per_minute=5")
    assert limited.summary["orders"]["rejected"] > 0


def test_a_margin_account_goes_short_and_spot_does_not(play, agents):
    (agents / "seller.py").write_text(
        "class Seller:\n"
        "    def on_heartbeat(self, session):\n"
        "        session.place_order(session.symbols[0], 'sell', 'market', 0.01)\n"
    )
    agent = ("--agent", agents / "seller.py")
    spot, margin = play(*agent), play(*agent, "--set", "account=margin")
    assert spot.fills == []
    assert set(spot.summary["orders"]) == {"rejected"}
    assert min(_positions(margin.fills)) < -0.1


@pytest.mark.parametrize("fills", ["parity", "parity_no_partial"])
def test_fills_may_be_those_of_the_peer(play, fills):
    assert play("--set", f"fills={fills}").out != play().out


@pytest.mark.parametrize(
    ("maker", "settings"),
    [
        (True, ["adverse_selection=true"]),
        (False, ["self_impact=true", "permanent_impact=0.5"]),
        (False, ["volatility_latency=true", "volatility_window_s=5", "volatility_beta=2.0"]),
    ],
)
def test_s0_24_to_s0_26_realism_is_switched_by_set(take, play, maker, settings):
    run = play if maker else take
    chosen = [word for setting in settings for word in ("--set", setting)]
    plain, real = run(), run(*chosen)
    assert real.fills != plain.fills
    # The switch does it, not the numbers beside it.
    assert run(*chosen[2:]).fills == plain.fills


def test_s3_49_no_save_saves_nothing_and_out_says_where(run, tmp_path):
    run("ETH-USD", *WINDOW, "--no-save")
    assert not (tmp_path / "runs").exists()
    told = run("ETH-USD", *WINDOW, "--out", "elsewhere")
    (folder,) = (tmp_path / "elsewhere").iterdir()
    assert told.out.endswith(f"Run folder: elsewhere/{folder.name}\n")
    assert "-backtest-maker-s42-" in folder.name


def test_what_changes_no_number_changes_no_hash(run, tmp_path):
    for arguments in (["--out", "a"], ["--out", "b", "--output", "json"], ["--seed", "7"]):
        run("ETH-USD", *WINDOW, *arguments)
    names = [
        json.loads((each / "manifest.json").read_text())["config_hash"]
        for folder in ("a", "b", "runs")
        for each in (tmp_path / folder).iterdir()
    ]
    assert names[0] == names[1] != names[2]


def test_s3_50_51_the_scan_buffer_and_dedup_reach_the_store(run, monkeypatch):
    from seq_gym.market.store import Store

    asked = []
    load = Store.load_book

    def spy(self, **arguments):
        asked.append((arguments["scan_buffer_secs"], arguments["dedup"]))
        return load(self, **arguments)

    monkeypatch.setattr(Store, "load_book", spy)
    run("ETH-USD", *JSON)
    run("ETH-USD", *JSON, "--scan-buffer-secs", "60", "--no-dedup")
    assert asked == [(3_600, True), (60, False)]


def test_a_named_window_ends_before_the_instant_and_a_date_includes_its_day(run):
    whole = run("ETH-USD", *JSON).summary["window"]
    assert whole["start"].startswith(f"{DAY}T12:00:00")
    assert whole["end"].startswith(f"{DAY}T12:00:59.9")
    cut = run(
        "ETH-USD",
        *("--start", f"{DAY}T12:00:10Z", "--end", f"{DAY}T12:00:20Z"),
        *JSON[4:],
    )
    assert cut.summary["window"]["start"] == f"{DAY}T12:00:10Z"
    assert cut.summary["window"]["end"][:-1] <= f"{DAY}T12:00:20"
    assert all(fill["exch_time"] <= f"{DAY}T12:00:20Z" for fill in cut.fills)
