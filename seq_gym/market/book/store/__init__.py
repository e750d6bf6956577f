"""Recorded books in the store: a file per recording and date, runs that overlap read as one."""

from seq_gym.market.book.store.coverage import BookCoverage, CoveredRun, cover_book
from seq_gym.market.book.store.reading import BookWindow, read_book
from seq_gym.market.book.store.verifying import verify_book
from seq_gym.market.book.store.writing import write_book

__all__ = [
    "BookCoverage",
    "BookWindow",
    "CoveredRun",
    "cover_book",
    "read_book",
    "verify_book",
    "write_book",
]
