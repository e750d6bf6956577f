"""Row 7: a year of minutes from a Binance CSV into the store, and out of it as arrays.

Importing is told in processor time and in elapsed time, because both sides read and write files and
use threads, and who imports a file waits for all of that.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from benchmarks.market import YEAR, synthetic
from benchmarks.measure import Row, Scale, Times, each, in_turn
from seq_gym.market.importers import ReadOptions
from seq_gym.market.store import Store

Rows: TypeAlias = list[Row]

_SYMBOL = "BTCUSDT"
_COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
_MS = 1_000_000


def _write_klines(path: Path) -> None:
    """Write a year of minutes as the archive does: twelve columns and no header."""
    series = synthetic(YEAR)
    opened = (series.start_ns + np.arange(len(series)) * series.interval_ns) // _MS
    values = {"open_time": opened, "close_time": opened + series.interval_ns // _MS - 1}
    values |= {
        name: getattr(series, name)[:, 0].round(8)
        for name in ("open", "high", "low", "close", "volume", "quote_volume")
    }
    values |= {"count": np.full(len(series), 100), "ignore": np.zeros(len(series), np.int64)}
    values |= {"taker_buy_volume": values["volume"] / 2}
    values |= {"taker_buy_quote_volume": values["quote_volume"] / 2}
    frame = pd.DataFrame({name: values[name] for name in _COLUMNS})
    frame.to_csv(path, header=False, index=False)


@dataclass
class _Clocks:
    """Both clocks of one contender, a round after the other."""

    elapsed: list[float] = field(default_factory=list)

    def time(self, work: Callable[[], object]) -> float:
        """Do the work; note the time elapsed, and return the processor time."""
        start, used = time.perf_counter(), time.process_time()
        work()
        used = time.process_time() - used
        self.elapsed.append(time.perf_counter() - start)
        return used


def _in_turn(works: Mapping[str, Callable[[_Clocks], float]], rounds: int) -> tuple[Times, Times]:
    """Measure works in turn; return their processor times and the times elapsed."""
    clocks = {name: _Clocks() for name in works}
    used = in_turn({name: partial(work, clocks[name]) for name, work in works.items()}, rounds)
    return used, {name: np.array(clock.elapsed[1:]) for name, clock in clocks.items()}


def _rows(name: str, target: float, ours: str, theirs: str, measured: tuple[Times, Times]) -> Rows:
    used, elapsed = measured
    return [
        Row(
            name=name,
            at_least=target,
            ratios=used[theirs] / used[ours],
            note=each(used, ours, theirs, unit="ms"),
        ),
        Row(
            name=f"{name}, elapsed",
            ratios=elapsed[theirs] / elapsed[ours],
            note=each(elapsed, ours, theirs, unit="ms"),
        ),
    ]


def rows(scale: Scale) -> Rows:
    """Measure row 7."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source, target = folder / f"{_SYMBOL}-1m-2025.csv", folder / "pandas.parquet"
        _write_klines(source)
        options = ReadOptions(symbol=_SYMBOL)
        filled = Store.open(folder / "filled")
        filled.import_files([source], options)

        def import_csv(clocks: _Clocks) -> float:
            """Import the file, checks and report included, into an empty store."""
            with tempfile.TemporaryDirectory(dir=folder) as empty:
                store = Store.open(empty)
                return clocks.time(lambda: store.import_files([source], options))

        def read_and_write(clocks: _Clocks) -> float:
            names = list(_COLUMNS)
            read = partial(pd.read_csv, source, header=None, names=names)
            return clocks.time(lambda: read().to_parquet(target))

        def read(clocks: _Clocks) -> float:
            return clocks.time(lambda: pd.read_csv(source, header=None))

        def load(clocks: _Clocks) -> float:
            return clocks.time(filled.load)

        imports = _in_turn({"import": import_csv, "pandas": read_and_write}, scale.rounds)
        loads = _in_turn({"load": load, "pandas": read}, scale.rounds)
    return [
        *_rows("7 a year of 1m CSV into the store: over pandas", 1.0, "import", "pandas", imports),
        *_rows("7 store to arrays: over pandas reading the CSV", 5.0, "load", "pandas", loads),
    ]
