"""Each family is recognised by its content, whatever the file is called, and read to the value."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.market.importers import ReadOptions, open_tables, required_symbol
from tests.market.importers import handmade
from tests.market.importers.handmade import as_rows, packed, read, rows, write, zipped

KLINE_HEADERS = [
    "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
    "Taker buy base asset volume,Taker buy quote asset volume,Ignore",
    "open_time,open,high,low,close,volume,close_time,quote_asset_volume,number_of_trades,"
    "taker_buy_base_asset_volume,taker_buy_quote_asset_volume,ignore",
    "Open Time,Open,High,Low,Close,Volume,Close Time,Quote Asset Volume,Number Of Trades,"
    "Taker Buy Base,Taker Buy Quote,Ignore",
]

FAMILIES = {
    "binance_klines": [
        handmade.klines(),
        handmade.klines(unit=10**6),
        handmade.klines(header=True),
        *(handmade.klines(header=True, names=names) for names in KLINE_HEADERS),
        packed(handmade.klines()),
        zipped({"BTCUSDT-1m-2025-01.csv": handmade.klines()}),
    ],
    "kraken_ohlcvt": [handmade.kraken(7), handmade.kraken(8)],
    "cryptodatadownload": [handmade.cdd()],
    "bitfinex": [handmade.bitfinex()],
    "bitfinex_json": [
        json.dumps([[s * 1000, o, c, h, low, v] for s, o, h, low, c, v in reversed(rows())])
    ],
    "coinbase_json": [handmade.coinbase_advanced(), handmade.coinbase_rows()],
    "freqtrade_json": [handmade.freqtrade(), packed(handmade.freqtrade())],
    "csv": [
        *(handmade.generic(separator=mark) for mark in ",;\t|"),
        handmade.generic(header="Date,Open,High,Low,Close,Volume"),
        handmade.generic(header="TIMESTAMP,OPEN,HIGH,LOW,CLOSE,VOLUME", end="\r\n"),
        handmade.generic(end="\r"),
        handmade.generic(separator=";", decimal=","),
        packed(handmade.generic()),
        handmade.iso(),
        handmade.iso(text="%Y-%m-%d %H:%M:%S+00:00"),
        handmade.iso(text="%Y-%m-%d %H:%M:%S UTC"),
        handmade.iso(text="%Y-%m-%d %H:%M:%S.000000+0000"),
    ],
    "csv without names": [handmade.generic().partition("\n")[2]],
}


@pytest.mark.parametrize(
    ("family", "content"), [(name, text) for name, texts in FAMILIES.items() for text in texts]
)
def test_a_family_is_recognised_by_its_content_and_read_to_the_value(tmp_path, family, content):
    found, columns, findings = read(write(tmp_path, "no.such.ending", content), symbol="BTCUSDT")
    assert found.format == family
    assert as_rows(columns) == rows()
    assert findings.rows == findings.kept == len(rows())
    assert not findings.dropped


@pytest.mark.parametrize("write_it", ["write_parquet", "write_ipc", "write_ipc_stream"])
def test_typed_files_are_told_by_their_first_bytes(tmp_path, write_it):
    frame = pl.DataFrame(
        rows(), schema=["date", "open", "high", "low", "close", "volume"], orient="row"
    ).with_columns(date=pl.from_epoch("date").dt.replace_time_zone("UTC"))
    getattr(frame, write_it)(tmp_path / "BTC_USDT-1m.csv")
    found, columns, _ = read(tmp_path / "BTC_USDT-1m.csv")
    assert found.format == ("parquet" if write_it == "write_parquet" else "feather")
    assert (columns.symbol, as_rows(columns)) == ("BTCUSDT", rows())


def test_binance_and_kraken_answers_are_read(tmp_path):
    binance = [
        [s * 1000, *map(str, (o, h, low, c, v)), s * 1000 + 59999, str(v * c), 9, "0", "0", "0"]
        for s, o, h, low, c, v in rows()
    ]
    _, columns, _ = read(write(tmp_path, "a", json.dumps(binance)))
    assert as_rows(columns) == rows()
    assert columns.extra["trades"].tolist() == [9.0] * len(rows())
    kraken = [[s, *map(str, (o, h, low, c, 0, v)), 3] for s, o, h, low, c, v in rows()]
    document = {"error": [], "result": {"XXBTZUSD": kraken, "last": 1}}
    _, columns, _ = read(write(tmp_path, "b", json.dumps(document)))
    assert as_rows(columns) == rows()


def test_rows_of_bitfinex_order_in_seconds_are_not_said_to_be_of_bitfinex(tmp_path):
    kucoin = [[str(s), *map(str, (o, c, h, low, v))] for s, o, h, low, c, v in rows()]
    found, columns, _ = read(write(tmp_path, "x", json.dumps({"code": "200000", "data": kucoin})))
    assert as_rows(columns) == rows()
    assert (found.format, found.venue) == ("json", None)


def test_a_switch_of_units_inside_a_file_is_read_row_by_row_and_counted(tmp_path):
    lines = handmade.klines().splitlines()[:5] + handmade.klines(10**6).splitlines()[5:]
    _, columns, findings = read(write(tmp_path, "x", "\n".join(lines)))
    assert as_rows(columns) == rows()
    assert findings.units == {"ms": 5, "us": len(rows()) - 5}


def test_nanoseconds_and_fractions_of_epochs_never_pass_through_a_float(tmp_path):
    stamp = 1_735_689_600_123_456_789
    text = f"time,open,high,low,close\n{stamp},1,1,1,1\n"
    [found] = open_tables(write(tmp_path, "x", text))
    assert next(found.chunks()).columns.time_ns.tolist() == [stamp]
    text = "time,open,high,low,close\n1735689600.123456789,1,1,1,1\n1735689600123.5,1,1,1,1\n"
    [found] = open_tables(write(tmp_path, "x", text))
    assert next(found.chunks()).columns.time_ns.tolist() == [stamp, 1_735_689_600_123_500_000]


@pytest.mark.parametrize(("unit", "length"), [(8, 10**9), (11, 10**6), (14, 10**3), (17, 1)])
def test_the_smallest_epoch_of_each_unit_is_read_in_it(tmp_path, unit, length):
    text = f"time,open,high,low,close\n{10**unit},1,1,1,1\n{10**unit + 1},1,1,1,1\n"
    [found] = open_tables(write(tmp_path, "x", text))
    times = next(found.chunks()).columns.time_ns
    assert times.tolist() == [10**unit * length, (10**unit + 1) * length]


@pytest.mark.parametrize("written", ["20240301{:02}00", "20240301{:02}", "202403{:02}0930"])
def test_a_time_written_in_digits_is_no_epoch(tmp_path, written):
    text = "time,open,high,low,close\n" + "".join(
        f"{written.format(i)},1,1,1,1\n" for i in range(1, 9)
    )
    [found] = open_tables(write(tmp_path, "x", text))
    with pytest.raises(MarketDataError, match=r"line 2: time must be an epoch"):
        next(found.chunks())


def test_of_two_times_the_one_that_is_spelled_as_ours_is_taken(tmp_path):
    keys = ("t", "o", "h", "l", "c", "v")
    records = [
        {"T": s + 60, **dict(zip(keys, (s, o, h, low, c, v), strict=True))}
        for s, o, h, low, c, v in rows()
    ]
    _, columns, _ = read(write(tmp_path, "x", json.dumps(records)))
    assert as_rows(columns) == rows()


def test_trades_are_kept_where_the_file_states_them(tmp_path):
    _, columns, _ = read(write(tmp_path, "x", handmade.klines()))
    assert columns.extra["trades"].tolist() == [7.0] * len(rows())
    assert np.allclose(columns.quote_volume, columns.volume * columns.close, atol=1e-5)
    _, columns, _ = read(write(tmp_path, "x", handmade.cdd()))
    assert np.isnan(columns.extra["trades"]).all()


def test_a_symbol_comes_from_a_column_else_from_the_name_else_from_the_user(tmp_path):
    long = "time,symbol,open,high,low,close\n" + "".join(
        f"{s},{symbol},{o},{h},{low},{c}\n"
        for s, o, h, low, c, _ in rows()
        for symbol in ("BTC/USDT", "ETH-USDT")
    )
    path = write(tmp_path, "data.csv", long)
    [found] = open_tables(path)
    assert [chunk.columns.symbol for chunk in found.chunks()] == ["BTC/USDT", "ETH-USDT"]
    with pytest.raises(MarketDataError, match=r"line 3: a row must be of the symbol asked for"):
        list(open_tables(path, ReadOptions(symbol="btcusdt"))[0].chunks())
    _, columns, _ = read(write(tmp_path, "y.csv", handmade.cdd()), symbol="BTCUSDT")
    assert columns.symbol == "BTCUSDT"
    found, columns, _ = read(write(tmp_path, "XBTUSD_60.csv", handmade.kraken()))
    assert (found.symbol, columns.symbol, found.venue) == ("XBTUSD", "XBTUSD", "kraken")
    found, columns, _ = read(write(tmp_path, "z.csv", handmade.kraken()))
    assert columns.symbol == ""
    with pytest.raises(ConfigError, match="--symbol BTCUSDT"):
        required_symbol(found, columns)


# ---------------------------------------------------------------------- CryptoDataDownload


def test_one_volume_and_a_clock_of_twelve_hours_are_read(tmp_path):
    clocks = ["12-AM", "01-AM", "11-AM", "12-PM", "01-PM", "11-PM"]
    text = "https://www.CryptoDataDownload.com\nDate,Symbol,Open,High,Low,Close,Volume BTC\n"
    text += "".join(f"2020-06-15 {clock},BTCUSD,2,3,1,2,5\n" for clock in clocks)
    [found] = open_tables(write(tmp_path, "x", text))
    columns = next(found.chunks()).columns
    assert (columns.time_ns // (3600 * 10**9) % 24).tolist() == [0, 1, 11, 12, 13, 23]
    assert columns.volume.tolist() == [5.0] * 6


def test_volumes_are_told_by_their_currencies_and_swapped_rows_put_right(tmp_path):
    text = "unix,date,symbol,open,high,low,close,Volume USDT,Volume BTC\n"
    text += f"{START},x,BTC/USDT,100,110,90,100,1000,10\n"
    text += f"{START + 60},x,BTC/USDT,100,110,90,100,10,1000\n"
    text += f"{START + 120},x,BTC/USDT,100,110,90,100,7,3\n"
    text += f"{START + 180},x,BTC/USDT,0.01,0.011,0.009,0.01,1000,10\n"
    # At a price of one both ways round make sense: nothing is exchanged.
    text += f"{START + 240},x,BTC/USDT,1,1.01,0.99,1,500,501\n"
    _, columns, findings = read(write(tmp_path, "x", text))
    assert columns.volume.tolist() == [10, 10, 3, 1000, 501]
    assert columns.quote_volume.tolist() == [1000, 1000, 7, 10, 500]
    assert findings.notes["volume columns swapped"] == 2


START = handmade.START_S

# ---------------------------------------------------------------------- Lean


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("20250101_trade.zip", "20250101_btcusd_minute_trade.csv"),
        ("whatever.zip", "20250101_btcusd_minute_trade.csv"),
        ("20250101_trade.zip", "btcusd.csv"),
    ],
)
def test_lean_has_its_date_in_a_name(tmp_path, outer, inner):
    content = zipped({inner: handmade.lean_minutes()})
    found, columns, _ = read(write(tmp_path, outer, content))
    assert (found.format, columns.symbol) == ("lean", "BTCUSD")
    assert as_rows(columns) == rows()


def test_lean_without_a_date_and_lean_quotes_are_refused(tmp_path):
    with pytest.raises(MarketDataError, match=r"20171217_btcusd_minute_trade\.csv"):
        read(write(tmp_path, "x.csv", handmade.lean_minutes()))
    quotes = "".join(f"{60000 * i},1,1,1,1,5,1,1,1,1,5\n" for i in range(5))
    content = zipped({"20250101_btcusd_minute_quote.csv": quotes})
    with pytest.raises(MarketDataError, match="must be of trades"):
        read(write(tmp_path, "20250101_quote.zip", content))
    both = zipped({"20250101_btcusd_minute_trade.csv": handmade.lean_minutes()})
    with pytest.raises(MarketDataError, match="20250101 and 20250102"):
        read(write(tmp_path, "20250102_trade.zip", both))


def test_lean_equities_are_in_ten_thousandths_and_at_new_york(tmp_path):
    content = zipped({"20250101_spy_minute_trade.csv": handmade.lean_minutes(10_000)})
    _, columns, findings = read(write(tmp_path, "20250101_trade.zip", content))
    assert columns.symbol == "SPY"
    assert columns.time_ns[0] == (START + 5 * 3600) * 10**9
    assert columns.close.tolist() == [row[4] for row in rows()]
    assert "prices of equities divided by 10000" in findings.notes


def test_lean_hours_state_their_days(tmp_path):
    text = "".join(f"20250101 {hour:02}:00,2,3,1,2,5\n" for hour in range(24))
    _, columns, _ = read(write(tmp_path, "btcusd_trade.zip", zipped({"btcusd.csv": text})))
    assert columns.time_ns[0] == START * 10**9
    assert set(np.diff(columns.time_ns).tolist()) == {3600 * 10**9}


# ---------------------------------------------------------------------- columns


def test_columns_without_names_are_named_by_position(tmp_path):
    text = "".join(f"{v},{c},{low},{h},{o},{s}\n" for s, o, h, low, c, v in rows())
    path = write(tmp_path, "x.csv", text)
    with pytest.raises(MarketDataError, match="column 0, column 1"):
        read(path)
    order = ("volume", "close", "low", "high", "open", "time")
    names = {name: f"column {position}" for position, name in enumerate(order)}
    _, columns, _ = read(path, columns=names)
    assert as_rows(columns) == rows()


def test_named_columns_in_bitfinex_order_are_refused_with_the_fix(tmp_path):
    text = "date,open,high,low,close,volume\n" + handmade.bitfinex()
    with pytest.raises(MarketDataError, match=r"--columns open=open,close=high,high=low,low=close"):
        read(write(tmp_path, "x.csv", text))
    fix = {"open": "open", "close": "high", "high": "low", "low": "close"}
    _, columns, _ = read(write(tmp_path, "x.csv", text), columns=fix)
    assert as_rows(columns) == rows()


def test_seconds_in_bitfinex_order_are_not_guessed(tmp_path):
    text = "".join(f"{s},{o},{c},{h},{low},{v}\n" for s, o, h, low, c, v in rows())
    with pytest.raises(MarketDataError, match="column 0, column 1"):
        read(write(tmp_path, "x.csv", text))


def test_a_long_flat_beginning_does_not_decide_the_order(tmp_path):
    flat = [f"{(START + 60 * i) * 1000},5,5,5,5,1" for i in range(9000)]
    late = f"{(START + 60 * 9000) * 1000},5,6,7,4,1"
    with pytest.raises(MarketDataError, match=r"line 9001, .*was open 5\.0"):
        read(write(tmp_path, "x.csv", "\n".join([*flat, late])))


@pytest.mark.parametrize("write_it", [handmade.kraken, handmade.bitfinex])
def test_one_bad_print_does_not_hide_the_format_and_is_named(tmp_path, write_it):
    lines = "".join(write_it().replace("1735", str(1735 + i)) for i in range(20)).splitlines()
    stamp, volume = lines[40].split(",", 1)[0], lines[40].split(",", 5)[5]
    lines[40] = ",".join([stamp, "1", "1", "2", "3", volume])
    with pytest.raises(MarketDataError, match=r"line 41, .*(low|high) must be .*--drop-bad"):
        read(write(tmp_path, "x.csv", "\n".join(lines)))


def test_yahoo_exports_need_their_zone_and_leave_adjusted_prices_out(tmp_path):
    text = "Date,Open,High,Low,Close,Adj Close,Volume\n"
    text += "2024-01-02,10,12,9,11,5.5,100\n2024-01-03,11,13,10,12,6,200\n"
    with pytest.raises(MarketDataError, match=r"line 2: Date .*--tz UTC"):
        read(write(tmp_path, "x.csv", text))
    _, columns, findings = read(write(tmp_path, "x.csv", text), tz="UTC")
    assert columns.close.tolist() == [11, 12]
    assert findings.notes["Adj Close left out: prices are as traded"] == 2


def test_days_and_clocks_in_two_columns_are_joined(tmp_path):
    text = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>\n"
    text += "2025.01.01\t00:00:00\t2\t3\t1\t2\t5\n2025.01.01\t01:00:00\t2\t3\t1\t2\t5\n"
    with pytest.raises(MarketDataError, match="--tz UTC"):
        read(write(tmp_path, "x.csv", text))
    _, columns, _ = read(write(tmp_path, "x.csv", text), tz="UTC")
    assert (columns.time_ns // 10**9).tolist() == [START, START + 3600]


def test_a_missing_volume_is_said(tmp_path):
    text = "time,open,high,low,close\n" + f"{START},2,3,1,2\n{START + 60},2,3,1,2\n"
    _, columns, findings = read(write(tmp_path, "x.csv", text))
    assert columns.volume is None
    assert findings.notes["no volume stated: every candle counts as traded"] == 2


def test_unknown_names_are_refused_with_the_near_miss(tmp_path):
    path = write(tmp_path, "x.csv", handmade.generic())
    with pytest.raises(UnknownName, match="Did you mean 'close'"):
        open_tables(path, ReadOptions(columns={"close": "clse"}))
    with pytest.raises(UnknownName, match="Did you mean 'volume'"):
        ReadOptions(columns={"volum": "volume"})
    with pytest.raises(UnknownName, match="Did you mean 'candles'"):
        ReadOptions(kind="candle")
    with pytest.raises(ConfigError, match="IANA zone"):
        ReadOptions(tz="Mars/Base")


def test_extra_columns_are_kept(tmp_path):
    text = "time,open,high,low,close,rsi\n" + f"{START},2,3,1,2,55.5\n{START + 60},2,3,1,2,\n"
    _, columns, _ = read(write(tmp_path, "x.csv", text), extra=["rsi"])
    assert np.array_equal(columns.extra["rsi"], [55.5, np.nan], equal_nan=True)
