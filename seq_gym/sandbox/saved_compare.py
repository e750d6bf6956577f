"""Saved sessions side by side (S1-57)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from seq_gym.errors import ConfigError, UsageError
from seq_gym.sandbox.records import Results
from seq_gym.sandbox.saved_file import reading, sessions_path
from seq_gym.sandbox.saved_list import SavedEntry, entry_of
from seq_gym.sandbox.saved_load import find_row, saved_file

__all__ = ["Compared", "Comparison", "compare_sessions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One session of a comparison (S1-57)."""

    session_id: str
    strategy_label: str
    roi_pct: float
    sharpe_ratio: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Sessions side by side (S1-57)."""

    comparisons: tuple[Compared, ...]
    """In the order in which they were named."""
    best_by_roi: str
    """Id of the highest return; of equal ones the first named."""
    best_by_sharpe: str | None
    """Id of the highest Sharpe ratio; None where none has one."""
    recommendation: str
    """What that comes to, as a sentence; it says so where no session is ahead in both."""


def compare_sessions(
    session_ids: str | Iterable[str], path: str | Path | None = None
) -> Comparison:
    """Compare sessions that are over (S1-57).

    The key metrics are the two that are shown, return and Sharpe ratio. That one session is ahead
    of another says little of the next window: `evaluate` gives intervals.

    Args:
        session_ids: Two or more ids; text is split at commas.
        path: As in `list_sessions`.

    Raises:
        UsageError: NOT_FOUND, with the near miss; INVALID_STATE where one is not over.
        ConfigError: They are not two different ones at least, or the file is not ours.
    """
    given = session_ids.split(",") if isinstance(session_ids, str) else session_ids
    named = (str(each).strip() for each in given)
    wanted = list(dict.fromkeys(each for each in named if each))
    if len(wanted) < 2:
        raise ConfigError(f"session_ids must be two different ones at least; were {wanted!r}.")
    entries = _entries(wanted, path)
    compared = tuple(
        Compared(
            session_id=entry.session_id,
            strategy_label=entry.strategy_label,
            roi_pct=results.roi_pct,
            sharpe_ratio=results.metrics.sharpe_ratio,
        )
        for entry, results in entries
    )
    rated = [each for each in compared if each.sharpe_ratio is not None]
    by_sharpe = max(rated, key=lambda each: each.sharpe_ratio or 0.0) if rated else None
    return Comparison(
        comparisons=compared,
        best_by_roi=max(compared, key=lambda each: each.roi_pct).session_id,
        best_by_sharpe=None if by_sharpe is None else by_sharpe.session_id,
        recommendation=_recommend(compared) + _caveat(entries),
    )


# ---------------------------------------------------------------------- inner parts


def _entries(wanted: list[str], path: str | Path | None) -> list[tuple[SavedEntry, Results]]:
    """Return sessions by their ids, in that order, with their results."""
    file = saved_file(path)
    if file is None:
        raise UsageError(
            f"session_ids must be those of saved sessions; {sessions_path()} has none yet.",
            code="NOT_FOUND",
        )
    found = []
    with reading(file) as link:
        for session_id in wanted:
            entry = entry_of(link, find_row(link, session_id, file))
            if entry.results is None:
                raise UsageError(
                    f"The session must be over to be compared; {session_id} was {entry.status} at "
                    f"step {entry.step} of {entry.total_steps}.",
                    code="INVALID_STATE",
                )
            found.append((entry, entry.results))
    return found


def _recommend(compared: Sequence[Compared]) -> str:
    """Say which session is ahead, and in what; nothing is said of what is equal or undefined."""
    by_roi = _ahead([(each, each.roi_pct) for each in compared])
    unrated = [each for each in compared if each.sharpe_ratio is None]
    by_sharpe = _ahead(
        [(each, each.sharpe_ratio) for each in compared if each.sharpe_ratio is not None]
    )
    if by_roi is not None and by_roi is by_sharpe and not unrated:
        return f"{_name(by_roi)} outperforms on all key metrics"
    parts = [
        f"{_name(by_roi)} has the highest return" if by_roi else "no return is above all others",
        f"{_name(by_sharpe)} has the highest Sharpe ratio"
        if by_sharpe
        else "no Sharpe ratio is above all others",
    ]
    if unrated:
        parts.append(f"{', '.join(map(_name, unrated))} without a Sharpe ratio")
    return "No session is ahead on all key metrics: " + "; ".join(parts)


def _ahead(values: list[tuple[Compared, float]]) -> Compared | None:
    """Return the one above all others; None where two share the top, or there is none."""
    top = max((value for _, value in values), default=None)
    best = [each for each, value in values if value == top]
    return best[0] if len(best) == 1 else None


def _caveat(entries: list[tuple[SavedEntry, Results]]) -> str:
    """Say why the figures are not of one kind, where they are not."""
    said = []
    kinds = {(e.start_ns, e.end_ns, e.candle_interval, r.config["symbols"]) for e, r in entries}
    if len(kinds) > 1:
        said.append("their windows, candles or pairs differ")
    if len({_physics_of(results) for _, results in entries}) > 1:
        said.append("their fees or other physics differ")
    partial = [entry.session_id for entry, results in entries if results.is_partial]
    if partial:
        said.append(f"partial results: {', '.join(partial)}")
    return f" ({'; '.join(said)})" if said else ""


def _physics_of(results: Results) -> str:
    """Return what made the fills and their costs; capital and limits are the strategy's own."""
    physics = results.config["physics"]
    own = ("starting_balance", "risk")
    return repr(sorted((name, value) for name, value in physics.items() if name not in own))


def _name(each: Compared) -> str:
    return f"{each.session_id} ({each.strategy_label})"
