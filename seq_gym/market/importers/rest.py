"""JSON of venues and of freqtrade: which column is what, by names or by position.

freqtrade keeps ``[ms, open, high, low, close, volume]``, Bitfinex answers (open, close, high, low),
Coinbase Exchange (low, high, open, close) in seconds; Binance and Kraken answer more columns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.importers import binance, generic
from seq_gym.market.importers.containers import Part
from seq_gym.market.importers.json_rows import JsonSample
from seq_gym.market.importers.names import kind_in_name, symbol_of_file, venue_in_name
from seq_gym.market.importers.positions import ORDERS, order_of
from seq_gym.market.importers.sheets import plain_name
from seq_gym.market.importers.tables import Layout, ReadOptions

__all__ = ["recognise_json"]

_ROWS_BY_WIDTH: Final = {
    12: (
        "binance_rest",
        "binance",
        ("time", *ORDERS["ohlc"], "volume", "", "quote_volume", "trades"),
    ),
    8: ("kraken_rest", "kraken", ("time", *ORDERS["ohlc"], "", "volume", "trades")),
}


def recognise_json(part: Part, sample: JsonSample, options: ReadOptions) -> Layout:
    """Find the columns of JSON rows.

    Raises:
        MarketDataError: Nothing tells which column is what, or the prices are not traded ones.
    """
    if sample.has_names or options.columns:
        columns = {name: sample.column(name) for name in sample.names}
        layout = generic.layout_of("json", sample.names, columns, options, part.path, part.member)
        plain = {plain_name(name) for name in sample.names}
        coinbase = "start" in plain and sample.has_names
        return replace(
            layout,
            format="coinbase_json" if coinbase else "json",
            venue=layout.venue or ("coinbase" if coinbase else None),
        )
    width = len(sample.names)
    if width == 6:
        return _six(part, sample, options)
    if width in _ROWS_BY_WIDTH:
        form, venue, names = _ROWS_BY_WIDTH[width]
        layout = _layout(part, sample, options, form, venue, names)
        if options.kind is None and layout.kind == "candles":
            volume, trades = (sample.column(layout.columns[name]) for name in ("volume", "trades"))
            binance.refuse_untraded(part.name, volume, trades)
        return layout
    raise MarketDataError(
        f"{part.name}: rows without names must be [time, open, high, low, close, volume]; have "
        f"{width} values. Say which is which: columns={{'time': 'column 0', ...}} "
        '(--columns "time=column 0,...").'
    )


def _six(part: Part, sample: JsonSample, options: ReadOptions) -> Layout:
    try:
        values = np.asarray([row[1:5] for row in sample.rows], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros((0, 4))
    found = order_of(values)
    order = found.order
    if order is None:
        raise MarketDataError(
            f"{part.name}: rows of six must be in the order of freqtrade (time, open, high, low, "
            "close, volume), Bitfinex or Coinbase; break the rules of prices in each. Say which "
            "is which: columns={'time': 'column 0', ...} (--columns \"time=column 0,...\")."
        )
    form = {"ohlc": "freqtrade_json", "ochl": "bitfinex_json", "lhoc": "coinbase_json"}[order]
    venue = {"ochl": "bitfinex", "lhoc": "coinbase"}.get(order)
    if order == "ochl" and any(len(str(row[0])) != 13 for row in sample.rows):
        form, venue = "json", None  # Bitfinex answers in milliseconds; KuCoin has its order too
    names = ("time", *ORDERS[order], "volume")
    return _layout(part, sample, options, form, venue, names)


def _layout(
    part: Part,
    sample: JsonSample,
    options: ReadOptions,
    form: str,
    venue: str | None,
    names: tuple[str, ...],
) -> Layout:
    return Layout(
        format=form,
        columns={ours: sample.names[position] for position, ours in enumerate(names) if ours},
        kind=options.kind or kind_in_name(part.path, part.member) or "candles",
        symbol=symbol_of_file(part.path, part.member),
        venue=venue_in_name(part.path, part.member) or venue,
        tz=options.tz,
        notes=[f"columns read by position as {', '.join(name for name in names if name)}"],
    )
