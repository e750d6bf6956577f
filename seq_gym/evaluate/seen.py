"""Windows that a trained agent has seen: they say nothing of data that is new to it.

Whoever names data or times of his own, or two runs of which one ends later, may have an agent act
where it was trained or chosen. That is no error, but the result says it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seq_gym.evaluate.agents import AgentSpec, record_of_run
from seq_gym.evaluate.ground import Ground
from seq_gym.times import parse_time

__all__ = ["notes_on_seen"]

MADE_UP = ("synthetic market", "synthetic book")


def notes_on_seen(specs: Iterable[AgentSpec], ground: Ground) -> list[str]:
    """Return a sentence for each agent that was trained or chosen on data of the windows.

    Args:
        specs: The agents; those that are run folders say what they have seen.
        ground: The data and the windows of this evaluation.
    """
    spans = [ground.span(each) for each in ground.windows]
    lines = []
    for spec in specs:
        record = record_of_run(spec.source)
        if not _is_same_market(record.get("data", {}), ground):
            continue
        seen = _seen(record.get("splits", {}))
        count = sum(any(a < end and start < b for start, end in seen) for a, b in spans)
        if count:
            lines.append(
                f"NOT UNSEEN: {spec.name} was trained or chosen on data of {count} of the "
                f"{len(spans)} windows."
            )
    return lines


def _seen(splits: dict[str, Any]) -> list[tuple[int, int]]:
    """Return the spans of training and validation, in ns."""
    known = [splits[name] for name in ("train", "validation") if name in splits]
    return [(parse_time(each["start"]), parse_time(each["end"])) for each in known]


def _is_same_market(data: dict[str, Any], ground: Ground) -> bool:
    """Say whether a run may have had the same prices; a made-up market is only itself."""
    if set(ground.symbols).isdisjoint(data.get("symbols", ())):
        return False
    trained_on = str(data.get("source", ""))
    return trained_on == ground.source or not any(
        each.startswith(MADE_UP) for each in (trained_on, ground.source)
    )
