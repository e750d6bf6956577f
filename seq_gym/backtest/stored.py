"""The data of a backtest that lies in a store: which tables a symbol means, and what is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from seq_gym.backtest.replay import Replay, clamped, of_books, on_candles
from seq_gym.backtest.settings import BacktestOptions
from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.book.events import BookData
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.store import Store, TableKey
from seq_gym.market.store.catalog import table_keys
from seq_gym.sandbox.book.funding import book_rates
from seq_gym.times import format_time

__all__ = ["of_store"]

_MOST_SHOWN: Final = 5


def of_store(store: Store, options: BacktestOptions) -> Replay:
    """Load the window of some symbols from a store: their books, else their candles.

    Raises:
        ConfigError: Symbols or venues do not fit; UnknownName has the near miss.
        MarketDataError: There is nothing in the window, or a table is broken.
    """
    keys = table_keys(store.place)
    if not any(key.kind in ("book", "candles") for key in keys):
        raise MarketDataError(
            f"A store must hold recorded books or candles; {store.place.name} holds none. Bring "
            "some in with: python -m seq_gym.data import FILE..., or try it with --data synthetic."
        )
    venues = options.venues or (None if store.venue is None else (store.venue,))
    there = _at(keys, venues)
    for name in options.names:
        _refuse_elsewhere(name, there, keys, store)
    books = {name: _meant(name, there, "book") for name in options.names}
    if all(books.values()):
        chosen = [key for found in books.values() for key in found]
        absent = [
            f"{name}@{venue}"
            for name, found in books.items()
            for venue in _lacking(venues or (), found)
        ]
        return _booksof_store(store, options, chosen, absent)
    if any(books.values()):
        without = ", ".join(name for name, found in books.items() if not found)
        raise ConfigError(
            f"Symbols must all have recorded books, or none of them; {without} has none. Likely "
            "fix: two runs."
        )
    return _candlesof_store(store, options, there, venues)


def _at(keys: Sequence[TableKey], venues: Sequence[str] | None) -> list[TableKey]:
    """Return the tables of books and candles at some venues, in their order."""
    useful = [key for key in keys if key.kind in ("book", "candles")]
    if venues is None:
        return useful
    known = {key.venue.lower(): key.venue for key in useful}
    for venue in venues:
        if venue.lower() not in known:
            raise UnknownName("venue", venue, sorted(known.values()), "of the store")
    return [key for venue in venues for key in useful if key.venue.lower() == venue.lower()]


def _meant(name: str, keys: Sequence[TableKey], kind: str) -> list[TableKey]:
    """Return the tables of a symbol: at each venue its exact spelling, else any that reads so."""
    own = [key for key in keys if key.kind == kind]
    exact = {key.venue for key in own if key.symbol == name}
    plain = plain_symbol(name)
    return [
        key
        for key in own
        if key.symbol == name or (key.venue not in exact and plain_symbol(key.symbol) == plain)
    ]


def _lacking(venues: Sequence[str], found: Sequence[TableKey]) -> list[str]:
    """Return the venues, as they were asked for by name, that have no table of a symbol."""
    have = {key.venue.lower() for key in found}
    return [venue for venue in venues if venue.lower() not in have]


def _refuse_elsewhere(
    name: str, there: Sequence[TableKey], keys: Sequence[TableKey], store: Store
) -> None:
    """Refuse a symbol that only other venues than the chosen ones have."""
    useful = _at(keys, None)
    held = [key for kind in ("book", "candles") for key in _meant(name, useful, kind)]
    at = sorted({key.venue for key in held})
    if not held or not {key.venue for key in there}.isdisjoint(at):
        return
    asked = ", ".join(sorted({key.venue for key in there}))
    raise ConfigError(
        f"{asked} must have {name}; {store.place.name} has it at {', '.join(at)}. Likely fix: "
        f"--venue {at[0]}."
    )


def _booksof_store(
    store: Store, options: BacktestOptions, keys: Sequence[TableKey], absent: Sequence[str]
) -> Replay:
    """Load the books of the window; those that it lacks are told, `absent` among them.

    Args:
        store: The store.
        options: What was asked for.
        keys: Tables of the symbols.
        absent: "SYMBOL@venue" of what was asked for by name and has no table.
    """
    keys = list(dict.fromkeys(keys))
    covered = [key for key in keys if _is_covered(store, key, options)]
    for name in options.names:
        if not _meant(name, covered, "book"):
            raise _not_recorded(store, name, _meant(name, keys, "book"), options)
    left_out = [f"{key.symbol}@{key.venue}" for key in keys if key not in covered] + [*absent]
    notes = [f"Not recorded in the window: {', '.join(left_out)}."] if left_out else []
    found = [
        store.load_book(
            symbols=key.symbol,
            venues=key.venue,
            start=options.start_ns,
            end=options.end_ns,
            scan_buffer_secs=options.scan_buffer_secs,
            dedup=not options.no_dedup,
        ).books
        for key in covered
    ]
    data = BookData(books=tuple(book for books in found for book in books))
    funding = book_rates(data, options.funding_files, store)
    return of_books(store.place.name, data, options, notes=notes, funding=funding)


def _is_covered(store: Store, key: TableKey, options: BacktestOptions) -> bool:
    """Tell whether a recording of a book meets the window."""
    spans = _spans(store, key)
    return any(first < options.end_ns and last >= options.start_ns for first, last in spans)


def _spans(store: Store, key: TableKey) -> list[tuple[int, int]]:
    """Return the first and the last instant of every recording of a book."""
    from seq_gym.market.book.store.manifest import read_book_manifest

    manifest = read_book_manifest(store.place, key)
    return [] if manifest is None else [(run.first_ns, run.last_ns) for run in manifest.runs]


def _not_recorded(
    store: Store, name: str, keys: Sequence[TableKey], options: BacktestOptions
) -> MarketDataError:
    """Say where each book of a symbol is recorded next to the window, the nearest first."""
    start, end = options.start_ns, options.end_ns
    nearest = []
    for key in keys:
        spans = [(max(a - end, start - b), a, b) for a, b in _spans(store, key)]
        nearest += [(*min(spans), key)] if spans else []
    nearest.sort(key=lambda each: each[0])
    shown = [
        f"{key.symbol}@{key.venue} {format_time(first)} to {format_time(last)}"
        for _, first, last, key in nearest[:_MOST_SHOWN]
    ]
    more = f", and {len(nearest) - _MOST_SHOWN} more" if len(nearest) > _MOST_SHOWN else ""
    return MarketDataError(
        f"{name} must have a recorded book from {format_time(start)} to {format_time(end)}; "
        f"{store.place.name} has, nearest first: {', '.join(shown) or 'none'}{more}."
    )


def _candlesof_store(
    store: Store,
    options: BacktestOptions,
    keys: Sequence[TableKey],
    venues: Sequence[str] | None,
) -> Replay:
    symbols: list[str] = []
    at: set[str] = set()
    for name in options.names:
        found = _meant(name, keys, "candles")
        if not found:
            known = sorted({key.symbol for key in keys})
            raise UnknownName("symbol", name, known, f"of {store.place.name}")
        places = sorted({key.venue for key in found})
        if len(places) > 1:
            raise ConfigError(
                f"Candles of {name} must be taken from one venue; {store.place.name} has them at "
                f"{', '.join(places)}. Likely fix: --venue {places[0]}."
            )
        at.update(places)
        symbols.append(found[0].symbol)
    if len(at) > 1 and venues is not None:
        raise ConfigError(
            f"venue must be one for candles; was {', '.join(venues)}. Likely fix: --venue all."
        )
    one = Store(store.place, next(iter(at)) if len(at) == 1 else None)
    first_ns, last_ns = one.span(symbols)
    start_ns, end_ns = clamped(options, first_ns, last_ns, store.place.name)
    return Replay(
        source=store.place.name,
        candles=one,
        symbols=tuple(symbols),
        start_ns=start_ns,
        end_ns=end_ns,
        notes=(on_candles(symbols, store.place.name),),
    )
