"""Small markets of known numbers for the tests of the sandbox."""

from __future__ import annotations

from typing import Any

import numpy as np

from seq_gym.market import CandleSeries, Instrument, candles_from_rows
from seq_gym.sandbox.session import Session

FREE = {"taker_fee_frac": 0.0, "maker_fee_frac": 0.0, "slippage": "fixed_bps", "slippage_bps": 0.0}
"""No fee and no slippage: prices are exactly those of the candles."""

FEES = {**FREE, "taker_fee_frac": 0.001, "maker_fee_frac": 0.001, "slippage_bps": 10.0}
"""Fees of 0.1 percent, slippage of exactly 0.1 percent."""


def flat(price: float, count: int) -> list[tuple[float, ...]]:
    """Candles that stand still, of a market that states no volume."""
    return [(price, price, price, price)] * count


def session_of(rows: Any, *, start: bool = True, steps: int = 0, **arguments: Any) -> Session:
    """A session over rows, started and advanced, without costs unless they are given."""
    series = rows if isinstance(rows, CandleSeries) else candles_from_rows(rows)
    session = Session.create(data=series, **{**FREE, **arguments})
    if start:
        session.start()
    if steps:
        session.step_batch(steps)
    return session


def random_market(
    seed: int, count: int = 240, symbols: tuple[str, ...] = ("BTCUSDT",), gaps: bool = True
) -> CandleSeries:
    """Candles of a random walk, some of them missing."""
    rng = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {}
    for symbol in symbols:
        close, listed = 100.0, []
        for index in range(count):
            opened = close * float(np.exp(rng.normal(0.0, 0.003)))
            close = opened * float(np.exp(rng.normal(0.0, 0.01)))
            high = max(opened, close) * (1.0 + abs(float(rng.normal(0.0, 0.004))))
            low = min(opened, close) * (1.0 - abs(float(rng.normal(0.0, 0.004))))
            missing = gaps and index > 0 and rng.random() < 0.03
            listed.append(
                None if missing else (opened, high, low, close, float(rng.integers(1, 1000)))
            )
        rows[symbol] = listed
    return candles_from_rows(rows)


def ticked(rows: Any, *, tick: float = 0.1, lot: float = 0.001) -> CandleSeries:
    """Rows of BTCUSDT with a tick and a lot."""
    instrument = Instrument(symbol="BTCUSDT", base="BTC", quote="USDT", tick=tick, lot=lot)
    return candles_from_rows(rows, instruments=[instrument])
