"""Snapshots as JSON lines: sorted, and made into differences (B9)."""

from __future__ import annotations

import json

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers import read_recording
from tests.market.book.importers.handmade import SlowBook, replayed, rows_of, write

START = 1_700_000_000


def snapshot(after, bids, asks, symbol="BTCUSDT", timestamp=None):
    record = {"timestamp": START + after if timestamp is None else timestamp, "symbol": symbol}
    return json.dumps(record | {"bids": bids, "asks": asks})


def lines():
    return [
        snapshot(0, [[100.5, 1], [100, 2.5]], [[101, 3]]),
        snapshot(1, [[100.5, 1.0], [100.0, 2]], [[101.5, 3], [102, 1]]),
        snapshot(2, [[99, 4]], [[101.5, 3], [102, 1]]),
    ]


def test_b9_snapshots_become_differences(tmp_path):
    [(events, report)] = read_recording(write(tmp_path / "book.jsonl", lines()))
    t = [(START + i) * 10**9 for i in range(3)]
    assert [row[:4] for row in rows_of(events)[4:]] == [
        ("DEPTH", 1, 100.0, 2.0),
        ("DEPTH", -1, 101.0, 0.0),
        ("DEPTH", -1, 101.5, 3.0),
        ("DEPTH", -1, 102.0, 1.0),
        ("DEPTH", 1, 100.5, 0.0),
        ("DEPTH", 1, 100.0, 0.0),
        ("DEPTH", 1, 99.0, 4.0),
    ]
    assert sorted(set(events.local_ts.tolist())) == t
    assert (events.local_ts == events.exch_ts).all()
    assert (report.snapshots, report.format) == (1, "book_snapshots")


def test_b9_after_each_snapshot_the_book_is_that_snapshot(tmp_path):
    rng = np.random.default_rng(3)
    told = []
    for index in range(40):
        bids = {int(t): int(rng.integers(1, 9)) for t in rng.choice(np.arange(50, 70), 5)}
        asks = {int(t): int(rng.integers(1, 9)) for t in rng.choice(np.arange(70, 90), 5)}
        told.append((index, bids, asks))
    text = [snapshot(i, list(b.items()), list(a.items())) for i, b, a in told]
    shuffled = [text[i] for i in rng.permutation(40)]
    [(events, report)] = read_recording(write(tmp_path / "book.jsonl", shuffled))
    assert report.notes["snapshots out of order, sorted"] > 30
    book, columns = SlowBook(), ("kind", "side", "tick", "lots", "local_ts")
    seen = {}
    for *row, ts in zip(*(getattr(events, name).tolist() for name in columns), strict=True):
        book.apply(*row)
        seen[ts] = ({**book.sides[1]}, {**book.sides[-1]})
    assert list(seen.values()) == [(bids, asks) for _, bids, asks in told]


@pytest.mark.parametrize(
    "stamps",
    [
        ["2023-11-14T22:13:20Z", "2023-11-14T22:13:21.000000+00:00", "2023-11-15T00:13:22+02:00"],
        [START, START + 1, START + 2],
        [START * 1000, START * 1000 + 1000, START * 1000 + 2000],
        [START * 10**6, (START + 1) * 10**6, (START + 2) * 10**6],
        [START * 10**9, (START + 1) * 10**9, (START + 2) * 10**9],
        ["1700000000.0", 1700000001.0, "1700000002.000"],
    ],
)
def test_a_time_is_iso_with_its_zone_or_an_epoch_of_any_unit(tmp_path, stamps):
    [(plain, _)] = read_recording(write(tmp_path / "a.jsonl", lines()))
    records = [json.loads(line) | {"timestamp": s} for line, s in zip(lines(), stamps, strict=True)]
    [(events, _)] = read_recording(write(tmp_path / "b.jsonl", map(json.dumps, records)))
    assert events.fingerprint == plain.fingerprint


def test_a_snapshot_said_twice_is_counted_and_symbols_are_kept_apart(tmp_path):
    many = [*lines(), lines()[1], *(line.replace("BTC", "ETH") for line in lines())]
    found = read_recording(write(tmp_path / "book.jsonl", many))
    assert [events.symbol for events, _ in found] == ["BTCUSDT", "ETHUSDT"]
    assert [report.duplicates for _, report in found] == [1, 0]
    books = [replayed(events, np.arange(events.num_events)).sides for events, _ in found]
    assert books[0] == books[1]


@pytest.mark.parametrize(
    "line",
    [
        snapshot(3, [[100, "NaN"]], []),
        '{"timestamp": 1700000003, "symbol": "BTCUSDT", "bids": [[100, NaN]], "asks": []}',
        snapshot(3, [[100, -1]], []),
        snapshot(3, [[-100, 1]], []),
        snapshot(3, [[0, 1]], []),
        snapshot(3, [[100]], []),
        snapshot(3, [100, 1], []),
        snapshot(3, None, []),
        snapshot(3, [[True, 1]], []),
        snapshot(3, [[100, None]], []),
        snapshot(3, [[100, 1], [100.0, 2]], []),
        snapshot(3, [], [], symbol=None),
        snapshot(3, [], [], symbol=7),
        snapshot(3, [], [], timestamp="2023-11-14T22:13:20"),
        snapshot(3, [], [], timestamp="yesterday"),
        snapshot(3, [], [], timestamp=-5),
        snapshot(3, [], [], timestamp=True),
        snapshot(3, [], [], timestamp=[1]),
        '{"timestamp": 1700000003}',
        "[1, 2, 3]",
        "not JSON",
    ],
)
def test_a_nonsense_line_is_refused_with_file_and_line(tmp_path, line):
    with pytest.raises(MarketDataError, match=r"book\.jsonl line 4"):
        read_recording(write(tmp_path / "book.jsonl", [*lines(), line]))
