"""The command line of the training scripts: `python -m agents.train_ppo CONFIG [--set key=value]`.

Exit codes: 0 done; 1 an error, told in one line; 130 interrupted, a checkpoint is kept.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq_gym.config import OpenTables, config_from_mapping, load_config, with_overrides
from seq_gym.console import option, options_class, parse, refuse_unknown_options, say
from seq_gym.errors import ConfigError, MissingExtra, SeqGymError
from seq_gym.runs.environment import known_book_settings, known_env_settings
from seq_gym.train.algorithms import ALGORITHMS, actions_of, fitting_actions
from seq_gym.train.sections import BookValidationConfig, ValidationConfig
from seq_gym.train.settings import AnyTrainConfig, TrainBookConfig, TrainConfig, config_kind

__all__ = ["main", "read_command_line"]

INTERRUPTED = 130
QUIET_S = 10.0

_Unit = tuple[str, float]
_PERCENT: _Unit = ("%", 100.0)
# Minutes of a book move an account by basis points.
_RETURN_UNITS: dict[type, _Unit] = {TrainConfig: _PERCENT, TrainBookConfig: ("bps", 10_000.0)}

_DOCS = {
    "config": "TOML file of the whole run; by default a small run on the synthetic market.",
    "set": "key=value, repeatable: any field, such as env=MarketMaking-v0, data=FILE, "
    "total_steps=200000, n_steps=128, look_back=60, taker_fee_frac=0.0005 or "
    "validation.every=50000.",
    "resume": "Run folder to go on with; --set total_steps=... makes the run longer.",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What a command line asks for."""

    config: AnyTrainConfig
    resume: Path | None


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What of a run says whether it is on candles or on books."""

    env: str | None = None
    data: tuple[str, ...] = ()


def main(algo: str, arguments: Sequence[str] | None = None) -> int:
    """Run a training script; return its exit code.

    Args:
        algo: Its algorithm.
        arguments: The command line; None takes that of the process.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    program = f"python -m agents.train_{algo}"
    try:
        asked = read_command_line(algo, given)
        run = _needed_libraries()
        command = [*program.split(), *given]
        with _progress(_RETURN_UNITS[type(asked.config)]) as progress:
            if asked.resume is None:
                result = run.train(asked.config, progress, command=command)
            else:
                result = run.resume(asked.resume, asked.config, progress, command=command)
    except SeqGymError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted at once; what was saved before can be resumed.")
        return INTERRUPTED
    if result.state == "interrupted":
        say(
            f"Interrupted at step {result.steps:,} of {asked.config.total_steps:,}; go on with: "
            f"{program} --resume {result.folder}"
        )
        return INTERRUPTED
    sys.stdout.write(_told(result, asked.config))
    return 0


def read_command_line(algo: str, arguments: Sequence[str]) -> Request:
    """Read arguments: defaults, then the file or the run that is resumed, then --set.

    Raises:
        ConfigError: An option, key or value is not what it must be.
        SystemExit: --help was asked for.
    """
    program = f"python -m agents.train_{algo}"
    schema = options_class(
        [
            option("config", str, _DOCS["config"], "[CONFIG]", positional=True),
            option("set", tuple[str, ...], _DOCS["set"], "KEY=VALUE", repeated=True),
            option("resume", str, _DOCS["resume"], "FOLDER"),
        ]
    )
    refuse_unknown_options(arguments, ["set", "resume"], program)
    about = f"Train {algo} on candles or, where env is one over books or data is one, on a book."
    options: Any = parse(schema, arguments, program, about)
    folder = None if options.resume is None else Path(options.resume)
    if folder is not None and options.config:
        raise ConfigError(
            f"A resumed run keeps its own config; was given {options.config} too. Likely fix: "
            "leave it out, and change what may change with --set."
        )
    # Only what an extra brings knows how a run folder is read.
    path = options.config if folder is None else _config_of(folder)
    top = _top_of(path) if path else {}
    if path:
        # Before its keys are looked at: those of another algorithm are all unknown here.
        _refuse_other_algorithm(path, top.get("algo"), algo)
    said = _said(top, options.set)
    kind = config_kind(said.env, said.data)
    is_book = kind is TrainBookConfig
    known: OpenTables = {
        "env_settings": known_book_settings() if is_book else known_env_settings(),
        "hyperparameters": dict.fromkeys(ALGORITHMS[algo].settings),
    }
    base = kind(algo=algo, env=said.env)  # type: ignore[arg-type]
    config: AnyTrainConfig = _small_on_book(algo, said.env) if is_book else _small_on_candles(algo)
    if path:
        config = load_config(kind, path, base=base, known=known)
    config = with_overrides(config, options.set, known=known)
    _refuse_other_algorithm("--set algo", config.algo, algo)
    return Request(config, folder)


def _top_of(path: str) -> dict[str, Any]:
    """Return what a file says outside of its sections; what is wrong with it is told later."""
    try:
        with Path(path).open("rb") as file:
            read = tomllib.load(file)
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in read.items() if not isinstance(value, dict)}


def _said(top: dict[str, Any], overrides: Sequence[str]) -> _Said:
    """Return what a file and then the overrides say of environment and data."""
    names = ("env", "data")
    of_file = {name: top[name] for name in names if name in top}
    chosen = [each for each in overrides if each.partition("=")[0].strip() in names]
    return with_overrides(config_from_mapping(_Said, of_file), chosen)


def _refuse_other_algorithm(source: str, found: str | None, algo: str) -> None:
    if found in ALGORITHMS and found != algo:
        raise ConfigError(
            f"{source} must be of {algo}; was of {found}. Likely fix: "
            f"python -m agents.train_{found} with it."
        )


def _action(algo: str, env: str | None) -> dict[str, Any]:
    """Return the argument that gives an environment an action that the algorithm can take."""
    fitting = fitting_actions(algo, env)
    # Masks are for orders, the last of them.
    usual = fitting[-1 if algo == "maskable_ppo" else 0] if fitting else None
    return {} if usual in (None, next(iter(actions_of(env)))) else {"action": usual}


def _small_on_candles(algo: str) -> TrainConfig:
    """Return a small run on the synthetic market, with an action that the algorithm can take."""
    return TrainConfig(
        algo=algo,  # type: ignore[arg-type]
        symbols=("BTCUSDT",),
        total_steps=200_000,
        env_settings=_action(algo, None),
        validation=ValidationConfig(every=50_000),
    )


def _small_on_book(algo: str, env: str | None) -> TrainBookConfig:
    """Return a small run on a book, the synthetic one where no data is named."""
    return TrainBookConfig(
        algo=algo,  # type: ignore[arg-type]
        env=env or "BookTrading-v0",
        total_steps=200_000,
        num_envs=128,
        episode_steps=300,
        env_settings=_action(algo, env or "BookTrading-v0"),
        validation=BookValidationConfig(every=50_000),
    )


def _config_of(folder: Path) -> str:
    path = folder / "config.toml"
    if not path.is_file():
        raise ConfigError(
            f"--resume must be the folder of a training run; {folder} has no config.toml. Likely "
            "fix: the path that the run printed."
        )
    return str(path)


def _needed_libraries() -> Any:
    """Import what trains.

    Raises:
        MissingExtra: It is not installed.
    """
    for name in ("torch", "stable_baselines3", "tensorboard"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise MissingExtra(name, "train") from error
    return importlib.import_module("seq_gym.train.run")


@contextlib.contextmanager
def _progress(unit: _Unit = _PERCENT) -> Iterator[Callable[[Any], None]]:
    """Show a bar where a person watches, else a line now and then.

    Args:
        unit: In which returns are shown, and how many of it are 1.
    """
    if not sys.stderr.isatty():
        yield _line_by_line(unit)
        return
    from tqdm import tqdm

    with tqdm(unit="step", unit_scale=True, file=sys.stderr, dynamic_ncols=True) as bar:

        def show(progress: Any) -> None:
            bar.total = progress.total
            if bar.n == 0 and progress.steps > 0 and progress.steps_per_s == 0:
                # A resumed run has not done these now: they are no part of its speed.
                bar.initial = bar.n = bar.last_print_n = progress.steps
            if progress.figures:
                bar.set_postfix_str(_brief(progress, unit), refresh=False)
            bar.update(progress.steps - bar.n)

        yield show


def _line_by_line(unit: _Unit) -> Callable[[Any], None]:
    last_left = [float("inf")]

    def show(progress: Any) -> None:
        enough = last_left[0] - progress.seconds_left >= QUIET_S
        if not progress.validated and not enough:
            return
        last_left[0] = progress.seconds_left
        percent = 100 * min(progress.steps / progress.total, 1.0)
        told = f" · {_brief(progress, unit)}" if progress.validated else ""
        say(
            f"{progress.steps:>11,} steps ({percent:3.0f} %) · {progress.steps_per_s:,.0f}/s · "
            f"{progress.seconds_left:,.0f} s left{told}"
        )

    return show


def _brief(progress: Any, unit: _Unit) -> str:
    figures = progress.figures
    best = " (best)" if progress.is_best else ""
    name, scale = unit
    if "shortfall_bps" in figures:
        return (
            f"validation shortfall {figures['shortfall_bps']:+.2f} bps, "
            f"filled {100 * figures['filled_frac']:.0f} %{best}"
        )
    # A Sharpe ratio of tenths of a second is large and says little.
    is_candle = unit is _PERCENT
    other = (
        f"Sharpe {figures['sharpe_ratio']:.2f}" if is_candle else f"reward {figures['reward']:.4g}"
    )
    return (
        f"validation return {scale * figures['total_return_frac']:+.2f} {name}, {other}, "
        f"trades {figures['trades']:.0f}{best}"
    )


def _told(result: Any, config: AnyTrainConfig) -> str:
    metric = config.validation.metric
    lines = [
        f"{result.steps:,} steps, {result.state}.",
        f"Best on validation: step {result.best_step:,}, {metric} "
        f"{result.best_figures[metric]:.6g} (the last model: {result.figures[metric]:.6g}).",
        f"Run folder: {result.folder}",
        f"On the test range: python -m seq_gym.evaluate --agent {result.folder}",
    ]
    return "\n".join(lines) + "\n"
