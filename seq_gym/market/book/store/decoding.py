"""Decode Parquet files of a book on several threads, each row group straight to where it belongs.

Which rows are wanted is known from the files' footers before anything is decoded: so the columns
are laid out once, at their final size, and a row group is nobody's but the thread's that takes it.
What is read does not depend on how many threads there are.

Source: design.md, "The data store"; S0-14.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.store.memory import new_columns
from seq_gym.market.book.store.schema import Columns

if TYPE_CHECKING:
    from seq_gym.market.store.place import Place

__all__ = ["Stretch", "find_stretch", "read_stretches"]

_Fault: TypeAlias = tuple[int, Exception]
"""Where in the columns something could not be read, and why."""


class Stretch(NamedTuple):
    """Row groups of a file that follow each other."""

    path: str
    """The file, below the store."""
    where: str
    """Names it in messages."""
    metadata: Any
    """Its Parquet footer."""
    groups: range
    """Numbers of the row groups."""
    first: int
    """Number in the file of their first row."""
    rows: int
    """How many rows they have."""


class _Piece(NamedTuple):
    """A row group, and where its rows belong."""

    stretch: Stretch
    group: int
    at: int
    end: int


def find_stretch(
    place: Place,
    path: str,
    *,
    num_rows: int,
    start_ns: int | None = None,
    end_ns: int | None = None,
) -> Stretch:
    """Find the row groups of a file that hold any instant of ``[start_ns, end_ns)``.

    Args:
        place: The store.
        path: The file.
        num_rows: Rows that the manifest states.
        start_ns: First instant on either clock; None = all.
        end_ns: First instant that is not wanted; None = all.

    Raises:
        FileNotFoundError: It is not there.
        MarketDataError: It is no such Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = f"{place.name}/{path}"
    try:
        with place.filesystem.open_input_file(path) as handle:
            metadata = pq.ParquetFile(handle).metadata
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(where, error) from error
    if metadata.num_rows != num_rows:
        raise MarketDataError(
            f"{where} must have the {num_rows:,} rows that its manifest states; has "
            f"{metadata.num_rows:,}."
        )
    groups = _groups(metadata, start_ns, end_ns)
    sizes = [metadata.row_group(index).num_rows for index in range(groups.stop)]
    first = sum(sizes[: groups.start])
    return Stretch(path, where, metadata, groups, first, sum(sizes) - first)


def read_stretches(place: Place, stretches: Sequence[Stretch]) -> Columns:
    """Read stretches one behind the other.

    Returns:
        Arrays ``[n]`` by name, with the types of `COLUMNS`.

    Raises:
        FileNotFoundError: A file is not there any more.
        MarketDataError: A file cannot be read; of several the first one is told.
    """
    import pyarrow as pa

    columns = new_columns(sum(stretch.rows for stretch in stretches))
    pieces = deque(_pieces(stretches))
    filesystem = place.filesystem
    # One for each core that Arrow may use; afar, as many as may wait for an answer.
    most = pa.cpu_count() if _is_local(filesystem) else pa.io_thread_count()
    # This thread takes part: where no core is free, others would begin late.
    helpers = min(most, len(pieces)) - 1
    with ExitStack() as running:
        asked = []
        if helpers > 0:
            pool = running.enter_context(ThreadPoolExecutor(helpers, "seq_gym-book"))
            asked = [pool.submit(_read, filesystem, pieces, columns) for _ in range(helpers)]
        faults = [_read(filesystem, pieces, columns), *(each.result() for each in asked)]
    found = [fault for fault in faults if fault is not None]
    if found:
        # Pieces are taken in their order: the first that is at fault was tried, whoever took it.
        raise min(found, key=lambda fault: fault[0])[1]
    return columns


def _pieces(stretches: Sequence[Stretch]) -> Iterator[_Piece]:
    at = 0
    for stretch in stretches:
        for group in stretch.groups:
            end = at + stretch.metadata.row_group(group).num_rows
            yield _Piece(stretch, group, at, end)
            at = end


def _is_local(filesystem: Any) -> bool:
    name: str = filesystem.base_fs.type_name
    return name == "local"


def _read(filesystem: Any, pieces: deque[_Piece], columns: Columns) -> _Fault | None:
    """Take pieces until none is left; the work of a thread, which opens its files itself."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    is_local = _is_local(filesystem)
    path, file = "", None
    with ExitStack() as opened:
        for piece in _taken(pieces):
            stretch = piece.stretch
            try:
                if stretch.path != path:
                    opened.close()
                    handle = opened.enter_context(filesystem.open_input_file(stretch.path))
                    path, file = stretch.path, pq.ParquetFile(handle, metadata=stretch.metadata)
                _read_piece(file, piece, columns, is_local=is_local)
            except (FileNotFoundError, MarketDataError) as error:
                return piece.at, error
            except (pa.ArrowException, OSError) as error:
                return piece.at, _unreadable(stretch.where, error)
    return None


def _taken(pieces: deque[_Piece]) -> Iterator[_Piece]:
    """Take pieces that other threads take too, until none is left."""
    while True:
        try:
            piece = pieces.popleft()
        except IndexError:
            return
        yield piece


def _read_piece(file: Any, piece: _Piece, columns: Columns, *, is_local: bool) -> None:
    # Column by column what is decoded stays in the cache; afar that would ask for each by itself.
    for names in [[name] for name in COLUMNS] if is_local else [list(COLUMNS)]:
        table = file.read_row_group(piece.group, columns=names, use_threads=False)
        for name in names:
            columns[name][piece.at : piece.end] = _values(table, name, piece)


def _values(table: Any, name: str, piece: _Piece) -> npt.NDArray[np.integer[Any]]:
    where = piece.stretch.where
    if name not in table.column_names or table.column(name).null_count:
        raise MarketDataError(f"{where} must have a column {name} without empty rows.")
    values: npt.NDArray[np.integer[Any]] = table.column(name).to_numpy()
    if values.dtype != COLUMNS[name]:
        raise MarketDataError(
            f"{where}: {name} must be {COLUMNS[name].__name__}; was {values.dtype}."
        )
    if len(values) != piece.end - piece.at:
        raise MarketDataError(
            f"{where}: row group {piece.group} must have the {piece.end - piece.at:,} rows that "
            f"its footer states; has {len(values):,}."
        )
    return values


def _groups(metadata: Any, start_ns: int | None, end_ns: int | None) -> range:
    """Return the row groups from the first that is wanted to the last."""
    wanted = [
        index
        for index in range(metadata.num_row_groups)
        if _is_wanted(metadata.row_group(index), start_ns, end_ns)
    ]
    return range(wanted[0], wanted[-1] + 1) if wanted else range(0)


def _is_wanted(group: Any, start_ns: int | None, end_ns: int | None) -> bool:
    if start_ns is None and end_ns is None:
        return True
    clocks = [group.column(index).statistics for index in range(group.num_columns)][:2]
    if any(each is None or not each.has_min_max for each in clocks):
        return True
    late = start_ns is None or any(each.max >= start_ns for each in clocks)
    # A row that is not on a clock stands there as -1: such a group is read whatever else it holds.
    return late and (end_ns is None or any(each.min < end_ns for each in clocks))


def _unreadable(where: str, error: Exception) -> MarketDataError:
    line = str(error).partition("\n")[0]
    fault = MarketDataError(f"{where} cannot be read as Parquet: {line}")
    fault.__cause__ = error
    return fault
