"""Files of books that are known and not read: they are told what they are."""

from __future__ import annotations

import shutil

import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.book.importers import FAMILIES
from seq_gym.market.book.load import load_book
from seq_gym.market.importers import ReadOptions, open_tables
from seq_gym.market.importers.strangers import BOOKS_READ

QUOTES = "timestamp,symbol,bid_price,bid_size,ask_price,ask_size\n1735689600000,X,1,2,3,4\n"
STRANGERS = {
    "quotes": (QUOTES, "quotes: the best bid and ask alone"),
    "ticker": ("update_id,best_bid_price,best_bid_qty,best_ask_price\n1,2,3,4\n", "quotes"),
    "lobster": (
        "34200.004241176,1,16113575,18,5853300,1\n34200.00426064,1,16113584,18,5853200,-1\n",
        "a LOBSTER message file",
    ),
    "lobster's book": ("5859400,200,5853300,18\n" * 3, "a LOBSTER orderbook file"),
    "trades": ("agg_trade_id,price,quantity,transact_time\n1,2,3,4\n", "trades without a book"),
    "snapshots": ("symbol,timestamp,asks[0].price,bids[0].price\nX,1,2,3\n", "snapshots of the"),
    "depth": ("timestamp,percentage,depth,notional\n1,-5,2,3\n", "depth by distance"),
    "archive": ("symbol,timestamp,first_update_id,update_type\nX,1,2,set\n", "Binance's hist"),
    "orders": ("id,timestamp,price,volume,action\n1,2,3,4,created\n", "single orders"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_named_whoever_reads_it(tmp_path, name):
    text, what = STRANGERS[name]
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(MarketDataError, match=f"x.csv holds {what}.*; read are candles, .*Tardis"):
        open_tables(path, ReadOptions(symbol="X"))
    with pytest.raises(MarketDataError, match=f"must be a recording of .*Tardis.*holds {what}"):
        load_book(path)


def test_candles_and_nothing_are_no_recording(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("open_time,open,high,low,close\n1735689600000,1,2,1,2\n")
    with pytest.raises(MarketDataError, match=r"must be a recording of an order book: .*candles"):
        load_book(path)
    path.write_text("")
    with pytest.raises(MarketDataError, match="was empty"):
        load_book(path)


def test_what_is_read_names_every_format():
    words = BOOKS_READ.lower()
    known = {"binance_websocket": "binance", "book_snapshots": "json lines of whole books"}
    for family in FAMILIES:
        assert known.get(family.name, family.name) in words


def test_real_strangers_are_named(shared_data, tmp_path):
    book = shared_data / "book"
    for file, what in (
        ("lobster/AAPL_2012-06-21_34200000_57600000_message_10.csv", "LOBSTER message"),
        ("lobster/AAPL_2012-06-21_34200000_57600000_orderbook_10.csv", "LOBSTER orderbook"),
        ("misc/huobi-dm-swap_quotes_BTC-USD.csv", "quotes"),
        ("misc/btcusdt-depth-snap.csv", "historical depth"),
        ("misc/binance-futures_book_snapshot_5_BTCUSDT.csv", "snapshots"),
    ):
        path = tmp_path / "plain.csv"
        shutil.copyfile(book / file, path)
        with pytest.raises(MarketDataError, match=what):
            load_book(path)
