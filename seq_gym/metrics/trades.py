"""What the closing fills earned (semantics X4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from seq_gym.errors import ConfigError
from seq_gym.metrics.measure import FloatArray, Measure, Undefined, finite_vector, split_measures

__all__ = ["SymbolTrades", "TradeMetrics", "trade_metrics", "trades_by_symbol"]

_NO_TRADE = Undefined("no fill closed a position")
_NO_WIN = Undefined("no closing fill won")
_NO_LOSS = Undefined("no closing fill lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeMetrics:
    """Figures over the closing fills of an episode; money in quote currency, full precision.

    Attributes:
        num_closing_fills: Fills that reduced a position; the trades of every figure below.
        win_rate_frac: Share with a profit above zero, 0 to 1 (the session shows it times 100).
        profit_factor: Sum of profits over sum of losses.
        avg_win: Mean of the profits.
        avg_loss: Mean of the losses, negative.
        best_trade: The largest result, whatever its sign.
        worst_trade: The smallest result, whatever its sign.
        net_pnl: Sum of all results, 0 without any.
        undefined: Reason for every figure above that is None.
    """

    num_closing_fills: int
    win_rate_frac: float | None
    profit_factor: float | None
    avg_win: float | None
    avg_loss: float | None
    best_trade: float | None
    worst_trade: float | None
    net_pnl: float
    undefined: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolTrades:
    """The fills of one symbol.

    Attributes:
        symbol: Its name.
        num_fills: All its fills; the sum over symbols is `total_trades` (S1-52).
        closing: Figures over those that closed.
    """

    symbol: str
    num_fills: int
    closing: TradeMetrics


def trade_metrics(closing_pnls: npt.ArrayLike) -> TradeMetrics:
    """Measure the closing fills.

    Args:
        closing_pnls: float64 [k], realised profit of each closing fill net of its fees and of the
            entry fees in its basis (M4), quote currency. Zero is neither a win nor a loss.

    Returns:
        The figures. Known at: the end of the episode.

    Raises:
        ConfigError: The array is not one-dimensional or not finite.

    Source: semantics X4, S1-47 to S1-50.

    >>> trade_metrics([30.0, -10.0, 0.0, 10.0]).profit_factor
    4.0
    """
    pnl = finite_vector("closing_pnls", closing_pnls)
    wins, losses = pnl[pnl > 0], pnl[pnl < 0]
    measures: dict[str, Measure] = {
        "win_rate_frac": wins.size / pnl.size if pnl.size else _NO_TRADE,
        "profit_factor": _profit_factor(pnl, wins, losses),
        "avg_win": float(wins.mean()) if wins.size else _NO_WIN,
        "avg_loss": float(losses.mean()) if losses.size else _NO_LOSS,
        "best_trade": float(pnl.max()) if pnl.size else _NO_TRADE,
        "worst_trade": float(pnl.min()) if pnl.size else _NO_TRADE,
    }
    values, reasons = split_measures(measures)
    return TradeMetrics(
        num_closing_fills=int(pnl.size),
        win_rate_frac=values["win_rate_frac"],
        profit_factor=values["profit_factor"],
        avg_win=values["avg_win"],
        avg_loss=values["avg_loss"],
        best_trade=values["best_trade"],
        worst_trade=values["worst_trade"],
        net_pnl=float(pnl.sum()),
        undefined=reasons,
    )


def trades_by_symbol(
    symbols: Sequence[str], symbol_ids: npt.ArrayLike, realized_pnls: npt.ArrayLike
) -> tuple[SymbolTrades, ...]:
    """Measure the fills of every symbol.

    Args:
        symbols: Names, length S; a symbol without fills is in the answer too.
        symbol_ids: integer [F], index into `symbols` of each fill.
        realized_pnls: float64 [F], realised profit of each fill net of fees, quote currency; NaN
            for a fill that closed nothing.

    Returns:
        One entry per symbol, in their order.

    Raises:
        ConfigError: Lengths differ, an index points to no symbol, or a profit is infinite.

    Source: semantics X4, S1-52.
    """
    ids, pnls = _matched(len(symbols), symbol_ids, realized_pnls)
    answers = []
    for index, symbol in enumerate(symbols):
        own = pnls[ids == index]
        closing = trade_metrics(own[~np.isnan(own)])
        answers.append(SymbolTrades(symbol=symbol, num_fills=int(own.size), closing=closing))
    return tuple(answers)


def _profit_factor(pnl: FloatArray, wins: FloatArray, losses: FloatArray) -> Measure:
    if not pnl.size:
        return _NO_TRADE
    if not losses.size:
        return _NO_LOSS
    factor = float(wins.sum()) / -float(losses.sum())
    return factor if math.isfinite(factor) else Undefined("the losses are too small to divide by")


def _matched(
    num_symbols: int, symbol_ids: npt.ArrayLike, realized_pnls: npt.ArrayLike
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    raw_ids = np.asarray(symbol_ids)
    pnls = np.asarray(realized_pnls, dtype=np.float64)
    if raw_ids.ndim != 1 or raw_ids.shape != pnls.shape:
        raise ConfigError(
            f"symbol_ids and realized_pnls must be vectors of one length; were {raw_ids.shape} and "
            f"{pnls.shape}. Likely fix: pass NaN for the fills that closed nothing."
        )
    if raw_ids.size and not np.issubdtype(raw_ids.dtype, np.integer):
        raise ConfigError(
            f"symbol_ids must be integers; was of {raw_ids.dtype}. "
            "Likely fix: pass the index of each fill's symbol."
        )
    ids = raw_ids.astype(np.intp)
    outside = ids[(ids < 0) | (ids >= num_symbols)]
    if outside.size:
        raise ConfigError(
            f"symbol_ids must be in 0..{num_symbols - 1}; was {outside[0]}. "
            "Likely fix: pass all symbols of the episode."
        )
    return ids, pnls
