"""Metrics of an episode and statistics over episodes, in plain numpy.

A figure without a value is never 0 or infinite: functions give `Undefined(reason)`, records hold
None beside a reason (semantics X2). docs/metrics.md has every definition and its peers.
"""

from seq_gym.metrics.bootstrap import (
    BootstrapInterval,
    PairedDifference,
    bootstrap_interval,
    interquartile_mean,
    paired_difference,
)
from seq_gym.metrics.drawdown import Drawdown, drawdown_series, max_drawdown
from seq_gym.metrics.episode import (
    EpisodeMetrics,
    cagr,
    calmar_ratio,
    daily_equity,
    episode_metrics,
    periods_per_year,
    sharpe_daily,
    total_return,
)
from seq_gym.metrics.measure import Measure, Undefined
from seq_gym.metrics.overfitting import BacktestOverfitting, probability_of_backtest_overfitting
from seq_gym.metrics.returns import (
    cvar_95,
    excess_kurtosis,
    omega_ratio,
    sharpe_ratio,
    simple_returns,
    skewness,
    sortino_ratio,
    value_at_risk_95,
    volatility,
)
from seq_gym.metrics.statistics import (
    DeflatedSharpe,
    ReturnMoments,
    deflated_sharpe_ratio,
    expected_maximum_sharpe,
    generalisation_gap,
    minimum_track_record_length,
    probabilistic_sharpe_ratio,
    return_moments,
)
from seq_gym.metrics.streaming import StreamingEquity
from seq_gym.metrics.trades import SymbolTrades, TradeMetrics, trade_metrics, trades_by_symbol

__all__ = [
    "BacktestOverfitting",
    "BootstrapInterval",
    "DeflatedSharpe",
    "Drawdown",
    "EpisodeMetrics",
    "Measure",
    "PairedDifference",
    "ReturnMoments",
    "StreamingEquity",
    "SymbolTrades",
    "TradeMetrics",
    "Undefined",
    "bootstrap_interval",
    "cagr",
    "calmar_ratio",
    "cvar_95",
    "daily_equity",
    "deflated_sharpe_ratio",
    "drawdown_series",
    "episode_metrics",
    "excess_kurtosis",
    "expected_maximum_sharpe",
    "generalisation_gap",
    "interquartile_mean",
    "max_drawdown",
    "minimum_track_record_length",
    "omega_ratio",
    "paired_difference",
    "periods_per_year",
    "probabilistic_sharpe_ratio",
    "probability_of_backtest_overfitting",
    "return_moments",
    "sharpe_daily",
    "sharpe_ratio",
    "simple_returns",
    "skewness",
    "sortino_ratio",
    "total_return",
    "trade_metrics",
    "trades_by_symbol",
    "value_at_risk_95",
    "volatility",
]
