"""Bring rows into the store: stage them, judge them month by month, commit their tables at once.

Source: spec C7; design.md, "The data store".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import CandleColumns
from seq_gym.market.findings import OnConflict, check_on_conflict
from seq_gym.market.funding import FundingRates
from seq_gym.market.quality import Findings, QualityReport, judge
from seq_gym.market.store.layout import Kind, TableKey, part_codes, part_stem
from seq_gym.market.store.merging import merge_rows
from seq_gym.market.store.place import OnWait, Place
from seq_gym.market.store.reports import ImportReport, OnProgress, Progress
from seq_gym.market.store.rows import Rows, rows_of_columns
from seq_gym.market.store.staging import Staged, Staging
from seq_gym.market.store.writer import TableWriter, write_table

__all__ = ["Writing", "commit_funding", "commit_staged", "write_columns"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How rows are brought into the store."""

    interval_ns: int | None = None
    """Length of a candle; None = what the rows tell."""
    on_conflict: OnConflict = "error"
    """Two values of one time, in the source or against the store: error, first or last."""
    drop_bad: bool = False
    """Leave out rows that break a rule, and count them."""
    now_ns: int | None = None
    """The time now: no candle may open later, and one that has not closed is left out."""
    progress: OnProgress | None = None
    """Is told where it stands."""
    on_wait: OnWait | None = None
    """Is told why it waits."""

    def __post_init__(self) -> None:
        check_on_conflict(self.on_conflict)

    def tell(self, source: str, done: int, total: int, rows: int, stage: str) -> None:
        """Pass progress on, if anyone listens."""
        if self.progress is not None:
            self.progress(Progress(source=source, stage=stage, done=done, total=total, rows=rows))


def commit_staged(place: Place, staging: Staging, writing: Writing) -> list[ImportReport]:
    """Judge and merge everything that was staged, then commit table after table.

    Nothing is visible before all of it has been judged and written.

    Args:
        place: The store.
        staging: The rows.
        writing: How.

    Raises:
        MarketDataError: A rule is broken, or rows disagree; the store stays as it was.

    Source: C7.
    """
    tables = _by_table(staging.tables, writing.interval_ns)
    total = sum(len(_months(staged)) for staged in tables.values())
    done = 0
    with ExitStack() as stack:
        written = []
        # In one order everywhere, so that two writers of the same tables cannot wait in a ring.
        for key in sorted(tables):
            writer = stack.enter_context(write_table(place, key, writing.on_wait))
            found: dict[int, Findings] = {}
            for month in _months(tables[key]):
                _merge_month(writer, tables[key], month, writing, found)
                done += 1
                writing.tell(str(key), done, total, writer.added, "writing")
            writer.finish()
            quality = tuple(_quality(staged, key, found) for staged in tables[key])
            written.append((writer, quality))
        return [
            _report(writer, quality, [report.as_dict() for report in quality])
            for writer, quality in written
        ]


def write_columns(
    place: Place,
    kind: Kind,
    tables: Iterable[CandleColumns],
    venue: str,
    writing: Writing,
) -> list[ImportReport]:
    """Stage chunks of candles or mark prices of one venue, and commit them.

    Raises:
        MarketDataError: A rule is broken, or rows disagree; the store stays as it was.
    """
    rows = 0
    with Staging(place) as staging:
        for columns in tables:
            staged = staging.table(kind, columns.symbol, venue, columns.source)
            staging.add(staged, columns)
            rows += len(columns.time_ns)
            writing.tell(columns.source, 0, 0, rows, "reading")
        return commit_staged(place, staging, writing)


def commit_funding(
    place: Place, key: TableKey, tables: Sequence[FundingRates], writing: Writing
) -> ImportReport:
    """Merge funding rates, from one or several sources, into their table and commit it.

    Raises:
        MarketDataError: A rate is not finite, or one stamp has two rates; names the row.

    Source: M5, C7.
    """
    merged: Rows | None = None
    for rates in tables:
        merged = merge_rows(
            merged, _clean_rates(rates, writing.on_conflict), writing.on_conflict
        ).rows
    with write_table(place, key, writing.on_wait) as writer:
        if merged is not None and len(merged):
            codes = part_codes(key, merged.times)
            for code in np.unique(codes):
                stem = part_stem(key, int(code))
                writer.merge(stem, merged.take(codes == code), writing.on_conflict)
        named = [{"source": rates.source, "rows": len(rates.time_ns)} for rates in tables]
        return _report(writer, (), named)


def _by_table(tables: Iterable[Staged], stated_ns: int | None) -> dict[TableKey, list[Staged]]:
    """Group what was staged by the tables of the store; lengths that cannot be told are shared."""
    filled = [staged for staged in tables if staged.rows]
    lengths = {id(staged): stated_ns or staged.interval() for staged in filled}
    grouped: dict[TableKey, list[Staged]] = {}
    for staged in filled:
        length = lengths[id(staged)]
        if length is None:
            others = {
                lengths[id(other)]
                for other in filled
                if (other.kind, other.symbol, other.venue)
                == (staged.kind, staged.symbol, staged.venue)
            } - {None}
            length = others.pop() if len(others) == 1 else None
        if length is None:
            raise MarketDataError(
                f"{staged.source}, {staged.symbol}: a single candle does not tell its interval. "
                "Say interval='1m' (or its real length)."
            )
        key = TableKey(
            kind=staged.kind,
            symbol=staged.symbol,
            venue=staged.venue,
            interval_ns=length,
        )
        grouped.setdefault(key, []).append(staged)
    return grouped


def _months(tables: Sequence[Staged]) -> list[int]:
    return sorted({month for staged in tables for month in staged.pieces})


def _merge_month(
    writer: TableWriter,
    tables: Sequence[Staged],
    month: int,
    writing: Writing,
    found: dict[int, Findings],
) -> None:
    """Judge the rows of a month, source after source, and merge them into the table."""
    key = writer.key
    merged: Rows | None = None
    for staged in tables:
        if month not in staged.pieces:
            continue
        columns = replace(staged.read(month), interval_ns=key.interval_ns)
        judged, findings = judge(
            columns,
            on_conflict=writing.on_conflict,
            drop_bad=writing.drop_bad,
            now_ns=writing.now_ns,
            modified_ns=staged.modified_ns,
        )
        held = found.get(id(staged), staged.facts)
        found[id(staged)] = findings if held is None else held + findings
        if len(judged.time_ns):
            rows = rows_of_columns(judged, key.kind)
            merged = merge_rows(merged, rows, writing.on_conflict).rows
    if merged is not None:
        writer.merge(part_stem(key, month), merged, writing.on_conflict)


def _quality(staged: Staged, key: TableKey, found: Mapping[int, Findings]) -> QualityReport:
    return QualityReport(
        source=staged.source,
        symbol=key.symbol,
        venue=key.venue,
        kind=key.kind,
        format=staged.format,
        findings=found.get(id(staged), Findings()),
    )


def _clean_rates(rates: FundingRates, on_conflict: OnConflict) -> Rows:
    order = np.argsort(rates.time_ns, kind="stable")
    rows = Rows(
        times=rates.time_ns[order],
        values={"rate": np.asarray(rates.rate, np.float64)[order]},
        source=rates.source,
        row_numbers=order.astype(np.int64),
    )
    broken = ~np.isfinite(rows.values["rate"])
    if broken.any():
        row = int(np.argmax(broken))
        raise MarketDataError(
            f"{rows.where(row)}: a funding rate must be finite; was {rows.values['rate'][row]!r}."
        )
    again = np.concatenate(([False], rows.times[1:] == rows.times[:-1]))
    differ = again & (rows.values["rate"] != np.roll(rows.values["rate"], 1))
    if on_conflict == "last":
        return rows.take(~np.append(again[1:], False)) if len(again) else rows
    if differ.any() and on_conflict == "error":
        row = int(np.argmax(differ))
        raise MarketDataError(
            f"{rows.where(row)}: a stamp must have one rate; was {rows.values['rate'][row]!r} "
            f"after {rows.values['rate'][row - 1]!r}. Say which of the two is kept: "
            "--on-conflict first|last."
        )
    return rows.take(~again)


def _report(
    writer: TableWriter, quality: tuple[QualityReport, ...], named: Sequence[Mapping[str, Any]]
) -> ImportReport:
    """Commit a table with the reports of its sources, and say what became of it."""
    is_changed = writer.is_changed
    manifest = writer.commit(named)
    return ImportReport(
        key=writer.key,
        sources=tuple(str(report["source"]) for report in named),
        quality=quality,
        rows=0 if manifest is None else manifest.rows,
        added=writer.added,
        changed=writer.changed,
        refused=writer.refused,
        is_changed=is_changed,
        fingerprint="" if manifest is None else manifest.fingerprint,
    )
