"""python -m seq_gym.data: which command it is, what it says, and how it ends.

Exit codes: 0 done; 1 an error, told in one line, or a fault that `verify` found; 130 interrupted.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import seq_gym
from seq_gym.console import read_options, say
from seq_gym.data import commands, settings
from seq_gym.data.commands import Outcome
from seq_gym.errors import ConfigError, SeqGymError

__all__ = ["COMMANDS", "main"]

PROGRAM: Final = "python -m seq_gym.data"
INTERRUPTED: Final = 130

_METAVARS: Final = {
    "base_url": "URL",
    "columns": "[OURS=THEIRS ...]",
    "end": "TIME",
    "extra": "[COLUMN ...]",
    "files": "FILE",
    "interval": "INTERVAL",
    "keep": "FOLDER",
    "lot": "STEP",
    "shift_ns": "NS",
    "start": "TIME",
    "store": "PATH",
    "symbol": "SYMBOL",
    "symbols": "SYMBOL",
    "tick": "STEP",
    "to": "INTERVAL",
    "tz": "ZONE",
    "venue": "VENUE",
}


@dataclass(frozen=True, slots=True)
class _Command:
    options: type
    run: Callable[[Any], Outcome]
    summary: str
    details: str
    positional: str = ""
    on_interrupt: str = "Interrupted; nothing was written."


COMMANDS: Final[Mapping[str, _Command]] = {
    "import": _Command(
        settings.ImportOptions,
        commands.run_import,
        "Bring files into the store, whatever their vintage.",
        "Candles, funding rates, mark prices, and recordings of order books with their trades.\n"
        "The format is found by content. Every row is checked; a rule that is broken refuses the\n"
        "whole import, with file and line. The same file twice changes nothing.\n\n"
        "Examples:\n"
        f"  {PROGRAM} import BTCUSDT-1m-2025-01.zip\n"
        f"  {PROGRAM} import klines/*.csv --venue binance\n"
        f"  {PROGRAM} import prices.csv --symbol BTCUSD --tz UTC --columns time=ts,close=last\n"
        f"  {PROGRAM} import btcusdt_20240808.gz --fix-clock",
        "files",
        "Interrupted; the store is as it was before.",
    ),
    "ls": _Command(
        settings.ListOptions,
        commands.run_list,
        "List the tables of the store.",
        f"Example:\n  {PROGRAM} ls --symbol btc/usdt",
    ),
    "coverage": _Command(
        settings.CoverageOptions,
        commands.run_coverage,
        "Show how dense each month is, what recordings cover, and the gaps.",
        f"Example:\n  {PROGRAM} coverage --symbol BTCUSDT --interval 1m",
    ),
    "resample": _Command(
        settings.ResampleOptions,
        commands.run_resample,
        "Make coarser candles from finer ones, as a table of their own.",
        "Reading needs no such table, for the store resamples as it loads; years of minutes read\n"
        f"as days are faster with one.\n\nExample:\n  {PROGRAM} resample BTCUSDT --to 1h",
        "symbols",
        "Interrupted; the store is as it was before.",
    ),
    "verify": _Command(
        settings.VerifyOptions,
        commands.run_verify,
        "Read everything and compare it with its fingerprint; exit code 1 if a table is faulty.",
        f"Example:\n  {PROGRAM} verify --store s3://bucket/prefix",
    ),
    "download": _Command(
        settings.DownloadOptions,
        commands.run_download,
        "Bring candles from a public archive or an exchange into the store.",
        "Only finished candles, and only what the store lacks: the same command goes on from\n"
        "there.\n\nExamples:\n"
        f"  {PROGRAM} download BTCUSDT ETHUSDT --start 2024-01-01 --end 2024-12-31\n"
        f"  {PROGRAM} download BTC/USD --source ccxt:kraken --interval 1h --start 2025-01-01\n"
        f"  {PROGRAM} download BTCUSDT --market um --kind funding --start 2024-01-01",
        "symbols",
        "Interrupted; whole months that were stored stay, the same command goes on from there.",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal has no letters for is no reason to fail after the work is done.
        sys.stdout.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        sys.stdout.write(_overview())
        return 0 if given else 1
    if given[0] in ("-V", "--version"):
        sys.stdout.write(f"seq_gym {seq_gym.__version__}\n")
        return 0
    try:
        return _run(given[0], given[1:])
    except KeyboardInterrupt:  # before the command began, or after it was done
        say("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read it has read enough, as `| head` does; Python would complain once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(name: str, arguments: Sequence[str]) -> int:
    try:
        command = _command(name)
        options: Any = read_options(
            command.options,
            arguments,
            program=f"{PROGRAM} {name}",
            description=f"{command.summary}\n\n{command.details}",
            positional=[command.positional],
            metavars=_METAVARS,
        )
    except SeqGymError as error:
        return _failed(error)
    try:
        outcome = command.run(options)
    except (SeqGymError, OSError) as error:
        return _failed(error)
    except KeyboardInterrupt as error:
        notes = getattr(error, "__notes__", ())
        say(" ".join(["Interrupted.", *notes] if notes else [command.on_interrupt]))
        return INTERRUPTED
    if options.output == "json":
        sys.stdout.write(json.dumps(outcome.document, indent=2) + "\n")
    else:
        sys.stdout.write(outcome.text + "\n" if outcome.text else "")
    sys.stdout.flush()
    return outcome.exit_code


def _failed(error: Exception) -> int:
    # A message of several lines lists several faults; notes are one more sentence.
    say(" ".join([f"Error: {error}", *getattr(error, "__notes__", ())]))
    return 1


def _command(name: str) -> _Command:
    if name in COMMANDS:
        return COMMANDS[name]
    close = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"Choose from: {', '.join(COMMANDS)}."
    raise ConfigError(f"Unknown command {name!r}. {hint}")


def _overview() -> str:
    width = max(len(name) for name in COMMANDS)
    lines = [f"  {name.ljust(width)}  {each.summary}" for name, each in COMMANDS.items()]
    return (
        f"usage: {PROGRAM} COMMAND ...\n\n"
        "The store of market data: candles, funding rates, mark prices and recorded order books,\n"
        "checked and typed, in a folder or on S3. Sessions, environments and evaluate read it:\n"
        "data='store'.\n\n"
        "Commands:\n" + "\n".join(lines) + "\n\n"
        "Where the store is: --store PATH, or SIM_STORE (local or s3), SIM_STORE_PATH\n"
        "(./data/sim) and SIM_S3_BUCKET (sequence-sim-data-dev).\n\n"
        f"Options: -h, --help; -V, --version; {PROGRAM} COMMAND --help\n"
    )
