"""Stream Parquet, Feather and Arrow: typed columns, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import polars as pl

from seq_gym.errors import MarketDataError
from seq_gym.market.importers.containers import Content, Part
from seq_gym.market.importers.tables import MAX_CHUNK_ROWS, Batch, number_rows

__all__ = ["ArrowSample", "read_arrow", "sample_arrow", "values_of"]

_SAMPLE_ROWS = 500
_BATCH_ROWS = MAX_CHUNK_ROWS // 4


class ArrowSample(NamedTuple):
    """Names and first values of a typed table."""

    names: Sequence[str]
    rows: pl.DataFrame


def sample_arrow(part: Part, content: Content) -> ArrowSample:
    """Look at the names and the first rows.

    Raises:
        MarketDataError: The file cannot be read, or has no rows.
    """
    names = _names(part, content)
    first = next(iter(_frames(part, content, None)), None)
    if first is None or first.is_empty():
        raise MarketDataError(f"{part.name} must have rows; has none.")
    return ArrowSample(names, first.head(_SAMPLE_ROWS))


def values_of(sample: ArrowSample) -> dict[str, list[object]]:
    """Return the first numbers and texts by column; nothing of columns of another type."""
    plain = {
        name: column
        for name, column in zip(sample.names, sample.rows.get_columns(), strict=True)
        if column.dtype.is_numeric() or column.dtype == pl.String
    }
    return {name: column.to_list() for name, column in plain.items()}


def read_arrow(part: Part, content: Content, wanted: Sequence[str]) -> Iterator[Batch]:
    """Read the rows in batches; their numbers count from 0."""
    first = 0
    total = max(_num_rows(part, content), 1)
    for rows in _frames(part, content, wanted):
        numbers = number_rows(first, len(rows))
        first += len(rows)
        yield Batch(rows, numbers, min(part.num_bytes * first // total, part.num_bytes), {})


def _frames(part: Part, content: Content, wanted: Sequence[str] | None) -> Iterator[pl.DataFrame]:
    batches = _guarded(part, lambda: iter(_batches(part, content, wanted)))
    while (batch := _guarded(part, lambda: next(batches, None))) is not None:
        for start in range(0, batch.num_rows, MAX_CHUNK_ROWS):
            piece = batch.slice(start, MAX_CHUNK_ROWS)
            yield _guarded(part, lambda: _to_polars(piece))  # noqa: B023


def _to_polars(batch: Any) -> pl.DataFrame:
    # A damaged offset would be read beyond the end of its buffer.
    batch.validate(full=True)
    frame = pl.from_arrow(batch)
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("rows must be records")
    return frame


def _batches(part: Part, content: Content, wanted: Sequence[str] | None) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = None if wanted is None else list(wanted)
    if content == "parquet":
        with pq.ParquetFile(part.path) as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS, columns=names)
        return
    with pa.memory_map(str(part.path)) as source:
        if content == "arrow stream":
            for batch in pa.ipc.open_stream(source):
                yield batch if names is None else batch.select(names)
            return
        file = pa.ipc.open_file(source)
        for index in range(file.num_record_batches):
            batch = file.get_batch(index)
            yield batch if names is None else batch.select(names)


def _names(part: Part, content: Content) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def names() -> list[str]:
        if content == "parquet":
            return list(pq.read_schema(part.path).names)
        with pa.memory_map(str(part.path)) as source:
            opened = pa.ipc.open_stream if content == "arrow stream" else pa.ipc.open_file
            return list(opened(source).schema.names)

    found: list[str] = _guarded(part, names)
    if len(set(found)) < len(found):
        raise MarketDataError(f"{part.name} must have columns of different names; has {found}.")
    return found


def _num_rows(part: Part, content: Content) -> int:
    import pyarrow.parquet as pq

    if content != "parquet":
        return 0
    return int(_guarded(part, lambda: pq.read_metadata(part.path).num_rows))


def _guarded(part: Part, read: Callable[[], Any]) -> Any:
    """Say in the words of the house that a file cannot be read."""
    import pyarrow as pa

    # ValueError: Arrow's own, and names that are not UTF-8.
    faults = (pa.ArrowException, OSError, TypeError, ValueError, pl.exceptions.PolarsError)
    try:
        return read()
    except faults as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise MarketDataError(
            f"{part.name} cannot be read: {reason:.200}. Is it cut off or broken?"
        ) from error
