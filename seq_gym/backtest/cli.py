"""python -m seq_gym.backtest: what it is told, what it streams, and how it ends.

Exit codes: 0 done; 1 an error, told in one line; 130 interrupted, what was done is kept.

Source: S0-01 to S0-20, S0-29, S3-39 to S3-51.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

import seq_gym
from seq_gym.backtest.document import fill_document, summary_document
from seq_gym.backtest.folder import write_run_folder
from seq_gym.backtest.run import Backtest, run_backtest
from seq_gym.backtest.settings import BacktestOptions, refuse_later_options
from seq_gym.backtest.text import FillLines, describe_run, describe_summary
from seq_gym.console import read_options, say
from seq_gym.errors import SeqGymError

__all__ = ["main"]

PROGRAM: Final = "python -m seq_gym.backtest"
INTERRUPTED: Final = 130

DESCRIPTION: Final = f"""Run a strategy on recorded order books and prints.

Fills stream to stdout as the strategy learns of them; then come profit and loss, statistics, and
the percentiles of execution costs. The same seed and the same data give the same output. Where the
store has only candles of a symbol, it runs on those and says so.

Examples:
  {PROGRAM} BTC-USD --start 2024-08-01 --end 2024-08-08 --capital 50000
  {PROGRAM} --symbols BTC-USD,ETH-USD,SOL-USD --start 2024-08-08 --end 2024-08-08
  {PROGRAM} BTC-USD --start 2024-08-08 --end 2024-08-08 --venue kraken,coinbase --seed 123
  {PROGRAM} BTCUSDT --start 2025-01-01 --end 2025-01-01 --data synthetic
  {PROGRAM} BTC-USD --start 2024-08-08 --end 2024-08-08 --agent maker.py --set account=margin
"""

_METAVARS: Final = {
    "agent": "AGENT",
    "data": "[FILE ...]",
    "end": "DATE",
    "funding": "[SYMBOL[@VENUE]=FILE ...]",
    "latency_model": "NAME",
    "lot": "STEP",
    "out": "FOLDER",
    "queue_model": "NAME",
    "set": "KEY=VALUE",
    "shift_ns": "NS",
    "start": "DATE",
    "symbol": "[SYMBOL]",
    "symbols": "LIST",
    "tick": "STEP",
    "venue": "LIST",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal has no letters for is no reason to fail after the work is done.
        sys.stdout.reconfigure(errors="backslashreplace")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in ("-V", "--version"):
        sys.stdout.write(f"seq_gym {seq_gym.__version__}\n")
        return 0
    try:
        return _run(given)
    except (SeqGymError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Whoever read it has read enough, as `| head` does; Python would complain once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        say(" ".join([f"Error: {error}", *getattr(error, "__notes__", ())]))
        return 1
    except KeyboardInterrupt:
        say("Interrupted; nothing was saved.")
        return INTERRUPTED


def _run(given: Sequence[str]) -> int:
    refuse_later_options(given)
    options = read_options(
        BacktestOptions,
        given,
        program=PROGRAM,
        description=DESCRIPTION,
        positional=["symbol"],
        repeated=["set"],
        metavars=_METAVARS,
    )
    speaker = _Json() if options.output == "json" else _Text()
    run = run_backtest(options, opened=speaker.open, tell=speaker.tell)
    folder = None if options.no_save else str(write_run_folder(run, [*PROGRAM.split(), *given]))
    speaker.close(run, folder)
    if not run.is_partial:
        return 0
    kept = "nothing was saved" if folder is None else f"kept in {folder}"
    say(
        f"Interrupted at {run.session.virtual_time}: {run.results.total_trades} fills until then, "
        f"{kept}."
    )
    return INTERRUPTED


def _write(line: str) -> None:
    """Write a line to stdout at once: a stream is of use while it runs."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class _Text:
    """Aligned lines."""

    def __init__(self) -> None:
        self._line: Callable[[Any], str] = str

    def open(self, run: Backtest) -> None:
        lines = FillLines(run)
        self._line = lines.line
        _write(f"{describe_run(run)}\n\n{lines.header}")

    def tell(self, fill: Any) -> None:
        _write(self._line(fill))

    def close(self, run: Backtest, folder: str | None) -> None:
        _write(f"\n{describe_summary(run)}")
        if folder is not None:
            _write(f"\nRun folder: {folder}")


class _Json:
    """A JSON object a line: one for each fill, the summary last."""

    def open(self, run: Backtest) -> None:
        """Say nothing: the summary tells what was run."""

    def tell(self, fill: Any) -> None:
        _write(json.dumps(fill_document(fill), ensure_ascii=False, allow_nan=False))

    def close(self, run: Backtest, folder: str | None) -> None:
        document = {**summary_document(run), "run_folder": folder}
        _write(json.dumps(document, ensure_ascii=False, allow_nan=False))
