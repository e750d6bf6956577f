"""What the rows of a recorded book must keep to; a breach names row, rule and value.

Source: spec book.md (Events, B1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.book.decimals import MAX_COUNT, step_of

if TYPE_CHECKING:
    from seq_gym.market.book.events import BookEvents

__all__ = ["COLUMNS", "MAX_TICK", "refuse_broken_book"]

COLUMNS: Final[Mapping[str, type[np.signedinteger[Any]]]] = {
    "exch_ts": np.int64,
    "local_ts": np.int64,
    "seq": np.int64,
    "kind": np.int8,
    "side": np.int8,
    "tick": np.int32,
    "lots": np.int64,
}
"""Columns of a recorded book and their types."""
MAX_TICK: Final = (1 << 31) - 2
"""Highest tick: one below what stands for "no ask" in the engine."""

_Mask: TypeAlias = npt.NDArray[np.bool_]
_DEPTH, _SNAPSHOT, _CLEAR, _TRADE, _GAP, _STATUS = range(6)


class _Rule(NamedTuple):
    """One rule: where it is broken, of which column, and what to do."""

    broken: _Mask
    column: str
    rule: str
    fix: str


def refuse_broken_book(book: BookEvents) -> None:
    """Refuse rows that no venue can have sent.

    Raises:
        ConfigError: The instrument states no tick or no lot, or columns differ in length.
        MarketDataError: A row breaks a rule.
    """
    step_of(book.instrument.tick, f"{book.instrument.symbol} tick")
    step_of(book.instrument.lot, f"{book.instrument.symbol} lot")
    sizes = {name: getattr(book, name).shape for name in COLUMNS}
    if len(set(sizes.values())) > 1 or len(book.exch_ts.shape) != 1:
        raise ConfigError(f"Columns of a book must be of one length [R]; were {sizes}.")
    if not book.num_events:
        raise MarketDataError(f"{book.instrument.symbol}: a book must have rows; has none.")
    for broken, column, rule, fix in _rules(book):
        if broken.any():
            row = int(broken.argmax())
            raise MarketDataError(
                f"{book.instrument.symbol} row {row}: {column} must {rule}; was "
                f"{getattr(book, column)[row]} (kind {book.kind[row]}, exch_ts "
                f"{book.exch_ts[row]}, local_ts {book.local_ts[row]}). {fix}"
            )


def _rules(book: BookEvents) -> Iterator[_Rule]:
    kind, side, lots = book.kind, book.side, book.lots
    yield _Rule((kind < _DEPTH) | (kind > _STATUS), "kind", "be a BookKind, 0 to 5", "")
    yield _Rule((side < -1) | (side > 1), "side", "be -1, 0 or 1", "Buy and bid are 1.")
    level = kind <= _SNAPSHOT
    whole = kind >= _GAP
    yield _Rule(level & (side == 0), "side", "be 1 (bid) or -1 (ask) of a level", "")
    yield _Rule(whole & (side != 0), "side", "be 0 of a gap or status", "")
    priced = level | (kind == _TRADE) | ((kind == _CLEAR) & (side != 0))
    yield _Rule(
        priced & ((book.tick < 1) | (book.tick > MAX_TICK)),
        "tick",
        f"be 1 to {MAX_TICK:,}",
        "Is the instrument's tick right?",
    )
    yield _Rule((lots < 0) | (lots > MAX_COUNT), "lots", "be 0 to 2**53", "Is the lot right?")
    yield _Rule((kind == _TRADE) & (lots == 0), "lots", "be above 0 of a trade", "")
    yield _Rule((kind == _STATUS) & (lots > 1), "lots", "be 0 (halted) or 1 (open) of a status", "")
    yield from _clock_rules(book)


def _clock_rules(book: BookEvents) -> Iterator[_Rule]:
    exch, local = book.exch_ts, book.local_ts
    yield _Rule(exch < -1, "exch_ts", "be UNIX nanoseconds, or -1 where not on that clock", "")
    yield _Rule(local < -1, "local_ts", "be UNIX nanoseconds, or -1 where not on that clock", "")
    nowhere = (exch == -1) & (local == -1)
    yield _Rule(nowhere, "local_ts", "be known where exch_ts is not", "Leave the row out.")
    early = (local != -1) & (local < exch)
    shift = int((exch[early] - local[early]).max()) if early.any() else 0
    yield _Rule(
        early,
        "local_ts",
        "be at or after exch_ts (B1)",
        f"The recorder's clock is behind: shift local_ts by at least {shift} ns.",
    )
    known = np.flatnonzero(local != -1)
    back = np.zeros(len(local), dtype=np.bool_)
    back[known[1:][np.diff(local[known]) < 0]] = True
    yield _Rule(back, "local_ts", "not step back: rows stand in order of receipt", "Sort them.")
