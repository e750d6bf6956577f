"""Funding rates: stamped rates of perpetual futures, summed per candle.

Source: spec M5, C7 (a table of its own, never candles).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import FloatArray, IntArray
from seq_gym.times import format_time

__all__ = ["FundingRates", "funding_per_row"]


class FundingRates(NamedTuple):
    """Funding rates of one symbol, in any order."""

    time_ns: IntArray
    """Stamps, int64 UNIX nanoseconds ``[n]``: when the rate is paid."""
    rate: FloatArray
    """Fraction of the position's value that longs pay shorts, float64 ``[n]``."""
    source: str = "funding"
    """File or frame, as named in messages."""


def funding_per_row(
    rates: FundingRates, start_ns: int, interval_ns: int, num_candles: int
) -> FloatArray:
    """Sum the rates stamped in (open time, close time] of each row.

    Args:
        rates: Stamps and rates; those outside of the rows are left out.
        start_ns: Open time of row 0.
        interval_ns: Length of a row.
        num_candles: Number of rows.

    Returns:
        float64 ``[num_candles]``, 0 where no rate is stamped. Known at the row's close.

    Raises:
        MarketDataError: A rate is not finite, or one stamp has two rates.

    Source: M5.

    >>> stamps = FundingRates(np.array([60, 61]), np.array([0.25, 0.5]))
    >>> funding_per_row(stamps, 0, 60, 3).tolist()
    [0.25, 0.5, 0.0]
    """
    broken = ~np.isfinite(rates.rate)
    if broken.any():
        row = int(np.argmax(broken))
        raise _bad(rates, row, "a funding rate must be finite")
    order = np.argsort(rates.time_ns, kind="stable")
    times, values = rates.time_ns[order], rates.rate[order]
    again = np.concatenate(([False], times[1:] == times[:-1]))
    differ = again & np.concatenate(([False], values[1:] != values[:-1]))
    if differ.any():
        row = int(order[np.argmax(differ)])
        raise _bad(rates, row, "a stamp must have one rate")
    # (open, close] instead of [open, close): a stamp on the border belongs to the row before it.
    row_of = (times - start_ns - 1) // interval_ns
    keep = ~again & (row_of >= 0) & (row_of < num_candles)
    per_row = np.zeros(num_candles)
    np.add.at(per_row, row_of[keep], values[keep])
    return per_row


def _bad(rates: FundingRates, row: int, rule: str) -> MarketDataError:
    return MarketDataError(
        f"{rates.source}, row {row}, {format_time(int(rates.time_ns[row]))}: {rule}; "
        f"was {float(rates.rate[row])}."
    )
