"""The fingerprint changes with any value, time, symbol, venue or interval, with nothing else."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.market.store import Store
from seq_gym.market.store.layout import TableKey
from seq_gym.market.store.rows import content_hash, decode, encode, rows_of_columns
from tests.market.store.made import make_candles

COUNT = 120
COLUMNS = make_candles(COUNT, extra={"trades": np.arange(float(COUNT)), "x": np.full(COUNT, 0.5)})
NAMES = ("open", "high", "low", "close", "volume", "quote_volume", "trades", "x")
KEY = TableKey(kind="candles", symbol="BTCUSDT", venue="v", interval_ns=60 * 10**9)
ROWS = rows_of_columns(COLUMNS, "candles")
HASH = content_hash(KEY, ROWS)


def stored_fingerprint(chunks, **how):
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "sim")
        for chunk in chunks:
            store.write_candles([chunk], venue="v", interval="1m", **how)
        return store.list()[0].fingerprint


WHOLE = stored_fingerprint([COLUMNS])


@given(st.sampled_from(NAMES), st.integers(0, COUNT - 1), st.integers(1, 2**52 - 1))
def test_any_bit_of_any_value_changes_it(name, row, flip):
    values = ROWS.values[name].copy()
    bits = values[row : row + 1].view(np.int64)
    bits ^= flip
    changed = replace(ROWS, values={**ROWS.values, name: values})
    assert content_hash(KEY, changed) != HASH


@given(st.integers(0, COUNT - 1), st.integers(1, 10**9))
def test_any_time_changes_it(row, later):
    times = ROWS.times.copy()
    times[row] += later
    assert content_hash(KEY, replace(ROWS, times=times)) != HASH


@given(st.sampled_from(("symbol", "venue", "kind", "interval_ns")))
def test_what_the_rows_belong_to_changes_it(name):
    other = {"symbol": "BTC/USDT", "venue": "w", "kind": "mark", "interval_ns": 30 * 10**9}[name]
    key = replace(KEY, **{name: other})
    rows = ROWS if name != "kind" else replace(ROWS, values=dict(list(ROWS.values.items())[:4]))
    assert content_hash(key, rows) != HASH


def test_the_boundary_between_symbol_and_venue_is_part_of_it():
    one = content_hash(replace(KEY, symbol="AB", venue="C"), ROWS)
    assert one != content_hash(replace(KEY, symbol="A", venue="BC"), ROWS)


@given(st.permutations(range(COUNT)), st.integers(1, 8))
@settings(max_examples=20)
def test_neither_the_order_of_rows_nor_the_split_into_files_changes_it(order, pieces):
    rows = np.array(order)
    chunks = [COLUMNS.take(part) for part in np.array_split(rows, pieces)]
    assert stored_fingerprint(chunks) == WHOLE


def test_rows_that_come_twice_change_nothing():
    assert (
        stored_fingerprint([COLUMNS.take(np.arange(80)), COLUMNS.take(np.arange(40, COUNT))])
        == WHOLE
    )
    assert stored_fingerprint([COLUMNS.take(np.r_[0:COUNT, 0:50])]) == WHOLE


def test_neither_compression_nor_encoding_of_the_parquet_changes_it(tmp_path):
    store = Store.open(tmp_path)
    store.write_candles([COLUMNS], venue="v")
    for path in list(tmp_path.rglob("*.parquet")):
        rows = pl.read_parquet(path)
        rows.write_parquet(path, compression="lz4", row_group_size=7)
    assert store.verify() == []
    shutil.rmtree(tmp_path)


def test_minus_zero_and_any_nan_are_one_value_each():
    payload = np.array([0x7FF8000000000001], np.int64).view(np.float64)[0]
    for plain, other in ((0.0, -0.0), (np.nan, payload), (np.nan, -np.nan)):
        one, two = (
            replace(ROWS, values={**ROWS.values, "x": np.r_[value, ROWS.values["x"][1:]]})
            for value in (plain, other)
        )
        assert content_hash(KEY, one) == content_hash(KEY, two)


def test_a_column_that_states_nothing_is_no_column():
    empty = {**ROWS.values, "y": np.full(COUNT, np.nan)}
    assert content_hash(KEY, replace(ROWS, values=empty)) == HASH


@given(st.lists(st.floats(allow_infinity=False, width=64), min_size=1, max_size=50))
def test_any_float_comes_back_from_parquet(values):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = make_candles(len(values), extra={"x": np.array(values)})
    before = rows_of_columns(rows, "candles")
    after = decode("candles", pq.read_table(pa.BufferReader(encode(KEY, before))), "part")
    assert content_hash(KEY, after) == content_hash(KEY, before)
    np.testing.assert_array_equal(after.values["x"], np.array(values))
