"""What a live session has to do with its file: saved when it is over, loaded by its id."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from seq_gym.engine import codes
from seq_gym.errors import ConfigError
from seq_gym.sandbox.reader import SessionReader
from seq_gym.sandbox.saved_file import sessions_path
from seq_gym.sandbox.saved_load import load_session
from seq_gym.sandbox.saved_session import SavedSession
from seq_gym.sandbox.saved_writer import SessionSaver

__all__ = ["SavableSession"]


class SavableSession(SessionReader):
    """A session that can be saved, and that follows its own clock where it was made to (S1-17)."""

    _saver: SessionSaver | None = None
    _save_to: str | Path | None = None

    @property
    def is_saved(self) -> bool:
        """Whether it is in the file of saved sessions, whole."""
        return self._saver is not None and self._saver.is_saved

    @property
    def save_error(self) -> str | None:
        """Why it could not be saved when it was over; None where it could, or was not to be.

        A save that fails is logged as an error and raises nothing: what was computed is still
        here, and `save` tries again.
        """
        return None if self._saver is None else self._saver.error

    def save(self, path: str | Path | None = None) -> Path:
        """Save a session that is over: after a failed save, one made with save=False, an episode.

        Args:
            path: SQLite file; None = the one of `create`.

        Returns:
            The file.

        Raises:
            UsageError: INVALID_STATE: it is not over, or the file has it already.
            ConfigError: The file is not ours, or cannot be written.
        """
        if path is None and self._saver is not None:
            chosen = self._saver.path
        else:
            chosen = sessions_path(self._save_to if path is None else path)
        saver = self._saver or SessionSaver(chosen)
        try:
            saver.save(self, chosen)
        except (sqlite3.Error, OSError) as error:
            raise ConfigError(
                f"path must be a file that can be written; {chosen}: {error}."
            ) from error
        self._saver = saver
        return chosen

    @staticmethod
    def load(session_id: str, path: str | Path | None = None) -> SavedSession:
        """Read a session that is over from its file.

        Args:
            session_id: Its id.
            path: SQLite file; None = the environment variable SIM_SESSIONS_PATH, else
                runs/sessions.db.

        Returns:
            The session, read-only: results, orders, fills, equity curve and final account are equal
            to what the live one returned.

        Raises:
            UsageError: NOT_FOUND, with the near miss; INVALID_STATE where it was not over.
            ConfigError: The file is not ours, or there is none at the path.
        """
        return load_session(session_id, path)

    def _keep(self, save: bool, save_to: str | Path | None) -> None:
        """Follow the clock from now on; refuse a file that is not ours while nothing is lost.

        Raises:
            ConfigError: `save` is no flag, or the file is not ours.
        """
        if not isinstance(save, bool):
            raise ConfigError(f"save must be true or false; was {save!r}.")
        self._save_to = None if save_to is None else sessions_path(save_to)
        if save:
            self._saver = SessionSaver(sessions_path(save_to))

    def _follow(self) -> None:
        """Save what there is to save; called after whatever moves the clock or ends the session."""
        saver, account = self._saver, self._account
        if saver is None:
            return
        if self._failed or account["ending"] != codes.RUNNING:
            saver.save_once(self)
        elif account["cursor"] - self.start_cursor >= saver.due_step:
            saver.tell(self)
