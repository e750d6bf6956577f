"""What an evaluation was: its record, its agents, and whether all of it was done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from seq_gym.evaluate.agents import AgentSpec
from seq_gym.evaluate.ground import Ground
from seq_gym.runs.manifest import record_of

__all__ = ["make_manifest"]


def make_manifest(
    ground: Ground,
    *,
    specs: Sequence[AgentSpec],
    command: Sequence[str],
    now: dt.datetime,
    digest: str,
    is_partial: bool,
) -> dict[str, Any]:
    """Return the record of a run, plain values only."""
    record = record_of(
        ground.data_record(), seed=ground.seed, command=command, now=now, digest=digest
    )
    agents = [{"name": each.name, "source": each.source, "kind": each.kind} for each in specs]
    return {**record, "partial": is_partial, "agents": agents}
