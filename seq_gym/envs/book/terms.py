"""The reward terms of all book environments by number, and how a task pays one."""

from __future__ import annotations

from typing import Any, Final

from seq_gym._jit import floats_at, inlined

__all__ = [
    "BOOK_TERMS",
    "COMMON_TERMS",
    "DAMPENED",
    "DRAWDOWN",
    "INVENTORY",
    "LOG_RETURN",
    "NUM_TERMS",
    "PNL",
    "SHORTFALL",
    "SHORTFALL_RISK",
    "SPREAD",
    "TURNOVER",
    "weigh",
]

COMMON_TERMS: Final = (
    "pnl",
    "log_return",
    "drawdown_penalty",
    "turnover_cost",
    "inventory_penalty",
    "spread_capture",
)
"""Terms of every task."""
BOOK_TERMS: Final = (*COMMON_TERMS, "asymmetric_dampening", "shortfall", "shortfall_risk")
"""Every term, in the order of `env.reward_terms` columns."""
NUM_TERMS: Final = len(BOOK_TERMS)
PNL, LOG_RETURN, DRAWDOWN, TURNOVER, INVENTORY, SPREAD = 0, 1, 2, 3, 4, 5
DAMPENED, SHORTFALL, SHORTFALL_RISK = 6, 7, 8


@inlined
def weigh(env: Any, e: int, term: int, value: float) -> float:
    """Return a term's part of the reward; report the term where that was asked for."""
    if env.terms != 0:
        floats_at(env.terms)[e * NUM_TERMS + term] = value
    return floats_at(env.weights)[term] * value
