"""hftbacktest's answers on file, so that the default suite needs no hftbacktest.

golden/<recording>.parquet holds every distinct answer of every run once, with a bit for each run
that gave it: executions (order, milliseconds since the script began and nanoseconds beyond, tenths
of a lot, ticks from the order's own) and, where those are null, final statuses. No price of the
market is in it.
golden/index.json says what script and what rows of the recording they belong to.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from tests.oracle.answers import Answers
from tests.oracle.feed import Recording, venue_order
from tests.oracle.runs import RUNS, Run
from tests.oracle.script import Script

FOLDER = Path(__file__).with_name("golden")
_INDEX = FOLDER / "index.json"
_MS = 1_000_000
_DELTAS = "DELTA_BINARY_PACKED"
_KEYS = ["order", "exch_ms", "exch_ns", "tenths", "ticks_off", "is_maker", "is_sweep", "status"]
_TYPES = {
    "order": pl.Int16,
    "exch_ms": pl.Int32,
    "exch_ns": pl.Int32,
    "tenths": pl.Int32,
    "ticks_off": pl.Int32,
}


def fingerprint(rows: Recording) -> str:
    """Name a recording by what both clocks say, however it was stored."""
    content = blake2b(digest_size=16)
    order = venue_order(rows)
    for name in ("exch_ts", "local_ts", "kind", "side", "tick", "lots"):
        content.update(np.ascontiguousarray(getattr(rows, name)[order]).tobytes())
    return content.hexdigest()


def index() -> dict[str, dict[str, Any]]:
    """Return what is on file: by recording seed, num_orders, script, rows and the runs' names."""
    found: dict[str, dict[str, Any]] = json.loads(_INDEX.read_text()) if _INDEX.exists() else {}
    return found


def _began(script: Script) -> int:
    """Return the script's first whole millisecond: most times of a venue are whole ones."""
    return int(script.time[0]) // _MS * _MS


def _frame(answers: Answers, script: Script, bit: int) -> pl.DataFrame:
    """Return executions and final statuses of one run as rows."""
    own = script.ticks[answers.order - 1]
    passed = answers.exch_ts - _began(script)
    executions = pl.DataFrame(
        {
            "order": answers.order,
            "exch_ms": passed // _MS,
            "exch_ns": passed % _MS,
            "tenths": answers.tenths,
            "ticks_off": answers.tick - own,
            "is_maker": answers.is_maker,
            "is_sweep": answers.is_sweep,
            "status": pl.Series([None] * len(own), dtype=pl.Int8),
        }
    )
    ended = executions.clear(len(answers.status)).with_columns(
        order=pl.Series(np.arange(1, len(answers.status) + 1)),
        status=pl.Series(answers.status, dtype=pl.Int8),
    )
    return pl.concat((executions, ended)).with_columns(runs=pl.lit(1 << bit, pl.Int32))


def store(name: str, rows: Recording, script: Script, answers: dict[Run, Answers]) -> None:
    """Put the answers of all runs on file."""
    frames = [_frame(answers[run], script, bit) for bit, run in enumerate(RUNS)]
    found = pl.concat(frames).group_by(_KEYS).agg(pl.col("runs").sum()).sort(_KEYS)
    FOLDER.mkdir(exist_ok=True)
    pq.write_table(
        found.cast(_TYPES).to_arrow(),
        FOLDER / f"{name}.parquet",
        compression="zstd",
        compression_level=19,
        use_dictionary=["exch_ns", "ticks_off", "status", "runs"],
        column_encoding={"order": _DELTAS, "exch_ms": _DELTAS},
    )
    entry = {
        "seed": script.seed,
        "num_orders": script.num_orders,
        "script": script.fingerprint,
        "recording": fingerprint(rows),
        "runs": [str(run) for run in RUNS],
    }
    _INDEX.write_text(json.dumps(dict(sorted({**index(), name: entry}.items())), indent=2) + "\n")


@cache
def _read(name: str) -> pl.DataFrame:
    return pl.read_parquet(FOLDER / f"{name}.parquet")


def answers_on_file(name: str, script: Script, run: Run) -> Answers:
    """Return what hftbacktest answered in one run."""
    bit = index()[name]["runs"].index(str(run))
    found = _read(name).filter(pl.col("runs") & (1 << bit) != 0)
    executions = found.filter(pl.col("status").is_null()).sort("order", "exch_ms", "exch_ns")
    order = executions["order"].cast(pl.Int64).to_numpy()
    passed = executions["exch_ms"].cast(pl.Int64) * _MS + executions["exch_ns"]
    return Answers(
        order=order,
        exch_ts=_began(script) + passed.to_numpy(),
        tenths=executions["tenths"].cast(pl.Int64).to_numpy(),
        tick=executions["ticks_off"].to_numpy() + script.ticks[order - 1],
        is_maker=executions["is_maker"].to_numpy(),
        is_sweep=executions["is_sweep"].to_numpy(),
        status=found.filter(pl.col("status").is_not_null()).sort("order")["status"].to_numpy(),
    )
