"""Latency by venue (L1): what a message takes on its way, and the profiles that are shipped.

The shipped profiles are documented guesses of a retail client in the cloud region next to the
venue, not measurements: calibrate them from request and response times of one's own before
believing a result that depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seq_gym.engine.book import codes
from seq_gym.errors import ConfigError, UnknownName

__all__ = [
    "LATENCY_MODELS",
    "PROFILES",
    "Latency",
    "LatencyModel",
    "latency_of",
    "read_latencies",
    "recorded_table",
]

LatencyModel = Literal["none", "constant", "log-normal", "per-venue", "recorded"]

LATENCY_MODELS: tuple[LatencyModel, ...] = (
    "none",
    "constant",
    "log-normal",
    "per-venue",
    "recorded",
)
"""Names of the models of L1 (S3-47)."""

_NS_PER_MS = 1e6
_MOST_MS = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """What messages take between an agent and one venue, in milliseconds.

    With a sigma of 0 a time is constant, else log-normal: median x exp(sigma x normal).

    Raises:
        ConfigError: A time is negative, longer than an hour, or no number.

    Source: L1.
    """

    entry_ms: float = 5.0
    """Median time of a new order to the venue."""
    cancel_ms: float | None = None
    """Median time of a cancel or amend to the venue; None: as `entry_ms`."""
    response_ms: float = 5.0
    """Median time of the venue's answers and fills to the agent."""
    entry_sigma: float = 0.0
    """Standard deviation of the logarithm of `entry_ms`."""
    cancel_sigma: float | None = None
    """Standard deviation of the logarithm of `cancel_ms`; None: as `entry_sigma`."""
    response_sigma: float = 0.0
    """Standard deviation of the logarithm of `response_ms`."""
    feed_ms: float = 0.0
    """Added to the recorded receipt of every event: a farther agent sees the same book later."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name.startswith("cancel"):
                continue
            most = 5.0 if field.name.endswith("sigma") else _MOST_MS
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not (math.isfinite(value) and 0.0 <= value <= most):
                raise ConfigError(
                    f"Latency {field.name} must be a number from 0 to {most:g}; was {value!r}."
                )

    def write(self, row: Any, model: LatencyModel) -> None:
        """Write the INSTRUMENT fields of one lane."""
        cancel_ms = self.entry_ms if self.cancel_ms is None else self.cancel_ms
        cancel_sigma = self.entry_sigma if self.cancel_sigma is None else self.cancel_sigma
        sigmas = (self.entry_sigma, cancel_sigma, self.response_sigma)
        is_random = model != "constant" and any(sigma > 0.0 for sigma in sigmas)
        row.latency_model = codes.LATENCY_LOG_NORMAL if is_random else codes.LATENCY_CONSTANT
        row.entry_ns = self.entry_ms * _NS_PER_MS
        row.cancel_ns = cancel_ms * _NS_PER_MS
        row.response_ns = self.response_ms * _NS_PER_MS
        if is_random:
            row.entry_sigma = self.entry_sigma
            row.cancel_sigma = cancel_sigma
            row.response_sigma = self.response_sigma
        row.feed_ns = round(self.feed_ms * _NS_PER_MS)


def _guess(entry_ms: float, response_ms: float, sigma: float) -> Latency:
    return Latency(
        entry_ms=entry_ms,
        response_ms=response_ms,
        entry_sigma=sigma,
        response_sigma=sigma,
    )


PROFILES: Mapping[str, Latency] = {
    "binance": _guess(4.0, 3.0, 0.35),
    "binance_um": _guess(5.0, 4.0, 0.45),
    "bybit": _guess(6.0, 5.0, 0.45),
    "coinbase": _guess(8.0, 6.0, 0.40),
    "kraken": _guess(12.0, 10.0, 0.50),
    "okx": _guess(7.0, 6.0, 0.45),
    "bitstamp": _guess(15.0, 12.0, 0.50),
    "default": _guess(10.0, 8.0, 0.45),
}
"""Medians and spreads by venue: documented guesses, in the order of what clients report."""


def read_latencies(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read `latency` and `venue_latency` among the fields of BookParams, which may be plain JSON.

    Args:
        given: Fields by name.

    Returns:
        The same, with a Latency in the place of each mapping of its fields.

    Raises:
        ConfigError: One is neither.
        UnknownName: A key is no field of Latency.
    """
    values = dict(given)
    if "latency" in values:
        values["latency"] = _read_latency("latency", values["latency"])
    venues = values.get("venue_latency")
    if isinstance(venues, Mapping):
        values["venue_latency"] = {
            venue: _read_latency(f"venue_latency[{venue!r}]", value)
            for venue, value in venues.items()
        }
    return values


def _read_latency(name: str, value: Any) -> Latency | None:
    if value is None or isinstance(value, Latency):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a mapping such as {{'entry_ms': 5.0}}; was {value!r}.")
    known = tuple(field.name for field in fields(Latency))
    for key in value:
        if key not in known:
            raise UnknownName(f"field of {name}", key, known)
    return Latency(**value)


def latency_of(
    venue: str,
    model: LatencyModel,
    given: Latency | None,
    by_venue: Mapping[str, Latency],
) -> Latency:
    """Return the latency of a venue under a model.

    Args:
        venue: Its name as the data spells it.
        model: Of L1.
        given: Of all venues, for "constant" and "log-normal"; None: that of "default".
        by_venue: Own profiles; they win over the shipped ones.

    Raises:
        UnknownName: The model does not exist.
    """
    if model not in LATENCY_MODELS:
        raise UnknownName("latency model", model, LATENCY_MODELS)
    if model == "none":
        return Latency(entry_ms=0.0, response_ms=0.0)
    name = venue.lower()
    if name in by_venue:
        return by_venue[name]
    if given is not None:
        return given
    return PROFILES.get(name, PROFILES["default"]) if model == "per-venue" else PROFILES["default"]


def recorded_table(times: Any) -> NDArray[np.int64]:
    """Read recorded round trips for the model "recorded".

    Args:
        times: int64 [n, 3] UNIX nanoseconds of request, arrival at the venue and response.

    Returns:
        The same sorted by request, contiguous.

    Raises:
        ConfigError: The shape is another, or a row goes back in time.
    """
    try:
        table = np.ascontiguousarray(times, np.int64)
    except (TypeError, ValueError, OverflowError):
        table = np.zeros((0, 0), np.int64)
    if table.ndim != 2 or table.shape[1] != 3 or not len(table):
        raise ConfigError(
            "recorded_latency must be an int64 array [n, 3] of request, arrival and response "
            f"times; was {times!r:.100}."
        )
    wrong = (table[:, 1] < table[:, 0]) | (table[:, 2] < table[:, 1])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ConfigError(
            "recorded_latency must go forward in each row (request, arrival, response); row "
            f"{row} was {table[row].tolist()}."
        )
    return table[np.argsort(table[:, 0], kind="stable")]
