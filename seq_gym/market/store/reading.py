"""Read a stretch of tables: one scan of the parts that hold it, into contiguous arrays.

A reader needs no lock: it reads the manifest, then the parts that it names. Where a writer replaced
one in between, it reads the new manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import CandleColumns
from seq_gym.market.funding import FundingRates
from seq_gym.market.mark import MarkPrices
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.manifest import Manifest, Part
from seq_gym.market.store.place import Place
from seq_gym.market.store.rows import Rows, columns_of_rows, decode, time_name, value_names
from seq_gym.market.store.table import read_manifest, repair_hint

__all__ = ["read_candles", "read_funding", "read_marks", "read_rows"]

_ATTEMPTS: Final = 5


def read_rows(
    place: Place,
    key: TableKey,
    *,
    start_ns: int | None = None,
    end_ns: int | None = None,
    extra: Sequence[str] | None = None,
    only_times: bool = False,
) -> tuple[Manifest, Rows] | None:
    """Read the rows of a table whose times lie in ``[start_ns, end_ns)``.

    Args:
        place: The store.
        key: The table.
        start_ns: First time; None = the table's.
        end_ns: First time that is not read; None = all.
        extra: Custom columns and number of trades to read; None = the custom ones.
        only_times: Read no values.

    Returns:
        The manifest and the rows; None where the table has none there, or is not there.

    Raises:
        MarketDataError: A part is not there or cannot be read.
    """
    for attempt in range(_ATTEMPTS):
        manifest = read_manifest(place, key)
        parts = [] if manifest is None else _between(manifest.parts, start_ns, end_ns)
        if manifest is None or not parts:
            return None
        names = [] if only_times else _names(manifest, extra)
        try:
            table = _scan(place, key, parts, names)
        except FileNotFoundError as error:
            # A writer replaced a part after its manifest was read: read the new one.
            if attempt + 1 < _ATTEMPTS:
                continue
            raise MarketDataError(
                f"{place.name}: the {key} must have the parts that its manifest names; {error}. "
                f"{repair_hint(key)}"
            ) from error
        rows = decode(key.kind, table, f"{place.name}/{key.folder}")
        if not (rows.times[1:] > rows.times[:-1]).all():
            raise MarketDataError(
                f"{place.name}: the {key} must stand in time order, each time once; they do not. "
                "See python -m seq_gym.data verify."
            )
        _refuse_other_rows(place, key, parts, rows)
        first = 0 if start_ns is None else int(np.searchsorted(rows.times, start_ns))
        last = len(rows) if end_ns is None else int(np.searchsorted(rows.times, end_ns))
        if first >= last:
            return None
        whole = (first, last) == (0, len(rows))
        return manifest, rows if whole else rows.take(slice(first, last))
    return None


def read_candles(
    place: Place,
    key: TableKey,
    start_ns: int | None = None,
    end_ns: int | None = None,
    extra: Sequence[str] | None = None,
) -> CandleColumns | None:
    """Read the candles of a table that open in ``[start_ns, end_ns)``; None where there is none."""
    found = read_rows(place, key, start_ns=start_ns, end_ns=end_ns, extra=extra)
    if found is None:
        return None
    manifest, rows = found
    return columns_of_rows(rows, key, has_volume=manifest.has_volume)


def read_funding(
    place: Place, key: TableKey, start_ns: int | None = None, end_ns: int | None = None
) -> FundingRates | None:
    """Read the funding rates stamped in ``[start_ns, end_ns)``; None where there is none."""
    found = read_rows(place, key, start_ns=start_ns, end_ns=end_ns)
    if found is None:
        return None
    rows = found[1]
    return FundingRates(rows.times, rows.values["rate"], rows.source)


def read_marks(
    place: Place, key: TableKey, start_ns: int | None = None, end_ns: int | None = None
) -> MarkPrices | None:
    """Read the closes of mark price candles that open in ``[start_ns, end_ns)``, if any."""
    found = read_rows(place, key, start_ns=start_ns, end_ns=end_ns)
    if found is None:
        return None
    rows = found[1]
    return MarkPrices(rows.times + (key.interval_ns or 0), rows.values["close"], rows.source)


def _refuse_other_rows(place: Place, key: TableKey, parts: Sequence[Part], rows: Rows) -> None:
    """Refuse parts that were replaced by hand, as far as counting tells."""
    stated = (sum(part.rows for part in parts), parts[0].first_ns, parts[-1].last_ns)
    there = (len(rows), *((int(rows.times[0]), int(rows.times[-1])) if len(rows) else (0, 0)))
    if stated != there:
        raise MarketDataError(
            f"{place.name}: the {key} must have the {stated[0]:,} rows that its manifest states; "
            f"has {there[0]:,}, or others. {repair_hint(key)}"
        )


def _between(parts: Sequence[Part], start_ns: int | None, end_ns: int | None) -> list[Part]:
    return [
        part
        for part in parts
        if (start_ns is None or part.last_ns >= start_ns)
        and (end_ns is None or part.first_ns < end_ns)
    ]


def _names(manifest: Manifest, extra: Sequence[str] | None) -> list[str]:
    names = value_names(manifest.key.kind, manifest.extra if extra is None else extra)
    return [name for name in names if name != "trades" or (extra is not None and name in extra)]


def _scan(place: Place, key: TableKey, parts: Sequence[Part], names: Sequence[str]) -> Any:
    """Read some columns of some parts, in their order."""
    import pyarrow as pa
    from pyarrow import dataset

    stamp = pa.field(time_name(key.kind), pa.timestamp("ns", "UTC"))
    schema = pa.schema([stamp, *(pa.field(name, pa.float64()) for name in names)])
    files = [f"{key.folder}/{part.file}" for part in parts]
    try:
        source = dataset.dataset(
            files, schema=schema, format="parquet", filesystem=place.filesystem
        )
        return source.to_table()
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError) as error:
        line = str(error).partition("\n")[0]
        raise MarketDataError(f"{place.name}: the {key} cannot be read: {line}") from error
