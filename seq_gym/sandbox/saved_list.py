"""Finds saved sessions again: a list with filters, and the best (S1-56, S1-58)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_args, overload

from seq_gym.errors import UnknownName, UsageError
from seq_gym.metrics import EpisodeMetrics, TradeMetrics
from seq_gym.sandbox.known import whole_number
from seq_gym.sandbox.records import Results, SessionStatus
from seq_gym.sandbox.saved_file import reading, sessions_path
from seq_gym.sandbox.saved_load import saved_file
from seq_gym.sandbox.saved_rows import results_from, text_of

__all__ = [
    "BestSession",
    "SavedEntry",
    "SavedPage",
    "best_session",
    "entry_of",
    "list_sessions",
]

_COLUMNS = (
    "final_equity",
    "total_pnl",
    "roi_pct",
    "total_trades",
    "total_fees",
    "starting_balance",
    "total_steps",
)
_SCALED = {
    "max_drawdown_pct": ("max_drawdown_frac", 100.0),
    "max_drawdown_duration_days": ("max_drawdown_duration_s", 1.0 / 86_400.0),
    "win_rate": ("win_rate_frac", 100.0),
}
"""Names of the results document that stand for a metric on another scale (X5)."""
_STORED = tuple(
    each.name
    for kind in (EpisodeMetrics, TradeMetrics)
    for each in fields(kind)
    if each.name not in ("trades", "undefined", *_COLUMNS)
)
_NAMES = (*_COLUMNS, *_SCALED, *_STORED)
_LARGEST = 2**63 - 1
"""What SQLite counts to; no file has more rows."""
_LESS_IS_BETTER = (
    "total_fees",
    "max_drawdown_pct",
    "max_drawdown_duration_days",
    "max_drawdown_frac",
    "max_drawdown_money",
    "max_drawdown_duration_s",
    "longest_drawdown_s",
    "volatility_frac",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedEntry:
    """One line of a list: a saved session, or one that ran when it last wrote."""

    session_id: str
    status: SessionStatus
    strategy_label: str
    agent_id: str
    candle_interval: str
    start_ns: int
    end_ns: int
    """Of its window; the other end of what was played is `step`."""
    step: int
    """Candles advanced; of a running session when it last wrote, at most 499 ago or one call."""
    total_steps: int
    updated_at: str
    """When it was saved or last wrote; wall clock, UTC."""
    results: Results | None
    """None while it runs."""

    @property
    def progress_pct(self) -> float:
        """Steps made, 0 to 100."""
        return 100.0 * self.step / self.total_steps


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPage(Sequence[SavedEntry]):
    """A part of a list; a sequence of its entries."""

    sessions: tuple[SavedEntry, ...]
    total: int
    """Of all that the filters let through."""
    limit: int
    offset: int

    def __len__(self) -> int:
        return len(self.sessions)

    @overload
    def __getitem__(self, index: int) -> SavedEntry: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[SavedEntry, ...]: ...
    def __getitem__(self, index: int | slice) -> SavedEntry | tuple[SavedEntry, ...]:
        return self.sessions[index]

    def __iter__(self) -> Iterator[SavedEntry]:
        return iter(self.sessions)


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSession:
    """The session that a metric puts first."""

    metric: str
    value: float
    session: SavedEntry


def list_sessions(
    path: str | Path | None = None,
    *,
    strategy_label: str | None = None,
    status: str | None = None,
    agent_id: str | None = None,
    sort_by: str | None = None,
    ascending: bool = False,
    limit: int = 100,
    offset: int = 0,
) -> SavedPage:
    """List saved sessions, and those that run (S1-56).

    Args:
        path: SQLite file; None = the environment variable SIM_SESSIONS_PATH, else runs/sessions.db,
            which need not exist yet.
        strategy_label: Only labels that contain this, whatever its case: "momentum" finds
            "momentum_v1".
        status: Only "running", "completed", "cancelled" or "failed".
        agent_id: Only this agent's.
        sort_by: A name of the results' summary or metrics, such as "sharpe_ratio"; sessions where
            it is undefined come last. None = last saved first.
        ascending: The smallest first.
        limit: At most so many.
        offset: So many left out before them.

    Raises:
        UnknownName: There is no such status or name to sort by; the error names the near miss.
        ConfigError: The file is not ours or not there, or limit or offset is no whole number.
    """
    count, first = whole_number("limit", limit), whole_number("offset", offset, least=0)
    if status is not None and status not in _statuses():
        raise UnknownName("status", status, _statuses())
    given = {
        "label": None if strategy_label is None else text_of(strategy_label).casefold(),
        "status": status,
        "agent": None if agent_id is None else text_of(agent_id),
    }
    source, order, values = _ordered(sort_by, ascending)
    file = saved_file(path)
    if file is None:
        return SavedPage(sessions=(), total=0, limit=count, offset=first)
    terms = {
        "label": "instr(folded(strategy_label), :label) > 0",
        "status": "status = :status",
        "agent": "agent_id = :agent",
    }
    where = " AND ".join(term for name, term in terms.items() if given[name] is not None) or "1"
    values |= {**given, "limit": min(count, _LARGEST), "offset": min(first, _LARGEST)}
    with reading(file) as link:
        # SQLite's own lower() knows the letters of ASCII only.
        link.create_function("folded", 1, str.casefold, deterministic=True)
        query = f"SELECT count(*) FROM sessions WHERE {where}"
        (total,) = link.execute(query, given).fetchone()
        query = (
            f"SELECT sessions.* FROM {source} WHERE {where} ORDER BY {order} "
            "LIMIT :limit OFFSET :offset"
        )
        cursor = link.execute(query, values)
        names = [each[0] for each in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        entries = tuple(entry_of(link, row) for row in rows)
    return SavedPage(sessions=entries, total=total, limit=count, offset=first)


def best_session(
    metric: str = "sharpe_ratio",
    path: str | Path | None = None,
    *,
    strategy_label: str | None = None,
    status: str | None = "completed",
    agent_id: str | None = None,
) -> BestSession:
    """Return the best session by a metric (S1-58).

    The highest is best; of drawdowns, volatility and fees the lowest. Equal ones: the last saved.

    Args:
        metric: A name that `list_sessions` sorts by.
        path: As in `list_sessions`.
        strategy_label: As in `list_sessions`.
        status: As in `list_sessions`; None = partial results may win too.
        agent_id: As in `list_sessions`.

    Raises:
        UsageError: NOT_FOUND: no such session has a value of it.
        UnknownName: There is no such metric or status.
        ConfigError: The file is not ours or not there.
    """
    if metric not in _NAMES:
        raise UnknownName("metric", metric, _NAMES)
    found = list_sessions(
        path,
        strategy_label=strategy_label,
        status=status,
        agent_id=agent_id,
        sort_by=metric,
        ascending=metric in _LESS_IS_BETTER,
        limit=1,
    )
    value = _value(found[0], metric) if found else None
    if value is None:
        raise UsageError(
            f"best_session needs a session with a value of {metric}; {sessions_path(path)} has "
            f"{found.total} that the filters let through, and none of them has one.",
            code="NOT_FOUND",
        )
    return BestSession(metric=metric, value=value, session=found[0])


# ---------------------------------------------------------------------- inner parts


def _statuses() -> tuple[str, ...]:
    return tuple(status for status in get_args(SessionStatus) if status != "created")


def _ordered(sort_by: str | None, ascending: bool) -> tuple[str, str, dict[str, Any]]:
    """Return where rows come from, in which order, and the values that the query names."""
    if sort_by is None:
        return "sessions", f"sessions.number {'ASC' if ascending else 'DESC'}", {}
    if sort_by not in _NAMES:
        raise UnknownName("sort_by", sort_by, _NAMES)
    way = "ASC" if ascending else "DESC"
    last = "sessions.number DESC"
    if sort_by in _COLUMNS:
        return "sessions", f"{sort_by} {way} NULLS LAST, {last}", {}
    name = _SCALED.get(sort_by, (sort_by, 1.0))[0]
    source = (
        "sessions LEFT JOIN metrics ON metrics.session = sessions.number AND metrics.name = :sorted"
    )
    return source, f"metrics.value {way} NULLS LAST, {last}", {"sorted": name}


def _value(entry: SavedEntry, name: str) -> float | None:
    """Return what a session has of a name that is sorted by."""
    found = entry.results
    if found is None:
        return None
    values = {**found.config, **found.metrics.as_row(), "total_fees": found.costs.total_fees}
    stored, scale = _SCALED.get(name, (name, 1.0))
    value = found.roi_pct if name == "roi_pct" else values[stored]
    return None if value is None else scale * value


def entry_of(link: sqlite3.Connection, row: Mapping[str, Any]) -> SavedEntry:
    """Return what a list says of a row of sessions."""
    query = "SELECT name, value, reason FROM metrics WHERE session = ? ORDER BY name"
    metrics = link.execute(query, (row["number"],)).fetchall()
    return SavedEntry(
        session_id=row["session_id"],
        status=row["status"],
        strategy_label=row["strategy_label"],
        agent_id=row["agent_id"],
        candle_interval=row["candle_interval"],
        start_ns=row["start_time_ns"],
        end_ns=row["end_time_ns"],
        step=row["step"],
        total_steps=row["total_steps"],
        updated_at=row["updated_at"],
        results=None if row["account"] is None else results_from(row, metrics),
    )
