"""Prices and sizes from decimal text to whole ticks and lots, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from seq_gym.errors import MarketDataError
from seq_gym.market.book.decimals import MAX_COUNT, step_of

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "IntArray",
    "Refuse",
    "Scaled",
    "counts",
    "refusal",
    "scaled",
    "smallest_step",
    "texts_of_floats",
]

IntArray: TypeAlias = npt.NDArray[np.int64]
Refuse: TypeAlias = Callable[[int, str], Exception]

_PLAIN: Final = r"^[0-9]+(?:\.[0-9]+)?$"
_MOST_DECIMALS: Final = 18


class Scaled(NamedTuple):
    """Decimals as whole numbers of 10**-decimals."""

    numbers: IntArray
    decimals: int


def scaled(texts: Sequence[Any] | pl.Series, name: str, refuse: Refuse) -> Scaled:
    """Read decimal text.

    Args:
        texts: One text a row.
        name: "price" or "size", for the message.
        refuse: Makes the error of (row, what).

    Raises:
        MarketDataError: A text is no finite decimal >= 0, or too long to be exact.
    """
    import polars as pl

    if not isinstance(texts, pl.Series):
        is_text = set(map(type, texts)) <= {str}
        texts = pl.Series(texts if is_text else list(map(str, texts)), dtype=pl.String)
    odd = (~texts.str.contains(_PLAIN).fill_null(False)).arg_true()
    if len(odd):
        mended = [_plain(texts[row], row, name, refuse) for row in odd.to_list()]
        texts = texts.scatter(odd, mended)
    parts = texts.str.split_exact(".", 1).struct.unnest()
    whole = parts.get_columns()[0]
    fraction = parts.get_columns()[1].fill_null("").str.strip_chars_end("0")
    most: Any = fraction.str.len_bytes().max()
    decimals = int(most or 0)
    if decimals > _MOST_DECIMALS:
        row = int(fraction.str.len_bytes().arg_max() or 0)
        raise refuse(row, f"{name} must have at most {_MOST_DECIMALS} decimals; was {texts[row]}")
    numbers = (whole + fraction.str.pad_end(decimals, "0")).cast(pl.Int64, strict=False)
    if numbers.has_nulls():
        row = int(numbers.is_null().arg_max() or 0)
        raise refuse(row, f"{name} must fit 18 digits, decimals included; was {texts[row]}")
    return Scaled(numbers.to_numpy().astype(np.int64), decimals)


def _plain(text: str | None, row: int, name: str, refuse: Refuse) -> str:
    """Write an unusual decimal, such as 1e-7, as a plain one."""
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0 or value.adjusted() > _MOST_DECIMALS:
        raise refuse(row, f"{name} must be a finite number >= 0; was {text!r:.40}")
    return format(value.normalize().copy_abs(), "f")


def smallest_step(values: Scaled) -> str:
    """Return the smallest decimal step seen, as text: prices 10.5 and 10.25 give "0.01"."""
    return format(Decimal(1).scaleb(-values.decimals), "f")


def counts(values: Scaled, step: float | str, name: str, refuse: Refuse) -> IntArray:
    """Count steps.

    Raises:
        MarketDataError: A value is off the grid, or there are too many steps to be exact.
    """
    mul, div = step_of(step, name)
    scale = 10**values.decimals
    # value / step = numbers x div / (scale x mul); both are powers of ten but for mul.
    up, down = (div // scale, mul) if div >= scale else (1, scale // div * mul)
    large = np.abs(values.numbers.astype(np.float64)) * up / down > MAX_COUNT
    if large.any():
        row = int(large.argmax())
        value = Decimal(int(values.numbers[row])) / scale
        raise refuse(row, f"{name} must be below 2**53 steps of {step}; was {value}")
    out = values.numbers * up
    whole, rest = np.divmod(out, down) if down <= np.iinfo(np.int64).max else (out * 0, out)
    if rest.any():
        row = int((rest != 0).argmax())
        value = Decimal(int(values.numbers[row])) / scale
        word = "tick" if name == "price" else "lot"
        finest = smallest_step(values)
        raise refuse(
            row,
            f"{name} must be a multiple of the {word} {step}; was {value}. State another "
            f"({word}={finest}, --{word} {finest}), or leave it out to take the finest step seen",
        )
    return whole.astype(np.int64)


def texts_of_floats(values: npt.NDArray[np.float64]) -> pl.Series:
    """Write floats as the shortest decimals of 15 digits; NaN and infinities as such."""
    import polars as pl

    unique, inverse = np.unique(values, return_inverse=True)
    texts = [f"{value:.15g}" for value in unique.tolist()]
    return pl.Series(texts, dtype=pl.String).gather(inverse.astype(np.uint32))


def refusal(told: Callable[[int], str]) -> Refuse:
    """Make errors of rows that say where they stand."""
    return lambda row, what: MarketDataError(f"{told(row)}: {what}.")
