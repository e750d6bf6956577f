"""Import files: open them, stage their rows, and commit them symbol by symbol.

Source: spec C7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from seq_gym.market.store.layout import Kind, TableKey
from seq_gym.market.store.place import Place
from seq_gym.market.store.reports import ImportReport
from seq_gym.market.store.staging import Staging
from seq_gym.market.store.writing import Writing, commit_funding, commit_staged

if TYPE_CHECKING:
    from seq_gym.market.funding import FundingRates
    from seq_gym.market.importers import FoundTable, ReadOptions

__all__ = ["UNKNOWN_VENUE", "import_files"]

UNKNOWN_VENUE = "unknown"
"""Venue of files that tell none."""


def import_files(
    place: Place, paths: Iterable[str | Path], options: ReadOptions, writing: Writing
) -> list[ImportReport]:
    """Import files; those of one symbol are one commit, and a file is taken whole or not at all.

    Every file is opened before the first is read, so that a name or a format that is wrong changes
    nothing.

    Raises:
        MarketDataError: A file is at fault; what it brings, and the files of the same symbol, are
            left out. The symbols before it have been committed.
        ConfigError: Something must be said about a file; the message tells how.

    Source: C7.
    """
    from seq_gym.market.importers import open_tables

    found = [table for path in paths for table in open_tables(path, options)]
    reader = _Reader(writing, sum(table.num_bytes for table in found))
    reports = []
    for group in _groups(found):
        candles = [table for table in group if table.kind != "funding"]
        if candles:
            with Staging(place) as staging:
                for table in candles:
                    reader.stage(table, staging)
                reports += commit_staged(place, staging, writing)
        for key, rates in reader.funding(group).items():
            reports.append(commit_funding(place, key, rates, writing))
    return reports


def _groups(found: Sequence[FoundTable]) -> list[list[FoundTable]]:
    """Put the tables of one symbol together; a file that names none, or several, stays whole."""
    symbols: dict[Path, set[str | None]] = {}
    for table in found:
        symbols.setdefault(table.path, set()).add(table.symbol)
    groups: dict[object, list[FoundTable]] = {}
    for table in found:
        named = symbols[table.path]
        one = next(iter(named)) if len(named) == 1 else None
        groups.setdefault(one or table.path, []).append(table)
    return list(groups.values())


class _Reader:
    """Reads tables, and tells how far it is."""

    def __init__(self, writing: Writing, num_bytes: int) -> None:
        self._writing = writing
        self._num_bytes = num_bytes
        self._before = 0
        self._rows = 0

    def stage(self, table: FoundTable, staging: Staging) -> None:
        """Read the rows of a table of candles or mark prices."""
        from seq_gym.market.importers import required_symbol
        from seq_gym.market.quality import Findings

        kind: Kind = "mark" if table.kind == "mark" else "candles"
        venue = table.venue or UNKNOWN_VENUE
        for chunk in table.chunks():
            symbol = required_symbol(table, chunk.columns)
            staged = staging.table(kind, symbol, venue, table.name)
            facts = Findings.of_reading(chunk.notes, chunk.bad_rows, chunk.num_bad)
            staged.facts = facts if staged.facts is None else staged.facts + facts
            staged.format, staged.modified_ns = table.format, _modified(table.path)
            staging.add(staged, chunk.columns.renamed(symbol))
            self._tell(table, chunk.bytes_read, len(chunk.columns.time_ns))
        self._before += table.num_bytes

    def funding(self, tables: Sequence[FoundTable]) -> dict[TableKey, list[FundingRates]]:
        """Read the tables of funding rates, by the table of the store that they belong to."""
        from seq_gym.market.importers import read_funding_table, required_symbol

        found: dict[TableKey, list[FundingRates]] = {}
        for table in tables:
            if table.kind != "funding":
                continue
            rates = read_funding_table(table)
            key = TableKey(
                kind="funding",
                symbol=required_symbol(table),
                venue=table.venue or UNKNOWN_VENUE,
            )
            found.setdefault(key, []).append(rates)
            self._tell(table, table.num_bytes, len(rates.time_ns))
            self._before += table.num_bytes
        return found

    def _tell(self, table: FoundTable, bytes_read: int, rows: int) -> None:
        self._rows += rows
        self._writing.tell(
            table.name, self._before + bytes_read, self._num_bytes, self._rows, "reading"
        )


def _modified(path: Path) -> int | None:
    """Return when a file was written: a candle that was open then is unfinished."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
