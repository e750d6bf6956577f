"""A seeded synthetic market that has what real candles have: bursts, fat tails, a daily wave.

Volatility is one log-normal process for all symbols, the sum of three mean-reverting parts with
half-lives of an hour, a day and five days (a cascade in the manner of Corsi 2009, "A Simple
Approximate Long-Memory Model of Realized Volatility") and an intraday wave. Innovations follow
Student's t; a common factor gives the correlation. Highs and lows are the extremes of a Brownian
bridge from open to close. Every stream is keyed by (seed, symbol, purpose) alone, and drawn in time
order: another symbol, or a longer series, changes no value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.candles import CandleSeries
from seq_gym.market.columns import FloatArray
from seq_gym.market.instruments import Instrument, split_symbol
from seq_gym.times import (
    NS_PER_DAY,
    NS_PER_HOUR,
    NS_PER_YEAR,
    IntervalLike,
    TimeLike,
    parse_interval,
    parse_time,
)

__all__ = ["synthetic_candles"]

START_PRICES: Final = {
    "BTC": 95_000.0,
    "ETH": 3_400.0,
    "BNB": 700.0,
    "SOL": 190.0,
    "LTC": 105.0,
    "AVAX": 36.0,
    "LINK": 20.0,
    "XRP": 2.1,
    "ADA": 0.85,
    "DOGE": 0.32,
}
"""First prices of some base currencies, in dollars; all others begin at 100."""

_HALF_LIVES_NS: Final = (NS_PER_HOUR, NS_PER_DAY, 5 * NS_PER_DAY)
_LOG_VOL_STD: Final = 0.35
_DEGREES_OF_FREEDOM: Final = 5.0
_BUSIEST_HOUR: Final = 14.5
_LOT: Final = 1e-5
_PADDING: Final = 1024


class _Market(NamedTuple):
    """What all symbols share, one value per candle."""

    num_candles: int
    interval_ns: int
    shape: FloatArray
    """Volatility over its long-run mean square root."""
    factor: FloatArray
    """Common innovation, unit variance."""
    wave: FloatArray
    """Logarithm of the day's activity, mean 0."""


class _Moves(NamedTuple):
    """How one symbol moves, one value per candle."""

    returns: FloatArray
    """Log returns."""
    scale: FloatArray
    """Their standard deviation at the time."""
    surprise: FloatArray
    """Absolute innovation, in standard deviations."""


def synthetic_candles(
    symbols: str | Sequence[str] = ("BTCUSDT",),
    interval: IntervalLike = "1m",
    start: TimeLike = "2025-01-01",
    *,
    num_candles: int = 43_200,
    seed: int = 0,
    correlation: float = 0.6,
    annual_volatility: float | Mapping[str, float] = 0.6,
    annual_drift: float | Mapping[str, float] = 0.0,
    start_price: float | Mapping[str, float] | None = None,
    daily_quote_volume: float | Mapping[str, float] = 5e8,
) -> CandleSeries:
    """Make candles of a synthetic market.

    The first n candles are the same whatever ``num_candles``, and a symbol's candles are the same
    whatever other symbols there are.

    Args:
        symbols: One symbol or several.
        interval: Length of a candle.
        start: Open time of the first candle.
        num_candles: Number of candles; the default is 30 days of minutes.
        seed: Any integer from 0 to 2^64 - 1.
        correlation: Correlation of the returns of any two symbols, 0 to 1.
        annual_volatility: Standard deviation of log returns per square root of a year; one for
            all, or by symbol.
        annual_drift: Expected growth of the price per year; one for all, or by symbol.
        start_price: First open; one for all, by symbol, or None for a usual one.
        daily_quote_volume: Typical traded value of a day, in quote.

    Returns:
        A series with every candle valid and traded.

    Raises:
        ConfigError: An argument is out of its range.
        UnknownName: A setting is of a symbol that is not made.
    """
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    _check(names, num_candles, seed, correlation)
    for settings in (annual_volatility, annual_drift, start_price, daily_quote_volume):
        for name in settings if isinstance(settings, Mapping) else ():
            if name not in names:
                raise UnknownName("symbol", name, names)
    market = _make_market(parse_interval(interval), parse_time(start), num_candles, seed)
    columns: list[dict[str, FloatArray]] = []
    instruments = []
    for name in names:
        price = _setting(start_price, name, _usual_price(name))
        decimals = _decimals(price)
        volatility = _setting(annual_volatility, name, 0.6, "annual_volatility")
        drift = _setting(annual_drift, name, 0.0)
        moves = _make_moves(market, name, seed, correlation, volatility, drift)
        prices = _prices(moves, name, seed, price, decimals)
        turnover = _setting(daily_quote_volume, name, 5e8, "daily_quote_volume")
        columns.append(prices | _volumes(prices, market, moves.surprise, name, seed, turnover))
        base, quote = split_symbol(name)
        instruments.append(
            Instrument(symbol=name, base=base, quote=quote, tick=10.0**-decimals, lot=_LOT)
        )
    shape = (num_candles, len(names))
    cells: dict[str, Any] = {
        field: np.stack([column[field][:num_candles] for column in columns], axis=1)
        for field in columns[0]
    }
    return CandleSeries(
        symbols=names,
        instruments=tuple(instruments),
        interval_ns=market.interval_ns,
        start_ns=parse_time(start),
        **cells,
        valid=np.ones(shape, dtype=np.bool_),
        span=np.ones(shape, dtype=np.int32),
    )


def _make_market(interval_ns: int, start_ns: int, num_candles: int, seed: int) -> _Market:
    # Whole blocks only, so that vectorised loops have no tail that depends on the length.
    padded = -(-num_candles // _PADDING) * _PADDING
    times = start_ns + interval_ns * np.arange(padded, dtype=np.int64)
    hours = (times % NS_PER_DAY + interval_ns / 2) / NS_PER_HOUR
    wave = np.cos(2 * np.pi * (hours - _BUSIEST_HOUR) / 24)
    # A candle of a day or more holds the whole wave.
    wave *= max(0.0, 1.0 - interval_ns / NS_PER_DAY)
    log_vol = 0.3 * wave
    for half_life in _HALF_LIVES_NS:
        generator = _generator(seed, f"market/volatility/{half_life}")
        log_vol += _mean_reverting(generator, padded, 0.5 ** (interval_ns / half_life))
    mean_square = np.exp(2 * len(_HALF_LIVES_NS) * _LOG_VOL_STD**2) * np.i0(0.6)
    factor = _innovations(_generator(seed, "market/factor"), padded)
    return _Market(padded, interval_ns, np.exp(log_vol) / np.sqrt(mean_square), factor, wave)


def _make_moves(
    market: _Market, name: str, seed: int, correlation: float, volatility: float, drift: float
) -> _Moves:
    own = _innovations(_generator(seed, f"{name}/innovation"), market.num_candles)
    mixed = np.sqrt(correlation) * market.factor + np.sqrt(1 - correlation) * own
    years = market.interval_ns / NS_PER_YEAR
    # A day of fat tails must not multiply a price by a thousand.
    scale = np.minimum(volatility * np.sqrt(years) * market.shape, 0.2)
    return _Moves(scale * mixed - scale**2 / 2 + drift * years, scale, np.abs(mixed))


def _prices(
    moves: _Moves, name: str, seed: int, price: float, decimals: int
) -> dict[str, FloatArray]:
    tick = 10.0**-decimals
    returns = moves.returns
    draws = _generator(seed, f"{name}/path").random((len(returns), 4))
    path = price * np.exp(np.clip(np.cumsum(returns), -700, 300))
    close = np.maximum(np.round(path, decimals), tick)
    before = np.concatenate(([price], close[:-1]))
    # A quarter of opens lie above the last close, a quarter below; most by a tick or two.
    side = np.select([draws[:, 0] < 0.25, draws[:, 0] > 0.75], [1.0, -1.0])
    size = np.ceil(-np.log1p(-draws[:, 1]) * np.maximum(1.0, 0.02 * np.abs(returns) * path / tick))
    side[0] = 0.0
    opened = np.maximum(np.round(before + side * size * tick, decimals), tick)
    # Extremes of a Brownian bridge from open to close. Real minutes reach less far beyond both
    # than a continuous path would, because price moves in ticks: hence the 0.4.
    move = np.log(close / opened)
    variance = 0.4 * moves.scale**2
    reach = np.sqrt(move**2 - 2 * variance * np.log1p(-draws[:, 2]))
    drop = np.sqrt(move**2 - 2 * variance * np.log1p(-draws[:, 3]))
    top = np.round(opened * np.exp((move + reach) / 2), decimals)
    bottom = np.round(opened * np.exp((move - drop) / 2), decimals)
    return {
        "open": opened,
        "high": np.maximum(top, np.maximum(opened, close)),
        "low": np.maximum(np.minimum(bottom, np.minimum(opened, close)), tick),
        "close": close,
    }


def _volumes(
    prices: Mapping[str, FloatArray],
    market: _Market,
    surprise: FloatArray,
    name: str,
    seed: int,
    daily_quote_volume: float,
) -> dict[str, FloatArray]:
    noise = _generator(seed, f"{name}/volume").standard_normal(market.num_candles)
    typical = daily_quote_volume * market.interval_ns / NS_PER_DAY
    activity = np.exp(0.5 * market.wave + 0.45 * noise) * (0.35 + surprise) * market.shape
    mean_price = (prices["open"] + prices["high"] + prices["low"] + prices["close"]) / 4
    volume = np.maximum(np.round(typical * activity / mean_price, 5), _LOT)
    return {"volume": volume, "quote_volume": volume * mean_price}


def _mean_reverting(generator: np.random.Generator, count: int, keep: float) -> FloatArray:
    """Draw a stationary AR(1) path: each value is ``keep`` times the last plus noise.

    A doubling scan: after pass k every value holds the noise of the last 2^k candles.
    """
    path: FloatArray = generator.standard_normal(count) * _LOG_VOL_STD * np.sqrt(1 - keep**2)
    path[0] /= np.sqrt(1 - keep**2)
    shift, weight = 1, keep
    while shift < count and weight > 1e-17:
        path[shift:] += weight * path[:-shift].copy()
        shift, weight = 2 * shift, weight * weight
    return path


def _innovations(generator: np.random.Generator, count: int) -> FloatArray:
    """Draw Student's t, scaled to unit variance."""
    nu = _DEGREES_OF_FREEDOM
    draws: FloatArray = generator.standard_t(nu, count) * np.sqrt((nu - 2) / nu)
    return draws


def _generator(seed: int, stream: str) -> np.random.Generator:
    key = int.from_bytes(hashlib.sha256(stream.encode()).digest()[:8], "little")
    return np.random.Generator(np.random.Philox(key=np.array([seed, key], dtype=np.uint64)))


def _setting(
    value: float | Mapping[str, float] | None, symbol: str, default: float, name: str = ""
) -> float:
    number = value.get(symbol, default) if isinstance(value, Mapping) else value
    number = default if number is None else float(number)
    if name and not (np.isfinite(number) and number > 0):
        raise ConfigError(f"{name} of {symbol} must be finite and > 0; was {number!r}.")
    return number


def _usual_price(symbol: str) -> float:
    return START_PRICES.get(split_symbol(symbol)[0], 100.0)


def _decimals(price: float) -> int:
    """Decimals that give a price seven digits, at least two of them after the point."""
    if not (np.isfinite(price) and price > 0):
        raise ConfigError(f"start_price must be finite and > 0; was {price!r}.")
    return max(2, 6 - int(np.floor(np.log10(price))))


def _check(names: tuple[str, ...], num_candles: int, seed: int, correlation: float) -> None:
    if not names:
        raise ConfigError("symbols must name at least one symbol; was none.")
    if num_candles < 1:
        raise ConfigError(f"num_candles must be >= 1; was {num_candles}.")
    if not 0 <= seed < 2**64:
        raise ConfigError(f"seed must be from 0 to 2^64 - 1; was {seed}.")
    if not 0 <= correlation <= 1:
        raise ConfigError(f"correlation must be from 0 to 1; was {correlation}.")
