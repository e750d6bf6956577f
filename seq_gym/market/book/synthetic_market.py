"""What a synthetic order book is like: rates, sizes, distances and its fair price."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from seq_gym.errors import ConfigError
from seq_gym.market.book.synthetic_kernel import GRID_NS, Rates
from seq_gym.times import NS_PER_S

__all__ = ["SyntheticMarket"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticMarket:
    """How a synthetic market behaves; rates are of both sides together.

    Raises:
        ConfigError: A value is out of its range.
    """

    limit_orders_per_second: float = 60.0
    """Orders that makers place in quiet times."""
    market_orders_per_second: float = 4.0
    """Orders of takers who know nothing, bursts included."""
    excitation: float = 0.5
    """Further orders that each taker's order brings about, on average, below 1; 0: Poisson."""
    excitation_seconds: float = 0.25
    """How long they take, on average."""
    cancels_per_order_second: float = 0.6
    """Rate at which a fresh order is withdrawn."""
    patience_seconds: float = 2.0
    """Age at which an order is withdrawn half as often: the young leave, the old stay."""
    reprice_per_second: float = 100.0
    """Withdrawals and new quotes per tick by which the fair price has left a touch."""
    informed_per_second: float = 6.0
    """Takers per tick by which a touch stands beyond the fair price."""
    foresight_seconds: float = 0.2
    """How far ahead some sense the fair price: flow and imbalance foretell a little, as in life."""
    foresight_frac: float = 0.3
    """Rates per tick of what they sense, as a share of those per tick that has come."""
    depth_ticks: float = 2.5
    """Half of all orders are placed nearer to the fair price than this."""
    max_depth_ticks: int = 400
    """None is placed further away than this."""
    mean_lots: float = 40.0
    """Mean size of an order; sizes have a Pareto tail of index 2."""
    annual_volatility: float = 0.4
    """Standard deviation of the fair price's log returns per square root of a year."""
    jumps_per_second: float = 1.0
    """Jumps of the fair price, of the common factor and of the symbol each."""
    diffusive_frac: float = 0.02
    """Share of its variance that is no jump."""
    feed_median_ns: float = 1_000_000.0
    """Median delay from the venue to the recorder, log-normal."""
    feed_sigma: float = 0.4
    """Standard deviation of the delay's logarithm."""

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be finite and >= 0; was {value!r}.")
        for name in ("excitation", "diffusive_frac", "foresight_frac"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"{name} must be below 1; was {getattr(self, name)!r}.")
        positive = (
            "limit_orders_per_second",
            "excitation_seconds",
            "cancels_per_order_second",
            "patience_seconds",
            "jumps_per_second",
        )
        for name in positive:
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} must be > 0; was 0.")
        if self.max_depth_ticks > 2000:
            raise ConfigError(f"max_depth_ticks must be <= 2000; was {self.max_depth_ticks}.")
        if self.limit_orders_per_second / self.cancels_per_order_second > 2000:
            raise ConfigError(
                "limit_orders_per_second / cancels_per_order_second must be <= 2000, or the book "
                "would hold more orders than there is room for."
            )

    def rates(self) -> Rates:
        """Return what the kernel reads: rates per nanosecond."""
        second = float(NS_PER_S)
        decay = 1.0 / (self.excitation_seconds * second)
        return Rates(
            limit=self.limit_orders_per_second / 2 / second,
            market=self.market_orders_per_second * (1 - self.excitation) / 2 / second,
            cancel=self.cancels_per_order_second / second,
            patience_ns=self.patience_seconds * second,
            informed=self.informed_per_second / second,
            foresight=self.foresight_frac,
            foresight_steps=round(self.foresight_seconds * NS_PER_S) // GRID_NS,
            reprice=self.reprice_per_second / second,
            excitation=self.excitation,
            decay=decay,
            depth_ticks=self.depth_ticks,
            max_depth=float(self.max_depth_ticks),
            mean_lots=self.mean_lots,
        )
