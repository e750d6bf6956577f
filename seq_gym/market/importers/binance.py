"""Binance klines: spot and futures, with a header or without, milliseconds or microseconds.

Mark, index and premium prices come in the same columns: they state no volume, but count values.
Klines of coin-margined futures count contracts as volume, and coins where others have the quote.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from seq_gym.errors import MarketDataError
from seq_gym.market.importers import generic
from seq_gym.market.importers.names import kind_in_name, symbol_of_file, venue_in_name
from seq_gym.market.importers.sheets import Sheet, plain_name
from seq_gym.market.importers.tables import Layout, ReadOptions

__all__ = ["KLINE_COLUMNS", "recognise", "refuse_untraded"]

KLINE_COLUMNS: Final = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
"""Columns of a kline file, which has no header line on the spot market and before 2022."""

_WANTED: Final = {"time": 0, "open": 1, "high": 2, "low": 3, "close": 4, "volume": 5} | {
    "quote_volume": 7,
    "trades": 8,
}


_CONTRACTS_NOTE: Final = "volume read in coins: coin-margined klines count contracts beside them"


def recognise(sheet: Sheet, options: ReadOptions) -> Layout | None:
    """Tell klines by their names, or by twelve columns whose seventh is the close time.

    Raises:
        MarketDataError: The prices are not traded ones, and nothing says that they are marks.
    """
    layout = _layout(sheet, options)
    if layout is None or layout.kind != "candles":
        return layout
    if options.kind is None and {"volume", "trades"} <= set(layout.columns):
        names = list(sheet.names)
        volume, trades = (
            sheet.column(names.index(layout.columns[name])) for name in ("volume", "trades")
        )
        refuse_untraded(sheet.name, volume, trades)
    venue = options.venue or layout.venue or ""
    return _in_coins(layout) if venue.endswith("_cm") and not options.columns else layout


def _layout(sheet: Sheet, options: ReadOptions) -> Layout | None:
    if sheet.has_names:
        plain = {plain_name(name) for name in sheet.names}
        if not {"opentime", "closetime"} <= plain or "ignore" not in plain:
            return None
        layout = generic.recognise(sheet, options)
        return None if layout is None else replace(layout, format="binance_klines")
    if options.columns or sheet.num_columns not in (len(KLINE_COLUMNS), len(KLINE_COLUMNS) - 1):
        return None
    opened, closed = sheet.column(0), sheet.column(6)
    if not all(a.isdigit() and b.isdigit() for a, b in zip(opened, closed, strict=True)):
        return None
    if not all(len(a) == len(b) and int(a) < int(b) for a, b in zip(opened, closed, strict=True)):
        return None
    return Layout(
        format="binance_klines",
        columns={ours: sheet.names[position] for ours, position in _WANTED.items()},
        kind=options.kind or kind_in_name(sheet.path, sheet.member) or "candles",
        symbol=symbol_of_file(sheet.path, sheet.member),
        venue=venue_in_name(sheet.path, sheet.member) or "binance",
        tz=options.tz,
    )


def refuse_untraded(name: str, volume: Sequence[Any], trades: Sequence[Any]) -> None:
    """Refuse klines whose rows count values but have no volume.

    Args:
        name: File, for the message.
        volume: First volumes, as numbers or text.
        trades: First counts likewise.

    Raises:
        MarketDataError: They are prices that nobody traded at.
    """
    try:
        is_traded = any(map(float, volume)) or not any(map(float, trades))
    except (TypeError, ValueError):  # which rows are at fault is told when they are read
        return
    if not is_traded:
        raise MarketDataError(
            f"{name}: candles must be traded prices; no row has a volume, but each counts values, "
            "as klines of mark, index and premium prices do. If they are mark prices, say "
            "kind='mark' (--kind mark)."
        )


def _in_coins(layout: Layout) -> Layout:
    columns = dict(layout.columns)
    coins = columns.pop("quote_volume", None)
    if coins is None:
        return layout
    return replace(
        layout, columns=columns | {"volume": coins}, notes=[*layout.notes, _CONTRACTS_NOTE]
    )
