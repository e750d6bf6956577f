"""The manifest of a book: the one file that says which runs it has. Readers read what it names.

Source: design.md, "The data store".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from seq_gym.errors import MarketDataError
from seq_gym.market.book.store.runs import Block, BookPart, BookRun, Lost
from seq_gym.market.instruments import Instrument
from seq_gym.times import NS_PER_S, format_time

if TYPE_CHECKING:
    from seq_gym.market.store.layout import TableKey
    from seq_gym.market.store.place import Place

__all__ = ["BookManifest", "date_of", "read_book_manifest"]

_NAME: Final = "_manifest.json"
_FORMAT: Final = 1


def date_of(day: int) -> str:
    """Name a day, counted from 1970.

    >>> date_of(19_943)
    '2024-08-08'
    """
    return datetime.fromtimestamp(day * 86_400, UTC).strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True, kw_only=True)
class BookManifest:
    """What the store holds of one (venue, symbol), committed at once."""

    key: TableKey
    """The table."""
    runs: tuple[BookRun, ...] = ()
    """Its recordings, by their first instant."""

    @property
    def parts(self) -> tuple[BookPart, ...]:
        """All files."""
        return tuple(part for run in self.runs for part in run.parts)

    @property
    def rows(self) -> int:
        """Number of rows of all runs; where they overlap, a row counts in each."""
        return sum(run.rows for run in self.runs)

    @property
    def first_ns(self) -> int:
        """First instant on either clock."""
        return min(run.first_ns for run in self.runs)

    @property
    def end_ns(self) -> int:
        """Last instant on either clock."""
        return max(run.last_ns for run in self.runs)

    @property
    def has_volume(self) -> bool:
        """Books have no column of volume."""
        return False

    @property
    def extra(self) -> tuple[str, ...]:
        """Books have no custom columns."""
        return ()

    @property
    def reports(self) -> tuple[Mapping[str, Any], ...]:
        """What the imports found, in the order of the runs."""
        return tuple({"source": run.source, **run.report} for run in self.runs)

    @property
    def fingerprint(self) -> str:
        """SHA-256, hex, of all content: the same data, the same name."""
        named = repr((self.key.kind, self.key.symbol, self.key.venue))
        each = "".join(f"{run.id} {run.fingerprint}\n" for run in self.runs)
        return hashlib.sha256(f"{named}\n{each}".encode()).hexdigest()

    def run(self, name: str) -> BookRun | None:
        """Return the run of an id; None where there is none."""
        return next((run for run in self.runs if run.id == name), None)

    def with_run(self, run: BookRun) -> BookManifest:
        """Return the manifest with one more run, in the place of the one of its id."""
        others = [each for each in self.runs if each.id != run.id]
        ordered = sorted([*others, run], key=lambda each: (each.local_ns, each.exch_ns, each.id))
        return replace(self, runs=tuple(ordered))

    def to_json(self) -> bytes:
        """Write the manifest; the same content gives the same bytes."""
        document = {
            "format": _FORMAT,
            "kind": self.key.kind,
            "symbol": self.key.symbol,
            "venue": self.key.venue,
            "rows": self.rows,
            "first": format_time(self.first_ns // NS_PER_S * NS_PER_S),
            "last": format_time(self.end_ns // NS_PER_S * NS_PER_S),
            "fingerprint": self.fingerprint,
            "runs": [asdict(run) for run in self.runs],
        }
        return (json.dumps(document, allow_nan=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, key: TableKey, text: bytes, where: str) -> BookManifest:
        """Read a manifest.

        Raises:
            MarketDataError: It is no manifest, or that of another table.
        """
        try:
            document = json.loads(text)
            version, fingerprint = document["format"], document["fingerprint"]
            names = (document["kind"], document["symbol"], document["venue"])
            found = cls(key=key, runs=tuple(_run_of(each) for each in document["runs"]))
        except (ValueError, KeyError, TypeError) as error:
            raise _broken(where, f"cannot be read ({error!r})") from error
        if version != _FORMAT:
            raise MarketDataError(
                f"{where} must be of format {_FORMAT}; was {version!r}. A newer seq_gym wrote it: "
                "upgrade."
            )
        if names != (key.kind, key.symbol, key.venue):
            raise _broken(where, f"names another table, {names}")
        if not found.runs or fingerprint != found.fingerprint:
            raise _broken(where, "has been edited: its fingerprint does not fit its runs")
        return found


def read_book_manifest(place: Place, key: TableKey) -> BookManifest | None:
    """Read what a table holds; None where the store has no such book.

    Raises:
        MarketDataError: The manifest cannot be read.
    """
    path = f"{key.folder}/{_NAME}"
    data = place.read(path)
    return None if data is None else BookManifest.from_json(key, data, f"{place.name}/{path}")


def _run_of(document: Mapping[str, Any]) -> BookRun:
    known = {each.name for each in fields(Instrument)}
    named = {name: value for name, value in document["instrument"].items() if name in known}
    return BookRun(
        **{
            **document,
            "instrument": Instrument(**named),
            "exch_ns": tuple(document["exch_ns"]),
            "local_ns": tuple(document["local_ns"]),
            "blocks": tuple(Block(*each) for each in document["blocks"]),
            "losses": tuple(Lost(*each) for each in document["losses"]),
            "halts": tuple(tuple(each) for each in document["halts"]),
            "parts": tuple(_part_of(each) for each in document["parts"]),
        }
    )


def _part_of(document: Mapping[str, Any]) -> BookPart:
    return BookPart(
        **{
            **document,
            "exch_ns": tuple(document["exch_ns"]),
            "local_ns": tuple(document["local_ns"]),
            "spans": tuple((int(first), int(end)) for first, end in document["spans"]),
        }
    )


def _broken(where: str, what: str) -> MarketDataError:
    return MarketDataError(
        f"{where} must be the manifest that an import wrote; it {what}. "
        "Likely fix: import the recordings of this book again into an empty folder."
    )
