"""Domain randomisation: what trading costs is drawn anew for every episode.

`randomize={"fee_scale": [0.5, 2.0], "slippage_scale": [0.5, 4.0]}` multiplies all fees and rebates,
and all slippage, of an episode by numbers that are log-uniform between the bounds: as likely halved
as doubled. A policy that must trade well under all of them leans on no exact cost. The episode's
start is drawn by `window="random"`.

A scale is a function of (seed, episode) of its row alone, as the window's start is, so row i of a
batch is the single environment seeded seed + i (E2). It holds wherever a fee or slippage counts:
fills, reserves, what can be afforded, checks and limits, liquidation. Slippage is scaled after its
floor and cap (M1). Bounds that are equal give exactly that scale, and 1 changes nothing at all.

This is an argument of the environments rather than a wrapper around them: a wrapper would have to
reach into the account of each row between its reset and its first order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from seq_gym.envs.numbers import check_number
from seq_gym.errors import ConfigError, UnknownName
from seq_gym.market import CandleSeries
from seq_gym.sandbox.params import SandboxParams, instrument_table

__all__ = ["SCALES", "Randomization", "parse_randomize"]

SCALES: Final = ("fee_scale", "slippage_scale")
"""What can be randomised."""


class Randomization(NamedTuple):
    """Bounds (low, high) of each scale."""

    fee_scale: tuple[float, float] = (1.0, 1.0)
    slippage_scale: tuple[float, float] = (1.0, 1.0)


def parse_randomize(
    value: Any, params: SandboxParams, series: CandleSeries
) -> Randomization | None:
    """Read the `randomize` argument of an environment.

    Args:
        value: None, or a mapping of names of SCALES to [low, high].
        params: The physics.
        series: The candles, whose instruments may have fees of their own.

    Returns:
        The bounds, (1, 1) where none are given; None: nothing is randomised.

    Raises:
        UnknownName: A name is none of SCALES.
        ConfigError: Bounds are no pair of finite numbers with 0 < low <= high (or both 0), or the
            highest would make a fill cost all that it trades.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"randomize must map {' and '.join(SCALES)} to [low, high]; was {value!r}."
        )
    for name in value:
        if name not in SCALES:
            raise UnknownName("name in randomize", name, SCALES)
    found = Randomization(**{name: _bounds(name, value[name]) for name in value})
    _refuse_ruinous(found, params, series)
    return found


def _bounds(name: str, value: Any) -> tuple[float, float]:
    """Return low and high."""
    rule = "[low, high] with 0 < low <= high, or 0 twice"
    if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != 2:
        raise ConfigError(f"{name} of randomize must be {rule}; was {value!r}.")
    for item in value:
        check_number(f"a bound of {name}", item, "finite and at least 0", _is_scale)
    low, high = (float(item) for item in value)
    if low > high or (low == 0.0 and high > 0.0):
        raise ConfigError(f"{name} of randomize must be {rule}; was {value!r}.")
    return low, high


def _is_scale(value: float) -> bool:
    return 0.0 <= value < math.inf


def _refuse_ruinous(found: Randomization, params: SandboxParams, series: CandleSeries) -> None:
    """Refuse scales at which a fee or slippage reaches the whole price."""
    instruments = instrument_table(params, series)
    fees = max(abs(instruments[name]).max() for name in ("taker_fee_frac", "maker_fee_frac"))
    fixed = params.slippage == "fixed_bps"
    slippage = params.slippage_bps / 10_000.0 if fixed else params.max_slippage_frac
    worst = {"fee_scale": fees, "slippage_scale": slippage}
    for name, cost in worst.items():
        high = getattr(found, name)[1]
        if high * cost >= 1.0:
            raise ConfigError(
                f"{name} of randomize must keep the cost of a fill below its price; up to {high:g} "
                f"times {cost:g} does not. Use a smaller scale, or a smaller cost or cap."
            )
