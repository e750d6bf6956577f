"""Options from a dataclass: what must be given, what is refused, what the help says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from seq_gym.console import TextTable, read_options, render
from seq_gym.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    where: str | None = None
    """Where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Base):
    names: tuple[str, ...]
    """Names of things."""
    to_length: str
    """How long."""
    order: Literal["first", "last"] = "first"
    """Which one."""
    many: tuple[str, ...] = ()
    """Some more."""
    loud: bool = False
    """Say it."""

    def __post_init__(self) -> None:
        if self.to_length == "0":
            raise ConfigError("to_length must be positive; was 0.")


def read(*arguments: str) -> Any:
    return read_options(
        Options,
        arguments,
        program="prog",
        description="Does things.",
        positional=["names"],
        metavars={"names": "NAME", "where": "PATH"},
    )


def test_options_are_the_fields_of_a_dataclass_and_of_its_bases():
    assert read("a", "b", "--to-length", "1m") == Options(names=("a", "b"), to_length="1m")
    given = read(
        "--loud", "--many", "x", "y", "--order=last", "--where", "w", "--to-length", "2", "a"
    )
    assert given == Options(
        names=("a",), to_length="2", order="last", many=("x", "y"), loud=True, where="w"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--to-length 1", "NAME must be given. See prog --help."),
        ("a", "--to-length must be given. See prog --help."),
        ("a --to-length 0", "to_length must be positive; was 0."),
        ("a --to-length", "Missing value for argument '--to-length'"),
        ("a --to-lenth 1", "Unknown option '--to-lenth'. Did you mean '--to-length'?"),
        ("a --names b --to-length 1", "Unknown option '--names'"),
        ("a --zzz", "Unknown option '--zzz'. See prog --help."),
        ("a --to-length 1 --order frist", "Did you mean 'first'?"),
        ("a --to-length 1 --no-loud", "Unknown option '--no-loud'"),
        ("a --to-length 1 --to-length=2", "--to-length must be given once; was given 2 times."),
        ("a --to-length 1 --many x --many y", "write them all after one --many"),
        ("a --to-length 1 --where=", "--where must have a value; was ''."),
        (
            "--to-length 1 --many x a",
            "NAME must be given, before --many, for what follows it is taken as its values.",
        ),
    ],
)
def test_what_does_not_fit_is_one_sentence(arguments, words):
    with pytest.raises(ConfigError) as error:
        read(*arguments.split())
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_help_has_the_sentence_of_every_field(capsys):
    with pytest.raises(SystemExit):
        read("--help")
    text = capsys.readouterr().out
    for words in ("usage: prog", "NAME", "--where PATH", "Where it is.", "--order {first,last}",
                  "(default: first)", "--loud", "Say it.", "Does things."):  # fmt: skip
        assert words in text
    assert "--names" not in text


def test_a_table_aligns_names_left_and_figures_right():
    table = TextTable("Title", ("name", "value"), [("a", "1"), ("long name", "1,000")])
    assert render(table).splitlines() == [
        "Title",
        "name       value",
        "----------------",
        "a              1",
        "long name  1,000",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    name: str | None = None
    """Its name."""
    count: int = 3
    """How many."""
    size: float | None = None
    """How large."""
    set: tuple[str, ...] = ()
    """More of it."""


def numbers(*arguments: str) -> Any:
    return read_options(
        Numbers,
        arguments,
        program="prog",
        description="Counts.",
        positional=["name"],
        repeated=["set"],
        metavars={"name": "NAME"},
    )


def test_numbers_are_read_as_numbers_and_text_of_digits_stays_text():
    assert numbers() == Numbers()
    given = numbers("42", "--count", "0", "--size", "1e3", "--set", "a=1", "--set", "b=2")
    assert given == Numbers(name="42", count=0, size=1_000.0, set=("a=1", "b=2"))
    assert numbers("--size", "7").size == 7.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--count", "1.5"], "count must be a valid integer"),
        (["--count", "many"], "count must be a valid integer; was 'many'."),
        (["--size", "x"], "size must be a valid number; was 'x'."),
        (["--count", "1", "--count", "2"], "--count must be given once"),
    ],
)
def test_what_is_no_number_is_refused_by_name(arguments, words):
    with pytest.raises(ConfigError) as error:
        numbers(*arguments)
    assert words in str(error.value)
