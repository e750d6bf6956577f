"""The Parquet form of book rows: whole numbers, packed by what each column is like.

Measured on five million rows of a futures recording: 3.0 bytes a row, read at 57 million
rows a second by one core. Stamps, ids and kinds repeat through a message, which zstd alone finds
best. Sides come in shorter runs: a dictionary packs them so well that zstd on top costs more time
than it saves bytes. Ticks and lots pack better, and decode faster, split into streams of bytes than
as differences; lz4 would read them in half the time, at 5 bytes a row of spot recordings where zstd
takes 4. A column of a row group is one page, for each page is unpacked anew: pages of 20,000 rows,
as pyarrow cuts them, take 3 % more bytes and a third more time.

Source: spec book.md (Events); design.md, "The data store".
"""

from __future__ import annotations

import hashlib
import inspect
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.market.book.integrity import COLUMNS

__all__ = ["Columns", "IntArray", "encode", "hash_columns", "take"]

IntArray: TypeAlias = npt.NDArray[np.int64]
Columns: TypeAlias = Mapping[str, npt.NDArray[np.integer[Any]]]

_DICTIONARY: Final = ("side",)
_SPLIT: Final = ("tick", "lots")
_LEVELS: Final = {"exch_ts": 1, "local_ts": 1, "seq": 1, "kind": 6, "tick": 9, "lots": 9}
"""Of zstd. The lowest finds all runs of equal numbers; what 9 packs of others is read sooner."""
_GROUP_ROWS: Final = 1 << 18
"""Rows of a row group: the least that is read, and what one thread takes at a time."""


def take(columns: Columns, index: Any) -> Columns:
    """Return the given rows."""
    return {name: values[index] for name, values in columns.items()}


def hash_columns(columns: Columns, names: Iterable[str] = tuple(COLUMNS), of: object = ()) -> str:
    """Return SHA-256, hex, of typed columns and of what they belong to."""
    digest = hashlib.sha256(repr(of).encode())
    for name in names:
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(columns[name], COLUMNS[name]).data)
    return digest.hexdigest()


def encode(columns: Columns, facts: Mapping[str, str]) -> bytes:
    """Write rows as one Parquet file.

    Args:
        columns: The rows.
        facts: What the file says of itself, such as its tick; for other readers.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {name: pa.array(columns[name], from_pandas=False) for name in COLUMNS}
    # Columns that may hold no null are read in two thirds of the time.
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    table = pa.table(arrays, schema=pa.schema(fields, metadata=dict(facts)))
    buffer = io.BytesIO()
    plain = [name for name in COLUMNS if name not in (*_DICTIONARY, *_SPLIT)]
    encodings = dict.fromkeys(_SPLIT, "BYTE_STREAM_SPLIT") | dict.fromkeys(plain, "PLAIN")
    pq.write_table(
        table,
        buffer,
        compression={name: "zstd" if name in _LEVELS else "none" for name in COLUMNS},
        compression_level=_LEVELS,
        use_dictionary=list(_DICTIONARY),
        column_encoding=encodings,
        row_group_size=_GROUP_ROWS,
        data_page_size=_GROUP_ROWS * 16,  # a column of a row group is one page
        **_page_limit(),
    )
    return buffer.getvalue()


def _page_limit() -> dict[str, Any]:
    """Let a page have as many rows as its row group, where pyarrow would end it before."""
    import pyarrow.parquet as pq

    limit = "max_rows_per_page"
    known = inspect.signature(pq.ParquetWriter).parameters
    return {limit: _GROUP_ROWS} if limit in known else {}
