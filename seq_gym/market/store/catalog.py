"""Which tables a store has, and which of them a symbol, a venue and an interval mean.

Source: spec C4, C8.
"""

from __future__ import annotations

from collections.abc import Sequence

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.instruments import find_symbol, plain_symbol
from seq_gym.market.store.layout import Kind, TableKey
from seq_gym.market.store.place import Place

__all__ = ["book_tables", "candle_tables", "no_candles", "other_tables", "table_keys"]


def table_keys(place: Place) -> list[TableKey]:
    """Return the tables of a store, sorted by kind, symbol, venue and interval."""
    keys = [TableKey.of_folder(folder) for folder in place.tables()]
    return sorted(key for key in keys if key is not None)


def candle_tables(
    place: Place,
    keys: Sequence[TableKey],
    symbols: Sequence[str] | None,
    venue: str | None,
) -> dict[str, list[TableKey]]:
    """Return the candle tables of each symbol, the finest first.

    Args:
        place: The store, for messages.
        keys: Its tables.
        symbols: Symbols wanted, in their order and any spelling; None = all.
        venue: The venue wanted; None = the one that each symbol has.

    Raises:
        MarketDataError: The store has no candles.
        UnknownName: It has no such symbol or venue.
        ConfigError: A symbol fits several, or is traded at several venues.

    Source: C8.
    """
    candles = [key for key in keys if key.kind == "candles"]
    if not candles:
        raise no_candles(place)
    venues = sorted({key.venue for key in candles})
    if venue is not None:
        if venue.lower() not in (each.lower() for each in venues):
            raise UnknownName("venue", venue, venues)
        candles = [key for key in candles if key.venue.lower() == venue.lower()]
    known = sorted({key.symbol for key in candles})
    names = known if symbols is None else [known[find_symbol(name, known)] for name in symbols]
    found = {}
    for name in dict.fromkeys(names):
        tables = [key for key in candles if key.symbol == name]
        _refuse_several_venues(name, tables)
        found[name] = sorted(tables, key=lambda key: key.interval_ns or 0)
    return found


def book_tables(
    place: Place,
    keys: Sequence[TableKey],
    symbols: str | Sequence[str] | None,
    venues: str | Sequence[str] | None,
) -> list[TableKey]:
    """Return the books of some symbols, in their order, at some venues, in theirs.

    Raises:
        MarketDataError: The store has no books.
        UnknownName: It has no such symbol or venue, or not that symbol at these venues.

    Source: B6, C8.
    """
    books = [key for key in keys if key.kind == "book"]
    if not books:
        raise MarketDataError(
            f"A store must hold recorded books; {place.name} has none. Bring some in with: "
            "python -m seq_gym.data import FILE..."
        )
    if venues is not None:
        known = sorted({key.venue for key in books})
        lowered = {venue.lower(): venue for venue in known}
        wanted = [venues] if isinstance(venues, str) else list(venues)
        for venue in wanted:
            if venue.lower() not in lowered:
                raise UnknownName("venue", venue, known, "of the store's books")
        order = [lowered[venue.lower()] for venue in wanted]
        books = [key for venue in dict.fromkeys(order) for key in books if key.venue == venue]
    if symbols is None:
        return books
    names = [symbols] if isinstance(symbols, str) else list(symbols)
    return list(dict.fromkeys(key for name in names for key in _books_of(name, books)))


def _books_of(name: str, books: Sequence[TableKey]) -> list[TableKey]:
    """Return the books of a symbol; each venue has its own spelling, an exact one comes first."""
    plain = plain_symbol(name)
    exact = {key.venue for key in books if key.symbol == name}
    found = [
        key
        for key in books
        if key.symbol == name or (key.venue not in exact and plain_symbol(key.symbol) == plain)
    ]
    if not found:
        there = sorted({key.symbol for key in books})
        raise UnknownName("symbol", name, there, "of the store's books")
    return found


def other_tables(keys: Sequence[TableKey], kind: Kind, like: TableKey) -> list[TableKey]:
    """Return the tables of funding rates or mark prices of a candle table's symbol and venue."""
    plain = plain_symbol(like.symbol)
    found = [
        key
        for key in keys
        if key.kind == kind and key.venue == like.venue and plain_symbol(key.symbol) == plain
    ]
    # The symbol's own spelling first, then the finest.
    return sorted(found, key=lambda key: (key.symbol != like.symbol, key.interval_ns or 0))


def no_candles(place: Place) -> MarketDataError:
    """Return the error of a store without candles, with the way to get some."""
    return MarketDataError(
        f"A store must hold candles; {place.name} has none. Bring some in with: "
        "python -m seq_gym.data import FILE..."
    )


def _refuse_several_venues(symbol: str, tables: Sequence[TableKey]) -> None:
    venues = sorted({key.venue for key in tables})
    if len(venues) > 1:
        raise ConfigError(
            f"{symbol} must be taken from one venue; the store has it at {', '.join(venues)}. "
            f"Choose one with venue={venues[0]!r}, or data='store?venue={venues[0]}'."
        )
