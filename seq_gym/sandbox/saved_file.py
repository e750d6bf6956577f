"""The file of saved sessions: where it lies, how it is read and written.

One SQLite file in WAL mode. Several processes may write it at once; each waits for its turn.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from seq_gym.errors import ConfigError
from seq_gym.sandbox.saved_check import (
    APPLICATION_ID,
    WAIT_S,
    check_file,
    connect,
    judge,
    stamps_of,
)
from seq_gym.sandbox.saved_schema import SCHEMA, SCHEMA_VERSION

__all__ = [
    "DEFAULT_PATH",
    "PATH_VARIABLE",
    "now_and_then",
    "reading",
    "sessions_path",
    "writing",
]

DEFAULT_PATH = Path("runs/sessions.db")
"""Relative to the working directory, when a session is created or the file is read."""
PATH_VARIABLE = "SIM_SESSIONS_PATH"
"""Environment variable that names another file than the default."""

_guard = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A child of a fork has none of its parent's threads, but it would have their hold of the lock.
    os.register_at_fork(
        before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_guard.release
    )


def sessions_path(path: str | Path | None = None) -> Path:
    """Return the file of saved sessions: a path, else SIM_SESSIONS_PATH, else the default.

    Args:
        path: What the user gave; a relative one counts from the working directory of now.

    Raises:
        ConfigError: It is no path.
    """
    try:
        return Path(path or os.environ.get(PATH_VARIABLE) or DEFAULT_PATH).absolute()
    except TypeError as error:
        raise ConfigError(f"The file of saved sessions must be a path; was {path!r}.") from error


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file to read; all that is read inside one `BEGIN` is of one moment.

    Raises:
        ConfigError: It is not ours, or cannot be read.
    """
    try:
        with closing(_open_to_read(path)) as link:
            yield link
    except sqlite3.Error as error:
        raise ConfigError(f"Saved sessions must be readable; {path}: {error}.") from error


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file, or make it, for one transaction that is on the disk when this returns.

    Raises:
        ConfigError: It is not ours.
        sqlite3.Error: It cannot be written, or stays locked.
        OSError: Its folder cannot be made.
    """
    with _guard:
        _beat.close()
        with closing(_open_to_write(path, WAIT_S)) as link:
            link.execute("PRAGMA synchronous = FULL")
            link.execute("BEGIN IMMEDIATE")
            yield link
            link.execute("COMMIT")


@contextmanager
def now_and_then(path: Path) -> Iterator[sqlite3.Connection]:
    """Write a trifle that may be lost with the power, and that waits for nobody.

    The connection stays open until the next save: to open and close one costs a hundred times what
    the trifle does.

    Raises:
        ConfigError, sqlite3.Error, OSError: As `writing` does; locked is at once.
    """
    with _guard:
        link = _beat.link(path)
        link.execute("BEGIN IMMEDIATE")
        try:
            yield link
        except BaseException:
            link.execute("ROLLBACK")
            raise
        link.execute("COMMIT")


class _Beat:
    """The one connection of a process that is kept open for progress."""

    def __init__(self) -> None:
        self._link: sqlite3.Connection | None = None
        self._known: tuple[Path, int, int, int] | None = None
        self._inherited: list[sqlite3.Connection] = []

    def link(self, path: Path) -> sqlite3.Connection:
        """Return the connection to a file; another file or a replaced one is opened anew."""
        known = self._identity(path)
        if self._link is None or known is None or known != self._known:
            self.close()
            self._link = _open_to_write(path, 0.0)
            self._link.execute("PRAGMA synchronous = NORMAL")
            self._known = self._identity(path)
        return self._link

    def close(self) -> None:
        """Close the connection, if this process opened it."""
        if self._link is None or self._known is None:
            return
        if self._known[1] == os.getpid():
            self._link.close()
        else:  # SQLite forbids a fork to close what its parent opened
            self._inherited.append(self._link)
        self._link = self._known = None

    @staticmethod
    def _identity(path: Path) -> tuple[Path, int, int, int] | None:
        try:
            found = path.stat()
        except OSError:
            return None
        return path, os.getpid(), found.st_dev, found.st_ino


_beat = _Beat()
atexit.register(_beat.close)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open the file to read, at one moment of it.

    SQLite wants write access even to read, for locks; without it, and without a log that may be
    written right now, the file is read as it stands.
    """
    try:
        return _begin_to_read(path, "mode=rw")
    except sqlite3.OperationalError:
        file = path.resolve()  # the log is beside the file itself, not beside a link to it
        log = file.with_name(file.name + "-wal")
        if log.exists() and log.stat().st_size > 0:
            raise
        return _begin_to_read(path, "mode=ro&immutable=1")


def _begin_to_read(path: Path, query: str) -> sqlite3.Connection:
    link = connect(path, query, WAIT_S)
    try:
        link.execute("PRAGMA query_only = 1")
        link.execute("BEGIN")
        link.execute("SELECT 1 FROM sessions LIMIT 1").fetchone()  # here the moment is taken
    except BaseException:
        link.close()
        raise
    return link


def _open_to_write(path: Path, wait_s: float) -> sqlite3.Connection:
    """Open the file, made whole where there is none."""
    check_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    link = connect(path, "mode=rwc", wait_s)
    try:
        # Asked now: what a process that died left half made is gone when the file is opened.
        if link.execute("PRAGMA page_count").fetchone() == (0,):
            _make(link)
        judge(path, *stamps_of(link))
        # Only the first writer changes anything. Where it cannot be, saves are as safe, and slower.
        with suppress(sqlite3.OperationalError):
            link.execute("PRAGMA journal_mode = WAL").fetchone()
    except BaseException:
        link.close()
        raise
    return link


def _make(link: sqlite3.Connection) -> None:
    """Make the tables; of several processes that try, the first does."""
    link.execute("BEGIN IMMEDIATE")
    if link.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
        for statement in SCHEMA.split(";\n"):
            if statement.strip():
                link.execute(statement)
        link.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        link.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    link.execute("COMMIT")
