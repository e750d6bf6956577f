"""The public archive: months and days, checksums, files that are not there."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.errors import ConfigError, DownloadError, MarketDataError, UnknownName
from seq_gym.market.columns import CandleColumns
from seq_gym.market.download import ArchiveSource
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, parse_time
from tests.market.download.servers import answer, cut_short, zipped

NOW = parse_time("2025-03-10T07:00:00Z")
SPOT = "data/spot/{period}/klines/BTCUSDT/1h/BTCUSDT-1h-{date}.zip"
UM = "data/futures/um/{period}/{table}/BTCUSDT/{name}-{date}.zip"


def kline(open_ns: int) -> str:
    # The archive went from milliseconds to microseconds at 2025-01-01 (spot).
    unit = 1_000 if open_ns >= parse_time("2025-01-01") else 1_000_000
    price = 100 + open_ns // NS_PER_HOUR % 50
    opens, closes = open_ns // unit, (open_ns + NS_PER_HOUR) // unit - 1
    values = f"{price}.0,{price + 2}.0,{price - 2}.0,{price + 1}.0,5.5"
    return f"{opens},{values},{closes},550.25,17,2.5,250.0,0"


def hours(start: str, count: int) -> list[str]:
    first = parse_time(start)
    return [kline(first + k * NS_PER_HOUR) for k in range(count)]


def day(archive, date: str) -> str:
    path = SPOT.format(period="daily", date=date)
    archive.put_table(path, hours(date, 24))
    return path


def month(archive, date: str, num_days: int) -> str:
    path = SPOT.format(period="monthly", date=date)
    archive.put_table(path, hours(f"{date}-01", 24 * num_days))
    return path


@pytest.fixture
def make(archive, patience):
    def source(**settings):
        settings = {"base_url": archive.url, "patience": patience, "now_ns": lambda: NOW} | settings
        return ArchiveSource(timeout_s=5.0, **settings)

    return source


def read(source: ArchiveSource, start: str, end: str, **other) -> list[CandleColumns]:
    period = {"start_ns": parse_time(start), "end_ns": parse_time(end, end=True)}
    return list(source.pages("BTCUSDT", interval_ns=NS_PER_HOUR, **period, **other))


def opens(pages: list[CandleColumns]) -> list[int]:
    return [int(t) for page in pages for t in page.time_ns]


def test_months_and_days_make_one_series_across_the_change_of_units(archive, make):
    day(archive, "2024-12-31")
    month(archive, "2025-01", 31)
    day(archive, "2025-02-01")
    source = make()
    pages = read(source, "2024-12-31", "2025-02-01")
    first, last = parse_time("2024-12-31"), parse_time("2025-02-02")
    assert opens(pages) == list(range(first, last, NS_PER_HOUR))
    assert source.absent == []
    assert {page.symbol for page in pages} == {"BTCUSDT"}
    assert {page.interval_ns for page in pages} == {NS_PER_HOUR}
    assert pages[0].source == "BTCUSDT-1h-2024-12-31.zip"
    page = pages[0]
    assert [page.open[0], page.high[0], page.low[0], page.close[0]] == [
        page.open[0],
        page.open[0] + 2,
        page.open[0] - 2,
        page.open[0] + 1,
    ]
    assert page.volume is not None
    assert page.volume[0] == 5.5
    assert page.quote_volume is not None
    assert page.quote_volume[0] == 550.25


def test_a_part_of_a_day_is_cut_out_of_its_file(archive, make):
    day(archive, "2025-03-01")
    pages = read(make(), "2025-03-01T05:30:00Z", "2025-03-01T08:30:00Z")
    first = parse_time("2025-03-01T06:00:00Z")
    assert opens(pages) == [first, first + NS_PER_HOUR]


def test_what_is_not_there_is_a_gap_that_is_named(archive, make):
    day(archive, "2025-03-01")
    day(archive, "2025-03-03")
    source = make()
    assert len(opens(read(source, "2025-03-01", "2025-03-03"))) == 48
    assert source.absent == [SPOT.format(period="daily", date="2025-03-02")]


def test_a_file_without_a_checksum_is_not_trusted(archive, make):
    path = day(archive, "2025-03-01")
    del archive.files[f"{path}.CHECKSUM"]
    source = make()
    assert read(source, "2025-03-01", "2025-03-01") == []
    assert source.absent == [path]
    assert archive.num_asked(path) == 0


def test_the_days_of_a_month_stand_in_while_its_file_is_not_published(archive, make):
    for each in range(1, 29):
        day(archive, f"2025-02-{each:02d}")
    source = make()
    pages = read(source, "2025-02-01", "2025-02-28")
    assert len(opens(pages)) == 28 * 24
    assert source.absent == []


def test_the_days_of_an_old_month_are_not_asked_for_one_by_one(archive, make):
    source = make()
    assert read(source, "2020-01-01", "2020-12-31") == []
    assert len(archive.asked) == 12
    assert len(source.absent) == 12


def test_a_wrong_checksum_is_an_error_and_gives_no_candle(archive, make):
    path = day(archive, "2025-03-01")
    archive.files[path] = zipped("BTCUSDT-1h-2025-03-01.csv", hours("2025-03-01", 23))
    with pytest.raises(DownloadError, match=r"BTCUSDT-1h-2025-03-01\.zip.* its sha256 must be"):
        read(make(), "2025-03-01", "2025-03-01")


def test_a_checksum_that_states_none_is_an_error(archive, make):
    path = day(archive, "2025-03-01")
    archive.files[f"{path}.CHECKSUM"] = b"<html>busy</html>"
    with pytest.raises(DownloadError, match="CHECKSUM must state a sha256; was '<html>"):
        read(make(), "2025-03-01", "2025-03-01")


def test_a_zip_that_was_published_broken_is_refused_by_name(archive, make):
    path = SPOT.format(period="daily", date="2025-03-01")
    whole = zipped("BTCUSDT-1h-2025-03-01.csv", hours("2025-03-01", 24))
    archive.put(path, whole[: len(whole) // 2])
    with pytest.raises(MarketDataError, match=r"BTCUSDT-1h-2025-03-01\.zip"):
        read(make(), "2025-03-01", "2025-03-01")


def test_a_server_that_dies_in_mid_file_is_asked_again(archive, make, waits):
    path = day(archive, "2025-03-01")
    archive.faults[path] = [cut_short(archive.files[path]), answer(429, b"")]
    assert len(opens(read(make(), "2025-03-01", "2025-03-01"))) == 24
    assert len(waits) == 2


def test_kept_files_are_not_fetched_again_unless_they_changed(archive, make, tmp_path):
    path = day(archive, "2025-03-01")
    for _ in range(2):
        assert len(opens(read(make(folder=tmp_path), "2025-03-01", "2025-03-01"))) == 24
    assert archive.num_asked(path) == 1
    assert (tmp_path / path).read_bytes() == archive.files[path]
    (tmp_path / path).write_bytes(b"spoilt")
    assert len(opens(read(make(folder=tmp_path), "2025-03-01", "2025-03-01"))) == 24
    assert archive.num_asked(path) == 2
    assert not [each for each in tmp_path.rglob("*") if each.suffix == ".part"]


def test_files_that_are_not_kept_leave_nothing(archive, make, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    day(archive, "2025-03-01")
    day(archive, "2025-03-02")
    source = make()
    pages = source.pages(
        "BTCUSDT", interval_ns=NS_PER_HOUR, start_ns=parse_time("2025-03-01"), end_ns=NOW
    )
    next(pages)
    assert len(list(tmp_path.rglob("*.zip"))) == 1
    pages.close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(make, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="folder must be one that can be written"):
        read(make(folder=tmp_path / "file" / "kept"), "2025-03-01", "2025-03-01")


def test_mark_prices_and_funding_rates_of_futures(archive, make):
    source = make(market="um")
    assert source.venue == "binance_um"
    path = UM.format(
        period="daily", table="markPriceKlines", name="1h/BTCUSDT-1h", date="2025-03-01"
    )
    archive.put_table(path, hours("2025-03-01", 24))
    assert len(opens(read(source, "2025-03-01", "2025-03-01", kind="mark"))) == 24
    path = UM.format(
        period="monthly", table="fundingRate", name="BTCUSDT-fundingRate", date="2025-02"
    )
    stamps = [parse_time("2025-02-01") + k * 8 * NS_PER_HOUR for k in range(84)]
    lines = ["calc_time,funding_interval_hours,last_funding_rate"]
    lines += [f"{t // 1_000_000},8,{k / 100_000:.8f}" for k, t in enumerate(stamps)]
    archive.put_table(path, lines)
    period = {"start_ns": parse_time("2025-02-10"), "end_ns": stamps[-1] + NS_PER_DAY}
    (rates,) = source.funding("btc-usdt", **period)
    kept = [k for k, t in enumerate(stamps) if t >= period["start_ns"]]
    assert rates.time_ns.tolist() == [stamps[k] for k in kept]
    np.testing.assert_allclose(rates.rate, [k / 100_000 for k in kept], rtol=0, atol=1e-12)


def test_what_the_archive_does_not_have_is_refused(make):
    with pytest.raises(UnknownName, match="Did you mean 'spot'"):
        make(market="spott")
    with pytest.raises(UnknownName, match="interval '7m'"):
        list(make().pages("BTCUSDT", interval_ns=420 * 10**9, start_ns=0, end_ns=NOW))
    with pytest.raises(ConfigError, match="must be a futures market"):
        list(make().funding("BTCUSDT", start_ns=0, end_ns=NOW))
    with pytest.raises(ConfigError, match="must begin with https://"):
        make(base_url="http://example.com")
    assert make().spelling("btc/usdt") == "BTCUSDT"
    assert make(market="cm").spelling("btcusd_perp") == "BTCUSD_PERP"


@pytest.mark.parametrize("market", ["spot", "cm"])
@pytest.mark.parametrize(
    "symbol", ["../../x", "..", "", "/", "a b", "A\x00B", "A" * 300, "%2e%2e", "x?y", "C:\\x"]
)
def test_a_symbol_that_could_lead_out_of_the_folder_is_refused(
    market, symbol, archive, make, tmp_path
):
    source = make(market=market, folder=tmp_path / "kept" / "here")
    period = {"start_ns": parse_time("2024-01-01"), "end_ns": parse_time("2024-02-01")}
    with pytest.raises(ConfigError, match="letters, digits and _"):
        list(source.pages(symbol, interval_ns=NS_PER_HOUR, **period))
    assert archive.asked == []
    assert list(tmp_path.iterdir()) == []
