"""What recordings cover: the time, events per day, and what is missing, of each run and together.

Source: spec book.md (B10).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from seq_gym.market.book.store.covering import cover_runs
from seq_gym.market.book.store.manifest import BookManifest
from seq_gym.market.candles import Gap
from seq_gym.market.store.layout import TableKey

__all__ = ["BookCoverage", "CoveredRun", "cover_book"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredRun:
    """One recording."""

    source: str
    """File or recording it came from."""
    first_ns: int
    """First instant on either clock."""
    last_ns: int
    """Last instant."""
    rows: int
    """Levels, prints and the rest."""
    trades: int
    """Prints among them."""
    snapshots: int
    """Snapshots of the book."""
    losses: int
    """Places where the recorder lost messages."""
    losses_left: int
    """Those of them that no other recording fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCoverage:
    """What the store has of the book of one symbol at one venue."""

    key: TableKey
    """The table."""
    first_ns: int
    """First instant of any recording."""
    end_ns: int
    """Last instant of any recording."""
    covered_ns: int
    """Time that at least one recording covers."""
    rows: int
    """Rows of all recordings, also those that several have."""
    days: tuple[tuple[str, int], ...]
    """Dates (of exch_ts, UTC) and the rows of each."""
    gaps: tuple[Gap, ...]
    """Stretches between recordings, and losses that no other recording fills, in time order;
    `missing` is not known of them and 0."""
    runs: tuple[CoveredRun, ...]
    """The recordings, by their first instant."""

    @property
    def density_frac(self) -> float:
        """Share of the time from the first to the last instant that is covered."""
        whole = self.end_ns - self.first_ns
        return self.covered_ns / whole if whole else 1.0


def cover_book(manifest: BookManifest) -> BookCoverage:
    """Measure what recordings cover, from the manifest alone."""
    cover = cover_runs(manifest.runs)
    days: Counter[str] = Counter()
    for part in manifest.parts:
        days[part.date] += part.rows
    gaps, runs = [], []
    for run, dropped in zip(manifest.runs, cover.dropped, strict=True):
        filled = {first for first, _ in dropped}
        left = [loss for loss in run.losses if loss.row not in filled]
        gaps += [Gap(manifest.key.symbol, loss.from_ns, loss.to_ns, 0) for loss in left]
        runs.append(
            CoveredRun(
                source=run.source,
                first_ns=run.first_ns,
                last_ns=run.last_ns,
                rows=run.rows,
                trades=run.trades,
                snapshots=len(run.blocks),
                losses=len(run.losses),
                losses_left=len(left),
            )
        )
    holes, covered_ns = _covered([(run.first_ns, run.last_ns) for run in manifest.runs])
    gaps += [Gap(manifest.key.symbol, first, last, 0) for first, last in holes]
    return BookCoverage(
        key=manifest.key,
        first_ns=manifest.first_ns,
        end_ns=manifest.end_ns,
        covered_ns=covered_ns,
        rows=manifest.rows,
        days=tuple(sorted(days.items())),
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.from_ns, gap.to_ns))),
        runs=tuple(runs),
    )


def _covered(spans: list[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
    """Return the holes between spans, and the time that they cover."""
    holes: list[tuple[int, int]] = []
    ordered = sorted(spans)
    first, reached = ordered[0]
    covered = 0
    for start, end in ordered[1:]:
        if start > reached:
            holes.append((reached, start))
            covered += reached - first
            first = start
        reached = max(reached, end)
    return holes, covered + reached - first
