"""The result of a run as one document of plain values: metrics.json and `--output json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from seq_gym.evaluate.aggregate import Summary
from seq_gym.evaluate.ground import Ground
from seq_gym.metrics import BacktestOverfitting, BootstrapInterval
from seq_gym.sandbox.params import PHYSICS_VERSION

__all__ = ["make_document"]


def make_document(ground: Ground, summary: Summary, *, is_partial: bool) -> dict[str, Any]:
    """Return everything that the run measured. A figure without a value is None."""
    return {
        "partial": is_partial,
        "physics_version": PHYSICS_VERSION,
        "env": ground.env,
        "seed": ground.seed,
        **ground.document(),
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
