"""What `import` and `download` print: a text for people, a document for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from seq_gym.data.listing import SHORT, SHOWN, named
from seq_gym.market.download import Download
from seq_gym.market.store import ImportReport, Store
from seq_gym.market.wording import counted
from seq_gym.times import format_time

__all__ = ["download_document", "download_text", "import_document", "import_text"]


# ---------------------------------------------------------------------------- import


def import_text(store: Store, reports: Sequence[ImportReport], *, is_quiet: bool) -> str:
    """Tell of each file what was found, and of each table what is new."""
    lines = []
    for report in reports:
        if not is_quiet:
            lines += [each.as_text() for each in (*report.quality, *report.recordings)]
        lines.append(_what_is_new(report))
    return "\n".join([*lines, f"Store: {store.place.name}"])


def import_document(store: Store, reports: Sequence[ImportReport]) -> dict[str, Any]:
    """Return the same, for programs."""
    return {
        "store": store.place.name,
        "tables": [
            {
                **named(report.key),
                "rows": report.rows,
                "added": report.added,
                "changed": report.changed,
                "refused": report.refused,
                "is_changed": report.is_changed,
                "fingerprint": report.fingerprint,
                "sources": list(report.sources),
                "files": [dict(each.as_dict()) for each in (*report.quality, *report.recordings)],
            }
            for report in reports
        ],
    }


def _what_is_new(report: ImportReport) -> str:
    if not report.is_changed:
        told = f"nothing new, {counted(report.rows, 'row')} as before"
    else:
        told = f"{counted(report.added, 'row')} new, {report.rows:,} in all"
    if report.changed:
        told += f", {report.changed:,} replaced"
    if report.refused:
        told += f", {report.refused:,} lost to stored ones"
    return f"-> {report.key}: {told}; fingerprint {report.fingerprint[:SHORT]}"


# ---------------------------------------------------------------------------- download


def download_text(store: Store, downloads: Sequence[Download]) -> str:
    """Tell what was asked for, what came, and what the source does not have."""
    lines = []
    for each in downloads:
        what = f"{each.kind} of {each.symbol} at {each.venue} from {each.source}"
        if not each.asked:
            lines.append(f"{what}: nothing to ask for, the store has it")
            continue
        lines.append(f"{what}: {counted(each.received, 'row')}, {each.added:,} of them new")
        lines += [
            f"  asked for {format_time(from_ns)} to {format_time(to_ns)}"
            for from_ns, to_ns in each.asked[:SHOWN]
        ]
        lines += [f"  not there: {name}" for name in each.absent[:SHOWN]]
        more = len(each.absent) - SHOWN
        lines += (
            [f"  not there: {more} more {'file' if more == 1 else 'files'}"] if more > 0 else []
        )
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
