"""How a check makes an environment again, on another market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gymnasium

from seq_gym.checks.doors import session_of
from seq_gym.envs.features import Feature
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import ConfigError
from seq_gym.market import CandleSeries
from seq_gym.types import Execution

__all__ = ["Env", "MakeEnv", "execution_of", "maker_of", "session_cursor"]

Env = gymnasium.Env[Any, Any]
MakeEnv = Callable[[CandleSeries], Env]


def maker_of(env: Env | MakeEnv, series: CandleSeries | None) -> tuple[MakeEnv, CandleSeries]:
    """Return a function that makes an environment on a market, and the market.

    Raises:
        ConfigError: The environment cannot be made again, or no market is given for a function.
    """
    if not isinstance(env, gymnasium.Env):
        if not callable(env):
            raise ConfigError(
                "env must be a single environment, or a function that makes one from a "
                f"CandleSeries; was {type(env).__name__}. Row i of a batch is the single "
                "environment seeded seed + i."
            )
        if series is None:
            raise ConfigError("series must be given where env is a function; was None.")
        return env, series
    settings, spec = getattr(env.unwrapped, "settings", None), env.spec
    if spec is None or not isinstance(settings, EnvSettings):
        raise ConfigError(
            "env must be one of seq_gym made by gymnasium.make, to be made again on other data; "
            f"was {env}. Give a function from a CandleSeries to an environment, and series."
        )
    arrays = [name for name, is_array in _all_features(spec.kwargs) if is_array]
    if arrays:
        raise ConfigError(
            f"feature {arrays[0]!r} must be an expression to be made again on other data; was an "
            f"array. Give a function from a CandleSeries to an environment, and series."
        )
    return (lambda market: gymnasium.make(spec, data=market)), settings.series


def _all_features(arguments: Mapping[str, Any]) -> Iterable[tuple[str, bool]]:
    """Yield those of the window, and of every timeframe."""
    yield from _features(arguments.get("features", ()))
    for asked in (arguments.get("timeframes") or {}).values():
        if isinstance(asked, Mapping):
            yield from _features(asked.get("features", ()))


def _features(features: Any) -> Iterable[tuple[str, bool]]:
    """Yield the name of each custom feature, and whether it is an array."""
    for item in [features] if isinstance(features, str | Feature | dict) else features:
        if isinstance(item, dict):
            item = Feature(**item)
        elif isinstance(item, tuple):
            item = Feature(*item)
        if isinstance(item, Feature):
            yield item.name, item.expression is None


def session_cursor(env: Env) -> int:
    """Return how many candles an environment with a session knows."""
    session = session_of(env)
    if session is None:
        raise ConfigError(
            f"cursor_of must be given for an environment without a session; was None for {env}."
        )
    return session.cursor


def execution_of(env: Env) -> Execution:
    """Return when an environment says that its orders fill."""
    settings = getattr(env.unwrapped, "settings", None)
    env.close()
    return settings.params.execution if isinstance(settings, EnvSettings) else "next_open"
