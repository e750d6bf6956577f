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
from seq_gym.sandbox.book.funding import book_rates
from seq_gym.times import NS_PER_HOUR, NS_PER_S

__all__ = ["SYNTHETIC", "find_replay"]

SYNTHETIC: Final = "synthetic"
"""Names the book that is made up from the seed."""

_READING: Final = ("tick", "lot", "fix_clock", "shift_ns")

_SYNTHETIC_NS: Final = NS_PER_HOUR
"""Longest synthetic book: it is made at once, and a day of it would not fit in most memories."""


def find_replay(options: BacktestOptions) -> Replay:
    """Find and load the data of a backtest.

    Raises:
        ConfigError: Data, symbol or venue is not what it must be; UnknownName has the near miss.
        MarketDataError: There is no data in the window, or it breaks a rule.

    Source: S0-02 to S0-07, S0-18 to S0-20, C8.
    """
    refuse_missing("funding", options.funding_files.values())
    if options.data == (SYNTHETIC,):
        for name in _of_recordings(options):
            raise ConfigError(f"{name} must be left out for a synthetic book, which needs none.")
        return _synthetic(options)
    named = options.data[0] if len(options.data) == 1 else None
    store = Store.open() if not options.data else store_of(named)
    for name in () if store is None else _of_recordings(options):
        word = name.replace("_", "-")
        raise ConfigError(
            f"{name} is for recordings that are named in data; those of a store were read when "
            f"they came in. Likely fix: python -m seq_gym.data import FILE, there with --{word}."
        )
    if store is not None:
        return of_store(store, options)
    refuse_missing("data", options.data)
    return _of_files(options)


def _of_recordings(options: BacktestOptions) -> list[str]:
    """Return the options that were given and say how a recording is read."""
    return [name for name in _READING if getattr(options, name) not in (None, False)]


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
    rates = book_rates(books, options.funding_files)
    source = f"synthetic book of seed {options.seed}"
    return of_books(source, books, options, notes=notes, funding=rates)


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
            tick=options.tick,
            lot=options.lot,
            fix_clock=options.fix_clock,
            shift_ns=options.shift_ns,
        )
        rates = book_rates(books, options.funding_files)
        return of_books(shown, books, options, funding=rates)
    for name in [*_of_recordings(options), *(["venue"] if options.venues else [])]:
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
