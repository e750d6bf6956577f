"""Funding rates of the lanes of a session or an environment over books (M5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market import FundingRates, Store
from seq_gym.market.book.events import BookData
from seq_gym.market.instruments import find_symbol
from seq_gym.sandbox.book.tape import Funding
from seq_gym.times import format_time

__all__ = ["book_funding", "book_rates"]


def book_funding(
    data: BookData, given: Mapping[str, Any] | None = None, store: Store | None = None
) -> tuple[Funding | None, ...]:
    """Return the rates of every lane: those given, otherwise the store's own.

    Args:
        data: The books.
        given: Rates by symbol, or by "SYMBOL@venue": FundingRates, a path or a frame.
        store: Where the books came from; None: nowhere else is looked.

    Returns:
        Of each lane stamps (int64, ascending) and rates (float64), or None.

    Raises:
        ConfigError: `given` is no mapping.
        UnknownName: A name of `given` is none of the books'.
        MarketDataError: A rate is not finite, or one stamp has two rates.
    """
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(
            f"funding must be a mapping by symbol; was {given!r}. Likely fix: "
            f"{{{data.symbols[0]!r}: rates}}."
        )
    found: list[Funding | None] = [None] * len(data.books)
    for name, rates in (given or {}).items():
        read = _read(rates)
        for lane in _lanes_of(data, name):
            found[lane] = read
    for lane, book in enumerate(data.books):
        if found[lane] is None and store is not None:
            stored = store.load_funding(book.symbol, venue=book.venue)
            found[lane] = None if stored is None else _sorted(stored)
    return tuple(found)


def book_rates(
    data: BookData, given: Mapping[str, Any] | None = None, store: Store | None = None
) -> dict[str, FundingRates]:
    """Return the same by "SYMBOL@venue", for whoever opens many sessions over the same books.

    Args:
        data: The books.
        given: As of `book_funding`.
        store: As of `book_funding`.

    Raises:
        ConfigError: As of `book_funding`.
        MarketDataError: As of `book_funding`.
    """
    lanes = zip(data.books, book_funding(data, given, store), strict=True)
    return {
        f"{book.symbol}@{book.venue}": FundingRates(*rates)
        for book, rates in lanes
        if rates is not None
    }


def _lanes_of(data: BookData, name: str) -> Sequence[int]:
    if not isinstance(name, str):
        raise ConfigError(f"funding must be a mapping by symbol; was {name!r}.")
    wanted, _, venue = name.partition("@")
    known = list(dict.fromkeys(data.symbols))
    symbol = known[find_symbol(wanted, known)]
    lanes = [s for s, book in enumerate(data.books) if book.symbol == symbol]
    if not venue:
        return lanes
    venues = [data.books[s].venue for s in lanes]
    if venue not in venues:
        raise UnknownName("venue", venue, venues, f"of {symbol}")
    return [lanes[venues.index(venue)]]


def _read(rates: Any) -> Funding:
    if isinstance(rates, FundingRates):
        return _sorted(rates)
    # Imported here, because polars takes a third of a second.
    from seq_gym.market.reading import read_rates

    return _sorted(read_rates(rates, None))


def _sorted(rates: FundingRates) -> Funding:
    """Return rates by time, each stamp once."""
    times = np.asarray(rates.time_ns, np.int64)
    values = np.asarray(rates.rate, np.float64)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    again = np.concatenate(([False], times[1:] == times[:-1]))
    differ = again & np.concatenate(([False], values[1:] != values[:-1]))
    broken = ~np.isfinite(values) | differ
    if broken.any():
        row = int(np.argmax(broken))
        rule = "a stamp must have one rate" if differ[row] else "a funding rate must be finite"
        raise MarketDataError(
            f"{rates.source}, {format_time(int(times[row]))}: {rule}; was {float(values[row])}."
        )
    return np.ascontiguousarray(times[~again]), np.ascontiguousarray(values[~again])
