"""Damaged recordings: refused with the file's name, or read and counted; never another error.

What is read keeps to the rules of BookEvents, and the book that it tells is the true one wherever
it does not say that it is stale.
"""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers import is_recording, read_recording
from tests.market.book.importers import handmade
from tests.market.book.importers.test_cryptofeed import coinbase_messages, kraken_messages
from tests.market.book.importers.test_snapshots import lines as snapshot_lines
from tests.market.book.importers.test_tardis import book_lines, trade_lines


def long_recording(seed=1, steps=60):
    """A spot recording of a random walk of levels, and its true books by update id."""
    rng = np.random.default_rng(seed)
    book = {"b": {100 - i: 5 for i in range(4)}, "a": {102 + i: 5 for i in range(4)}}
    lines, truth, update = [], {}, 1000
    for step in range(steps):
        changed = {"b": [], "a": []}
        first = update + 1
        for _ in range(int(rng.integers(1, 4))):
            update += 1
            side = "ba"[int(rng.integers(0, 2))]
            tick = int(rng.integers(90, 101)) if side == "b" else int(rng.integers(102, 113))
            size = int(rng.integers(0, 6))
            book[side].pop(tick, None)
            if size:
                book[side][tick] = size
            changed[side] = [each for each in changed[side] if each[0] != str(tick)]
            changed[side].append((str(tick), str(size)))
        truth[update] = {1: dict(book["b"]), -1: dict(book["a"])}
        at = 100 * step
        lines.append(handmade.spot_diff(at + 10, at, first, update, changed["b"], changed["a"]))
        if step % 20 == 2:
            sides = [[(str(t), str(q)) for t, q in book[side].items()] for side in "ba"]
            lines.append(handmade.rest(at + 50, update, *sides))
        if step % 3 == 0:
            lines.append(handmade.spot_trade(at + 60, at + 55, step, "101", "1", bool(step % 2)))
    return lines, truth


def books_of(events):
    """After each instant of the local clock: (update id, book, is it stale)."""
    slow, told = handmade.SlowBook(), []
    names = ("kind", "side", "tick", "lots", "seq", "local_ts")
    rows = zip(*(getattr(events, name).tolist() for name in names), strict=True)
    rows = [row for row in rows if row[-1] >= 0 and row[0] != BookKind.TRADE]
    for index, (*row, seq, ts) in enumerate(rows):
        slow.apply(*row)
        # An instant is one: a snapshot that came late stands with what is replayed over it.
        if index + 1 == len(rows) or rows[index + 1][5] != ts:
            sides = {side: dict(levels) for side, levels in slow.sides.items()}
            told.append((seq, sides, slow.is_stale))
    return told


def test_the_true_book_is_told_after_each_message(tmp_path):
    lines, truth = long_recording()
    [(events, report)] = read_recording(handmade.write(tmp_path / "rec.txt", lines))
    told = books_of(events)
    assert (report.gaps, report.snapshots) == (0, 3)
    assert len(told) > 55
    assert all(not stale and truth[seq] == sides for seq, sides, stale in told)


@given(st.data())
def test_b10_a_damaged_recording_is_stale_wherever_its_book_is_not_the_true_one(
    tmp_path_factory, data
):
    lines, truth = long_recording(seed=data.draw(st.integers(0, 5)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(lines) - 1))
        what = data.draw(st.sampled_from(["drop", "twice", "swap", "late"]))
        if what == "drop":
            del lines[at]
        elif what == "twice":
            lines.insert(at, lines[at])
        elif what == "swap":
            other = min(at + 1, len(lines) - 1)
            lines[at], lines[other] = lines[other], lines[at]
        else:
            lines.insert(min(at + data.draw(st.integers(1, 5)), len(lines)), lines.pop(at))
    path = handmade.write(tmp_path_factory.mktemp("fuzz") / "rec.txt", lines)
    found, refused = attempt(path)
    if refused:
        assert "rec.txt" in refused
        return
    [(events, report)] = found
    ids = sorted(truth)
    gaps = 0
    for seq, sides, stale in books_of(events):
        gaps += stale
        known = truth[ids[bisect_right(ids, seq) - 1]]
        assert stale or sides == known
    assert (report.gaps > 0) >= (gaps > 0)


RECORDINGS = {
    "binance": handmade.spot_recording(),
    "kraken": handmade.cryptofeed("KRAKEN", kraken_messages()),
    "coinbase": handmade.cryptofeed("COINBASE", coinbase_messages()),
    "tardis_book": book_lines(),
    "tardis_trades": trade_lines(),
    "snapshots": snapshot_lines(),
}
VALUES = [
    "NaN",
    "-1",
    "1e999",
    "",
    "null",
    "[]",
    "{}",
    "true",
    '"x"',
    "1.5",
    "99999999999999999999",
]


@pytest.mark.parametrize("name", RECORDINGS)
@given(data=st.data())
def test_any_damage_is_refused_with_the_file_or_read_to_rows_that_keep_the_rules(
    tmp_path_factory, name, data
):
    text = "\n".join(RECORDINGS[name]) + "\n"
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        end = min(len(text), at + data.draw(st.integers(0, 12)))
        fresh = data.draw(st.sampled_from(VALUES) | st.text(max_size=3))
        text = text[:at] + fresh + text[end:]
    path = tmp_path_factory.mktemp("fuzz") / "rec.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    refused_or_sound(path)


@pytest.mark.parametrize("name", RECORDINGS)
@given(data=st.data())
def test_any_value_of_another_type_is_refused_with_the_file_or_read(tmp_path_factory, name, data):
    lines = list(RECORDINGS[name])
    at = data.draw(st.integers(0, len(lines) - 1))
    line = lines[at]
    stamp = "" if line.startswith("{") else line.partition(" ")[0] + " "
    if not line.removeprefix(stamp).startswith("{"):
        fields = line.split(",")
        fields[data.draw(st.integers(0, len(fields) - 1))] = data.draw(st.sampled_from(VALUES))
        lines[at] = ",".join(fields)
    else:
        message = json.loads(line.removeprefix(stamp))
        inner = message.get("data")
        target = json.loads(inner) if isinstance(inner, str) else message
        spoil(target, data)
        if isinstance(inner, str):
            message["data"] = json.dumps(target)
        lines[at] = stamp + json.dumps(message)
    refused_or_sound(handmade.write(tmp_path_factory.mktemp("fuzz") / "rec.txt", lines))


def spoil(node, data):
    """Replace one value somewhere inside."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    if isinstance(node[key], dict | list) and data.draw(st.booleans()):
        spoil(node[key], data)
        return
    odd = [
        None,
        True,
        -1,
        0,
        1.5,
        float("nan"),
        10**30,
        "",
        "NaN",
        "-1",
        "1e5",
        [],
        {},
        [[]],
        [["1"]],
    ]
    node[key] = data.draw(st.sampled_from(odd))


def attempt(path, **options):
    """Return what was read, or why it was refused; any other error is the test's failure."""
    try:
        return read_recording(path, **options), ""
    except MarketDataError as error:
        return [], str(error)


def refused_or_sound(path):
    found, refused = attempt(path, fix_clock=True)
    if refused:
        assert "rec.txt" in refused
        return
    for events, report in found:
        assert report.rows == events.num_events > 0
        assert ((events.local_ts < 0) | (events.local_ts >= events.exch_ts)).all()
        assert json.dumps(report.as_dict())
        assert report.as_text()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\x00" * 100,
        b"hello",
        b"{}",
        b'{"timestamp": 1, "close": 2}\n',
        b"open_time,open,high,low,close,volume\n1,2,3,4,5,6\n",
        b"PK\x03\x04broken",
        b"\x1f\x8bbroken",
        b"\x28\xb5\x2f\xfdbroken",
        gzip.compress(b"time,open\n1,2\n", mtime=0),
        b"\xff\xfe\x00",
        b"\x93NUMPY\x01\x00",
    ],
)
def test_what_is_no_recording_is_told_apart_and_refused(tmp_path, content):
    path = tmp_path / "rec.txt"
    path.write_bytes(content)
    assert not is_recording(path)
    with pytest.raises(MarketDataError, match=r"rec\.txt"):
        read_recording(path)


def test_a_file_that_is_not_there_is_no_recording(tmp_path):
    assert not is_recording(tmp_path / "none.gz")
    assert not is_recording(tmp_path)
    with pytest.raises(MarketDataError, match="must exist"):
        read_recording(tmp_path / "none.gz")


def test_files_of_different_formats_are_refused(tmp_path):
    first = handmade.write(tmp_path / "a.txt", handmade.spot_recording())
    second = handmade.write(tmp_path / "b.txt", book_lines())
    with pytest.raises(MarketDataError, match="of one format; were binance_websocket, tardis"):
        read_recording([first, second])
    assert is_recording(first)
    assert is_recording(second)
