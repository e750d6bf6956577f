"""Numbers of things in words, for reports and commands."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Return a number of things, the noun as the number wants it.

    >>> counted(1, "table"), counted(1_200, "row")
    ('1 table', '1,200 rows')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
