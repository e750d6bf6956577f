"""What is written is what is read: rows, order, instruments, dates; and in how many bytes."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq_gym.errors import MarketDataError, UnknownName
from seq_gym.market import FundingRates
from seq_gym.market.book.events import BookEvents, BookKind
from seq_gym.market.book.importers import read_recording
from seq_gym.market.store import Store, TableKey
from seq_gym.times import NS_PER_DAY, NS_PER_S
from tests.market.book.store.made import INSTRUMENT, START, book_of, made_book
from tests.market.store.made import contents


@st.composite
def recordings(draw):
    """Any rows that a book may have, late ones and ones of a single clock, over three days."""
    count = draw(st.integers(1, 40))
    rows, clock = [], START
    for number in range(count):
        clock += draw(st.sampled_from((0, 1, NS_PER_S, NS_PER_DAY // 3)))
        late = draw(st.sampled_from((0, 1, 10**6, 2 * NS_PER_S, NS_PER_DAY)))
        exch, local = draw(st.sampled_from(((clock - late, clock), (-1, clock), (clock, -1))))
        kind = draw(st.sampled_from(list(BookKind)))
        side = 0 if kind in (BookKind.GAP, BookKind.STATUS) else draw(st.sampled_from((-1, 1)))
        tick = draw(st.integers(1, 2**31 - 2)) if side else 0
        most = 1 if kind == BookKind.STATUS else 2**53 - 1
        lots = draw(st.integers(1 if kind == BookKind.TRADE else 0, most))
        rows.append((exch, local, number, kind, side, tick, lots))
    return book_of(rows)


@settings(max_examples=30)
@given(recordings())
def test_any_recording_is_read_as_it_was_written_and_stands_up_to_a_check(book):
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(folder)
        report = store.write_book(book, source="a recording")
        assert (report.added, report.rows, report.is_changed) == (book.num_events,) * 2 + (True,)
        (read,) = store.load_book().books
        assert read.fingerprint == book.fingerprint
        assert list(store.verify()) == []
        assert sum(rows for _, rows in store.book_coverage()[0].days) == book.num_events


def test_the_same_recording_again_changes_not_a_byte(store):
    book = made_book()
    store.write_book(book, source="one")
    before = contents(store)
    report = store.write_book(book, source="one")
    assert not report.is_changed
    assert contents(store) == before


def test_a_recording_whose_clock_was_shifted_otherwise_takes_the_place_of_the_earlier_one(store):
    book = made_book()
    later = replace(book, local_ts=book.local_ts + 5)
    store.write_book(book)
    report = store.write_book(later)
    assert (report.added, report.changed) == (0, book.num_events)
    assert store.load_book().books[0].fingerprint == later.fingerprint
    assert list(store.verify()) == []


def test_a_file_is_of_one_run_and_one_date_and_says_what_its_numbers_count(folder_store):
    book = made_book()
    folder_store.write_book(book)
    files = sorted(folder_store.place.root.rglob("*.parquet"))
    folder = "book/venue=binance/symbol=BTCUSDT"
    dates = ["date=2024-08-08", "date=2024-08-09"]
    root = folder_store.place.root
    assert [str(file.parent.relative_to(root)) for file in files] == [
        f"{folder}/{date}" for date in dates
    ]
    assert len({file.name for file in files}) == 1
    table = pq.read_table(files[0], partitioning=None)
    assert (table.schema.metadata[b"tick"], table.schema.metadata[b"lot"]) == (b"0.1", b"0.001")
    assert (np.diff(table["local_ts"].to_numpy()) >= 0).all()
    assert pq.ParquetFile(files[0]).metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_row_without_an_exch_ts_lies_on_the_date_of_its_local_ts(folder_store):
    midnight = START + NS_PER_S
    rows = [
        (midnight - 9, midnight - 5, 0, BookKind.SNAPSHOT, 1, 5, 1),
        (-1, midnight - 1, 0, BookKind.DEPTH, 1, 5, 2),
        (-1, midnight, 0, BookKind.DEPTH, 1, 5, 3),
        (midnight - 1, midnight + 1, 0, BookKind.DEPTH, 1, 5, 4),
    ]
    folder_store.write_book(book_of(rows))
    (coverage,) = folder_store.book_coverage()
    assert coverage.days == (("2024-08-08", 3), ("2024-08-09", 1))
    assert folder_store.load_book().books[0].lots.tolist() == [1, 2, 3, 4]


def test_a_changed_byte_row_or_date_is_found(folder_store):
    folder_store.write_book(made_book())
    first, second = sorted(folder_store.place.root.rglob("*.parquet"))
    good = first.read_bytes()
    table = pq.read_table(first, partitioning=None)
    lots = table["lots"].to_numpy().copy()
    lots[3] += 1
    pq.write_table(table.set_column(6, "lots", [lots]), first)
    problems = " ".join(fault.problem for fault in folder_store.verify())
    assert "Its fingerprint must be" in problems
    first.write_bytes(second.read_bytes())
    assert "rows that its manifest states" in folder_store.verify()[0].problem
    first.write_bytes(good[: len(good) // 2])
    assert "cannot be read as Parquet" in folder_store.verify()[0].problem
    first.unlink()
    assert first.name in {fault.file.rpartition("/")[2] for fault in folder_store.verify()}
    with pytest.raises(MarketDataError, match=r"must have the parts .* Likely fix: remove"):
        folder_store.load_book()


def test_an_edited_manifest_is_refused(folder_store):
    folder_store.write_book(made_book())
    (path,) = folder_store.place.root.rglob("_manifest.json")
    document = json.loads(path.read_text())
    document["runs"][0]["fingerprint"] = "0" * 64
    path.write_text(json.dumps(document))
    with pytest.raises(MarketDataError, match="has been edited"):
        folder_store.load_book()
    assert [fault.file for fault in folder_store.verify()] == ["_manifest.json"]


def test_books_lie_beside_funding_rates_and_do_not_disturb_candles(store):
    store.write_book(made_book())
    rates = FundingRates(np.array([START]), np.array([1e-4]), "made")
    store.write_funding("BTCUSDT", rates, venue="binance")
    assert [table.key.kind for table in store.list()] == ["book", "funding"]
    found = store.load_funding("BTCUSDT", venue="binance")
    assert found is not None
    assert found.rate.tolist() == [1e-4]
    assert store.load_funding("ETHUSDT", venue="binance") is None
    with pytest.raises(MarketDataError, match="must hold candles"):
        store.load()
    assert list(store.coverage()) == []


def test_names_that_are_not_there_are_told_with_the_near_miss(store):
    with pytest.raises(MarketDataError, match=r"must hold recorded books.*seq_gym\.data import"):
        store.load_book()
    store.write_book(made_book())
    with pytest.raises(UnknownName, match="Did you mean 'BTCUSDT'"):
        store.load_book(symbols="BTCUSD")
    with pytest.raises(UnknownName, match="Did you mean 'binance'"):
        store.load_book(venues="binanse")
    assert store.load_book(symbols="btc/usdt", venues="Binance").symbols == ("BTCUSDT",)


def test_the_folder_of_a_book_names_venue_then_symbol():
    key = TableKey(kind="book", symbol="BTC/USDT", venue="a b")
    assert key.folder == "book/venue=a%20b/symbol=BTC%2FUSDT"
    assert TableKey.of_folder(key.folder) == key
    assert str(key) == "book of BTC/USDT at a b"


@pytest.mark.parametrize("name", ["spot/btcusdt", "spot/ethusdt", "usdm/btcusdt", "usdm/ethusdt"])
def test_a_real_recording_takes_about_four_bytes_an_event(shared_data, tmp_path, name):
    path = shared_data / "book" / "binance" / f"{name}_20240808.gz"
    (recording,) = read_recording(path, fix_clock=True)
    store = Store.open(tmp_path)
    store.write_book(recording.events, report=recording.report)
    (table,) = store.list()
    assert table.num_bytes / table.rows < 4.2
    (book,) = store.load_book().books
    assert book.fingerprint == recording.events.fingerprint
    assert not any(getattr(book, name).flags.writeable for name in ("lots", "exch_ts"))


def test_a_recording_without_a_venue_is_kept_under_unknown(folder_store):
    nowhere = BookEvents(
        instrument=replace(INSTRUMENT, venue=""),
        **{
            name: getattr(made_book(3), name)
            for name in ("exch_ts", "local_ts", "seq", "kind", "side", "tick", "lots")
        },
    )
    folder_store.write_book(nowhere)
    assert folder_store.load_book().venues == ("unknown",)


def test_c8_each_venue_has_its_own_spelling_and_an_exact_one_comes_first(folder_store):
    for symbol, venue in (
        ("BTC-USD", "coinbase"),
        ("BTCUSD", "coinbase"),
        ("XBT/USD", "kraken"),
        ("ETH-USD", "kraken"),
    ):
        named = replace(INSTRUMENT, symbol=symbol, base=symbol[:3], quote="USD", venue=venue)
        folder_store.write_book(replace(made_book(40), instrument=named))

    def found(name):
        data = folder_store.load_book(symbols=name)
        return sorted(zip(data.symbols, data.venues, strict=True))

    assert found("BTC-USD") == [("BTC-USD", "coinbase"), ("XBT/USD", "kraken")]
    assert found("XBT/USD") == [
        ("BTC-USD", "coinbase"), ("BTCUSD", "coinbase"), ("XBT/USD", "kraken"),
    ]  # fmt: skip
