"""Figures of an episode that are averaged over episodes, and those that a table shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from seq_gym.evaluate.episode import Episode
from seq_gym.evaluate.ground import Column

__all__ = ["BOOK_FIGURES", "EXECUTION_FIGURES", "FIGURES", "book_columns", "candle_columns"]

Figure = Callable[[Episode], float | None]

FIGURES: Final[dict[str, Figure]] = {
    "total_return_frac": lambda e: e.metrics.total_return_frac,
    "sharpe_ratio": lambda e: e.metrics.sharpe_ratio,
    "sortino_ratio": lambda e: e.metrics.sortino_ratio,
    "max_drawdown_frac": lambda e: e.metrics.max_drawdown_frac,
    "total_trades": lambda e: float(e.metrics.total_trades),
    "total_fees": lambda e: e.costs["maker_fees"] + e.costs["taker_fees"],
    "slippage": lambda e: e.costs["slippage"],
}
"""Of any episode."""


def _extra(name: str) -> Figure:
    return lambda e: e.extras[name]


_EXTRAS: Final = (
    "traded_notional",
    "maker_frac",
    "shortfall_bps",
    "spread_cost_bps",
    "impact_bps",
    "fee_bps",
    "mark_out_1s_bps",
    "mark_out_10s_bps",
    "mark_out_60s_bps",
)

BOOK_FIGURES: Final[dict[str, Figure]] = {**FIGURES, **{name: _extra(name) for name in _EXTRAS}}
"""Of an episode on a book: costs of its fills, weighed by notional (sandbox/book/tca.py)."""


def _saved(episode: Episode) -> float | None:
    shortfall = episode.extras["parent_shortfall_bps"]
    return None if shortfall is None else -shortfall


EXECUTION_FIGURES: Final[dict[str, Figure]] = {
    **BOOK_FIGURES,
    "parent_shortfall_bps": _extra("parent_shortfall_bps"),
    "parent_filled_frac": _extra("parent_filled_frac"),
    "saved_bps": _saved,
}
"""Of an episode of Execution-v0: what its parent order cost, as the environment measures it."""

_FILLS_AND_FEES: Final = (
    Column(name="total_trades", title="trades", digits=1),
    Column(name="total_fees", title="fees"),
)


def candle_columns() -> tuple[Column, ...]:
    """Return the figures that a table of agents on candles shows."""
    return _FILLS_AND_FEES


def book_columns(*, is_execution: bool) -> tuple[Column, ...]:
    """Return the figures that a table of agents on books shows."""
    parent = (
        Column(name="parent_shortfall_bps", title="shortfall of Q bps"),
        Column(name="parent_filled_frac", title="filled %", scale=100.0, digits=1),
    )
    return (
        *(parent if is_execution else ()),
        *_FILLS_AND_FEES,
        Column(name="maker_frac", title="maker %", scale=100.0, digits=0),
        Column(name="shortfall_bps", title="cost of fills bps"),
        Column(name="mark_out_1s_bps", title="mark-out 1 s bps"),
        Column(name="mark_out_10s_bps", title="10 s bps"),
        Column(name="mark_out_60s_bps", title="60 s bps"),
    )
