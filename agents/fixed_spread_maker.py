"""Fixed-spread maker: one bid and one ask, always the same distance from the mid.

    python -m seq_gym.evaluate --agent agents/fixed_spread_maker.py --env MarketMaking-v0
    python -m seq_gym.backtest BTCUSDT --start 2024-08-08 --end 2024-08-08 --data btcusdt.gz \
        --agent agents/fixed_spread_maker.py

The yardstick of every maker: it knows nothing but the mid, so that what it loses to informed
traders, its mark-outs, is what a better one must win back. Quotes are post-only and rest until they
are `requote_ticks` from where they should be: a quote that is left alone keeps its queue (B18).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from seq_gym import Strategy
from seq_gym.sandbox.book.records import BookFill, BookOrder
from seq_gym.sandbox.book.session import BookSession


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    half_spread_bps: float = 1.0
    """Distance of each quote from the mid."""
    requote_ticks: int = 1
    """A quote this far from where it should be is moved."""
    order_frac: float = 0.02
    """Size of a quote, part of the equity at the start."""
    max_position_frac: float = 0.1
    """Largest position of a book, long or short, part of the equity at the start."""


class FixedSpreadMaker(Strategy):
    """Quotes both sides of every book."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.quotes: dict[tuple[str, str], str] = {}
        """Order of each symbol and side."""
        self.equity = 0.0

    def on_start(self, session: BookSession) -> None:
        """Size the quotes once: a size that follows the equity would move them for nothing."""
        self.equity = session.portfolio().total_equity
        for symbol in session.symbols:
            self.on_book(session, symbol)

    def on_book(self, session: BookSession, symbol: str) -> None:
        """Bring both quotes to where they should be."""
        book = session.book(symbol, 1)
        if book.mid is None or book.is_stale:
            return
        position = session.position(symbol)
        held = 0.0 if position is None else position.quantity
        worth = self.equity / book.mid
        size, most = self.settings.order_frac * worth, self.settings.max_position_frac * worth
        least = -most if session.params.account == "margin" else 0.0
        offset = 1e-4 * self.settings.half_spread_bps * book.mid
        self.quote(session, symbol, "buy", min(size, most - held), book.mid - offset)
        self.quote(session, symbol, "sell", min(size, held - least), book.mid + offset)

    def on_fill(self, session: BookSession, fill: BookFill) -> None:
        """Quote anew after a fill, within the limit of the position."""
        for symbol in session.symbols:
            if session.view.instruments[session.view.lane(symbol)].venue == fill.venue:
                self.on_book(session, symbol)

    def quote(
        self, session: BookSession, symbol: str, side: str, quantity: float, price: float
    ) -> None:
        """Have one order of a side rest at a price, or none where the quantity is below a lot."""
        instrument = session.view.instruments[session.view.lane(symbol)]
        # Bids are rounded down and asks up: never nearer to the mid than told.
        ticks = price / instrument.tick
        tick = math.floor(ticks + 1e-9) if side == "buy" else math.ceil(ticks - 1e-9)
        order = self.working(session, symbol, side)
        if order is None:
            if quantity >= instrument.lot:
                wanted = tick * instrument.tick
                sent = session.place_order(symbol, side, "limit", quantity, wanted, post_only=True)
                self.quotes[symbol, side] = sent.order_id
        elif order.status == "sent":
            pass  # it is on its way: what becomes of it is known soon
        elif quantity < instrument.lot:
            session.cancel_order(order)
        elif abs((order.price or 0.0) / instrument.tick - tick) >= self.settings.requote_ticks:
            session.amend_order(order, price=tick * instrument.tick, quantity=quantity)

    def working(self, session: BookSession, symbol: str, side: str) -> BookOrder | None:
        """Return the order of a side that is on its way or rests."""
        known = self.quotes.get((symbol, side))
        order = None if known is None else session.order(known)
        return order if order is not None and order.is_open else None
