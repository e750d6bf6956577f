"""The bracket strategy on real candles: three of its fills, worked out again from the raw file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.evaluate.candles import FILL_FIELDS
from seq_gym.times import parse_time

AGENT = Path(__file__).resolve().parents[2] / "agents" / "bracket_breakout.py"
FILE = "binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet"
MINUTE = 60_000_000_000
CHANNEL, STOP, TARGET, FRACTION = 120, 6.0, 9.0, 0.95
FEE, IMPACT, FLOOR = 0.001, 0.1, 0.0001


@pytest.fixture(scope="module")
def raw(shared_data):
    """The columns of the file as arrays, and the open time of each row in nanoseconds."""
    frame = pl.read_parquet(shared_data / "candles" / FILE)
    columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
    # The file has no quote volume: M1 takes volume x close.
    quote_volume = columns["volume"] * columns["close"]
    open_ns = frame["ts"].dt.epoch("ns").to_numpy()
    return {"open_ns": open_ns, "quote_volume": quote_volume, **columns}


@pytest.fixture(scope="module")
def episode(shared_data):
    config = EvaluateConfig(
        agent=(str(AGENT),),
        data=(str(shared_data / "candles" / FILE),),
        start="2025-06-01",
        end="2025-06-06",
        window="full",
        warm_up=1_440,
    )
    (only,) = evaluate(config).episodes_of("bracket_breakout")
    return only


@pytest.fixture(scope="module")
def fills(episode):
    return [dict(zip(FILL_FIELDS, fill, strict=True)) for fill in episode.fills]


def _row(raw, time_ns: int) -> int:
    row = int(np.searchsorted(raw["open_ns"], time_ns))
    assert raw["open_ns"][row] == time_ns
    return row


def _slippage(raw, row: int, notional: float, first_ns: int) -> float:
    """M1, volume share: the notional over the quote volume of the 24 h known before the candle."""
    first = max(row - 1_440, _row(raw, first_ns))
    adv = raw["quote_volume"][first:row].sum() * 1_440 / (row - first)
    return float(np.clip(IMPACT * notional / adv, FLOOR, 0.10))


def _exit_row(raw, entry_row: int, stop: float, target: float) -> tuple[int, str]:
    """Return the first candle after the entry's that reaches an exit, the stop first (O8)."""
    for row in range(entry_row + 1, len(raw["open"])):
        if raw["low"][row] <= stop:
            return row, "stop_loss"
        if raw["high"][row] >= target:
            return row, "take_profit"
    raise AssertionError("no exit")


def test_it_fires_stops_and_targets(fills):
    kinds = [fill["type"] for fill in fills]
    assert kinds.count("stop_loss") >= 1
    assert kinds.count("take_profit") >= 1
    assert kinds.count("market") >= 2


@pytest.mark.parametrize("kind", ["market", "stop_loss", "take_profit"])
def test_a_fill_follows_from_the_raw_candles(raw, fills, episode, kind):
    first_ns = parse_time("2025-06-01")
    place = next(n for n, fill in enumerate(fills) if fill["type"] == kind)
    entry = fills[place if kind == "market" else place - 1]
    assert entry["type"] == "market"
    entry_row = _row(raw, entry["filled_ns"])

    # The candle before closed above the highest high of the 120 before it.
    signal = entry_row - 1
    assert raw["close"][signal] > raw["high"][signal - CHANNEL : signal].max()
    # The order meets the open of the next candle; slippage goes by what it moves.
    assert entry["base_price"] == raw["open"][entry_row]
    share = _slippage(raw, entry_row, entry["quantity"] * raw["open"][entry_row], first_ns)
    assert entry["price"] == pytest.approx(raw["open"][entry_row] * (1 + share), rel=1e-12)
    assert entry["fee"] == pytest.approx(entry["quantity"] * entry["price"] * FEE, rel=1e-12)
    if kind == "market":
        equity = episode.equity[(entry["filled_ns"] - episode.start_ns) // MINUTE]
        assert entry["quantity"] * entry["base_price"] == pytest.approx(FRACTION * equity, rel=2e-3)
        return

    # The bracket stands around the price paid, in mean ranges of the 120 candles before the fill's:
    # on_fill comes before the on_candle that takes that one in.
    known = slice(entry_row - CHANNEL, entry_row)
    distance = (raw["high"][known] - raw["low"][known]).mean()
    stop = entry["price"] - STOP * distance
    target = entry["price"] + TARGET * distance
    fill = fills[place]
    row, fired = _exit_row(raw, entry_row, stop, target)
    assert fired == kind
    level = stop if kind == "stop_loss" else target
    passed = raw["open"][row] <= stop if kind == "stop_loss" else raw["open"][row] >= target
    base = raw["open"][row] if passed else level
    assert fill["base_price"] == pytest.approx(base, rel=1e-9)
    assert fill["filled_ns"] == raw["open_ns"][row] + (0 if passed else MINUTE)
    share = _slippage(raw, row, fill["quantity"] * base, first_ns)
    assert fill["price"] == pytest.approx(base * (1 - share), rel=1e-9)
    assert fill["quantity"] == pytest.approx(entry["quantity"], rel=1e-12)
    proceeds = fill["quantity"] * fill["price"]
    assert fill["fee"] == pytest.approx(proceeds * FEE, rel=1e-12)
    basis = entry["quantity"] * entry["price"] + entry["fee"]
    assert fill["realized_pnl"] == pytest.approx(proceeds - fill["fee"] - basis, rel=1e-6)
