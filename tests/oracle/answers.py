"""What an engine answered to a script: executions by (order, venue time), and how orders ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.oracle.feed import Int64

# How an order ended; hftbacktest's own numbers
OPEN: Final = 1
EXPIRED: Final = 2
FILLED: Final = 3
CANCELLED: Final = 4
PARTLY: Final = 5
"""Executed in part, and still open."""
REFUSED: Final = 6
"""Refused by checks of our own; no script should meet one."""
STATUSES = ("none", "open", "expired", "filled", "cancelled", "partly filled", "refused")

TENTHS: Final = 10
"""Executed quantities are whole tenths of a lot."""


EXECUTION = np.dtype(
    [
        ("order", "i8"),
        ("exch_ts", "i8"),
        ("lots", "f8"),
        ("tick", "i8"),
        ("is_maker", "?"),
        ("is_sweep", "?"),
    ],
    align=True,
)
"""One execution as an engine tells it; `is_sweep`: it took at more than one price."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """Executions in order of (order, exch_ts), and the final status of every order."""

    order: Int64
    exch_ts: Int64
    tenths: Int64
    """Executed at that time, in tenths of a lot."""
    tick: Int64
    """Of the last execution at that time."""
    is_maker: NDArray[np.bool_]
    is_sweep: NDArray[np.bool_]
    status: NDArray[np.int8]
    """Of orders 1, 2, ..."""

    def rows(self) -> list[tuple[Any, ...]]:
        """Return (order, exch_ts, lots, tick, maker) of every execution."""
        lots = self.tenths / TENTHS
        columns = (self.order, self.exch_ts, lots, self.tick, self.is_maker)
        return list(zip(*(column.tolist() for column in columns), strict=True))


def merge(found: NDArray[Any], status: NDArray[np.int8]) -> Answers:
    """Merge the executions of one order at one time; `found` is in order of time."""
    found = found[np.lexsort((np.arange(len(found)), found["exch_ts"], found["order"]))]
    is_last = np.ones(len(found), np.bool_)
    is_last[:-1] = (np.diff(found["order"]) != 0) | (np.diff(found["exch_ts"]) != 0)
    last = np.flatnonzero(is_last)
    first = np.concatenate((np.zeros(min(len(last), 1), np.int64), last[:-1] + 1))
    lots = np.add.reduceat(found["lots"], first) if len(first) else np.zeros(0)
    is_sweep = found["is_sweep"][last] | (~found["is_maker"][last] & (last > first))
    return Answers(
        order=found["order"][last],
        exch_ts=found["exch_ts"][last],
        tenths=np.rint(lots * TENTHS).astype(np.int64),
        tick=found["tick"][last],
        is_maker=found["is_maker"][last],
        is_sweep=is_sweep,
        status=status,
    )


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of the rules a run has touched."""

    queue: int
    """Executions through the queue that left something: at prints of my own tick."""
    partials: int
    """Executions that left something open or expired, taking included."""
    sweeps: int
    """Taking at more than one price."""
    filled: int
    """Maker executions of all that was left: quotes or prints through my price, or the queue."""
    taken: int
    expired: int
    cancelled: int

    @property
    def is_enough(self) -> bool:
        """Whether a run with partial executions says something."""
        return self.queue >= 200 and self.partials >= 200 and self.sweeps >= 50

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in vars(self).items())


def coverage(answers: Answers, sizes: NDArray[np.float64]) -> Coverage:
    """Count what happened; `sizes` are the lots of orders 1, 2, ..."""
    total = np.rint(sizes * TENTHS).astype(np.int64)
    so_far = np.cumsum(answers.tenths)
    is_first = np.ones(len(so_far), np.bool_)
    is_first[1:] = np.diff(answers.order) != 0
    before = np.maximum.accumulate(np.where(is_first, so_far - answers.tenths, 0))
    is_part = so_far - before < total[answers.order - 1]
    is_maker = answers.is_maker
    return Coverage(
        queue=int((is_maker & is_part).sum()),
        partials=int(is_part.sum()),
        sweeps=int(answers.is_sweep.sum()),
        filled=int((is_maker & ~is_part).sum()),
        taken=int((~is_maker).sum()),
        expired=int((answers.status == EXPIRED).sum()),
        cancelled=int((answers.status == CANCELLED).sum()),
    )


def differences(ours: Answers, theirs: Answers) -> list[str]:
    """Say in words where two engines differ: executions first, then final statuses."""
    mine, other = ours.rows(), theirs.rows()
    only_mine, only_other = set(mine) - set(other), set(other) - set(mine)
    found = [f"only ours:   {_words(row)}" for row in only_mine]
    found += [f"only theirs: {_words(row)}" for row in only_other]
    found.sort(key=lambda line: int(line.split("order ")[1].split()[0]))
    for number in np.flatnonzero(ours.status != theirs.status).tolist():
        ended = STATUSES[ours.status[number]], STATUSES[theirs.status[number]]
        found.append(f"order {number + 1} ended: ours {ended[0]}, theirs {ended[1]}")
    return found


def _words(row: tuple[Any, ...]) -> str:
    order, exch_ts, lots, tick, is_maker = row
    role = "maker" if is_maker else "taker"
    return f"order {order} at {exch_ts}: {lots} lots at tick {tick} as {role}"
