"""Risk profiles by agent, from a TOML table `[agents.<agent_id>]` (S1-08, S1-63 to S1-66)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from seq_gym.errors import ConfigError, UnknownName
from seq_gym.sandbox.params import RiskProfile

__all__ = ["DEFAULT_PROFILES", "load_profile", "risk_profile"]

DEFAULT_PROFILES = Path("configs/agents.toml")
"""Read where it exists and no other path is given; relative to the working directory."""

_IN_CODE = "risk"
_COUNTS = ("max_open_orders", "max_orders_per_minute")


def risk_profile(limits: Mapping[str, Any], *, where: str = _IN_CODE) -> RiskProfile:
    """Make a profile of a table of limits.

    Args:
        limits: Values by the names of RiskProfile's fields.
        where: What the table is called in an error.

    Raises:
        UnknownName: A key is no limit; the error names the near miss.
        ConfigError: A value is not of its kind.
    """
    known = [limit.name for limit in fields(RiskProfile)]
    if not isinstance(limits, Mapping):
        raise ConfigError(
            f"{where} must be a RiskProfile or a table of limits; was {limits!r}. Likely fix: "
            f"{{{known[0]!r}: 10}}."
        )
    for name, value in limits.items():
        if name not in known:
            raise UnknownName("risk limit", name, known, f"in {where}")
        _check(name, value, where)
    try:
        return RiskProfile(**limits)
    except ConfigError as error:
        if where == _IN_CODE:
            raise
        raise ConfigError(f"{error} It stands in {where}.") from error


def load_profile(agent_id: str, path: str | Path | None = None) -> RiskProfile | None:
    """Return the profile of an agent; None where the table has no entry for it.

    The whole table is checked: a limit that is misspelt for one agent is told to all, and an id
    with a dot that was not quoted is told instead of leaving its agent without limits.

    Args:
        agent_id: Key below `[agents]`.
        path: TOML file; None = `configs/agents.toml`, if it exists.

    Raises:
        ConfigError: The id is no text, a path is given and is no file, the file is no TOML in
            UTF-8, or it breaks a rule.
        UnknownName: A key of an agent's table is no limit.

    Source: responses.md, risk profiles.
    """
    if not isinstance(agent_id, str):
        raise ConfigError(
            f"agent_id must be text; was {agent_id!r}. Likely fix: str({agent_id!r})."
        )
    if path is not None and not isinstance(path, str | Path):
        raise ConfigError(f"profiles_path must be the path of a TOML file; was {path!r}.")
    file = DEFAULT_PROFILES if path is None else Path(path)
    if not file.is_file():
        if path is None:
            return None
        raise ConfigError(f"profiles_path must be a TOML file; there is none at {str(file)!r}.")
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} must be TOML; {error}.") from error
    except OSError as error:
        raise ConfigError(f"{file} must be a TOML file that can be read; {error}.") from error
    return _profiles_of(table, file).get(agent_id)


def _profiles_of(table: Mapping[str, Any], file: Path) -> dict[str, RiskProfile]:
    """Return the profile of every agent of a file."""
    for key in table:
        if key != "agents":
            raise UnknownName("table", key, ("agents",), f"in {file}")
    agents = table.get("agents", {})
    if not isinstance(agents, dict):
        raise ConfigError(f"agents of {file} must be a table of limits by agent; was {agents!r}.")
    found = {}
    for name, limits in agents.items():
        where = f"[agents.{name}] of {file}"
        if not isinstance(limits, dict):
            raise ConfigError(f"{where} must be a table of limits; was {limits!r}.")
        for key, value in limits.items():
            if isinstance(value, dict):
                raise ConfigError(
                    f"{where} must be a table of limits; {key} is a table. Likely fix: quote an id "
                    f'that has a dot, [agents."{name}.{key}"].'
                )
        found[name] = risk_profile(limits, where=where)
    return found


def _check(name: str, value: object, where: str) -> None:
    if name == "allow_reduce":
        if not isinstance(value, bool):
            raise ConfigError(f"{name} in {where} must be true or false; was {value!r}.")
        return
    kinds: tuple[type, ...] = (int,) if name in _COUNTS else (int, float)
    if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
        kind = "a whole number" if name in _COUNTS else "a number"
        raise ConfigError(f"{name} in {where} must be {kind}; was {value!r}.")
