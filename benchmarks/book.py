"""Row 9: the book engine beside hftbacktest, quoting over a USD-M feed tiled to 5 M rows.

Both sides replay the same events with the same strategy, and must come to the same number of fills.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.book_feed import QUICK_ROWS, ROWS, feed_name, price_region, tiled
from benchmarks.book_grid import Grid
from benchmarks.measure import Contender, Row, Scale, Times, each, in_turn, seconds_of, skipped
from seq_gym.engine.book.tape import prepare_tape
from seq_gym.market.book.events import BookEvents
from tests.oracle.feed import to_events
from tests.oracle.recordings import units_of

_GRIDS = (
    ("1x1 every 100 ms", Grid(interval_ms=100, levels=1), 1.5, 2.5),
    ("5x5 every 10 ms, power3", Grid(interval_ms=10, levels=5), 1.5, None),
)


def _peers(events: BookEvents) -> dict[str, Any]:
    """Return the peer's makers: over a hash map, and over a vector of the prices around prints."""
    from benchmarks.book_peer import Peer

    rows = to_events(events, units_of(events))
    steps = (events.instrument.tick, events.instrument.lot)
    return {"hash map": Peer(rows, *steps), "ROI vector": Peer(rows, *steps, price_region(events))}


def _quoting(maker: Any, grid: Grid, fills: list[int]) -> Contender:
    """Return a contender: the whole feed once; it notes its number of fills."""

    def contender() -> float:
        opened = maker.open()
        arguments = (grid,) if opened is None else (opened, grid)
        used = seconds_of(lambda: fills.append(maker.run(*arguments)))
        if opened is not None:
            opened.close()
        return used

    return contender


def _tape_of(events: BookEvents) -> object:
    names = ("exch_ts", "local_ts", "kind", "side", "tick", "lots")
    return prepare_tape(**{name: getattr(events, name) for name in names})


def _grid_rows(
    name: str,
    makers: dict[str, Any],
    grid: Grid,
    targets: tuple[float, float | None],
    rounds: int,
    num_events: int,
) -> tuple[list[Row], Times]:
    """Let all makers quote one grid over the whole feed."""
    fills: dict[str, list[int]] = {side: [] for side in makers}
    times = in_turn({s: _quoting(maker, grid, fills[s]) for s, maker in makers.items()}, rounds)
    told = {side: set(counts) for side, counts in fills.items() if side != "strict"}
    if len(set().union(*told.values())) != 1:
        raise RuntimeError(f"Both sides must have the same number of fills; were {told}.")
    rate = num_events / float(np.median(times["door"])) / 1e6
    note = f"{each(times, *makers, unit='ms')}; {rate:.0f} M events/s, {fills['door'][0]} fills"
    vector, hash_map = times["ROI vector"], times["hash map"]
    found = [
        Row(
            name=f"9 {name}: over hftbacktest's ROI vector",
            at_least=targets[0],
            ratios=vector / times["door"],
            note=note,
        ),
        Row(
            name=f"9 {name}: over its hash map",
            at_least=targets[1],
            ratios=hash_map / times["door"],
        ),
        Row(
            name=f"9 {name}, strict: over its ROI vector",
            ratios=vector / times["strict"],
        ),
    ]
    return found, times


def rows(scale: Scale) -> list[Row]:
    """Measure row 9."""
    try:
        import hftbacktest  # noqa: F401
    except ImportError as error:
        return [skipped("9: books", f"{error}: `make bench` installs it")]
    from benchmarks.book_maker import Maker

    events = tiled(QUICK_ROWS if scale.is_quick else ROWS)
    print(f"books     {feed_name()}, {events.num_events:,} rows", flush=True)
    makers = {"door": Maker(events), "strict": Maker(events, "strict"), **_peers(events)}
    found: list[Row] = []
    measured: list[Times] = []
    for name, grid, *targets in _GRIDS:
        lines, times = _grid_rows(
            name, makers, grid, (targets[0], targets[1]), scale.rounds, events.num_events
        )
        found += lines
        measured.append(times)
    tape = in_turn({"tape": lambda: seconds_of(lambda: _tape_of(events))}, 3)
    first = measured[0]["door"] + np.median(tape["tape"])
    found.append(
        Row(
            name=f"9 {_GRIDS[0][0]}, our tape prepared each time",
            ratios=measured[0]["ROI vector"] / first,
            note=each(tape, "tape", unit="ms") + "; it is prepared once for all runs and accounts",
        )
    )
    return found
