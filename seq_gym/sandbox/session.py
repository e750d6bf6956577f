"""A session: one agent, one account, one window of the market, and the verbs to trade in it.

Refused orders are values; only wrong calls raise. Times in arguments are whatever `parse_time`
reads; nothing that a session shows was known later than its virtual time (C2). When it is over it
is saved, and `Session.load` reads it again.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from seq_gym.engine.batch import Batch
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries, Instrument, load_candles
from seq_gym.market.store import load_window, store_of
from seq_gym.sandbox.known import whole_number
from seq_gym.sandbox.params import (
    RiskProfile,
    SandboxParams,
    instrument_table,
    params_table,
    refuse_mixed_quotes,
)
from seq_gym.sandbox.profiles import load_profile, risk_profile
from seq_gym.sandbox.records import Order, Results, StepResult
from seq_gym.sandbox.runner import run_strategy
from seq_gym.sandbox.saved_live import SavableSession
from seq_gym.sandbox.tape import build_tape
from seq_gym.sandbox.ticket import float_of
from seq_gym.times import IntervalLike, TimeLike, format_time, parse_time
from seq_gym.types import Ending

__all__ = ["Session"]

_PHYSICS = tuple(f.name for f in fields(SandboxParams) if f.name != "risk")
_LEAST_EVENTS = 512
"""The event ring holds at least these, and four candles of the busiest kind."""


class Session(SavableSession):
    """A replay of market data with an account in it. Make one with `Session.create`.

    States: created -> running -> completed | cancelled | failed. A call that the state does not
    allow raises `UsageError` with the code INVALID_STATE.

    Attributes:
        series: The candles, all of them; read it only for what is known.
        params: The physics.
        start_cursor: Cursor of the window's start in the series.
        end_cursor: Cursor of its end.
        strategy_label: Names the strategy in results.
        agent_id: Whose risk profile it has.
        is_view: An environment owns the clock.
        last_step: What the last `step` or `step_batch` returned; None before the first.

    Source: S1-04 to S1-55, responses.md, semantics C, O, M, R.
    """

    # ------------------------------------------------------------------ making one

    @classmethod
    def create(
        cls,
        *,
        data: Any,
        start_time: TimeLike | None = None,
        end_time: TimeLike | None = None,
        starting_balance: float = 10_000.0,
        candle_interval: IntervalLike | None = None,
        strategy_label: str = "default",
        agent_id: str = "default",
        pairs: str | Iterable[str] | None = None,
        risk: RiskProfile | Mapping[str, Any] | None = None,
        profiles_path: str | Path | None = None,
        snapshot_every: int = 60,
        instruments: Iterable[Instrument] = (),
        funding: Mapping[str, Any] | None = None,
        mark: Mapping[str, Any] | None = None,
        save: bool = True,
        save_to: str | Path | None = None,
        **physics: Any,
    ) -> Session:
        """Create a session over a window of some data.

        Args:
            data: Whatever `load_candles` reads: a path, a folder, a frame, a CandleSeries, "store".
                Of a store only the window is loaded, and a month on either side of it.
            start_time: Start of the window, on a candle's boundary; None = the data's.
            end_time: End of the window, a date includes that day (C8); None = the data's.
            starting_balance: Cash, quote units; text is read as a number (S1-19).
            candle_interval: Candles of a step; None = the finest of the data.
            strategy_label: Names the strategy in results.
            agent_id: Loads the risk profile of that name (profiles.py).
            pairs: Symbols; None = all of the data.
            risk: Limits in code, a RiskProfile or a mapping; wins over the agent's profile.
            profiles_path: TOML of the profiles; None = configs/agents.toml, where it exists.
            snapshot_every: Steps between two points of the equity curve; 0 = none are kept.
            instruments: Ticks, lots and fees of some symbols.
            funding: Funding rates by symbol.
            mark: Mark price candles by symbol, on which funding is paid (M5).
            save: Save it as soon as it is over (S1-17), and its progress every 500 steps (S1-71).
            save_to: SQLite file of saved sessions; None = the environment variable
                SIM_SESSIONS_PATH, else runs/sessions.db.
            **physics: Any other field of SandboxParams, by its name.

        Raises:
            ConfigError: An argument breaks its rule, the window is not inside the data (S1-03)
                or holds no whole candle (C5), or the file of saved sessions is not ours.
            UnknownName: A name or a keyword is not known; the error names the near miss.
            MarketDataError: The data breaks a rule.
        """
        for name in physics:
            if name not in _PHYSICS:
                raise UnknownName("argument", name, _arguments(), "of Session.create")
        if not isinstance(strategy_label, str):
            raise ConfigError(
                f"strategy_label must be text; was {strategy_label!r}. Likely fix: "
                f"str({strategy_label!r})."
            )
        wanted = [pairs] if isinstance(pairs, str) else None if pairs is None else list(pairs)
        store = store_of(data)
        if store is not None:
            data = load_window(
                store, symbols=wanted, interval=candle_interval, start=start_time, end=end_time
            )
        series = load_candles(
            data,
            symbols=wanted,
            interval=candle_interval,
            instruments=instruments,
            funding=funding,
            mark=mark,
        )
        refuse_mixed_quotes(series)
        start, end = _window(series, start_time, end_time)
        limits = load_profile(agent_id, profiles_path)
        if risk is not None:
            limits = risk if isinstance(risk, RiskProfile) else risk_profile(risk)
        cash = float_of(starting_balance)
        cash = starting_balance if math.isnan(cash) else cash  # for the error to show
        params = SandboxParams(starting_balance=cash, risk=limits, **physics)
        batch, alive = _new_batch(series, params, end - start)
        session = cls(
            batch,
            series,
            params,
            start=start,
            end=end,
            label=strategy_label,
            agent_id=agent_id,
            snapshot_every=whole_number("snapshot_every", snapshot_every, least=0),
            alive=alive,
        )
        session._keep(save, save_to)
        return session

    @classmethod
    def of_batch(
        cls,
        batch: Batch,
        series: CandleSeries,
        params: SandboxParams,
        *,
        start: int,
        end: int,
        strategy_label: str = "environment",
        agent_id: str = "default",
    ) -> Session:
        """Return a started session over row 0 of an environment's batch; cheap to make.

        It reads and it places orders; the clock belongs to the environment. What the batch drains
        must come here: call `collect` when `advance` returns RING_FULL, instead of `drain`.

        Args:
            batch: The batch, reset, with `record_all`; its curve is read where `keep_equity` is on.
            series: The candles of its tape.
            params: The physics of its PARAMS record.
            start: Cursor at which row 0 was reset.
            end: Cursor at which its window ends.
            strategy_label: Names the strategy in results.
            agent_id: Names the agent in results.
        """
        return cls(
            batch,
            series,
            params,
            start=start,
            end=end,
            label=strategy_label,
            agent_id=agent_id,
            is_view=True,
        )

    # ------------------------------------------------------------------ the clock

    def start(self) -> None:
        """Open the account at the start of the window (S1-09).

        Raises:
            UsageError: INVALID_STATE: it has been started.
        """
        if self.status != "created":
            raise self._wrong_state("start", "created")
        self._batch.reset(0, self.start_cursor, self.end_cursor)
        self._started = True
        self._replay.note(wanted=True)

    def step(self) -> StepResult:
        """Advance one candle: orders that are pending meet it (O2)."""
        return self.step_batch(1)

    def step_batch(self, steps: int) -> StepResult:
        """Advance many candles; every order meets every one of them (S1-24).

        Args:
            steps: At least 1; past the end it is clamped (C5).

        Returns:
            What happened, with every fill of every candle (O13) and the steps really made.

        Raises:
            UsageError: INVALID_STATE.
            ConfigError: steps is no whole number of at least 1.
        """
        self._need_running("step")
        self.collect()
        journal, first = self._journal, self.cursor
        fills, happenings = len(journal.fills), len(journal.happenings)
        self.advance(steps)
        rejected = journal.orders_of("rejected", self._told)
        self._told = len(journal.happenings)
        self.last_step = StepResult(
            virtual_time_ns=self.virtual_time_ns,
            step=self.step_index,
            total_steps=self.total_steps,
            steps_executed=self.cursor - first,
            prices=self.prices(),
            orders_filled=tuple(journal.fills[fills:]),
            orders_cancelled=journal.orders_of("cancelled", happenings),
            orders_rejected=rejected,
            portfolio=self.portfolio(),
            is_complete=self.is_complete,
        )
        return self.last_step

    def advance(self, steps: int) -> int:
        """Advance as `step_batch` does, without building its document: a loop's own step.

        Args:
            steps: At least 1; past the end it is clamped (C5).

        Returns:
            The steps really made.

        Raises:
            UsageError: INVALID_STATE.
            ConfigError: steps is no whole number of at least 1.
        """
        self._need_running("step")
        self._refuse_view("step")
        first = self.cursor
        last = first + whole_number("steps", steps)
        self._replay.advance_to(min(last, self.end_cursor))
        self._follow()
        return self.cursor - first

    def cancel(self) -> None:
        """End the session now: pending orders go, nothing is sold; results are partial (M7)."""
        self._need_running("cancel")
        self._refuse_view("cancel")
        physics: Any = self._batch.params[0]
        sells = int(physics.liquidate_on_complete)
        physics.liquidate_on_complete = 0
        self._batch.end_episode(0, int(Ending.CANCELLED))
        physics.liquidate_on_complete = sells
        self._replay.collect()
        self._replay.note(wanted=True)
        self._follow()

    def run(self, strategy: Any, candles_per_step: int = 1) -> Results:
        """Let a strategy trade to the end of the window (policy.py tells the order of callbacks).

        Args:
            strategy: An object with any of the callbacks of `Strategy`.
            candles_per_step: Candles between two calls of `on_candle`.

        Returns:
            The results.

        Raises:
            UsageError: INVALID_STATE, or the strategy answers its own fills without end.
        """
        self._refuse_view("run")
        return run_strategy(self, strategy, candles_per_step)

    def fail(self) -> None:
        """Mark the session as failed: it stays readable, its results are partial.

        Raises:
            UsageError: INVALID_STATE: it does not run, so nothing of it can fail.
        """
        self._need_running("fail")
        self._replay.collect()
        self._replay.note(wanted=True)  # the curve has its end, as everywhere (X1)
        self._failed = True
        self._follow()

    # ------------------------------------------------------------------ orders

    def place_order(
        self,
        symbol: Any = None,
        side: Any = None,
        type: Any = None,  # noqa: A002 - the field's name in S1-19
        *,
        quantity: Any = None,
        notional: Any = None,
        fraction: Any = None,
        price: Any = None,
        trigger_price: Any = None,
        trail_frac: Any = None,
        time_in_force: Any = None,
        reduce_only: Any = None,
        post_only: Any = None,
        max_slippage_bps: Any = None,
        expire_after: Any = None,
        group_id: Any = None,
        **unknown: Any,
    ) -> Order:
        """Place an order; whatever is wrong with it is a refused value (O1, R5).

        Args:
            symbol: In any spelling of C8.
            side: "buy" or "sell".
            type: "market", "limit", "stop_loss", "take_profit", "stop_limit", "trailing_stop".
            quantity: Base units, a number or text. One of quantity, notional and fraction; an
                exit (reduce_only) without any closes the whole position.
            notional: Quote units; a quantity at the fill (O3b).
            fraction: Of equity, 0 to 1 (to max_leverage on margin); a quantity at the fill.
            price: Of limit and stop_limit.
            trigger_price: Of stop_loss, take_profit and stop_limit.
            trail_frac: Of trailing_stop: distance from the best price, 0 to 1.
            time_in_force: "GTC", "IOC" or "FOK".
            reduce_only: Never opens; implied by stop_loss, take_profit and trailing_stop.
            post_only: A limit that never takes.
            max_slippage_bps: Hard cap; what would exceed it is cancelled.
            expire_after: Candles that it works.
            group_id: Orders of one group: the first fill cancels the rest (O9b).
            **unknown: Refused, with the near miss.

        Returns:
            The order as it stands now: status "rejected" with its reason, or accepted; under
            execution="close" a market order is filled already.

        Raises:
            UsageError: INVALID_STATE.
        """
        self._need_running("place_order")
        given = {
            "symbol": symbol,
            "side": side,
            "type": type,
            "quantity": quantity,
            "notional": notional,
            "fraction": fraction,
            "price": price,
            "trigger_price": trigger_price,
            "trail_frac": trail_frac,
            "time_in_force": time_in_force,
            "reduce_only": reduce_only,
            "post_only": post_only,
            "max_slippage_bps": max_slippage_bps,
            "expire_after": expire_after,
            "group_id": group_id,
            **unknown,
        }
        return self._desk.place(given)

    def cancel_order(self, order_id: str | Order) -> Order:
        """Cancel a working order; a finished one is a refused value (O11).

        Raises:
            UsageError: INVALID_STATE, or ORDER_NOT_FOUND for an id that never was.
        """
        self._need_running("cancel_order")
        return self._desk.cancel(order_id)

    def amend_order(self, order_id: str | Order, **terms: Any) -> Order:
        """Change a working order (O11).

        A smaller quantity alone keeps the priority; everything else is cancel-and-replace under
        the same id.

        Args:
            order_id: The order.
            **terms: New `price`, `trigger_price`, `quantity` (in all, with what has filled).

        Returns:
            The order after it, or a refused value with the order left as it was.

        Raises:
            UsageError: INVALID_STATE, or ORDER_NOT_FOUND.
        """
        self._need_running("amend_order")
        return self._desk.amend(order_id, terms)

    def decrease_order(self, order_id: str | Order, by: Any) -> Order:
        """Shrink a working order by a quantity; it keeps its priority (O11).

        Returns:
            The order after it, or a refused value: it would reach 0 or below, or has no quantity.

        Raises:
            UsageError: INVALID_STATE, or ORDER_NOT_FOUND.
        """
        self._need_running("decrease_order")
        return self._desk.decrease(order_id, by)

    def rebalance(self, weights: Mapping[str, float], deadband: float = 0.0) -> tuple[Order, ...]:
        """Ask for target weights of equity: reductions first, then what they pay for (E6).

        Symbols that are not named stay as they are. Under execution="next_open" it happens at the
        next open; under "close" at once.

        Args:
            weights: Weight by symbol; negative ones are shorts on margin and 0 in spot.
            deadband: Changes of weight below it are left alone; a weight of 0 always closes.

        Returns:
            The refused orders, and those that executed at once. If a name or a number is wrong,
            nothing is asked for.

        Raises:
            UsageError: INVALID_STATE.
            ConfigError: deadband is no number of at least 0.
        """
        self._need_running("rebalance")
        return self._desk.rebalance(weights, deadband)


def _arguments() -> tuple[str, ...]:
    """Return every keyword of `Session.create`, those of the physics included."""
    own = inspect.signature(Session.create).parameters
    return tuple(dict.fromkeys([*(name for name in own if name != "physics"), *_PHYSICS]))


def _new_batch(series: CandleSeries, params: SandboxParams, num_steps: int) -> tuple[Batch, Any]:
    """Return a batch of one that keeps everything, and what must live as long as it."""
    tape = build_tape(series)
    table, alive = params_table(params, series)
    busiest = 4 * (params.max_orders + 1) + 8 * series.num_symbols + 8
    batch = Batch(
        tape.candles,
        tape.funding,
        instrument_table(params, series),
        table,
        event_capacity=1 << max(4 * busiest, _LEAST_EVENTS).bit_length(),
        record_all=True,
        make_pyramid=lambda: tape.pyramid,
    )
    batch.keep_equity(num_steps)
    return batch, alive


def _window(
    series: CandleSeries, start_time: TimeLike | None, end_time: TimeLike | None
) -> tuple[int, int]:
    """Return the cursors of a window, which must lie inside the data (S1-03, C5)."""
    start = series.start_ns if start_time is None else parse_time(start_time)
    end = series.end_ns if end_time is None else parse_time(end_time, end=True)
    span = f"{format_time(series.start_ns)} to {format_time(series.end_ns)}"
    for name, time in (("start_time", start), ("end_time", end)):
        if not series.start_ns <= time <= series.end_ns:
            raise ConfigError(f"{name} must lie within the data, {span}; was {format_time(time)}.")
    late = (start - series.start_ns) % series.interval_ns
    if late:
        raise ConfigError(
            f"start_time must be a boundary of the {series.interval} candles; was "
            f"{format_time(start)}. Likely fix: {format_time(start - late)}."
        )
    steps = (end - start) // series.interval_ns
    if steps < 1:
        raise ConfigError(
            f"end_time must be at least one {series.interval} candle after start_time; were "
            f"{format_time(start)} and {format_time(end)}."
        )
    first = (start - series.start_ns) // series.interval_ns
    return first, first + steps
