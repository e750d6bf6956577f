"""Which tables a store has, and which of them a symbol, a venue and an interval mean.

Source: spec C4, C8.
"""

from __future__ import annotations

from collections.abc import Sequence

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.instruments import find_symbol, plain_symbol
from seq_gym.market.store.layout import Kind, TableKey
from seq_gym.market.store.place import Place

__all__ = ["candle_tables", "no_candles", "other_tables", "table_keys"]


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
