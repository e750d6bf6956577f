"""Quick access to the fields of a record: a numpy record's own attributes take 6 us each."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from seq_gym.engine.layout import Table

__all__ = ["Row"]


class Row:
    """Reads and writes the fields of one record of a table, as plain Python numbers.

    Args:
        table: Records of one dimension.
        index: Which one.
    """

    __slots__ = ("_columns", "_table")

    def __init__(self, table: Table, index: int = 0) -> None:
        self._table = table[index : index + 1]
        self._columns: dict[str, NDArray[Any]] = {}

    def _column(self, name: str) -> NDArray[Any]:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._table[name]
        return column

    def __getitem__(self, name: str) -> Any:
        return self._column(name).item()

    def __setitem__(self, name: str, value: Any) -> None:
        self._column(name)[0] = value
