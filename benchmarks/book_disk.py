"""Row 10: a recorded book from disk to memory, beside hftbacktest.

Its file is an npz as its own documentation writes them (compressed); ours is the store.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.book_feed import QUICK_ROWS, ROWS, tiled
from benchmarks.measure import Row, Scale, Times, each, in_turn, seconds_of, skipped
from seq_gym.market.book.events import BookEvents
from seq_gym.market.book.load import load_book
from seq_gym.market.book.store.memory import forget_memory
from seq_gym.market.store import Store
from tests.oracle.feed import to_events
from tests.oracle.recordings import units_of

Work = Callable[[], object]


def _elapsed(work: Work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _load_rows(events: BookEvents, scale: Scale) -> list[Row]:
    """Row 10: from disk to memory, elapsed: ours reads columns on several threads."""
    from benchmarks.book_peer import Peer

    steps = (events.instrument.tick, events.instrument.lot)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Store.open(folder / "store").write_book(events)
        path = folder / "events.npz"
        np.savez_compressed(path, data=to_events(events, units_of(events)))

        def theirs() -> None:
            opened = Peer(str(path), *steps).open()
            opened.elapse(0)  # it reads its file when time begins
            opened.close()

        def fresh() -> None:
            forget_memory()
            load_book(folder / "store")

        works: Mapping[str, Work] = {
            "Parquet": lambda: load_book(folder / "store"),
            "hftbacktest": theirs,
            "into fresh memory": fresh,
            "np.load": lambda: np.load(path)["data"],
        }
        elapsed = _timed(works, _elapsed, scale.rounds)
        used = _timed(works, seconds_of, scale.rounds)
        sizes = [
            sum(file.stat().st_size for file in folder.rglob(ending)) / events.num_events
            for ending in ("*.parquet", "*.npz")
        ]
    return [
        Row(
            name="10 Parquet to memory: over hftbacktest reading its npz",
            at_least=5.0,
            ratios=elapsed["hftbacktest"] / elapsed["Parquet"],
            note=f"elapsed, {each(elapsed, *works, unit='ms')}; "
            f"{sizes[0]:.1f} and {sizes[1]:.1f} bytes an event",
        ),
        Row(
            name="10 the same, into fresh memory",
            ratios=elapsed["hftbacktest"] / elapsed["into fresh memory"],
        ),
        Row(
            name="10 the same over np.load of the npz",
            ratios=elapsed["np.load"] / elapsed["Parquet"],
        ),
        Row(
            name="10 over hftbacktest, in processor time",
            ratios=used["hftbacktest"] / used["Parquet"],
            note=each(used, *works, unit="ms"),
        ),
    ]


def _timed(works: Mapping[str, Work], clock: Callable[[Work], float], rounds: int) -> Times:
    return in_turn({name: partial(clock, work) for name, work in works.items()}, rounds)


def rows(scale: Scale) -> list[Row]:
    """Measure row 10."""
    try:
        import hftbacktest  # noqa: F401
    except ImportError as error:
        return [skipped("10: books from disk", f"{error}: `make bench` installs it")]
    return _load_rows(tiled(QUICK_ROWS if scale.is_quick else ROWS), scale)
