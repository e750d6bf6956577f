"""Files that are told at a glance and cannot be read: quotes, LOBSTER, trades without a book.

Whoever names one learns what it is, instead of which column candles would need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["BOOKS_READ", "READ", "stranger_of"]

BOOKS_READ: Final = (
    "Binance's websocket messages, cryptofeed's of Kraken, Coinbase, Bybit and OKX, Tardis CSV "
    "(incremental_book_L2 and trades), hftbacktest npz, JSON lines of whole books"
)
"""Recordings of order books that are read, in words."""

READ: Final = f"candles, funding rates, mark prices, and recordings of order books ({BOOKS_READ})"
"""Files that the store takes, in words."""

_SIZES: Final = {"size", "amount", "qty", "quantity", "volume"}
_SECONDS_OF_DAY: Final = 86_400.0


def stranger_of(names: Sequence[str], first: Sequence[str]) -> str | None:
    """Say what a table is that neither candles nor a recording of a book are; None: unknown.

    Args:
        names: Names of its columns, as it states them.
        first: Fields of its first row.

    >>> stranger_of(["timestamp", "bid_price", "ask_price"], [])
    'quotes: the best bid and ask alone, without the levels of a book'
    """
    plain = {name.strip().lower().replace(" ", "_") for name in names}
    if any(name.startswith(("asks[", "bids[")) for name in plain):
        return "snapshots of the best levels of a book, with no changes between them"
    if "update_type" in plain and "first_update_id" in plain:
        return "Binance's historical depth files"
    if "percentage" in plain and "depth" in plain:
        return "depth by distance from the price, without levels"
    if _has(plain, "bid") and _has(plain, "ask"):
        return "quotes: the best bid and ask alone, without the levels of a book"
    if {"order_id", "price"} <= plain or {"id", "price", "action"} <= plain:
        return "single orders of a book (L3)"
    if "price" in plain and plain & _SIZES and not plain & {"open", "close", "is_snapshot"}:
        return "trades without a book"
    return _lobster(first)


def _has(plain: set[str], side: str) -> bool:
    return any(name.replace("best_", "").split("_")[0] in (side, f"{side}price") for name in plain)


def _lobster(first: Sequence[str]) -> str | None:
    """Tell LOBSTER's files, which have no header."""
    try:
        values = [float(field) for field in first]
    except ValueError:
        return None
    if len(values) in (6, 7) and "." in first[0]:
        is_message = 0.0 <= values[0] <= _SECONDS_OF_DAY and values[1] in range(1, 8)
        return "a LOBSTER message file" if is_message and abs(values[5]) == 1.0 else None
    whole = all(value.is_integer() for value in values)
    if values and len(values) % 4 == 0 and whole and values[0] > values[2] > 0.0:
        return "a LOBSTER orderbook file"
    return None
