"""Checks of plain values that an environment is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.times import parse_interval

__all__ = [
    "check_choice",
    "check_number",
    "check_whole",
    "is_whole",
    "read_interval",
    "read_numbers",
    "read_options",
]


def check_number(name: str, value: Any, rule: str, holds: Callable[[float], bool]) -> None:
    """Refuse what is no number, or one that breaks its rule; NaN breaks every one.

    Raises:
        ConfigError: It is refused; the message names it and the rule.
    """
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not holds(float(value)):
        raise ConfigError(f"{name} must be {rule}; was {value!r}.")


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number; a bool is none."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_choice(kind: str, value: Any, known: Iterable[str]) -> None:
    """Refuse what is none of some names, also what could be no name at all, such as a list.

    Raises:
        UnknownName: It is refused; the message has the near miss.
    """
    names = tuple(known)
    if not isinstance(value, str) or value not in names:
        raise UnknownName(kind, value, names)


def read_interval(name: str, value: Any) -> int:
    """Read a length of time as nanoseconds.

    Raises:
        ConfigError: It is none; the message names it.
    """
    try:
        return parse_interval(value)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None


def read_options(options: Any) -> dict[str, Any]:
    """Read the options of a reset; None: none.

    Raises:
        ConfigError: They are no mapping.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise ConfigError(
            f"options must be a mapping; was {options!r}. Likely fix: {{'start': 0}}."
        )
    return dict(options)


def check_whole(name: str, value: Any) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        ConfigError: It is refused; the message names it.
    """
    if not is_whole(value) or value < 1:
        raise ConfigError(f"{name} must be a whole number of at least 1; was {value!r}.")


def read_numbers(
    name: str, value: Any, default: tuple[float, ...], rule: str, holds: Callable[[float], bool]
) -> tuple[float, ...]:
    """Read a list of numbers, or its default for None.

    Raises:
        ConfigError: It is no list, empty, or one of it breaks the rule.
    """
    if value is None:
        return default
    if isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray)) or not len(value):
        raise ConfigError(f"{name} must be a list of {rule}; was {value!r}.")
    for item in value:
        check_number(name, item, rule, holds)
    return tuple(float(item) for item in value)
