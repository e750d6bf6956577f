"""A killed import leaves the book as it was; writers and readers at once do no harm."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.store import Store
from seq_gym.market.store.s3 import S3Place
from seq_gym.times import NS_PER_DAY
from tests.market.book.store.made import Truth
from tests.market.store.made import contents

TRUTH = Truth(100, 0)
FIRST, SECOND = TRUTH.record(0, 60), TRUTH.record(40, 100, seed=1)

SCRIPT = """
    import itertools, os, signal, sys
    from seq_gym.market.store import Store
    from seq_gym.market.store.local import LocalPlace
    from seq_gym.market.store.s3 import S3Place
    from tests.market.book.store.made import Truth

    where, point, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    calls = itertools.count(1)

    def deadly(method, before):
        def call(self, *args):
            mine = next(calls)
            if mine == count and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(self, *args)
            if mine == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return call

    for place in (LocalPlace, S3Place):
        when, _, name = point.partition(" ")
        setattr(place, name, deadly(getattr(place, name), when == "before"))
    Store.open(where).write_book(Truth(100, 0).record(40, 100, seed=1))
"""


def kill_at(where, point, count=1):
    script = [sys.executable, "-c", textwrap.dedent(SCRIPT), where, point, str(count)]
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(script, check=False, env=path, timeout=60)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("point", "count", "is_there"),
    [
        ("before write_part", 1, False),
        ("after write_part", 2, False),
        ("before commit", 1, False),
        ("after commit", 1, True),
    ],
)
def test_an_import_killed_at_a_point_leaves_the_book_whole(where, point, count, is_there):
    store = Store.open(where)
    store.write_book(FIRST)
    before = store.load_book().fingerprint
    kill_at(where, point, count)
    assert (store.load_book().fingerprint != before) == is_there
    assert list(store.verify()) == []
    report = store.write_book(SECOND)
    assert report.is_changed != is_there
    assert list(store.verify()) == []
    assert store.load_book().fingerprint != before


def test_the_next_import_removes_what_a_killed_one_left_and_nothing_else(folder_store):
    folder_store.write_book(FIRST)
    (manifest,) = folder_store.place.root.rglob("_manifest.json")
    (manifest.parent / "date=2024-08-08" / "notes.parquet").write_text("mine")
    kill_at(str(folder_store.place.root), "before commit")
    assert len(list(folder_store.place.root.rglob("*.parquet"))) == 1 + 2 + 2
    folder_store.write_book(SECOND)
    left = sorted(path.name for path in folder_store.place.root.rglob("*.parquet"))
    assert len(left) == 1 + folder_store.list()[0].num_files
    assert "notes.parquet" in left


def test_on_s3_what_a_killed_import_left_is_removed_when_it_is_a_day_old(s3_environ):
    where = f"s3://{s3_environ}"
    store = Store.open(where)
    store.write_book(FIRST)
    kill_at(where, "before commit")
    store.write_book(SECOND)
    young = [path for path in contents(store) if path.endswith(".parquet")]
    assert len(young) == 2 + store.list()[0].num_files
    store.place.now_ns = time.time_ns() + 2 * NS_PER_DAY
    store.write_book(FIRST)
    old = [path for path in contents(store) if path.endswith(".parquet")]
    assert len(old) == store.list()[0].num_files
    assert list(store.verify()) == []


def test_an_import_that_fails_removes_its_files(folder_store, monkeypatch):
    folder_store.write_book(FIRST)
    before = contents(folder_store)
    monkeypatch.setattr(type(folder_store.place), "commit", _refuse)
    with pytest.raises(MarketDataError, match="no room"):
        folder_store.write_book(SECOND)
    assert contents(folder_store) == before


def test_on_s3_a_writer_that_was_overtaken_is_refused_and_leaves_the_other_whole(
    s3_environ, monkeypatch
):
    where = f"s3://{s3_environ}"
    store = Store.open(where)
    store.write_book(FIRST)
    commit = S3Place.commit

    def overtaken(self, path, data, expected):
        monkeypatch.setattr(S3Place, "commit", commit)
        Store.open(where).write_book(SECOND)
        commit(self, path, data, expected)

    monkeypatch.setattr(S3Place, "commit", overtaken)
    with pytest.raises(MarketDataError, match=r"another import changed it.*import again"):
        store.write_book(TRUTH.record(20, 90, seed=5))
    assert len(store.book_coverage()[0].runs) == 2
    assert list(store.verify()) == []


def test_writers_of_one_book_lose_nothing_and_readers_see_whole_runs(tmp_path):
    pieces = [TRUTH.record(10 * k, 10 * k + 30, seed=k) for k in range(6)]
    store = Store.open(tmp_path)
    store.write_book(FIRST)
    done, errors, seen = threading.Event(), [], set()

    def read():
        while not done.is_set():
            try:
                seen.add(Store.open(tmp_path).load_book().books[0].num_events)
            except MarketDataError as error:
                errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    writers = [
        threading.Thread(target=Store.open(tmp_path).write_book, args=(piece,)) for piece in pieces
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert errors == []
    assert seen
    assert len(store.book_coverage()[0].runs) == 7
    assert list(store.verify()) == []


def _refuse(self, path, data, expected):
    raise MarketDataError("There is no room.")
