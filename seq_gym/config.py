"""TOML in, frozen dataclasses out: one schema for files, `--set` and Python.

Any frozen dataclass will do. Sections are nested dataclasses; a field of type `dict[str, Any]` is
an open table. Unknown keys are refused with the near miss, and all errors are told at once. A file
is a complete record of what it says: no inheritance, no evaluation, no secrets. A dataclass whose
defaults depend on what is said has a classmethod `defaults_for(data)` that returns them.
"""

from __future__ import annotations

import ast
import datetime as dt
import difflib
import hashlib
import inspect
import json
import math
import tomllib
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any, TypeVar

from seq_gym.errors import ConfigError, UnknownName

__all__ = [
    "OpenTables",
    "config_from_mapping",
    "config_hash",
    "config_to_dict",
    "config_to_toml",
    "field_docs",
    "load_config",
    "with_overrides",
]

Config = TypeVar("Config")
OpenTables = Mapping[str, Collection[str]]
"""Known keys of open tables, by the name of the table."""

_ANY: OpenTables = types.MappingProxyType({})

_NONE = "none"
"""TOML has no null: this word stands for None in an optional field."""


def load_config(
    kind: type[Config], path: str | Path, *, base: Config | None = None, known: OpenTables = _ANY
) -> Config:
    """Read a TOML file as a frozen dataclass.

    Args:
        kind: The dataclass.
        path: The file.
        base: What the file leaves unsaid; None takes the defaults of the dataclass.
        known: Keys that open tables may hold; a table that is not named takes any.

    Raises:
        ConfigError: The file cannot be read, or breaks the schema; every error is in the message.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"The config file {path} cannot be read: {error.strerror}.") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} must be TOML: {error}.") from error
    return config_from_mapping(kind, data, base=base, known=known, source=str(path))


def config_from_mapping(
    kind: type[Config],
    data: Mapping[str, Any],
    *,
    base: Config | None = None,
    known: OpenTables = _ANY,
    source: str = "",
) -> Config:
    """Build a frozen dataclass from plain values, strictly.

    Strict means that text is no number and 1.5 is no integer. Lists become tuples, one value stands
    for a list of one, dates become ISO text, and "none" is None where a field is optional, or in an
    open table.

    Args:
        kind: The dataclass.
        data: Values by field, sections as mappings.
        base: What `data` leaves unsaid; None takes the defaults of the dataclass.
        known: Keys that open tables may hold; a table that is not named takes any.
        source: Named in messages, e.g. the file.

    Raises:
        ConfigError: Something breaks the schema; every error is in the message.
    """
    problems = list(_unknown_keys(kind, data, known))
    if problems:
        raise _told(problems, source)
    start = _defaults_for(kind, data) if base is None and _has_defaults(kind) else base
    merged = _merge({} if start is None else config_to_dict(start), _shaped(kind, data))
    return _validated(kind, merged, source)


def with_overrides(
    config: Config, assignments: Sequence[str], *, known: OpenTables = _ANY
) -> Config:
    """Return a config with fields replaced, from texts such as "sandbox.taker_fee_frac=0.0005".

    A key without its section is enough where only one section has it. The value is read as TOML,
    and as bare text where it is none.

    Raises:
        UnknownName: No field has that name; carries the near miss.
        ConfigError: An assignment has no "=", fits several sections, or breaks the schema.
    """
    data: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"An override must be key=value; was {assignment!r}. "
                "Likely fix: write, for example, taker_fee_frac=0.0005."
            )
        *sections, name = _locate(type(config), key.strip(), known)
        table = data
        for section in sections:
            table = table.setdefault(section, {})
        table[name] = _parsed(text.strip())
    if not data:
        return config
    return config_from_mapping(type(config), data, base=config, known=known, source="")


def config_to_dict(config: object) -> dict[str, Any]:
    """Return plain values (str, int, float, bool, None, lists, dicts) in the order of the fields.

    A function is named "module:name".
    """
    return {each.name: _plain(getattr(config, each.name)) for each in _fields_of(config)}


def config_to_toml(config: object, *, header: str = "") -> str:
    """Write the resolved config, with the sentence of each field above it.

    Fields that are None are left out where that is their default.
    """
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    lines += _toml_table(config, ())
    return "\n".join(lines).strip() + "\n"


def config_hash(config: object, *, leave_out: Collection[str] = ()) -> str:
    """Return 12 hex digits that name a config: SHA-256 of its canonical JSON.

    Args:
        config: A frozen dataclass.
        leave_out: Fields that change no result, such as the folder that it is written to.
    """
    plain = {k: v for k, v in config_to_dict(config).items() if k not in leave_out}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def field_docs(kind: type) -> dict[str, str]:
    """Return the sentence under each field, read from the source of the class and its bases."""
    docs: dict[str, str] = {}
    for each in reversed(kind.__mro__[:-1]):
        docs |= _docs_in_source(each)
    return docs


def _docs_in_source(kind: type) -> dict[str, str]:
    try:
        tree = ast.parse(inspect.cleandoc(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    docs = {}
    for statement, after in pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            docs[statement.target.id] = " ".join(after.value.value.split())
    return docs


# ---------------------------------------------------------------------------- the schema


def _fields_of(config: Any) -> tuple[Field[Any], ...]:
    return fields(config)


def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {each.name: hints[each.name] for each in _fields_of(kind)}


def _section(hint: Any) -> type | None:
    """Return the dataclass that a field holds, optional or not."""
    options = [hint] if isinstance(hint, type) else _options(hint)
    found = [each for each in options if isinstance(each, type) and is_dataclass(each)]
    return found[0] if found else None


def _options(hint: Any) -> list[Any]:
    """Return the members of a union, flat."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [option for member in typing.get_args(hint) for option in _options(member)]
    return [hint]


def _is_open(hint: Any) -> bool:
    return typing.get_origin(hint) is dict


def _has_defaults(kind: type) -> bool:
    return all(
        each.default is not MISSING or each.default_factory is not MISSING
        for each in _fields_of(kind)
    )


def _defaults_for(kind: type[Config], data: Mapping[str, Any]) -> Config:
    """Return what data leaves unsaid."""
    chosen: Callable[[Mapping[str, Any]], Config] | None = getattr(kind, "defaults_for", None)
    return kind() if chosen is None else chosen(data)


def _unknown_keys(
    kind: type, data: Mapping[str, Any], known: OpenTables, path: str = ""
) -> Iterator[str]:
    hints = _hints(kind)
    for key, value in data.items():
        where = f"{path}{key}"
        if key not in hints:
            yield _unknown(where, key, hints)
            continue
        section = _section(hints[key])
        if section is not None and isinstance(value, Mapping):
            yield from _unknown_keys(section, value, known, f"{where}.")
        elif key in known and isinstance(value, Mapping):
            keys = known[key]
            yield from (_unknown(f"{where}.{k}", k, keys) for k in value if k not in keys)


def _unknown(where: str, key: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"Choose from: {', '.join(known)}."
    return f"unknown key {where!r}. {hint}"


def _locate(kind: type, key: str, known: OpenTables) -> tuple[str, ...]:
    """Return the path of a field that was named with or without its section."""
    places = _places(kind, known)
    if key in places:
        return places[key]
    found = [path for name, path in places.items() if name.endswith(f".{key}")]
    if len(found) > 1:
        raise ConfigError(
            f"{key!r} must name one field; was in several sections. "
            f"Choose from: {', '.join('.'.join(path) for path in found)}."
        )
    if not found:
        names = [path[-1] for path in places.values()] + list(places)
        raise UnknownName("setting", key, dict.fromkeys(names))
    return found[0]


def _places(kind: type, known: OpenTables) -> dict[str, tuple[str, ...]]:
    """Return every field by its dotted path; the fields of a section before the section."""
    places: dict[str, tuple[str, ...]] = {}
    for name, hint in _hints(kind).items():
        section = _section(hint)
        inner = _places(section, known) if section else {}
        if name in known:
            inner = {key: (key,) for key in known[name]}
        places.update({f"{name}.{key}": (name, *path) for key, path in inner.items()})
        places[name] = (name,)
    return places


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping)
        merged[key] = _merge(old, value) if both and isinstance(old, dict) else value
    return merged


# ---------------------------------------------------------------------------- values


def _shaped(kind: type, data: Mapping[str, Any]) -> dict[str, Any]:
    """Bring what TOML can say into the form of the schema."""
    hints = _hints(kind)
    return {key: _shape(hints[key], value) for key, value in data.items()}


def _shape(hint: Any, value: Any) -> Any:
    options = _options(hint)
    if isinstance(value, dt.datetime | dt.date | dt.time):
        value = value.isoformat()
    if value == _NONE and types.NoneType in options:
        return None
    section = _section(hint)
    if section is not None and isinstance(value, Mapping):
        return _shaped(section, value)
    if _is_open(hint):
        return _opened(value)
    holds_many = any(typing.get_origin(option) is tuple for option in options)
    if holds_many and value is not None and not isinstance(value, list | tuple):
        return [value]
    return value


def _opened(value: Any) -> Any:
    """Return a value of an open table as it was before it was written: TOML has no None."""
    if isinstance(value, Mapping):
        return {key: _opened(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_opened(each) for each in value]
    return None if isinstance(value, str) and value == _NONE else value


def _validated(kind: type[Config], data: Mapping[str, Any], source: str) -> Config:
    # Imported here: pydantic costs a tenth of a second and most of the package needs none.
    from pydantic import TypeAdapter, ValidationError

    # Strict JSON mode takes an array for a tuple, and nothing else for what it is not.
    try:
        return TypeAdapter(kind).validate_json(json.dumps(data, default=_plain), strict=True)
    except ValidationError as error:
        raise _told([_sentence(dict(each)) for each in error.errors()], source) from None


def _sentence(error: Mapping[str, Any]) -> str:
    # Members of a union are marked in the location by names that are no fields, as "literal[...]".
    where = ".".join(str(part) for part in error["loc"] if str(part).isidentifier())
    cause = error.get("ctx", {}).get("error")
    if cause is not None:
        return f"{where}: {cause}" if where else str(cause)
    rule = str(error["msg"]).replace("Input should be", "must be")
    close = _near_choice(error)
    return f"{where or 'the file'} {rule}; was {error['input']!r}.{close}"


def _near_choice(error: Mapping[str, Any]) -> str:
    expected = str(error.get("ctx", {}).get("expected", ""))
    choices = [word for word in expected.replace(" or ", ", ").split(", ") if word]
    close = difflib.get_close_matches(repr(error["input"]), choices, n=1)
    return f" Did you mean {close[0]}?" if close else ""


def _told(problems: Sequence[str], source: str) -> ConfigError:
    # A union tells of each of its members; one field needs one sentence.
    seen: dict[str, str] = {}
    for problem in problems:
        seen.setdefault(problem.partition(" must be")[0], problem)
    sentences = list(seen.values())
    origin = f"{source}: " if source else ""
    if len(sentences) == 1:
        return ConfigError(origin + sentences[0])
    listed = "".join(f"\n  {sentence}" for sentence in sentences)
    return ConfigError(f"{origin}{len(sentences)} settings are wrong:{listed}")


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return config_to_dict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, PurePath):
        return str(value)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{getattr(value, '__module__', type(value).__module__)}:{name}"


def _toml_table(config: Any, path: tuple[str, ...]) -> list[str]:
    docs = field_docs(type(config))
    lines = [f"[{'.'.join(path)}]"] if path else []
    tables: list[str] = []
    for each in _fields_of(config):
        value = getattr(config, each.name)
        if is_dataclass(value):
            tables += ["", *_toml_table(value, (*path, each.name))]
        elif isinstance(value, Mapping):
            tables += ["", f"[{'.'.join((*path, each.name))}]"] if value else []
            tables += [f"{key} = {_toml_value(_plain(item))}" for key, item in value.items()]
        elif value is not None or each.default is not None:
            lines += [f"# {docs[each.name]}"] if each.name in docs else []
            lines.append(f"{each.name} = {_toml_value(_plain(value))}")
    return lines + tables


def _toml_value(value: Any) -> str:
    if value is None:
        return f'"{_NONE}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # What JSON writes is TOML but for the one control character that JSON lets through.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(each) for each in value)}]"
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(k)} = {_toml_value(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    return repr(value)
