"""Several timeframes in one observation: only candles that have closed, each in its own window."""

from __future__ import annotations

import math
import pickle
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seq_gym import load_candles
from seq_gym.errors import ConfigError, MarketDataError, SeqGymError, UnknownName
from seq_gym.market import CandleSeries, synthetic_candles
from seq_gym.times import NS_PER_DAY, NS_PER_HOUR, NS_PER_MINUTE, parse_interval
from tests.envs.worlds import (
    CANDLE,
    FOUR_COARSE,
    FOUR_ROUGH,
    ONE,
    ONE_ROUGH,
    PORTFOLIO,
    make,
    make_vec,
    play,
)

FEW = ["log_return", "close_position"]
MIXED: dict[str, Any] = {"15m": {"look_back": 2, "features": FEW}, "5m": 3}
WEEK = synthetic_candles(("BTCUSDT",), "15m", num_candles=7 * 96, seed=9)


def windows_of(env: gymnasium.Env[Any, Any], observation: Any) -> dict[str, NDArray[np.float32]]:
    """Cut a flat observation into its windows, [rows, floats of a row] by key."""
    settings_ = env.unwrapped.settings  # type: ignore[attr-defined]
    parts = [("window", settings_.matrix, settings_.look_back)]
    parts += [(f"window_{t.name}", t.matrix, t.look_back) for t in settings_.timeframes]
    out, at = {}, 0
    for key, matrix, look_back in parts:
        width = matrix.values.shape[1] * matrix.values.shape[2]
        out[key] = observation[at : at + look_back * width].reshape(look_back, width)
        at += look_back * width
    return out


# ---------------------------------------------------------------------- a slow oracle


def finished_candles(
    series: CandleSeries, symbol: int, cursor: int, interval_ns: int
) -> list[tuple[float, float, float, float]]:
    """Resample by hand what is known at a cursor: (open, high, low, close) of buckets that closed.

    Candle by candle, in plain Python, from rows 0 to cursor - 1 alone.
    """
    now_ns = series.time_of(cursor)
    rows = []
    for t in range(cursor):
        if series.valid[t, symbol]:
            row = [float(getattr(series, n)[t, symbol]) for n in ("open", "high", "low", "close")]
            rows.append((series.time_of(t) // interval_ns, series.time_of(t), *row,
                         bool(series.volume[t, symbol] > 0)))  # fmt: skip
    candles: list[tuple[float, float, float, float]] = []
    has_begun = False
    for bucket, members in groupby(rows, key=lambda row: row[0]):
        inside = list(members)
        opened = bucket * interval_ns
        if opened < series.start_ns or opened + interval_ns > now_ns:
            continue  # not whole, or still running
        traded = [row for row in inside if row[6]]
        has_begun |= bool(traded) and traded[0][1] == opened
        if not has_begun:
            continue
        if traded:
            highs, lows = [row[3] for row in traded], [row[4] for row in traded]
            candles.append((traded[0][2], max(highs), min(lows), traded[-1][5]))
        else:
            candles.append((inside[-1][5],) * 4)
    return candles


def expected_rows(
    candles: list[tuple[float, float, float, float]], count: int
) -> list[list[float]]:
    """The last rows of FEW by hand: log return and place of the close in the candle."""
    out = []
    for i in range(len(candles) - count, len(candles)):
        _, high, low, close = candles[i]
        place = 0.0 if high == low else ((close - low) - (high - close)) / (high - low)
        out.append([math.log(close / candles[i - 1][3]), place])
    return out


@st.composite
def markets(draw: st.DrawFn) -> tuple[CandleSeries, int, int]:
    """A market that starts anywhere, its timeframe, and how much of it is missing."""
    base = draw(st.sampled_from([1, 3, 5, 15]))
    multiple = draw(st.sampled_from([2, 3, 4, 7, 12]))
    start = draw(st.integers(0, 200)) * base * NS_PER_MINUTE + 20_000 * NS_PER_DAY
    series = synthetic_candles(
        ("BTCUSDT",),
        base * NS_PER_MINUTE,
        start,
        num_candles=draw(st.integers(8, 14)) * multiple,
        seed=draw(st.integers(0, 99)),
    )
    return series, multiple, draw(st.integers(1, 3))


@settings(deadline=None, max_examples=40)
@given(markets())
def test_the_window_at_every_cursor_is_that_of_the_candles_that_have_closed(
    market: tuple[CandleSeries, int, int],
) -> None:
    series, multiple, look_back = market
    interval_ns = multiple * series.interval_ns
    name = f"{interval_ns // NS_PER_MINUTE}m"
    env = gymnasium.make(
        CANDLE,
        data=series,
        window="full",
        features=FEW,
        look_back=1,
        timeframes={name: {"look_back": look_back, "features": FEW}},
    )
    first = env.unwrapped.first_start
    seen = play(env, [0] * series.num_candles)["observations"]
    assert len(seen) == series.num_candles - first + 1
    for k, observation in enumerate(seen):
        candles = finished_candles(series, 0, first + k, interval_ns)
        (_, window) = windows_of(env, observation).values()
        np.testing.assert_allclose(window, expected_rows(candles, look_back), rtol=2e-5, atol=1e-6)
    # One candle earlier the look-back was not full: so many have closed, and one before for the
    # return of the oldest.
    assert len(finished_candles(series, 0, first, interval_ns)) == look_back + 1
    assert len(finished_candles(series, 0, first - 1, interval_ns)) == look_back


@pytest.mark.parametrize("multiple", [3, 5, 12])
def test_gaps_and_late_listings_are_resampled_as_by_hand(multiple: int) -> None:
    market, name = FOUR_ROUGH, f"{multiple}m"
    env = make(
        PORTFOLIO,
        data=market,
        features=FEW,
        look_back=1,
        window="full",
        timeframes={name: {"look_back": 2, "features": FEW}},
    )
    start = env.unwrapped.first_start
    observation, _ = env.reset(seed=0)
    full_at = env.unwrapped.settings.full_at
    checked = 0
    for cursor in range(start, market.num_candles):
        window = windows_of(env, observation)[f"window_{name}"].reshape(2, 4, 2)
        listed = observation[-16::4]
        for s in range(4):
            candles = finished_candles(market, s, cursor, multiple * market.interval_ns)
            if cursor >= full_at[s]:
                # A bucket without any candle leaves the row of the one before.
                expected = expected_rows(candles, 1)
                np.testing.assert_allclose(window[-1, s], expected[-1], rtol=2e-5, atol=1e-6)
                checked += 1
            else:
                assert listed[s] == 0.0
        observation, *_ = env.step(np.zeros(4, np.float32))
    assert checked > 800


def test_todays_candle_is_never_seen_today(shared_data: Path) -> None:
    path = shared_data / "candles" / "binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet"
    series = load_candles(path, symbols="BTCUSDT", end="2025-06-01T12:00")
    env = make(
        data=series,
        look_back=2,
        features=["log_return"],
        window="full",
        candles_per_step=97,
        timeframes={
            "1h": {"look_back": 3, "features": ["log_return"]},
            "1d": {"look_back": 4, "features": ["log_return"]},
        },
    )
    observations = play(env, [0] * 10_000)["observations"]
    closes = {
        series.time_of(t + 1): float(series.close[t, 0])
        for t in range(series.num_candles)
        if series.valid[t, 0]
    }
    start = env.unwrapped.first_start
    for k, observation in enumerate(observations[:-1]):
        now_ns = series.time_of(start + 97 * k)
        for key, length in (("window_1h", NS_PER_HOUR), ("window_1d", NS_PER_DAY)):
            window = windows_of(env, observation)[key][:, 0]
            # The last close at or before now, at a whole hour or at midnight UTC.
            last = now_ns // length * length
            ends = [last - i * length for i in range(len(window), -1, -1)]
            expected = [math.log(closes[b] / closes[a]) for a, b in pairwise(ends)]
            np.testing.assert_allclose(window, expected, rtol=1e-4, atol=1e-7)


# ---------------------------------------------------------------------- layout and spaces


def test_windows_follow_the_finest_first_whatever_the_order_given() -> None:
    orders = [{"5m": 3, "4m": 2}, {"4m": 2, "5m": 3}, {"300s": 3, "240s": 2}]
    seen = [play(make(timeframes=order), [0] * 5)["observations"] for order in orders]
    for other in seen[1:]:
        np.testing.assert_array_equal(seen[0], other)
    names = [t.name for t in make(timeframes=orders[0]).unwrapped.settings.timeframes]
    assert names == ["4m", "5m"]


def test_a_dict_observation_names_every_window_and_holds_the_flat_one() -> None:
    flat, parts = make(timeframes=MIXED), make(timeframes=MIXED, observation="dict")
    one, other = flat.reset(seed=3)[0], parts.reset(seed=3)[0]
    assert list(other) == ["window", "window_5m", "window_15m", "portfolio"]
    assert {key: value.shape for key, value in other.items()} == {
        "window": (30, 5),
        "window_5m": (3, 5),
        "window_15m": (2, 2),
        "portfolio": (9,),
    }
    np.testing.assert_array_equal(one, np.concatenate([v.ravel() for v in other.values()]))
    assert parts.observation_space.contains(other)
    low = np.concatenate([parts.observation_space[key].low.ravel() for key in other])
    np.testing.assert_array_equal(flat.observation_space.low, low)


@pytest.mark.parametrize("env_id", [CANDLE, PORTFOLIO])
@pytest.mark.parametrize("observation", ["flat", "dict"])
def test_environments_with_timeframes_pass_gymnasiums_checker(
    env_id: str, observation: str
) -> None:
    env = make(env_id, timeframes=MIXED, observation=observation)
    space = env.observation_space
    for box in space.values() if isinstance(space, gymnasium.spaces.Dict) else [space]:
        assert np.isfinite(box.low).all()
        assert np.isfinite(box.high).all()
    check_env(env.unwrapped, skip_render_check=True)


def test_timeframes_change_nothing_else_of_an_observation() -> None:
    actions, start = [1, 0, 2, 1] * 5, {"options": {"start": 350}}
    plain = play(make(), actions, **start)["observations"]
    empty = play(make(timeframes={}), actions, **start)["observations"]
    mixed = np.array(play(make(timeframes=MIXED), actions, **start)["observations"])
    np.testing.assert_array_equal(plain, empty)
    # 3 x 5 and 2 x 2 floats stand between the window and the portfolio.
    np.testing.assert_array_equal(plain, np.delete(mixed, range(150, 169), axis=1))


# ---------------------------------------------------------------------- one env, many envs


@pytest.mark.parametrize(
    ("env_id", "data"),
    [(CANDLE, ONE_ROUGH), (PORTFOLIO, FOUR_ROUGH), (PORTFOLIO, FOUR_COARSE)],
    ids=["one", "rough", "coarse"],
)
def test_row_i_is_the_single_environment_seeded_s_plus_i(env_id: str, data: CandleSeries) -> None:
    arguments = {"data": data, "timeframes": MIXED, "features": FEW, "look_back": 4}
    arguments |= {"episode_steps": 12, "start": data.time_of(200)}
    batch = make_vec(env_id, 3, **arguments)
    singles = [make(env_id, **arguments) for _ in range(3)]
    rows, _ = batch.reset(seed=40)
    for e, env in enumerate(singles):
        np.testing.assert_array_equal(rows[e], env.reset(seed=40 + e)[0])
    batch.single_action_space.seed(1)
    for _ in range(40):
        actions = np.stack([batch.single_action_space.sample() for _ in range(3)])
        rows, _, terminated, truncated, infos = batch.step(actions)
        for e, env in enumerate(singles):
            observation, *_ = env.step(actions[e])
            if terminated[e] or truncated[e]:
                np.testing.assert_array_equal(infos["final_obs"][e], observation)
                observation, _ = env.reset()
            np.testing.assert_array_equal(rows[e], observation)
            assert np.isfinite(observation).all()


def test_a_batch_of_dicts_has_every_window() -> None:
    batch = make_vec(num_envs=4, timeframes=MIXED, observation="dict")
    observations, _ = batch.reset(seed=0)
    assert observations["window_5m"].shape == (4, 3, 5)
    assert batch.observation_space.contains(observations)


def test_a_restored_branch_repeats_byte_for_byte() -> None:
    env = make(timeframes=MIXED, action="ladder")
    env.reset(seed=1)
    env.step(3)
    snapshot = env.unwrapped.snapshot()
    first = [env.step(a)[0] for a in (1, 4, 0, 2)]
    env.unwrapped.restore(snapshot)
    again = [env.step(a)[0] for a in (1, 4, 0, 2)]
    np.testing.assert_array_equal(first, again)


def test_features_of_a_timeframe_are_computed_once_per_dataset() -> None:
    one, other = (make(timeframes=MIXED).unwrapped.settings for _ in range(2))
    again = make(data=pickle.loads(pickle.dumps(ONE)), timeframes=MIXED).unwrapped.settings
    for k in range(2):
        assert one.timeframes[k].matrix is other.timeframes[k].matrix
        assert one.timeframes[k].matrix is again.timeframes[k].matrix


# ---------------------------------------------------------------------- starts


def test_an_episode_starts_only_where_every_look_back_is_full() -> None:
    env = make(
        data=WEEK,
        features=["log_return"],
        look_back=1,
        timeframes={"1d": {"look_back": 2, "features": ["log_return"]}},
    )
    # Three days must have closed: two for the window, one before for the return of the first.
    assert env.unwrapped.first_start == 3 * 96
    with pytest.raises(ConfigError, match="must be at cursors 288"):
        env.reset(options={"start": 3 * 96 - 1})
    late = WEEK.select(start=WEEK.time_of(5))
    env = make(
        data=late,
        features=["log_return"],
        look_back=1,
        timeframes={"1d": {"look_back": 2, "features": ["log_return"]}},
    )
    # The first day is not whole any more.
    assert late.time_of(env.unwrapped.first_start) == WEEK.time_of(4 * 96)


def test_a_symbol_is_listed_when_every_of_its_look_backs_is_full() -> None:
    env = make(
        PORTFOLIO,
        data=FOUR_ROUGH,
        features=["log_return"],
        look_back=1,
        window="full",
        timeframes={"12m": {"look_back": 2, "features": ["log_return"]}},
    )
    full = env.unwrapped.settings.full_at
    late = int(np.argmax(full))
    assert full[late] > FOUR_ROUGH.listed_rows[late, 0] + 24
    for start, listed in ((full[late] - 1, 0.0), (full[late], 1.0)):
        observation, _ = env.reset(options={"start": int(start)})
        assert observation[-16::4][late] == listed


WRONG: list[tuple[dict[str, Any], type[SeqGymError], str]] = [
    ({"timeframes": {"1hr": 3}}, UnknownName, "Unknown timeframe '1hr'.*'1h'"),
    ({"timeframes": {3600: 3}}, UnknownName, "Unknown timeframe '3600'"),
    ({"timeframes": {"1m": 3}}, ConfigError, "longer than the environment's 1m candles"),
    ({"timeframes": {"90s": 3}}, ConfigError, "multiple of them; was '90s'"),
    ({"timeframes": {"1h": 3, "60m": 4}}, ConfigError, "'1h' was given twice"),
    ({"timeframes": ["1h"]}, ConfigError, "must map intervals to look-backs"),
    ({"timeframes": {"5m": 0}}, ConfigError, "look_back of timeframe '5m' must be a whole number"),
    ({"timeframes": {"5m": 2.5}}, ConfigError, "look_back of timeframe '5m' must be a whole"),
    ({"timeframes": {"5m": {"lookback": 3}}}, UnknownName, "key of timeframe '5m'.*'look_back'"),
    ({"timeframes": {"5m": {"features": "full"}}}, ConfigError, "'5m' must have a look_back"),
    ({"timeframes": {"5m": {"look_back": 3, "features": ["rsl"]}}}, UnknownName, "'rsi'"),
    ({"timeframes": {"1d": 3}}, MarketDataError, "timeframe '1d': .*one whole 1d"),
    (
        {"timeframes": {"1h": {"look_back": 9, "features": ["rsi"]}}},
        ConfigError,
        r"timeframe '1h' \(9 finished candles after a warm-up of 15\) is never full",
    ),
    (
        {
            "timeframes": {"1h": {"look_back": 5, "features": ["log_return"]}},
            "end": ONE.time_of(300),
        },
        ConfigError,
        r"timeframe '1h' \(5 finished candles after a warm-up of 2\) is full at 2025-01-01T06:00",
    ),
    ({"timefames": {"1h": 3}}, UnknownName, "'timeframes'"),
]


@pytest.mark.parametrize(("arguments", "kind", "sentence"), WRONG)
def test_a_wrong_timeframe_raises_one_error_that_names_it(
    arguments: dict[str, Any], kind: type[SeqGymError], sentence: str
) -> None:
    for maker in (make, make_vec):
        with pytest.raises(kind, match=sentence):
            maker(**{"episode_steps": None, **arguments})


def test_intervals_of_the_environment_itself_may_be_resampled_too() -> None:
    env = make(interval="5m", timeframes={"15m": {"look_back": 2, "features": FEW}},
               features=FEW, look_back=2, episode_steps=5)  # fmt: skip
    assert env.unwrapped.settings.timeframes[0].multiple == 3
    assert parse_interval("5m") == env.unwrapped.series.interval_ns
