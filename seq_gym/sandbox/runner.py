"""Runs a strategy's callbacks over a session (policy.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seq_gym.errors import UsageError
from seq_gym.policy import STRATEGY_CALLBACKS, refuse_deaf, refuse_no_strategy
from seq_gym.sandbox.records import Results
from seq_gym.types import Reason

if TYPE_CHECKING:
    from seq_gym.sandbox.session import Session

__all__ = ["run_strategy"]

_MOST_ANSWERS = 10_000
"""Callbacks about orders at one virtual time; a strategy that answers itself goes on for ever."""


class _Runner:
    """Tells a strategy what has happened, each thing once."""

    def __init__(self, session: Session, strategy: Any) -> None:
        self._session = session
        self._callbacks = {name: getattr(strategy, name, None) for name in STRATEGY_CALLBACKS}
        self._told = len(session.happenings())

    def call(self, name: str, *told: Any) -> None:
        callback: Callable[..., Any] | None = self._callbacks[name]
        if callback is not None:
            callback(self._session, *told)

    def tell(self) -> None:
        """Tell of fills and refusals in order, those that the answers cause included."""
        answers = 0
        while news := self._session.happenings(self._told):
            for kind, what in news:
                self._told += 1
                if kind == "fill":
                    self.call("on_fill", what)
                elif what.reason != Reason.USER_CANCELLED.name:
                    self.call("on_reject", what)
            answers += len(news)
            if answers > _MOST_ANSWERS:
                raise UsageError(
                    f"on_fill and on_reject must come to an end at one virtual time; they caused "
                    f"more than {_MOST_ANSWERS} fills or refusals at "
                    f"{self._session.virtual_time}. Likely fix: do not repeat a refused order in "
                    "on_reject."
                )


def run_strategy(session: Session, strategy: Any, candles_per_step: int) -> Results:
    """Run a strategy from where the session stands to its end.

    Order: on_start; then for each step on_fill and on_reject of what happened in it, in time order,
    and on_candle; what an order does at once is told right after the callback that placed it. After
    the last candle there is no on_candle, for nothing can be placed any more; on_shutdown is last,
    and it is called too when a callback raised. What the strategy itself cancels is not told.

    Args:
        session: Created or running.
        strategy: An object with any of the callbacks.
        candles_per_step: Candles between two calls of on_candle.

    Raises:
        ConfigError: The object has no callback that a session on candles calls.
        UsageError: The session is over, or the strategy answers itself without end.
    """
    refuse_no_strategy(strategy)
    refuse_deaf(strategy, "candles")
    if session.status == "created":
        session.start()
    runner = _Runner(session, strategy)
    try:
        runner.call("on_start")
        runner.tell()
        while True:
            session.advance(candles_per_step)
            runner.tell()
            if session.is_complete:
                break
            runner.call("on_candle")
            runner.tell()
            if session.is_complete:  # the strategy has cancelled the session
                break
    except BaseException:
        if session.status == "running":  # what is over is so, whatever the answer to its end
            session.fail()
        runner.call("on_shutdown")
        raise
    runner.call("on_shutdown")
    return session.results()
