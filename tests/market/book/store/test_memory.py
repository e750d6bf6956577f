"""The memory of a book goes to the next one, and to nobody while anything still looks at it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from seq_gym.market.book.integrity import COLUMNS
from seq_gym.market.book.store import memory
from seq_gym.market.book.store.memory import forget_memory, new_columns

ROWS = 200_000  # above what numpy is left to serve
pytestmark = pytest.mark.skipif(not memory._CAN_KEEP, reason="memory is kept on Linux alone")


@pytest.fixture(autouse=True)
def _fresh():
    forget_memory()
    yield
    forget_memory()


def filled(value, rows=ROWS):
    columns = new_columns(rows)
    for column in columns.values():
        column[:] = value
    return columns


def address(columns):
    return columns["exch_ts"].ctypes.data


def test_columns_have_the_types_of_a_book_and_do_not_overlap():
    columns = new_columns(ROWS)
    assert {name: column.dtype for name, column in columns.items()} == {
        name: np.dtype(dtype) for name, dtype in COLUMNS.items()
    }
    for number, column in enumerate(columns.values()):
        assert column.shape == (ROWS,)
        assert column.ctypes.data % 64 == 0
        column[:] = number
    assert all((column == number).all() for number, column in enumerate(columns.values()))


def test_what_nobody_looks_at_any_more_serves_the_next_book():
    first = filled(1)
    place = address(first)
    del first
    gc.collect()
    assert address(new_columns(ROWS)) == place


VIEWS = {
    "column": lambda column: column,
    "slice": lambda column: column[5:9][::2],
    "cast": lambda column: column.view(np.uint8).reshape(-1, 8)[3],
    "strided": lambda column: np.lib.stride_tricks.as_strided(column, writeable=False),
    "memoryview": memoryview,
}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_of_any_kind_keeps_the_memory_of_its_book(kind):
    columns = filled(7)
    view = VIEWS[kind](columns["lots"])
    before = bytes(view)
    del columns
    gc.collect()
    others = [filled(9), filled(8)]
    assert bytes(view) == before
    assert len({address(each) for each in others}) == 2


def test_books_read_at_the_same_time_do_not_share_memory():
    def work(number):
        for _ in range(20):
            columns = filled(number)
            if not all((column == number).all() for column in columns.values()):
                return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(1, 9)))


@pytest.mark.parametrize("rows", [0, 10, 40_000, 9_000_000])
def test_small_and_very_large_books_leave_nothing_behind(rows):
    columns = new_columns(rows)
    assert all(len(column) == rows for column in columns.values())
    del columns
    gc.collect()
    assert not memory._left


def test_a_block_that_is_too_large_for_the_next_book_is_given_back():
    filled(1, 8 * ROWS)
    gc.collect()
    assert len(memory._left) == 1
    small = filled(2)
    assert not memory._left
    del small
    gc.collect()
    assert len(memory._left[0]) < 8 * ROWS * 8
    forget_memory()
    assert not memory._left


def test_a_kernel_without_huge_pages_still_reads_books(monkeypatch):
    class Plain(memory.mmap.mmap):
        def madvise(self, *_):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(memory.mmap, "mmap", Plain)
    assert (filled(3)["lots"] == 3).all()
