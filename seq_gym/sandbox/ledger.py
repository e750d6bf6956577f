"""Reads the account of a batch's first row: what it is worth, holds and owes (M3, M4)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.batch import Batch
from seq_gym.market import CandleSeries
from seq_gym.sandbox.journal import Journal
from seq_gym.sandbox.params import SandboxParams
from seq_gym.sandbox.records import Balance, Costs, Portfolio, Position
from seq_gym.sandbox.row import Row

__all__ = ["Ledger", "Standing"]


class Standing(NamedTuple):
    """What moves in an account when something happens, and not with prices."""

    cursor: int
    cash: float
    reserved: float
    realized: float
    basis: float
    """Summed over symbols, entry fees included."""
    quantities: NDArray[np.float64]
    """Signed base units [S]."""


class Ledger:
    """Reads row 0 of a batch; writes nothing.

    Args:
        batch: The tables.
        series: The candles of its tape.
        params: The physics.
        journal: Tells when a position was opened.
    """

    def __init__(
        self, batch: Batch, series: CandleSeries, params: SandboxParams, journal: Journal
    ) -> None:
        self._batch = batch
        self._series = series
        self._journal = journal
        self._account = Row(batch.accounts)
        self._quantities = batch.positions["qty"][0]
        self._is_margin = params.account == "margin"

    @property
    def quote(self) -> str:
        """The currency of the account."""
        return next((i.quote for i in self._series.instruments if i.quote), "CASH")

    def standing(self) -> Standing:
        """Return how the account stands now, without prices."""
        a = self._account
        return Standing(
            cursor=a["cursor"],
            cash=a["cash"],
            reserved=a["reserved"],
            realized=a["realized"],
            basis=float(self._batch.positions["basis"][0].sum()),
            quantities=self._quantities.copy(),
        )

    def portfolio(self) -> Portfolio:
        """Return the account in quote units, at the marks of its cursor."""
        return self.portfolio_of(self.standing(), self._account["cursor"])

    def portfolio_of(self, standing: Standing, cursor: int) -> Portfolio:
        """Return what an account that stands like this is worth at the marks of a cursor."""
        marks = self._batch.candles["mark"][cursor]
        # Summed symbol by symbol from the cash on, as the engine does: equal to the last bit.
        equity, value = standing.cash, 0.0
        for column in np.flatnonzero(standing.quantities).tolist():
            worth = float(standing.quantities[column] * marks[column])
            equity += worth
            value += worth
        available = standing.cash - standing.reserved
        if self._is_margin:
            gross = float(np.abs(standing.quantities) @ marks)
            available += value - float(self._batch.params[0].initial_margin_frac) * gross
        return Portfolio(
            total_equity=equity,
            available_cash=available,
            position_value=value,
            unrealized_pnl=value - standing.basis,
            realized_pnl=standing.realized,
        )

    def balance(self) -> tuple[Balance, ...]:
        """Return what is held of the quote currency, then of every asset that is held."""
        cash, locked = self._account["cash"], self._account["reserved"]
        found = [Balance(asset=self.quote, available=cash - locked, locked=locked, total=cash)]
        for column in np.flatnonzero(self._quantities):
            row: Any = self._batch.positions[0, column]
            found.append(
                Balance(
                    asset=self._series.instruments[column].base,
                    available=max(float(row.qty - row.reserved), 0.0),
                    locked=float(row.reserved),
                    total=float(row.qty),
                )
            )
        return tuple(found)

    def held(self) -> list[int]:
        """Return the columns of the symbols that are held."""
        return [int(column) for column in np.flatnonzero(self._quantities)]

    def position(self, column: int) -> Position | None:
        """Return the position in a symbol; None where there is none."""
        row: Any = self._batch.positions[0, column]
        quantity = float(row.qty)
        if quantity == 0.0:
            return None
        symbol = self._series.symbols[column]
        mark = float(self._batch.candles["mark"][self._account["cursor"], column])
        return Position(
            symbol=symbol,
            quantity=quantity,
            avg_entry_price=float(row.entry) / quantity,
            mark_price=mark,
            market_value=quantity * mark,
            unrealized_pnl=quantity * mark - float(row.basis),
            realized_pnl=float(row.realized),
            opened_ns=self._journal.opened_ns(symbol),
        )

    def net_pnl(self, column: int) -> float:
        """Return what a symbol has earned: realised, with fees and funding, plus unrealised."""
        row: Any = self._batch.positions[0, column]
        mark = float(self._batch.candles["mark"][self._account["cursor"], column])
        return float(row.realized) + float(row.qty) * mark - float(row.basis)

    def costs(self) -> Costs:
        """Return what trading has cost."""
        a = self._account
        return Costs(
            maker_fees=a["maker_fees"],
            taker_fees=a["taker_fees"],
            slippage=a["slippage"],
            borrow=a["borrow"],
            funding=a["funding"],
            bad_debt=a["bad_debt"],
        )
