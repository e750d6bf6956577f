"""BookEvents: the recorded order book and trades of one instrument, immutable and checked.

Source: spec book.md (Events, Clocks, B1, B6 to B11).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from dataclasses import InitVar, astuple, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.book.decimals import step_of
from seq_gym.market.book.frames import columns_of_frame, frame_of
from seq_gym.market.book.integrity import COLUMNS, refuse_broken_book
from seq_gym.market.book.opening import columns_between
from seq_gym.market.instruments import Instrument, find_symbol
from seq_gym.market.integrity import read_only
from seq_gym.times import TimeLike, format_time, parse_time

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BookData", "BookEvents", "BookKind", "read_names"]

IntArray: TypeAlias = npt.NDArray[np.int64]
FloatArray: TypeAlias = npt.NDArray[np.float64]


class BookKind(enum.IntEnum):
    """What a row of a recorded book says."""

    DEPTH = 0
    """A level's new quantity; 0 deletes it."""
    SNAPSHOT = 1
    """A level of a snapshot."""
    CLEAR = 2
    """Levels of a side from the best through `tick` are gone (B8); side 0: the whole book."""
    TRADE = 3
    """A public print; its side is the aggressor's."""
    GAP = 4
    """The recording lost messages: the book is stale until the next snapshot (B10)."""
    STATUS = 5
    """Trading halts (lots 0) or is open (lots 1)."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BookEvents:
    """Levels and prints of one (venue, symbol), in order of receipt: R rows on two clocks.

    Arrays are C-contiguous and read-only; others' are copied where they are not.

    Raises:
        ConfigError: The instrument states no tick or no lot, or columns differ in length.
        MarketDataError: A row breaks a rule; the message names row, rule and value.

    Source: book.md (Events), B1.
    """

    instrument: Instrument
    """What is traded; tick and lot are above 0."""
    exch_ts: IntArray
    """When the venue did it, UNIX nanoseconds, int64 ``[R]``; -1: not on the venue's clock."""
    local_ts: IntArray
    """When the recorder learnt it, likewise, never falling; -1: not on the agent's clock."""
    seq: IntArray
    """The venue's update or trade id, int64 ``[R]``; 0 where it states none."""
    kind: npt.NDArray[np.int8]
    """BookKind, int8 ``[R]``."""
    side: npt.NDArray[np.int8]
    """int8 ``[R]``: 1 bid, -1 ask; of a trade the aggressor, 0 where unknown; 0 whole book."""
    tick: npt.NDArray[np.int32]
    """Price in ticks, int32 ``[R]``."""
    lots: IntArray
    """Quantity in lots, int64 ``[R]``."""
    is_checked: InitVar[bool] = False
    """The rows were checked before, by whoever stored them: leave it out here."""

    def __post_init__(self, is_checked: bool) -> None:
        for name, dtype in COLUMNS.items():
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype, name))
        if not is_checked:
            refuse_broken_book(self)

    def __repr__(self) -> str:
        return (
            f"BookEvents({self.venue or 'no venue'} {self.symbol}, {self.num_events:,} rows, "
            f"{format_time(self.start_ns)} to {format_time(self.end_ns)})"
        )

    @property
    def symbol(self) -> str:
        """The venue's own spelling."""
        return self.instrument.symbol

    @property
    def venue(self) -> str:
        """Where it is traded."""
        return self.instrument.venue

    @property
    def num_events(self) -> int:
        """R, the number of rows."""
        return len(self.kind)

    @cached_property
    def start_ns(self) -> int:
        """First instant on either clock, UNIX nanoseconds."""
        return min(int(each[each >= 0].min()) for each in self._clocks())

    @cached_property
    def end_ns(self) -> int:
        """Last instant on either clock, UNIX nanoseconds; an event stands there."""
        return max(int(each.max()) for each in self._clocks())

    def _clocks(self) -> list[IntArray]:
        return [each for each in (self.exch_ts, self.local_ts) if (each >= 0).any()]

    @property
    def price(self) -> FloatArray:
        """Prices in quote, float64 ``[R]``, each the double of its decimal."""
        return step_of(self.instrument.tick).times(self.tick)

    @property
    def qty(self) -> FloatArray:
        """Quantities in base (or contracts), float64 ``[R]``; of a status 0 or 1."""
        qty = step_of(self.instrument.lot).times(self.lots)
        return np.where(self.kind == BookKind.STATUS, self.lots, qty)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, hex, of instrument and rows: the same data, the same name."""
        digest = hashlib.sha256(repr((astuple(self.instrument), self.num_events)).encode())
        for name in COLUMNS:
            digest.update(name.encode())
            digest.update(getattr(self, name).data)
        return digest.hexdigest()

    def window(self, start: TimeLike | None = None, end: TimeLike | None = None) -> BookEvents:
        """Return what happened in [start, end), each clock for itself.

        It begins with the book as it stood: a CLEAR and SNAPSHOT rows at `start`, for each clock
        its own. A row that only one clock has inside is not on the other clock any more.

        Args:
            start: First instant; None = that of the data.
            end: The instant before which it ends; a date includes that day; None = all the rest.

        Raises:
            MarketDataError: No row is left.

        Source: B8, B10.
        """
        from_ns = self.start_ns if start is None else max(parse_time(start), self.start_ns)
        to_ns = self.end_ns + 1 if end is None else parse_time(end, end=True)
        if from_ns <= self.start_ns and to_ns > self.end_ns:
            return self
        columns = columns_between(self, from_ns, to_ns)
        if columns is None:
            raise MarketDataError(
                f"A window must hold a row of {self!r}; was {format_time(from_ns)} to "
                f"{format_time(to_ns)}."
            )
        return replace(self, **columns)

    def to_frame(self) -> pl.DataFrame:
        """Return the rows as polars: venue, symbol, exch_ts, local_ts, seq, kind, side, price, qty.

        Times are Int64 nanoseconds, kinds an Enum of names, prices and quantities Float64.
        """
        return frame_of(self)

    @classmethod
    def from_frame(cls, frame: pl.DataFrame, instrument: Instrument) -> BookEvents:
        """Read rows as `to_frame` writes them; venue and symbol may be left out.

        Raises:
            ConfigError: A column is missing.
            MarketDataError: A row is not the instrument's, off its grid, or breaks a rule.
        """
        return cls(instrument=instrument, **columns_of_frame(frame, instrument))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class BookData:
    """The books of several instruments: one timeline, S engines (B6).

    Raises:
        ConfigError: There is none, or two are of one (venue, symbol).
    """

    books: tuple[BookEvents, ...]
    """S books of distinct (venue, symbol)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "books", tuple(self.books))
        names = [(book.venue, book.symbol) for book in self.books]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"Books must be of one or more distinct (venue, symbol); was {names}."
            )

    def __repr__(self) -> str:
        return f"BookData({', '.join(map(repr, self.books))})"

    @property
    def symbols(self) -> tuple[str, ...]:
        """S symbols."""
        return tuple(book.symbol for book in self.books)

    @property
    def venues(self) -> tuple[str, ...]:
        """S venues."""
        return tuple(book.venue for book in self.books)

    @property
    def start_ns(self) -> int:
        """First instant of any book, UNIX nanoseconds."""
        return min(book.start_ns for book in self.books)

    @property
    def end_ns(self) -> int:
        """Last instant of any book, UNIX nanoseconds."""
        return max(book.end_ns for book in self.books)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, hex, of the books in their order."""
        joined = " ".join(book.fingerprint for book in self.books)
        return hashlib.sha256(joined.encode()).hexdigest()

    def select(
        self,
        symbols: str | Iterable[str] | None = None,
        venues: str | Iterable[str] | None = None,
    ) -> BookData:
        """Return some books: those of the symbols, in the order wanted, at the venues.

        Raises:
            UnknownName: A symbol or venue is not there.
        """
        books = self.books
        wanted = read_names("venues", venues)
        if wanted is not None:
            for venue in wanted:
                if venue not in self.venues:
                    raise UnknownName("venue", venue, sorted(set(self.venues)))
            books = tuple(book for book in books if book.venue in wanted)
        names = read_names("symbols", symbols)
        if names is not None:
            known = list(dict.fromkeys(book.symbol for book in books))
            found = dict.fromkeys(known[find_symbol(name, known)] for name in names)
            books = tuple(book for name in found for book in books if book.symbol == name)
        return BookData(books=books)

    def window(self, start: TimeLike | None = None, end: TimeLike | None = None) -> BookData:
        """Return what happened in [start, end); see `BookEvents.window`.

        Raises:
            MarketDataError: A book has no row left.
        """
        return BookData(books=tuple(book.window(start, end) for book in self.books))


def read_names(name: str, value: Any) -> list[str] | None:
    """Read one name or several; None: nothing was said.

    Args:
        name: What the argument is called.
        value: As it was given.

    Raises:
        ConfigError: It is neither; names it.
    """
    if value is None:
        return None
    many = [value] if isinstance(value, str) else value
    names = list(many) if isinstance(many, Iterable) else [many]
    if not all(isinstance(each, str) for each in names):
        raise ConfigError(f"{name} must be a name, or a list of names; was {value!r}.")
    return names


def _frozen(values: Any, dtype: type[np.signedinteger[Any]], name: str) -> Any:
    given = np.asarray(values)
    if given.dtype.kind not in "iu" and given.size:
        raise ConfigError(f"Column {name} must be whole numbers; was {given.dtype}.")
    info = np.iinfo(dtype)
    if given.size and not np.can_cast(given.dtype, dtype):
        for extreme in (int(given.min()), int(given.max())):
            if not info.min <= extreme <= info.max:
                raise MarketDataError(
                    f"Column {name} must fit {dtype.__name__}; was {extreme}. Is the instrument's "
                    "tick or lot too fine?"
                )
    return read_only(values, dtype)
