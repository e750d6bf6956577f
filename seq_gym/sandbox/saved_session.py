"""A session read back from its file: what the live one showed at its end, and no verbs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, NoReturn

from seq_gym.errors import UsageError
from seq_gym.market.instruments import find_symbol
from seq_gym.metrics import EpisodeMetrics
from seq_gym.sandbox.records import (
    Balance,
    EquityPoint,
    Fill,
    Order,
    Portfolio,
    Position,
    Results,
    SessionStatus,
)
from seq_gym.sandbox.saved_rows import (
    account_of,
    columns_of,
    point_of,
    record_of,
    results_from,
)
from seq_gym.times import format_time

__all__ = ["Row", "SavedSession"]

Row = tuple[Any, ...]
"""A row of the file."""


def _closed(verb: str) -> Callable[..., NoReturn]:
    """Return a verb that says that it needs a live session."""

    def refuse(self: SavedSession, *_: Any, **__: Any) -> NoReturn:
        raise UsageError(
            f"The session must be live to call {verb}; {self.session_id} was loaded and is "
            "read-only. Likely fix: Session.create with its config makes another.",
            code="INVALID_STATE",
        )

    refuse.__name__ = verb
    refuse.__doc__ = "Refuse: INVALID_STATE, a loaded session is read-only."
    return refuse


class SavedSession:
    """A session that is over, as its file has it; equal to the live one in full precision.

    It holds all of its rows: the file may go. It has no candles and no equity of every step, which
    are not stored: verbs that need them, and all verbs that trade, raise INVALID_STATE. The
    functions of `responses` take it as they take a live session.

    Args:
        row: Its row of the table `sessions`.
        metrics: Rows of name, value and reason.
        orders: Rows of the orders' fields.
        fills: Rows of the fills' fields.
        equity: Rows of the snapshots.

    Attributes:
        session_id: Its id.
        status: completed, cancelled or failed.
        strategy_label: Named the strategy.
        agent_id: Named the agent.
        step_index: Candles advanced.
        total_steps: Candles of its window.
        saved_at: When it was saved, wall clock, UTC, such as "2026-01-31T12:00:00Z".
        physics_version: Version of the physics that it was computed with (X7).
    """

    def __init__(
        self,
        row: Mapping[str, Any],
        *,
        metrics: list[Row],
        orders: list[Row],
        fills: list[Row],
        equity: list[Row],
    ) -> None:
        self._results = results_from(row, metrics)
        self._account = account_of(row["account"])
        self._order_rows = orders
        self._fill_rows = fills
        self._equity_rows = equity
        self.session_id: str = self._results.session_id
        self.status: SessionStatus = self._results.status
        self.strategy_label = self._results.config["strategy_label"]
        self.agent_id = self._results.config["agent_id"]
        self.step_index = int(row["step"])
        self.total_steps = int(row["total_steps"])
        self.saved_at = str(row["updated_at"])
        self.physics_version = int(row["physics_version"])

    # ------------------------------------------------------------------ what it was

    @property
    def is_complete(self) -> bool:
        """True: only sessions that are over are saved."""
        return True

    @property
    def ending(self) -> str:
        """Name of the `Ending`: why it is over."""
        return self._results.ending

    @property
    def config(self) -> Mapping[str, Any]:
        """What it was created with: window, balance, labels, symbols, data fingerprint."""
        return self._results.config

    @property
    def physics(self) -> dict[str, Any]:
        """The fields of its `SandboxParams`; a function goes by its name."""
        return dict(self._results.config["physics"])

    @property
    def symbols(self) -> tuple[str, ...]:
        """What could be traded, in the venue's spelling."""
        return tuple(self._results.config["symbols"])

    @property
    def quote(self) -> str:
        """The currency of the account."""
        return self._account.quote

    @property
    def virtual_time_ns(self) -> int:
        """When it ended, UNIX nanoseconds of virtual time."""
        start, end = self.config["start_time_ns"], self.config["end_time_ns"]
        return int(start + (end - start) // self.total_steps * self.step_index)

    @property
    def virtual_time(self) -> str:
        """When it ended, as text."""
        return format_time(self.virtual_time_ns)

    # ------------------------------------------------------------------ what it came to

    def results(self, *, partial: bool = False) -> Results:  # noqa: ARG002 - the live one's verb
        """Return what the session came to.

        Args:
            partial: As in a live session; nothing changes, for it is over.
        """
        return self._results

    @property
    def metrics(self) -> EpisodeMetrics:
        """Its metrics, computed from the equity of every step before it was saved (X1)."""
        return self._results.metrics

    def orders(self, *, symbol: str | None = None) -> tuple[Order, ...]:
        """Return every order, refused ones included, oldest first."""
        name = None if symbol is None else self._named(symbol)
        return tuple(o for o in self._orders if name is None or o.symbol == name)

    def order(self, order_id: str) -> Order:
        """Return an order.

        Raises:
            UsageError: ORDER_NOT_FOUND.
        """
        for order in self._orders:
            if order.order_id == order_id:
                return order
        raise UsageError(
            f"order_id must be one of this session's; was {order_id!r}.", code="ORDER_NOT_FOUND"
        )

    def open_orders(self, *, symbol: str | None = None) -> tuple[Order, ...]:
        """Return the orders that still worked; only a failed session leaves any."""
        found = {order.order_id: order for order in self.orders(symbol=symbol)}
        return tuple(found[number] for number in self._account.open_orders if number in found)

    def fills(self) -> tuple[Fill, ...]:
        """Return every fill, in time order."""
        return self._fills

    def trades(self) -> tuple[Fill, ...]:
        """Return the trade log: every fill, `total_trades` of them (X4, S1-54)."""
        return self._fills

    def equity_curve(self) -> tuple[EquityPoint, ...]:
        """Return the snapshots: start, every `snapshot_every` steps, at fills, the end (X1)."""
        return self._points

    def portfolio(self) -> Portfolio:
        """Return the account at its end, in quote units."""
        return self._account.portfolio

    def balance(self) -> tuple[Balance, ...]:
        """Return what was held at its end of every asset."""
        return self._account.balance

    def positions(self) -> tuple[Position, ...]:
        """Return every position that was open at its end."""
        return self._account.positions

    def position(self, symbol: str) -> Position | None:
        """Return the position in a symbol at its end, or None."""
        name = self._named(symbol)
        return next((held for held in self._account.positions if held.symbol == name), None)

    def price_decimals(self, symbol: str) -> int:
        """Return the decimals of a symbol's prices; 2 where it was never traded."""
        return self._account.decimals.get(symbol, (2, None))[0]

    def lot_decimals(self, symbol: str) -> int | None:
        """Return the decimals of a symbol's quantities; None where no lot was stated."""
        return self._account.decimals.get(symbol, (2, None))[1]

    # ------------------------------------------------------------------ what needs a live one

    start = _closed("start")
    step = _closed("step")
    step_batch = _closed("step_batch")
    advance = _closed("advance")
    cancel = _closed("cancel")
    run = _closed("run")
    fail = _closed("fail")
    save = _closed("save")
    place_order = _closed("place_order")
    cancel_order = _closed("cancel_order")
    amend_order = _closed("amend_order")
    decrease_order = _closed("decrease_order")
    rebalance = _closed("rebalance")
    prices = _closed("prices")
    price = _closed("price")
    ticker = _closed("ticker")
    candles = _closed("candles")

    @property
    def equity(self) -> NoReturn:
        """Refuse: the equity of every step is not stored, `equity_curve` is."""
        raise UsageError(
            f"The session must be live to have the equity of every step; {self.session_id} was "
            "loaded. Likely fix: equity_curve(), whose metrics were computed from every step.",
            code="INVALID_STATE",
        )

    def __repr__(self) -> str:
        return (
            f"SavedSession({self.session_id}, {self.status}, {self.virtual_time}, "
            f"step {self.step_index} of {self.total_steps})"
        )

    # ------------------------------------------------------------------ inner parts

    @cached_property
    def _orders(self) -> tuple[Order, ...]:
        columns = columns_of(Order)
        return tuple(record_of(Order, columns, row) for row in self._order_rows)

    @cached_property
    def _fills(self) -> tuple[Fill, ...]:
        columns = columns_of(Fill)
        return tuple(record_of(Fill, columns, row) for row in self._fill_rows)

    @cached_property
    def _points(self) -> tuple[EquityPoint, ...]:
        return tuple(point_of(row) for row in self._equity_rows)

    def _named(self, symbol: str) -> str:
        return self.symbols[find_symbol(symbol, self.symbols)]
