"""The manifest: the one file that says what a table holds. Readers read only what it names.

Source: design.md, "The data store".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from seq_gym.errors import MarketDataError
from seq_gym.market.store.layout import TableKey
from seq_gym.times import format_time, parse_time

__all__ = ["MANIFEST_NAME", "Manifest", "Part"]

MANIFEST_NAME: Final = "_manifest.json"
_FORMAT: Final = 1
_MOST_REPORTS: Final = 200
"""Reports of imports that are kept, the newest: a table that grows daily must not grow slower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Parquet file of a table: a month, or a year of funding rates."""

    stem: str
    """What it covers, such as "2025-05"."""
    file: str
    """Its name in the table's folder."""
    rows: int
    """Number of rows."""
    num_bytes: int
    """Size of the file."""
    first_ns: int
    """First time, UNIX nanoseconds."""
    last_ns: int
    """Last time."""
    fingerprint: str
    """Hash of its content."""
    has_volume: bool | None
    """Its source states volume; False = always 0, None = it has no such column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a table holds, committed at once."""

    key: TableKey
    """The table."""
    parts: tuple[Part, ...] = ()
    """Its files, in time order."""
    extra: tuple[str, ...] = ()
    """Custom columns, by name."""
    reports: tuple[Mapping[str, Any], ...] = ()
    """Quality reports of the imports that changed it, the oldest first."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)

    @property
    def has_volume(self) -> bool:
        """The source states volume (C6)."""
        return any(bool(part.has_volume) for part in self.parts)

    @property
    def first_ns(self) -> int:
        """First time of the table."""
        return self.parts[0].first_ns

    @property
    def last_ns(self) -> int:
        """Last time of the table."""
        return self.parts[-1].last_ns

    @property
    def end_ns(self) -> int:
        """Close time of the last candle; the last stamp of funding rates."""
        return self.last_ns + (self.key.interval_ns or 0)

    @property
    def fingerprint(self) -> str:
        """SHA-256, hex, of all content: the same data, the same name."""
        key = self.key
        named = repr((key.kind, key.symbol, key.venue, key.interval_ns, self.has_volume))
        parts = "".join(f"{part.stem} {part.fingerprint}\n" for part in self.parts)
        return hashlib.sha256(f"{named}\n{parts}".encode()).hexdigest()

    def with_report(self, report: Mapping[str, Any]) -> Manifest:
        """Return the manifest with one more report; a source that comes again replaces its own."""
        others = [each for each in self.reports if each.get("source") != report.get("source")]
        return replace(self, reports=(*others, report)[-_MOST_REPORTS:])

    def to_json(self) -> bytes:
        """Write the manifest; the same content gives the same bytes."""
        key = self.key
        document = {
            "format": _FORMAT,
            "kind": key.kind,
            "symbol": key.symbol,
            "venue": key.venue,
            "interval": key.interval,
            "rows": self.rows,
            "first": format_time(self.first_ns),
            "last": format_time(self.last_ns),
            "has_volume": self.has_volume,
            "extra": list(self.extra),
            "fingerprint": self.fingerprint,
            "parts": [_part_to_dict(part) for part in self.parts],
            "imports": [dict(report) for report in self.reports],
        }
        return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, key: TableKey, text: bytes, where: str) -> Manifest:
        """Read a manifest.

        Args:
            key: The table whose folder it lies in.
            text: The file.
            where: Names it in messages.

        Raises:
            MarketDataError: It is no manifest, or that of another table.
        """
        try:
            document = json.loads(text)
            found = cls(
                key=key,
                parts=tuple(_part_of_dict(part) for part in document["parts"]),
                extra=tuple(document["extra"]),
                reports=tuple(document["imports"]),
            )
            names = (document["kind"], document["symbol"], document["venue"], document["interval"])
            version, fingerprint = document["format"], document["fingerprint"]
        except (ValueError, KeyError, TypeError) as error:
            raise _broken(where, f"cannot be read ({error!r})") from error
        if version != _FORMAT:
            raise MarketDataError(
                f"{where} must be of format {_FORMAT}; was {version!r}. A newer seq_gym wrote it: "
                "upgrade."
            )
        if names != (key.kind, key.symbol, key.venue, key.interval):
            raise _broken(where, f"names another table, {names}")
        if not found.parts or fingerprint != found.fingerprint:
            raise _broken(where, "has been edited: its fingerprint does not fit its parts")
        return found


def _part_to_dict(part: Part) -> dict[str, Any]:
    return {
        "stem": part.stem,
        "file": part.file,
        "rows": part.rows,
        "bytes": part.num_bytes,
        "first": format_time(part.first_ns),
        "last": format_time(part.last_ns),
        "fingerprint": part.fingerprint,
        "has_volume": part.has_volume,
    }


def _part_of_dict(document: Mapping[str, Any]) -> Part:
    return Part(
        stem=str(document["stem"]),
        file=str(document["file"]),
        rows=int(document["rows"]),
        num_bytes=int(document["bytes"]),
        first_ns=parse_time(document["first"]),
        last_ns=parse_time(document["last"]),
        fingerprint=str(document["fingerprint"]),
        has_volume=document["has_volume"],
    )


def _broken(where: str, what: str) -> MarketDataError:
    return MarketDataError(
        f"{where} must be the manifest that an import wrote; it {what}. "
        "Likely fix: import the files of this table again into an empty folder."
    )
