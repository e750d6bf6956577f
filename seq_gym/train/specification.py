"""What a trained policy was made for: its observations, features and actions, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gymnasium import spaces

from seq_gym.envs.book.settings import BookEnvSettings
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import ConfigError
from seq_gym.times import format_interval

__all__ = ["differences", "refuse_mismatch", "specification"]

_ACTING = ("side", "max_rate", "max_offset_ticks")
"""Constants of a task over books by which an action is read."""


def specification(settings: EnvSettings | BookEnvSettings) -> dict[str, Any]:
    """Return the specification of an environment's observations, features and actions."""
    if isinstance(settings, BookEnvSettings):
        return _of_books(settings)
    return {
        "observation": {
            "kind": settings.observation,
            "symbols": settings.series.num_symbols,
            "interval": format_interval(settings.series.interval_ns),
            "candles_per_step": settings.candles_per_step,
        },
        "features": {
            each.key: {
                "look_back": each.look_back,
                "names": list(each.matrix.names),
                "fingerprint": each.matrix.fingerprint,
            }
            for each in settings.windows
        },
        "action": {
            "kind": settings.action,
            "account": settings.params.account,
            "levels": list(settings.levels) if settings.action in ("ladder", "order") else [],
            "offsets_bps": list(settings.offsets_bps) if settings.action == "order" else [],
            "buy_fraction": settings.buy_fraction,
            "deadband": settings.deadband,
            "leverage": settings.leverage,
        },
    }


def _of_books(settings: BookEnvSettings) -> dict[str, Any]:
    """Return what holds whatever the book: sizes in base quantity go by its prices."""
    setup = settings.setup
    every = f"{settings.every_events} events"
    is_choice = isinstance(setup.action_space, spaces.MultiDiscrete)
    return {
        "observation": {
            "env": settings.task.name,
            "kind": settings.observation,
            "decide_every": format_interval(settings.every_ns) if settings.every_ns else every,
            "fills_shown": settings.fill_horizon_s,
        },
        "features": {
            "window": {"look_back": settings.look_back, "names": list(settings.grid.names)}
        },
        "action": {
            "kind": settings.action,
            "account": settings.params.account,
            "levels": list(setup.levels) if is_choice else [],
            **{name: setup.constants[name] for name in _ACTING if name in setup.constants},
        },
    }


def differences(recorded: Mapping[str, Any], present: Mapping[str, Any]) -> list[str]:
    """Say where two specifications differ, a phrase each.

    >>> differences({"action": {"kind": "ladder"}}, {"action": {"kind": "discrete"}})
    ["action.kind 'ladder' is 'discrete' here"]
    """
    return list(_differences(recorded, present, ""))


def _differences(
    recorded: Mapping[str, Any], present: Mapping[str, Any], path: str
) -> Iterator[str]:
    for name in dict.fromkeys((*recorded, *present)):
        where = f"{path}{name}"
        here, there = present.get(name), recorded.get(name)
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            told = list(_differences(there, here, f"{where}."))
            # A fingerprint differs wherever anything does; alone it is what there is to say.
            plain = [each for each in told if ".fingerprint " not in each]
            yield from plain or told
        elif here != there:
            yield f"{where} {there!r} is {here!r} here"


def refuse_mismatch(
    source: str,
    recorded: Mapping[str, Any],
    present: Mapping[str, Any],
    *,
    allowed: bool,
    fix: str = "leave these settings to the run",
) -> None:
    """Refuse an environment that a policy was not trained for.

    Args:
        source: The run, for the message.
        recorded: Its specification.
        present: That of the environment.
        allowed: Whether the user takes the differences on himself.
        fix: What would make them equal.

    Raises:
        ConfigError: They differ; names how.
    """
    told = differences(recorded, present)
    if told and not allowed:
        raise ConfigError(
            f"The environment must be what {source} was trained in; {'; '.join(told)}. Likely fix: "
            f"{fix}, or --allow-mismatch."
        )
