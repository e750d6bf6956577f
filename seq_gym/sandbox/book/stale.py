"""When an agent's books were stale: from a gap in the messages until the next snapshot (B10)."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.engine.layout import Table

__all__ = ["Stretches", "stale_stretches", "stale_within"]

Stretches: TypeAlias = NDArray[np.int64]


def stale_stretches(rows: Table, feed_ns: int) -> Stretches:
    """Return the stale stretches of a tape as the agent learns of them.

    Args:
        rows: ROW records of the agent's clock.
        feed_ns: How much later than the recorder the agent receives them.

    Returns:
        int64 [n, 2]: from when, until when, UNIX nanoseconds; NEVER where no snapshot came.
    """
    edges = np.flatnonzero(np.diff(rows["flags"] & 1, prepend=0, append=0))
    stamps = np.append(rows["ts"] + feed_ns, codes.NEVER)
    return stamps[edges].reshape(-1, 2)


def stale_within(stretches: Stretches, start_ns: int, end_ns: int) -> tuple[int, int]:
    """Return how many stale stretches a window meets, and how long they last within it, ns.

    One that it begins in counts, as in the engine's `num_gaps`.

    >>> stale_within(np.array([[10, 20], [30, 35]]), 15, 32)
    (2, 7)
    """
    met = stretches[(stretches[:, 0] <= end_ns) & (stretches[:, 1] > start_ns)]
    inside = np.clip(met, start_ns, end_ns)
    return len(met), int((inside[:, 1] - inside[:, 0]).sum())
