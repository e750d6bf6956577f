"""Turn a column of times, in any of the usual forms, into UNIX nanoseconds.

Whole-number epochs never pass through a float: a double has no room for nanoseconds.

Source: spec C1, C7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import polars as pl

from seq_gym.errors import ConfigError, MarketDataError
from seq_gym.market.columns import IntArray

__all__ = [
    "Stamps",
    "is_wall_clock",
    "localised",
    "read_stamps",
    "read_times",
    "refuse_unknown_zone",
    "shown_value",
    "time_rule",
]

_UNITS: Final = (
    ("s", 10**9, 10**8),
    ("ms", 10**6, 10**11),
    ("us", 10**3, 10**14),
    ("ns", 1, 10**17),
)
"""Unit of an epoch, its nanoseconds, and the smallest epoch that is read in it.

Seconds stay below 1e11 until the year 5138, milliseconds are above it since March 1973. What is
smaller than 1e8 (also March 1973, in seconds) is no epoch: most often it counts from midnight.
"""

_LARGEST_NS: Final = np.iinfo(np.int64).max
_EPOCH: Final = r"^\d+(\.\d*)?$"
_ZONED: Final = r"\d{2}:\d{2}.*(Z|z|[+-]\d{2}:?\d{2}|UTC)$"
_CLOCK_12: Final = r"^(\d{4}-\d{2}-\d{2}) (0?[1-9]|1[0-2])-([AP])M$"
_DATE: Final = r"^\s*\d{4}[-/.]\d{2}[-/.]\d{2}"
_TWO_DATES: Final = r"^(\d{4})[/.](\d{2})[/.](\d{2})"


class Stamps(NamedTuple):
    """Instants of a column."""

    ns: pl.Series
    """UNIX nanoseconds, int64, null where a value is no instant."""
    units: Mapping[str, int]
    """Rows per unit of an epoch number, such as {"ms": 744}; empty for text and datetimes."""


def read_stamps(column: pl.Series, tz: str | None) -> Stamps:
    """Read a column of instants; what is none stays null.

    Args:
        column: Datetimes, dates, epoch numbers (each row's unit by its magnitude), or text with
            any of these.
        tz: Zone of times that state none. Without it, datetimes are UTC and text stays null.

    Raises:
        ConfigError: The zone is not known.
        MarketDataError: The column holds nothing like times.

    Source: C7.
    """
    if column.dtype == pl.String or isinstance(column.dtype, pl.Categorical | pl.Enum):
        return _from_text(column.cast(pl.String).str.strip_chars(), tz)
    if column.dtype == pl.Date:
        return Stamps(localised(column.cast(pl.Datetime("ns")), tz or "UTC"), {})
    if isinstance(column.dtype, pl.Datetime):
        return Stamps(_from_datetimes(column, tz), {})
    if column.dtype.is_integer():
        return _from_integers(column)
    if column.dtype.is_float():
        return _from_floats(column)
    raise MarketDataError(f"{column.name} must hold times; was {column.dtype}.")


def read_times(
    rows: pl.DataFrame, name: str, source: str, row_word: str, tz: str | None
) -> IntArray:
    """Read a column of instants, all of which must be there.

    Args:
        rows: Frame with the column and with ``row number``, which messages name.
        name: Column, as in `read_stamps`.
        source: File or frame, for messages.
        row_word: What the source calls a row.
        tz: As in `read_stamps`.

    Returns:
        int64 ``[n]`` UNIX nanoseconds.

    Raises:
        MarketDataError: A value is not an instant, is wall-clock text without a zone, or falls
            into an hour that its zone has twice or not at all.
        ConfigError: The zone is not known.

    Source: C7.
    """
    column = rows[name]
    times = read_stamps(column, tz).ns
    lost = times.is_null()
    if lost.any():
        row = int(lost.arg_max() or 0)
        where = f"{source}, {row_word} {rows['row number'][row]}"
        raise MarketDataError(f"{where}: {time_rule(name, shown_value(column, row), tz)}")
    return np.asarray(times.to_numpy(), dtype=np.int64)


def time_rule(name: str, value: object, tz: str | None) -> str:
    """Say why a value is no instant, and the likely fix."""
    text = "" if value is None else str(value).strip()
    if not text:
        return f"{name} must be a time; was empty."
    if text.lstrip("+-").replace(".", "", 1).isdigit():
        return (
            f"{name} must be an epoch of 1973 to 2262 (s, ms, us or ns) or a date with dashes, "
            f"such as 2025-06-01; was {text!r}."
        )
    if tz is None:
        return (
            f"{name} must be an epoch number or an ISO 8601 time with its zone; was "
            f"{text!r}. If it is wall-clock time, say of which zone: tz='UTC' (--tz UTC)."
        )
    return (
        f"{name} must be an ISO 8601 time that exists once in {tz}; was {text!r}. Where a clock "
        "was set back, only times in UTC tell the two hours apart."
    )


def is_wall_clock(text: pl.Series) -> pl.Series:
    """Tell which texts begin with a date: without a zone, nobody can say when that was."""
    return text.cast(pl.String).str.contains(_DATE).fill_null(False)


def shown_value(column: pl.Series, row: int) -> object:
    """Return a value for a message; datetimes beyond what Python can hold as their number."""
    if isinstance(column.dtype, pl.Datetime | pl.Date):
        return column.to_physical()[row]
    return column[row]


def refuse_unknown_zone(tz: str) -> None:
    """Check the name of a zone.

    Raises:
        ConfigError: There is no such zone.
    """
    localised(pl.Series([0]).cast(pl.Datetime("ns")), tz)


def localised(naive: pl.Series, tz: str) -> pl.Series:
    """Read wall-clock datetimes of a zone as UNIX nanoseconds; doubled and missing hours are null.

    Raises:
        ConfigError: The zone is not known.
    """
    try:
        whole = naive.cast(pl.Datetime("ns"))
        zoned = whole.dt.replace_time_zone(tz, ambiguous="null", non_existent="null")
    except pl.exceptions.ComputeError as error:
        raise ConfigError(f"tz must be an IANA zone, such as 'UTC'; was {tz!r}.") from error
    return zoned.dt.convert_time_zone("UTC").cast(pl.Int64)


def _from_integers(column: pl.Series) -> Stamps:
    there = column.is_not_null().to_numpy()
    values = column.cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    if _are_calendar_digits(values):
        return Stamps(pl.Series([None], dtype=pl.Int64).new_from_index(0, len(values)), {})
    unit = _one_unit(values)
    if unit is not None and there.all():
        name, length = unit
        return Stamps(pl.Series(values * length), {name: len(values)})
    scale, units = _units_of(values)
    good = (scale > 0) & (values <= _LARGEST_NS // np.maximum(scale, 1)) & there
    return Stamps(pl.Series(np.where(good, values, 0) * scale).set(pl.Series(~good), None), units)


def _are_calendar_digits(values: IntArray) -> bool:
    """Tell 202403010000 and 2024030100, which are written times, from epochs of 1976 and 2034.

    All of several rows have a month, a day and a clock in them; of epochs, hardly two have.
    """
    if len(values) < 2 or not 10**9 < int(values[0]) < 10**12:
        return False
    minutes = values if int(values[0]) > 10**11 else values * 100
    if int(minutes.min()) < 1970 * 10**8 or int(minutes.max()) >= 2100 * 10**8:
        return False
    month, day, hour = (minutes // unit % 100 for unit in (10**6, 10**4, 10**2))
    fits = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31) & (hour < 24)
    return bool((fits & (minutes % 100 < 60)).all())


def _one_unit(values: IntArray) -> tuple[str, int] | None:
    """Return the unit and its nanoseconds where all epochs have one and fit; None otherwise."""
    if not len(values):
        return None
    low, high = int(values.min()), int(values.max())
    known = [unit for unit in _UNITS if unit[2] <= low]
    if not known or any(low < smallest <= high for _, _, smallest in _UNITS):
        return None
    name, length, _ = known[-1]
    return (name, length) if high <= _LARGEST_NS // length else None


def _units_of(values: IntArray) -> tuple[IntArray, dict[str, int]]:
    """Return the nanoseconds of each epoch's unit (0 where it is no epoch), and count the units."""
    bounds = np.asarray([smallest for _, _, smallest in _UNITS])
    kind = np.searchsorted(bounds, values, "right")
    lengths = np.asarray([0, *(length for _, length, _ in _UNITS)], dtype=np.int64)
    counts = np.bincount(kind, minlength=len(lengths))
    units = {name: int(n) for (name, _, _), n in zip(_UNITS, counts[1:], strict=True) if n}
    return lengths[kind], units


def _from_floats(column: pl.Series) -> Stamps:
    """Read floats of a frame: whole numbers below 2**53 are exact, the rest is as good as it is."""
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    good = np.isfinite(values) & (np.abs(values) < 2.0**63)
    whole = np.floor(np.where(good, values, 0.0))
    scale, units = _units_of(whole.astype(np.int64))
    rest = np.rint((np.where(good, values, 0.0) - whole) * scale).astype(np.int64)
    good &= (scale > 0) & (whole <= _LARGEST_NS // np.maximum(scale, 1))
    times = pl.Series(np.where(good, whole, 0.0).astype(np.int64) * scale + rest)
    return Stamps(times.set(pl.Series(~good), None), units)


def _from_datetimes(column: pl.Series, tz: str | None) -> pl.Series:
    if column.dtype.time_zone is None:  # type: ignore[attr-defined]
        return localised(column.cast(pl.Datetime("ns"), strict=False), tz or "UTC")
    return column.cast(pl.Datetime("ns", "UTC"), strict=False).cast(pl.Int64)


def _from_text(text: pl.Series, tz: str | None) -> Stamps:
    """Read each row by its own form; what fits none stays null."""
    epochs = text.str.contains(_EPOCH).fill_null(False)
    if epochs.all():
        return _from_epoch_text(text)
    units: Mapping[str, int] = {}
    times = pl.Series([None], dtype=pl.Int64).new_from_index(0, len(text))
    if epochs.any():
        times, units = _from_epoch_text(text.set(~epochs, None))
    for form in _forms(text.set(epochs, None), tz):
        times = times.zip_with(times.is_not_null(), form)
        if not times.has_nulls():
            break
    return Stamps(times, units)


def _forms(text: pl.Series, tz: str | None) -> Iterator[pl.Series]:
    """Read text in one form after the other, each row in the first that fits it."""
    zoned = text.str.contains(_ZONED).fill_null(False)
    if zoned.any():
        instants = text.set(~zoned, None).str.replace(r"\s*(UTC|z)$", "Z")
        yield instants.str.to_datetime("%+", time_unit="ns", strict=False).cast(pl.Int64)
    if tz is None:
        return
    naive = text.set(zoned, None).str.replace(_TWO_DATES, "${1}-${2}-${3}")
    clocks = naive.str.replace(" ", "T", literal=True)
    yield localised(clocks.str.to_datetime("%FT%T%.f", time_unit="ns", strict=False), tz)
    yield localised(clocks.str.to_datetime("%FT%R", time_unit="ns", strict=False), tz)
    yield localised(naive.str.to_date("%F", strict=False).cast(pl.Datetime("ns")), tz)
    yield localised(_from_twelve_hours(naive), tz)


def _from_twelve_hours(text: pl.Series) -> pl.Series:
    """Read "2020-06-15 12-AM", which is midnight, and "2020-06-15 12-PM", which is noon."""
    rows = pl.DataFrame({"text": text}).select(
        day=pl.col("text").str.extract(_CLOCK_12, 1).str.to_date("%F", strict=False),
        hour=pl.col("text").str.extract(_CLOCK_12, 2).cast(pl.Int64, strict=False) % 12,
        half=pl.col("text").str.extract(_CLOCK_12, 3),
    )
    hours = pl.col("hour") + pl.when(pl.col("half") == "P").then(12).otherwise(0)
    return rows.select(
        (pl.col("day").cast(pl.Datetime("ns")) + pl.duration(hours=hours)).alias("time")
    )["time"]


def _from_epoch_text(text: pl.Series) -> Stamps:
    """Read "1601092800", "1601092800.0" and "1601092800.25" with whole numbers only."""
    parts = text.str.splitn(".", 2).struct
    stamps = _from_integers(parts.field("field_0").cast(pl.Int64, strict=False))
    digits = parts.field("field_1").str.strip_chars_end("0")
    if not (digits.str.len_bytes() > 0).any():
        return stamps
    scale, _ = _units_of(
        parts.field("field_0").cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    )
    # Nine digits of a fraction, in whole nanoseconds of a second: exact, for every unit.
    fraction = digits.fill_null("").str.pad_end(9, "0").str.slice(0, 9).cast(pl.Int64, strict=False)
    below = pl.Series(fraction.fill_null(0).to_numpy() * (scale // 1_000) // 1_000_000)
    return Stamps(stamps.ns + below, stamps.units)
