"""Indicators: hand computations and slow references in plain Python."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from seq_gym.envs import indicators

Floats = NDArray[np.float64]


def walk(num_candles: int, num_symbols: int) -> dict[str, Floats]:
    rng = np.random.default_rng(5)
    shape = (num_candles, num_symbols)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal(shape), axis=0))
    return {
        "high": close * (1.0 + 0.01 * rng.random(shape)),
        "low": close * (1.0 - 0.01 * rng.random(shape)),
        "close": close,
    }


def test_rsi_of_three_candles_by_hand() -> None:
    # Changes +2, -1, +3 then -2: means (5/3, 1/3), then (10/9, 8/9).
    close = np.array([10.0, 12.0, 11.0, 14.0, 12.0])
    got = indicators.rsi(close, 3)
    assert np.isnan(got[:3]).all()
    assert got[3] == pytest.approx(100 * 5 / 6)
    assert got[4] == pytest.approx(100 * 10 / 18)


def test_atr_counts_the_gap_to_the_previous_close() -> None:
    high = np.array([11.0, 15.0, 15.0])
    low = np.array([9.0, 14.0, 13.0])
    close = np.array([10.0, 14.5, 14.0])
    # True ranges 15 - 10 = 5 and 15 - 13 = 2.
    assert indicators.true_range(high, low, close)[1:].tolist() == [5.0, 2.0]
    assert indicators.atr(high, low, close, 2)[2] == pytest.approx(3.5)


def test_bollinger_by_hand() -> None:
    percent_b, width = indicators.bollinger(np.array([1.0, 3.0]), window=2)
    # Mean 2, deviation 1, bands 0 and 4.
    assert percent_b[1] == pytest.approx(0.75)
    assert width[1] == pytest.approx(2.0)


def test_adx_of_a_steady_rise_is_one_hundred() -> None:
    close = np.arange(10.0, 30.0)
    got = indicators.adx(close + 0.5, close - 0.5, close, 3)
    assert np.isnan(got[:5]).all()
    assert got[5:] == pytest.approx(100.0)


def test_an_ema_starts_from_the_mean_of_its_first_window() -> None:
    assert indicators.ema(np.array([1.0, 2.0, 6.0, 7.0]), 3).tolist()[2:] == [3.0, 5.0]
    assert indicators.wilder(np.array([1.0, 2.0, 6.0, 6.0]), 3).tolist()[2:] == [3.0, 4.0]


def slow_smooth(values: list[float], alpha: float, window: int) -> list[float]:
    out = [math.nan] * len(values)
    if len(values) >= window:
        out[window - 1] = sum(values[:window]) / window
        for i in range(window, len(values)):
            out[i] = (1 - alpha) * out[i - 1] + alpha * values[i]
    return out


def slow_rsi(c: dict[str, list[float]], n: int) -> list[float]:
    moves = [b - a for a, b in zip(c["close"], c["close"][1:], strict=False)]
    gain = slow_smooth([max(m, 0.0) for m in moves], 1 / n, n)
    loss = slow_smooth([max(-m, 0.0) for m in moves], 1 / n, n)
    return [math.nan] + [100 * g / (g + x) for g, x in zip(gain, loss, strict=True)]


def slow_true_range(c: dict[str, list[float]]) -> list[float]:
    h, low, close = c["high"], c["low"], c["close"]
    return [
        max(h[i] - low[i], abs(h[i] - close[i - 1]), abs(low[i] - close[i - 1]))
        for i in range(1, len(close))
    ]


def slow_atr(c: dict[str, list[float]], n: int) -> list[float]:
    return [math.nan, *slow_smooth(slow_true_range(c), 1 / n, n)]


def slow_adx(c: dict[str, list[float]], n: int) -> list[float]:
    plus, minus = [], []
    for i in range(1, len(c["close"])):
        up = c["high"][i] - c["high"][i - 1]
        down = c["low"][i - 1] - c["low"][i]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    p, m = slow_smooth(plus, 1 / n, n), slow_smooth(minus, 1 / n, n)
    index = [100 * abs(a - b) / (a + b) for a, b in zip(p[n - 1 :], m[n - 1 :], strict=True)]
    return [math.nan] * n + slow_smooth(index, 1 / n, n)


def slow_macd_histogram(c: dict[str, list[float]], n: int) -> list[float]:
    fast, slow = (slow_smooth(c["close"], 2 / (w + 1), w) for w in (12, 26))
    line = [a - b for a, b in zip(fast, slow, strict=True)][25:]
    signal = slow_smooth(line, 2 / 10, 9)
    return [math.nan] * 25 + [a - b for a, b in zip(line, signal, strict=True)]


def slow_bandwidth(c: dict[str, list[float]], n: int) -> list[float]:
    out = [math.nan] * (n - 1)
    for i in range(n - 1, len(c["close"])):
        window = c["close"][i - n + 1 : i + 1]
        mean = sum(window) / n
        out.append(4 * math.sqrt(sum((x - mean) ** 2 for x in window) / n) / mean)
    return out


FAST: dict[str, tuple[Callable[..., Floats], Callable[..., list[float]]]] = {
    "rsi": (lambda h, low, c, n: indicators.rsi(c, n), slow_rsi),
    "atr": (indicators.atr, slow_atr),
    "adx": (indicators.adx, slow_adx),
    "macd": (lambda h, low, c, n: indicators.macd(c)[2], slow_macd_histogram),
    "bollinger": (lambda h, low, c, n: indicators.bollinger(c, n)[1], slow_bandwidth),
}


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("window", [2, 5, 14])
def test_indicators_equal_their_slow_references(name: str, window: int) -> None:
    columns = walk(120, 2)
    fast, slow = FAST[name]
    got = fast(columns["high"], columns["low"], columns["close"], window)
    for s in range(2):
        wanted = slow({k: v[:, s].tolist() for k, v in columns.items()}, window)
        np.testing.assert_allclose(got[:, s], wanted, rtol=1e-9, atol=1e-9)


def test_rolling_deviations_stay_exact_at_high_prices() -> None:
    values = 1e9 + np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    assert indicators.rolling_std(values, 4)[3:].tolist() == [0.5, 0.5, 0.5]
