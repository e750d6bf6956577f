"""The environment of a run: its id, the arguments that a config may give it, its physics."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.sandbox.params import RiskProfile, SandboxParams

__all__ = ["env_id", "known_env_settings", "sandbox_arguments"]

NAMESPACE = "seq_gym/"
_ARGUMENTS_OF_THE_RUN = (
    "symbols",
    "interval",
    "start",
    "end",
    "window",
    "episode_steps",
    "candles_per_step",
    "render_mode",
)


def env_id(name: str | None, num_symbols: int) -> str:
    """Return the id of the environment in which policies act.

    Args:
        name: Its id, with or without its namespace; None goes by the number of symbols.
        num_symbols: Symbols of the data.

    Raises:
        ConfigError: It trades one symbol, and the data has several.
    """
    if name is None:
        own = "CandleTrading-v0" if num_symbols == 1 else "Portfolio-v0"
        return NAMESPACE + own
    from seq_gym.envs.catalog import ENV_IDS

    chosen = name if "/" in name else NAMESPACE + name
    if chosen not in ENV_IDS:
        raise UnknownName("env", name, [each.removeprefix(NAMESPACE) for each in ENV_IDS])
    if chosen == NAMESPACE + "CandleTrading-v0" and num_symbols > 1:
        raise ConfigError(
            f"env {name!r} trades one symbol; the data has {num_symbols}. "
            "Likely fix: --symbols with one of them, or --env Portfolio-v0."
        )
    return chosen


def known_env_settings() -> dict[str, None]:
    """Return the keyword arguments of all environments that `env_settings` may hold, in order."""
    from seq_gym.envs import catalog

    known: dict[str, None] = {}
    for single, _ in catalog.ENV_IDS.values():
        arguments = inspect.signature(getattr(catalog, single)).parameters.values()
        known |= {each.name: None for each in arguments if each.kind is each.KEYWORD_ONLY}
    return {name: None for name in known if name not in _ARGUMENTS_OF_THE_RUN}


def sandbox_arguments(params: SandboxParams) -> dict[str, Any]:
    """Return the fields of the sandbox; "no limits" is said, or a profile file might set some."""
    shallow = {each.name: getattr(params, each.name) for each in fields(params)}
    return {**shallow, "risk": params.risk or RiskProfile()}
