"""What the physics of a run come to on each of its books: fees, latencies, funding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seq_gym.market import FundingRates
from seq_gym.market.book.events import BookData
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.params import BookParams

__all__ = ["book_terms", "describe_funding"]

_NS_PER_MS = 1e6


def book_terms(params: BookParams, books: BookData) -> list[dict[str, Any]]:
    """Return what every book is traded under, as the engine reads it.

    Args:
        params: What the run was told.
        books: Its data: instruments may state fees of their own, venues have their latencies.

    Returns:
        Plain values of each book: steps, fees and whether they are the instrument's own, and the
        medians of latencies in milliseconds, None where they are recorded ones.
    """
    table, alive = book_instruments(params, books)
    is_recorded = alive is not None
    terms = []
    for row, book in zip(table, books.books, strict=True):
        own = book.instrument.taker_fee_frac, book.instrument.maker_fee_frac
        medians = {name: float(row[f"{name}_ns"]) / _NS_PER_MS for name in _LATENCIES}
        terms.append(
            {
                "symbol": book.symbol,
                "venue": book.venue,
                "tick": book.instrument.tick,
                "lot": book.instrument.lot,
                "taker_fee_frac": float(row["taker_fee_frac"]),
                "maker_fee_frac": float(row["maker_fee_frac"]),
                "own_fees": own != (None, None),
                "latency_ms": None if is_recorded else medians,
            }
        )
    return terms


_LATENCIES = ("entry", "cancel", "response", "feed")


def describe_funding(params: BookParams, rates: Mapping[str, FundingRates]) -> str:
    """Say whether there are funding rates, where somebody would pay them."""
    if params.account != "margin":  # a spot account pays none, whether there are any or not
        return ""
    return "; with funding rates" if rates else "; no funding rates"
