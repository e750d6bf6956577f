"""Tells of fills while a strategy runs, before the strategy itself is told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seq_gym.policy import callbacks_of

__all__ = ["Watched"]

Tell = Callable[[Any], None]
"""Is given a fill."""


class Watched:
    """A strategy whose fills are told to somebody as they become known, each once and in order.

    A session calls the callbacks that a strategy has, so this one has those of the strategy, and
    two more. It trades as the strategy alone would.

    Args:
        strategy: The strategy.
        tell: Is given every fill.
    """

    def __init__(self, strategy: Any, tell: Tell) -> None:
        self.name = str(getattr(strategy, "name", type(strategy).__name__))
        self._tell = tell
        self._told = 0
        own = callbacks_of(strategy)
        for name, callback in own.items():
            if name not in ("on_fill", "on_shutdown"):
                setattr(self, name, callback)
        self._answer = own.get("on_fill")
        self._end = own.get("on_shutdown")

    def on_fill(self, session: Any, fill: Any) -> None:
        """Tell of a fill, then let the strategy answer it."""
        self._told += 1
        self._tell(fill)
        if self._answer is not None:
            self._answer(session, fill)

    def on_shutdown(self, session: Any) -> None:
        """Tell of the fills that ended the session, which no strategy can answer any more."""
        for fill in session.fills()[self._told :]:
            self._told += 1
            self._tell(fill)
        if self._end is not None:
            self._end(session)
