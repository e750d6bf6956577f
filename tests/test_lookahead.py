"""No look-ahead: nothing that any door shows at t changes with what comes after t (C2)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import polars as pl
import pytest

from seq_gym import Feature, Session, load_candles
from seq_gym.checks import LookAheadError, altered_after, check_no_lookahead
from seq_gym.checks.doors import differences
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries, synthetic_candles
from tests.envs.worlds import CANDLE, FOUR_COARSE, FOUR_ROUGH, KINDS, ONE, ONE_ROUGH, make

REAL = "binance_spot_BTCUSDT_1h_2017-08_2024-04.parquet"
"""Years of hours, with gaps."""

# ---------------------------------------------------------------------- clean environments


def rough(env_id: str) -> CandleSeries:
    return ONE_ROUGH if env_id == CANDLE else FOUR_ROUGH


@pytest.mark.parametrize("observation", ["flat", "dict"])
@pytest.mark.parametrize("execution", ["next_open", "close"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_environment_looks_ahead(kind: str, execution: str, observation: str) -> None:
    env_id, arguments = KINDS[kind]
    env = make(
        env_id,
        data=rough(env_id),
        execution=execution,
        observation=observation,
        reward_terms=True,
        **arguments,
    )
    report = check_no_lookahead(env, steps=30, cuts=3)
    assert report.num_steps == 30
    assert report.num_fills > 0
    doors = {"fills", "portfolio", "open_orders", "equity_curve", "status", "price(BTCUSDT)"}
    assert {"observation", "reward", *(f"session.{door}" for door in doors)} <= set(report.doors)


@pytest.mark.parametrize("features", ["default", "full", ["mood_feature"]])
def test_no_feature_looks_ahead(features: Any) -> None:
    if features == ["mood_feature"]:
        features = [
            Feature("mood_feature", pl.col("mood").rolling_mean(5)),
            ("spread", "high / low"),
        ]
    env = make(data=ONE_ROUGH, features=features, look_back=10)
    report = check_no_lookahead(env, steps=40, cuts=4)
    columns = env.unwrapped.settings.matrix.names
    clocks = ("hour", "day", "week", "minute", "time")
    deaf = [c for c in columns if f"observation: feature {c!r} of BTCUSDT" in report.unmoved]
    assert all(any(clock in name for clock in clocks) for name in deaf), deaf


def test_a_listing_in_the_middle_of_the_episode_shows_nothing_before_it() -> None:
    listed = int(FOUR_ROUGH.listed_rows[-1, 0])
    env = make("seq_gym/Portfolio-v0", data=FOUR_ROUGH, look_back=5, features=["log_return"])
    cuts = [listed - 3, listed - 1, listed, listed + 1]
    report = check_no_lookahead(env, steps=30, cuts=cuts, options={"start": listed - 5})
    assert report.num_fills > 0


def test_the_end_of_a_symbols_data_shows_nothing_before_it() -> None:
    ended = int(FOUR_ROUGH.listed_rows[-2, 1])
    env = make("seq_gym/Portfolio-v0", data=FOUR_ROUGH, look_back=5, features=["log_return"])
    cuts = [ended - 2, ended, ended + 2]
    report = check_no_lookahead(env, steps=20, cuts=cuts, options={"start": ended - 6})
    assert report.num_fills > 0


@pytest.mark.parametrize("account", ["spot", "margin"])
def test_a_coarse_candle_shows_nothing_before_it_closes(account: str) -> None:
    env = make(
        "seq_gym/Portfolio-v0",
        data=FOUR_COARSE,
        look_back=3,
        features=["log_return"],
        account=account,
    )
    # Cuts at every place inside a candle of five rows.
    report = check_no_lookahead(
        env, steps=30, cuts=[200, 201, 202, 203, 204], options={"start": 195}
    )
    assert report.num_fills > 5


LONGER: dict[str, Any] = {
    "1h": {"look_back": 3, "features": ["log_return", "close_position"]},
    "1d": {"look_back": 2, "features": ["log_return", "close_position"]},
}
"""Hours and days beside the minutes."""

THREE_DAYS = synthetic_candles(
    ("BTCUSDT",), "1m", "2025-01-01T20:00", num_candles=4 * 1440 + 400, seed=8
)


@pytest.mark.parametrize("observation", ["flat", "dict"])
def test_no_timeframe_looks_ahead(observation: str) -> None:
    env = make(
        data=THREE_DAYS,
        action="ladder",
        features=["log_return"],
        timeframes=LONGER,
        observation=observation,
        candles_per_step=47,
        episode_steps=None,
    )
    # A day is told only at its midnight: cuts right before, at and after one, and inside the day.
    midnight = 4 * 60 + 4 * 1440
    cuts = [midnight - 200, midnight - 60, midnight - 1, midnight, midnight + 30]
    start = midnight - 7 * 47 - 1
    report = check_no_lookahead(env, steps=12, cuts=cuts, options={"start": start})
    assert report.num_fills > 0
    # The check did hear of the hours and of the day, after they had closed.
    assert not [name for name in report.unmoved if "close_position" in name]


@pytest.mark.parametrize("data", [FOUR_ROUGH, FOUR_COARSE], ids=["rough", "coarse"])
def test_no_timeframe_of_many_symbols_looks_ahead(data: CandleSeries) -> None:
    few = {"look_back": 2, "features": ["log_return", "close_position"]}
    longer = {"timeframes": {"5m": few, "15m": few}}
    env = make("seq_gym/Portfolio-v0", data=data, **few, **longer)
    report = check_no_lookahead(env, steps=30, cuts=6, options={"start": 205})
    assert report.num_fills > 5


def test_minutes_hours_and_days_of_real_candles_show_nothing_ahead(shared_data: Path) -> None:
    path = shared_data / "candles" / "binance_spot_BTCUSDT_1m_2025-05_2025-08.parquet"
    series = load_candles(path, symbols="BTCUSDT", end="2025-05-27")
    env = make(data=series, timeframes=LONGER, candles_per_step=60, episode_steps=None)
    midnight = 4 * 1440
    report = check_no_lookahead(
        env,
        steps=30,
        cuts=[midnight - 1, midnight, midnight + 719],
        options={"start": midnight - 61},
    )
    assert not [name for name in report.unmoved if "close_position" in name]


def test_funding_and_mark_prices_show_nothing_ahead() -> None:
    rng = np.random.default_rng(3)
    basis = 1.0 + rng.normal(0.0, 1e-3, ONE_ROUGH.close.shape)
    mark = np.where(rng.random(basis.shape) < 0.9, ONE_ROUGH.close * basis, np.nan)
    env = make(
        data=replace(ONE_ROUGH, mark=mark),
        features=["funding_bps", "mark_basis_bps", Feature("own", "mark / open", 0.0, 3.0)],
        timeframes={"5m": {"look_back": 2, "features": ["funding_bps", "mark_basis_bps"]}},
        account="margin",
        action="ladder",
        candles_per_step=3,
    )
    report = check_no_lookahead(env, steps=30, cuts=5)
    assert report.num_fills > 5
    assert not [name for name in report.unmoved if "feature" in name]


def test_many_candles_in_a_step_show_nothing_ahead() -> None:
    env = make(data=ONE_ROUGH, candles_per_step=7, episode_steps=20)
    assert check_no_lookahead(env, steps=20).num_fills > 0


def test_an_observation_made_from_a_custom_reward_shows_nothing_ahead() -> None:
    env = make(reward=lambda before, after: after.equity - before.equity)
    assert check_no_lookahead(env, steps=20).num_fills > 0


def test_nothing_looks_ahead_on_real_candles(shared_data: Path) -> None:
    series = load_candles(shared_data / "candles" / REAL, symbols="BTCUSDT")
    report = check_no_lookahead(make(data=series, action="ladder"), steps=30, cuts=2)
    assert report.num_fills > 0


def test_the_text_rendering_shows_nothing_ahead() -> None:
    report = check_no_lookahead(make(render_mode="ansi"), steps=20)
    assert "render" in report.doors


def test_the_report_counts_what_was_seen() -> None:
    report = check_no_lookahead(make(action="ladder"), steps=40, cuts=2)
    assert report.num_fills > 5
    assert len(report.cuts) == 2
    env = make()
    env.reset(seed=0)
    assert report.cuts[0] == env.unwrapped.session.start_cursor


# ---------------------------------------------------------------------- planted leaks


def leaks_of(make_env: Any, series: CandleSeries = ONE, **arguments: Any) -> LookAheadError:
    with pytest.raises(LookAheadError) as caught:
        check_no_lookahead(make_env, series=series, **arguments)
    return caught.value


def test_a_feature_of_the_next_close_is_caught_and_named() -> None:
    def planted(series: CandleSeries) -> gymnasium.Env[Any, Any]:
        close = series.close[:, 0]
        next_return = np.append(np.log(close[1:] / close[:-1]), 0.0)
        return make(data=series, features=["log_return", Feature("next_return", next_return)])

    error = leaks_of(planted)
    assert {leak.what for leak in error.leaks} == {"observation: feature 'next_return' of BTCUSDT"}
    leak = error.leaks[0]
    assert (leak.step, leak.cursor) == (0, leak.cut)
    assert leak.time_ns == ONE.time_of(leak.cursor)
    assert "next_return" in str(error)
    assert "step 0" in str(error)


def test_a_feature_that_leaks_two_candles_is_named_at_the_second_to_last_too() -> None:
    def planted(series: CandleSeries) -> gymnasium.Env[Any, Any]:
        leaky = np.append(series.close[2:, 0] / series.close[:-2, 0], [1.0, 1.0])
        return make(data=series, features=[Feature("ahead", leaky)], look_back=1)

    error = leaks_of(planted, cuts=[200, 210], options={"start": 190})
    assert error.leaks[0].cursor == 199


@pytest.mark.parametrize("observation", ["flat", "dict"])
@pytest.mark.parametrize(("name", "index"), [("1h", 0), ("1d", 1)])
def test_a_window_with_the_candle_that_is_still_running_is_caught_and_named(
    name: str, index: int, observation: str
) -> None:
    def planted(series: CandleSeries) -> gymnasium.Env[Any, Any]:
        env = make(data=series, timeframes=LONGER, observation=observation)
        # Its window ends with the hour, or the day, that has opened and not closed.
        table = env.unwrapped._core.timeframes
        table["offset"][index] -= table["multiple"][index]
        return env

    midnight = 4 * 60 + 3 * 1440
    error = leaks_of(planted, series=THREE_DAYS, steps=5, options={"start": midnight + 100})
    assert {leak.what for leak in error.leaks} == {
        f"observation: feature {feature!r} of BTCUSDT in {name}"
        for feature in ("log_return", "close_position")
    }
    assert error.leaks[0].step == 0


class PeekingReward(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Adds the return of the candle that comes next to the reward."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        session = self.env.unwrapped.session
        series, cursor = session.series, session.cursor
        if cursor < series.num_candles:
            reward += series.close[cursor, 0] / series.close[cursor - 1, 0] - 1.0
        return observation, reward, terminated, truncated, info


def test_a_reward_that_peeks_is_caught_and_named() -> None:
    error = leaks_of(lambda series: PeekingReward(make(data=series)))
    assert {leak.what for leak in error.leaks} == {"reward"}
    # At the reset there is no reward yet: the first that leaks is that of the cut.
    assert error.leaks[0].cursor == error.leaks[0].cut


class PeekingInfo(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Tells the high of the candle that comes next."""

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, info = self.env.step(action)
        session = self.env.unwrapped.session
        info["high"] = float(np.append(session.series.high[:, 0], 0.0)[session.cursor])
        return observation, reward, terminated, truncated, info


def test_an_info_that_peeks_is_caught_and_named() -> None:
    error = leaks_of(lambda series: PeekingInfo(make(data=series)))
    assert {leak.what for leak in error.leaks} == {"info['high']"}


def test_a_leak_in_a_dict_observation_is_named_by_its_feature_too() -> None:
    def planted(series: CandleSeries) -> gymnasium.Env[Any, Any]:
        ahead = Feature("ahead", np.append(np.diff(np.log(series.close[:, 0])), 0.0))
        return make(data=series, features=["rsi", ahead], observation="dict")

    error = leaks_of(planted)
    assert {leak.what for leak in error.leaks} == {"observation: feature 'ahead' of BTCUSDT"}


def test_a_fill_in_the_candle_that_was_acted_on_is_caught_and_named() -> None:
    def planted(series: CandleSeries) -> gymnasium.Env[Any, Any]:
        env = make(data=series, action="ladder")
        # It says next_open, and fills at the close that the agent has just seen.
        assert env.unwrapped.settings.params.execution == "next_open"
        env.unwrapped._core.batch.params["at_close"] = 1
        return env

    error = leaks_of(planted)
    assert all(leak.what.startswith("fill: ") for leak in error.leaks)
    assert any("market buy of BTCUSDT" in leak.what for leak in error.leaks)


class OldFills(gymnasium.Env[Any, Any]):
    """Somebody else's environment: it buys at the open of the candle that it has just shown."""

    def __init__(self, series: CandleSeries, lag: int) -> None:
        self.series = series
        self.lag = lag
        self.action_space = gymnasium.spaces.Discrete(2)
        self.observation_space = gymnasium.spaces.Box(0.0, np.inf, (1,), np.float64)

    def _close(self) -> Any:
        return np.array([self.series.close[self.cursor - 1, 0]])

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.cursor, self.holds = 50, False
        return self._close(), {}

    def step(self, action: Any) -> Any:
        bought = self.series.open[self.cursor - self.lag, 0]
        before = self.series.close[self.cursor - 1, 0]
        self.cursor += 1
        now = self.series.close[self.cursor - 1, 0]
        reward = 0.0
        if self.holds:
            reward = now - before
        elif action:
            reward, self.holds = now - bought, True
        return self._close(), float(reward), False, self.cursor >= 100, {}


def test_a_foreign_environment_that_fills_in_the_past_is_caught() -> None:
    error = leaks_of(
        lambda series: OldFills(series, lag=1), cursor_of=lambda env: env.unwrapped.cursor
    )
    assert [leak.what for leak in error.leaks] == [
        "fill: profit from a jump that came before the fill"
    ]


def test_a_foreign_environment_that_fills_at_the_next_open_is_not_blamed() -> None:
    check_no_lookahead(
        lambda series: OldFills(series, lag=0),
        series=ONE,
        cursor_of=lambda env: env.unwrapped.cursor,
    )


class Normalised(gymnasium.ObservationWrapper[Any, Any, Any]):
    """Scales observations by the mean and spread of the whole data."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        values = env.unwrapped.settings.matrix.values[1:, 0, :]
        self.mean, self.std = values.mean(axis=0), values.std(axis=0) + 1e-9

    def observation(self, observation: Any) -> Any:
        width = len(self.mean)
        window = self.env.unwrapped.settings.look_back * width
        scaled = (observation[:window].reshape(-1, width) - self.mean) / self.std
        return np.concatenate([scaled.ravel(), observation[window:]]).astype(np.float32)


def test_a_normaliser_fitted_on_the_future_is_caught_and_named() -> None:
    error = leaks_of(lambda series: Normalised(make(data=series, features=["log_return", "rsi"])))
    named = {leak.what for leak in error.leaks}
    assert "observation: feature 'log_return' of BTCUSDT" in named
    assert all(leak.step == 0 for leak in error.leaks)


@pytest.mark.parametrize("statistic", [np.max, np.min], ids=["maximum", "minimum"])
def test_a_scale_by_an_extreme_of_the_future_is_caught(statistic: Any) -> None:
    def planted(series: CandleSeries) -> gymnasium.Env[Any, Any]:
        scaled = series.close[:, 0] / statistic(series.close[:, 0])
        return make(data=series, features=[Feature("scaled", scaled)])

    assert "scaled" in str(leaks_of(planted))


# ---------------------------------------------------------------------- what it refuses to judge


def test_a_ready_made_array_is_refused_because_nothing_can_be_said_of_it() -> None:
    env = make(features=[Feature("array", np.zeros(ONE.num_candles))])
    with pytest.raises(ConfigError, match=r"'array' must be an expression.*Give a function"):
        check_no_lookahead(env)


def test_a_ready_made_array_in_a_timeframe_is_refused_too() -> None:
    array = Feature("array", np.zeros(ONE.num_candles // 5))
    env = make(timeframes={"5m": {"look_back": 2, "features": [array]}})
    with pytest.raises(ConfigError, match=r"'array' must be an expression.*Give a function"):
        check_no_lookahead(env)


def test_an_environment_that_does_not_read_the_market_given_is_refused() -> None:
    with pytest.raises(ConfigError, match="must read the market"):
        check_no_lookahead(lambda _: make(data=ONE), series=ONE)


def test_a_function_needs_a_series_and_a_foreign_environment_a_clock() -> None:
    with pytest.raises(ConfigError, match="series must be given"):
        check_no_lookahead(lambda series: make(data=series))
    with pytest.raises(ConfigError, match="cursor_of must be given"):
        check_no_lookahead(lambda series: OldFills(series, 0), series=ONE)
    with pytest.raises(ConfigError, match="Give a function"):
        check_no_lookahead(make().unwrapped.__class__(ONE))


def test_a_cut_outside_of_what_was_played_is_refused() -> None:
    with pytest.raises(ConfigError, match="cuts must lie in"):
        check_no_lookahead(make(), cuts=[3])


def test_the_environment_given_is_not_touched() -> None:
    env = make()
    env.reset(seed=5)
    env.step(1)
    before = env.unwrapped.snapshot()[0] if hasattr(Session, "journal_mark") else None
    check_no_lookahead(env, steps=5)
    assert env.unwrapped.session.step_index == 1
    assert before is None or env.unwrapped.snapshot()[0] == before


# ---------------------------------------------------------------------- the altered market


def test_an_altered_market_differs_in_every_value_after_the_cut_and_in_none_before() -> None:
    market = replace(ONE_ROUGH, mark=ONE.close)
    changed = altered_after(market, 200)
    for name in ("open", "high", "low", "close", "funding", "mark"):
        was, now = getattr(market, name), getattr(changed, name)
        np.testing.assert_array_equal(was[:200], now[:200])
        there = ONE_ROUGH.valid[200:]
        assert (was[200:][there] != now[200:][there]).all(), name
    np.testing.assert_array_equal(ONE_ROUGH.extra["mood"][:200], changed.extra["mood"][:200])
    assert changed.fingerprint != ONE_ROUGH.fingerprint


def test_the_open_of_a_first_candle_that_has_opened_is_known_and_stays() -> None:
    listed = int(FOUR_ROUGH.listed_rows[-1, 0])
    opens = FOUR_ROUGH.open[listed, -1]
    assert altered_after(FOUR_ROUGH, listed).open[listed, -1] == opens
    assert altered_after(FOUR_ROUGH, listed - 1).open[listed, -1] != opens


# ---------------------------------------------------------------------- sessions


def everything(session: Session) -> dict[str, Any]:
    shown: dict[str, Any] = {
        verb: getattr(session, verb)()
        for verb in (
            "prices",
            "portfolio",
            "balance",
            "positions",
            "orders",
            "open_orders",
            "fills",
        )
    }
    for symbol in shown["prices"]:
        shown[f"ticker {symbol}"] = session.ticker(symbol)
        shown[f"price {symbol}"] = session.price(symbol)
        shown[f"decimals {symbol}"] = session.price_decimals(symbol)
    for symbol in session.symbols:
        for interval in ("1m", "5m", "15m", "1h"):
            shown[f"candles {symbol} {interval}"] = session.candles(symbol, interval, limit=20)
    shown["curve"] = [(p.simulated_ns, p.portfolio) for p in session.equity_curve()]
    shown["equity"] = session.equity
    return shown


def trade(session: Session, rng: np.random.Generator, script: list[Any]) -> None:
    """Place an order like one of the session's everyday ones, at prices that are known."""
    symbol = script[0]
    mark = session.prices().get(symbol)
    if mark is None:
        return
    choice, side = int(rng.integers(6)), ("buy", "sell")[int(rng.integers(2))]
    away = mark * (1.0 + float(rng.normal(0.0, 0.002)))
    if choice == 0:
        session.place_order(symbol, side, "market", fraction=0.2)
    elif choice == 1:
        session.place_order(symbol, side, "limit", notional=500.0, price=away)
    elif choice == 2:
        session.place_order(symbol, side, "stop_loss", trigger_price=away)
    elif choice == 3:
        session.place_order(symbol, side, "trailing_stop", trail_frac=0.002)
    elif choice == 4:
        session.place_order(
            symbol, "buy", "stop_limit", notional=300.0, price=away, trigger_price=away
        )
    else:
        session.rebalance({symbol: 0.3})


@pytest.mark.parametrize("market", [FOUR_ROUGH, FOUR_COARSE], ids=["rough", "coarse"])
@pytest.mark.parametrize("account", ["spot", "margin"])
@pytest.mark.parametrize("execution", ["close", "next_open"])
def test_no_door_of_a_session_looks_ahead(
    execution: str, account: str, market: CandleSeries
) -> None:
    for cut in (62, 199, 201, 350):
        runs = []
        for scale in (1.0, 3.0, 1.0 / 3.0):
            series = altered_after(market, cut, scale=scale) if scale != 1.0 else market
            session = Session.create(data=series, execution=execution, account=account)
            session.start()
            rng = np.random.default_rng(cut)
            shown = [everything(session)]
            while session.cursor < cut and not session.is_complete:
                trade(session, rng, [series.symbols[int(rng.integers(4))]])
                result = session.step_batch(min(int(rng.integers(1, 12)), cut - session.cursor))
                shown.append({"result": result, **everything(session)})
            runs.append(shown)
        assert len(runs[0][-1]["fills"]) > 0
        for other in runs[1:]:
            assert len(other) == len(runs[0])
            for was, now in zip(runs[0], other, strict=True):
                assert list(differences(was, now, ())) == []


def test_slippage_is_priced_by_the_volume_known_before_the_fill() -> None:
    # The whole day's volume of the fill's own candle and of later ones is another one.
    fills = []
    for scale in (1.0, 3.0):
        series = altered_after(ONE, 300, scale=scale) if scale != 1.0 else ONE
        session = Session.create(data=series, min_slippage_frac=0.0)
        session.start()
        session.step_batch(300)
        session.place_order("BTCUSDT", "buy", "market", notional=9_000)
        fills.append(session.fills()[0])
    assert fills[0] == fills[1]
    assert fills[0].slippage > 0.0


def test_the_slippage_at_the_next_open_does_not_know_the_volume_of_its_candle() -> None:
    more = ONE.volume.copy()
    more[300] *= 50.0
    busy = replace(ONE, volume=more, quote_volume=more * ONE.close)
    prices = []
    for series in (ONE, busy):
        session = Session.create(data=series, min_slippage_frac=0.0, execution="next_open")
        session.start()
        session.step_batch(300)
        session.place_order("BTCUSDT", "buy", "market", notional=5_000)
        session.step()
        prices.append(session.fills()[0].price)
    assert prices[0] == prices[1]
