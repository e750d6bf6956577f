"""What the commands print: a text for people, a document for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from seq_gym.console import TextTable, render
from seq_gym.market.candles import Gap
from seq_gym.market.download import Download
from seq_gym.market.store import Coverage, ImportReport, Store, TableInfo, TableKey
from seq_gym.times import format_time

__all__ = [
    "coverage_document",
    "coverage_text",
    "download_document",
    "download_text",
    "import_document",
    "import_text",
    "list_document",
    "list_text",
]

_SHOWN: Final = 20
"""Gaps and files that are listed one by one; a document has all of them."""
_SHORT: Final = 12
"""Digits of a fingerprint in a table."""


# ---------------------------------------------------------------------------- import


def import_text(store: Store, reports: Sequence[ImportReport], *, is_quiet: bool) -> str:
    """Tell of each file what was found, and of each table what is new."""
    lines = []
    for report in reports:
        if not is_quiet:
            lines += [each.as_text() for each in report.quality]
        lines.append(_what_is_new(report))
    return "\n".join([*lines, f"Store: {store.place.name}"])


def import_document(store: Store, reports: Sequence[ImportReport]) -> dict[str, Any]:
    """Return the same, for programs."""
    return {
        "store": store.place.name,
        "tables": [
            {
                **_named(report.key),
                "rows": report.rows,
                "added": report.added,
                "changed": report.changed,
                "refused": report.refused,
                "is_changed": report.is_changed,
                "fingerprint": report.fingerprint,
                "sources": list(report.sources),
                "files": [each.as_dict() for each in report.quality],
            }
            for report in reports
        ],
    }


def _what_is_new(report: ImportReport) -> str:
    if not report.is_changed:
        told = f"nothing new, {report.rows:,} rows as before"
    else:
        told = f"{report.added:,} rows new, {report.rows:,} in all"
    if report.changed:
        told += f", {report.changed:,} replaced"
    if report.refused:
        told += f", {report.refused:,} lost to stored ones"
    return f"-> {report.key}: {told}; fingerprint {report.fingerprint[:_SHORT]}"


# ---------------------------------------------------------------------------- ls


def list_text(
    store: Store,
    tables: Sequence[TableInfo],
    covered: Mapping[TableKey, Coverage],
) -> str:
    """Return one row per table."""
    if not tables:
        return f"The store {store.place.name} holds nothing here."
    rows: list[tuple[str, ...]] = []
    for each in tables:
        found = covered.get(each.key)
        rows.append(
            (
                each.key.kind,
                each.key.symbol,
                each.key.venue,
                each.key.interval or "-",
                f"{each.rows:,}",
                format_time(each.first_ns),
                format_time(each.end_ns),
                "-" if found is None else f"{len(found.gaps):,}",
                _size(each.num_bytes),
                each.fingerprint[:_SHORT],
            )
        )
    header = "table symbol venue interval rows from to gaps size fingerprint"
    return render(TextTable(f"Store: {store.place.name}", tuple(header.split()), rows))


def list_document(
    store: Store,
    tables: Sequence[TableInfo],
    covered: Mapping[TableKey, Coverage],
) -> dict[str, Any]:
    """Return the same, for programs."""
    return {
        "store": store.place.name,
        "tables": [
            {
                **_named(each.key),
                "rows": each.rows,
                "from": format_time(each.first_ns),
                "to": format_time(each.end_ns),
                "gaps": len(covered[each.key].gaps) if each.key in covered else None,
                "missing": covered[each.key].missing if each.key in covered else None,
                "num_files": each.num_files,
                "num_bytes": each.num_bytes,
                "has_volume": each.has_volume,
                "extra": list(each.extra),
                "imports": list(each.imports),
                "fingerprint": each.fingerprint,
            }
            for each in tables
        ],
    }


def _size(num_bytes: int) -> str:
    size, unit = float(num_bytes), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


# ---------------------------------------------------------------------------- coverage


def coverage_text(store: Store, covered: Sequence[Coverage]) -> str:
    """Return a table of months for each table, and its gaps."""
    if not covered:
        return f"The store {store.place.name} holds nothing here."
    return "\n\n".join(_coverage_of(each) for each in covered)


def _coverage_of(each: Coverage) -> str:
    title = (
        f"{each.key}: {format_time(each.first_ns)} to {format_time(each.end_ns)}, "
        f"{each.rows:,} of {each.expected:,} candles ({_percent(each.density_frac)}), "
        f"gaps: {len(each.gaps):,}"
    )
    rows: list[tuple[str, ...]] = [
        (month, f"{there:,}", f"{wanted:,}", _percent(there / wanted if wanted else 0.0))
        for month, there, wanted in each.months
    ]
    lines = [render(TextTable(title, ("month", "candles", "of", "density"), rows))]
    longest = sorted(each.gaps, key=lambda gap: -gap.missing)[:_SHOWN]
    if longest:
        shown = "gaps" if len(longest) == len(each.gaps) else f"the {_SHOWN} longest gaps"
        lines.append(f"{shown}:")
    lines += [
        f"  {format_time(gap.from_ns)} to {format_time(gap.to_ns)}: {gap.missing:,} candles"
        for gap in sorted(longest, key=lambda gap: gap.from_ns)
    ]
    return "\n".join(lines)


def coverage_document(store: Store, covered: Sequence[Coverage]) -> dict[str, Any]:
    """Return the same with every gap, for programs."""
    return {
        "store": store.place.name,
        "tables": [
            {
                **_named(each.key),
                "from": format_time(each.first_ns),
                "to": format_time(each.end_ns),
                "rows": each.rows,
                "expected": each.expected,
                "missing": each.missing,
                "density_frac": each.density_frac,
                "months": [
                    {"month": month, "rows": there, "expected": wanted}
                    for month, there, wanted in each.months
                ],
                "gaps": [_gap(gap) for gap in each.gaps],
            }
            for each in covered
        ],
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"from": format_time(gap.from_ns), "to": format_time(gap.to_ns), "missing": gap.missing}


def _percent(fraction: float) -> str:
    # 99.99 % is not whole: only what is, is called so.
    return "100 %" if fraction == 1.0 else f"{min(100 * fraction, 99.99):.2f} %"


# ---------------------------------------------------------------------------- download


def download_text(store: Store, downloads: Sequence[Download]) -> str:
    """Tell what was asked for, what came, and what the source does not have."""
    lines = []
    for each in downloads:
        named = f"{each.kind} of {each.symbol} at {each.venue} from {each.source}"
        if not each.asked:
            lines.append(f"{named}: nothing to ask for, the store has it")
            continue
        lines.append(f"{named}: {each.received:,} rows, {each.added:,} of them new")
        lines += [
            f"  asked for {format_time(from_ns)} to {format_time(to_ns)}"
            for from_ns, to_ns in each.asked[:_SHOWN]
        ]
        lines += [f"  not there: {name}" for name in each.absent[:_SHOWN]]
        more = len(each.absent) - _SHOWN
        lines += [f"  not there: {more} more files"] if more > 0 else []
    return "\n".join([*lines, f"Store: {store.place.name}"])


def download_document(store: Store, downloads: Sequence[Download]) -> dict[str, Any]:
    """Return the same, for programs."""
    return {
        "store": store.place.name,
        "downloads": [
            {
                "source": each.source,
                "kind": each.kind,
                "symbol": each.symbol,
                "venue": each.venue,
                "asked": [
                    {"from": format_time(from_ns), "to": format_time(to_ns)}
                    for from_ns, to_ns in each.asked
                ],
                "received": each.received,
                "added": each.added,
                "absent": list(each.absent),
                "tables": import_document(store, each.reports[-1:])["tables"],
            }
            for each in downloads
        ],
    }


def _named(key: TableKey) -> dict[str, Any]:
    return {
        "kind": key.kind,
        "symbol": key.symbol,
        "venue": key.venue,
        "interval": key.interval,
    }
