"""The command on the real recordings, imported into a store."""

from __future__ import annotations

import json

import pytest

from seq_gym.backtest.cli import main
from seq_gym.market.book.store.importing import RecordingOptions
from seq_gym.market.store import Store
from seq_gym.times import parse_time
from tests.backtest.conftest import DAY, WINDOW


@pytest.fixture(scope="module")
def recorded(shared_data, tmp_path_factory):
    """A store with the spot and the USD-M recording of BTC; one recorder, one clock."""
    book = shared_data / "book" / "binance"
    if not book.is_dir():
        pytest.skip("the real recordings of books are not on this machine")
    folder = tmp_path_factory.mktemp("recorded") / "sim"
    paths = [book / kind / "btcusdt_20240808.gz" for kind in ("spot", "usdm")]
    Store.open(folder).import_books(paths, RecordingOptions(fix_clock=True))
    return folder


@pytest.fixture
def play(recorded, capsys):
    def command(*arguments):
        given = ["btc/usdt", *WINDOW, "--data", str(recorded), "--no-save", *arguments]
        assert main([*given, "--output", "json"]) == 0, capsys.readouterr().err
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return command


def test_the_maker_runs_on_the_real_usd_m_recording(play):
    *fills, summary = play("--venue", "binance_um")
    assert len(fills) > 50
    assert summary["data"]["rows"] > 400_000
    assert {fill["liquidity"] for fill in fills[:-1]} == {"maker"}
    assert all(fill["local_time"].startswith(DAY) for fill in fills[:-1])
    stamps = [(parse_time(fill["exch_time"]), parse_time(fill["local_time"])) for fill in fills]
    assert all(executed <= told for executed, told in stamps)
    assert summary["pnl"]["total"] < 0.0  # fees of 10 bps are more than its spread
    assert play("--venue", "binance_um")[-1] == summary


def test_spot_and_perpetual_are_two_lanes_with_positions_of_their_own(play):
    *fills, summary = play()
    assert summary["data"]["venues"] == ["binance", "binance_um"]
    assert [each["trades"] for each in summary["by_symbol"]] == [
        sum(fill["venue"] == venue for fill in fills) for venue in ("binance", "binance_um")
    ]
    assert min(each["trades"] for each in summary["by_symbol"]) > 10


def test_a_rebate_pays_the_maker(play):
    rebate = play("--venue", "binance_um", "--set", "maker_fee_frac=-0.0001")[-1]
    assert rebate["costs"]["maker_fees"] < 0.0
    assert rebate["pnl"]["total"] > play("--venue", "binance_um")[-1]["pnl"]["total"]
