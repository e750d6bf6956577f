"""CryptoDataDownload: a URL above the header, newest first, two volumes, clocks of twelve hours.

The site documents its times as UTC. Its oldest rows have the two volume columns the wrong way
round: what was paid for each coin must lie between low and high, and that tells which is which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from seq_gym.market.columns import CandleColumns, FloatArray
from seq_gym.market.importers import generic
from seq_gym.market.importers.sheets import Sheet, plain_name
from seq_gym.market.importers.tables import Layout, ReadOptions
from seq_gym.market.instruments import split_symbol

__all__ = ["recognise", "with_volumes_in_order"]

_ROUNDING = 0.01
"""How far an average price may lie outside of low and high: volumes have few decimals."""


def recognise(sheet: Sheet, options: ReadOptions) -> Layout | None:
    """Tell the site by its URL, or by its columns unix, date, symbol and two volumes."""
    plain = [plain_name(name) for name in sheet.names]
    volumes = [name for name, short in zip(sheet.names, plain, strict=True) if "volume" in short]
    named = any("cryptodatadownload" in line.lower() for line in sheet.heading)
    shaped = {"date", "symbol", "open"} <= set(plain) and len(volumes) == 2
    if not sheet.has_names or not (named or shaped):
        return None
    stated = {} if "volume" in options.columns else _volumes(sheet, plain, volumes)
    layout = generic.recognise(sheet, replace(options, columns=stated | dict(options.columns)))
    if layout is None:
        return None
    zone = [] if options.tz or plain_name(layout.columns["time"]) == "unix" else [_ZONE_NOTE]
    return replace(
        layout,
        format="cryptodatadownload",
        tz=options.tz or "UTC",
        notes=[*layout.notes, *zone],
        finish=lambda: with_volumes_in_order,
    )


_ZONE_NOTE = "times without a zone read as UTC, as CryptoDataDownload documents"


def with_volumes_in_order(columns: CandleColumns) -> tuple[CandleColumns, Mapping[str, int]]:
    """Exchange base and quote volume in rows that have them the wrong way round.

    Known at the candle's close, as the volumes are.

    Returns:
        The rows, and the note of how many were exchanged.
    """
    base, quote = columns.volume, columns.quote_volume
    if base is None or quote is None:
        return columns, {}
    swapped = _is_price(base, quote, columns) & ~_is_price(quote, base, columns)
    if not swapped.any():
        return columns, {}
    fixed = replace(
        columns,
        volume=np.where(swapped, quote, base),
        quote_volume=np.where(swapped, base, quote),
    )
    return fixed, {"volume columns swapped": int(swapped.sum())}


def _is_price(
    paid: FloatArray, amount: FloatArray, columns: CandleColumns
) -> npt.NDArray[np.bool_]:
    """Tell where `paid` for `amount` makes a price inside of the candle."""
    there = (amount > 0) & (paid > 0)
    price = np.divide(paid, amount, out=np.full(len(paid), np.nan), where=there)
    inside: npt.NDArray[np.bool_] = (
        there & (price >= columns.low * (1 - _ROUNDING)) & (price <= columns.high * (1 + _ROUNDING))
    )
    return inside


def _volumes(sheet: Sheet, plain: Sequence[str], volumes: Sequence[str]) -> dict[str, str]:
    """Tell base from quote volume by the currency in their names; one may have none."""
    base, quote = _currencies(sheet, plain)
    free = list(volumes)
    found: dict[str, str] = {}
    for ours, currency in (("volume", base), ("quote_volume", quote)):
        named = (name for name in free if currency and plain_name(name) == f"volume{currency}")
        if (theirs := next(named, None)) is not None:
            found[ours] = theirs
            free.remove(theirs)
    for ours in ("volume", "quote_volume"):
        if ours not in found and free:
            found[ours] = free.pop(0)
    return found


def _currencies(sheet: Sheet, plain: Sequence[str]) -> tuple[str, str]:
    if "symbol" not in plain or not sheet.rows:
        return "", ""
    symbol = sheet.rows[0][plain.index("symbol")].strip()
    base, quote = split_symbol(symbol) if symbol else ("", "")
    return base.lower(), quote.lower()
