"""Which windows of an evaluation have a book that was unknown for a while (B10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seq_gym.engine.book import codes
from seq_gym.market.book.events import BookData
from seq_gym.sandbox.book.instruments import book_instruments
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.stale import stale_stretches, stale_within
from seq_gym.sandbox.book.tape import book_tape
from seq_gym.times import NS_PER_S

__all__ = ["WindowStaleness", "staleness_notes", "window_staleness"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStaleness:
    """How much of a window was stale, all its books together.

    Attributes:
        count: Stale stretches met, those it began in included.
        at_start: Whether a book was stale at its start.
        seconds: How long they lasted within it.
    """

    count: int
    at_start: bool
    seconds: float

    def as_row(self) -> dict[str, int | bool | float]:
        """Return it as metrics.json has it."""
        return {
            "num_gaps": self.count,
            "starts_stale": self.at_start,
            "stale_s": self.seconds,
        }


def window_staleness(
    books: BookData, params: BookParams, spans: Sequence[tuple[int, int]]
) -> list[WindowStaleness]:
    """Return how stale the books of each window were, as an agent learns of it.

    Args:
        books: The data.
        params: The physics, of which the feed latency counts.
        spans: Start and end of each window, UNIX nanoseconds.
    """
    table, _ = book_instruments(params, books)
    feeds = table["feed_ns"].tolist()
    stretches = [
        stale_stretches(book_tape(book).local_rows, feed)
        for book, feed in zip(books.books, feeds, strict=True)
        if (book.kind == codes.GAP).any()  # else it need not be replayed for this
    ]
    found = []
    for start, end in spans:
        met = [stale_within(each, start, end) for each in stretches]
        found.append(
            WindowStaleness(
                count=sum(count for count, _ in met),
                at_start=any(stale_within(each, start, start)[0] for each in stretches),
                seconds=sum(ns for _, ns in met) / NS_PER_S,
            )
        )
    return found


def staleness_notes(windows: Sequence[WindowStaleness], params: BookParams) -> list[str]:
    """Return a sentence where windows have a book that was unknown for a while.

    Args:
        windows: Of every window.
        params: The physics.
    """
    met = sum(each.count > 0 for each in windows)
    if not met:
        return []
    began = sum(each.at_start for each in windows)
    refused = "; orders at a stale book are refused" if params.fills == "strict" else ""
    return [
        f"STALE BOOK: {met} of {len(windows)} windows met a gap in the recording, and {began} "
        f"began in a book that was stale from one{refused}."
    ]
