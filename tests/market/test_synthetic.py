"""The synthetic market looks like one, and every value has one seed."""

from __future__ import annotations

import numpy as np
import pytest

from seq_gym.errors import ConfigError
from seq_gym.market import candles_from_rows, ramp_candles, synthetic_candles

FIELDS = ("open", "high", "low", "close", "volume", "quote_volume")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "DOGEUSDT")


@pytest.fixture(scope="module")
def market():
    return synthetic_candles(SYMBOLS, num_candles=90_000, seed=3)


def returns_of(series):
    return np.diff(np.log(series.close), axis=0)


def autocorrelation(values, lag):
    return np.corrcoef(values[:-lag], values[lag:])[0, 1]


def test_returns_have_fat_tails_and_volatility_that_lasts(market):
    for returns in returns_of(market).T:
        centred = returns - returns.mean()
        assert (centred**4).mean() / (centred**2).mean() ** 2 - 3 > 5
        assert autocorrelation(np.abs(returns), 60) > 0.1
        assert abs(autocorrelation(returns, 1)) < 0.03
        assert abs(autocorrelation(returns, 60)) < 0.03


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.9])
def test_symbols_are_correlated_as_configured(correlation):
    series = synthetic_candles(SYMBOLS, num_candles=90_000, seed=5, correlation=correlation)
    measured = np.corrcoef(returns_of(series).T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(measured, correlation, atol=0.05)


def test_volatility_is_as_configured():
    series = synthetic_candles(num_candles=525_600, seed=1, annual_volatility=0.8)
    assert returns_of(series).std() * np.sqrt(525_600) == pytest.approx(0.8, rel=0.15)


def test_volume_has_a_daily_wave_and_comes_with_moves(market):
    volume = market.quote_volume[:, 0]
    hour = np.arange(len(volume)) // 60 % 24
    by_hour = np.array([volume[hour == h].mean() for h in range(24)])
    assert 12 <= by_hour.argmax() <= 17
    assert by_hour.max() > 2 * by_hour.min()
    moves = np.abs(returns_of(market)[:, 0])
    assert np.corrcoef(moves, market.volume[1:, 0])[0, 1] > 0.4


def test_opens_are_near_the_last_close_and_a_quarter_lies_above(market):
    before, opened = market.close[:-1], market.open[1:]
    np.testing.assert_allclose(opened, before, rtol=0.005)
    np.testing.assert_allclose((opened > before).mean(axis=0), 0.25, atol=0.02)
    np.testing.assert_allclose((opened < before).mean(axis=0), 0.25, atol=0.02)


def test_prices_are_whole_ticks(market):
    for column, instrument in enumerate(market.instruments):
        for name in ("open", "high", "low", "close"):
            ticks = getattr(market, name)[:, column] / instrument.tick
            np.testing.assert_allclose(ticks, np.round(ticks), atol=1e-5)


def test_a_value_depends_on_seed_and_symbol_alone():
    whole = synthetic_candles(SYMBOLS, num_candles=5_000, seed=7)
    alone = synthetic_candles("ETHUSDT", num_candles=1_234, seed=7)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(alone, name)[:, 0], getattr(whole, name)[:1_234, 1])
    assert synthetic_candles(seed=0, num_candles=50).fingerprint != (
        synthetic_candles(seed=1, num_candles=50).fingerprint
    )


def test_known_candles_of_a_seed_stay_the_same_between_versions():
    series = synthetic_candles(num_candles=3, seed=0)
    # A tick of tolerance: another machine's exp may round another way.
    np.testing.assert_allclose(series.close[:, 0], [95028.46, 95098.64, 95169.00], atol=0.011)
    np.testing.assert_allclose(series.volume[:, 0], [0.35008, 5.52466, 6.17636], atol=2e-5)


@pytest.mark.parametrize("interval", ["1s", "5m", "1h", "1d"])
def test_other_intervals_make_a_market_too(interval):
    series = synthetic_candles(interval=interval, num_candles=2_000)
    assert series.interval == interval
    assert series.traded.all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbols": ()},
        {"num_candles": 0},
        {"seed": -1},
        {"correlation": 1.5},
        {"annual_volatility": 0.0},
        {"start_price": -1.0},
        {"symbols": ("BTCUSDT", "BTCUSDT")},
        {"start_price": {"BTCUSTD": 1.0}},
    ],
)
def test_a_market_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        synthetic_candles(**{"num_candles": 10} | wrong)


def test_handmade_rows_are_the_series():
    series = candles_from_rows(
        {"BTCUSDT": [(10, 12, 9, 11, 5), None], "ETHUSDT": [(1, 1, 1, 1)]}, funding=None
    )
    assert series.valid.tolist() == [[True, True], [False, False]]
    assert series.has_volume.tolist() == [True, False]
    assert series.volume[0].tolist() == [5, 0]
    with pytest.raises(ConfigError, match="row 1 was"):
        candles_from_rows([(1, 1, 1, 1), (1, 2, 3)])


def test_a_ramp_opens_at_the_last_close():
    series = ramp_candles(prices=[10, 12, 11])
    assert series.open[:, 0].tolist() == [10, 10, 12]
    assert series.high[:, 0].tolist() == [10, 12, 12]
    assert series.low[:, 0].tolist() == [10, 10, 11]
