"""What is varied between the runs of one script."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

MODELS = ("risk_averse", "power1", "power2", "power3", "log1", "log2")
POWER = 3.0
LATENCIES_MS = (1, 25)
NUM_ORDERS = 3000


@dataclass(frozen=True, kw_only=True)
class Run:
    """One way to play a script."""

    queue_model: str = "power3"
    latency_ms: int = 1
    """Of entry, of cancels and of responses."""
    is_partial: bool = True

    def __str__(self) -> str:
        exchange = "partial" if self.is_partial else "no-partial"
        return f"{self.queue_model} {self.latency_ms}ms {exchange}"


RUNS = tuple(
    Run(queue_model=model, latency_ms=latency, is_partial=is_partial)
    for is_partial, latency, model in product((True, False), LATENCIES_MS, MODELS)
)
