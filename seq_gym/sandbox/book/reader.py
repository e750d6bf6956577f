"""What a session over books shows: books, account, orders, results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book.features_table import book_feature_names
from seq_gym.errors import UsageError
from seq_gym.sandbox.book.records import Book, BookFill, BookOrder, Nbbo
from seq_gym.sandbox.book.results import book_results
from seq_gym.sandbox.book.state import BookState
from seq_gym.sandbox.book.tape import book_features
from seq_gym.sandbox.book.tca import TcaReport, measure_costs
from seq_gym.sandbox.book.trace import OrderTrace, trace_of
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.records import (
    Balance,
    EquityPoint,
    Portfolio,
    Position,
    Results,
    Ticker,
)
from seq_gym.times import IntervalLike, parse_interval

__all__ = ["BookReader"]


class BookReader(BookState):
    """The reading half of a session over books; nothing here moves the clock or an order."""

    # ------------------------------------------------------------------ the market

    def book(self, symbol: str, depth: int = 10, *, venue: str | None = None) -> Book:
        """Return the book of a symbol as the agent sees it now.

        Raises:
            UnknownName: There is no such symbol or venue.
            ConfigError: Several venues trade it and none is named, or depth breaks its rule.
            UsageError: INVALID_STATE.
        """
        self._need_started("book")
        return self._view.book(self._view.lane(symbol, venue), depth)

    def nbbo(self, symbol: str) -> Nbbo:
        """Return the best bid and offer of a symbol over the venues of its market.

        Args:
            symbol: In any spelling, or "SYMBOL@venue" where a spot pair and a contract share it:
                prices of the two are no offer of one thing, and are never mixed.

        Raises:
            UnknownName: There is no such symbol or venue.
            ConfigError: The session has it in several markets, and none is named.
            UsageError: INVALID_STATE.
        """
        self._need_started("nbbo")
        return self._view.nbbo(self._view.lanes_of_one_market(symbol))

    def prices(self) -> dict[str, float]:
        """Return the mark of every symbol that has one."""
        self._need_started("prices")
        marks = {name: self._view.mark(s) for s, name in enumerate(self._view.names)}
        return {name: mark for name, mark in marks.items() if not math.isnan(mark)}

    def price(self, symbol: str, *, venue: str | None = None) -> float:
        """Return the mark of a symbol: the price that values a position (`mark=`).

        Raises:
            UnknownName: There is no such symbol or venue.
            ConfigError: Several venues trade it and none is named.
            UsageError: PRICE_NOT_AVAILABLE before the first book, or INVALID_STATE.
        """
        self._need_started("price")
        return self._view.mark(self._marked(symbol, venue))

    def ticker(self, symbol: str, *, venue: str | None = None) -> Ticker:
        """Return the trailing 24 h of a symbol's prints, as far as they are recorded and received.

        `volume` counts what orders count, `quote_volume` is its worth in the account's currency.
        Raises as `price` does.
        """
        self._need_started("ticker")
        return self._prints.ticker(self._marked(symbol, venue), self.virtual_time_ns)

    def _marked(self, symbol: str, venue: str | None) -> int:
        """Return the lane of a symbol that has a mark."""
        s = self._view.lane(symbol, venue)
        if math.isnan(self._view.mark(s)):
            raise UsageError(
                f"{self._view.names[s]} has no price at {self.virtual_time}: no book of it with "
                "both sides has been received.",
                code="PRICE_NOT_AVAILABLE",
            )
        return s

    def mid(self, symbol: str, *, venue: str | None = None) -> float:
        """Return the middle of the best prices of a symbol.

        Raises:
            UnknownName: There is no such symbol or venue.
            ConfigError: Several venues trade it and none is named.
            UsageError: PRICE_NOT_AVAILABLE where a side is empty, or INVALID_STATE.
        """
        self._need_started("mid")
        bid, ask = self._view.best(self._view.lane(symbol, venue))
        if bid is None or ask is None:
            raise UsageError(
                f"The book of {symbol} must have both sides for a mid; it has not at "
                f"{self.virtual_time}.",
                code="PRICE_NOT_AVAILABLE",
            )
        return 0.5 * (bid + ask)

    def features(
        self,
        symbol: str,
        names: str | Sequence[str] = "default",
        *,
        venue: str | None = None,
        interval: IntervalLike = "1s",
    ) -> dict[str, float]:
        """Return market features of a book as the agent can know them now (docs: book features).

        Args:
            symbol: In any spelling, or "SYMBOL@venue".
            names: A set ("default", "levels", "full", "rates"), a name, or several.
            venue: Needed where several venues trade it.
            interval: Length of the decision interval that ends now, for what counts within one.

        Raises:
            UnknownName: There is no such symbol, venue or feature.
            UsageError: INVALID_STATE.
        """
        self._need_started("features")
        s = self._view.lane(symbol, venue)
        found = book_features(self.data.books[s], self._batch.instruments[s])
        wanted = book_feature_names(names)
        values = found.at(self.virtual_time_ns, wanted, interval_ns=parse_interval(interval))
        return dict(zip(wanted, values.tolist(), strict=True))

    @property
    def view(self) -> BookView:
        """The books by lane, for what runs many times a second."""
        return self._view

    # ------------------------------------------------------------------ the account

    def portfolio(self) -> Portfolio:
        """Return the account in its currency, as the agent knows it (B5)."""
        self._need_started("portfolio")
        return self._ledger.portfolio()

    def balance(self) -> tuple[Balance, ...]:
        """Return what is held of the currency, then of every lane."""
        self._need_started("balance")
        return self._ledger.balance()

    def positions(self) -> tuple[Position, ...]:
        """Return every position that is open."""
        self._need_started("positions")
        self.collect()
        found = (
            self._ledger.position(s, self._journal.holdings) for s in range(len(self._view.names))
        )
        return tuple(each for each in found if each is not None)

    def position(self, symbol: str, *, venue: str | None = None) -> Position | None:
        """Return the position in a symbol, or None."""
        self._need_started("position")
        self.collect()
        return self._ledger.position(self._view.lane(symbol, venue), self._journal.holdings)

    def orders(self, *, symbol: str | None = None) -> tuple[BookOrder, ...]:
        """Return every order, refused ones included, oldest first."""
        self._need_started("orders")
        self.collect()
        orders = self._journal.orders()
        if symbol is None:
            return tuple(orders)
        wanted = [self._view.instruments[s] for s in self._view.lanes_named(symbol)]
        names = {(each.symbol, each.venue) for each in wanted}
        return tuple(order for order in orders if (order.symbol, order.venue) in names)

    def order(self, order_id: str | BookOrder) -> BookOrder:
        """Return an order.

        Raises:
            UsageError: ORDER_NOT_FOUND.
        """
        return self._desk.find(order_id)[0]

    def trace(self, order_id: str | BookOrder) -> OrderTrace:
        """Return the life of an order with nanosecond stamps, as far as the agent knows it.

        Raises:
            UsageError: ORDER_NOT_FOUND.
        """
        order, number = self._desk.find(order_id)
        fills = [fill for fill in self._journal.fills if fill.order_id == order.order_id]
        return trace_of(order, fills, self._journal.changes.of(number))

    def open_orders(self, *, symbol: str | None = None) -> tuple[BookOrder, ...]:
        """Return the orders that are on their way or work, as far as the agent knows."""
        self._need_started("open_orders")
        return tuple(order for order in self.orders(symbol=symbol) if order.is_open)

    def fills(self) -> tuple[BookFill, ...]:
        """Return every fill that the agent knows of, in the order in which it learnt of them."""
        self._need_started("fills")
        self.collect()
        return tuple(self._journal.fills)

    def trades(self) -> tuple[BookFill, ...]:
        """Return the trade log: every fill, `total_trades` of them (X4, S1-54).

        Prints of the market are told by `on_trade`.
        """
        self._need_started("trades")
        return self.fills()

    def happenings(self, since: int = 0) -> list[tuple[str, Any]]:
        """Return fills, endings and refusals in order, from the given count on."""
        self.collect()
        return list(self._journal.happenings[since:])

    @property
    def num_happenings(self) -> int:
        """How many fills, endings and refusals the agent knows of."""
        self.collect()
        return len(self._journal.happenings)

    # ------------------------------------------------------------------ afterwards

    @property
    def equity(self) -> NDArray[np.float64]:
        """Equity at the start, every whole second of virtual time, and the end: float64 [n].

        Of the session of an environment: at every decision.
        """
        self._need_started("equity")
        return self._history.equity if self._curve is None else self._curve()[1]

    @property
    def equity_times(self) -> NDArray[np.int64]:
        """When: int64 [n], UNIX nanoseconds."""
        self._need_started("equity_times")
        return self._history.times if self._curve is None else self._curve()[0]

    def equity_curve(self) -> tuple[EquityPoint, ...]:
        """Return the account at the start, every whole second of virtual time, and the end (X1).

        An environment notes none; `equity` has every decision of it.
        """
        self._need_started("equity_curve")
        return self._history.points()

    def results(self, *, partial: bool = False) -> Results:
        """Return what the session came to; metrics are on the grid of whole seconds.

        Args:
            partial: Allow it while the session runs; the results then are marked partial.

        Raises:
            UsageError: INVALID_STATE.
        """
        self._need_started("results")
        if not partial and not self.is_complete:
            raise self._wrong_state("results", "completed, cancelled or failed")
        self.collect()
        return book_results(self, self._journal, self._ledger)

    def tca(self) -> TcaReport:
        """Return what every fill and order has cost, as far as it is known now (tca.py)."""
        self._need_started("tca")
        self.collect()
        journal = self._journal
        return measure_costs(
            journal.fills,
            journal.fill_lanes,
            journal.orders(),
            self._view,
            self._tapes,
            self.virtual_time_ns,
        )
