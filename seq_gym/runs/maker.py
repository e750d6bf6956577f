"""The built-in strategy on books: a maker with a fixed spread, so that the command does something.

It is a yardstick, no advice: without a rebate it pays more in fees than its spread earns.
"""

from __future__ import annotations

from typing import Any, Final

from seq_gym.policy import Strategy

__all__ = ["FixedSpreadMaker"]


class FixedSpreadMaker(Strategy):
    """Quotes one bid and one ask of every book, a fixed distance from its mid, once a second.

    Quotes are post-only. A quote that stands where it should is left alone and keeps its queue;
    another is amended and queues anew. The bid rests while the position is at its limit, the ask
    while there is nothing to sell (on a margin account while the short is at its limit).
    """

    half_spread_bps: Final = 1.0
    """Distance of each quote from the mid."""
    tolerance_bps: Final = 0.25
    """A quote this close to where it should be is left alone."""
    order_frac: Final = 0.01
    """Size of a quote as a part of the equity."""
    position_frac: Final = 0.1
    """Largest position of a book as a part of the equity."""

    def __init__(self) -> None:
        self._quotes: dict[tuple[str, str], str | None] = {}

    def on_start(self, session: Any) -> None:
        """Begin without quotes."""
        sides = ("buy", "sell")
        self._quotes = {(symbol, side): None for symbol in session.symbols for side in sides}

    def on_heartbeat(self, session: Any) -> None:
        """Bring every quote to where it should be."""
        equity = session.portfolio().total_equity
        goes_short = session.params.account == "margin"
        for symbol in session.symbols:
            book = session.book(symbol, 1)
            if book.mid is None or book.is_stale:
                continue
            position = session.position(symbol)
            held = 0.0 if position is None else position.quantity
            size, most = self._sizes(session, symbol, equity, book.mid)
            offset = 1e-4 * self.half_spread_bps * book.mid
            bid = min(size, most - held)
            ask = min(size, most + held if goes_short else held)
            self._quote(session, symbol, "buy", bid, book.mid - offset)
            self._quote(session, symbol, "sell", ask, book.mid + offset)

    def _sizes(self, session: Any, symbol: str, equity: float, mid: float) -> tuple[float, float]:
        """Return the quantity of a quote and of the largest position, in the book's units."""
        instrument = session.view.instruments[session.view.lane(symbol)]
        worth = instrument.contract_size * (1.0 / mid if instrument.inverse else mid)
        return self.order_frac * equity / worth, self.position_frac * equity / worth

    def _quote(self, session: Any, symbol: str, side: str, quantity: float, price: float) -> None:
        lot = session.view.instruments[session.view.lane(symbol)].lot
        known = self._quotes[symbol, side]
        order = None if known is None else session.order(known)
        if order is not None and order.is_open:
            if quantity < lot:
                session.cancel_order(order)
            elif abs(order.price - price) > 1e-4 * self.tolerance_bps * price:
                session.amend_order(order, price=price)
            return
        if quantity >= lot:
            sent = session.place_order(symbol, side, "limit", quantity, price, post_only=True)
            self._quotes[symbol, side] = sent.order_id
