"""Where a session over books stands: its parts, its clock, its curve of equity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.tape import BookTape
from seq_gym.engine.layout import Table
from seq_gym.errors import UsageError
from seq_gym.market.book.events import BookData
from seq_gym.sandbox.book.curve import BookCurve
from seq_gym.sandbox.book.desk import BookDesk
from seq_gym.sandbox.book.journal import BookJournal
from seq_gym.sandbox.book.known import KnownPrints
from seq_gym.sandbox.book.ledger import BookLedger
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.refusals import Explainer
from seq_gym.sandbox.book.sizing import BookSizer
from seq_gym.sandbox.book.stale import stale_stretches, stale_within
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.records import SessionStatus
from seq_gym.sandbox.results import new_session_id
from seq_gym.sandbox.row import Row
from seq_gym.times import format_time
from seq_gym.types import Ending

__all__ = ["BookState"]


class BookState:
    """The state of a session over books: its parts, its clock, what it needs of both.

    Args:
        batch: The tables; the account is row 0.
        data: The books of its lanes.
        params: The physics.
        tapes: The tapes of its lanes.
        start_ns: Start of the window.
        end_ns: End of the window.
        seed: Of its draws.
        label: Names the strategy in results.
        agent_id: Names the agent in results.
        is_view: An environment owns the clock.
        alive: What the tables point to.
        curve: Of a view: returns when equity was noted and what it was, for `equity_times` and
            `equity`.
        step_s: Seconds between two notes of equity, for metrics.
        drain: Of a view: returns the events since its last call; None: the engine's ring.
    """

    def __init__(
        self,
        batch: BookBatch,
        data: BookData,
        params: BookParams,
        *,
        tapes: Sequence[BookTape],
        start_ns: int,
        end_ns: int,
        seed: int = 0,
        label: str = "default",
        agent_id: str = "default",
        is_view: bool = False,
        alive: Any = None,
        curve: Callable[[], tuple[NDArray[np.int64], NDArray[np.float64]]] | None = None,
        step_s: float = 1.0,
        drain: Callable[[], Table] | None = None,
    ) -> None:
        self.data = data
        self.params = params
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.seed = seed
        self.strategy_label = label
        self.agent_id = agent_id
        self.is_view = is_view
        self._batch = batch
        self._alive = alive
        self._started = is_view
        self._failed = False
        self._id = ""
        self._account = Row(batch.accounts)
        instruments = [book.instrument for book in data.books]
        self._tapes = tuple(tapes)
        self._view = BookView(batch, tapes, instruments)
        explainer = Explainer(batch, params, instruments)
        self._journal = BookJournal(instruments, explainer.explain)
        self._ledger = BookLedger(batch, self._view, is_margin=params.account == "margin")
        self._prints = KnownPrints(self._view, tapes)
        self._desk = BookDesk(
            batch,
            self._view,
            self._journal,
            BookSizer(batch, self._view, lambda: self._ledger.portfolio().total_equity),
            strict=params.fills == "strict",
            collect=self.collect,
        )
        self._curve = curve
        self.step_s = step_s
        self._drain = drain
        self._history = BookCurve(self._ledger)

    # ------------------------------------------------------------------ where it stands

    @property
    def session_id(self) -> str:
        """A "bt_" and 32 hex digits; two runs of one program never share one."""
        if not self._id:
            self._id = new_session_id()
        return self._id

    @property
    def status(self) -> SessionStatus:
        """created, running, completed, cancelled or failed."""
        if self._failed:
            return "failed"
        if not self._started:
            return "created"
        ending = self._account["ending"]
        if ending == Ending.RUNNING:
            return "running"
        return "cancelled" if ending == Ending.CANCELLED else "completed"

    @property
    def ending(self) -> Ending:
        """Why it is over; RUNNING until then."""
        return Ending(self._account["ending"]) if self._started else Ending.RUNNING

    @property
    def is_complete(self) -> bool:
        """Whether time cannot pass any more, for whatever reason."""
        return self.status not in ("created", "running")

    @property
    def virtual_time_ns(self) -> int:
        """Now, on the agent's clock, UNIX nanoseconds."""
        return int(self._account["now"]) if self._started else self.start_ns

    @property
    def virtual_time(self) -> str:
        """Now, as text."""
        return format_time(self.virtual_time_ns)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What can be traded: symbols, or "SYMBOL@venue" where several venues trade one."""
        return self._view.names

    @property
    def quote(self) -> str:
        """The currency of the account."""
        return self._ledger.quote

    @property
    def num_gaps(self) -> int:
        """Stale stretches met so far, one that the session began in included (B10)."""
        return int(self._account["num_gaps"])

    @property
    def stale_ns(self) -> int:
        """How long the agent's books were stale so far, nanoseconds, all lanes together (B10)."""
        feeds = self._batch.instruments["feed_ns"].tolist()
        window = self.start_ns, self.virtual_time_ns
        return sum(
            stale_within(stale_stretches(tape.local_rows, feed), *window)[1]
            for tape, feed in zip(self._tapes, feeds, strict=True)
        )

    @property
    def tables(self) -> BookBatch:
        """The engine's tables; the account is row 0."""
        return self._batch

    def collect(self) -> None:
        """Drain the engine's ring into the journal."""
        if self._drain is not None:
            self._journal.read(self._drain())
        elif self._account["num_events"]:
            self._journal.read(self._batch.drain(0))

    # ------------------------------------------------------------------ inner parts

    def _note_equity(self) -> None:
        self._history.note(self.virtual_time_ns, float(self._account["equity"]))

    def _note_end(self) -> None:
        """Note the last equity; one that was noted at the same instant gives way to it."""
        self._history.note(self.virtual_time_ns, float(self._account["equity"]), replaces=True)

    def _need_started(self, verb: str) -> None:
        if not self._started:
            raise self._wrong_state(verb, "running")

    def _need_running(self, verb: str) -> None:
        if self.status != "running":
            raise self._wrong_state(verb, "running")

    def _refuse_view(self, verb: str) -> None:
        if self.is_view:
            raise UsageError(
                f"{verb} belongs to the environment that owns this session; call env.step."
            )

    def _wrong_state(self, verb: str, required: str) -> UsageError:
        status = self.status
        fix = " Call start() first." if status == "created" else ""
        return UsageError(
            f"The state must be {required} to call {verb}; was {status}.{fix}",
            code="INVALID_STATE",
        )

    def __repr__(self) -> str:
        names = ", ".join(self._view.names)
        return (
            f"{type(self).__name__}({self.session_id}, {self.status}, {self.virtual_time}, {names})"
        )
