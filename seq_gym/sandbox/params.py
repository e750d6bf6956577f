"""What a sandbox is told once and never changes: fees, fills, margin, limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np

from seq_gym._jit import slippage_address
from seq_gym.engine import codes
from seq_gym.engine.layout import INSTRUMENT, PARAMS, Table, new_table
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries
from seq_gym.times import NS_PER_S
from seq_gym.types import AccountKind, Execution, LimitFill, TriggerKind

__all__ = [
    "PHYSICS_VERSION",
    "RiskProfile",
    "SandboxParams",
    "SlippageFunction",
    "instrument_table",
    "params_table",
    "refuse_flag",
    "refuse_mixed_quotes",
    "refuse_number",
    "write_limits",
]

PHYSICS_VERSION = 2
"""Rises whenever the same seed, data and actions give different numbers (X7)."""

SlippageFunction = Callable[[float, float, float], float]
"""`(notional, adv_quote, volatility_frac) -> slippage_frac`, of plain arithmetic and `math`."""

SlippageModel = Literal["volume_share", "fixed_bps", "square_root"]

_NS_PER_DAY = 86_400 * NS_PER_S
_MODELS = {
    "fixed_bps": codes.FIXED_BPS,
    "volume_share": codes.VOLUME_SHARE,
    "square_root": codes.SQUARE_ROOT,
}


def refuse_number(
    name: str, value: Any, low: float, high: float, rule: str, *, whole: bool
) -> None:
    """Refuse what is no number from low to high; a bool, text and NaN are none."""
    kinds = int | np.integer if whole else int | float | np.integer | np.floating
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise ConfigError(f"{name} must be {kind} {rule}; was {value!r}.")


def refuse_flag(name: str, value: object) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool | np.bool_):
        raise ConfigError(f"{name} must be true or false; was {value!r}.")


def _refuse_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UnknownName(name, value, choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskProfile:
    """Limits on every order (R1 to R5). Percents are 0 to 100; None switches a limit off.

    Raises:
        ConfigError: A limit is negative, no number, or no whole number where it counts.

    Source: semantics R1 to R5.
    """

    max_order_size_pct: float | None = None
    """Cost of an opening order, fee included, against available cash (R1)."""
    max_position_size_pct: float | None = None
    """Resulting position, pending opening orders included, against total equity (R2)."""
    daily_loss_limit_pct: float | None = None
    """Realised loss of the UTC day against the starting balance (R3)."""
    allow_reduce: bool = False
    """Exits pass the daily loss limit (R3)."""
    max_open_orders: int | None = None
    """Working orders at once (R4)."""
    min_notional: float | None = None
    """Smallest opening order in quote (R4)."""
    max_orders_per_minute: int | None = None
    """Orders per minute of virtual time (R4)."""
    max_drawdown_pct: float | None = None
    """Kill switch: opening orders are refused below this drawdown from the peak (R4)."""

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if limit.name == "allow_reduce":
                refuse_flag(limit.name, value)
            elif value is not None:
                whole = limit.name in _COUNTS  # none at all would be no agent
                least = 1.0 if whole else 0.0
                rule = f"of at least {least:g}, or None"
                refuse_number(limit.name, value, least, math.inf, rule, whole=whole)

    @property
    def is_on(self) -> bool:
        """Whether any limit is set."""
        return any(
            getattr(self, limit.name) is not None
            for limit in fields(self)
            if limit.name != "allow_reduce"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxParams:
    """The physics of a sandbox. A sentence under each field; defaults are those of semantics.md.

    Raises:
        ConfigError: A value breaks its rule.
        UnknownName: A choice is not one of the known ones.
    """

    starting_balance: float = 10_000.0
    """Cash in quote units at the start."""
    account: AccountKind = "spot"
    """"spot": no balance below zero (M3); "margin": shorts and leverage (M5)."""
    execution: Execution = "close"
    """When a market order fills: "close", at once at the mark; or "next_open" (O3)."""
    trigger: TriggerKind = "range"
    """What a resting order sees of a candle: "range" (open, low, high) or "close" (O4)."""
    limit_fill: LimitFill = "touch"
    """A resting limit fills when the price touches it, or only when it goes "through" (O6)."""
    taker_fee_frac: float = 0.001
    """Fee on executed notional for taking (M2). Instruments may state their own."""
    maker_fee_frac: float = 0.001
    """Fee on executed notional for making; negative is a rebate (M2)."""
    slippage: SlippageModel | SlippageFunction = "volume_share"
    """"volume_share", "fixed_bps", "square_root", or a SlippageFunction (M1)."""
    slippage_impact: float = 0.1
    """Coefficient of "volume_share" and "square_root" (M1)."""
    slippage_bps: float = 1.0
    """Slippage of "fixed_bps"."""
    min_slippage_frac: float = 0.0001
    """Floor of every other model (M1, S1-25)."""
    max_slippage_frac: float = 0.10
    """Cap of every other model (M1, S1-25)."""
    max_participation_frac: float | None = None
    """Most that own orders together take of a candle's volume; None: no cap (O10)."""
    max_orders: int = 16
    """Working orders per account; over that TOO_MANY_ORDERS (O1)."""
    max_leverage: float = 3.0
    """Margin accounts: initial margin is 1 / max_leverage (M5)."""
    maintenance_margin_frac: float = 0.05
    """Margin accounts: liquidation where equity falls to this part of position notional (M5)."""
    borrow_rate_frac: float = 0.10
    """Margin accounts: interest a year on short notional and on borrowed cash (M5)."""
    ruin_frac: float = 0.0
    """The episode terminates when equity is at or below this part of the start (E1)."""
    liquidate_on_complete: bool = True
    """Close positions at the mark, with fee and slippage, when the window ends (M7)."""
    risk: RiskProfile | None = None
    """Limits on orders, or None."""

    def __post_init__(self) -> None:
        _refuse_choice("account", self.account, get_args(AccountKind))
        _refuse_choice("execution", self.execution, get_args(Execution))
        _refuse_choice("trigger", self.trigger, get_args(TriggerKind))
        _refuse_choice("limit_fill", self.limit_fill, get_args(LimitFill))
        if not callable(self.slippage):
            _refuse_choice("slippage model", self.slippage, get_args(SlippageModel))
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if value is None and name == "max_participation_frac":
                continue
            rule = f"from {low:g} to {high:g}"
            refuse_number(name, value, low, high, rule, whole=name in _COUNTS)
        refuse_flag("liquidate_on_complete", self.liquidate_on_complete)
        if self.risk is not None and not isinstance(self.risk, RiskProfile):
            raise ConfigError(f"risk must be a RiskProfile, or None; was {self.risk!r}.")
        if self.starting_balance <= 0.0:
            raise ConfigError(f"starting_balance must be above 0; was {self.starting_balance!r}.")
        if self.max_participation_frac == 0.0:
            raise ConfigError("max_participation_frac must be above 0, or None; was 0.")


_COUNTS = ("max_orders", "max_open_orders", "max_orders_per_minute")
"""Whole numbers; all other limits may be fractions."""

_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("starting_balance", 0.0, 1e18),
    ("taker_fee_frac", -0.5, 0.5),
    ("maker_fee_frac", -0.5, 0.5),
    ("slippage_impact", 0.0, 1e6),
    ("slippage_bps", 0.0, 5_000.0),
    ("min_slippage_frac", 0.0, 0.5),
    ("max_slippage_frac", 0.0, 0.5),
    ("max_participation_frac", 0.0, 1.0),
    ("max_orders", 1, 1024),
    ("max_leverage", 1.0, 1_000.0),
    ("maintenance_margin_frac", 0.0, 1.0),
    ("borrow_rate_frac", 0.0, 100.0),
    ("ruin_frac", 0.0, 1.0),
)


def _slippage(row: Any, params: SandboxParams) -> Any:
    """Write the slippage model; return what must stay alive for it."""
    row.slippage_floor = params.min_slippage_frac
    row.slippage_cap = params.max_slippage_frac
    row.impact = params.slippage_impact
    if isinstance(params.slippage, str):
        row.slippage_model = _MODELS[params.slippage]
        if params.slippage == "fixed_bps":
            row.impact = params.slippage_bps / 10_000.0
        return None
    row.slippage_model = codes.CALLABLE
    row.slippage_address, alive = slippage_address(params.slippage)
    return alive


def write_limits(row: Any, risk: RiskProfile) -> None:
    """Write the risk limits; off is infinity, or 0 for counts."""
    row.any_risk = int(risk.is_on)
    row.allow_reduce = int(risk.allow_reduce)
    row.max_open_orders = risk.max_open_orders or 0
    row.max_orders_per_minute = risk.max_orders_per_minute or 0
    row.risk_min_notional = risk.min_notional or 0.0
    for name in (
        "max_order_size_pct",
        "max_position_size_pct",
        "daily_loss_limit_pct",
        "max_drawdown_pct",
    ):
        limit = getattr(risk, name)
        row[name] = math.inf if limit is None else limit


def params_table(params: SandboxParams, series: CandleSeries) -> tuple[Table, Any]:
    """Write the PARAMS record of a sandbox over a series.

    Returns:
        The table of one row, and an object that must live as long as the table is used.
    """
    table = new_table(PARAMS, 1)
    row: Any = table[0]
    row.margin = int(params.account == "margin")
    row.at_close = int(params.execution == "close")
    row.trigger_close = int(params.trigger == "close")
    row.through = int(params.limit_fill == "through")
    row.max_orders = params.max_orders
    row.liquidate_on_complete = int(params.liquidate_on_complete)
    row.start_ns = series.start_ns
    row.interval_ns = series.interval_ns
    row.starting_balance = params.starting_balance
    row.max_participation_frac = params.max_participation_frac or 0.0
    row.initial_margin_frac = 1.0 / params.max_leverage
    row.maintenance_frac = params.maintenance_margin_frac
    row.borrow_per_candle = params.borrow_rate_frac * series.interval_ns / (365 * _NS_PER_DAY)
    row.ruin_frac = params.ruin_frac
    write_limits(row, params.risk or RiskProfile())
    return table, _slippage(row, params)


def instrument_table(params: SandboxParams, series: CandleSeries) -> Table:
    """Write the INSTRUMENT records [S]: an instrument's own fees win over the sandbox's."""
    table = new_table(INSTRUMENT, series.num_symbols)
    for s, instrument in enumerate(series.instruments):
        row: Any = table[s]
        row.tick = instrument.tick
        row.lot = instrument.lot
        row.min_notional = instrument.min_notional
        taker, maker = instrument.taker_fee_frac, instrument.maker_fee_frac
        row.taker_fee_frac = params.taker_fee_frac if taker is None else taker
        row.maker_fee_frac = params.maker_fee_frac if maker is None else maker
        if instrument.contract_size != 1.0:
            raise ConfigError(
                f"contract_size of {instrument.symbol} must be 1 on candles; was "
                f"{instrument.contract_size:g}. State quantities in base units."
            )
    return table


def refuse_mixed_quotes(series: CandleSeries) -> None:
    """Refuse symbols of several quote currencies: the account has one cash."""
    quotes = sorted({i.quote for i in series.instruments if i.quote})
    if len(quotes) > 1:
        raise ConfigError(
            f"pairs must have one quote currency; were {', '.join(quotes)}. Likely fix: name the "
            f"pairs of one, such as pairs={[i.symbol for i in series.instruments][:1]!r}."
        )
