"""What was found in candles: counts, gaps, notes, outliers; they add up, and say it as text.

Source: spec C7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias, get_args

from seq_gym.errors import UnknownName
from seq_gym.market.wording import counted
from seq_gym.times import format_interval, format_time

__all__ = [
    "SHOWN_ROWS",
    "Findings",
    "OnConflict",
    "Outlier",
    "QualityReport",
    "check_on_conflict",
]

OnConflict: TypeAlias = Literal["error", "first", "last"]
SHOWN_ROWS: Final = 10
"""Bad rows and outliers that a report shows; the rest is counted."""


def check_on_conflict(choice: str) -> None:
    """Refuse an unknown way to settle two statements of one time.

    Raises:
        UnknownName: It is none of error, first, last.
    """
    known = get_args(OnConflict)
    if choice not in known:
        raise UnknownName("on_conflict", choice, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlier:
    """A candle that stands out."""

    where: str
    """Source, symbol, line or row, time."""
    what: str
    """What stands out, with its value."""
    deviations: float
    """How many robust deviations or typical ranges it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found in some rows; findings of chunks, files and months add up."""

    rows: int = 0
    """Rows read, before anything was merged or dropped."""
    kept: int = 0
    """Candles that are left."""
    duplicates: int = 0
    """Rows that said again what another had said, merged."""
    conflicts: int = 0
    """Rows that said otherwise than another of their time, resolved as `on_conflict` says."""
    on_conflict: OnConflict = "error"
    dropped: int = 0
    """Rows left out because they break a rule or cannot be read."""
    bad_rows: Sequence[str] = ()
    """The first of them, with place and reason."""
    unfinished: int = 0
    """Last candles left out because they had not closed."""
    zero_volume: int = 0
    """Candles that state a volume of 0."""
    order: str = ""
    """Order of the rows as read: "ascending", "descending" or "mixed"; "" of fewer than two."""
    notes: Mapping[str, int] = field(default_factory=dict)
    """Facts counted while reading, such as {"epoch unit ms": 744}."""
    outliers: int = 0
    worst_outliers: Sequence[Outlier] = ()
    first_ns: int | None = None
    """Open time of the first candle, UNIX nanoseconds."""
    last_ns: int | None = None
    """Open time of the last candle, UNIX nanoseconds."""
    steps: Mapping[int, int] = field(default_factory=dict)
    """How often each difference of neighbouring open times occurs, by nanoseconds."""
    stated_interval_ns: int | None = None
    """Length of a candle, nanoseconds, where it was stated and need not be told by the steps."""

    @property
    def interval_ns(self) -> int | None:
        """Length of a candle, nanoseconds: as stated, or the mode of the differences; else None."""
        if self.stated_interval_ns is not None or not self.steps:
            return self.stated_interval_ns
        return max(self.steps, key=lambda step: (self.steps[step], -step))

    @property
    def gaps(self) -> int:
        """Stretches without a candle between the first and the last."""
        length = self.interval_ns or 0
        return sum(count for step, count in self.steps.items() if step > length)

    @property
    def missing(self) -> int:
        """Candles that these stretches are short of."""
        length = self.interval_ns or 1
        return sum((s // length - 1) * count for s, count in self.steps.items() if s > length)

    @property
    def max_gap_ns(self) -> int:
        """Longest way from one open time to the next, nanoseconds; 0 of fewer than two candles."""
        return max(self.steps, default=0)

    @property
    def units(self) -> Mapping[str, int]:
        """Rows by the unit of their epoch: s, ms, us, ns."""
        mark = "epoch unit "
        return {
            note.removeprefix(mark): count
            for note, count in self.notes.items()
            if note.startswith(mark)
        }

    @classmethod
    def of_reading(
        cls, notes: Mapping[str, int], bad_rows: Sequence[tuple[str, str]] = (), num_bad: int = 0
    ) -> Findings:
        """Return what a reader found before the rows were judged: the notes of a `Chunk`.

        Rows that could not be read count as rows, and as dropped.
        """
        shown = [f"{where}: {reason}" for where, reason in bad_rows][:SHOWN_ROWS]
        return cls(notes=dict(notes), bad_rows=shown, dropped=num_bad, rows=num_bad)

    def __add__(self, other: Findings) -> Findings:
        """Join findings of rows whose periods do not overlap; their order does not matter."""
        notes = dict(self.notes)
        for name, count in other.notes.items():
            notes[name] = notes.get(name, 0) + count
        worst = sorted((*self.worst_outliers, *other.worst_outliers), key=lambda o: -o.deviations)
        sums = (
            *("rows", "kept", "duplicates", "conflicts", "dropped", "unfinished", "zero_volume"),
            "outliers",
        )
        return Findings(
            **{name: getattr(self, name) + getattr(other, name) for name in sums},
            on_conflict=self.on_conflict if self.conflicts else other.on_conflict,
            bad_rows=[*self.bad_rows, *other.bad_rows][:SHOWN_ROWS],
            order=_joined_order(self.order, other.order),
            notes=notes,
            worst_outliers=worst[:SHOWN_ROWS],
            first_ns=min(
                (t for t in (self.first_ns, other.first_ns) if t is not None), default=None
            ),
            last_ns=max((t for t in (self.last_ns, other.last_ns) if t is not None), default=None),
            steps=_joined_steps(self, other),
            stated_interval_ns=self.stated_interval_ns or other.stated_interval_ns,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the findings as JSON can hold them; times are ISO 8601, lengths seconds."""
        plain = ("rows", "kept", "duplicates", "conflicts", "on_conflict", "dropped", "unfinished")
        return {name: getattr(self, name) for name in plain} | {
            "bad_rows": list(self.bad_rows),
            "zero_volume": self.zero_volume,
            "order": self.order,
            "interval": None if self.interval_ns is None else format_interval(self.interval_ns),
            "first": None if self.first_ns is None else format_time(self.first_ns),
            "last": None if self.last_ns is None else format_time(self.last_ns),
            "gaps": self.gaps,
            "missing": self.missing,
            "max_gap_s": self.max_gap_ns / 1e9,
            "units": dict(self.units),
            "notes": dict(self.notes),
            "outliers": self.outliers,
            "worst_outliers": [
                {each.name: getattr(outlier, each.name) for each in fields(outlier)}
                for outlier in self.worst_outliers
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """What an import found in one table: printed, and stored beside the data."""

    source: str
    """File, with the member of an archive."""
    symbol: str
    venue: str | None
    kind: str
    format: str
    findings: Findings

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        return named | {"findings": self.findings.as_dict()}

    def as_text(self) -> str:
        """Return the report as people read it, one fact a line."""
        found = self.findings
        venue = f" of {self.venue}" if self.venue else ""
        lines = [f"{self.source}: {self.kind} {self.symbol}{venue}, read as {self.format}"]
        if found.first_ns is not None and found.last_ns is not None:
            length = "" if found.interval_ns is None else f", {format_interval(found.interval_ns)}"
            lines.append(
                f"{counted(found.kept, 'row')}{length}, {format_time(found.first_ns)} to "
                f"{format_time(found.last_ns)}, {found.order or 'one row'}"
            )
        facts = {
            f"gaps: {found.gaps:,}, candles missing: {found.missing:,}, longest step "
            f"{found.max_gap_ns / 1e9:,.0f} s": found.gaps,
            f"identical rows, merged: {found.duplicates:,}": found.duplicates,
            f"conflicting rows, the {found.on_conflict} kept: {found.conflicts:,}": found.conflicts,
            f"bad rows, left out: {found.dropped:,}": found.dropped,
            f"unfinished candles, left out: {found.unfinished:,}": found.unfinished,
            f"candles without volume: {found.zero_volume:,}": found.zero_volume,
            **{f"{name}: {counted(count, 'row')}": count for name, count in found.notes.items()},
            f"outliers, kept: {found.outliers:,}": found.outliers,
        }
        lines += [fact for fact, count in facts.items() if count]
        lines += [f"  {outlier.where}: {outlier.what}" for outlier in found.worst_outliers[:3]]
        lines += [f"  {row}" for row in found.bad_rows]
        return "\n".join([lines[0], *(f"  {line}" for line in lines[1:])])


def _joined_order(first: str, second: str) -> str:
    if not first or not second or first == second:
        return first or second
    return "mixed"


def _joined_steps(first: Findings, second: Findings) -> dict[int, int]:
    steps = dict(first.steps)
    for step, count in second.steps.items():
        steps[step] = steps.get(step, 0) + count
    ends = sorted(
        (found.first_ns, found.last_ns)
        for found in (first, second)
        if found.first_ns is not None and found.last_ns is not None
    )
    if len(ends) == 2 and ends[1][0] > ends[0][1]:
        between = ends[1][0] - ends[0][1]
        steps[between] = steps.get(between, 0) + 1
    return steps
