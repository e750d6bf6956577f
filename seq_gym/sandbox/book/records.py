"""What a session over books returns: frozen records in full precision; times are UNIX ns, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Book", "BookFill", "BookOrder", "Nbbo", "PublicTrade"]

BookOrderStatus = Literal[
    "sent", "open", "partially_filled", "filled", "cancelled", "expired", "rejected"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookOrder:
    """An order as the agent knew it when it was asked for; a refused one is an order too (R5).

    Its stamps are the trace of its life: None where it has not come so far. `arrived_ns`,
    `queue_ahead` and what the venue did are told by the venue's answers, so that they are known
    only once those are received.
    """

    order_id: str
    """"P-" and the engine's number, 8 hex digits."""
    symbol: str
    venue: str
    side: str
    """"buy" or "sell"."""
    type: str
    """"limit" or "market"."""
    status: BookOrderStatus
    quantity: float
    """Base units in all."""
    filled_quantity: float = 0.0
    price: float | None = None
    """Limit; None of a market order."""
    avg_fill_price: float | None = None
    fee: float = 0.0
    """Of all fills, quote."""
    time_in_force: str = "GTC"
    post_only: bool = False
    reduce_only: bool = False
    tag: int = 0
    """The caller's own number."""
    sent_ns: int = 0
    """When the agent sent it."""
    sent_mid: float | None = None
    """The mid that the agent saw then."""
    arrived_ns: int | None = None
    """When the venue had it."""
    acknowledged_ns: int | None = None
    """When the agent received the venue's first answer."""
    queued_ns: int | None = None
    """When it came to rest at the venue, last of all."""
    queue_ahead: float | None = None
    """Base units ahead of it when it came to rest (B18)."""
    first_fill_ns: int | None = None
    """When the venue executed it first."""
    ended_ns: int | None = None
    """When it was over at the venue; None where the venue had no part in its end."""
    done_ns: int | None = None
    """When the agent learnt that it is over."""
    reason: str | None = None
    """Code of why it was refused, expired or cancelled."""
    message: str | None = None
    """The reason as a sentence."""
    limit: str | None = None
    """R5: the name of the limit that a refusal is about."""
    value: float | str | None = None
    """R5: what was measured."""
    bound: float | str | None = None
    """R5: what it may be."""

    @property
    def is_accepted(self) -> bool:
        """Whether it was sent; the venue may still refuse it."""
        return self.status != "rejected"

    @property
    def is_open(self) -> bool:
        """Whether it is on the way or works, as far as the agent knows."""
        return self.status in ("sent", "open", "partially_filled")

    @property
    def code(self) -> str | None:
        """The code of a refusal, None for an accepted order."""
        return self.reason if self.status == "rejected" else None

    @property
    def remaining_quantity(self) -> float:
        """Base units still to be filled."""
        return max(self.quantity - self.filled_quantity, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookFill:
    """One execution of an order (F5)."""

    fill_id: str
    order_id: str
    symbol: str
    venue: str
    side: str
    type: str
    quantity: float
    price: float
    notional: float
    fee: float
    """Quote; negative for a rebate."""
    liquidity: Literal["maker", "taker"]
    realized_pnl: float | None
    """Net of fees (M4); None when it only opened."""
    exch_ns: int
    """When the venue executed it."""
    local_ns: int
    """When the agent learnt it (B5)."""
    sent_ns: int
    """When its order was sent."""
    arrived_ns: int | None
    """When its order had arrived at the venue; None of a forced close, which no order made."""
    mid: float | None
    """The venue's mid when it was executed; None where a side was empty."""
    sent_mid: float | None
    """The mid that the agent saw when it sent the order."""
    reason: str | None = None
    """LIQUIDATED or COMPLETED where it was forced."""
    tag: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A book as the agent sees it: levels from the best outwards."""

    symbol: str
    venue: str
    bids: tuple[tuple[float, float], ...]
    """(price, base quantity), the best first."""
    asks: tuple[tuple[float, float], ...]
    local_ns: int
    """When its last event was received; 0 before the first."""
    is_stale: bool = False
    """Messages were lost since the last snapshot (B10)."""
    is_halted: bool = False
    """The venue does not trade now."""

    @property
    def bid(self) -> float | None:
        """Best bid; None where there is none."""
        return self.bids[0][0] if self.bids else None

    @property
    def ask(self) -> float | None:
        """Best ask; None where there is none."""
        return self.asks[0][0] if self.asks else None

    @property
    def mid(self) -> float | None:
        """Middle of the best prices; None where a side is empty."""
        return None if not (self.bids and self.asks) else 0.5 * (self.bids[0][0] + self.asks[0][0])

    @property
    def microprice(self) -> float | None:
        """Best prices weighed by the quantity of the other side; None where a side is empty."""
        if not (self.bids and self.asks):
            return None
        (bid, bid_qty), (ask, ask_qty) = self.bids[0], self.asks[0]
        return (bid * ask_qty + ask * bid_qty) / (bid_qty + ask_qty)

    @property
    def spread_bps(self) -> float | None:
        """Best ask less best bid over the mid, basis points; None where a side is empty."""
        mid = self.mid
        return None if mid is None else 1e4 * (self.asks[0][0] - self.bids[0][0]) / mid


@dataclass(frozen=True, slots=True, kw_only=True)
class Nbbo:
    """Best bid and offer of one symbol over the venues of its market.

    A spot pair and a perpetual of the same spelling are two things. Venues whose book is stale, or
    which have halted trading, do not count.
    """

    symbol: str
    market: str
    """"spot", "linear" or "inverse" (`Instrument.market`)."""
    bid: float | None
    bid_quantity: float
    bid_venue: str | None
    ask: float | None
    ask_quantity: float
    ask_venue: str | None

    @property
    def is_crossed(self) -> bool:
        """Whether one venue bids more than another asks."""
        return self.bid is not None and self.ask is not None and self.bid > self.ask


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """A print of the venue's tape, as the agent receives it."""

    symbol: str
    venue: str
    side: str
    """The aggressor's: "buy" or "sell"; "" where the venue does not say."""
    price: float
    quantity: float
    local_ns: int
