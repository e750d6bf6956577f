"""Memory for the columns of a book that is read: that of the last one, if nobody has it any more.

The system empties a page before it hands it out, which for a book is a fifth of the work of reading
it, and several times all of that work where a virtual machine must ask its host for the page.
Whoever reads window after window writes into the same pages again. So a process goes on to hold
what the last book needed, up to a bound.
"""

from __future__ import annotations

import contextlib
import mmap
import weakref
from collections import deque
from typing import Final

import numpy as np

from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.store.schema import Columns

__all__ = ["forget_memory", "new_columns"]

_HUGE_PAGE: Final = 1 << 21
_LEAST: Final = 1 << 22
"""Bytes from which it is worth it: of less, numpy's own memory is as good."""
_MOST: Final = 1 << 28
"""Bytes of a book that are kept at most."""
_ALIGNED: Final = 64
_CAN_KEEP: Final = hasattr(mmap, "MADV_HUGEPAGE")
"""Whether memory can be had from the system in huge pages, as on Linux."""

_left: deque[mmap.mmap] = deque(maxlen=1)
"""The block that was given back last, unless it is in use again. A deque is safe among threads."""


def new_columns(rows: int) -> Columns:
    """Return arrays ``[rows]`` by name, with the types of `COLUMNS`, to be written from end to end.

    What stands in them is undefined.
    """
    starts, size = [], 0
    for dtype in COLUMNS.values():
        starts.append(size)
        size += -(-rows * np.dtype(dtype).itemsize // _ALIGNED) * _ALIGNED
    if not (_CAN_KEEP and _LEAST <= size <= _MOST):
        return {name: np.empty(rows, dtype) for name, dtype in COLUMNS.items()}
    block = _block(size)
    # The columns, and all views of them, hold on to this array: it goes with the last of them.
    whole = np.frombuffer(block, np.uint8)
    weakref.finalize(whole, _left.append, block).atexit = False
    return {
        name: np.ndarray(rows, dtype, whole, start)
        for (name, dtype), start in zip(COLUMNS.items(), starts, strict=True)
    }


def forget_memory() -> None:
    """Give the memory that the last book left back to the system."""
    _left.clear()


def _block(size: int) -> mmap.mmap:
    """Return a block of so many bytes at least: the one that was left, or a new one."""
    try:
        left = _left.pop()
    except IndexError:
        left = None
    pages = -(-size // _HUGE_PAGE) * _HUGE_PAGE
    if left is not None and pages <= len(left) <= 2 * pages:
        return left
    del left
    block = mmap.mmap(-1, pages, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel may be built without them
        block.madvise(mmap.MADV_HUGEPAGE)
    return block
