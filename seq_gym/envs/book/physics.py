"""The physics of an environment over books from plain JSON: fields of BookParams by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from seq_gym.errors import UnknownName
from seq_gym.sandbox.book.latency import read_latencies
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.params import RiskProfile
from seq_gym.sandbox.profiles import risk_profile

__all__ = ["BOOK_ENV_DEFAULTS", "physics_names", "read_physics"]

BOOK_ENV_DEFAULTS: Final[Mapping[str, Any]] = {"liquidate_on_complete": False, "max_orders": 8}
"""Where an environment differs from a BookSession: an artificial truncation forces no sale (M7),
and few orders work at a time, so that the rows of many environments stay in the cache."""


def physics_names() -> tuple[str, ...]:
    """Return the names of the fields of BookParams."""
    return tuple(field.name for field in fields(BookParams))


def read_physics(
    given: Mapping[str, Any], defaults: Mapping[str, Any], own: Sequence[str]
) -> BookParams:
    """Read the arguments that are fields of BookParams; refuse what is no argument at all.

    Args:
        given: By name; latencies and risk limits may be mappings.
        defaults: Of the task, where it differs from a session.
        own: The environment's own arguments, for the near miss.

    Raises:
        UnknownName: A name is none of both.
        ConfigError: A value breaks its rule.
    """
    known = physics_names()
    for name in given:
        if name not in known:
            raise UnknownName("argument", name, (*own, *known))
    values = read_latencies({**BOOK_ENV_DEFAULTS, **defaults, **given})
    risk = values.get("risk")
    if isinstance(risk, Mapping) and not isinstance(risk, RiskProfile):
        values["risk"] = risk_profile(risk)
    if isinstance(values.get("volatility_bounds"), list):
        values["volatility_bounds"] = tuple(values["volatility_bounds"])
    return BookParams(**values)
