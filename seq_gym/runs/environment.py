"""The environment of a run: its id, the arguments that a config may give it, its physics."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.sandbox.book.params import BookParams
from seq_gym.sandbox.params import RiskProfile, SandboxParams

__all__ = [
    "NAMESPACE",
    "book_env_id",
    "book_env_physics",
    "check_env",
    "env_id",
    "is_book_env",
    "known_book_settings",
    "known_env_settings",
    "sandbox_arguments",
]

NAMESPACE = "seq_gym/"
"""Before the name of each of our environments in its id."""
_ARGUMENTS_OF_THE_RUN = (
    "symbols",
    "interval",
    "start",
    "end",
    "window",
    "episode_steps",
    "candles_per_step",
    "venue",
    "funding",
    "decide_every",
    "decide_every_events",
    "render_mode",
)


def env_id(name: str | None, num_symbols: int) -> str:
    """Return the id of the environment in which policies act.

    Args:
        name: Its id, with or without its namespace; None goes by the number of symbols.
        num_symbols: Symbols of the data.

    Raises:
        ConfigError: It trades one symbol, and the data has several; or it trades on books.
        UnknownName: There is none of that name.
    """
    if name is None:
        own = "CandleTrading-v0" if num_symbols == 1 else "Portfolio-v0"
        return NAMESPACE + own
    from seq_gym.envs.catalog import ENV_IDS

    if is_book_env(name):
        raise ConfigError(f"env {name!r} trades on recorded books; this run has candles.")
    chosen = _full(name)
    if chosen not in ENV_IDS:
        raise UnknownName("env", name, _known_ids())
    if chosen == NAMESPACE + "CandleTrading-v0" and num_symbols > 1:
        raise ConfigError(
            f"env {name!r} trades one symbol; the data has {num_symbols}. "
            "Likely fix: --symbols with one of them, or --env Portfolio-v0."
        )
    return chosen


def book_env_id(name: str | None) -> str:
    """Return the id of the environment over books in which policies act.

    Args:
        name: Its id, with or without its namespace; None: BookTrading-v0.

    Raises:
        ConfigError: It trades on candles.
        UnknownName: There is none of that name.
    """
    if name is None:
        return NAMESPACE + "BookTrading-v0"
    if not is_book_env(name):
        check_env(name)
        raise ConfigError(f"env {name!r} trades on candles; this run has recorded books.")
    return _full(name)


def book_env_physics(name: str | None) -> BookParams:
    """Return the physics that an environment over books has by itself, where nothing is said.

    Args:
        name: Its id, with or without its namespace; None: BookTrading-v0.

    Raises:
        ConfigError: It trades on candles.
        UnknownName: There is none of that name.
    """
    from seq_gym.envs.book.parent import EXECUTION_TASK
    from seq_gym.envs.book.physics import read_physics
    from seq_gym.envs.book.quoting import MARKET_MAKING
    from seq_gym.envs.book.trading import BOOK_TRADING

    tasks = {_full(each.name): each for each in (BOOK_TRADING, MARKET_MAKING, EXECUTION_TASK)}
    return read_physics({}, tasks[book_env_id(name)].defaults, ())


def check_env(name: str) -> None:
    """Refuse an id, with or without its namespace, that no environment has.

    Raises:
        UnknownName: There is none of that name.
    """
    if _full(name).removeprefix(NAMESPACE) not in _known_ids():
        raise UnknownName("env", name, _known_ids())


def is_book_env(name: str | None) -> bool:
    """Say whether an id, with or without its namespace, is of an environment over books."""
    from seq_gym.envs.book.registry import BOOK_ENV_IDS

    return name is not None and _full(name) in BOOK_ENV_IDS


def _full(name: str) -> str:
    return name if "/" in name else NAMESPACE + name


def _known_ids() -> list[str]:
    from seq_gym.envs.book.registry import BOOK_ENV_IDS
    from seq_gym.envs.catalog import ENV_IDS

    return [each.removeprefix(NAMESPACE) for each in (*ENV_IDS, *BOOK_ENV_IDS)]


def known_env_settings() -> dict[str, None]:
    """Return the keyword arguments of all environments that `env_settings` may hold, in order."""
    from seq_gym.envs import catalog

    return _known_settings([getattr(catalog, single) for single, _ in catalog.ENV_IDS.values()])


def known_book_settings() -> dict[str, None]:
    """Return those of all environments over books."""
    from seq_gym.envs.book.registry import BOOK_ENV_IDS

    found = []
    for place, _ in BOOK_ENV_IDS.values():
        module, _, name = place.partition(":")
        found.append(getattr(importlib.import_module(module), name))
    return _known_settings(found)


def _known_settings(classes: Iterable[type]) -> dict[str, None]:
    known: dict[str, None] = {}
    for each in classes:
        arguments = inspect.signature(each).parameters.values()
        known |= {one.name: None for one in arguments if one.kind is one.KEYWORD_ONLY}
    return {name: None for name in known if name not in _ARGUMENTS_OF_THE_RUN}


def sandbox_arguments(params: SandboxParams | BookParams) -> dict[str, Any]:
    """Return the fields of the sandbox; "no limits" is said, or a profile file might set some."""
    shallow = {each.name: getattr(params, each.name) for each in fields(params)}
    return {**shallow, "risk": params.risk or RiskProfile()}
