"""Kraken OHLCVT: no header, seconds, seven columns; eight where the average price is there too."""

from __future__ import annotations

from typing import Final

from seq_gym.market.importers.names import symbol_of_file, venue_in_name
from seq_gym.market.importers.positions import prices_of
from seq_gym.market.importers.sheets import Sheet
from seq_gym.market.importers.tables import Layout, ReadOptions

__all__ = ["recognise"]

_SEVEN: Final = ("time", "open", "high", "low", "close", "volume", "trades")
_EIGHT: Final = ("time", "open", "high", "low", "close", "average", "volume", "trades")


def recognise(sheet: Sheet, options: ReadOptions) -> Layout | None:
    """Tell OHLCVT by seconds in the first column and whole trade counts in the last."""
    order = {7: _SEVEN, 8: _EIGHT}.get(sheet.num_columns)
    if sheet.has_names or options.columns or order is None:
        return None
    if not all(len(stamp) in (9, 10) and stamp.isdigit() for stamp in sheet.column(0)):
        return None
    if not all(count.isdigit() for count in sheet.column(len(order) - 1)):
        return None
    prices = prices_of(sheet, order.index("volume") + 1)
    if prices is None or prices.order != "ohlc":
        return None
    return Layout(
        format="kraken_ohlcvt",
        columns={
            ours: sheet.names[position] for position, ours in enumerate(order) if ours != "average"
        },
        symbol=symbol_of_file(sheet.path, sheet.member),
        venue=venue_in_name(sheet.path, sheet.member) or "kraken",
        tz=options.tz,
    )
