"""What several runs of one book cover together: which snapshots and gaps count, where nothing is.

Two recorders of one feed lose different messages, begin and end at different times, and take their
own snapshots. All of it is decided on the venue's clock, from what the manifest says of the runs:
so a window reads the same, however little of the store it touches.

Source: spec book.md (B8, B10); S3-51.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from seq_gym.market.book.store.runs import Block, BookRun, Lost
from seq_gym.times import NS_PER_S

__all__ = ["Cover", "Made", "cover_runs", "last_reset"]

_CLEAR: Final = 2
_GAP: Final = 4
_SEAM_NS: Final = NS_PER_S
"""A run without a snapshot that begins this soon after another ends goes on with it: recorders
begin new files."""


class Made(NamedTuple):
    """A row that no recorder wrote: the GAP after a run's end, the CLEAR before a later one."""

    kind: int
    exch_ts: int
    local_ts: int
    run: int
    """Index of the run it stands with."""
    row: int
    """It stands before this row of it."""


class Cover(NamedTuple):
    """How runs are put together."""

    dropped: tuple[tuple[tuple[int, int], ...], ...]
    """For each run the rows that say nothing, as [first, end): snapshots of a book that another run
    knows, and gaps that another run fills."""
    made: tuple[Made, ...]
    """Rows to be put in."""
    resets: tuple[tuple[int, ...], tuple[int, ...]]
    """On the venue's clock and on the recorder's, the instants that renew the whole book: what was
    before the last one does not matter any more."""


class _Stretch(NamedTuple):
    """A part of a run in which nothing was lost, on the venue's clock."""

    run: int
    first_ns: int
    last_ns: int
    known_ns: int | None
    """From its first snapshot on the book is known."""
    begins_run: bool
    """No gap of its run is before it."""

    def fills(self, from_ns: int, to_ns: int) -> bool:
        return self.first_ns <= from_ns and to_ns <= self.last_ns


def cover_runs(runs: Sequence[BookRun]) -> Cover:
    """Decide how runs of one book are put together.

    A gap counts unless another run, itself without a gap there, has what was lost; where another
    one knew the book anew before the loss was noticed, it stands there. A snapshot counts unless
    another run knew the book already: what it says may be older than what is known.
    Between two runs lies a gap of its own; the book of the second one begins anew.

    Args:
        runs: The runs, by their first instant.
    """
    stretches = [stretch for index, run in enumerate(runs) for stretch in _stretches(index, run)]
    dropped = []
    resets: list[Block | Made] = []
    gaps: set[Made] = set()
    for index, run in enumerate(runs):
        others = [each for each in stretches if each.run != index]
        filled = []
        for loss in run.losses:
            repaired = _repaired(loss, index, others)
            if repaired is not None:
                repaired = _first_known(loss, repaired, others)
            if repaired is not None and _is_unsaid(loss, repaired, others):
                gaps |= {
                    Made(_GAP, block.exch_ts, block.local_ts, repaired.run, block.row)
                    for block in _first_blocks(runs[repaired.run])
                }
            if repaired or any(each.fills(loss.from_ns, loss.to_ns) for each in others):
                filled.append((loss.row, loss.row + 1))
        known = [block for block in run.blocks if _is_known(block, index, others)]
        resets += [block for block in run.blocks if block.whole and block not in known]
        again = [(block.row, block.end_row) for block in known]
        dropped.append(tuple(sorted(filled + again)))
    made = [*_between(runs, stretches), *sorted(gaps)]
    resets += [each for each in made if each.kind == _CLEAR]
    venue = sorted(each.exch_ts for each in resets if each.exch_ts >= 0)
    local = sorted(each.local_ts for each in resets if each.local_ts >= 0)
    return Cover(tuple(dropped), tuple(made), (tuple(venue), tuple(local)))


def last_reset(runs: Sequence[BookRun], cover: Cover, start_ns: int) -> int | None:
    """Return from when on rows must be read to know the book at an instant; None = from the start.

    A halt that lasts is read too.
    """
    done = [bisect_left(instants, start_ns) for instants in cover.resets]
    if not all(done):
        return None
    reset = min(instants[at - 1] for instants, at in zip(cover.resets, done, strict=True))
    told = [
        (exch if exch >= 0 else local, is_open)
        for run in runs
        for exch, local, is_open in run.halts
        if max(exch, local) < start_ns
    ]
    if told:
        last, is_open = max(told)
        return reset if is_open else min(reset, last)
    return reset


def _first_blocks(run: BookRun) -> list[Block]:
    """Return the first snapshot, or the first on either clock where no one is on both."""
    venue = [block for block in run.blocks if block.exch_ts >= 0][:1]
    local = [block for block in run.blocks if block.local_ts >= 0][:1]
    return sorted({*venue, *local})


def _stretches(index: int, run: BookRun) -> list[_Stretch]:
    first, last = run.extent
    edges = [first, *(edge for loss in run.losses for edge in (loss.from_ns, loss.to_ns)), last]
    rows = [0, *(loss.row for loss in run.losses), run.rows]
    found = []
    for number in range(len(run.losses) + 1):
        blocks = [each for each in run.blocks if rows[number] <= each.row < rows[number + 1]]
        known = blocks[0].instant if blocks else None
        first, last = edges[2 * number], edges[2 * number + 1]
        found.append(_Stretch(index, first, last, known, not number))
    return found


def _is_known(block: Block, index: int, others: Sequence[_Stretch]) -> bool:
    """Tell whether another run knew the book before; of two at once the first one counts."""
    at = block.instant
    return any(
        each.known_ns is not None and each.fills(at, at) and (each.known_ns, each.run) < (at, index)
        for each in others
    )


def _repaired(loss: Lost, index: int, others: Sequence[_Stretch]) -> _Stretch | None:
    """Return the stretch of another run that knew the book anew before a loss was noticed."""
    found = [
        each
        for each in others
        if each.known_ns is not None
        and loss.from_ns < each.first_ns
        and loss.from_ns < each.known_ns
        and (each.known_ns, each.run) < (loss.to_ns, index)
        and each.fills(each.known_ns, loss.to_ns)
    ]
    return min(found, key=lambda each: (each.known_ns, each.run), default=None)


def _first_known(loss: Lost, repaired: _Stretch, others: Sequence[_Stretch]) -> _Stretch:
    """Return the stretch at whose snapshot the book is known anew after a loss.

    A run that takes over from another one's knowledge brings no news: its snapshot is left out.
    """
    while True:
        before = [
            each
            for each in others
            if each.known_ns is not None
            and repaired.known_ns is not None
            and loss.from_ns < each.first_ns
            and each.known_ns < repaired.known_ns
            and each.fills(repaired.known_ns, repaired.known_ns)
        ]
        if not before:
            return repaired
        repaired = min(before, key=lambda each: (each.known_ns, each.run))


def _is_unsaid(loss: Lost, repaired: _Stretch, others: Sequence[_Stretch]) -> bool:
    """Tell whether nothing else says what is lost before a stretch that a run begins with."""
    return repaired.begins_run and not any(
        each.fills(loss.from_ns, repaired.first_ns) for each in others if each.run != repaired.run
    )


def _between(runs: Sequence[BookRun], stretches: Sequence[_Stretch]) -> list[Made]:
    """Put a gap where one run ends before the next begins, and a CLEAR before what comes then."""
    made: list[Made] = []
    order = sorted(range(len(runs)), key=lambda index: runs[index].extent)
    last = order[0] if order else 0
    for index in order[1:]:
        run, before = runs[index], runs[last]
        hole_ns = run.extent[0] - before.extent[1]
        begins_anew = next(each for each in stretches if each.run == index).known_ns is not None
        if hole_ns > 0 and (begins_anew or hole_ns > _SEAM_NS):
            made.append(Made(_GAP, *_after(before), last, before.rows))
            made += [
                Made(_CLEAR, block.exch_ts, block.local_ts, index, block.row)
                for block in (_first_blocks(run) if begins_anew else ())
                if not block.whole
            ]
        if run.extent[1] >= before.extent[1]:
            last = index
    return made


def _after(run: BookRun) -> tuple[int, int]:
    """Return the instants after a run's last ones, the local one not before the other (B1)."""
    exch, local = (last + 1 if last >= 0 else -1 for last in (run.exch_ns[1], run.local_ns[1]))
    return exch, max(exch, local) if local >= 0 else -1
