"""A killed import leaves the store as it was; writers and readers at once do no harm."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market import CandleSeries
from seq_gym.market.store import Store
from seq_gym.market.store.local import LocalPlace
from seq_gym.market.store.s3 import S3Place
from seq_gym.times import NS_PER_DAY
from tests.market.store.made import contents, make_candles

COLUMNS = make_candles(30_000, start="2025-01-20")
HALF = COLUMNS.take(np.arange(15_000))
BEFORE = CandleSeries.from_columns(HALF).fingerprint
AFTER = CandleSeries.from_columns(COLUMNS).fingerprint

SCRIPT = """
    import itertools, os, signal, sys
    from seq_gym.market.store import Store
    from seq_gym.market.store.local import LocalPlace
    from seq_gym.market.store.s3 import S3Place
    from tests.market.store.made import make_candles

    where, point, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    calls = itertools.count(1)

    def deadly(method, before):
        def call(self, *args):
            mine = next(calls)  # parts are written by several threads
            if mine == count and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = method(self, *args)
            if mine == count:
                os.kill(os.getpid(), signal.SIGKILL)
            return result
        return call

    for place in (LocalPlace, S3Place):
        for when in ("before", "after"):
            if point.startswith(when):
                name = point.partition(" ")[2]
                setattr(place, name, deadly(getattr(place, name), when == "before"))
    print("ready", flush=True)
    columns = make_candles(30_000, start="2025-01-20")
    Store.open(where).write_candles([columns], venue="v")
    print("done", flush=True)
"""


def importer(where, point="never", count=0, stdout=subprocess.DEVNULL):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), where, point, str(count)],
        stdout=stdout,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def assert_whole(store, expected):
    assert store.load().fingerprint in expected
    assert list(store.verify()) == []


@pytest.mark.parametrize(
    ("point", "count", "expected"),
    [
        ("before write_part", 1, BEFORE),
        ("after write_part", 1, BEFORE),
        ("after write_part", 2, BEFORE),
        ("before commit", 1, BEFORE),
        ("after commit", 1, AFTER),
        ("after retire", 1, AFTER),
    ],
)
def test_an_import_killed_at_a_point_leaves_the_store_whole(where, point, count, expected):
    store = Store.open(where)
    store.write_candles([HALF], venue="v")
    victim = importer(where, point, count)
    assert victim.wait(60) == -signal.SIGKILL
    assert_whole(store, {expected})
    store.write_candles([COLUMNS], venue="v")
    assert_whole(store, {AFTER})


def test_the_next_import_removes_what_a_killed_one_left(folder_store):
    folder_store.write_candles([HALF], venue="v")
    importer(str(folder_store.place.root), "before commit", 1).wait(60)
    left = contents(folder_store)
    assert sum(path.endswith(".parquet") for path in left) > len(folder_store.list()[0].imports) + 1
    folder_store.write_candles([COLUMNS], venue="v")
    parquet = [path for path in contents(folder_store) if path.endswith(".parquet")]
    assert len(parquet) == folder_store.list()[0].num_files


def test_what_others_keep_in_the_folder_of_a_table_is_left_alone(folder_store):
    folder_store.write_candles([HALF], venue="v")
    (path,) = folder_store.place.root.rglob("_manifest.json")
    (path.parent / ".ipynb_checkpoints").mkdir()
    (path.parent / "notes.md").write_text("mine")
    (path.parent / "2019-01.parquet").write_text("left by a killed import")
    folder_store.write_candles([COLUMNS], venue="v")
    assert (path.parent / "notes.md").read_text() == "mine"
    assert not (path.parent / "2019-01.parquet").exists()
    assert_whole(folder_store, {AFTER})


def test_a_disk_without_locks_is_told_instead_of_waited_for(folder_store, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="Windows locks in another way")

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="No locks available"):
        folder_store.write_candles([HALF], venue="v")


def test_on_s3_what_a_killed_import_left_is_removed_when_it_is_a_day_old(s3_environ):
    where = f"s3://{s3_environ}"
    store = Store.open(where)
    store.write_candles([HALF], venue="v")
    importer(where, "before commit", 1).wait(60)
    store.write_candles([COLUMNS], venue="v")
    young = [path for path in contents(store) if path.endswith(".parquet")]
    assert len(young) > store.list()[0].num_files
    store.place.now_ns = time.time_ns() + 2 * NS_PER_DAY
    store.write_candles([COLUMNS], venue="v")
    old = [path for path in contents(store) if path.endswith(".parquet")]
    assert len(old) == store.list()[0].num_files
    assert_whole(store, {AFTER})


@pytest.mark.slow
def test_an_import_killed_at_any_moment_leaves_the_store_whole(tmp_path):
    store = Store.open(tmp_path)
    store.write_candles([HALF], venue="v")
    moments = random.Random(7)
    seen = set()
    for _ in range(40):
        with importer(str(tmp_path), stdout=subprocess.PIPE) as victim:
            victim.stdout.readline()
            time.sleep(moments.uniform(0, 0.25))
            victim.kill()
        assert_whole(store, {BEFORE, AFTER})
        seen.add(store.load().fingerprint)
        if AFTER in seen:
            # Begin again: what matters is the way from before to after.
            for path in sorted(tmp_path.rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()
            store.write_candles([HALF], venue="v")
    assert BEFORE in seen


def test_two_importers_of_one_table_take_turns(tmp_path):
    both = [importer(str(tmp_path)) for _ in range(2)]
    assert [each.wait(120) for each in both] == [0, 0]
    assert_whole(Store.open(tmp_path), {AFTER})


def test_importers_of_overlapping_halves_lose_nothing(tmp_path):
    parts = [COLUMNS.take(rows) for rows in np.array_split(np.arange(30_000), 6)]
    notes, errors = [], []

    def write(part):
        try:
            Store.open(tmp_path).write_candles([part], venue="v", on_wait=notes.append)
        except MarketDataError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert_whole(Store.open(tmp_path), {AFTER})
    assert all(note.startswith("Another import writes candles/interval=1m/") for note in notes)


def test_importers_of_different_tables_do_not_wait(tmp_path):
    store = Store.open(tmp_path)
    with store.place.locked("candles/interval=1m/symbol=ETHUSDT/venue=v", None):
        store.write_candles([HALF], venue="v", on_wait=pytest.fail)
    assert_whole(store, {BEFORE})


def test_a_writer_says_what_it_waits_for(tmp_path):
    store, notes = Store.open(tmp_path), []
    writer = threading.Thread(
        target=store.write_candles,
        args=([HALF],),
        kwargs={"venue": "v", "on_wait": notes.append},
    )
    with store.place.locked("candles/interval=1m/symbol=BTCUSDT/venue=v", None):
        writer.start()
        while not notes:
            time.sleep(0.01)
        assert list(store.list()) == []
    writer.join()
    assert len(notes) == 1
    assert_whole(store, {BEFORE})


def test_readers_see_the_old_table_or_the_new_one(tmp_path):
    store = Store.open(tmp_path)
    store.write_candles([HALF], venue="v")
    done, seen, errors = threading.Event(), set(), []

    def read():
        while not done.is_set():
            try:
                seen.add(Store.open(tmp_path).load().fingerprint)
            except MarketDataError as error:
                errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    doubled = [HALF]
    for factor in (2, 3, 4, 5, 6):
        table = make_candles(15_000, start="2025-01-20", seed=factor)
        doubled.append(table)
        store.write_candles([table], venue="v", on_conflict="last")
    done.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert seen <= {CandleSeries.from_columns(each).fingerprint for each in doubled}


def test_on_s3_a_writer_that_was_overtaken_is_refused_and_leaves_the_other_whole(
    s3_environ, monkeypatch
):
    where = f"s3://{s3_environ}"
    store = Store.open(where)
    store.write_candles([HALF], venue="v")
    later = COLUMNS.take(np.arange(14_000, 30_000))
    commit = S3Place.commit

    def overtaken(self, path, data, expected):
        monkeypatch.setattr(S3Place, "commit", commit)
        Store.open(where).write_candles([COLUMNS.take(np.arange(20_000))], venue="v")
        commit(self, path, data, expected)

    monkeypatch.setattr(S3Place, "commit", overtaken)
    with pytest.raises(MarketDataError, match=r"another import changed it.*import again"):
        store.write_candles([later], venue="v")
    assert_whole(store, {CandleSeries.from_columns(COLUMNS.take(np.arange(20_000))).fingerprint})
    store.write_candles([later], venue="v")
    assert_whole(store, {AFTER})


def test_a_manifest_that_was_changed_past_the_lock_is_refused(tmp_path, monkeypatch):
    store = Store.open(tmp_path)
    store.write_candles([HALF], venue="v")
    (path,) = tmp_path.rglob("_manifest.json")
    write = LocalPlace.write_part
    one_at_a_time = threading.Lock()  # parts are written by several threads

    def meddling(self, *args):
        write(self, *args)
        with one_at_a_time:
            path.write_text(path.read_text() + "\n")

    monkeypatch.setattr(LocalPlace, "write_part", meddling)
    with pytest.raises(MarketDataError, match=r"it changed\. Likely fix: import again"):
        store.write_candles([COLUMNS], venue="v")
    assert_whole(store, {BEFORE})


def test_scratch_folders_of_killed_imports_are_removed(tmp_path):
    place = LocalPlace(tmp_path)
    dead = tmp_path / "_staging" / "dead"
    dead.mkdir(parents=True)
    (dead / "1.npz").write_bytes(b"x")
    with place.scratch() as one, place.scratch() as two:
        assert not dead.exists()
        assert one.is_dir()
        assert two.is_dir()
    assert not one.exists()
    assert not two.exists()
