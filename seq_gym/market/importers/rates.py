"""Read tables of funding rates: stamps and rates, never candles.

Source: spec M5, C7.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from seq_gym.errors import MarketDataError
from seq_gym.market.columns import FloatArray, IntArray
from seq_gym.market.funding import FundingRates
from seq_gym.market.importers.convert import numbers_of
from seq_gym.market.importers.tables import Batch, Layout, ReadOptions
from seq_gym.market.stamps import read_stamps, shown_value, time_rule

__all__ = ["read_rates"]


def read_rates(
    layout: Layout, options: ReadOptions, name: str, row_word: str, batches: Iterator[Batch]
) -> FundingRates:
    """Read all stamps and rates of a table; three a day make it small.

    Raises:
        MarketDataError: A stamp or a rate cannot be read; the message names file and line.
    """
    time, rate = layout.columns["time"], layout.columns.get("rate", "")
    if not rate:
        raise MarketDataError(f"{name}: funding must have a column of rates; was {layout.kind}.")
    times: list[IntArray] = []
    rates: list[FloatArray] = []
    for batch in batches:
        stamps = read_stamps(batch.rows[time], options.tz or layout.tz).ns
        values, lost = numbers_of(batch.rows[rate], name)
        broken = stamps.is_null().to_numpy() | ~np.isfinite(values)
        if lost is not None:
            broken |= lost.to_numpy()
        if broken.any():
            row = int(np.argmax(broken))
            where = f"{name}, {row_word} {batch.row_numbers[row]}"
            raise MarketDataError(
                f"{where}: {time_rule(time, shown_value(batch.rows[time], row), options.tz)}"
                if stamps[row] is None
                else f"{where}: {rate} must be a finite number; was {batch.rows[rate][row]!r}."
            )
        times.append(stamps.to_numpy())
        rates.append(values)
    if not times:
        raise MarketDataError(f"{name} must have rows; has none.")
    return FundingRates(np.concatenate(times), np.concatenate(rates), name)
