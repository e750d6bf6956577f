"""What the agent sees of the books at its own time: nothing received later is ever read (B1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.book.looking import read_levels, read_seen
from seq_gym.engine.book.tape import BookTape
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.decimals import step_of
from seq_gym.market.instruments import Instrument, plain_symbol
from seq_gym.sandbox.book.records import Book, Nbbo, PublicTrade

__all__ = ["BookView"]

_SIDES = {codes.BUY: "buy", codes.SELL: "sell", codes.BOTH: ""}
_MOST_LEVELS = 5_000


class BookView:
    """The books of one account as its own clock shows them.

    Args:
        batch: The engine's tables; the account is row 0.
        tapes: One for each lane.
        instruments: One for each lane.
    """

    def __init__(
        self, batch: BookBatch, tapes: Sequence[BookTape], instruments: Sequence[Instrument]
    ) -> None:
        self._batch = batch
        self._tapes = tuple(tapes)
        self.instruments = tuple(instruments)
        self._shows_itself = bool(batch.params[0].impact)
        self._rows = batch.lanes["local_row"][0]
        self._marks = batch.lanes["mark"][0]
        self._ticks = tuple(step_of(each.tick) for each in self.instruments)
        self._lots = tuple(step_of(each.lot) for each in self.instruments)
        symbols = [each.symbol for each in self.instruments]
        self.names = tuple(
            each.symbol if symbols.count(each.symbol) == 1 else f"{each.symbol}@{each.venue}"
            for each in self.instruments
        )

    def lane(self, symbol: Any, venue: Any = None) -> int:
        """Return the number of a lane.

        Args:
            symbol: In any spelling of C8, or "SYMBOL@venue".
            venue: Needed where several venues trade it.

        Raises:
            UnknownName: There is no such symbol or venue.
            ConfigError: Several venues trade it.
        """
        name = str(symbol)
        if venue is None and "@" in name:
            name, _, venue = name.partition("@")
        lanes = self.lanes_of(name)
        if venue is not None:
            venues = [self.instruments[s].venue for s in lanes]
            if venue not in venues:
                raise UnknownName("venue", venue, venues, f"of {name}")
            lanes = [s for s in lanes if self.instruments[s].venue == venue]
        if len(lanes) > 1:
            # Of several spellings the exact one is meant.
            lanes = [s for s in lanes if self.instruments[s].symbol == name] or lanes
        if len(lanes) > 1:
            venues = [self.instruments[s].venue for s in lanes]
            raise ConfigError(
                f"A symbol of several venues needs one of {', '.join(venues)}; was {symbol!r}. "
                f"Likely fix: venue={venues[0]!r}."
            )
        return lanes[0]

    def lanes_of(self, symbol: Any) -> list[int]:
        """Return every lane that trades a symbol, whatever the venue's spelling."""
        plain = plain_symbol(str(symbol))
        lanes = [s for s, i in enumerate(self.instruments) if plain_symbol(i.symbol) == plain]
        if not lanes:
            raise UnknownName("symbol", symbol, [each.symbol for each in self.instruments])
        return lanes

    def lanes_named(self, symbol: Any) -> list[int]:
        """Return the lanes that a name means: of a symbol at all its venues, or "SYMBOL@venue"."""
        if "@" in str(symbol):
            return [self.lane(symbol)]
        return self.lanes_of(symbol)

    def _last(self, s: int) -> Any:
        """Return the last row that was received on a lane; None before the first."""
        row = int(self._rows[s]) - 1
        return self._tapes[s].local_rows[row] if row >= 0 else None

    def best(self, s: int) -> tuple[float | None, float | None]:
        """Return best bid and ask of a lane."""
        row = self._last(s)
        if row is None:
            return None, None
        step = self._ticks[s]
        bid, ask = int(row.bid), int(row.ask)
        return (
            None if bid == codes.NO_BID else bid * step.mul / step.div,
            None if ask == codes.NO_ASK else ask * step.mul / step.div,
        )

    def feed_ns(self, s: int) -> int:
        """Return how much later than the recorder the agent receives a lane's data."""
        return int(self._batch.instruments[s].feed_ns)

    def mark(self, s: int) -> float:
        """Return the price that values a position of a lane; NaN before the first."""
        return float(self._marks[s])

    def mids(self, s: int, times: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the mids of a lane as they were received by each time, as far as they are known.

        Args:
            s: The lane.
            times: int64 [n], UNIX nanoseconds, in any order.

        Returns:
            float64 [n]; NaN before the first book, and where a side was empty. A time that has not
            come has the last mid that is known.
        """
        rows = self._tapes[s].local_rows[: int(self._rows[s])]
        if not len(rows):
            return np.full(len(times), np.nan)
        feed = self.feed_ns(s)
        places = np.searchsorted(rows["ts"], times - feed, side="right") - 1
        found = rows[np.maximum(places, 0)]
        known = (places >= 0) & (found["bid"] != codes.NO_BID) & (found["ask"] != codes.NO_ASK)
        ticks = 0.5 * (found["bid"].astype(np.float64) + found["ask"].astype(np.float64))
        step = self._ticks[s]
        return np.where(known, ticks * step.mul / step.div, np.nan)

    def book(self, s: int, depth: int) -> Book:
        """Return the book of a lane, up to `depth` levels a side.

        Under self-impact it shows the agent's own orders, and the holes that it knows of (Z2).
        """
        if not 1 <= depth <= _MOST_LEVELS:
            raise ConfigError(f"depth must be from 1 to {_MOST_LEVELS}; was {depth}.")
        row = self._last(s)
        instrument = self.instruments[s]
        return Book(
            symbol=instrument.symbol,
            venue=instrument.venue,
            bids=self._levels(s, codes.BUY, depth),
            asks=self._levels(s, codes.SELL, depth),
            local_ns=0 if row is None else int(row.ts) + self.feed_ns(s),
            is_stale=row is not None and bool(row["flags"] & 1),
            is_halted=row is not None and bool(row["flags"] & 2),
        )

    def _levels(self, s: int, side: int, depth: int) -> tuple[tuple[float, float], ...]:
        ticks, lots = np.empty(depth, np.int64), np.empty(depth, np.int64)
        if self._shows_itself:
            count = read_seen(self._batch.address, 0, s, side, ticks, lots)
        else:
            row = int(self._rows[s]) - 1
            count = read_levels(self._tapes[s].address, codes.CLOCK_LOCAL, side, row, ticks, lots)
        prices = self._ticks[s].times(ticks[:count]).tolist()
        return tuple(zip(prices, self._lots[s].times(lots[:count]).tolist(), strict=True))

    def lanes_like(self, s: int) -> list[int]:
        """Return every lane that trades the same as lane s: its symbol, in the same market."""
        market = self.instruments[s].market
        lanes = self.lanes_of(self.instruments[s].symbol)
        return [each for each in lanes if self.instruments[each].market == market]

    def lanes_of_one_market(self, symbol: Any) -> list[int]:
        """Return the lanes of a symbol whose prices may be compared.

        Raises:
            UnknownName: There is no such symbol.
            ConfigError: It is traded in several markets, and none was named.
        """
        lanes = self.lanes_named(symbol)
        like = self.lanes_like(lanes[0])
        others = [self.instruments[s] for s in lanes if s not in like]
        if others:
            mine = self.instruments[lanes[0]]
            raise ConfigError(
                f"A symbol of several markets needs a venue of the one that is meant; was "
                f"{symbol!r}, {mine.market} at {mine.venue} and {others[0].market} at "
                f"{others[0].venue}. Likely fix: '{mine.symbol}@{mine.venue}'."
            )
        return like

    def nbbo(self, lanes: Sequence[int]) -> Nbbo:
        """Return the best bid and offer of lanes that trade the same thing."""
        bids: list[tuple[float, float, str]] = []
        asks: list[tuple[float, float, str]] = []
        for s in lanes:
            book = self.book(s, 1)
            if book.is_stale or book.is_halted:
                continue
            bids += [(*level, book.venue) for level in book.bids]
            asks += [(*level, book.venue) for level in book.asks]
        bid = max(bids, key=lambda level: level[0], default=None)
        ask = min(asks, key=lambda level: level[0], default=None)
        return Nbbo(
            symbol=self.instruments[lanes[0]].symbol,
            market=self.instruments[lanes[0]].market,
            bid=None if bid is None else bid[0],
            bid_quantity=0.0 if bid is None else bid[1],
            bid_venue=None if bid is None else bid[2],
            ask=None if ask is None else ask[0],
            ask_quantity=0.0 if ask is None else ask[1],
            ask_venue=None if ask is None else ask[2],
        )

    def position_of(self, s: int) -> int:
        """Return how many rows of a lane have been received: where `trades` may go on."""
        return int(self._rows[s])

    def trades(self, s: int, since: int) -> list[PublicTrade]:
        """Return the prints that a lane has received from row `since` on, oldest first."""
        rows = self._tapes[s].local_rows[since : int(self._rows[s])]
        rows = rows[rows["kind"] == codes.TRADE]
        instrument, feed = self.instruments[s], self.feed_ns(s)
        prices = self._ticks[s].times(rows["tick"].astype(np.int64)).tolist()
        quantities = self._lots[s].times(rows["lots"]).tolist()
        return [
            PublicTrade(
                symbol=instrument.symbol,
                venue=instrument.venue,
                side=_SIDES[side],
                price=price,
                quantity=quantity,
                local_ns=ts + feed,
            )
            for side, price, quantity, ts in zip(
                rows["side"].tolist(), prices, quantities, rows["ts"].tolist(), strict=True
            )
        ]
