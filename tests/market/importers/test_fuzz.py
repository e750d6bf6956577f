"""Damaged files: refused, or read to exactly what a slow plain reader finds in the same bytes.

The oracle knows only the position of each column, which the layout tells; lines, numbers, times and
JSON it reads with Python's own parsers.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import time
import zipfile

import numpy as np
import polars as pl
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.importers import open_tables
from tests.market.importers import handmade
from tests.market.importers.handmade import packed, read, rows, write, zipped

NAMES = ("open", "high", "low", "close", "volume")


def typed(write_it, **options):
    frame = pl.DataFrame(
        rows(), schema=["date", "open", "high", "low", "close", "volume"], orient="row"
    ).with_columns(date=pl.from_epoch("date").dt.replace_time_zone("UTC"))
    memory = io.BytesIO()
    getattr(frame, write_it)(memory, **options)
    return memory.getvalue()


WELL_FORMED = {
    "klines": handmade.klines(),
    "klines with names": handmade.klines(10**6, header=True),
    "kraken": handmade.kraken(7),
    "kraken 8": handmade.kraken(8),
    "cryptodatadownload": handmade.cdd(),
    "bitfinex": handmade.bitfinex(),
    "coinbase": handmade.coinbase_advanced(),
    "coinbase rows": handmade.coinbase_rows(),
    "freqtrade": handmade.freqtrade(),
    "freqtrade gz": packed(handmade.freqtrade()),
    "lean": zipped(
        {"20250101_btcusd_minute_trade.csv": handmade.lean_minutes()}, zipfile.ZIP_STORED
    ),
    "csv": handmade.generic(),
    "csv of dates": handmade.iso(),
    "csv with semicolons": handmade.generic(separator=";"),
    "csv gz": packed(handmade.generic()),
    "zip": zipped({"a.csv": handmade.klines()}),
    "parquet": typed("write_parquet"),
    "plain parquet": typed("write_parquet", compression="uncompressed", use_pyarrow=False),
    "feather": typed("write_ipc"),
}


# ---------------------------------------------------------------------- damage


def truncated(data, rng):
    return data[: rng.integers(0, len(data))]


def flipped(data, rng):
    damaged = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 4)):
        damaged[at] ^= 1 << rng.integers(0, 8)
    return bytes(damaged)


def replaced(data, rng):
    """Write other characters of numbers, times and separators over some."""
    damaged = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 4)):
        damaged[at] = rng.choice(list(b'0123456789.,-+eE;:"x \t\r\n[]{}NaT'))
    return bytes(damaged)


def cut_out(data, rng):
    start = rng.integers(0, len(data))
    return data[:start] + data[start + rng.integers(1, 60) :]


def other_encoding(data, rng):
    codec = rng.choice(["utf-16", "utf-16-le", "utf-32", "utf-8-sig"])
    return data.decode("latin-1").encode(codec)


def huge_number(data, rng):
    huge = rng.choice([b"9" * 30, b"1e300", b"1e999", b"-1", b"nan", b"inf", b"", b"0", b"NULL"])
    return on_field(data, rng, lambda field: huge)


def mixed_epochs(data, rng):
    return on_lines(data, rng, lambda line: line.replace(b"1735", b"1735" + b"0" * 3, 1))


def swapped_columns(data, rng):
    mark = b";" if data.count(b";") > data.count(b",") else b","
    width = max(line.count(mark) + 1 for line in data.split(b"\n"))
    a, b = rng.integers(0, width, 2)

    def swap(line):
        fields = line.split(mark)
        if len(fields) == width:
            fields[a], fields[b] = fields[b], fields[a]
        return mark.join(fields)

    skip = rng.integers(0, 2)
    lines = data.split(b"\n")
    return b"\n".join([*lines[:skip], *map(swap, lines[skip:])])


def doubled_lines(data, rng):
    return on_lines(data, rng, lambda line: line + b"\n" + line)


def shuffled_lines(data, rng):
    lines = data.split(b"\n")
    return b"\n".join(lines[i] for i in rng.permutation(len(lines)))


def other_separators(data, rng):
    mark = rng.choice([b";", b"\t", b"|", b" ", b",,", b", "])
    return on_lines(data, rng, lambda line: line.replace(b",", mark))


def on_lines(data, rng, change):
    share = rng.choice([0.1, 0.5, 1.0])
    return b"\n".join(change(line) if rng.random() < share else line for line in data.split(b"\n"))


def on_field(data, rng, change):
    lines = data.split(b"\n")
    at = rng.integers(0, len(lines))
    fields = lines[at].split(b",")
    field = rng.integers(0, len(fields))
    fields[field] = change(fields[field])
    lines[at] = b",".join(fields)
    return b"\n".join(lines)


DAMAGE = (
    *(truncated, flipped, replaced, cut_out, other_encoding, huge_number, mixed_epochs),
    *(swapped_columns, doubled_lines, shuffled_lines, other_separators),
)


# ---------------------------------------------------------------------- the oracle


def plain_epoch(text):
    """UNIX nanoseconds of an epoch or an ISO time, by Python alone."""
    text = str(text).strip()
    if text[:4].isdigit() and text[4:5] == "-":
        moment = dt.datetime.fromisoformat(text)
        assert moment.tzinfo is not None
        return (
            (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) * 1000
        )
    whole, _, fraction = text.partition(".")
    unit = next(
        u for u, least in ((1, 17), (10**3, 14), (10**6, 11), (10**9, 8)) if int(whole) >= 10**least
    )
    return int(whole) * unit + (int(fraction.ljust(9, "0")[:9]) * unit // 10**9 if fraction else 0)


def plain_number(value, decimal="."):
    text = str(value).strip().replace(decimal, ".")
    nothing = text.lower() in ("", "null", "none", "n/a", "na", "nan")
    return float("nan") if nothing else float(text)


def plain_text_rows(data, layout):
    lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    if len(lines) == 1:
        lines = lines[0].split("\r")
    names = [layout.columns[name] for name in ("time", *NAMES) if name in layout.columns]
    for mark in ",;\t| ":
        fields = [next(csv.reader([line], delimiter=mark), []) for line in lines]
        fields = [[field.strip() for field in row] for row in fields]
        heads = [i for i, row in enumerate(fields[:20]) if set(names) <= set(row)]
        numbered = all(name.startswith("column ") for name in names)
        if heads or (numbered and max(len(row) for row in fields) >= 5):
            break
    positions = {}
    for ours in ("time", *NAMES):
        if ours in layout.columns:
            theirs = layout.columns[ours]
            numbered = theirs.startswith("column ")
            positions[ours] = int(theirs[7:]) if numbered else fields[heads[0]].index(theirs)
    header = fields[heads[0]] if heads else None
    for row in fields[heads[0] + 1 if heads else 0 :]:
        if any(row) and row != header and (heads or len(row) > 1):
            yield [row[position] for position in positions.values()]


def plain_json_rows(data, layout):
    document = json.loads(data.decode("utf-8-sig"))
    while not (isinstance(document, list) and document and isinstance(document[0], list | dict)):
        values = document.values() if isinstance(document, dict) else document
        document = next(value for value in values if isinstance(value, list | dict) and value)
    names = [layout.columns[name] for name in ("time", *NAMES) if name in layout.columns]
    for row in document:
        if isinstance(row, dict):
            yield [row.get(name, "") for name in names]
        else:
            yield [row[int(name[7:])] for name in names]


def plain_typed_rows(data, layout):
    memory = io.BytesIO(data)
    table = (
        pq.read_table(memory) if data[:4] == b"PAR1" else pyarrow.ipc.open_file(memory).read_all()
    )
    names = [layout.columns[name] for name in ("time", *NAMES) if name in layout.columns]
    frame = pl.from_arrow(table).select(names)
    if frame[names[0]].dtype != pl.Int64:
        frame = frame.with_columns(pl.col(names[0]).dt.epoch("ns"))
    return frame.rows()


def plain_rows(data, found):
    """What stands in the bytes: a set of (ns, open, high, low, close, volume), NaN as None."""
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:2] == b"PK":
        archive = zipfile.ZipFile(io.BytesIO(data))
        data = archive.read(archive.namelist()[0])
    decimal = "."
    if data[:4] in (b"PAR1", b"ARRO"):
        listed = plain_typed_rows(data, found.layout)
    elif data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{"):
        listed = plain_json_rows(data, found.layout)
    else:
        listed = plain_text_rows(data, found.layout)
        decimal = "," if b";" in data and b"," in data else "."
    lean = found.format == "lean"
    out = set()
    for stamp, *values in listed:
        ns = (
            handmade.START_S * 10**9 + int(stamp) * 10**6
            if lean
            else stamp
            if data[:4] in (b"PAR1", b"ARRO")
            else plain_epoch(stamp)
        )
        numbers = [plain_number(value, decimal) for value in values]
        out.add((ns, *(None if np.isnan(number) else number for number in numbers)))
    return out


def got_rows(columns):
    names = [name for name in NAMES if getattr(columns, name) is not None]
    values = [getattr(columns, name).tolist() for name in names]
    return set(zip(columns.time_ns.tolist(), *values, strict=True))


def check(folder, case):
    rng = np.random.default_rng(case)
    name = list(WELL_FORMED)[case % len(WELL_FORMED)]
    content = WELL_FORMED[name]
    data = content.encode() if isinstance(content, str) else content
    for damage in rng.choice(len(DAMAGE), rng.integers(1, 3), replace=False):
        data = DAMAGE[damage](data, rng) or b"x"
    path = write(folder, "20250101_trade.zip" if name == "lean" else "x", data)
    began = time.perf_counter()
    try:
        found, columns, findings = read(path)
        if found.kind != "candles":
            return "other"
    except (MarketDataError, ConfigError):
        return "refused"
    finally:
        assert time.perf_counter() - began < 5
    low, high = columns.low, columns.high
    assert (low > 0).all()
    assert np.isfinite(high).all()
    assert (low <= np.minimum(columns.open, columns.close)).all()
    assert (high >= np.maximum(columns.open, columns.close)).all()
    if found.format == "cryptodatadownload":
        # Volumes may have been exchanged, which is a note; the prices are what is compared.
        prices = {row[:5] for row in plain_rows(data, found)}
        assert {row[:5] for row in got_rows(columns)} == prices, (case, name)
        return "read"
    assert got_rows(columns) == plain_rows(data, found), (case, name, findings.notes)
    return "read"


@pytest.mark.parametrize("name", WELL_FORMED)
def test_the_oracle_reads_every_well_formed_file(tmp_path, name):
    content = WELL_FORMED[name]
    data = content.encode() if isinstance(content, str) else content
    path = write(tmp_path, "20250101_trade.zip" if name == "lean" else "x", data)
    found, columns, _ = read(path)
    assert got_rows(columns) == plain_rows(data, found)
    assert len(columns.time_ns) == len(rows())


def test_a_damaged_file_is_refused_or_read_as_it_stands(tmp_path):
    outcomes = [check(tmp_path, case) for case in range(300)]
    assert outcomes.count("read") > 30
    assert outcomes.count("refused") > 100


@pytest.mark.slow
def test_ten_thousand_damaged_files_are_refused_or_read_as_they_stand(tmp_path):
    for case in range(300, 10_300):
        check(tmp_path, case)


def test_a_damaged_file_can_also_be_opened_for_its_good_rows(tmp_path):
    for case in range(0, 300, 3):
        rng = np.random.default_rng(case)
        data = replaced(WELL_FORMED["klines"].encode(), rng)
        try:
            _, columns, findings = read(write(tmp_path, "x", data), drop_bad=True)
        except (MarketDataError, ConfigError):
            continue
        assert findings.kept + findings.dropped + findings.duplicates >= len(rows()) - 1
        assert len(columns.time_ns) == findings.kept


def test_no_text_makes_opening_hang_or_crash(tmp_path):
    rng = np.random.default_rng(0)
    letters = list(b'0123456789,;.:-+eE"\n\r\t |[]{}#aZ\xff\x00')
    for _ in range(300):
        data = bytes(rng.choice(letters, rng.integers(1, 400)))
        try:
            for found in open_tables(write(tmp_path, "x", data)):
                list(found.chunks())
        except (MarketDataError, ConfigError):
            pass
