"""The level of every depth row of a recording: its number among the ticks that its side ever names.

Source: B7.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq_gym._jit import helper, kernel
from seq_gym.engine.book.codes import BOTH, DEPTH, NO_ASK, NO_BID, SNAPSHOT, STATUS
from seq_gym.errors import MarketDataError

__all__ = ["Located", "locate"]

_ASKS: Final = 1 << 32
"""Added to the codes of asks, so that they sort after all bids."""
_NEAR: Final = 4
"""Ticks that differ in these lowest bits only share a cache line of the table."""
_MIXER: Final = 0x9E3779B1
_FIRST_SLOTS: Final = 1 << 16
_FREE: Final = -1
_DONE: Final = -1
_FULL: Final = -2


class Located(NamedTuple):
    """The levels of a recording."""

    number: NDArray[np.uint32]
    """Of each row's level, uint32 [R]; 0 where it is no depth row."""
    ticks: NDArray[np.int32]
    """By number, int32 [L + 2]: NO_BID; ticks of bids, ascending; those of asks; NO_ASK."""
    num_bids: int


def locate(
    kind: NDArray[np.int8],
    side: NDArray[np.int8],
    tick: NDArray[np.int32],
    lots: NDArray[np.int64],
) -> Located:
    """Number the levels of both sides, and find each depth row among them.

    Args:
        kind: int8 [R].
        side: int8 [R].
        tick: int32 [R].
        lots: int64 [R].

    Raises:
        MarketDataError: A row that no book can hold.
    """
    number = np.empty(len(kind), np.uint32)
    size = _FIRST_SLOTS
    while True:
        slots = np.full(size, _FREE, np.int64)
        state = int(_find_slots(kind, side, tick, lots, slots, number))
        if state != _FULL:
            break
        size *= 4
    if state != _DONE:
        raise MarketDataError(
            f"Row {state}: kind must be 0 to 5, side -1 to 1 (a level has one) and lots not "
            f"negative; was kind {kind[state]}, side {side[state]}, lots {lots[state]}. Likely "
            "fix: build the columns with BookEvents, which checks them."
        )
    taken = np.flatnonzero(slots != _FREE)
    taken = taken[np.argsort(slots[taken])]
    numbers = np.zeros(size + 1, np.uint32)
    numbers[taken] = np.arange(1, len(taken) + 1)
    _renumber(number, numbers)
    codes = slots[taken]
    ticks = np.concatenate([[NO_BID], (codes & (_ASKS - 1)) + NO_BID, [NO_ASK]])
    return Located(number, ticks.astype(np.int32), int((codes < _ASKS).sum()))


@helper
def _slot_of(code: int, blocks: int) -> int:
    """Return where the search for a code begins."""
    return ((code >> _NEAR) * _MIXER >> 20 & blocks) << _NEAR | code & ((1 << _NEAR) - 1)


@kernel
def _find_slots(
    kind: NDArray[np.int8],
    side: NDArray[np.int8],
    tick: NDArray[np.int32],
    lots: NDArray[np.int64],
    slots: NDArray[np.int64],
    found: NDArray[np.uint32],
) -> int:
    """Put every level into a hash table.

    Args:
        kind: int8 [R].
        side: int8 [R].
        tick: int32 [R].
        lots: int64 [R].
        slots: int64 [a power of two], all free; written: codes of levels.
        found: uint32 [R], written: the slot of each depth row's level; len(slots) of other rows.

    Returns:
        _DONE, _FULL (half of the slots are taken), or a row that no book can hold.
    """
    last = len(slots) - 1
    blocks = last >> _NEAR
    room = len(slots) >> 1
    for r in range(len(kind)):
        what, which = kind[r], side[r]
        if what > STATUS or what < DEPTH or lots[r] < 0 or abs(which) > 1:
            return r
        if what > SNAPSHOT:
            found[r] = len(slots)
            continue
        if which == BOTH:
            return r
        code = int(tick[r]) - NO_BID + (_ASKS if which < 0 else 0)
        at = _slot_of(code, blocks)
        while slots[at] != code:
            if slots[at] == _FREE:
                slots[at] = code
                room -= 1
                if room == 0:
                    return _FULL
            else:
                at = (at + 1) & last
        found[r] = at
    return _DONE


@kernel
def _renumber(number: NDArray[np.uint32], to: NDArray[np.uint32]) -> None:
    for r in range(len(number)):
        number[r] = to[number[r]]
