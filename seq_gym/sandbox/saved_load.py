"""Reads a session from the file by its id."""

from __future__ import annotations

import difflib
import sqlite3
from pathlib import Path
from typing import Any

from seq_gym.errors import ConfigError, UsageError
from seq_gym.sandbox.records import Fill, Order
from seq_gym.sandbox.saved_check import check_file
from seq_gym.sandbox.saved_file import reading, sessions_path
from seq_gym.sandbox.saved_rows import columns_of, text_of
from seq_gym.sandbox.saved_session import Row, SavedSession

__all__ = ["find_row", "load_session", "saved_file"]


def load_session(session_id: str, path: str | Path | None = None) -> SavedSession:
    """Read a session from the file; `Session.load` says the rest."""
    file = saved_file(path)
    if file is None:
        raise UsageError(
            f"session_id must be that of a saved session; was {session_id!r}, and "
            f"{sessions_path()} has none yet.",
            code="NOT_FOUND",
        )
    with reading(file) as link:
        row = find_row(link, session_id, file)
        if row["account"] is None:
            raise UsageError(
                f"The session must be over to be loaded; {session_id} was {row['status']} at step "
                f"{row['step']} of {row['total_steps']} when it last wrote, at "
                f"{row['updated_at']}.",
                code="INVALID_STATE",
            )
        number = (row["number"],)

        def rows(columns: str, table: str, order: str) -> list[Row]:
            query = f"SELECT {columns} FROM {table} WHERE session = ? ORDER BY {order}"
            return link.execute(query, number).fetchall()

        points = "simulated_ns, total_equity, available_cash, position_value, unrealized_pnl"
        return SavedSession(
            row,
            metrics=rows("name, value, reason", "metrics", "name"),
            orders=rows(_quoted(columns_of(Order)), "orders", "number"),
            fills=rows(_quoted(columns_of(Fill)), "fills", "number"),
            equity=rows(f"{points}, realized_pnl", "equity", "number"),
        )


def saved_file(path: str | Path | None) -> Path | None:
    """Return the file to read; None where none is named and nothing has been saved yet.

    Raises:
        ConfigError: One is named and is not there, or it is not ours.
    """
    file = sessions_path(path)
    if check_file(file):
        return file
    if path is not None:
        raise ConfigError(f"path must be a file of saved sessions; there is none at {file}.")
    return None


def find_row(link: sqlite3.Connection, session_id: str, file: Path) -> dict[str, Any]:
    """Return the row of a session, by column.

    Raises:
        UsageError: NOT_FOUND, with the near miss.
    """
    text = text_of(session_id)
    cursor = link.execute("SELECT * FROM sessions WHERE session_id = ?", (text,))
    names = [each[0] for each in cursor.description]
    row = cursor.fetchone()
    if row is not None:
        return dict(zip(names, row, strict=True))
    query = "SELECT session_id FROM sessions ORDER BY number DESC LIMIT 10000"
    known = [name for (name,) in link.execute(query)]
    begun = [name for name in known if len(text) > len("bt_") and name.startswith(text)]
    close = begun or difflib.get_close_matches(text, known, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else "list_sessions() names those it has."
    raise UsageError(
        f"session_id must be that of a saved session; was {text!r}, and {file} has none of that "
        f"name. {hint}",
        code="NOT_FOUND",
    )


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
