"""What a backtest replays, once it is found: books, or candles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seq_gym.backtest.settings import BacktestOptions
from seq_gym.errors import MarketDataError
from seq_gym.market import CandleSeries, FundingRates
from seq_gym.market.book.events import BookData
from seq_gym.market.store import Store
from seq_gym.times import format_time

__all__ = ["Replay", "clamped", "of_books", "on_candles"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Replay:
    """The data of a backtest; either books or candles."""

    source: str
    """Where it comes from, in words."""
    books: BookData | None = None
    candles: CandleSeries | Store | None = None
    """A store is read by the session: the window, and what a session looks back at."""
    symbols: tuple[str, ...] = ()
    """Of candles, in the data's spelling."""
    start_ns: int
    """Start of what is replayed, UNIX nanoseconds."""
    end_ns: int
    """The instant before which it ends."""
    notes: tuple[str, ...] = ()
    """Sentences that the user should read."""
    funding: Mapping[str, FundingRates] = field(default_factory=dict)
    """Of the books, by "SYMBOL@venue"."""


def of_books(
    source: str,
    books: BookData,
    options: BacktestOptions,
    *,
    notes: Sequence[str] = (),
    funding: Mapping[str, FundingRates] | None = None,
) -> Replay:
    """Return the replay of books: it begins and ends with them, so that no dead time is measured.

    Args:
        source: Where they come from, in words.
        books: The books of the window.
        options: What was asked for.
        notes: Sentences that the user should read.
        funding: Funding rates by "SYMBOL@venue".
    """
    return Replay(
        source=source,
        books=books,
        start_ns=max(options.start_ns, books.start_ns),
        end_ns=min(options.end_ns, books.end_ns + 1),
        notes=tuple(notes),
        funding=funding or {},
    )


def clamped(options: BacktestOptions, first_ns: int, last_ns: int, source: str) -> tuple[int, int]:
    """Return the part of the window that has candles.

    Raises:
        MarketDataError: None of it has.
    """
    start_ns, end_ns = max(options.start_ns, first_ns), min(options.end_ns, last_ns)
    if start_ns >= end_ns:
        raise MarketDataError(
            f"{source} must have candles from {format_time(options.start_ns)} to "
            f"{format_time(options.end_ns)}; it has {format_time(first_ns)} to "
            f"{format_time(last_ns)}."
        )
    return start_ns, end_ns


def on_candles(symbols: Sequence[str], source: str) -> str:
    """Say that a backtest runs on candles, for want of a book."""
    verb = "has" if len(symbols) == 1 else "have"
    return f"{', '.join(symbols)} {verb} only candles in {source}: this runs on candles."
