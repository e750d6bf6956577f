"""python -m seq_gym.evaluate: the command line is made from EvaluateConfig.

Exit codes: 0 done; 1 an error, told in one line; 130 interrupted, what was finished is kept.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tomllib
import typing
from collections.abc import Sequence, Set
from dataclasses import fields
from pathlib import Path
from typing import Any

from seq_gym.config import (
    OpenTables,
    config_from_mapping,
    field_docs,
    load_config,
    with_overrides,
)
from seq_gym.console import option, options_class, parse, refuse_unknown_options, say
from seq_gym.errors import ConfigError, SeqGymError
from seq_gym.evaluate.agents import settings_of_run
from seq_gym.evaluate.evaluation import EvaluationResult, evaluate
from seq_gym.evaluate.folder import write_run_folder
from seq_gym.evaluate.run import Progress
from seq_gym.evaluate.settings import EvaluateBookConfig, EvaluateConfig
from seq_gym.runs.book_market import BOOK_DATA_FIELDS, has_books
from seq_gym.runs.environment import check_env, is_book_env, known_book_settings, known_env_settings
from seq_gym.runs.market import DATA_FIELDS
from seq_gym.sandbox.book.params import BookParams

__all__ = ["main", "read_command_line"]

AnyConfig: typing.TypeAlias = EvaluateConfig | EvaluateBookConfig

PROGRAM = "python -m seq_gym.evaluate"
INTERRUPTED = 130

DESCRIPTION = """Run agents on the same windows of the same market, and measure them.

The baselines hold, random, buy-and-hold and equal-weight always run beside (on order books hold and
random). Without --agent the built-in "trend" does ("maker" on books); without --data the market is
made up from the seed. Every run writes a folder under --out.

A run is on order books where --env is one over books, or --data is a recording of books. Account,
balance and fees are then those that the environment of --env has by itself, and without --env those
of a margin account of 100,000, unless --set says others.

Examples:
  python -m seq_gym.evaluate
  python -m seq_gym.evaluate --data candles.parquet --agent agents/sma_crossover.py
  python -m seq_gym.evaluate --agent runs/20250601T014000Z-CandleTrading-v0-ppo-s0-0123456789ab
  python -m seq_gym.evaluate --config configs/bracket_breakout.toml --set taker_fee_frac=0.0005
  python -m seq_gym.evaluate --env MarketMaking-v0 --agent agents/avellaneda_stoikov.py
  python -m seq_gym.evaluate --data btcusdt.gz --fix-clock --set queue_model=none
"""

_SECTIONS = ("env_settings", "sandbox")
_REPEATED = ("agent", "set")
_METAVARS = {
    "agent": "AGENT",
    "algo": "NAME",
    "data": "[FILE ...]",
    "end": "TIME",
    "env": "ID",
    "funding": "[SYMBOL[@VENUE]=FILE ...]",
    "interval": "INTERVAL",
    "lot": "STEP",
    "mark": "[SYMBOL=FILE ...]",
    "out": "FOLDER",
    "shift_ns": "NS",
    "start": "TIME",
    "symbols": "[SYMBOL ...]",
    "tick": "STEP",
    "tz": "ZONE",
    "vecnormalize": "FILE",
    "venues": "[VENUE ...]",
    "warm_up": "CANDLES|TIME",
    "decide_every": "TIME",
}
_INSTEAD = {
    "interval": "--decide-every",
    "candles_per_step": "--decide-every",
    "mark": "--set mark=mid",
    "decide_every": "--interval or --candles-per-step",
    "decide_every_events": "--interval or --candles-per-step",
}
"""What to use where an option is of the other kind of market."""
_CONFIG_DOC = "TOML file of a whole run; what is given on the command line wins over it."
_SET_DOC = (
    "key=value, repeatable: any other field, such as taker_fee_frac=0.0005, execution=close, "
    "risk.max_position_size_pct=50, or of the environment, such as look_back=60."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        config = read_command_line(given)
        with _progress_bar() as progress:
            result = evaluate(config, progress)
        if result.is_partial and not result.episodes:
            raise KeyboardInterrupt
        folder, notes = write_run_folder(result, [*PROGRAM.split(), *given])
    except SeqGymError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted before an episode was finished; nothing was written.")
        return INTERRUPTED
    _print_result(result, str(folder), notes)
    if result.is_partial:
        done = len(result.episodes)
        wanted = len(result.specs) * len(result.windows)
        say(f"Interrupted: {done} of {wanted} episodes were finished and are kept in {folder}.")
        return INTERRUPTED
    return 0


def read_command_line(arguments: Sequence[str]) -> AnyConfig:
    """Read arguments as a config: defaults, then the file, then the options, then --set.

    A run is on books where its environment is, or else where its data is a recording of books.

    Raises:
        ConfigError: An option, key or value is not what it must be.
        SystemExit: --help was asked for.
    """
    schema = _schema()
    refuse_unknown_options(arguments, [each.name for each in fields(schema)], PROGRAM)
    options = parse(schema, arguments, PROGRAM, DESCRIPTION)
    kind, base = _start(options)
    _refuse_others(kind, options)
    chosen = [*_chosen(options, kind), *options.set]
    is_book = kind is EvaluateBookConfig
    keys = {"env_settings": known_book_settings() if is_book else known_env_settings()}
    if options.config is not None:
        config = load_config(kind, options.config, base=base, known=keys)
    else:
        given = {each.partition("=")[0] for each in chosen}
        config = _of_runs(base, options.agent, given, keys)
    return with_overrides(config, chosen, known=keys)


def _refuse_others(kind: type[AnyConfig], options: Any) -> None:
    """Refuse options that mean something in the other kind of market alone."""
    own = {each.name for each in fields(kind)}
    said = {each.partition("=")[0].strip() for each in options.set}
    is_book = kind is EvaluateBookConfig
    this, other = ("order books", "candles") if is_book else ("candles", "order books")
    for name in _options().keys() - own:
        # Physics may have a field of that name, which --set sets.
        is_said = name in said and name not in {each.name for each in fields(BookParams)}
        if is_said or getattr(options, name, None) not in (None, False, ()):
            fix = _INSTEAD.get(name, "leave it out")
            raise ConfigError(
                f"--{name.replace('_', '-')} is for runs on {other}; this one is on {this}. Likely "
                f"fix: {fix}, or an --env and --data of that kind."
            )


def _start(options: Any) -> tuple[type[AnyConfig], AnyConfig]:
    """Return the schema of a run, by its environment, then by its data, and its defaults.

    Those on books depend on the environment, whichever of file, option and --set names it.
    """
    said: dict[str, Any] = {}
    for agent in options.agent:
        said = said or settings_of_run(agent)
    if options.config is not None:
        said = _top_of(options.config)
    pairs = (each.partition("=") for each in options.set)
    last = {key.strip(): value.strip() for key, _, value in pairs if key.strip() == "env"}
    env = last.get("env") or options.env or said.get("env")
    if env is not None:
        name = str(env).strip("\"'")
        check_env(name)  # else options of books would be refused, for want of an environment
        if is_book_env(name):
            return EvaluateBookConfig, EvaluateBookConfig(env=name)
        return EvaluateConfig, EvaluateConfig()
    data = options.data or said.get("data", ())
    named = (data,) if isinstance(data, str) else tuple(data)
    kind: type[AnyConfig] = EvaluateBookConfig if has_books(named) else EvaluateConfig
    return kind, kind()


def _top_of(path: str) -> dict[str, Any]:
    """Return what a file says outside of its sections; what is wrong with it is told later."""
    with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
        read = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return {key: value for key, value in read.items() if not isinstance(value, dict)}
    return {}


def _of_runs(
    base: AnyConfig, agents: Sequence[str], given: Set[str], keys: OpenTables
) -> AnyConfig:
    """Return what the first run folder among the agents asks for: its data and its test range.

    Whoever names data of his own, or another part of it, has windows of his own too.
    """
    kind = type(base)
    data_fields = BOOK_DATA_FIELDS if kind is EvaluateBookConfig else DATA_FIELDS
    for agent in agents:
        asked = settings_of_run(agent)
        if not asked:
            continue
        if "data" in given:
            asked = {name: value for name, value in asked.items() if name not in data_fields}
        if not given.isdisjoint((*data_fields, "seed", "candles_per_step")):
            asked.pop("warm_up", None)
        source = f"{agent}: evaluate"
        return config_from_mapping(kind, asked, base=base, known=keys, source=source)
    return base


def _schema() -> type:
    """Make the class of the options: the fields of both configs but for their sections.

    None is "not given", so that an option that repeats a default still wins over a file. Numbers
    and choices are read as text: the config checks them, and its errors name the near miss.
    """
    made = []
    for name, kind in _options().items():
        hint = typing.get_type_hints(kind)[name]
        default = next(each for each in fields(kind) if each.name == name).default
        ends = "" if default in (None, (), False) else f" (default: {default})"
        text, shown = _told(name, kind) + ends, _METAVARS.get(name)
        made.append(option(name, hint, text, shown, repeated=name in _REPEATED))
    made.append(option("config", str, _CONFIG_DOC, "FILE"))
    made.append(option("set", tuple[str, ...], _SET_DOC, "KEY=VALUE", repeated=True))
    return options_class(made)


def _told(name: str, kind: type[AnyConfig]) -> str:
    """Return the sentence of a field; with that of books, where they say something else."""
    own, of_books = field_docs(kind)[name], field_docs(EvaluateBookConfig).get(name, "")
    return own if of_books in ("", own) else f"{own} On order books: {of_books}"


def _options() -> dict[str, type[AnyConfig]]:
    """Return every field that is an option, with the config whose sentence explains it."""
    kinds: tuple[type[AnyConfig], ...] = (EvaluateBookConfig, EvaluateConfig)
    found = {each.name: kind for kind in kinds for each in fields(kind)}
    return {name: kind for name, kind in found.items() if name not in _SECTIONS}


def _chosen(options: Any, kind: type[AnyConfig]) -> list[str]:
    """Return the options that were given, as overrides of the config of a run."""
    chosen, hints = [], typing.get_type_hints(kind)
    for each in (name for name in _options() if name in hints):
        value = getattr(options, each, None)
        if value is None or value is False or (each in _REPEATED and not value):
            continue
        name = "sandbox.starting_balance" if each == "capital" else each
        # What is text stays text, even "42"; JSON is TOML for texts and lists of them.
        hint = hints[each]
        value = "true" if value is True else value
        is_text = isinstance(value, tuple) or str in (hint, *typing.get_args(hint))
        chosen.append(f"{name}={json.dumps(value) if is_text else value}")
    return chosen


@contextlib.contextmanager
def _progress_bar() -> typing.Iterator[Progress | None]:
    """Show a bar where a person watches; nothing where the output goes elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(unit="episode", file=sys.stderr, dynamic_ncols=True, leave=False) as bar:

        def progress(done: int, wanted: int, agent: str) -> None:
            bar.total = wanted
            bar.set_postfix_str(agent, refresh=False)
            bar.update(done - bar.n)

        yield progress


def _print_result(result: EvaluationResult, folder: str, notes: Sequence[str]) -> None:
    if result.config.output == "json":
        document = {"run_folder": folder, "notes": list(notes), **result.document()}
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        return
    extra = "".join(f"{note}\n" for note in notes)
    sys.stdout.write(f"{result.text()}\n{extra}\nRun folder: {folder}\n")
