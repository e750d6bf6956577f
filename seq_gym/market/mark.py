"""Mark prices: what a futures venue values positions at, a table of its own, placed on the rows.

A mark price is the close of the venue's mark price candle, known when that candle closes. Funding
is paid on it (M5); equity, liquidation and fills stay on traded prices.

Source: spec M5, C2, C7 (a table of its own, never candles).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import FloatArray, IntArray, clean_columns
from seq_gym.market.instruments import plain_symbol
from seq_gym.times import format_time

__all__ = ["MarkPrices", "mark_per_row", "read_marks"]


class MarkPrices(NamedTuple):
    """Mark prices of one symbol, in any order."""

    time_ns: IntArray
    """When each is known, int64 UNIX nanoseconds ``[n]``: the close time of its candle."""
    price: FloatArray
    """Quote, float64 ``[n]``."""
    source: str = "mark"
    """File or frame, as named in messages."""


def mark_per_row(
    marks: MarkPrices, start_ns: int, interval_ns: int, num_candles: int
) -> FloatArray:
    """Return the last mark price that becomes known in (open time, close time] of each row.

    Args:
        marks: Times and prices; those outside of the rows are left out.
        start_ns: Open time of row 0.
        interval_ns: Length of a row.
        num_candles: Number of rows.

    Returns:
        float64 ``[num_candles]``, NaN where none becomes known. **Known at** the row's close.

    Raises:
        MarketDataError: A price is not finite and above 0, or one time has two prices.

    Source: M5, C2.

    >>> marks = MarkPrices(np.array([60, 61, 120]), np.array([5.0, 6.0, 7.0]))
    >>> mark_per_row(marks, 0, 60, 3).tolist()
    [5.0, 7.0, nan]
    """
    broken = ~((marks.price > 0) & (marks.price < np.inf))
    if broken.any():
        raise _bad(marks, int(np.argmax(broken)), "a mark price must be finite and > 0")
    order = np.argsort(marks.time_ns, kind="stable")
    times, prices = marks.time_ns[order], marks.price[order]
    differ = (times[1:] == times[:-1]) & (prices[1:] != prices[:-1])
    if differ.any():
        raise _bad(marks, int(order[np.argmax(differ) + 1]), "a time must have one mark price")
    # Known at the border, it belongs to the row that closes there, as a funding rate does.
    row_of = (times - start_ns - 1) // interval_ns
    last_of_row = np.append(row_of[1:] != row_of[:-1], True)[: len(row_of)]
    keep = last_of_row & (row_of >= 0) & (row_of < num_candles)
    per_row = np.full(num_candles, np.nan)
    per_row[row_of[keep]] = prices[keep]
    return per_row


def read_marks(data: Any, symbol: str, tz: str | None = None) -> MarkPrices:
    """Read the mark prices of one symbol.

    Args:
        data: A path, a folder or a frame of mark price candles (their volume says nothing), a list
            of these, or MarkPrices.
        symbol: The symbol wanted, where the data states several.
        tz: Zone of times that state none.

    Raises:
        MarketDataError: A candle breaks a rule of C7, or the data is of another symbol.

    Source: M5, C7.
    """
    if isinstance(data, MarkPrices):
        return data
    # Imported here, because polars takes a third of a second: marks in memory need none.
    from seq_gym.market.reading import read_mark_candles

    tables = read_mark_candles(data, tz)
    own = [clean_columns(each) for each in tables if _is_of(each.symbol, symbol)]
    if not own:
        found = ", ".join(dict.fromkeys(each.symbol for each in tables)) or "no rows"
        where = tables[0].source if tables else "mark"
        raise MarketDataError(f"{where}: the mark prices of {symbol} must be its own; has {found}.")
    return MarkPrices(
        np.concatenate([each.time_ns + (each.interval_ns or 0) for each in own]),
        np.concatenate([each.close for each in own]),
        " + ".join(dict.fromkeys(each.source for each in own)),
    )


def _is_of(stated: str, symbol: str) -> bool:
    """Tell whether a table may be of a symbol: it states that one, or none."""
    return not stated or plain_symbol(stated) == plain_symbol(symbol)


def _bad(marks: MarkPrices, row: int, rule: str) -> MarketDataError:
    return MarketDataError(
        f"{marks.source}, row {row}, {format_time(int(marks.time_ns[row]))}: {rule}; "
        f"was {float(marks.price[row])}."
    )
