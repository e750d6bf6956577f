"""What the file of saved sessions must be; nothing is written to find out."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from seq_gym.errors import ConfigError
from seq_gym.sandbox.saved_schema import SCHEMA_VERSION

__all__ = ["APPLICATION_ID", "WAIT_S", "check_file", "connect", "judge", "stamps_of"]

APPLICATION_ID = 0x53514759
"""In `PRAGMA application_id`: "SQGY", so that another program's file is never taken for ours."""
WAIT_S = 20.0
"""How long a save waits for other writers; one save takes milliseconds."""
_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""What a journal of SQLite begins with; the pages that a file had before are its fifth word."""
_LIKELY_NAME = "sessions.db"


def check_file(path: Path) -> bool:
    """Say whether a file of saved sessions is there; nothing is written, not even beside it.

    Returns:
        False where there is no file, an empty one, or one that was being made when its maker died.

    Raises:
        ConfigError: It is a folder or a device, another program's file, one of a newer seq_gym,
            or at a path that cannot be one.
    """
    if _size(path) == 0 or _is_half_made(path):
        return False
    try:
        application, version = _stamps(path)
    except sqlite3.DatabaseError as error:
        raise ConfigError(
            f"The file of saved sessions must be an SQLite file that seq_gym made; {path}: "
            f"{error}. Likely fix: name another file."
        ) from error
    judge(path, application, version)
    return True


def judge(path: Path, application: int, version: int) -> None:
    """Refuse a file by its stamps.

    Raises:
        ConfigError: It is another program's, or of a newer seq_gym.
    """
    if application != APPLICATION_ID:
        raise ConfigError(
            f"The file of saved sessions must be one that seq_gym made; {path} is another "
            "program's. Likely fix: name another file."
        )
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"The file of saved sessions must be of schema {SCHEMA_VERSION} or older; {path} is "
            f"of schema {version}, of a newer seq_gym. Likely fix: update seq_gym, or name "
            "another file."
        )


def stamps_of(link: sqlite3.Connection) -> tuple[int, int]:
    """Return application id and schema version of an open file."""
    (application,) = link.execute("PRAGMA application_id").fetchone()
    (version,) = link.execute("PRAGMA user_version").fetchone()
    return application, version


def connect(path: Path, query: str, wait_s: float = WAIT_S) -> sqlite3.Connection:
    """Open a file with a query of SQLite's own, whatever characters its path holds."""
    address = f"{path.as_uri()}?{query}"
    return sqlite3.connect(
        address, uri=True, timeout=wait_s, isolation_level=None, check_same_thread=False
    )


# ---------------------------------------------------------------------- inner parts


def _size(path: Path) -> int:
    """Return the bytes of a file; 0 where there is none.

    Raises:
        ConfigError: No file can be there.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"The file of saved sessions must be at a path that can be read; {path}: {error}. "
            "Likely fix: name another file."
        ) from error
    if not stat.S_ISREG(found.st_mode):
        is_folder = stat.S_ISDIR(found.st_mode)
        what, fix = ("folder", path / _LIKELY_NAME) if is_folder else ("device", _LIKELY_NAME)
        raise ConfigError(
            f"The file of saved sessions must be a file; {path} is a {what}. Likely fix: {fix}."
        )
    return found.st_size


def _is_half_made(path: Path) -> bool:
    """Say whether there was nothing before a change that was cut short; opening it undoes that."""
    try:
        with path.with_name(path.name + "-journal").open("rb") as journal:
            head = journal.read(20)
    except OSError:
        return False
    return head[:8] == _JOURNAL and head[16:] == b"\0\0\0\0"


def _stamps(path: Path) -> tuple[int, int]:
    """Return application id and schema version.

    Read as if nobody wrote: that takes no lock and leaves no file beside it. While another process
    moves its log into the file that may fail; then it is read in turn.
    """
    for query in ("mode=ro&immutable=1", "mode=ro"):
        with suppress(sqlite3.DatabaseError), closing(connect(path, query)) as link:
            return stamps_of(link)
    with closing(connect(path, "mode=ro")) as link:
        return stamps_of(link)
