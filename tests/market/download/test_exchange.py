"""An exchange asked through ccxt: pages, gaps, faults, and what is not finished."""

from __future__ import annotations

import sys
import types
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, DownloadError, MissingExtra, UnknownName
from seq_gym.market.download import CcxtSource, Patience
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_time

START = parse_time("2025-01-01")
MS = 1_000_000
LATER = parse_time("2026-01-01")


def stand_in() -> types.ModuleType:
    """A ccxt of a dozen lines: the errors, and an exchange without a network."""
    module: Any = types.ModuleType("ccxt")
    module.BaseError = type("BaseError", (Exception,), {})
    module.ExchangeError = type("ExchangeError", (module.BaseError,), {})
    module.NetworkError = type("NetworkError", (module.BaseError,), {})
    for name in ("DDoSProtection", "RateLimitExceeded", "RequestTimeout", "ExchangeNotAvailable"):
        setattr(module, name, type(name, (module.NetworkError,), {}))

    class Exchange:
        def __init__(self, config: Any = None) -> None:
            self.id, self.has, self.timeframes = "", {}, {}
            for name, value in (self.describe() | dict(config or {})).items():
                setattr(self, name, value)

        def describe(self) -> dict[str, Any]:
            return {}

        def load_markets(self, reload: bool = False) -> dict[str, Any]:
            return {each["symbol"]: each for each in self.fetch_markets()}

        def deep_extend(self, *tables: dict[str, Any]) -> dict[str, Any]:
            return {key: value for table in tables for key, value in table.items()}

        def parse_ohlcvs(
            self, rows: Any, market: Any, timeframe: str, since: Any, limit: Any
        ) -> Any:
            return [list(row) for row in rows]

    module.Exchange = Exchange
    module.exchanges = ["binance", "bitstamp", "kraken"]
    return module


@pytest.fixture(params=["a stand-in", "ccxt"])
def ccxt(request, monkeypatch):
    """ccxt as it is installed, and in any case something with its signatures."""
    if request.param == "ccxt":
        return pytest.importorskip("ccxt")
    monkeypatch.setitem(sys.modules, "ccxt", stand_in())
    return sys.modules["ccxt"]


def market(spelling: str, base: str, quote: str, **other: Any) -> dict[str, Any]:
    known = {"id": spelling, "symbol": f"{base}/{quote}", "base": base, "quote": quote}
    kind = {"spot": True, "swap": False, "type": "spot", "linear": None, "active": True}
    return known | kind | {"info": {}} | other


MARKETS = [
    market("XXBTZUSD", "BTC", "USD", info={"altname": "XBTUSD"}),
    market("ETHUSD", "ETH", "USD"),
    market(
        "PF_XBTUSD", "BTC", "USD", symbol="BTC/USD:USD", spot=False, swap=True, linear=True,
        type="swap",
    ),
]  # fmt: skip


def fake(ccxt: Any, minutes: dict[int, float], **behaviour: Any) -> Any:
    """An exchange whose candles are given as prices by open time in minutes after START."""

    class Fake(ccxt.Exchange):  # type: ignore[misc,name-defined]
        faults: list[Exception] = behaviour.pop("faults", [])
        max_page: int = behaviour.pop("max_page", 5)
        windows: bool = behaviour.pop("windows", False)
        overlap: int = behaviour.pop("overlap", 0)
        requests: list[tuple[str, int]] = behaviour.pop("requests", [])
        funding: list[tuple[int, float]] = behaviour.pop("funding", [])

        def describe(self) -> dict[str, Any]:
            frames = {"1m": "1m", "1h": "1h", "1d": "1d", "1M": "1M"}
            has = {"fetchOHLCV": True, "fetchMarkOHLCV": False}
            has["fetchFundingRateHistory"] = bool(self.funding)
            told = {"id": "fake", "timeframes": frames, "has": has, "rateLimit": 1}
            return self.deep_extend(super().describe(), told | behaviour)

        def fetch_markets(self, params: Any = None) -> Any:
            return MARKETS

        def fetch_ohlcv(
            self, symbol: str, timeframe: str = "1m", since: Any = None, limit: Any = None
        ) -> Any:
            self.requests.append((timeframe, int(since)))
            if self.faults:
                raise self.faults.pop(0)
            length = {"1m": NS_PER_MINUTE, "1h": NS_PER_HOUR, "1d": NS_PER_DAY}[timeframe] // MS
            size = min(self.max_page, limit or self.max_page)
            opens = {(START + m * NS_PER_MINUTE) // MS // length * length: p for m, p in candles}
            later = sorted(t for t in opens if t >= since - self.overlap * length)
            if self.windows:
                later = [t for t in later if t < since + 100 * length]
            rows = [[t, *[opens[t]] * 4, 1.5] for t in later[:size]]
            return self.parse_ohlcvs(rows, None, timeframe, None, None)

        def fetch_funding_rate_history(
            self, symbol: Any = None, since: Any = None, limit: Any = None
        ) -> Any:
            self.requests.append(("funding", int(since)))
            found = [(t, rate) for t, rate in self.funding if t // MS >= since][: self.max_page]
            return [{"symbol": symbol, "timestamp": t // MS, "fundingRate": r} for t, r in found]

    candles = sorted(minutes.items())
    made = Fake({})
    if hasattr(made, "throttle"):
        made.throttle = lambda cost=None: None  # a fake needs no rate limit
    return made


def read(source: CcxtSource, **period: Any) -> list[tuple[int, float]]:
    """All candles of a period as (minutes after START, price)."""
    wanted = {"interval_ns": NS_PER_MINUTE, "start_ns": START, "end_ns": START + NS_PER_DAY}
    found = []
    for page in source.pages("BTC/USD", **(wanted | period)):
        assert page.symbol == "XBTUSD"
        assert page.interval_ns == NS_PER_MINUTE
        found += list(zip((page.time_ns - START) // NS_PER_MINUTE, page.close, strict=True))
    return [(int(minute), float(price)) for minute, price in found]


def source_of(exchange: Any, patience: Patience | None = None, now: int = LATER) -> CcxtSource:
    return CcxtSource(exchange, now_ns=lambda: now, patience=patience)


def test_pages_are_read_one_after_another_until_the_end(ccxt):
    exchange = fake(ccxt, {m: 100.0 + m for m in range(23)})
    found = read(source_of(exchange), end_ns=START + 20 * NS_PER_MINUTE)
    assert found == [(m, 100.0 + m) for m in range(20)]
    assert [(s * MS - START) // NS_PER_MINUTE for _, s in exchange.requests] == [0, 5, 10, 15]


def test_pages_that_overlap_are_joined_without_repeats(ccxt):
    exchange = fake(ccxt, {m: 100.0 + m for m in range(23)}, overlap=3)
    assert read(source_of(exchange)) == [(m, 100.0 + m) for m in range(23)]


def test_a_download_resumes_from_any_time_with_the_same_candles(ccxt):
    prices = {m: 100.0 + m for m in range(30) if m % 7}
    whole = read(source_of(fake(ccxt, prices)))
    for minute in (0, 1, 7, 13, 29):
        late = read(source_of(fake(ccxt, prices)), start_ns=START + minute * NS_PER_MINUTE)
        assert late == [each for each in whole if each[0] >= minute]


def test_the_candle_that_is_not_finished_is_never_given(ccxt):
    prices = dict.fromkeys(range(10), 100.0)
    for seconds, last in ((0, 3), (59, 3), (61, 3), (66, 4)):
        now = START + 4 * NS_PER_MINUTE + seconds * 10**9
        found = read(source_of(fake(ccxt, prices), now=now))
        assert found[-1][0] == (2 if seconds == 0 else last)


def test_a_symbol_listed_years_later_is_found_within_a_few_requests(ccxt):
    listed = 900 * 1440 + 77
    exchange = fake(ccxt, {listed + m: 5.0 for m in range(8)}, windows=True)
    found = read(
        source_of(exchange, now=START + 1000 * NS_PER_DAY), end_ns=START + 950 * NS_PER_DAY
    )
    assert [m for m, _ in found] == list(range(listed, listed + 8))
    after = sum(s * MS >= START + 901 * NS_PER_DAY for _, s in exchange.requests)
    assert len(exchange.requests) - after < 60


@given(st.sets(st.integers(0, 4000), max_size=60), st.integers(1, 40), st.booleans())
def test_whatever_is_missing_every_candle_is_given_once(minutes, size, windows):
    ccxt = stand_in()
    exchange = fake(ccxt, dict.fromkeys(minutes, 3.0), windows=windows, max_page=size)
    with patch.dict(sys.modules, {"ccxt": ccxt}):
        source = CcxtSource(exchange, page_size=size, now_ns=lambda: LATER)
    found = read(source, end_ns=START + 4 * NS_PER_DAY)
    assert [m for m, _ in found] == sorted(minutes)


def test_an_exchange_that_answers_with_the_same_page_for_ever_comes_to_an_end(ccxt):
    exchange = fake(ccxt, {0: 1.0})
    stale = [[START // MS, 1.0, 1.0, 1.0, 1.0, 1.0]]
    exchange.fetch_ohlcv = lambda *page: stale
    assert read(source_of(exchange), end_ns=START + 30 * NS_PER_DAY) == [(0, 1.0)]


def test_an_exchange_that_knows_only_the_latest_candles_gives_those(ccxt):
    exchange = fake(ccxt, {5000 + m: 2.0 for m in range(5)})
    found = read(source_of(exchange), end_ns=START + 5 * NS_PER_DAY)
    assert [m for m, _ in found] == list(range(5000, 5005))
    assert read(source_of(exchange), end_ns=START + NS_PER_DAY) == []


def test_what_may_pass_is_asked_again_after_longer_and_longer_waits(ccxt, patience, waits):
    faults = [ccxt.RateLimitExceeded("429"), ccxt.RequestTimeout("slow"), ccxt.DDoSProtection("x")]
    exchange = fake(ccxt, dict.fromkeys(range(4), 9.0), faults=faults)
    assert len(read(source_of(exchange, patience), end_ns=START + 4 * NS_PER_MINUTE)) == 4
    assert waits == [1.0, 2.0, 4.0]


def test_what_does_not_pass_is_an_error_after_a_bounded_number_of_tries(ccxt, patience, waits):
    faults = [ccxt.ExchangeNotAvailable("down for maintenance")] * 9
    exchange = fake(ccxt, {0: 9.0}, faults=faults)
    with pytest.raises(DownloadError, match="failed 4 times: ExchangeNotAvailable: down for"):
        read(source_of(exchange, patience))
    assert len(waits) == 3


def test_a_refusal_is_not_asked_again_and_is_one_line(ccxt, patience, waits):
    page = "<html>\n" + "no\n" * 500
    exchange = fake(ccxt, {0: 9.0}, faults=[ccxt.ExchangeError(page)])
    with pytest.raises(DownloadError, match="was refused: ExchangeError: <html>") as error:
        read(source_of(exchange, patience))
    assert "\n" not in str(error.value)
    assert waits == []


@pytest.mark.parametrize("name", ["BTC/USD", "btcusd", "XBTUSD", "xbt-usd", "XXBTZUSD"])
def test_a_symbol_is_stored_in_the_exchanges_spelling_however_it_was_named(ccxt, name):
    assert source_of(fake(ccxt, {})).spelling(name) == "XBTUSD"


def test_spot_and_swaps_are_apart(ccxt):
    swaps = CcxtSource(fake(ccxt, {}), market="um", now_ns=lambda: LATER)
    assert swaps.spelling("BTC/USD:USD") == swaps.spelling("BTCUSD") == "PF_XBTUSD"
    assert (swaps.venue, source_of(fake(ccxt, {})).venue) == ("fake_um", "fake")
    with pytest.raises(UnknownName, match="ETHUSD"):
        swaps.spelling("ETHUSD")
    with pytest.raises(UnknownName, match="market 'swap'"):
        CcxtSource(fake(ccxt, {}), market="swap")


def test_what_an_exchange_does_not_have_is_named(ccxt):
    source = source_of(fake(ccxt, {}))
    assert source.intervals == ("1m", "1h", "1d")
    with pytest.raises(UnknownName, match="Did you mean 'ETHUSD'"):
        source.spelling("ETHUS")
    with pytest.raises(UnknownName, match="interval '5m'"):
        read(source, interval_ns=5 * NS_PER_MINUTE)
    with pytest.raises(ConfigError, match="kind must be one that the source has; was 'mark'"):
        list(
            source.pages(
                "BTC/USD", interval_ns=NS_PER_MINUTE, start_ns=0, end_ns=START, kind="mark"
            )
        )
    with pytest.raises(ConfigError, match="'funding'"):
        list(source.funding("BTC/USD", start_ns=0, end_ns=START))


def test_a_candle_without_prices_is_left_out_and_one_without_volume_states_none(ccxt):
    exchange = fake(ccxt, {})
    rows = [[START // MS + 60_000 * k, 7.0, 8.0, 6.0, 7.5, None] for k in range(3)]
    rows[1][1:] = [None] * 5
    exchange.fetch_ohlcv = lambda *page: rows
    (page,) = source_of(exchange).pages(
        "BTC/USD", interval_ns=NS_PER_MINUTE, start_ns=START, end_ns=START + 3 * NS_PER_MINUTE
    )
    assert page.volume is None
    assert list((page.time_ns - START) // NS_PER_MINUTE) == [0, 2]
    assert [page.open[0], page.high[0], page.low[0], page.close[0]] == [7.0, 8.0, 6.0, 7.5]


def test_funding_rates_are_read_page_by_page_both_ends_included(ccxt):
    stamps = [(START + k * 8 * NS_PER_HOUR, k / 10_000) for k in range(40) if not 8 < k < 25]
    exchange = fake(ccxt, {}, funding=stamps)
    source = source_of(exchange)
    tables = list(source.funding("BTC/USD", start_ns=START, end_ns=START + 30 * 8 * NS_PER_HOUR))
    times = np.concatenate([table.time_ns for table in tables])
    rates = np.concatenate([table.rate for table in tables])
    wanted = [each for each in stamps if each[0] <= START + 30 * 8 * NS_PER_HOUR]
    assert list(zip(times.tolist(), rates.tolist(), strict=True)) == wanted
    assert all(len(table.time_ns) <= 5 for table in tables)


def test_the_rate_limit_of_the_exchange_is_kept(ccxt):
    exchange = fake(ccxt, {})
    exchange.enableRateLimit = False
    source_of(exchange)
    assert exchange.enableRateLimit is True


def test_an_unknown_exchange_is_refused_with_the_near_miss(ccxt):
    with pytest.raises(UnknownName, match="Did you mean 'kraken'"):
        CcxtSource("krakn")


def test_without_ccxt_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingExtra, match=r"pip install 'seq-gym\[download\]'"):
        CcxtSource("kraken")


def test_every_exchange_of_ccxt_can_be_asked_for_what_it_offers():
    ccxt = pytest.importorskip("ccxt")
    for name in ("kraken", "binance", "coinbase", "bitfinex", "okx", "bybit"):
        if name in ccxt.exchanges:
            source = CcxtSource(name)
            assert source.name == f"ccxt:{name}"
            assert "1h" in source.intervals
