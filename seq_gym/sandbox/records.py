"""What a session returns: frozen records in full precision; times are UNIX nanoseconds, UTC.

`responses.py` turns them into the documents of S1, with their text formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from seq_gym.metrics import EpisodeMetrics
from seq_gym.times import format_time

__all__ = [
    "Balance",
    "Candle",
    "Costs",
    "EquityPoint",
    "Fill",
    "Order",
    "PairResult",
    "Portfolio",
    "Position",
    "Results",
    "SessionStatus",
    "StepResult",
    "Ticker",
]

OrderStatus = Literal["open", "partially_filled", "filled", "cancelled", "rejected"]
SessionStatus = Literal["created", "running", "completed", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it stood when it was asked for; a refused one is an order too (R5).

    A verb that was refused returns the order with status "rejected" and the reason; what the
    session keeps is unchanged then.
    """

    order_id: str
    """"P-" and the engine's number, 8 hex digits."""
    symbol: str
    side: str
    """"buy" or "sell"; what was written, where that could not be read."""
    type: str
    """"market", "limit", "stop_loss", "take_profit", "stop_limit" or "trailing_stop"."""
    status: OrderStatus
    quantity: float | None = None
    """Base units in all; None while a notional, a fraction or a whole position is not settled."""
    filled_quantity: float = 0.0
    price: float | None = None
    """Limit price."""
    trigger_price: float | None = None
    trail_frac: float | None = None
    notional: float | None = None
    """Size in quote, where that was asked for."""
    fraction: float | None = None
    """Size as a fraction of equity, where that was asked for."""
    avg_fill_price: float | None = None
    fee: float = 0.0
    """Of all fills, quote."""
    time_in_force: str = "GTC"
    reduce_only: bool = False
    post_only: bool = False
    group_id: str | None = None
    created_ns: int = 0
    updated_ns: int = 0
    reason: str | None = None
    """Code of why it was refused, cancelled or forced; None where there is nothing to say."""
    message: str | None = None
    """The reason as a sentence."""
    limit: str | None = None
    """R5: the name of the limit that a refusal is about."""
    value: float | str | None = None
    """R5: what was measured."""
    bound: float | str | None = None
    """R5: what it may be at most (at least, for a minimum)."""

    @property
    def code(self) -> str | None:
        """The code of a refusal (responses.md), None for an accepted order."""
        return self.reason if self.status == "rejected" else None

    @property
    def is_accepted(self) -> bool:
        """Whether the verb that returned this was carried out."""
        return self.status != "rejected"

    @property
    def is_open(self) -> bool:
        """Whether it still works."""
        return self.status in ("open", "partially_filled")

    @property
    def remaining_quantity(self) -> float | None:
        """Base units still to be filled; None while the quantity is not settled."""
        return None if self.quantity is None else max(self.quantity - self.filled_quantity, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order."""

    fill_id: str
    order_id: str
    symbol: str
    side: str
    type: str
    quantity: float
    price: float
    """Executed price, slippage included."""
    base_price: float
    """What the order met before slippage: mark, open, limit or trigger (M4)."""
    notional: float
    fee: float
    """Quote; negative for a rebate."""
    liquidity: Literal["maker", "taker"]
    slippage: float
    """|price - base_price| x quantity, quote."""
    realized_pnl: float | None
    """Net of fees (M4); None when it only opened."""
    filled_ns: int
    """At once and at an open: that instant. Inside a candle: its close, when it is known (C2)."""
    reason: str | None = None
    """LIQUIDATED, DELISTED or COMPLETED where it was forced."""
    group_id: str | None = None

    @property
    def slippage_pct(self) -> float:
        """Slippage against the price it met, 0 to 100."""
        return 100.0 * abs(self.price - self.base_price) / self.base_price

    @property
    def filled_at(self) -> str:
        """`filled_ns` as text."""
        return format_time(self.filled_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """What is held of a symbol; signed, negative for a short."""

    symbol: str
    quantity: float
    avg_entry_price: float
    """Average of the opening prices, fees left out."""
    mark_price: float
    market_value: float
    unrealized_pnl: float
    """Market value less the basis, which includes entry fees (M4)."""
    realized_pnl: float
    """Of this symbol since the start, net of fees and funding."""
    opened_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds of an asset."""

    asset: str
    available: float
    locked: float
    """Held for working orders."""
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """The account in quote units."""

    total_equity: float
    """Cash, reserved or free, plus positions at their marks."""
    available_cash: float
    """Free cash; in a margin account free margin."""
    position_value: float
    unrealized_pnl: float
    realized_pnl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityPoint:
    """A snapshot of the account."""

    simulated_ns: int
    portfolio: Portfolio


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """The trailing 24 hours of known candles of a symbol."""

    symbol: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trade_count: int | None
    """None where the data has no column "trades"."""
    virtual_time_ns: int

    @property
    def price_change(self) -> float:
        """Close less open."""
        return self.close - self.open

    @property
    def price_change_pct(self) -> float:
        """Price change against the open, percent."""
        return 100.0 * (self.close / self.open - 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """One finished candle."""

    open_ns: int
    close_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one call of `step` or `step_batch` came to."""

    virtual_time_ns: int
    step: int
    total_steps: int
    steps_executed: int
    """Candles really advanced; less than asked for at the end (C5)."""
    prices: dict[str, float]
    orders_filled: tuple[Fill, ...]
    """Every fill of every candle, in time order (O13)."""
    orders_cancelled: tuple[Order, ...]
    """What the market or the rules cancelled in these candles."""
    orders_rejected: tuple[Order, ...]
    """What was refused since the last step."""
    portfolio: Portfolio
    is_complete: bool

    @property
    def virtual_time(self) -> str:
        """The virtual time as text."""
        return format_time(self.virtual_time_ns)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Another name of `orders_filled`."""
        return self.orders_filled

    @property
    def remaining_steps(self) -> int:
        """Steps to the end of the window."""
        return self.total_steps - self.step

    @property
    def progress_pct(self) -> float:
        """Steps made, 0 to 100."""
        return 100.0 * self.step / self.total_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """What one symbol came to."""

    symbol: str
    trades: int
    """All its fills; the sum over symbols is `total_trades`."""
    win_rate: float | None
    """Of its closing fills, 0 to 100; None without any."""
    net_pnl: float
    """Realised (fees and funding included) plus unrealised. The sum less borrow is `total_pnl`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What trading cost, quote units."""

    maker_fees: float
    taker_fees: float
    slippage: float
    """Inside the executed prices: not an outflow of its own."""
    borrow: float
    funding: float
    """Paid less received."""
    bad_debt: float
    """Loss beyond equity after a liquidation (M5)."""

    @property
    def total_fees(self) -> float:
        """Maker and taker fees."""
        return self.maker_fees + self.taker_fees


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What a session came to."""

    session_id: str
    status: SessionStatus
    ending: str
    """An `Ending` by name: why it is over."""
    is_partial: bool
    """It did not reach the end of its window by itself (cancelled, failed or still running)."""
    config: Mapping[str, Any]
    """What the session was created with, the data's fingerprint included."""
    final_equity: float
    total_pnl: float
    roi_pct: float
    total_trades: int
    """All fills (X4)."""
    metrics: EpisodeMetrics
    costs: Costs
    by_pair: tuple[PairResult, ...] = field(default_factory=tuple)
