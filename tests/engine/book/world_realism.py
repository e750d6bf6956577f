"""Random rules for random worlds: risk limits, and realism (Z1, Z2, L2) with what it reads."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seq_gym.engine.book import codes

__all__ = ["draw_realism", "draw_risk", "draw_scores"]

_MS = 1_000_000


def draw_scores(seed: int, s: int, columns: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """Draw the scores of a lane's rows: these books are too short to measure them.

    Args:
        seed: Of the world.
        s: The lane.
        columns: Its feed; a row has a score on each clock that it is on.

    Returns:
        `toxicity`, float32 [num_venue, 4], and `latency_scale`, float32 [num_local], from 0.5.
    """
    num_venue, num_local = (sum(ts >= 0 for ts in columns[f"{c}_ts"]) for c in ("exch", "local"))
    toxicity = 2.0 * np.random.default_rng([seed, s]).normal(size=(num_venue, 4))
    scale = np.random.default_rng([seed, s, 1]).uniform(0.5, 4.0, num_local)
    return {
        "toxicity": np.clip(toxicity, -5, 5).astype(np.float32),
        "latency_scale": scale.astype(np.float32),
    }


def draw_realism(seed: int, rules: Mapping[str, Any]) -> dict[str, Any]:
    """Draw fields of PARAMS from a stream of their own: older scenes stay as they were."""
    if rules.get("fills", codes.STRICT) != codes.STRICT:
        return {}
    rng = np.random.default_rng([seed, 1])
    return {
        "adverse": int(rng.random() < 0.4),
        "adverse_bias": float(rng.choice([2.0, 0.0, 5.0])),
        "adverse_skip_rate": float(rng.choice([0.3, 1.0, 0.0])),
        "adverse_penalty": float(rng.choice([0.5, 0.0, 0.01])),
        "impact": int(rng.random() < 0.4),
        "impact_half_life_ns": float(rng.choice([3.0, 5.0 * _MS, 1e9])),
        "impact_permanent": float(rng.choice([0.0, 0.5, 1.0, 0.3])),
        "latency_scaled": int(rng.random() < 0.4),
    }


def draw_risk(rng: np.random.Generator) -> dict[str, Any]:
    """Draw a risk profile's fields of PARAMS (R1 to R4)."""
    return {
        "any_risk": 1,
        "allow_reduce": int(rng.random() < 0.5),
        "max_open_orders": int(rng.choice([0, 3])),
        "max_orders_per_minute": int(rng.choice([0, 20])),
        "max_order_size_pct": float(rng.choice([math.inf, 20.0])),
        "max_position_size_pct": float(rng.choice([math.inf, 50.0])),
        "daily_loss_limit_pct": float(rng.choice([math.inf, 0.5])),
        "max_drawdown_pct": float(rng.choice([math.inf, 1.0])),
    }
