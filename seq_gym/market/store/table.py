"""Read one table of the store: its manifest, and its parts.

Source: design.md, "The data store"; spec C7.
"""

from __future__ import annotations

from seq_gym.errors import MarketDataError
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.manifest import MANIFEST_NAME, Manifest, Part
from seq_gym.market.store.place import Place
from seq_gym.market.store.rows import (
    Rows,
    decode,
    required_names,
)

__all__ = ["read_manifest", "read_part", "repair_hint"]


def repair_hint(key: TableKey) -> str:
    """Say how a table with a broken file is put right: an import merges, so it needs whole ones."""
    return f"Likely fix: remove the folder {key.folder}, then import its files again."


def read_manifest(place: Place, key: TableKey) -> Manifest | None:
    """Read what a table holds; None where the store has no such table.

    Raises:
        MarketDataError: The manifest cannot be read.
    """
    path = f"{key.folder}/{MANIFEST_NAME}"
    data = place.read(path)
    return None if data is None else Manifest.from_json(key, data, f"{place.name}/{path}")


def read_part(place: Place, key: TableKey, part: Part) -> Rows:
    """Read one file of a table, whole.

    Raises:
        MarketDataError: It is no Parquet file, or is not there.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = f"{key.folder}/{part.file}"
    data = place.read(path)
    where = f"{place.name}/{path}"
    if data is None:
        raise MarketDataError(
            f"{where} must be there, its manifest names it; it is not. {repair_hint(key)}"
        )
    try:
        # One thread: another would hold the bytes a little longer, and a process that ends then
        # is aborted, because releasing them needs Python.
        table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)
        rows = decode(key.kind, table, where)
    except (pa.ArrowException, KeyError, OSError) as error:
        line = str(error).partition("\n")[0]
        raise MarketDataError(
            f"{where} cannot be read as Parquet: {line} {repair_hint(key)}"
        ) from error
    lacking = [name for name in required_names(key.kind) if name not in rows.values]
    if lacking:
        raise MarketDataError(f"{where} must have a column {lacking[0]}; it has none.")
    return rows
