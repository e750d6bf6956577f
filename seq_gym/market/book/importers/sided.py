"""A book's levels by price, with the decimals as sent: for checksums and for depth limits."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

__all__ = ["SidedBook"]


class SidedBook:
    """Levels of both sides, best first."""

    def __init__(self) -> None:
        self._keys: dict[int, list[Decimal]] = {1: [], -1: []}
        """Prices ascending; of bids negated, so that the best is first."""
        self._levels: dict[int, dict[Decimal, tuple[str, str]]] = {1: {}, -1: {}}

    def set(self, side: int, levels: Sequence[Any]) -> None:
        """Set levels, each beginning with price and size as text; size 0 deletes.

        Raises:
            ValueError: A text is no finite number.
        """
        keys, known = self._keys[side], self._levels[side]
        for price, size, *_ in levels:
            key = -side * _decimal(price)
            is_there = key in known
            if not _decimal(size):
                if is_there:
                    del known[key]
                    del keys[bisect_left(keys, key)]
                continue
            if not is_there:
                insort(keys, key)
            known[key] = (price, size)

    def best(self, side: int, count: int) -> list[tuple[str, str]]:
        """Return up to `count` levels from the best, (price, size) as sent."""
        levels = self._levels[side]
        return [levels[key] for key in self._keys[side][:count]]

    def drop_beyond(self, side: int, depth: int) -> list[tuple[str, str]]:
        """Forget what lies deeper than the venue tells, and return it as (price, "0")."""
        keys, levels = self._keys[side], self._levels[side]
        dropped = [(levels.pop(key)[0], "0") for key in keys[depth:]]
        del keys[depth:]
        return dropped


def _decimal(text: Any) -> Decimal:
    if not isinstance(text, str):
        raise TypeError(f"prices and sizes must be text; was {text!r:.40}")
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise ValueError(f"must be a finite number; was {text!r:.40}")
    return value
