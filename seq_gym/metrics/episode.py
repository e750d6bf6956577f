"""The metrics of one recorded episode (semantics X1 to X5).

The curve is the equity after every step with the starting balance before it: never the thinned
snapshots of storage, which would change every figure.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError
from seq_gym.metrics.drawdown import Drawdown, max_drawdown
from seq_gym.metrics.measure import (
    ROUNDING,
    FloatArray,
    Measure,
    Undefined,
    finite_vector,
    positive,
    split_measures,
)
from seq_gym.metrics.returns import (
    cvar_95,
    excess_kurtosis,
    omega_ratio,
    ruin_index,
    sharpe_ratio,
    simple_returns,
    skewness,
    sortino_ratio,
    value_at_risk_95,
    volatility,
)
from seq_gym.metrics.trades import TradeMetrics, trade_metrics

__all__ = [
    "DAYS_PER_YEAR",
    "SECONDS_PER_DAY",
    "EpisodeMetrics",
    "cagr",
    "calmar_ratio",
    "daily_equity",
    "episode_metrics",
    "periods_per_year",
    "sharpe_daily",
    "total_return",
]

DAYS_PER_YEAR = 365
SECONDS_PER_DAY = 86_400
MIN_DAILY_RETURNS = 30

_NS_PER_DAY = SECONDS_PER_DAY * 1_000_000_000
_NO_STEP = Undefined("no step was made")
_RUINED = Undefined("the equity was gone before its last point")


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeMetrics:
    """What one episode came to; full precision, fractions from 0 to 1, money in quote currency.

    A figure that has no value is None and `undefined` says why, by the name of its field.

    Attributes:
        num_steps: Steps n; the curve has n + 1 points.
        step_s: Seconds a step.
        elapsed_s: Simulated seconds, `num_steps x step_s`.
        periods_per_year: Steps a year of 365 days; every annual figure below is scaled by it.
        start_equity: The starting balance.
        final_equity: Equity at the last point, open positions included.
        total_pnl: Their difference.
        total_return_frac: `final / start - 1`.
        cagr_frac: Growth a year of 365 days.
        volatility_frac: Standard deviation (ddof 1) of the step returns, a year.
        sharpe_ratio: Mean over standard deviation of the step returns, a year.
        sharpe_daily: The same on daily equity, where there are at least 30 whole days.
        sortino_ratio: Mean over downside deviation about 0, a year.
        calmar_ratio: CAGR over maximum drawdown.
        omega_ratio: Sum of gains over sum of losses of the step returns.
        max_drawdown_frac: Deepest fall below the running peak.
        max_drawdown_money: Largest fall from a running peak in quote currency.
        max_drawdown_duration_s: Peak to recovery (or the end) of the maximum drawdown.
        longest_drawdown_s: The longest stay below a peak.
        value_at_risk_95: Historical 5 % quantile of the step returns; a loss is negative.
        cvar_95: Mean of the worst 5 % of the step returns; a loss is negative.
        skew: Population skewness of the step returns.
        excess_kurtosis: Population kurtosis of the step returns less 3.
        total_trades: All fills.
        trades_per_day: Fills a simulated day.
        trades: Figures over the closing fills.
        undefined: Reason for every figure above that is None.
    """

    num_steps: int
    step_s: float
    elapsed_s: float
    periods_per_year: float
    start_equity: float
    final_equity: float
    total_pnl: float
    total_return_frac: float
    cagr_frac: float | None
    volatility_frac: float | None
    sharpe_ratio: float | None
    sharpe_daily: float | None
    sortino_ratio: float | None
    calmar_ratio: float | None
    omega_ratio: float | None
    max_drawdown_frac: float
    max_drawdown_money: float
    max_drawdown_duration_s: float
    longest_drawdown_s: float
    value_at_risk_95: float | None
    cvar_95: float | None
    skew: float | None
    excess_kurtosis: float | None
    total_trades: int
    trades_per_day: float | None
    trades: TradeMetrics
    undefined: dict[str, str] = field(default_factory=dict)

    def as_row(self) -> dict[str, float | int | None]:
        """Return all figures in one flat dict, trades included, without the reasons."""
        row = asdict(self)
        row.pop("undefined")
        trades = row.pop("trades")
        trades.pop("undefined")
        return {**row, **trades}

    def reasons(self) -> dict[str, str]:
        """Return why each None of `as_row` has no value, trades included."""
        return {**self.undefined, **self.trades.undefined}


def episode_metrics(
    equity: npt.ArrayLike,
    *,
    step_s: float,
    closing_pnls: npt.ArrayLike = (),
    num_fills: int = 0,
    start_ns: int | None = None,
) -> EpisodeMetrics:
    """Measure one episode.

    Args:
        equity: float64 [n + 1], quote currency; the starting balance, then equity after each step.
        step_s: Seconds a step.
        closing_pnls: float64 [k], realised profit of each closing fill net of fees.
        num_fills: All fills, those that opened included; at least k.
        start_ns: UTC time of the first point, so that days end at UTC midnight; without it days are
            counted from the first point.

    Returns:
        The metrics. Known at: the end of the episode.

    Raises:
        ConfigError: The curve is empty, not finite or starts at zero or below, `step_s` is not
            above 0, or there are fewer fills than closing fills.

    Source: semantics X1 to X5, S1-42 to S1-51.
    """
    curve = finite_vector("equity", equity, at_least=1)
    trades = trade_metrics(closing_pnls)
    if num_fills < trades.num_closing_fills:
        raise ConfigError(
            f"num_fills must be at least the {trades.num_closing_fills} closing fills; was "
            f"{num_fills}. Likely fix: count the opening fills too."
        )
    fall = max_drawdown(curve, step_s=step_s)
    ppy = periods_per_year(step_s)
    elapsed_s = (curve.size - 1) * float(step_s)
    measures = _curve_measures(curve, float(step_s), fall) | _return_measures(curve, ppy)
    measures["sharpe_daily"] = sharpe_daily(curve, step_s=step_s, start_ns=start_ns)
    measures["trades_per_day"] = (
        num_fills / (elapsed_s / SECONDS_PER_DAY) if elapsed_s > 0 else _NO_STEP
    )
    values, reasons = split_measures(measures)
    return EpisodeMetrics(
        num_steps=curve.size - 1,
        step_s=float(step_s),
        elapsed_s=elapsed_s,
        periods_per_year=ppy,
        start_equity=float(curve[0]),
        final_equity=float(curve[-1]),
        total_pnl=float(curve[-1] - curve[0]),
        total_return_frac=total_return(curve),
        max_drawdown_frac=fall.frac,
        max_drawdown_money=fall.money,
        max_drawdown_duration_s=fall.duration_s,
        longest_drawdown_s=fall.longest_s,
        total_trades=int(num_fills),
        trades=trades,
        undefined=reasons,
        **values,
    )


def periods_per_year(step_s: float) -> float:
    """Return the steps in a year of 365 days.

    >>> periods_per_year(60)
    525600.0
    """
    return DAYS_PER_YEAR * SECONDS_PER_DAY / positive("step_s", step_s)


def total_return(equity: npt.ArrayLike) -> float:
    """Return `last / first - 1` of a curve that starts above zero.

    >>> total_return([200.0, 150.0])
    -0.25
    """
    curve = finite_vector("equity", equity, at_least=1)
    return float(curve[-1]) / positive("equity[0], the starting balance,", float(curve[0])) - 1.0


def cagr(equity: npt.ArrayLike, *, step_s: float) -> Measure:
    """Return the growth a year, `(last / first)^(365 days / elapsed) - 1`.

    Undefined without a step, below zero, and where a short episode grows beyond any float a year.
    """
    growth = total_return(equity) + 1.0
    years = (np.size(equity) - 1) / periods_per_year(step_s)
    if years <= 0:
        return _NO_STEP
    if growth < 0:
        return Undefined("the final equity is below 0")
    try:
        return float(growth ** (1.0 / years)) - 1.0
    except OverflowError:
        return Undefined(f"the growth of {years * DAYS_PER_YEAR:.3g} days is too large for a year")


def calmar_ratio(equity: npt.ArrayLike, *, step_s: float) -> Measure:
    """Return CAGR over the maximum drawdown of the same curve."""
    curve = finite_vector("equity", equity, at_least=1)
    return _calmar(cagr(curve, step_s=step_s), max_drawdown(curve, step_s=step_s))


def daily_equity(
    equity: npt.ArrayLike, *, step_s: float, start_ns: int | None = None
) -> FloatArray:
    """Return the equity at each UTC midnight inside the curve.

    Between two steps it is the equity after the last step at or before midnight. The parts of a day
    before the first and after the last midnight are left out: they are no daily returns. Without
    `start_ns` the first point counts as midnight.

    Args:
        equity: float64 [n + 1], quote currency.
        step_s: Seconds a step.
        start_ns: UTC time of the first point.

    Returns:
        float64 [d], one value a midnight; d = 0 where the curve meets none.
    """
    curve = finite_vector("equity", equity, at_least=1)
    step_ns = max(1, round(positive("step_s", step_s) * 1_000_000_000))
    start = 0 if start_ns is None else int(start_ns)
    first = -(-start // _NS_PER_DAY)
    last = (start + (curve.size - 1) * step_ns) // _NS_PER_DAY
    midnights = np.arange(first, last + 1, dtype=np.int64) * _NS_PER_DAY
    return curve[(midnights - start) // step_ns]


def sharpe_daily(equity: npt.ArrayLike, *, step_s: float, start_ns: int | None = None) -> Measure:
    """Return the Sharpe ratio of daily equity, times sqrt(365).

    Undefined with fewer than 30 whole days, a step longer than a day, or ruin before the end.
    """
    if step_s > SECONDS_PER_DAY:
        return Undefined("a step is longer than a day")
    daily = daily_equity(equity, step_s=step_s, start_ns=start_ns)
    if daily.size < MIN_DAILY_RETURNS + 1:
        days = max(daily.size - 1, 0)
        return Undefined(f"needs at least {MIN_DAILY_RETURNS} whole days; had {days}")
    if ruin_index(daily) is not None:
        return _RUINED
    return sharpe_ratio(simple_returns(daily), periods_per_year=DAYS_PER_YEAR)


def _curve_measures(curve: FloatArray, step_s: float, fall: Drawdown) -> dict[str, Measure]:
    growth = cagr(curve, step_s=step_s)
    return {"cagr_frac": growth, "calmar_ratio": _calmar(growth, fall)}


def _return_measures(curve: FloatArray, ppy: float) -> dict[str, Measure]:
    names = (
        "volatility_frac",
        "sharpe_ratio",
        "sortino_ratio",
        "omega_ratio",
        "value_at_risk_95",
        "cvar_95",
        "skew",
        "excess_kurtosis",
    )
    if ruin_index(curve) is not None:
        return dict.fromkeys(names, _RUINED)
    r = simple_returns(curve)
    measures: tuple[Measure, ...] = (
        volatility(r, periods_per_year=ppy),
        sharpe_ratio(r, periods_per_year=ppy),
        sortino_ratio(r, periods_per_year=ppy),
        omega_ratio(r),
        value_at_risk_95(r),
        cvar_95(r),
        skewness(r),
        excess_kurtosis(r),
    )
    return dict(zip(names, measures, strict=True))


def _calmar(growth: Measure, fall: Drawdown) -> Measure:
    if isinstance(growth, Undefined):
        return growth
    if fall.frac <= ROUNDING:
        return Undefined("the equity never fell")
    ratio = growth / fall.frac
    return ratio if math.isfinite(ratio) else Undefined("the growth is too large for the ratio")
