"""Turn a column of times, in any of the usual forms, into UNIX nanoseconds.

Source: spec C1, C7.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import IntArray

__all__ = ["read_times"]

_EPOCH: Final = r"^[+-]?\d+(\.\d*)?$"
_ZONED: Final = r"\d{2}:\d{2}.*(Z|z|[+-]\d{2}:?\d{2}|UTC)$"
_LARGEST: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
"""An epoch below the first number is in units of so many nanoseconds: s, ms, us; else ns.

Seconds stay below until the year 5138, milliseconds are above it since 1973.
"""


def read_times(
    rows: pl.DataFrame, name: str, source: str, row_word: str, tz: str | None
) -> IntArray:
    """Read a column of instants.

    Args:
        rows: Frame with the column and with ``row number``, which messages name.
        name: Column: datetimes, dates, epoch numbers (each row's unit by its magnitude), or text
            with any of these.
        source: File or frame, for messages.
        row_word: What the source calls a row.
        tz: Zone of times that state none. Without it, datetimes are UTC and text is refused.

    Returns:
        int64 ``[n]`` UNIX nanoseconds.

    Raises:
        MarketDataError: A value is not an instant, is wall-clock text without a zone, or falls
            into an hour that its zone has twice or not at all.
        ConfigError: The zone is not known.

    Source: C7.
    """
    column = rows[name]
    if column.dtype == pl.String:
        times = _from_text(column.str.strip_chars(), tz)
    elif column.dtype == pl.Date:
        times = _localised(column.cast(pl.Datetime("ns")), tz or "UTC")
    elif isinstance(column.dtype, pl.Datetime):
        times = _from_datetimes(column, tz)
    elif column.dtype.is_numeric():
        times = _from_epoch(column)
    else:
        raise MarketDataError(f"{source}: {name} must hold times; was {column.dtype}.")
    lost = times.is_null()
    if lost.any():
        row = int(lost.arg_max() or 0)
        where = f"{source}, {row_word} {rows['row number'][row]}"
        raise MarketDataError(f"{where}: {_complaint(name, column[row], tz)}")
    return np.asarray(times.to_numpy(), dtype=np.int64)


def _from_epoch(column: pl.Series) -> pl.Series:
    whole = column.cast(pl.Int64, strict=False) if column.dtype.is_integer() else None
    values = column.cast(pl.Float64, strict=False) if whole is None else whole
    size = values.abs()
    rows = pl.DataFrame({"value": values, "size": size})
    unit = pl.lit(1)
    for limit, nanoseconds in reversed(_LARGEST):
        unit = pl.when(pl.col("size") < limit).then(pl.lit(nanoseconds)).otherwise(unit)
    times = rows.select((pl.col("value") * unit).alias("time"))["time"]
    return times if whole is not None else times.round().cast(pl.Int64, strict=False)


def _from_datetimes(column: pl.Series, tz: str | None) -> pl.Series:
    if column.dtype.time_zone is None:  # type: ignore[attr-defined]
        return _localised(column.cast(pl.Datetime("ns")), tz or "UTC")
    return column.cast(pl.Datetime("ns", "UTC")).cast(pl.Int64)


def _from_text(text: pl.Series, tz: str | None) -> pl.Series:
    """Read each row by its own form; what fits none stays null."""
    epochs = _from_epoch_text(text.set(~text.str.contains(_EPOCH), None))
    zoned = text.str.contains(_ZONED)
    instants = (
        text.set(~zoned, None)
        .str.replace(r"\s*(UTC|z)$", "Z")
        .str.to_datetime("%+", time_unit="ns", strict=False)
        .cast(pl.Int64)
    )
    times = epochs.fill_null(0).set(epochs.is_null(), None)
    times = times.zip_with(times.is_not_null(), instants)
    if tz is None:
        return times
    naive = text.set(zoned | epochs.is_not_null(), None).str.replace(" ", "T", literal=True)
    clocks = naive.str.to_datetime("%FT%T%.f", time_unit="ns", strict=False)
    minutes = naive.str.to_datetime("%FT%R", time_unit="ns", strict=False)
    days = naive.str.to_date("%F", strict=False).cast(pl.Datetime("ns"))
    for form in (clocks, minutes, days):
        times = times.zip_with(times.is_not_null(), _localised(form, tz))
    return times


def _from_epoch_text(text: pl.Series) -> pl.Series:
    whole = text.cast(pl.Int64, strict=False)
    broken = text.set(whole.is_not_null(), None).cast(pl.Float64, strict=False)
    return _from_epoch(whole).zip_with(whole.is_not_null(), _from_epoch(broken))


def _localised(naive: pl.Series, tz: str) -> pl.Series:
    try:
        zoned = naive.dt.replace_time_zone(tz, ambiguous="null", non_existent="null")
    except pl.exceptions.ComputeError as error:
        raise ConfigError(f"tz must be an IANA zone, such as 'UTC'; was {tz!r}.") from error
    return zoned.dt.convert_time_zone("UTC").cast(pl.Int64)


def _complaint(name: str, value: object, tz: str | None) -> str:
    if value is None or value == "":
        return f"{name} must be a time; was empty."
    if tz is None:
        return (
            f"{name} must be an epoch number or an ISO 8601 time with its zone; was "
            f"{str(value)!r}. If it is wall-clock time, say of which zone: tz='UTC'."
        )
    return (
        f"{name} must be a time that exists once in {tz}; was {str(value)!r}. Where a clock was "
        "set back, only times in UTC tell the two hours apart."
    )
