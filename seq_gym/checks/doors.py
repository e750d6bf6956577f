"""Everything that an environment shows at one moment, and how two such moments differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import gymnasium
import numpy as np

from seq_gym.envs.observations import ACCOUNT_COLUMNS, SYMBOL_COLUMNS
from seq_gym.envs.settings import EnvSettings
from seq_gym.errors import UsageError
from seq_gym.sandbox.session import Session
from seq_gym.times import format_interval

__all__ = ["Moment", "differences", "observation_names", "session_of", "show"]

_VERBS = (
    "prices",
    "portfolio",
    "balance",
    "positions",
    "orders",
    "open_orders",
    "fills",
    "equity_curve",
)
"""Reading verbs without arguments."""
_CANDLES = 8
"""Candles of each interval that are looked at."""
_COARSER = (5, 60)
"""Multiples of the interval that are looked at too."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What was shown after a step, by door."""

    step: int
    cursor: int
    values: Mapping[str, Any]


def session_of(env: gymnasium.Env[Any, Any]) -> Session | None:
    """Return the session of an environment, None where it has none."""
    found = getattr(env.unwrapped, "session", None)
    return found if isinstance(found, Session) else None


def show(env: gymnasium.Env[Any, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return everything that can be read now, copied.

    Args:
        env: An environment with an open or ended episode.
        outputs: What `reset` or `step` returned, by name.
    """
    shown = {name: deepcopy(value) for name, value in outputs.items()}
    if "observation" in shown:
        shown["observation"] = _with_windows(env, shown["observation"])
    if hasattr(env.unwrapped, "action_masks"):
        with suppress(UsageError):  # an action kind without masks
            shown["action_masks"] = np.array(env.unwrapped.action_masks())
    if env.render_mode == "ansi":
        shown["render"] = env.render()
    session = session_of(env)
    if session is not None:
        shown.update(_show_session(session))
    return shown


def _with_windows(env: gymnasium.Env[Any, Any], observation: Any) -> Any:
    """Return a dict observation in place of an index one: what the policy will see by it."""
    settings = getattr(env.unwrapped, "settings", None)
    if not isinstance(settings, EnvSettings) or settings.observation != "index":
        return observation
    if not isinstance(observation, Mapping) or "index" not in observation:
        return observation  # a wrapper has made something else of it
    cursor = int(observation["index"][0])
    windows = {each.key: each.gather(cursor) for each in settings.windows}
    return {**windows, "portfolio": observation["portfolio"]}


def _show_session(session: Session) -> dict[str, Any]:
    """Return what every reading verb of a session returns now."""
    shown: dict[str, Any] = {f"session.{verb}": getattr(session, verb)() for verb in _VERBS}
    shown["session.equity"], shown["session.status"] = session.equity, session.status
    series = session.series
    most = series.num_candles
    for symbol in shown["session.prices"]:
        shown[f"session.ticker({symbol})"] = session.ticker(symbol)
        shown[f"session.price({symbol})"] = session.price(symbol)
    for symbol in series.symbols:
        for multiple in (1, *(m for m in _COARSER if m < most // 4)):
            interval = multiple * series.interval_ns
            text = format_interval(interval)
            found = session.candles(symbol, text, limit=_CANDLES)
            shown[f"session.candles({symbol}, {text})"] = found
    return shown


def observation_names(env: gymnasium.Env[Any, Any]) -> tuple[str, ...]:
    """Return the name of each float of a flat observation; empty for environments not ours.

    Of an index observation they are those of the windows that it points at.
    """
    settings = getattr(env.unwrapped, "settings", None)
    if not isinstance(settings, EnvSettings):
        return ()
    symbols = settings.series.symbols
    names = _window_names(symbols, settings.matrix.names, settings.look_back)
    for each in settings.timeframes:
        names += _window_names(symbols, each.matrix.names, each.look_back, f" in {each.name}")
    names += [f"observation: {column!r}" for column in ACCOUNT_COLUMNS]
    names += [f"observation: {c!r} of {symbol}" for symbol in symbols for c in SYMBOL_COLUMNS]
    return tuple(names)


def _window_names(
    symbols: Sequence[str], features: Sequence[str], look_back: int, where: str = ""
) -> list[str]:
    row = [f"observation: feature {f!r} of {symbol}{where}" for symbol in symbols for f in features]
    return row * look_back


def flat_observation(observation: Any) -> Any:
    """Return an observation as one row of numbers, whatever its shape; None if it is none."""
    if isinstance(observation, Mapping) and {"window", "portfolio"} <= set(observation):
        longer = [name for name in observation if name not in ("window", "portfolio")]
        if all(name.startswith("window_") for name in longer):
            names = ("window", *longer, "portfolio")
            return np.concatenate([np.asarray(observation[name]).ravel() for name in names])
    return np.asarray(observation).ravel() if isinstance(observation, np.ndarray) else None


def differences(
    one: Mapping[str, Any], other: Mapping[str, Any], names: tuple[str, ...]
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, value, other value) of everything that differs; NaN equals NaN.

    Args:
        one: What an environment showed, by door.
        other: What another one showed.
        names: Names of the floats of an observation, where they are known.
    """
    for door in [*one, *(name for name in other if name not in one)]:
        a, b = one.get(door), other.get(door)
        flat, again = flat_observation(a), flat_observation(b)
        if door != "observation" or flat is None or flat.size != len(names):
            yield from _differ(door, a, b)
        elif again is None or flat.shape != again.shape:
            yield door, a, b
        else:
            for k in np.flatnonzero(~_same(flat, again)):
                yield names[k], flat[k].item(), again[k].item()


def _differ(name: str, a: Any, b: Any) -> Iterator[tuple[str, Any, Any]]:
    """Compare two values part by part."""
    if _plainly_equal(a, b):
        return
    parts = _parts(name, a), _parts(name, b)
    if parts[0] is not None and parts[1] is not None:
        for key in [*parts[0], *(key for key in parts[1] if key not in parts[0])]:
            yield from _differ(key, parts[0].get(key), parts[1].get(key))
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape:
        for at in np.argwhere(~_same(a, b)):
            index = ", ".join(map(str, at.tolist()))
            yield f"{name}[{index}]", a[tuple(at)].item(), b[tuple(at)].item()
    elif not np.all(_same(np.asarray(a), np.asarray(b))):
        yield name, a, b


def _plainly_equal(a: Any, b: Any) -> bool:
    """Say quickly whether two values are the same; NaN and arrays inside of values say no."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    with suppress(ValueError):  # the truth of an array inside
        return bool(a == b)
    return False


def _parts(name: str, value: Any) -> dict[str, Any] | None:
    """Return the parts of a value by name; None if it has none."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f"{name}.{field.name}": getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {f"{name}[{key!r}]": part for key, part in value.items()}
    if isinstance(value, tuple | list):
        return {f"{name}[{k}]": part for k, part in enumerate(value)}
    return None


def _same(a: Any, b: Any) -> Any:
    """Compare two arrays; NaN, which differs from itself, equals NaN."""
    if a.shape != b.shape:
        return np.False_
    return (a == b) | ((a != a) & (b != b))
