"""Which stretches of the data a run trades."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.errors import ConfigError, MarketDataError, UnknownName
from seq_gym.evaluate import EvaluateConfig
from seq_gym.evaluate.market import choose_windows, first_cursor, load_market


@given(
    st.integers(1, 12), st.integers(1, 60), st.integers(1, 4), st.integers(0, 2**32), st.booleans()
)
def test_random_windows_are_disjoint_or_the_error_says_how_many_fit(
    episodes, steps, per_step, seed, given_steps
):
    config = EvaluateConfig(
        episodes=episodes,
        episode_steps=steps if given_steps else None,
        candles_per_step=per_step,
        seed=seed,
    )
    first, last = 40, 640
    length = steps * per_step
    if given_steps and episodes > (last - first) // length:
        with pytest.raises(
            ConfigError, match=f"from 1 to {(last - first) // length}, the disjoint"
        ):
            choose_windows(config, first, last)
        return
    windows = choose_windows(config, first, last)
    assert len(windows) == episodes
    assert first <= windows[0].start
    assert windows[-1].end <= last
    assert all(a.end <= b.start for a, b in pairwise(windows))
    assert len({w.num_steps for w in windows}) == 1
    assert windows[0].num_steps % per_step == 0


def test_the_seed_moves_random_windows_and_repeats_them():
    def starts(seed: int) -> list[int]:
        config = EvaluateConfig(episodes=5, episode_steps=10, seed=seed)
        return [w.start for w in choose_windows(config, 0, 1_000)]

    assert starts(1) == starts(1)
    assert starts(1) != starts(2)


def test_sequential_windows_stand_side_by_side_and_full_is_everything():
    config = EvaluateConfig(window="sequential", episode_steps=100)
    windows = choose_windows(config, 50, 380)
    assert [tuple(w) for w in windows] == [(50, 150), (150, 250), (250, 350)]
    full = choose_windows(EvaluateConfig(window="full", candles_per_step=4), 50, 381)
    assert [tuple(w) for w in full] == [(50, 378)]
    with pytest.raises(ConfigError, match="from 1 to 3"):
        choose_windows(EvaluateConfig(window="sequential", episode_steps=100, episodes=4), 50, 380)


def test_windows_need_at_least_one_step():
    with pytest.raises(ConfigError, match="at least one step"):
        choose_windows(EvaluateConfig(), 100, 100)


def test_a_warm_up_leaves_the_look_back_of_observations_room():
    assert first_cursor(EvaluateConfig(), 43_200, 0) == 256
    assert first_cursor(EvaluateConfig(), 1_000, 0) == 100
    assert first_cursor(EvaluateConfig(), 1_000, 130) == 130
    assert first_cursor(EvaluateConfig(warm_up=5), 1_000, 0) == 5
    with pytest.raises(ConfigError, match="at least the 130 candles"):
        first_cursor(EvaluateConfig(warm_up=5), 1_000, 130)


def test_the_synthetic_market_follows_symbols_interval_dates_and_seed():
    config = EvaluateConfig(
        symbols=("A,B", "C"), interval="1h", start="2024-01-01", end="2024-01-07"
    )
    series = load_market(config)
    assert series.symbols == ("A", "B", "C")
    assert series.interval == "1h"
    assert series.num_candles == 7 * 24
    other = load_market(EvaluateConfig(symbols=("A",), end="2025-01-02", seed=1))
    again = load_market(EvaluateConfig(symbols=("A",), end="2025-01-02", seed=2))
    assert other.fingerprint != again.fingerprint
    with pytest.raises(ConfigError, match="end must be after start"):
        load_market(EvaluateConfig(start="2025-02-01", end="2025-01-01"))


def test_data_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match="no file fits"):
        load_market(EvaluateConfig(data=(str(tmp_path / "*.parquet"),)))
    with pytest.raises(ConfigError, match=r"there is no .*nope\.csv"):
        load_market(EvaluateConfig(data=(str(tmp_path / "nope.csv"),)))
    bad = tmp_path / "BTCUSDT.csv"
    bad.write_text("time,open\n1,2\n")
    with pytest.raises((ConfigError, MarketDataError)):
        load_market(EvaluateConfig(data=(str(bad),)))


def test_files_are_found_by_pattern_and_symbols_selected(tmp_path, market):
    import polars as pl

    for column, name in enumerate(market.symbols):
        times = [market.time_of(t) // 1_000_000 for t in range(500)]
        frame = {"open_time": times}
        for price in ("open", "high", "low", "close", "volume"):
            frame[price] = getattr(market, price)[:500, column].tolist()
        pl.DataFrame(frame).write_parquet(tmp_path / f"{name}_1m.parquet")
    config = EvaluateConfig(data=(str(tmp_path / "*_1m.parquet"),), symbols=("eth-usdt",))
    assert load_market(config).symbols == ("ETHUSDT",)
    with pytest.raises(UnknownName, match="ETHUSDT"):
        load_market(EvaluateConfig(data=config.data, symbols=("ETHUSDX",)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"episodes": 0}, "episodes must be at least 1"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"seed": -1}, "seed must be from 0"),
        ({"warm_up": -1}, "warm_up must be at least 0"),
        ({"window": "full", "episodes": 3}, "episodes must be 1 with window 'full'"),
        ({"window": "full", "episode_steps": 3}, "episode_steps must be left out"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        EvaluateConfig(**settings)


def test_capital_is_short_for_the_starting_balance():
    assert EvaluateConfig(capital=5).sandbox.starting_balance == 5.0
    assert EvaluateConfig(capital=5) == EvaluateConfig(sandbox=EvaluateConfig(capital=5).sandbox)
    with pytest.raises(ConfigError, match="must agree"):
        EvaluateConfig(capital=7, sandbox=EvaluateConfig(capital=5).sandbox)
