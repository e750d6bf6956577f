"""Pages that cannot drift: a marker in a Markdown page is replaced by what the code says.

| marker | becomes |
|---|---|
| `<!-- generated: env ID -->` | the docstring of a registered environment, arguments as a table |
| `<!-- generated: settings module:Class -->` | name, default and sentence of each field |
| `<!-- generated: arguments module:function -->` | name, default and sentence of each argument |
| `<!-- generated: verbs module:Class -->` | signature and first sentence of each public method |
| `<!-- generated: doc module -->` | the docstring of a module |
| `<!-- generated: features -->` | the table of built-in features |
| `<!-- generated: book_features -->` | the table of built-in features of a book |
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

MARKER = re.compile(r"^<!-- generated: (\w+)(?: (\S+))? -->$", re.MULTILINE)

_SECTION = re.compile(r"^(Args|Returns|Yields|Raises|Attributes|Source):", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\*{0,2}\w+(?:, \w+)*): ", re.MULTILINE)


def expand(text: str) -> str:
    """Return a page with every marker replaced.

    Raises:
        KeyError: A marker names a kind that is not one of the table above.
    """
    return MARKER.sub(lambda found: _KINDS[found[1]](found[2] or ""), text)


def env(env_id: str) -> str:
    """Return the page of an environment: its docstring, one heading level down."""
    import gymnasium

    import seq_gym  # noqa: F401 - registers the ids

    cls = _load(str(gymnasium.spec(env_id).entry_point))
    prose = _SECTION.split(_doc(cls))[0].strip()
    prose = re.sub(r"^## ", "### ", prose, flags=re.MULTILINE)
    before, heading, after = prose.partition("### Version history")
    table = _argument_table(cls.__init__, _doc(cls))
    return f"## {env_id}\n\n{before}{table}\n\n{heading}{after}"


def settings(path: str) -> str:
    """Return the fields of a dataclass as a table."""
    from seq_gym.config import field_docs

    cls = _load(path)
    docs = field_docs(cls)
    rows = [(f"`{f.name}`", _default(f.default), docs[f.name]) for f in dataclasses.fields(cls)]
    return _table(("field", "default", "meaning"), rows)


def arguments(path: str) -> str:
    """Return the arguments of a function or method as a table."""
    function = _load(path)
    return _argument_table(function, _doc(function))


def verbs(path: str) -> str:
    """Return the public methods of a class, inherited ones included, as a table."""
    found: dict[str, str] = {}
    for cls in _load(path).__mro__[:-1]:
        for name, member in vars(cls).items():
            function = getattr(member, "__func__", member)
            if not name.startswith("_") and inspect.isfunction(function):
                found.setdefault(name, _first_sentence(_doc(function)))
    return _table(("verb", "what it does"), ((f"`{name}`", text) for name, text in found.items()))


def doc(path: str) -> str:
    """Return the docstring of a module without its first line, which the page's heading says."""
    return _doc(importlib.import_module(path)).partition("\n\n")[2]


def features(_: str) -> str:
    """Return the built-in features as a table."""
    from seq_gym.envs.feature_table import FEATURE_SETS, FEATURES

    rows = []
    for name, spec in FEATURES.items():
        sets = ", ".join(key for key, names in FEATURE_SETS.items() if name in names)
        window = "" if spec.window is None else str(spec.window)
        bounds = f"{spec.low:.4g} to {spec.high:.4g}"
        rows.append((f"`{name}`", window, bounds, str(spec.warmup), sets, spec.doc))
    return _table(("feature", "window", "bounds", "warm-up", "sets", "meaning"), rows)


def book_features(_: str) -> str:
    """Return the features of a book as a table; levels of one kind share a row."""
    from seq_gym.engine.book.features_table import BOOK_FEATURE_SETS, BOOK_FEATURES

    rows = []
    for name, spec in BOOK_FEATURES.items():
        family = re.fullmatch(r"((?:bid|ask)_(?:distance|size)_)(\d+)", name)
        if family and family[2] != "1":
            continue
        shown = f"`{family[1]}1` to `{family[1]}10`" if family else f"`{name}`"
        formula = spec.formula.replace("price 1", "price k").replace("bid 1", "bid k")
        formula = formula.replace("ask 1", "ask k") if family else spec.formula
        sets = ", ".join(key for key, names in BOOK_FEATURE_SETS.items() if name in names)
        bounds = f"{spec.low:.4g} to {spec.high:.4g}"
        look_back = f"{spec.look_back_s:.4g} s"
        rows.append((shown, formula, spec.unit, bounds, look_back, sets, spec.source))
    header = ("feature", "formula", "unit", "bounds", "look-back", "sets", "source")
    return _table(header, rows)


_KINDS: dict[str, Callable[[str], str]] = {
    each.__name__: each for each in (env, settings, arguments, verbs, doc, features, book_features)
}


def _load(path: str) -> Any:
    module, _, names = path.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


def _doc(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


def _first_sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split())


def _argument_table(function: Any, text: str) -> str:
    """Join the Args section of a docstring with the defaults of a signature."""
    parts = _SECTION.split(text)
    section = dict(zip(parts[1::2], parts[2::2], strict=True)).get("Args", "")
    entries = _ENTRY.split(section)
    sentences = dict(zip(entries[1::2], entries[2::2], strict=True))
    parameters = inspect.signature(function).parameters
    rows = []
    for name, sentence in sentences.items():
        parameter = parameters[name.lstrip("*")]
        is_rest = parameter.kind is inspect.Parameter.VAR_KEYWORD
        default = "" if is_rest else _default(parameter.default)
        shown = f"**{parameter.name}" if is_rest else parameter.name
        rows.append((f"`{shown}`", default, " ".join(sentence.split())))
    return _table(("argument", "default", "meaning"), rows)


def _default(value: Any) -> str:
    if value in (inspect.Parameter.empty, dataclasses.MISSING):
        return "required"
    return f"`{value!r}`"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    header = tuple(header)
    lines = [header, ("---",) * len(header), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def setup(app: Any) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("source-read", _read)
    return {"version": "1", "parallel_read_safe": True}


def _read(app: Any, _: str, source: list[str]) -> None:
    text = expand(source[0])
    if text != source[0]:
        app.env.note_reread()  # the code may have changed where the page has not
        source[0] = text
