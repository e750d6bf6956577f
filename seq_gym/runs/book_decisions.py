"""When agents may decide on recorded books: the places that windows and ranges of a run count."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.features import event_times
from seq_gym.errors import ConfigError
from seq_gym.market.book.events import BookData
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.tape import book_tape
from seq_gym.times import parse_interval

__all__ = ["decision_times"]

_MOST_TIMES: Final = 20_000_000
"""As many as an environment lays (envs/book/grid.py); more would not fit in most memories."""

Times = NDArray[np.int64]


def decision_times(
    books: BookData, params: BookParams, *, every: str, every_events: int | None = None
) -> Times:
    """Return when agents may decide: int64 [T], ascending, on the agent's clock.

    Whole multiples of `every` since the UNIX epoch while every book is known, or every k-th event
    of the one book. The environment decides at the same times, from the first on at which its
    features are full.

    Args:
        books: The data.
        params: The physics; its feed latency moves the agent's clock.
        every: Such as "100ms".
        every_events: Decide at every so many events instead.

    Raises:
        ConfigError: Several books are to be decided upon by events, or there are too few decisions
            or too many.
    """
    instruments, _ = book_instruments(params, books)
    tapes = [book_tape(each) for each in books.books]
    feeds = [int(row["feed_ns"]) for row in instruments]
    if every_events is not None:
        if len(tapes) > 1:
            raise ConfigError(
                f"decide_every_events must be left out with several books; was {every_events}. "
                "Likely fix: decide_every."
            )
        times = event_times(tapes[0], instruments[0], every_events)
    else:
        step = parse_interval(every)
        bounds = [
            (int(tape.local_rows["ts"][0]) + feed, int(tape.local_rows["ts"][-1]) + feed)
            for tape, feed in zip(tapes, feeds, strict=True)
        ]
        first, last = max(low for low, _ in bounds), min(high for _, high in bounds)
        if (last - first) // step > _MOST_TIMES:
            raise ConfigError(
                f"decide_every must leave at most {_MOST_TIMES:,} decisions; was {every!r}, which "
                f"leaves {(last - first) // step:,}. Likely fix: '100ms'."
            )
        times = np.arange(-(-first // step) * step, last + 1, step, dtype=np.int64)
    if len(times) < 2:
        raise ConfigError(
            f"The recording must hold at least two decisions; it has {len(times)}. Likely fix: "
            "more data, or decide_every smaller."
        )
    return times
