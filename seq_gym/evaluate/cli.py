"""python -m seq_gym.evaluate: the command line is made from EvaluateConfig.

Exit codes: 0 done; 1 an error, told in one line; 130 interrupted, what was finished is kept.
"""

from __future__ import annotations

import contextlib
import json
import sys
import typing
from collections.abc import Sequence, Set
from dataclasses import fields
from typing import Any

from seq_gym.config import (
    OpenTables,
    config_from_mapping,
    field_docs,
    load_config,
    with_overrides,
)
from seq_gym.console import option, options_class, parse, refuse_unknown_options, say
from seq_gym.errors import SeqGymError
from seq_gym.evaluate.agents import settings_of_run
from seq_gym.evaluate.evaluation import EvaluationResult, evaluate
from seq_gym.evaluate.folder import write_run_folder
from seq_gym.evaluate.run import Progress
from seq_gym.evaluate.settings import EvaluateConfig
from seq_gym.runs.environment import known_env_settings
from seq_gym.runs.market import DATA_FIELDS

__all__ = ["main", "read_command_line"]

PROGRAM = "python -m seq_gym.evaluate"
INTERRUPTED = 130

DESCRIPTION = """Run agents on the same windows of the same market, and measure them.

The baselines hold, random, buy-and-hold and equal-weight always run beside. Without --agent the
built-in "trend" does; without --data the market is made up from the seed. Every run writes a folder
under --out.

Examples:
  python -m seq_gym.evaluate
  python -m seq_gym.evaluate --data candles.parquet --agent agents/sma_crossover.py
  python -m seq_gym.evaluate --agent runs/20250601T014000Z-CandleTrading-v0-ppo-s0-0123456789ab
  python -m seq_gym.evaluate --config configs/bracket_breakout.toml --set taker_fee_frac=0.0005
"""

_SECTIONS = ("env_settings", "sandbox")
_REPEATED = ("agent", "set")
_METAVARS = {
    "agent": "AGENT",
    "algo": "NAME",
    "data": "[FILE ...]",
    "end": "TIME",
    "env": "ID",
    "funding": "[SYMBOL=FILE ...]",
    "interval": "INTERVAL",
    "mark": "[SYMBOL=FILE ...]",
    "out": "FOLDER",
    "start": "TIME",
    "symbols": "[SYMBOL ...]",
    "tz": "ZONE",
    "vecnormalize": "FILE",
}
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


def read_command_line(arguments: Sequence[str]) -> EvaluateConfig:
    """Read arguments as a config: defaults, then the file, then the options, then --set.

    Raises:
        ConfigError: An option, key or value is not what it must be.
        SystemExit: --help was asked for.
    """
    schema = _schema(EvaluateConfig())
    refuse_unknown_options(arguments, [each.name for each in fields(schema)], PROGRAM)
    options = parse(schema, arguments, PROGRAM, DESCRIPTION)
    keys = {"env_settings": known_env_settings()}
    chosen = [*_chosen(options), *options.set]
    if options.config is not None:
        config = load_config(EvaluateConfig, options.config, known=keys)
    else:
        config = _of_runs(options.agent, {each.partition("=")[0] for each in chosen}, keys)
    return with_overrides(config, chosen, known=keys)


def _of_runs(agents: Sequence[str], given: Set[str], keys: OpenTables) -> EvaluateConfig:
    """Return what the first run folder among the agents asks for: its data and its test range.

    Whoever names data of his own, or another part of it, has windows of his own too.
    """
    for agent in agents:
        asked = settings_of_run(agent)
        if not asked:
            continue
        if "data" in given:
            asked = {name: value for name, value in asked.items() if name not in DATA_FIELDS}
        if not given.isdisjoint((*DATA_FIELDS, "seed", "candles_per_step")):
            asked.pop("warm_up", None)
        return config_from_mapping(EvaluateConfig, asked, known=keys, source=f"{agent}: evaluate")
    return EvaluateConfig()


def _schema(defaults: EvaluateConfig) -> type:
    """Make the class of the options: the fields of the config but for its sections.

    None is "not given", so that an option that repeats a default still wins over a file. Numbers
    and choices are read as text: the config checks them, and its errors name the near miss.
    """
    docs = field_docs(EvaluateConfig)
    hints = typing.get_type_hints(EvaluateConfig)
    made = []
    for each in fields(EvaluateConfig):
        if each.name not in _SECTIONS:
            default = getattr(defaults, each.name)
            ends = "" if default in (None, ()) else f" (default: {default})"
            text, shown = docs[each.name] + ends, _METAVARS.get(each.name)
            repeated = each.name in _REPEATED
            made.append(option(each.name, hints[each.name], text, shown, repeated=repeated))
    made.append(option("config", str, _CONFIG_DOC, "FILE"))
    made.append(option("set", tuple[str, ...], _SET_DOC, "KEY=VALUE", repeated=True))
    return options_class(made)


def _chosen(options: Any) -> list[str]:
    """Return the options that were given, as overrides."""
    hints = typing.get_type_hints(EvaluateConfig)
    chosen = []
    for each in fields(EvaluateConfig):
        value = getattr(options, each.name, None)
        if value is None or value is False or (each.name in _REPEATED and not value):
            continue
        name = "sandbox.starting_balance" if each.name == "capital" else each.name
        # What is text stays text, even "42"; JSON is TOML for texts and lists of them.
        hint = hints[each.name]
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
