"""Avellaneda-Stoikov: quotes around a reservation price, with what the tape says so far.

    python -m seq_gym.evaluate --agent agents/avellaneda_stoikov.py --env MarketMaking-v0

M. Avellaneda and S. Stoikov, High-frequency trading in a limit order book, Quantitative Finance 8
(2008): a maker with inventory q, risk aversion g and a time tau to go is indifferent at

    reservation price = mid - q g sigma^2 tau                               (their eq. 3.17)
    ask - bid         = g sigma^2 tau + (2 / g) ln(1 + g / k)               (their eq. 3.18)

where the mid moves by sigma a square root of a second, and prints reach a distance d from the mid
at the rate A exp(-k d). All three are fitted to the last `fit_s` seconds received, the warm-up of
an evaluation included. q counts orders; tau is `horizon_s`, or what is left of the session.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seq_gym import Strategy
from seq_gym.sandbox.book.session import BookSession

NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the strategy is told."""

    risk_aversion: float = 0.1
    """g, in units of one over what the mid moves within `horizon_s`: the same for any price."""
    horizon_s: float = 30.0
    """Longest time over which the inventory is a risk."""
    fit_s: int = 60
    """Seconds of mids and prints that are fitted, anew every five."""
    order_frac: float = 0.02
    """Size of a quote, part of the equity at the start."""
    max_orders_held: float = 5.0
    """Largest inventory, long or short, in quotes."""


class Fit(NamedTuple):
    """What the tape said, in quote units and seconds: sigma; A and k of A exp(-k d)."""

    sigma: float
    rate: float
    decay: float


def fit(mids: np.ndarray, distances: np.ndarray, seconds: float, tick: float) -> Fit | None:
    """Fit mids of whole seconds, and distances of prints from them; None: too little is known.

    A quote at d is reached at the rate of prints as far away; its logarithm is fitted by a line.
    """
    changes = np.diff(mids[~np.isnan(mids)])
    if len(changes) < 5 or len(distances) < 20:
        return None
    sigma = max(math.sqrt(float(np.mean(changes**2))), 0.1 * tick)
    levels = np.arange(0.5 * tick, max(np.quantile(distances, 0.95), 3.0 * tick), tick)
    far = np.sort(distances)
    rates = (len(far) - np.searchsorted(far, levels - 1e-9 * tick)) / seconds
    kept = rates > 0.0
    decay, rate = 1.0 / (float(distances.mean()) + tick), len(far) / seconds
    if kept.sum() >= 2:
        slope, level = np.polyfit(levels[kept], np.log(rates[kept]), 1)
        if slope < 0.0:
            decay, rate = -float(slope), math.exp(float(level))
    return Fit(sigma=sigma, rate=rate, decay=decay)


class AvellanedaStoikov(Strategy):
    """One bid and one ask in the first book of the session."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.prints: deque[tuple[int, float]] = deque()
        self.read = 0  # rows of the tape
        self.quotes: dict[str, str] = {}
        self.fitted: Fit | None = None
        self.unit = 0.0

    def on_start(self, session: BookSession) -> None:
        """Size the quotes, and fit what was printed before the window."""
        book = session.book(session.symbols[0], 1)
        if book.mid is not None:
            self.unit = self.settings.order_frac * session.portfolio().total_equity / book.mid
        self.refit(session)

    def refit(self, session: BookSession) -> None:
        """Fit the last seconds of the tape; what was known keeps until there is enough."""
        view, now, seconds = session.view, session.virtual_time_ns, self.settings.fit_s
        self.prints += [(each.local_ns, each.price) for each in view.trades(0, self.read)]
        self.read = view.position_of(0)
        while self.prints and self.prints[0][0] < now - seconds * NS:
            self.prints.popleft()
        times = np.array([time for time, _ in self.prints], np.int64)
        prices = np.array([price for _, price in self.prints])
        mids = view.mids(0, now - NS * np.arange(seconds, -1, -1))
        before = view.mids(0, times - 1)  # a print may move the mid that it is measured by
        away = np.abs(prices - before)[~np.isnan(before)]
        found = fit(mids, away, float(seconds), view.instruments[0].tick)
        self.fitted = found or self.fitted

    def on_heartbeat(self, session: BookSession) -> None:
        """Fit anew when it is time."""
        if session.virtual_time_ns // NS % 5 == 0:
            self.refit(session)

    def prices(self, mid: float, held: float, left_s: float) -> tuple[float, float]:
        """Return bid and ask for an inventory in orders and the seconds that are left."""
        found, told = self.fitted, self.settings
        assert found is not None
        g = told.risk_aversion / (found.sigma * math.sqrt(told.horizon_s))
        risk = g * found.sigma**2 * min(told.horizon_s, left_s)
        half = 0.5 * (risk + 2.0 / g * math.log1p(g / found.decay))
        return mid - held * risk - half, mid - held * risk + half

    def on_book(self, session: BookSession, symbol: str) -> None:
        """Move the quotes to where they should be."""
        if symbol != session.symbols[0] or self.fitted is None or not self.unit:
            return
        book, position = session.book(symbol, 1), session.position(symbol)
        if book.bid is None or book.ask is None or book.mid is None or book.is_stale:
            return
        held = 0.0 if position is None else position.quantity / self.unit
        bid, ask = self.prices(book.mid, held, (session.end_ns - session.virtual_time_ns) / NS)
        most, tick = self.settings.max_orders_held, session.view.instruments[0].tick
        least = -most if session.params.account == "margin" else 0.0
        self.quote(session, "buy", min(1.0, most - held), min(bid, book.ask - tick))
        self.quote(session, "sell", min(1.0, held - least), max(ask, book.bid + tick))

    def quote(self, session: BookSession, side: str, orders: float, price: float) -> None:
        """Have one order of a side rest at a price, or none where nothing may be held."""
        instrument, symbol = session.view.instruments[0], session.symbols[0]
        order = session.order(self.quotes[side]) if side in self.quotes else None
        quantity, tick = orders * self.unit, instrument.tick
        if order is None or not order.is_open:
            if quantity >= instrument.lot:
                sent = session.place_order(symbol, side, "limit", quantity, price, post_only=True)
                self.quotes[side] = sent.order_id
        elif order.status != "sent":
            if quantity < instrument.lot:
                session.cancel_order(order)
            elif abs((order.price or 0.0) - price) >= tick:
                session.amend_order(order, price=price, quantity=quantity)
