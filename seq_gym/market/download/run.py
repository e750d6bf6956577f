"""Bring what a store lacks from a source into the store, month by month.

A download that is cut short, by whatever, has stored whole months; the same call goes on from
there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from seq_gym.errors import ConfigError, DownloadError, MarketDataError
from seq_gym.market.columns import CandleColumns, IntArray
from seq_gym.market.download.source import CandleKind, Source, finished_before
from seq_gym.market.store import (
    ImportReport,
    OnConflict,
    OnProgress,
    OnWait,
    Progress,
    Store,
)
from seq_gym.times import (
    NS_PER_DAY,
    IntervalLike,
    TimeLike,
    format_time,
    parse_interval,
    parse_time,
)

__all__ = ["Download", "download", "missing_stretches"]

_MOST_ROWS: Final = 500_000
"""Rows that wait to be written, at most: a month of seconds has five times as many."""

Stretch = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What a download came to."""

    source: str
    """Whom it was asked of."""
    symbol: str
    """The venue's own spelling."""
    venue: str
    """Where it is traded."""
    kind: str
    """Candles, mark or funding."""
    asked: tuple[Stretch, ...]
    """What the store lacked: from and to, UNIX nanoseconds."""
    received: int
    """Rows that came."""
    reports: tuple[ImportReport, ...]
    """What became of them, write by write."""
    absent: tuple[str, ...]
    """What the source does not have."""

    @property
    def added(self) -> int:
        """Rows that the store did not hold."""
        return sum(report.added for report in self.reports)


@dataclass(slots=True, kw_only=True)
class _Job:
    """One download while it runs."""

    source: Source
    store: Store
    symbol: str
    kind: Literal["candles", "mark", "funding"]
    on_conflict: OnConflict
    now_ns: int
    progress: OnProgress | None
    on_wait: OnWait | None
    stored: int = 0
    received: int = 0
    reports: list[ImportReport] = field(default_factory=list)

    def held(self, start_ns: int, end_ns: int, interval_ns: int | None) -> IntArray:
        """Return the times of the period that the store has."""
        times = self.store.open_times(
            self.symbol,
            venue=self.source.venue,
            interval=interval_ns,
            kind=self.kind,
            start=start_ns,
            end=end_ns,
        )
        self.stored = len(times)
        return times

    def tell(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(
                Progress(
                    source=f"{self.source.name} {self.symbol}",
                    stage="downloading",
                    done=done,
                    total=total,
                    rows=self.received,
                )
            )

    def write(self, pages: list[CandleColumns], kind: CandleKind) -> None:
        if not pages:
            return
        self.reports += self.store.write_candles(
            pages,
            venue=self.source.venue,
            kind=kind,
            on_conflict=self.on_conflict,
            now_ns=self.now_ns,
            on_wait=self.on_wait,
        )


def download(
    source: Source,
    store: Store,
    symbol: str,
    *,
    interval: IntervalLike | None = "1m",
    start: TimeLike,
    end: TimeLike | None = None,
    kind: Literal["candles", "mark", "funding"] = "candles",
    on_conflict: OnConflict = "error",
    now_ns: Callable[[], int] = time.time_ns,
    progress: OnProgress | None = None,
    on_wait: OnWait | None = None,
) -> Download:
    """Bring the finished candles of a period into a store, as far as it has them not.

    Holes of less than a day between stored candles are taken as the venue's own and not asked for
    again.

    Args:
        source: Where they come from.
        store: Where they go.
        symbol: The symbol, in any spelling.
        interval: Length of a candle; not used for funding rates.
        start: First instant.
        end: Last instant; a date includes that day. None = now.
        kind: Candles, candles of the mark price, or funding rates.
        on_conflict: What counts where a candle differs from the stored one.
        now_ns: Tells the present, UNIX nanoseconds.
        progress: Is told where it stands, in candles.
        on_wait: Is told that another import holds the table.

    Raises:
        ConfigError: The source has no such symbol, interval or kind, or the period is empty.
        DownloadError: The source cannot be reached; whole months stay stored.
        MarketDataError: What came breaks a rule or disagrees with the store, or nothing is there.

    Source: C6, C7.
    """
    start_ns = parse_time(start)
    present_ns = now_ns()
    end_ns = present_ns if end is None else min(parse_time(end, end=True), present_ns)
    if start_ns >= end_ns:
        raise ConfigError(
            f"start must be before the end and before now; was {format_time(start_ns)}, with the "
            f"end at {format_time(end_ns)}."
        )
    before = len(source.absent)
    job = _Job(
        source=source,
        store=store,
        symbol=source.spelling(symbol),
        kind=kind,
        on_conflict=on_conflict,
        now_ns=present_ns,
        progress=progress,
        on_wait=on_wait,
    )
    if kind == "funding":
        asked = _bring_funding(job, start_ns, end_ns)
    else:
        asked = _bring_candles(job, parse_interval(interval or "1m"), start_ns, end_ns)
    if not job.received and not job.stored:
        raise MarketDataError(
            f"{source.name} must have {kind} of {job.symbol} from {format_time(start_ns)} to "
            f"{format_time(end_ns)}; it has none. Likely fix: another period or spelling."
        )
    return Download(
        source=source.name,
        symbol=job.symbol,
        venue=source.venue,
        kind=kind,
        asked=tuple(asked),
        received=job.received,
        reports=tuple(job.reports),
        absent=tuple(source.absent[before:]),
    )


def missing_stretches(
    times: IntArray, *, start_ns: int, end_ns: int, interval_ns: int
) -> list[Stretch]:
    """List what a period lacks: before, after, and holes of a day and more.

    Args:
        times: Open times that are there, sorted, within the period.
        start_ns: First open time of the period.
        end_ns: Its end, exclusive.
        interval_ns: Length of a candle.

    Returns:
        From and to of each stretch, in time order.

    >>> day = NS_PER_DAY
    >>> missing_stretches(np.array([2 * day, 6 * day]), start_ns=0, end_ns=7 * day, interval_ns=day)
    [(0, 172800000000000), (259200000000000, 518400000000000)]
    """
    starts = np.concatenate(([start_ns], times + interval_ns))
    ends = np.concatenate((times, [end_ns]))
    wanted = ends - starts >= NS_PER_DAY
    # What is older and younger than the stored ones is asked for, however short it is.
    wanted[[0, -1]] = (ends > starts)[[0, -1]]
    return [(int(a), int(b)) for a, b in zip(starts[wanted], ends[wanted], strict=True)]


def _bring_candles(job: _Job, interval_ns: int, start_ns: int, end_ns: int) -> list[Stretch]:
    start_ns += -start_ns % interval_ns
    end_ns = finished_before(end_ns, interval_ns, end_ns + NS_PER_DAY)
    if start_ns >= end_ns:
        return []
    times = job.held(start_ns, end_ns, interval_ns)
    asked = missing_stretches(times, start_ns=start_ns, end_ns=end_ns, interval_ns=interval_ns)
    total = sum(to_ns - from_ns for from_ns, to_ns in asked) // interval_ns
    before = 0
    for from_ns, to_ns in asked:
        for done_ns in _bring_stretch(job, interval_ns, from_ns, to_ns):
            job.tell(before + (done_ns - from_ns) // interval_ns, total)
        before += (to_ns - from_ns) // interval_ns
    return asked


def _bring_stretch(job: _Job, interval_ns: int, from_ns: int, to_ns: int) -> Iterator[int]:
    """Write the pages of a stretch; yield up to where it was read."""
    waiting: list[CandleColumns] = []
    kind: CandleKind = "mark" if job.kind == "mark" else "candles"
    read_ns = from_ns
    try:
        for page in job.source.pages(
            job.symbol, interval_ns=interval_ns, start_ns=from_ns, end_ns=to_ns, kind=kind
        ):
            if _is_time_to_write(waiting, page, to_ns):
                job.write(waiting, kind)
                waiting = []
            waiting.append(page)
            job.received += len(page.time_ns)
            read_ns = int(page.time_ns.max()) + interval_ns
            yield read_ns
    except (DownloadError, KeyboardInterrupt):
        if _may_end_at(read_ns, to_ns):
            job.write(waiting, kind)
        raise
    job.write(waiting, kind)


def _bring_funding(job: _Job, start_ns: int, end_ns: int) -> list[Stretch]:
    times = job.held(start_ns, end_ns, None)
    asked = missing_stretches(times, start_ns=start_ns, end_ns=end_ns, interval_ns=1)
    for from_ns, to_ns in asked:
        for rates in job.source.funding(job.symbol, start_ns=from_ns, end_ns=to_ns):
            report = job.store.write_funding(
                job.symbol,
                rates,
                venue=job.source.venue,
                on_conflict=job.on_conflict,
                on_wait=job.on_wait,
            )
            job.received += len(rates.time_ns)
            job.reports.append(report)
            job.tell(int(rates.time_ns.max()) - start_ns, end_ns - start_ns)
    return asked


def _is_time_to_write(waiting: list[CandleColumns], page: CandleColumns, to_ns: int) -> bool:
    if not waiting:
        return False
    is_full = sum(len(each.time_ns) for each in waiting) >= _MOST_ROWS
    months = np.array([waiting[0].time_ns[0], page.time_ns[0]]).astype("M8[ns]").astype("M8[M]")
    is_next_month = bool(months[0] != months[1])
    return (is_full or is_next_month) and _may_end_at(int(page.time_ns[0]), to_ns)


def _may_end_at(read_ns: int, to_ns: int) -> bool:
    """Tell whether what is left is long enough to be found missing by the next download."""
    return to_ns - read_ns >= NS_PER_DAY
