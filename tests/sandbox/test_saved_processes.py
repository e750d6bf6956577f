"""What was reported as completed is in the file, whatever happens to the process (S1-17)."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from seq_gym import list_sessions
from seq_gym.sandbox import responses
from seq_gym.sandbox.session import Session
from tests.sandbox.markets import flat, session_of

ROOT = Path(__file__).parents[2]
PLAY = """
import json, os, sys, time
from seq_gym import Session
from seq_gym.sandbox import responses
from tests.sandbox.markets import random_market

def play(path, seed=5, count=700, every=60):
    session = Session.create(data=random_market(seed, count), save_to=path, snapshot_every=every)
    session.start()
    while not session.is_complete:
        session.step_batch(10)
        if not session.is_complete:
            side = "sell" if session.positions() else "buy"
            session.place_order("BTCUSDT", side, "market", quantity=1)
    return session
"""
DOCUMENTS = ("results", "orders", "trades", "equity_curve")


def started(code: str, *arguments: Any) -> subprocess.Popen[str]:
    """A process that runs code after PLAY."""
    return subprocess.Popen(
        [sys.executable, "-c", PLAY + code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def exit_code(code: str, *arguments: Any) -> int:
    """Run a process to its end."""
    with started(code, *arguments) as process:
        return process.wait()


def test_a_session_survives_kill_9_right_after_completion_was_reported(tmp_path):
    path = tmp_path / "sessions.db"
    code = """
session = play(sys.argv[1])
documents = {name: getattr(responses, name)(session) for name in sys.argv[2:]}
sys.stdout.write(json.dumps([session.session_id, documents]) + "\\ncompleted\\n")
sys.stdout.flush()
time.sleep(60)
"""
    with started(code, path, *DOCUMENTS) as process:
        told = process.stdout.readline()
        assert process.stdout.readline() == "completed\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    session_id, documents = json.loads(told)
    loaded = Session.load(session_id, path)
    for name in DOCUMENTS:
        assert getattr(responses, name)(loaded) == documents[name], name
    assert documents["results"]["summary"]["total_trades"] > 50


def test_a_process_that_dies_in_the_last_step_has_saved_before_anyone_was_told(tmp_path):
    path = tmp_path / "sessions.db"
    code = """
import signal
from seq_gym.sandbox.saved_live import SavableSession
follow = SavableSession._follow
def die(self):
    follow(self)
    if self.is_complete:
        os.kill(os.getpid(), signal.SIGKILL)
SavableSession._follow = die
play(sys.argv[1])
"""
    assert exit_code(code, path) == -signal.SIGKILL
    (entry,) = list_sessions(path)
    assert entry.status == "completed"
    assert Session.load(entry.session_id, path).metrics.num_steps == 700


@pytest.mark.parametrize("table", ["orders", "metrics"])
def test_a_process_that_dies_inside_a_save_leaves_the_file_whole(tmp_path, table):
    path = tmp_path / "sessions.db"
    kept = session_of(flat(100, 3), save_to=path)
    kept.step_batch(3)
    code = """
import signal
from contextlib import contextmanager
from seq_gym.sandbox import saved_writer
writing = saved_writer.writing
@contextmanager
def deadly(path):
    with writing(path) as link:
        link.execute("PRAGMA cache_size = 1")  # what is not committed spills into the log
        rows = []
        def count(text):
            rows.append(text.startswith("INSERT INTO " + sys.argv[2]))
            if sum(rows) == 30:
                os.kill(os.getpid(), signal.SIGKILL)
        link.set_trace_callback(count)
        yield link
saved_writer.writing = deadly
play(sys.argv[1], every=1)
"""
    assert exit_code(code, path, table) == -signal.SIGKILL
    statuses = {entry.session_id: entry.status for entry in list_sessions(path)}
    assert statuses.pop(kept.session_id) == "completed"
    assert list(statuses.values()) == ["running"]  # as it was when it wrote its progress
    assert Session.load(kept.session_id, path).results() == kept.results()
    assert rows_without_a_session(path) == 0


def test_a_process_that_died_while_it_made_the_file_costs_the_next_one_nothing(tmp_path):
    path = tmp_path / "sessions.db"
    session_of(flat(100, 3), steps=3, save_to=path)
    path.write_bytes(path.read_bytes()[:4096])  # its first page was written, and so was
    magic = bytes.fromhex("d9d505f920a163d7")  # the journal that says: there was nothing before
    journal = struct.pack(">8sIIIII", magic, 0, 1, 0, 512, 4096).ljust(512, b"\0")
    path.with_name("sessions.db-journal").write_bytes(journal)
    live = session_of(flat(100, 3), steps=3, save_to=path)
    assert live.save_error is None
    assert [entry.session_id for entry in list_sessions(path)] == [live.session_id]


@pytest.mark.slow
def test_a_save_that_is_killed_at_any_time_is_there_wholly_or_not_at_all(tmp_path):
    path = tmp_path / "sessions.db"
    code = """
play(sys.argv[1], count=60, every=1)
sys.stdout.write("go\\n")
sys.stdout.flush()
while True:
    play(sys.argv[1], count=60, every=1)
"""
    for turn in range(12):
        with started(code, path) as process:
            process.stdout.readline()
            time.sleep(0.1 + 0.0137 * turn)
            process.kill()
        for entry in list_sessions(path, limit=10_000):
            loaded = Session.load(entry.session_id, path)
            assert len(loaded.fills()) == loaded.results().total_trades
            assert len(loaded.equity_curve()) == 61
        assert rows_without_a_session(path) == 0
    assert list_sessions(path).total > 12


def test_processes_that_finish_at_once_are_all_saved_in_a_file_that_none_of_them_finds(tmp_path):
    path = tmp_path / "runs" / "sessions.db"
    code = """
sys.stdin.readline()
saved = [play(sys.argv[1], seed, count=40) for seed in range(8)]
sys.stdout.write(json.dumps([[each.session_id, each.save_error] for each in saved]))
"""
    processes = [started(code, path) for _ in range(4)]
    time.sleep(2.0)
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [each for process in processes for each in json.loads(process.communicate()[0])]
    assert [error for _, error in told if error] == []
    assert len({session_id for session_id, _ in told}) == 32
    found = list_sessions(path)
    assert {entry.session_id for entry in found} == {session_id for session_id, _ in told}
    assert [each.name for each in path.parent.iterdir()] == ["sessions.db"]


def test_a_process_that_dies_on_its_way_stays_listed_as_running_at_its_last_step(tmp_path):
    path = tmp_path / "sessions.db"
    code = """
session = Session.create(data=random_market(1, 2000), save_to=sys.argv[1])
session.start()
session.step_batch(1234)
os._exit(9)
"""
    assert exit_code(code, path) == 9
    (entry,) = list_sessions(path)
    assert (entry.status, entry.step, entry.total_steps) == ("running", 1_234, 2_000)


def test_a_fork_saves_beside_its_parent(tmp_path):
    path = tmp_path / "sessions.db"
    code = """
def over():
    session = Session.create(data=random_market(1, 1200), save_to=sys.argv[1])
    session.start()
    for _ in range(12):
        session.step_batch(100)
    return session.save_error

session = Session.create(data=random_market(1, 1200), save_to=sys.argv[1])
session.start()
session.step_batch(600)  # its connection is open now
child = os.fork()
if child == 0:
    os._exit(0 if over() is None else 1)
status = os.waitpid(child, 0)[1]
session.step_batch(600)
sys.exit(status or session.save_error is not None)
"""
    assert exit_code(code, path) == 0
    assert [entry.status for entry in list_sessions(path)] == ["completed"] * 2


def test_a_fork_while_another_thread_saves_does_not_wait_for_ever(tmp_path):
    path = tmp_path / "sessions.db"
    code = """
import signal, threading
from seq_gym.sandbox.saved_file import writing
inside, done = threading.Event(), threading.Event()
def slowly():
    with writing(Path(sys.argv[1])) as link:
        inside.set()
        done.wait(0.3)
thread = threading.Thread(target=slowly)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(15)
    with writing(Path(sys.argv[1])) as link:
        pass
    os._exit(0)
thread.join()
sys.exit(os.waitpid(child, 0)[1])
"""
    assert exit_code("from pathlib import Path" + code, path) == 0


def rows_without_a_session(path: Path) -> int:
    """Rows whose session is not in the file, or not over."""
    with sqlite3.connect(path) as link:
        over = "SELECT number FROM sessions WHERE status <> 'running'"
        counts = [
            link.execute(f"SELECT count(*) FROM {table} WHERE session NOT IN ({over})").fetchone()
            for table in ("orders", "fills", "equity", "metrics")
        ]
    link.close()
    return sum(count for (count,) in counts)
