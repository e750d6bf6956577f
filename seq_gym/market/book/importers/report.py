"""What was found in a recording: counts, gaps, checksums, the clock; it says it as text.

Source: spec book.md (B1, B10, Formats that are read).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from seq_gym.market.book.events import BookEvents
from seq_gym.market.wording import counted
from seq_gym.times import format_time

__all__ = ["Recording", "RecordingReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReport:
    """What a recording holds of one instrument."""

    sources: tuple[str, ...]
    """File names."""
    symbol: str
    venue: str
    format: str
    tick: str
    """Price step, as text, and where it comes from: stated, told or seen."""
    tick_from: str
    lot: str
    lot_from: str
    rows: int
    """Rows: levels, prints, clears and gaps."""
    trades: int
    depth_rows: int
    """Levels of differences; those of snapshots not counted."""
    snapshots: int
    snapshot_rows: int
    gaps: int
    """Places where messages are missing or a checksum broke: the book is stale from there."""
    gap_lines: tuple[str, ...] = ()
    """The first of them."""
    duplicates: int = 0
    """Messages that said again what another had said, left out."""
    checksums_verified: int = 0
    checksums_failed: int = 0
    least_latency_ns: int | None = None
    """Smallest local_ts - exch_ts of this instrument, as recorded; None: never both known."""
    clock_offset_ns: int | None = None
    """Smallest local_ts - exch_ts of the whole recording; below 0 the recorder was behind (B1)."""
    shift_applied_ns: int = 0
    """What was added to local_ts."""
    first_ns: int = 0
    """First instant on either clock, after the shift."""
    last_ns: int = 0
    notes: Mapping[str, int] = field(default_factory=dict)
    """Other facts counted, such as {"stamps raised": 3}."""
    ignored: Mapping[str, int] = field(default_factory=dict)
    """Messages of the recording that are not of a book or print, by what they are."""
    facts: str = ""
    """What the recording says of the instrument beside its steps."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it; times are ISO 8601."""
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return plain | {
            "sources": list(self.sources),
            "gap_lines": list(self.gap_lines),
            "notes": dict(self.notes),
            "ignored": dict(self.ignored),
            "first": format_time(self.first_ns),
            "last": format_time(self.last_ns),
        }

    def as_text(self) -> str:
        """Return the report as people read it, one fact a line."""
        seconds = (self.last_ns - self.first_ns) / 1e9
        rows, levels = counted(self.rows, "row"), counted(self.snapshot_rows, "level")
        facts = {
            f"{rows}, {format_time(self.first_ns)} to {format_time(self.last_ns)} "
            f"({seconds:,.1f} s)": 1,
            f"tick {self.tick} ({self.tick_from}), lot {self.lot} ({self.lot_from})": 1,
            f"levels changed: {self.depth_rows:,}, trades: {self.trades:,}": 1,
            f"snapshots: {self.snapshots:,} of {levels}": self.snapshots,
            f"gaps: {self.gaps:,}; the book is stale until the next snapshot": self.gaps,
            f"checksums verified: {self.checksums_verified:,}": self.checksums_verified,
            f"checksums broken: {self.checksums_failed:,}": self.checksums_failed,
            f"duplicates, left out: {self.duplicates:,}": self.duplicates,
            self._clock(): self.clock_offset_ns is not None,
            self.facts: len(self.facts),
            **{f"{name}: {count:,}": count for name, count in self.notes.items()},
            **{
                f"not read, {name}: {counted(count, 'message')}": count
                for name, count in self.ignored.items()
            },
        }
        lines = [fact for fact, count in facts.items() if count]
        head = f"{', '.join(self.sources)}: book of {self.symbol} at {self.venue}, {self.format}"
        return "\n".join([head, *(f"  {line}" for line in (*lines, *self.gap_lines))])

    def _clock(self) -> str:
        measured = (self.clock_offset_ns or 0) / 1e6
        applied = f", shifted by {self.shift_applied_ns:,} ns" if self.shift_applied_ns else ""
        return f"recorder's clock: least latency {measured:,.3f} ms{applied}"


class Recording(NamedTuple):
    """One instrument's book, and what was found while reading it."""

    events: BookEvents
    report: RecordingReport
