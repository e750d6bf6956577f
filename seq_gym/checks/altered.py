"""Copies of a market that agree up to a cursor and in nothing after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seq_gym.market import CandleSeries

__all__ = ["altered_after", "jumped_after"]

Floats = NDArray[np.float64]


def _known_opens(series: CandleSeries, cursor: int) -> NDArray[np.bool_]:
    """Return which opens of candles after a cursor are known at it: bool [T, S] (C3).

    Only the open of a symbol's very first candle, once that has opened.
    """
    known = np.zeros(series.valid.shape, np.bool_)
    for s, (first, stop) in enumerate(series.listed_rows):
        if stop > 0 and first <= cursor:
            known[int(np.argmax(series.valid[:, s])), s] = True
    return known


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    return np.asarray(np.exp(rng.normal(0.0, 0.02, shape)))


def altered_after(
    series: CandleSeries, cursor: int, *, scale: float = 3.0, seed: int = 0
) -> CandleSeries:
    """Return a copy in which every value that is not known at a cursor is another one.

    Prices and mark prices are moved by `scale` and by noise, volumes and funding rates redrawn,
    custom columns moved; candles that did not trade may trade and the other way round. Every candle
    stays valid (C7), and which candles exist stays as it is.

    Args:
        series: The candles.
        cursor: Candles 0 to cursor - 1 stay as they are.
        scale: Factor of prices: use one above 1 and one below it, so that a maximum or a minimum
            over the whole data moves too.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    shape = series.valid[cursor:].shape
    keep = _known_opens(series, cursor)[cursor:]
    opened = series.open[cursor:] * scale * _noise(rng, shape)
    opened = np.where(keep, series.open[cursor:], opened)
    close = series.close[cursor:] * scale * _noise(rng, shape)
    high = np.maximum(opened, close) * (1.0 + rng.uniform(0.0001, 0.02, shape))
    low = np.minimum(opened, close) * (1.0 - rng.uniform(0.0001, 0.02, shape))
    volume = _other_volume(series, cursor, rng)
    funding, mark = None, None
    if series.funding is not None:
        funding = _joined(series.funding, cursor, rng.normal(0.0, 0.001, shape))
    if series.mark is not None:
        mark = _joined(series.mark, cursor, _other_mark(series.mark[cursor:], close, scale, rng))
    after: dict[str, Any] = {"open": opened, "high": high, "low": low, "close": close}
    after |= {"volume": volume, "quote_volume": volume * close}
    changed: dict[str, Any] = {
        name: _joined(getattr(series, name), cursor, part) for name, part in after.items()
    }
    return replace(
        series,
        **changed,
        funding=funding,
        mark=mark,
        extra={
            name: _joined(values, cursor, values[cursor:] * scale + rng.normal(0.0, 1.0, shape))
            for name, values in series.extra.items()
        },
    )


def jumped_after(series: CandleSeries, cursor: int, *, scale: float) -> CandleSeries:
    """Return a copy in which every price jumps at the next open, and then stands still.

    Whoever holds nothing at the cursor and fills at the next open cannot earn by it.

    Args:
        series: The candles.
        cursor: Candles 0 to cursor - 1 stay as they are.
        scale: Price after the jump over the last known close (or the first open).
    """
    price = np.array([_last_price(series, cursor, s) * scale for s in range(series.num_symbols)])
    still = np.where(series.valid[cursor:], price, np.nan)
    changed: dict[str, Any] = {
        name: _joined(getattr(series, name), cursor, still)
        for name in ("open", "high", "low", "close")
    }
    quote_volume = _joined(series.quote_volume, cursor, series.volume[cursor:] * still)
    funding, mark = None, None
    if series.funding is not None:  # what was paid stays known; from here on nothing is
        funding = _joined(series.funding, cursor, np.zeros_like(series.funding[cursor:]))
    if series.mark is not None:
        mark = _joined(series.mark, cursor, np.where(np.isnan(series.mark[cursor:]), np.nan, price))
    return replace(series, **changed, quote_volume=quote_volume, funding=funding, mark=mark)


def _last_price(series: CandleSeries, cursor: int, symbol: int) -> float:
    rows = np.flatnonzero(series.valid[:, symbol])
    known = rows[rows < cursor]
    if known.size:
        return float(series.close[known[-1], symbol])
    return float(series.open[rows[0], symbol]) if rows.size else 1.0


def _joined(values: Floats, cursor: int, after: Floats) -> Floats:
    return np.concatenate([values[:cursor], after])


def _other_mark(old: Floats, close: Floats, scale: float, rng: np.random.Generator) -> Floats:
    """Return other mark prices where there were some, near the other closes."""
    near = np.where(np.isnan(close), old * scale, close)
    return np.where(np.isnan(old), np.nan, near * np.exp(rng.normal(0.0, 0.005, old.shape)))


def _other_volume(series: CandleSeries, cursor: int, rng: np.random.Generator) -> Floats:
    """Return other volumes [T - cursor, S]; now and then 0 where there was some."""
    old = series.volume[cursor:]
    drawn = _typical(series) * rng.uniform(0.1, 5.0, old.shape)
    drawn = np.where((old > 0.0) & (rng.random(old.shape) < 0.02), 0.0, drawn)
    drawn = np.where(series.has_volume, drawn, 0.0)
    return np.where(series.valid[cursor:], drawn, np.nan)


def _typical(series: CandleSeries) -> Floats:
    """Return the mean volume of the candles of each symbol that traded: float64 [S]."""
    volume = np.nan_to_num(series.volume)
    return np.asarray(volume.sum(axis=0) / np.maximum((volume > 0.0).sum(axis=0), 1))
