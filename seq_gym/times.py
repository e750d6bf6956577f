"""Instants and intervals: UNIX nanoseconds inside, ISO 8601 with ``Z`` at the edge.

Source: spec C1 (UTC nanoseconds, naive is UTC), C8 (a date as an end includes its day).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final, TypeAlias

import numpy as np

from seq_gym.errors import ConfigError

__all__ = [
    "NS_PER_DAY",
    "NS_PER_HOUR",
    "NS_PER_MINUTE",
    "NS_PER_S",
    "NS_PER_YEAR",
    "IntervalLike",
    "TimeLike",
    "format_interval",
    "format_time",
    "parse_interval",
    "parse_time",
]

NS_PER_S: Final = 1_000_000_000
NS_PER_MINUTE: Final = 60 * NS_PER_S
NS_PER_HOUR: Final = 60 * NS_PER_MINUTE
NS_PER_DAY: Final = 24 * NS_PER_HOUR
NS_PER_YEAR: Final = 365 * NS_PER_DAY

TimeLike: TypeAlias = str | int | float | dt.date | np.datetime64 | np.integer
IntervalLike: TypeAlias = str | int | dt.timedelta | np.timedelta64 | np.integer

_UNITS: Final = {
    "d": NS_PER_DAY,
    "h": NS_PER_HOUR,
    "m": NS_PER_MINUTE,
    "s": NS_PER_S,
    "ms": 1_000_000,
    "us": 1_000,
    "ns": 1,
}
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_ISO: Final = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<clock>\d{2}:\d{2}(?::\d{2})?)(?:\.(?P<fraction>\d{1,9}))?"
    r"\s*(?P<zone>Z|z|[+-]\d{2}:?\d{2})?)?"
)
_INTERVAL: Final = re.compile(r"(?P<count>[1-9]\d*)(?P<unit>[a-z]+)")


def parse_time(value: TimeLike, *, end: bool = False) -> int:
    """Read an instant as UNIX nanoseconds, UTC.

    Args:
        value: An ISO 8601 string, a datetime or date, a numpy datetime64, or UNIX nanoseconds.
            Without a zone it is UTC.
        end: The instant ends a range: a date without a time then means the end of that day.

    Returns:
        UNIX nanoseconds.

    Raises:
        ConfigError: The value is not an instant.

    Source: C1, C8.

    >>> parse_time("1970-01-02")
    86400000000000
    >>> parse_time("1970-01-01", end=True)
    86400000000000
    >>> parse_time("1970-01-01T01:00:00+01:00", end=True)
    0
    """
    if isinstance(value, str):
        return _parse_text(value, end)
    if isinstance(value, dt.datetime):
        return _from_datetime(value)
    if isinstance(value, dt.date):
        return _from_date(value, end)
    if isinstance(value, np.datetime64):
        return _from_datetime64(value, end)
    if isinstance(value, bool):
        raise _not_a_time(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float):
        return _from_float(value)
    raise _not_a_time(value)


def format_time(ns: int) -> str:
    """Write UNIX nanoseconds as ISO 8601 with ``Z``; a fraction only where there is one.

    >>> format_time(1_748_742_000_000_000_000)
    '2025-06-01T01:40:00Z'
    >>> format_time(1_500_000_000)
    '1970-01-01T00:00:01.5Z'
    """
    seconds, fraction = divmod(int(ns), NS_PER_S)
    text = (_EPOCH + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{text}{digits}Z"


def parse_interval(value: IntervalLike) -> int:
    """Read a length of time, such as ``"1m"``, ``"4h"`` or ``"1d"``, as nanoseconds.

    Args:
        value: A count and a unit (d, h, m, s, ms, us, ns), a timedelta, or nanoseconds.

    Raises:
        ConfigError: The value is not a positive length of time.

    >>> parse_interval("5m")
    300000000000
    """
    if isinstance(value, dt.timedelta):
        ns = value // dt.timedelta(microseconds=1) * 1_000
    elif isinstance(value, np.timedelta64):  # numpy counts it among the integers
        has_length = np.datetime_data(value.dtype)[0] not in ("Y", "M", "generic")
        ns = int(value.astype("timedelta64[ns]").astype(np.int64)) if has_length else 0
    elif isinstance(value, int | np.integer) and not isinstance(value, bool):
        ns = int(value)
    else:
        match = _INTERVAL.fullmatch(value.strip()) if isinstance(value, str) else None
        unit = _UNITS.get(match["unit"]) if match else None
        ns = int(match["count"]) * unit if match and unit else 0
    if ns <= 0:
        raise ConfigError(
            "An interval must be a count and one of the units d, h, m, s, ms (for example '1m', "
            f"'4h', '1d'); was {value!r}. Units are lower case; weeks and months have no grid."
        )
    return ns


def format_interval(ns: int) -> str:
    """Write nanoseconds as a count of the largest unit that divides them.

    >>> format_interval(300_000_000_000)
    '5m'
    """
    unit = next(name for name, length in _UNITS.items() if ns % length == 0)
    return f"{ns // _UNITS[unit]}{unit}"


def _parse_text(text: str, end: bool) -> int:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        raise _not_a_time(text)
    try:
        day = dt.date.fromisoformat(match["date"])
        if match["clock"] is None:
            return _from_date(day, end)
        zone = (match["zone"] or "Z").upper()
        moment = dt.datetime.fromisoformat(f"{match['date']}T{match['clock']}{zone}")
    except ValueError as error:
        raise _not_a_time(text) from error
    return _from_datetime(moment) + int((match["fraction"] or "0").ljust(9, "0"))


def _from_datetime(moment: dt.datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    microseconds = (aware - _EPOCH) // dt.timedelta(microseconds=1)
    # A pandas Timestamp is a datetime that carries three more digits.
    return microseconds * 1_000 + int(getattr(moment, "nanosecond", 0))


def _from_date(day: dt.date, end: bool) -> int:
    days = (day - _EPOCH.date()).days
    return (days + int(end)) * NS_PER_DAY


def _from_datetime64(value: np.datetime64, end: bool) -> int:
    if np.isnat(value):
        raise _not_a_time(value)
    unit, _ = np.datetime_data(value.dtype)
    ns = int(value.astype("datetime64[ns]").astype(np.int64))
    return ns + NS_PER_DAY if end and unit == "D" else ns


def _from_float(value: float) -> int:
    # time.time() and Timestamp.timestamp() are floats in seconds: refuse, do not guess.
    if not value.is_integer() or 0 < abs(value) < 1e16:
        raise ConfigError(
            f"A number as a time must be UNIX nanoseconds; was {value!r}. Seconds times 1e9 give "
            "nanoseconds; a datetime or an ISO string needs no unit."
        )
    return int(value)


def _not_a_time(value: object) -> ConfigError:
    return ConfigError(
        "A time must be an ISO 8601 string (such as '2025-06-01' or '2025-06-01T01:40:00Z'), a "
        f"datetime, or UNIX nanoseconds; was {value!r}."
    )
