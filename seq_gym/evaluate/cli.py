"""python -m seq_gym.evaluate: the command line is made from EvaluateConfig.

Exit codes: 0 done; 1 an error, told in one line; 130 interrupted, what was finished is kept.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import json
import re
import sys
import typing
from collections.abc import Sequence
from dataclasses import fields, make_dataclass
from typing import Annotated, Any

from seq_gym.config import field_docs, load_config, with_overrides
from seq_gym.errors import ConfigError, SeqGymError
from seq_gym.evaluate.evaluation import EvaluationResult, evaluate
from seq_gym.evaluate.folder import write_run_folder
from seq_gym.evaluate.rollout import known_env_settings
from seq_gym.evaluate.run import Progress
from seq_gym.evaluate.settings import EvaluateConfig

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
  python -m seq_gym.evaluate --config configs/bracket_breakout.toml --set taker_fee_frac=0.0005
"""

_SECTIONS = ("env_settings", "sandbox")
_REPEATED = ("agent", "set")
_METAVARS = {
    "agent": "AGENT",
    "data": "[FILE ...]",
    "end": "TIME",
    "env": "ID",
    "funding": "[SYMBOL=FILE ...]",
    "interval": "INTERVAL",
    "out": "FOLDER",
    "start": "TIME",
    "symbols": "[SYMBOL ...]",
    "tz": "ZONE",
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
        _say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        _say("Interrupted before an episode was finished; nothing was written.")
        return INTERRUPTED
    _print_result(result, str(folder), notes)
    if result.is_partial:
        done = len(result.episodes)
        wanted = len(result.specs) * len(result.windows)
        _say(f"Interrupted: {done} of {wanted} episodes were finished and are kept in {folder}.")
        return INTERRUPTED
    return 0


def read_command_line(arguments: Sequence[str]) -> EvaluateConfig:
    """Read arguments as a config: defaults, then the file, then the options, then --set.

    Raises:
        ConfigError: An option, key or value is not what it must be.
        SystemExit: --help was asked for.
    """
    schema = _schema(EvaluateConfig())
    known = [f"--{each.name.replace('_', '-')}" for each in fields(schema)]
    _refuse_unknown_options(arguments, known)
    options = _parse(schema, arguments)
    keys = {"env_settings": known_env_settings()}
    config = EvaluateConfig()
    if options.config is not None:
        config = load_config(EvaluateConfig, options.config, known=keys)
    return with_overrides(config, [*_chosen(options), *options.set], known=keys)


def _schema(defaults: EvaluateConfig) -> type:
    """Make the class of the options: the fields of the config but for its sections.

    None is "not given", so that an option that repeats a default still wins over a file. Numbers
    and choices are read as text: the config checks them, and its errors name the near miss.
    """
    import tyro

    docs = field_docs(EvaluateConfig)
    hints = typing.get_type_hints(EvaluateConfig)
    made: list[Any] = []
    for each in fields(EvaluateConfig):
        if each.name not in _SECTIONS:
            default = getattr(defaults, each.name)
            ends = "" if default in (None, ()) else f" (default: {default})"
            made.append(_option(each.name, hints[each.name], docs[each.name] + ends))
    made.append(_option("config", str, _CONFIG_DOC, "FILE"))
    made.append(_option("set", tuple[str, ...], _SET_DOC, "KEY=VALUE"))
    cls: type = make_dataclass("Options", made, frozen=True, kw_only=True)
    return tyro.conf.configure(tyro.conf.DisallowNone)(cls)


def _option(name: str, hint: Any, text: str, metavar: str | None = None) -> tuple[str, Any, Any]:
    import tyro

    shown = metavar or _METAVARS.get(name) or _metavar(hint)
    told = tyro.conf.arg(help=text, help_behavior_hint="", metavar=shown)
    if name in _REPEATED:
        return name, Annotated[tuple[str, ...], told, tyro.conf.UseAppendAction], ()
    holds_many = any(typing.get_origin(each) is tuple for each in (hint, *typing.get_args(hint)))
    kind = tuple[str, ...] if holds_many else str
    return name, Annotated[kind | None, told], None


def _metavar(hint: Any) -> str:
    for option in (hint, *typing.get_args(hint)):
        if typing.get_origin(option) is typing.Literal:
            return "{" + ",".join(typing.get_args(option)) + "}"
        if option in (int, float):
            return "NUMBER"
    return "TEXT"


def _parse(schema: type, arguments: Sequence[str]) -> Any:
    import tyro

    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                schema,
                prog=PROGRAM,
                description=DESCRIPTION,
                args=list(arguments),
                use_underscores=False,
            )
    except SystemExit as error:
        if not error.code:
            raise
        raise ConfigError(_one_line(told.getvalue())) from None


def _chosen(options: Any) -> list[str]:
    """Return the options that were given, as overrides."""
    hints = typing.get_type_hints(EvaluateConfig)
    chosen = []
    for each in fields(EvaluateConfig):
        value = getattr(options, each.name, None)
        if value is None or (each.name in _REPEATED and not value):
            continue
        name = "sandbox.starting_balance" if each.name == "capital" else each.name
        # What is text stays text, even "42"; JSON is TOML for texts and lists of them.
        hint = hints[each.name]
        is_text = isinstance(value, tuple) or str in (hint, *typing.get_args(hint))
        chosen.append(f"{name}={json.dumps(value) if is_text else value}")
    return chosen


def _refuse_unknown_options(arguments: Sequence[str], known: Sequence[str]) -> None:
    for argument in arguments:
        if not argument.startswith("--") or argument in ("--", "--help"):
            continue
        option = argument.partition("=")[0].replace("_", "-")
        if option not in known:
            close = difflib.get_close_matches(option, known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"See {PROGRAM} --help."
            raise ConfigError(f"Unknown option {option!r}. {hint}")


def _one_line(box: str) -> str:
    """Take the sentence out of tyro's box."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", box)
    text = " ".join(re.sub(r"[\u2500-\u257f]+", " ", plain).split())
    text = re.split(r"\s+(?:Argument helptext|For full helptext)", text)[0]
    titles = "Parsing error|Value error|Missing argument|Unrecognized options|Error"
    sentence = re.sub(rf"^(?:{titles})\s+", "", text).strip(" .")
    return f"{sentence}. See {PROGRAM} --help."


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


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
