"""Runs strategies' callbacks over a session on books, each at its own instant (policy.py).

Several strategies share the session's account; a message that one sends is told at the same
virtual time, in the order of sending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from seq_gym.engine.book import codes
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.policy import STRATEGY_CALLBACKS, Strategy, refuse_deaf, refuse_no_strategy
from seq_gym.sandbox.book.records import Nbbo
from seq_gym.sandbox.records import Results
from seq_gym.sandbox.row import Row
from seq_gym.types import Reason

if TYPE_CHECKING:
    from seq_gym.sandbox.book.session import BookSession

__all__ = ["BookRunner", "run_strategies"]

_MOST_ANSWERS = 10_000
"""Callbacks at one virtual time; strategies that answer each other go on for ever."""

_WANTED = {
    "on_book": codes.ON_BOOK,
    "on_nbbo": codes.ON_BOOK,
    "on_trade": codes.ON_TRADE,
    "on_fill": codes.ON_REPORT,
    "on_reject": codes.ON_REPORT,
    "on_heartbeat": codes.ON_HEARTBEAT,
}
"""What the clock stops at for the callbacks that there are, and for nothing else."""

_AFTERWARDS = ("on_fill", "on_reject", "on_shutdown")
"""Callbacks that are told of the end, and of what it has caused."""


def _names(strategies: Sequence[Any]) -> list[str]:
    """Return a name of its own for each strategy: its `name`, or that of its class."""
    names: list[str] = []
    for strategy in strategies:
        name = plain = str(getattr(strategy, "name", type(strategy).__name__))
        count = 1
        while name in names:
            count += 1
            name = f"{plain}-{count}"
        names.append(name)
    return names


def _own_callback(strategy: Any, name: str) -> Callable[..., Any] | None:
    """Return a callback; None where it is missing or the empty one of `Strategy`."""
    callback = getattr(strategy, name, None)
    is_empty = getattr(callback, "__func__", None) is getattr(Strategy, name)
    return callback if callable(callback) and not is_empty else None


class BookRunner:
    """Tells strategies what has happened, each thing once.

    Args:
        session: What they act on, started.
        strategies: Objects with any of the callbacks.

    Attributes:
        names: Of the strategies, for messages.
        wanted: Bits of engine.book.codes at which the clock stops for them.
    """

    def __init__(self, session: BookSession, strategies: Sequence[Any]) -> None:
        self._session = session
        self.names = _names(strategies)
        self._callbacks = {
            name: [_own_callback(strategy, name) for strategy in strategies]
            for name in STRATEGY_CALLBACKS
        }
        self._has = {name: any(each) for name, each in self._callbacks.items()}
        self.wanted = 0
        for name, bit in _WANTED.items():
            self.wanted |= bit if self._has[name] else 0
        self._account = Row(session.tables.accounts)
        self._told = session.num_happenings
        view = session.view
        self._read = [view.position_of(s) for s in range(len(session.symbols))]
        # Every lane of one symbol in one market, whatever its spelling, has one best price.
        self._alike = [view.lanes_like(s) for s in range(len(view.instruments))]
        self._nbbo: dict[int, Nbbo] = {}
        if self._has["on_nbbo"]:
            self._nbbo = {lanes[0]: view.nbbo(lanes) for lanes in self._alike}
        self._mail: deque[tuple[str, str | None, Any]] = deque()
        self._speaker = ""

    def send(self, message: Any, to: str | None) -> None:
        """Take a message of the strategy that is speaking, to another one or to all others.

        Raises:
            UnknownName: There is no such strategy.
        """
        if to is not None and to not in self.names:
            raise UnknownName("strategy", to, self.names)
        self._mail.append((self._speaker, to, message))

    def call(self, name: str, *told: Any) -> None:
        """Call one callback of every strategy that has it, in their order."""
        for speaker, callback in zip(self.names, self._callbacks[name], strict=True):
            is_over = self._session.is_complete
            if callback is not None and not (is_over and name not in _AFTERWARDS):
                self._speak(speaker, callback, *told, forgives=is_over and name != "on_shutdown")

    def _speak(
        self, speaker: str, callback: Callable[..., Any], *told: Any, forgives: bool
    ) -> None:
        """Call one callback: it may act as often as `max_actions` says (B15)."""
        self._speaker = speaker
        self._account["num_actions"] = 0
        try:
            callback(self._session, *told)
        except UsageError as error:
            # An answer to what the end has caused comes too late; that is no fault of it.
            if not (forgives and error.code == "INVALID_STATE"):
                raise

    def tell(self) -> None:
        """Tell of fills, endings and messages in order, those that the answers cause included."""
        answers = 0
        while self._told < self._session.num_happenings or self._mail:
            for kind, what in self._session.happenings(self._told):
                self._told += 1
                if kind == "fill":
                    self.call("on_fill", what)
                elif what.reason != Reason.USER_CANCELLED.name:
                    self.call("on_reject", what)
                answers += 1
            while self._mail:
                self._deliver(*self._mail.popleft())
                answers += 1
                if answers > _MOST_ANSWERS:
                    break
            if answers > _MOST_ANSWERS:
                raise UsageError(
                    f"Callbacks must come to an end at one virtual time; they caused more than "
                    f"{_MOST_ANSWERS} fills, refusals or messages at {self._session.virtual_time}. "
                    "Likely fix: do not repeat a refused order in on_reject."
                )

    def _deliver(self, sender: str, to: str | None, message: Any) -> None:
        for name, callback in zip(self.names, self._callbacks["on_message"], strict=True):
            is_meant = name == to or (to is None and name != sender)
            if callback is not None and is_meant:
                over = self._session.is_complete
                self._speak(name, callback, sender, message, forgives=over)

    def dispatch(self, lane: int, by: int) -> None:
        """Tell of what stopped the clock: data of a lane, a report, or a heartbeat."""
        session = self._session
        if by & codes.ON_TRADE:
            for trade in session.view.trades(lane, self._read[lane]):
                self.call("on_trade", trade)
            self._read[lane] = session.view.position_of(lane)
        if by & codes.ON_BOOK:
            self._tell_nbbo(lane)
            self.call("on_book", session.symbols[lane])
        if by & codes.ON_HEARTBEAT:
            self.call("on_heartbeat")
        self.tell()

    def _tell_nbbo(self, lane: int) -> None:
        if not self._has["on_nbbo"]:
            return
        lanes = self._alike[lane]
        nbbo = self._session.view.nbbo(lanes)
        if self._nbbo[lanes[0]] != nbbo:
            self._nbbo[lanes[0]] = nbbo
            self.call("on_nbbo", nbbo)


def run_strategies(session: BookSession, strategies: Sequence[Any]) -> Results:
    """Run strategies from where the session stands to the end of its window.

    on_start comes first, on_shutdown last, also when a callback raised. What happened before is not
    told.

    Args:
        session: Created or running.
        strategies: Objects with any of the callbacks.

    Raises:
        ConfigError: There is none, or one has no callback that a session on books calls.
        UsageError: Callbacks answer themselves without end.
    """
    if not strategies:
        raise ConfigError("run needs at least one strategy; was given none.")
    for strategy in strategies:
        refuse_no_strategy(strategy)
        refuse_deaf(strategy, "books")
    if session.status == "created":
        session.start()
    runner = BookRunner(session, strategies)
    session.listen(runner)
    try:
        runner.call("on_start")
        runner.tell()
        while not session.is_complete:
            code = session.advance_until(session.end_ns, runner.wanted)
            if code == codes.STOPPED:
                runner.dispatch(*session.stopped)
            else:
                runner.tell()
    except BaseException:
        if session.status == "running":  # what is over is so, whatever the answer to its end
            session.fail()
        runner.call("on_shutdown")
        raise
    finally:
        session.listen(None)
    runner.call("on_shutdown")
    return session.results()
