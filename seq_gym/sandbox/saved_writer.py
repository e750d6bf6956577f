"""Saves a session: progress while it runs (S1-71), all of it at once when it is over (S1-17)."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seq_gym.errors import SeqGymError, UsageError
from seq_gym.sandbox.params import PHYSICS_VERSION
from seq_gym.sandbox.records import Fill, Order, Results
from seq_gym.sandbox.results import config_of
from seq_gym.sandbox.saved_check import check_file
from seq_gym.sandbox.saved_file import now_and_then, writing
from seq_gym.sandbox.saved_rows import (
    Account,
    columns_of,
    json_of,
    metric_rows,
    point_row,
    row_of,
    text_of,
)

if TYPE_CHECKING:
    from seq_gym.sandbox.reader import SessionReader

__all__ = ["PROGRESS_EVERY", "SessionSaver", "save_session"]

PROGRESS_EVERY = 500
"""Steps between two writes of how far a session has come (S1-71)."""

_logger = logging.getLogger(__name__)
_FAILURES = (sqlite3.Error, OSError, SeqGymError, ValueError, TypeError)
_NOW = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"


class SessionSaver:
    """Follows one session and saves it; what fails is told, never raised.

    Args:
        path: The file.

    Attributes:
        path: The file.
        is_saved: It is in the file, whole.
        error: Why the last try to save it failed, or None.
        due_step: Step from which on its progress is to be written again.

    Raises:
        ConfigError: The file is there and is not ours.
    """

    def __init__(self, path: Path) -> None:
        check_file(path)
        self.path = path
        self.is_saved = False
        self.error: str | None = None
        self.due_step = PROGRESS_EVERY

    def save(self, session: SessionReader, path: Path) -> None:
        """Save a session that is over into a file; raises what `save_session` does."""
        save_session(session, path)
        self.path, self.is_saved, self.error = path, True, None

    def save_once(self, session: SessionReader) -> None:
        """Save a session that is over; what fails is kept in `error` and logged."""
        try:
            self.save(session, self.path)
        except _FAILURES as error:
            self.error = f"{type(error).__name__}: {error}"
            _logger.error(
                "Session %s is not saved; %s: %s. It stays readable; session.save(path) tries "
                "again.",
                session.session_id,
                self.path,
                error,
            )

    def tell(self, session: SessionReader) -> None:
        """Write how far it has come; what fails now is tried again at the next time."""
        self.due_step = session.step_index + PROGRESS_EVERY
        try:
            with now_and_then(self.path) as link:
                done = link.execute(
                    f"UPDATE sessions SET step = ?, updated_at = {_NOW} WHERE session_id = ?",
                    (session.step_index, session.session_id),
                )
                if done.rowcount == 0:
                    _insert(link, _row(session))
        except _FAILURES as error:
            _logger.debug("Progress of %s is not written: %s", session.session_id, error)


def save_session(session: SessionReader, path: Path) -> None:
    """Save a session that is over, in one transaction; on the disk when this returns.

    Raises:
        UsageError: INVALID_STATE: it is not over, or the file has it.
        ConfigError: The file is not ours.
        sqlite3.Error: It cannot be written, or stays locked.
        OSError: Its folder cannot be made.
    """
    found = session.results()
    row = _row(session) | _outcome(session, found)
    orders, fills = session.orders(), session.fills()
    points = session.equity_curve()
    with writing(path) as link:
        query = "SELECT 1 FROM sessions WHERE session_id = ? AND status <> 'running'"
        if link.execute(query, (found.session_id,)).fetchone():
            raise UsageError(f"A session must be saved once; {found.session_id} is in {path}.")
        link.execute("DELETE FROM sessions WHERE session_id = ?", (found.session_id,))
        number = _insert(link, row)
        _fill(link, "orders", number, columns_of(Order), orders)
        _fill(link, "fills", number, columns_of(Fill), fills)
        link.executemany(
            "INSERT INTO equity VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((number, index, *point_row(point)) for index, point in enumerate(points)),
        )
        link.executemany(
            "INSERT INTO metrics VALUES (?, ?, ?, ?)",
            ((number, *each) for each in metric_rows(found.metrics)),
        )


def _row(session: SessionReader) -> dict[str, Any]:
    """Return the columns that a session has from its start on."""
    config = config_of(session)
    return {
        "session_id": session.session_id,
        "status": session.status,
        "strategy_label": text_of(session.strategy_label),
        "agent_id": text_of(session.agent_id),
        "candle_interval": config["candle_interval"],
        "start_time_ns": config["start_time_ns"],
        "end_time_ns": config["end_time_ns"],
        "starting_balance": float(config["starting_balance"]),
        "step": session.step_index,
        "total_steps": session.total_steps,
        "config": json_of(config),
        "physics_version": PHYSICS_VERSION,
    }


def _outcome(session: SessionReader, found: Results) -> dict[str, Any]:
    """Return the columns that it has when it is over."""
    traded = {order.symbol for order in session.orders()} & set(session.symbols)
    account = Account(
        portfolio=session.portfolio(),
        balance=session.balance(),
        positions=session.positions(),
        open_orders=[order.order_id for order in session.open_orders()],
        decimals={
            name: (session.price_decimals(name), session.lot_decimals(name))
            for name in sorted(traded)
        },
        quote=session.quote,
    )
    return {
        "ending": found.ending,
        "is_partial": int(found.is_partial),
        "final_equity": found.final_equity,
        "total_pnl": found.total_pnl,
        "roi_pct": found.roi_pct,
        "total_trades": found.total_trades,
        "total_fees": found.costs.total_fees,
        "costs": json_of(asdict(found.costs)),
        "by_pair": json_of([asdict(pair) for pair in found.by_pair]),
        "account": account.as_json(),
    }


def _insert(link: sqlite3.Connection, row: dict[str, Any]) -> int:
    """Insert a row of sessions; return its number."""
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    done = link.execute(
        f"INSERT INTO sessions ({names}, updated_at) VALUES ({values}, {_NOW})", row
    )
    return int(done.lastrowid or 0)


def _fill(
    link: sqlite3.Connection,
    table: str,
    number: int,
    columns: tuple[str, ...],
    records: Sequence[Order | Fill],
) -> None:
    """Insert the rows of orders or fills."""
    names = ", ".join(f'"{name}"' for name in columns)
    marks = ", ".join("?" * (len(columns) + 2))
    link.executemany(
        f"INSERT INTO {table} (session, number, {names}) VALUES ({marks})",
        ((number, index, *row_of(each, columns)) for index, each in enumerate(records)),
    )
