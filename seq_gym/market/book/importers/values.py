"""Values of messages: whole numbers, sides, and times as UNIX nanoseconds.

What is of another type or beyond reason raises ValueError or TypeError; `faults_told` adds where.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

__all__ = ["ns_of_iso", "ns_of_ms", "ns_of_seconds", "side_of", "whole"]

_SECOND: Final = 1_000_000_000
_LATEST_S: Final = 4_102_444_800
"""2100-01-01: a time after it is of another unit."""


def whole(value: Any) -> int:
    """Take a whole number of 63 bits, as a number or as its digits."""
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(f"must be a whole number >= 0; was {value!r:.40}")
    return value


def ns_of_ms(value: Any) -> int:
    """Read milliseconds."""
    return _checked(whole(value) * 1_000_000)


def ns_of_seconds(value: Any) -> int:
    """Read seconds with decimals, as text so that nothing is rounded.

    >>> ns_of_seconds("1618678133.365913")
    1618678133365913000
    """
    seconds, _, fraction = str(value).partition(".")
    if fraction and not (fraction.isascii() and fraction.isdigit()):
        raise ValueError(f"must be seconds; was {value!r:.40}")
    return _checked(whole(seconds) * _SECOND + int(fraction[:9].ljust(9, "0")))


def ns_of_iso(value: Any) -> int:
    """Read an ISO 8601 time with its zone, to the nanosecond.

    >>> ns_of_iso("2026-08-09T21:05:48.48358750Z")
    1786309548483587500
    """
    day_and_clock, _, rest = value.partition(".")
    digits = rest.rstrip("Zz")
    if not rest or (digits.isdigit() and digits != rest):
        zone = "Z" if rest else ""
        return _checked(_second_of(day_and_clock + zone) * _SECOND + int(digits[:9].ljust(9, "0")))
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"must state its zone; was {value!r:.40}")
    seconds = int(moment.replace(microsecond=0).timestamp())
    return _checked(seconds * _SECOND + moment.microsecond * 1_000)


@lru_cache(maxsize=4096)
def _second_of(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"must state its zone; was {text!r:.40}")
    return int(moment.astimezone(UTC).timestamp())


def _checked(ns: int) -> int:
    if not 0 < ns < _LATEST_S * _SECOND:
        raise ValueError(f"must be a time between 1970 and 2100; was {ns} ns")
    return ns


def side_of(value: Any, buy: str, sell: str) -> int:
    """Tell 1 or -1 from the venue's two words."""
    if value == buy:
        return 1
    if value == sell:
        return -1
    raise ValueError(f"side must be {buy!r} or {sell!r}; was {value!r:.40}")
