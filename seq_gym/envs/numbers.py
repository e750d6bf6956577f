"""Checks of plain numbers that an environment is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seq_gym.errors import ConfigError

__all__ = ["check_number", "check_whole", "read_numbers"]


def check_number(name: str, value: Any, rule: str, holds: Callable[[float], bool]) -> None:
    """Refuse what is no number, or one that breaks its rule; NaN breaks every one.

    Raises:
        ConfigError: It is refused; the message names it and the rule.
    """
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number or not holds(float(value)):
        raise ConfigError(f"{name} must be {rule}; was {value!r}.")


def check_whole(name: str, value: Any) -> None:
    """Refuse what is no whole number of at least 1.

    Raises:
        ConfigError: It is refused; the message names it.
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < 1:
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
