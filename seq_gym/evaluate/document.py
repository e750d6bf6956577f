"""The result of a run as one document of plain values: metrics.json and `--output json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from seq_gym.config import config_to_dict
from seq_gym.evaluate.aggregate import Summary
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.market import CandleSeries, Window
from seq_gym.metrics import BacktestOverfitting, BootstrapInterval
from seq_gym.sandbox.params import PHYSICS_VERSION
from seq_gym.times import format_time

__all__ = ["make_document"]


def make_document(
    config: EvaluateConfig,
    series: CandleSeries,
    windows: Sequence[Window],
    summary: Summary,
    *,
    env: str,
    is_partial: bool,
) -> dict[str, Any]:
    """Return everything that the run measured. A figure without a value is None."""
    return {
        "partial": is_partial,
        "physics_version": PHYSICS_VERSION,
        "env": env,
        "seed": config.seed,
        "data": {
            "symbols": list(series.symbols),
            "interval": series.interval,
            "fingerprint": series.fingerprint,
        },
        "candles_per_step": config.candles_per_step,
        "sandbox": config_to_dict(config.sandbox),
        "windows": [
            {
                "episode": number,
                "start": format_time(series.time_of(window.start)),
                "end": format_time(series.time_of(window.end)),
                "candles": window.num_steps,
            }
            for number, window in enumerate(windows)
        ],
        "agents": [
            {
                "name": each.name,
                "baseline": each.baseline,
                "episodes": each.num_episodes,
                "figures": {name: _interval(value) for name, value in each.figures.items()},
                "worst_drawdown_frac": each.worst_drawdown_frac,
                "endings": each.endings,
                "deflated_sharpe": each.deflated_sharpe and asdict(each.deflated_sharpe),
            }
            for each in summary.agents
        ],
        "comparisons": [
            {
                "agent": each.agent,
                "baseline": each.baseline,
                "windows": each.num_windows,
                "differences": {
                    name: {**(_interval(pair.difference) or {}), "better_frac": pair.better_frac}
                    for name, pair in each.differences.items()
                },
            }
            for each in summary.comparisons
        ],
        "num_trials": summary.num_trials,
        "overfitting": _overfitting(summary.overfitting),
        "no_overfitting": summary.no_overfitting,
    }


def _interval(value: BootstrapInterval | None) -> dict[str, Any] | None:
    return None if value is None else asdict(value)


def _overfitting(value: BacktestOverfitting | None) -> dict[str, Any] | None:
    if value is None:
        return None
    plain = asdict(value)
    plain.pop("logits")
    return plain
