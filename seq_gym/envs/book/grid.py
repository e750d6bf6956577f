"""Decision times, and what is known at each of them: measured once, shared by all rows."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.codes import NEVER, TRADE
from seq_gym.engine.book.features import BookFeatures, event_times, measure
from seq_gym.engine.book.features_table import BOOK_FEATURES
from seq_gym.engine.book.looking import read_touches
from seq_gym.engine.book.tape import BookTape
from seq_gym.engine.layout import Table, new_table
from seq_gym.envs.book.layout import PRINT, TOP_LEVELS
from seq_gym.errors import ConfigError
from seq_gym.times import NS_PER_S, format_time

__all__ = ["BookGrid", "build_grid"]

_KEPT: Final = 8
"""Grids kept for environments that are made over the same tape again."""

_MOST_TIMES: Final = 20_000_000

Singles = NDArray[np.float32]
Times = NDArray[np.int64]


@dataclass(frozen=True, eq=False, kw_only=True)
class BookGrid:
    """T decision times of one tape, all of them after the features are full (E3)."""

    times: Times
    """int64 [T], ascending, UNIX nanoseconds of the agent's clock."""
    rows: Times
    """int64 [T]: how many rows of the tape's agent's clock are known at each time."""
    features: Singles
    """float32 [T, F], known at its time."""
    names: tuple[str, ...]
    """F feature names."""
    rates: Singles
    """float32 [T, 3]: prints a second that hit asks, that hit bids, mean lots of a print."""
    prints: Table
    """PRINT [n], in order of receipt."""
    print_at: Times
    """int64 [T]: how many prints have been seen by each time."""
    top_ticks: NDArray[np.int32]
    """int32 [T, 2, TOP_LEVELS]: ticks of the best bids and asks displayed at each time."""
    top_lots: Singles
    """float32 [T, 2, TOP_LEVELS]: lots displayed there."""

    @property
    def bounds(self) -> tuple[Singles, Singles]:
        """Lowest and highest value of each feature, float32 [F]."""
        known = [BOOK_FEATURES[name] for name in self.names]
        return (
            np.array([each.low for each in known], np.float32),
            np.array([each.high for each in known], np.float32),
        )

    def cursor_at(self, time_ns: int) -> int:
        """Return the first cursor at or after a time; T where there is none."""
        return int(np.searchsorted(self.times, time_ns))


_cache: OrderedDict[Hashable, tuple[BookTape, BookGrid]] = OrderedDict()
_lock = Lock()


def _cached(key: Hashable, tape: BookTape, make: Callable[[], BookGrid]) -> BookGrid:
    with _lock:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key][1]
    grid = make()
    with _lock:
        _cache[key] = (tape, grid)  # the tape stays alive, so that its id is its own
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
    return grid


def build_grid(
    tape: BookTape,
    instrument: Any,
    names: Sequence[str],
    *,
    every_ns: int = 0,
    every_events: int = 0,
) -> BookGrid:
    """Lay decision times over a tape, and measure what is known at them.

    Args:
        tape: Of one (venue, symbol).
        instrument: Its INSTRUMENT record.
        names: Features, single names.
        every_ns: Decide at whole multiples of it since the UNIX epoch.
        every_events: Else decide at every k-th event on the agent's clock.

    Returns:
        The grid; the same object for the same question while it is among the last few.

    Raises:
        ConfigError: The recording ends before the features are full, or within one decision.
    """
    feed_ns = int(instrument["feed_ns"])
    key = (id(tape), feed_ns, tuple(names), every_ns, every_events)

    def make() -> BookGrid:
        times = _decision_times(tape, instrument, names, every_ns, every_events)
        # The first interval of decisions by events must not be told by the second of them.
        interval = every_ns or NS_PER_S
        prints = _prints(tape, feed_ns)
        rows = np.searchsorted(tape.local_rows["ts"], times - feed_ns, side="right")
        rows = rows.astype(np.int64)
        top_ticks, top_lots = _touches(tape, rows - 1)
        return BookGrid(
            times=times,
            rows=rows,
            features=measure(tape, instrument, times, names, interval_ns=interval),
            names=tuple(names),
            rates=measure(tape, instrument, times, "rates", interval_ns=interval),
            prints=prints,
            print_at=np.searchsorted(prints["ts"], times, side="right").astype(np.int64),
            top_ticks=top_ticks,
            top_lots=top_lots,
        )

    return _cached(key, tape, make)


def _decision_times(
    tape: BookTape, instrument: Any, names: Sequence[str], every_ns: int, every_events: int
) -> Times:
    feed_ns = int(instrument["feed_ns"])
    known = BookFeatures(tape, instrument).known_from(names)
    last = int(tape.local_rows["ts"][-1]) + feed_ns
    if known == NEVER:
        longest = max(names, key=lambda name: BOOK_FEATURES[name].look_back_s)
        needed = BOOK_FEATURES[longest].look_back_s
        raise ConfigError(
            f"The recording must be longer than the look-back of its features, {needed:g} s of a "
            f"known book for {longest!r}; it ends at {format_time(last)}. Use more data, or "
            "features without a look-back: features=['microprice_bps', 'imbalance_1']."
        )
    if every_ns:
        if (last - known) // every_ns > _MOST_TIMES:
            raise ConfigError(
                f"decide_every must leave at most {_MOST_TIMES:,} decisions; was {every_ns} ns. "
                "Whole numbers are nanoseconds. Likely fix: '100ms'."
            )
        first = -(-known // every_ns) * every_ns
        times: Times = np.arange(first, last + 1, every_ns, dtype=np.int64)
    else:
        times = event_times(tape, instrument, every_events)
        times = np.ascontiguousarray(times[times >= known])
    if len(times) < 2:
        raise ConfigError(
            f"The recording must leave at least two decisions after its features are full at "
            f"{format_time(known)}; it ends at {format_time(last)}. Use more data, or decide more "
            "often."
        )
    return times


def _touches(tape: BookTape, rows: Times) -> tuple[NDArray[np.int32], Singles]:
    """Return the best levels after rows of the agent's clock: queues are seen in them."""
    shape = (len(rows), 2, TOP_LEVELS)
    ticks, lots = np.empty(shape, np.int32), np.empty(shape, np.float32)
    read_touches(tape.address, rows, ticks, lots)
    return ticks, lots


def _prints(tape: BookTape, feed_ns: int) -> Table:
    """Return the prints of a tape as the agent sees them."""
    rows = tape.local_rows
    found = rows[rows["kind"] == TRADE]
    table = new_table(PRINT, len(found))
    table["ts"] = found["ts"] + feed_ns
    for name in ("lots", "tick", "side"):
        table[name] = found[name]
    return table
