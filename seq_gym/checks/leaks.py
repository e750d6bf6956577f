"""What a look-ahead check finds: leaks by name and time, as an error or a clean report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from seq_gym.errors import SeqGymError
from seq_gym.times import format_time

__all__ = ["Leak", "LookAheadError", "LookAheadReport"]

_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """One thing that was shown before it could be known."""

    what: str
    """What leaked: an observation column by its feature, "reward", a fill, a price."""
    step: int
    """Steps since the reset when it was shown."""
    cursor: int
    """Candles that were known then."""
    time_ns: int
    """Virtual time then, UNIX nanoseconds."""
    cut: int
    """Cursor after which the market was changed."""
    was: object
    """What the market as it is showed."""
    became: object
    """What the changed market showed."""

    def __str__(self) -> str:
        return (
            f"{self.what} at {format_time(self.time_ns)} (step {self.step}, cursor {self.cursor}) "
            f"was {self.was!r}, and {self.became!r} with other values after cursor {self.cut}"
        )


class LookAheadError(SeqGymError, AssertionError):
    """Something is shown before it can be known.

    Attributes:
        leaks: The first leak of everything that leaks, in the order of time.
    """

    def __init__(self, leaks: Sequence[Leak]) -> None:
        self.leaks = tuple(leaks)
        lines = [f"- {leak}" for leak in self.leaks[:_NAMED]]
        if len(self.leaks) > _NAMED:
            lines.append(f"- and {len(self.leaks) - _NAMED} more: see .leaks")
        count = f"{len(lines)} things look" if len(lines) > 1 else "Something looks"
        super().__init__("\n".join([f"{count} ahead:", *lines]))


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAheadReport:
    """What a check compared, and found the same."""

    num_steps: int
    """Steps of the episode that was replayed."""
    cuts: tuple[int, ...]
    """Cursors after which the market was changed."""
    doors: tuple[str, ...]
    """What was compared: observation, reward, session.fills, ..."""
    num_fills: int
    """Fills that were seen; with none, the check says nothing about fills."""
    unmoved: tuple[str, ...]
    """Observation columns that no change ever moved: clocks, account columns of an idle agent, or
    columns that are not made from the market given, of which the check says nothing."""
