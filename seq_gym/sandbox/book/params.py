"""What a sandbox over order books is told once and never changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np

from seq_gym.engine.book import codes
from seq_gym.engine.book.layout import PARAMS
from seq_gym.engine.layout import Table, new_table
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.sandbox.book.latency import LATENCY_MODELS, Latency, LatencyModel
from seq_gym.sandbox.params import RiskProfile, refuse_flag, refuse_number, write_limits
from seq_gym.types import AccountKind

__all__ = ["QUEUE_MODELS", "BookParams", "book_params"]

FillRule = Literal["strict", "parity", "parity_no_partial"]
StalePolicy = Literal["hold", "cancel_all", "truncate"]
MarkKind = Literal["mid", "microprice", "last", "liquidation"]

QUEUE_MODELS: Final = {
    "probabilistic": codes.POWER3,
    "risk_averse": codes.RISK_AVERSE,
    "power1": codes.POWER1,
    "power2": codes.POWER2,
    "power3": codes.POWER3,
    "log1": codes.LOG1,
    "log2": codes.LOG2,
    "aggressive": codes.AGGRESSIVE,
    "none": codes.NO_QUEUE,
}
"""Names of the queue models (B18, S3-46); "probabilistic" is power3."""

_FILLS: Final = {
    "strict": codes.STRICT,
    "parity": codes.PARITY,
    "parity_no_partial": codes.PARITY_NO_PARTIAL,
}
_STALE: Final = {"hold": codes.HOLD, "cancel_all": codes.CANCEL_ALL, "truncate": codes.TRUNCATE}
_MARKS: Final = {name: number for number, name in enumerate(get_args(MarkKind))}
_SECONDS_PER_YEAR = 365 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class BookParams:
    """The physics of a sandbox over order books; defaults are those of the specification.

    Raises:
        ConfigError: A value breaks its rule.
        UnknownName: A choice is not one of the known ones.

    Source: book.md (B, F, L, Z), semantics M, R, E.
    """

    starting_balance: float = 10_000.0
    """Cash in quote units at the start."""
    account: AccountKind = "spot"
    """"spot": no balance below zero (M3); "margin": shorts and leverage (M5)."""
    fills: FillRule = "strict"
    """"strict": no free lunch (section F); "parity": as hftbacktest fills; and its exchange
    without partial fills."""
    queue_model: str = "probabilistic"
    """How cancels ahead and behind are guessed (B18): a name of QUEUE_MODELS."""
    queue_power: float = 3.0
    """Exponent of power1, power2 and power3."""
    latency_model: LatencyModel = "per-venue"
    """"none", "constant", "log-normal", "per-venue" or "recorded" (L1)."""
    latency: Latency | None = None
    """Times of "constant" and "log-normal"; None: those of the profile "default"."""
    venue_latency: Mapping[str, Latency] = field(default_factory=dict)
    """Own profiles by venue, which win over the shipped ones."""
    recorded_latency: Any = None
    """int64 [n, 3]: request, arrival and response times, for "recorded"."""
    taker_fee_frac: float = 0.001
    """Fee on executed notional for taking (M2). Instruments may state their own."""
    maker_fee_frac: float = 0.001
    """Fee on executed notional for making; negative is a rebate (M2)."""
    max_orders: int = 32
    """Working orders per account (B15)."""
    max_actions: int = 16
    """Orders, cancels and amends between two advances or in one callback (B15)."""
    stale: StalePolicy = "hold"
    """What a sequence gap does to working orders (B10)."""
    mark: MarkKind = "mid"
    """The price that values a position."""
    max_market_slippage_frac: float = 0.05
    """A market order pays at most this much beyond the touch that it was sent at."""
    max_price_deviation_frac: float | None = None
    """Limits further from the mid are refused PRICE_DEVIATION; None: off."""
    max_position_notional: float | None = None
    """A larger position of one symbol is refused POSITION_LIMIT; None: off."""
    max_leverage: float = 3.0
    """Margin accounts: initial margin is 1 / max_leverage (M5)."""
    maintenance_margin_frac: float = 0.05
    """Margin accounts: liquidation where equity falls to this part of position notional (M5)."""
    borrow_rate_frac: float = 0.10
    """Margin accounts: interest a year on short notional and on borrowed cash (M5)."""
    ruin_frac: float = 0.0
    """The episode terminates when equity is at or below this part of the start (E1)."""
    liquidate_on_complete: bool = True
    """Close positions on the book, with fee, when the window ends (M7)."""
    adverse_selection: bool = False
    """Score passive fills for toxicity; skip some and worsen others (Z1)."""
    adverse_bias: float = 2.0
    """Bias of the logistic of Z1."""
    adverse_skip_rate: float = 0.3
    """Most of the fills that are skipped (Z1)."""
    adverse_penalty: float = 0.5
    """Part of toxicity x half spread that a fill is worsened by, 10 bps at most (Z1)."""
    self_impact: bool = False
    """The agent sees its own orders and the holes it leaves, which refill (Z2)."""
    impact_half_life_s: float = 1.0
    """Half-life of a hole (Z2)."""
    permanent_impact: float = 0.0
    """Part of a taker's own price move that later takers pay on top (Z2)."""
    volatility_latency: bool = False
    """Latency grows with the volatility of the mid (L2)."""
    volatility_beta: float = 0.5
    """Exponent of L2."""
    volatility_bounds: tuple[float, float] = (0.5, 5.0)
    """Bounds of L2's factor."""
    volatility_window_s: int = 60
    """Trailing window of L2's realised volatility, whole seconds of local data."""
    risk: RiskProfile | None = None
    """Limits on orders, or None."""

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise UnknownName(name.replace("_", " "), getattr(self, name), tuple(known))
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is None and name in _OPTIONAL:
                continue
            whole = name in _WHOLE
            refuse_number(name, value, low, high, f"from {low:g} to {high:g}", whole=whole)
        for name in _FLAGS:
            refuse_flag(name, getattr(self, name))
        _refuse_realism(self)
        if self.starting_balance <= 0.0:
            raise ConfigError(f"starting_balance must be above 0; was {self.starting_balance!r}.")
        if not _are_bounds(self.volatility_bounds):
            raise ConfigError(
                f"volatility_bounds must be (low <= 1, high >= 1); was {self.volatility_bounds!r}."
            )
        low, high = self.volatility_bounds
        object.__setattr__(self, "volatility_bounds", (float(low), float(high)))
        _refuse_latencies(self)
        if self.risk is not None and not isinstance(self.risk, RiskProfile):
            raise ConfigError(f"risk must be a RiskProfile, or None; was {self.risk!r}.")
        _refuse_unrecorded(self)


def _refuse_unrecorded(params: BookParams) -> None:
    """Refuse recorded latencies that nobody asks for, and a model that lacks them."""
    is_given = params.recorded_latency is not None
    if params.latency_model == "recorded" and not is_given:
        others = ", ".join(name for name in LATENCY_MODELS if name != "recorded")
        raise ConfigError(
            "latency_model='recorded' needs recorded_latency, an array of request, arrival and "
            f"response times that only Python can give. Likely fix: give it, or one of {others}."
        )
    if is_given and params.latency_model != "recorded":
        raise ConfigError(
            "recorded_latency must be left out unless latency_model='recorded'; was given with "
            f"latency_model={params.latency_model!r}."
        )


_CHOICES: Final[Mapping[str, Any]] = {
    "account": get_args(AccountKind),
    "fills": tuple(_FILLS),
    "queue_model": tuple(QUEUE_MODELS),
    "latency_model": LATENCY_MODELS,
    "stale": tuple(_STALE),
    "mark": tuple(_MARKS),
}
_WHOLE = ("max_orders", "max_actions", "volatility_window_s")
_REALISM = ("adverse_selection", "self_impact", "volatility_latency")
_FLAGS = ("liquidate_on_complete", *_REALISM)
_OPTIONAL = ("max_price_deviation_frac", "max_position_notional")
_BOUNDS: Final[tuple[tuple[str, float, float], ...]] = (
    ("starting_balance", 0.0, 1e18),
    ("queue_power", 0.01, 100.0),
    ("taker_fee_frac", -0.5, 0.5),
    ("maker_fee_frac", -0.5, 0.5),
    ("max_orders", 1, 1024),
    ("max_actions", 1, 1_000_000),
    ("max_market_slippage_frac", 0.0, 0.5),
    ("max_price_deviation_frac", 0.0, 10.0),
    ("max_position_notional", 0.0, 1e18),
    ("max_leverage", 1.0, 1_000.0),
    ("maintenance_margin_frac", 0.0, 1.0),
    ("borrow_rate_frac", 0.0, 100.0),
    ("ruin_frac", 0.0, 1.0),
    ("adverse_bias", -100.0, 100.0),
    ("adverse_skip_rate", 0.0, 1.0),
    ("adverse_penalty", 0.0, 100.0),
    ("impact_half_life_s", 1e-6, 1e6),
    ("permanent_impact", 0.0, 1.0),
    ("volatility_beta", 0.0, 10.0),
    ("volatility_window_s", 1, 86_400),
)


def _are_bounds(bounds: Any) -> bool:
    """Tell bounds of the factor of L2 from anything else."""
    if not isinstance(bounds, tuple | list | np.ndarray) or len(bounds) != 2:
        return False
    kinds = int | float | np.integer | np.floating
    if not all(isinstance(x, kinds) and not isinstance(x, bool) for x in bounds):
        return False
    return bool(0.0 < bounds[0] <= 1.0 <= bounds[1] < math.inf)


def _refuse_latencies(params: BookParams) -> None:
    """Refuse what is no Latency, and latencies beside recorded ones.

    With the model "none", which switches latency off, they may stand: runs with and without it
    differ in one setting.
    """
    by_venue: Any = params.venue_latency
    if not isinstance(by_venue, Mapping) or not all(isinstance(name, str) for name in by_venue):
        raise ConfigError(
            f"venue_latency must be a mapping of venues to Latency; was {by_venue!r}. Likely fix: "
            "{'kraken': Latency(entry_ms=5.0)}."
        )
    given = {f"venue_latency[{venue!r}]": each for venue, each in by_venue.items()}
    if params.latency is not None:
        given["latency"] = params.latency
    for name, each in given.items():
        if not isinstance(each, Latency):
            raise ConfigError(
                f"{name} must be a Latency; was {each!r}. Likely fix: Latency(entry_ms=5.0)."
            )
        if params.latency_model == "recorded":
            raise ConfigError(
                f"{name} must be left out with latency_model='recorded', which does not read it. "
                "Likely fix: latency_model='log-normal'."
            )


def _refuse_realism(params: BookParams) -> None:
    """Refuse what the peer, whose fills are repeated, has no model of."""
    realism = [name for name in _REALISM if getattr(params, name)]
    if realism and params.fills != "strict":
        raise ConfigError(
            f"{' and '.join(realism)} must be off under fills={params.fills!r}, which repeats a "
            "peer that has no such model. Likely fix: fills='strict'."
        )


def book_params(params: BookParams) -> Table:
    """Write the PARAMS record of a sandbox, a table of one row."""
    table = new_table(PARAMS, 1)
    row: Any = table[0]
    row.fills = _FILLS[params.fills]
    row.queue_model = QUEUE_MODELS[params.queue_model]
    row.queue_power = params.queue_power
    row.margin = int(params.account == "margin")
    row.max_orders = params.max_orders
    row.max_actions = params.max_actions
    row.stale_policy = _STALE[params.stale]
    row.mark = _MARKS[params.mark]
    row.starting_balance = params.starting_balance
    row.initial_margin_frac = 1.0 / params.max_leverage
    row.maintenance_frac = params.maintenance_margin_frac
    row.borrow_per_second = params.borrow_rate_frac / _SECONDS_PER_YEAR
    row.ruin_frac = params.ruin_frac
    row.liquidate_on_complete = int(params.liquidate_on_complete)
    row.market_cap_frac = params.max_market_slippage_frac
    deviation, position = params.max_price_deviation_frac, params.max_position_notional
    row.price_deviation_frac = math.inf if deviation is None else deviation
    row.max_position_notional = math.inf if position is None else position
    row.adverse = int(params.adverse_selection)
    row.adverse_bias = params.adverse_bias
    row.adverse_skip_rate = params.adverse_skip_rate
    row.adverse_penalty = params.adverse_penalty
    row.impact = int(params.self_impact)
    row.impact_half_life_ns = params.impact_half_life_s * 1e9
    row.impact_permanent = params.permanent_impact
    row.latency_scaled = int(params.volatility_latency)
    write_limits(row, params.risk or RiskProfile())
    return table
