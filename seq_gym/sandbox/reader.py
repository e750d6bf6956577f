"""What a session shows: the clock, the known market, the account, its orders and results."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine import codes
from seq_gym.engine.batch import Batch
from seq_gym.engine.layout import Table
from seq_gym.errors import UsageError
from seq_gym.market import CandleSeries
from seq_gym.sandbox.desk import Desk, Groups
from seq_gym.sandbox.journal import Journal, JournalMark
from seq_gym.sandbox.known import KnownMarket
from seq_gym.sandbox.ledger import Ledger
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.records import (
    Balance,
    Candle,
    EquityPoint,
    Fill,
    Order,
    Portfolio,
    Position,
    Results,
    SessionStatus,
    StepResult,
    Ticker,
)
from seq_gym.sandbox.refusals import limit_of
from seq_gym.sandbox.replay import Replay
from seq_gym.sandbox.results import new_session_id, results_of
from seq_gym.sandbox.row import Row
from seq_gym.times import IntervalLike, format_time
from seq_gym.types import Ending

__all__ = ["SessionReader"]


class SessionReader:
    """The reading half of a session; nothing here moves the clock or an order.

    Nothing that it shows was known later than its virtual time (C2).

    Args:
        batch: The tables; the account is row 0.
        series: The candles of its tape.
        params: The physics of its PARAMS record.
        start: Cursor at which the window starts.
        end: Cursor at which it ends.
        label: Names the strategy in results.
        agent_id: Names the agent in results.
        snapshot_every: Steps between two points of the equity curve; 0 = none are kept.
        is_view: An environment owns the clock.
        alive: What the PARAMS record points to.
    """

    def __init__(
        self,
        batch: Batch,
        series: CandleSeries,
        params: SandboxParams,
        *,
        start: int,
        end: int,
        label: str = "default",
        agent_id: str = "default",
        snapshot_every: int = 0,
        is_view: bool = False,
        alive: Any = None,
    ) -> None:
        self.series = series
        self.params = params
        self.start_cursor = start
        self.end_cursor = end
        self.strategy_label = label
        self.agent_id = agent_id
        self.is_view = is_view
        self._batch = batch
        self._started = is_view
        self._failed = False
        self._alive = alive
        self._id = ""
        self._final: Results | None = None
        self._told = 0
        self.last_step: StepResult | None = None
        self._account = Row(batch.accounts)
        groups = Groups()
        self._known = KnownMarket(series, batch.candles)
        self._journal = Journal(series.symbols, series.time_of, self._limit_of, groups.name)
        self._ledger = Ledger(batch, series, params, self._journal)
        is_margin = params.account == "margin"
        self._replay = Replay(batch, self._journal, self._ledger, snapshot_every, is_margin)
        self._desk = Desk(batch, series, params, self._journal, self._replay, groups)

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
        if ending == codes.RUNNING:
            return "running"
        return "cancelled" if ending == Ending.CANCELLED else "completed"

    @property
    def ending(self) -> Ending:
        """Why it is over; RUNNING until then."""
        return Ending(self._account["ending"]) if self._started else Ending.RUNNING

    @property
    def is_complete(self) -> bool:
        """Whether no step can follow any more, for whatever reason."""
        return self.status not in ("created", "running")

    @property
    def cursor(self) -> int:
        """Candles of the series that are known."""
        return self._account["cursor"] if self._started else self.start_cursor

    @property
    def step_index(self) -> int:
        """Candles advanced since the start."""
        return self.cursor - self.start_cursor

    @property
    def total_steps(self) -> int:
        """Candles of the window (C5)."""
        return self.end_cursor - self.start_cursor

    @property
    def virtual_time_ns(self) -> int:
        """Now, UNIX nanoseconds: start + step_index x interval (C5)."""
        return self.series.time_of(self.cursor)

    @property
    def virtual_time(self) -> str:
        """Now, as text, such as "2025-06-01T01:40:00Z"."""
        return format_time(self.virtual_time_ns)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What can be traded, in the venue's spelling."""
        return self.series.symbols

    @property
    def quote(self) -> str:
        """The currency of the account."""
        return self._ledger.quote

    @property
    def equity(self) -> NDArray[np.float64]:
        """Equity after every step so far, the start first: float64 [step_index + 1], a copy."""
        self._need_started("equity")
        if self._batch.equity_curve is None:
            raise UsageError("This session keeps no equity: call keep_equity on its batch first.")
        return self._batch.equity_so_far()

    # ------------------------------------------------------------------ the market

    def prices(self) -> dict[str, float]:
        """Return the mark of every listed symbol (C3)."""
        self._need_started("prices")
        return self._known.prices(self.cursor)

    def price(self, symbol: str) -> float:
        """Return the mark of a symbol.

        Raises:
            UnknownName: There is no such symbol.
            UsageError: PRICE_NOT_AVAILABLE, or INVALID_STATE.
        """
        self._need_started("price")
        return self._known.price(self.cursor, symbol)

    def ticker(self, symbol: str) -> Ticker:
        """Return the trailing 24 h of known candles of a symbol; raises as `price` does."""
        self._need_started("ticker")
        return self._known.ticker(self.cursor, symbol)

    def candles(
        self, symbol: str, interval: IntervalLike | None = None, limit: int = 100
    ) -> tuple[Candle, ...]:
        """Return the last finished candles of a symbol, oldest first.

        Args:
            symbol: In any spelling of C8.
            interval: Of the session, or a multiple; None = the session's.
            limit: 1 to 1000.

        Raises:
            UnknownName: There is no such symbol.
            ConfigError: limit or interval breaks its rule.
            UsageError: INVALID_STATE.
        """
        self._need_started("candles")
        return self._known.candles(self.cursor, symbol, interval, limit)

    def price_decimals(self, symbol: str) -> int:
        """Return the decimals of a symbol's prices, as far as they are known now."""
        return self._known.decimals(self.cursor, self.series.symbol_index(symbol))

    def lot_decimals(self, symbol: str) -> int | None:
        """Return the decimals of a symbol's quantities; None where no lot is stated."""
        return self._known.lot_decimals(self.series.symbol_index(symbol))

    # ------------------------------------------------------------------ the account

    def portfolio(self) -> Portfolio:
        """Return the account in quote units."""
        self._need_started("portfolio")
        return self._ledger.portfolio()

    def balance(self) -> tuple[Balance, ...]:
        """Return what is held of the quote currency, then of every asset that is held."""
        self._need_started("balance")
        return self._ledger.balance()

    def positions(self) -> tuple[Position, ...]:
        """Return every position that is open."""
        self._need_started("positions")
        self.collect()
        found = (self._ledger.position(column) for column in self._ledger.held())
        return tuple(position for position in found if position is not None)

    def position(self, symbol: str) -> Position | None:
        """Return the position in a symbol, or None."""
        self._need_started("position")
        self.collect()
        return self._ledger.position(self.series.symbol_index(symbol))

    def orders(self, *, symbol: str | None = None) -> tuple[Order, ...]:
        """Return every order, refused ones included, oldest first."""
        self._need_started("orders")
        self.collect()
        name = None if symbol is None else self.symbols[self.series.symbol_index(symbol)]
        return tuple(o for o in self._journal.orders() if name is None or o.symbol == name)

    def order(self, order_id: str) -> Order:
        """Return an order.

        Raises:
            UsageError: ORDER_NOT_FOUND.
        """
        return self._desk.find(order_id)[0]

    def open_orders(self, *, symbol: str | None = None) -> tuple[Order, ...]:
        """Return the orders that work, in priority order."""
        self._need_started("open_orders")
        self.collect()
        name = None if symbol is None else self.symbols[self.series.symbol_index(symbol)]
        numbers = self._batch.orders["id"][0, : self._account["num_orders"]].tolist()
        found = (self._journal.order(number) for number in numbers)
        return tuple(o for o in found if o is not None and name in (None, o.symbol))

    def fills(self) -> tuple[Fill, ...]:
        """Return every fill, in time order."""
        self._need_started("fills")
        self.collect()
        return tuple(self._journal.fills)

    def trades(self) -> tuple[Fill, ...]:
        """Return the trade log: every fill, `total_trades` of them (X4, S1-54)."""
        self._need_started("trades")
        return self.fills()

    def happenings(self, since: int = 0) -> list[tuple[str, Any]]:
        """Return fills, cancels and refusals in order, from the given count on."""
        self.collect()
        return list(self._journal.happenings[since:])

    # ------------------------------------------------------------------ afterwards

    def equity_curve(self) -> tuple[EquityPoint, ...]:
        """Return the snapshots: start, every `snapshot_every` steps, at fills, the end (X1).

        An environment takes none; `equity` has every step of both.
        """
        self._need_started("equity_curve")
        return self._replay.points(self.series.time_of(0), self.series.interval_ns)

    def results(self, *, partial: bool = False) -> Results:
        """Return what the session came to.

        Args:
            partial: Allow it while the session runs; the results then are marked partial.

        Raises:
            UsageError: INVALID_STATE.
        """
        self._need_started("results")
        if not partial and not self.is_complete:
            raise self._wrong_state("results", "completed, cancelled or failed")
        self.collect()
        if self.is_view or not self.is_complete:
            return results_of(self, self._journal, self._ledger)
        if self._final is None:  # nothing can change any more
            self._final = results_of(self, self._journal, self._ledger)
        return self._final

    @property
    def tables(self) -> Batch:
        """The engine's tables; the account is row 0."""
        return self._batch

    def collect(self) -> None:
        """Drain the engine's ring into the journal; an environment calls it on RING_FULL."""
        self._replay.collect()

    def stash(self) -> None:
        """Empty the engine's ring without reading it yet: an environment's way, on RING_FULL."""
        self._replay.stash()

    def mark(self) -> tuple[JournalMark, tuple[Table, ...]]:
        """Remember what the journal holds and has still to read, for a snapshot (E4c)."""
        return self._journal.mark(), tuple(self._replay.unread)

    def rewind(self, mark: tuple[JournalMark, tuple[Table, ...]]) -> None:
        """Go back to a mark of this session; the environment puts the tables back itself."""
        journal, unread = mark
        self._journal.rewind(journal)
        self._replay.unread[:] = unread

    # ------------------------------------------------------------------ inner parts

    def _limit_of(self, event: Any) -> str | None:
        return limit_of(event, self._batch, self.params.risk)

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
        return (
            f"Session({self.session_id}, {self.status}, {self.virtual_time}, "
            f"step {self.step_index} of {self.total_steps})"
        )
