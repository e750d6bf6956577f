"""Show where an import or a download stands: a bar for a person, now and then a line for a log."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from seq_gym.console import say
from seq_gym.market.store import Progress
from seq_gym.market.wording import counted

__all__ = ["show_progress"]

_UNITS: Final = {"reading": "B", "writing": "month", "downloading": "candle"}
_LINE_EVERY_S: Final = 30.0
"""A log gets a line this often: a short import says nothing."""


@contextlib.contextmanager
def show_progress(
    is_quiet: bool, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Progress], None] | None]:
    """Return what is to be told of the progress, if anything.

    Args:
        is_quiet: Show nothing.
        clock: Seconds that pass.
    """
    if is_quiet:
        yield None
    elif sys.stderr.isatty():
        bars = _Bars()
        try:
            yield bars.show
        finally:
            bars.close()
    else:
        yield _Lines(clock).show


class _Bars:
    """A bar of what is read, then one of what is written."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""

    def show(self, progress: Progress) -> None:
        from tqdm import tqdm

        told = f"{progress.stage} {progress.source}"
        if self._stage != progress.stage:
            self.close()
            self._stage = progress.stage
            self._bar = tqdm(
                desc=told,
                total=progress.total or None,
                unit=_UNITS.get(progress.stage, ""),
                unit_scale=True,
                file=sys.stderr,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.set_description_str(told, refresh=False)
        self._bar.set_postfix_str(counted(progress.rows, "row"), refresh=False)
        self._bar.total = progress.total or None
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines:
    """A line every half a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told = clock()

    def show(self, progress: Progress) -> None:
        now = self._clock()
        if now - self._told < _LINE_EVERY_S:
            return
        self._told = now
        part = f"{100 * progress.done / progress.total:.0f} %, " if progress.total else ""
        say(f"{progress.stage} {progress.source}: {part}{counted(progress.rows, 'row')}")
