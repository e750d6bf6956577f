"""What a first user missed: zones, funding, near misses, and the name of the wrong field."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from seq_gym.errors import MarketDataError
from seq_gym.evaluate import EvaluateConfig, evaluate
from seq_gym.evaluate.cli import main
from seq_gym.evaluate.market import load_market
from seq_gym.market import synthetic_candles


@pytest.fixture
def wall_clock(tmp_path):
    series = synthetic_candles("BTCUSDT", num_candles=300)
    start = dt.datetime(2025, 1, 1)  # noqa: DTZ001 - a wall clock is the point
    times = [str(start + dt.timedelta(minutes=k)) for k in range(300)]
    frame = {"date": times}
    for name in ("open", "high", "low", "close", "volume"):
        frame[name] = getattr(series, name)[:, 0]
    path = tmp_path / "BTCUSDT-1m.csv"
    pl.DataFrame(frame).write_csv(path)
    return path, series


def test_times_without_a_zone_are_read_once_the_zone_is_said(wall_clock):
    path, series = wall_clock
    with pytest.raises(MarketDataError, match="tz='UTC'"):
        load_market(EvaluateConfig(data=(str(path),)))
    read = load_market(EvaluateConfig(data=(str(path),), tz="UTC"))
    assert read.start_ns == series.start_ns
    assert read.close.tolist() == series.close.tolist()


def test_funding_rates_reach_margin_accounts(wall_clock, tmp_path):
    path, series = wall_clock
    rates = tmp_path / "rates.csv"
    times = [series.start_ns + k * 60 * 60 * 10**9 for k in range(1, 5)]
    pl.DataFrame({"time": times, "rate": [0.01] * 4}).write_csv(rates)
    config = EvaluateConfig(data=(str(path),), tz="UTC", funding=(f"BTCUSDT={rates}",))
    assert load_market(config).funding.sum() == pytest.approx(0.04)


def test_mark_prices_are_read_and_said(wall_clock, tmp_path, capsys):
    path, series = wall_clock
    marks = tmp_path / "BTCUSDT-mark.csv"
    times = [series.time_of(row) for row in range(series.num_candles)]
    price = series.close[:, 0] * 1.001
    names = ("open", "high", "low", "close")
    pl.DataFrame({"open_time": times, **dict.fromkeys(names, price)}).write_csv(marks)
    config = EvaluateConfig(data=(str(path),), tz="UTC", mark=(f"BTCUSDT={marks}",))
    assert load_market(config).mark[:, 0] == pytest.approx(price)
    asked = ["--data", str(path), "--tz", "UTC", "--mark", f"BTCUSDT={marks}"]
    asked += ["--episodes", "1", "--episode-steps", "20", "--out", str(tmp_path)]
    assert main(asked) == 0
    assert "; with mark prices" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--start", "yesterday"], "start: A time must be"),
        (["--end", "2025-13-01"], "end: A time must be"),
        (["--interval", "7x"], "interval: An interval must be"),
        (["--tz", "UTC"], "tz must be left out without data"),
        (["--funding", "BTCUSDT=x.csv"], "funding must be left out without data"),
        (["--funding", "BTCUSDT"], "funding must be SYMBOL=FILE"),
        (["--mark", "BTCUSDT=x.csv"], "mark must be left out without data"),
        (["--mark", "BTCUSDT"], "mark must be SYMBOL=FILE"),
        (["--agent", "no_such_package.module:Name"], "No module named 'no_such_package'.\n"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_its_option(arguments, said, capsys):
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_misspelt_file_is_answered_with_the_one_beside_it(wall_clock, capsys):
    path, _ = wall_clock
    assert main(["--data", str(path.with_suffix(".cvs"))]) == 1
    assert f"Did you mean {str(path)!r}?" in capsys.readouterr().err


def test_the_interval_holds_for_a_series_from_python_too():
    series = synthetic_candles("BTCUSDT", num_candles=600)
    config = EvaluateConfig(interval="5m", episodes=1, episode_steps=10, warm_up=0)
    assert evaluate(config, data=series).series.interval == "5m"
