"""Made-up candles, and what a store's files are, for the tests of the store."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seq_gym.market import CandleColumns
from seq_gym.times import parse_interval, parse_time

__all__ = ["contents", "make_candles"]


def make_candles(
    count=200,
    *,
    symbol="BTCUSDT",
    start="2025-01-31T22:00",
    interval="1m",
    seed=0,
    source="made.csv",
    volume=True,
    **more,
):
    """Candles of a random walk; by default over the end of a month."""
    length = parse_interval(interval)
    # A row at a time, so that more of them begin with the same ones.
    draws = np.random.default_rng(seed).uniform(0, 1, (count, 4))
    close = np.exp((draws[:, 0] - 0.5).cumsum() * 1e-3) * 100
    opens = np.concatenate(([100.0], close[:-1]))
    spread = np.exp(draws[:, 1:3].T * 1e-3)
    amount = 1 + draws[:, 3]
    return CandleColumns(
        symbol=symbol,
        time_ns=parse_time(start) // length * length + np.arange(count) * length,
        open=opens,
        high=np.maximum(opens, close) * spread[0],
        low=np.minimum(opens, close) / spread[1],
        close=close,
        volume=amount if volume else None,
        quote_volume=amount * close if volume else None,
        interval_ns=length,
        source=source,
        **more,
    )


def contents(store):
    """Every file of a store with its bytes; locks apart."""
    system = store.place.filesystem
    from pyarrow import fs

    found = system.get_file_info(fs.FileSelector("", recursive=True, allow_not_found=True))
    return {
        info.path: system.open_input_stream(info.path).read()
        for info in found
        if info.type == fs.FileType.File and Path(info.path).name != "_lock"
    }
