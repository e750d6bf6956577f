"""What `ls` and `coverage` print: the tables of a store, their density, their gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from seq_gym.console import TextTable, render
from seq_gym.market.candles import Gap
from seq_gym.market.store import Coverage, Store, TableInfo, TableKey
from seq_gym.market.wording import counted
from seq_gym.times import NS_PER_S, format_time

if TYPE_CHECKING:
    from seq_gym.market.book.store import BookCoverage

__all__ = [
    "SHORT",
    "SHOWN",
    "coverage_document",
    "coverage_text",
    "list_document",
    "list_text",
    "named",
]

SHOWN: Final = 20
"""Gaps and files that are listed one by one; a document has all of them."""
SHORT: Final = 12
"""Digits of a fingerprint in a table."""


# ---------------------------------------------------------------------------- ls


def list_text(
    store: Store,
    tables: Sequence[TableInfo],
    covered: Mapping[TableKey, Coverage | BookCoverage],
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
                each.fingerprint[:SHORT],
            )
        )
    header = "table symbol venue interval rows from to gaps size fingerprint"
    return render(TextTable(f"Store: {store.place.name}", tuple(header.split()), rows))


def list_document(
    store: Store,
    tables: Sequence[TableInfo],
    covered: Mapping[TableKey, Coverage | BookCoverage],
) -> dict[str, Any]:
    """Return the same, for programs."""
    return {
        "store": store.place.name,
        "tables": [
            {
                **named(each.key),
                "rows": each.rows,
                "from": format_time(each.first_ns),
                "to": format_time(each.end_ns),
                "gaps": len(covered[each.key].gaps) if each.key in covered else None,
                "missing": _missing(covered.get(each.key)),
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


def _missing(covered: Coverage | BookCoverage | None) -> int | None:
    """Return the number of candles that are not there; of a book it is not known."""
    return covered.missing if isinstance(covered, Coverage) else None


def _size(num_bytes: int) -> str:
    size, unit = float(num_bytes), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


# ---------------------------------------------------------------------------- coverage


def coverage_text(store: Store, covered: Sequence[Coverage], books: Sequence[BookCoverage]) -> str:
    """Return a table of months for each table, of days and recordings for each book, and gaps."""
    if not covered and not books:
        return f"The store {store.place.name} holds nothing here."
    told = [_coverage_of(each) for each in covered] + [_recorded(each) for each in books]
    return "\n\n".join(told)


def _coverage_of(each: Coverage) -> str:
    title = (
        f"{each.key}: {format_time(each.first_ns)} to {format_time(each.end_ns)}, "
        f"{each.rows:,} of {counted(each.expected, 'candle')} ({_percent(each.density_frac)}), "
        f"gaps: {len(each.gaps):,}"
    )
    rows: list[tuple[str, ...]] = [
        (month, f"{there:,}", f"{wanted:,}", _percent(there / wanted if wanted else 0.0))
        for month, there, wanted in each.months
    ]
    lines = [render(TextTable(title, ("month", "candles", "of", "density"), rows))]
    longest = sorted(each.gaps, key=lambda gap: -gap.missing)[:SHOWN]
    if longest:
        shown = "gaps" if len(longest) == len(each.gaps) else f"the {SHOWN} longest gaps"
        lines.append(f"{shown}:")
    lines += [
        f"  {format_time(gap.from_ns)} to {format_time(gap.to_ns)}: "
        f"{counted(gap.missing, 'candle')}"
        for gap in sorted(longest, key=lambda gap: gap.from_ns)
    ]
    return "\n".join(lines)


def _recorded(each: BookCoverage) -> str:
    """Tell of a book: the time covered, rows per day, and each recording with what it lost."""
    title = (
        f"{each.key}: {format_time(each.first_ns)} to {format_time(each.end_ns)}, "
        f"{counted(each.rows, 'row')}, {each.covered_ns / NS_PER_S:,.1f} s covered "
        f"({_percent(each.density_frac)}), gaps: {len(each.gaps):,}"
    )
    days: list[tuple[str, ...]] = [(day, f"{rows:,}") for day, rows in each.days]
    runs: list[tuple[str, ...]] = [
        (
            run.source,
            format_time(run.first_ns),
            format_time(run.last_ns),
            *(f"{count:,}" for count in (run.rows, run.trades, run.snapshots, run.losses)),
            f"{run.losses_left:,}",
        )
        for run in each.runs
    ]
    header = ("recording", "from", "to", "rows", "trades", "snapshots", "gaps", "left")
    lines = [
        render(TextTable(title, ("date", "rows"), days)),
        render(TextTable("recordings", header, runs)),
    ]
    longest = sorted(each.gaps, key=lambda gap: gap.from_ns - gap.to_ns)[:SHOWN]
    if longest:
        shown = "gaps" if len(longest) == len(each.gaps) else f"the {SHOWN} longest gaps"
        lines.append(f"{shown}:")
    lines += [
        f"  {format_time(gap.from_ns)} to {format_time(gap.to_ns)}: "
        f"{(gap.to_ns - gap.from_ns) / NS_PER_S:,.3f} s"
        for gap in sorted(longest, key=lambda gap: gap.from_ns)
    ]
    return "\n".join(lines)


def coverage_document(
    store: Store, covered: Sequence[Coverage], books: Sequence[BookCoverage]
) -> dict[str, Any]:
    """Return the same with every gap, for programs."""
    return {
        "store": store.place.name,
        "books": [_book_document(each) for each in books],
        "tables": [
            {
                **named(each.key),
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


def _book_document(each: BookCoverage) -> dict[str, Any]:
    return {
        **named(each.key),
        "from": format_time(each.first_ns),
        "to": format_time(each.end_ns),
        "covered_seconds": each.covered_ns / NS_PER_S,
        "density_frac": each.density_frac,
        "rows": each.rows,
        "days": [{"date": day, "rows": rows} for day, rows in each.days],
        "gaps": [
            {"from": format_time(gap.from_ns), "to": format_time(gap.to_ns)} for gap in each.gaps
        ],
        "recordings": [
            {
                "source": run.source,
                "from": format_time(run.first_ns),
                "to": format_time(run.last_ns),
                "rows": run.rows,
                "trades": run.trades,
                "snapshots": run.snapshots,
                "gaps": run.losses,
                "gaps_left": run.losses_left,
            }
            for run in each.runs
        ],
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"from": format_time(gap.from_ns), "to": format_time(gap.to_ns), "missing": gap.missing}


def _percent(fraction: float) -> str:
    # 99.99 % is not whole: only what is, is called so.
    return "100 %" if fraction == 1.0 else f"{min(100 * fraction, 99.99):.2f} %"


def named(key: TableKey) -> dict[str, Any]:
    """Name a table in a document."""
    return {
        "kind": key.kind,
        "symbol": key.symbol,
        "venue": key.venue,
        "interval": key.interval,
    }
