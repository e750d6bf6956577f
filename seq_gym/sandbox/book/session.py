"""A session over order books: one account, S lanes, one window, and the verbs to trade in it.

Refused orders are values; only wrong calls raise. Nothing that a session shows was received later
than its virtual time (B1, B5).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from seq_gym.engine.book import codes
from seq_gym.errors import ConfigError, UnknownName, UsageError
from seq_gym.market.book.load import load_book
from seq_gym.market.store import store_of
from seq_gym.sandbox.book.funding import book_funding
from seq_gym.sandbox.book.latency import read_latencies
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.book.reader import BookReader
from seq_gym.sandbox.book.records import BookOrder
from seq_gym.sandbox.book.runner import BookRunner, run_strategies
from seq_gym.sandbox.book.window import (
    first_known_ns,
    read_bounds,
    read_duration,
    read_window,
    refuse_seed,
)
from seq_gym.sandbox.book.wiring import book_batch, session_sizes
from seq_gym.sandbox.params import RiskProfile, refuse_flag
from seq_gym.sandbox.profiles import load_profile, risk_profile
from seq_gym.sandbox.records import Results
from seq_gym.sandbox.ticket import float_of
from seq_gym.times import IntervalLike, TimeLike, format_time, parse_time
from seq_gym.types import Ending

__all__ = ["BookSession"]

_LAST_NS = (1 << 63) - 1
"""Last time that an int64 holds."""
_PHYSICS = tuple(f.name for f in fields(BookParams) if f.name not in ("risk", "starting_balance"))


class BookSession(BookReader):
    """A replay of recorded order books with an account in it. Make one with `BookSession.create`.

    States: created -> running -> completed | cancelled | failed. A call that the state does not
    allow raises `UsageError` with the code INVALID_STATE.

    Source: book.md; S1-04 to S1-55 where candles have the verb too.
    """

    _runner: BookRunner | None = None

    @classmethod
    def create(
        cls,
        *,
        data: Any = None,
        symbols: str | Sequence[str] | None = None,
        venues: str | Sequence[str] | None = None,
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        starting_balance: float = 10_000.0,
        seed: int = 0,
        strategy_label: str = "default",
        agent_id: str = "default",
        risk: RiskProfile | Mapping[str, Any] | None = None,
        profiles_path: str | Path | None = None,
        funding: Mapping[str, Any] | None = None,
        scan_buffer_secs: int = 3_600,
        dedup: bool = True,
        **physics: Any,
    ) -> BookSession:
        """Create a session over a window of recorded books.

        Args:
            data: Whatever `load_book` reads: a BookData, a recording, "store"; None: the seeded
                synthetic book.
            symbols: Symbols; None = all of the data.
            venues: Venues; None = all of the data.
            start_time: Start of the window; None, or before the data: the first instant at which
                a book is known.
            end_time: End of the window, a date includes that day (C8); None = the data's.
            starting_balance: Cash, quote units; text is read as a number (S1-19).
            seed: Of latency and realism draws (Z3).
            strategy_label: Names the strategy in results.
            agent_id: Loads the risk profile of that name (profiles.py).
            risk: Limits in code, a RiskProfile or a mapping; wins over the agent's profile.
            profiles_path: TOML of the profiles; None = configs/agents.toml, where it exists.
            funding: Funding rates by symbol or "SYMBOL@venue": a path, a frame or FundingRates;
                otherwise those of the store. Margin accounts pay them (M5).
            scan_buffer_secs: How far past the window partitions of a store are scanned for rows
                that were written late (S3-50).
            dedup: Merge what several runs of a recorder have both seen (S3-51).
            **physics: Any other field of BookParams, by its name; a Latency may be a mapping of its
                fields.

        Raises:
            ConfigError: An argument breaks its rule, or the window is not inside the data.
            UnknownName: A name or a keyword is not known; the error names the near miss.
            MarketDataError: The data breaks a rule.
        """
        for name in physics:
            if name not in _PHYSICS:
                raise UnknownName("argument", name, _arguments(), "of BookSession.create")
        refuse_flag("dedup", dedup)
        if not isinstance(strategy_label, str):
            raise ConfigError(f"strategy_label must be text; was {strategy_label!r}.")
        refuse_seed(seed)
        limits = load_profile(agent_id, profiles_path)
        if risk is not None:
            limits = risk if isinstance(risk, RiskProfile) else risk_profile(risk)
        cash = float_of(starting_balance)
        cash = starting_balance if math.isnan(cash) else cash  # for the error to show
        params = BookParams(starting_balance=cash, risk=limits, **read_latencies(physics))
        found = load_book(
            data,
            symbols=symbols,
            venues=venues,
            scan_buffer_secs=scan_buffer_secs,
            dedup=dedup,
            **read_bounds(data, start_time, end_time),
        )
        start, end, found = read_window(found, start_time, end_time)
        rates = book_funding(found, funding, store_of(data))
        batch = book_batch(params, found, funding=rates, **session_sizes(params))
        if start is None:
            start = first_known_ns(found, batch.tapes, batch.instruments["feed_ns"].tolist())
        return cls(
            batch,
            found,
            params,
            tapes=batch.tapes,
            start_ns=min(start, end - 1),
            end_ns=end,
            seed=seed,
            label=strategy_label,
            agent_id=agent_id,
        )

    # ------------------------------------------------------------------ the clock

    def start(self) -> None:
        """Open the account at the start of the window.

        Raises:
            UsageError: INVALID_STATE.
        """
        if self.status != "created":
            raise self._wrong_state("start", "created")
        self._batch.reset(0, self.start_ns, self.end_ns, seed=self.seed)
        self._started = True
        self._note_equity()

    def advance(self, duration: IntervalLike | float) -> int:
        """Let virtual time pass, to the end of the window at the latest (B3).

        Args:
            duration: "100ms", "5s", a timedelta, whole nanoseconds, or seconds as a float.

        Returns:
            The virtual time that was reached, UNIX nanoseconds.

        Raises:
            ConfigError: The duration is not above 0.
            UsageError: INVALID_STATE, or an environment owns the clock.
        """
        length = read_duration(duration)
        self._need_running("advance")
        return self.advance_to(self.virtual_time_ns + length)

    def advance_to(self, time: TimeLike) -> int:
        """Let virtual time pass up to an instant, whole numbers are nanoseconds; see `advance`."""
        self._need_running("advance")
        self._refuse_view("advance")
        if self._runner is not None:
            raise UsageError(
                "advance must not be called in a callback: run moves the clock, and calls each "
                "callback at its own instant. Likely fix: act in a later callback.",
                code="INVALID_STATE",
            )
        until = parse_time(time)
        if until < self.virtual_time_ns:
            raise ConfigError(
                f"Time goes forward only; it is {self.virtual_time}, and {format_time(until)} was "
                "asked for."
            )
        self.advance_until(until, 0)
        return self.virtual_time_ns

    def advance_until(self, until: int, wanted: int) -> int:
        """Advance to an instant or to the first wanted event; the engine's own codes.

        Args:
            until: UNIX nanoseconds.
            wanted: Bits of engine.book.codes: ON_BOOK, ON_TRADE, ON_REPORT, ON_HEARTBEAT.

        Returns:
            REACHED, STOPPED or ENDED. Equity is noted at every heartbeat whatever is wanted.
        """
        until = min(until, _LAST_NS)
        while True:
            code = self._batch.advance(0, until, wanted | codes.ON_HEARTBEAT)
            if code == codes.EVENTS_FULL:
                self.collect()
                continue
            if code == codes.REPORTS_FULL:
                raise UsageError(
                    "More answers of the venue are in flight than a session keeps. Likely fix: a "
                    "shorter response latency, or fewer orders."
                )
            if code == codes.ENDED:
                self._note_end()
            elif code == codes.STOPPED and self._account["stopped_by"] == codes.ON_HEARTBEAT:
                self._note_equity()
                if not wanted & codes.ON_HEARTBEAT:
                    continue
            return code

    def cancel(self) -> None:
        """Stop for good: nothing is sold, results are marked partial (M7).

        Raises:
            UsageError: INVALID_STATE.
        """
        self._need_running("cancel")
        self._refuse_view("cancel")
        self._stop()

    def fail(self) -> None:
        """Mark the session failed: nothing is sold; what was made so far can be read.

        Raises:
            UsageError: INVALID_STATE: it does not run, so nothing of it can fail.
        """
        self._need_running("fail")
        self._stop()
        self._failed = True

    def _stop(self) -> None:
        """End the episode before its window does; positions stay as they are (M7)."""
        self.collect()
        self._batch.end_episode(0, int(Ending.CANCELLED))
        self._note_end()

    def run(self, *strategies: Any) -> Results:
        """Run one strategy, or several that share the account, to the end of the window.

        Args:
            *strategies: Objects with any of the callbacks of `seq_gym.policy.Strategy`.

        Raises:
            ConfigError: There is none, or one has no callback.
            UsageError: INVALID_STATE: the session is over, or runs strategies already; or callbacks
                answer themselves without end.
        """
        self._refuse_view("run")
        if self.is_complete or self._runner is not None:
            raise self._wrong_state("run", "created or running, with no strategy in it")
        return run_strategies(self, strategies)

    def send(self, message: Any, to: str | None = None) -> None:
        """Send a message from a callback to another strategy of the session, or to all others.

        Args:
            message: Anything; it is told by `on_message` at the same virtual time.
            to: Name of a strategy (its `name`, or that of its class); None: all others.

        Raises:
            UnknownName: There is no such strategy.
            UsageError: No strategy is running.
        """
        if self._runner is None:
            raise UsageError("send belongs to a running strategy's callback; nothing runs now.")
        self._runner.send(message, to)

    def listen(self, runner: BookRunner | None) -> None:
        """Let a runner take the messages of its strategies; None: nothing runs any more."""
        self._runner = runner

    @property
    def stopped(self) -> tuple[int, int]:
        """Lane and kind of the event at which the clock stood still last (codes.ON_BOOK, ...)."""
        return int(self._account["stopped_lane"]), int(self._account["stopped_by"])

    # ------------------------------------------------------------------ orders

    def place_order(
        self,
        symbol: str,
        side: str,
        type: str = "limit",  # noqa: A002  the field's own word, as on candles
        quantity: Any = None,
        price: Any = None,
        *,
        notional: Any = None,
        fraction: Any = None,
        **terms: Any,
    ) -> BookOrder:
        """Send an order; what is refused comes back as an order with its reason.

        Args:
            symbol: In any spelling of C8, or "SYMBOL@venue".
            side: "buy" or "sell".
            type: "limit" or "market".
            quantity: Base units; contracts of an inverse instrument. Rounded down to whole lots.
                One of quantity, notional and fraction; an exit (reduce_only) without any closes
                what no other exit of it works on.
            price: Limit; a buy's is rounded down to a tick, a sell's up.
            notional: Worth in the account's currency, at the limit, of a market order at the mid
                that is seen now; no more than the account covers (O3b).
            fraction: Of equity, 0 to 1 (to max_leverage on margin), settled likewise.
            **terms: time_in_force "GTC", "IOC", "FOK", or "GTX": GTC and post_only; post_only;
                reduce_only; max_slippage_bps, a hard cap from the arrival mid (B12); venue; tag.

        Raises:
            UsageError: INVALID_STATE.
        """
        self._need_running("place_order")
        given = {"symbol": symbol, "side": side, "type": type, "quantity": quantity, **terms}
        return self._desk.place(
            given | {"price": price, "notional": notional, "fraction": fraction}
        )

    def rebalance(
        self, weights: Mapping[str, float], deadband: float = 0.0
    ) -> tuple[BookOrder, ...]:
        """Send market orders for target weights of equity: reductions first, then the rest (E6).

        Market orders on their way count as filled, working limits do not. What opens is scaled to
        what is free now; proceeds of sales are free once their fills are known.

        Args:
            weights: Weight by symbol; negative ones are shorts on margin and 0 in spot. Symbols
                that are not named stay as they are.
            deadband: Changes of weight below it are left alone; a weight of 0 always closes.

        Returns:
            The orders that were sent and refused. If a name or a number is wrong, none is sent.

        Raises:
            UsageError: INVALID_STATE.
            ConfigError: deadband is no number of at least 0.
        """
        self._need_running("rebalance")
        return self._desk.rebalance(weights, deadband)

    def cancel_order(self, order_id: str | BookOrder) -> BookOrder:
        """Ask for a cancellation; it works when it arrives, and a fill before wins (B19).

        Raises:
            UsageError: ORDER_NOT_FOUND, or INVALID_STATE.
        """
        self._need_running("cancel_order")
        return self._desk.cancel(order_id)

    def cancel_all(self, symbol: str | None = None) -> tuple[BookOrder, ...]:
        """Ask for the cancellation of every working order, of a symbol or of all.

        Raises:
            UnknownName: There is no such symbol.
            UsageError: INVALID_STATE.
        """
        self._need_running("cancel_all")
        return tuple(self.cancel_order(order) for order in self.open_orders(symbol=symbol))

    def amend_order(
        self, order_id: str | BookOrder, *, price: Any = None, quantity: Any = None
    ) -> BookOrder:
        """Ask for another limit, or another quantity in all, what has filled included.

        A new price, or more quantity, loses the queue; less quantity alone keeps it (B19). What is
        filled while the message is on its way counts towards it.

        Raises:
            UsageError: ORDER_NOT_FOUND, or INVALID_STATE.
        """
        self._need_running("amend_order")
        return self._desk.amend(order_id, price, quantity)

    def decrease_order(self, order_id: str | BookOrder, by: Any) -> BookOrder:
        """Ask for an order to shrink, keeping its place in the queue (B19).

        Raises:
            UsageError: ORDER_NOT_FOUND, or INVALID_STATE.
        """
        self._need_running("decrease_order")
        return self._desk.decrease(order_id, by)


def _arguments() -> tuple[str, ...]:
    """Return every keyword of `create`."""
    own = [name for name in inspect.signature(BookSession.create).parameters if name != "physics"]
    return (*own, *_PHYSICS)
