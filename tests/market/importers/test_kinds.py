"""What a table holds (candles, funding, marks), whose it is, and where it was traded."""

from __future__ import annotations

import json

import pytest

from seq_gym.errors import MarketDataError
from seq_gym.market.importers import ReadOptions, open_tables, read_funding_table
from tests.market.importers import handmade
from tests.market.importers.handmade import rows, write

START = handmade.START_S


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "x.csv",
            "calc_time,funding_interval_hours,last_funding_rate\n{0},8,0.0001\n{1},8,-0.0002\n",
        ),
        ("x.csv", "fundingRateTimestamp,fundingRate\n{0},0.0001\n{1},-0.0002\n"),
        ("x.csv", "fundingTime,fundingRate\n{0},0.0001\n{1},-0.0002\n"),
        ("x.csv", "date,open,high,low,close,volume\n{0},0.0001,0,0,0,0\n{1},-0.0002,0,0,0,0\n"),
        ("BTC-funding_rate.csv", "date,open,high,low,close\n{0},0.0001,1,0,0\n{1},-0.0002,0,0,0\n"),
    ],
)
def test_funding_is_told_by_columns_values_and_name_and_is_never_candles(tmp_path, name, text):
    path = write(tmp_path, name, text.format(START * 1000, START * 1000 + 28_800_000))
    [found] = open_tables(path)
    assert found.kind == "funding"
    rates = read_funding_table(found)
    assert rates.rate.tolist() == [0.0001, -0.0002]
    assert rates.time_ns.tolist() == [START * 10**9, (START + 28_800) * 10**9]
    with pytest.raises(MarketDataError, match="funding="):
        next(found.chunks())


def test_a_bad_rate_is_named_with_its_line(tmp_path):
    for bad in ("oops", "", "inf"):
        text = f"calc_time,last_funding_rate\n{START},0.1\n{START + 60},{bad}\n"
        [found] = open_tables(write(tmp_path, "x.csv", text))
        with pytest.raises(MarketDataError, match=r"line 3: last_funding_rate must be a finite"):
            read_funding_table(found)


def test_mark_prices_are_told_by_their_name_or_folder(tmp_path):
    folder = tmp_path / "markPriceKlines"
    folder.mkdir()
    for path in (tmp_path / "BTCUSDT-mark.csv", folder / "BTCUSDT-1h.csv"):
        [found] = open_tables(write(path.parent, path.name, handmade.klines()))
        assert found.kind == "mark"
        assert len(next(found.chunks()).columns.time_ns) == len(rows())
        assert open_tables(path, ReadOptions(kind="candles"))[0].kind == "candles"


def _untraded(header):
    """Klines of mark prices: no volume, a count of values."""
    lines = handmade.klines(header=header).splitlines()
    first = 1 if header else 0
    split = [line.split(",") for line in lines[first:]]
    return "\n".join(
        lines[:first] + [",".join([*row[:5], "0", row[6], "0", "60", "0,0,0"]) for row in split]
    )


@pytest.mark.parametrize("header", [True, False])
def test_klines_that_count_values_but_no_volume_are_no_candles(tmp_path, header):
    path = write(tmp_path, "BTCUSDT-1m-2025-01.csv", _untraded(header))
    with pytest.raises(MarketDataError, match=r"traded prices.*--kind mark"):
        open_tables(path)
    for kind in ("mark", "candles"):
        assert open_tables(path, ReadOptions(kind=kind))[0].kind == kind
    split = [line.split(",") for line in _untraded(False).splitlines()]
    answers = [
        [int(row[0]), *row[1:6], int(row[6]), row[7], int(row[8]), *row[9:]] for row in split
    ]
    with pytest.raises(MarketDataError, match=r"traded prices.*--kind mark"):
        open_tables(write(tmp_path, "x.json", json.dumps(answers)))
    silent = _untraded(header).replace(",60,0,0,0", ",0,0,0,0")  # a minute in which none traded
    assert open_tables(write(tmp_path, "quiet.csv", silent))[0].kind == "candles"


@pytest.mark.parametrize(
    ("path", "symbol", "venue"),
    [
        ("spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01-01.csv", "BTCUSDT", "binance"),
        ("futures/um/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2021-03.csv", "BTCUSDT", "binance_um"),
        ("um/monthly/klines/X/1m/BTCUSDT_240329-1m-2024-03.csv", "BTCUSDT_240329", "binance_um"),
        ("cm/daily/klines/X/1m/BTCUSD_PERP-1m-2025-01-01.csv", "BTCUSD_PERP", "binance_cm"),
        ("BTCUSDT_202403-1m.csv", "BTCUSDT", "binance"),
        ("BINANCE_BTCUSDT.P, 60.csv", "BTCUSDT", "binance_um"),
        ("BINANCE_BTCUSD.P, 60.csv", "BTCUSD", "binance_cm"),
        ("cryptofuture/binance/minute/BTCUSDT.csv", "BTCUSDT", "binance_um"),
        ("binance/bybit/BTCUSDT-1m.csv", "BTCUSDT", "bybit"),  # the nearest folder
    ],
)
def test_the_folders_of_the_archive_tell_the_market_and_names_the_contract(
    tmp_path, path, symbol, venue
):
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    [found] = open_tables(write(file.parent, file.name, handmade.klines()))
    assert (found.symbol, found.venue) == (symbol, venue)


@pytest.mark.parametrize("header", [True, False])
def test_coin_margined_klines_state_their_volume_in_coins(tmp_path, header):
    path = write(tmp_path, "BTCUSD_PERP-1m-2025-01.csv", handmade.klines(header=header))
    [found] = open_tables(path, ReadOptions(venue="binance_cm"))
    columns = next(found.chunks()).columns
    coins = [round(v * c, 5) for *_, c, v in rows()]
    assert columns.volume.tolist() == pytest.approx(coins)
    assert columns.quote_volume is None
    assert any("coins" in note for note in next(found.chunks()).notes)
