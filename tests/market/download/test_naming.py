"""Which files of the archive hold a stretch of time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError
from seq_gym.market.download.naming import days_of, plan_files
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, parse_time

NOW = parse_time("2025-03-10T07:00:00Z")


def planned(start: str, end: str, now_ns: int = NOW, **other: str) -> list[str]:
    settings = {"symbol": "BTCUSDT", "table": "candles", "market": "spot", "interval": "1m"} | other
    files = plan_files(
        **settings, start_ns=parse_time(start), end_ns=parse_time(end, end=True), now_ns=now_ns
    )
    return [each.path for each in files]


def test_whole_finished_months_come_by_month_and_the_rest_by_day():
    assert planned("2024-12-30", "2025-03-02") == [
        "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-12-30.zip",
        "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-12-31.zip",
        "data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-01.zip",
        "data/spot/monthly/klines/BTCUSDT/1m/BTCUSDT-1m-2025-02.zip",
        "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-03-01.zip",
        "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-03-02.zip",
    ]


def test_today_is_not_asked_for():
    assert planned("2025-03-09", "2025-03-10") == [
        "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2025-03-09.zip"
    ]
    assert planned("2025-03-10", "2025-03-12") == []


def test_futures_marks_and_funding_have_their_own_folders():
    (mark,) = planned("2025-01-01", "2025-01-31", market="um", table="mark", interval="1h")
    assert mark == "data/futures/um/monthly/markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2025-01.zip"
    (candles,) = planned("2025-01-05", "2025-01-05", market="cm", symbol="BTCUSD_PERP")
    assert candles == "data/futures/cm/daily/klines/BTCUSD_PERP/1m/BTCUSD_PERP-1m-2025-01-05.zip"
    funding = planned("2025-01-05", "2025-03-09", market="um", table="funding")
    stem = "data/futures/um/monthly/fundingRate/BTCUSDT/BTCUSDT-fundingRate"
    assert funding == [f"{stem}-2025-01.zip", f"{stem}-2025-02.zip"]


@pytest.mark.parametrize("table", ["mark", "funding"])
def test_the_spot_market_has_neither_marks_nor_funding(table):
    with pytest.raises(ConfigError, match="must be a futures market"):
        planned("2025-01-01", "2025-01-31", table=table)


@given(st.integers(0, 900), st.integers(0, 900), st.integers(0, 23), st.integers(0, 900))
def test_the_files_cover_the_finished_part_once_and_in_order(first, length, hour, now):
    start = parse_time("2022-11-20") + first * NS_PER_DAY + hour * NS_PER_HOUR
    end = start + length * NS_PER_DAY
    now_ns = parse_time("2022-11-20T05:00:00Z") + now * NS_PER_DAY
    files = plan_files(
        "X",
        table="candles",
        market="spot",
        interval="1m",
        start_ns=start,
        end_ns=end,
        now_ns=now_ns,
    )
    finished = min(end, now_ns - now_ns % NS_PER_DAY)
    if finished <= start:
        assert files == []
        return
    assert files[0].from_ns == start - start % NS_PER_DAY
    assert files[-1].to_ns == finished + -finished % NS_PER_DAY
    for before, after in itertools.pairwise(files):
        assert before.to_ns == after.from_ns
    for each in files:
        assert not each.is_month or (start <= each.from_ns and each.to_ns <= finished)


def test_the_days_of_a_month_are_all_of_them():
    (month,) = plan_files(
        "BTCUSDT", table="candles", market="spot", interval="1m",
        start_ns=parse_time("2024-02-01"), end_ns=parse_time("2024-03-01"), now_ns=NOW,
    )  # fmt: skip
    days = days_of(month)
    assert len(days) == 29
    assert days[0].path == "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-02-01.zip"
    assert days[-1].path == "data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-02-29.zip"
    assert days[-1].to_ns == parse_time("2024-03-01")
