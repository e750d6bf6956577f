"""The rules that every candle obeys, and the sentence that names a broken one.

Source: spec C7.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError

if TYPE_CHECKING:
    from seq_gym.market.columns import CandleColumns

__all__ = ["broken_rules", "obeys_rules", "refuse_bad_values"]

_PRICES: Final = ("open", "high", "low", "close")
_DROP_HINT: Final = " Correct the row; an import may leave it out with drop_bad (--drop-bad)."


def refuse_bad_values(columns: CandleColumns, present: npt.NDArray[np.bool_] | None = None) -> None:
    """Check every candle against the rules of C7.

    Args:
        columns: The candles.
        present: bool ``[n]``, rows to check; None = all.

    Raises:
        MarketDataError: Names the first row that breaks a rule, the rule and the value.
    """
    if present is None and obeys_rules(columns):
        return
    rules = broken_rules(columns)
    if present is not None:
        rules = {sentence: broken & present for sentence, broken in rules.items()}
    found = {sentence: int(np.argmax(broken)) for sentence, broken in rules.items() if broken.any()}
    if not found:
        return
    sentence, row = min(found.items(), key=lambda item: item[1])
    values = ", ".join(f"{name} {float(values[row])}" for name, values in columns.values().items())
    raise MarketDataError(
        f"{columns.where(row)}: {sentence}; was {values}.{_order_hint(columns) or _DROP_HINT}"
    )


def broken_rules(columns: CandleColumns) -> dict[str, npt.NDArray[np.bool_]]:
    """Tell by sentence which rows break each rule of C7, bool ``[n]``."""
    prices = [getattr(columns, name) for name in _PRICES]
    first, high, low, last = prices
    rules = {
        f"{name} must be finite and > 0": ~((price > 0) & (price < np.inf))
        for name, price in zip(_PRICES, prices, strict=True)
    }
    # Written as "not (good)", so that a NaN breaks the rule too.
    rules["low must be <= min(open, close)"] = ~(low <= np.minimum(first, last))
    rules["high must be >= max(open, close)"] = ~(high >= np.maximum(first, last))
    for name in ("volume", "quote_volume"):
        amount = getattr(columns, name)
        if amount is not None:
            rules[f"{name} must be finite and >= 0"] = ~((amount >= 0) & (amount < np.inf))
    return rules


def obeys_rules(columns: CandleColumns) -> bool:
    """Tell whether every row obeys C7, in a fraction of the time that naming the faults takes."""
    low, high = columns.low, columns.high
    # With these, low > 0 and high < inf hold every price between them.
    return bool(
        (low > 0).all()
        and (high < np.inf).all()
        and (low <= columns.open).all()
        and (low <= columns.close).all()
        and (high >= columns.open).all()
        and (high >= columns.close).all()
        and all(
            amount is None or ((amount >= 0).all() and (amount < np.inf).all())
            for amount in (columns.volume, columns.quote_volume)
        )
    )


def _order_hint(columns: CandleColumns) -> str:
    """Suggest the fix where the columns are (open, close, high, low) under OHLC names."""
    first, last, high, low = (getattr(columns, name) for name in _PRICES)
    positive = (np.minimum(first, last) > 0).all()
    if (
        positive
        and (low <= np.minimum(first, last)).all()
        and (high >= np.maximum(first, last)).all()
    ):
        return (
            " All rows are right when read as open, close, high, low: name the columns in that "
            "order."
        )
    return ""
