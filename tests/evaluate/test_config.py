"""TOML -> frozen dataclasses: strict, complete, and with the near miss."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq_gym.config import (
    config_from_mapping,
    config_hash,
    config_to_dict,
    config_to_toml,
    field_docs,
    load_config,
    with_overrides,
)
from seq_gym.errors import ConfigError, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    rate: float = 0.5
    """Rate of the inner part."""
    mode: Literal["slow", "fast"] = "slow"

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ConfigError(f"rate must be at least 0; was {self.rate}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str = "run"
    """What it is called,
    in words."""
    count: int = 3
    names: tuple[str, ...] = ()
    limit: float | None = None
    inner: Inner = field(default_factory=Inner)
    maybe: Inner | None = None
    free: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    must: int


def test_a_file_says_only_what_differs_and_the_rest_is_the_default(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('count = 7\nnames = ["a"]\n[inner]\nmode = "fast"\n')
    assert load_config(Outer, path) == Outer(count=7, names=("a",), inner=Inner(mode="fast"))


def test_what_is_left_unsaid_comes_from_the_base():
    base = Outer(count=9, inner=Inner(rate=0.25))
    made = config_from_mapping(Outer, {"inner": {"mode": "fast"}}, base=base)
    assert made == Outer(count=9, inner=Inner(rate=0.25, mode="fast"))


def test_all_unknown_keys_are_told_at_once_with_their_near_misses():
    data = {"cuont": 1, "inner": {"ratee": 2}, "free": {"loook": 1}}
    with pytest.raises(ConfigError) as told:
        config_from_mapping(Outer, data, known={"free": ("look",)}, source="x.toml")
    message = str(told.value)
    assert message.startswith("x.toml: 3 settings are wrong:")
    for name, near in (("cuont", "count"), ("inner.ratee", "rate"), ("free.loook", "look")):
        assert f"unknown key {name!r}. Did you mean {near!r}?" in message


def test_all_wrong_values_are_told_at_once():
    data = {"count": 1.5, "name": 3, "inner": {"mode": "fsat"}, "maybe": {"rate": -1}}
    with pytest.raises(ConfigError) as told:
        config_from_mapping(Outer, data)
    message = str(told.value)
    assert "count must be a valid integer; was 1.5." in message
    assert "name must be a valid string; was 3." in message
    assert "inner.mode must be 'slow' or 'fast'; was 'fsat'. Did you mean 'fast'?" in message
    assert "maybe: rate must be at least 0; was -1.0." in message


@pytest.mark.parametrize("value", ["3", True, None, [3]])
def test_nothing_but_a_number_is_a_number(value):
    with pytest.raises(ConfigError, match="count"):
        config_from_mapping(Outer, {"count": value})


def test_a_whole_number_will_do_for_a_fraction_and_one_text_for_a_list():
    made = config_from_mapping(Outer, {"limit": 2, "names": "a"})
    assert made.limit == 2.0
    assert made.names == ("a",)


def test_none_is_written_as_a_word_where_a_field_is_optional():
    base = Outer(limit=2.0, maybe=Inner())
    made = config_from_mapping(Outer, {"limit": "none", "maybe": "none"}, base=base)
    assert made == Outer()


def test_none_in_an_open_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "a.toml"
    config = Outer(free={"horizon": None, "many": [None, "x"], "table": {"a": None, "b": "n"}})
    path.write_text(config_to_toml(config))
    assert load_config(Outer, path) == config
    known = {"free": {"horizon": None}}
    assert with_overrides(Outer(), ["horizon=none"], known=known).free == {"horizon": None}


def test_a_field_without_a_default_must_be_given():
    assert config_from_mapping(Needs, {"must": 1}) == Needs(must=1)
    with pytest.raises(ConfigError, match="must"):
        config_from_mapping(Needs, {})


def test_a_file_that_is_not_there_or_not_toml_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ConfigError, match=r"nope\.toml cannot be read"):
        load_config(Outer, tmp_path / "nope.toml")
    path = tmp_path / "bad.toml"
    path.write_text("a = = 1")
    with pytest.raises(ConfigError, match=r"bad\.toml must be TOML"):
        load_config(Outer, path)


def test_an_override_needs_no_section_where_one_has_the_field():
    made = with_overrides(Outer(), ["inner.rate=0.125", "names=['a', 'b']", "name=hello"])
    assert made == Outer(name="hello", names=("a", "b"), inner=Inner(rate=0.125))
    made = with_overrides(Outer(), ["free.anything=[1, 2]"], known={"free": ("anything",)})
    assert made.free == {"anything": [1, 2]}


def test_an_override_of_several_sections_is_refused_with_the_choices():
    with pytest.raises(ConfigError, match=r"inner\.rate, maybe\.rate"):
        with_overrides(Outer(), ["rate=1"])


def test_a_misspelt_override_names_the_near_miss():
    with pytest.raises(UnknownName, match="Did you mean 'count'"):
        with_overrides(Outer(), ["coutn=1"])
    with pytest.raises(ConfigError, match="key=value"):
        with_overrides(Outer(), ["count"])


def test_a_date_may_be_written_bare():
    assert with_overrides(Outer(), ["name=2025-06-01"]).name == "2025-06-01"


def test_the_dump_is_the_record_of_the_config(tmp_path):
    config = Outer(
        name='say "hi"\n', names=("ä", "b"), limit=1e-9, maybe=Inner(rate=2.0), free={"a": [1, "x"]}
    )
    text = config_to_toml(config, header="python -m x")
    assert text.startswith("# python -m x\n")
    assert "# What it is called, in words.\n" in text
    path = tmp_path / "dump.toml"
    path.write_text(text, encoding="utf-8")
    assert load_config(Outer, path) == config
    assert config_to_dict(config)["maybe"] == {"rate": 2.0, "mode": "slow"}


@given(st.text(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
def test_any_value_survives_the_dump(name, count, limit):
    config = Outer(name=name, count=count, limit=limit)
    data = tomllib.loads(config_to_toml(config))
    # The word for None is the one text that an optional field of text could not hold.
    assert config_from_mapping(Outer, data) == config


def test_the_hash_names_the_numbers_and_not_what_is_left_out():
    assert config_hash(Outer()) == config_hash(Outer())
    assert config_hash(Outer()) != config_hash(Outer(inner=Inner(rate=0.25)))
    assert config_hash(Outer(name="a"), leave_out=("name",)) == config_hash(
        Outer(name="b"), leave_out=("name",)
    )


def test_the_sentence_under_a_field_is_its_help():
    assert field_docs(Outer) == {"name": "What it is called, in words."}
