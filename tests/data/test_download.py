"""python -m seq_gym.data download: from a local archive into the store, and what it says."""

from __future__ import annotations

import sys

import pytest

import seq_gym
from seq_gym.market.download import ArchiveSource, CcxtSource, Patience
from tests.data.conftest import klines, snapshot
from tests.market.download.servers import FakeArchive, answer

PATH = "data/{market}/daily/klines/BTCUSDT/1m/BTCUSDT-1m-{date}.zip"


@pytest.fixture
def archive(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(Patience.__init__, "__kwdefaults__", _impatient())
    server = FakeArchive()
    for date in ("2024-03-01", "2024-03-02", "2024-03-04"):
        server.put_table(PATH.format(market="spot", date=date), klines(date, 1440))
    yield server
    server.close()


def _impatient():
    return Patience.__init__.__kwdefaults__ | {"first_wait_s": 0.0, "tries": 3}


@pytest.fixture
def bring(run, archive):
    def download(*options: str):
        period = ("--start", "2024-03-01", "--end", "2024-03-04")
        return run("download", "btc/usdt", *period, "--base-url", archive.url, *options)

    return download


def test_what_the_archive_has_is_stored_and_what_it_has_not_is_named(bring, archive, store):
    ran = bring()
    assert (ran.code, ran.err) == (0, "")
    told = "candles of BTCUSDT at binance from binance-archive: 4,320 rows, 4,320 of them new"
    assert told in ran.out
    assert f"not there: {PATH.format(market='spot', date='2024-03-03')}" in ran.out
    series = seq_gym.load_candles("store")
    assert series.num_candles == 4 * 1440
    assert [gap.missing for gap in series.gaps()] == [1440]


def test_a_second_download_asks_only_for_what_is_missing(bring, archive, store, run):
    bring()
    before = snapshot(store)
    archive.asked.clear()
    ran = bring("--output", "json")
    (done,) = ran.document["downloads"]
    assert done["asked"] == [{"from": "2024-03-03T00:00:00Z", "to": "2024-03-04T00:00:00Z"}]
    assert (done["received"], done["added"]) == (0, 0)
    assert archive.asked == [f"{PATH.format(market='spot', date='2024-03-03')}.CHECKSUM"]
    assert snapshot(store) == before
    archive.put_table(PATH.format(market="spot", date="2024-03-03"), klines("2024-03-03", 1440))
    (done,) = bring("--output", "json").document["downloads"]
    assert (done["added"], done["tables"][0]["rows"]) == (1440, 5760)
    assert "nothing to ask for, the store has it" in bring().out


def test_a_server_that_fails_is_one_line_and_what_came_before_stays(bring, archive, store):
    archive.faults[PATH.format(market="spot", date="2024-03-02")] = [answer(503, b"")] * 9
    ran = bring()
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: http://127.0.0.1")
    assert "failed 3 times: HTTP 503" in ran.err
    assert ran.err.count("\n") == 1
    assert seq_gym.load_candles("store").num_candles == 1440
    archive.faults.clear()
    assert bring().code == 0
    assert seq_gym.load_candles("store").num_candles == 4 * 1440


def test_the_symbols_that_were_stored_before_a_failure_are_named(run, archive):
    period = ("--start", "2024-03-01", "--end", "2024-03-02", "--base-url", archive.url)
    path = PATH.format(market="spot", date="2024-03-01").replace("BTCUSDT", "ETHUSDT")
    archive.put_table(path, klines("2024-03-01", 1440))
    archive.faults[path] = [answer(403, b"")]
    ran = run("download", "BTCUSDT", "ETHUSDT", *period)
    assert (ran.code, ran.out) == (1, "")
    assert "HTTP 403 Forbidden." in ran.err
    assert ran.err.endswith(" Stored before that: candles of BTCUSDT 1m at binance.\n")


def test_futures_are_a_venue_of_their_own(bring, archive):
    for date in ("2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"):
        archive.put_table(PATH.format(market="futures/um", date=date), klines(date, 1440))
    assert "at binance_um from binance-archive: 5,760 rows" in bring("--market", "um").out


def test_files_can_be_kept(bring, tmp_path):
    bring("--keep", str(tmp_path / "kept"))
    assert len(list((tmp_path / "kept").rglob("*.zip"))) == 3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--interval", "7m"], "Unknown interval '7m'"),
        (["--kind", "mark"], "must be a futures market"),
        (["--kind", "funding"], "must be a futures market"),
        (["--source", "ccxt:kraken"], "base_url must be left out for an exchange"),
    ],
)
def test_what_the_archive_does_not_have_is_told_in_one_line(bring, options, words):
    ran = bring(*options)
    assert (ran.code, ran.out) == (1, "")
    assert words in ran.err
    assert ran.err.count("\n") == 1


def test_without_ccxt_the_error_names_the_extra(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    ran = run("download", "BTC/USD", "--source", "ccxt:kraken", "--start", "2024-01-01")
    assert ran.code == 1
    assert "pip install 'seq-gym[download]'" in ran.err
    assert ran.err.count("\n") == 1


def test_the_sources_are_made_as_the_options_say(run, monkeypatch):
    asked = []

    def note(source, store, symbol, **settings):
        asked.append((source, symbol, settings["interval"], settings["kind"]))
        raise KeyboardInterrupt

    monkeypatch.setattr("seq_gym.market.download.download", note)
    ran = run("download", "X", "--start", "2024-01-01", "--market", "um", "--kind", "funding")
    assert (ran.code, ran.out) == (130, "")
    assert ran.err == (
        "Interrupted; whole months that were stored stay, the same command goes on from there.\n"
    )
    ((source, *rest),) = asked
    assert isinstance(source, ArchiveSource)
    assert (source.venue, *rest) == ("binance_um", "X", "1m", "funding")
    pytest.importorskip("ccxt")
    run("download", "X", "--start", "2024-01-01", "--source", "ccxt:kraken", "--interval", "1h")
    assert isinstance(asked[1][0], CcxtSource)
    assert (asked[1][0].name, asked[1][2]) == ("ccxt:kraken", "1h")
