"""What a store covers: its tables, their gaps, and the range that can be replayed.

Source: spec C6, S1-02.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seq_gym.market.candles import Gap
from seq_gym.market.columns import IntArray
from seq_gym.market.store.layout import TableKey, part_codes
from seq_gym.market.store.manifest import Manifest
from seq_gym.market.store.place import Place
from seq_gym.market.store.reading import read_rows
from seq_gym.times import parse_interval

if TYPE_CHECKING:
    from seq_gym.market.book.store.manifest import BookManifest

__all__ = ["Coverage", "DataRange", "TableInfo", "cover_table", "data_range", "describe"]

_OFFERED = ("1m", "5m", "15m", "1h", "4h", "1d")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableInfo:
    """One table of a store."""

    key: TableKey
    """Kind, symbol, venue and interval."""
    rows: int
    """Number of candles, of stamps, or of rows of recordings."""
    first_ns: int
    """First open time, stamp, or instant of a book."""
    end_ns: int
    """Close time of the last candle, the last stamp, or the last instant of a book."""
    num_files: int
    """Parquet files."""
    num_bytes: int
    """Size of them."""
    has_volume: bool
    """The source states volume."""
    extra: tuple[str, ...]
    """Custom columns."""
    imports: tuple[str, ...]
    """Files and frames that brought something in, the oldest first."""
    fingerprint: str
    """Of the content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How densely a table covers its range."""

    key: TableKey
    """The table."""
    first_ns: int
    """First open time."""
    end_ns: int
    """Close time of the last candle."""
    rows: int
    """Candles that are there."""
    expected: int
    """Candles that would be there without gaps."""
    months: tuple[tuple[str, int, int], ...]
    """Month, candles there, and candles expected of it within the range."""
    gaps: tuple[Gap, ...]
    """Stretches without a candle, in time order."""

    @property
    def density_frac(self) -> float:
        """Share of the expected candles that are there."""
        return self.rows / self.expected

    @property
    def missing(self) -> int:
        """Number of candles that are not there."""
        return self.expected - self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRange:
    """What can be replayed from a store.

    Source: S1-02.
    """

    earliest_ns: int
    """Open time of the first candle."""
    latest_ns: int
    """Close time of the last candle."""
    symbols: tuple[str, ...]
    """Symbols with candles."""
    intervals: tuple[str, ...]
    """Intervals that sessions can have, the shortest first: those stored, and their multiples."""
    gaps: tuple[Gap, ...]
    """Stretches without a candle inside each symbol's range, by symbol and time."""


def describe(manifest: Manifest | BookManifest) -> TableInfo:
    """Say what a table is."""
    return TableInfo(
        key=manifest.key,
        rows=manifest.rows,
        first_ns=manifest.first_ns,
        end_ns=manifest.end_ns,
        num_files=len(manifest.parts),
        num_bytes=sum(part.num_bytes for part in manifest.parts),
        has_volume=manifest.has_volume,
        extra=manifest.extra,
        imports=tuple(str(report.get("source", "")) for report in manifest.reports),
        fingerprint=manifest.fingerprint,
    )


def cover_table(place: Place, manifest: Manifest) -> Coverage:
    """Measure how densely a table of candles or mark prices covers its range."""
    key, length = manifest.key, manifest.key.interval_ns or 1
    months = []
    for part in manifest.parts:
        # A month of the calendar, cut to the table's range.
        code = part_codes(key, np.array([part.first_ns]))[0]
        first, after = (
            int(np.datetime64(int(each), "M").astype("M8[ns]").astype(np.int64))
            for each in (code, code + 1)
        )
        first, after = max(first, manifest.first_ns), min(after, manifest.end_ns)
        months.append((part.stem, part.rows, -(-(after - first) // length)))
    return Coverage(
        key=key,
        first_ns=manifest.first_ns,
        end_ns=manifest.end_ns,
        rows=manifest.rows,
        expected=(manifest.end_ns - manifest.first_ns) // length,
        months=tuple(months),
        gaps=tuple(_gaps(key.symbol, _covered(place, manifest))),
    )


def data_range(place: Place, manifests: Sequence[Manifest]) -> DataRange:
    """Put the ranges and gaps of candle tables together.

    Args:
        place: The store.
        manifests: Its candle tables, at least one.
    """
    lengths = {manifest.key.interval_ns or 1 for manifest in manifests}
    offered = {parse_interval(name): name for name in _OFFERED}
    names = {each: name for each, name in offered.items() if any(each % n == 0 for n in lengths)}
    names |= {manifest.key.interval_ns or 1: str(manifest.key.interval) for manifest in manifests}
    symbols = sorted({manifest.key.symbol for manifest in manifests})
    gaps: list[Gap] = []
    for symbol in symbols:
        owned = [manifest for manifest in manifests if manifest.key.symbol == symbol]
        for venue in sorted({manifest.key.venue for manifest in owned}):
            covered = [
                _covered(place, manifest) for manifest in owned if manifest.key.venue == venue
            ]
            gaps += _gaps(symbol, np.concatenate(covered))
    return DataRange(
        earliest_ns=min(manifest.first_ns for manifest in manifests),
        latest_ns=max(manifest.end_ns for manifest in manifests),
        symbols=tuple(symbols),
        intervals=tuple(names[length] for length in sorted(names)),
        gaps=tuple(gaps),
    )


def _covered(place: Place, manifest: Manifest) -> IntArray:
    """Return the stretches that candles cover, ``[n, 3]``: start, end, length of a candle.

    Parts without a gap are known from the manifest; only of the others are the times read.
    """
    length = manifest.key.interval_ns or 1
    whole = all(part.last_ns - part.first_ns == (part.rows - 1) * length for part in manifest.parts)
    if whole:
        return np.array(
            [(part.first_ns, part.last_ns + length, length) for part in manifest.parts], np.int64
        )
    found = read_rows(place, manifest.key, only_times=True)
    times = np.zeros(0, np.int64) if found is None else found[1].times
    edges = np.flatnonzero(np.diff(times) != length)
    starts = times[np.concatenate(([0], edges + 1))]
    ends = times[np.concatenate((edges, [len(times) - 1]))] + length
    return np.stack((starts, ends, np.full(len(starts), length)), axis=1)


def _gaps(symbol: str, covered: IntArray) -> list[Gap]:
    """List what no stretch covers, between the first start and the last end."""
    ordered = covered[np.argsort(covered[:, 0], kind="stable")]
    reached = np.maximum.accumulate(ordered[:, 1])
    open_rows = np.flatnonzero(ordered[1:, 0] > reached[:-1])
    return [
        Gap(
            symbol,
            int(reached[row]),
            int(ordered[row + 1, 0]),
            int((ordered[row + 1, 0] - reached[row]) // ordered[row, 2]),
        )
        for row in open_rows
    ]
