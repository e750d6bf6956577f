"""Market features of a book: measured on a grid of times, or read at any one time.

`measure` makes one pass over the tape and writes a row at each time. `BookFeatures` keeps states of
a pass along the tape (checkpoints), so that the features at any time cost a millisecond or two, and
less where times go forward. Both give the same numbers to the bit, but for the decision interval:
between the times of a grid, or as long as is said.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.codes import CLEAR, NEVER, TRADE
from seq_gym.engine.book.features_pass import Checkpoint, Pass
from seq_gym.engine.book.features_sample import run_and_mark, sample_at, sample_times
from seq_gym.engine.book.features_stream import run_rows
from seq_gym.engine.book.features_table import (
    BOOK_FEATURES,
    BUCKETS,
    COLUMN,
    book_feature_names,
)
from seq_gym.engine.book.tape import BookTape
from seq_gym.errors import ConfigError, UnknownName

__all__ = ["BookFeatures", "event_times", "measure"]

_SECOND: Final = 1_000_000_000

Singles = NDArray[np.float32]
Times = NDArray[np.int64]


def measure(
    tape: BookTape,
    instrument: Any,
    times_ns: Sequence[int] | Times,
    names: str | Sequence[str] = "default",
    *,
    interval_ns: int = _SECOND,
) -> Singles:
    """Measure features at ascending times, in one pass over the tape.

    Args:
        tape: Of one (venue, symbol).
        instrument: Its INSTRUMENT record: the agent sees a row at `local_ts + feed_ns`. None: at
            `local_ts`.
        times_ns: int64 [T], ascending, UNIX nanoseconds of the agent's clock.
        names: A set ("default", "levels", "full", "rates"), a name, or a sequence of these.
        interval_ns: Length of the first row's decision interval; each later row's begins at the
            row before.

    Returns:
        float32 [T, F], finite, within the bounds of `BOOK_FEATURES`. Row i is **known at**
        `times_ns[i]`: it rests on rows that the agent had seen by then, that stamp included (B3).
        Before `BookFeatures.known_from` a look-back holds what there is so far.

    Raises:
        UnknownName: A feature that does not exist.
        ConfigError: Times that descend, no feature, or one twice.
    """
    wanted = book_feature_names(names)
    times = _tape_times(times_ns, instrument)
    run = Pass(tape, wanted)
    out = np.zeros((len(times), len(wanted)), np.float32)
    if len(times):
        run_and_mark(run.address, int(times[0]) - interval_ns)
        sample_times(run.address, times.ctypes.data, len(times), out.ctypes.data)
    return out


def event_times(
    tape: BookTape, instrument: Any, every: int, kind: Literal["any", "book", "trade"] = "any"
) -> Times:
    """Return when every k-th event is seen: decision times that follow activity.

    Rows of one `local_ts` are one event, as they are one stop of an advance.

    Args:
        tape: Of one (venue, symbol).
        instrument: Its INSTRUMENT record, or None (see `measure`).
        every: k, at least 1.
        kind: Which stamps count: "book" those with a row that tells about the book, "trade" those
            with a print.

    Returns:
        int64, ascending, UNIX nanoseconds of the agent's clock.
    """
    if every < 1:
        raise ConfigError(f"every must be at least 1; was {every}. Use 1 to stop at each event.")
    rows = tape.local_rows
    stamps = rows["ts"]
    if kind == "book":
        stamps = stamps[rows["kind"] <= CLEAR]
    elif kind == "trade":
        stamps = stamps[rows["kind"] == TRADE]
    elif kind != "any":
        raise UnknownName("kind of event", kind, ("any", "book", "trade"))
    times: Times = np.unique(stamps)[every - 1 :: every] + _feed_ns(instrument)
    return times


class BookFeatures:
    """Features of one tape at any time, from states kept along it.

    The first read makes one pass over the tape. A read then goes on from the last checkpoint
    before it, or from where the last read left off where that is nearer. Safe to share between
    threads; reads take turns.
    """

    def __init__(
        self, tape: BookTape, instrument: Any = None, *, checkpoint_rows: int = 32_768
    ) -> None:
        self.tape = tape
        self.instrument = instrument
        self.checkpoint_rows = checkpoint_rows
        self._feed_ns = _feed_ns(instrument)
        self._lock = threading.Lock()
        self._checkpoints: list[Checkpoint] = []
        self._times: list[int] = []
        self._known_ts = NEVER
        self._full_ts = NEVER
        self._moving: tuple[Pass, Pass] | None = None

    def measure(
        self,
        times_ns: Sequence[int] | Times,
        names: str | Sequence[str] = "default",
        *,
        interval_ns: int = _SECOND,
    ) -> Singles:
        """Measure features at ascending times: the function `measure` with this tape."""
        return measure(self.tape, self.instrument, times_ns, names, interval_ns=interval_ns)

    def at(
        self,
        time_ns: int,
        names: str | Sequence[str] = "default",
        *,
        interval_ns: int = _SECOND,
    ) -> Singles:
        """Return the features at one time.

        Args:
            time_ns: UNIX nanoseconds of the agent's clock.
            names: As for `measure`.
            interval_ns: Length of the decision interval that ends there.

        Returns:
            float32 [F], **known at** `time_ns`: the row of `measure` on a grid of that interval.
        """
        wanted = book_feature_names(names)
        time = int(time_ns) - self._feed_ns
        row = np.zeros(len(BOOK_FEATURES), np.float32)
        with self._lock:
            now, begun = self._passes()
            self._go(begun, time - interval_ns)
            run_and_mark(begun.address, begun.reached)
            self._go(now, time)
            sample_at(now.address, begun.block.ctypes.data, time, row.ctypes.data)
        return row[[COLUMN[name] for name in wanted]]

    def known_from(self, names: str | Sequence[str] = "default") -> int:
        """Return the first time at which every look-back is full (E3).

        Returns:
            UNIX nanoseconds of the agent's clock; `codes.NEVER` where the recording ends before.
        """
        wanted = book_feature_names(names)
        with self._lock:
            self._passes()
        if self._known_ts == NEVER:
            return NEVER
        look_back_s = max(BOOK_FEATURES[name].look_back_s for name in wanted)
        known = self._known_ts + round(look_back_s * _SECOND)
        if any(BOOK_FEATURES[name].parts & BUCKETS for name in wanted):
            known = max(known, self._full_ts)
        return NEVER if known > self._last_ts() else known + self._feed_ns

    def _last_ts(self) -> int:
        return int(self.tape.local_rows["ts"][-1])

    def _passes(self) -> tuple[Pass, Pass]:
        """Return the passes that reads move; the first call makes the checkpoints."""
        if self._moving is None:
            every = tuple(BOOK_FEATURES)
            run = Pass(self.tape, every)
            # The second one reads the same seconds, and writes what stands there already.
            self._moving = run, Pass(self.tape, every, run.seconds)
            self._checkpoints.append(run.keep())
            while int(run.state.row) < self.tape.num_local_rows:
                run_rows(run.address, int(run.state.row) + self.checkpoint_rows)
                self._checkpoints.append(run.keep())
            self._times = [-NEVER, *(int(each.state.time) for each in self._checkpoints[1:])]
            self._known_ts = int(run.state.known_ts) or NEVER
            self._full_ts = int(run.state.full_ts) or NEVER
            run.put_back(self._checkpoints[0])
        return self._moving

    def _go(self, run: Pass, time: int) -> None:
        """Bring a pass to the nearest place before a time; the kernel runs on from there."""
        checkpoint = self._checkpoints[bisect_right(self._times, time) - 1]
        if run.reached > time or int(run.state.row) < int(checkpoint.state.row):
            run.put_back(checkpoint)
        run.reached = time


def _feed_ns(instrument: Any) -> int:
    return 0 if instrument is None else int(instrument["feed_ns"])


def _tape_times(times_ns: Sequence[int] | Times, instrument: Any) -> Times:
    """Return times of the agent as those of the tape's own local clock."""
    times: Times = np.ascontiguousarray(times_ns, np.int64) - _feed_ns(instrument)
    if times.ndim != 1 or bool((np.diff(times) < 0).any()):
        raise ConfigError(
            f"times_ns must be one-dimensional and ascend; was of shape {times.shape}. Likely fix: "
            "sort them."
        )
    return times
