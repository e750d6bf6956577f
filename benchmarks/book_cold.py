"""Row 11: a fresh process until the first quotes are sent, beside hftbacktest.

Import, load six minutes from the store (their npz), prepare, compile what is not kept, quote. The
processes run a copy of the package, so that its kernels are those of the first, uncounted process
whatever happens to the files here; a process that had to compile anew is an error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.book_feed import recording
from benchmarks.measure import Row, Scale, Times, each, skipped
from seq_gym.market.book.events import BookEvents
from seq_gym.market.store import Store
from tests.oracle.feed import to_events
from tests.oracle.recordings import units_of

_HOME = Path(__file__).resolve().parents[1]
_COLD = """
import json, time
start = time.process_time(), time.perf_counter()
{}
print(json.dumps([time.process_time() - start[0], time.perf_counter() - start[1]]))
"""
_FIRST = "Grid(interval_ms=100, levels=1, most_decisions=1)"
_OURS = """
from benchmarks.book_grid import Grid
from benchmarks.book_maker import Maker
from seq_gym.market.book.load import load_book
maker = Maker(load_book({path!r}).books[0])
maker.open()
maker.run({first})
"""
_THEIRS = """
from benchmarks.book_grid import Grid
from benchmarks.book_peer import Peer
peer = Peer({path!r}, {tick!r}, {lot!r})
peer.run(peer.open(), {first})
"""
_CLOCKS = ("processor", "elapsed")
_PATIENCE_S = 900

Seconds = tuple[float, float]
"""Processor time and time elapsed."""


def _copy(folder: Path) -> None:
    """Copy what the processes import, without compiled kernels."""
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("seq_gym", "benchmarks"):
        shutil.copytree(_HOME / package, folder / package, ignore=ignored)


def _kernels(folder: Path) -> int:
    """Return how many kernels are kept on disk."""
    return sum(1 for _ in folder.rglob("*.nbc"))


def _run(code: str, folder: Path) -> Seconds:
    """Run code in a fresh process; raise with what it said where it fails."""
    known = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in known}
    done = subprocess.run(
        [sys.executable, "-c", _COLD.format(code)],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder)},
        check=False,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )
    if done.returncode != 0:
        raise RuntimeError(f"A cold process ended with {done.returncode}:\n{done.stderr}")
    used, elapsed = json.loads(done.stdout)
    return used, elapsed


def _in_turn(processes: dict[str, Callable[[], Seconds]], rounds: int) -> dict[str, Times]:
    """Run every process once a round; return seconds by clock and name."""
    taken: dict[str, list[Seconds]] = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            taken[name].append(process())
    return {
        clock: {name: np.array(found)[:, k] for name, found in taken.items()}
        for k, clock in enumerate(_CLOCKS)
    }


def _measured(events: BookEvents, folder: Path, rounds: int) -> tuple[dict[str, Times], Seconds]:
    """Return seconds by clock and side, and what the process took that compiled our kernels."""
    _copy(folder)
    store, path = str(folder / "store"), str(folder / "events.npz")
    Store.open(store).write_book(events)
    np.savez_compressed(path, data=to_events(events, units_of(events)))
    steps = {"tick": events.instrument.tick, "lot": events.instrument.lot}
    codes = {
        "door": _OURS.format(path=store, first=_FIRST),
        "hftbacktest": _THEIRS.format(path=path, first=_FIRST, **steps),
    }
    compiling = _run(codes["door"], folder)
    kept = _kernels(folder)
    processes = {name: lambda code=code: _run(code, folder) for name, code in codes.items()}
    _in_turn(processes, 1)  # files and byte code in the cache of the system
    times = _in_turn(processes, rounds)
    if _kernels(folder) != kept:
        raise RuntimeError(f"{kept} kernels were kept, now {_kernels(folder)}: some were compiled.")
    return times, compiling


def rows(scale: Scale) -> list[Row]:
    """Measure row 11."""
    try:
        import hftbacktest  # noqa: F401
    except ImportError as error:
        return [skipped("11: a cold process", f"{error}: `make bench` installs it")]
    with tempfile.TemporaryDirectory() as name:
        times, compiling = _measured(recording(), Path(name), min(scale.rounds, 5))
    told = f"; with an empty kernel cache, once: {compiling[0]:.3g} s"
    return [
        Row(
            name=f"11 cold process to the first quotes, over theirs, {clock}",
            at_most=0.5,
            ratios=taken["door"] / taken["hftbacktest"],
            note=each(taken, *taken, unit="s") + (told if clock == _CLOCKS[0] else ""),
        )
        for clock, taken in times.items()
    ]
