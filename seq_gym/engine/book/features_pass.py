"""One pass of the book features over a tape: the memory that its kernels work in."""

from __future__ import annotations

import ctypes
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.codes import CLOCK_LOCAL, NEVER, SNAPSHOT
from seq_gym.engine.book.features_layout import FEATURE_CONTEXT, FEATURE_STATE, STATE_WORDS
from seq_gym.engine.book.features_stream import begin
from seq_gym.engine.book.features_table import BOOK_FEATURES, COLUMN
from seq_gym.engine.book.layout import LEVELS
from seq_gym.engine.book.tape import BookTape
from seq_gym.engine.layout import new_table

__all__ = ["Checkpoint", "Pass"]

_SECOND: Final = 1_000_000_000
_AFTER_S: Final = 86_400
"""Seconds after the last row at which the moving averages stand still."""


class Checkpoint(NamedTuple):
    """A state of a pass, with its book as the populated levels alone."""

    block: NDArray[np.int64]
    levels: NDArray[np.uint32]
    lots: NDArray[np.int64]

    @property
    def state(self) -> Any:
        """The FEATURE_STATE."""
        return _state_of(self.block)


class Pass:
    """One pass over a tape: its state, its dense book, and the addresses that kernels take."""

    def __init__(
        self,
        tape: BookTape,
        names: tuple[str, ...],
        seconds: NDArray[np.float64] | None = None,
        *,
        clock: int = CLOCK_LOCAL,
    ) -> None:
        """Stand before the first row.

        Args:
            tape: Of one (venue, symbol).
            names: The features wanted, by which the parts that are kept follow.
            seconds: The table of whole seconds of another pass over this tape, to be shared.
            clock: CLOCK_LOCAL, or CLOCK_VENUE for what only the venue may know.
        """
        self.tape = tape
        is_local = clock == CLOCK_LOCAL
        self.rows = tape.local_rows if is_local else tape.venue_rows
        self.sides = _memory(int(tape.record.levels), 4, LEVELS)[2 * clock : 2 * clock + 2]
        self.level_index = _level_index(tape) if is_local else self._find_levels()
        first, last = self.rows["ts"][[0, -1]] // _SECOND if len(self.rows) else (0, -1)
        length = int(last - first) + 1 + _AFTER_S if len(self.rows) else 0
        self.seconds = np.zeros(length) if seconds is None else seconds
        self.block = np.zeros(STATE_WORDS, np.int64)
        self.lots = np.zeros(int(self.sides["num_levels"].sum()), np.int64)
        self.state = _state_of(self.block)
        self.reached = -NEVER
        self.values = np.zeros(len(BOOK_FEATURES))
        self.columns = np.array([COLUMN[name] for name in names], np.int64)
        self.low = np.array([BOOK_FEATURES[name].low for name in names], np.float32)
        self.high = np.array([BOOK_FEATURES[name].high for name in names], np.float32)
        self.context = new_table(FEATURE_CONTEXT, 1)
        self._fill_context(int(first), names)
        self.address = self.context.ctypes.data
        begin(self.address)

    def _fill_context(self, first_second: int, names: tuple[str, ...]) -> None:
        """Write where everything is."""
        context = self.context[0]
        for name in ("rows", "level_index", "seconds", "values", "columns", "low", "high"):
            context[name] = getattr(self, name).ctypes.data
        context.state = self.block.ctypes.data
        context.levels = self.sides.ctypes.data
        context.num_rows = len(self.rows)
        context.bid_lots = self.lots.ctypes.data
        context.ask_lots = self.lots.ctypes.data + 8 * int(self.sides["num_levels"][0])
        context.first_second = first_second
        context.num_seconds = len(self.seconds)
        context.num_columns = len(names)
        for name in names:
            context.parts |= BOOK_FEATURES[name].parts

    def _find_levels(self) -> NDArray[np.uint32]:
        """Return the level of each row on its side, which a tape keeps for local rows alone."""
        index = np.zeros(len(self.rows), np.uint32)
        for which, sign in enumerate((1, -1)):
            side = self.sides[which]
            ticks = _memory(int(side["ticks"]), int(side["num_levels"]), np.dtype(np.int32))
            mine = (self.rows["kind"] <= SNAPSHOT) & (self.rows["side"] == sign)
            index[mine] = np.searchsorted(ticks, self.rows["tick"][mine])
        return index

    def keep(self) -> Checkpoint:
        """Return a copy of the state, its book as the populated levels alone."""
        levels = np.flatnonzero(self.lots)
        return Checkpoint(self.block.copy(), levels.astype(np.uint32), self.lots[levels])

    def put_back(self, checkpoint: Checkpoint) -> None:
        """Go to where a checkpoint was kept."""
        self.block[:] = checkpoint.block
        self.lots[:] = 0
        self.lots[checkpoint.levels] = checkpoint.lots
        self.reached = int(self.state.time)


def _level_index(tape: BookTape) -> NDArray[np.uint32]:
    return _memory(int(tape.record.local_index), tape.num_local_rows, np.dtype(np.uint32))


def _state_of(block: NDArray[np.int64]) -> Any:
    return block[: FEATURE_STATE.itemsize // 8].view(FEATURE_STATE)[0]


def _memory(address: int, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a view of `count` records at an address; whoever owns them must stay alive."""
    memory: Any = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return np.ndarray((count,), dtype, memory)
