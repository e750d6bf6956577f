"""What the makers of the book rows quote, on both sides of the comparison.

At each interval a maker cancels quotes that are off its grid and sends the missing ones, post-only,
a lot each; one order may work at one tick and side. The exchange is hftbacktest's default, without
partial fills, so that its faults with partial ones stay out of the way. Nothing of seq_gym is
imported here: a cold start of the peer must not pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass

LATENCY_MS = 10
"""Of entry, of cancels and of responses."""
POWER = 3.0
POSITION_LOTS = 1000
"""No more quotes on the side that would take the position further than this."""
TO_THE_END = 1 << 62

INTERVAL_MS = 100
"""Between two decisions of the environments."""
OFFSETS_TICKS = (0, 5, 10)
"""What an action of the environments chooses from, ticks behind the touch; or no quote."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Quotes at the touch and behind it."""

    interval_ms: int
    levels: int
    step: int = 5
    """Ticks between levels."""
    most_decisions: int = TO_THE_END
    """Stop after so many intervals."""
