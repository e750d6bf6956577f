"""Importers: files of every vintage in, chunks of candles out; the format is found by content.

One small module per family. `TEXT_FAMILIES` is the registry of text formats: each looks at the
beginning of a file (`Sheet`) and says where the columns are (`Layout`), or None. Typed files and
JSON name their columns themselves. What a file is packed in (gzip, zip) makes no difference.

Source: spec C7, C8.
"""

from seq_gym.market.importers.opening import (
    TEXT_FAMILIES,
    FoundTable,
    open_frame,
    open_tables,
    read_funding_table,
    required_symbol,
)
from seq_gym.market.importers.tables import BadRow, Chunk, ReadOptions, TableKind

__all__ = [
    "TEXT_FAMILIES",
    "BadRow",
    "Chunk",
    "FoundTable",
    "ReadOptions",
    "TableKind",
    "open_frame",
    "open_tables",
    "read_funding_table",
    "required_symbol",
]
