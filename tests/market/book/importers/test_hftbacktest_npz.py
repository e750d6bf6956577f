"""Tapes of hftbacktest: flags to kinds and clocks; the peer's own converter is the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.events import BookKind
from seq_gym.market.book.importers import is_recording, read_recording
from tests.market.book.importers.handmade import replayed

DTYPE = np.dtype(
    [
        ("ev", "u8"),
        ("exch_ts", "i8"),
        ("local_ts", "i8"),
        ("px", "f8"),
        ("qty", "f8"),
        ("order_id", "u8"),
        ("ival", "i8"),
        ("fval", "f8"),
    ],
    align=True,
)
EXCH, LOCAL, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
BOTH = EXCH | LOCAL
NS = 1_723_161_255_000_000_000


def tape(rows):
    made = np.zeros(len(rows), dtype=DTYPE)
    for index, (ev, exch, local, px, qty) in enumerate(rows):
        made[index] = (ev, NS + exch, NS + local, px, qty, 0, 0, 0.0)
    return made


def rows():
    return [
        (3 | BOTH | BUY, 0, 10, 61000.3, 0.0),
        (4 | BOTH | BUY, 0, 10, 61000.3, 0.3),
        (4 | BOTH | SELL, 0, 10, 61000.4, 0.1 + 0.2),
        (1 | EXCH | BUY, 5, 30, 61000.3, 0.5),
        (2 | BOTH | SELL, 12, 22, 61000.3, 0.001),
        (1 | LOCAL | BUY, 5, 30, 61000.3, 0.5),
        (5 | BOTH | BUY, 31, 40, 61000.3, 0.5),
        (2 | BOTH, 32, 41, 61000.3, 0.002),
    ]


def save(path, events):
    np.savez_compressed(path, data=events)
    return path


def test_flags_say_kind_side_and_on_which_clock_a_row_is(tmp_path):
    path = save(tmp_path / "BTCUSDT_20240808.npz", tape(rows()))
    [(events, report)] = read_recording(path, venue="binance_um")
    assert is_recording(path)
    assert (events.symbol, events.venue) == ("BTCUSDT", "binance_um")
    names = [BookKind(kind).name for kind in events.kind]
    assert names == ["CLEAR", "SNAPSHOT", "SNAPSHOT", "DEPTH", "TRADE", "DEPTH", "TRADE"]
    assert events.side.tolist() == [1, 1, -1, 1, -1, 1, 0]
    assert (events.exch_ts - NS)[[3, 4]].tolist() == [5, 12]
    assert events.exch_ts[5] == -1
    assert events.local_ts[3] == -1
    # 0.1 + 0.2 is three tenths there too.
    assert (events.instrument.tick, events.instrument.lot) == (0.1, 0.001)
    assert events.lots.tolist() == [0, 300, 300, 500, 1, 500, 2]
    assert report.ignored == {"best bid and ask": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((10 | BOTH | BUY, 33, 42, 1.0, 1.0), "ev must be of depth, trade, clear or snapshot"),
        ((1 | BOTH, 33, 42, 1.0, 1.0), "ev of a level must be BUY or SELL"),
        ((1 | BUY, 33, 42, 1.0, 1.0), "ev must be of the exchange's clock"),
        ((1 | BOTH | BUY, 33, 42, np.nan, 1.0), "price must be a finite number"),
        ((1 | BOTH | BUY, 33, 42, 1.0, -1.0), "size must be a finite number"),
        ((1 | BOTH | BUY, 33, 42, np.inf, 1.0), "price must be a finite number"),
        ((1 | BOTH | BUY, 3, 42, 1.0, 1.0), "exch_ts must not step back"),
        ((1 | BOTH | BUY, 43, 42, 1.0, 1.0), "B1"),
    ],
)
def test_a_nonsense_row_is_refused_with_file_and_row(tmp_path, row, said):
    path = save(tmp_path / "x.npz", tape([*rows(), row]))
    with pytest.raises(MarketDataError, match=r"x\.npz row 8: ") as told:
        read_recording(path, symbol="BTCUSDT")
    assert said in str(told.value)


def test_a_file_that_names_no_instrument_or_is_cut_off_is_refused(tmp_path):
    path = save(tmp_path / "tape.npz", tape(rows()))
    with pytest.raises(MarketDataError, match=r"tape\.npz: .* say symbol="):
        read_recording(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(MarketDataError, match=r"tape\.npz"):
        read_recording(path, symbol="BTCUSDT")
    np.savez(path, data=np.zeros((3, 6)))
    with pytest.raises(MarketDataError, match="must be a recording of an order book"):
        read_recording(path, symbol="BTCUSDT")


@pytest.mark.slow
def test_the_peers_own_conversion_of_a_recording_ends_in_the_same_book(shared_data, tmp_path):
    converter = pytest.importorskip(
        "hftbacktest.data.utils.binancefutures", reason="hftbacktest is not installed"
    )
    source = shared_data / "book" / "binance" / "usdm" / "btcusdt_20240808.gz"
    path = tmp_path / "btcusdt.npz"
    converter.convert(str(source), output_filename=str(path), combined_stream=True)
    [(theirs, report)] = read_recording(path, symbol="BTCUSDT", tick="0.1", lot="0.001")
    [(ours, _)] = read_recording(source, fix_clock=True)
    # A row whose clocks disagree in order stands twice there, once for each clock.
    prints = theirs.kind == BookKind.TRADE
    for clock in (theirs.exch_ts, theirs.local_ts):
        assert (prints & (clock >= 0)).sum() == 21_313
    assert report.snapshots >= 1
    books = [replayed(each, np.flatnonzero(each.local_ts >= 0)) for each in (theirs, ours)]
    assert books[0].best() == books[1].best()
    near = [
        {tick: lots for tick, lots in book.sides[side].items() if abs(tick - 618_000) < 3_000}
        for side in (1, -1)
        for book in books
    ]
    assert near[0] == near[1]
    assert near[2] == near[3]
    assert len(near[0]) > 100
