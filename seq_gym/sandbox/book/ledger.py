"""Reads the account of a book batch's first row: what it is worth, holds and owes (M3, M4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from seq_gym.engine.book.batch import BookBatch
from seq_gym.sandbox.book.holdings import Holdings, worth_of
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.records import Balance, Costs, Portfolio, Position
from seq_gym.sandbox.row import Row

__all__ = ["BookLedger"]


class BookLedger:
    """Reads row 0 of a batch; writes nothing.

    Args:
        batch: The tables.
        view: Marks and instruments.
        is_margin: Whether the account may go short and into debt.
    """

    def __init__(self, batch: BookBatch, view: BookView, *, is_margin: bool) -> None:
        self._batch = batch
        self._view = view
        self._is_margin = is_margin
        self._account = Row(batch.accounts)
        self._quantities = batch.positions["qty"][0]
        self._bases = batch.positions["basis"][0]
        self._marks = batch.lanes["mark"][0]

    @property
    def quote(self) -> str:
        """The currency of the account: the base of inverse contracts."""
        first = self._view.instruments[0]
        return (first.base if first.inverse else first.quote) or "CASH"

    def _value(self, s: int) -> float:
        """Return what a lane's position is worth; 0 where nothing is held."""
        quantity = float(self._batch.positions[0, s].qty)
        if quantity == 0.0:
            return 0.0
        return quantity * worth_of(self._view.instruments[s], self._view.mark(s))

    def portfolio(self) -> Portfolio:
        """Return the account in its currency, at the marks that the agent knows."""
        return self.portfolio_of(self.figures())

    @property
    def num_figures(self) -> int:
        """How many `figures` there are."""
        return 3 + 3 * len(self._view.instruments)

    def figures(self) -> list[float]:
        """Return all that a portfolio is made of, quick to note: see `portfolio_of`."""
        a = self._account
        found: list[float] = [a["cash"], a["reserved"], a["realized"]]
        found += self._quantities.tolist() + self._bases.tolist() + self._marks.tolist()
        return found

    def portfolio_of(self, figures: Sequence[float]) -> Portfolio:
        """Return the account that `figures` were noted of.

        Args:
            figures: Cash, reserved and realised, then quantity, basis and mark of every lane.
        """
        size = len(self._view.instruments)
        cash, reserved, realized = figures[:3]
        quantities, marks = figures[3 : 3 + size], figures[3 + 2 * size :]
        worths = [
            each * worth_of(instrument, mark) if each else 0.0
            for each, instrument, mark in zip(
                quantities, self._view.instruments, marks, strict=True
            )
        ]
        equity, value = cash, 0.0
        for worth in worths:  # summed as the engine does: equal to the last bit
            equity += worth
            value += worth
        available = cash - reserved
        if self._is_margin:
            gross = math.fsum(abs(worth) for worth in worths)
            available += value - float(self._batch.params[0].initial_margin_frac) * gross
        return Portfolio(
            total_equity=equity,
            available_cash=available,
            position_value=value,
            unrealized_pnl=value - math.fsum(figures[3 + size : 3 + 2 * size]),
            realized_pnl=realized,
        )

    def balance(self) -> tuple[Balance, ...]:
        """Return what is held of the currency of the account, then of every lane."""
        cash, locked = self._account["cash"], self._account["reserved"]
        found = [Balance(asset=self.quote, available=cash - locked, locked=locked, total=cash)]
        for s, instrument in enumerate(self._view.instruments):
            row: Any = self._batch.positions[0, s]
            if row.qty != 0.0:
                held, kept = float(row.qty), float(row.reserved)
                found.append(
                    Balance(
                        asset=instrument.base if not instrument.inverse else self._view.names[s],
                        available=max(held - kept, 0.0) if held > 0.0 else held,
                        locked=kept,
                        total=held,
                    )
                )
        return tuple(found)

    def position(self, s: int, holdings: Holdings) -> Position | None:
        """Return what is held on a lane; None where nothing is. The journal is up to date.

        Of what was there before the first fill (an environment's starting inventory) the average
        price is that of the basis, entry fees included.
        """
        row: Any = self._batch.positions[0, s]
        quantity, basis = float(row.qty), float(row.basis)
        if quantity == 0.0:
            return None
        is_ours = math.isclose(holdings.quantity(s), quantity, rel_tol=1e-9)
        entry = holdings.entry_price(s) if is_ours else self._price_of(s, basis / quantity)
        value = self._value(s)
        return Position(
            symbol=self._view.names[s],
            quantity=quantity,
            avg_entry_price=entry,
            mark_price=self._view.mark(s),
            market_value=value,
            unrealized_pnl=value - basis,
            realized_pnl=float(row.realized),
            opened_ns=holdings.opened_ns(s) if is_ours else int(self._account["start"]),
        )

    def _price_of(self, s: int, unit: float) -> float:
        """Return the price at which one unit is worth an amount of the account's money."""
        instrument = self._view.instruments[s]
        size = instrument.contract_size
        return -size / unit if instrument.inverse else unit / size

    def net_pnl(self, s: int) -> float:
        """Return what a lane has earned: realised, with fees and funding, plus unrealised."""
        row: Any = self._batch.positions[0, s]
        return float(row.realized) + self._value(s) - float(row.basis)

    def costs(self) -> Costs:
        """Return what trading has cost; slippage is the spread paid against the venue's mid."""
        a = self._account
        return Costs(
            maker_fees=a["maker_fees"],
            taker_fees=a["taker_fees"],
            slippage=a["spread_cost"],
            borrow=a["borrow"],
            funding=a["funding"],
            bad_debt=a["bad_debt"],
        )
