"""A lock between processes on one file; the system frees it when its holder dies."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["file_lock"]

_POLL_S: Final = 0.02

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

    def _take(handle: int) -> bool:
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True
else:

    def _take(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):  # network disks say the latter
            return False
        return True


@contextmanager
def file_lock(
    path: Path, *, wait: bool = True, on_wait: Callable[[], None] | None = None
) -> Iterator[bool]:
    """Hold the lock on a file, which is made where it is not there and stays.

    Args:
        path: The file.
        wait: Wait for another holder.
        on_wait: Called once, before waiting.

    Yields:
        The lock is held; always, if it may wait.

    Raises:
        OSError: The file cannot be made, or its disk has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        held = _take(handle)
        if not held and wait:
            if on_wait is not None:
                on_wait()
            while not _take(handle):
                time.sleep(_POLL_S)
            held = True
        yield held
    finally:
        os.close(handle)  # which frees the lock
