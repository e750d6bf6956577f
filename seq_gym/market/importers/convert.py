"""Turn rows under the file's own names into CandleColumns; name the row that cannot be read.

Source: spec C1, C7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import PRICE_NAMES, CandleColumns, FloatArray
from seq_gym.market.importers.tables import BadRow, Batch, Layout, ReadOptions
from seq_gym.market.instruments import plain_symbol
from seq_gym.market.stamps import is_wall_clock, read_stamps, shown_value, time_rule

__all__ = ["DROP_HINT", "KEPT_BAD_ROWS", "Converter", "numbers_of"]

DROP_HINT = "An import leaves such rows out, and counts them, with drop_bad=True (--drop-bad)."
KEPT_BAD_ROWS = 10
"""Bad rows that a report shows; the rest is counted."""

_NUMBERS = (*PRICE_NAMES, "volume", "quote_volume", "trades", "rate")
_CODED = (pl.Categorical, pl.Enum)
"""Texts that Arrow and pandas keep as codes."""
_NOTHING = ("", "null", "none", "n/a", "na", "nan")
"""What files write where they have no number."""


class Converted(NamedTuple):
    """Candles of one symbol, and what was seen while reading them."""

    columns: CandleColumns
    notes: Mapping[str, int]
    bad_rows: Sequence[BadRow]
    num_bad: int


class Converter:
    """Reads the values of one table, batch by batch."""

    def __init__(self, layout: Layout, options: ReadOptions, name: str, row_word: str) -> None:
        self._layout = layout
        self._options = options
        self._name = name
        self._word = row_word
        self._finish = None if layout.finish is None else layout.finish()
        self._spelling: dict[str, str] = {}

    def read(self, batch: Batch) -> Iterator[Converted]:
        """Read a batch: one table per symbol that its rows state, in the order of the source.

        Raises:
            MarketDataError: A value is not a number or a time, or a row is of another symbol.
        """
        rows, numbers = batch.rows, batch.row_numbers
        times, units = self._times(rows)
        values, lost = self._values(rows)
        lost[self._layout.columns["time"]] = times.is_null()
        rows, numbers, keep, bad = self._without_bad(rows, numbers, lost)
        time_ns = times.fill_null(0).to_numpy()
        bad_rows, num_bad = batch.bad_rows, batch.num_bad
        if keep is not None:
            time_ns, values = time_ns[keep], {name: v[keep] for name, v in values.items()}
            num_bad += len(keep) - len(time_ns)
            bad_rows = [*batch.bad_rows, *bad][:KEPT_BAD_ROWS]
        notes = dict(batch.notes) | {f"epoch unit {name}": count for name, count in units.items()}
        notes |= {note: len(time_ns) for note in self._layout.notes}
        whole = CandleColumns(
            symbol="",
            time_ns=time_ns,
            open=values["open"],
            high=values["high"],
            low=values["low"],
            close=values["close"],
            volume=values.get("volume"),
            quote_volume=values.get("quote_volume"),
            extra={
                name: values[name] for name in ("trades", *self._options.extra) if name in values
            },
            interval_ns=self._options.interval_ns,
            source=self._name,
            row_numbers=numbers,
            row_word=self._word,
        )
        for symbol, rows_of in self._symbols(rows, numbers):
            part = whole if rows_of is None else whole.take(rows_of)
            part, fixed = self._finished(part, symbol)
            yield Converted(part, notes | dict(fixed), bad_rows, num_bad)
            notes, bad_rows, num_bad = {}, [], 0

    def _finished(
        self, columns: CandleColumns, symbol: str
    ) -> tuple[CandleColumns, Mapping[str, int]]:
        named = columns.renamed(symbol)
        return (named, {}) if self._finish is None else self._finish(named)

    # ------------------------------------------------------------------ values

    def _times(self, rows: pl.DataFrame) -> tuple[pl.Series, Mapping[str, int]]:
        column = rows[self._layout.columns["time"]]
        if "date" in self._layout.columns:
            days = rows[self._layout.columns["date"]]
            column = days.str.strip_chars() + " " + column.str.strip_chars()
        if self._layout.read_stamps is not None:
            return self._layout.read_stamps(column)
        try:
            return read_stamps(column, self._layout.tz)
        except MarketDataError as error:
            raise MarketDataError(f"{self._name}: {error}") from error

    def _values(self, rows: pl.DataFrame) -> tuple[dict[str, FloatArray], dict[str, pl.Series]]:
        """Read the numbers; `lost` tells, by column, where there is a text that is none."""
        values: dict[str, FloatArray] = {}
        lost: dict[str, pl.Series] = {}
        wanted = {ours: self._layout.columns.get(ours) for ours in _NUMBERS}
        for ours, theirs in (wanted | {name: name for name in self._options.extra}).items():
            if theirs is None:
                continue
            values[ours], where = numbers_of(rows[theirs], self._name)
            if where is not None and ours != "trades":
                lost[theirs] = where
        return values, lost

    def _without_bad(
        self,
        rows: pl.DataFrame,
        numbers: npt.NDArray[np.int64],
        lost: Mapping[str, pl.Series],
    ) -> tuple[pl.DataFrame, npt.NDArray[np.int64], npt.NDArray[np.bool_] | None, Sequence[BadRow]]:
        if not any(where.any() for where in lost.values()):
            return rows, numbers, None, ()
        self._refuse_wall_clock(rows, numbers, lost[self._layout.columns["time"]])
        bad = np.logical_or.reduce([where.to_numpy() for where in lost.values()])
        reasons = []
        for row in np.flatnonzero(bad):
            name = next(name for name, where in lost.items() if where[int(row)])
            reason = BadRow(
                f"{self._name}, {self._word} {numbers[row]}",
                self._reason(name, shown_value(rows[name], int(row))),
            )
            if not self._options.drop_bad:
                raise MarketDataError(f"{reason.where}: {reason.reason} {DROP_HINT}")
            reasons.append(reason)
            if len(reasons) == KEPT_BAD_ROWS:
                break
        return rows.filter(pl.Series(~bad)), numbers[~bad], ~bad, reasons

    def _refuse_wall_clock(
        self, rows: pl.DataFrame, numbers: npt.NDArray[np.int64], lost: pl.Series
    ) -> None:
        """Refuse wall-clock time without a zone: it is no bad row, it is a question."""
        name = self._layout.columns["time"]
        if self._layout.tz is not None or not lost.any():
            return
        naive = lost & is_wall_clock(rows[name])
        if naive.any():
            row = int(naive.arg_max() or 0)
            where = f"{self._name}, {self._word} {numbers[row]}"
            raise MarketDataError(f"{where}: {time_rule(name, rows[name][row], None)}")

    def _reason(self, name: str, value: object) -> str:
        if name == self._layout.columns["time"]:
            if self._layout.time_form:
                return f"{name} must be {self._layout.time_form}; was {value!r}."
            return time_rule(name, value, self._layout.tz)
        return f"{name} must be a number; was {str(value).strip()[:60]!r}."

    # ------------------------------------------------------------------ symbols

    def _symbols(
        self, rows: pl.DataFrame, numbers: npt.NDArray[np.int64]
    ) -> Iterator[tuple[str, npt.NDArray[np.intp] | None]]:
        """Tell the symbols of the rows, and which rows each of them has (None = all)."""
        theirs = self._layout.columns.get("symbol")
        if theirs is None:
            yield self._options.symbol or self._layout.symbol or "", None
            return
        stated = rows[theirs].cast(pl.String).str.strip_chars().fill_null("")
        distinct = stated.unique(maintain_order=True).to_list()
        for symbol in distinct:
            if not symbol or (
                self._options.symbol and plain_symbol(symbol) != plain_symbol(self._options.symbol)
            ):
                row = int((stated == symbol).arg_max() or 0)
                rule = (
                    f"be of the symbol asked for, {self._options.symbol}"
                    if symbol
                    else "state its symbol"
                )
                raise MarketDataError(
                    f"{self._name}, {self._word} {numbers[row]}: a row must {rule}; was {symbol!r}."
                )
        names = {symbol: self._spelled(symbol) for symbol in distinct}
        if len(set(names.values())) <= 1:
            yield next(iter(names.values()), self._options.symbol or ""), None
            return
        spelled = stated.replace_strict(names).to_numpy()
        for symbol in dict.fromkeys(names.values()):
            yield symbol, np.flatnonzero(spelled == symbol)

    def _spelled(self, symbol: str) -> str:
        """Return the spelling asked for, or the first one that the table used."""
        plain = plain_symbol(symbol)
        return self._spelling.setdefault(plain, self._options.symbol or symbol)


def numbers_of(column: pl.Series, name: str) -> tuple[FloatArray, pl.Series | None]:
    """Return float64 values, NaN where there is nothing, and where a text is no number."""
    if column.dtype == pl.Float64 and not column.has_nulls():
        return column.to_numpy(), None
    lost = None
    column = column.cast(pl.String) if isinstance(column.dtype, _CODED) else column
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        column = text.cast(pl.Float64, strict=False)
        absent = text.is_null() | text.str.to_lowercase().is_in(_NOTHING)
        lost = column.is_null() & ~absent
    elif not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise ConfigError(f"{name}: {column.name} must hold numbers; was {column.dtype}.")
    numbers = column.cast(pl.Float64).fill_null(float("nan"))
    return np.asarray(numbers.to_numpy(), dtype=np.float64), lost
