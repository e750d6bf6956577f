"""Rows of one table in memory: times and named values, their content hash, their Parquet form.

Source: spec C1, C7; design.md, "The data store".
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import PRICE_NAMES, CandleColumns, FloatArray, IntArray
from seq_gym.market.store.layout import Kind, TableKey
from seq_gym.times import format_time

__all__ = [
    "Rows",
    "columns_of_rows",
    "content_hash",
    "decode",
    "encode",
    "required_names",
    "rows_of_columns",
    "time_name",
    "value_names",
]

_COUNTS: Final = ("trades",)
"""Columns of whole numbers."""
_OPTIONAL: Final[Mapping[Kind, tuple[str, ...]]] = {
    "candles": ("volume", "quote_volume", "trades"),
    "mark": (),
    "funding": (),
}
_REQUIRED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "candles": PRICE_NAMES,
    "mark": PRICE_NAMES,
    "funding": ("rate",),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rows:
    """Rows of a table in time order, each time once."""

    times: IntArray
    """Open times, or stamps of funding, int64 UNIX nanoseconds UTC ``[n]``."""
    values: Mapping[str, FloatArray]
    """Columns by name, float64 ``[n]``; NaN where an optional one is not stated."""
    has_volume: bool = False
    """The source states volume (C6)."""
    source: str = "store"
    """File or frame, as named in messages."""
    row_numbers: IntArray | None = None
    """Number of each row in the source; None = counted from 0."""
    row_word: str = "row"
    """What the source calls a row."""

    def __len__(self) -> int:
        return len(self.times)

    def take(self, index: Any) -> Rows:
        """Return the given rows."""
        numbers = np.arange(len(self)) if self.row_numbers is None else self.row_numbers
        return Rows(
            times=self.times[index],
            values={name: values[index] for name, values in self.values.items()},
            has_volume=self.has_volume,
            source=self.source,
            row_numbers=numbers[index],
            row_word=self.row_word,
        )

    def where(self, row: int) -> str:
        """Name a row for a message."""
        number = row if self.row_numbers is None else int(self.row_numbers[row])
        return f"{self.source}, {self.row_word} {number}, {format_time(int(self.times[row]))}"


def time_name(kind: Kind) -> str:
    """Name the column of times."""
    return "time" if kind == "funding" else "open_time"


def value_names(kind: Kind, extra: Sequence[str] = ()) -> list[str]:
    """Name the columns of a part in their order: ours, then custom ones by name."""
    ours = [*_REQUIRED[kind], *_OPTIONAL[kind]]
    return ours + sorted(name for name in extra if name not in ours)


def required_names(kind: Kind) -> tuple[str, ...]:
    """Name the columns of values that every part must have."""
    return _REQUIRED[kind]


def rows_of_columns(columns: CandleColumns, kind: Kind) -> Rows:
    """Turn candles into rows, with what they do not state as NaN.

    Raises:
        MarketDataError: A number of trades is not whole.
    """
    stated = columns.values()
    count = len(columns.time_ns)
    names = value_names(kind, tuple(columns.extra) if kind == "candles" else ())
    values = {
        name: np.asarray(stated[name], np.float64) if name in stated else np.full(count, np.nan)
        for name in names
    }
    volume = columns.volume
    has_volume = columns.has_volume
    if has_volume is None:
        has_volume = volume is not None and bool((volume > 0).any())
    rows = Rows(
        times=columns.time_ns,
        values=values,
        has_volume=has_volume and kind == "candles",
        source=columns.source,
        row_numbers=columns.row_numbers,
        row_word=columns.row_word,
    )
    for name in _COUNTS:
        _refuse_fractions(rows, name)
    return rows


def columns_of_rows(rows: Rows, key: TableKey, *, has_volume: bool) -> CandleColumns:
    """Turn rows of candles into clean columns: volume that is not stated is 0."""
    values = dict(rows.values)
    prices = {name: values.pop(name) for name in PRICE_NAMES}
    volume = values.pop("volume", None)
    if volume is None:
        volume = np.zeros(len(rows))
    elif np.isnan(volume).any():
        volume = np.nan_to_num(volume)
    quote = values.pop("quote_volume", None)
    if quote is None:
        quote = volume * prices["close"]
    elif np.isnan(quote).any():
        quote = np.where(np.isnan(quote), volume * prices["close"], quote)
    return CandleColumns(
        symbol=key.symbol,
        time_ns=rows.times,
        **prices,
        volume=volume,
        quote_volume=quote,
        extra=values,
        interval_ns=key.interval_ns,
        source=rows.source,
        has_volume=has_volume,
        row_numbers=rows.row_numbers,
        row_word=rows.row_word,
    )


def content_hash(key: TableKey, rows: Rows) -> str:
    """Return SHA-256, hex, of the typed values and of what they belong to.

    It changes with any value, time, symbol, venue, interval or kind, and with nothing else: not
    with the encoding, the compression, or a column that states nothing.
    """
    digest = hashlib.sha256(repr((key.kind, key.symbol, key.venue, key.interval_ns)).encode())
    digest.update(np.ascontiguousarray(rows.times, "<i8").data)
    for name in value_names(key.kind, tuple(rows.values)):
        values = rows.values.get(name)
        if values is not None and not np.isnan(values).all():
            digest.update(name.encode())
            digest.update(_canonical(values).data)
    return digest.hexdigest()


def encode(key: TableKey, rows: Rows) -> bytes:
    """Write rows as one Parquet file: typed, zstd, one row group per million rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    stamp = pa.timestamp("ns", "UTC")
    arrays = {time_name(key.kind): pa.array(rows.times, pa.int64()).cast(stamp)}
    for name in value_names(key.kind, tuple(rows.values)):
        arrays[name] = _arrow(name, rows.values[name])
    buffer = io.BytesIO()
    pq.write_table(
        pa.table(arrays),
        buffer,
        compression="zstd",
        # Split into streams of bytes, prices pack nearly as well at the fastest level, which reads
        # in two thirds of the time; they rarely repeat enough for a dictionary to pay.
        compression_level=-1,
        use_dictionary=False,
        column_encoding=_encodings(arrays),
        row_group_size=1 << 20,
    )
    return buffer.getvalue()


def decode(kind: Kind, table: Any, source: str) -> Rows:
    """Turn an Arrow table of a part, or of several, into rows.

    Args:
        kind: What the table holds.
        table: A pyarrow Table, in time order.
        source: Names it in messages.
    """
    times = table.column(time_name(kind)).cast("int64").to_numpy()
    values = {
        name: np.asarray(table.column(name).to_numpy(), np.float64)
        for name in table.column_names
        if name != time_name(kind)
    }
    return Rows(times=times, values=values, source=source)


def _canonical(values: FloatArray) -> npt.NDArray[Any]:
    """Return little-endian values with one NaN and one zero."""
    plain = values + 0.0  # -0.0 becomes 0.0
    missing = np.isnan(plain)
    if missing.any():
        plain[missing] = np.nan
    return np.ascontiguousarray(plain, "<f8")


def _arrow(name: str, values: FloatArray) -> Any:
    import pyarrow as pa

    array = pa.array(values, pa.float64(), from_pandas=True)
    return array.cast(pa.int64()) if name in _COUNTS else array


def _encodings(arrays: Mapping[str, Any]) -> dict[str, str]:
    whole = ("int64", "timestamp[ns, tz=UTC]")
    return {
        name: "DELTA_BINARY_PACKED" if str(array.type) in whole else "BYTE_STREAM_SPLIT"
        for name, array in arrays.items()
    }


def _refuse_fractions(rows: Rows, name: str) -> None:
    values = rows.values.get(name)
    if values is None:
        return
    broken = ~np.isnan(values) & ((values < 0) | (values != np.floor(values)) | (values > 2**53))
    if broken.any():
        row = int(np.argmax(broken))
        raise MarketDataError(
            f"{rows.where(row)}: {name} must be a whole number >= 0; was {values[row]!r}."
        )
