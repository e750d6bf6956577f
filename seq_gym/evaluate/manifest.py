"""What an evaluation was: its record, its agents, and whether all of it was done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from seq_gym.evaluate.agents import AgentSpec
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.market import CandleSeries
from seq_gym.runs.manifest import make_record

__all__ = ["make_manifest"]


def make_manifest(
    config: EvaluateConfig,
    series: CandleSeries,
    *,
    source: str,
    specs: Sequence[AgentSpec],
    command: Sequence[str],
    now: dt.datetime,
    digest: str,
    is_partial: bool,
) -> dict[str, Any]:
    """Return the record of a run, plain values only."""
    record = make_record(
        series, source=source, seed=config.seed, command=command, now=now, digest=digest
    )
    agents = [{"name": each.name, "source": each.source, "kind": each.kind} for each in specs]
    return {**record, "partial": is_partial, "agents": agents}
