"""Tables of a run as Parquet: full precision, and the same bytes for the same run."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["record_table", "times_column", "write_table"]

_TIME = "_ns"
"""Ending of a field that is an instant; its column ends in "_time"."""


def write_table(path: Path, table: Any) -> None:
    """Write an Arrow table."""
    from pyarrow import parquet

    # Every choice of the writer is stated: a default that changes would change the bytes.
    parquet.write_table(
        table,
        path,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        data_page_version="1.0",
        row_group_size=1 << 20,
    )


def times_column(values: Any) -> Any:
    """Return UNIX nanoseconds, int64 [n], as an Arrow column of timestamps in UTC."""
    import pyarrow as pa

    return pa.array(np.asarray(values, np.int64), pa.timestamp("ns", tz="UTC"))


def record_table(
    kind: type, records: Sequence[Any], more: Mapping[str, Sequence[float | None]] | None = None
) -> Any:
    """Return an Arrow table with a column for each field of a dataclass.

    Args:
        kind: The dataclass; a field that ends in "_ns" is an instant, and its column in "_time".
        records: Its instances, a row each.
        more: Further columns of numbers, as long as the records.
    """
    import pyarrow as pa

    hints = typing.get_type_hints(kind)
    columns: dict[str, Any] = {}
    for each in fields(kind):
        values = [getattr(record, each.name) for record in records]
        if each.name.endswith(_TIME):
            stamps = pa.timestamp("ns", tz="UTC")
            columns[each.name.removesuffix(_TIME) + "_time"] = pa.array(values, stamps)
            continue
        arrow = _arrow_type(hints[each.name])
        if arrow == pa.string():
            values = [None if value is None else str(value) for value in values]
        columns[each.name] = pa.array(values, arrow)
    for name, numbers in (more or {}).items():
        columns[name] = pa.array(numbers, pa.float64())
    return pa.table(columns)


def _arrow_type(hint: Any) -> Any:
    """Return the column type of a field: one plain type, or text where it may be several."""
    import pyarrow as pa

    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    kinds = set(typing.get_args(hint) if is_union else (hint,)) - {types.NoneType}
    plain = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
    return plain.get(next(iter(kinds)), pa.string()) if len(kinds) == 1 else pa.string()
