"""When agents decide on recorded books, and which stretches of that they trade."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.features import event_times
from seq_gym.errors import ConfigError
from seq_gym.evaluate.market import choose_windows
from seq_gym.evaluate.settings import EvaluateBookConfig
from seq_gym.market import Window
from seq_gym.market.book.events import BookData
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.tape import book_tape
from seq_gym.times import NS_PER_S, format_time, parse_interval

__all__ = ["choose_book_windows", "decision_times"]

WARM_UP_NS: Final = 60 * NS_PER_S

Times = NDArray[np.int64]


def decision_times(config: EvaluateBookConfig, books: BookData) -> Times:
    """Return when agents may decide: int64 [T], ascending, on the agent's clock.

    Whole multiples of `decide_every` since the UNIX epoch while every book is known, or every k-th
    event of the one book. The environment decides at the same times, from the first on at which
    its features are full.

    Args:
        config: The run.
        books: Its data.

    Raises:
        ConfigError: Several books are to be decided upon by events, or there are too few decisions.
    """
    instruments, _ = book_instruments(config.sandbox, books)
    tapes = [book_tape(each) for each in books.books]
    feeds = [int(row["feed_ns"]) for row in instruments]
    if config.decide_every_events is not None:
        if len(tapes) > 1:
            raise ConfigError(
                f"decide_every_events must be left out with several books; was "
                f"{config.decide_every_events}. Likely fix: decide_every."
            )
        times = event_times(tapes[0], instruments[0], config.decide_every_events)
    else:
        every = parse_interval(config.decide_every)
        bounds = [
            (int(tape.local_rows["ts"][0]) + feed, int(tape.local_rows["ts"][-1]) + feed)
            for tape, feed in zip(tapes, feeds, strict=True)
        ]
        first, last = max(low for low, _ in bounds), min(high for _, high in bounds)
        times = np.arange(-(-first // every) * every, last + 1, every, dtype=np.int64)
    if len(times) < 2:
        raise ConfigError(
            f"The recording must hold at least two decisions; it has {len(times)}. Likely fix: "
            "more data, or decide_every smaller."
        )
    return times


def choose_book_windows(config: EvaluateBookConfig, times: Times, needed_ns: int) -> list[Window]:
    """Return the windows of a run in time order, in places of `times`.

    Args:
        config: The run.
        times: When agents may decide.
        needed_ns: The first instant at which the observations of the policies are full.

    Raises:
        ConfigError: `warm_up` is shorter than observations need, or so many windows do not fit.
    """
    began = int(times[0])
    if config.warm_up is None:
        least = min(WARM_UP_NS, (int(times[-1]) - began) // 10)
        ready = max(began + least, needed_ns)
    else:
        ready = began + parse_interval(config.warm_up)
        if ready < needed_ns:
            raise ConfigError(
                f"warm_up must reach {format_time(needed_ns)}, when observations are full; was "
                f"{config.warm_up} from {format_time(began)}. Likely fix: leave it out."
            )
    return choose_windows(config, int(np.searchsorted(times, ready)), len(times) - 1)
