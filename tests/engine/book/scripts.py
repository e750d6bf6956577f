"""Scripts that do not look: the same verbs at the same times, whatever the engine answers.

With them one can change the feed, the seed, the batch or the rules, and ask what else changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine import codes as common
from seq_gym.engine.book import codes
from seq_gym.engine.book.batch import BookBatch
from seq_gym.engine.layout import Table
from tests.engine.book.worlds import MS

__all__ = ["Step", "executions", "random_script", "run_script", "run_step"]


class Step(NamedTuple):
    """One verb; `terms` are those of a new order, or (which, tick, quantity) of a change."""

    verb: str
    lane: int
    terms: dict[str, Any]


def _place(rng: np.random.Generator, lane: int, *, resting: bool) -> Step:
    side = int(rng.choice([codes.BUY, codes.SELL]))
    away = [1, 1, 2, 3, 4] if resting else [-3, -1, 0, 1, 1, 2, 3]
    terms: dict[str, Any] = {
        "side": side,
        "type": common.LIMIT,
        "qty": float(rng.integers(1, 12)),
        "tick": 100 - side * int(rng.choice(away)),
    }
    if not resting:
        terms["type"] = int(rng.choice([common.LIMIT] * 5 + [common.MARKET]))
        terms["tif"] = int(rng.choice([common.GTC] * 4 + [common.IOC, common.FOK]))
    return Step("place", lane, terms)


def random_script(
    rng: np.random.Generator, lanes: Sequence[int], steps: int, *, resting: bool = False
) -> list[Step]:
    """Write a script; `resting`: orders that only join the book, and cancels."""
    script = []
    for _ in range(steps):
        lane = int(rng.choice(list(lanes)))
        dice = rng.random()
        if dice < 0.45:
            script.append(_place(rng, lane, resting=resting))
        elif dice < 0.65:
            verbs = ["cancel"] if resting else ["cancel", "amend", "decrease"]
            terms = {
                "which": int(rng.integers(0, 5)),
                "tick": 100 + int(rng.integers(-4, 5)),
                "qty": float(rng.integers(1, 6)),
            }
            script.append(Step(str(rng.choice(verbs)), lane, terms))
        else:
            duration = int(rng.choice([1, 3, MS, 7 * MS, 60 * MS]))
            wanted = 0 if resting else int(rng.choice([0, 0, codes.ON_REPORT, codes.ON_TRADE]))
            script.append(Step("advance", lane, {"duration": duration, "wanted": wanted}))
    return script


def run_step(batch: BookBatch, e: int, step: Step, placed: dict[int, list[int]]) -> None:
    """Do one step; `placed` remembers each lane's order ids, oldest first."""
    lane, terms = step.lane, step.terms
    mine = placed.setdefault(lane, [])
    if step.verb == "advance":
        until = int(batch.accounts[e]["now"]) + terms["duration"]
        batch.advance(e, until, terms["wanted"])
    elif step.verb == "place":
        request = batch.request(e, lane, terms["side"])
        for name, value in terms.items():
            if name != "side":
                request[name] = value
        request.tag = len(mine)
        mine.append(batch.place(e, lane))
    elif len(mine) > terms["which"]:
        order = mine[-1 - terms["which"]]
        if step.verb == "cancel":
            batch.cancel(e, lane, order)
        elif step.verb == "amend":
            batch.amend(e, lane, order, terms["tick"], terms["qty"])
        else:
            batch.decrease(e, lane, order, terms["qty"])


def run_script(batch: BookBatch, e: int, script: Sequence[Step], end: int = 0) -> Table:
    """Run a script, then on to `end`; return the journal."""
    placed: dict[int, list[int]] = {}
    parts = []
    for step in script:
        run_step(batch, e, step, placed)
        parts.append(batch.drain(e))
    if end:
        batch.advance(e, end)
        parts.append(batch.drain(e))
    journal: Table = np.concatenate(parts)
    return journal


def executions(journal: Table) -> NDArray[Any]:
    """Return the rows that are executions of the agent's own orders."""
    rows: NDArray[Any] = journal[(journal["kind"] == codes.EXECUTED) & (journal["order_id"] > 0)]
    return rows
