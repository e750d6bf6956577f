"""Figures of an episode of training, and what they are measured by."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from seq_gym.envs.book.layout import EXECUTION, MAKING
from seq_gym.envs.book.settings import BookEnvSettings
from seq_gym.envs.settings import EnvSettings

__all__ = ["EPISODE_FIGURES", "balance_of", "figures_of", "step_ns"]

EPISODE_FIGURES: Final = (
    "total_return_frac",
    "sharpe_ratio",
    "max_drawdown_frac",
    "turnover_frac",
    "fees",
    "slippage",
    "trades",
)
"""Figures of an episode that its terminal info holds, beside `ending` and `final_equity`."""
_MADE: Final = ("spread_capture", "mean_inventory")
_EXECUTED: Final = ("shortfall_bps", "filled_frac", "fees", "slippage", "trades")


def figures_of(settings: EnvSettings | BookEnvSettings) -> tuple[str, ...]:
    """Return the figures that an environment defines of an episode."""
    task = settings.task.code if isinstance(settings, BookEnvSettings) else None
    if task == EXECUTION:
        return _EXECUTED
    return (*EPISODE_FIGURES, *_MADE) if task == MAKING else EPISODE_FIGURES


def step_ns(settings: EnvSettings | BookEnvSettings) -> float:
    """Return how long a step is; of decisions by events the median."""
    if isinstance(settings, BookEnvSettings):
        return float(np.median(np.diff(settings.grid.times)))
    return float(settings.series.interval_ns * settings.candles_per_step)


def balance_of(settings: EnvSettings | BookEnvSettings) -> float:
    """Return what returns and turnover are measured by; NaN where episodes start with more."""
    if isinstance(settings, BookEnvSettings) and settings.task.code == EXECUTION:
        return math.nan
    return float(settings.params.starting_balance)
