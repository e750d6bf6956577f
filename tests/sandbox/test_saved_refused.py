"""A save that cannot be is told; a foreign file and an id that is not there are refused."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from seq_gym.errors import ConfigError, SeqGymError, UsageError
from seq_gym.sandbox import responses, saved_check, saved_file, saved_schema
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import flat, session_of
from tests.sandbox.savings import finished, must_be_equal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "sessions.db"


def blocked(tmp_path: Path) -> Path:
    """A path that cannot be written, for root neither: its folder is a file."""
    (tmp_path / "file").write_text("in the way")
    return tmp_path / "file" / "sessions.db"


def test_a_save_that_fails_is_told_and_logged_and_the_session_stays_readable(tmp_path, caplog):
    with caplog.at_level(logging.ERROR, logger="seq_gym"):
        live = finished(blocked(tmp_path))
    assert live.status == "completed"
    assert not live.is_saved
    assert "NotADirectoryError" in live.save_error or "FileExistsError" in live.save_error
    (record,) = caplog.records
    assert live.session_id in record.getMessage()
    assert live.results().total_trades == 3
    with pytest.raises(ConfigError, match="can be written"):
        live.save()
    better = live.save(tmp_path / "better.db")
    assert live.is_saved
    assert live.save_error is None
    must_be_equal(live, Session.load(live.session_id, better))


def test_a_file_that_stays_locked_is_told(path, monkeypatch):
    monkeypatch.setattr(saved_file, "WAIT_S", 0.05)
    finished(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    live = finished(path)
    assert "locked" in live.save_error
    other.execute("ROLLBACK")
    other.close()
    live.save()
    must_be_equal(live, Session.load(live.session_id, path))


def test_a_full_disk_is_told_and_leaves_the_file_as_it_was(path, monkeypatch):
    kept = finished(path)

    def full(*_: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("seq_gym.sandbox.saved_writer.metric_rows", full)
        live = finished(path)
    assert "disk is full" in live.save_error
    must_be_equal(kept, Session.load(kept.session_id, path))
    with pytest.raises(UsageError):
        Session.load(live.session_id, path)


@pytest.mark.parametrize("save", ["yes", 1, None])
def test_save_is_true_or_false(save):
    with pytest.raises(ConfigError, match="save must be true or false"):
        session_of(flat(100, 3), save=save)


def foreign(path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True)
    if kind == "text":
        path.write_text("my notes\n" * 500)
        return
    link = sqlite3.connect(path)
    if kind == "newer":
        link.execute(f"PRAGMA application_id = {saved_check.APPLICATION_ID}")
        link.execute(f"PRAGMA user_version = {saved_schema.SCHEMA_VERSION + 1}")
    if kind == "wal":
        link.execute("PRAGMA journal_mode = WAL")
    link.execute("CREATE TABLE sessions (a)")
    link.commit()
    link.close()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("text", "SQLite file that seq_gym made"),
        ("database", "another program's"),
        ("wal", "another program's"),
        ("newer", "of a newer seq_gym"),
    ],
)
def test_a_foreign_or_newer_file_is_refused_and_never_touched(path, kind, words):
    foreign(path, kind)
    before = path.read_bytes()
    for call in (
        lambda: session_of(flat(100, 3), save_to=path),
        lambda: Session.load("bt_1", path),
        lambda: finished(None, save=False).save(path),
    ):
        with pytest.raises(ConfigError, match=words):
            call()
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_becomes_foreign_while_a_session_runs_is_not_touched(path):
    live = session_of(flat(100, 3), save_to=path)
    foreign(path, "database")
    before = path.read_bytes()
    live.step_batch(3)
    assert "another program's" in live.save_error
    assert path.read_bytes() == before


def test_a_folder_is_no_file_of_sessions(tmp_path):
    with pytest.raises(ConfigError, match="is a folder"):
        session_of(flat(100, 3), save_to=tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe with a name")
def test_a_pipe_or_a_device_is_no_file_of_sessions_and_nothing_is_put_beside_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for wrong in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(ConfigError, match="is a device"):
            session_of(flat(100, 3), save_to=wrong)
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("wrong", ["n" * 300, "a\x00b", 3, b"sessions.db"])
def test_what_cannot_be_a_path_is_refused_while_nothing_is_lost(tmp_path, monkeypatch, wrong):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="The file of saved sessions must be"):
        session_of(flat(100, 3), save_to=wrong)


def test_an_empty_file_is_taken_as_new(path):
    path.parent.mkdir()
    path.touch()
    live = finished(path)
    must_be_equal(live, Session.load(live.session_id, path))


# ---------------------------------------------------------------------- ids that are not there


def test_an_unknown_id_is_not_found_and_names_the_near_miss(path):
    live = finished(path)
    wrong = live.session_id[:-1] + ("0" if live.session_id[-1] != "0" else "1")
    for asked in (wrong, live.session_id[:11]):
        with pytest.raises(UsageError, match=f"Did you mean '{live.session_id}'") as raised:
            Session.load(asked, path)
        assert raised.value.code == "NOT_FOUND"
    document = responses.error(raised.value)
    assert document["error"]["code"] == "NOT_FOUND"
    assert responses.HTTP_STATUS["NOT_FOUND"] == 404


def test_an_id_is_not_found_where_nothing_was_saved_yet(tmp_path, monkeypatch):
    monkeypatch.setenv(saved_file.PATH_VARIABLE, str(tmp_path / "none.db"))
    with pytest.raises(UsageError, match="none yet") as raised:
        Session.load("bt_1")
    assert raised.value.code == "NOT_FOUND"
    with pytest.raises(ConfigError, match="there is none at"):
        Session.load("bt_1", tmp_path / "none.db")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_a_folder_that_cannot_be_written_is_read(path, monkeypatch):
    live = finished(path)
    connect = sqlite3.connect

    def as_in_a_closed_folder(address: str, **options: Any) -> sqlite3.Connection:
        if "immutable" not in address:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(address, **options)

    monkeypatch.setattr(sqlite3, "connect", as_in_a_closed_folder)
    must_be_equal(live, Session.load(live.session_id, path))
    link = path.parents[1] / "link.db"
    link.symlink_to(path)
    must_be_equal(live, Session.load(live.session_id, link))
    path.with_name("sessions.db-wal").write_bytes(b"not yet in the file")
    for name in (path, link):
        with pytest.raises(SeqGymError, match="must be readable"):
            Session.load(live.session_id, name)
