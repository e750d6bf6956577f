"""Row groups are decoded by several threads: what is read depends on neither them nor the file."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.store import schema
from seq_gym.market.book.store.decoding import find_stretch, read_stretches
from seq_gym.market.book.store.manifest import read_book_manifest
from seq_gym.times import NS_PER_S
from tests.market.book.store.made import START, made_book

GROUP = 16


@pytest.fixture
def threads():
    """Set how many threads may read."""
    before = pa.cpu_count()
    yield pa.set_cpu_count
    pa.set_cpu_count(before)


@pytest.fixture
def small_groups(monkeypatch):
    """Let a row group have few rows, so that a small book has many."""
    monkeypatch.setattr(schema, "_GROUP_ROWS", GROUP)


def files_of(store):
    return sorted(store.place.root.rglob("*.parquet"))


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_number_of_threads_reads_the_same_rows_over_midnight(store, threads, count):
    book = made_book()
    store.write_book(book)
    threads(count)
    (read,) = store.load_book().books
    assert read.fingerprint == book.fingerprint
    start, end = START + NS_PER_S // 2, START + 3 * NS_PER_S // 2
    (window,) = store.load_book(start=start, end=end).books
    assert window.fingerprint == book.window(start, end).fingerprint


@pytest.mark.usefixtures("small_groups")
def test_a_window_reads_the_row_groups_that_hold_its_instants_and_no_others(folder_store):
    book = made_book()
    folder_store.write_book(book)
    manifest = read_book_manifest(folder_store.place, folder_store.list()[0].key)
    part = manifest.runs[0].parts[0]
    path = f"{manifest.key.folder}/{part.file}"
    start, end = int(book.exch_ts[3 * GROUP]), int(book.exch_ts[5 * GROUP])
    found = find_stretch(folder_store.place, path, num_rows=part.rows, start_ns=start, end_ns=end)
    assert (found.first % GROUP, found.rows % GROUP) == (0, 0)
    assert found.rows <= 4 * GROUP
    columns = read_stretches(folder_store.place, [found, found])
    for name, values in columns.items():
        rows = getattr(book, name)[found.first : found.first + found.rows]
        np.testing.assert_array_equal(values, np.concatenate([rows, rows]))
        assert values.dtype == rows.dtype
    whole = {name: getattr(book, name)[: part.rows] for name in ("exch_ts", "local_ts")}
    inside = np.zeros(part.rows, bool)
    for times in whole.values():
        inside |= (times >= start) & (times < end)
    wanted = np.flatnonzero(inside)
    assert found.first <= wanted[0]
    assert wanted[-1] < found.first + found.rows


@pytest.mark.parametrize(
    "written",
    [
        {"row_group_size": 5, "compression": "snappy"},
        {"row_group_size": 1 << 20, "data_page_size": 64, "data_page_version": "2.0"},
        {"use_dictionary": False, "compression": "none"},
    ],
)
def test_files_with_other_row_groups_pages_and_nullable_columns_are_read_too(folder_store, written):
    book = made_book()
    folder_store.write_book(book)
    for file in files_of(folder_store):
        table = pq.read_table(file, partitioning=None)
        fields = [field.with_nullable(True) for field in table.schema]
        pq.write_table(table.cast(pa.schema(fields)), file, **written)
    assert folder_store.load_book().books[0].fingerprint == book.fingerprint
    assert list(folder_store.verify()) == []


@pytest.mark.usefixtures("small_groups")
@pytest.mark.parametrize("count", [1, 2, 7])
def test_of_several_broken_files_the_first_is_told_whichever_thread_met_it(
    folder_store, threads, count
):
    folder_store.write_book(made_book())
    files = files_of(folder_store)
    for file in files:
        data = bytearray(file.read_bytes())
        column = pq.ParquetFile(file).metadata.row_group(1).column(6)
        first = column.data_page_offset
        data[first : first + column.total_compressed_size] = bytes(column.total_compressed_size)
        file.write_bytes(data)
    threads(count)
    with pytest.raises(MarketDataError, match=f"{files[0].parent.name}.* cannot be read as"):
        folder_store.load_book()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda table: table.drop_columns("seq"), "must have a column seq without empty rows"),
        (
            lambda table: table.set_column(6, "lots", [pa.nulls(len(table), pa.int64())]),
            "must have a column lots without empty rows",
        ),
        (
            lambda table: table.set_column(6, "lots", table["lots"].cast(pa.int32())),
            "lots must be int64; was int32",
        ),
    ],
)
def test_a_column_that_is_not_there_is_empty_or_of_another_type_is_told(
    folder_store, change, problem
):
    folder_store.write_book(made_book())
    file = files_of(folder_store)[0]
    pq.write_table(change(pq.read_table(file, partitioning=None)), file)
    with pytest.raises(MarketDataError, match=problem):
        folder_store.load_book()


def test_a_column_of_a_row_group_is_one_page(folder_store, monkeypatch):
    # No reader tells the number of pages. What each of them costs shows in noise, which packs not.
    rows = 1 << 16
    noise = np.random.default_rng(0).integers(0, 2**53, rows)
    columns = {name: np.zeros(rows, dtype) for name, dtype in schema.COLUMNS.items()}
    columns["seq"] = noise
    sizes = []
    for pages in (1, 4):
        monkeypatch.setattr(schema, "_GROUP_ROWS", rows // pages)
        data = pa.BufferReader(schema.encode(columns, {}))
        metadata = pq.ParquetFile(data).metadata
        assert metadata.num_row_groups == pages
        groups = [metadata.row_group(index).column(2) for index in range(pages)]
        sizes.append(sum(group.total_uncompressed_size for group in groups))
    head = (sizes[1] - sizes[0]) / 3
    assert sizes[0] - rows * 8 == pytest.approx(head, abs=8)
