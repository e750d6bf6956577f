"""What goes wrong in files is read as it is meant, or refused with file, line and fix."""

from __future__ import annotations

import gzip
import json
import zipfile

import numpy as np
import polars as pl
import pytest

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market import load_candles
from seq_gym.market.importers import ReadOptions, arrow, containers, open_tables, text
from tests.market.importers import handmade
from tests.market.importers.handmade import START_S, as_rows, packed, read, rows, write, zipped

HEADER = "time,open,high,low,close,volume\n"
GOOD = f"{START_S},2,3,1,2,5\n{START_S + 60},2,3,1,2,5\n"


def refused(folder, content, match, **options):
    with pytest.raises((MarketDataError, ConfigError), match=match) as caught:
        read(write(folder, "x.csv", content), **options)
    return str(caught.value)


# ---------------------------------------------------------------------- what is understood

TWISTS = {
    "byte order mark": "﻿" + handmade.generic(),
    "byte order mark without a header": "﻿" + handmade.klines(),
    "returns and feeds": handmade.generic(end="\r\n"),
    "blank last lines": handmade.generic() + "\n\r\n\n",
    "blank lines in between": handmade.generic().replace("\n", "\n\n"),
    "no last line end": handmade.generic().rstrip("\n"),
    "quotes": "\n".join(
        ",".join(f'"{field}"' for field in line.split(","))
        for line in handmade.generic().splitlines()
    ),
    "blanks around": handmade.generic().replace(",", " , "),
    "plus signs": handmade.generic().replace(",1", ",+1"),
    "trailing commas": handmade.generic().replace("\n", ",\n"),
    "trailing commas below the header": HEADER
    + handmade.generic().partition("\n")[2].replace("\n", ",\n"),
    "trailing commas without a header": handmade.klines().replace("\n", ",\n"),
    "trailing commas of kraken": handmade.kraken().replace("\n", ",\n"),
    "a trailing comma in one line": handmade.klines().replace("\n", ",\n", 1),
    "comments above": "# made by hand\n# in two lines\n" + handmade.generic(),
    "a title above": "BTCUSDT 1m\n\n" + handmade.generic(),
    "a separator line above": "sep=;\n" + handmade.generic(separator=";"),
    "the header again": handmade.generic() + handmade.generic(),
    "fractions of zero": handmade.generic().replace(",", ".0,", 0).replace("00,", "00.0,"),
    "more columns": "\n".join(
        line + ",x,,7" * (i > 0) + ",a,b,c" * (i == 0)
        for i, line in enumerate(handmade.generic().splitlines())
    ),
}


@pytest.mark.parametrize("twist", TWISTS)
def test_unusual_but_clear_text_is_read_to_the_value(tmp_path, twist):
    _, columns, findings = read(write(tmp_path, "x.csv", TWISTS[twist]))
    assert as_rows(columns) == rows()
    assert findings.dropped == 0


def test_lines_are_counted_from_one_whatever_stands_above_and_between(tmp_path):
    text = "# a\n\n" + HEADER + f"{START_S},2,3,1,2,5\n\n\n{START_S + 60},2,3,oops,2,5\n"
    refused(tmp_path, text, r"x\.csv, line 7: low must be a number; was 'oops'.*--drop-bad")
    text = "# a\n\n" + HEADER + f"{START_S},2,3,1,2,5\n\n\n{START_S + 60},2,1,1,2,5\n"
    refused(tmp_path, text, r"x\.csv, .*line 7, .*high must be >= max\(open, close\).*--drop-bad")


def test_thousands_of_columns_are_read_for_the_six_that_count(tmp_path):
    many = ",".join(f"c{i}" for i in range(5000))
    text = HEADER.strip() + f",{many}\n"
    text += "".join(f"{START_S + 60 * i},2,3,1,2,5{',7' * 5000}\n" for i in range(3))
    _, columns, _ = read(write(tmp_path, "x.csv", text))
    assert columns.close.tolist() == [2, 2, 2]


def test_a_bad_line_is_left_out_and_counted_where_the_user_says_so(tmp_path):
    text = HEADER + GOOD + f"{START_S + 120},2,3,oops,2,5\n{START_S + 180},2,3\n"
    text += f"never,2,3,1,2,5\n{START_S + 240},2,3,9,2,5\n{START_S + 300},2,3,1,2,5\n"
    path = write(tmp_path, "x.csv", text)
    _, columns, findings = read(path, drop_bad=True)
    assert columns.row_numbers.tolist() == [2, 3, 8]
    assert (findings.rows, findings.kept, findings.dropped) == (7, 3, 4)
    reasons = " ".join(findings.bad_rows)
    for line, reason in ((4, "number"), (5, "6 fields"), (6, "epoch"), (7, "low must be <=")):
        assert any(f"line {line}" in row and reason in row for row in findings.bad_rows), reasons


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "must have rows; was empty"),
        (" \n\n \n", "must have rows; was empty"),
        ("﻿", "must have rows; was empty"),
        (HEADER, "only a header"),
        (HEADER + "\n\n", "only a header"),
        (handmade.generic().encode("utf-16"), r"must be UTF-8; was UTF-16\. Save it as UTF-8"),
        (handmade.generic().encode("utf-16-le"), "zero bytes. Is it UTF-16"),
        (HEADER.encode() + b"caf\xe9,1,1,1,1,1\n", "line 2: text must be UTF-8; was the byte 0xe9"),
        ("hello\nworld\n", "cannot be read"),
        ("a,b\n1,2\n", "column for time"),
        (HEADER + GOOD + "1735689720,2,3,1\n", "line 4: a row must have 6 fields; has 4.*cut off"),
        (HEADER + GOOD + "1735689720,2,3,1,2,5,6\n", "line 4: a row must have 6 fields; has 7"),
        (HEADER + GOOD + '1735689720,"2,3,1,2,5\n', "line 4: a line must be .* quotes closed"),
        (HEADER + GOOD + '1735689720,"2\n",3,1,2,5\n', "line 4: a line must be .* quotes closed"),
        (HEADER + GOOD + "1735689720,2\r,3,1,2,5\n", "line 4: a line must be plain text"),
        (HEADER + GOOD + "-1735689720,2,3,1,2,5\n", "line 4: time must be an epoch of 1973"),
        (HEADER + GOOD + "0x6774e2f8,2,3,1,2,5\n", "line 4: time must be"),
        (HEADER + GOOD + "60000,2,3,1,2,5\n", "line 4: time must be an epoch of 1973 to 2262"),
        (HEADER + GOOD + "99999999999,2,3,1,2,5\n", "line 4: time must be an epoch of 1973"),
        (HEADER + GOOD + "9" * 40 + ",2,3,1,2,5\n", "line 4: time must be an epoch of 1973"),
        (HEADER + GOOD + "1.73e9,2,3,1,2,5\n", "line 4: time must be an epoch number or"),
        (HEADER + GOOD + ",2,3,1,2,5\n", "line 4: time must be a time; was empty"),
        (HEADER + GOOD + "15/06/2020 10:00,2,3,1,2,5\n", "line 4: time must be an epoch number or"),
        (HEADER + GOOD + "1735689720,nan,3,1,2,5\n", "line 4.*open must be finite"),
        (HEADER + GOOD + "1735689720,2,inf,1,2,5\n", "line 4.*high must be finite"),
        (HEADER + GOOD + "1735689720,2,1e999,1,2,5\n", "line 4.*high must be finite"),
        (HEADER + GOOD + "1735689720,2,3,1,,5\n", "line 4.*close must be finite"),
        (HEADER + GOOD + "1735689720,2,3,1,2,-5\n", "line 4.*volume must be finite and >= 0"),
        (HEADER + GOOD + "1735689720,2,3,-1,2,5\n", "line 4.*low must be finite and > 0"),
        (HEADER + GOOD + '1735689720,2,"3,000",1,2,5\n', "line 4: high must be a number"),
        (HEADER + GOOD + "1735689720,2,3_0,1,2,5\n", "line 4: high must be a number; was '3_0'"),
        (HEADER + GOOD + "1735689721,2,3,1,2,5\n", "line 4.*multiple of the interval 1m"),
        (HEADER + GOOD + f"{START_S},2,4,1,2,5\n", "line 2.*line 4.*--on-conflict first"),
        ("<!doctype html><html></html>", "page of HTML"),
        (b"\x80\x04\x95", "pickle"),
        (b"\x89HDF\r\n", "HDF5"),
        (b"\x28\xb5\x2f\xfd1234", "zstd"),
        (b"SQLite format 3\0", "SQLite"),
        ("[]", "list of rows"),
        ("{}", "list of rows"),
        ('{"candles": []}', "list of rows"),
        (json.dumps({"open": {"0": 1}}), "list of rows"),
        (handmade.freqtrade()[:-7], "Is the file cut off"),
        (handmade.coinbase_advanced()[:-40], "Is the file cut off"),
        (handmade.freqtrade() + "x", "behind its rows was 'x'"),
        (handmade.coinbase_advanced() + "}", "behind its rows was"),
        (handmade.freqtrade().replace("], [", "] [", 1), "well formed"),
        (handmade.freqtrade().replace("], [", "],, [", 1), "well formed"),
        (json.dumps({"a": [[1, 2]], "b": [[1, 2]]}), "one list of rows"),
        (json.dumps([[1735689600, 1, 2]]), "rows without names must be"),
        ("[" * 100_000, "well formed"),
        (b'[[1735689600,1,1,1,1,"\xff"]]', "must be UTF-8"),
        ("[[1735689600,1,1,1,1,1],[1735689660,1]]", "row 1: a row must be a list of 6"),
        ("[[1735689600,1,1,1,1,1],[1735689660,1,true,1,1,1]]", "row 1: .* must be a number"),
        ("[[1735689600,1,1,1,1,1],[1e400,1,1,1,1,1]]", "row 1: .* must be an epoch"),
    ],
)
def test_a_fault_is_refused_with_its_place_and_fix(tmp_path, content, match):
    refused(tmp_path, content, match)


@pytest.mark.parametrize("stamp", ["0x6774e2f8", "0X6774E2F8", "1735689720.5x", ""])
def test_a_bad_time_far_behind_the_beginning_is_found(tmp_path, stamp):
    lines = [f"{START_S + 60 * i},2,3,1,2,5\n" for i in range(9000)]
    content = HEADER + "".join(lines) + f"{stamp},2,3,1,2,5\n"
    refused(tmp_path, content, "line 9002: time must be")


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ("1,3,2,3", "low must be <="),
        ("3,3,2,1", "low must be <="),
        ("3,2,1,2", "high must be >="),
        ("2,2,1,3", "high must be >="),
        ("0,2,0,1", "open must be finite and > 0"),
        ("1,inf,1,1", "high must be finite and > 0"),
    ],
)
def test_each_rule_of_prices_is_held(tmp_path, values, rule):
    good = "".join(f"{START_S + 60 * i},2,3,1,2,5\n" for i in range(20))
    refused(tmp_path, HEADER + good + f"{START_S + 1200},{values},5\n", f"line 22, .*{rule}")


def test_conflicting_rows_keep_the_first_or_the_last(tmp_path):
    path = write(tmp_path, "x.csv", HEADER + GOOD + f"{START_S},2,4,1,2,5\n{START_S},2,3,1,2,5\n")
    for choice, high in (("first", 3), ("last", 3)):
        _, columns, findings = read(path, on_conflict=choice)
        assert (columns.high[0], findings.conflicts, findings.duplicates) == (high, 1, 1)


@pytest.mark.parametrize("text", ["1.234,5", "1.234"])
def test_a_point_among_decimal_commas_is_not_read_as_anything(tmp_path, text):
    lines = [
        HEADER.replace(",", ";"),
        f"{START_S};2,5;3;1;2;5\n",
        f"{START_S + 60};2;3;1;{text};5\n",
    ]
    refused(tmp_path, "".join(lines), r"line 3: close must be a number; was '1\.234")


def test_mixed_zones_are_honoured_row_by_row_and_a_naive_one_among_them_refused(tmp_path):
    lines = ["2025-01-01T00:00:00Z", "2025-01-01T02:01:00+02:00", "2024-12-31T19:02:00-0500"]
    text = HEADER + "".join(f"{stamp},2,3,1,2,5\n" for stamp in lines)
    _, columns, _ = read(write(tmp_path, "x.csv", text))
    assert (columns.time_ns // 10**9 - START_S).tolist() == [0, 60, 120]
    naive = text + "2025-01-01T00:03:00,2,3,1,2,5\n"
    refused(tmp_path, naive, "line 5: .*--tz UTC")
    # Wall-clock time is a question, not a bad row: it is never simply dropped.
    refused(tmp_path, naive, "line 5: .*--tz UTC", drop_bad=True)


def test_an_hour_that_comes_twice_or_never_is_named(tmp_path):
    for clock in ("2021-10-31 02:30:00", "2021-03-28 02:30:00"):
        text = HEADER + f"2021-10-01 00:00:00,2,3,1,2,5\n{clock},2,3,1,2,5\n"
        refused(tmp_path, text, f"line 3: .*once in Europe/Berlin.*{clock}", tz="Europe/Berlin")


# ---------------------------------------------------------------------- packed


def test_what_is_cut_off_or_broken_inside_a_package_is_refused(tmp_path):
    whole = packed(handmade.klines())
    for broken in (whole[:-9], whole[:50], whole[:60] + b"\0\0\0\0" + whole[64:]):
        refused(tmp_path, broken, r"x\.csv.*cannot be read|UTF-8|zero bytes|must")
    archive = zipped({"a.csv": handmade.klines()})
    for broken in (archive[:-30], archive[:40], archive[:90] + b"\0\0\0\0" + archive[94:]):
        refused(tmp_path, broken, r"x\.csv.*cannot be read")


def test_every_table_of_a_zip_is_found_and_other_members_are_left(tmp_path):
    members = {
        "README.txt": "hello",
        "__MACOSX/._BTCUSDT.csv": "junk",
        "BTCUSDT.csv": handmade.klines(),
        "in/ETHUSDT.csv": handmade.kraken(),
    }
    found = open_tables(write(tmp_path, "x.zip", zipped(members)))
    assert [(t.symbol, t.format) for t in found] == [
        ("BTCUSDT", "binance_klines"),
        ("ETHUSDT", "kraken_ohlcvt"),
    ]
    assert found[0].name == "x.zip:BTCUSDT.csv"
    for members in ({"a.pdf": "x", "b.pdf": "y"}, {}):
        with pytest.raises(MarketDataError, match="must hold a CSV or JSON file; holds"):
            open_tables(write(tmp_path, "y.zip", zipped(members)))
    with pytest.raises(MarketDataError, match="Excel"):
        open_tables(write(tmp_path, "z.zip", zipped({"[Content_Types].xml": "x", "a.xml": "y"})))
    inner = zipped({"a.csv": handmade.klines()})
    with pytest.raises(MarketDataError, match="archive inside an archive"):
        open_tables(write(tmp_path, "w.zip", zipped({"a.csv": inner})))


def test_a_bomb_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(containers, "_FREE_BYTES", 2**20)
    lines = (HEADER + GOOD).encode() + b"1735689720,2,3,1,2,5\n" * 400_000
    for content in (gzip.compress(lines), zipped({"a.csv": lines}, zipfile.ZIP_DEFLATED)):
        [found] = open_tables(write(tmp_path, "x", content))
        with pytest.raises(MarketDataError, match="must unpack to at most 300 times"):
            list(found.chunks())


def test_an_endless_line_is_refused(tmp_path):
    refused(tmp_path, HEADER + "1" * 300_000, "a line must be shorter")
    late = HEADER + handmade.generic().partition("\n")[2] * 4000 + "1" * 6_000_000
    refused(tmp_path, late, "a line must be shorter")


# ---------------------------------------------------------------------- streams


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blocks_join_without_losing_a_row_or_a_line_number(tmp_path, monkeypatch, end):
    monkeypatch.setattr(text, "_BLOCK_BYTES", 100)
    content = handmade.generic(end=end).replace(
        f"{end}{START_S + 300},", f"{end}{end}{START_S + 300},+"
    )
    path = write(tmp_path, "x.csv", content)
    [found] = open_tables(path)
    chunks = list(found.chunks())
    assert len(chunks) > 3
    assert [row for chunk in chunks for row in as_rows(chunk.columns)] == rows()
    numbers = np.concatenate([chunk.columns.row_numbers for chunk in chunks]).tolist()
    assert numbers == [2, 3, 4, 5, 6, *range(8, 15)]
    assert chunks[-1].bytes_read == found.num_bytes == path.stat().st_size


@pytest.mark.parametrize("form", ["parquet", "ipc"])
def test_typed_files_keep_their_row_numbers_over_batches(tmp_path, monkeypatch, form):
    monkeypatch.setattr(arrow, "_BATCH_ROWS", 5)
    monkeypatch.setattr(arrow, "MAX_CHUNK_ROWS", 5)
    frame = pl.DataFrame(rows(), schema=HEADER.strip().split(","), orient="row")
    getattr(frame, f"write_{form}")(tmp_path / "x")
    [found] = open_tables(tmp_path / "x")
    chunks = [chunk.columns for chunk in found.chunks()]
    assert len(chunks) == 3
    assert np.concatenate([c.row_numbers for c in chunks]).tolist() == list(range(len(rows())))
    assert [row for chunk in chunks for row in as_rows(chunk)] == rows()


def test_reading_again_gives_the_same_rows(tmp_path):
    [found] = open_tables(write(tmp_path, "x.csv", handmade.bitfinex()))
    once, again = ([c.columns for c in found.chunks()] for _ in range(2))
    assert as_rows(once[0]) == as_rows(again[0]) == rows()


def test_odd_types_of_typed_files_are_read_or_refused(tmp_path):
    frame = pl.DataFrame(rows(3), schema=HEADER.strip().split(","), orient="row")
    texts = frame.select(pl.all().cast(pl.String).cast(pl.Categorical))
    texts.write_ipc(tmp_path / "x")
    assert as_rows(read(tmp_path / "x")[1]) == rows(3)
    frame.with_columns(close=pl.lit([1.0])).write_parquet(tmp_path / "x")
    with pytest.raises(ConfigError, match=r"close must hold numbers; was List"):
        read(tmp_path / "x")
    frame.with_columns(time=pl.lit(True)).write_parquet(tmp_path / "x")
    with pytest.raises(MarketDataError, match="time must hold times; was Boolean"):
        read(tmp_path / "x")
    frame.with_columns(time=None).write_parquet(tmp_path / "x")
    with pytest.raises(MarketDataError, match="must"):
        read(tmp_path / "x")
    frame.head(0).write_parquet(tmp_path / "x")
    with pytest.raises(MarketDataError, match="must have rows; has none"):
        read(tmp_path / "x")


def test_long_json_is_read_in_windows_whatever_stands_around_it(tmp_path):
    count = 60_000
    many = [[(START_S + 60 * i) * 1000, 2.0, 3.0, 1.0, 2.0, float(i)] for i in range(count)]
    for document in (many, {"a": 1, "rows": many, "b": [1, 2], "c": {"d": [3]}, "e": 4}):
        [found] = open_tables(write(tmp_path, "x", json.dumps(document)))
        chunks = [chunk.columns for chunk in found.chunks()]
        assert len(chunks) > 2
        assert np.concatenate([c.volume for c in chunks]).tolist() == list(range(count))
        assert np.concatenate([c.row_numbers for c in chunks]).tolist() == list(range(count))
    named = [dict(zip(("t", "o", "h", "l", "c", "v"), row, strict=True)) for row in many]
    [found] = open_tables(write(tmp_path, "x", json.dumps(named)))
    assert sum(len(chunk.columns.time_ns) for chunk in found.chunks()) == count


def test_a_folder_gives_its_candle_files_and_leaves_settings(tmp_path):
    write(tmp_path, "BTC_USDT-1m.json", handmade.freqtrade())
    write(tmp_path, "config.json", '{"stake": 1}')
    series = load_candles(tmp_path)
    assert series.symbols == ("BTCUSDT",)
    assert series.num_candles == len(rows())


def test_options_are_checked():
    with pytest.raises(ConfigError, match="interval_ns must be > 0"):
        ReadOptions(interval_ns=0)
    with pytest.raises(ConfigError, match="A symbol must have a name"):
        ReadOptions(symbol=" ")
