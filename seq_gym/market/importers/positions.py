"""Rows without names: the order of the four prices, told by which order never breaks their rules.

A row that is not flat obeys the rules of C7 as (open, high, low, close) or as (open, close, high,
low), never as both. So one such row decides, and several that agree are evidence.

Source: spec C7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import FloatArray
from seq_gym.market.importers.names import symbol_of_file, venue_in_name
from seq_gym.market.importers.sheets import Sheet
from seq_gym.market.importers.tables import Layout, ReadOptions

__all__ = ["PriceOrder", "order_of", "prices_of", "recognise"]

PriceOrder: TypeAlias = Literal["ohlc", "ochl", "lhoc"]

ORDERS: Final[Mapping[PriceOrder, tuple[str, str, str, str]]] = {
    "ohlc": ("open", "high", "low", "close"),
    "ochl": ("open", "close", "high", "low"),
    "lhoc": ("low", "high", "open", "close"),
}
"""The usual one; Bitfinex; Coinbase Exchange."""

_ENOUGH_ROWS: Final = 2
"""Rows that are not flat and agree, for another order than the usual one to be believed."""

_SHARE: Final[Mapping[PriceOrder, float]] = {"ohlc": 0.9, "ochl": 0.99, "lhoc": 0.99}
"""Share of such rows that must fit. The few that do not are bad rows: they are named, later."""


class Prices(NamedTuple):
    """What the first rows tell of the order of the prices."""

    order: PriceOrder | None
    """The order that (nearly) every row obeys; None = none is, or too few rows tell."""
    num_uneven: int
    """Rows that are not flat."""


def order_of(values: FloatArray) -> Prices:
    """Tell the order of four columns of prices.

    Args:
        values: float64 ``[n, 4]``, in the order of the file.
    """
    uneven = values[(values.max(axis=1) > values.min(axis=1)) if len(values) else slice(0)]
    count = len(uneven)
    for order, names in ORDERS.items():
        price = {name: uneven[:, column] for column, name in enumerate(names)}
        low = price["low"] <= np.minimum(price["open"], price["close"])
        high = price["high"] >= np.maximum(price["open"], price["close"])
        fitting = float((low & high).mean()) if count else 1.0
        if fitting >= _SHARE[order] and (order == "ohlc" or count >= _ENOUGH_ROWS):
            return Prices(order, count)
    return Prices(None, count)


def prices_of(sheet: Sheet, width: int) -> Prices | None:
    """Tell the order of the second to fifth column; None where they do not hold prices."""
    if len(sheet.names) < width or not sheet.rows:
        return None
    try:
        values = np.asarray([sheet.numbers(position) for position in range(1, width)]).T
    except ValueError:
        return None
    return order_of(values[:, :4]) if np.isfinite(values).all() else None


def recognise(sheet: Sheet, options: ReadOptions) -> Layout | None:
    """Read six columns without names by position, where their values leave no doubt.

    Raises:
        MarketDataError: The times are those of a Bitfinex file, and no order fits the prices.
    """
    if sheet.has_names or options.columns or sheet.num_columns not in (5, 6):
        return None
    prices = prices_of(sheet, sheet.num_columns)
    if prices is None or prices.order is None:
        return None
    stamps = sheet.column(0)
    digits = {len(stamp) for stamp in stamps if stamp.isdigit()}
    if prices.order == "ochl" and digits != {13}:
        return None
    if prices.order == "lhoc" and not digits <= {9, 10}:
        return None
    if not digits and not all("-" in stamp[4:] for stamp in stamps):
        return None
    return layout_by_order(sheet, options, prices.order)


def layout_by_order(sheet: Sheet, options: ReadOptions, order: PriceOrder) -> Layout:
    """Name the columns of a file of six, by the order of its prices."""
    names = ("time", *ORDERS[order], "volume")[: sheet.num_columns]
    form = {"ohlc": "csv without names", "ochl": "bitfinex", "lhoc": "coinbase_rows"}[order]
    usual = {"ochl": "bitfinex", "lhoc": "coinbase"}.get(order)
    return Layout(
        format=form,
        columns=dict(zip(names, sheet.names[: len(names)], strict=True)),
        symbol=symbol_of_file(sheet.path, sheet.member),
        venue=venue_in_name(sheet.path, sheet.member) or usual,
        tz=options.tz,
        notes=[f"columns read by position as {', '.join(names)}"],
    )


def refuse_other_order(name: str, values: FloatArray, columns: Sequence[str]) -> None:
    """Refuse named columns whose values are in another order than their names.

    Raises:
        MarketDataError: Every row breaks no rule in another order, and some do under their names.
    """
    found = order_of(values)
    if found.order in (None, "ohlc"):
        return
    fix = dict(zip(ORDERS[found.order or "ohlc"], columns, strict=True))
    said = ",".join(f"{ours}={theirs}" for ours, theirs in fix.items())
    raise MarketDataError(
        f"{name}: low must be <= min(open, close) and high >= max(open, close); was not so, but is "
        f"in every row when the columns {', '.join(columns)} are read as {', '.join(fix)}. If that "
        f"is right, say columns={fix} (--columns {said})."
    )
