"""Joins market to engine: what is prepared once of a recorded book and shared by all sessions."""

from __future__ import annotations

from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.features import BookFeatures
from seq_gym.engine.book.tape import BookTape, prepare_tape
from seq_gym.market.book.events import BookEvents

__all__ = ["Funding", "book_features", "book_tape"]

Funding = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Stamps, UNIX nanoseconds, and the rates paid then."""


class _Prepared:
    """What was prepared of one recording; it lives as long as the recording does."""

    def __init__(self) -> None:
        self.tapes: dict[tuple[bytes, bytes] | None, BookTape] = {}
        self.features: dict[int, BookFeatures] = {}


_prepared: WeakKeyDictionary[BookEvents, _Prepared] = WeakKeyDictionary()
_lock = Lock()


def _of(events: BookEvents) -> _Prepared:
    with _lock:
        return _prepared.setdefault(events, _Prepared())


def book_tape(events: BookEvents, funding: Funding | None = None) -> BookTape:
    """Return the tape of a recording as the engine reads it.

    The same object is returned for the same recording and rates as long as the recording lives.

    Args:
        events: One (venue, symbol).
        funding: Stamps (int64 UNIX nanoseconds) and rates (float64) of a perpetual, by time.
    """
    key = None if funding is None else (funding[0].tobytes(), funding[1].tobytes())
    tapes = _of(events).tapes
    if key not in tapes:
        stamps, rates = (None, None) if funding is None else funding
        tape = prepare_tape(
            exch_ts=events.exch_ts,
            local_ts=events.local_ts,
            kind=events.kind,
            side=events.side,
            tick=events.tick,
            lots=events.lots,
            funding_ts=stamps,
            funding_rate=rates,
        )
        tapes.setdefault(key, tape)  # of two threads the first one wins
    return tapes[key]


def book_features(events: BookEvents, instrument: Any) -> BookFeatures:
    """Return the features of a recording at any time; the first read passes over all of it.

    Args:
        events: One (venue, symbol).
        instrument: Its INSTRUMENT record: how much later than the recorder its agent sees it.
    """
    prepared = _of(events)
    feed = int(instrument["feed_ns"])
    if feed not in prepared.features:
        tape = next(iter(list(prepared.tapes.values())), None) or book_tape(events)
        prepared.features.setdefault(feed, BookFeatures(tape, instrument))
    return prepared.features[feed]
