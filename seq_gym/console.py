"""What the command lines share: options from a dataclass, errors of one line, tables of text.

The options of a command are the fields of a frozen dataclass: tyro parses and explains them, and
`seq_gym.config` checks what they hold. tyro is imported when a command runs.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import re
import sys
import types
import typing
from collections.abc import Collection, Sequence
from dataclasses import MISSING, dataclass, fields, make_dataclass
from typing import Annotated, Any, TypeVar

from seq_gym.config import config_from_mapping, field_docs
from seq_gym.errors import ConfigError

__all__ = [
    "TextTable",
    "option",
    "options_class",
    "parse",
    "read_options",
    "refuse_unknown_options",
    "render",
    "say",
]

Config = TypeVar("Config")


# ---------------------------------------------------------------------------- the command line


def read_options(
    kind: type[Config],
    arguments: Sequence[str],
    *,
    program: str,
    description: str,
    positional: Collection[str] = (),
    repeated: Collection[str] = (),
    metavars: typing.Mapping[str, str] = types.MappingProxyType({}),
) -> Config:
    """Read arguments as a frozen dataclass of texts, numbers, tuples of texts and switches.

    Args:
        kind: The dataclass; the sentence under a field explains its option, and one without a
            default must be given.
        arguments: The command line, without the program.
        program: How the program is called, for the help and for errors.
        description: What --help says first.
        positional: Fields that are given without their names.
        repeated: Fields that may be given several times, a value each.
        metavars: What stands for the value of an option in the help.

    Raises:
        ConfigError: An option or a value is not what it must be; carries the near miss.
        SystemExit: --help was asked for.
    """
    docs = field_docs(kind)
    hints = typing.get_type_hints(kind)
    made = []
    for each in fields(kind):  # type: ignore[arg-type]
        hint, text = hints[each.name], docs.get(each.name, "")
        if each.default not in (None, (), False, MISSING):
            text = f"{text} (default: {each.default})"
        made.append(
            option(
                each.name,
                hint,
                text,
                metavars.get(each.name),
                repeated=each.name in repeated,
                positional=each.name in positional,
            )
        )
    schema = options_class(made)
    names = [name for name, *_ in made if name not in positional]
    refuse_unknown_options(arguments, names, program)
    _refuse_repeated_options(arguments, repeated)
    given = vars(parse(schema, arguments, program, description))
    _refuse_empty_options(given, positional)
    chosen = {name: value for name, value in given.items() if value not in (None, (), False, "")}
    for each in fields(kind):  # type: ignore[arg-type]
        if each.default is MISSING and each.name not in chosen:
            word = metavars[each.name] if each.name in positional else _option_name(each.name)
            raise ConfigError(
                f"{word} must be given{_swallowed(word, chosen)}. See {program} --help."
            )
    chosen = {name: _number_of(hints[name], value) for name, value in chosen.items()}
    return config_from_mapping(kind, chosen)


def _number_of(hint: Any, value: Any) -> Any:
    """Read the text of a number; what is none stays text, which the config refuses by name."""
    wanted = {each for each in (hint, *typing.get_args(hint)) if each in (int, float)}
    if not wanted or not isinstance(value, str):
        return value
    for read in (int, float):
        with contextlib.suppress(ValueError):
            return read(value)
    return value


def option(
    name: str,
    hint: Any,
    text: str,
    metavar: str | None = None,
    *,
    repeated: bool = False,
    positional: bool = False,
) -> tuple[str, Any, Any]:
    """Describe one option for `options_class`.

    Numbers and choices are read as text: the config checks them, and its errors name the near miss.

    Args:
        name: Its field.
        hint: The field's type.
        text: What the help says.
        metavar: What stands for its value in the help.
        repeated: It may be given several times, a value each.
        positional: It is given without its name.
    """
    import tyro

    shown = metavar or _metavar(hint)
    told = tyro.conf.arg(help=text, help_behavior_hint="", metavar=shown)
    if hint is bool:
        told = tyro.conf.arg(help=text, help_behavior_hint="")
        return name, Annotated[bool, told, tyro.conf.FlagCreatePairsOff], False
    if repeated:
        return name, Annotated[tuple[str, ...], told, tyro.conf.UseAppendAction], ()
    holds_many = any(typing.get_origin(each) is tuple for each in (hint, *typing.get_args(hint)))
    if positional:
        value = tuple[str, ...] if holds_many else str
        return name, Annotated[value, told, tyro.conf.Positional], () if holds_many else ""
    kind = tuple[str, ...] if holds_many else str
    return name, Annotated[kind | None, told], None


def options_class(options: Sequence[tuple[str, Any, Any]]) -> type:
    """Make the class of the options. None is "not given", so that a default can be told apart."""
    import tyro

    cls: type = make_dataclass("Options", options, frozen=True, kw_only=True)
    return tyro.conf.configure(tyro.conf.DisallowNone)(cls)


def parse(schema: type, arguments: Sequence[str], program: str, description: str) -> Any:
    """Parse arguments with tyro.

    Raises:
        ConfigError: They do not fit; one sentence says why.
        SystemExit: --help was asked for.
    """
    import tyro

    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                schema,
                prog=program,
                description=description,
                args=list(arguments),
                use_underscores=False,
            )
    except SystemExit as error:
        if not error.code:
            raise
        raise ConfigError(_one_line(told.getvalue(), program)) from None


def refuse_unknown_options(arguments: Sequence[str], names: Collection[str], program: str) -> None:
    """Refuse options that no field stands for.

    Args:
        arguments: The command line.
        names: The fields.
        program: How the program is called.

    Raises:
        ConfigError: One is not known; names the near miss.
    """
    known = [_option_name(name) for name in names]
    for argument in arguments:
        if not argument.startswith("--") or argument in ("--", "--help"):
            continue
        given = argument.partition("=")[0].replace("_", "-")
        if given not in known:
            close = difflib.get_close_matches(given, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"See {program} --help."
            raise ConfigError(f"Unknown option {given!r}. {hint}")


def _refuse_repeated_options(arguments: Sequence[str], repeated: Collection[str]) -> None:
    """Refuse an option that is given twice, of which only the last would count."""
    may = {_option_name(name) for name in repeated}
    ends = arguments.index("--") if "--" in arguments else len(arguments)
    given = [each.partition("=")[0] for each in arguments[:ends] if each.startswith("--")]
    for name in given:
        if name not in may and given.count(name) > 1:
            raise ConfigError(
                f"{name} must be given once; was given {given.count(name)} times. Likely fix: "
                f"where it takes several values, write them all after one {name}."
            )


def _refuse_empty_options(given: typing.Mapping[str, Any], positional: Collection[str]) -> None:
    """Refuse an option without a text, as a variable of the shell that is not set leaves it."""
    for name, value in given.items():
        if value == "" and name not in positional:
            raise ConfigError(f"{_option_name(name)} must have a value; was {value!r}.")


def _swallowed(word: str, chosen: typing.Mapping[str, Any]) -> str:
    """Say which options may have taken what was meant to be positional."""
    many = [_option_name(name) for name, value in chosen.items() if isinstance(value, tuple)]
    if word.startswith("--") or not many:
        return ""
    it = "it is taken as its" if len(many) == 1 else "them is taken as their"
    return f", before {' and '.join(many)}, for what follows {it} values"


def say(line: str) -> None:
    """Write a line to stderr."""
    sys.stderr.write(line + "\n")


def _option_name(field_name: str) -> str:
    return f"--{field_name.replace('_', '-')}"


def _metavar(hint: Any) -> str:
    for each in (hint, *typing.get_args(hint)):
        if typing.get_origin(each) is typing.Literal:
            return "{" + ",".join(typing.get_args(each)) + "}"
        if each in (int, float):
            return "NUMBER"
    return "TEXT"


def _one_line(box: str, program: str) -> str:
    """Take the sentence out of tyro's box."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    text = " ".join(re.sub(r"[\u2500-\u257f]+", " ", plain).split())
    text = re.split(r"\s+(?:Argument helptext|For full helptext)", text)[0]
    titles = "Parsing error|Value error|Missing argument|Unrecognized options|Error"
    sentence = re.sub(rf"^(?:{titles})\s+", "", text).strip(" .")
    return f"{sentence}. See {program} --help."


# ---------------------------------------------------------------------------- tables


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts.

    Attributes:
        title: Sentence above it.
        header: Names of the columns.
        rows: Cells; the first column is a name, the others are figures.
    """

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


def render(table: TextTable) -> str:
    """Align a table for a terminal."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    texts = []
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        texts.append("  ".join(cells).rstrip())
    return "\n".join([table.title, texts[0], "-" * len(texts[0]), *texts[1:]])
