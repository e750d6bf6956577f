"""What is replayed: recorded books of a store or of files, else candles, else a synthetic book."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from seq_gym.backtest.replay import Replay, clamped, of_books, on_candles
from seq_gym.backtest.settings import BacktestOptions
from seq_gym.backtest.stored import of_store
from seq_gym.errors import ConfigError
from seq_gym.market import load_candles
from seq_gym.market.book.load import load_book
from seq_gym.market.store import Store, store_of
from seq_gym.runs.market import refuse_missing
from seq_gym.times import NS_PER_HOUR, NS_PER_S

__all__ = ["SYNTHETIC", "find_replay"]

SYNTHETIC: Final = "synthetic"
"""Names the book that is made up from the seed."""

_SYNTHETIC_NS: Final = NS_PER_HOUR
"""Longest synthetic book: it is made at once, and a day of it would not fit in most memories."""


def find_replay(options: BacktestOptions) -> Replay:
    """Find and load the data of a backtest.

    Raises:
        ConfigError: Data, symbol or venue is not what it must be; UnknownName has the near miss.
        MarketDataError: There is no data in the window, or it breaks a rule.

    Source: S0-02 to S0-07, S0-18 to S0-20, C8.
    """
    if options.data == (SYNTHETIC,):
        return _synthetic(options)
    named = options.data[0] if len(options.data) == 1 else None
    store = Store.open() if not options.data else store_of(named)
    if options.fix_clock and store is not None:
        raise ConfigError(
            "fix_clock is for recordings that are named in data; those of a store were shifted "
            "when they came in. Likely fix: python -m seq_gym.data import FILE --fix-clock."
        )
    if store is not None:
        return of_store(store, options)
    refuse_missing("data", options.data)
    return _of_files(options)


# ---------------------------------------------------------------------------- made up


def _synthetic(options: BacktestOptions) -> Replay:
    from seq_gym.market.book.synthetic import synthetic_books

    end_ns = min(options.end_ns, options.start_ns + _SYNTHETIC_NS)
    books = synthetic_books(
        options.names,
        options.venues or (SYNTHETIC,),
        seconds=(end_ns - options.start_ns) / NS_PER_S,
        seed=options.seed,
        start=options.start_ns,
    ).window(None, end_ns)
    notes = [f"The book is made up from seed {options.seed}: it is nobody's market."]
    if end_ns < options.end_ns:
        notes.append("A synthetic book ends an hour after its start.")
    return of_books(f"synthetic book of seed {options.seed}", books, options, notes=notes)


# ---------------------------------------------------------------------------- files


def _of_files(options: BacktestOptions) -> Replay:
    from seq_gym.market.book.store.importing import recordings_in

    found = [path for each in options.data for path in recordings_in(Path(each))]
    shown = options.data[0] if len(options.data) == 1 else f"{len(options.data)} files"
    if found and _are_recordings(found):
        books = load_book(
            [str(path) for path in found],
            symbols=options.names,
            venues=options.venues,
            start=options.start_ns,
            end=options.end_ns,
            dedup=not options.no_dedup,
            fix_clock=options.fix_clock,
        )
        return of_books(shown, books, options)
    for name, given in (("fix_clock", options.fix_clock), ("venue", options.venues)):
        if given:
            raise ConfigError(f"{name} must be left out for files of candles, {shown}.")
    paths = options.data[0] if len(options.data) == 1 else list(options.data)
    series = load_candles(paths, symbols=list(options.names))
    start_ns, end_ns = clamped(options, series.start_ns, series.end_ns, shown)
    return Replay(
        source=shown,
        candles=series,
        symbols=series.symbols,
        start_ns=start_ns,
        end_ns=end_ns,
        notes=(on_candles(series.symbols, shown),),
    )


def _are_recordings(paths: Sequence[Path]) -> bool:
    from seq_gym.market.book.importers import is_recording

    kinds = {is_recording(path) for path in paths}
    if len(kinds) > 1:
        raise ConfigError(
            "data must be recordings of books or files of candles, not both. Likely fix: name "
            "those of one kind."
        )
    return kinds == {True}
