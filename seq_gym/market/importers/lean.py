"""QuantConnect Lean: milliseconds since midnight, the date in the name; or a date and a clock.

Prices of equities are in ten-thousandths of a dollar, at New York; crypto is as quoted, in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import polars as pl

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import PRICE_NAMES, CandleColumns
from seq_gym.market.importers.names import venue_in_name
from seq_gym.market.importers.sheets import Sheet
from seq_gym.market.importers.tables import Layout, ReadOptions
from seq_gym.market.instruments import split_symbol
from seq_gym.market.sources import symbol_in_name
from seq_gym.market.stamps import Stamps, localised

__all__ = ["recognise"]

_INNER: Final = re.compile(
    r"(?P<day>\d{8})_(?P<symbol>[a-z0-9.]+)_(?P<length>[a-z]+)_(?P<what>trade|quote|openinterest)",
    re.IGNORECASE,
)
_OUTER: Final = re.compile(r"(?<!\d)(\d{8})_trade", re.IGNORECASE)
_CLOCK: Final = re.compile(r"\d{8} \d{2}:\d{2}")
_DAY_MS: Final = 86_400_000
_EQUITY_SCALE: Final = 10_000
_EQUITY_ZONE: Final = "America/New_York"


def recognise(sheet: Sheet, options: ReadOptions) -> Layout | None:
    """Tell Lean by six columns without names whose first counts from midnight, or is a date.

    Raises:
        MarketDataError: The file holds quotes or ticks, or nothing tells its date.
    """
    if sheet.has_names or options.columns:
        return None
    stamps = sheet.column(0)
    if all(_CLOCK.fullmatch(stamp) for stamp in stamps):
        return _layout(sheet, options, None) if sheet.num_columns == 6 else None
    if not all(stamp.isdigit() and len(stamp) <= 8 and int(stamp) < _DAY_MS for stamp in stamps):
        return None
    inner = _INNER.search(Path(sheet.member or sheet.path.name).name)
    if inner is not None and (
        inner["what"].lower() != "trade" or inner["length"].lower() == "tick"
    ):
        raise MarketDataError(
            f"{sheet.name}: candles must be of trades; was Lean's {inner['length']} "
            f"{inner['what']} data. Choose its minute, second, hour or daily trade file."
        )
    if sheet.num_columns != 6:
        return None
    days = {found[1] for found in [_OUTER.search(sheet.path.name)] if found}
    days |= {inner["day"]} if inner else set()
    if len(days) != 1:
        raise MarketDataError(
            f"{sheet.name}: times in milliseconds since midnight must come with their date, as "
            "QuantConnect Lean has it in the name (20171217_btcusd_minute_trade.csv); was "
            f"{' and '.join(sorted(days)) or 'no date'}. Keep the names of Lean's files."
        )
    return _layout(sheet, options, days.pop())


def _layout(sheet: Sheet, options: ReadOptions, day: str | None) -> Layout:
    symbol = _symbol(sheet)
    equity = _is_equity(sheet, options.symbol or symbol)
    tz = options.tz or (_EQUITY_ZONE if equity else "UTC")
    notes = [f"times of Lean read in {tz}"]
    return Layout(
        format="lean",
        columns=dict(
            zip(("time", *PRICE_NAMES, "volume"), sheet.names[:6], strict=True),
        ),
        symbol=symbol,
        venue=venue_in_name(sheet.path, sheet.member),
        tz=tz,
        read_stamps=partial(_read_stamps, day=day, tz=tz, name=sheet.name),
        time_form="milliseconds since midnight" if day else f"a time that exists once in {tz}",
        finish=(lambda: _unscaled) if equity else None,
        notes=[*notes, f"prices of equities divided by {_EQUITY_SCALE}"] if equity else notes,
    )


def _symbol(sheet: Sheet) -> str | None:
    inner = _INNER.search(Path(sheet.member or sheet.path.name).name)
    if inner is not None:
        return inner["symbol"].upper()
    stem = Path(sheet.member or "").stem
    if stem.isalnum() and not stem.isdigit():
        return stem.upper()
    return symbol_in_name(sheet.path)


def _is_equity(sheet: Sheet, symbol: str | None) -> bool:
    """Equities have no quote currency in their name, and whole ten-thousandths as prices."""
    if symbol is None or split_symbol(symbol)[1]:
        return False
    return all(field.strip().isdigit() for row in sheet.rows for field in row[1:5])


def _unscaled(columns: CandleColumns) -> tuple[CandleColumns, Mapping[str, int]]:
    prices = {name: getattr(columns, name) / _EQUITY_SCALE for name in PRICE_NAMES}
    return replace(columns, **prices), {}


def _read_stamps(column: pl.Series, *, day: str | None, tz: str, name: str) -> Stamps:
    if day is None:
        text = column.cast(pl.String).str.strip_chars()
        return Stamps(
            localised(text.str.to_datetime("%Y%m%d %R", time_unit="ns", strict=False), tz), {}
        )
    midnight = pl.Series([day]).str.to_datetime("%Y%m%d", time_unit="ns", strict=False)
    if midnight.has_nulls():
        raise MarketDataError(f"{name}: the name must hold a date; was {day}.")
    whole = column.cast(pl.Int64, strict=False)
    whole = whole.set((whole < 0) | (whole >= _DAY_MS), None)
    clock = (whole * 1_000_000 + midnight.cast(pl.Int64)[0]).cast(pl.Datetime("ns"))
    return Stamps(localised(clock, tz), {})
