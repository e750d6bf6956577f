"""The recorder's clock: how far it is behind the venue's, and its one constant shift.

A recorder whose clock is behind learns of things before they happen (B1). Its offset to the venue
cannot be known exactly, since the way between them takes time too; the smallest difference seen is
a bound, and shifting by it leaves the fastest message no latency at all.

Source: spec book.md B1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["least_latency", "shift_needed"]


def least_latency(
    exch_ts: npt.NDArray[np.int64], local_ts: npt.NDArray[np.int64]
) -> tuple[int, int] | None:
    """Find the smallest local_ts - exch_ts among rows that are on both clocks.

    Returns:
        (nanoseconds, row); None where no row is on both clocks.
    """
    both = np.flatnonzero((exch_ts >= 0) & (local_ts >= 0))
    if not len(both):
        return None
    latency = local_ts[both] - exch_ts[both]
    at = int(latency.argmin())
    return int(latency[at]), int(both[at])


def shift_needed(least: Iterable[int]) -> int:
    """Return what must be added to local_ts so that nothing is learnt before it happens, ns.

    >>> shift_needed([-1_270_000_000, 5])
    1270000000
    """
    return max(0, -min(least, default=0))
