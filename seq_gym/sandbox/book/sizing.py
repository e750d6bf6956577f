"""How much an order trades that says what it is worth: by notional, by fraction, or all (O3b).

A quantity is settled when the order is sent: at its limit, of a market order at the mid that the
agent sees; it is rounded down to whole lots and to what the account covers, as the engine's own
checks count it (A3). What an answer on its way will bring is not there yet (B5).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from seq_gym.engine.account import DUST
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.codes import MARKET
from seq_gym.market.book.decimals import Step, step_of
from seq_gym.sandbox.book.holdings import worth_of
from seq_gym.sandbox.book.refusals import sentence_of
from seq_gym.sandbox.book.view import BookView
from seq_gym.sandbox.ticket import Refused, number_of
from seq_gym.types import Reason

__all__ = ["BookSizer"]

_SIZES: Final = ("quantity", "notional", "fraction")
_NEAR: Final = 1e-12
"""What was computed as 0.1 + 0.2 is three tenths."""


class BookSizer:
    """Prices sizes at what the agent knows now; the account is row 0 of the batch.

    Args:
        batch: The engine's tables.
        view: Books and marks.
        equity: Returns what the account is worth at the marks.
    """

    def __init__(self, batch: BookBatch, view: BookView, equity: Callable[[], float]) -> None:
        self._batch = batch
        self._view = view
        self.equity = equity
        params: Any = batch.params[0]
        self.is_margin = bool(params.margin)
        self._margin_frac = float(params.initial_margin_frac)
        self._market_cap_frac = float(params.market_cap_frac)
        self._worsens = bool(params.adverse)
        self._in_lots = bool(params.fills == codes.STRICT)
        self._lots = tuple(step_of(each.lot) for each in view.instruments)
        self._ticks = tuple(step_of(each.tick) for each in view.instruments)

    # ------------------------------------------------------------------ an order's size

    def quantity(
        self, given: Mapping[str, Any], s: int, side: int, tick: int, reduce_only: bool
    ) -> Any:
        """Return the quantity of an order; one that is stated as such is passed on unread.

        Args:
            given: The fields that were written.
            s: The lane.
            side: codes.BUY or codes.SELL.
            tick: The limit; 0 of a market order.
            reduce_only: Without any size it closes the whole position.

        Raises:
            Refused: No size or several are stated, one breaks its rule, or nothing is covered.
        """
        stated = [name for name in _SIZES if name in given]
        if not stated and reduce_only:
            return self._closable(s, side)
        if len(stated) != 1:
            said = "none was given" if not stated else f"was {' and '.join(stated)}"
            text = f"An order must state one of quantity, notional and fraction; {said}."
            raise Refused(Reason.INVALID_PARAMS, text, limit="quantity")
        name = stated[0]
        if name == "quantity":
            return given[name]
        value = number_of(name, given[name], Reason.INVALID_PARAMS)
        wanted = self._worth(name, value) / self._unit(s, tick)
        whole = self.whole(s, min(wanted, self._closable(s, side)) if reduce_only else wanted)
        if whole <= 0.0:
            lot = self._view.instruments[s].lot
            text = f"{name} must be worth at least a lot of {lot:g}; was {value:g}."
            raise Refused(Reason.INVALID_PARAMS, text, limit=name, value=value, bound=lot)
        covered = self.fit(s, side, whole, tick)
        if covered <= 0.0:
            text = f"The account has not enough free for a lot of {self._view.instruments[s].lot:g}"
            raise Refused(Reason.INSUFFICIENT_BALANCE, f"{text}.", limit="available")
        return covered

    def _worth(self, name: str, value: float) -> float:
        """Return what is asked for in the account's money."""
        if name == "notional":
            return value
        most = 1.0 / self._margin_frac if self.is_margin else 1.0
        if value > most * (1.0 + _NEAR):
            raise Refused(
                Reason.INVALID_PARAMS,
                f"fraction must be at most {most:g} of equity; was {value:g}. 50 percent is 0.5.",
                limit="fraction",
                value=value,
                bound=most,
            )
        return value * self.equity()

    def _unit(self, s: int, tick: int) -> float:
        """Return what one unit is worth at the limit, of a market order at the mid."""
        price = self._price(s, tick) if tick else self.mid(s)
        if math.isnan(price):
            raise Refused(Reason.NOT_LISTED, sentence_of(Reason.NOT_LISTED))
        return abs(worth_of(self._view.instruments[s], price))

    def _closable(self, s: int, side: int) -> float:
        """Return what is left to close of a position, less what works on that side already."""
        left = -side * self.held(s) - self.pending(s, side)
        if left <= 0.0:
            text = sentence_of(Reason.INVALID_PARAMS)
            raise Refused(Reason.INVALID_PARAMS, text, limit="reduce_only")
        return left

    # ------------------------------------------------------------------ what is there

    def mid(self, s: int) -> float:
        """Return the mid that the agent sees; the mark where a side is empty, NaN without one."""
        bid, ask = self._view.best(s)
        return self._view.mark(s) if bid is None or ask is None else 0.5 * (bid + ask)

    def held(self, s: int) -> float:
        """Return the signed position that the agent knows of."""
        return float(self._batch.positions["qty"][0, s])

    def pending(self, s: int, side: int) -> float:
        """Return what is on its way or works on a side of a lane, base units."""
        name = "pending_buy" if side > 0 else "pending_sell"
        return self._base(s, float(self._batch.positions[name][0, s]))

    def coming(self, s: int) -> float:
        """Return what market orders on their way will change a position by, if they fill."""
        slots = self._batch.orders[0, s, : int(self._batch.lanes["num_slots"][0, s])]
        slots = slots[(slots["local"] != codes.FREE) & (slots["type"] == MARKET)]
        return self._base(s, float((slots["local_leaves"] * slots["side"]).sum()))

    def is_exit(self, s: int, side: int, quantity: float) -> bool:
        """Say whether an order, with all that works on its side, only reduces a position."""
        held = self.held(s)
        working = quantity + self.pending(s, side)
        return held * side < 0.0 and working <= abs(held) * (1.0 + DUST)

    # ------------------------------------------------------------------ what is covered

    def whole(self, s: int, quantity: float) -> float:
        """Return a quantity rounded down to whole lots; 0 below one."""
        step = self._lots[s]
        return _count(quantity, step) * step.mul / step.div

    def fit(self, s: int, side: int, quantity: float, tick: int = 0) -> float:
        """Return how much of an order is covered, in whole lots.

        Args:
            s: The lane.
            side: codes.BUY or codes.SELL.
            quantity: Wanted, base units.
            tick: The limit; 0 of a market order.
        """
        if self.is_margin:
            if self.is_exit(s, side, quantity):
                return self.whole(s, quantity)
            unit = self._margin_frac * self._mid_unit(s)
            room = self.free() + unit * self._most_held(s)
            free = room * (1.0 - _NEAR) / unit - side * self.held(s) - self.pending(s, side)
            return self.whole(s, min(quantity, free))
        if side < 0:
            row: Any = self._batch.positions[0, s]
            return self.whole(s, min(quantity, float(row.qty) - float(row.reserved)))
        cost = self.cost(s, side, 1.0, tick)
        found = self.whole(s, min(quantity, self.free() / cost) if cost > 0.0 else quantity)
        # A lot less where rounding would come out above the cash.
        return found if self.cost(s, side, found, tick) <= self.free() else self._less(s, found)

    def free(self) -> float:
        """Return what opening orders may take: free cash; on margin, equity above all margin."""
        if not self.is_margin:
            account = self._batch.accounts[0]
            return float(account["cash"]) - float(account["reserved"])
        lanes = range(len(self._lots))
        needs = math.fsum(self._mid_unit(k) * self._most_held(k) for k in lanes)
        return self.equity() - self._margin_frac * needs

    def cost(self, s: int, side: int, quantity: float, tick: int = 0) -> float:
        """Return what an order takes of `free`, as the engine counts it: buys with fee, at most."""
        if self.is_margin:
            after = abs(self.held(s) + side * (self.pending(s, side) + quantity))
            more = max(after - self._most_held(s), 0.0)
            return self._margin_frac * self._mid_unit(s) * more
        if side < 0:
            return 0.0
        dearest = tick or self._cap(s)
        if not dearest:
            return 0.0  # nothing is offered: the engine says so
        notional = quantity * worth_of(self._view.instruments[s], self._price(s, dearest))
        return notional + notional * self._fee_frac(s)

    # ------------------------------------------------------------------ inner parts

    def _base(self, s: int, units: float) -> float:
        step = self._lots[s]
        return units * step.mul / step.div if self._in_lots else units

    def _less(self, s: int, quantity: float) -> float:
        step = self._lots[s]
        return max(_count(quantity, step) - 1, 0) * step.mul / step.div

    def _price(self, s: int, tick: int) -> float:
        step = self._ticks[s]
        return tick * step.mul / step.div

    def _mid_unit(self, s: int) -> float:
        mid = self.mid(s)
        return 0.0 if math.isnan(mid) else abs(worth_of(self._view.instruments[s], mid))

    def _most_held(self, s: int) -> float:
        """Return the position that margin is held for: the worse of both sides, all filled (A3)."""
        held = self.held(s)
        return max(abs(held + self.pending(s, 1)), abs(held - self.pending(s, -1)))

    def _cap(self, s: int) -> int:
        """Return the dearest tick that a market buy may pay (A2); 0: nothing is offered."""
        ask = self._view.best(s)[1]
        if ask is None:
            return 0
        step = self._ticks[s]
        best = round(ask * step.div / step.mul)
        return int(min(math.floor(best * (1.0 + self._market_cap_frac)), codes.NO_ASK - 1))

    def _fee_frac(self, s: int) -> float:
        """Return what a reserve holds beyond the notional (engine/book/money.py)."""
        row: Any = self._batch.instruments[s]
        fee = max(float(row.taker_fee_frac), float(row.maker_fee_frac), 0.0)
        return fee + codes.ADVERSE_MOST_FRAC * (1.0 + fee) if self._worsens else fee


def _count(quantity: float, step: Step) -> int:
    """Return the whole lots of a quantity, at least 0."""
    lots = quantity * step.div / step.mul
    if not lots > 0.0:
        return 0
    nearest = round(lots)
    return nearest if math.isclose(lots, nearest, rel_tol=_NEAR) else math.floor(lots)
