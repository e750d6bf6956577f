"""A seeded synthetic order book with trades: what book environments run on out of the box.

Every order has a name and a place in its queue, so the truth of queue positions is known
(`synthetic_l3`). The fair price moves by rare jumps over a faint diffusion and is the same at all
venues of a symbol, each with its own lag; symbols share a factor. Every stream is keyed by (seed,
symbol, venue, purpose) and drawn in time order: another book, or a longer one, changes no row.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from seq_gym._random import draw_uniform, stream_of
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market.book.events import BookData, BookEvents
from seq_gym.market.book.orders import OrderFlow, book_of
from seq_gym.market.book.phantoms import follow_arrivals
from seq_gym.market.book.queue_truth import QueueTruth
from seq_gym.market.book.synthetic_draws import FloatArray, feed_times, reference_path
from seq_gym.market.book.synthetic_kernel import GRID_NS, run_market
from seq_gym.market.book.synthetic_market import SyntheticMarket
from seq_gym.market.book.synthetic_pools import make_pools
from seq_gym.market.instruments import Instrument, split_symbol
from seq_gym.market.synthetic import START_PRICES
from seq_gym.times import NS_PER_S, NS_PER_YEAR, TimeLike, parse_time

__all__ = [
    "SyntheticL3",
    "SyntheticMarket",
    "synthetic_book",
    "synthetic_books",
    "synthetic_l3",
    "synthetic_orders",
]


_WARM_NS: Final = 120 * NS_PER_S
_LONGEST_LAG_NS: Final = 50_000_000


@dataclass(frozen=True, eq=False, kw_only=True)
class SyntheticL3:
    """A synthetic market whose queues are known."""

    events: BookEvents
    """What the venue publishes (L2)."""
    orders: OrderFlow
    """Every order by name (L3)."""
    truth: QueueTruth
    """Phantom orders that were followed through the queues."""


def synthetic_book(
    *,
    symbol: str = "BTCUSDT",
    venue: str = "synthetic",
    seconds: float = 600.0,
    seed: int = 0,
    start: TimeLike = "2025-01-01",
    start_price: float | None = None,
    correlation: float = 0.6,
    lag_seconds: float | None = None,
    market: SyntheticMarket | None = None,
) -> BookEvents:
    """Make the book and trades of a synthetic market.

    The rows of the first t seconds are the same whatever ``seconds``, and whatever other books
    are made from the same seed.

    Args:
        symbol: Its base tells a usual first price.
        venue: Its name keys the draws.
        seconds: Length of the recording.
        seed: Any integer from 0 to 2^63 - 1.
        start: Time of the snapshot that the recording begins with.
        start_price: First fair price, quote; None = a usual one.
        correlation: Of the fair prices of any two symbols, 0 to 1.
        lag_seconds: By how much the venue follows the fair price later; None = 0 for
            "synthetic", up to 0.05 by name for others.
        market: How it behaves.

    Returns:
        Events with prices of five digits: a tick is about 0.1 to 1 basis points.

    Raises:
        ConfigError: An argument is out of its range.
    """
    return book_of(
        synthetic_orders(
            symbol=symbol,
            venue=venue,
            seconds=seconds,
            seed=seed,
            start=start,
            start_price=start_price,
            correlation=correlation,
            lag_seconds=lag_seconds,
            market=market,
        )
    )


def synthetic_books(
    symbols: str | Sequence[str] = ("BTCUSDT",),
    venues: str | Sequence[str] = ("synthetic",),
    *,
    seconds: float = 600.0,
    seed: int = 0,
    start: TimeLike = "2025-01-01",
    start_price: Mapping[str, float] | None = None,
    correlation: float = 0.6,
    lag_seconds: Mapping[str, float] | None = None,
    market: SyntheticMarket | None = None,
) -> BookData:
    """Make the books of several symbols, each at several venues; see `synthetic_book`.

    Args:
        symbols: One or several; their fair prices share a factor.
        venues: One or several; each follows a symbol's one fair price with its own lag.
        seconds: Length of each recording.
        seed: Any integer from 0 to 2^63 - 1.
        start: Time of the snapshots.
        start_price: First fair prices by symbol; usual ones for others.
        correlation: Of the fair prices of any two symbols, 0 to 1.
        lag_seconds: By venue; see `synthetic_book` for others.
        market: How each of them behaves.

    Returns:
        Books by symbol, then by venue. Adding one changes no other.

    Raises:
        ConfigError: An argument is out of its range.
        UnknownName: A setting is of a symbol or venue that is not made.
    """
    names = (symbols,) if isinstance(symbols, str) else tuple(symbols)
    places = (venues,) if isinstance(venues, str) else tuple(venues)
    prices, lags = start_price or {}, lag_seconds or {}
    for kind, settings, known in (("symbol", prices, names), ("venue", lags, places)):
        for name in settings:
            if name not in known:
                raise UnknownName(kind, name, known)
    return BookData(
        books=tuple(
            synthetic_book(
                symbol=symbol,
                venue=venue,
                seconds=seconds,
                seed=seed,
                start=start,
                start_price=prices.get(symbol),
                correlation=correlation,
                lag_seconds=lags.get(venue),
                market=market,
            )
            for symbol in names
            for venue in places
        )
    )


def synthetic_orders(
    *,
    symbol: str = "BTCUSDT",
    venue: str = "synthetic",
    seconds: float = 600.0,
    seed: int = 0,
    start: TimeLike = "2025-01-01",
    start_price: float | None = None,
    correlation: float = 0.6,
    lag_seconds: float | None = None,
    market: SyntheticMarket | None = None,
) -> OrderFlow:
    """Make a synthetic market order by order (L3); arguments as of `synthetic_book`.

    Raises:
        ConfigError: An argument is out of its range.
    """
    market = market or SyntheticMarket()
    price = START_PRICES.get(split_symbol(symbol)[0], 100.0) if start_price is None else start_price
    _check(seconds, seed, price, correlation)
    instrument = _instrument(symbol, venue, price)
    run_ns = round(seconds * NS_PER_S)
    path = _fair_path(market, symbol, seed, price / instrument.tick, correlation, run_ns)
    stream = stream_of("book", symbol, venue)
    start_ns, lag_ns = parse_time(start), _lag_ns(venue, lag_seconds)
    rates = market.rates()
    capacity = 20_000 + int(1.2 * seconds * (3 * market.limit_orders_per_second + 20))
    while True:
        pools = make_pools(capacity)
        rows = run_market(pools, rates, path, seed, stream, start_ns, lag_ns, _WARM_NS, run_ns)
        if rows < capacity:
            break
        capacity *= 2  # the same draws give the same rows, and more of them
    ts, message, kind, side, tick, lots, order = pools.out[:rows].T
    feed = stream_of("book/feed", symbol, venue)
    ts = np.ascontiguousarray(ts)
    message = np.ascontiguousarray(message)
    return OrderFlow(
        instrument=instrument,
        exch_ts=ts,
        local_ts=feed_times(ts, message, seed, feed, market.feed_median_ns, market.feed_sigma),
        message=message,
        kind=kind.astype(np.int8),
        side=side.astype(np.int8),
        tick=tick.astype(np.int32),
        lots=np.ascontiguousarray(lots),
        order=np.ascontiguousarray(order),
    )


def synthetic_l3(
    *, num_tracked: int = 2_000, follow_seconds: float = 60.0, **settings: Any
) -> SyntheticL3:
    """Make a synthetic market with the truth of queue positions.

    Args:
        num_tracked: How many phantom orders join at most, beside real arrivals behind others.
        follow_seconds: How long each is followed at most.
        settings: Arguments of `synthetic_book`.

    Raises:
        ConfigError: An argument is out of its range.
    """
    orders = synthetic_orders(**settings)
    truth = follow_arrivals(orders, num_orders=num_tracked, seconds=follow_seconds)
    return SyntheticL3(events=book_of(orders), orders=orders, truth=truth)


def _fair_path(
    market: SyntheticMarket,
    symbol: str,
    seed: int,
    start_ticks: float,
    correlation: float,
    run_ns: int,
) -> FloatArray:
    steps = market.rates().foresight_steps + 1
    path = np.empty((_WARM_NS + run_ns) // GRID_NS + steps)
    reference_path(
        path,
        seed,
        stream_of("book/factor"),
        stream_of("book/fair", symbol),
        start_ticks,
        market.annual_volatility * math.sqrt(GRID_NS / NS_PER_YEAR),
        correlation,
        min(market.jumps_per_second * GRID_NS / NS_PER_S, 1.0),
        market.diffusive_frac,
        1.0 - GRID_NS / (180.0 * NS_PER_S),  # volatility comes and goes within minutes
    )
    return np.maximum(path, 2 * market.max_depth_ticks + 1.5)


def _instrument(symbol: str, venue: str, price: float) -> Instrument:
    base, quote = split_symbol(symbol)
    digits = 4 - math.floor(math.log10(price))
    lot_digits = math.ceil(math.log10(price) - 2)  # a lot is worth 10 to 100 in quote
    return Instrument(
        symbol=symbol,
        base=base,
        quote=quote,
        tick=float(f"1e{-digits}"),
        lot=float(f"1e{-lot_digits}"),
        venue=venue,
    )


def _lag_ns(venue: str, lag_seconds: float | None) -> int:
    if lag_seconds is not None:
        if not 0 <= lag_seconds <= 60:
            raise ConfigError(f"lag_seconds must be from 0 to 60; was {lag_seconds!r}.")
        return round(lag_seconds * NS_PER_S)
    if venue == "synthetic":
        return 0
    return int(_LONGEST_LAG_NS * draw_uniform(0, stream_of("book/lag", venue), 0))


def _check(seconds: float, seed: int, price: float, correlation: float) -> None:
    if not (math.isfinite(seconds) and 0 < seconds <= 1e6):
        raise ConfigError(f"seconds must be above 0, to 1e6; was {seconds!r}.")
    if not 0 <= seed < 2**63:
        raise ConfigError(f"seed must be from 0 to 2^63 - 1; was {seed}.")
    if not 0 <= correlation <= 1:
        raise ConfigError(f"correlation must be from 0 to 1; was {correlation}.")
    if not (math.isfinite(price) and price > 0):
        raise ConfigError(f"start_price must be finite and > 0; was {price!r}.")
