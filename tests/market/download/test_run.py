"""A download brings what the store lacks, whole months at a time, and goes on where it was cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, DownloadError, MarketDataError
from seq_gym.market.columns import CandleColumns
from seq_gym.market.download import download
from seq_gym.market.download.run import missing_stretches
from seq_gym.market.funding import FundingRates
from seq_gym.market.store import Store
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, parse_time

START, END = parse_time("2024-01-10"), parse_time("2024-04-05")
NOW = parse_time("2024-06-01")


class Fake:
    """A source of hourly candles, in pages of a hundred; some hours never traded."""

    name = "fake"
    venue = "fakex"
    intervals = ("1h",)

    def __init__(self, *, gone: set[int] = frozenset(), dies_at: int | None = None) -> None:
        self.gone, self.dies_at = gone, dies_at
        self.error: type[BaseException] = DownloadError
        self.asked: list[tuple[int, int]] = []
        self.absent: list[str] = []

    def spelling(self, symbol: str) -> str:
        return symbol.upper()

    def pages(
        self, symbol: str, *, interval_ns: int, start_ns: int, end_ns: int, kind: str = "candles"
    ) -> Iterator[CandleColumns]:
        self.asked.append((start_ns, end_ns))
        times = np.arange(start_ns, min(end_ns, NOW - interval_ns + 1), interval_ns)
        times = np.array([t for t in times if t not in self.gone], dtype=np.int64)
        for first in range(0, len(times), 100):
            page = times[first : first + 100]
            if self.dies_at is not None and page[-1] >= self.dies_at:
                raise self.error("the line went dead")
            price = 100.0 + page // NS_PER_HOUR % 24
            yield CandleColumns(
                symbol=symbol,
                time_ns=page,
                open=price,
                high=price + 1,
                low=price - 1,
                close=price,
                volume=price if kind == "candles" else None,
                interval_ns=interval_ns,
                source=self.name,
            )

    def funding(self, symbol: str, *, start_ns: int, end_ns: int) -> Iterator[FundingRates]:
        self.asked.append((start_ns, end_ns))
        step = 8 * NS_PER_HOUR
        times = np.arange(start_ns + -start_ns % step, end_ns + 1, step)
        for first in range(0, len(times), 50):
            page = times[first : first + 50]
            yield FundingRates(page, page // step % 7 / 10_000, self.name)


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "store")


def bring(source: Fake, store: Store, **other):
    settings = {"interval": "1h", "start": START, "end": END, "now_ns": lambda: NOW} | other
    return download(source, store, "btcusdt", **settings)


def times_of(store: Store, kind: str = "candles") -> list[int]:
    interval = None if kind == "funding" else "1h"
    return store.open_times("BTCUSDT", venue="fakex", interval=interval, kind=kind).tolist()


HOURS = list(range(START, END, NS_PER_HOUR))


def test_a_download_stores_the_period_and_nothing_else(store):
    done = bring(Fake(), store)
    assert times_of(store) == HOURS
    assert (done.symbol, done.venue, done.source) == ("BTCUSDT", "fakex", "fake")
    assert (done.received, done.added) == (len(HOURS), len(HOURS))
    assert done.asked == ((START, END),)
    assert store.verify() == []


def test_the_same_download_again_asks_for_nothing(store):
    bring(Fake(), store)
    again = Fake()
    done = bring(again, store)
    assert again.asked == []
    assert (done.asked, done.received, done.reports) == ((), 0, ())


@pytest.mark.parametrize("error", [DownloadError, KeyboardInterrupt, MemoryError])
def test_a_download_that_is_cut_short_goes_on_and_ends_up_the_same(error, store, tmp_path):
    source = Fake(dies_at=parse_time("2024-03-20T07:00:00Z"))
    source.error = error
    with pytest.raises(error):
        bring(source, store)
    kept = times_of(store)
    assert kept == HOURS[: len(kept)]
    assert kept[-1] >= parse_time("2024-02-29T22:00:00Z")
    more = Fake()
    bring(more, store)
    assert times_of(store) == HOURS
    assert more.asked == [(kept[-1] + NS_PER_HOUR, END)]
    whole = Store.open(tmp_path / "whole")
    bring(Fake(), whole)
    assert store.load().fingerprint == whole.load().fingerprint


@pytest.mark.parametrize("cut", ["2024-02-08T05:00:00Z", "2024-02-04T01:00:00Z", "2024-01-31"])
def test_an_older_part_that_was_cut_short_is_found_missing(cut, store):
    """A page ends at 2024-02-08T04:00: what would be left is shorter than what is asked for."""
    bring(Fake(), store, start="2024-02-08T20:00:00Z")
    source = Fake(dies_at=parse_time(cut))
    with pytest.raises(DownloadError):
        bring(source, store)
    bring(Fake(), store)
    assert times_of(store) == HOURS


def test_older_younger_and_missing_parts_are_filled_short_holes_are_the_venues_own(store):
    bring(Fake(), store, start="2024-02-01", end="2024-02-09")
    bring(Fake(), store, start="2024-02-20", end="2024-02-29")
    gone = set(range(parse_time("2024-02-25"), parse_time("2024-02-25T05:00:00Z"), NS_PER_HOUR))
    source = Fake(gone=gone)
    bring(source, store)
    assert times_of(store) == HOURS
    assert source.asked == [
        (START, parse_time("2024-02-01")),
        (parse_time("2024-02-10"), parse_time("2024-02-20")),
        (parse_time("2024-03-01"), END),
    ]


def test_gaps_of_the_venue_are_not_asked_for_again(store):
    gone = set(range(parse_time("2024-02-25"), parse_time("2024-02-25T20:00:00Z"), NS_PER_HOUR))
    bring(Fake(gone=gone), store)
    again = Fake(gone=gone)
    bring(again, store)
    assert again.asked == []
    (covered,) = store.coverage()
    assert [gap.missing for gap in covered.gaps] == [20]


def test_the_unfinished_candle_of_now_is_not_stored(store):
    now = parse_time("2024-01-11T10:30:00Z")
    bring(Fake(), store, end=None, now_ns=lambda: now)
    assert times_of(store)[-1] == parse_time("2024-01-11T09:00:00Z")


def test_mark_prices_and_funding_rates_have_their_own_tables(store):
    bring(Fake(), store, kind="mark")
    assert times_of(store, "mark") == HOURS
    assert times_of(store) == []
    done = bring(Fake(), store, kind="funding", end="2024-02-10")
    assert times_of(store, "funding")[0] == START
    assert done.received == len(times_of(store, "funding"))
    more = Fake()
    bring(more, store, kind="funding")
    stamps = times_of(store, "funding")
    assert np.unique(np.diff(stamps)).tolist() == [8 * NS_PER_HOUR]
    assert more.asked[0][0] > START


def test_a_source_that_has_nothing_there_is_an_error(store):
    source = Fake(gone=set(HOURS))
    with pytest.raises(MarketDataError, match="fake must have candles of BTCUSDT from 2024-01-10"):
        bring(source, store)
    with pytest.raises(ConfigError, match="start must be before the end and before now"):
        bring(Fake(), store, start=END, end=START)
    with pytest.raises(ConfigError, match="start must be before the end and before now"):
        bring(Fake(), store, start=NOW, end=None)


def test_progress_counts_candles_up_to_all_of_them(store):
    told = []
    bring(Fake(), store, progress=lambda progress: told.append((progress.done, progress.total)))
    assert told[-1] == (len(HOURS), len(HOURS))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@given(st.sets(st.integers(0, 60)), st.integers(1, 48))
def test_what_is_missing_is_found_whatever_is_there(days, hours):
    start, end = START, START + 61 * NS_PER_DAY
    times = [start + day * NS_PER_DAY + k * NS_PER_HOUR for day in days for k in range(hours)]
    there = np.array(sorted({t for t in times if t < end}), dtype=np.int64)
    found = missing_stretches(there, start_ns=start, end_ns=end, interval_ns=NS_PER_HOUR)
    asked = {t for a, b in found for t in range(a, b, NS_PER_HOUR)}
    assert not asked & set(there.tolist())
    lacking = [t for t in range(start, end, NS_PER_HOUR) if t not in set(there.tolist())]
    assert asked <= set(lacking)
    runs = np.split(np.array(lacking), np.flatnonzero(np.diff(lacking) != NS_PER_HOUR) + 1)
    for run in runs:
        if len(run):
            is_edge = run[0] == start or run[-1] == end - NS_PER_HOUR
            assert (set(run.tolist()) <= asked) == (is_edge or len(run) >= 24)
