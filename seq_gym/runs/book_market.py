"""The data of a run on books: which recordings it is told to take, and how they are loaded."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from seq_gym.errors import ConfigError
from seq_gym.market import FundingRates
from seq_gym.market.book.events import BookData
from seq_gym.market.book.load import load_book
from seq_gym.market.store import store_of
from seq_gym.runs.market import files_by_symbol, refuse_missing, split_names
from seq_gym.sandbox.book.funding import book_rates
from seq_gym.times import NS_PER_S, format_time, parse_time

__all__ = [
    "BOOK_DATA_FIELDS",
    "BookChoice",
    "check_steps",
    "describe_books",
    "has_books",
    "load_book_rates",
    "load_books",
]

BOOK_DATA_FIELDS: Final = (
    "data",
    "symbols",
    "venues",
    "start",
    "end",
    "funding",
    "tick",
    "lot",
    "fix_clock",
    "shift_ns",
)
"""Fields of a BookChoice that say which data it is, in order."""

SYNTHETIC_SECONDS: Final = 1_800.0
"""Length of the book that stands in for data."""

MOST_SYNTHETIC_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChoice:
    """Which recorded books a run takes: the fields that its config has for them.

    Raises:
        ConfigError: A value breaks its rule.
    """

    data: tuple[str, ...] = ()
    """Recordings, folders of them, or `store`; by default the synthetic book of the seed."""
    symbols: tuple[str, ...] = ()
    """Symbols to trade, by comma or space; by default all of the data (BTCUSDT made up)."""
    venues: tuple[str, ...] = ()
    """Venues of books, by comma or space; by default all that a symbol has."""
    start: str | None = None
    """First instant of the data."""
    end: str | None = None
    """Last instant of the data; a date includes that day."""
    funding: tuple[str, ...] | None = None
    """Funding rates of perpetuals, SYMBOL=FILE or SYMBOL@VENUE=FILE each; by default those of the
    store. Margin accounts pay them."""
    tick: float | None = None
    """Price step of recordings of books; by default what they tell or show."""
    lot: float | None = None
    """Quantity step of recordings of books; by default what they tell or show."""
    fix_clock: bool = False
    """Shift the clock of recordings of books by the least that puts no event before the venue sent
    it."""
    shift_ns: int | None = None
    """Shift that clock by this many nanoseconds instead."""
    scan_buffer_secs: int = 3_600
    """How far beyond the window the dates of a store of books are looked through for rows that were
    written late."""
    no_dedup: bool = False
    """Keep rows that several recordings of one book have."""

    def __post_init__(self) -> None:
        for name in ("symbols", "venues"):
            object.__setattr__(self, name, split_names(getattr(self, name)))
        readers: dict[str, Callable[[Any], int]] = {"start": parse_time, "end": parse_time}
        for name, read in readers.items():
            try:
                if getattr(self, name) is not None:
                    read(getattr(self, name))
            except ConfigError as error:
                raise ConfigError(f"{name}: {error}") from None
        if self.scan_buffer_secs < 0:
            raise ConfigError(f"scan_buffer_secs must be at least 0; was {self.scan_buffer_secs}.")
        check_steps(tick=self.tick, lot=self.lot)
        _ = self.funding_files

    @property
    def funding_files(self) -> dict[str, str]:
        """The files of funding rates by symbol.

        Raises:
            ConfigError: One is not SYMBOL=FILE.
        """
        return files_by_symbol("funding", self.funding or ())


def check_steps(**steps: float | None) -> None:
    """Refuse steps of prices and quantities that are none.

    Raises:
        ConfigError: One is not above 0; names it.
    """
    for name, step in steps.items():
        if step is not None and not 0.0 < step < math.inf:
            raise ConfigError(f"{name} must be a number above 0, such as 0.01; was {step!r}.")


def load_books(config: BookChoice, seed: int) -> BookData:
    """Return the books of a run; without data, the synthetic book of the seed.

    Raises:
        ConfigError: Symbols, venues, times or files are not what they must be.
        MarketDataError: The data breaks a rule.
    """
    if not config.data:
        return _synthetic(config, seed)
    data: Any = config.data[0] if len(config.data) == 1 else list(config.data)
    if len(config.data) > 1 or store_of(data) is None:
        refuse_missing("data", config.data)
    return load_book(
        data,
        symbols=list(config.symbols) or None,
        venues=list(config.venues) or None,
        start=config.start,
        end=config.end,
        scan_buffer_secs=config.scan_buffer_secs,
        dedup=not config.no_dedup,
        tick=config.tick,
        lot=config.lot,
        fix_clock=config.fix_clock,
        shift_ns=config.shift_ns,
    )


def load_book_rates(config: BookChoice, books: BookData) -> dict[str, FundingRates]:
    """Return the funding rates of a run by "SYMBOL@venue": those of its files, else of its store.

    Args:
        config: The run.
        books: Its data.

    Raises:
        ConfigError: A file is not there; UnknownName where its symbol is none of the books'.
        MarketDataError: A file breaks a rule.
    """
    refuse_missing("funding", config.funding_files.values())
    store = store_of(config.data[0]) if len(config.data) == 1 else None
    return book_rates(books, config.funding_files, store)


def has_books(data: tuple[str, ...]) -> bool:
    """Say whether what a run names as data is a recording of books, or a store of nothing else.

    Args:
        data: As it was written.
    """
    from seq_gym.market.book.importers import is_recording
    from seq_gym.market.book.store.importing import recordings_in
    from seq_gym.market.store.catalog import table_keys

    if not data:
        return False
    store = store_of(data[0])
    if store is not None:
        kinds = {key.kind for key in table_keys(store.place)}
        return "book" in kinds and "candles" not in kinds
    if not Path(data[0]).exists():
        return False
    found = recordings_in(Path(data[0]))
    return bool(found) and is_recording(found[0])


def describe_books(
    books: BookData, source: str, rates: Mapping[str, FundingRates] | None = None
) -> dict[str, Any]:
    """Return what a manifest says of books, and of their funding rates by "SYMBOL@venue"."""
    funding = {}
    for name, each in (rates or {}).items():
        digest = hashlib.sha256(each.time_ns.tobytes() + each.rate.tobytes())
        funding[name] = {"stamps": len(each.time_ns), "fingerprint": digest.hexdigest()}
    return {
        "source": source,
        "fingerprint": books.fingerprint,
        "symbols": list(books.symbols),
        "venues": list(books.venues),
        "start": format_time(books.start_ns),
        "end": format_time(books.end_ns),
        "rows": sum(book.num_events for book in books.books),
        "funding": funding,
    }


def _synthetic(config: BookChoice, seed: int) -> BookData:
    from seq_gym.market.book.synthetic import synthetic_books

    for name in ("tick", "lot", "fix_clock", "shift_ns"):
        if getattr(config, name) not in (None, False):
            raise ConfigError(f"{name} must be left out without data, which it belongs to.")
    seconds = SYNTHETIC_SECONDS
    wanted: dict[str, Any] = {} if config.start is None else {"start": config.start}
    if config.end is not None:
        first = parse_time(config.start or "2025-01-01")
        seconds = (parse_time(config.end, end=True) - first) / NS_PER_S
    if not 0.0 < seconds <= MOST_SYNTHETIC_SECONDS:
        raise ConfigError(
            "end must be after start, and a synthetic book is a day at most; were "
            f"{config.end} and {config.start}."
        )
    return synthetic_books(
        config.symbols or ("BTCUSDT",),
        config.venues or ("synthetic",),
        seconds=seconds,
        seed=seed,
        **wanted,
    )
