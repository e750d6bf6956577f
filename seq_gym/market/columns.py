"""One symbol's candles as columns, straight from a source, and the rules they must obey.

Source: spec C7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.rules import broken_rules, obeys_rules, refuse_bad_values
from seq_gym.times import format_interval, format_time

__all__ = [
    "PRICE_NAMES",
    "CandleColumns",
    "FloatArray",
    "IntArray",
    "broken_rules",
    "clean_columns",
    "disagree",
    "join_chunks",
    "merge_tables",
    "mode_of_differences",
    "obeys_rules",
    "refuse_bad_values",
]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
RowNumbers: TypeAlias = npt.NDArray[np.intp]

PRICE_NAMES: Final = ("open", "high", "low", "close")
_VALUE_NAMES: Final = (*PRICE_NAMES, "volume", "quote_volume")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CandleColumns:
    """Candles of one symbol and one interval, one array per column, in the order of the source.

    Every array has shape ``[n]``; a row is known at its open time plus the interval.
    """

    symbol: str
    """The venue's own spelling."""
    time_ns: IntArray
    """Open times, int64 UNIX nanoseconds UTC."""
    open: FloatArray
    """First price, quote."""
    high: FloatArray
    """Highest price, quote."""
    low: FloatArray
    """Lowest price, quote."""
    close: FloatArray
    """Last price, quote."""
    volume: FloatArray | None = None
    """Traded quantity, base; None where the source has none."""
    quote_volume: FloatArray | None = None
    """Traded value, quote; None where the source has none."""
    extra: Mapping[str, FloatArray] = field(default_factory=dict)
    """Custom features by name."""
    interval_ns: int | None = None
    """Length of a candle; None = the mode of the differences of the open times."""
    source: str = "data"
    """File or frame, as named in messages."""
    has_volume: bool | None = None
    """The source states volume; None = any of the rows does. Survives a selection of rows."""
    row_numbers: IntArray | None = None
    """Number of each row in the source, for messages; None = counted from 0."""
    row_word: str = "row"
    """What the source calls a row: "line" in a text file."""

    def __post_init__(self) -> None:
        count = len(self.time_ns)
        for name, values in self.values().items():
            if values.shape != (count,):
                raise ConfigError(
                    f"{self.source} {self.symbol} {name} must have one value per open time, "
                    f"shape ({count},); was {values.shape}."
                )

    def values(self) -> dict[str, FloatArray]:
        """Return the columns that are there, without the times, by name."""
        named = {name: getattr(self, name) for name in _VALUE_NAMES}
        return {k: v for k, v in named.items() if v is not None} | dict(self.extra)

    def take(self, rows: RowNumbers) -> CandleColumns:
        """Return the given rows, in the given order; they keep their numbers."""
        numbers = _row_numbers(self)
        picked: dict[str, Any] = {
            name: values[rows] for name, values in self.values().items() if name not in self.extra
        }
        return replace(
            self,
            time_ns=self.time_ns[rows],
            **picked,
            extra={name: values[rows] for name, values in self.extra.items()},
            row_numbers=numbers[rows],
        )

    def renamed(self, symbol: str) -> CandleColumns:
        """Return the same rows as those of another symbol."""
        return self if symbol == self.symbol else replace(self, symbol=symbol)

    def where(self, row: int) -> str:
        """Name a row for a message: source, symbol, row or line, open time."""
        number = row if self.row_numbers is None else int(self.row_numbers[row])
        time = format_time(int(self.time_ns[row]))
        return f"{self.source}, {self.symbol}, {self.row_word} {number}, {time}"


def clean_columns(columns: CandleColumns, *, interval_ns: int | None = None) -> CandleColumns:
    """Validate, sort and de-duplicate the rows of one table, and state its interval.

    Args:
        columns: Rows in any order.
        interval_ns: The interval where the rows cannot tell it (fewer than two of them).

    Returns:
        Rows in time order, each time once, with interval, volume and quote volume stated.

    Raises:
        MarketDataError: A value breaks a rule, two rows of one time differ, or an open time lies
            off the UTC grid; the message names source, symbol, row and time.

    Source: C7.
    """
    if len(columns.time_ns) == 0:
        raise MarketDataError(f"{columns.source}, {columns.symbol}: candles must have rows; was 0.")
    refuse_bad_values(columns)
    ordered = _sorted_unique(columns)
    length = columns.interval_ns or mode_of_differences(ordered.time_ns) or interval_ns
    if length is None:
        raise MarketDataError(
            f"{columns.source}, {columns.symbol}: a single candle does not tell its interval. "
            "Say interval='1m' (or its real length)."
        )
    _refuse_off_grid(ordered, length)
    volume = np.zeros(len(ordered.time_ns)) if ordered.volume is None else ordered.volume
    quote = volume * ordered.close if ordered.quote_volume is None else ordered.quote_volume
    stated = bool((volume > 0).any()) if columns.has_volume is None else columns.has_volume
    return replace(
        ordered, interval_ns=length, volume=volume, quote_volume=quote, has_volume=stated
    )


def merge_tables(tables: Sequence[CandleColumns]) -> CandleColumns:
    """Join clean tables of one symbol and one interval into one, in time order.

    Identical rows are merged.

    Raises:
        MarketDataError: Two tables disagree on a candle; the message names both rows.

    Source: C7.
    """
    if len(tables) == 1:
        return tables[0]
    names = {tuple(table.values()) for table in tables}
    if len(names) > 1:
        raise MarketDataError(
            f"{tables[0].symbol}: tables that are joined must have the same columns; were "
            f"{' and '.join(str(list(n)) for n in sorted(names))}."
        )
    return _sorted_unique(join_chunks(tables))


def join_chunks(tables: Sequence[CandleColumns]) -> CandleColumns:
    """Put tables of one symbol and the same columns behind each other, as they are."""
    if len(tables) == 1:
        return tables[0]
    first = tables[0]
    joined: dict[str, Any] = {
        name: np.concatenate([table.values()[name] for table in tables]) for name in first.values()
    }
    extra = {name: joined.pop(name) for name in first.extra}
    sources = " + ".join(dict.fromkeys(table.source for table in tables))
    times = np.concatenate([table.time_ns for table in tables])
    numbers = np.concatenate([_row_numbers(table) for table in tables])
    return replace(first, time_ns=times, **joined, extra=extra, source=sources, row_numbers=numbers)


def _sorted_unique(columns: CandleColumns) -> CandleColumns:
    times = columns.time_ns
    ascending = bool((times[1:] > times[:-1]).all())
    if ascending:
        return columns
    order = np.argsort(times, kind="stable")
    again = np.flatnonzero(times[order][1:] == times[order][:-1])
    _refuse_conflicts(columns, order[again], order[again + 1])
    keep = np.ones(len(order), dtype=bool)
    keep[again + 1] = False
    return columns.take(order[keep])


def _refuse_conflicts(columns: CandleColumns, rows: RowNumbers, repeats: RowNumbers) -> None:
    """Compare rows with those that state the same candle again, both in time order."""
    differ = {}
    for name, values in columns.values().items():
        differ[name] = disagree(values[rows], values[repeats])
    conflicts = np.logical_or.reduce(list(differ.values()))
    if not conflicts.any():
        return
    at = int(np.argmax(conflicts))
    name = next(name for name, different in differ.items() if different[at])
    values = columns.values()[name]
    first, second = int(rows[at]), int(repeats[at])
    raise MarketDataError(
        f"{columns.where(first)}: a candle must be stated once; was stated again in "
        f"{columns.where(second)} with {name} {float(values[second])} instead of "
        f"{float(values[first])}. Remove one of the two, or import with --on-conflict first|last."
    )


def _row_numbers(columns: CandleColumns) -> IntArray:
    if columns.row_numbers is not None:
        return columns.row_numbers
    return np.arange(len(columns.time_ns))


def disagree(earlier: FloatArray, later: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell where two statements of one value differ in their first 14 digits.

    Programs print and read the last bit of a number differently; that is no other candle. NaN
    states nothing: two of them agree, one differs from a number.
    """
    same = np.abs(earlier - later) <= 1e-14 * np.abs(earlier)
    differ: npt.NDArray[np.bool_] = ~(
        same | (earlier == later) | (np.isnan(earlier) & np.isnan(later))
    )
    return differ


def mode_of_differences(times: IntArray) -> int | None:
    """Return the most frequent difference of sorted times, the smallest of several; None of one."""
    if len(times) < 2:
        return None
    lengths, counts = np.unique(np.diff(times), return_counts=True)
    return int(lengths[np.argmax(counts)])


def _refuse_off_grid(columns: CandleColumns, interval_ns: int) -> None:
    off = columns.time_ns % interval_ns != 0
    if off.any():
        row = int(np.argmax(off))
        raise MarketDataError(
            f"{columns.where(row)}: an open time must be a multiple of the interval "
            f"{format_interval(interval_ns)} in UTC; was {format_time(int(columns.time_ns[row]))}. "
            "Is the time column a close time, or in another zone?"
        )
