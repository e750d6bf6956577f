"""Order books: recorded or synthetic, immutable, checked, fingerprinted."""

import importlib
import typing

if typing.TYPE_CHECKING:
    from seq_gym.market.book.events import BookData, BookEvents, BookKind
    from seq_gym.market.book.load import load_book
    from seq_gym.market.book.synthetic import synthetic_book, synthetic_books

__all__ = [
    "BookData",
    "BookEvents",
    "BookKind",
    "load_book",
    "synthetic_book",
    "synthetic_books",
]

_HOMES = {
    "BookData": "events",
    "BookEvents": "events",
    "BookKind": "events",
    "load_book": "load",
    "synthetic_book": "synthetic",
    "synthetic_books": "synthetic",
}


def __getattr__(name: str) -> typing.Any:
    """Import a name when it is first used: a book's modules import each other by their own."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
