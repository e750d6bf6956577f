"""Judge candles by C7: merge, resolve, refuse or drop; and say what was found.

Outliers are reported, never dropped: a close that moved more than 10 robust deviations, or a range
of more than 10 typical ranges. A robust deviation is 1.4826 x the median of the moves that are not
zero, which a few bad prints cannot shift; a typical range is the same of log(high / low).

Source: spec C7.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import (
    CandleColumns,
    IntArray,
    broken_rules,
    disagree,
    mode_of_differences,
    obeys_rules,
    refuse_bad_values,
)
from seq_gym.market.findings import (
    SHOWN_ROWS,
    Findings,
    OnConflict,
    Outlier,
    QualityReport,
    check_on_conflict,
)
from seq_gym.times import NS_PER_DAY, format_interval, format_time

__all__ = ["Findings", "OnConflict", "Outlier", "QualityReport", "judge"]

_OUTLIER_DEVIATIONS: Final = 10.0
_MEDIAN_TO_DEVIATION: Final = 1.4826
"""Standard deviation of a normal variable over the median of its absolute value."""
_FEWEST_FOR_OUTLIERS: Final = 30


def judge(
    columns: CandleColumns,
    *,
    on_conflict: OnConflict = "error",
    drop_bad: bool = False,
    now_ns: int | None = None,
    modified_ns: int | None = None,
) -> tuple[CandleColumns, Findings]:
    """Make rows of one symbol sorted, unique and valid, and say what was found.

    Args:
        columns: Rows in the order of the source.
        on_conflict: What to do where rows of one time differ: refuse them, or keep the first or
            the last in the order of the source.
        drop_bad: Leave out rows that break a rule instead of refusing them.
        now_ns: The time now, UNIX nanoseconds. A last candle that closes later is unfinished, and
            no candle can open later. None = not looked at.
        modified_ns: When the file was written. A last candle whose span holds it is unfinished.
            None = not looked at.

    Returns:
        The candles, possibly none, and the findings.

    Raises:
        MarketDataError: A row breaks a rule, or two rows of one time differ; the message names
            the first with its line, and the option that resolves it.
        UnknownName: `on_conflict` is not one of the three.

    Source: C7.
    """
    check_on_conflict(on_conflict)
    good, bad_rows, dropped = _valid(columns, drop_bad, now_ns)
    unique, duplicates, conflicts = _unique(good, on_conflict)
    whole, off_rows, off_grid = _on_grid(unique, drop_bad)
    done = _finished(whole, now_ns, modified_ns)
    outliers, worst = _outliers(done)
    count = len(done.time_ns)
    return done, Findings(
        rows=len(columns.time_ns),
        kept=count,
        duplicates=duplicates,
        conflicts=conflicts,
        on_conflict=on_conflict,
        dropped=dropped + off_grid,
        bad_rows=[*bad_rows, *off_rows][:SHOWN_ROWS],
        unfinished=len(whole.time_ns) - count,
        zero_volume=0 if done.volume is None else int((done.volume == 0).sum()),
        order=_order(columns.time_ns),
        outliers=outliers,
        worst_outliers=worst,
        first_ns=int(done.time_ns[0]) if count else None,
        last_ns=int(done.time_ns[-1]) if count else None,
        steps=_steps(done.time_ns),
        stated_interval_ns=columns.interval_ns,
    )


# ---------------------------------------------------------------------- rules


def _valid(
    columns: CandleColumns, drop_bad: bool, now_ns: int | None
) -> tuple[CandleColumns, list[str], int]:
    """Refuse or leave out rows that break a rule of C7."""
    late = now_ns is not None and (columns.time_ns > now_ns + NS_PER_DAY).any()
    if not late and obeys_rules(columns):
        return columns, [], 0
    rules = broken_rules(columns)
    if now_ns is not None:
        # A day of grace: clocks and zones differ, and a wrong year is what is looked for.
        rules["open time must lie before now"] = columns.time_ns > now_ns + NS_PER_DAY
    broken = np.logical_or.reduce(list(rules.values()))
    if not drop_bad:
        refuse_bad_values(columns)
        row = int(np.argmax(broken))
        raise MarketDataError(
            f"{columns.where(row)}: open time must lie before now, {format_time(now_ns or 0)}. "
            "Correct the row, or leave it out with drop_bad=True (--drop-bad)."
        )
    shown = []
    for row in np.flatnonzero(broken)[:SHOWN_ROWS]:
        rule = next(rule for rule, rows in rules.items() if rows[row])
        was = ", ".join(f"{name} {float(values[row])}" for name, values in columns.values().items())
        shown.append(f"{columns.where(int(row))}: {rule}; was {was}")
    return columns.take(np.flatnonzero(~broken)), shown, int(broken.sum())


def _unique(columns: CandleColumns, on_conflict: OnConflict) -> tuple[CandleColumns, int, int]:
    """Sort by time; merge identical rows, and resolve or refuse those that differ."""
    times = columns.time_ns
    if (times[1:] > times[:-1]).all():
        return columns, 0, 0
    order = np.argsort(times, kind="stable")
    again = times[order][1:] == times[order][:-1]
    if not again.any():
        return columns.take(order), 0, 0
    # Rows of one time stand together, in the order of the source; the kept one is at an edge.
    first = np.flatnonzero(np.concatenate(([True], ~again)))
    sizes = np.diff(np.append(first, len(order)))
    kept = first + (sizes - 1 if on_conflict == "last" else 0)
    of_each = np.repeat(kept, sizes)
    differs = _differ(columns, order[of_each], order)
    if differs.any() and on_conflict == "error":
        at = int(np.argmax(differs))
        raise _conflict(columns, int(order[of_each[at]]), int(order[at]))
    conflicts = int(differs.sum())
    return columns.take(order[kept]), len(order) - len(kept) - conflicts, conflicts


def _differ(
    columns: CandleColumns, rows: npt.NDArray[np.intp], others: npt.NDArray[np.intp]
) -> npt.NDArray[np.bool_]:
    differ = np.zeros(len(rows), dtype=np.bool_)
    for values in columns.values().values():
        differ |= disagree(values[rows], values[others])
    return differ


def _conflict(columns: CandleColumns, first: int, second: int) -> MarketDataError:
    name, values = next(
        (name, values)
        for name, values in columns.values().items()
        if disagree(values[[first]], values[[second]])[0]
    )
    a, b = values[first], values[second]
    return MarketDataError(
        f"{columns.where(first)}: a candle must be stated once; was stated again in "
        f"{columns.where(second)} with {name} {float(b)} instead of {float(a)}. Say which of the "
        "two is kept: on_conflict='first' or 'last' (--on-conflict first|last)."
    )


def _on_grid(columns: CandleColumns, drop_bad: bool) -> tuple[CandleColumns, list[str], int]:
    """Refuse or leave out open times that are no multiple of the interval."""
    length = columns.interval_ns or mode_of_differences(columns.time_ns)
    if length is None:
        return columns, [], 0
    off = columns.time_ns % length != 0
    if not off.any():
        return columns, [], 0
    rule = f"an open time must be a multiple of the interval {format_interval(length)} in UTC"
    if not drop_bad or off.mean() > 0.5:
        row = int(np.argmax(off))
        raise MarketDataError(
            f"{columns.where(row)}: {rule}; was {format_time(int(columns.time_ns[row]))}. Is the "
            "time column a close time, or in another zone (--columns, --tz)? Single bad rows are "
            "left out with drop_bad=True (--drop-bad)."
        )
    shown = [f"{columns.where(int(row))}: {rule}" for row in np.flatnonzero(off)[:SHOWN_ROWS]]
    return columns.take(np.flatnonzero(~off)), shown, int(off.sum())


def _finished(columns: CandleColumns, now_ns: int | None, modified_ns: int | None) -> CandleColumns:
    """Leave out a last candle that had not closed."""
    length = columns.interval_ns or mode_of_differences(columns.time_ns)
    count = len(columns.time_ns)
    if length is None or not count:
        return columns
    opened = int(columns.time_ns[-1])
    unfinished = (now_ns is not None and opened + length > now_ns) or (
        modified_ns is not None and opened <= modified_ns < opened + length
    )
    return columns.take(np.arange(count - 1)) if unfinished else columns


# ---------------------------------------------------------------------- what stands out


def _order(times: IntArray) -> str:
    up, down = bool((times[1:] > times[:-1]).any()), bool((times[1:] < times[:-1]).any())
    if up and down:
        return "mixed"
    return "ascending" if up else "descending" if down else ""


def _steps(times: IntArray) -> dict[int, int]:
    steps, counts = np.unique(np.diff(times), return_counts=True)
    return {int(step): int(count) for step, count in zip(steps, counts, strict=True)}


def _outliers(columns: CandleColumns) -> tuple[int, list[Outlier]]:
    """Find candles whose close or range stands out; see the top of this file."""
    if len(columns.time_ns) < _FEWEST_FOR_OUTLIERS:
        return 0, []
    moves = np.zeros(len(columns.time_ns))
    moves[1:] = np.abs(np.log(columns.close[1:] / columns.close[:-1]))
    # A move over a gap took longer than a candle: it says nothing about a print.
    length = columns.interval_ns or mode_of_differences(columns.time_ns) or 0
    moves[1:][np.diff(columns.time_ns) > length] = 0.0
    ranges = np.log(columns.high / columns.low)
    scores = {
        "close moved by a factor of": (_deviations(moves), moves),
        "high is above low by a factor of": (_deviations(ranges), ranges),
    }
    out = np.logical_or.reduce([score > _OUTLIER_DEVIATIONS for score, _ in scores.values()])
    found = []
    for what, (score, sizes) in scores.items():
        rows = np.flatnonzero(score > _OUTLIER_DEVIATIONS)
        for row in rows[np.argsort(-score[rows], kind="stable")[:SHOWN_ROWS]]:
            text = f"{what} {float(np.exp(sizes[row])):.4g}, {score[row]:.0f} times the usual"
            found.append(
                Outlier(where=columns.where(int(row)), what=text, deviations=float(score[row]))
            )
    worst = sorted(found, key=lambda outlier: -outlier.deviations)[:SHOWN_ROWS]
    return int(out.sum()), worst


def _deviations(sizes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    moved = sizes[sizes > 0]
    scale = _MEDIAN_TO_DEVIATION * float(np.median(moved)) if len(moved) else 0.0
    return sizes / scale if scale > 0 else np.zeros_like(sizes)
